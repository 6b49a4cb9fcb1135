/**
 * reaper.h: do each second what nobody else does for the queues (the step reap):
 * leases that are over, deadlines that are over, delayed jobs that come due, dead
 * ones that were kept long enough.
 *
 * Every worker and every gateway has one; that several do it is harmless, that
 * nobody does it is not. While Redis is away it waits.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_REAPER_H
#define LEAT_REAPER_H

#include "base.h"
#include "queue.h"

#include <uv.h>

struct reaper;

/**
 * reaper_new(loop, queue, names, count)
 * Start: a step about each second, jittered, less where somebody else did it just
 * now. names: queues to look at besides those that Redis knows of.
 * Borrows all until reaper_free. Gives; NULL: no memory.
 */
MUST_CHECK struct reaper *reaper_new(uv_loop_t *loop, const struct queue *queue,
                                     const char *const *names, size_t count);

/* reaper_free(r): stop. The memory goes when the loop has turned and a step under way was answered.
 */
void reaper_free(struct reaper *r);

#endif
