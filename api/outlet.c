/*
 * outlet.c: one system call a send.
 *
 * A chunk's head, parts and tail go to the socket together. What it does not take
 * is copied, once, and is all the memory an outlet ever has; it is given back as
 * soon as it is out, so a stream that keeps up holds none. Nothing here waits: the
 * exchange calls outlet_flush when the kernel says that the socket takes bytes.
 *
 * The dangerous part: after a partial write the order of bytes is everything.
 * Whatever comes next goes behind the rest, never to the socket. And a rest that
 * cannot be kept for want of memory leaves half a chunk on the wire: such an outlet
 * must never send again.
 */
#include "outlet.h"

#include "chunk.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)

void outlet_init(struct outlet *o, int fd, enum outlet_framing framing)
{
    *o = (struct outlet){.fd = fd, .framing = framing};
}

void outlet_clear(struct outlet *o)
{
    buf_clear(&o->rest);
    o->rest_sent = 0;
    o->rest_control = 0;
}

/* Send once. STATUS_OK: *taken bytes are out, 0 where the socket is full. */
static enum status put(struct outlet *o, struct iovec *parts, int count, int flags, size_t *taken)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
    ssize_t sent;
    do {
        /* One part is the common case, and send() does less. */
        sent = count == 1 ? send(o->fd, parts->iov_base, parts->iov_len, FLAGS | flags)
                          : sendmsg(o->fd, &message, FLAGS | flags);
    } while (sent < 0 && errno == EINTR);
    *taken = 0;
    if (sent < 0 && errno != EAGAIN) {
        o->closed = true;
        shutdown(o->fd, SHUT_RDWR); /* whatever it was: who watches the socket hears of it */
        return STATUS_CLOSED;
    }
    if (sent > 0) {
        *taken = (size_t)sent;
        o->sent_bytes += (uint64_t)sent;
    }
    return STATUS_OK;
}

/* Keep what is behind the first `skip` bytes of the parts. */
static void keep(struct outlet *o, const struct iovec *parts, int count, size_t skip)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    buf_reserve(&o->rest, total - skip);
    for (int i = 0; i < count; i++) {
        size_t over = min_size(skip, parts[i].iov_len);
        skip -= over;
        if (parts[i].iov_len > over)
            buf_add(&o->rest, (const char *)parts[i].iov_base + over, parts[i].iov_len - over);
    }
}

/* Behind a rest: all or nothing. */
static enum status append(struct outlet *o, const struct iovec *parts, int count, size_t total)
{
    if (total > OUTLET_CONTROL_MAX - o->rest_control)
        return STATUS_TOO_LONG;
    if (!buf_reserve(&o->rest, total)) {
        o->rest.failed = false; /* the rest itself is whole */
        return STATUS_NO_MEMORY;
    }
    keep(o, parts, count, 0);
    o->rest_control += total;
    return STATUS_OK;
}

static enum status send_now(struct outlet *o, struct iovec *parts, int count, int flags,
                            size_t total)
{
    size_t taken;
    enum status status = put(o, parts, count, flags, &taken);
    if (status || taken == total)
        return status;
    keep(o, parts, count, taken);
    if (buf_ok(&o->rest))
        return STATUS_OK;
    outlet_clear(o);
    o->closed = true;
    return STATUS_NO_MEMORY;
}

enum status outlet_send(struct outlet *o, const struct iovec *parts, int count)
{
    assert(count >= 0 && count <= OUTLET_PARTS_MAX);
    if (o->closed)
        return STATUS_CLOSED;
    char head[CHUNK_HEAD_SIZE];
    char tail[] = CHUNK_TAIL;
    struct iovec framed[OUTLET_PARTS_MAX + 2];
    int used = o->framing == OUTLET_CHUNKED ? 1 : 0;
    size_t length = 0;
    for (int i = 0; i < count; i++) {
        framed[used++] = parts[i];
        length += parts[i].iov_len;
    }
    if (length == 0)
        return STATUS_OK;
    size_t total = length;
    if (o->framing == OUTLET_CHUNKED) {
        framed[0] = (struct iovec){.iov_base = head, .iov_len = chunk_head(head, length)};
        framed[used++] = (struct iovec){.iov_base = tail, .iov_len = CHUNK_TAIL_SIZE};
        total += framed[0].iov_len + CHUNK_TAIL_SIZE;
    }
    if (outlet_is_blocked(o))
        return append(o, framed, used, total);
    return send_now(o, framed, used, 0, total);
}

enum status outlet_put_http(struct outlet *o, const void *data, size_t length)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    if (o->closed)
        return STATUS_CLOSED;
    if (!outlet_is_blocked(o))
        return send_now(o, &part, 1, MSG_MORE, length);
    if (!buf_reserve(&o->rest, length)) {
        o->rest.failed = false; /* the rest itself is whole */
        return STATUS_NO_MEMORY;
    }
    keep(o, &part, 1, 0);
    return STATUS_OK;
}

void outlet_push(struct outlet *o)
{
    int on = 1;
    setsockopt(o->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

enum status outlet_write(struct outlet *o, const void *data, size_t length)
{
    return outlet_send(o, &(struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = length},
                       1);
}

enum status outlet_pass(struct outlet *o, const void *chunks, size_t length)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)chunks, .iov_len = length};
    assert(o->framing == OUTLET_CHUNKED);
    if (o->closed)
        return STATUS_CLOSED;
    if (length == 0)
        return STATUS_OK;
    if (outlet_is_blocked(o))
        return append(o, &part, 1, length);
    return send_now(o, &part, 1, 0, length);
}

enum status outlet_flush(struct outlet *o)
{
    if (o->closed)
        return STATUS_CLOSED;
    while (outlet_is_blocked(o)) {
        struct iovec part = {.iov_base = o->rest.data + o->rest_sent, .iov_len = outlet_pending(o)};
        size_t taken;
        enum status status = put(o, &part, 1, 0, &taken);
        if (status)
            return status;
        if (taken == 0)
            return STATUS_OK;
        o->rest_sent += taken;
        if (outlet_pending(o) == 0)
            outlet_clear(o);
    }
    return STATUS_OK;
}

bool outlet_is_blocked(const struct outlet *o)
{
    return o->rest.length > 0;
}

size_t outlet_pending(const struct outlet *o)
{
    return o->rest.length - o->rest_sent;
}
