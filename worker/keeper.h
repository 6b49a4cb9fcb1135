/**
 * keeper.h: ends the task processes of a worker that was killed.
 *
 * A worker that dies by SIGKILL or a crash cannot end its tasks, and a task that
 * writes nothing would never notice. So a small process of its own, forked at the
 * start, is told of each process group that begins and ends, through a pipe. When
 * the pipe closes, the worker is gone, however it went: the keeper kills what is
 * left and ends. Should the keeper itself be gone, the next start or end of a task
 * makes another one. (PR_SET_PDEATHSIG would reach only the first process of a group.)
 *
 * Thread: the loop's; keeper_start before any other thread and loop.
 */
#ifndef LEAT_KEEPER_H
#define LEAT_KEEPER_H

#include "base.h"

#include <sys/types.h>

struct keeper_groups {
    pid_t *list;
    size_t count, capacity;
};

struct keeper {
    int pipe; /* -1: there is none */
    pid_t pid;
    struct keeper_groups groups; /* what it was told of, for its successor */
};

/* keeper_start(k): fork it. False: no process or descriptor; errno says why. */
MUST_CHECK bool keeper_start(struct keeper *k);

/* keeper_stop(k): it kills what it still knows, and ends; waits for that, a second at most. */
void keeper_stop(struct keeper *k);

/* keeper_add(k, group): a process group began. */
void keeper_add(struct keeper *k, pid_t group);

/* keeper_remove(k, group): it is gone. */
void keeper_remove(struct keeper *k, pid_t group);

#endif
