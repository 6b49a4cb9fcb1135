/*
 * test_sse.c: the bytes of every frame, and that no text can leave its line.
 */
#include "sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JOB "01234567-89ab-4cde-8f01-23456789abcd"

static struct buf out;

static int clear(void **state)
{
    (void)state;
    buf_clear(&out);
    return 0;
}

static void assert_out(const char *expected)
{
    assert_true(buf_ok(&out));
    assert_string_equal(buf_text(&out), expected);
    assert_int_equal(out.length, strlen(expected));
    buf_reset(&out);
}

static struct slice text(const char *words)
{
    return (struct slice){.data = words, .length = strlen(words)};
}

static void put_data(const char *data)
{
    sse_event(&out, NULL, NULL, data, strlen(data));
}

static void an_event_is_its_name_its_id_its_data_and_an_empty_line(void **state)
{
    (void)state;
    sse_event(&out, "7-1", "news", "hello", 5);
    assert_out("event: news\nid: 7-1\ndata: hello\n\n");
    sse_event(&out, "end", NULL, "[DONE]", 6);
    assert_out("id: end\ndata: [DONE]\n\n");
    sse_event(&out, NULL, NULL, "a", 1);
    sse_event(&out, NULL, NULL, "b", 1);
    assert_out("data: a\n\ndata: b\n\n");
}

static void data_is_split_at_every_kind_of_line_end(void **state)
{
    (void)state;
    put_data("a\nb");
    assert_out("data: a\ndata: b\n\n");
    put_data("a\rb");
    assert_out("data: a\ndata: b\n\n");
    put_data("a\r\nb");
    assert_out("data: a\ndata: b\n\n");
    put_data("a\n\rb");
    assert_out("data: a\ndata: \ndata: b\n\n");
    put_data("a\r\r\n\nb");
    assert_out("data: a\ndata: \ndata: \ndata: b\n\n");
    put_data("\n");
    assert_out("data: \ndata: \n\n");
    put_data("\r");
    assert_out("data: \ndata: \n\n");
    put_data("a\r\n");
    assert_out("data: a\ndata: \n\n");
}

static void data_cannot_forge_a_field_or_a_frame(void **state)
{
    (void)state;
    put_data("x\n\nevent: done\nid: 9-9\rdata: y\r\n\r\n:");
    assert_out("data: x\ndata: \ndata: event: done\ndata: id: 9-9\ndata: data: y\ndata: \n"
               "data: :\n\n");
}

static void empty_data_and_leading_spaces_stay_what_they_are(void **state)
{
    (void)state;
    put_data("");
    assert_out("data: \n\n");
    sse_event(&out, NULL, NULL, NULL, 0);
    assert_out("data: \n\n");
    put_data("  a");
    assert_out("data:   a\n\n");
}

static void invalid_utf8_is_replaced_and_the_rest_kept(void **state)
{
    (void)state;
    put_data("a\xff\n\xc3\xa9");
    assert_out("data: a\xef\xbf\xbd\ndata: \xc3\xa9\n\n");
}

static void a_comment_is_always_one_line(void **state)
{
    (void)state;
    sse_comment(&out, "leat 2f6c");
    assert_out(": leat 2f6c\n\n");
    sse_comment(&out, "a\n\ndata: b\r\nid: 1\x01\x7f\xff");
    assert_out(": a  data: b  id: 1  \xef\xbf\xbd\n\n");
    sse_comment(&out, "");
    assert_out(": \n\n");
}

static void a_retry_is_in_milliseconds(void **state)
{
    (void)state;
    sse_retry(&out, 3127);
    assert_out("retry: 3127\n\n");
}

static void a_message_is_its_data_under_its_id(void **state)
{
    (void)state;
    struct entry entry = {.id = {1759312800000, 1}, .data = text("{\"id\": \"0\"}")};
    sse_entry(&out, &entry);
    assert_out("id: 1759312800000-1\ndata: {\"id\": \"0\"}\n\n");
    entry.data = text("[DONE]");
    sse_entry(&out, &entry);
    assert_out("id: 1759312800000-1\ndata: [DONE]\n\n");
}

