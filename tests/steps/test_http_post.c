/*
 * Requests to a model server: real sockets on the loopback, a server whose every byte a test
 * sends itself. No test waits for a while: a loop turns until what it waits for is there.
 */
#include "http_post.h"

#include "await.h"
#include "buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "sk-secret-key"

/* What the user of one request was told. */
struct asked {
    struct world *world;
    struct http_post *post;
    struct buf data;
    int pieces, status, ends;
    bool over; /* ends, or said enough */
    enum http_end end;
    int64_t retry_after_ms;
    struct buf words;
    int enough_after;      /* pieces; 0: never */
    bool pauses;           /* at each piece */
    struct asked *cancels; /* at its first piece */
    struct asked *cancels_at_end;
    struct asked *begins_at_end;
    int64_t expects_end_ms; /* at its first piece */
};

#define MOST 4

struct world {
    uv_loop_t loop;
    struct http *http;
    int listener, port;
    int peers[MOST]; /* accepted, in their order */
    int count;
    struct buf heard[MOST];
    struct asked asked[MOST];
    int64_t connect_ms, first_ms, silence_ms;
};

static void begin(struct asked *a);

static bool on_data(void *arg, int status, const char *data, size_t length)
{
    struct asked *a = arg;
    assert_false(a->over);
    a->status = status;
    a->pieces++;
    buf_add(&a->data, data, length);
    if (a->cancels) {
        http_cancel(a->cancels->post);
        a->cancels->over = true;
        a->cancels = NULL;
    }
    if (a->expects_end_ms > 0 && a->pieces == 1)
        http_expect_end(a->post, a->expects_end_ms);
    if (a->pauses)
        http_pause(a->world->http);
    a->over = a->pieces == a->enough_after;
    return !a->over;
}

static void on_end(void *arg, const struct http_result *result)
{
    struct asked *a = arg;
    assert_false(a->over);
    a->over = true;
    a->ends++;
    a->end = result->end;
    a->status = result->status;
    a->retry_after_ms = result->retry_after_ms;
    buf_puts(&a->words, result->words);
    if (a->cancels_at_end) {
        http_cancel(a->cancels_at_end->post);
        a->cancels_at_end->over = true;
    }
    if (a->begins_at_end)
        begin(a->begins_at_end);
}

/* ---- the server ---- */

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    uv_loop_init(&w->loop);
    w->http = http_new(&w->loop);
    w->connect_ms = w->first_ms = w->silence_ms = AWAIT_MS * 2;
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!w->http || bind(w->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(w->listener, 16) != 0 ||
        getsockname(w->listener, (struct sockaddr *)&address, &size) != 0)
        return -1;
    w->port = ntohs(address.sin_port);
    for (int i = 0; i < MOST; i++)
        w->asked[i].world = w;
    *state = w;
    return 0;
}

static void hang_up(struct world *w, int number)
{
    if (w->peers[number] > 0)
        close(w->peers[number]);
    w->peers[number] = 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_free(w->http);
    await_loop_end(&w->loop);
    close(w->listener);
    for (int i = 0; i < MOST; i++) {
        hang_up(w, i);
        buf_clear(&w->heard[i]);
        buf_clear(&w->asked[i].data);
        buf_clear(&w->asked[i].words);
    }
    free(w);
    return 0;
}

