/*
 * calls.c: libmicrohttpd's callbacks.
 *
 * A connection begins at NOTIFY_STARTED (inside MHD_add_connection) and ends at
 * NOTIFY_CLOSED. A request begins when its first line has come (on_line; the only
 * place that shows the raw target), is then shown to on_call: once with its head,
 * again with every piece of its body, once at the end, and once more when it was
 * resumed with an answer. It ends in on_completed.
 *
 * All of them run inside MHD_run, so nothing here may run libmicrohttpd, and no
 * connection but the one at hand may be suspended.
 *
 * The dangerous part: libmicrohttpd's own deadlines are idle times, and it can miss
 * a FIN that comes together with data. Every state in which we wait for the client
 * has its deadline armed here; without them connections would stay for ever.
 */
#include "head.h"
#include "transport.h"

#include <microhttpd.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* ---- connections ---- */

static void connection_event(struct watch *w, uint32_t events)
{
    struct connection *c = CONTAINER_OF(w, struct connection, watch);
    if (c->exchange)
        exchange_event(c->exchange, events);
}

static void connection_over(struct deadline *d)
{
    struct connection *c = CONTAINER_OF(d, struct connection, deadline);
    struct exchange *e = c->exchange;
    COUNT_UP(c->server, timed_out);
    if (!e) {
        connection_cut(c);
        return;
    }
    if (e->state == EXCHANGE_READING) {
        const struct turned_away who = {.method = e->method, .target = "", .origin = ""};
        gate_answer(c->server, c->fd, &who, MHD_HTTP_REQUEST_TIMEOUT,
                    "The request did not come in time.");
    }
    exchange_cut(e);
}

struct connection *connection_new(struct server *s, int fd, struct capacity_place place)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct connection){.server = s,
                             .fd = fd,
                             .place = place,
                             .next = s->connections,
                             .watch.on_event = connection_event,
                             .deadline.over = connection_over};
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    COUNT_UP(s, connections);
    return c;
}

void connection_free(struct connection *c)
{
    struct server *s = c->server;
    deadlines_disarm(&s->deadlines, &c->deadline);
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    COUNT_DOWN(s, connections);
    capacity_leave(s->capacity, c->place);
    free(c);
}

void connection_cut(struct connection *c)
{
    shutdown(c->fd, SHUT_RDWR);
}

/* The client's end has come, which libmicrohttpd does not tell, or loses. */
static bool has_ended(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* A copy of the descriptor outlives libmicrohttpd's close: whatever the client still sends must
   not reset the answer on its way. */
static void let_linger(struct connection *c)
{
    if (has_ended(c->fd))
        return;
    int copy = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0)
        linger_begin(c->server, copy);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)mhd;
    struct server *s = arg;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = s->accepting;
        s->accepting = NULL;
        return;
    }
    struct seat *seat = *context;
    *context = NULL;
    if (!seat)
        return;
    if (seat->connection) {
        let_linger(seat->connection);
        connection_free(seat->connection);
    }
    daemons_leave(seat);
}

/* NULL: it has given up its seat. */
static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const struct seat *seat = info ? info->socket_context : NULL;
    return seat ? seat->connection : NULL;
}

/* ---- a request begins and ends ---- */

static void *on_line(void *arg, const char *target, struct MHD_Connection *mhd)
{
    struct server *s = arg;
    struct connection *c = connection_of(mhd);
    if (!c)
        return NULL;
    c->exchange = exchange_new(c, mhd, target);
    /* The first request's head counts from accept, a later one's from its first line. */
    if (!c->deadline.armed || c->deadline.kind != DEADLINE_HEAD)
        deadlines_arm(&s->deadlines, &c->deadline, DEADLINE_HEAD);
    return c->exchange;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)why;
    struct server *s = arg;
    struct connection *c = connection_of(mhd);
    *context = NULL;
    if (!c || !c->exchange)
        return;
    watcher_unset(&s->watcher, &c->watch, c->fd);
    bool kept = c->exchange->keeps;
    exchange_free(c->exchange);
    c->exchange = NULL;
    if (kept && (s->draining || has_ended(c->fd)))
        connection_cut(c);
    deadlines_arm(&s->deadlines, &c->deadline, DEADLINE_IDLE);
}

/* ---- the head ---- */

static enum MHD_Result check_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    head_check_field(arg, name ? name : "", name ? name_length : 0, value ? value : "",
                     value ? value_length : 0);
    return MHD_YES;
}

/* A NUL within the target ends it for us and not for others. Both stand in one
   line in memory, one NUL between them, so it shows as a distance. */
static bool target_is_whole(const struct exchange *e, const char *version)
{
    ptrdiff_t distance = version - e->target_place;
    return distance < 0 || distance > POOL_BYTES_LARGE || (size_t)distance == strlen(e->target) + 1;
}

static void read_head(struct exchange *e, const char *method, const char *version,
                      struct head *head)
{
    head_check_line(head, method, e->target, version);
    if (strlen(method) > EXCHANGE_METHOD_MAX)
        head->fault = "The method is not known.";
    if (!target_is_whole(e, version))
        head->fault = "The target has a byte that must be percent-encoded.";
    MHD_get_connection_values_n(e->mhd, MHD_HEADER_KIND, check_field, head);
    head_check_end(head);

    strncpy(e->method, method, EXCHANGE_METHOD_MAX);
    e->is_head = strcmp(e->method, "HEAD") == 0;
    e->has_body = head_has_body(head);
    e->keeps = !head->fault && !e->has_body &&
               (e->is_head || strcmp(e->method, "GET") == 0 || strcmp(e->method, "OPTIONS") == 0);
    outlet_init(&e->outlet, e->connection->fd,
                strcmp(version, "HTTP/1.0") == 0 ? OUTLET_RAW : OUTLET_CHUNKED);
}

