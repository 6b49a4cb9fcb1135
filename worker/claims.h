/**
 * claims.h: how jobs come to this worker.
 *
 *     RESTING   there is no room, or it is quiet, or Redis is away: claims_seek goes on
 *     SEEKING   there may be room: a claim follows when the loop has turned, so that it
 *               counts everything that became free in that turn
 *     CLAIMING  the step claim is under way
 *     BLOCKED   nothing was there: BLPOP on the wake lists of all queues, at most 1 s,
 *               and not beyond the time at which the next delayed job is due
 *     PAUSED    something failed, or what waits is for other workers: a short wait
 *
 * RESTING → SEEKING → CLAIMING
 * CLAIMING → jobs, and more are left           → CLAIMING
 *          → jobs, or none                     → BLOCKED → CLAIMING
 *          → none, but jobs of others' types   → PAUSED → CLAIMING
 *          → a failure                         → PAUSED → CLAIMING
 * A token on a list means nothing by itself; whatever BLPOP says, a claim
 * follows. Where there is no room, RESTING instead of CLAIMING.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_CLAIMS_H
#define LEAT_CLAIMS_H

#include "base.h"
#include "queue.h"
#include "queues.h"
#include "settings.h"

#include <uv.h>

/* The longest that our BLPOP blocks: redis_options.block_ms of the wake connection. */
#define CLAIMS_BLOCK_MS 1000

struct claims;

struct claims_options {
    uv_loop_t *loop; /* all borrowed until claims_free */
    const struct queue *queue;
    const struct settings *settings;
    struct redis *wake; /* the connection that blocks */
    struct queues *queues;
    const char *worker;
    const char *types; /* as in struct claimant */
    void *arg;
    /* How many jobs may be taken now. */
    size_t (*room)(void *arg);
    /* How many of them may be jobs that are to have a process of their own. */
    size_t (*room_alone)(void *arg);
    /* Take them; comes also after claims_stop, for a claim that was under way. Borrowed. */
    void (*on_jobs)(void *arg, const struct claimed *jobs, size_t count);
    /* After claims_stop: no claim is under way any more. */
    void (*on_stopped)(void *arg);
};

/* claims_new(options): RESTING. Gives; NULL: no memory. */
MUST_CHECK struct claims *claims_new(const struct claims_options *options);

/* claims_seek(c): there may be room, or Redis is up again. Harmless in every state. */
void claims_seek(struct claims *c);

/* claims_set_quiet(c, quiet): claim no more, or go on. A claim under way still brings its jobs. */
void claims_set_quiet(struct claims *c, bool quiet);

/* claims_is_asking(c): whether a claim is under way: jobs may be ours that we do not know yet. */
bool claims_is_asking(const struct claims *c);

/* claims_sent(c): how many claims there were so far. */
uint64_t claims_sent(const struct claims *c);

/* claims_stop(c): claim no more. on_stopped comes later where a claim is under way. */
void claims_stop(struct claims *c);

/* claims_free(c): after its Redis connections were freed. The memory goes when the loop has turned.
 */
void claims_free(struct claims *c);

#endif
