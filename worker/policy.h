/**
 * policy.h: how long an attempt may run, and what a failed one costs.
 *
 * What the job asked for goes first, then what the marks in WORKER_TASKS say of
 * its type, then the settings. Pure. Thread: any.
 */
#ifndef LEAT_POLICY_H
#define LEAT_POLICY_H

#include "base.h"
#include "queue.h"
#include "settings.h"
#include "tasks.h"

struct policy {
    int64_t timeout_ms;
    struct finish_policy finish; /* the step lets the job's own max_attempts go before it */
};

/* policy_of(settings, task, asked_ms): task: NULL for an unknown type. asked_ms: the longest run
   that the job asked for; 0 for none. */
struct policy policy_of(const struct settings *settings, const struct task *task, int64_t asked_ms);

#endif
