/*
 * keeper.c: one pipe, numbers over it: a group that began, or the negative of
 * one that ended. Each write is one number, which a pipe keeps whole.
 *
 * The keeper holds nothing but its end of the pipe, ignores the signals that end
 * a worker, and is in a session of its own, so that a Ctrl-C at the terminal does
 * not end it before the worker has drained.
 */
#include "keeper.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>

#define STOP_MS 1000

/* ---- a list of groups, on both sides ---- */

static void add(struct keeper_groups *g, pid_t group)
{
    if (g->count == g->capacity) {
        size_t capacity = g->capacity ? 2 * g->capacity : 64;
        pid_t *list = realloc(g->list, capacity * sizeof *list);
        if (!list)
            return;
        g->list = list;
        g->capacity = capacity;
    }
    g->list[g->count++] = group;
}

static void drop(struct keeper_groups *g, pid_t group)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->list[i] == group) {
            g->list[i] = g->list[--g->count];
            return;
        }
    }
}

/* ---- the keeper's side ---- */

static _Noreturn void keep(int from)
{
    struct keeper_groups groups = {0};
    pid_t number;
    ssize_t got;
    while ((got = read(from, &number, sizeof number)) > 0 || (got < 0 && errno == EINTR)) {
        if (got == (ssize_t)sizeof number && number > 0)
            add(&groups, number);
        else if (got == (ssize_t)sizeof number)
            drop(&groups, -number);
    }
    for (size_t i = 0; i < groups.count; i++)
        kill(-groups.list[i], SIGKILL);
    _exit(0);
}

static _Noreturn void become_keeper(int from)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < COUNT_OF(ignored); i++)
        signal(ignored[i], SIG_IGN);
    setsid();
    prctl(PR_SET_NAME, "leat-keeper");
    /* As descriptor 0, and nothing else: the worker's output must be able to end without us. */
    if (dup2(from, 0) < 0 || close_range(1, ~0U, 0) != 0)
        _exit(1);
    keep(0);
}

/* ---- the worker's side ---- */

static bool begin(struct keeper *k)
{
    int ends[2];
    k->pipe = k->pid = -1;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    k->pid = fork();
    if (k->pid == 0) {
        close(ends[1]);
        fcntl(ends[0], F_SETFL, 0);
        become_keeper(ends[0]);
    }
    close(ends[0]);
    if (k->pid < 0) {
        close(ends[1]);
        return false;
    }
    k->pipe = ends[1];
    return true;
}

bool keeper_start(struct keeper *k)
{
    *k = (struct keeper){.pipe = -1, .pid = -1};
    return begin(k);
}

static bool tell(struct keeper *k, pid_t number)
{
    return k->pipe >= 0 && write(k->pipe, &number, sizeof number) == (ssize_t)sizeof number;
}

/* Killed by somebody, or frozen until its pipe was full. */
static void replace(struct keeper *k)
{
    log_error("keeper_lost", LOG_S("why", strerror(errno)));
    if (k->pid > 0) {
        kill(k->pid, SIGKILL);
        waitpid(k->pid, NULL, 0);
    }
    if (k->pipe >= 0)
        close(k->pipe);
    if (!begin(k))
        return;
    for (size_t i = 0; i < k->groups.count; i++) {
        if (!tell(k, k->groups.list[i]))
            return;
    }
}

void keeper_add(struct keeper *k, pid_t group)
{
    add(&k->groups, group);
    if (!tell(k, group))
        replace(k);
}

void keeper_remove(struct keeper *k, pid_t group)
{
    drop(&k->groups, group);
    if (!tell(k, -group))
        replace(k);
}

void keeper_stop(struct keeper *k)
{
    if (k->pipe >= 0)
        close(k->pipe);
    if (k->pid > 0) {
        struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, k->pid, 0), .events = POLLIN};
        int ended;
        do
            ended = end.fd < 0 ? 0 : poll(&end, 1, STOP_MS);
        while (ended < 0 && errno == EINTR);
        if (ended <= 0)
            kill(k->pid, SIGKILL);
        if (end.fd >= 0)
            close(end.fd);
        waitpid(k->pid, NULL, 0);
    }
    free(k->groups.list);
    *k = (struct keeper){.pipe = -1, .pid = -1};
}
