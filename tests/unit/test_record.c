/*
 * test_record.c: what Redis answers of jobs and the like, as JSON.
 */
#include "json.h"
#include "record.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"
#define PAIRS_MOST 20

/* A record in a reply: names and values by turns. */
struct record {
    struct redisReply reply;
    struct redisReply parts[2 * PAIRS_MOST];
    struct redisReply *elements[2 * PAIRS_MOST];
};

static struct buf out;

static int clear(void **state)
{
    (void)state;
    buf_clear(&out);
    return 0;
}

static void put_part(struct record *record, const char *text, size_t length)
{
    struct redisReply *part = &record->parts[record->reply.elements];
    *part = (struct redisReply){.type = REDIS_REPLY_STRING};
    part->str = (char *)(uintptr_t)text;
    part->len = length;
    record->elements[record->reply.elements++] = part;
}

static void put_bytes(struct record *record, const char *name, const char *value, size_t length)
{
    record->reply.type = REDIS_REPLY_ARRAY;
    record->reply.element = record->elements;
    put_part(record, name, strlen(name));
    put_part(record, value, length);
}

static void put(struct record *record, const char *name, const char *value)
{
    put_bytes(record, name, value, strlen(value));
}

static void assert_record(enum record_kind kind, const struct record *record, const char *expected)
{
    struct json_info info;
    record_put(&out, kind, &record->reply);
    assert_true(buf_ok(&out));
    assert_string_equal(buf_text(&out), expected);
    assert_true(json_check(out.data, out.length, &info));
    buf_reset(&out);
}

static void nothing_known_is_an_empty_object(void **state)
{
    (void)state;
    struct record record = {.reply = {.type = REDIS_REPLY_ARRAY}};
    for (size_t kind = 0; kind < RECORD_KINDS; kind++)
        assert_record((enum record_kind)kind, &record, "{}");
}

static void members_come_in_the_tables_order_and_others_stay_out(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "secret", "x");
    put(&record, "state", "waiting");
    put(&record, "owner", "w:1");
    put(&record, "id", UUID);
    assert_record(RECORD_JOB, &record, "{\"id\": \"" UUID "\", \"state\": \"waiting\"}");
}

static void times_are_rfc_3339_and_durations_are_numbers(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "created", "1795626000500");
    put(&record, "due", "1795626000000");
    put(&record, "ready", "0");
    put(&record, "deadline_ms", "300000");
    put(&record, "started", "soon");
    put(&record, "ended", "1e12");
    assert_record(RECORD_JOB, &record,
                  "{\"deadline_ms\": 300000, \"created_at\": \"2026-11-25T17:00:00.500Z\", "
                  "\"run_at\": \"2026-11-25T17:00:00.000Z\", "
                  "\"ready_at\": \"1970-01-01T00:00:00.000Z\"}");
}

static void a_number_may_come_as_a_number(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "waiting", "");
    record.parts[1].type = REDIS_REPLY_INTEGER;
    record.parts[1].integer = 7;
    put(&record, "paused", "");
    record.parts[3].type = REDIS_REPLY_INTEGER;
    record.parts[3].integer = 1;
    assert_record(RECORD_QUEUE, &record, "{\"waiting\": 7, \"paused\": true}");
}

static void what_is_no_number_is_left_out(void **state)
{
    (void)state;
    static const char *const values[] = {
        "", "-", "1.5", "01", "0x1", " 1", "1 ", "nan", "99999999999999999999", "1,\"x\":2",
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct record record = {0};
        put(&record, "size", values[i]);
        assert_record(RECORD_JOB, &record, "{}");
    }
    struct record record = {0};
    put(&record, "size", "-1");
    put(&record, "deaths", "0");
    assert_record(RECORD_JOB, &record, "{\"deaths\": 0, \"size\": -1}");
}

static void a_payload_stays_as_it_is_if_it_is_json(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "payload", "{\"a\": 1e400,  \"a\": [18446744073709551616]}");
    assert_record(RECORD_JOB, &record,
                  "{\"payload\": {\"a\": 1e400,  \"a\": [18446744073709551616]}}");
    struct record broken = {0};
    put(&broken, "payload", "{\"a\": ");
    put(&broken, "state", "dead");
    assert_record(RECORD_JOB, &broken, "{\"state\": \"dead\"}");
}

static void texts_cannot_leave_their_quotes(void **state)
{
    (void)state;
    struct record record = {0};
    put_bytes(&record, "words", "\"}\\\n\0\xff", 6);
    put(&record, "error", "exit\"");
    put(&record, "error_detail", "exit code 7\r\n");
    assert_record(RECORD_JOB, &record,
                  "{\"error\": {\"reason\": \"exit\\\"\", \"detail\": \"exit code 7\\r\\n\"}, "
                  "\"last_words\": \"\\\"}\\\\\\n\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void an_error_may_have_no_detail(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "error", "requested");
    assert_record(RECORD_JOB, &record, "{\"error\": {\"reason\": \"requested\"}}");
    struct record none = {0};
    put(&none, "error", "");
    put(&none, "error_detail", "x");
    assert_record(RECORD_JOB, &none, "{}");
}

static void a_job_says_where_its_stream_is(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "id", UUID);
    put(&record, "feature_id", "f");
    put(&record, "chat_id", "c");
    assert_record(RECORD_JOB, &record,
                  "{\"id\": \"" UUID "\", \"feature_id\": \"f\", \"chat_id\": \"c\", "
                  "\"stream\": \"/stream?feature_id=f&chat_id=c&job=" UUID "\"}");
}

