/*
 * test_job_input.c: each member of a body within its bounds, beyond them, and of every wrong type.
 */
#include "job_input.h"
#include "json.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char wrong[JOB_INPUT_WRONG_SIZE];
static char body[1200];
static struct job_input input;

/* The body stands in memory of exactly its size, so that a sanitizer sees a read behind it. */
static enum status read_as(enum input_use use, const char *text)
{
    struct json_info info;
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    if (!json_check(copy, length, &info))
        fail_msg("no JSON: %s", text);
    wrong[0] = '\0';
    enum status status = job_input_read(copy, length, use, &input, wrong);
    free(copy);
    return status;
}

static void assert_good(enum input_use use, const char *text)
{
    if (read_as(use, text) != STATUS_OK)
        fail_msg("%s: %s", text, wrong);
}

static void assert_wrong(enum input_use use, const char *text, const char *expected)
{
    if (read_as(use, text) != STATUS_BAD_INPUT)
        fail_msg("accepted: %s", text);
    assert_string_equal(wrong, expected);
}

/* A body that is good but for what one member of it is. */
static const char *with(const struct input_member *member, enum input_use use, const char *value)
{
    const char *rest = use == INPUT_JOB        ? "\"type\": \"t\""
                       : use == INPUT_SCHEDULE ? "\"type\": \"t\", \"every_ms\": 1000"
                                               : "";
    if (strcmp(member->name, "type") == 0)
        rest = use == INPUT_SCHEDULE ? "\"every_ms\": 1000" : "";
    else if (strcmp(member->name, "every_ms") == 0 || strcmp(member->name, "cron") == 0)
        rest = "\"type\": \"t\"";
    else if (strcmp(member->name, "chat_id") == 0)
        rest = use == INPUT_JOB ? "\"type\": \"t\", \"feature_id\": \"f\""
                                : "\"type\": \"t\", \"feature_id\": \"f\", \"every_ms\": 1000";
    snprintf(body, sizeof body, "{%s%s\"%s\": %s}", rest, *rest ? ", " : "", member->name, value);
    return body;
}

/* Calls each for every member and each use of it. */
static void for_all(void (*each)(const struct input_member *member, enum input_use use))
{
    size_t count;
    const struct input_member *members = job_input_members(&count);
    for (size_t i = 0; i < count; i++) {
        for (unsigned use = INPUT_JOB; use <= INPUT_ROUTE; use <<= 1) {
            if (members[i].uses & use)
                each(&members[i], (enum input_use)use);
        }
    }
}

static void assert_refused(const struct input_member *member, enum input_use use, const char *value)
{
    if (read_as(use, with(member, use, value)) != STATUS_BAD_INPUT)
        fail_msg("accepted: %s", body);
    if (strncmp(wrong, member->name, strlen(member->name)) != 0)
        fail_msg("%s: does not begin with the member: %s", body, wrong);
}

static void quote_letters(char out[1100], int64_t count)
{
    memset(out, 'a', (size_t)count + 2);
    out[0] = out[count + 1] = '"';
    out[count + 2] = '\0';
}

static void both_sides(const struct input_member *member, enum input_use use)
{
    char low[1100], high[1100], below[1100], above[1100];
    if (member->kind == INPUT_INTEGER) {
        snprintf(low, sizeof low, "%" PRId64, member->min);
        snprintf(high, sizeof high, "%" PRId64, member->max);
        snprintf(below, sizeof below, "%" PRId64, member->min - 1);
        snprintf(above, sizeof above, "%" PRId64, member->max + 1);
    } else if (member->kind == INPUT_NAME) {
        quote_letters(low, member->min);
        quote_letters(high, member->max);
        quote_letters(below, member->min - 1);
        quote_letters(above, member->max + 1);
    } else {
        return;
    }
    assert_good(use, with(member, use, low));
    assert_good(use, with(member, use, high));
    char names[64];
    snprintf(names, sizeof names, "%" PRId64 " to %" PRId64, member->min, member->max);
    assert_refused(member, use, below);
    assert_non_null(strstr(wrong, names));
    assert_refused(member, use, above);
    assert_non_null(strstr(wrong, names));
}

