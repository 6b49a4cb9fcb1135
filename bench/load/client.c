/*
 * client.c: one client: it asks, reads, and notes what it sees. One buffer serves
 * all sockets; nothing is allocated for a message.
 */
#include "load_run.h"
#include "tokens.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stream's begin ---- */

static size_t write_request(const struct run *run, const struct client *c, char *out, size_t size)
{
    const struct load_options *o = run->o;
    char cursor[SSE_ID_SIZE + 32] = "", content[96] = "";
    if (c->resumes && c->sse.id[0])
        snprintf(cursor, sizeof cursor, "Last-Event-ID: %s\r\n", c->sse.id);
    if (o->method[0] == 'P')
        snprintf(content, sizeof content, "%sContent-Length: %zu\r\n",
                 *o->body ? "Content-Type: application/json\r\n" : "", strlen(o->body));
    int length = snprintf(out, size,
                          "%s /stream?feature_id=%s&chat_id=%s-%lu&format=%s HTTP/1.1\r\n"
                          "Host: localhost\r\n%s%s\r\n%s",
                          o->method, o->feature, o->prefix, (unsigned long)c->chat, o->format,
                          cursor, content, content[0] ? o->body : "");
    return (size_t)length < size ? (size_t)length : size - 1;
}

void client_leave(struct run *run, struct client *c)
{
    if (c->state != RESTING) {
        close(c->fd);
        run->open--;
    }
    c->state = RESTING;
}

/* There was no room. */
static void refused(struct run *run, struct client *c)
{
    run->out->errors.refused++;
    client_leave(run, c);
    c->tries_again = true;
}

/* False: not sent, because the connection is not there yet. */
static bool send_request(struct run *run, struct client *c)
{
    char request[512];
    size_t length = write_request(run, c, request, sizeof request);
    ssize_t sent = send(c->fd, request, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return false;
    if (sent != (ssize_t)length) {
        refused(run, c);
        return true;
    }
    c->asked_us = run_wall_us();
    c->state = ASKED;
    return true;
}

static int open_socket(const struct run *run, const struct client *c)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        run_fail("socket");
    size_t source = (size_t)(c - run->all) % run->o->sources;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source)};
    /* A port is chosen by connect(), which looks at both ends: so each source has all of them. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        run_fail("bind");
    return fd;
}

static void connect_client(struct run *run, struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run->o->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = open_socket(run, c);
    c->state = CONNECTING;
    c->connect_us = c->heard_us = c->behind_us = run_wall_us();
    run->open++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        refused(run, c);
        return;
    }
    if (!send_request(run, c))
        event.events |= EPOLLOUT;
    if (c->state != RESTING && epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        run_fail("epoll_ctl");
}

void client_begin(struct run *run, struct client *c)
{
    if (c->resumes) {
        run->out->resumed++;
    } else {
        sse_reader_clear(&c->sse);
        c->chat = run->o->chats > 0 ? run->next_chat % run->o->chats : run->next_chat;
        run->next_chat++;
        c->witness = (struct witness){.attempt = 0};
        c->has_first = false;
        run->out->begun++;
    }
    c->tries_again = false;
    http_reader_reset(&c->http);
    sse_reader_reset(&c->sse);
    connect_client(run, c);
}

/* ---- a stream's end ---- */

static void caught_up(struct run *run, struct client *c)
{
    if (!c->catching_up)
        return;
    c->catching_up = false;
    run->back++;
    histogram_add(&run->out->back_us, (uint64_t)max_i64(c->behind_us - run->phase_us, 0));
}

static void stream_is_whole(struct run *run, struct client *c)
{
    struct load_result *out = run->out;
    caught_up(run, c);
    out->ended++;
    if (run->o->messages > 0)
        witness_expect(&c->witness, run->o->messages, &out->tally);
    if (run->phase == WINDOW) {
        out->streams++;
        histogram_add(&out->done_us, (uint64_t)(run->now_us - c->connect_us));
    }
    c->resumes = false;
}

/* Its answer is over, in whatever way. */
static void end_stream(struct run *run, struct client *c)
{
    bool whole = c->witness.ended;
    client_leave(run, c);
    if (whole)
        stream_is_whole(run, c);
    else if (c->http.status == 200 || c->http.status == 0)
        run->out->errors.cut++;
    else if (c->http.status == 503)
        run->out->errors.unavailable++;
    else
        run->out->errors.status++;
    c->resumes = !whole && (run->o->resume || c->catching_up);
    c->tries_again = !whole && (run->o->again || c->resumes);
    if (whole && run->o->again && run->phase <= WINDOW)
        client_begin(run, c);
}

