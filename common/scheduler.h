/**
 * scheduler.h: put in the jobs of schedules whose occasion has come.
 *
 * Every worker has one, and every gateway: whoever is there fires. The step
 * admin_fire lets each occasion count once, however many try. It asks about each
 * second, and when the next occasion comes. While Redis is away it waits.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_SCHEDULER_H
#define LEAT_SCHEDULER_H

#include "base.h"
#include "queue.h"

#include <uv.h>

struct scheduler;

/* scheduler_new(loop, queue): start. Borrows both until scheduler_free. Gives; NULL: no memory. */
MUST_CHECK struct scheduler *scheduler_new(uv_loop_t *loop, const struct queue *queue);

/* scheduler_free(s): stop. The memory goes when the loop has turned and its steps were answered. */
void scheduler_free(struct scheduler *s);

#endif
