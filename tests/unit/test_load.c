/*
 * test_load.c: the load generator sees what a stream brings, in whatever pieces it
 * comes, and finds what is missing, double or out of order.
 */
#include "histogram.h"
#include "http_reader.h"
#include "tokens.h"
#include "witness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a client without a socket ---- */

struct reader {
    struct http_reader http;
    struct sse_reader sse;
    struct witness witness;
    struct tally tally;
    int64_t last_stamp_us;
    bool understood;
};

static void on_event(void *arg, const struct sse_reader *sse, const char *data, size_t length)
{
    struct reader *r = arg;
    uint64_t number = 0;
    int64_t stamp_us = 0;
    if (witness_see(&r->witness, sse, data, length, &r->tally, &stamp_us, &number) == SEEN_MESSAGE)
        r->last_stamp_us = stamp_us;
}

static void on_body(void *arg, const char *data, size_t length)
{
    struct reader *r = arg;
    r->understood = r->understood && sse_reader_feed(&r->sse, data, length, on_event, r);
}

static void feed(struct reader *r, const char *data, size_t length)
{
    r->understood = r->understood && http_reader_feed(&r->http, data, length, on_body, r);
}

static void reader_clear(struct reader *r)
{
    http_reader_clear(&r->http);
    sse_reader_clear(&r->sse);
    *r = (struct reader){.understood = true};
}

/* ---- answers ---- */

#define HEAD \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static void put_chunk(struct buf *out, const char *text)
{
    buf_printf(out, "%zX\r\n%s\r\n", strlen(text), text);
}

static void put_message(struct buf *out, unsigned attempt, unsigned n)
{
    char text[256];
    snprintf(text, sizeof text,
             "id: %u-%u\ndata: {\"id\": \"%u\", \"message\": \"Message %u\", \"timestamp\": "
             "\"2025-10-01T09:00:%02u.000250Z\", \"worker\": \"leat\"}\n\n",
             attempt, n, n - 1, n - 1, n);
    put_chunk(out, text);
}

static void put_end(struct buf *out, unsigned attempt, unsigned n)
{
    char text[64];
    snprintf(text, sizeof text, "id: %u-%u\ndata: [DONE]\n\n", attempt, n);
    put_chunk(out, text);
    buf_puts(out, "0\r\n\r\n");
}

/* What a whole stream of these Ns, with its head and its end, is taken for. */
static struct tally tally_of(const unsigned *numbers, size_t count, unsigned end)
{
    struct reader r = {.understood = true};
    struct buf text = {0};
    buf_puts(&text, HEAD);
    for (size_t i = 0; i < count; i++)
        put_message(&text, 7, numbers[i]);
    put_end(&text, 7, end);
    feed(&r, text.data, text.length);
    assert_true(r.understood);
    assert_int_equal(r.http.place, HTTP_ENDED);
    assert_true(r.witness.ended);
    struct tally tally = r.tally;
    reader_clear(&r);
    buf_clear(&text);
    return tally;
}

#define TALLY(end, ...) \
    tally_of((const unsigned[]){__VA_ARGS__}, sizeof((const unsigned[]){__VA_ARGS__}) / 4, end)

static void assert_tally(struct tally t, unsigned lost, unsigned doubled, unsigned disordered)
{
    assert_int_equal(t.lost, lost);
    assert_int_equal(t.doubled, doubled);
    assert_int_equal(t.disordered, disordered);
    assert_int_equal(t.strange, 0);
}

/* ---- tests ---- */

static void assert_understood(const struct reader *r, size_t split)
{
    if (!r->understood || r->tally.messages != 3 || !r->witness.ended)
        fail_msg("split at %zu: %zu messages", split, (size_t)r->tally.messages);
    assert_tally(r->tally, 0, 0, 0);
    assert_int_equal(r->http.place, HTTP_ENDED);
    assert_int_equal(r->http.status, 200);
    assert_int_equal(r->sse.comments, 1);
    assert_string_equal(r->sse.id, "7-4");
    assert_true(r->last_stamp_us == INT64_C(1759309203000250));
}

static void put_whole_stream(struct buf *text)
{
    buf_puts(text, HEAD);
    put_chunk(text, ": leat\n\nretry: 1000\n\n");
    for (unsigned n = 1; n <= 3; n++)
        put_message(text, 7, n);
    put_end(text, 7, 4);
}

