/**
 * lanes.h: tails that have a connection of their own; the inside of the tailer.
 *
 * Each lane is in XREAD BLOCK of at most block_ms. One that loses its stream is woken by CLIENT
 * UNBLOCK and waits for the next one. So `CLIENT LIST` shows what is followed, any writer's XADD is
 * seen, and no server setting is needed.
 *
 * What the functions promise is said in tailer.h.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_LANES_H
#define LEAT_LANES_H

#include "tail.h"

struct lanes;

/* lanes_new: gives; NULL: no memory. Borrows all but the number. */
MUST_CHECK struct lanes *lanes_new(uv_loop_t *loop, const struct settings *settings,
                                   struct redis *commands, int64_t block_ms);

/* lanes_free(l): all tails must have been left. NULL is harmless. */
void lanes_free(struct lanes *l);

/* lanes_have_room(l, most): whether lanes_follow needs no lane beyond so many. */
bool lanes_have_room(const struct lanes *l, size_t most);

/* lanes_follow: gives a tail in *out. STATUS_NO_MEMORY. */
MUST_CHECK enum status lanes_follow(struct lanes *l, const char *key, struct entry_id after,
                                    const struct tailer_events *events, void *arg,
                                    struct tail **out);

void lanes_move(struct tail *tail, struct entry_id after);
void lanes_leave(struct tail *tail);

/* lanes_count(l): connections. */
size_t lanes_count(const struct lanes *l);

#endif
