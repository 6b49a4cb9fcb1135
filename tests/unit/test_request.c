/*
 * test_request.c: what a request target may hold, and what it is told otherwise.
 */
#include "request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"
#define NAME_RULE " must be 1 to 128 characters of A-Z a-z 0-9 _ . -."
#define CURSOR_RULE " must be an entry's id (two numbers joined by a dash) or the word end."

#define P(name) REQUEST_READS(PARAMETER_##name)
#define OF_STREAM                                                                      \
    (P(FEATURE_ID) | P(CHAT_ID) | P(JOB) | P(LAST_EVENT_ID) | P(IF_BUSY) | P(EVENTS) | \
     REQUEST_PASSES_OVER)
#define OF_PAGE (P(STATE) | P(QUEUE) | P(LIMIT) | P(CURSOR))

static unsigned reads = OF_STREAM;

/* The bytes stand in memory of exactly their size, so that a sanitizer sees a read behind them. */
static const char *read_bytes(const char *target, size_t length, struct request *request)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, target, length);
    request_read_path(copy, length, request);
    const char *wrong = request_read_query(copy, length, reads, request);
    free(copy);
    return wrong;
}

static struct request good(const char *target)
{
    struct request request;
    const char *wrong = read_bytes(target, strlen(target), &request);
    if (wrong)
        fail_msg("%s: %s", target, wrong);
    return request;
}

static void assert_wrong(const char *target, const char *expected)
{
    struct request request;
    const char *wrong = read_bytes(target, strlen(target), &request);
    if (!wrong)
        fail_msg("accepted: %s", target);
    assert_string_equal(wrong, expected);
}

static void a_full_target_is_taken_apart(void **state)
{
    (void)state;
    struct request r = good("/stream?feature_id=customer-support&chat_id=chat_1.2&job=" UUID
                            "&last_event_id=1759312800000-21&if_busy=replace&events=all");
    assert_string_equal(r.path, "/stream");
    assert_string_equal(r.feature_id, "customer-support");
    assert_string_equal(r.chat_id, "chat_1.2");
    assert_string_equal(r.job, UUID);
    assert_int_equal(r.cursor.kind, CURSOR_ENTRY);
    assert_int_equal(r.cursor.id.a, 1759312800000);
    assert_int_equal(r.cursor.id.n, 21);
    assert_int_equal(r.if_busy, IF_BUSY_REPLACE);
    assert_true(r.all_events);
    assert_null(request_check_chat(&r));
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    struct request r = good("/livez");
    assert_string_equal(r.path, "/livez");
    assert_string_equal(r.feature_id, "");
    assert_string_equal(r.chat_id, "");
    assert_string_equal(r.job, "");
    assert_int_equal(r.cursor.kind, CURSOR_NONE);
    assert_int_equal(r.if_busy, IF_BUSY_REJECT);
    assert_false(r.all_events);
}

static void a_missing_half_of_the_chat_is_named(void **state)
{
    (void)state;
    struct request r = good("/stream?chat_id=a");
    assert_string_equal(request_check_chat(&r), "feature_id is missing.");
    r = good("/stream?feature_id=a");
    assert_string_equal(request_check_chat(&r), "chat_id is missing.");
}

static void empty_pairs_and_unknown_names_are_passed_over(void **state)
{
    (void)state;
    struct request r = good("/stream?&&x=1&x=2&feature_id=a&=&y&feature=%zz&=%&chat_id=b&"
                            "a_very_long_name_that_is_nobodys_business_and_goes_on_and_on=1&");
    assert_string_equal(r.feature_id, "a");
    assert_string_equal(r.chat_id, "b");
    assert_string_equal(good("/stream?").path, "/stream");
    assert_string_equal(good("/stream?FEATURE_ID=a").feature_id, "");
    assert_string_equal(good("/stream?feature_id%00=a").feature_id, "");
    assert_string_equal(good("/stream? feature_id=a").feature_id, "");
}

