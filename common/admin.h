/**
 * admin.h: what an operator asks of the job engine, and may change: jobs, the
 * dead ones, queues, routes, workers, schedules.
 *
 * Each function is one Lua step (queue.h says what that means). The answers are
 * lists of fields by name, made for people, so the reply itself goes to the
 * callback, to be read by redis_reply_… (redis.h); its shape stands with each.
 * A "record" is a flat list: name, value, name, value … A field that is not known
 * is not there. Times in records are milliseconds since 1970 by Redis's clock.
 *
 * Thread: the loop of q->redis.
 */
#ifndef LEAT_ADMIN_H
#define LEAT_ADMIN_H

#include "queue.h"

/* The most that one page holds, and that one call retries or drops. */
#define ADMIN_PAGE_MOST 100

/**
 * admin_job(q, id, fn, arg)
 * Everything known of a job: a record, empty where nothing is. Names:
 *   texts    id state type feature_id chat_id queue payload (JSON as it came)
 *            identity worker error error_detail words retried_from retried_as schedule
 *   JSON     history: [{"at": ms, "what": failure|death, "reason", "detail", "worker", "attempt"}]
 *            usage: [{"attempt", …}]: what its attempts used, oldest first
 *   numbers  priority attempts (failed ones) deaths number (attempts begun) messages
 *            position (waiting) size (of the payload) deadline_ms timeout_ms max_attempts
 * retention_ms times    created due (delayed) ready started ended deadline (waiting)
 */
MUST_CHECK enum status admin_job(const struct queue *q, const char *id, redis_reply_fn *fn,
                                 void *arg);

/**
 * admin_jobs(q, page, fn, arg)
 * A page of a queue's jobs: {total, cursor, record, record, …}. Records as above,
 * without payload, history, usage and words. cursor: for the next page; "" behind the last.
 *
 * state: waiting (by deadline), delayed (by due time), dead (by time of death),
 * running (by id). A job that stays in its state meanwhile is on exactly one page.
 */
struct admin_page {
    const char *queue;
    enum job_state state;
    size_t limit;       /* 1 to ADMIN_PAGE_MOST */
    const char *cursor; /* "" for the first page */
};
MUST_CHECK enum status admin_jobs(const struct queue *q, const struct admin_page *page,
                                  redis_reply_fn *fn, void *arg);

/* admin_cursor_is_good(text): fit for admin_page.cursor. */
bool admin_cursor_is_good(const char *text);

/**
 * admin_retry(q, queue, cursor, limit, fn, arg)
 * Each dead job of a page again, as queue_retry does: {retried, busy, left, cursor, full}.
 * busy: their chats have other jobs, and they stay. left: dead ones after the step.
 * cursor: for the next page; "" behind the last. full: 1 where the queue's limit ended
 * the page, and the cursor is where to go on.
 */
MUST_CHECK enum status admin_retry(const struct queue *q, const char *queue, const char *cursor,
                                   size_t limit, redis_reply_fn *fn, void *arg);

/* admin_purge(q, queue, limit, fn, arg): drop the oldest dead jobs: {dropped, left}. */
MUST_CHECK enum status admin_purge(const struct queue *q, const char *queue, size_t limit,
                                   redis_reply_fn *fn, void *arg);

/**
 * admin_queues(q, name, fn, arg)
 * One queue, or all ("" for name): {record, …}, by name. Names: name, and the
 * numbers waiting running delayed dead bytes dead_bytes paused (1|0) workers,
 * and the times paused_at reaped.
 */
MUST_CHECK enum status admin_queues(const struct queue *q, const char *name, redis_reply_fn *fn,
                                    void *arg);

/* admin_pause(q, queue, paused, fn, arg): nothing is claimed from it, and its jobs' deadlines
   stand still; or it goes on. {record} as admin_queues. Repeated: the same. */
MUST_CHECK enum status admin_pause(const struct queue *q, const char *queue, bool paused,
                                   redis_reply_fn *fn, void *arg);

/* admin_routes(q, fn, arg): a record of feature → queue, of those that are not `default`. */
MUST_CHECK enum status admin_routes(const struct queue *q, redis_reply_fn *fn, void *arg);

/**
 * admin_route(q, feature_id, queue, fn, arg)
 * New jobs of the feature go to this queue; "" takes the route away. Jobs that
 * wait stay where they are. Answers the queue it was before, "default" for none.
 */
MUST_CHECK enum status admin_route(const struct queue *q, const char *feature_id, const char *queue,
                                   redis_reply_fn *fn, void *arg);

/**
 * admin_workers(q, fn, arg)
 * {record, …}: id queues (separated by commas) types (by spaces) state (serving,
 * quiet, draining) version, the numbers capacity and jobs, `ids` (of the jobs in
 * hand, separated by spaces), the times since and seen.
 */
MUST_CHECK enum status admin_workers(const struct queue *q, redis_reply_fn *fn, void *arg);

/* ---- schedules: jobs that come again ---- */

enum missed { MISSED_ONE, MISSED_SKIP }; /* occasions missed are made up by one run, or left out */

struct schedule {
    const char *name;
    const char *cron; /* five fields, checked before; "" for none */
    int64_t every_ms; /* or an interval; 0 for none */
    enum missed missed;
    const char *type;
    const char *feature_id;
    const char *chat_id; /* NULL: a job of its own each time */
    const char *queue;   /* where its jobs go unless the feature has a route; NULL or "": default */
    const char *payload; /* NULL for none */
    size_t payload_length;
    const char *body_hash;
    struct job_options options; /* without delay_ms and run_at_ms */
};

/**
 * admin_schedule_put(q, in, next_ms, fn, arg)
 * Make or change a schedule; its next occasion is next_ms (schedule_times.h).
 * One with the same name, rhythm (cron, every_ms) and missed keeps its next occasion.
 * Answers {created (1|0), record}.
 */
MUST_CHECK enum status admin_schedule_put(const struct queue *q, const struct schedule *in,
                                          int64_t next_ms, redis_reply_fn *fn, void *arg);

/**
 * admin_schedules(q, name, fn, arg)
 * One ("" for name: all, by name): {record, …}. Texts name cron missed type feature_id chat_id
 * payload last_job last_outcome (started, busy, full); numbers every_ms priority deadline_ms
 * timeout_ms max_attempts retention_ms fired skipped; times created next last.
 */
MUST_CHECK enum status admin_schedules(const struct queue *q, const char *name, redis_reply_fn *fn,
                                       void *arg);

/* admin_schedule_drop(q, name, fn, arg): 1, or 0 where there was none. */
MUST_CHECK enum status admin_schedule_drop(const struct queue *q, const char *name,
                                           redis_reply_fn *fn, void *arg);

/**
 * admin_due(q, fn, arg)
 * {now, the next occasion of all (0: no schedule), {name, occasion, cron, every_ms, missed}, …}:
 * Redis's clock, and the schedules whose occasion has come, at most 100.
 */
MUST_CHECK enum status admin_due(const struct queue *q, redis_reply_fn *fn, void *arg);

/**
 * admin_fire(q, name, occasion_ms, next_ms, run, id, fn, arg)
 * If the schedule's next occasion still is occasion_ms: put its job in (run) or
 * leave it out, and make next_ms the next one. So each occasion counts once,
 * however many try. id: for the new job. Answers started, busy (its chat has
 * another job: left out), full, skipped, or late (somebody else was first).
 */
struct occasion {
    const char *name;
    int64_t at_ms, next_ms;
    bool run;
    const char *id;
};
MUST_CHECK enum status admin_fire(const struct queue *q, const struct occasion *in,
                                  redis_reply_fn *fn, void *arg);

#endif
