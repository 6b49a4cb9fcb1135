/*
 * Ids and entries of a stream, read from whatever Redis may answer.
 */
#include "entry.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

static bool parse(const char *text, struct entry_id *id)
{
    return entry_id_parse(text, strlen(text), id);
}

static void an_id_is_two_whole_numbers(void **state)
{
    (void)state;
    struct entry_id id;
    assert_true(parse("1759312800000-21", &id));
    assert_int_equal(id.a, 1759312800000);
    assert_int_equal(id.n, 21);
    assert_true(parse("0-0", &id));
    assert_int_equal(id.a, 0);
    assert_int_equal(id.n, 0);
    assert_true(parse("18446744073709551615-18446744073709551615", &id));
    assert_true(id.a == UINT64_MAX && id.n == UINT64_MAX);
}

static void anything_else_is_no_id_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "01-2",
        "1-02",
        "00-0",
        "+1-2",
        "1-+2",
        "-1-2",
        "1--2",
        " 1-2",
        "1-2 ",
        "1 -2",
        "0x1-2",
        "1-2\n",
        "1.0-2",
        "1e3-2",
        "a-b",
        "1-b",
        "$",
        "*",
        "1_2",
        "18446744073709551616-0",
        "0-18446744073709551616",
        "99999999999999999999-0",
        "111111111111111111111-0",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct entry_id id = {7, 8};
        if (parse(texts[i], &id))
            fail_msg("\"%s\" was taken for an id", texts[i]);
        assert_true(id.a == 7 && id.n == 8);
    }
    struct entry_id id;
    assert_false(entry_id_parse("1-2\0", 4, &id));
}

static void the_length_ends_an_id_not_a_nul(void **state)
{
    (void)state;
    struct entry_id id;
    assert_true(entry_id_parse("12-34", 4, &id));
    assert_int_equal(id.n, 3);
    assert_false(entry_id_parse("12-34", 3, &id));
}

static void an_id_reads_as_it_was_written(void **state)
{
    (void)state;
    static const struct entry_id ids[] = {
        {0, 0}, {1759312800000, 7}, {UINT64_MAX, UINT64_MAX}, {UINT64_MAX, 0}};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char text[ENTRY_ID_SIZE];
        struct entry_id id;
        size_t length = entry_id_format(ids[i], text);
        assert_int_equal(length, strlen(text));
        assert_true(length < sizeof text);
        assert_true(entry_id_parse(text, length, &id));
        assert_int_equal(entry_id_compare(id, ids[i]), 0);
    }
}

static void ids_are_ordered_by_attempt_then_place(void **state)
{
    (void)state;
    static const struct entry_id rising[] = {{0, 0}, {0, 1},  {0, UINT64_MAX}, {1, 0},
                                             {2, 0}, {10, 9}, {10, 10},        {UINT64_MAX, 0}};
    for (size_t i = 0; i < COUNT_OF(rising); i++) {
        for (size_t k = 0; k < COUNT_OF(rising); k++) {
            int order = entry_id_compare(rising[i], rising[k]);
            assert_int_equal(order < 0, i < k);
            assert_int_equal(order > 0, i > k);
        }
    }
}

/* ---- entries ---- */

/* Reads a RESP text as Redis would send it; the reply lives until the next call. */
static bool read_resp(const char *resp, struct entry *entry)
{
    static redisReply *reply;
    void *made = NULL;
    if (reply)
        freeReplyObject(reply);
    reply = NULL;
    if (!resp)
        return false;
    redisReader *reader = redisReaderCreate();
    redisReaderFeed(reader, resp, strlen(resp));
    assert_int_equal(redisReaderGetReply(reader, &made), REDIS_OK);
    redisReaderFree(reader);
    assert_non_null(made);
    reply = made;
    return entry_read(reply, entry);
}

/* An entry 5-3 with the words as fields and values. */
static struct entry entry_of(size_t count, const char *const *words)
{
    char resp[2048];
    struct entry entry;
    int at = snprintf(resp, sizeof resp, "*2\r\n$3\r\n5-3\r\n*%zu\r\n", count);
    for (size_t i = 0; i < count; i++)
        at += snprintf(resp + at, sizeof resp - (size_t)at, "$%zu\r\n%s\r\n", strlen(words[i]),
                       words[i]);
    assert_true(read_resp(resp, &entry));
    assert_int_equal(entry.id.a, 5);
    assert_int_equal(entry.id.n, 3);
    return entry;
}

#define ENTRY_OF(...)                                                     \
    entry_of(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), \
             (const char *const[]){__VA_ARGS__})

static void assert_slice(struct slice slice, const char *text)
{
    if (!text) {
        assert_null(slice.data);
        return;
    }
    assert_int_equal(slice.length, strlen(text));
    assert_memory_equal(slice.data, text, slice.length);
}

static void a_message_has_data_and_no_type(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("data", "{}");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    assert_slice(e.data, "{}");
    assert_slice(e.job, NULL);
    assert_false(entry_is_end(&e));
}

