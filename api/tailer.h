/**
 * tailer.h: follows streams in Redis and hands over what is written to them.
 *
 * Its kind is *lanes*: each followed stream has a connection of its own, in
 * XREAD BLOCK of at most block_ms. A lane that loses its stream is woken
 * by CLIENT UNBLOCK and waits for the next one. So `CLIENT LIST` shows what is
 * followed, any writer's XADD is seen, and no server setting is needed.
 *
 * XREAD says nothing when a key is deleted, or made anew with lower ids
 * [measured on Redis 7.0]. So whenever a read ends empty, or its connection came
 * back, on_check asks the owner to look at the stream itself.
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
    /* Nothing came for a while, or something may have been missed. */
    void (*on_check)(void *arg);
};

/**
 * tailer_new(loop, settings, commands, block_ms)
 * Gives a tailer; NULL: no memory. Borrows all; commands is a connection for CLIENT UNBLOCK.
 * block_ms: the longest silence without an on_check; at least 1 (0 is for ever to Redis).
 */
MUST_CHECK struct tailer *tailer_new(uv_loop_t *loop, const struct settings *settings,
                                     struct redis *commands, int64_t block_ms);

/* tailer_free(t): all tails must have been left. As redis_free, the loop must turn once more. */
void tailer_free(struct tailer *t);

/**
 * tailer_follow(t, key, after, events, arg, out)
 * Follow the stream under key from behind an id. No callback comes before this has returned.
 *
 * Borrows events; copies key. Gives *out (tailer_leave).
 * STATUS_FULL: API_TAIL_LANES streams are followed. STATUS_NO_MEMORY.
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

#endif