static void values_and_names_are_decoded_exactly_once(void **state)
{
    (void)state;
    struct request r = good("/stream?feature%5Fid=%61%2D%62&%63hat_id=%5a");
    assert_string_equal(r.feature_id, "a-b");
    assert_string_equal(r.chat_id, "Z");
    assert_wrong("/stream?feature_id=%253A", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=%2561", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=a+b", "feature_id" NAME_RULE);
    assert_string_equal(good("/stream?feature%255Fid=a").feature_id, "");
}

static void separators_count_before_decoding(void **state)
{
    (void)state;
    assert_wrong("/stream?feature_id=a%26chat_id=b", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=a=b", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=a?b", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=a#b", "feature_id" NAME_RULE);
    assert_wrong("/stream?feature_id=a;chat_id=b", "feature_id" NAME_RULE);
    assert_string_equal(good("/stream?feature_id%3Da").feature_id, "");
}

static void each_byte_fits_a_name_or_does_not(void **state)
{
    (void)state;
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    for (int byte = 0; byte < 256; byte++) {
        char target[32];
        struct request r;
        snprintf(target, sizeof target, "/stream?feature_id=%%%02X", (unsigned)byte);
        bool fits = byte && strchr(letters, byte);
        assert_int_equal(!read_bytes(target, strlen(target), &r), fits);
    }
}

static void names_of_chats_have_only_their_characters(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "a:b", "*",   "{}",  "%00",      "a%00",  "a%00b", "%c0%af", "%F0%9F%98%80",
        "a%0d%0ab", "a/b", "%20", "a b", "\xc3\xa9", "%2F..",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char target[64] = "/stream?chat_id=";
        assert_wrong(strcat(target, bad[i]), "chat_id" NAME_RULE);
    }
    assert_wrong("/stream?chat_id", "chat_id" NAME_RULE);
    assert_string_equal(good("/stream?chat_id=..").chat_id, "..");
}

static void a_raw_nul_does_not_cut_a_value(void **state)
{
    (void)state;
    struct request r;
    static const char target[] = "/stream?chat_id=a\0b";
    assert_string_equal(read_bytes(target, sizeof target - 1, &r), "chat_id" NAME_RULE);
    static const char job[] = "/stream?job=" UUID "\0";
    assert_non_null(read_bytes(job, sizeof job - 1, &r));
    static const char path[] = "/livez\0?a=b";
    assert_null(read_bytes(path, sizeof path - 1, &r));
    assert_string_equal(r.path, "");
}

static void names_of_chats_end_at_128_characters(void **state)
{
    (void)state;
    for (size_t length = 127; length <= 600; length += length == 129 ? 471 : 1) {
        char target[640] = "/stream?feature_id=";
        memset(target + strlen(target), 'x', length);
        if (length <= 128)
            assert_int_equal(strlen(good(target).feature_id), length);
        else
            assert_wrong(target, "feature_id" NAME_RULE);
    }
}

static void a_parameter_that_we_know_may_be_given_once(void **state)
{
    (void)state;
    assert_wrong("/stream?feature_id=a&feature_id=a", "feature_id may be given only once.");
    assert_wrong("/stream?chat_id=a&x=1&%63hat_id=b", "chat_id may be given only once.");
    assert_wrong("/stream?events=all&events", "events may be given only once.");
}

static void a_bad_percent_sign_is_refused(void **state)
{
    (void)state;
    const char *expected =
        "In the value of chat_id, a percent sign is not followed by two hexadecimal digits.";
    assert_wrong("/stream?chat_id=%zz", expected);
    assert_wrong("/stream?chat_id=%", expected);
    assert_wrong("/stream?chat_id=a%4", expected);
    assert_wrong("/stream?chat_id=%4&feature_id=1", expected);
    assert_wrong("/stream?chat_id=%%41", expected);
    expected = "In a parameter's name, a percent sign is not followed by two hexadecimal digits.";
    assert_wrong("/stream?chat%id=a", expected);
    assert_wrong("/stream?%", expected);
}

static void a_job_is_a_uuid_and_becomes_lower_case(void **state)
{
    (void)state;
    assert_string_equal(good("/stream?job=01234567-89AB-4CDE-8F01-23456789ABCD").job, UUID);
    const char *expected = "job must be a job's id, which is a UUID.";
    assert_wrong("/stream?job=", expected);
    assert_wrong("/stream?job=1", expected);
    assert_wrong("/stream?job=" UUID "0", expected);
    assert_wrong("/stream?job=" UUID "%00", expected);
}

