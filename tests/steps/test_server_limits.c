/*
 * test_server_limits.c: hostile and slow clients, limits, and the server's end.
 */
#include "clock.h"
#include "demo_steps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- deadlines ---- */

/* What these clients sent is never completed. In the order of their ends. */
static const struct {
    const char *sent;
    const char *answer;
    int64_t ends_ms, before_ms; /* the next kind's end */
} unfinished[] = {
    {"", NULL, 500, 3000},
    {"GET /hel", NULL, 500, 3000},
    {"GET /hello HTTP/1.1\r\nHo", "408", 500, 3000},
    {"GET /hello HTTP/1.1\r\n" HOST, "408", 500, 3000},
    {GET("/hello") "GET /hello HTTP/1.1\r\nHo", "408", 500, 3000},
    {GET("/hello"), "hello\n", 3000, 7000},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nhalf", "408", 7000, CLIENT_MS},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
     "100 Continue", 7000, CLIENT_MS},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "408", 7000,
     CLIENT_MS},
};

static void every_unfinished_request_is_ended_by_its_deadline(void **state)
{
    (void)state;
    struct client all[COUNT_OF(unfinished)];
    demo_begin(&(struct demo_options){
        .header_timeout_ms = 500, .idle_timeout_ms = 3000, .body_timeout_ms = 7000});
    int64_t began = clock_steady_ms();
    for (size_t i = 0; i < COUNT_OF(unfinished); i++)
        all[i] = asking(unfinished[i].sent);
    for (size_t i = 0; i < COUNT_OF(unfinished); i++) {
        int64_t ends = unfinished[i].ends_ms;
        assert_int_not_equal(client_read_end(&all[i], CLIENT_MS), CLIENT_SILENT);
        assert_in_range(clock_steady_ms() - began, ends - 10, unfinished[i].before_ms);
        if (unfinished[i].answer)
            assert_non_null(strstr(buf_text(&all[i].in), unfinished[i].answer));
        client_close(&all[i]);
    }
    assert_true(await_connections(0, CLIENT_MS));
    struct server_counts counts;
    demo_get_counts(demo, &counts);
    assert_int_equal(counts.timed_out, COUNT_OF(unfinished));
}

