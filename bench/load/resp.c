/*
 * resp.c: an answer is measured, not taken apart: its lines say how long it is.
 */
#include "resp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE 65536

static _Noreturn void fail(const char *what, const char *detail)
{
    fprintf(stderr, "bench: Redis: %s: %s\n", what, detail);
    exit(EXIT_FAILURE);
}

void resp_open(struct resp *r, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    *r = (struct resp){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (strlen(path) >= sizeof to.sun_path)
        fail(path, "the path is too long");
    strcpy(to.sun_path, path);
    if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail(path, strerror(errno));
}

void resp_put(struct resp *r, size_t count, const char *const words[])
{
    buf_printf(&r->out, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        buf_printf(&r->out, "$%zu\r\n", length);
        buf_add(&r->out, words[i], length);
        buf_puts(&r->out, "\r\n");
    }
    r->asked++;
}

void resp_put_rendered(struct resp *r, const char *bytes, size_t length, uint64_t commands)
{
    buf_add(&r->out, bytes, length);
    r->asked += commands;
}

/* How long the answer at the front is; 0: not whole yet. */
static size_t measure(const char *at, size_t length)
{
    const char *end = memchr(at, '\n', length);
    if (!end)
        return 0;
    size_t size = (size_t)(end - at) + 1;
    long count = *at == '$' || *at == '*' ? strtol(at + 1, NULL, 10) : 0;
    if (*at == '-')
        fail("an error", at);
    if (*at == '$' && count >= 0)
        size += (size_t)count + 2;
    for (long i = 0; *at == '*' && i < count; i++) {
        size_t part = size < length ? measure(at + size, length - size) : 0;
        if (part == 0)
            return 0;
        size += part;
    }
    return size <= length ? size : 0;
}

static void read_answers(struct resp *r)
{
    if (!buf_reserve(&r->in, PIECE))
        fail("memory", strerror(ENOMEM));
    ssize_t got = recv(r->fd, r->in.data + r->in.length, PIECE - 1, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        fail("the connection", got == 0 ? "closed" : strerror(errno));
    r->in.length += got > 0 ? (size_t)got : 0;
    r->in.data[r->in.length] = '\0';
    size_t done = 0, size;
    while (done < r->in.length && (size = measure(r->in.data + done, r->in.length - done)) > 0) {
        done += size;
        r->answered++;
    }
    buf_drop(&r->in, done);
}

static void wait_for(struct resp *r, short events)
{
    struct pollfd poll_for = {.fd = r->fd, .events = events};
    if (poll(&poll_for, 1, 30000) <= 0)
        fail("an answer", "none within 30 s");
    if (poll_for.revents & POLLIN)
        read_answers(r);
}

void resp_send(struct resp *r)
{
    if (!buf_ok(&r->out))
        fail("memory", strerror(ENOMEM));
    for (size_t done = 0; done < r->out.length;) {
        ssize_t sent = send(r->fd, r->out.data + done, r->out.length - done, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            fail("send", strerror(errno));
        done += sent > 0 ? (size_t)sent : 0;
        if (done < r->out.length)
            wait_for(r, POLLIN | POLLOUT);
    }
    buf_reset(&r->out);
}

void resp_await(struct resp *r, uint64_t most)
{
    while (r->asked - r->answered > most)
        wait_for(r, POLLIN);
}

void resp_close(struct resp *r)
{
    close(r->fd);
    buf_clear(&r->out);
    buf_clear(&r->in);
}
