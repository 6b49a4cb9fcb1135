/*
 * test_gate.c: first requests that come in pieces, end early, are as large as they may
 * be or larger, and clients for whom there is no room.
 */
#include "clock.h"
#include "demo_steps.h"
#include "raw_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FULL "This gateway serves as many clients as it may."
#define OF_ADDRESS "This gateway serves as many clients of your address as it may."

/* A client whose every send is a packet. */
static struct client connect_prompt(void)
{
    struct client c = connect_demo();
    int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return c;
}

static struct server_counts counts(void)
{
    struct server_counts counts;
    demo_get_counts(demo, &counts);
    return counts;
}

static void await_accepted(uint64_t number)
{
    for (int64_t end = clock_steady_ms() + CLIENT_MS; counts().accepted < number; usleep(1000))
        assert_true(clock_steady_ms() < end);
}

/* Whatever the loop was at is done. */
static void await_turn(void)
{
    size_t before = STAT(turns);
    demo_wake(demo);
    for (int64_t end = clock_steady_ms() + CLIENT_MS; STAT(turns) == before; usleep(100))
        assert_true(clock_steady_ms() < end);
}

/* ---- pieces ---- */

static void a_head_in_two_pieces_is_answered_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char text[] = "\r\nGET /hello HTTP/1.1\r\n" HOST "X: y\r\n\r\n";
    for (size_t i = 1; i < strlen(text); i++) {
        struct client c = connect_prompt();
        client_send_bytes(&c, text, i);
        assert_true(await_connections(1, CLIENT_MS)); /* it is in the gate */
        client_send_bytes(&c, text + i, strlen(text) - i);
        assert_reply(&c, 200, "hello\n");
        client_send(&c, GET("/missing"));
        assert_reply(&c, 404, "not found\n");
        client_close(&c);
        assert_true(await_connections(0, CLIENT_MS));
    }
}

static void a_head_byte_by_byte_is_answered(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_puts(&text, "GET /hello HTTP/1.1\r\n" HOST "X: ");
    while (text.length < RAW_HEAD_MAX - 4)
        buf_puts(&text,
                 text.length % 100 == 0 && text.length < RAW_HEAD_MAX - 100 ? "\r\nX: " : "y");
    buf_puts(&text, "\r\n\r\n");
    assert_int_equal(text.length, RAW_HEAD_MAX);
    struct client c = connect_prompt();
    for (size_t i = 0; i < text.length; i++)
        client_send_bytes(&c, text.data + i, 1);
    assert_reply(&c, 200, "hello\n");
    client_close(&c);
    buf_clear(&text);
}

static void what_is_behind_the_head_is_not_lost(void **state)
{
    (void)state;
    static const char *const heads[] = {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n",
                                        "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n"};
    for (int i = 0; i < 4; i++) {
        struct client c = connect_prompt();
        client_send(&c, heads[i % 2]);
        if (i < 2)
            assert_true(await_connections(1, CLIENT_MS));
        client_send(&c, "\r\nhello");
        assert_reply(&c, 200, "hello");
        assert_closed(&c);
    }
    struct client c = connect_prompt();
    client_send(&c, "GET /later HTTP/1.1\r\nHo");
    assert_true(await_connections(1, CLIENT_MS));
    client_send(&c, "st: x\r\n\r\n" GET("/hello") GET("/missing"));
    assert_reply(&c, 200, "later\n");
    assert_reply(&c, 200, "hello\n");
    assert_reply(&c, 404, "not found\n");
    client_close(&c);
}

static void a_client_that_waits_for_100_gets_it_after_a_slow_head(void **state)
{
    (void)state;
    struct client c = connect_prompt();
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n");
    assert_true(await_connections(1, CLIENT_MS));
    client_send(&c, "Expect: 100-continue\r\n\r\n");
    assert_reply(&c, 100, NULL);
    client_send(&c, "ok");
    assert_reply(&c, 200, "ok");
    assert_closed(&c);
}

