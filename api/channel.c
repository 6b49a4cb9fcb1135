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

/* Waiting jobs' positions are asked for at most so often, all of them together. */
#define POSITION_COSTS_MS 5

/* Frames that all followers have are kept for those who join: so much for each further
   follower, as it is they who may be back soon; and nothing after so long a silence. */
#define KEEP_BYTES 4096
#define REST_AFTER_MS 2000

#define PAGE_COUNT_FIRST 32

struct look {
    struct turn turn;
    struct channel *channel; /* NULL: it is gone */
    struct entry_id last;    /* the newest frame when the look was sent */
};

/* ---- its life ---- */

static void set_kind(struct channel *c, enum news_kind kind)
{
    if (c->kind == NEWS_QUEUED)
        c->hub->waiting--;
    if (kind == NEWS_QUEUED)
        c->hub->waiting++;
    c->kind = (uint8_t)kind;
}

static void forget_look(struct channel *c)
{
    if (!c->look)
        return;
    c->look->channel = NULL;
    if (turns_leave(&c->look->turn))
        free(c->look);
    c->look = NULL;
}

static void channel_free(struct channel *c)
{
    hub_forget(c->hub, c);
    forget_look(c);
    set_kind(c, NEWS_NONE);
    wheel_stop(&c->tend);
    tailer_leave(c->tail);
    frames_clear(&c->frames);
    free(c->worker);
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

/* How often a waiting job's position is asked for: that many streams wait must not keep Redis
   from working on them. */
static int64_t position_every_ms(const struct hub *h)
{
    return max_i64(NEWS_EVERY_MS, (int64_t)h->waiting * POSITION_COSTS_MS);
}

static void set_news(struct channel *c, enum news_kind kind, uint64_t number, const char *worker)
{
    if (c->kind == kind && c->number == number && strcmp(c->worker ? c->worker : "", worker) == 0)
        return;
    set_kind(c, kind);
    c->number = number;
    free(c->worker);
    c->worker = *worker ? strdup(worker) : NULL;
    c->news++;
    c->news_wait = true;
    if (kind == NEWS_QUEUED)
        channel_tend_by(c, c->looked_ms + position_every_ms(c->hub));
}

static void spread_news(struct channel *c)
{
    if (!c->news_wait)
        return;
    c->news_wait = false;
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

static void look_later(struct channel *c)
{
    c->look_again = true;
    channel_tend_by(c, c->looked_ms + LOOK_AGAIN_MS);
}

static void news_of_entry(struct channel *c, const struct entry *entry)
{
    char worker[JOB_NAME_SIZE];
    if (entry->kind == ENTRY_QUEUED) {
        set_news(c, NEWS_NONE, 0, "");
        look_later(c); /* for its position */
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
enum sight channel_see(const char *job, struct entry_id before, const struct entry *entry)
{
    if (!is_marker(entry) || same(entry->job, job))
        return hides_a_loss(entry, before) ? SIGHT_LOSS : SIGHT_ENTRY;
    return *job && entry->replaces.data && same(entry->replaces, job) ? SIGHT_REPLACED
                                                                      : SIGHT_SUPERSEDED;
}

bool channel_render(struct buf *out, const char *job, struct entry_id before,
                    const struct entry *entry)
{
    char other[JOB_ID_SIZE];
    buf_reset(out);
    switch (channel_see(job, before, entry)) {
    case SIGHT_ENTRY:
        sse_entry(out, entry);
        return entry_is_end(entry);
    case SIGHT_LOSS:
        sse_reset(out, entry->id, job, entry->number, "history_lost");
        return false;
    case SIGHT_REPLACED:
        sse_replaced(out, job);
        return true;
    case SIGHT_SUPERSEDED:
        snprintf(other, sizeof other, "%.*s", (int)entry->job.length, entry->job.data);
        sse_superseded(out, other);
        return true;
    }
    return true;
}

/* ---- entries ---- */

/* What all have is kept for others only as far as that is worth its memory. */
static void trim(struct channel *c, size_t followers)
{
    size_t most = (size_t)c->hub->settings->api_stream_buffer_bytes;
    size_t others = followers > 0 ? followers - 1 : 0;
    frames_trim(&c->frames, others < most / KEEP_BYTES ? others * KEEP_BYTES : most);
}

/* What came in one read, behind `before`. */
struct batch {
    struct entry_id before;
    const struct entry *entries;
    size_t count;
};

static void pump_all(struct channel *c, const struct batch *batch)
{
    int64_t most = c->hub->settings->api_max_backlog_bytes;
    size_t followers = 0;
    bool all_have_all = true;
    channel_hold(c);
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        if (f->render)
            rendered_take(f, batch->before, batch->entries, batch->count);
        follower_pump(f);
        if (f->channel && f->outlet && outlet_is_blocked(f->outlet) &&
            (int64_t)(c->frames.written - f->mark) > most)
            follower_cut(f, "backlog");
        if (!f->channel)
            continue;
        followers++;
        all_have_all = all_have_all && follower_has_all(f);
    }
    if (all_have_all)
        trim(c, followers);
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
    const struct batch batch = {c->frames.last, entries, count};
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
        c->complete = ends == FRAME_ENDS;
        if (is_marker(entry)) {
            snprintf(c->job, sizeof c->job, "%.*s", (int)entry->job.length, entry->job.data);
            c->news_wait = true; /* whose news they are has changed */
        }
        news_of_entry(c, entry);
    }
    c->entries_ms = hub_now_ms(h);
    channel_tend_by(c, c->entries_ms + REST_AFTER_MS);
    channel_hold(c);
    pump_all(c, &batch);
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

static bool has_lost(const struct follower *f, const struct chat_view *view)
{
    const struct channel *c = f->channel;
    /* The end is in hand: who needs no page needs Redis no more. */
    bool is_served = c->complete && frames_reach(&c->frames, f->at) &&
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
    c->complete = view->ended;
    snprintf(c->job, sizeof c->job, "%s", view->job);
    c->news_wait = true;
    tailer_move(c->tail, view->last);
}

/* Holds the channel's frames, and where each follower stands, against what Redis has. One may be
   ahead of the frames: it came with a cursor that the worker has yet to reach again. */
static void compare_with(struct channel *c, const struct chat_view *view)
{
    if (!c->complete && is_lost(c->frames.last, view))
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
    turns_done(&look->turn);
    free(look);
    if (!c)
        return;
    c->look = NULL;
    if (status != STATUS_OK || c->look_again)
        look_later(c);
    if (status != STATUS_OK)
        return;
    bool nothing_came = entry_id_compare(last, c->frames.last) == 0;
    channel_hold(c);
    if (nothing_came)
        compare_with(c, view);
    if (nothing_came && strcmp(view->job, c->job) == 0)
        channel_read_view(c, view);
    spread_news(c);
    channel_release(c);
}

/* The look's turn has come. */
bool channel_ask_look(struct turn *turn)
{
    struct look *look = CONTAINER_OF(turn, struct look, turn);
    struct channel *c = look->channel;
    c->looked_ms = hub_now_ms(c->hub);
    look->last = c->frames.last;
    c->look_again = false;
    if (queue_look(c->hub->queue, c->texts, c->chat_id, on_view, look) == STATUS_OK)
        return true;
    c->look = NULL;
    free(look);
    look_later(c);
    return false;
}

/* One in the line will do; one under way may be older than what is to be looked at. */
static void check(struct channel *c)
{
    if (c->look) {
        c->look_again = c->look_again || c->look->turn.asked;
        return;
    }
    struct look *look = calloc(1, sizeof *look);
    c->looked_ms = hub_now_ms(c->hub);
    if (!look) {
        look_later(c);
        return;
    }
    look->channel = c;
    c->look = look;
    turns_wait(c->hub->looks, &look->turn);
}

static void on_check(void *arg)
{
    check(arg);
}

/* ---- made and tended ---- */

static const struct tailer_events tail_events = {.on_entries = on_entries, .on_check = on_check};

static char *put_text(char *at, const char *text)
{
    return stpcpy(at, text) + 1;
}

enum status channel_new(struct hub *h, const char *feature_id, const char *chat_id, const char *key,
                        struct entry_id from, struct channel **out)
{
    size_t texts = strlen(feature_id) + strlen(chat_id) + strlen(key) + 3;
    struct channel *c = calloc(1, sizeof *c + texts);
    if (!c)
        return STATUS_NO_MEMORY;
    c->hub = h;
    char *at = put_text(c->texts, feature_id);
    c->chat_id = at;
    at = put_text(at, chat_id);
    c->key = at;
    put_text(at, key);
    c->looked_ms = hub_now_ms(h);
    c->page_count = PAGE_COUNT_FIRST;
    frames_begin(&c->frames, from);
    enum status status = tailer_follow(h->tailer, c->key, from, &tail_events, c, &c->tail);
    if (status != STATUS_OK) {
        free(c);
        return status;
    }
    *out = c;
    return STATUS_OK;
}

void channel_tend_by(struct channel *c, int64_t due_ms)
{
    if (!wheel_is_set(&c->tend) || due_ms < c->tend.due_ms)
        wheel_set(&c->hub->tends, &c->tend, due_ms);
}

/* Who did not get its page asks again. */
static void pump_behind(struct channel *c)
{
    if (!c->pages_wait)
        return;
    c->pages_wait = false;
    for (struct follower *f = c->followers, *next; f; f = next) {
        next = f->behind;
        if (!f->live && !f->page)
            follower_pump(f);
    }
}

static void look_if_due(struct channel *c)
{
    int64_t age_ms = hub_now_ms(c->hub) - c->looked_ms, every_ms = position_every_ms(c->hub);
    if ((c->look_again && age_ms >= LOOK_AGAIN_MS) ||
        (c->kind == NEWS_QUEUED && age_ms >= every_ms))
        check(c);
    else if (c->look_again)
        channel_tend_by(c, c->looked_ms + LOOK_AGAIN_MS);
    if (c->kind == NEWS_QUEUED)
        channel_tend_by(c, c->looked_ms + every_ms);
}

static void rest_if_silent(struct channel *c)
{
    int64_t now_ms = hub_now_ms(c->hub);
    bool may_rest = now_ms - c->entries_ms >= REST_AFTER_MS;
    if (c->frames.capacity == 0)
        return;
    for (struct follower *f = c->followers; f && may_rest; f = f->behind)
        may_rest = follower_has_all(f);
    if (may_rest)
        frames_rest(&c->frames);
    else
        channel_tend_by(c, now_ms + REST_AFTER_MS);
}

void channel_tend(struct channel *c)
{
    channel_hold(c);
    look_if_due(c);
    pump_behind(c);
    spread_news(c);
    rest_if_silent(c);
    channel_release(c);
}
