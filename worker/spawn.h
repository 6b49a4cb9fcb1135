/**
 * spawn.h: start a task's program, cut off from everything that is ours.
 *
 * The process leads a session and a process group of its own, so that a signal
 * to the group reaches whatever it starts. It has three descriptors, pipes of
 * ours, and no variable that leads to Redis (settings_is_private).
 *
 * Thread: the loop's.
 */
#ifndef LEAT_SPAWN_H
#define LEAT_SPAWN_H

#include "base.h"
#include "tasks.h"

#include <uv.h>

/* The handles of one process. Embedded; its owner closes each of them. */
struct spawned {
    uv_process_t process;
    bool process_made; /* libuv knows the one above: it must be closed */
    uv_pipe_t in;      /* we write */
    uv_pipe_t out;     /* we read */
    uv_pipe_t err;     /* we read */
};

/**
 * spawn_environment()
 * The environment for task processes: ours without the private variables.
 * Gives the array (free()); its texts are borrowed from our environment.
 * NULL: no memory.
 */
MUST_CHECK char **spawn_environment(void);

/**
 * spawn_environment_with(environment, variable)
 * A longer copy of such an array, variable ("NAME=value") behind it. Gives as
 * above; borrows variable as well. NULL: no memory.
 */
MUST_CHECK char **spawn_environment_with(char **environment, char *variable);

/**
 * spawn_task(loop, task, environment, spawned, on_exit)
 * Start task's program. Borrows all.
 *
 * spawned was zeroed, but for the handles' data, which is left alone.
 * Returns 0 or a uv error code. Either way the three pipes were initialised; on
 * an error no process runs and on_exit is never called.
 */
MUST_CHECK int spawn_task(uv_loop_t *loop, const struct task *task, char **environment,
                          struct spawned *spawned, uv_exit_cb on_exit);

#endif
