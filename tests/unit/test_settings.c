/*
 * test_settings.c: what the environment may say, and what is made of the table.
 */
#include "settings.h"

#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct settings s;
static struct buf out;

static int clean(void **state)
{
    (void)state;
    buf_clear(&out);
    return clearenv();
}

static void assert_wrong(enum settings_user user, const char *variable, const char *value)
{
    assert_int_equal(setenv(variable, value, 1), 0);
    buf_reset(&out);
    if (settings_load(&s, user, &out))
        fail_msg("accepted: %s=%s", variable, value);
    assert_ptr_equal(strstr(buf_text(&out), variable), buf_text(&out));
    assert_int_equal(out.data[strlen(variable)], ':');
    assert_null(strchr(buf_text(&out), '\n'));
    assert_int_equal(unsetenv(variable), 0);
}

static void assert_right(enum settings_user user, const char *variable, const char *value)
{
    assert_int_equal(setenv(variable, value, 1), 0);
    buf_reset(&out);
    if (!settings_load(&s, user, &out))
        fail_msg("%s=%s: %s", variable, value, buf_text(&out));
    assert_int_equal(unsetenv(variable), 0);
}

static void an_empty_environment_gives_the_defaults(void **state)
{
    (void)state;
    for (unsigned user = SETTINGS_API; user <= SETTINGS_FSCK; user *= 2) {
        assert_true(settings_load(&s, user, &out));
        assert_string_equal(buf_text(&out), "");
        assert_string_equal(s.feature_id, "default");
        assert_string_equal(s.redis_host, "127.0.0.1");
        assert_int_equal(s.redis_port, 6379);
        assert_string_equal(s.redis_password, "");
        assert_int_equal(s.api_port, 8000);
        assert_int_equal(s.api_max_body_bytes, 1 << 20);
        assert_int_equal(s.api_heartbeat_ms, 15000);
        assert_int_equal(s.stream_ttl_ms, 60000);
        assert_int_equal(s.lease_ms, 15000);
        assert_int_equal(s.queue_max_bytes, 256 << 20);
        assert_int_equal(s.idempotency_ttl_ms, 3600000);
        assert_int_equal(s.worker_max_jobs, 10);
        assert_int_equal(s.task_max_line_bytes, 256 << 10);
        assert_int_equal(s.task_message_count, 20);
        assert_int_equal(s.task_message_interval_ms, 500);
    }
}

static void a_value_replaces_its_default(void **state)
{
    (void)state;
    assert_right(SETTINGS_API, "REDIS_PORT", "7000");
    assert_int_equal(s.redis_port, 7000);
    assert_right(SETTINGS_API, "API_HOST", "0.0.0.0");
    assert_string_equal(s.api_host, "0.0.0.0");
    assert_right(SETTINGS_WORKER, "FEATURE_ID", "customer-support_1.2");
    assert_string_equal(s.feature_id, "customer-support_1.2");
}

static void an_empty_variable_counts_as_unset(void **state)
{
    (void)state;
    assert_right(SETTINGS_API, "REDIS_PORT", "");
    assert_int_equal(s.redis_port, 6379);
    assert_right(SETTINGS_WORKER, "FEATURE_ID", "");
    assert_string_equal(s.feature_id, "default");
}

static void what_another_program_reads_is_not_looked_at(void **state)
{
    (void)state;
    assert_right(SETTINGS_WORKER, "API_PORT", "nonsense");
    assert_int_equal(s.api_port, 8000);
    assert_right(SETTINGS_TASK, "REDIS_PORT", "nonsense");
    assert_int_equal(s.redis_port, 6379);
}

static void both_bounds_belong_to_the_range(void **state)
{
    (void)state;
    assert_right(SETTINGS_API, "REDIS_PORT", "1");
    assert_right(SETTINGS_API, "REDIS_PORT", "65535");
    assert_wrong(SETTINGS_API, "REDIS_PORT", "0");
    assert_wrong(SETTINGS_API, "REDIS_PORT", "65536");
    assert_right(SETTINGS_API, "API_PORT", "0");
    assert_right(SETTINGS_API, "API_MAX_BODY", "64MiB");
    assert_wrong(SETTINGS_API, "API_MAX_BODY", "67108865");
    assert_wrong(SETTINGS_API, "API_MAX_BACKLOG", "4095");
}

static void a_number_is_digits_and_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.5",
        "1e3",
        "0x10",
        "1,000",
        "10s",
        "1KiB",
        "1\n2",
        "\r\n",
        "9223372036854775808",
        "99999999999999999999999",
        "-9223372036854775809",
        "１",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_wrong(SETTINGS_API, "LEASE_MS", bad[i]);
}

