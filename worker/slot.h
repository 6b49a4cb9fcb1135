/**
 * slot.h: one task process, and the job it works on.
 *
 * A process is, in this order:
 *
 *     IDLE      runs, has no job        ──slot_give──▶ BUSY
 *     BUSY      has a job, works        ──done, may be reused──▶ IDLE
 *     LEAVING   said its last word, or is not needed: its standard input is
 *               closed, it has TASK_STOP_MS to go by itself
 *     STOPPING  SIGTERM went to its group; after TASK_STOP_MS SIGKILL does
 *     EXITED    was waited for; the pipes may still hold bytes, or be held open
 *               by what it started: SLOT_GRACE_MS, then its group is killed;
 *               again so long, then the pipes count as at their end
 *     CLOSING   the handles are being closed; then the memory goes
 *
 * An attempt is, beside that: going on (a user is there), decided (what it came
 * to is known, what the task still says is thrown away), reported (on_end was
 * called, no user is there). `done` is reported at once. Everything else is
 * reported when the process and its group are gone, so that two attempts never
 * run side by side and the last words are whole.
 *
 * Invariants: only IDLE slots take jobs. on_end is called exactly once for each
 * slot_give, unless slot_drop came before. A process is always waited for. When
 * a slot is freed its group is gone, its descriptors are closed.
 *
 * Who frees: the slot itself, in CLOSING, after on_gone. Whoever is called back
 * may call any function here. Thread: the loop's.
 */
#ifndef LEAT_SLOT_H
#define LEAT_SLOT_H

#include "base.h"
#include "settings.h"
#include "status.h"
#include "tasks.h"

#include <uv.h>

#define SLOT_GRACE_MS 1000

/* The bytes of standard error that are kept of a job. */
#define SLOT_WORDS_BYTES 4096

struct slot;

/* Where processes live, and who counts them. Borrowed by every slot until it is gone. */
struct slot_host {
    uv_loop_t *loop;
    const struct settings *settings;
    char **environment; /* spawn_environment */
    void *arg;
    /* The slot has no user any more. fit: it is IDLE and may be given a job. */
    void (*on_freed)(void *arg, struct slot *slot, bool fit);
    /* The slot's memory goes when this returns. */
    void (*on_gone)(void *arg, struct slot *slot);
};

enum slot_end {
    SLOT_DONE,
    SLOT_FAILED,
    SLOT_DIED,   /* killed by a signal that was not ours */
    SLOT_UNREAD, /* a reused process had gone before it read the line: no attempt took place */
};

/* What an attempt came to. The texts are borrowed until on_end returns. */
struct slot_report {
    enum slot_end end;
    const char *reason; /* done: ""; a task's own word, or exit, signal, line, timeout … */
    const char *detail; /* a sentence and the last words, valid UTF-8; may be "" */
    bool retry;         /* failed: whether another attempt makes sense */
};

struct slot_user {
    void *arg;
    /* A message: one line without LF, a checked JSON object. Borrowed. */
    void (*on_message)(void *arg, const char *data, size_t length);
    /* The attempt is over; nothing of it comes after. */
    void (*on_end)(void *arg, const struct slot_report *report);
};

/**
 * slot_new(host, task, slot)
 * Start a process for task. Borrows both until on_gone. The slot is IDLE.
 *
 * STATUS_SYSTEM: it could not be started (logged), *slot is NULL.
 * STATUS_NO_MEMORY: the same.
 */
MUST_CHECK enum status slot_new(const struct slot_host *host, const struct task *task,
                                struct slot **slot);

/**
 * slot_give(slot, line, length, user)
 * Give an IDLE slot a job: write the line (with its LF) and listen.
 * Copies all. STATUS_NO_MEMORY: nothing changed.
 */
MUST_CHECK enum status slot_give(struct slot *slot, const char *line, size_t length,
                                 const struct slot_user *user);

/* slot_is_idle(slot): IDLE. slot_is_fit(slot): and silent as it should be. */
bool slot_is_idle(const struct slot *slot);
bool slot_is_fit(const struct slot *slot);

/**
 * slot_pause(slot), slot_resume(slot)
 * Read no more standard output, read on. What was read already may still come
 * (at most one read and one line). Harmless in every state.
 */
void slot_pause(struct slot *slot);
void slot_resume(struct slot *slot);

/**
 * slot_stop(slot, reason, detail)
 * End the attempt that is going on: it is FAILED with this reason, to be tried
 * again, unless it was decided before. Copies the texts.
 */
void slot_stop(struct slot *slot, const char *reason, const char *detail);

/* slot_drop(slot): end the process; there is no user any more, on_end does not come. */
void slot_drop(struct slot *slot);

/* slot_end(slot): let an IDLE process go: its standard input ends, then as LEAVING. */
void slot_end(struct slot *slot);

/* slot_kill(slot): SIGKILL to the group now. After slot_stop, slot_drop or slot_end. */
void slot_kill(struct slot *slot);

/* slot_task(slot): what it was started for. Borrowed. */
const struct task *slot_task(const struct slot *slot);

/* slot_pid(slot): the process, for logs. */
int slot_pid(const struct slot *slot);

/* slot_idle_since(slot): steady ms when it became IDLE. */
int64_t slot_idle_since(const struct slot *slot);

#endif