static void take_peers(struct world *w)
{
    int fd;
    while (w->count < MOST &&
           (fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        w->peers[w->count++] = fd;
    for (int i = 0; i < w->count; i++) {
        char bytes[4096];
        ssize_t came;
        while (w->peers[i] > 0 && (came = recv(w->peers[i], bytes, sizeof bytes, 0)) > 0)
            buf_add(&w->heard[i], bytes, (size_t)came);
    }
}

/* As a request of ours: head, and a body that ends with a brace. */
static bool is_asked(struct world *w, int number)
{
    const struct buf *b = &w->heard[number];
    return strstr(buf_text(b), "\r\n\r\n{") && b->data[b->length - 1] == '}';
}

/* Turn the loop and the server until it holds. */
#define UNTIL(w, condition)                                     \
    do {                                                        \
        uint64_t most_ns = uv_hrtime() + AWAIT_MS * 1000000ULL; \
        while (!(condition) && uv_hrtime() < most_ns) {         \
            uv_run(&(w)->loop, UV_RUN_NOWAIT);                  \
            take_peers(w);                                      \
            usleep(200);                                        \
        }                                                       \
        assert_true(condition);                                 \
    } while (0)

static void say_bytes(struct world *w, int number, const char *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t count = send(w->peers[number], data + sent, length - sent, MSG_NOSIGNAL);
        assert_true(count > 0 || errno == EAGAIN);
        if (count > 0)
            sent += (size_t)count;
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}

static void say(struct world *w, int number, const char *text)
{
    say_bytes(w, number, text, strlen(text));
}

#define HEAD \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

/* ---- the user ---- */

static void begin_at(struct asked *a, const char *url)
{
    struct world *w = a->world;
    const struct http_request request = {
        .url = url,
        .key = KEY,
        .body = "{\"q\":1}",
        .body_length = 7,
        .connect_timeout_ms = w->connect_ms,
        .first_timeout_ms = w->first_ms,
        .silence_timeout_ms = w->silence_ms,
        .on_data = on_data,
        .on_end = on_end,
        .arg = a,
    };
    a->over = false;
    a->post = http_post_new(w->http, &request);
    assert_non_null(a->post);
}

static void begin(struct asked *a)
{
    char url[80];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/x", a->world->port);
    begin_at(a, url);
}

/* One that the server has read, and has a connection of its own for. */
static struct asked *ask(struct world *w, int number)
{
    begin(&w->asked[number]);
    UNTIL(w, w->count > number && is_asked(w, number));
    return &w->asked[number];
}

/* ---- what came ---- */

static void a_request_says_what_it_should_and_nothing_else(void **state)
{
    struct world *w = *state;
    ask(w, 0);
    const char *heard = buf_text(&w->heard[0]);
    assert_int_equal(strncmp(heard, "POST /v1/x HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(heard, "\r\nAuthorization: Bearer " KEY "\r\n"));
    assert_non_null(strstr(heard, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(heard, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(heard, "\r\n\r\n{\"q\":1}"));
    assert_null(strstr(heard, "Expect"));
    assert_null(strstr(heard, "Accept-Encoding"));
    assert_null(strstr(heard, "Cookie"));
    http_cancel(w->asked[0].post);
}

static void an_answer_comes_piece_by_piece_as_the_server_sends_it(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->pieces == 1);
    assert_string_equal(buf_text(&a->data), "one");
    say(w, 0, "3\r\ntwo\r\n");
    UNTIL(w, a->pieces == 2);
    assert_false(a->over);
    say(w, 0, "0\r\n\r\n");
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_ENDED);
    assert_int_equal(a->status, 200);
    assert_int_equal(a->retry_after_ms, -1);
    assert_string_equal(buf_text(&a->words), "");
    assert_string_equal(buf_text(&a->data), "onetwo");
}

static void bytes_that_come_one_by_one_make_the_same_answer(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    const char *text = HEAD "4\r\nab\xc3\xa4\r\n1\r\n!\r\n0\r\n\r\n";
    for (; *text; text++) {
        say_bytes(w, 0, text, 1);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_ENDED);
    assert_string_equal(buf_text(&a->data), "ab\xc3\xa4!");
}

static void a_status_that_is_no_success_comes_with_its_body_and_retry_after(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    say(w, 0, "HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy");
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_ENDED);
    assert_int_equal(a->status, 429);
    assert_int_equal(a->retry_after_ms, 7000);
    assert_string_equal(buf_text(&a->data), "busy");
}

static void retry_after_may_be_a_date(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    char head[160], date[40];
    time_t then = time(NULL) + 100;
    struct tm parts;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &parts));
    snprintf(head, sizeof head, "HTTP/1.1 503 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
             date);
    say(w, 0, head);
    UNTIL(w, a->over);
    assert_in_range(a->retry_after_ms, 50000, 100000);
}

static void a_redirect_is_not_followed(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    char head[160];
    snprintf(
        head, sizeof head,
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/other\r\nContent-Length: 0\r\n\r\n",
        w->port);
    say(w, 0, head);
    UNTIL(w, a->over);
    assert_int_equal(a->status, 302);
    assert_int_equal(w->count, 1);
}

/* ---- what goes wrong ---- */

static void a_connection_that_breaks_off_is_cut(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->pieces == 1);
    hang_up(w, 0);
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_CUT);
    assert_string_not_equal(buf_text(&a->words), "");
    a = ask(w, 1);
    hang_up(w, 1);
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_CUT);
    assert_int_equal(a->status, 0);
}

