/*
 * channel.c: one stream that somebody here follows.
 *
 * Its entries come from the tailer, are rendered once into the frames, and each
 * follower is pumped.
 *
 * When a read came back empty or a connection came back, the channel looks at
 * the chat itself (on_check → on_view): Redis may hold less than was sent, or
 * nothing at all, and XREAD would never say so. Only a look that was sent after
 * the newest frame had come, with no frame since, proves anything; pages and the
 * views that followers came with took the same connection, so they are no newer.
 * Its answer finds the channel through a small record that is emptied when that
 * goes.
 */
#include "channel.h"

#include "log.h"
#include "resume.h"
#include "sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 250

struct look {
    struct channel *channel; /* NULL: it is gone */
    struct entry_id last;    /* the newest frame when the look was sent */
};

/* ---- its life ---- */

static void channel_free(struct channel *c)
{
    hub_forget(c->hub, c);
    if (c->look)
        c->look->channel = NULL;
    tailer_leave(c->tail);
    frames_clear(&c->frames);
    free(c->feature_id);
    free(c->chat_id);
    free(c->key);
    free(c);
}

void channel_hold(struct channel *c)
{
    c->held++;
}

void channel_release(struct channel *c)
{
    if (--c->held == 0 && !c->followers)
        channel_free(c);
}

/* ---- news ---- */

static void set_news(struct channel *c, enum news_kind kind, uint64_t number, const char *worker)
{
    if (c->kind == kind && c->number == number && strcmp(c->worker, worker) == 0)
        return;
    c->kind = kind;
    c->number = number;
    snprintf(c->worker, sizeof c->worker, "%s", worker);
    c->news++;
}

static void spread_news(struct channel *c)
{
    channel_hold(c);
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        follower_news(f);
    }
    channel_release(c);
}

void channel_read_view(struct channel *c, const struct chat_view *view)
{
    if (view->state == JOB_WAITING)
        set_news(c, NEWS_QUEUED, view->position, "");
    else if (view->state == JOB_RUNNING)
        set_news(c, NEWS_RUNNING, view->number, view->worker);
    else
        set_news(c, NEWS_NONE, 0, "");
}

static void news_of_entry(struct channel *c, const struct entry *entry)
{
    char worker[JOB_NAME_SIZE];
    if (entry->kind == ENTRY_QUEUED) {
        set_news(c, NEWS_NONE, 0, "");
        c->look_again = true; /* for its position */
    } else if (entry->kind == ENTRY_START) {
        snprintf(worker, sizeof worker, "%.*s", (int)entry->worker.length,
                 entry->worker.data ? entry->worker.data : "");
        set_news(c, NEWS_RUNNING, entry->number, worker);
    } else if (entry_is_end(entry)) {
        set_news(c, NEWS_NONE, 0, "");
    }
}

/* ---- rendering ---- */

static bool same(struct slice slice, const char *text)
{
    return slice.length == strlen(text) && memcmp(slice.data, text, slice.length) == 0;
}

static bool is_marker(const struct entry *entry)
{
    return entry->kind == ENTRY_QUEUED || entry->kind == ENTRY_START;
}

/* A job's first claim for those who have entries of an earlier one: Redis lost that. */
static bool hides_a_loss(const struct entry *entry, struct entry_id before)
{
    return entry->kind == ENTRY_START && entry->reason.length == 0 && entry->first > 0 &&
           before.a > entry->first;
}

/* Another job shows by either marker: the first one goes as soon as the second comes. */
bool channel_render(struct buf *out, const char *job, struct entry_id before,
                    const struct entry *entry)
{
    char other[JOB_ID_SIZE];
    buf_reset(out);
    if (!is_marker(entry) || same(entry->job, job)) {
        if (hides_a_loss(entry, before))
            sse_reset(out, entry->id, job, entry->number, "history_lost");
        else
            sse_entry(out, entry);
        return entry_is_end(entry);
    }
    if (*job && entry->replaces.data && same(entry->replaces, job)) {
        sse_replaced(out, job);
    } else {
        snprintf(other, sizeof other, "%.*s", (int)entry->job.length, entry->job.data);
        sse_superseded(out, other);
    }
    return true;
}

/* ---- entries ---- */

static void pump_all(struct channel *c)
{
    int64_t most = c->hub->settings->api_max_backlog_bytes;
    channel_hold(c);
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        follower_pump(f);
        if (f->channel && f->outlet && outlet_is_blocked(f->outlet) &&
            (int64_t)(c->frames.written - f->mark) > most)
            follower_cut(f, "backlog");
    }
    channel_release(c);
}

static void cut_all(struct channel *c, const char *why)
{
    channel_hold(c);
    while (c->followers)
        follower_cut(c->followers, why);
    channel_release(c);
}

static void on_entries(void *arg, const struct entry *entries, size_t count)
{
    struct channel *c = arg;
    struct hub *h = c->hub;
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        enum frame_end ends = FRAME_GOES_ON;
        if (channel_render(&h->scratch, c->job, c->frames.last, entry))
            ends = is_marker(entry) ? FRAME_ENDS_OTHERS : FRAME_ENDS;
        if (!buf_ok(&h->scratch) || !frames_put(&c->frames, entry->id, &h->scratch, ends,
                                                (size_t)h->settings->api_stream_buffer_bytes)) {
            cut_all(c, "no memory");
            return;
        }
        if (is_marker(entry))
            snprintf(c->job, sizeof c->job, "%.*s", (int)entry->job.length, entry->job.data);
        news_of_entry(c, entry);
    }
    channel_hold(c);
    pump_all(c);
    spread_news(c);
    channel_release(c);
}