static void the_times_of_a_history_are_rfc_3339_too(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "history",
        "[{\"what\":\"failure\",\"at\":1795626000500,\"reason\":\"at\",\"detail\":\"\\\"at\\\":1\"}"
        ","
        "{\"at\": 0 ,\"worker\":\"w\\\\\"}]");
    assert_record(RECORD_JOB, &record,
                  "{\"history\": [{\"what\":\"failure\",\"at\": \"2026-11-25T17:00:00.500Z\","
                  "\"reason\":\"at\",\"detail\":\"\\\"at\\\":1\"},"
                  "{\"at\": \"1970-01-01T00:00:00.000Z\" ,\"worker\":\"w\\\\\"}]}");
}

static void what_attempts_used_is_told_as_it_stands(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "usage", "[{\"attempt\": 1, \"n\":12345678901234567890}, {\"attempt\": 2}]");
    assert_record(RECORD_JOB, &record,
                  "{\"usage\": [{\"attempt\": 1, \"n\":12345678901234567890}, {\"attempt\": 2}]}");
    record = (struct record){0};
    put(&record, "usage", "[no JSON]");
    assert_record(RECORD_JOB, &record, "{}");
}

static void a_history_that_is_none_is_left_out(void **state)
{
    (void)state;
    static const char *const values[] = {"", "[", "{\"at\": 1}", "[{\"at\":]", "\"at", "7"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct record record = {0};
        put(&record, "history", values[i]);
        assert_record(RECORD_JOB, &record, "{}");
    }
    struct record record = {0};
    put(&record, "history", "[{\"at\":\"x\"},\"at\",[\"at\"]]");
    assert_record(RECORD_JOB, &record, "{\"history\": [{\"at\":\"x\"},\"at\",[\"at\"]]}");
}

static void lists_become_arrays(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "queues", "slow,default");
    put(&record, "types", " a b\" ");
    put(&record, "ids", "");
    assert_record(RECORD_WORKER, &record,
                  "{\"queues\": [\"slow\", \"default\"], \"types\": [\"a\", \"b\\\"\"], "
                  "\"job_ids\": []}");
}

static void a_list_of_records_begins_where_it_is_told(void **state)
{
    (void)state;
    struct record one = {0}, two = {0};
    put(&one, "name", "a");
    put(&two, "name", "b");
    struct redisReply total = {.type = REDIS_REPLY_INTEGER, .integer = 2};
    struct redisReply *elements[] = {&total, &one.reply, &two.reply};
    struct redisReply list = {.type = REDIS_REPLY_ARRAY, .elements = 3, .element = elements};
    record_put_list(&out, RECORD_QUEUE, &list, 1);
    assert_string_equal(buf_text(&out), "[{\"name\": \"a\"}, {\"name\": \"b\"}]");
    buf_reset(&out);
    record_put_list(&out, RECORD_QUEUE, &list, 3);
    assert_string_equal(buf_text(&out), "[]");
    buf_reset(&out);
}

static void a_record_of_an_odd_shape_does_no_harm(void **state)
{
    (void)state;
    struct record record = {0};
    put(&record, "id", "x");
    put(&record, "state", "y");
    record.reply.elements = 3;
    assert_record(RECORD_JOB, &record, "{\"id\": \"x\"}");
    struct redisReply text = {.type = REDIS_REPLY_STRING, .str = (char *)(uintptr_t) "x", .len = 1};
    record_put(&out, RECORD_JOB, &text);
    assert_string_equal(buf_text(&out), "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_an_empty_object),
        cmocka_unit_test(members_come_in_the_tables_order_and_others_stay_out),
        cmocka_unit_test(times_are_rfc_3339_and_durations_are_numbers),
        cmocka_unit_test(a_number_may_come_as_a_number),
        cmocka_unit_test(what_is_no_number_is_left_out),
        cmocka_unit_test(a_payload_stays_as_it_is_if_it_is_json),
        cmocka_unit_test(texts_cannot_leave_their_quotes),
        cmocka_unit_test(an_error_may_have_no_detail),
        cmocka_unit_test(a_job_says_where_its_stream_is),
        cmocka_unit_test(the_times_of_a_history_are_rfc_3339_too),
        cmocka_unit_test(what_attempts_used_is_told_as_it_stands),
        cmocka_unit_test(a_history_that_is_none_is_left_out),
        cmocka_unit_test(lists_become_arrays),
        cmocka_unit_test(a_list_of_records_begins_where_it_is_told),
        cmocka_unit_test(a_record_of_an_odd_shape_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, clear);
}
