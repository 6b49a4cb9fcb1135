/**
 * finishes.h: the step finish, for many jobs at once.
 *
 * One step is under way at most. What comes meanwhile waits and is the next one,
 * so that a busy worker makes few and large ones, and an idle one loses no time:
 * a step is sent when the loop has turned, with all that came in that turn.
 *
 * Nothing is decided here. Each job is told what its step came to, as if it had
 * been alone.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_FINISHES_H
#define LEAT_FINISHES_H

#include "base.h"
#include "queue.h"

#include <uv.h>

/* The most that one step finishes. */
#define FINISHES_MOST 100

struct finishes;

/* One job's. Embedded in its owner, who fills in the first four and leaves it alone until fn. */
struct finishing {
    const struct holding *job; /* these two and their texts: borrowed until fn is called */
    struct finish finish;
    /* Its answer: exactly once, never from inside finishes_put. result: for STATUS_OK. */
    void (*fn)(void *arg, enum status status, const struct finish_result *result);
    void *arg;
    struct finishing *next; /* private to finishes.c */
};

/* finishes_new(loop, queue): borrows both until finishes_free. Gives; NULL: no memory. */
MUST_CHECK struct finishes *finishes_new(uv_loop_t *loop, const struct queue *queue);

/* finishes_put(f, one): finish it with one of the next steps. */
void finishes_put(struct finishes *f, struct finishing *one);

/**
 * finishes_free(f)
 * After its Redis connection was freed. What waits is answered STATUS_CLOSED before
 * this returns. The memory goes when the loop has turned.
 */
void finishes_free(struct finishes *f);

#endif