static void words_are_taken_from_their_lists_only(void **state)
{
    (void)state;
    assert_int_equal(good("/stream?if_busy=reject").if_busy, IF_BUSY_REJECT);
    assert_wrong("/stream?if_busy=Replace", "if_busy must be reject or replace.");
    assert_wrong("/stream?if_busy=", "if_busy must be reject or replace.");
    assert_wrong("/stream?if_busy=replace%00", "if_busy must be reject or replace.");
    assert_wrong("/stream?events=none", "events must be all.");
    assert_wrong("/stream?events=allall", "events must be all.");
}

static void a_cursor_is_an_entry_or_the_end(void **state)
{
    (void)state;
    assert_int_equal(good("/stream?last_event_id=end").cursor.kind, CURSOR_END);
    struct cursor cursor = good("/stream?last_event_id=0-18446744073709551615").cursor;
    assert_int_equal(cursor.kind, CURSOR_ENTRY);
    assert_true(cursor.id.a == 0 && cursor.id.n == UINT64_MAX);
    static const char *const bad[] = {
        "",
        "END",
        "end ",
        "1",
        "1-",
        "-1",
        "1-1-1",
        "01-1",
        "1-01",
        "+1-1",
        "1--1",
        "$",
        "*",
        "18446744073709551616-0",
        "1-18446744073709551616",
        "1-1%00",
        "99999999999999999999999-1",
        "1-*",
        "0x1-1",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char target[80] = "/stream?last_event_id=";
        assert_wrong(strcat(target, bad[i]), "last_event_id" CURSOR_RULE);
    }
}

static void the_header_follows_the_same_rule(void **state)
{
    (void)state;
    struct cursor cursor = {.kind = CURSOR_END};
    assert_null(request_check_cursor("12-3", &cursor));
    assert_int_equal(cursor.kind, CURSOR_ENTRY);
    assert_true(cursor.id.a == 12 && cursor.id.n == 3);
    assert_string_equal(request_check_cursor("12-3 ", &cursor), "Last-Event-ID" CURSOR_RULE);
    assert_string_equal(request_check_cursor("", &cursor), "Last-Event-ID" CURSOR_RULE);
    assert_string_equal(request_check_cursor("%31-1", &cursor), "Last-Event-ID" CURSOR_RULE);
    assert_int_equal(cursor.id.a, 12);
    assert_null(request_check_cursor("end", &cursor));
    assert_int_equal(cursor.kind, CURSOR_END);
}

static void an_idempotency_key_is_visible_ascii(void **state)
{
    (void)state;
    char key[258];
    memset(key, '~', sizeof key);
    key[256] = '\0';
    const char *expected = "Idempotency-Key must be 1 to 255 visible ASCII characters.";
    assert_string_equal(request_check_key(key), expected);
    key[255] = '\0';
    assert_null(request_check_key(key));
    assert_string_equal(request_check_key(""), expected);
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, '\0'};
        assert_int_equal(!request_check_key(text), byte >= 0x21 && byte <= 0x7e);
    }
}

static void a_path_is_kept_as_it_came_or_not_at_all(void **state)
{
    (void)state;
    assert_string_equal(good("/%2e%2e/a").path, "/%2e%2e/a");
    assert_string_equal(good("/stream/").path, "/stream/");
    assert_string_equal(good("http://host/stream").path, "");
    assert_string_equal(good("*").path, "");
    assert_string_equal(good("").path, "");
    assert_string_equal(good("?feature_id=a").path, "");
    assert_string_equal(good("/a\tb").path, "");
    assert_string_equal(good("/\xc3\xa9").path, "");
    assert_string_equal(good("/a\x7f").path, "");
}