static void every_bound_holds_on_both_sides(void **state)
{
    (void)state;
    for_all(both_sides);
}

static void wrong_types(const struct input_member *member, enum input_use use)
{
    static const char *const values[] = {
        "null",  "true",       "false", "[]",    "{}",
        "[1]",   "{\"a\": 1}", "\"\"",  "\"*\"", "\"\\u00e9\"",
        "-1",    "0.5",        "1e3",   "1.0",   "99999999999999999999999999",
        "\"5\"", "5",
    };
    const char *good = member->kind == INPUT_NAME      ? "\"5\""
                       : member->kind == INPUT_INTEGER ? "5"
                                                       : "";
    if (member->kind == INPUT_ANY)
        return;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (strcmp(values[i], good) != 0)
            assert_refused(member, use, values[i]);
    }
}

static void every_wrong_type_is_refused(void **state)
{
    (void)state;
    for_all(wrong_types);
}

static void twice(const struct input_member *member, enum input_use use)
{
    static const char *const good[] = {
        [INPUT_NAME] = "\"a\"",
        [INPUT_INTEGER] = "",
        [INPUT_TIME] = "\"2026-11-25T18:00:00Z\"",
        [INPUT_CRON] = "\"* * * * *\"",
        [INPUT_MISSED] = "\"skip\"",
        [INPUT_ANY] = "null",
    };
    char value[400], number[24], expected[100];
    snprintf(number, sizeof number, "%" PRId64, member->min);
    const char *one = member->kind == INPUT_INTEGER ? number : good[member->kind];
    snprintf(value, sizeof value, "%s, \"%c\\u%04x%s\": %s", one, member->name[0],
             (unsigned)member->name[1], member->name + 2, one);
    snprintf(expected, sizeof expected, "%s may be given only once.", member->name);
    assert_wrong(use, with(member, use, value), expected);
}

static void a_member_given_twice_is_refused_however_it_is_written(void **state)
{
    (void)state;
    for_all(twice);
}

static void a_full_job_is_read(void **state)
{
    (void)state;
    assert_good(INPUT_JOB,
                " \r\n{\"type\": \"summarise\", \"feature_id\": \"f\", \"chat_id\": \"c\","
                "\"payload\": {\"a\": 1},\"priority\": 9,\"delay_ms\": 5,"
                "\"deadline_ms\": 100,\"timeout_ms\": 101,\"max_attempts\": 2,"
                "\"retention_ms\": 1000} ");
    assert_string_equal(input.type, "summarise");
    assert_string_equal(input.feature_id, "f");
    assert_string_equal(input.chat_id, "c");
    assert_int_equal(input.options.priority, 9);
    assert_int_equal(input.options.delay_ms, 5);
    assert_int_equal(input.options.run_at_ms, 0);
    assert_int_equal(input.options.deadline_ms, 100);
    assert_int_equal(input.options.timeout_ms, 101);
    assert_int_equal(input.options.max_attempts, 2);
    assert_int_equal(input.options.retention_ms, 1000);
    assert_int_equal(input.payload.length, strlen("{\"a\": 1}"));
}

static void what_is_not_given_is_as_usual(void **state)
{
    (void)state;
    assert_good(INPUT_JOB, "{\"type\": \"t\"}");
    assert_string_equal(input.feature_id, "default");
    assert_string_equal(input.chat_id, "");
    assert_null(input.payload.data);
    assert_int_equal(input.options.priority, -1);
    assert_int_equal(input.options.deadline_ms, 0);
    assert_int_equal(input.options.retention_ms, 0);
    assert_good(INPUT_JOB, "{\"type\": \"t\", \"feature_id\": \"f\", \"priority\": 0}");
    assert_string_equal(input.feature_id, "f");
    assert_int_equal(input.options.priority, 0);
    assert_good(INPUT_SCHEDULE, "{\"type\": \"t\", \"every_ms\": 1000}");
    assert_int_equal(input.missed, MISSED_ONE);
}

