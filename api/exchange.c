/*
 * exchange.c: one request's states (exchange.h has the picture).
 *
 * A resting exchange (WAITING or OPEN) has its connection suspended in
 * libmicrohttpd and its socket in our own epoll set. Every way on, an answer, the
 * end of a stream, a client that left, is the same three steps: change the state,
 * go on the wake list, and let the loop's next turn resume it; libmicrohttpd then
 * calls back (calls.c for the answer, read_body here for a stream) and finds the new
 * state.
 *
 * The dangerous part is the end of a stream. The reader must never return
 * MHD_CONTENT_READER_END_WITH_ERROR: libmicrohttpd then forgets to close the
 * socket. A stream that is cut, and one without framing (HTTP/1.0), is therefore
 * ended by shutting the socket down and letting libmicrohttpd fail to write.
 */
#include "raw_answer.h"
#include "transport.h"

#include <microhttpd.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

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
    outlet_clear(&e->outlet);
    free(e->target);
    free(e);
}

/* ---- resting and waking ---- */

void exchange_rest(struct exchange *e, uint32_t events)
{
    struct connection *c = e->connection;
    MHD_suspend_connection(e->mhd);
    e->suspended = true;
    /* A client that cannot be watched cannot be noticed leaving: let it go now. */
    if (watcher_set(&c->server->watcher, &c->watch, c->fd, events))
        exchange_cut(e);
}

static void wake(struct exchange *e)
{
    if (!e->suspended || e->waking)
        return;
    struct server *s = e->connection->server;
    e->waking = true;
    e->next_waking = s->waking;
    s->waking = e;
    server_awake(s);
}

void exchanges_wake(struct server *s)
{
    while (s->waking) {
        struct exchange *e = s->waking;
        s->waking = e->next_waking;
        e->waking = false;
        e->suspended = false;
        MHD_resume_connection(e->mhd);
        daemon_mark(e->connection->daemon);
    }
}

void exchange_cut(struct exchange *e)
{
    if (e->state == EXCHANGE_CUT)
        return;
    e->state = EXCHANGE_CUT;
    connection_cut(e->connection);
    wake(e);
}

/* ---- the client's side ---- */

static void client_left(struct exchange *e)
{
    if (e->state != EXCHANGE_WAITING && e->state != EXCHANGE_OPEN && e->state != EXCHANGE_ENDING)
        return; /* an answer is on its way; libmicrohttpd finds out */
    bool tell = e->state != EXCHANGE_ENDING && e->events->on_gone;
    exchange_cut(e);
    if (tell)
        e->events->on_gone(e->arg);
}

static void take_more(struct exchange *e)
{
    bool streams = e->state == EXCHANGE_OPEN || e->state == EXCHANGE_ENDING;
    if (!streams || !outlet_is_blocked(&e->outlet))
        return;
    if (outlet_flush(&e->outlet)) {
        client_left(e);
        return;
    }
    if (outlet_is_blocked(&e->outlet))
        return;
    if (e->state == EXCHANGE_ENDING)
        wake(e);
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

/* ---- the stream, as libmicrohttpd reads it ---- */

static ssize_t finish_body(struct exchange *e, char *out)
{
    if (e->outlet.framing == OUTLET_CHUNKED)
        return MHD_CONTENT_READER_END_OF_STREAM;
    connection_cut(e->connection);
    out[0] = 0; /* never arrives: writing it fails, and the connection is closed */
    return 1;
}

/* Called twice for a stream: when its head is out, and when it was woken to end. */
static ssize_t read_body(void *arg, uint64_t position, char *out, size_t size)
{
    (void)position;
    (void)size;
    struct exchange *e = arg;
    struct server *s = e->connection->server;
    if (e->state == EXCHANGE_OPENING) {
        e->state = EXCHANGE_OPEN;
        deadlines_disarm(&s->deadlines, &e->connection->deadline);
        if (e->events->on_open)
            e->events->on_open(e->arg, &e->outlet);
    }
    bool ended = e->state == EXCHANGE_ENDING && !outlet_is_blocked(&e->outlet);
    if (ended || e->state == EXCHANGE_CUT || s->stopping)
        return finish_body(e, out);
    exchange_rest(e, EPOLLRDHUP | EPOLLOUT | EPOLLET);
    return 0;
}

/* ---- the request ---- */

const char *exchange_method(const struct exchange *e)
{
    return e->method;
}

const char *exchange_target(const struct exchange *e)
{
    return e->target;
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
    wake(e);
    return STATUS_OK;
}

enum status exchange_stream(struct exchange *e, const struct exchange_field *fields, size_t count)
{
    if (!can_answer(e) || e->raw_answers)
        return STATUS_CLOSED;
    assert(e->events);
    /* libmicrohttpd 0.9.75 ends the answer to a HEAD with a stray last chunk when
       the body's length is unknown. */
    if (e->is_head)
        return exchange_answer(e, MHD_HTTP_OK, fields, count, "", 0);
    /* Nothing is ever read into the block: its size does not matter. */
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16, read_body, e, NULL);
    enum status status = give(e, response, MHD_HTTP_OK, fields, count);
    if (status)
        return status;
    e->state = EXCHANGE_OPENING;
    forget_request(e);
    wake(e);
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
        wake(e);
}

void exchange_abort(struct exchange *e)
{
    exchange_cut(e);
}
