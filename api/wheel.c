/*
 * wheel.c: rings of alarms, one for each slot of time.
 *
 * Slot number n is looked at when the clock has reached n times slot_ms, and holds
 * what is due by then; it is ring n modulo WHEEL_SLOTS. A slot that is being looked
 * at takes no new alarms, which is what makes loops end.
 */
#include "wheel.h"

#include <stddef.h>

void wheel_init(struct wheel *w, int64_t slot_ms, int64_t now_ms)
{
    w->slot_ms = slot_ms;
    w->at = now_ms / slot_ms + 1;
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        w->slots[i].before = w->slots[i].behind = &w->slots[i];
}

void wheel_set(struct wheel *w, struct alarm *a, int64_t due_ms)
{
    int64_t slot = (due_ms + w->slot_ms - 1) / w->slot_ms;
    slot = max_i64(w->at + 1, min_i64(slot, w->at + WHEEL_SLOTS - 1));
    struct alarm *ring = &w->slots[slot % WHEEL_SLOTS];
    wheel_stop(a);
    *a = (struct alarm){.before = ring->before, .behind = ring, .due_ms = due_ms};
    a->before->behind = a;
    ring->before = a;
}

void wheel_stop(struct alarm *a)
{
    if (!a->before)
        return;
    a->before->behind = a->behind;
    a->behind->before = a->before;
    a->before = a->behind = NULL;
}

bool wheel_is_set(const struct alarm *a)
{
    return a->before != NULL;
}

struct alarm *wheel_next(struct wheel *w, int64_t now_ms)
{
    for (; w->at * w->slot_ms <= now_ms; w->at++) {
        struct alarm *ring = &w->slots[w->at % WHEEL_SLOTS];
        while (ring->behind != ring) {
            struct alarm *a = ring->behind;
            wheel_stop(a);
            if (a->due_ms <= now_ms)
                return a;
            wheel_set(w, a, a->due_ms);
        }
    }
    return NULL;
}

struct alarm *wheel_any(const struct wheel *w)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) {
        if (w->slots[i].behind != &w->slots[i])
            return w->slots[i].behind;
    }
    return NULL;
}
