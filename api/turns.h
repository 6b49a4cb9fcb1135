/**
 * turns.h: so many questions to Redis at a time, the others in a line.
 *
 * Thousands of streams may want to ask at the same moment, over the connection that
 * all steps take. Here they wait for each other, and a step waits for a few of
 * them at most.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TURNS_H
#define LEAT_TURNS_H

#include "base.h"

struct turns;

/* One question, embedded in what knows about it. Zeroed memory is one that was not asked. */
struct turn {
    struct turns *turns;          /* NULL: neither in the line nor asked */
    struct turn *before, *behind; /* in the line */
    bool asked;
};

/**
 * A turn has come: ask, and call turns_done when the answer is there. False: it could not
 * be asked; the turn is over, and may be freed in here.
 */
typedef bool turn_fn(struct turn *turn);

/* turns_new(most, ask): gives; NULL: no memory. most: questions at a time. */
MUST_CHECK struct turns *turns_new(size_t most, turn_fn *ask);

/* turns_free(ts): nobody waits in the line any more; answers may still come. NULL is harmless. */
void turns_free(struct turns *ts);

/* turns_wait(ts, t): get in line; it may be asked at once. Borrows t until it is done or left. */
void turns_wait(struct turns *ts, struct turn *t);

/* turns_leave(t): get out of the line. False: it is asked, and its answer comes. */
bool turns_leave(struct turn *t);

/* turns_done(t): its answer has come; the next ones are asked. */
void turns_done(struct turn *t);

#endif