static void a_payload_is_any_json_and_its_bytes_stay(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "null", "0", "-0.0", "1e400", "\"\\u0041\"", "[ 1 ,\n2 ]", "{\"a\":1,\"a\":2}",
    };
    for (size_t i = 0; i < COUNT_OF(payloads); i++) {
        struct buf line = {0};
        int length =
            snprintf(body, sizeof body, "{\"payload\" : \t%s\n, \"type\": \"t\"}", payloads[i]);
        assert_int_equal(job_input_read(body, (size_t)length, INPUT_JOB, &input, wrong), STATUS_OK);
        assert_int_equal(input.payload.length, strlen(payloads[i]));
        assert_memory_equal(input.payload.data, payloads[i], input.payload.length);
        job_input_line(input.payload, &line);
        assert_int_equal(line.length, strlen(payloads[i]));
        assert_null(strpbrk(buf_text(&line), "\r\n"));
        buf_clear(&line);
    }
}

static void a_body_is_an_object_and_has_what_it_must(void **state)
{
    (void)state;
    static const char object[] = "The body must be a JSON object.";
    assert_wrong(INPUT_JOB, "[]", object);
    assert_wrong(INPUT_JOB, "null", object);
    assert_wrong(INPUT_JOB, "\"type\"", object);
    assert_wrong(INPUT_JOB, "{}", "type is missing.");
    assert_wrong(INPUT_SCHEDULE, "{\"every_ms\": 1000}", "type is missing.");
    assert_wrong(INPUT_ROUTE, "{}", "queue is missing.");
    assert_int_equal(job_input_read("", 0, INPUT_JOB, &input, wrong), STATUS_BAD_INPUT);
    assert_string_equal(wrong, object);
}

static void a_member_that_is_not_known_is_named(void **state)
{
    (void)state;
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"deadline\": 5}",
                 "The body may not have the member \"deadline\".");
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"\": 5}", "The body may not have the member \"\".");
    assert_wrong(INPUT_JOB, "{\"Type\": \"t\"}", "The body may not have the member \"Type\".");
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"every_ms\": 1000}",
                 "The body may not have the member \"every_ms\".");
    assert_wrong(INPUT_SCHEDULE, "{\"type\": \"t\", \"every_ms\": 1000, \"delay_ms\": 5}",
                 "The body may not have the member \"delay_ms\".");
    assert_wrong(INPUT_ROUTE, "{\"queue\": \"q\", \"type\": \"t\"}",
                 "The body may not have the member \"type\".");
    char name[300], text[400];
    memset(name, 'x', sizeof name);
    name[299] = '\0';
    snprintf(text, sizeof text, "{\"%s\": 1}", name);
    assert_int_equal(read_as(INPUT_JOB, text), STATUS_BAD_INPUT);
    assert_non_null(strstr(wrong, "The body may not have the member \"xxxx"));
}

static void members_that_do_not_go_together_are_refused(void **state)
{
    (void)state;
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"chat_id\": \"c\"}", "chat_id needs feature_id.");
    assert_wrong(INPUT_JOB,
                 "{\"type\": \"t\", \"delay_ms\": 0, \"run_at\": \"2026-11-25T18:00:00Z\"}",
                 "delay_ms and run_at cannot be given together.");
    assert_wrong(INPUT_SCHEDULE, "{\"type\": \"t\"}", "Either every_ms or cron must be given.");
    assert_wrong(INPUT_SCHEDULE, "{\"type\": \"t\", \"every_ms\": 1000, \"cron\": \"* * * * *\"}",
                 "Either every_ms or cron must be given.");
}

