/**
 * chat_task.h: the task `chat`: answers of language models, for jobs that come as lines.
 *
 * Without LEAT_SLOTS one job after the other; with it many at once, each line behind its job's
 * id, and `<id> {"stop": true}` ends one. When the input ends, what is in hand is
 * finished. SIGTERM: what the jobs in hand have cost is said, then the process ends by it.
 */
#ifndef LEAT_CHAT_TASK_H
#define LEAT_CHAT_TASK_H

#include "task.h"

/* chat_task_run(context): until the input has ended and every job is done. Returns as a task does.
 */
MUST_CHECK enum status chat_task_run(const struct task_context *context);

#endif
