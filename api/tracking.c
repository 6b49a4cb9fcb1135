/*
 * tracking.c: which keys changed, and reading just those.
 *
 *     leat-api:changes   SUBSCRIBE __redis__:invalidate      ──▶ which keys have changed
 *     leat-api:reads     CLIENT TRACKING ON REDIRECT <id>; then XRANGEs, many in one write
 *
 * A tail is silent, queued, or in the batch under way (and perhaps queued again):
 *
 *     SILENT ──change, follow, move, sweep──▶ queued ──▶ in the batch ──answer──▶ SILENT
 *
 * An XRANGE costs Redis a sixth less than an XREAD of one key, which finds the stream's last id
 * first; and an XREAD of many would fail for all of them where one is of a wrong type.
 *
 * A read makes Redis remember its key; the next change of that key is told once, and forgets it.
 * So whatever is silent here is remembered there, and nothing is missed: what changes while a read
 * is under way was either read by it, or is told after it.
 *
 * The dangerous part: Redis remembers by connection. When either of the two is lost, both are made
 * anew, and everything is read again from where it stands.
 *
 * One batch is under way at a time, and what changes meanwhile is the next. It is put together when
 * the loop has handled all of a turn's events, so that many changes that come at once go out at
 * once. As load rises, batches keep a distance, so that they grow; a change that comes alone finds
 * the last batch long ago, and waits for nothing.
 *
 * A read without entries says nothing of a key that was deleted, or made anew with lower ids. But a
 * key that is not touched does not change. So on_check comes where a change was told and no entry
 * came, after a reconnect, and at first, where the entry behind which to follow is not there. What
 * becomes of other keys that the owner looks at is not told: so silent tails are looked at in turn,
 * a few a second.
 */
#include "tracking.h"

#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MOST 256
#define READ_COUNT 64
#define READ_COUNT_TEXT "64"

#define TICK_MS 100
#define SWEEP_TICKS 100 /* until each tail was read once more, whatever was told */
#define POLL_MOST 1000  /* tails that are read at each of them */

#define SECOND_MS 1000
#define LOOK_TICKS 30   /* until each silent tail was looked at, */
#define LOOKS_A_TICK 10 /* but no more than so many: each runs a script in Redis */
#define ASK_AGAIN_S 60  /* between two tries where we may not track */

#define RATE_WINDOW_MS 20
#define RATE_BUSY 25000 /* reads a second from which on batches keep 1 ms distance */
#define BATCH_LARGE 200 /* reads in a batch from which on they keep 2 ms */

#define HANDLES 4

/* What Redis says to CLIENT TRACKING where the connection it is to tell has gone. */
#define NO_LISTENER "redirect to does not exist"

struct queue_of_tails {
    struct tail *first, *last;
};

struct tracking {
    uv_loop_t *loop;
    struct redis *reads, *changes;
    struct redis *commands; /* borrowed */
    bool reads_up, changes_up;
    bool is_asking; /* CLIENT TRACKING is under way */
    bool is_ready;  /* reading makes sense */
    enum tracking_answer answer;
    unsigned refusals; /* in a row */

    struct table tails;
    struct queue_of_tails queued, deferred;
    struct tail *batch[BATCH_MOST]; /* NULL: left or moved meanwhile */
    uint16_t sent, answered;        /* of the batch under way; equal: there is none */
    struct entry entries[READ_COUNT];

    uv_check_t after_events; /* puts batches together */
    uv_idle_t awake;         /* runs while that has to come soon: the loop must not sleep */
    uv_timer_t distance;     /* until the next batch may go */
    uv_timer_t tick;
    unsigned ticks, seconds;
    uint64_t second_ms;      /* when the last one began */
    size_t swept, looked_at; /* the last bucket of either */
    int handles;
    bool is_freed;

    uint64_t sent_ms, window_ms; /* by the loop's clock: the last batch; where the window began */
    uint64_t window_reads, rate; /* in it; a second, in the one before */
    uint64_t batches_all, reads_all, changes_all;
};

/* ---- the queues ---- */

