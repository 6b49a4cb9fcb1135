/*
 * writes.c: two lines of those who wait, and the step that is under way of each.
 *
 * Used by run.c, made by pool.c. The timer of no time at all fires when the loop
 * has turned: by then every task that spoke in this turn was heard.
 *
 * The dangerous part: whoever is answered may put itself in line again at once,
 * or end everything (writes_free). So a batch is moved out of the way before its
 * first answer, and the memory goes only from the loop.
 */
#include "writes.h"

#include <stdlib.h>
#include <string.h>

enum kind { APPENDS, FINISHES, KINDS };

struct line {
    struct writes *writes;
    struct writing *first, **end; /* they wait, in the order in which they came */
    struct writing *sent[WRITES_APPENDS_MOST];
    size_t sent_count; /* 0: no step is under way */
};

struct writes {
    const struct queue *queue;
    struct line lines[KINDS];
    uv_timer_t timer;
};

/* What a step is put together from. */
struct batch {
    struct holding jobs[WRITES_APPENDS_MOST];
    struct append appends[WRITES_APPENDS_MOST];
    struct message messages[OUTBOX_BATCH_COUNT];
    size_t count, message_count;
    struct outbox_room room;
};

/* ---- the lines ---- */

static void send_waiting(uv_timer_t *timer);

static void plan(struct line *line)
{
    uv_timer_t *timer = &line->writes->timer;
    if (line->first && line->sent_count == 0 && !uv_is_active((uv_handle_t *)timer) &&
        !uv_is_closing((uv_handle_t *)timer))
        uv_timer_start(timer, send_waiting, 0, 0);
}

static struct line *line_of(struct writes *w, const struct writing *one)
{
    return &w->lines[one->finish ? FINISHES : APPENDS];
}

static void leave(struct line *line, struct writing *one)
{
    *one->place = one->next;
    if (one->next)
        one->next->place = one->place;
    else
        line->end = one->place;
    one->place = NULL;
}

void writes_put(struct writes *w, struct writing *one)
{
    struct line *line = line_of(w, one);
    one->next = NULL;
    one->place = line->end;
    *line->end = one;
    line->end = &one->next;
    plan(line);
}

bool writes_take_back(struct writes *w, struct writing *one)
{
    if (!one->place)
        return false;
    leave(line_of(w, one), one);
    return true;
}

/* ---- answers ---- */

/* The batch that was under way, out of the way of the next one. */
static size_t take_sent(struct line *line, struct writing **batch)
{
    size_t count = line->sent_count;
    memcpy(batch, line->sent, count * sizeof batch[0]);
    line->sent_count = 0;
    return count;
}

static void on_appended(void *arg, enum status status, const struct append_result *results)
{
    struct line *line = arg;
    struct writing *batch[WRITES_APPENDS_MOST];
    size_t count = take_sent(line, batch);
    for (size_t i = 0; i < count; i++) {
        enum status one = status == STATUS_OK ? results[i].status : status;
        batch[i]->on_appended(batch[i]->arg, one, one == STATUS_OK ? &results[i] : NULL);
    }
    plan(line);
}

static void on_finished(void *arg, enum status status, const struct finish_result *results)
{
    struct line *line = arg;
    struct writing *batch[WRITES_APPENDS_MOST];
    size_t count = take_sent(line, batch);
    for (size_t i = 0; i < count; i++) {
        enum status one = status == STATUS_OK ? results[i].status : status;
        batch[i]->on_finished(batch[i]->arg, one, one == STATUS_OK ? &results[i] : NULL);
    }
    plan(line);
}

/* ---- sending ---- */

/* False: there is no room for it, and it stays where it is. */
static bool add(struct batch *batch, const struct writing *one)
{
    struct append *append = &batch->appends[batch->count];
    struct outbox_room room = batch->room;
    bool waits = outbox_pending(one->outbox) > 0;
    append->messages = &batch->messages[batch->message_count];
    append->count =
        outbox_next(one->outbox, &batch->messages[batch->message_count], &room, &append->first);
    bool short_of_all = one->finish && outbox_pending(one->outbox) > 0;
    if (waits && (append->count == 0 || short_of_all)) {
        outbox_unsend(one->outbox);
        return false;
    }
    batch->jobs[batch->count++] = *one->job;
    batch->message_count += append->count;
    batch->room = room;
    return true;
}

static void fill(struct batch *batch, struct line *line, size_t most)
{
    batch->count = batch->message_count = 0;
    batch->room = OUTBOX_ROOM;
    while (line->first && batch->count < most && add(batch, line->first)) {
        line->sent[line->sent_count++] = line->first;
        leave(line, line->first);
    }
}

static void send_appends(struct writes *w, struct line *line)
{
    struct batch batch;
    fill(&batch, line, WRITES_APPENDS_MOST);
    enum status status =
        queue_append(w->queue, batch.jobs, batch.appends, batch.count, on_appended, line);
    if (status != STATUS_OK)
        on_appended(line, status, NULL);
}

static void send_finishes(struct writes *w, struct line *line)
{
    struct batch batch;
    struct finish ends[WRITES_FINISHES_MOST];
    fill(&batch, line, WRITES_FINISHES_MOST);
    for (size_t i = 0; i < batch.count; i++) {
        ends[i] = *line->sent[i]->finish;
        ends[i].append = batch.appends[i];
    }
    enum status status = queue_finish(w->queue, batch.jobs, ends, batch.count, on_finished, line);
    if (status != STATUS_OK)
        on_finished(line, status, NULL);
}

static bool is_due(const struct line *line)
{
    return line->first && line->sent_count == 0;
}

static void send_waiting(uv_timer_t *timer)
{
    struct writes *w = timer->data;
    if (is_due(&w->lines[APPENDS]))
        send_appends(w, &w->lines[APPENDS]);
    if (is_due(&w->lines[FINISHES]))
        send_finishes(w, &w->lines[FINISHES]);
}

/* ---- the object ---- */

struct writes *writes_new(uv_loop_t *loop, const struct queue *queue)
{
    struct writes *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->queue = queue;
    for (size_t i = 0; i < KINDS; i++) {
        w->lines[i].writes = w;
        w->lines[i].end = &w->lines[i].first;
    }
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void writes_free(struct writes *w)
{
    if (!w)
        return;
    uv_close((uv_handle_t *)&w->timer, on_closed);
    for (size_t i = 0; i < KINDS; i++) {
        struct line *line = &w->lines[i];
        while (line->first) {
            line->sent[0] = line->first;
            line->sent_count = 1;
            leave(line, line->first);
            if (i == APPENDS)
                on_appended(line, STATUS_CLOSED, NULL);
            else
                on_finished(line, STATUS_CLOSED, NULL);
        }
    }
}