static void a_wrong_head_is_refused_before_it_is_complete(void **state)
{
    (void)state;
    static const char *const all[] = {"\x16\x03\x01", "GET / HTTP/1.1\n", "G@T",
                                      "GET / HTTP/1.1\r\nA : b\r\n"};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct client c = asking(all[i]);
        assert_reply(&c, 400, NULL);
        assert_closed(&c);
    }
    struct client c = asking("GET / HTTP/2.0\r\n");
    assert_reply(&c, 505, NULL);
    assert_closed(&c);
    assert_int_equal(counts().malformed, COUNT_OF(all) + 1);
    assert_int_equal(counts().requests, COUNT_OF(all) + 1);
}

static void a_refused_client_that_sends_on_can_read_why(void **state)
{
    (void)state;
    char *data = pattern(1 << 20);
    for (int i = 0; i < 20; i++) {
        struct client c = asking("GET /?");
        assert_true(client_send_bytes(&c, data, 1 << 20)); /* nothing resets it */
        assert_reply(&c, 414, "GET : The target is too long.");
        assert_closed(&c);
    }
    free(data);
}

/* ---- ends ---- */

static void a_fin_behind_a_head_does_not_lose_its_answer(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        struct client c = connect_prompt();
        if (i % 2) {
            client_send(&c, "GET /hello HTTP/1.1\r\n");
            assert_true(await_connections(1, CLIENT_MS));
            client_send(&c, HOST "\r\n");
        } else {
            client_send(&c, GET("/hello"));
        }
        client_half_close(&c);
        assert_reply(&c, 200, "hello\n");
        assert_closed(&c);
        assert_true(await_connections(0, CLIENT_MS));
    }
}

static void a_fin_within_a_head_is_told_so(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct client c = asking("GET /hello HTTP/1.1\r\nHo");
        client_half_close(&c);
        assert_reply(&c, 400, "GET /hello: The request ends within its head.");
        assert_closed(&c);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void clients_that_leave_the_gate_leave_nothing(void **state)
{
    (void)state;
    enum { CLIENTS = 200 };
    static struct client all[CLIENTS];
    size_t before = open_descriptors();
    for (int i = 0; i < CLIENTS; i++)
        all[i] = asking(i % 3 ? "GET /hello HTTP/1.1\r\nHo" : "");
    assert_true(await_connections(CLIENTS, CLIENT_MS));
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 2)
            client_reset(&all[i]);
        else
            client_close(&all[i]);
    }
    assert_true(await_connections(0, CLIENT_MS));
    int64_t end = clock_steady_ms() + 3000; /* answered ones linger until their end is read */
    while (open_descriptors() > before && clock_steady_ms() < end)
        usleep(1000);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(counts().timed_out, 0);
}

/* ---- sizes ---- */

static unsigned below(unsigned number)
{
    return (unsigned)random() % number;
}

static void put_pattern(struct buf *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        buf_putc(text, (char)('a' + i % 26));
}

static void put_parts(struct buf *text, const char *part, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        buf_puts(text, part);
}

/* A head of random shape, up to the limits. */
static void put_head(struct buf *text, const char *method, const char *path, const char *fields)
{
    static const unsigned lengths[] = {1, 30, 200, 1000, 5000};
    unsigned most = lengths[below(COUNT_OF(lengths))];
    size_t limit = 300 + below(RAW_HEAD_MAX - 300);
    buf_printf(text, "%s %s?", method, path);
    if (below(2))
        put_parts(text, "a=b&", below(60));
    else
        put_pattern(text, below(EXCHANGE_TARGET_MAX - 100));
    buf_printf(text, " HTTP/1.1\r\n" HOST "%s", fields);
    if (below(3) == 0 && text->length < RAW_HEAD_MAX / 2) {
        buf_puts(text, "Cookie: ");
        put_parts(text, "a=b; ", below(40));
        put_pattern(text, below(2500));
        buf_puts(text, "\r\n");
    }
    for (unsigned i = 0; i < 60 && text->length + most + 8 < limit; i++) {
        buf_puts(text, "X:");
        put_pattern(text, 1 + below(most));
        buf_puts(text, "\r\n");
    }
    buf_puts(text, "\r\n");
}

/* What may stand behind a head: nothing, a request, a body, a chunked body. */
enum behind { BEHIND_NOTHING, BEHIND_REQUEST, BEHIND_BODY, BEHIND_CHUNKS, BEHIND_KINDS };

