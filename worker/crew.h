/**
 * crew.h: all task processes of this worker.
 *
 * It gives a process to whoever has a job: an idle one that may be reused (the
 * one used last, whose memory is warm), or a new one. It ends what was idle for
 * long, and waits for processes that tasks left behind (where this worker is a
 * container's first process, they become its children).
 *
 * A task with slots has shared processes (shares.h): few of them.
 *
 * There are never more processes of a type than there were jobs at a time.
 * Thread: the loop's.
 */
#ifndef LEAT_CREW_H
#define LEAT_CREW_H

#include "base.h"
#include "place.h"
#include "settings.h"
#include "status.h"
#include "tasks.h"

#include <uv.h>

struct crew;

struct crew_options {
    uv_loop_t *loop;                 /* borrowed until crew_free */
    const struct settings *settings; /* the same */
    struct keeper *keeper;           /* the same; may be NULL */
    void *arg;
    /* A process is gone: crew_ending may be less, crew_is_empty true. */
    void (*on_gone)(void *arg);
};

/* crew_new(options): gives; NULL: no memory. */
MUST_CHECK struct crew *crew_new(const struct crew_options *options);

/* A job for a process of this crew. All borrowed for the call; task until the process is gone. */
struct crew_job {
    const struct task *task;
    const char *id;
    const char *line; /* with its LF */
    size_t length;
    bool fresh; /* only a process that never had a job will do */
    bool alone; /* of a task with slots: one that no other job gets */
};

/**
 * crew_start(crew, job, user, place)
 * Give the job to an idle process, a shared one or a new one. *place is the crew's;
 * the caller may use it until user->on_end was called or place_drop was.
 * STATUS_SYSTEM, STATUS_NO_MEMORY: no process has it, as of slot_new; *place is NULL.
 */
MUST_CHECK enum status crew_start(struct crew *crew, const struct crew_job *job,
                                  const struct place_user *user, struct place **place);

/* crew_ending(crew): processes without a job that are on their way out. They take up room. */
size_t crew_ending(const struct crew *crew);

/* crew_close(crew): end the idle processes, and from now on each that becomes idle. */
void crew_close(struct crew *crew);

/* crew_kill(crew): SIGKILL to all that have no job. */
void crew_kill(struct crew *crew);

/* crew_is_empty(crew): no process is left. */
bool crew_is_empty(const struct crew *crew);

/* crew_free(crew): only when empty. The memory goes when the loop has turned. */
void crew_free(struct crew *crew);

#endif
