/*
 * ceiling.c: the raw writer, with nothing behind it: what delivery can cost at the least.
 *
 *     ceiling PORT_FILE MESSAGES INTERVAL_MS [one|all|shared]
 *
 * One thread, one epoll. Any request is answered with a stream of the same bytes
 * as the gateway's: MESSAGES with their own time stamps, then [DONE].
 *   one     a send for each message, each stream at its own pace
 *   all     a whole stream in one send
 *   shared  all connections get the same message at the same moment, rendered
 *           once; the first goes out a second after the last connection came
 * A client that is too slow for the pace gets its next message when there is room.
 */
#include "buf.h"
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_US 1000000
#define ACCEPT_MOST 64

struct connection {
    int fd;
    unsigned next; /* message */
    bool asked;
    bool blocked; /* waits for room in the socket */
    bool armed;   /* in line for its next message */
    char feature[64], chat[64];
    int64_t attempt, due_us;
    struct buf rest;                         /* what the socket did not take */
    struct connection *later;                /* armed: behind it in line */
    struct connection *previous, *following; /* of all */
};

struct ceiling {
    int epoll, listener;
    unsigned messages;
    int64_t interval_us, now_us, shared_due_us;
    bool all_in_one, shared;
    unsigned shared_next;
    struct connection *first, *last; /* by due time: the interval is the same for all */
    struct connection *open;
    struct buf frame;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "ceiling: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t steady_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- what is sent ---- */

static void answer_head(struct buf *out)
{
    static const char begin[] = ": leat 00000000-0000-4000-8000-000000000000\n\nretry: 1000\n\n";
    buf_printf(out,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
               "Content-Type: text/event-stream\r\nCache-Control: no-store, no-transform\r\n"
               "X-Accel-Buffering: no\r\n\r\n%zx\r\n%s\r\n",
               sizeof begin - 1, begin);
}

static void frame(struct buf *out, const struct connection *c, unsigned number)
{
    char text[640], stamp[CLOCK_STAMP_SIZE];
    clock_stamp(stamp);
    int size = snprintf(text, sizeof text,
                        "id: %lld-%u\ndata: {\"id\": \"%u\", \"feature_id\": \"%s\", \"chat_id\": "
                        "\"%s\", \"message\": \"Message %u from feature %s, chat %s\", "
                        "\"timestamp\": \"%s\", \"container_id\": \"worker-ceiling\", "
                        "\"container_feature_id\": \"worker-default\", \"worker\": \"leat\"}\n\n",
                        (long long)c->attempt, number + 1, number, c->feature, c->chat, number,
                        c->feature, c->chat, stamp);
    buf_printf(out, "%x\r\n", (unsigned)size);
    buf_add(out, text, (size_t)size);
    buf_puts(out, "\r\n");
}

static void frame_end(struct buf *out, const struct connection *c, unsigned number)
{
    char text[96];
    int size = snprintf(text, sizeof text, "id: %lld-%u\ndata: [DONE]\n\n", (long long)c->attempt,
                        number + 1);
    buf_printf(out, "%x\r\n%s\r\n0\r\n\r\n", (unsigned)size, text);
}

/* ---- connections ---- */

static void wait_for(struct ceiling *s, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        fail("epoll_ctl");
}

static void put(struct ceiling *s, struct connection *c, const char *data, size_t length)
{
    if (c->rest.length == 0) {
        ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
        if (sent == (ssize_t)length)
            return;
        data += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    buf_add(&c->rest, data, length);
    if (!c->blocked)
        wait_for(s, c, EPOLLIN | EPOLLOUT);
    c->blocked = true;
}

static void queue_next(struct ceiling *s, struct connection *c)
{
    c->armed = true;
    c->later = NULL;
    if (s->last)
        s->last->later = c;
    else
        s->first = c;
    s->last = c;
}

/* Its next message, or its end; all of it where one send is to do. */
static void say_next(struct ceiling *s, struct connection *c)
{
    buf_reset(&s->frame);
    do {
        if (c->next < s->messages)
            frame(&s->frame, c, c->next);
        else
            frame_end(&s->frame, c, c->next);
    } while (c->next++ < s->messages && s->all_in_one);
    put(s, c, s->frame.data, s->frame.length);
}

/* As far as the pace and the socket allow. */
static void go_on(struct ceiling *s, struct connection *c)
{
    while (!c->armed && !c->blocked && c->next <= s->messages && !s->shared) {
        say_next(s, c);
        if (s->interval_us > 0 && c->next < s->messages) {
            c->due_us = max_i64(c->due_us + s->interval_us, s->now_us);
            queue_next(s, c);
        }
    }
}

static void take_name(const char *text, const char *name, char *out, size_t size)
{
    const char *at = strstr(text, name);
    size_t length = at ? strcspn(at += strlen(name), "& ") : 0;
    snprintf(out, size, "%.*s", (int)length, at ? at : "");
}

static void answer(struct ceiling *s, struct connection *c, const char *request)
{
    const char *cursor = strstr(request, "Last-Event-ID: ");
    take_name(request, "feature_id=", c->feature, sizeof c->feature);
    take_name(request, "chat_id=", c->chat, sizeof c->chat);
    if (cursor) {
        char *number;
        c->attempt = strtoll(cursor + 15, &number, 10);
        c->next = *number ? (unsigned)strtoul(number + 1, NULL, 10) : 0;
    }
    c->asked = true;
    c->due_us = s->now_us;
    if (s->shared_next == 0)
        s->shared_due_us = s->now_us + SETTLE_US;
    buf_reset(&s->frame);
    answer_head(&s->frame);
    put(s, c, s->frame.data, s->frame.length);
    go_on(s, c);
}

static bool open_connection(struct ceiling *s)
{
    int on = 1, fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (!c)
        fail("calloc");
    *c = (struct connection){.fd = fd, .attempt = clock_wall_ms(), .following = s->open};
    if (s->open)
        s->open->previous = c;
    s->open = c;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
    return true;
}

/* One in line for its next message is freed when its turn comes. */
static void close_connection(struct ceiling *s, struct connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        *(c->previous ? &c->previous->following : &s->open) = c->following;
        if (c->following)
            c->following->previous = c->previous;
    }
    c->fd = -1;
    buf_clear(&c->rest);
    if (!c->armed)
        free(c);
}

static bool is_over(const struct ceiling *s, const struct connection *c)
{
    unsigned next = s->shared ? s->shared_next : c->next;
    return c->asked && next > s->messages && c->rest.length == 0;
}

static void flush(struct ceiling *s, struct connection *c)
{
    ssize_t sent = send(c->fd, c->rest.data, c->rest.length, MSG_NOSIGNAL);
    buf_drop(&c->rest, sent > 0 ? (size_t)sent : 0);
    if (c->rest.length > 0)
        return;
    c->blocked = false;
    wait_for(s, c, EPOLLIN);
    go_on(s, c);
}

static void on_ready(struct ceiling *s, struct connection *c, uint32_t events)
{
    char request[4096];
    if (events & EPOLLIN) {
        ssize_t got = recv(c->fd, request, sizeof request - 1, 0);
        if (got <= 0) {
            close_connection(s, c);
            return;
        }
        request[got] = '\0';
        if (!c->asked)
            answer(s, c, request);
    }
    if (events & EPOLLOUT && c->blocked)
        flush(s, c);
    if (is_over(s, c))
        close_connection(s, c);
}

/* ---- the pace ---- */

static void say_due(struct ceiling *s)
{
    while (s->first && s->first->due_us <= s->now_us) {
        struct connection *c = s->first;
        s->first = c->later;
        if (!s->first)
            s->last = NULL;
        c->armed = false;
        if (c->fd >= 0)
            go_on(s, c);
        if (c->fd < 0 || is_over(s, c))
            close_connection(s, c);
    }
}

static void say_shared(struct ceiling *s)
{
    if (!s->shared || !s->open || s->shared_next > s->messages || s->shared_due_us == 0 ||
        s->now_us < s->shared_due_us)
        return;
    buf_reset(&s->frame);
    if (s->shared_next < s->messages)
        frame(&s->frame, s->open, s->shared_next);
    else
        frame_end(&s->frame, s->open, s->shared_next);
    s->shared_next++;
    s->shared_due_us += s->interval_us;
    for (struct connection *c = s->open, *following; c; c = following) {
        following = c->following;
        if (c->asked)
            put(s, c, s->frame.data, s->frame.length);
        if (is_over(s, c))
            close_connection(s, c);
    }
}

static int wait_ms(const struct ceiling *s)
{
    int64_t wait_us = 100000;
    if (s->first)
        wait_us = min_i64(wait_us, s->first->due_us - s->now_us);
    if (s->shared && s->open && s->shared_next <= s->messages)
        wait_us = min_i64(wait_us, s->shared_due_us - s->now_us);
    return wait_us <= 0 ? 0 : (int)((wait_us + 999) / 1000);
}

static void turn(struct ceiling *s)
{
    struct epoll_event events[256];
    int count = epoll_wait(s->epoll, events, COUNT_OF(events), wait_ms(s));
    s->now_us = steady_us();
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr)
            on_ready(s, events[i].data.ptr, events[i].events);
        for (int most = ACCEPT_MOST; !events[i].data.ptr && most > 0 && open_connection(s);)
            most--;
    }
    say_due(s);
    say_shared(s);
}

/* ---- start ---- */

static void listen_on(struct ceiling *s, const char *port_file)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->epoll < 0 || s->listener < 0 || bind(s->listener, (struct sockaddr *)&at, size) != 0 ||
        listen(s->listener, 4096) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &size) != 0 ||
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->listener, &event) != 0)
        fail("listen");
    FILE *file = fopen(port_file, "we");
    if (!file || fprintf(file, "%d\n", ntohs(at.sin_port)) < 0 || fclose(file) != 0)
        fail(port_file);
}

int main(int argc, char **argv)
{
    static struct ceiling s;
    struct rlimit limit;
    if (argc < 4 || argc > 5) {
        fputs("usage: ceiling PORT_FILE MESSAGES INTERVAL_MS [one|all|shared]\n", stderr);
        return 2;
    }
    s.messages = (unsigned)strtoul(argv[2], NULL, 10);
    s.interval_us = strtol(argv[3], NULL, 10) * 1000;
    s.all_in_one = argc == 5 && strcmp(argv[4], "all") == 0;
    s.shared = argc == 5 && strcmp(argv[4], "shared") == 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    listen_on(&s, argv[1]);
    for (;;)
        turn(&s);
}
