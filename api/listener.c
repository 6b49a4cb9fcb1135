/*
 * listener.c: the listening socket, and accepting.
 *
 * Up to 64 connections are accepted a wake, so that a flood does not starve the
 * streams; each goes through the gate (gate.c). Without descriptors accept fails for as long as the
 * connection waits in the kernel's queue, and the socket stays readable: polling it on would spin
 * (1.2 M turns a second were seen), so the listener pauses for 50 ms instead.
 *
 * The dangerous part: SO_REUSEPORT lets any process of the same user share the port
 * without an error; hence the probe in listener_bind.
 */
#include "log.h"
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 50
#define BACKLOG 4096

/* What a client that does not read can make the kernel keep: twice this. */
#define SEND_BUFFER_BYTES 65536

/* ---- binding ---- */

static int open_socket(const struct addrinfo *address, bool share)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    bool good = !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
                (!share || !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) &&
                !bind(fd, address->ai_addr, address->ai_addrlen);
    if (good)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Whether nobody else listens there; without SO_REUSEPORT the kernel says so. */
static bool probe(const struct addrinfo *address)
{
    int fd = open_socket(address, false);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage room;
    } name;
    socklen_t length = sizeof name;
    if (getsockname(fd, &name.any, &length))
        return -1;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static enum status explain(struct buf *error, const char *host, int port, int why)
{
    const char *v6 = strchr(host, ':');
    buf_printf(error, "%s: %s%s%s", why == EADDRNOTAVAIL ? "API_HOST" : "API_PORT", v6 ? "[" : "",
               host, v6 ? "]" : "");
    if (why == EADDRINUSE)
        buf_printf(error, ":%d is in use", port);
    else if (why == EADDRNOTAVAIL)
        buf_puts(error, " is no address of this machine");
    else
        buf_printf(error, ":%d cannot be listened on (%s)", port, strerror(why));
    return STATUS_BAD_INPUT;
}

static enum status resolve(const char *host, int port, struct addrinfo **out, struct buf *error)
{
    char service[8];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int result = getaddrinfo(host, service, &hints, out);
    if (result == 0)
        return STATUS_OK;
    buf_printf(error, "API_HOST: %s cannot be resolved (%s)", host, gai_strerror(result));
    return STATUS_BAD_INPUT;
}

enum status listener_bind(const char *host, int port, bool shared, int *fd, int *bound,
                          struct buf *error)
{
    struct addrinfo *address = NULL;
    enum status status = resolve(host, port, &address, error);
    if (status)
        return status;
    *fd = -1;
    if (shared || port == 0 || probe(address))
        *fd = open_socket(address, true);
    if (*fd >= 0 && listen(*fd, BACKLOG)) {
        int why = errno;
        close(*fd);
        *fd = -1;
        errno = why;
    }
    if (*fd < 0)
        status = explain(error, host, port, errno);
    else
        *bound = port_of(*fd);
    freeaddrinfo(address);
    return status;
}

/* ---- accepting ---- */

static void on_listener(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct listener *l = CONTAINER_OF(timer, struct listener, pause);
    uv_poll_start(&l->poll, UV_READABLE, on_listener);
}

static void pause_accepting(struct listener *l, int why)
{
    if (!l->starved)
        log_warn("accept_paused", LOG_S("error", strerror(why)));
    l->starved = true;
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

/* Accept up to `most`. Gives how many; fewer: none waits, or we starve. */
static int accept_some(struct server *s, int most)
{
    struct listener *l = &s->listener;
    int count = 0;
    while (count < most) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->starved = false;
            gate_take(s, fd, (struct sockaddr *)&peer, length);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l, errno);
            break;
        } else if (errno == EAGAIN) {
            break;
        }
        count++; /* also a connection that was aborted before it was accepted */
    }
    return count;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct listener *l = CONTAINER_OF(poll, struct listener, poll);
    accept_some(CONTAINER_OF(l, struct server, listener), LISTENER_ACCEPTS);
}

/* ---- beginning and end ---- */

/* Every accepted socket inherits these. Failing here costs slower connections, no more. */
static void tune(const struct server *s, int fd)
{
    int on = 1;
    int bytes = SEND_BUFFER_BYTES;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &s->silence_ms, sizeof s->silence_ms);
}

enum status listener_start(struct server *s, int fd)
{
    struct listener *l = &s->listener;
    if (uv_poll_init(s->loop, &l->poll, fd))
        return STATUS_SYSTEM;
    uv_timer_init(s->loop, &l->pause);
    tune(s, fd);
    l->fd = fd;
    uv_poll_start(&l->poll, UV_READABLE, on_listener);
    return STATUS_OK;
}

void listener_finish(struct server *s)
{
    if (s->listener.fd < 0)
        return;
    accept_some(s, BACKLOG);
    listener_close(s);
}

void listener_close(struct server *s)
{
    struct listener *l = &s->listener;
    if (l->fd < 0)
        return;
    server_close_handle(s, (uv_handle_t *)&l->poll);
    server_close_handle(s, (uv_handle_t *)&l->pause);
    close(l->fd);
    l->fd = -1;
}