static void bytes_may_have_a_unit(void **state)
{
    (void)state;
    assert_right(SETTINGS_API, "QUEUE_MAX_BYTES", "2048");
    assert_int_equal(s.queue_max_bytes, 2048);
    assert_right(SETTINGS_API, "QUEUE_MAX_BYTES", "2KiB");
    assert_int_equal(s.queue_max_bytes, 2048);
    assert_right(SETTINGS_API, "QUEUE_MAX_BYTES", "3MiB");
    assert_int_equal(s.queue_max_bytes, 3 << 20);
    assert_right(SETTINGS_API, "QUEUE_MAX_BYTES", "4GiB");
    assert_true(s.queue_max_bytes == INT64_C(4) << 30);
    static const char *const bad[] = {"2kb",
                                      "2K",
                                      "2MB",
                                      "2 MiB",
                                      "MiB",
                                      "2MiBx",
                                      "2mib",
                                      "9007199254740992GiB",
                                      "9223372036854775807KiB"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_wrong(SETTINGS_API, "QUEUE_MAX_BYTES", bad[i]);
}

static void names_and_prefixes_have_their_characters_only(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, 'x', sizeof longest);
    longest[129] = '\0';
    assert_wrong(SETTINGS_WORKER, "FEATURE_ID", longest);
    assert_wrong(SETTINGS_WORKER, "WORKER_QUEUES", longest);
    longest[128] = '\0';
    assert_right(SETTINGS_WORKER, "FEATURE_ID", longest);
    assert_wrong(SETTINGS_WORKER, "FEATURE_ID", "a:b");
    assert_right(SETTINGS_API, "LEAT_KEY_PREFIX", "{s01}:");
    assert_wrong(SETTINGS_API, "LEAT_KEY_PREFIX", "a'b");
    longest[65] = '\0';
    assert_wrong(SETTINGS_API, "LEAT_KEY_PREFIX", longest);
    longest[64] = '\0';
    assert_right(SETTINGS_API, "LEAT_KEY_PREFIX", longest);
}

static void queues_are_different_names_between_commas(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a,b", "ab,a,b", "b.c-d_1,default"};
    static const char *const bad[] = {",",   "a,",    ",a",  "a,,b", "a, b",
                                      "a,a", "a,b,a", "a:b", "a;b",  " a"};
    char most[2 * SETTINGS_NAMES_MOST + 3] = "0";
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_right(SETTINGS_WORKER, "WORKER_QUEUES", good[i]);
        assert_string_equal(s.worker_queues, good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_wrong(SETTINGS_WORKER, "WORKER_QUEUES", bad[i]);
    static const char letters[] = "123456789abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";
    for (size_t i = 0; i < SETTINGS_NAMES_MOST - 1; i++)
        snprintf(most + strlen(most), 3, ",%c", letters[i]);
    assert_right(SETTINGS_WORKER, "WORKER_QUEUES", most);
    strcat(most, ",.");
    assert_wrong(SETTINGS_WORKER, "WORKER_QUEUES", most);
}

static void a_number_can_be_read_by_the_bounds_of_a_setting(void **state)
{
    (void)state;
    struct buf expected = {0};
    int64_t number = 7;
    assert_true(settings_read_number("JOB_MAX_ATTEMPTS", "100", &number, &expected));
    assert_int_equal(number, 100);
    assert_string_equal(buf_text(&expected), "");
    assert_false(settings_read_number("JOB_MAX_ATTEMPTS", "101", &number, &expected));
    assert_string_equal(buf_text(&expected), "a whole number from 1 to 100");
    buf_clear(&expected);
}

static void a_log_level_is_one_of_its_words(void **state)
{
    (void)state;
    assert_right(SETTINGS_TASK, "LOG_LEVEL", "debug");
    assert_wrong(SETTINGS_TASK, "LOG_LEVEL", "verbose");
}

static void a_backlog_holds_at_least_two_lines(void **state)
{
    (void)state;
    assert_right(SETTINGS_API, "API_MAX_BACKLOG", "512KiB");
    assert_wrong(SETTINGS_API, "API_MAX_BACKLOG", "524287");
    assert_int_equal(setenv("TASK_MAX_LINE", "1KiB", 1), 0);
    assert_right(SETTINGS_API, "API_MAX_BACKLOG", "4KiB");
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        found++;
    return found;
}

/* Names in the Markdown table, which holds all of them: the text between "| `" and "` |". */
static const char *next_name(const char *at, char name[64])
{
    at = strstr(at, "\n| `");
    if (!at)
        return NULL;
    at += 4;
    size_t length = strcspn(at, "`");
    snprintf(name, 64, "%.*s", (int)length, at);
    return at;
}

static void the_page_lists_every_setting_once(void **state)
{
    (void)state;
    char name[64], row[80];
    size_t names = 0;
    settings_markdown(&out);
    for (const char *at = buf_text(&out); (at = next_name(at, name)); names++) {
        snprintf(row, sizeof row, "\n| `%s` |", name);
        assert_int_equal(count(buf_text(&out), row), 1);
    }
    assert_true(names > 40);
    assert_int_equal(count(buf_text(&out), "\n| "), names + 2);
}

static void assert_help_has(enum settings_user user, const char *name, bool expected)
{
    struct buf help = {0};
    char row[80];
    buf_putc(&help, '\n');
    settings_help(user, &help);
    snprintf(row, sizeof row, "\n  %s ", name);
    assert_int_equal(count(buf_text(&help), row), expected);
    buf_clear(&help);
}

static void help_lists_every_setting_of_a_program_once_and_no_other(void **state)
{
    (void)state;
    char name[64];
    settings_markdown(&out);
    for (const char *at = buf_text(&out); (at = next_name(at, name));) {
        const char *readers = at;
        for (int cells = 0; cells < 3; cells++)
            readers = strchr(readers, '|') + 1;
        size_t length = strcspn(readers, "|");
        assert_help_has(SETTINGS_API, name, memmem(readers, length, " api", 4));
        assert_help_has(SETTINGS_WORKER, name, memmem(readers, length, " worker", 7));
        assert_help_has(SETTINGS_TASK, name, memmem(readers, length, " task", 5));
    }
}

static void help_shows_defaults(void **state)
{
    (void)state;
    settings_help(SETTINGS_API, &out);
    assert_non_null(strstr(buf_text(&out), "[6379]\n"));
    assert_non_null(strstr(buf_text(&out), "[256MiB]\n"));
    assert_null(strstr(buf_text(&out), "[]"));
}

/* What settings_log writes for a program, into text. */
static void capture_log(enum settings_user user, char *text, size_t size)
{
    int ends[2], kept = dup(STDERR_FILENO);
    assert_true(kept >= 0 && pipe(ends) == 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    settings_log(&s, user);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(ends[1]);
    close(kept);
    ssize_t length = read(ends[0], text, size - 1);
    close(ends[0]);
    text[length > 0 ? length : 0] = '\0';
}

static void the_log_line_has_every_value_and_no_secret(void **state)
{
    (void)state;
    char text[8192];
    assert_right(SETTINGS_API, "REDIS_PASSWORD", "hunter2");
    assert_string_equal(s.redis_password, "hunter2");
    capture_log(SETTINGS_API, text, sizeof text);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "\"REDIS_PASSWORD\":\"set\""));
    assert_non_null(strstr(text, "\"event\":\"settings\""));
    assert_non_null(strstr(text, "\"REDIS_PORT\":6379,"));
    assert_null(strstr(text, "WORKER_MAX_JOBS"));
    assert_true(settings_load(&s, SETTINGS_WORKER, &out));
    capture_log(SETTINGS_WORKER, text, sizeof text);
    assert_non_null(strstr(text, "\"REDIS_PASSWORD\":\"\""));
    assert_non_null(strstr(text, "\"WORKER_MAX_JOBS\":10,"));
}