static void put_behind(struct buf *text, enum behind kind)
{
    if (kind == BEHIND_REQUEST)
        buf_puts(text, GET("/hello"));
    if (kind == BEHIND_BODY)
        put_pattern(text, 100000);
    if (kind != BEHIND_CHUNKS)
        return;
    for (int i = 0; i < 20; i++) {
        buf_puts(text, "1000\r\n");
        put_pattern(text, 4096);
        buf_puts(text, "\r\n");
    }
    buf_puts(text, "0\r\n\r\n");
}

/* libmicrohttpd keeps a head, its parts and its cookies in a pool that also holds what it
   reads of the body, and the head of the answer. If that is ever too small, it
   answers 431 itself, or not at all. */
static void whatever_is_let_in_is_answered(void **state)
{
    (void)state;
    static const char *const fields[BEHIND_KINDS] = {"", "", "Content-Length: 100000\r\n",
                                                     "Transfer-Encoding: chunked\r\n"};
    static const char *const paths[] = {"/hello", "/fat", "/fat-stream", "/missing"};
    srandom(1);
    for (int i = 0; i < 1000; i++) {
        struct buf text = {0};
        struct raw_head head;
        enum behind kind = (enum behind)below(BEHIND_KINDS);
        const char *path = paths[below(COUNT_OF(paths))];
        put_head(&text, kind >= BEHIND_BODY ? "POST" : "GET", path, fields[kind]);
        if (raw_head_read(text.data, text.length, &head) == RAW_HEAD_GOOD) {
            size_t first = below(2) ? text.length : 1 + below((unsigned)text.length - 1);
            put_behind(&text, kind);
            struct client c = connect_prompt();
            client_send_bytes(&c, text.data, first);
            client_send_bytes(&c, text.data + first, text.length - first);
            assert_true(client_read_until(&c, "\r\n\r\n"));
            if (strncmp(c.in.data, path[1] == 'm' ? "HTTP/1.1 404" : "HTTP/1.1 200", 12) != 0)
                fail_msg("head %d, %zu bytes, %zu parts: %s", i, head.length, head.parts,
                         c.in.data);
            client_close(&c);
        }
        buf_clear(&text);
    }
}

static void the_largest_head_passes_and_one_byte_more_gets_431(void **state)
{
    (void)state;
    static const char before[] = "GET /hello HTTP/1.1\r\n" HOST "X: ";
    for (size_t more = 0; more < 2; more++) {
        char *value = pattern(RAW_HEAD_MAX + more - strlen(before) - 4);
        struct client c = asking(before);
        client_send(&c, value);
        client_send(&c, "\r\n\r\n");
        assert_reply(&c, more ? 431 : 200, NULL);
        client_close(&c);
        free(value);
    }
}

/* ---- no room ---- */

/* Two streams fill it. */
static void fill_demo(struct client held[2], int64_t header_timeout_ms)
{
    demo_begin(
        &(struct demo_options){.connections_max = 2, .header_timeout_ms = header_timeout_ms});
    for (size_t i = 0; i < 2; i++)
        held[i] = asking(GET("/hold"));
    for (size_t i = 0; i < 2; i++)
        assert_true(client_read_until(&held[i], ":\n\n"));
}

static void a_client_without_room_may_say_what_it_wants(void **state)
{
    (void)state;
    static const struct {
        const char *sent;
        const char *answer;
        int http_status;
    } all[] = {
        {GET("/hold"), "GET /hold: " FULL, 503},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok", "POST /echo: " FULL, 503},
        {"GET / HTTP/1.1\n", "GET /: The request line does not end with a version and CR LF.", 400},
    };
    struct client held[2];
    fill_demo(held, 0);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        for (size_t split = 0; split < strlen(all[i].sent); split += 7) {
            struct client c = connect_prompt();
            client_send_bytes(&c, all[i].sent, split);
            client_send(&c, all[i].sent + split);
            assert_reply(&c, all[i].http_status, all[i].answer);
            assert_closed(&c);
        }
    }
    struct client c = asking("HEAD /hello HTTP/1.1\r\n" HOST "\r\n");
    struct reply r;
    assert_true(client_reply(&c, &r, true));
    assert_int_equal(r.http_status, 503);
    reply_clear(&r);
    assert_closed(&c);
    assert_int_equal(counts().connections, 2);
    client_close(&held[0]);
    client_close(&held[1]);
}