static void a_stream_is_understood_in_any_two_pieces(void **state)
{
    (void)state;
    struct buf text = {0};
    put_whole_stream(&text);
    for (size_t split = 0; split <= text.length; split++) {
        struct reader r = {.understood = true};
        feed(&r, text.data, split);
        feed(&r, text.data + split, text.length - split);
        assert_understood(&r, split);
        reader_clear(&r);
    }
    buf_clear(&text);
}

static void a_stream_is_understood_byte_by_byte(void **state)
{
    (void)state;
    struct buf text = {0};
    struct reader r = {.understood = true};
    put_whole_stream(&text);
    for (size_t i = 0; i < text.length; i++)
        feed(&r, text.data + i, 1);
    assert_understood(&r, 0);
    reader_clear(&r);
    buf_clear(&text);
}

static void a_message_that_never_came_is_lost(void **state)
{
    (void)state;
    assert_tally(TALLY(5, 1, 2, 3, 4), 0, 0, 0);
    assert_tally(TALLY(5, 1, 2, 4), 1, 0, 0);
    assert_tally(TALLY(5, 2, 3, 4), 1, 0, 0);
    assert_tally(TALLY(5, 1, 2), 2, 0, 0);
    assert_tally(TALLY(201, 1, 200), 198, 0, 0);
}

static void a_message_that_comes_again_is_doubled(void **state)
{
    (void)state;
    assert_tally(TALLY(4, 1, 2, 2, 3), 0, 1, 0);
    assert_tally(TALLY(4, 1, 2, 3, 1, 2, 3), 0, 3, 0);
}

static void a_message_behind_a_later_one_is_disordered_and_not_lost(void **state)
{
    (void)state;
    assert_tally(TALLY(4, 1, 3, 2), 0, 0, 1);
    assert_tally(TALLY(5, 4, 3, 2, 1), 0, 0, 3);
    assert_tally(TALLY(4, 1, 3, 2, 2), 0, 1, 1);
    assert_tally(TALLY(66, 1, 65, 2), 62, 0, 1);
}

static void a_stream_that_ends_too_early_has_lost_the_rest(void **state)
{
    (void)state;
    struct tally tally = {0};
    witness_expect(&(struct witness){.attempt = 7, .next = 4, .ended = true}, 2, &tally);
    assert_int_equal(tally.lost + tally.strange, 0);
    witness_expect(&(struct witness){.attempt = 7, .next = 4, .ended = true}, 20, &tally);
    assert_int_equal(tally.lost, 18);
    witness_expect(&(struct witness){.attempt = 0}, 20, &tally);
    assert_int_equal(tally.lost, 38);
    witness_expect(&(struct witness){.attempt = 7, .next = 4, .ended = true}, 1, &tally);
    assert_int_equal(tally.strange, 1);
}

static struct tally tally_of_events(const char *events)
{
    struct reader r = {.understood = true};
    on_body(&r, events, strlen(events));
    assert_true(r.understood);
    struct tally tally = r.tally;
    reader_clear(&r);
    return tally;
}

static void an_announced_attempt_begins_anew_and_another_is_strange(void **state)
{
    (void)state;
    struct tally t = tally_of_events("id: 7-1\ndata: {\"id\": \"0\"}\n\n"
                                     "event: reset\nid: 9-0\ndata: {}\n\n"
                                     "id: 9-1\ndata: {\"id\": \"0\"}\n\n");
    assert_tally(t, 0, 0, 0);
    assert_int_equal(t.resets, 1);
    t = tally_of_events("id: 7-1\ndata: {\"id\": \"0\"}\n\nid: 9-1\ndata: {\"id\": \"0\"}\n\n");
    assert_int_equal(t.strange, 1);
}

static void what_is_no_message_of_ours_is_strange(void **state)
{
    (void)state;
    assert_int_equal(tally_of_events("id: 7-1\ndata: {\"id\": \"1\"}\n\n").strange, 1);
    assert_int_equal(tally_of_events("id: 7-1\ndata: hello\n\n").strange, 1);
    assert_int_equal(tally_of_events("data: {\"id\": \"0\"}\n\n").strange, 1);
    assert_int_equal(tally_of_events("id: 7\ndata: {\"id\": \"0\"}\n\n").strange, 1);
    assert_int_equal(
        tally_of_events("id: 7-1\ndata: [DONE]\n\nid: 7-2\ndata: {\"id\": \"1\"}\n\n").strange, 1);
}

