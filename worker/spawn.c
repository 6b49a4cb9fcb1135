/*
 * spawn.c: pipes and uv_spawn.
 *
 * libuv's own pipes for children are sockets: a program that opens /dev/stdout
 * fails on them, and what a reader has not read yet cannot be counted. So the
 * pipes are made here, and the child inherits its ends.
 *
 * The dangerous part is descriptors. All of ours are close-on-exec, but a
 * library may open one that is not; so everything above standard error is
 * marked right before each start. Nothing of ours is meant to survive an exec.
 * libuv resets the signals' dispositions in the child (our SIGPIPE is ignored).
 */
#include "spawn.h"

#include "settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/close_range.h>

char **spawn_environment(void)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **environment = calloc(count + 1, sizeof *environment);
    if (!environment)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        char *name = strndup(environ[i], strcspn(environ[i], "="));
        if (!name) {
            free(environment);
            return NULL;
        }
        if (!settings_is_private(name))
            environment[kept++] = environ[i];
        free(name);
    }
    return environment;
}

char **spawn_environment_with(char **environment, char *variable)
{
    size_t count = 0;
    while (environment[count])
        count++;
    char **longer = calloc(count + 2, sizeof *longer);
    if (!longer)
        return NULL;
    memcpy(longer, environment, count * sizeof *longer);
    longer[count] = variable;
    return longer;
}

static void close_both(uv_file ends[2])
{
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}

/* A pipe whose end `ours` (0 reads, 1 writes) never blocks and belongs to handle then. */
static int make_pipe(uv_pipe_t *handle, int ours, uv_file ends[2])
{
    int bad = uv_pipe(ends, ours == 0 ? UV_NONBLOCK_PIPE : 0, ours == 1 ? UV_NONBLOCK_PIPE : 0);
    if (bad)
        return bad;
    bad = uv_pipe_open(handle, ends[ours]);
    if (bad)
        return bad;
    ends[ours] = -1;
    return 0;
}

static int start(uv_loop_t *loop, const struct task *task, char **environment,
                 struct spawned *spawned, uv_exit_cb on_exit, uv_file child[3])
{
    uv_stdio_container_t stdio[3];
    for (int i = 0; i < 3; i++) {
        stdio[i].flags = UV_INHERIT_FD;
        stdio[i].data.fd = child[i];
    }
    uv_process_options_t options = {
        .exit_cb = on_exit,
        .file = task->program,
        .args = task->words,
        .env = environment,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = stdio,
    };
    /* Best effort: an old kernel does not know it, and our own are marked already. */
    int marked = close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)marked;
    return uv_spawn(loop, &spawned->process, &options);
}

int spawn_task(uv_loop_t *loop, const struct task *task, char **environment,
               struct spawned *spawned, uv_exit_cb on_exit)
{
    uv_file ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    uv_pipe_t *const handles[3] = {&spawned->in, &spawned->out, &spawned->err};
    int bad = 0;
    for (int i = 0; i < 3; i++)
        uv_pipe_init(loop, handles[i], 0);
    for (int i = 0; i < 3 && !bad; i++)
        bad = make_pipe(handles[i], i == 0 ? 1 : 0, ends[i]);
    if (!bad) {
        spawned->process_made = true;
        bad = start(loop, task, environment, spawned, on_exit,
                    (uv_file[]){ends[0][0], ends[1][1], ends[2][1]});
    }
    for (int i = 0; i < 3; i++)
        close_both(ends[i]);
    return bad;
}
