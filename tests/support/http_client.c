/*
 * http_client.c: see http_client.h.
 */
#include "http_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

void client_open_small(struct client *c, int port, int receive_bytes)
{
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (receive_bytes)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    int result = connect(c->fd, (struct sockaddr *)&address, sizeof address);
    assert(result == 0);
    (void)result;
}

void client_open(struct client *c, int port)
{
    client_open_small(c, port, 0);
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_clear(&c->in);
}

void client_reset(struct client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    client_close(c);
}

void client_half_close(struct client *c)
{
    shutdown(c->fd, SHUT_WR);
}

bool client_send_bytes(struct client *c, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t sent = send(c->fd, at, length, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

void client_send(struct client *c, const char *text)
{
    bool sent = client_send_bytes(c, text, strlen(text));
    assert(sent);
    (void)sent;
}

enum client_end client_read_some(struct client *c, int wait_ms, bool *came)
{
    struct pollfd poller = {.fd = c->fd, .events = POLLIN};
    *came = false;
    if (poll(&poller, 1, wait_ms) == 0)
        return CLIENT_SILENT;
    char data[65536];
    ssize_t count = recv(c->fd, data, sizeof data, 0);
    if (count == 0)
        return CLIENT_CLOSED;
    if (count < 0)
        return CLIENT_RESET;
    buf_add(&c->in, data, (size_t)count);
    *came = true;
    return CLIENT_SILENT;
}

enum client_end client_read_end(struct client *c, int wait_ms)
{
    bool came;
    enum client_end end;
    do {
        end = client_read_some(c, wait_ms, &came);
    } while (came);
    return end;
}

bool client_read_until(struct client *c, const char *text)
{
    bool came = true;
    while (!strstr(buf_text(&c->in), text)) {
        if (!came)
            return false;
        client_read_some(c, CLIENT_MS, &came);
    }
    return true;
}

/* ---- answers ---- */

/* Have at least so many bytes in c->in. */
static bool have(struct client *c, size_t length)
{
    bool came = true;
    while (c->in.length < length) {
        if (!came)
            return false;
        client_read_some(c, CLIENT_MS, &came);
    }
    return true;
}

static bool take(struct client *c, struct buf *out, size_t length)
{
    if (!have(c, length))
        return false;
    buf_add(out, c->in.data, length);
    buf_drop(&c->in, length);
    return true;
}

/* A line and its CRLF. */
static bool take_line(struct client *c, struct buf *out)
{
    if (!client_read_until(c, "\r\n"))
        return false;
    return take(c, out, (size_t)(strstr(c->in.data, "\r\n") - c->in.data) + 2);
}

static bool take_chunks(struct client *c, struct buf *body)
{
    for (;;) {
        struct buf line = {0};
        bool got = take_line(c, &line);
        size_t size = got ? strtoul(line.data, NULL, 16) : 0;
        bool hex = got && strspn(line.data, "0123456789abcdefABCDEF") + 2 == line.length;
        buf_clear(&line);
        if (!got || !hex || (size > 0 && !take(c, body, size)))
            return false;
        struct buf tail = {0};
        bool ended = take(c, &tail, 2) && memcmp(tail.data, "\r\n", 2) == 0;
        buf_clear(&tail);
        if (!ended || size == 0)
            return ended;
    }
}

static bool take_head(struct client *c, struct reply *r)
{
    size_t before;
    do {
        before = r->head.length;
        if (!take_line(c, &r->head))
            return false;
    } while (r->head.length > before + 2);
    r->head.length -= 2;
    r->head.data[r->head.length] = '\0';
    if (sscanf(r->head.data, "HTTP/1.%*1d %3d ", &r->http_status) != 1)
        return false;
    r->chunked = reply_has(r, "Transfer-Encoding: chunked");
    r->keeps = !reply_has(r, "Connection: close");
    return true;
}

bool client_reply(struct client *c, struct reply *r, bool head_only)
{
    *r = (struct reply){0};
    if (!take_head(c, r))
        return false;
    if (head_only || r->http_status == 204 || r->http_status == 100)
        return true;
    if (r->chunked)
        return take_chunks(c, &r->body);
    const char *length = strcasestr(r->head.data, "\r\nContent-Length: ");
    if (length)
        return take(c, &r->body, strtoul(length + 18, NULL, 10));
    bool closed = client_read_end(c, CLIENT_MS) == CLIENT_CLOSED;
    return closed && take(c, &r->body, c->in.length);
}

void reply_clear(struct reply *r)
{
    buf_clear(&r->head);
    buf_clear(&r->body);
}

bool reply_has(const struct reply *r, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = buf_text(&r->head); (at = strcasestr(at, line)); at += length) {
        bool begins = at == r->head.data || at[-1] == '\n';
        if (begins && memcmp(at + length, "\r\n", 2) == 0)
            return true;
    }
    return false;
}