static void append(struct queue_of_tails *q, struct tail *tail)
{
    tail->before = q->last;
    tail->behind = NULL;
    *(q->last ? &q->last->behind : &q->first) = tail;
    q->last = tail;
}

static void withdraw(struct queue_of_tails *q, struct tail *tail)
{
    *(tail->before ? &tail->before->behind : &q->first) = tail->behind;
    *(tail->behind ? &tail->behind->before : &q->last) = tail->before;
}

static void on_awake(uv_idle_t *awake)
{
    (void)awake;
}

static void wake(struct tracking *t)
{
    uv_idle_start(&t->awake, on_awake);
}

static void leave_queues(struct tracking *t, struct tail *tail)
{
    if (tail->is_queued)
        withdraw(&t->queued, tail);
    if (tail->is_deferred)
        withdraw(&t->deferred, tail);
    tail->is_queued = tail->is_deferred = false;
}

static void put_in_queue(struct tracking *t, struct tail *tail)
{
    wake(t);
    if (tail->is_queued)
        return;
    leave_queues(t, tail);
    tail->is_queued = true;
    append(&t->queued, tail);
}

static void defer(struct tracking *t, struct tail *tail)
{
    if (tail->is_queued || tail->is_deferred)
        return;
    tail->is_deferred = true;
    append(&t->deferred, tail);
}

/* The answer under way, if there is one, is for nobody. */
static void leave_batch(struct tracking *t, struct tail *tail)
{
    if (tail->slot)
        t->batch[tail->slot - 1] = NULL;
    tail->slot = 0;
}

static struct tail *tail_of(struct table_entry *entry)
{
    return CONTAINER_OF(entry, struct tail, entry);
}

static void suspect(struct tracking *t, struct tail *tail)
{
    tail->is_suspect = true;
    put_in_queue(t, tail);
}

static void suspect_all(struct tracking *t)
{
    for (size_t i = 0; i < t->tails.size; i++) {
        for (struct table_entry *entry = t->tails.buckets[i]; entry; entry = entry->next)
            suspect(t, tail_of(entry));
    }
}

/* ---- answers ---- */

static void on_refused_read(struct tracking *t, struct tail *tail, enum status status,
                            const struct redisReply *reply)
{
    size_t length;
    if (status == STATUS_REFUSED)
        tail_complain(tail, redis_reply_text(reply, &length));
    defer(t, tail);
    tail->events->on_check(tail->arg);
}

/* The tail may be gone, or moved, when a callback has returned. */
static void on_entries(struct tracking *t, struct tail *tail, const struct redisReply *reply)
{
    const struct entry *entries = t->entries;
    size_t count = tail_read_entries(reply, t->entries, READ_COUNT);
    bool is_full = count == READ_COUNT;
    bool is_there = count > 0 && entry_id_compare(entries[0].id, tail->after) == 0;
    bool has_doubt = tail->is_suspect_in_batch || (tail->is_new && !is_there);
    tail->has_complained = tail->is_new = tail->is_suspect_in_batch = false;
    entries += is_there;
    count -= is_there;
    if (is_full)
        put_in_queue(t, tail);
    if (count > 0) {
        tail->heard = t->ticks;
        tail->after = entries[count - 1].id;
        tail->events->on_entries(tail->arg, entries, count);
    } else if (has_doubt) {
        tail->events->on_check(tail->arg);
    }
}

static void on_read(void *arg, enum status status, const struct redisReply *reply)
{
    struct tracking *t = arg;
    struct tail *tail = t->batch[t->answered++];
    if (t->is_freed)
        return;
    if (t->answered == t->sent)
        wake(t);
    if (!tail)
        return;
    tail->slot = 0;
    /* Lost: everything is read again when the connections are back. */
    if (status == STATUS_OK)
        on_entries(t, tail, reply);
    else if (status != STATUS_LOST)
        on_refused_read(t, tail, status, reply);
}

/* ---- batches ---- */

/* Behind what was handed over; the first read begins with it: so a stream that changed since the
   owner looked at it is noticed. */