static void a_path_of_256_bytes_is_the_longest(void **state)
{
    (void)state;
    char target[300];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[256] = '\0';
    assert_string_equal(good(target).path, target);
    target[256] = 'a';
    target[257] = '\0';
    assert_string_equal(good(target).path, "");
    strcpy(target + 256, "?chat_id=b");
    assert_int_equal(strlen(good(target).path), 256);
    assert_string_equal(good(target).chat_id, "b");
}

static void the_path_is_known_also_when_the_query_is_wrong(void **state)
{
    (void)state;
    struct request r;
    assert_non_null(read_bytes("/stream?job=1", 13, &r));
    assert_string_equal(r.path, "/stream");
}

static void a_page_is_asked_for_by_state_queue_limit_and_cursor(void **state)
{
    (void)state;
    reads = OF_PAGE;
    struct request r = good("/jobs?state=dead&queue=slow&limit=7&cursor=1759312800000:" UUID);
    assert_int_equal(r.state, JOB_DEAD);
    assert_string_equal(r.queue, "slow");
    assert_int_equal(r.limit, 7);
    assert_string_equal(r.page_cursor, "1759312800000:" UUID);
    r = good("/jobs");
    assert_int_equal(r.state, JOB_NONE);
    assert_string_equal(r.queue, "default");
    assert_int_equal(r.limit, REQUEST_LIMIT_STANDARD);
    assert_string_equal(r.page_cursor, "");
    reads = OF_STREAM;
}

static void a_page_has_its_bounds(void **state)
{
    (void)state;
    static const char limit[] = "limit must be a whole number from 1 to 100.";
    static const char page[] = "cursor must be the cursor of an earlier page.";
    static const char state_rule[] = "state must be waiting, delayed, running or dead.";
    reads = OF_PAGE;
    assert_int_equal(good("/jobs?limit=1").limit, 1);
    assert_int_equal(good("/jobs?limit=100").limit, 100);
    assert_int_equal(good("/jobs?limit=007").limit, 7);
    assert_wrong("/jobs?limit=0", limit);
    assert_wrong("/jobs?limit=101", limit);
    assert_wrong("/jobs?limit=99999999999999999999999999999999", limit);
    assert_wrong("/jobs?limit=-1", limit);
    assert_wrong("/jobs?limit=1.0", limit);
    assert_wrong("/jobs?limit=", limit);
    assert_wrong("/jobs?limit=5%00", limit);
    assert_wrong("/jobs?cursor=", page);
    assert_wrong("/jobs?cursor=x", page);
    assert_wrong("/jobs?cursor=" UUID "%00", page);
    assert_wrong("/jobs?state=done", state_rule);
    assert_wrong("/jobs?state=", state_rule);
    assert_wrong("/jobs?state=Dead", state_rule);
    assert_wrong("/jobs?queue=", "queue" NAME_RULE);
    assert_wrong("/jobs?queue=a%2fb", "queue" NAME_RULE);
    reads = OF_STREAM;
}

static void a_strict_call_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const char unknown[] = "The query has a parameter that this call does not know.";
    reads = OF_PAGE;
    assert_wrong("/jobs?quue=slow", unknown);
    assert_wrong("/jobs?feature_id=a", unknown);
    assert_wrong("/jobs?state=dead&x", unknown);
    assert_wrong("/jobs?=x", unknown);
    assert_int_equal(good("/jobs?&state=dead&&").state, JOB_DEAD);
    reads = OF_STREAM;
    assert_int_equal(good("/stream?state=nonsense&limit=0").limit, REQUEST_LIMIT_STANDARD);
}

/* Whether a path fits a pattern; its parts are taken when they are good. */
static bool fits(const char *path, const char *pattern, struct request *request)
{
    request_read_path(path, strlen(path), request);
    return request_match(request, pattern);
}