static void a_time_is_rfc_3339(void **state)
{
    (void)state;
    static const char rule[] = "run_at must be a time by RFC 3339, such as "
                               "\"2026-11-25T18:00:00Z\".";
    assert_good(INPUT_JOB, "{\"type\": \"t\", \"run_at\": \"2026-11-25T18:00:00.5+01:00\"}");
    assert_int_equal(input.options.run_at_ms, INT64_C(1795626000500));
    assert_good(INPUT_JOB, "{\"type\": \"t\", \"run_at\": \"1970-01-01T00:00:00Z\"}");
    assert_int_equal(input.options.run_at_ms, 1);
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"run_at\": \"2026-11-25\"}", rule);
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"run_at\": \"2026-02-30T00:00:00Z\"}", rule);
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"run_at\": \"tomorrow\"}", rule);
    assert_wrong(INPUT_JOB, "{\"type\": \"t\", \"run_at\": 1795626000500}", rule);
}

static void a_schedule_has_a_rhythm_and_a_policy(void **state)
{
    (void)state;
    assert_good(INPUT_SCHEDULE,
                "{\"type\": \"t\", \"cron\": \"*/5 0 * * MON\", \"missed\": \"skip\"}");
    assert_string_equal(input.cron, "*/5 0 * * MON");
    assert_int_equal(input.missed, MISSED_SKIP);
    assert_int_equal(input.every_ms, 0);
    assert_int_equal(read_as(INPUT_SCHEDULE, "{\"type\": \"t\", \"cron\": \"61 * * * *\"}"),
                     STATUS_BAD_INPUT);
    assert_int_equal(strncmp(wrong, "cron: ", 6), 0);
    assert_wrong(INPUT_SCHEDULE, "{\"type\": \"t\", \"every_ms\": 1000, \"missed\": \"all\"}",
                 "missed must be \"one\" or \"skip\".");
}

static void assert_identity(const char *type, const char *payload, const char *expected)
{
    char hash[DIGEST_SIZE], wanted[DIGEST_SIZE] = "";
    struct slice slice = {.data = payload, .length = payload ? strlen(payload) : 0};
    assert_int_equal(job_input_identity(type, "generate_messages", slice, hash), STATUS_OK);
    if (expected)
        digest_sha256(expected, strlen(expected), wanted);
    assert_string_equal(hash, wanted);
}

static void a_question_is_what_post_stream_would_make_of_it(void **state)
{
    (void)state;
    assert_identity("generate_messages", "{\"a\": 1}", "{\"a\": 1}");
    assert_identity("summarise", "{\"a\": 1}", "summarise\n{\"a\": 1}");
    assert_identity("summarise", NULL, "summarise\n");
    assert_identity("generate_messages", NULL, NULL);
}

static void what_a_request_leaves_open_is_as_its_feature_has_it(void **state)
{
    (void)state;
    const struct feature feature = {
        .task = "talk", .timeout_ms = 1000, .deadline_ms = 2000, .max_attempts = 3};
    struct job_options options = JOB_OPTIONS_USUAL;
    options.timeout_ms = 500;
    job_input_fill(&options, &feature);
    assert_int_equal(options.timeout_ms, 500);
    assert_int_equal(options.deadline_ms, 2000);
    assert_int_equal(options.max_attempts, 3);
    assert_int_equal(options.priority, -1);
    assert_string_equal(job_input_stream_type(&feature), "talk");
    options = JOB_OPTIONS_USUAL;
    job_input_fill(&options, NULL);
    assert_int_equal(options.timeout_ms, 0);
    assert_string_equal(job_input_stream_type(NULL), "generate_messages");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bound_holds_on_both_sides),
        cmocka_unit_test(every_wrong_type_is_refused),
        cmocka_unit_test(a_member_given_twice_is_refused_however_it_is_written),
        cmocka_unit_test(a_full_job_is_read),
        cmocka_unit_test(what_is_not_given_is_as_usual),
        cmocka_unit_test(a_payload_is_any_json_and_its_bytes_stay),
        cmocka_unit_test(a_body_is_an_object_and_has_what_it_must),
        cmocka_unit_test(a_member_that_is_not_known_is_named),
        cmocka_unit_test(members_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_time_is_rfc_3339),
        cmocka_unit_test(a_schedule_has_a_rhythm_and_a_policy),
        cmocka_unit_test(a_question_is_what_post_stream_would_make_of_it),
        cmocka_unit_test(what_a_request_leaves_open_is_as_its_feature_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