static enum status send_read(struct tracking *t, const struct tail *tail)
{
    char from[1 + ENTRY_ID_SIZE] = "(";
    size_t id_length = entry_id_format(tail->after, from + 1);
    const char *argv[] = {"XRANGE", tail->key, from + tail->is_new, "+", "COUNT", READ_COUNT_TEXT};
    const size_t lengths[] = {6, tail->entry.key_length, id_length + !tail->is_new, 1,
                              5, strlen(READ_COUNT_TEXT)};
    return redis_send(t->reads, COUNT_OF(argv), argv, lengths, on_read, t);
}

static void send_batch(struct tracking *t)
{
    t->sent = t->answered = 0;
    while (t->sent < BATCH_MOST && t->queued.first) {
        struct tail *tail = t->queued.first;
        if (send_read(t, tail) != STATUS_OK)
            break; /* no memory, or the connection goes: the tick and on_state go on */
        leave_queues(t, tail);
        tail->is_suspect_in_batch = tail->is_suspect;
        tail->is_suspect = false;
        t->batch[t->sent++] = tail;
        tail->slot = t->sent;
    }
    t->sent_ms = uv_now(t->loop);
    t->window_reads += t->sent;
    t->reads_all += t->sent;
    t->batches_all++;
}

/* How long after the start of the last batch the next one may go. */
static uint64_t distance_ms(struct tracking *t)
{
    uint64_t in_window_ms = uv_now(t->loop) - t->window_ms;
    if (in_window_ms >= RATE_WINDOW_MS) {
        t->rate = t->window_reads * 1000 / in_window_ms;
        t->window_reads = 0;
        t->window_ms = uv_now(t->loop);
    }
    if (t->sent >= BATCH_LARGE)
        return 2;
    return t->rate >= RATE_BUSY ? 1 : 0;
}

static void on_distance(uv_timer_t *timer)
{
    wake(timer->data);
}

static void on_events_handled(uv_check_t *check)
{
    struct tracking *t = check->data;
    uv_idle_stop(&t->awake);
    if (!t->queued.first || !t->is_ready || t->answered < t->sent)
        return;
    uint64_t passed_ms = uv_now(t->loop) - t->sent_ms, apart_ms = distance_ms(t);
    if (passed_ms < apart_ms)
        uv_timer_start(&t->distance, on_distance, apart_ms - passed_ms, 0);
    else
        send_batch(t);
}

/* ---- changes ---- */

/* A list of keys; nil when all are gone. */
static void on_changes(void *arg, const struct redisReply *payload)
{
    struct tracking *t = arg;
    t->changes_all++;
    if (redis_reply_type(payload) == REDIS_IS_NIL)
        suspect_all(t);
    for (size_t i = 0; i < redis_reply_count(payload); i++) {
        size_t length;
        const char *key = redis_reply_text(redis_reply_at(payload, i), &length);
        struct table_entry *entry = table_find(&t->tails, key, length);
        for (; entry; entry = table_find_other(entry))
            suspect(t, tail_of(entry));
    }
}

/* ---- the two connections ---- */

static void begin_to_read(struct tracking *t)
{
    t->is_ready = true;
    suspect_all(t);
}

static void settle(struct tracking *t, enum tracking_answer answer)
{
    if (answer == t->answer && t->is_ready)
        return; /* refused again */
    t->answer = answer;
    begin_to_read(t);
}

/* A connection that broke just now would be refused too: the second one in a row counts. */
static void on_refusal(struct tracking *t, const char *words)
{
    if (t->refusals++ == 0) {
        redis_drop(t->reads);
        return;
    }
    if (t->answer != TRACKING_REFUSED)
        log_warn("tracking_refused", LOG_S("why", words),
                 LOG_S("so", "each followed stream needs a Redis connection"));
    settle(t, TRACKING_REFUSED);
}

static void on_tracking(void *arg, enum status status, const struct redisReply *reply)
{
    struct tracking *t = arg;
    size_t length;
    t->is_asking = false;
    if (t->is_freed || status == STATUS_LOST)
        return;
    const char *words = redis_reply_text(reply, &length);
    if (status == STATUS_REFUSED && strstr(words, NO_LISTENER))
        redis_drop(t->changes); /* it was lost just now, and both are made anew */
    else if (status == STATUS_REFUSED)
        on_refusal(t, words);
    if (status != STATUS_OK)
        return; /* the tick asks again */
    t->refusals = 0;
    if (t->answer == TRACKING_REFUSED)
        log_info("tracking_allowed");
    settle(t, TRACKING_ALLOWED);
}

