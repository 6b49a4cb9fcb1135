/*
 * tailer.c: which kind a tail is of, and what both kinds need.
 *
 * A lane while there are fewer than API_TAIL_LANES, else tracking. Where Redis does not allow that,
 * there are LANES_WITHOUT_TRACKING. Until it has said so, no more are tracked than those could have
 * been: so it is never refused later what was accepted before.
 */
#include "tailer.h"

#include "lanes.h"
#include "log.h"
#include "tracking.h"

#include <stdlib.h>
#include <string.h>

/* A connection in XREAD costs Redis 3 to 39 KB and 17 µs a wake; beyond some 1,000 the lanes of a
   few loops would fill its 10,000 clients. */
#define LANES_WITHOUT_TRACKING 1000

struct tailer {
    const struct settings *settings;
    struct lanes *lanes;
    struct tracking *tracking;
};

/* ---- a tail ---- */

struct tail *tail_new(const char *key, struct entry_id after, const struct tailer_events *events,
                      void *arg)
{
    struct tail *tail = calloc(1, sizeof *tail);
    if (!tail)
        return NULL;
    tail->key = key;
    tail->after = after;
    tail->events = events;
    tail->arg = arg;
    return tail;
}

size_t tail_read_entries(const struct redisReply *list, struct entry *entries, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < redis_reply_count(list) && count < most; i++)
        count += entry_read(redis_reply_at(list, i), &entries[count]);
    return count;
}

void tail_complain(struct tail *tail, const char *words)
{
    if (!tail->has_complained)
        log_error("cannot_read", LOG_S("stream", tail->key), LOG_S("why", words));
    tail->has_complained = true;
}

/* ---- the choice ---- */

static size_t lanes_most(const struct tailer *t)
{
    int64_t most = t->settings->api_tail_lanes;
    if (tracking_answer(t->tracking) == TRACKING_REFUSED)
        most = max_i64(most, LANES_WITHOUT_TRACKING);
    return (size_t)most;
}

static bool can_track(const struct tailer *t)
{
    struct tailer_figures figures = {0};
    switch (tracking_answer(t->tracking)) {
    case TRACKING_ALLOWED:
        return true;
    case TRACKING_UNKNOWN:
        tracking_count(t->tracking, &figures);
        return figures.tracked < LANES_WITHOUT_TRACKING;
    default:
        return false;
    }
}

bool tailer_has_room(const struct tailer *t)
{
    return lanes_have_room(t->lanes, lanes_most(t)) || can_track(t);
}

enum status tailer_follow(struct tailer *t, const char *key, struct entry_id after,
                          const struct tailer_events *events, void *arg, struct tail **out)
{
    *out = NULL;
    if (lanes_have_room(t->lanes, lanes_most(t)))
        return lanes_follow(t->lanes, key, after, events, arg, out);
    if (can_track(t))
        return tracking_follow(t->tracking, key, after, events, arg, out);
    return STATUS_FULL;
}

void tailer_move(struct tail *tail, struct entry_id after)
{
    if (tail->lane)
        lanes_move(tail, after);
    else
        tracking_move(tail, after);
}

void tailer_leave(struct tail *tail)
{
    if (tail && tail->lane)
        lanes_leave(tail);
    else if (tail)
        tracking_leave(tail);
}

void tailer_count(const struct tailer *t, struct tailer_figures *figures)
{
    *figures = (struct tailer_figures){.lanes = lanes_count(t->lanes)};
    tracking_count(t->tracking, figures);
}

/* ---- the object ---- */

struct tailer *tailer_new(uv_loop_t *loop, const struct settings *settings, struct redis *commands,
                          int64_t block_ms)
{
    struct tailer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->settings = settings;
    t->lanes = lanes_new(loop, settings, commands, block_ms);
    t->tracking = tracking_new(loop, settings, commands);
    if (!t->lanes || !t->tracking) {
        tailer_free(t);
        return NULL;
    }
    return t;
}

void tailer_free(struct tailer *t)
{
    if (!t)
        return;
    lanes_free(t->lanes);
    tracking_free(t->tracking);
    free(t);
}
