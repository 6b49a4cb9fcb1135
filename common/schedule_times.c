/*
 * schedule_times.c: two rhythms and one rule.
 *
 * Used by the scheduler, and by whoever makes a schedule. The occasions between
 * the one that stands in Redis and now may be many (a minute's schedule, a week
 * without a process), so they are never counted one by one: to know whether the
 * newest of them is fresh it is enough to ask for the first that is not late.
 */
#include "schedule_times.h"

#include "cron.h"

/* The first occasion after `after_ms`, which is not before the grid's own. */
static bool next_after(const struct schedule_due *due, int64_t after_ms, int64_t *next_ms)
{
    struct cron cron;
    if (*due->cron)
        return !cron_parse(due->cron, &cron) && cron_next(&cron, after_ms, next_ms);
    if (due->every_ms <= 0)
        return false;
    int64_t steps = (after_ms - due->occasion_ms) / due->every_ms + 1;
    *next_ms = due->occasion_ms + steps * due->every_ms;
    return true;
}

bool schedule_first(const char *cron, int64_t every_ms, int64_t now_ms, int64_t *next_ms)
{
    const struct schedule_due due = {.occasion_ms = now_ms, .cron = cron, .every_ms = every_ms};
    return next_after(&due, now_ms, next_ms);
}

bool schedule_decide(const struct schedule_due *due, int64_t now_ms, bool *run, int64_t *next_ms)
{
    int64_t fresh_ms = due->occasion_ms, oldest_ms = now_ms - SCHEDULE_LATE_MS;
    bool good = next_after(due, now_ms, next_ms);
    /* One that is late may have younger ones behind it that are not. */
    if (good && fresh_ms < oldest_ms)
        good = next_after(due, oldest_ms - 1, &fresh_ms);
    *run = due->missed == MISSED_ONE || fresh_ms <= now_ms;
    return good;
}
