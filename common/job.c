/*
 * job.c: the words for a job's states, as they stand in Redis; what is a name.
 */
#include "job.h"

#include <string.h>

static const char *const names[] = {
    [JOB_NONE] = "",
    [JOB_WAITING] = "waiting",
    [JOB_DELAYED] = "delayed",
    [JOB_RUNNING] = "running",
    [JOB_DONE] = "done",
    [JOB_DEAD] = "dead",
    [JOB_CANCELLED] = "cancelled",
    [JOB_EXPIRED] = "expired",
};

bool job_is_name(const char *text)
{
    static const char bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t length = strlen(text);
    return length > 0 && length < JOB_NAME_SIZE && strspn(text, bytes) == length;
}

const char *job_state_name(enum job_state state)
{
    return (size_t)state < COUNT_OF(names) ? names[state] : "";
}

enum job_state job_state_read(const char *text, size_t length)
{
    for (size_t i = 1; i < COUNT_OF(names); i++) {
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0)
            return (enum job_state)i;
    }
    return JOB_NONE;
}
