/**
 * process.h: a task's process, from its start until nothing of it is left.
 *
 *     RUNNING   works, or waits for work
 *     LEAVING   is not needed any more: its standard input is closed, it has
 *               TASK_STOP_MS to go by itself
 *     STOPPING  SIGTERM went to its group; after TASK_STOP_MS SIGKILL does
 *     EXITED    was waited for; the pipes may still hold bytes, or be held open
 *               by what it started: PROCESS_GRACE_MS, then its group is killed;
 *               again so long, then the pipes count as at their end
 *     CLOSING   the handles are being closed; then on_closed
 *
 * Invariants: it is always waited for. on_over comes exactly once: when it has
 * exited and both its outputs are at their end. Right before, the group was
 * killed; right after, CLOSING. Time does not run against what an exited process
 * has written while the reading is paused.
 *
 * Embedded in a slot, which owns it; all members but phase are private to
 * process.c. Callbacks may call any function here. Thread: the loop's.
 */
#ifndef LEAT_PROCESS_H
#define LEAT_PROCESS_H

#include "base.h"
#include "buf.h"
#include "keeper.h"
#include "spawn.h"
#include "status.h"
#include "tasks.h"

#include <uv.h>

#define PROCESS_GRACE_MS 1000

/* The bytes of standard error that are kept. */
#define PROCESS_WORDS_BYTES 4096

enum process_phase {
    PROCESS_RUNNING,
    PROCESS_LEAVING,
    PROCESS_STOPPING,
    PROCESS_EXITED,
    PROCESS_CLOSING,
};

/* How it ended. */
struct process_end {
    int64_t status;
    int signal;  /* 0: it exited by itself */
    bool unread; /* of the last line fed it had not read a byte */
};

struct process_options {
    uv_loop_t *loop;
    const struct task *task; /* the three are borrowed until on_closed */
    char **environment;
    struct keeper *keeper; /* told of its group; NULL for none. Borrowed until on_closed */
    int64_t stop_ms;       /* TASK_STOP_MS */
    void *arg;
    /* Where so many bytes of standard output may be put; NULL: no memory. */
    char *(*room)(void *arg, size_t size);
    /* So many were put there. 0: standard output is at its end. UV_ENOBUFS: no memory, and the end.
     */
    void (*on_out)(void *arg, ssize_t count);
    void (*on_over)(void *arg, const struct process_end *end);
    /* Its memory may go. Comes also after a failed start. */
    void (*on_closed)(void *arg);
};

struct process {
    struct process_options options;
    enum process_phase phase;
    struct spawned spawned;
    uv_timer_t timer; /* LEAVING, STOPPING, EXITED: what comes next */
    int pid;          /* 0: never started */
    unsigned handles; /* not yet closed */
    bool in_open;     /* standard input may be written to */
    bool out_open;    /* no end of standard output was seen */
    bool err_open;    /* the same of standard error */
    bool paused;
    bool talkative;   /* its last read was a large one */
    bool killed;      /* SIGKILL was sent to the group */
    bool group_empty; /* its number may be somebody else's: no more signals */
    struct process_end end;
    struct buf words; /* the newest of standard error */
    struct buf feed;  /* the line that is being written, or several of a shared process */
    struct buf unfed; /* what comes behind it (process_send) */
    size_t feed_length;
    uv_write_t write;
    bool feeding;
    bool feed_failed;
};

/**
 * process_start(p, options)
 * Start the task's program. p was zeroed. Copies options. Any other status than
 * STATUS_OK is logged; then it is CLOSING, and of the callbacks only on_closed comes.
 * STATUS_NO_MEMORY: memory, descriptors or processes are used up here, for now;
 *   nothing is wrong with the task. STATUS_SYSTEM: it cannot be started.
 */
MUST_CHECK enum status process_start(struct process *p, const struct process_options *options);

/**
 * process_feed(p, line, length)
 * Write a line to standard input, which ends after it unless the task is marked
 * [reuse]. Copies it. A process that does not read is no error. Forgets the last
 * words. False: no memory, nothing was written.
 */
MUST_CHECK bool process_feed(struct process *p, const char *line, size_t length);

/**
 * process_send(p, line, length)
 * Write a line to standard input behind what was sent before; it stays open. For
 * a shared process, which is never fed. Copies it. False: no memory, or its
 * standard input is closed.
 */
MUST_CHECK bool process_send(struct process *p, const char *line, size_t length);

/* process_has_read(p): all that was fed was read; its pipes are as they were at the start. */
bool process_has_read(const struct process *p);

/* process_can_be_sent(p): RUNNING, and its pipes are open. */
bool process_can_be_sent(const struct process *p);

/* process_is_silent(p): RUNNING, and no output waits to be read. */
bool process_is_silent(const struct process *p);

/* process_pause(p), process_resume(p): read no more standard output; read on. */
void process_pause(struct process *p);
void process_resume(struct process *p);

/* process_leave(p): LEAVING, from RUNNING. process_stop(p): STOPPING, from these two. */
void process_leave(struct process *p);
void process_stop(struct process *p);

/* process_hurry(p): nobody waits for its output any more: stop, and do not spare what it started.
 */
void process_hurry(struct process *p);

/* process_kill(p): SIGKILL to the group now. */
void process_kill(struct process *p);

/**
 * process_end_text(end, out, size)
 * Why an attempt ended with its process: "exit", "signal", or "" for exit code 0.
 * out: the same as a sentence, ASCII.
 */
const char *process_end_text(const struct process_end *end, char *out, size_t size);

/* process_words(p, length): its last words, blanks at the end taken off. Borrowed; not checked. */
const char *process_words(const struct process *p, size_t *length);

#endif