static void ask(struct tracking *t)
{
    if (!t->reads_up || !t->changes_up || t->is_asking)
        return;
    char id[24];
    int length = snprintf(id, sizeof id, "%" PRId64, redis_client_id(t->changes));
    const char *argv[] = {"CLIENT", "TRACKING", "ON", "REDIRECT", id};
    const size_t lengths[] = {6, 8, 2, 8, (size_t)length};
    t->is_asking = redis_send(t->reads, COUNT_OF(argv), argv, lengths, on_tracking, t) == STATUS_OK;
}

static void on_reads_state(void *arg, bool up)
{
    struct tracking *t = arg;
    t->reads_up = up;
    t->is_ready = false;
    if (!up) {
        redis_drop(t->changes);
        return;
    }
    if (t->answer == TRACKING_REFUSED)
        begin_to_read(t);
    ask(t);
}

static void on_changes_state(void *arg, bool up)
{
    struct tracking *t = arg;
    t->changes_up = up;
    if (up)
        ask(t);
    else
        redis_drop(t->reads);
}

/* It may not listen to the channel. (What refuses both connections is the gateway's to say.) */
static void on_changes_refused(void *arg, const char *words)
{
    struct tracking *t = arg;
    if (t->reads_up)
        on_refusal(t, words);
}

/* ---- the tick ---- */

/* A server that became a replica answers on, with what it hears of its new master. */
static void on_role(void *arg, enum status status, const struct redisReply *reply)
{
    struct tracking *t = arg;
    size_t length;
    if (t->is_freed || status != STATUS_OK ||
        strcmp(redis_reply_text(redis_reply_at(reply, 0), &length), "master") == 0)
        return;
    redis_drop(t->reads);
    redis_drop(t->commands);
}

static void ask_role(struct tracking *t)
{
    const char *argv[] = {"ROLE"};
    const size_t lengths[] = {4};
    if (t->is_ready && redis_send(t->reads, 1, argv, lengths, on_role, t) != STATUS_OK)
        redis_drop(t->reads);
}

/* The next bucket's tails are read. Gives how many they are. */
static size_t sweep_bucket(struct tracking *t)
{
    size_t count = 0;
    t->swept = (t->swept + 1) & (t->tails.size - 1);
    for (struct table_entry *entry = t->tails.buckets[t->swept]; entry;
         entry = entry->next, count++) {
        if (!tail_of(entry)->is_deferred)
            put_in_queue(t, tail_of(entry));
    }
    return count;
}

static void sweep(struct tracking *t)
{
    for (size_t i = 0; i < t->tails.size / SWEEP_TICKS + 1; i++)
        sweep_bucket(t);
}

/* Reads them in turn, as we may not track. */
static void poll(struct tracking *t)
{
    for (size_t i = 0, count = 0; i < t->tails.size && count < POLL_MOST; i++)
        count += sweep_bucket(t);
}

/* A few at each tick: all of a second's at once would hold up the entries of others. */
static void look_at_silent(struct tracking *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->tails.size / LOOK_TICKS + 1 && count < LOOKS_A_TICK; i++) {
        t->looked_at = (t->looked_at + 1) & (t->tails.size - 1);
        struct table_entry *entry = t->tails.buckets[t->looked_at];
        for (; entry; entry = entry->next) {
            struct tail *tail = tail_of(entry);
            if (t->ticks - tail->heard < LOOK_TICKS || tail->is_deferred)
                continue;
            suspect(t, tail);
            count++;
        }
    }
}

static void on_second(struct tracking *t)
{
    t->seconds++;
    ask_role(t);
    for (struct tail *tail = t->deferred.first, *next; tail; tail = next) {
        next = tail->behind;
        put_in_queue(t, tail);
    }
    if (t->answer == TRACKING_REFUSED && t->seconds % ASK_AGAIN_S == 0)
        ask(t);
}

