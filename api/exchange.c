/*
 * exchange.c: one request's states (exchange.h has the picture).
 *
 * A resting exchange (WAITING) has its connection suspended in libmicrohttpd and its
 * socket in our own epoll set. Every way on, an answer, a stream, its end, a client that
 * left, is the same: change the state and go on the wake list; in the loop's next turn
 * libmicrohttpd is resumed, calls back (calls.c) and finds the new state.
 *
 * A stream needs nothing of libmicrohttpd any more, whose 8 KiB a connection are most of
 * what an idle stream would cost. So it gives its seat up: the socket moves to another
 * descriptor, a stand-in takes its number, and libmicrohttpd, told that the request
 * failed, closes that one and frees all it had. From then on head, chunks and end are
 * written here.
 *
 * The dangerous part is that move. Only while the connection is suspended is its
 * descriptor in no epoll set of libmicrohttpd's; else it would abort, unable to take the
 * stand-in out of a set it is not in. And in our own set the old number must go before
 * the socket gets another, or its events would come for ever.
 */
#include "log.h"
#include "raw_answer.h"
#include "transport.h"

#include <microhttpd.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- life ---- */

struct exchange *exchange_new(struct connection *c, struct MHD_Connection *mhd, const char *target)
{
    struct exchange *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->connection = c;
    e->mhd = mhd;
    e->target_place = target;
    e->target = strdup(target);
    if (!e->target) {
        free(e);
        return NULL;
    }
    return e;
}

/* What only the request needed: an open stream may live for long. */
static void forget_request(struct exchange *e)
{
    e->connection->server->bodies_bytes -= e->body.length;
    buf_clear(&e->body);
    free(e->target);
    e->target = NULL;
}

void exchange_free(struct exchange *e)
{
    assert(!e->suspended && !e->waking); /* libmicrohttpd ends none that rests */
    e->state = EXCHANGE_CUT;             /* whatever on_closed does with it is harmless */
    if (e->events)
        e->events->on_closed(e->arg);
    if (e->response)
        MHD_destroy_response(e->response);
    forget_request(e);
    buf_clear(&e->head);
    outlet_clear(&e->outlet);
    free(e);
}

/* ---- resting and waking ---- */

void exchange_rest(struct exchange *e)
{
    MHD_suspend_connection(e->mhd);
    e->suspended = true;
}

void exchange_await(struct exchange *e)
{
    struct connection *c = e->connection;
    exchange_rest(e);
    /* A client that cannot be watched cannot be noticed leaving: let it go now. */
    if (watcher_set(&c->server->watcher, &c->watch, c->fd, EPOLLRDHUP | EPOLLET))
        exchange_cut(e);
}

void exchange_wake(struct exchange *e)
{
    if (e->waking || (e->mhd && !e->suspended))
        return;
    struct server *s = e->connection->server;
    e->waking = true;
    e->next_waking = s->waking;
    s->waking = e;
    server_awake(s);
}

static void resume(struct exchange *e)
{
    e->suspended = false;
    MHD_resume_connection(e->mhd);
    daemon_mark(e->connection->seat->daemon);
}

void exchange_cut(struct exchange *e)
{
    if (e->state == EXCHANGE_CUT)
        return;
    e->state = EXCHANGE_CUT;
    connection_cut(e->connection);
    exchange_wake(e);
}

/* ---- a stream leaves libmicrohttpd ---- */

static bool give_up_seat(struct exchange *e)
{
    struct connection *c = e->connection;
    struct server *s = c->server;
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return false;
    watcher_unset(&s->watcher, &c->watch, c->fd);
    if (dup3(s->stand_in[0], c->fd, O_CLOEXEC) < 0) {
        close(fd);
        return false;
    }
    resume(e);
    e->mhd = NULL;
    c->seat->connection = NULL;
    c->seat = NULL;
    c->fd = fd;
    e->outlet.fd = fd;
    return !watcher_set(&s->watcher, &c->watch, fd, EPOLLRDHUP | EPOLLOUT | EPOLLET);
}

static void begin_stream(struct exchange *e)
{
    bool begun =
        give_up_seat(e) && outlet_put_http(&e->outlet, e->head.data, e->head.length) == STATUS_OK;
    buf_clear(&e->head);
    if (begun)
        return;
    log_warn("stream_not_begun", LOG_S("error", strerror(errno)));
    exchange_cut(e);
    if (e->mhd)
        resume(e);
}