static void few_may_wait_without_room_and_all_others_are_told_at_once(void **state)
{
    (void)state;
    enum { WAITING = 64, MORE = 20 };
    struct client held[2], waiting[WAITING];
    fill_demo(held, 5000);
    for (int i = 0; i < WAITING; i++)
        waiting[i] = asking(i % 2 ? "GET /hello HTTP/1.1\r\n" : "");
    await_accepted(2 + WAITING);
    for (int i = 0; i < MORE; i++) {
        struct client c = connect_demo();
        assert_reply(&c, 503, " : " FULL);
        assert_closed(&c);
    }
    client_close(&held[0]); /* there is room again for one of those that wait */
    assert_true(await_connections(1, CLIENT_MS));
    client_send(&waiting[1], HOST "\r\n");
    assert_reply(&waiting[1], 200, "hello\n");
    client_send(&waiting[3], HOST "\r\n");
    assert_reply(&waiting[3], 503, "GET /hello: " FULL);
    for (int i = 0; i < WAITING; i++) { /* the rest ends by its deadline */
        if (i != 1)
            assert_int_not_equal(client_read_end(&waiting[i], CLIENT_MS), CLIENT_SILENT);
        client_close(&waiting[i]);
    }
    assert_int_equal(counts().refused, MORE + 1);
    assert_int_equal(counts().timed_out, WAITING - 2);
    client_close(&held[1]);
    assert_true(await_connections(0, CLIENT_MS));
}

static void the_clients_of_one_address_are_limited_and_told_so(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){.address_max = 2});
    for (int round = 0; round < 3; round++) {
        struct client held[2] = {asking(GET("/hold")), asking("GET /hel")};
        assert_true(client_read_until(&held[0], ":\n\n"));
        assert_true(await_connections(2, CLIENT_MS));
        for (size_t split = 0; split < strlen(GET("/hello")); split += 7) {
            struct client c = connect_prompt();
            client_send_bytes(&c, GET("/hello"), split);
            client_send(&c, &GET("/hello")[split]);
            assert_reply(&c, 429, "GET /hello: " OF_ADDRESS);
            assert_closed(&c);
        }
        client_send(&held[1], "lo HTTP/1.1\r\n" HOST "\r\n");
        assert_reply(&held[1], 200, "hello\n");
        client_close(&held[0]);
        client_close(&held[1]);
        assert_true(await_connections(0, CLIENT_MS));
    }
}

/* Whatever way a client comes and goes, its place is free again. */
static void every_way_out_gives_the_place_back(void **state)
{
    (void)state;
    static const char *const asks[] = {"",
                                       "GET /hel",
                                       "G@T",
                                       GET("/hello"),
                                       GET("/hold"),
                                       GET("/abort"),
                                       GET("/wait"),
                                       GET("/later"),
                                       GET("/stream?count=1&size=1"),
                                       "GET /stream?count=1&size=1 HTTP/1.0\r\n\r\n",
                                       "HEAD /hold HTTP/1.1\r\n" HOST "\r\n",
                                       "POST /echo HTTP/1.1\r\n" HOST
                                       "Content-Length: 2\r\n\r\n12"};
    demo_begin(&(struct demo_options){.connections_max = 1, .address_max = 1});
    for (size_t i = 0; i < 3 * COUNT_OF(asks); i++) {
        struct client c = asking(asks[i / 3]);
        if (i % 3 == 1)
            await_accepted(2 * i + 1);
        if (i % 3 == 2)
            client_reset(&c);
        client_close(&c);
        await_accepted(2 * i + 1);
        await_turn(); /* it is counted a little before it has its place */
        assert_true(await_connections(0, CLIENT_MS));
        c = asking(GET("/hello"));
        assert_reply(&c, 200, "hello\n");
        client_close(&c);
        assert_true(await_connections(0, CLIENT_MS));
    }
}

