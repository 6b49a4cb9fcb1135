/**
 * shared.h: a task process that works on many jobs at once ([slots=n]).
 *
 * For work that only waits. Every line, both ways, is `<job id> <line>`: the job
 * goes in as `<id> {"job": …}`; messages and the attempt's end (`done`, `failed`)
 * come out; `<id> {"stop": true}` goes in when the attempt is to end, and is
 * obeyed by ending it, with `done` or `failed`. The process is started with
 * LEAT_SLOTS=n in its environment.
 *
 * The process:
 *
 *     SERVING   takes jobs while it has free seats and its pipes are open
 *     BROKEN    takes none any more: it is being replaced. Its jobs go on being
 *               heard until it is gone, unless it lost the thread (no job can be
 *               told from a line): then it is deaf
 *     over      it is gone with its group; every seat that is left was reported
 *
 * A seat (a job in it; place.h), found by its job's id:
 *
 *     WORKING   the attempt is going on
 *     STOPPING  it was told to stop: because of place_stop, place_drop, or a line of
 *               it that breaks the rules. It has TASK_STOP_MS to say that it ended,
 *               else the process is BROKEN. There may be a user or none
 *     ENDED     it ended its attempt; the seat is free. The id is known for
 *               SHARED_GRACE_MS, that no attempt of the same job gets its late lines
 *
 * What a line does: of a WORKING job what it says; of a STOPPING or ENDED one it is
 * thrown away, but for the end that a STOPPING one owes and the usage that it may tell before. Of a
 * job that is not known here (long ended, or never given) it is thrown away too, and said in the
 * log once a process: it harms nobody, and neighbours are not to pay for it. One
 * that breaks a rule fails the attempt of the job it names; one that names none
 * breaks the process.
 *
 * When the process is over, whoever is still in it
 *     - and was stopped: is told what it was stopped for; the next attempt runs alone
 *     - and was the only job that the process ever had: as in a slot, by exit
 *       code or signal. So a death counts only for who was alone. It stays alone
 *     - else: PLACE_LOST, which counts as nothing; the next attempt runs alone,
 *       unless it is known who broke the process, by not obeying
 * An exit code of 0 is no exception: nobody's work is known to be done by it.
 *
 * Flow: a seat whose user wants no more (place_pause) goes on being heard, so that
 * its neighbours do. It keeps at most SHARED_OVER_BYTES so, and all of them
 * SHARED_OVER_ALL_BYTES; then the process is not read until the users want more.
 * The time to obey a stop does not run meanwhile.
 *
 * Invariants: on_end comes exactly once for each shared_give, unless place_drop
 * came before: then on_left does, when the seat is free. WORKING and STOPPING seats together are at
 * most the task's slots. Who frees: the shared process itself, after on_gone. Thread: the loop's.
 */
#ifndef LEAT_SHARED_H
#define LEAT_SHARED_H

#include "base.h"
#include "keeper.h"
#include "place.h"
#include "settings.h"
#include "status.h"
#include "tasks.h"

#include <uv.h>

#define SHARED_GRACE_MS 10000
#define SHARED_OVER_BYTES (1 << 20)
#define SHARED_OVER_ALL_BYTES (8 << 20)

struct shared;

/* Where processes live, and who counts them. Borrowed by every one until it is gone. */
struct shared_host {
    uv_loop_t *loop;
    const struct settings *settings;
    char **environment;    /* spawn_environment */
    struct keeper *keeper; /* may be NULL */
    void *arg;
    /* A seat is free again. */
    void (*on_freed)(void *arg, struct shared *shared);
    /* Its memory goes when this returns. */
    void (*on_gone)(void *arg, struct shared *shared);
};

/**
 * shared_new(host, task, slots, shared)
 * Start a process for task with so many seats: the task's slots, or 1 for a job
 * that is to be alone. Borrows host and task until on_gone. SERVING.
 *
 * STATUS_SYSTEM, STATUS_NO_MEMORY: as of slot_new; *shared is NULL.
 */
MUST_CHECK enum status shared_new(const struct shared_host *host, const struct task *task,
                                  size_t slots, struct shared **shared);

/* shared_has_room(shared, id): it may be given this job: SERVING, a seat is free, and it had no
   attempt of the same job a moment ago. */
bool shared_has_room(const struct shared *shared, const char *id);

/**
 * shared_give(shared, id, line, length, user, place)
 * Give it a job that it has room for: a line of JSON with its LF. Copies all but
 * the place, which the user may use until on_end or place_drop.
 * STATUS_NO_MEMORY: nothing changed.
 */
MUST_CHECK enum status shared_give(struct shared *shared, const char *id, const char *line,
                                   size_t length, const struct place_user *user,
                                   struct place **place);

/* shared_jobs(shared): seats that are taken. */
size_t shared_jobs(const struct shared *shared);

/* shared_users(shared): of them, those whose user was not told an end and did not drop it. */
size_t shared_users(const struct shared *shared);

/* shared_is_serving(shared): SERVING. */
bool shared_is_serving(const struct shared *shared);

/* shared_idle_since(shared): steady ms when its last seat became free. */
int64_t shared_idle_since(const struct shared *shared);

/* shared_end(shared): it has no jobs: let it go; its standard input ends. */
void shared_end(struct shared *shared);

/* shared_kill(shared): SIGKILL to its group now. */
void shared_kill(struct shared *shared);

/* shared_task(shared): what it was started for. shared_slots: its seats. shared_pid: for logs. */
const struct task *shared_task(const struct shared *shared);
size_t shared_slots(const struct shared *shared);
int shared_pid(const struct shared *shared);

#endif