static void a_client_that_drips_is_ended_by_an_absolute_deadline(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){.header_timeout_ms = 300, .body_timeout_ms = 300});
    static const char *const begins[] = {"", "GET /hello HTTP/1.1\r\nX: ",
                                         "POST /echo HTTP/1.1\r\n" HOST
                                         "Content-Length: 1000\r\n\r\n"};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        struct client c = asking(begins[i]);
        int64_t began = clock_steady_ms();
        bool came = false;
        while (client_read_some(&c, 20, &came) == CLIENT_SILENT && !came &&
               clock_steady_ms() < began + CLIENT_MS)
            client_send_bytes(&c, "G", 1);
        assert_in_range(clock_steady_ms() - began, 250, CLIENT_MS / 2);
        client_close(&c);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void a_long_url_that_libmicrohttpd_hangs_on_gets_414(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){.header_timeout_ms = 5000});
    for (size_t length = 7900; length <= 8300; length += 20) {
        char *path = pattern(length);
        struct client c = asking("GET /");
        client_send_bytes(&c, path, length);
        client_send_bytes(&c, " HTTP/1.1\r\n" HOST "\r\n", 22);
        assert_reply(&c, 414, "GET : The target is too long.");
        assert_closed(&c);
        free(path);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void a_reader_that_never_takes_its_answer_is_ended(void **state)
{
    (void)state;
    /* Long enough for the body to come in, also under a sanitizer beside other tests. */
    demo_begin(&(struct demo_options){.body_timeout_ms = 10000, .body_max_bytes = 8 << 20});
    char *data = pattern(8 << 20);
    struct client c;
    client_open_small(&c, demo_port(demo), 4096);
    client_send(&c, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n");
    assert_true(client_send_bytes(&c, data, 8 << 20));
    assert_true(await_connections(0, CLIENT_MS));
    client_close(&c);
    free(data);
}

static void fins_together_with_data_do_not_stay(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){.header_timeout_ms = 200, .idle_timeout_ms = 200});
    for (int i = 0; i < 40; i++) {
        struct client c = asking(i % 2 ? GET("/hello") : "GET /hello HTTP/1.1\r\nHo");
        client_close(&c);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

/* ---- smuggling, and other heads that can be read in two ways ---- */

#define EVIL "GET /hello HTTP/1.1\r\n" HOST "X-Evil: 1\r\n\r\n"

struct evil {
    const char *what;
    const char *head;
    size_t length; /* 0: a C string */
};

#define BYTES(text) (text), sizeof(text) - 1

static const struct evil refused[] = {
    {"CL and TE", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
    {"TE and CL", BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                        "Content-Length: 5\r\n\r\n0\r\n\r\n")},
    {"two CL", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n"
                     "Content-Length: 44\r\n\r\n")},
    {"two equal CL", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n"
                           "Content-Length: 0\r\n\r\n")},
    {"CL list", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0, 0\r\n\r\n")},
    {"TE with a space before the colon",
     BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")},
    {"TE with a tab before the colon",
     BYTES("GET /hello HTTP/1.1\r\n" HOST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n")},
    {"folded TE",
     BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")},
    {"folded TE of a GET",
     BYTES("GET /hello HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")},
    {"TE xchunked",
     BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")},
    {"TE chunked, identity",
     BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")},
    {"TE gzip", BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n")},
    {"two TE", BYTES("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
    {"CL with a plus", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello")},
    {"CL negative", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n")},
    {"CL hex", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello")},
    {"CL with a space before the colon",
     BYTES("GET /hello HTTP/1.1\r\n" HOST "Content-Length : 44\r\n\r\n")},
    {"a name like CL", BYTES("GET /hello HTTP/1.1\r\n" HOST "Content-Length\x0b: 44\r\n\r\n")},
    {"two Hosts", BYTES("GET /hello HTTP/1.1\r\n" HOST "Host: y\r\n\r\n")},
    {"no Host", BYTES("GET /hello HTTP/1.1\r\nX: y\r\n\r\n")},
    {"odd method", BYTES("G\x01T /hello HTTP/1.1\r\n" HOST "\r\n")},
    {"long method", BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZ /hello HTTP/1.1\r\n" HOST "\r\n")},
    {"control byte in the target", BYTES("GET /hel\x01lo HTTP/1.1\r\n" HOST "\r\n")},
    {"NUL in the target", BYTES("GET /hello\0x HTTP/1.1\r\n" HOST "\r\n")},
    {"NUL behind the query", BYTES("GET /hello?a=b\0&c=d HTTP/1.1\r\n" HOST "\r\n")},
    {"raw UTF-8 in the target", BYTES("GET /h\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n")},
    {"space in the target", BYTES("GET /hello a HTTP/1.1\r\n" HOST "\r\n")},
    {"control byte in a value", BYTES("GET /hello HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n")},
    {"space in a name", BYTES("GET /hello HTTP/1.1\r\n" HOST "X Y: z\r\n\r\n")},
};

/* The next status line in what a server sent; NULL: none. */
static const char *next_answer(const char *text)
{
    while ((text = strstr(text, "HTTP/1.1 ")) && !(text[9] >= '1' && text[9] <= '5'))
        text++;
    return text;
}

/* Send it with a second request hidden behind it: one answer, 400, and closed. */
static void assert_one_refusal(const struct evil *evil)
{
    struct client c = connect_demo();
    client_send_bytes(&c, evil->head, evil->length);
    client_send_bytes(&c, EVIL, strlen(EVIL));
    enum client_end end = client_read_end(&c, CLIENT_MS);
    const char *text = buf_text(&c.in);
    const char *first = next_answer(text);
    const char *second = first ? next_answer(first + 1) : NULL;
    if (end != CLIENT_CLOSED || !first || memcmp(first + 9, "400 ", 4) != 0 || second)
        fail_msg("%s: end %d, answered: %s", evil->what, end, text);
    client_close(&c);
}

static void a_head_that_can_be_read_in_two_ways_is_refused_and_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_one_refusal(&refused[i]);
    assert_int_equal(STAT(asked), 0);
    assert_true(await_connections(0, CLIENT_MS));
}

static void a_request_behind_a_body_is_never_answered(void **state)
{
    (void)state;
    static const struct evil all[] = {
        {"CL", BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello")},
        {"GET with CL", BYTES("GET /hello HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello")},
        {"chunked", BYTES("POST /echo HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")},
        {"no body", BYTES("POST /echo HTTP/1.1\r\n" HOST "\r\n")},
        {"DELETE", BYTES("DELETE /hello HTTP/1.1\r\n" HOST "\r\n")},
        {"CL with a NUL",
         BYTES("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\0junk\r\n\r\nhello")},
        {"GET, CL with a NUL",
         BYTES("GET /hello HTTP/1.1\r\n" HOST "Content-Length: 5\0junk\r\n\r\nhello")},
        {"bare LF", BYTES("POST /echo HTTP/1.1\n"
                          "Host: x\nContent-Length: 5\n\nhello")},
        {"stream", BYTES("POST /stream?count=1&size=3 HTTP/1.1\r\n" HOST "\r\n")},
        {"late", BYTES("POST /later HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx")},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct client c = connect_demo();
        client_send_bytes(&c, all[i].head, all[i].length);
        client_send_bytes(&c, EVIL, strlen(EVIL));
        enum client_end end = client_read_end(&c, CLIENT_MS);
        const char *text = buf_text(&c.in);
        const char *first = next_answer(text);
        if (end == CLIENT_SILENT || !first || next_answer(first + 1))
            fail_msg("%s: end %d, answered: %s", all[i].what, end, text);
        client_close(&c);
    }
    assert_true(await_connections(0, CLIENT_MS));
}

static void too_long_a_target_gets_414_and_too_long_a_head_431(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t length;
        const char *after;
        int http_status;
    } all[] = {
        {"GET /hello?", 4096 - 7, " HTTP/1.1\r\n" HOST "\r\n", 200},
        {"GET /hello?", 4097 - 7, " HTTP/1.1\r\n" HOST "\r\n", 414},
        {"GET /hello?", 7000, " HTTP/1.1\r\n" HOST "\r\n", 414},
        {"GET /hello?", 40000, " HTTP/1.1\r\n" HOST "\r\n", 414},
        {"GET /hello HTTP/1.1\r\n" HOST "X: ", 7000, "\r\n\r\n", 200},
        {"GET /hello HTTP/1.1\r\n" HOST "Cookie: ", 3000, "\r\n\r\n", 200},
        {"GET /hello HTTP/1.1\r\n" HOST "Cookie: ", 40000, "\r\n\r\n", 431},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char *text = pattern(all[i].length);
        struct client c = asking(all[i].before);
        client_send_bytes(&c, text, all[i].length);
        client_send_bytes(&c, all[i].after, strlen(all[i].after));
        assert_reply(&c, all[i].http_status, NULL);
        client_close(&c);
        free(text);
    }
}

static void two_thousand_headers_get_431(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_puts(&text, "GET /hello HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "X-%d: y\r\n", i);
    buf_puts(&text, "\r\n");
    struct client c = connect_demo();
    client_send_bytes(&c, text.data, text.length);
    assert_reply(&c, 431, NULL);
    client_close(&c);
    buf_clear(&text);
}

/* ---- limits ---- */

static void beyond_the_limit_a_client_gets_a_whole_503(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){.connections_max = 2});
    struct client held[2] = {asking(GET("/hold")), asking(GET("/hold"))};
    for (size_t i = 0; i < 2; i++)
        assert_true(client_read_until(&held[i], ":\n\n"));
    for (int i = 0; i < 300; i++) { /* more than may linger */
        struct client c = connect_demo();
        struct reply r;
        client_send_bytes(&c, GET("/hello"), strlen(GET("/hello")));
        assert_true(client_reply(&c, &r, false));
        assert_int_equal(r.http_status, 503);
        assert_true(reply_has(&r, "Connection: close"));
        assert_string_equal(buf_text(&r.body),
                            "GET /hello: This gateway serves as many clients as it may.");
        reply_clear(&r);
        assert_closed(&c);
    }
    client_close(&held[0]);
    assert_true(await_connections(1, CLIENT_MS));
    struct client c = asking(GET("/hello"));
    assert_reply(&c, 200, "hello\n");
    client_close(&c);
    client_close(&held[1]);
}

static void too_many_bodies_at_once_get_503(void **state)
{
    (void)state;
    enum { CLIENTS = 65 }; /* there is room for 64 whole ones */
    static struct client all[CLIENTS];
    char *data = pattern(1000);
    demo_begin(&(struct demo_options){.body_max_bytes = 1000});
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CLIENTS; i++) {
            all[i] = asking("POST /echo HTTP/1.1\r\n" HOST
                            "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
            assert_reply(&all[i], 100, NULL);
            assert_true(client_send_bytes(&all[i], data, 999));
        }
        int refused_count = 0;
        for (int i = 0; i < CLIENTS; i++) {
            struct reply r;
            client_send_bytes(&all[i], data + 999, 1);
            assert_true(client_reply(&all[i], &r, false));
            assert_true(r.http_status == 200 || r.http_status == 503);
            refused_count += r.http_status == 503;
            reply_clear(&r);
            client_close(&all[i]);
        }
        assert_in_range(refused_count, 1, 2);
    }
    free(data);
}

static void a_second_server_on_the_same_port_is_told_so(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){0});
    struct client c = asking(GET("/hello")); /* an accepted connection does not hide it */
    struct buf error = {0};
    char wanted[64];
    snprintf(wanted, sizeof wanted, "API_PORT: 127.0.0.1:%d is in use", demo_port(demo));
    assert_null(demo_try(&(struct demo_options){.port = demo_port(demo)}, &error));
    assert_string_equal(buf_text(&error), wanted);
    buf_clear(&error);
    client_close(&c);
}

static void servers_of_one_process_share_a_port_and_the_clients(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){0});
    struct demo *other =
        demo_start(&(struct demo_options){.port = demo_port(demo), .port_shared = true});
    assert_int_equal(demo_port(other), demo_port(demo));
    for (int i = 0; i < 100; i++) {
        struct client c = asking(GET("/hello"));
        assert_reply(&c, 200, "hello\n");
        client_close(&c);
    }
    struct server_counts mine, others;
    demo_get_counts(demo, &mine);
    demo_get_counts(other, &others);
    assert_int_equal(mine.accepted + others.accepted, 100);
    assert_true(mine.accepted > 0 && others.accepted > 0);
    demo_stop(other);
}

static void a_port_can_be_used_again_at_once(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){0});
    int port = demo_port(demo);
    struct client c = asking(GET("/hold"));
    assert_true(client_read_until(&c, ":\n\n"));
    demo_stop(demo); /* closes first: the connection stays in the kernel for a while */
    demo_begin(&(struct demo_options){.port = port});
    assert_int_equal(demo_port(demo), port);
    client_close(&c);
}

/* In a child process, whose limit it lowers. */
static int starve(void)
{
    demo_begin(&(struct demo_options){0});
    struct client waiting[2] = {asking(GET("/hello")), {.fd = -1}};
    assert_reply(&waiting[0], 200, "hello\n");
    waiting[1].fd = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit limit = {.rlim_cur = 3, .rlim_max = 1024}; /* all that is open stays */
    setrlimit(RLIMIT_NOFILE, &limit);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)demo_port(demo))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(waiting[1].fd, (struct sockaddr *)&address, sizeof address))
        return 2;
    client_send(&waiting[1], GET("/hello"));
    size_t before = STAT(turns);
    usleep(500000);
    size_t turns = STAT(turns) - before;
    limit.rlim_cur = 1024;
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_reply(&waiting[1], 200, "hello\n");
    demo_stop(demo);
    return turns > 200 ? 3 : 0;
}

static void without_descriptors_the_loop_neither_spins_nor_forgets(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(starve());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void an_idle_loop_sleeps(void **state)
{
    (void)state;
    enum { CLIENTS = 50 };
    struct client all[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        all[i] = asking(i % 2 ? GET("/hold") : GET("/hello"));
        assert_true(client_read_until(&all[i], i % 2 ? ":\n\n" : "hello\n"));
    }
    /* Once it has done what it still had to. */
    int64_t end = clock_steady_ms() + CLIENT_MS;
    for (size_t before; before = STAT(turns), usleep(500000), STAT(turns) - before > 5;)
        assert_true(clock_steady_ms() < end);
    size_t before = STAT(turns);
    usleep(2000000);
    assert_in_range(STAT(turns) - before, 0, 20);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&all[i]);
}

/* ---- the end ---- */

static void a_drain_ends_streams_idle_connections_and_half_requests(void **state)
{
    (void)state;
    enum { STREAMS = 300, IDLE = 50 };
    static struct client streams[STREAMS], idle[IDLE];
    demo_begin(&(struct demo_options){0});
    for (int i = 0; i < STREAMS; i++)
        streams[i] = asking(GET("/hold"));
    for (int i = 0; i < STREAMS; i++)
        assert_true(client_read_until(&streams[i], ":\n\n"));
    for (int i = 0; i < IDLE; i++) {
        idle[i] = asking(GET("/hello"));
        assert_reply(&idle[i], 200, "hello\n");
    }
    struct client half = asking("GET /hello HTTP/1.1\r\nHo");
    struct client body = asking("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab");
    assert_true(await_connections(STREAMS + IDLE + 2, CLIENT_MS));
    int64_t began = clock_steady_ms();
    demo_drain(demo);
    for (int i = 0; i < STREAMS; i++) {
        assert_reply(&streams[i], 200, ":\n\n"); /* with its last chunk */
        assert_closed(&streams[i]);
    }
    for (int i = 0; i < IDLE; i++)
        assert_closed(&idle[i]);
    assert_closed(&half);
    client_send(&body, "cd"); /* a body on its way is still served */
    assert_reply(&body, 200, "abcd");
    assert_closed(&body);
    assert_true(await_connections(0, CLIENT_MS));
    assert_in_range(clock_steady_ms() - began, 0, CLIENT_MS / 2);
}

static void a_request_that_waits_in_the_queue_is_served_before_the_drain(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        demo_begin(&(struct demo_options){0});
        struct client kept = asking(GET("/hello"));
        assert_reply(&kept, 200, "hello\n");
        struct client fresh = asking(GET("/hello"));
        client_send(&kept, GET("/hello"));
        demo_drain(demo);
        assert_reply(&kept, 200, "hello\n");
        assert_reply(&fresh, 200, "hello\n");
        assert_closed(&kept);
        assert_closed(&fresh);
        demo_end(NULL);
    }
}

static void freeing_with_everything_open_closes_everything(void **state)
{
    (void)state;
    enum { CLIENTS = 120 };
    static struct client all[CLIENTS];
    static const char *const asks[] = {GET("/hold"),
                                       GET("/wait"),
                                       "GET /hello HTTP/1.1\r\nHo",
                                       "",
                                       GET("/hello"),
                                       "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab",
                                       GET("/stream?count=100000&size=60000"),
                                       "GET /hold HTTP/1.0\r\n\r\n"};
    size_t before = open_descriptors();
    demo_begin(&(struct demo_options){0});
    for (int i = 0; i < CLIENTS; i++)
        all[i] = asking(asks[(size_t)i % COUNT_OF(asks)]);
    AWAIT(opened, 45, CLIENT_MS);
    AWAIT(bound, 60, CLIENT_MS);
    assert_true(await_connections(CLIENTS, CLIENT_MS));
    demo_end(NULL); /* in the thread, every handle was closed: uv_loop_close agrees */
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_not_equal(client_read_end(&all[i], CLIENT_MS), CLIENT_SILENT);
        client_close(&all[i]);
    }
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(every_unfinished_request_is_ended_by_its_deadline),
        ALONE(a_client_that_drips_is_ended_by_an_absolute_deadline),
        ALONE(a_long_url_that_libmicrohttpd_hangs_on_gets_414),
        ALONE(a_reader_that_never_takes_its_answer_is_ended),
        ALONE(fins_together_with_data_do_not_stay),
        WITH_DEMO(a_head_that_can_be_read_in_two_ways_is_refused_and_closed),
        WITH_DEMO(a_request_behind_a_body_is_never_answered),
        WITH_DEMO(too_long_a_target_gets_414_and_too_long_a_head_431),
        WITH_DEMO(two_thousand_headers_get_431),
        ALONE(beyond_the_limit_a_client_gets_a_whole_503),
        ALONE(too_many_bodies_at_once_get_503),
        ALONE(a_second_server_on_the_same_port_is_told_so),
        ALONE(servers_of_one_process_share_a_port_and_the_clients),
        ALONE(a_port_can_be_used_again_at_once),
        ALONE(without_descriptors_the_loop_neither_spins_nor_forgets),
        WITH_DEMO(an_idle_loop_sleeps),
        ALONE(a_drain_ends_streams_idle_connections_and_half_requests),
        ALONE(a_request_that_waits_in_the_queue_is_served_before_the_drain),
        ALONE(freeing_with_everything_open_closes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
