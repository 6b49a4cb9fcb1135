/**
 * many.h: generate_messages for many jobs at once: the shared form of a task
 * process (LEAT_SLOTS), one thread, no timer a job.
 *
 * Lines are `<job id> <line>` both ways; `<id> {"stop": true}` ends a job at once,
 * which says `failed` then. When the input ends no more jobs come; those in hand
 * are finished.
 *
 * Below the reading and writing is a part without descriptors and clocks, for
 * tests: lines go in, the time is said, lines come out.
 */
#ifndef LEAT_MANY_H
#define LEAT_MANY_H

#include "table.h"
#include "task.h"

/* One job in hand. owner: its struct many. */
struct many_job {
    char id[JOB_ID_SIZE];
    struct table_entry entry;         /* by its id */
    struct many_job *before, *behind; /* by due time */
    struct job_line line;
    int64_t number; /* of the next message */
    int64_t due_ms; /* steady */
};

/* Zero it, then many_init. All members are private to many.c. */
struct many {
    const struct task_context *context;
    struct table jobs;
    struct many_job *first, *last; /* the next that is due first */
};

/* many_init(m, context): nobody. Borrows context. False: no memory. */
MUST_CHECK bool many_init(struct many *m, const struct task_context *context);

/* many_clear(m): forget all jobs. */
void many_clear(struct many *m);

/**
 * many_take(m, line, length, now_ms, out)
 * Take a line without its LF; line[length] must be NUL. A new job is due at once.
 * What is said at once is appended to out (check buf_ok).
 * STATUS_BAD_INPUT: it is neither a job nor a stop. A stop for nobody is nothing.
 */
MUST_CHECK enum status many_take(struct many *m, const char *line, size_t length, int64_t now_ms,
                                 struct buf *out);

/* many_speak(m, now_ms, most, out): append what is due by now, until out has `most` bytes. */
void many_speak(struct many *m, int64_t now_ms, size_t most, struct buf *out);

/* many_wait_ms(m, now_ms): until the next message is due; -1: there is no job. */
int64_t many_wait_ms(const struct many *m, int64_t now_ms);

/**
 * many_run(context)
 * Read jobs from standard input and write to standard output until the input has
 * ended and every job is done. Returns as a task does.
 */
MUST_CHECK enum status many_run(const struct task_context *context);

#endif