static void help_and_the_page_do_not_know_the_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("REDIS_PASSWORD", "hunter2", 1), 0);
    settings_help(SETTINGS_API, &out);
    settings_markdown(&out);
    assert_null(strstr(buf_text(&out), "hunter2"));
}

static void the_ways_to_redis_are_private(void **state)
{
    (void)state;
    assert_true(settings_is_private("REDIS_PASSWORD"));
    assert_true(settings_is_private("REDIS_HOST"));
    assert_true(settings_is_private("LEAT_KEY_PREFIX"));
    assert_false(settings_is_private("FEATURE_ID"));
    assert_false(settings_is_private("MY_REDIS_HOST"));
    assert_false(settings_is_private(""));
}

#define CLEAN(test) cmocka_unit_test_setup_teardown(test, clean, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLEAN(an_empty_environment_gives_the_defaults),
        CLEAN(a_value_replaces_its_default),
        CLEAN(an_empty_variable_counts_as_unset),
        CLEAN(what_another_program_reads_is_not_looked_at),
        CLEAN(both_bounds_belong_to_the_range),
        CLEAN(a_number_is_digits_and_nothing_else),
        CLEAN(bytes_may_have_a_unit),
        CLEAN(names_and_prefixes_have_their_characters_only),
        CLEAN(queues_are_different_names_between_commas),
        CLEAN(a_number_can_be_read_by_the_bounds_of_a_setting),
        CLEAN(a_log_level_is_one_of_its_words),
        CLEAN(a_backlog_holds_at_least_two_lines),
        CLEAN(the_page_lists_every_setting_once),
        CLEAN(help_lists_every_setting_of_a_program_once_and_no_other),
        CLEAN(help_shows_defaults),
        CLEAN(the_log_line_has_every_value_and_no_secret),
        CLEAN(help_and_the_page_do_not_know_the_environment),
        CLEAN(the_ways_to_redis_are_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
