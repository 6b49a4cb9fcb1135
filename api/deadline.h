/**
 * deadline.h: absolute deadlines of many connections on one timer.
 *
 * Every kind of deadline has one constant length, so a list to whose end new ones
 * are added is always in order of time: arming, disarming and finding what is
 * over cost O(1) each, whatever the number of connections.
 *
 * Thread: the loop's, for every function.
 */
#ifndef LEAT_DEADLINE_H
#define LEAT_DEADLINE_H

#include "base.h"

#include <uv.h>

enum deadline_kind {
    DEADLINE_HEAD,   /* a request's head must be complete */
    DEADLINE_BODY,   /* its body must be complete; or the answer must be out */
    DEADLINE_IDLE,   /* the next request must begin */
    DEADLINE_LINGER, /* a refused client must have read its answer */
    DEADLINE_KINDS,
};

/* One deadline, embedded where it belongs. Set over; zero the rest. */
struct deadline {
    void (*over)(struct deadline *d); /* called once, disarmed; may arm, disarm and free any */
    struct deadline *previous;
    struct deadline *next;
    int64_t due_ms; /* of the loop's clock */
    enum deadline_kind kind;
    bool armed;
};

struct deadlines {
    uv_timer_t timer;
    int64_t timer_ms; /* when the timer goes off; INT64_MAX: it does not run */
    int64_t length_ms[DEADLINE_KINDS];
    struct deadline *first[DEADLINE_KINDS];
    struct deadline *last[DEADLINE_KINDS];
};

/**
 * deadlines_init(ds, loop, length_ms)
 * Make an empty set with the length of each kind, each > 0. The owner closes ds->timer.
 */
void deadlines_init(struct deadlines *ds, uv_loop_t *loop, const int64_t length_ms[DEADLINE_KINDS]);

/* deadlines_arm(ds, d, kind): over is called after that kind's length from now, unless
   disarmed or armed again before. */
void deadlines_arm(struct deadlines *ds, struct deadline *d, enum deadline_kind kind);

/* deadlines_disarm(ds, d): forget it. Harmless when it is not armed. */
void deadlines_disarm(struct deadlines *ds, struct deadline *d);

/* deadlines_first(ds, kind): the one that is due next; NULL where none is armed. */
struct deadline *deadlines_first(const struct deadlines *ds, enum deadline_kind kind);

#endif
