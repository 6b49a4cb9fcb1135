/**
 * shell_task.h: a task that is a shell script, and what its process needs around it.
 *
 * Thread: the test's.
 */
#ifndef LEAT_SHELL_TASK_H
#define LEAT_SHELL_TASK_H

#include "settings.h"
#include "tasks.h"

#include <uv.h>

struct shell_task {
    uv_loop_t loop;
    struct settings settings; /* the worker's standards; task_stop_ms is 300 */
    char *words[4];           /* sh, -c, the script */
    struct task task;         /* what they are */
};

/* shell_task_begin(s): s was zeroed, and must not be moved. Logs nothing. False: no memory. */
bool shell_task_begin(struct shell_task *s);

/* shell_task_say(s, script): what it runs. Borrowed until the process was started. */
void shell_task_say(struct shell_task *s, const char *script);

/* shell_task_end(s): the loop has nothing left, and no process of ours is left unwaited for. */
void shell_task_end(struct shell_task *s);

#endif