static void a_pattern_is_met_part_by_part(void **state)
{
    (void)state;
    static const struct {
        const char *path, *pattern;
        bool fits;
    } rows[] = {
        {"/jobs", "/jobs", true},
        {"/jobs/", "/jobs", false},
        {"/jobs", "/jobs/{id}", false},
        {"/jobs/", "/jobs/{id}", false},
        {"/jobs/a", "/jobs/{id}", true},
        {"/jobs/a?x=/b/c", "/jobs/{id}", true},
        {"/jobs/a/", "/jobs/{id}", false},
        {"/jobs/a/retry", "/jobs/{id}", false},
        {"/jobs/a/retry", "/jobs/{id}/retry", true},
        {"/jobs/a/retry/", "/jobs/{id}/retry", false},
        {"/jobs/a/retr", "/jobs/{id}/retry", false},
        {"/jobs/a/retryy", "/jobs/{id}/retry", false},
        {"/jobs//retry", "/jobs/{id}/retry", false},
        {"//jobs/a", "/jobs/{id}", false},
        {"/jobs/../", "/jobs/{id}", false},
        {"/jobs/..", "/jobs/{id}", true},
        {"/jobs%2fa", "/jobs/{id}", false},
        {"/jobs/a%2fretry", "/jobs/{id}/retry", false},
        {"/JOBS/a", "/jobs/{id}", false},
        {"/", "/jobs", false},
        {"", "/jobs", false},
        {"jobs/a", "/jobs/{id}", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request request;
        if (fits(rows[i].path, rows[i].pattern, &request) != rows[i].fits)
            fail_msg("%s and %s", rows[i].path, rows[i].pattern);
    }
}

static void a_part_in_braces_is_a_value_decoded_once(void **state)
{
    (void)state;
    struct request r;
    assert_true(fits("/jobs/01234567-89AB-4CDE-8F01-23456789ABCD/retry", "/jobs/{id}/retry", &r));
    assert_null(request_read_parts(&r, "/jobs/{id}/retry"));
    assert_string_equal(r.job, UUID);
    assert_true(fits("/queues/a%2Db/pause", "/queues/{queue}/pause", &r));
    assert_null(request_read_parts(&r, "/queues/{queue}/pause"));
    assert_string_equal(r.queue, "a-b");
    static const struct {
        const char *path, *pattern, *wrong;
    } rows[] = {
        {"/jobs/..", "/jobs/{id}", "id must be a job's id, which is a UUID."},
        {"/jobs/" UUID "%00", "/jobs/{id}", "id must be a job's id, which is a UUID."},
        {"/queues/a%2fb", "/queues/{queue}", "queue" NAME_RULE},
        {"/queues/a%252d", "/queues/{queue}", "queue" NAME_RULE},
        {"/queues/%00", "/queues/{queue}", "queue" NAME_RULE},
        {"/routes/*", "/routes/{feature}", "feature" NAME_RULE},
        {"/schedules/a:b", "/schedules/{name}", "name" NAME_RULE},
        {"/schedules/%zz", "/schedules/{name}",
         "In the value of name, a percent sign is not followed by two hexadecimal digits."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(fits(rows[i].path, rows[i].pattern, &r));
        assert_string_equal(request_read_parts(&r, rows[i].pattern), rows[i].wrong);
    }
    char path[160] = "/schedules/";
    memset(path + 11, 'a', 128);
    assert_true(fits(path, "/schedules/{name}", &r));
    assert_null(request_read_parts(&r, "/schedules/{name}"));
    assert_int_equal(strlen(r.name), 128);
    path[11 + 128] = 'a';
    assert_true(fits(path, "/schedules/{name}", &r));
    assert_string_equal(request_read_parts(&r, "/schedules/{name}"), "name" NAME_RULE);
}

static void the_target_of_a_stream_is_read_as_it_was_written(void **state)
{
    (void)state;
    char target[REQUEST_STREAM_SIZE];
    request_stream("customer-support", "chat_1.2", UUID, target);
    struct request r = good(target);
    assert_string_equal(r.feature_id, "customer-support");
    assert_string_equal(r.chat_id, "chat_1.2");
    assert_string_equal(r.job, UUID);
    request_stream("f", "c", "", target);
    assert_string_equal(target, "/stream?feature_id=f&chat_id=c");
}

static void every_cut_of_a_target_is_read_or_refused(void **state)
{
    (void)state;
    static const char target[] = "/stream?feature%5fid=a%2db&chat_id=c&job=" UUID
                                 "&last_event_id=1-2&if_busy=reject&events=all";
    struct request r;
    for (size_t length = 0; length < sizeof target; length++) {
        const char *wrong = read_bytes(target, length, &r);
        assert_true(!wrong || strlen(wrong) > 10);
    }
}

/* ---- formats ---- */

static void assert_accept(const char *text, enum render_format format)
{
    struct request request = {0};
    assert_null(request_read_accept(text, &request));
    assert_int_equal(request.format, format);
}

static void accept_may_name_a_format(void **state)
{
    (void)state;
    assert_accept("", RENDER_RAW);
    assert_accept("text/event-stream", RENDER_RAW);
    assert_accept("text/event-stream;format=ag-ui", RENDER_AG_UI);
    assert_accept("text/html , Text/Event-Stream ; q=0.9 ; Format=\"openai\" , */*", RENDER_OPENAI);
    assert_accept("text/html;format=nothing;x, text/event-stream;format=ai-sdk", RENDER_AI_SDK);
    assert_accept(";,;;, ,text/event-streams;format=openai", RENDER_RAW);
}

static void accept_with_an_unknown_format_is_refused(void **state)
{
    struct request request = {0};
    (void)state;
    assert_non_null(request_read_accept("text/event-stream;format=xml", &request));
    assert_non_null(request_read_accept("text/event-stream; format=", &request));
}

static void the_query_goes_before_accept(void **state)
{
    struct request request = {.has_format = true, .format = RENDER_OPENAI};
    (void)state;
    assert_null(request_read_accept("text/event-stream;format=ag-ui", &request));
    assert_int_equal(request.format, RENDER_OPENAI);
}

static void a_cursor_goes_with_the_raw_format_only(void **state)
{
    struct request request = {.cursor = {.kind = CURSOR_ENTRY}};
    (void)state;
    assert_null(request_check_format(&request));
    request.snapshot = true;
    assert_null(request_check_format(&request));
    request.format = RENDER_AG_UI;
    assert_non_null(request_check_format(&request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_may_name_a_format),
        cmocka_unit_test(accept_with_an_unknown_format_is_refused),
        cmocka_unit_test(the_query_goes_before_accept),
        cmocka_unit_test(a_cursor_goes_with_the_raw_format_only),
        cmocka_unit_test(a_full_target_is_taken_apart),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(a_missing_half_of_the_chat_is_named),
        cmocka_unit_test(empty_pairs_and_unknown_names_are_passed_over),
        cmocka_unit_test(values_and_names_are_decoded_exactly_once),
        cmocka_unit_test(separators_count_before_decoding),
        cmocka_unit_test(each_byte_fits_a_name_or_does_not),
        cmocka_unit_test(names_of_chats_have_only_their_characters),
        cmocka_unit_test(a_raw_nul_does_not_cut_a_value),
        cmocka_unit_test(names_of_chats_end_at_128_characters),
        cmocka_unit_test(a_parameter_that_we_know_may_be_given_once),
        cmocka_unit_test(a_bad_percent_sign_is_refused),
        cmocka_unit_test(a_job_is_a_uuid_and_becomes_lower_case),
        cmocka_unit_test(words_are_taken_from_their_lists_only),
        cmocka_unit_test(a_cursor_is_an_entry_or_the_end),
        cmocka_unit_test(the_header_follows_the_same_rule),
        cmocka_unit_test(an_idempotency_key_is_visible_ascii),
        cmocka_unit_test(a_path_is_kept_as_it_came_or_not_at_all),
        cmocka_unit_test(a_path_of_256_bytes_is_the_longest),
        cmocka_unit_test(the_path_is_known_also_when_the_query_is_wrong),
        cmocka_unit_test(a_page_is_asked_for_by_state_queue_limit_and_cursor),
        cmocka_unit_test(a_page_has_its_bounds),
        cmocka_unit_test(a_strict_call_refuses_what_it_does_not_know),
        cmocka_unit_test(a_pattern_is_met_part_by_part),
        cmocka_unit_test(a_part_in_braces_is_a_value_decoded_once),
        cmocka_unit_test(the_target_of_a_stream_is_read_as_it_was_written),
        cmocka_unit_test(every_cut_of_a_target_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
