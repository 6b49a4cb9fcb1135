/*
 * generate_messages.c: stands in for a model that says one thing after another.
 *
 * The first message comes at once, the wait is between two. Everything put into
 * a message is made of characters that JSON need not escape: the names are
 * checked (job_line.h, settings.h), container_id is cleaned by main.c.
 */
#include "generate_messages.h"

#include "clock.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

void generate_messages_render(struct buf *out, const struct task_context *context,
                              const struct job_line *job, int64_t number, const char *stamp)
{
    buf_printf(out,
               "{\"id\": \"%" PRId64 "\", \"feature_id\": \"%s\", \"chat_id\": \"%s\", "
               "\"message\": \"Message %" PRId64 " from feature %s, chat %s\", "
               "\"timestamp\": \"%s\", \"container_id\": \"%s\", "
               "\"container_feature_id\": \"worker-%s\", \"worker\": \"leat\"}\n",
               number, job->feature_id, job->chat_id, number, job->feature_id, job->chat_id, stamp,
               context->container_id, context->settings->feature_id);
}

static void sleep_ms(int64_t wait_ms)
{
    struct timespec left = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

enum status generate_messages(const struct task_context *context, const struct job_line *job)
{
    const struct settings *settings = context->settings;
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < settings->task_message_count && status == STATUS_OK; i++) {
        if (i > 0 && settings->task_message_interval_ms > 0)
            sleep_ms(settings->task_message_interval_ms);
        char stamp[CLOCK_STAMP_SIZE];
        clock_stamp(stamp);
        generate_messages_render(&context->writer->pending, context, job, i, stamp);
        status = writer_line(context->writer);
    }
    return status;
}
