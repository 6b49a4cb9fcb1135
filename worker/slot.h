/**
 * slot.h: a task process (process.h) and the attempt it works on.
 *
 * A slot is IDLE (its process runs and has no job), then BUSY from slot_give on.
 * With `done` a process that may be reused is IDLE again; any other is on its
 * way out and takes no more jobs.
 *
 * A slot is a place (place.h: decided, reported). `done` is reported at once.
 * Everything else is reported when the process and its group are gone, so that two
 * attempts never run side by side and the last words are whole.
 *
 * Invariants: only IDLE slots take jobs. on_end is called exactly once for each
 * slot_give, unless place_drop came before: then on_left is, when its group is gone. Who says first
 * what the attempt came to is right: a line, the exit, or place_stop.
 *
 * Who frees: the slot itself, after on_gone; by then its process was waited for,
 * its group is gone, its descriptors are closed. Whoever is called back may call
 * any function here. Thread: the loop's.
 */
#ifndef LEAT_SLOT_H
#define LEAT_SLOT_H

#include "base.h"
#include "place.h"
#include "settings.h"
#include "status.h"
#include "tasks.h"

#include <uv.h>

struct slot;

/* Where processes live, and who counts them. Borrowed by every slot until it is gone. */
struct slot_host {
    uv_loop_t *loop;
    const struct settings *settings;
    char **environment;    /* spawn_environment */
    struct keeper *keeper; /* may be NULL */
    void *arg;
    /* The slot has no user any more. fit: it is IDLE and may be given a job. */
    void (*on_freed)(void *arg, struct slot *slot, bool fit);
    /* The slot's memory goes when this returns. */
    void (*on_gone)(void *arg, struct slot *slot);
};

/**
 * slot_new(host, task, slot)
 * Start a process for task. Borrows both until on_gone. The slot is IDLE.
 *
 * STATUS_SYSTEM: it could not be started (logged), *slot is NULL.
 * STATUS_NO_MEMORY: the same, for want of memory, descriptors or processes: it may
 * do later, or in another worker.
 */
MUST_CHECK enum status slot_new(const struct slot_host *host, const struct task *task,
                                struct slot **slot);

/**
 * slot_give(slot, line, length, user)
 * Give an IDLE slot a job: write the line (with its LF) and listen.
 * Copies all. STATUS_NO_MEMORY: nothing changed.
 */
MUST_CHECK enum status slot_give(struct slot *slot, const char *line, size_t length,
                                 const struct place_user *user);

/* slot_is_idle(slot): IDLE. slot_is_fit(slot): and silent as it should be. */
bool slot_is_idle(const struct slot *slot);
bool slot_is_fit(const struct slot *slot);

/* slot_place(slot): the attempt's place in it, for its user. Borrowed. While it is paused what was
   read already may still come: at most one read and one line. */
struct place *slot_place(struct slot *slot);

/* slot_end(slot): let an IDLE process go: its standard input ends; if need be it is stopped. */
void slot_end(struct slot *slot);

/* slot_kill(slot): SIGKILL to the group now. After place_stop, place_drop or slot_end. */
void slot_kill(struct slot *slot);

/* slot_task(slot): what it was started for. Borrowed. */
const struct task *slot_task(const struct slot *slot);

/* slot_pid(slot): the process, for logs. */
int slot_pid(const struct slot *slot);

/* slot_idle_since(slot): steady ms when it became IDLE. */
int64_t slot_idle_since(const struct slot *slot);

#endif
