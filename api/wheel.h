/**
 * wheel.h: many alarms, most of which are moved on before they go off.
 *
 * Time is cut into slots, and an alarm stands in the slot in which it is due, so
 * setting, moving and stopping one cost the same however many there are, and a look
 * at what is due touches nothing else. An alarm goes off at its time or up to one slot
 * later, never earlier. Who is beyond the last slot waits there and is put on.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_WHEEL_H
#define LEAT_WHEEL_H

#include "base.h"

#define WHEEL_SLOTS 256

/* One alarm, embedded where it belongs. Zeroed memory is one that is not set. */
struct alarm {
    struct alarm *before, *behind; /* NULL: not set */
    int64_t due_ms;
};

struct wheel {
    struct alarm slots[WHEEL_SLOTS]; /* the heads of rings */
    int64_t slot_ms;
    int64_t at; /* the slot that is looked at next, counted from the clock's beginning */
};

/* wheel_init(w, slot_ms, now_ms): no alarm is set. */
void wheel_init(struct wheel *w, int64_t slot_ms, int64_t now_ms);

/* wheel_set(w, a, due_ms): a goes off then; it may be set already. Borrows a until it
   goes off or is stopped. */
void wheel_set(struct wheel *w, struct alarm *a, int64_t due_ms);

/* wheel_stop(a): it does not go off. Harmless when it is not set. */
void wheel_stop(struct alarm *a);

/* wheel_is_set(a) */
bool wheel_is_set(const struct alarm *a);

/**
 * wheel_next(w, now_ms)
 * One that is due, which is not set any more; NULL: no more. What is set in between is
 * not found before the next slot, so a loop over this ends.
 */
struct alarm *wheel_next(struct wheel *w, int64_t now_ms);

/* wheel_any(w): one that is set, which stays so; NULL: none is. */
struct alarm *wheel_any(const struct wheel *w);

#endif
