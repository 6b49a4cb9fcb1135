/**
 * run.h: one job in hand, from the claim to the step that lets go of it.
 *
 *     WORKING    a task process has the job; its messages are appended
 *     FINISHING  what the attempt came to is known; the rest of the messages goes
 *                with the step finish that ends it, where that holds them all
 *     RETURNING  to be handed back: first its process is ended, then the step
 *                hand_back lets go
 *     KEPT       finished, and on_settled was called; its messages and its verdict
 *                are kept for a while (RUN_KEEP_MS), should Redis lose what it has just said
 *     SETTLED    not ours any more (ended, fenced, cancelled, handed back,
 *                given up): on_settled was called. While its task is still on the way out
 *                it is heard for what it used; then the step usage keeps that, once
 *
 * Steps: at most one of append, finish, hand_back, usage is under way, or waits for its
 * turn (writes.h). One that waits is taken back when another one is wanted by then:
 * what a task says in one breath, its messages and that it is done, is one step.
 * When a step is answered, when the wait after a failure is over, and when Redis is up again,
 * next() decides what the next one is, from the state alone. So a step whose
 * outcome is unknown is simply made again.
 *
 * Flow: while much is unsent, or Redis is full, the task's output is not read.
 *
 * Invariants: slot is not NULL in WORKING; it is NULL in FINISHING and SETTLED;
 * in RETURNING, until the process is gone. No step is begun in SETTLED but usage, which is
 * neither repeated nor waited for: it is lost where Redis is full or away.
 *
 * Who frees: the run itself, after on_settled, when the last answer has come, its task is
 * gone and its timers are closed. Thread: the loop's.
 */
#ifndef LEAT_RUN_H
#define LEAT_RUN_H

#include "base.h"
#include "crew.h"
#include "features.h"
#include "queue.h"
#include "settings.h"
#include "tasks.h"
#include "writes.h"

#include <uv.h>

/* Redis writes its append-only file within a second, or two when the disk is slow
   (`appendfsync everysec`, pitfall: a finish that was answered can be lost). */
#define RUN_KEEP_MS 3000

/* The newest of the finished ones that a worker keeps. */
#define RUN_KEPT_MAX 64

struct run;

/* What all runs share. Borrowed until the last run is freed. */
struct run_host {
    uv_loop_t *loop;
    const struct queue *queue;
    const struct settings *settings;
    struct features *const *features; /* those that new attempts are told of */
    struct crew *crew;
    struct writes *writes;
    void *arg;
    /* It needs no place any more. kept: on_forgotten follows; else forget it now. */
    void (*on_settled)(void *arg, struct run *run, bool kept);
    /* A kept one is not ours to use any more. */
    void (*on_forgotten)(void *arg, struct run *run);
    /* This worker is short of what a process needs: a job goes back, and no other should come
       for a while. */
    void (*on_short)(void *arg);
    /* A settled one begins to keep what it used (true), or has ended that (false). */
    void (*on_telling)(void *arg, bool begins);
};

/* run_new(host, job, task): copies job. task: of its type; NULL where nobody knows it. Gives (see
   above); NULL: no memory. Call one of the next two at once. */
MUST_CHECK struct run *run_new(const struct run_host *host, const struct claimed *job,
                               const struct task *task);

/* run_work(run): start the task; where nobody knows the type, the job fails. May settle it. */
void run_work(struct run *run);

/* run_hand_back(run, now): hand the job back, unless it is FINISHING. now: without SIGTERM first.
 */
void run_hand_back(struct run *run, bool now);

/* run_lose(run, event): the job is not ours any more ("fenced", "cancelled"); settles it. */
void run_lose(struct run *run, const char *event);

/* run_give_up(run): we leave and Redis is not there: its lease runs out. Settles it. */
void run_give_up(struct run *run);

/* run_resume(run): Redis is up again: go on, and look whether the stream lost something. */
void run_resume(struct run *run);

/* run_hold(run): Redis is away: a kept one is kept until it is there again. */
void run_hold(struct run *run);

/* run_revive(run): Redis is up again: finish a kept one once more; on_settled follows again. */
void run_revive(struct run *run);

/* run_forget(run): let go of a kept one; on_forgotten is called. */
void run_forget(struct run *run);

/* run_look(run): look at the stream with the next step, if none was made since the last look. */
void run_look(struct run *run);

/* run_is_alone(run): the job is to have a process that no other job gets. */
bool run_is_alone(const struct run *run);

/* run_holding(run): how the steps name the job. Borrowed until it is settled. */
const struct holding *run_holding(const struct run *run);

#endif
