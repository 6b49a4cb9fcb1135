/**
 * script.h: the Lua steps as Redis knows them.
 *
 * A step's text is put together once for a key prefix: the key functions it
 * calls (keys.h), the shared functions it calls (lua/shared.lua,
 * lua/fsck_shared.lua), its own file.
 * It runs by EVALSHA; where Redis has forgotten it (SCRIPT FLUSH), by EVAL.
 *
 * Thread: the loop's of the connection; script_set_new in any.
 */
#ifndef LEAT_SCRIPT_H
#define LEAT_SCRIPT_H

#include "redis.h"

enum script {
    SCRIPT_APPEND,
    SCRIPT_CANCEL,
    SCRIPT_CLAIM,
    SCRIPT_DUE,
    SCRIPT_ENQUEUE,
    SCRIPT_FINISH,
    SCRIPT_FIRE,
    SCRIPT_HAND_BACK,
    SCRIPT_HEARTBEAT,
    SCRIPT_JOB,
    SCRIPT_JOBS,
    SCRIPT_LEAVE,
    SCRIPT_LOOK,
    SCRIPT_PAUSE,
    SCRIPT_PURGE,
    SCRIPT_QUEUES,
    SCRIPT_REAP,
    SCRIPT_RETRY,
    SCRIPT_ROUTE,
    SCRIPT_ROUTES,
    SCRIPT_SCHEDULE_DROP,
    SCRIPT_SCHEDULE_PUT,
    SCRIPT_SCHEDULES,
    SCRIPT_STOP,
    SCRIPT_USAGE,
    SCRIPT_WORKERS,
    SCRIPT_STEPS, /* loaded by every connection; what follows, when it is first run */
    SCRIPT_FSCK_KEYS = SCRIPT_STEPS,
    SCRIPT_FSCK_QUEUE,
    SCRIPT_FSCK_WAITING,
    SCRIPT_COUNT,
};

struct script_set;

/* script_set_new(prefix): the texts and their digests. Gives; NULL: no memory. */
MUST_CHECK struct script_set *script_set_new(const char *prefix);
void script_set_free(struct script_set *set);

/* script_text(set, script): the whole text, borrowed. */
const char *script_text(const struct script_set *set, enum script script);

/* script_digest(set, script): its SHA-1 as 40 hex digits, borrowed. */
const char *script_digest(const struct script_set *set, enum script script);

/**
 * script_run(r, script, argc, argv, lengths, fn, arg)
 * Run a step with argv as its ARGV. r was made with `scripts`. As redis_send.
 */
MUST_CHECK enum status script_run(struct redis *r, enum script script, int argc, const char **argv,
                                  const size_t *lengths, redis_reply_fn *fn, void *arg);

/* script_run_read_only: the same, and Redis itself refuses every write. */
MUST_CHECK enum status script_run_read_only(struct redis *r, enum script script, int argc,
                                            const char **argv, const size_t *lengths,
                                            redis_reply_fn *fn, void *arg);

/* script_compose(prefix, body): a text of one's own, put together as a step's. Gives (free);
   NULL: no memory. */
MUST_CHECK char *script_compose(const char *prefix, const char *body);

#endif
