/**
 * shares.h: the shared task processes of a worker (shared.h), and which of them a
 * job goes to.
 *
 * The fullest one that has room, so that few exist and the others run empty; a
 * new one only when none has. A job that is to be alone gets one of its own, which
 * goes when the job does. One that was idle for long is ended.
 *
 * Part of crew.c, which is told nothing but that one is gone. Thread: the loop's.
 */
#ifndef LEAT_SHARES_H
#define LEAT_SHARES_H

#include "base.h"
#include "shared.h"
#include "status.h"

struct share {
    struct shared *shared;
    bool alone; /* for one job */
};

/* Embedded; all members are private to shares.c. */
struct shares {
    struct shared_host host;
    struct share *list;
    size_t count, capacity;
    bool closed; /* nobody stays idle */
    void *arg;
    void (*on_gone)(void *arg);
};

/* shares_init(s, host, arg, on_gone): none. Takes over host but for its callbacks. on_gone: one is
   not there any more. */
void shares_init(struct shares *s, const struct shared_host *host, void *arg,
                 void (*on_gone)(void *arg));

/**
 * shares_take(s, task, id, alone, shared)
 * A shared process that has room for the job. STATUS_SYSTEM, STATUS_NO_MEMORY: as
 * of shared_new; *shared is NULL.
 */
MUST_CHECK enum status shares_take(struct shares *s, const struct task *task, const char *id,
                                   bool alone, struct shared **shared);

/* shares_tick(s): end those that are idle since before `oldest` (steady ms). */
void shares_tick(struct shares *s, int64_t oldest);

/* shares_ending(s): those on their way out with nobody's job. */
size_t shares_ending(const struct shares *s);

/* shares_own(s, pid): whether that process is one of them. */
bool shares_own(const struct shares *s, int pid);

/* shares_close(s): end the idle ones, and each that becomes idle. */
void shares_close(struct shares *s);

/* shares_kill(s): SIGKILL to all that have nobody's job. */
void shares_kill(struct shares *s);

/* shares_clear(s): only when there is none: give the memory back. */
void shares_clear(struct shares *s);

#endif
