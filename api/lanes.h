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

/* lanes_follow: gives a tail in *out. STATUS_FULL: there are API_TAIL_LANES. STATUS_NO_MEMORY. */
MUST_CHECK enum status lanes_follow(struct lanes *l, const char *key, struct entry_id after,
                                    const struct tailer_events *events, void *arg,
                                    struct tail **out);

/* lanes_has_room(l): whether lanes_follow would find a lane. */
bool lanes_has_room(const struct lanes *l);

void lanes_move(struct tail *tail, struct entry_id after);
void lanes_leave(struct tail *tail);

#endif
