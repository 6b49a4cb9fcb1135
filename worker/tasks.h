/**
 * tasks.h: which command runs which type of job (WORKER_TASKS).
 *
 *     generate_messages[reuse]=leat-task generate_messages;
 *     summarise[reuse,max_attempts=5,timeout_ms=30000]=python3 /app/summarise.py
 *
 * Entries are separated by semicolons; blanks around an entry and an empty one
 * after the last semicolon are allowed. A command is split at blanks, no shell.
 *
 * Marks, in any order, each once: `reuse`, one job after the other (else a process
 * a job); `slots=n`, up to n jobs at once in one process, and one after the other
 * (shared.h); `max_attempts=`, `timeout_ms=`, `backoff_ms=`, `backoff_max_ms=`, for this
 * type instead of JOB_MAX_ATTEMPTS, JOB_TIMEOUT_MS, RETRY_BACKOFF_MS,
 * RETRY_BACKOFF_MAX_MS, and within their bounds.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TASKS_H
#define LEAT_TASKS_H

#include "base.h"
#include "buf.h"
#include "job.h"

/* One type of job and its command. owner: its struct tasks. */
struct task {
    char type[JOB_NAME_SIZE];
    bool reuse;    /* one job after the other in one process */
    int64_t slots; /* up to so many at once in one process; 0: one */
    /* Its own policy; 0 where it has none. */
    int64_t max_attempts;
    int64_t timeout_ms;
    int64_t backoff_ms;
    int64_t backoff_max_ms;
    char **words;  /* the command as written, ended by NULL: argv of the process */
    char *program; /* its file, found by tasks_find_programs; NULL before */
};

/* Zeroed memory is a valid empty one. */
struct tasks {
    struct task *items;
    size_t count;
};

/**
 * tasks_parse(tasks, text, error)
 * Read WORKER_TASKS; "" means the built-in tasks.
 *
 * tasks was zeroed; whatever comes of it, the caller clears it.
 * False: text breaks a rule (or no memory); error holds one line that names
 * the variable, and the type where there is one.
 */
MUST_CHECK bool tasks_parse(struct tasks *tasks, const char *text, struct buf *error);

/**
 * tasks_find_programs(tasks, folder, path, error)
 * Find each command's program: a name with a slash as it is, leat-task in
 * folder first, all others along path.
 *
 * folder: where our own program lies. path: as in PATH; NULL for none.
 * False: one cannot be found or executed (or no memory); error holds one line.
 */
MUST_CHECK bool tasks_find_programs(struct tasks *tasks, const char *folder, const char *path,
                                    struct buf *error);

/* tasks_find(tasks, type): borrowed; NULL for a type that nobody here knows. */
const struct task *tasks_find(const struct tasks *tasks, const char *type);

/* tasks_types(tasks, out): append all types, each between blanks, as struct claimant has it. */
void tasks_types(const struct tasks *tasks, struct buf *out);

/* tasks_clear(tasks): give the memory back; empty and usable again. */
void tasks_clear(struct tasks *tasks);

#endif