static void an_end_by_another_name_is_counted(void **state)
{
    (void)state;
    struct tally t = tally_of_events("event: failed\ndata: {}\n\ndata: [DONE]\n\n");
    assert_int_equal(t.otherwise, 1);
    assert_int_equal(t.strange, 0);
}

static void data_of_several_lines_is_one_event(void **state)
{
    (void)state;
    struct tally t = tally_of_events("id: 7-1\r\ndata: {\"id\":\r\ndata: \"0\"}\r\n\r\n");
    assert_int_equal(t.messages, 1);
}

static void assert_head(const char *head, int status, enum http_place place)
{
    struct reader r = {.understood = true};
    feed(&r, head, strlen(head));
    assert_true(r.understood);
    assert_int_equal(r.http.status, status);
    assert_int_equal(r.http.place, place);
    reader_clear(&r);
}

static void a_head_says_how_the_body_is_framed(void **state)
{
    (void)state;
    assert_head("HTTP/1.1 204 No Content\r\n\r\n", 204, HTTP_ENDED);
    assert_head("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nab", 503,
                HTTP_LENGTH);
    assert_head("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nabc", 503,
                HTTP_ENDED);
    assert_head("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n: hello\n", 200, HTTP_UNTIL_CLOSE);
    assert_head(HEAD "1a;name=value\r\n", 200, HTTP_CHUNK);
}

static void what_is_no_http_is_refused(void **state)
{
    (void)state;
    struct reader r = {.understood = true};
    feed(&r, "SSH-2.0-OpenSSH_9.2\r\n\r\n", 23);
    assert_false(r.understood);
    reader_clear(&r);
    feed(&r, "HTTP/1.1 204 No Content\r\n\r\nmore", 31);
    assert_false(r.understood);
    reader_clear(&r);
}

static void a_quantile_is_at_most_a_sixtieth_too_low(void **state)
{
    (void)state;
    static struct histogram h;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_add(&h, value);
    assert_int_equal(h.count, 100000);
    assert_int_equal(h.max, 100000);
    assert_int_equal(histogram_quantile(&h, 1), 100000);
    assert_int_equal(histogram_quantile(&h, 0.0005), 51);
    for (unsigned percent = 1; percent < 100; percent++) {
        uint64_t exact = UINT64_C(1000) * percent + 1,
                 found = histogram_quantile(&h, percent / 100.0);
        assert_true(found <= exact && found >= exact - exact / 60 - 1);
    }
    histogram_add(&h, UINT64_MAX);
    assert_true(histogram_quantile(&h, 1) == UINT64_MAX);
}

static void tokens_are_found_in_any_dialect(void **state)
{
    static const char event[] = "{\"delta\":\" ~9 ~10@1700000000000123 ~11\"}";
    const char *at = event, *end = event + sizeof event - 1;
    const struct token expected[] = {{9, 0}, {10, 1700000000000123}, {11, 0}};
    struct token token;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(tokens_next(&at, end, &token));
        assert_int_equal(token.number, expected[i].number);
        assert_int_equal(token.stamp_us, expected[i].stamp_us);
    }
    assert_false(tokens_next(&at, end, &token));
    assert_true(tokens_are_over("[DONE]", 6));
    assert_true(tokens_are_over("{\"type\":\"RUN_FINISHED\"}", 23));
    assert_false(tokens_are_over(event, sizeof event - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_understood_in_any_two_pieces),
        cmocka_unit_test(a_stream_is_understood_byte_by_byte),
        cmocka_unit_test(a_message_that_never_came_is_lost),
        cmocka_unit_test(a_message_that_comes_again_is_doubled),
        cmocka_unit_test(a_message_behind_a_later_one_is_disordered_and_not_lost),
        cmocka_unit_test(a_stream_that_ends_too_early_has_lost_the_rest),
        cmocka_unit_test(an_announced_attempt_begins_anew_and_another_is_strange),
        cmocka_unit_test(what_is_no_message_of_ours_is_strange),
        cmocka_unit_test(an_end_by_another_name_is_counted),
        cmocka_unit_test(data_of_several_lines_is_one_event),
        cmocka_unit_test(a_head_says_how_the_body_is_framed),
        cmocka_unit_test(what_is_no_http_is_refused),
        cmocka_unit_test(tokens_are_found_in_any_dialect),
        cmocka_unit_test(a_quantile_is_at_most_a_sixtieth_too_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