static void nobody_at_the_port_is_unreachable(void **state)
{
    struct world *w = *state;
    struct asked *a = &w->asked[0];
    close(w->listener);
    w->listener = -1;
    begin(a);
    assert_int_equal(a->ends, 0);
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_UNREACHABLE);
    assert_int_equal(a->status, 0);
}

static void what_is_no_http_is_unreachable_or_cut_and_never_read(void **state)
{
    struct world *w = *state;
    begin_at(&w->asked[0], "file:///etc/hostname");
    begin_at(&w->asked[1], "http://127.0.0.1:99999/");
    UNTIL(w, w->asked[0].over && w->asked[1].over);
    assert_int_equal(w->asked[0].end, HTTP_UNREACHABLE);
    assert_int_equal(w->asked[1].end, HTTP_UNREACHABLE);
    assert_int_equal(w->asked[0].pieces, 0);
}

/* A listener whose queue is full answers no SYN. */
static void who_does_not_connect_in_time_is_unreachable(void **state)
{
    struct world *w = *state;
    int fill[32];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[80];
    assert_int_equal(bind(full, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(getsockname(full, (struct sockaddr *)&address, &size), 0);
    for (size_t i = 0; i < COUNT_OF(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fill[i], (struct sockaddr *)&address, size);
    }
    w->connect_ms = 100;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    begin_at(&w->asked[0], url);
    UNTIL(w, w->asked[0].over);
    assert_int_equal(w->asked[0].end, HTTP_UNREACHABLE);
    for (size_t i = 0; i < COUNT_OF(fill); i++)
        close(fill[i]);
    close(full);
}

static void a_server_that_says_nothing_is_silent(void **state)
{
    struct world *w = *state;
    w->first_ms = 1000;
    struct asked *a = ask(w, 0);
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_SILENT);
    assert_int_equal(a->status, 0);
    a = ask(w, 1);
    say(w, 1, HEAD); /* a head is no answer yet */
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_SILENT);
    assert_int_equal(a->status, 200);
}

static void a_server_that_stops_in_the_middle_is_silent(void **state)
{
    struct world *w = *state;
    w->silence_ms = 100;
    struct asked *a = ask(w, 0);
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_SILENT);
    assert_string_equal(buf_text(&a->data), "one");
}

static void who_has_all_that_matters_waits_for_the_end_only_so_long(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    a->expects_end_ms = 100;
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_SILENT);
}

static void the_key_is_in_no_words(void **state)
{
    struct world *w = *state;
    struct asked *a = &w->asked[0];
    begin_at(a, "http://" KEY ".invalid/");
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_UNREACHABLE);
    assert_string_not_equal(buf_text(&a->words), "");
    assert_null(strstr(buf_text(&a->words), KEY));
}

/* ---- ending, beginning, pausing ---- */

static bool is_left(struct world *w, int number)
{
    char byte;
    return recv(w->peers[number], &byte, 1, 0) == 0;
}

static void a_cancelled_request_says_nothing_more_and_its_server_notices(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->pieces == 1);
    http_cancel(a->post);
    UNTIL(w, is_left(w, 0));
    assert_int_equal(a->ends, 0);
    assert_int_equal(a->pieces, 1);
}

static void who_has_enough_hears_of_no_end(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0);
    a->enough_after = 1;
    say(w, 0, HEAD "3\r\none\r\n0\r\n\r\n");
    UNTIL(w, a->over);
    assert_int_equal(a->ends, 0);
}

static void one_may_cancel_another_from_inside_its_calls(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0), *b = ask(w, 1);
    a->cancels = b;
    b->cancels = a;
    say(w, 0, HEAD "3\r\none\r\n");
    say(w, 1, HEAD "3\r\none\r\n");
    UNTIL(w, a->over || b->over);
    assert_int_equal(a->pieces + b->pieces, 1);
    struct asked *left = a->over ? b : a;
    struct asked *c = ask(w, 2);
    left->cancels_at_end = c;
    say(w, left == a ? 0 : 1, "0\r\n\r\n");
    UNTIL(w, left->over && c->over);
    assert_int_equal(c->ends, 0);
}

static void the_next_request_takes_the_same_connection(void **state)
{
    struct world *w = *state;
    struct asked *a = ask(w, 0), *b = &w->asked[1];
    a->begins_at_end = b;
    buf_reset(&w->heard[0]);
    say(w, 0, HEAD "3\r\none\r\n0\r\n\r\n");
    UNTIL(w, a->over && is_asked(w, 0));
    assert_int_equal(w->count, 1);
    say(w, 0, HEAD "3\r\ntwo\r\n0\r\n\r\n");
    UNTIL(w, b->over);
    assert_int_equal(b->end, HTTP_ENDED);
    assert_string_equal(buf_text(&b->data), "two");
}

