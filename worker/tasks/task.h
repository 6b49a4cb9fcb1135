/**
 * task.h: what a built-in task is given, and what it answers.
 *
 * Tasks are one after the other in one process: no threads, no event loop. A new
 * one is a function in a file of its own and a row in main.c's table.
 */
#ifndef LEAT_TASK_H
#define LEAT_TASK_H

#include "job_line.h"
#include "settings.h"
#include "status.h"
#include "writer.h"

/* Lives as long as the process. All borrowed. */
struct task_context {
    const struct settings *settings;
    const char *container_id; /* "worker-<hostname>", safe inside a JSON string */
    struct writer *writer;    /* to standard output */
};

/**
 * A task: write job's messages, one line each, and return when the last one is
 * handed to the writer. The caller writes {"leat":"done"} and flushes.
 * Anything but STATUS_OK ends the process.
 */
typedef enum status task_fn(const struct task_context *context, const struct job_line *job);

#endif
