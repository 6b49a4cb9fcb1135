/*
 * post.c: clients that ask over HTTP, in a closed loop, and read each answer to its end.
 *
 *     post PORT CLIENTS JOBS MESSAGES jobs|stream [PAUSE_MS]
 *
 *   jobs    POST /jobs; then GET of the stream that the answer names
 *   stream  POST /stream, whose answer is the stream
 *
 * Each client does one job after the other, PAUSE_MS apart. A connection is kept
 * for the next request where the server keeps it. Every stream must bring its
 * MESSAGES and one [DONE].
 *
 * Prints "seconds s", "accepted p50 p99" (POST to its answer's end, or to the
 * stream's first bytes), "first p50 p99" and "done p50 p99" (from the POST on),
 * times in microseconds.
 */
#include "json.h"
#include "session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_MOST_MS 30000

enum phase { RESTING, POSTING, FOLLOWING };

struct client {
    enum phase phase;
    int fd; /* -1: none */
    struct buf in;
    size_t looked; /* bytes of `in` that were searched */
    size_t job;
    double begun_us, first_us, rested_until_us;
};

struct load {
    int epoll;
    size_t port, jobs, messages, clients;
    bool streams; /* POST /stream */
    double pause_us;
    size_t begun, ended;
    double *accepted, *first, *done;
    struct client *all;
};

/* ---- connections ---- */