static void open_stream(struct exchange *e)
{
    struct outlet *outlet = &e->outlet;
    uint64_t before = outlet->sent_bytes;
    e->state = EXCHANGE_OPEN;
    deadlines_disarm(&e->connection->server->deadlines, &e->connection->deadline);
    if (e->events->on_open)
        e->events->on_open(e->arg, outlet);
    if (e->state == EXCHANGE_OPEN && outlet->sent_bytes == before)
        outlet_push(outlet);
}

/* The last of an exchange that has left libmicrohttpd. */
static void close_stream(struct exchange *e, bool linger)
{
    struct connection *c = e->connection;
    struct server *s = c->server;
    bool watched = c->watch.added;
    int fd = c->fd;
    e->waking = false; /* only exchanges_wake comes here */
    exchange_free(e);
    connection_free(c);
    if (linger)
        linger_begin_watched(s, fd, watched);
    else
        close(fd); /* there is no other copy: it leaves the watcher's set too */
}

/* These two: false: it is over. */
static bool end_stream(struct exchange *e)
{
    static const char last_chunk[] = "0\r\n\r\n";
    if (!e->ended && e->outlet.framing == OUTLET_CHUNKED &&
        outlet_put_http(&e->outlet, last_chunk, sizeof last_chunk - 1)) {
        close_stream(e, false);
        return false;
    }
    e->ended = true;
    if (outlet_is_blocked(&e->outlet))
        return true;
    close_stream(e, true);
    return false;
}

static bool go_on(struct exchange *e)
{
    if (e->state == EXCHANGE_OPENING && !outlet_is_blocked(&e->outlet))
        open_stream(e);
    /* It may have ended by that. */
    if (e->state == EXCHANGE_ENDING && !outlet_is_blocked(&e->outlet))
        return end_stream(e);
    if (e->state != EXCHANGE_CUT)
        return true;
    close_stream(e, false);
    return false;
}

void exchanges_wake(struct server *s)
{
    while (s->waking) {
        struct exchange *e = s->waking;
        s->waking = e->next_waking;
        if (e->suspended && e->streams && e->state != EXCHANGE_CUT)
            begin_stream(e);
        else if (e->suspended)
            resume(e);
        if (e->mhd || go_on(e))
            e->waking = false;
    }
}

/* ---- the client's side ---- */

static void client_left(struct exchange *e)
{
    bool tell = (e->state == EXCHANGE_WAITING || e->state == EXCHANGE_OPEN) && e->events->on_gone;
    if (e->state == EXCHANGE_ANSWERED || e->state == EXCHANGE_CUT)
        return; /* an answer is on its way; libmicrohttpd finds out */
    exchange_cut(e);
    if (tell)
        e->events->on_gone(e->arg);
}

static void take_more(struct exchange *e)
{
    if (e->mhd || !outlet_is_blocked(&e->outlet))
        return;
    if (outlet_flush(&e->outlet)) {
        client_left(e);
        return;
    }
    if (outlet_is_blocked(&e->outlet))
        return;
    if (e->state != EXCHANGE_OPEN)
        exchange_wake(e);
    else if (e->events->on_writable)
        e->events->on_writable(e->arg);
}

void exchange_event(struct exchange *e, uint32_t events)
{
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        client_left(e);
    else if (events & EPOLLOUT)
        take_more(e);
}

/* ---- the request ---- */

const char *exchange_method(const struct exchange *e)
{
    return e->method;
}

const char *exchange_target(const struct exchange *e)
{
    return e->target ? e->target : "";
}

struct lookup {
    const char *name;
    const char *value;
    size_t count;
};

static enum MHD_Result look(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct lookup *lookup = arg;
    if (strcasecmp(name, lookup->name) == 0) {
        lookup->value = value ? value : "";
        lookup->count++;
    }
    return MHD_YES;
}

enum status exchange_header(const struct exchange *e, const char *name, const char **value)
{
    struct lookup lookup = {.name = name};
    MHD_get_connection_values(e->mhd, MHD_HEADER_KIND, look, &lookup);
    *value = lookup.count == 1 ? lookup.value : NULL;
    return lookup.count > 1 ? STATUS_BAD_INPUT : STATUS_OK;
}

bool exchange_has_body(const struct exchange *e)
{
    return e->has_body;
}

const char *exchange_body(const struct exchange *e, size_t *length)
{
    *length = e->body.length;
    return buf_text(&e->body);
}

