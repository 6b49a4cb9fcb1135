/*
 * turns.c: a line and a count.
 *
 * Answers may come after the owner has gone, so the object outlives turns_free until
 * the last of them. An ask that fails goes on with the next one in a loop, not by
 * calling itself: where Redis is away, all of a long line fail at once.
 */
#include "turns.h"

#include <stdlib.h>

struct turns {
    size_t most, under_way;
    turn_fn *ask;
    struct turn *first, *last;
    bool asking; /* in the loop of ask_next */
    bool freed;
};

struct turns *turns_new(size_t most, turn_fn *ask)
{
    struct turns *ts = calloc(1, sizeof *ts);
    if (ts)
        *ts = (struct turns){.most = most, .ask = ask};
    return ts;
}

void turns_free(struct turns *ts)
{
    if (!ts)
        return;
    ts->freed = true;
    if (ts->under_way == 0)
        free(ts);
}

static void unlink_turn(struct turn *t)
{
    struct turns *ts = t->turns;
    *(t->before ? &t->before->behind : &ts->first) = t->behind;
    *(t->behind ? &t->behind->before : &ts->last) = t->before;
    t->before = t->behind = NULL;
}

static void ask_next(struct turns *ts)
{
    if (ts->asking)
        return;
    ts->asking = true;
    while (ts->first && ts->under_way < ts->most) {
        struct turn *t = ts->first;
        unlink_turn(t);
        t->asked = true;
        ts->under_way++;
        if (!ts->ask(t))
            ts->under_way--;
    }
    ts->asking = false;
}

void turns_wait(struct turns *ts, struct turn *t)
{
    *t = (struct turn){.turns = ts, .before = ts->last};
    *(ts->last ? &ts->last->behind : &ts->first) = t;
    ts->last = t;
    ask_next(ts);
}

bool turns_leave(struct turn *t)
{
    if (t->asked)
        return false;
    unlink_turn(t);
    t->turns = NULL;
    return true;
}

void turns_done(struct turn *t)
{
    struct turns *ts = t->turns;
    t->turns = NULL;
    ts->under_way--;
    if (!ts->freed)
        ask_next(ts);
    else if (ts->under_way == 0)
        free(ts);
}