/* Send until neither side takes more; gives how much. */
static size_t fill(struct world *w, int number)
{
    char chunk[1000 + 7];
    size_t all = 0;
    int idle = 0;
    memcpy(chunk, "3e8\r\n", 5);
    memset(chunk + 5, 'x', 1000);
    memcpy(chunk + 1005, "\r\n", 2);
    size_t at = 0;
    while (idle < 100 && all < 64 << 20) {
        ssize_t count = send(w->peers[number], chunk + at, sizeof chunk - at, MSG_NOSIGNAL);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        idle = count > 0 ? 0 : idle + 1;
        if (count <= 0) {
            usleep(200);
            continue;
        }
        all += (size_t)count;
        at = (at + (size_t)count) % sizeof chunk;
    }
    while (at > 0) { /* a whole chunk is due once there is room */
        http_resume(w->http);
        ssize_t count = send(w->peers[number], chunk + at, sizeof chunk - at, MSG_NOSIGNAL);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        at = count > 0 ? (at + (size_t)count) % sizeof chunk : at;
    }
    return all;
}

static void while_it_is_paused_nothing_comes_and_nothing_is_lost(void **state)
{
    struct world *w = *state;
    w->silence_ms = 200;
    int small = 4096;
    assert_int_equal(setsockopt(w->listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    struct asked *a = ask(w, 0);
    a->pauses = true;
    say(w, 0, HEAD "3\r\none\r\n");
    UNTIL(w, a->pieces == 1);
    say(w, 0, "5\r\ntwo..\r\n");
    uint64_t until_ns = uv_hrtime() + 400 * 1000000ULL; /* twice the silence that is allowed */
    UNTIL(w, uv_hrtime() > until_ns);
    assert_int_equal(a->pieces, 1);
    assert_int_equal(a->ends, 0);
    http_resume(w->http);
    UNTIL(w, a->pieces == 2);
    a->pauses = false;
    assert_string_equal(buf_text(&a->data), "onetwo..");
    http_resume(w->http);
    http_pause(w->http);
    w->silence_ms = AWAIT_MS;
    assert_true(fill(w, 0) < 32 << 20); /* the kernel's buffers, and a little of ours */
    say(w, 0, "0\r\n\r\n");
    http_resume(w->http);
    UNTIL(w, a->over);
    assert_int_equal(a->end, HTTP_ENDED);
    for (size_t i = 8; i < a->data.length; i++)
        assert_int_equal(a->data.data[i], 'x');
}

static void five_hundred_requests_that_wait_are_cancelled_at_once(void **state)
{
    struct world *w = *state;
    struct asked many[500] = {0};
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i].world = w;
        begin(&many[i]);
    }
    UNTIL(w, w->count == MOST);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        http_cancel(many[i].post);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        assert_int_equal(many[i].ends, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_says_what_it_should_and_nothing_else),
        TEST(an_answer_comes_piece_by_piece_as_the_server_sends_it),
        TEST(bytes_that_come_one_by_one_make_the_same_answer),
        TEST(a_status_that_is_no_success_comes_with_its_body_and_retry_after),
        TEST(retry_after_may_be_a_date),
        TEST(a_redirect_is_not_followed),
        TEST(a_connection_that_breaks_off_is_cut),
        TEST(nobody_at_the_port_is_unreachable),
        TEST(what_is_no_http_is_unreachable_or_cut_and_never_read),
        TEST(who_does_not_connect_in_time_is_unreachable),
        TEST(a_server_that_says_nothing_is_silent),
        TEST(a_server_that_stops_in_the_middle_is_silent),
        TEST(who_has_all_that_matters_waits_for_the_end_only_so_long),
        TEST(the_key_is_in_no_words),
        TEST(a_cancelled_request_says_nothing_more_and_its_server_notices),
        TEST(who_has_enough_hears_of_no_end),
        TEST(one_may_cancel_another_from_inside_its_calls),
        TEST(the_next_request_takes_the_same_connection),
        TEST(while_it_is_paused_nothing_comes_and_nothing_is_lost),
        TEST(five_hundred_requests_that_wait_are_cancelled_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
