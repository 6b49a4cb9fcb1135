/**
 * generate_messages.h: the default task, with no model behind it: it writes
 * TASK_MESSAGE_COUNT numbered messages, TASK_MESSAGE_INTERVAL_MS apart.
 */
#ifndef LEAT_GENERATE_MESSAGES_H
#define LEAT_GENERATE_MESSAGES_H

#include "task.h"

/* generate_messages(context, job): see task_fn. */
MUST_CHECK enum status generate_messages(const struct task_context *context,
                                         const struct job_line *job);

/**
 * generate_messages_render(out, context, job, number, stamp)
 * Append message `number` as one line of JSON with its newline.
 * stamp: the time it shows, as clock_stamp writes it. Check buf_ok.
 */
void generate_messages_render(struct buf *out, const struct task_context *context,
                              const struct job_line *job, int64_t number, const char *stamp);

#endif
