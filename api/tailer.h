/**
 * tailer.h: follows streams in Redis and hands over what is written to them, whoever writes it.
 *
 * It has two kinds, and the owner cannot tell which one it has:
 *
 *     lanes      a connection in XREAD BLOCK for each of the first API_TAIL_LANES streams: what
 *                `CLIENT LIST` shows is what is followed, and any server with streams will do
 *     tracking   two connections for all others: Redis says which keys changed, and just those are
 *                read. It needs CLIENT TRACKING with REDIRECT, and a user who may use that
 *
 * A read says nothing when a key is deleted, or made anew with lower ids [measured on Redis 7.0].
 * So where that may have happened, on_check asks the owner to look at the stream itself: for a lane
 * after each empty read, for a tracked stream when something changed and no entry came, and for
 * both when a connection came back.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TAILER_H
#define LEAT_TAILER_H

#include "base.h"
#include "entry.h"
#include "redis.h"
#include "settings.h"
#include "status.h"

struct tailer;
struct tail; /* one followed stream */

struct tailer_events {
    /* New entries in their order; borrowed until it returns. The tail may be left or moved in it.
     */
    void (*on_entries)(void *arg, const struct entry *entries, size_t count);
    /* Something may have happened that entries do not tell. The tail may be left or moved in it. */
    void (*on_check)(void *arg);
};

/**
 * tailer_new(loop, settings, commands, block_ms)
 * Gives a tailer; NULL: no memory. Borrows all; commands is a connection for CLIENT UNBLOCK.
 * block_ms: the longest silence of a lane without an on_check; at least 1 (0 is for ever to Redis).
 *
 * The two connections of tracking are made at once: what Redis allows is then known before the
 * first stream needs it, and so is how many streams there is room for.
 */
MUST_CHECK struct tailer *tailer_new(uv_loop_t *loop, const struct settings *settings,
                                     struct redis *commands, int64_t block_ms);

/* tailer_free(t): all tails must have been left. As redis_free, the loop must turn once more. */
void tailer_free(struct tailer *t);

/**
 * tailer_follow(t, key, after, events, arg, out)
 * Follow the stream under key from behind an id. No callback comes before this has returned.
 *
 * Borrows events, and key until tailer_leave. Gives *out (tailer_leave).
 * STATUS_FULL: Redis does not allow tracking, and there are as many lanes as may be.
 * STATUS_NO_MEMORY.
 */
MUST_CHECK enum status tailer_follow(struct tailer *t, const char *key, struct entry_id after,
                                     const struct tailer_events *events, void *arg,
                                     struct tail **out);

/* tailer_has_room(t): whether one more stream can be followed. */
bool tailer_has_room(const struct tailer *t);

/* tailer_move(tail, after): go on from behind another id. */
void tailer_move(struct tail *tail, struct entry_id after);

/* tailer_leave(tail): follow it no more; no callback comes after. NULL is harmless. */
void tailer_leave(struct tail *tail);

struct tailer_figures {
    size_t lanes, tracked;
    bool is_tracking;                 /* Redis allows it, and is there */
    bool is_refused;                  /* Redis does not allow it */
    bool is_reading;                  /* a tracked stream is being read, or is about to be */
    uint64_t batches, reads, changes; /* of tracking, since the start */
};

/* tailer_count(t, figures): fill in figures. */
void tailer_count(const struct tailer *t, struct tailer_figures *figures);

#endif