static void servers_share_their_capacity_to_the_last_place(void **state)
{
    (void)state;
    enum { MOST = 40, ALL = 100 };
    struct client all[ALL];
    struct capacity *capacity = capacity_new(MOST, 0);
    demo_begin(&(struct demo_options){.capacity = capacity});
    struct demo *other = demo_start(
        &(struct demo_options){.capacity = capacity, .port = demo_port(demo), .port_shared = true});
    int streams = 0;
    for (int i = 0; i < ALL; i++) {
        all[i] = asking(GET("/hold"));
        assert_true(client_read_until(&all[i], "\r\n\r\n"));
        streams += strncmp(buf_text(&all[i].in), "HTTP/1.1 200", 12) == 0;
        assert_int_equal(streams, i < MOST ? i + 1 : MOST);
    }
    assert_int_equal(capacity_connections(capacity), MOST);
    for (int i = 0; i < ALL; i++)
        client_close(&all[i]);
    for (int64_t end = clock_steady_ms() + CLIENT_MS; capacity_connections(capacity) > 0;
         usleep(1000))
        assert_true(clock_steady_ms() < end);
    demo_stop(other);
    demo_end(NULL);
    capacity_free(capacity);
}

static void a_drain_closes_those_without_room_too(void **state)
{
    (void)state;
    struct client held[2];
    fill_demo(held, 0);
    struct client waiting[2] = {asking("GET /hello HTTP/1.1\r\n"), asking("")};
    await_accepted(4);
    demo_drain(demo);
    for (size_t i = 0; i < 2; i++) {
        assert_closed(&waiting[i]);
        assert_reply(&held[i], 200, ":\n\n");
        assert_closed(&held[i]);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void freeing_closes_those_in_the_gate(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    struct client held[2];
    fill_demo(held, 0);
    struct client waiting[2] = {asking("GET /hello HTTP/1.1\r\n"), asking("")};
    await_accepted(4);
    demo_end(NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_not_equal(client_read_end(&waiting[i], CLIENT_MS), CLIENT_SILENT);
        client_close(&waiting[i]);
        client_close(&held[i]);
    }
    assert_int_equal(open_descriptors(), before);
}

/* ---- no room in the kernel ---- */

static atomic_bool watches_are_spent;

/* libmicrohttpd alone asks for EPOLLPRI: its sockets, and no others, find no room. */
int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (watches_are_spent && what == EPOLL_CTL_ADD && (event->events & EPOLLPRI)) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, what, fd, event);
}

static void a_connection_that_libmicrohttpd_refuses_harms_no_other(void **state)
{
    (void)state;
    struct client kept = connect_prompt();
    client_send(&kept, GET("/hello"));
    assert_reply(&kept, 200, "hello\n");
    watches_are_spent = true;
    for (int i = 0; i < 5; i++) {
        struct client c = connect_prompt();
        client_send(&c, GET("/hello"));
        assert_int_not_equal(client_read_end(&c, CLIENT_MS), CLIENT_SILENT);
        client_close(&c);
    }
    watches_are_spent = false;
    assert_true(await_connections(1, CLIENT_MS));
    client_send(&kept, GET("/hello"));
    assert_reply(&kept, 200, "hello\n");
    client_close(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DEMO(a_head_in_two_pieces_is_answered_wherever_it_is_cut),
        WITH_DEMO(a_head_byte_by_byte_is_answered),
        WITH_DEMO(what_is_behind_the_head_is_not_lost),
        WITH_DEMO(a_client_that_waits_for_100_gets_it_after_a_slow_head),
        WITH_DEMO(a_wrong_head_is_refused_before_it_is_complete),
        WITH_DEMO(a_refused_client_that_sends_on_can_read_why),
        WITH_DEMO(a_fin_behind_a_head_does_not_lose_its_answer),
        WITH_DEMO(a_fin_within_a_head_is_told_so),
        WITH_DEMO(clients_that_leave_the_gate_leave_nothing),
        WITH_DEMO(whatever_is_let_in_is_answered),
        WITH_DEMO(the_largest_head_passes_and_one_byte_more_gets_431),
        WITH_DEMO(a_connection_that_libmicrohttpd_refuses_harms_no_other),
        ALONE(a_client_without_room_may_say_what_it_wants),
        ALONE(few_may_wait_without_room_and_all_others_are_told_at_once),
        ALONE(the_clients_of_one_address_are_limited_and_told_so),
        ALONE(every_way_out_gives_the_place_back),
        ALONE(servers_share_their_capacity_to_the_last_place),
        ALONE(a_drain_closes_those_without_room_too),
        ALONE(freeing_closes_those_in_the_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