static void a_message_without_data_only_moves_the_cursor(void **state)
{
    (void)state;
    struct entry entry = {.id = {UINT64_MAX, UINT64_MAX}};
    sse_entry(&out, &entry);
    assert_out("id: 18446744073709551615-18446744073709551615\n\n");
    entry.data = text("");
    sse_entry(&out, &entry);
    assert_out("id: 18446744073709551615-18446744073709551615\ndata: \n\n");
}

static void markers_are_silent_unless_an_attempt_is_a_new_one(void **state)
{
    (void)state;
    struct entry entry = {.id = {7, 0}, .kind = ENTRY_QUEUED, .job = text(JOB)};
    sse_entry(&out, &entry);
    assert_out("");
    entry = (struct entry){.id = {8, 0}, .kind = ENTRY_START, .job = text(JOB), .number = 1};
    sse_entry(&out, &entry);
    entry.reason = text("");
    sse_entry(&out, &entry);
    assert_out("");
    entry.reason = text("retry");
    entry.number = 2;
    sse_entry(&out, &entry);
    assert_out("event: reset\nid: 8-0\n"
               "data: {\"job\":\"" JOB "\",\"attempt\":2,\"reason\":\"retry\"}\n\n");
}

static void a_reset_can_be_announced_for_one_follower(void **state)
{
    (void)state;
    sse_reset(&out, (struct entry_id){8, 0}, JOB, 3, "history_lost");
    assert_out("event: reset\nid: 8-0\n"
               "data: {\"job\":\"" JOB "\",\"attempt\":3,\"reason\":\"history_lost\"}\n\n");
}

static void done_is_done_whatever_the_entry_says(void **state)
{
    (void)state;
    struct entry entry = {.id = {8, 21}, .kind = ENTRY_DONE, .job = text(JOB), .data = text("x")};
    sse_entry(&out, &entry);
    assert_out("id: 8-21\ndata: [DONE]\n\n");
}

static void the_other_ends_are_named_and_followed_by_done(void **state)
{
    (void)state;
    struct entry entry = {.id = {8, 3},
                          .kind = ENTRY_FAILED,
                          .job = text(JOB),
                          .number = 3,
                          .reason = text("exit"),
                          .detail = text("code 1: \"no\"\nmodel")};
    sse_entry(&out, &entry);
    assert_out("event: failed\ndata: {\"job\":\"" JOB "\",\"reason\":\"exit\","
               "\"detail\":\"code 1: \\\"no\\\"\\nmodel\",\"attempts\":3}\n\n"
               "id: 8-3\ndata: [DONE]\n\n");
    entry.kind = ENTRY_CANCELLED;
    entry.reason = text("requested");
    sse_entry(&out, &entry);
    assert_out("event: cancelled\ndata: {\"job\":\"" JOB "\",\"reason\":\"requested\"}\n\n"
               "id: 8-3\ndata: [DONE]\n\n");
    entry.kind = ENTRY_EXPIRED;
    sse_entry(&out, &entry);
    assert_out("event: expired\ndata: {\"job\":\"" JOB "\"}\n\nid: 8-3\ndata: [DONE]\n\n");
}

static void missing_fields_of_an_end_are_empty_texts(void **state)
{
    (void)state;
    struct entry entry = {.id = {8, 3}, .kind = ENTRY_FAILED};
    sse_entry(&out, &entry);
    assert_out("event: failed\ndata: {\"job\":\"\",\"reason\":\"\",\"detail\":\"\",\"attempts\":0}"
               "\n\nid: 8-3\ndata: [DONE]\n\n");
}

static void strings_from_redis_stay_inside_their_quotes(void **state)
{
    (void)state;
    struct entry entry = {.id = {8, 3},
                          .kind = ENTRY_CANCELLED,
                          .job = text("\"}\n\ndata: x\r\xff\x01"),
                          .reason = {"a\0b", 3}};
    sse_entry(&out, &entry);
    assert_out("event: cancelled\ndata: {\"job\":\"\\\"}\\n\\ndata: x\\r\xef\xbf\xbd\\u0001\","
               "\"reason\":\"a\xef\xbf\xbd"
               "b\"}\n\nid: 8-3\ndata: [DONE]\n\n");
}

