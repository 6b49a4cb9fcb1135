/**
 * schedule_times.h: when a schedule's occasions come, and what is made of one that has.
 *
 * An occasion is missed when more than SCHEDULE_LATE_MS has gone by since: nobody
 * was there, or Redis was away. Which ones are made up for is the schedule's own
 * choice (enum missed). Pure; times are milliseconds since 1970 by Redis's clock.
 *
 * Thread: any.
 */
#ifndef LEAT_SCHEDULE_TIMES_H
#define LEAT_SCHEDULE_TIMES_H

#include "admin.h"
#include "base.h"

#define SCHEDULE_LATE_MS 5000

/**
 * schedule_first(cron, every_ms, now_ms, next_ms)
 * The first occasion of a schedule that is made now: by cron, or in every_ms
 * where cron is "". False: cron is not one, or has no occasion any more.
 */
MUST_CHECK bool schedule_first(const char *cron, int64_t every_ms, int64_t now_ms,
                               int64_t *next_ms);

/* A schedule one of whose occasions has come. */
struct schedule_due {
    int64_t occasion_ms; /* not after now_ms */
    const char *cron;    /* "" for an interval */
    int64_t every_ms;
    enum missed missed;
};

/**
 * schedule_decide(due, now_ms, run, next_ms)
 * *next_ms: the first occasion after now; of an interval, on the grid of occasion_ms.
 * *run: whether a job is to be put in, one at most for all occasions up to now:
 * for MISSED_ONE always, for MISSED_SKIP if any of them is not missed.
 *
 * False: there is no next occasion (cron is not one, every_ms is not positive).
 */
MUST_CHECK bool schedule_decide(const struct schedule_due *due, int64_t now_ms, bool *run,
                                int64_t *next_ms);

#endif
