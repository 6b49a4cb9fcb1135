/**
 * beat.h: the heartbeat: every third of a lease, all jobs in hand, a hundred or so in
 * a step, so that Redis is never held up for long.
 *
 * One is under way at most. It says which jobs this worker has, and is told which
 * of them it has lost. With `complete` it also says that there are no others, so
 * that jobs whose claim was never answered go back unspent.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_BEAT_H
#define LEAT_BEAT_H

#include "base.h"
#include "queue.h"
#include "settings.h"

#include <uv.h>

struct beat;

struct beat_options {
    uv_loop_t *loop; /* all borrowed until beat_free */
    const struct queue *queue;
    const struct settings *settings;
    const char *worker;
    const char *types; /* as in struct claimant */
    void *arg;
    /* Write at most `most` jobs in hand to jobs, their texts borrowed, and fill in count, complete
       (no claim is under way) and state. */
    void (*gather)(void *arg, struct heartbeat *in, struct holding *jobs, size_t most);
    /* This attempt (an owner's text alone does not name it: jobs claimed in the same millisecond
       share one) is not ours any more. Borrowed. */
    void (*on_lost)(void *arg, const char *job, uint64_t attempt);
    /* Redis answered. */
    void (*on_answered)(void *arg);
};

/* beat_new(options): gives; NULL: no memory. Waits for beat_now. */
MUST_CHECK struct beat *beat_new(const struct beat_options *options);

/* beat_now(b): one at once, or right behind the one that is under way; from then on every third of
   a lease. */
void beat_now(struct beat *b);

/* beat_stop(b): no more; one under way is still answered to nobody. */
void beat_stop(struct beat *b);

/* beat_free(b): after its Redis connection was freed. The memory goes when the loop has turned. */
void beat_free(struct beat *b);

#endif
