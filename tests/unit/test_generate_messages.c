/*
 * What leat-task reads and renders, without a process, a pipe or a clock.
 */
#include "generate_messages.h"
#include "job_line.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status parse(const char *text, struct job_line *out)
{
    return job_line_parse(text, strlen(text), out);
}

static void a_message_has_all_its_fields_in_order(void **state)
{
    (void)state;
    struct settings settings = {.feature_id = "billing"};
    struct task_context context = {.settings = &settings, .container_id = "worker-box"};
    struct job_line job = {.feature_id = "customer-support", .chat_id = "chat-123"};
    struct buf out = {0};
    generate_messages_render(&out, &context, &job, 7, "2025-10-01T09:00:00.000000Z");
    assert_true(buf_ok(&out));
    assert_string_equal(
        buf_text(&out),
        "{\"id\": \"7\", \"feature_id\": \"customer-support\", \"chat_id\": \"chat-123\", "
        "\"message\": \"Message 7 from feature customer-support, chat chat-123\", "
        "\"timestamp\": \"2025-10-01T09:00:00.000000Z\", \"container_id\": \"worker-box\", "
        "\"container_feature_id\": \"worker-billing\", \"worker\": \"leat\"}\n");
    buf_clear(&out);
}

static void a_job_line_gives_its_names(void **state)
{
    (void)state;
    struct job_line job;
    enum status status =
        parse("{\"job\": \"j\", \"type\": \"generate_messages\", \"feature_id\": \"f.1\", "
              "\"chat_id\": \"C_2-x\", \"attempt\": 1, \"time_left_ms\": 60000, "
              "\"payload\": {\"feature_id\": \"other\", \"chat_id\": [\"\\\"}\", 1e400, null]}}",
              &job);
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(job.feature_id, "f.1");
    assert_string_equal(job.chat_id, "C_2-x");
}

static void a_malformed_job_line_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "generate",
        "{\"feature_id\": \"f\"}",
        "{\"feature_id\": \"f\", \"chat_id\": 1}",
        "{\"feature_id\": \"f\", \"chat_id\": \"\"}",
        "{\"feature_id\": \"f\", \"chat_id\": \"a\\\"b\"}",
        "{\"feature_id\": \"f\", \"chat_id\": \"a b\"}",
        "{\"feature_id\": \"f\", \"chat_id\": \"c\"} {}",
        "{\"feature_id\": \"f\", \"chat_id\": \"c\"",
        "{\"FEATURE_ID\": \"f\", \"chat_id\": \"c\"}",
    };
    struct job_line job;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        assert_int_equal(parse(lines[i], &job), STATUS_BAD_INPUT);
    static const char hidden[] = "{\"feature_id\": \"f\", \"chat_id\": \"c\"}\0 more";
    assert_int_equal(job_line_parse(hidden, sizeof hidden - 1, &job), STATUS_BAD_INPUT);
}

static void names_of_128_characters_fit_and_longer_ones_do_not(void **state)
{
    (void)state;
    struct job_line job;
    struct buf line = {0};
    for (int length = 128; length <= 129; length++) {
        buf_reset(&line);
        buf_puts(&line, "{\"feature_id\": \"f\", \"chat_id\": \"");
        for (int i = 0; i < length; i++)
            buf_putc(&line, 'c');
        buf_puts(&line, "\"}");
        assert_int_equal(parse(buf_text(&line), &job),
                         length == 128 ? STATUS_OK : STATUS_BAD_INPUT);
    }
    assert_int_equal(strlen(job.chat_id), 128);
    buf_clear(&line);
}

static void jobs_are_read_line_by_line_until_the_input_ends(void **state)
{
    (void)state;
    char text[] = "{\"feature_id\": \"f\", \"chat_id\": \"one\"}\n"
                  "{\"feature_id\": \"f\", \"chat_id\": \"two\"}";
    FILE *input = fmemopen(text, sizeof text - 1, "r");
    struct job_line job;
    assert_int_equal(job_line_read(input, &job), STATUS_OK);
    assert_string_equal(job.chat_id, "one");
    assert_int_equal(job_line_read(input, &job), STATUS_OK);
    assert_string_equal(job.chat_id, "two");
    assert_int_equal(job_line_read(input, &job), STATUS_CLOSED);
    fclose(input);
}

static void the_messages_of_a_job_without_interval_are_kept_for_large_writes(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct settings settings = {.feature_id = "default", .task_message_count = 3};
    struct writer writer = {.fd = ends[1]};
    struct task_context context = {&settings, "worker-box", &writer};
    struct job_line job = {.feature_id = "f", .chat_id = "c"};
    assert_int_equal(generate_messages(&context, &job), STATUS_OK);
    size_t kept = writer.pending.length;
    assert_true(kept > 0);
    assert_int_equal(writer_flush(&writer), STATUS_OK);
    char read_back[4096];
    assert_int_equal(read(ends[0], read_back, sizeof read_back), (int)kept);
    writer_clear(&writer);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_all_its_fields_in_order),
        cmocka_unit_test(a_job_line_gives_its_names),
        cmocka_unit_test(a_malformed_job_line_is_refused),
        cmocka_unit_test(names_of_128_characters_fit_and_longer_ones_do_not),
        cmocka_unit_test(jobs_are_read_line_by_line_until_the_input_ends),
        cmocka_unit_test(the_messages_of_a_job_without_interval_are_kept_for_large_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
