/*
 * test_server.c: requests, answers and streams over real sockets, byte by byte, and
 * clients that leave. Each trap that was once seen in libmicrohttpd or in our use of
 * it has its sentence here or in test_server_limits.c; all of them hold on both
 * packaged versions.
 */
#include "clock.h"
#include "demo_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Less than all deadlines that would end who is gone: 10 s for a head, 30 for the rest. */
#define NOTICED_MS 8000

/* ---- plain requests ---- */

static void a_plain_answer_is_exact_to_the_byte(void **state)
{
    (void)state;
    struct client c = asking(GET("/hello"));
    assert_true(client_read_until(&c, "hello\n"));
    char *date = strstr(c.in.data, "Date: ");
    assert_non_null(date);
    char *next = strstr(date, "\r\n") + 2;
    memmove(date, next, strlen(next) + 1);
    /* The two versions order their own headers differently. */
    assert_memory_equal(c.in.data, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(c.in.data, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(c.in.data, "\r\nContent-Length: 6\r\n"));
    assert_int_equal(strlen(c.in.data), strlen("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                               "Content-Length: 6\r\n\r\nhello\n"));
    client_close(&c);
}

static void a_connection_is_kept_after_an_answer(void **state)
{
    (void)state;
    struct client c = connect_demo();
    for (int i = 0; i < 20; i++) {
        client_send(&c, GET("/hello"));
        assert_reply(&c, 200, "hello\n");
        client_send(&c, GET("/missing"));
        assert_reply(&c, 404, "not found\n");
        client_send(&c, GET("/later"));
        assert_reply(&c, 200, "later\n");
    }
    client_close(&c);
}

static void a_body_of_300_kB_is_echoed(void **state)
{
    (void)state;
    char *data = pattern(300000);
    struct client c = asking("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 300000\r\n\r\n");
    assert_true(client_send_bytes(&c, data, 300000));
    assert_reply(&c, 200, data);
    assert_closed(&c);
    free(data);
}

static void a_chunked_upload_is_echoed(void **state)
{
    (void)state;
    struct client c = asking("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                             "5\r\nhello\r\n");
    client_send(&c, "7\r\n, world\r\n");
    client_send(&c, "0\r\n\r\n");
    assert_reply(&c, 200, "hello, world");
    assert_closed(&c);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
    (void)state;
    struct client c =
        asking("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_reply(&c, 100, NULL);
    client_send(&c, "ok");
    assert_reply(&c, 200, "ok");
    assert_closed(&c);
}

static void a_body_that_is_announced_too_long_gets_413_instead_of_100(void **state)
{
    (void)state;
    struct client c = asking("POST /echo HTTP/1.1\r\n" HOST
                             "Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n");
    assert_reply(&c, 413, NULL);
    assert_closed(&c);
}

static void a_refused_client_that_sends_on_can_read_its_413(void **state)
{
    (void)state;
    char *data = pattern(4 << 20);
    for (int i = 0; i < 20; i++) {
        struct client c = asking("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4194304\r\n\r\n");
        assert_true(client_send_bytes(&c, data, 4 << 20)); /* nothing resets it */
        assert_reply(&c, 413, "The body is too long.");
        assert_closed(&c);
    }
    free(data);
}

static void a_chunked_body_that_grows_too_long_gets_413_at_once(void **state)
{
    (void)state;
    char *data = pattern(65536);
    struct client c = asking("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 40; i++) { /* and never ends */
        client_send_bytes(&c, "10000\r\n", 7);
        client_send_bytes(&c, data, 65536);
        client_send_bytes(&c, "\r\n", 2);
    }
    assert_reply(&c, 413, "The body is too long.");
    assert_closed(&c);
    free(data);
}

static void a_body_of_exactly_the_limit_passes(void **state)
{
    (void)state;
    char *data = pattern(1 << 20);
    struct client c = asking("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
    assert_true(client_send_bytes(&c, data, 1 << 20));
    assert_reply(&c, 200, data);
    assert_closed(&c);
    free(data);
}

static void an_answer_at_the_head_spares_the_body(void **state)
{
    (void)state;
    struct client c = asking("POST /missing HTTP/1.1\r\n" HOST
                             "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_reply(&c, 404, "not found\n");
    assert_closed(&c);
    assert_int_equal(STAT(asked), 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct client c = asking(GET("/later") GET("/hello") GET("/hello") GET("/missing")
                                 GET("/stream?count=2&size=3") GET("/hello"));
    assert_reply(&c, 200, "later\n");
    assert_reply(&c, 200, "hello\n");
    assert_reply(&c, 200, "hello\n");
    assert_reply(&c, 404, "not found\n");
    assert_reply(&c, 200, "abcabc");
    assert_closed(&c);
}

static void a_request_sent_while_a_stream_is_open_is_dropped_and_harms_it_not(void **state)
{
    (void)state;
    struct client c = asking(GET("/hold"));
    assert_true(client_read_until(&c, ":\n\n"));
    client_send(&c, GET("/hello"));
    AWAIT(opened, 1, CLIENT_MS);
    demo_end_streams(demo);
    assert_reply(&c, 200, ":\n\n");
    assert_closed(&c);
    assert_int_equal(STAT(asked), 1);
}

static void a_header_that_may_stand_once_is_refused_twice(void **state)
{
    (void)state;
    struct client c = asking("GET /hello HTTP/1.1\r\n" HOST "X-Once: 1\r\nx-once: 2\r\n\r\n");
    assert_reply(&c, 400, "twice\n");
    client_close(&c);
}

static void a_request_that_nobody_answers_gets_500(void **state)
{
    (void)state;
    struct client c = asking(GET("/nothing"));
    assert_reply(&c, 500, "");
    client_close(&c);
}

static void head_gets_the_same_head_and_no_body(void **state)
{
    (void)state;
    struct client c = connect_demo();
    static const char *const asks[] = {"/hello", "/stream?count=2&size=3", "/later", "/late-stream",
                                       "/missing"};
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        char text[128];
        struct reply r;
        snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\n" HOST "\r\n", asks[i]);
        client_send(&c, text);
        assert_true(client_reply(&c, &r, true));
        assert_int_equal(r.http_status, i == 4 ? 404 : 200);
        assert_false(r.chunked);
        assert_int_equal(reply_has(&r, "Content-Length: 6"), i == 0 || i == 2);
        assert_int_equal(reply_has(&r, "Content-Type: text/event-stream"), i == 1 || i == 3);
        reply_clear(&r);
    }
    client_send(&c, GET("/hello")); /* nothing stray came before this answer */
    assert_reply(&c, 200, "hello\n");
    client_close(&c);
    assert_int_equal(STAT(opened), 0);
    AWAIT(closed, STAT(bound), CLIENT_MS);
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

/* Whether it is the server's end of a connection. */
static bool is_servers(int fd)
{
    struct sockaddr_in mine, peer;
    socklen_t mine_length = sizeof mine, peer_length = sizeof peer;
    return !getsockname(fd, (struct sockaddr *)&mine, &mine_length) && mine.sin_family == AF_INET &&
           ntohs(mine.sin_port) == demo_port(demo) &&
           !getpeername(fd, (struct sockaddr *)&peer, &peer_length);
}

static void every_connection_has_a_small_buffer_no_delay_and_a_limit_of_silence(void **state)
{
    (void)state;
    struct client all[2] = {asking(GET("/hold")), asking(GET("/hello"))};
    assert_true(client_read_until(&all[0], ":\n\n"));
    assert_reply(&all[1], 200, "hello\n");
    int found = 0;
    for (int fd = 0; fd < 256; fd++) {
        if (!is_servers(fd))
            continue;
        found++;
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 2 * 65536);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
    }
    assert_int_equal(found, 2);
    client_close(&all[0]);
    client_close(&all[1]);
}

/* ---- streams ---- */

static void a_stream_is_chunked_and_ends_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct reply r;
        struct client c = connect_demo();
        if (i > 1) {
            client_send(&c, GET("/hello"));
            assert_reply(&c, 200, "hello\n");
        }
        client_send(&c, i % 2 ? GET("/late-stream") : GET("/stream?count=3&size=10"));
        assert_true(client_reply(&c, &r, false));
        assert_true(r.chunked && !r.keeps);
        assert_string_equal(buf_text(&r.body), "abcdefghijabcdefghijabcdefghij");
        reply_clear(&r);
        assert_closed(&c);
    }
    AWAIT(closed, 5, CLIENT_MS);
}

static void an_empty_stream_ends_well(void **state)
{
    (void)state;
    struct client c = asking(GET("/stream?count=0&size=1"));
    assert_reply(&c, 200, "");
    assert_closed(&c);
}

static void a_stream_to_http_1_0_is_raw_and_ends_with_the_connection(void **state)
{
    (void)state;
    struct reply r;
    static const char *const paths[] = {"/stream?count=3&size=10", "/late-stream"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.0\r\n\r\n", paths[i]);
        struct client c = asking(text);
        assert_true(client_reply(&c, &r, false));
        assert_false(r.chunked);
        assert_string_equal(buf_text(&r.body), "abcdefghijabcdefghijabcdefghij");
        reply_clear(&r);
        client_close(&c);
    }
    AWAIT(closed, 2, CLIENT_MS);
}

static void a_stream_of_4_MB_reaches_a_slow_reader_whole(void **state)
{
    (void)state;
    static const char *const asks[] = {GET("/stream?count=4096&size=1024"),
                                       "GET /stream?count=4096&size=1024 HTTP/1.0\r\n\r\n"};
    char *part = pattern(1024);
    for (size_t a = 0; a < COUNT_OF(asks); a++) {
        struct client c;
        struct reply r;
        client_open_small(&c, demo_port(demo), 4096);
        client_send(&c, asks[a]);
        assert_true(client_reply(&c, &r, false));
        assert_int_equal(r.body.length, 4 << 20);
        for (size_t i = 0; i < 4096; i++)
            assert_memory_equal(r.body.data + i * 1024, part, 1024);
        reply_clear(&r);
        client_close(&c);
    }
    free(part);
    AWAIT(closed, 2, CLIENT_MS);
}

static void an_aborted_stream_breaks_off(void **state)
{
    (void)state;
    static const char *const asks[] = {GET("/abort"), "GET /abort HTTP/1.0\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        struct client c = asking(asks[i]);
        assert_int_not_equal(client_read_end(&c, CLIENT_MS), CLIENT_SILENT);
        assert_non_null(strstr(c.in.data, ":\n\n"));
        assert_null(strstr(c.in.data, "\r\n0\r\n"));
        client_close(&c);
    }
    AWAIT(closed, 2, CLIENT_MS);
    assert_int_equal(STAT(gone), 0);
}

/* ---- clients that leave ---- */

static void leave(struct client *c, int how)
{
    switch (how % 3) {
    case 0:
        client_close(c);
        break;
    case 1:
        client_reset(c);
        break;
    default:
        client_half_close(c);
        assert_int_not_equal(client_read_end(c, CLIENT_MS), CLIENT_SILENT);
        client_close(c);
    }
}

static void fin_rst_and_half_close_are_noticed_while_a_stream_is_open(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c = asking(GET("/hold"));
        assert_true(client_read_until(&c, ":\n\n"));
        leave(&c, how);
        AWAIT(gone, (size_t)how + 1, NOTICED_MS);
        AWAIT(closed, (size_t)how + 1, NOTICED_MS);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void fin_rst_and_half_close_are_noticed_while_an_answer_is_awaited(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client c = asking(GET("/wait"));
        AWAIT(bound, (size_t)how + 1, CLIENT_MS);
        leave(&c, how);
        AWAIT(gone, (size_t)how + 1, NOTICED_MS);
        AWAIT(closed, (size_t)how + 1, NOTICED_MS);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void a_fin_together_with_the_request_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 1; i <= 20; i++) {
        struct client c = asking(i % 2 ? GET("/hold") : GET("/wait"));
        client_close(&c);
        AWAIT(closed, i, NOTICED_MS);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void a_client_that_left_leaves_no_descriptor(void **state)
{
    (void)state;
    enum { ROUNDS = 5, CLIENTS = 400 };
    struct client idle = asking(GET("/hello")); /* an older connection that stays */
    assert_reply(&idle, 200, "hello\n");
    size_t before = open_descriptors();
    static struct client all[CLIENTS];
    for (int round = 0; round < ROUNDS; round++) {
        size_t closed = STAT(closed), bound = STAT(bound);
        for (int i = 0; i < CLIENTS; i++)
            all[i] = asking(i % 4 == 3 ? GET("/wait") : GET("/hold"));
        for (int i = 0; i < CLIENTS; i++) {
            if (i % 4 != 3)
                assert_true(client_read_until(&all[i], ":\n\n"));
        }
        AWAIT(bound, bound + CLIENTS, CLIENT_MS); /* who resets before that has asked nothing */
        for (int i = 0; i < CLIENTS; i++)
            leave(&all[i], i % 2);
        AWAIT(closed, closed + CLIENTS, NOTICED_MS);
        assert_true(await_connections(1, CLIENT_MS));
    }
    int64_t end = clock_steady_ms() + CLIENT_MS; /* the last ones close within that turn */
    while (open_descriptors() > before + 2 && clock_steady_ms() < end)
        usleep(1000);
    assert_in_range(open_descriptors(), before, before + 2); /* two daemons were added */
    client_close(&idle);
}

static void a_slow_reader_that_leaves_is_noticed_while_its_rest_waits(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct client c;
        client_open_small(&c, demo_port(demo), 4096);
        client_send(&c, GET("/stream?count=1000&size=60000"));
        assert_true(client_read_until(&c, "abc"));
        leave(&c, how);
        AWAIT(closed, (size_t)how + 1, NOTICED_MS);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEMO(a_plain_answer_is_exact_to_the_byte),
        WITH_DEMO(a_connection_is_kept_after_an_answer),
        WITH_DEMO(a_body_of_300_kB_is_echoed),
        WITH_DEMO(a_chunked_upload_is_echoed),
        WITH_DEMO(a_client_that_waits_for_100_gets_it),
        WITH_DEMO(a_body_that_is_announced_too_long_gets_413_instead_of_100),
        WITH_DEMO(a_refused_client_that_sends_on_can_read_its_413),
        WITH_DEMO(a_chunked_body_that_grows_too_long_gets_413_at_once),
        WITH_DEMO(a_body_of_exactly_the_limit_passes),
        WITH_DEMO(an_answer_at_the_head_spares_the_body),
        WITH_DEMO(pipelined_requests_are_answered_in_order),
        WITH_DEMO(a_request_sent_while_a_stream_is_open_is_dropped_and_harms_it_not),
        WITH_DEMO(a_header_that_may_stand_once_is_refused_twice),
        WITH_DEMO(a_request_that_nobody_answers_gets_500),
        WITH_DEMO(head_gets_the_same_head_and_no_body),
        WITH_DEMO(every_connection_has_a_small_buffer_no_delay_and_a_limit_of_silence),
        WITH_DEMO(a_stream_is_chunked_and_ends_the_connection),
        WITH_DEMO(an_empty_stream_ends_well),
        WITH_DEMO(a_stream_to_http_1_0_is_raw_and_ends_with_the_connection),
        WITH_DEMO(a_stream_of_4_MB_reaches_a_slow_reader_whole),
        WITH_DEMO(an_aborted_stream_breaks_off),
        WITH_DEMO(fin_rst_and_half_close_are_noticed_while_a_stream_is_open),
        WITH_DEMO(fin_rst_and_half_close_are_noticed_while_an_answer_is_awaited),
        WITH_DEMO(a_fin_together_with_the_request_is_noticed),
        WITH_DEMO(a_client_that_left_leaves_no_descriptor),
        WITH_DEMO(a_slow_reader_that_leaves_is_noticed_while_its_rest_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
