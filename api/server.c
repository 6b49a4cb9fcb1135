/*
 * server.c: the parts put together, and the order of their end.
 *
 * A turn of the loop, as this server sees it: sockets, timers and other people's
 * callbacks change states and mark daemons dirty; then, in uv_check and again in
 * uv_prepare, the gate decides, exchanges that were woken go on and the
 * dirty daemons run. Twice, because one write takes libmicrohttpd two runs. While anything is left,
 * a uv_idle keeps the loop from sleeping.
 *
 * The dangerous part is the end. libmicrohttpd aborts the process when a daemon is
 * stopped while one of its connections is suspended. So server_free first cuts
 * every exchange, resumes all that rest and lets the daemons run: `stopping` sees to
 * it that none of them rests again. Only then are they stopped.
 */
#include "transport.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a loop: its epoll sets and wake-ups, the steps' connection, the listening socket. */
#define OTHER_FILES 64

/* How long a refused client may take to read its answer. */
#define LINGER_MS 2000

/* Bodies of all requests that are coming in, in units of API_MAX_BODY. */
#define BODIES_AT_ONCE 64

/* Rounds in which connections that were cut are let go before the daemons stop. */
#define LAST_ROUNDS 4

/* ---- the loop's turn ---- */

/* Connections that no request is on, or only a part of its head. */
static void cut_idle(struct server *s)
{
    for (struct connection *c = s->connections; c; c = c->next) {
        if (!c->exchange || !c->exchange->head_seen)
            connection_cut(c);
    }
}

static void drain_now(struct server *s)
{
    s->drained = true;
    listener_finish(s);
    gate_finish(s);
    /* A request that is there already is read before its connection counts as idle. */
    for (size_t i = 0; i < s->daemon_count; i++)
        daemon_mark(s->daemons[i]);
    daemons_run(s);
    cut_idle(s);
}

static void turn(struct server *s)
{
    if (s->draining && !s->drained)
        drain_now(s);
    gate_run(s);
    exchanges_wake(s);
    daemons_run(s);
    if (!s->dirty && !s->waking)
        uv_idle_stop(&s->idle);
}

static void on_prepare(uv_prepare_t *handle)
{
    turn(CONTAINER_OF(handle, struct server, prepare));
}

static void on_check(uv_check_t *handle)
{
    turn(CONTAINER_OF(handle, struct server, check));
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

void server_awake(struct server *s)
{
    uv_idle_start(&s->idle, on_idle);
}

/* ---- beginning ---- */

static struct server *make(const struct server_options *options)
{
    const struct settings *settings = options->settings;
    struct server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->loop = options->loop;
    s->handlers = options->handlers;
    s->arg = options->arg;
    s->capacity = options->capacity;
    s->body_max_bytes = (size_t)settings->api_max_body_bytes;
    s->bodies_max_bytes = s->body_max_bytes * BODIES_AT_ONCE;
    s->silence_ms = (unsigned int)(2 * settings->api_heartbeat_ms);
    s->listener.fd = -1;
    s->stand_in[0] = s->stand_in[1] = -1;
    return s;
}

static enum status begin(struct server *s, const struct settings *settings)
{
    const int64_t lengths[DEADLINE_KINDS] = {
        [DEADLINE_HEAD] = settings->api_header_timeout_ms,
        [DEADLINE_BODY] = settings->api_body_timeout_ms,
        [DEADLINE_IDLE] = settings->api_idle_timeout_ms,
        [DEADLINE_LINGER] = LINGER_MS,
    };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s->stand_in) ||
        watcher_init(&s->watcher, s->loop))
        return STATUS_SYSTEM;
    s->watching = true;
    deadlines_init(&s->deadlines, s->loop, lengths);
    uv_prepare_init(s->loop, &s->prepare);
    uv_check_init(s->loop, &s->check);
    uv_idle_init(s->loop, &s->idle);
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    return STATUS_OK;
}

enum status server_new(const struct server_options *options, struct server **out, struct buf *error)
{
    *out = NULL;
    int fd = -1;
    enum status status;
    struct server *s = make(options);
    if (!s) {
        buf_puts(error, "no memory for the server");
        return STATUS_NO_MEMORY;
    }
    status = listener_bind(options->settings->api_host, options->port, options->port_shared, &fd,
                           &s->port, error);
    if (status)
        goto done;
    status = begin(s, options->settings);
    if (!status)
        status = listener_start(s, fd);
    if (status)
        buf_puts(error, "the server cannot start: no descriptors left");
    else
        fd = -1;
done:
    if (fd >= 0)
        close(fd);
    if (status)
        server_free(s);
    else
        *out = s;
    return status;
}

int server_port(const struct server *s)
{
    return s->port;
}

size_t server_connections(const struct server *s)
{
    return atomic_load_explicit(&s->counts.connections, memory_order_relaxed);
}

void server_get_counts(const struct server *s, struct server_counts *out)
{
#define COUNT(name) atomic_load_explicit(&s->counts.name, memory_order_relaxed)
    *out = (struct server_counts){
        .connections = COUNT(connections),
        .accepted = COUNT(accepted),
        .refused = COUNT(refused),
        .requests = COUNT(requests),
        .malformed = COUNT(malformed),
        .timed_out = COUNT(timed_out),
    };
#undef COUNT
}

int64_t server_own_files(const struct settings *settings)
{
    return settings->api_tail_lanes + LISTENER_ACCEPTS + GATE_SURPLUS_MAX + LINGERING_MAX +
           settings->api_max_connections / DAEMON_CONNECTIONS + OTHER_FILES;
}

int64_t server_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit))
        return -1;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

/* ---- the end ---- */

void server_drain(struct server *s)
{
    if (s->draining)
        return;
    s->draining = true;
    server_awake(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    if (--s->closing_handles > 0 || !s->freed)
        return; /* a drain closes the listener's handles before */
    daemons_free(s);
    free(s);
}

void server_close_handle(struct server *s, uv_handle_t *handle)
{
    handle->data = s;
    s->closing_handles++;
    uv_close(handle, on_handle_closed);
}

static void cut_all(struct server *s)
{
    s->stopping = true;
    for (struct connection *c = s->connections; c; c = c->next) {
        if (c->exchange)
            exchange_cut(c->exchange);
        else
            connection_cut(c);
        if (c->seat)
            daemon_mark(c->seat->daemon);
    }
    for (int round = 0; round < LAST_ROUNDS && (s->connections || s->seats > 0); round++) {
        exchanges_wake(s);
        daemons_run(s);
    }
}

static void close_stand_in(struct server *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->stand_in[i] >= 0)
            close(s->stand_in[i]);
    }
}

void server_free(struct server *s)
{
    if (!s)
        return;
    if (!s->watching) {
        close_stand_in(s);
        free(s);
        return;
    }
    s->freed = true;
    listener_close(s);
    gate_close(s);
    cut_all(s);
    daemons_stop(s);
    linger_end_all(s);
    server_close_handle(s, (uv_handle_t *)&s->prepare);
    server_close_handle(s, (uv_handle_t *)&s->check);
    server_close_handle(s, (uv_handle_t *)&s->idle);
    server_close_handle(s, (uv_handle_t *)&s->deadlines.timer);
    server_close_handle(s, (uv_handle_t *)&s->watcher.poll);
    watcher_clear(&s->watcher);
    close_stand_in(s);
}
