/*
 * policy.c: the first of several numbers that is not 0.
 */
#include "policy.h"

static int64_t first_of(int64_t a, int64_t b)
{
    return a != 0 ? a : b;
}

struct policy policy_of(const struct settings *settings, const struct task *task, int64_t asked_ms)
{
    static const struct task plain;
    if (!task)
        task = &plain;
    return (struct policy){
        .timeout_ms = first_of(asked_ms, first_of(task->timeout_ms, settings->job_timeout_ms)),
        .finish =
            {
                .max_attempts = first_of(task->max_attempts, settings->job_max_attempts),
                .backoff_ms = first_of(task->backoff_ms, settings->retry_backoff_ms),
                .backoff_max_ms = first_of(task->backoff_max_ms, settings->retry_backoff_max_ms),
            },
    };
}