static void open_socket(struct load *load, struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        session_fail("post: connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        session_fail("post: epoll_ctl: %s", strerror(errno));
}

static void close_socket(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void ask(struct load *load, struct client *c, enum phase phase, const struct buf *request)
{
    if (c->fd < 0)
        open_socket(load, c);
    c->phase = phase;
    buf_reset(&c->in);
    c->looked = 0;
    if (!buf_ok(request) ||
        send(c->fd, request->data, request->length, MSG_NOSIGNAL) != (ssize_t)request->length)
        session_fail("post: send: %s", strerror(errno));
}

/* ---- one job ---- */

static void post(struct load *load, struct client *c)
{
    static const char body[] = "{\"type\":\"generate_messages\"}";
    struct buf request = {0};
    c->job = load->begun++;
    c->first_us = 0;
    if (load->streams)
        buf_printf(&request,
                   "POST /stream?feature_id=bench&chat_id=post-%zu HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Length: 0\r\n\r\n",
                   c->job);
    else
        buf_printf(&request,
                   "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
    c->begun_us = session_us();
    ask(load, c, load->streams ? FOLLOWING : POSTING, &request);
    buf_clear(&request);
}

static bool take_stream(void *arg, const struct json_member *member)
{
    if (strcmp(member->name, "stream") == 0 && member->type == JSON_STRING)
        json_read_string(member->value, member->length, arg);
    return true;
}

/* The answer to POST /jobs is whole once Content-Length bytes stand behind its head. */
static void take_accepted(struct load *load, struct client *c)
{
    const char *text = buf_text(&c->in), *body = strstr(text, "\r\n\r\n");
    const char *length_at = strcasestr(text, "\r\ncontent-length:");
    if (!body || !length_at)
        return;
    size_t length = strtoull(length_at + strlen("\r\ncontent-length:"), NULL, 10);
    body += 4;
    if (c->in.length - (size_t)(body - text) < length)
        return;
    if (strncmp(text, "HTTP/1.1 202 ", 13) != 0)
        session_fail("post: POST /jobs was answered: %s", text);
    load->accepted[c->job] = session_us() - c->begun_us;
    struct buf path = {0}, request = {0};
    json_members(body, length, take_stream, &path);
    if (path.length == 0)
        session_fail("post: no stream in %s", body);
    if (strcasestr(text, "\r\nconnection: close"))
        close_socket(c);
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", buf_text(&path));
    ask(load, c, FOLLOWING, &request);
    buf_clear(&path);
    buf_clear(&request);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static void take_end(struct load *load, struct client *c)
{
    const char *text = buf_text(&c->in);
    if (count_of(text, "\ndata: {") != load->messages || count_of(text, "\ndata: [DONE]") != 1)
        session_fail("post: an answer is not whole: %s", text);
    double now = session_us();
    load->done[c->job] = now - c->begun_us;
    load->first[c->job] = (c->first_us != 0 ? c->first_us : now) - c->begun_us;
    load->ended++;
    c->phase = RESTING;
    c->rested_until_us = now + load->pause_us;
}

/* A stream ends with the connection. What was searched is not searched again, but for the bytes in
   which a pattern may have begun. */
static void take_stream_bytes(struct load *load, struct client *c)
{
    if (load->streams && c->looked == 0)
        load->accepted[c->job] = session_us() - c->begun_us;
    if (c->first_us == 0 && strstr(buf_text(&c->in) + c->looked, "\ndata: {"))
        c->first_us = session_us();
    c->looked = c->in.length > 16 ? c->in.length - 16 : 0;
}

static void on_readable(struct load *load, struct client *c)
{
    if (!buf_reserve(&c->in, 65536))
        session_fail("no memory");
    ssize_t got = recv(c->fd, c->in.data + c->in.length, 65535, 0);
    if (got < 0)
        session_fail("post: recv: %s", strerror(errno));
    if (got == 0) {
        close_socket(c);
        if (c->phase == FOLLOWING)
            take_end(load, c);
        else if (c->phase == POSTING)
            session_fail("post: closed without an answer");
        return;
    }
    c->in.length += (size_t)got;
    c->in.data[c->in.length] = '\0';
    if (c->phase == POSTING)
        take_accepted(load, c);
    else if (c->phase == FOLLOWING)
        take_stream_bytes(load, c);
}

/* ---- all of them ---- */

static void begin_rested(struct load *load)
{
    double now = session_us();
    for (size_t i = 0; i < load->clients && load->begun < load->jobs; i++) {
        if (load->all[i].phase == RESTING && load->all[i].rested_until_us <= now)
            post(load, &load->all[i]);
    }
}

static void run(struct load *load)
{
    struct epoll_event events[64];
    double heard_us = session_us();
    while (load->ended < load->jobs) {
        begin_rested(load);
        int count = epoll_wait(load->epoll, events, COUNT_OF(events), load->pause_us > 0 ? 1 : 100);
        for (int i = 0; i < count; i++)
            on_readable(load, events[i].data.ptr);
        if (count > 0)
            heard_us = session_us();
        else if (session_us() - heard_us > SILENCE_MOST_MS * 1000.0)
            session_fail("post: %zu of %zu jobs ended, then nothing came", load->ended, load->jobs);
    }
}

static void load_init(struct load *load, char **argv)
{
    load->port = session_number(argv[1], "PORT", 1);
    load->clients = session_number(argv[2], "CLIENTS", 1);
    load->jobs = session_number(argv[3], "JOBS", 1);
    load->messages = session_number(argv[4], "MESSAGES", 0);
    load->streams = strcmp(argv[5], "stream") == 0;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->all = calloc(load->clients, sizeof *load->all);
    load->accepted = calloc(load->jobs, sizeof *load->accepted);
    load->first = calloc(load->jobs, sizeof *load->first);
    load->done = calloc(load->jobs, sizeof *load->done);
    if (load->epoll < 0 || !load->all || !load->accepted || !load->first || !load->done)
        session_fail("no memory");
    for (size_t i = 0; i < load->clients; i++)
        load->all[i].fd = -1;
}

static void load_clear(struct load *load)
{
    for (size_t i = 0; i < load->clients; i++) {
        close_socket(&load->all[i]);
        buf_clear(&load->all[i].in);
    }
    close(load->epoll);
    free(load->all);
    free(load->accepted);
    free(load->first);
    free(load->done);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    if (argc < 6 || argc > 7)
        session_fail("usage: post PORT CLIENTS JOBS MESSAGES jobs|stream [PAUSE_MS]");
    load_init(&load, argv);
    if (argc == 7)
        load.pause_us = 1000.0 * (double)session_number(argv[6], "PAUSE_MS", 0);
    double begun_us = session_us();
    run(&load);
    printf("seconds %.6f\n", (session_us() - begun_us) / 1e6);
    session_print_spread("accepted", load.accepted, load.jobs);
    session_print_spread("first", load.first, load.jobs);
    session_print_spread("done", load.done, load.jobs);
    load_clear(&load);
    return EXIT_SUCCESS;
}
