/**
 * pool.h: the worker: connections, claims, heartbeat, jobs in hand, and the way
 * out.
 *
 *     SERVING    takes jobs
 *     QUIET      takes none, goes on with those in hand, until SERVING or DRAINING
 *     DRAINING   takes none; waits for those in hand, at most WORKER_DRAIN_MS
 *     RETURNING  ends the tasks that are left and hands their jobs back
 *     LEAVING    has no job; says goodbye to Redis, waits for the last processes
 *     CLOSED     everything is closed; the loop ends by itself
 *
 * From DRAINING on each phase has an upper bound, also while Redis is away: then the leases of
 * what is still in hand run out, and others go on.
 *
 * Three connections: one for the steps, one that blocks for tokens, one that
 * listens for stops (the channel worker:<id>; a message is a job's id).
 *
 * Thread: the loop's, for every function.
 */
#ifndef LEAT_POOL_H
#define LEAT_POOL_H

#include "base.h"
#include "features.h"
#include "keeper.h"
#include "settings.h"
#include "tasks.h"

#include <uv.h>

struct pool;

/**
 * pool_new(loop, settings, tasks, keeper)
 * Start to serve. Borrows all until pool_free. Gives; NULL: no memory.
 */
MUST_CHECK struct pool *pool_new(uv_loop_t *loop, const struct settings *settings,
                                 const struct tasks *tasks, struct keeper *keeper);

/* pool_set_features(pool, features): what attempts that begin from now on are told of; none at the
   start. Takes one more share of them, until the next call or pool_free. */
void pool_set_features(struct pool *pool, struct features *features);

/* pool_reload(pool): read the file of features again. One that is wrong is said in the log, and
   changes nothing. */
void pool_reload(struct pool *pool);

/* pool_set_quiet(pool, quiet): QUIET, or SERVING again. Nothing once it drains. */
void pool_set_quiet(struct pool *pool, bool quiet);

/* pool_drain(pool): DRAINING. The second time: RETURNING at once, with SIGKILL. */
void pool_drain(struct pool *pool);

/**
 * pool_exit_code(pool)
 * After the loop has ended: 0, or 1 when Redis would not have us at the start.
 */
int pool_exit_code(const struct pool *pool);

/* pool_is_stuck(pool): the loop was stopped with handles open: a process survived SIGKILL. */
bool pool_is_stuck(const struct pool *pool);

/* pool_free(pool): after the loop has ended. */
void pool_free(struct pool *pool);

#endif
