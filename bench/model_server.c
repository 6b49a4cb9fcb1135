/*
 * model_server.c: a model server that costs next to nothing, for bench/tokens.
 *
 * model_server TOKENS INTERVAL_MS: prints its port, and answers each POST with so many tokens in
 * OpenAI's form, one in each interval, then usage and [DONE]. Token N is " ~N"; each tenth has its
 * time behind it, " ~N@MICROSECONDS", by the wall clock. It ends with its standard input.
 *
 * One thread. All answers have the same pace, so a line in the order of the next token's time is
 * all the clock there is: who has spoken goes to its end. What a socket does not take at once ends
 * the program: a bench in which the model waits measures something else.
 */
#include "base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MOST 16384
#define STAMP_EACH 10

#define CHUNK_HEAD                                                                             \
    "data: "                                                                                   \
    "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":" \
    "\"bench\","
#define ANSWER_HEAD                                                                        \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" \
    "Connection: close\r\n\r\n"

struct answer {
    int fd;
    bool speaks;
    long next; /* token */
    int64_t due_us;
    struct answer *behind;
    size_t length;
    char request[REQUEST_MOST + 1];
};

static struct {
    int epoll, listener;
    long tokens;
    int64_t interval_us;
    struct answer *first, *last; /* those that speak, by due_us */
} server;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "model_server: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- speaking ---- */

static void send_all(const struct answer *a, const char *data, size_t length)
{
    ssize_t sent = send(a->fd, data, length, MSG_NOSIGNAL);
    if (sent >= 0 && (size_t)sent != length)
        fail("a reader is slow");
}

static void send_chunk(const struct answer *a, const char *event, size_t length)
{
    char chunk[1024];
    int size = snprintf(chunk, sizeof chunk, "%zx\r\n%.*s\r\n", length, (int)length, event);
    send_all(a, chunk, (size_t)size);
}

static void send_token(const struct answer *a)
{
    char event[512], stamp[32] = "";
    if (a->next % STAMP_EACH == 0)
        snprintf(stamp, sizeof stamp, "@%" PRId64, clock_us(CLOCK_REALTIME));
    int length =
        snprintf(event, sizeof event,
                 CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" ~%ld%s\"},"
                            "\"finish_reason\":null}]}\n\n",
                 a->next, stamp);
    send_chunk(a, event, (size_t)length);
}

static void send_end(const struct answer *a)
{
    char event[1024];
    int length =
        snprintf(event, sizeof event,
                 CHUNK_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
                            "\n\n" CHUNK_HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
                            "\"completion_tokens\":%ld}}\n\ndata: [DONE]\n\n",
                 server.tokens);
    send_chunk(a, event, (size_t)length);
    send_all(a, "0\r\n\r\n", 5);
}

static void put_last(struct answer *a)
{
    a->behind = NULL;
    *(server.first ? &server.last->behind : &server.first) = a;
    server.last = a;
}

/* All whose time has come. */
static void speak(void)
{
    int64_t now_us = clock_us(CLOCK_MONOTONIC);
    while (server.first && server.first->due_us <= now_us) {
        struct answer *a = server.first;
        server.first = a->behind;
        if (a->next < server.tokens) {
            send_token(a);
            a->next++;
            a->due_us += server.interval_us;
            put_last(a);
        } else {
            send_end(a);
            close(a->fd);
            free(a);
        }
    }
}

/* ---- questions ---- */

static bool is_whole(const struct answer *a)
{
    const char *end = strstr(a->request, "\r\n\r\n");
    const char *field = strcasestr(a->request, "\r\nContent-Length:");
    if (!end || !field)
        return false;
    return a->length >= (size_t)(end + 4 - a->request) + strtoul(field + 17, NULL, 10);
}

static void begin_answer(struct answer *a)
{
    a->speaks = true;
    a->due_us = clock_us(CLOCK_MONOTONIC) + server.interval_us;
    if (epoll_ctl(server.epoll, EPOLL_CTL_DEL, a->fd, NULL) != 0)
        fail("epoll_ctl");
    send_all(a, ANSWER_HEAD, sizeof ANSWER_HEAD - 1);
    put_last(a);
}

static void read_question(struct answer *a)
{
    ssize_t got = recv(a->fd, a->request + a->length, REQUEST_MOST - a->length, 0);
    if (got <= 0) {
        close(a->fd);
        free(a);
        return;
    }
    a->length += (size_t)got;
    a->request[a->length] = '\0';
    if (is_whole(a))
        begin_answer(a);
}

static void accept_one(void)
{
    int on = 1, fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct answer *a = fd >= 0 ? calloc(1, sizeof *a) : NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = a};
    if (!a)
        fail("accept");
    a->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

/* ---- the loop ---- */

static void listen_here(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = &server};
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&here, size) != 0 ||
        listen(server.listener, 4096) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&here, &size) != 0 ||
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &listener) != 0 ||
        epoll_ctl(server.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        fail("listen");
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
}

static int wait_ms(void)
{
    if (!server.first)
        return 1000;
    int64_t left_us = server.first->due_us - clock_us(CLOCK_MONOTONIC);
    return left_us > 0 ? (int)((left_us + 999) / 1000) : 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    server.tokens = atol(argv[1]);
    server.interval_us = atol(argv[2]) * 1000;
    listen_here();
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(server.epoll, events, COUNT_OF(events), wait_ms());
        for (int i = 0; i < count; i++) {
            if (!events[i].data.ptr)
                return EXIT_SUCCESS;
            if (events[i].data.ptr == &server)
                accept_one();
            else
                read_question(events[i].data.ptr);
        }
        speak();
    }
}
