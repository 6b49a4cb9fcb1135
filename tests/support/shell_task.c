/*
 * shell_task.c: for tests of task processes with neither Redis nor a pool.
 */
#include "shell_task.h"

#include "log.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

static char shell[] = "/bin/sh", option[] = "-c";

bool shell_task_begin(struct shell_task *s)
{
    struct buf error = {0};
    if (!settings_load(&s->settings, SETTINGS_WORKER, &error))
        return false;
    log_open("test", LOG_LEVEL_NONE);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&s->loop);
    s->settings.task_stop_ms = 300;
    s->words[0] = shell;
    s->words[1] = option;
    s->task = (struct task){.type = "test", .words = s->words, .program = shell};
    return true;
}

void shell_task_say(struct shell_task *s, const char *script)
{
    s->words[2] = (char *)(uintptr_t)script;
}

void shell_task_end(struct shell_task *s)
{
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}
