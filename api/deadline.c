/*
 * deadline.c: first-in-first-out lists, and one timer at the earliest of their heads.
 *
 * The timer is lazy: disarming leaves it alone, and arming touches it only when
 * the new deadline is earlier than what it waits for. So it may go off with
 * nothing due; then it is just set anew.
 *
 * The dangerous part: over() may disarm, arm or free any deadline. The lists are
 * therefore never walked; their heads are taken one by one.
 */
#include "deadline.h"

static void set_timer(struct deadlines *ds);

static void expire(uv_timer_t *timer)
{
    struct deadlines *ds = CONTAINER_OF(timer, struct deadlines, timer);
    int64_t now = (int64_t)uv_now(timer->loop);
    ds->timer_ms = INT64_MAX;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        while (ds->first[kind] && ds->first[kind]->due_ms <= now) {
            struct deadline *d = ds->first[kind];
            deadlines_disarm(ds, d);
            d->over(d);
        }
    }
    set_timer(ds);
}

static void set_timer(struct deadlines *ds)
{
    int64_t due = INT64_MAX;
    for (int kind = 0; kind < DEADLINE_KINDS; kind++) {
        if (ds->first[kind])
            due = min_i64(due, ds->first[kind]->due_ms);
    }
    if (due >= ds->timer_ms)
        return;
    ds->timer_ms = due;
    int64_t wait = max_i64(due - (int64_t)uv_now(ds->timer.loop), 0);
    uv_timer_start(&ds->timer, expire, (uint64_t)wait, 0);
}

void deadlines_init(struct deadlines *ds, uv_loop_t *loop, const int64_t length_ms[DEADLINE_KINDS])
{
    *ds = (struct deadlines){.timer_ms = INT64_MAX};
    uv_timer_init(loop, &ds->timer);
    for (int kind = 0; kind < DEADLINE_KINDS; kind++)
        ds->length_ms[kind] = length_ms[kind];
}

void deadlines_arm(struct deadlines *ds, struct deadline *d, enum deadline_kind kind)
{
    deadlines_disarm(ds, d);
    d->kind = kind;
    d->due_ms = (int64_t)uv_now(ds->timer.loop) + ds->length_ms[kind];
    d->armed = true;
    d->next = NULL;
    d->previous = ds->last[kind];
    if (d->previous)
        d->previous->next = d;
    else
        ds->first[kind] = d;
    ds->last[kind] = d;
    if (d->due_ms < ds->timer_ms)
        set_timer(ds);
}

void deadlines_disarm(struct deadlines *ds, struct deadline *d)
{
    if (!d->armed)
        return;
    if (d->previous)
        d->previous->next = d->next;
    else
        ds->first[d->kind] = d->next;
    if (d->next)
        d->next->previous = d->previous;
    else
        ds->last[d->kind] = d->previous;
    d->armed = false;
}

struct deadline *deadlines_first(const struct deadlines *ds, enum deadline_kind kind)
{
    return ds->first[kind];
}