static void a_start_marker_has_all_its_fields(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("type", "start", "job", "j", "first", "1759312800000", "attempt", "2",
                              "reason", "retry", "worker", "w1");
    assert_int_equal(e.kind, ENTRY_START);
    assert_slice(e.job, "j");
    assert_slice(e.reason, "retry");
    assert_slice(e.worker, "w1");
    assert_int_equal(e.first, 1759312800000);
    assert_int_equal(e.number, 2);
    assert_false(entry_is_end(&e));
}

static void a_queued_marker_may_replace_a_job(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("type", "queued", "job", "j", "first", "9", "replaces", "old");
    assert_int_equal(e.kind, ENTRY_QUEUED);
    assert_slice(e.replaces, "old");
    assert_int_equal(e.first, 9);
    assert_false(entry_is_end(&e));
}

static void four_types_end_a_stream(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum entry_kind kind;
    } ends[] = {{"done", ENTRY_DONE},
                {"failed", ENTRY_FAILED},
                {"cancelled", ENTRY_CANCELLED},
                {"expired", ENTRY_EXPIRED}};
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        struct entry e = ENTRY_OF("type", ends[i].type, "data", "[DONE]", "job", "j", "reason", "r",
                                  "detail", "d", "attempts", "3");
        assert_int_equal(e.kind, ends[i].kind);
        assert_true(entry_is_end(&e));
        assert_slice(e.reason, "r");
        assert_slice(e.detail, "d");
        assert_int_equal(e.number, 3);
    }
}

static void a_foreign_writers_done_is_an_end(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("data", "[DONE]");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    assert_true(entry_is_end(&e));
    e = ENTRY_OF("data", "[DONE] ");
    assert_false(entry_is_end(&e));
}

static void what_only_looks_like_ours_is_a_message(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("type", "start", "data", "x");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    e = ENTRY_OF("type", "done", "data", "x");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    assert_false(entry_is_end(&e));
    e = ENTRY_OF("type", "news", "job", "j", "data", "x");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    e = ENTRY_OF("type", "", "job", "j");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    e = ENTRY_OF("type", "starts", "job", "j");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
}

static void numbers_that_are_none_are_zero(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("type", "start", "job", "j", "first", "x", "attempt", "");
    assert_int_equal(e.first, 0);
    assert_int_equal(e.number, 0);
    e = ENTRY_OF("type", "start", "job", "j", "first", "99999999999999999999999");
    assert_int_equal(e.first, 0);
}

static void odd_fields_and_none_are_borne(void **state)
{
    (void)state;
    struct entry e = ENTRY_OF("data", "x", "data");
    assert_slice(e.data, "x");
    e = ENTRY_OF("", "", "color", "red");
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    assert_slice(e.data, NULL);
    assert_false(entry_is_end(&e));
    assert_true(read_resp("*2\r\n$3\r\n5-3\r\n*0\r\n", &e));
    assert_slice(e.data, NULL);
}

static void what_is_no_entry_is_refused(void **state)
{
    (void)state;
    static const char *const resps[] = {
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "-ERR no\r\n",
        "*1\r\n$3\r\n5-3\r\n",
        "*2\r\n$3\r\n5-3\r\n$1\r\nx\r\n",
        "*2\r\n$3\r\n5-3\r\n*-1\r\n",
        "*2\r\n:5\r\n*0\r\n",
        "*2\r\n$1\r\nx\r\n*0\r\n",
        "*3\r\n$3\r\n5-3\r\n*0\r\n*0\r\n",
        "*2\r\n*0\r\n*0\r\n",
    };
    struct entry e;
    for (size_t i = 0; i < COUNT_OF(resps); i++)
        assert_false(read_resp(resps[i], &e));
    assert_false(entry_read(NULL, &e));
}

/* A field's value is a number, a list, or nothing: Redis sends none of that, another server may. */
static void values_that_are_no_text_are_borne(void **state)
{
    (void)state;
    struct entry e;
    assert_true(read_resp("*2\r\n$3\r\n5-3\r\n*4\r\n$4\r\ndata\r\n:5\r\n*0\r\n$-1\r\n", &e));
    assert_int_equal(e.data.length, 0);
    assert_true(read_resp("*2\r\n$3\r\n5-3\r\n*2\r\n$4\r\ntype\r\n$-1\r\n", &e));
    assert_int_equal(e.kind, ENTRY_MESSAGE);
    read_resp(NULL, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_two_whole_numbers),
        cmocka_unit_test(anything_else_is_no_id_and_changes_nothing),
        cmocka_unit_test(the_length_ends_an_id_not_a_nul),
        cmocka_unit_test(an_id_reads_as_it_was_written),
        cmocka_unit_test(ids_are_ordered_by_attempt_then_place),
        cmocka_unit_test(a_message_has_data_and_no_type),
        cmocka_unit_test(a_start_marker_has_all_its_fields),
        cmocka_unit_test(a_queued_marker_may_replace_a_job),
        cmocka_unit_test(four_types_end_a_stream),
        cmocka_unit_test(a_foreign_writers_done_is_an_end),
        cmocka_unit_test(what_only_looks_like_ours_is_a_message),
        cmocka_unit_test(numbers_that_are_none_are_zero),
        cmocka_unit_test(odd_fields_and_none_are_borne),
        cmocka_unit_test(what_is_no_entry_is_refused),
        cmocka_unit_test(values_that_are_no_text_are_borne),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