static void on_tick(uv_timer_t *timer)
{
    struct tracking *t = timer->data;
    t->ticks++;
    if (t->queued.first)
        wake(t);
    if (uv_now(t->loop) - t->second_ms >= SECOND_MS) {
        t->second_ms = uv_now(t->loop);
        on_second(t);
    }
    look_at_silent(t);
    if (t->answer == TRACKING_REFUSED)
        poll(t);
    else
        sweep(t);
    if (t->answer != TRACKING_REFUSED && !t->is_ready)
        ask(t);
}

/* ---- the tails ---- */

enum status tracking_follow(struct tracking *t, const char *key, struct entry_id after,
                            const struct tailer_events *events, void *arg, struct tail **out)
{
    struct tail *tail = *out = tail_new(key, after, events, arg);
    if (!tail)
        return STATUS_NO_MEMORY;
    tail->tracking = t;
    tail->heard = t->ticks;
    tail->is_new = true;
    table_put(&t->tails, &tail->entry, key, strlen(key));
    put_in_queue(t, tail);
    return STATUS_OK;
}

void tracking_move(struct tail *tail, struct entry_id after)
{
    struct tracking *t = tail->tracking;
    tail->after = after;
    tail->is_new = true;
    leave_batch(t, tail);
    put_in_queue(t, tail);
}

void tracking_leave(struct tail *tail)
{
    struct tracking *t = tail->tracking;
    leave_batch(t, tail);
    leave_queues(t, tail);
    table_take(&t->tails, &tail->entry);
    free(tail);
}

enum tracking_answer tracking_answer(const struct tracking *t)
{
    return t->answer;
}

void tracking_count(const struct tracking *t, struct tailer_figures *figures)
{
    figures->tracked = t->tails.count;
    figures->is_tracking = t->is_ready && t->answer == TRACKING_ALLOWED;
    figures->is_refused = t->answer == TRACKING_REFUSED;
    figures->is_reading = t->queued.first || t->answered < t->sent;
    figures->batches = t->batches_all;
    figures->reads = t->reads_all;
    figures->changes = t->changes_all;
}

/* ---- the object ---- */

static void start_handles(struct tracking *t)
{
    uv_check_init(t->loop, &t->after_events);
    uv_idle_init(t->loop, &t->awake);
    uv_timer_init(t->loop, &t->distance);
    uv_timer_init(t->loop, &t->tick);
    t->after_events.data = t->awake.data = t->distance.data = t->tick.data = t;
    t->handles = HANDLES;
    uv_check_start(&t->after_events, on_events_handled);
    uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
}

static void on_closed(uv_handle_t *handle)
{
    struct tracking *t = handle->data;
    if (--t->handles == 0)
        free(t);
}

struct tracking *tracking_new(uv_loop_t *loop, const struct settings *settings,
                              struct redis *commands)
{
    struct tracking *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    struct redis_options options = {
        .loop = loop, .settings = settings, .quiet = true, .arg = t, .name = "leat-api:reads"};
    t->loop = loop;
    t->commands = commands;
    start_handles(t);
    options.on_state = on_reads_state;
    t->reads = redis_new(&options);
    options.name = "leat-api:changes";
    options.channel = "__redis__:invalidate";
    options.on_state = on_changes_state;
    options.on_refused = on_changes_refused;
    options.on_payload = on_changes;
    t->changes = redis_new(&options);
    if (!t->reads || !t->changes || !table_init(&t->tails)) {
        tracking_free(t);
        return NULL;
    }
    return t;
}

void tracking_free(struct tracking *t)
{
    if (!t)
        return;
    t->is_freed = true;
    redis_free(t->reads);
    redis_free(t->changes);
    table_clear(&t->tails);
    uv_close((uv_handle_t *)&t->after_events, on_closed);
    uv_close((uv_handle_t *)&t->awake, on_closed);
    uv_close((uv_handle_t *)&t->distance, on_closed);
    uv_close((uv_handle_t *)&t->tick, on_closed);
}