/* What became of a callback of the application, as libmicrohttpd wants to hear it. */
static enum MHD_Result outcome(struct exchange *e)
{
    if (e->state == EXCHANGE_CUT)
        return MHD_NO;
    if (e->response)
        return exchange_queue(e) ? MHD_YES : MHD_NO;
    return MHD_YES;
}

static enum MHD_Result refuse(struct exchange *e, int http_status, const char *detail)
{
    struct server *s = e->connection->server;
    if (http_status != MHD_HTTP_SERVICE_UNAVAILABLE)
        COUNT_UP(s, malformed);
    e->keeps = false;
    s->handlers->on_refused(s->arg, e, http_status, detail);
    return e->response ? outcome(e) : MHD_NO;
}

static enum MHD_Result first_call(struct exchange *e, const char *method, const char *version)
{
    struct connection *c = e->connection;
    struct server *s = c->server;
    struct head head = {0};
    e->head_seen = true;
    COUNT_UP(s, requests);
    read_head(e, method, version, &head);
    deadlines_arm(&s->deadlines, &c->deadline, DEADLINE_BODY);
    if (head.fault)
        return refuse(e, MHD_HTTP_BAD_REQUEST, head.fault);
    if (strlen(e->target) > EXCHANGE_TARGET_MAX)
        return refuse(e, MHD_HTTP_URI_TOO_LONG, "The target is too long.");
    if (head.content_length > s->body_max_bytes)
        return refuse(e, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too long.");
    s->handlers->on_head(s->arg, e);
    /* An answer queued now also closes the connection, which is right only where a
       body is cut short; without one last_call queues it. */
    if (e->state != EXCHANGE_CUT && !e->has_body)
        return MHD_YES;
    return outcome(e);
}

/* ---- the body ---- */

/* libmicrohttpd takes no answer while a body comes; so it is written past it. */
static enum MHD_Result refuse_body(struct exchange *e, int http_status, const char *detail)
{
    e->raw_answers = true;
    return refuse(e, http_status, detail);
}

static enum MHD_Result body_call(struct exchange *e, const char *data, size_t *length)
{
    struct server *s = e->connection->server;
    size_t count = *length;
    *length = 0;
    if (e->state != EXCHANGE_READING)
        return MHD_YES; /* it was answered without the body */
    if (count > s->body_max_bytes - e->body.length)
        return refuse_body(e, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too long.");
    if (count > s->bodies_max_bytes - s->bodies_bytes)
        return refuse_body(e, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many bodies at once.");
    size_t before = e->body.length;
    buf_add(&e->body, data, count);
    s->bodies_bytes += e->body.length - before;
    if (!buf_ok(&e->body))
        return refuse_body(e, MHD_HTTP_SERVICE_UNAVAILABLE, "No memory for the body.");
    return MHD_YES;
}

static enum MHD_Result last_call(struct exchange *e)
{
    struct server *s = e->connection->server;
    if (e->state != EXCHANGE_READING)
        return outcome(e); /* woken with an answer, or answered before */
    e->state = EXCHANGE_ASKED;
    deadlines_disarm(&s->deadlines, &e->connection->deadline);
    s->handlers->on_request(s->arg, e);
    if (e->streams && e->state != EXCHANGE_CUT && !s->stopping) {
        exchange_rest(e);
        exchange_wake(e);
        return MHD_YES;
    }
    if (e->state != EXCHANGE_ASKED)
        return e->streams ? MHD_NO : outcome(e);
    if (e->events && !s->stopping) {
        e->state = EXCHANGE_WAITING;
        exchange_await(e);
        return MHD_YES;
    }
    if (exchange_answer(e, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, 0, "", 0))
        return MHD_NO;
    return outcome(e);
}

static enum MHD_Result on_call(void *arg, struct MHD_Connection *mhd, const char *path,
                               const char *method, const char *version, const char *data,
                               size_t *length, void **context)
{
    (void)arg;
    (void)path; /* decoded and cut at '?': the raw target is what counts */
    (void)context;
    struct connection *c = connection_of(mhd);
    struct exchange *e = c ? c->exchange : NULL;
    if (!e || e->state == EXCHANGE_CUT)
        return MHD_NO; /* its seat is given up, or it is cut: libmicrohttpd closes what it has */
    if (!e->head_seen)
        return first_call(e, method, version);
    return *length > 0 ? body_call(e, data, length) : last_call(e);
}

/* ---- the daemon ---- */

/* The one `#if`: what the older library has not. Its own strictness is left off: it
   adds what head.c checks anyway, and answers it with two heads. */
#if MHD_VERSION >= 0x00097707
#define SINGLE_THREAD MHD_USE_NO_THREAD_SAFETY
#define STRICT MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1
#else
#define SINGLE_THREAD 0
#define STRICT MHD_OPTION_STRICT_FOR_CLIENT, 0
#endif

struct MHD_Daemon *calls_start_daemon(struct server *s, size_t pool_bytes)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | SINGLE_THREAD, 0,
        NULL, NULL, on_call, s, MHD_OPTION_CONNECTION_LIMIT, DAEMON_CONNECTIONS + 8u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes, MHD_OPTION_CONNECTION_TIMEOUT, 0u, STRICT,
        MHD_OPTION_URI_LOG_CALLBACK, on_line, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
}
