/**
 * writes.h: what all jobs in hand write, put together: the steps append and
 * finish, each for many jobs at once.
 *
 * A job that has something to write stands in a line: one for those that go on,
 * one for those that end and take their last messages along. Of each kind one
 * step is under way at most. What comes meanwhile waits and is the next one, so
 * that a busy worker makes few and large steps, and an idle one loses no time: a
 * step is sent when the loop has turned, with all that was said in that turn.
 *
 *     WAITING   in its line; the messages are still in its outbox
 *     SENT      in the step under way, with what its outbox had when that was sent
 *     (neither) before writes_put, after the answer or writes_take_back
 *
 * A step holds Redis for 1 to 2 ms at most: it takes no more jobs, messages and
 * bytes than stand below. Who finds no room in it stays first in line.
 *
 * Invariants: a job is in one place at a time, so it never has two steps under way;
 * the line is in the order of writes_put. Nothing is decided here: each job is told
 * what its step came to, as if it had been alone.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_WRITES_H
#define LEAT_WRITES_H

#include "base.h"
#include "outbox.h"
#include "queue.h"

#include <uv.h>

/* The most jobs of one step; together they bring one batch of an outbox at most. */
#define WRITES_APPENDS_MOST QUEUE_BATCH_MOST
#define WRITES_FINISHES_MOST 100

struct writes;

/* One job's. Embedded in its owner, who fills in the first six and leaves it alone until the
   answer; its outbox may be added to while it waits. */
struct writing {
    const struct holding *job;   /* the first three and their texts: borrowed until the answer */
    struct outbox *outbox;       /* its next batch; with an end, all that it holds (outbox_fits) */
    const struct finish *finish; /* the end; its `append` is filled in here. NULL: messages alone */
    /* The answer: one of the two, exactly once, never from inside writes_put. result: for
       STATUS_OK. */
    void (*on_appended)(void *arg, enum status status, const struct append_result *result);
    void (*on_finished)(void *arg, enum status status, const struct finish_result *result);
    void *arg;
    struct writing *next, **place; /* private to writes.c */
};

/* writes_new(loop, queue): borrows both until writes_free. Gives; NULL: no memory. */
MUST_CHECK struct writes *writes_new(uv_loop_t *loop, const struct queue *queue);

/* writes_put(w, one): write it with one of the next steps. */
void writes_put(struct writes *w, struct writing *one);

/* writes_take_back(w, one): out of its line again, without an answer. False: it does not wait. */
bool writes_take_back(struct writes *w, struct writing *one);

/**
 * writes_free(w)
 * After its Redis connection was freed. What waits is answered STATUS_CLOSED before
 * this returns. The memory goes when the loop has turned.
 */
void writes_free(struct writes *w);

#endif