static void ends_that_are_no_entries_close_with_the_cursor_end(void **state)
{
    (void)state;
    sse_superseded(&out, JOB);
    assert_out("event: superseded\ndata: {\"job\":\"" JOB "\"}\n\nid: end\ndata: [DONE]\n\n");
    sse_gone(&out, "");
    assert_out("event: gone\ndata: {\"job\":\"\"}\n\nid: end\ndata: [DONE]\n\n");
    sse_replaced(&out, JOB);
    assert_out("event: cancelled\ndata: {\"job\":\"" JOB "\",\"reason\":\"replaced\"}\n\n"
               "id: end\ndata: [DONE]\n\n");
}

static void news_are_comments_unless_asked_for(void **state)
{
    (void)state;
    sse_queued(&out, JOB, 12, false);
    assert_out(": queued 12\n\n");
    sse_queued(&out, JOB, 12, true);
    assert_out("event: queued\ndata: {\"job\":\"" JOB "\",\"position\":12}\n\n");
    sse_running(&out, JOB, 1, "worker-abc", false);
    assert_out(": running attempt 1 worker-abc\n\n");
    sse_running(&out, JOB, 1, "", false);
    assert_out(": running attempt 1\n\n");
    sse_running(&out, JOB, 1, "w\"\n", true);
    assert_out("event: running\ndata: {\"job\":\"" JOB "\",\"attempt\":1,\"worker\":\"w\\\"\\n\"}"
               "\n\n");
    sse_running(&out, JOB, 2, "w\r\n\r\ndata: x", false);
    assert_out(": running attempt 2 w    data: x\n\n");
}

static void a_failed_buffer_stays_failed(void **state)
{
    (void)state;
    assert_false(buf_reserve(&out, SIZE_MAX / 2));
    struct entry entry = {.id = {8, 3}, .kind = ENTRY_FAILED};
    sse_entry(&out, &entry);
    sse_comment(&out, "x");
    sse_queued(&out, JOB, 1, false);
    put_data("\xff");
    assert_false(buf_ok(&out));
    assert_int_equal(out.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_event_is_its_name_its_id_its_data_and_an_empty_line, clear),
        cmocka_unit_test_teardown(data_is_split_at_every_kind_of_line_end, clear),
        cmocka_unit_test_teardown(data_cannot_forge_a_field_or_a_frame, clear),
        cmocka_unit_test_teardown(empty_data_and_leading_spaces_stay_what_they_are, clear),
        cmocka_unit_test_teardown(invalid_utf8_is_replaced_and_the_rest_kept, clear),
        cmocka_unit_test_teardown(a_comment_is_always_one_line, clear),
        cmocka_unit_test_teardown(a_retry_is_in_milliseconds, clear),
        cmocka_unit_test_teardown(a_message_is_its_data_under_its_id, clear),
        cmocka_unit_test_teardown(a_message_without_data_only_moves_the_cursor, clear),
        cmocka_unit_test_teardown(markers_are_silent_unless_an_attempt_is_a_new_one, clear),
        cmocka_unit_test_teardown(a_reset_can_be_announced_for_one_follower, clear),
        cmocka_unit_test_teardown(done_is_done_whatever_the_entry_says, clear),
        cmocka_unit_test_teardown(the_other_ends_are_named_and_followed_by_done, clear),
        cmocka_unit_test_teardown(missing_fields_of_an_end_are_empty_texts, clear),
        cmocka_unit_test_teardown(strings_from_redis_stay_inside_their_quotes, clear),
        cmocka_unit_test_teardown(ends_that_are_no_entries_close_with_the_cursor_end, clear),
        cmocka_unit_test_teardown(news_are_comments_unless_asked_for, clear),
        cmocka_unit_test_teardown(a_failed_buffer_stays_failed, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