/* ---- looking at the chat itself ---- */

/* Whether who stands at an id, and was not sent an end, has more than Redis holds. An end in the
   very place of what was sent is as good as missing: it lies behind nobody. */
static bool is_lost(struct entry_id at, const struct chat_view *view)
{
    int order = entry_id_compare(at, view->last);
    bool is_there =
        view->stream == STREAM_OURS || view->stream == STREAM_FOREIGN || job_is_alive(view->state);
    return order > 0 || (order == 0 && view->ended) || !is_there;
}

/* The end is in hand: who needs no page needs Redis no more. */
static bool is_complete(const struct channel *c)
{
    const struct frame *newest = frames_at(&c->frames, frames_end(&c->frames) - 1);
    return newest && newest->ends == FRAME_ENDS;
}

static bool has_lost(const struct follower *f, const struct chat_view *view)
{
    const struct channel *c = f->channel;
    bool is_served = is_complete(c) && frames_reach(&c->frames, f->at) &&
                     entry_id_compare(f->at, c->frames.last) < 0;
    return !is_served && is_lost(f->at, view);
}

/* The stream ends before the newest frame: go back to where it ends. */
static void go_back(struct channel *c, const struct chat_view *view)
{
    struct cursor cursor = {.kind = CURSOR_ENTRY, .id = c->frames.last};
    bool waits = resume_decide(&cursor, "", view).action == RESUME_WAIT;
    log_warn("history_lost", LOG_S("job", c->job), LOG_S("stream", c->key),
             LOG_S("answer", waits ? "wait for the worker" : "tell the followers"));
    if (waits)
        return;
    frames_begin(&c->frames, view->last);
    snprintf(c->job, sizeof c->job, "%s", view->job);
    tailer_move(c->tail, view->last);
}

/* Holds the channel's frames, and where each follower stands, against what Redis has. One may be
   ahead of the frames: it came with a cursor that the worker has yet to reach again. */
static void compare_with(struct channel *c, const struct chat_view *view)
{
    if (!is_complete(c) && is_lost(c->frames.last, view))
        go_back(c, view);
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        if (!has_lost(f, view))
            continue;
        follower_tell_loss(f, view);
        follower_pump(f);
    }
}

static void on_view(void *arg, enum status status, const struct chat_view *view)
{
    struct look *look = arg;
    struct channel *c = look->channel;
    struct entry_id last = look->last;
    free(look);
    if (!c)
        return;
    c->look = NULL;
    if (status != STATUS_OK) {
        c->look_again = true;
        return;
    }
    bool nothing_came = entry_id_compare(last, c->frames.last) == 0;
    channel_hold(c);
    if (nothing_came)
        compare_with(c, view);
    if (nothing_came && strcmp(view->job, c->job) == 0)
        channel_read_view(c, view);
    spread_news(c);
    channel_release(c);
}

static void check(struct channel *c)
{
    c->look_again = true;
    if (c->look)
        return;
    struct look *look = malloc(sizeof *look);
    c->looked_ms = hub_now_ms(c->hub);
    if (!look)
        return;
    *look = (struct look){.channel = c, .last = c->frames.last};
    if (queue_look(c->hub->queue, c->feature_id, c->chat_id, on_view, look) != STATUS_OK) {
        free(look);
        return;
    }
    c->look = look;
    c->look_again = false;
}

static void on_check(void *arg)
{
    check(arg);
}

/* ---- made and tended ---- */

static const struct tailer_events tail_events = {.on_entries = on_entries, .on_check = on_check};

enum status channel_new(struct hub *h, const char *feature_id, const char *chat_id, const char *key,
                        struct entry_id from, struct channel **out)
{
    struct channel *c = calloc(1, sizeof *c);
    if (!c)
        return STATUS_NO_MEMORY;
    c->hub = h;
    c->feature_id = strdup(feature_id);
    c->chat_id = strdup(chat_id);
    c->key = strdup(key);
    c->looked_ms = hub_now_ms(h);
    frames_begin(&c->frames, from);
    enum status status = STATUS_NO_MEMORY;
    if (c->feature_id && c->chat_id && c->key)
        status = tailer_follow(h->tailer, key, from, &tail_events, c, &c->tail);
    if (status != STATUS_OK) {
        free(c->feature_id);
        free(c->chat_id);
        free(c->key);
        free(c);
        return status;
    }
    *out = c;
    return STATUS_OK;
}

void channel_tend(struct channel *c)
{
    int64_t age_ms = hub_now_ms(c->hub) - c->looked_ms;
    channel_hold(c);
    if ((c->look_again && age_ms >= LOOK_AGAIN_MS) ||
        (c->kind == NEWS_QUEUED && age_ms >= NEWS_EVERY_MS))
        check(c);
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        if (!f->live && !f->page)
            follower_pump(f);
    }
    spread_news(c);
    channel_release(c);
}