/* ---- the answer ---- */

void exchange_bind(struct exchange *e, const struct exchange_events *events, void *arg)
{
    assert(!e->events && events->on_closed);
    e->events = events;
    e->arg = arg;
}

void *exchange_bound(const struct exchange *e)
{
    return e->events ? e->arg : NULL;
}

static bool can_answer(const struct exchange *e)
{
    return e->state == EXCHANGE_READING || e->state == EXCHANGE_ASKED ||
           e->state == EXCHANGE_WAITING;
}

static enum status add_fields(struct MHD_Response *response, const struct exchange_field *fields,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (MHD_add_response_header(response, fields[i].name, fields[i].value) != MHD_YES)
            return STATUS_BAD_INPUT;
    }
    return STATUS_OK;
}

/* Takes response. */
static enum status give(struct exchange *e, struct MHD_Response *response, int http_status,
                        const struct exchange_field *fields, size_t count)
{
    if (!response)
        return STATUS_NO_MEMORY;
    enum status status = add_fields(response, fields, count);
    bool keeps = e->keeps && !e->connection->server->draining;
    if (!status && !keeps && MHD_add_response_header(response, "Connection", "close") != MHD_YES)
        status = STATUS_NO_MEMORY;
    if (status) {
        MHD_destroy_response(response);
        return status;
    }
    e->response = response;
    e->http_status = (unsigned int)http_status;
    deadlines_arm(&e->connection->server->deadlines, &e->connection->deadline, DEADLINE_BODY);
    return STATUS_OK;
}

enum status exchange_answer(struct exchange *e, int http_status,
                            const struct exchange_field *fields, size_t count, const void *body,
                            size_t length)
{
    if (!can_answer(e))
        return STATUS_CLOSED;
    if (e->raw_answers) {
        const struct raw_answer answer = {.http_status = http_status,
                                          .fields = fields,
                                          .count = count,
                                          .body = body,
                                          .length = length,
                                          .head_only = e->is_head};
        struct buf text = {0};
        raw_answer_put(&answer, &text);
        raw_answer_send(e->connection->fd, &text);
        buf_clear(&text);
        e->state = EXCHANGE_ANSWERED;
        return STATUS_OK;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    enum status status = give(e, response, http_status, fields, count);
    if (status)
        return status;
    e->state = EXCHANGE_ANSWERED;
    forget_request(e);
    exchange_wake(e);
    return STATUS_OK;
}

static enum status put_head(const struct exchange *e, const struct exchange_field *fields,
                            size_t count, struct buf *head)
{
    for (size_t i = 0; i < count; i++) {
        if (!raw_answer_is_field(&fields[i]))
            return STATUS_BAD_INPUT;
    }
    raw_answer_put_stream(fields, count, e->outlet.framing == OUTLET_CHUNKED, head);
    return buf_ok(head) ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status exchange_stream(struct exchange *e, const struct exchange_field *fields, size_t count)
{
    if (!can_answer(e) || e->raw_answers)
        return STATUS_CLOSED;
    assert(e->events);
    if (e->is_head)
        return exchange_answer(e, MHD_HTTP_OK, fields, count, "", 0);
    enum status status = put_head(e, fields, count, &e->head);
    if (status) {
        buf_clear(&e->head);
        return status;
    }
    e->streams = true;
    e->state = EXCHANGE_OPENING;
    deadlines_arm(&e->connection->server->deadlines, &e->connection->deadline, DEADLINE_BODY);
    forget_request(e);
    exchange_wake(e);
    return STATUS_OK;
}

bool exchange_queue(struct exchange *e)
{
    if (!e->response)
        return false;
    enum MHD_Result result = MHD_queue_response(e->mhd, e->http_status, e->response);
    MHD_destroy_response(e->response); /* libmicrohttpd holds its own reference */
    e->response = NULL;
    return result == MHD_YES;
}

void exchange_end(struct exchange *e)
{
    if (e->state != EXCHANGE_OPENING && e->state != EXCHANGE_OPEN)
        return;
    struct connection *c = e->connection;
    e->state = EXCHANGE_ENDING;
    deadlines_arm(&c->server->deadlines, &c->deadline, DEADLINE_BODY);
    if (!outlet_is_blocked(&e->outlet))
        exchange_wake(e);
}

void exchange_abort(struct exchange *e)
{
    exchange_cut(e);
}