/* ---- what comes ---- */

static void fan_see(struct run *run, uint64_t number, int64_t stamp_us)
{
    if (number < FAN_MOST && ++run->fan[number] == run->o->clients && run->phase == WINDOW)
        histogram_add(&run->out->last_us, (uint64_t)max_i64(run->now_us - stamp_us, 0));
}

static void see_message(struct run *run, struct client *c, int64_t stamp_us, uint64_t number)
{
    struct load_result *out = run->out;
    if (run->first_us == 0)
        run->first_us = run->now_us;
    run->last_us = run->now_us;
    if (stamp_us >= c->asked_us)
        caught_up(run, c);
    else if (!run->o->tokens)
        c->behind_us = run->now_us;
    if (run->fan)
        fan_see(run, number, stamp_us);
    if (run->phase != WINDOW)
        return;
    out->messages++;
    /* What was written before the client asked waited for the client. */
    if (stamp_us >= c->asked_us)
        histogram_add(&out->latency_us, (uint64_t)max_i64(run->now_us - stamp_us, 0));
    if (!c->has_first)
        histogram_add(&out->first_us, (uint64_t)(run->now_us - c->connect_us));
}

struct arrival {
    struct run *run;
    struct client *client;
};

/* Tokens begin at 0. What is not the next one was lost, or came twice. */
static void see_tokens(const struct arrival *a, const char *data, size_t length)
{
    struct witness *w = &a->client->witness;
    struct tally *tally = &a->run->out->tally;
    const char *at = data, *end = data + length;
    struct token token;
    bool has_token = false;
    w->next += w->next == 0;
    w->attempt = 1;
    while (tokens_next(&at, end, &token)) {
        uint64_t expected = w->next - 1;
        tally->messages++;
        tally->lost += token.number > expected ? token.number - expected : 0;
        tally->doubled += token.number < expected;
        if (token.number >= expected)
            w->next = token.number + 2;
        see_message(a->run, a->client, token.stamp_us, token.number);
        has_token = a->client->has_first = true;
    }
    a->run->out->frames += has_token && a->run->phase == WINDOW;
    if (!w->ended && tokens_are_over(data, length)) {
        w->ended = true;
        w->next++;
    }
}

static void on_event(void *arg, const struct sse_reader *r, const char *data, size_t length)
{
    struct arrival *a = arg;
    int64_t stamp_us = 0;
    uint64_t number = 0;
    if (a->run->o->tokens) {
        see_tokens(a, data, length);
        return;
    }
    if (witness_see(&a->client->witness, r, data, length, &a->run->out->tally, &stamp_us,
                    &number) != SEEN_MESSAGE)
        return;
    see_message(a->run, a->client, stamp_us, number);
    a->client->has_first = true;
}

static void on_body(void *arg, const char *data, size_t length)
{
    struct arrival *a = arg;
    if (a->client->http.status == 200 &&
        !sse_reader_feed(&a->client->sse, data, length, on_event, a))
        run_fail("memory");
}

static void note_head(struct run *run, struct client *c)
{
    c->behind_us = run->now_us;
    if (c->opened || c->http.status != 200)
        return;
    c->opened = true;
    run->opened++;
}

static void on_bytes(struct run *run, struct client *c, size_t length)
{
    struct arrival arrival = {run, c};
    bool had_head = c->http.status != 0;
    c->heard_us = run->now_us;
    run->out->receives += run->phase == WINDOW;
    run->out->bytes += run->phase == WINDOW ? length : 0;
    if (!http_reader_feed(&c->http, run->buffer, length, on_body, &arrival)) {
        run->out->errors.garbled++;
        client_leave(run, c);
        c->tries_again = run->o->again;
        return;
    }
    if (!had_head && c->http.status != 0)
        note_head(run, c);
    if (c->http.place == HTTP_ENDED || (c->http.status != 0 && c->http.status != 200))
        end_stream(run, c);
}

void client_ready(struct run *run, struct client *c)
{
    if (c->state == CONNECTING) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (send_request(run, c) && c->state == ASKED)
            epoll_ctl(run->epoll, EPOLL_CTL_MOD, c->fd, &event);
        return;
    }
    if (c->state == RESTING)
        return;
    ssize_t got = recv(c->fd, run->buffer, sizeof run->buffer, 0);
    run->now_us = run_wall_us();
    if (got > 0)
        on_bytes(run, c, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        end_stream(run, c);
}
