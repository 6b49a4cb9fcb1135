/**
 * transport.h: what the server's own files share. Nobody else includes it.
 *
 *     listener.c   accepts
 *     gate.c       waits for the first request's head, judges it, lets in or turns away
 *     daemons.c    libmicrohttpd's daemons, driven by the loop
 *     calls.c      libmicrohttpd's callbacks: connections and requests come and go
 *     exchange.c   one request's states
 *     linger.c     what is closed lets its client read the answer first
 *     raw_head.c, head.c, raw_answer.c, deadline.c, watch.c, outlet.c   know nothing of this
 *     server.c     puts it together
 *
 * Who owns what: a server its callers (in the gate), connections and daemons; a
 * connection its exchange. While a connection has a seat, libmicrohttpd owns its socket, and both
 * end at its NOTIFY_CLOSED; an exchange lives from the request's first line to its
 * NOTIFY_COMPLETED. A stream gives its seat up (exchange.c): from then on the socket
 * is ours, and connection and exchange end in exchanges_wake.
 *
 * The rule that keeps this simple: no function that the application may call runs
 * libmicrohttpd or frees anything. It changes a state and puts the exchange on the
 * server's wake list; the loop's next turn goes on with it.
 *
 * Owner of everything here: the loop's thread. Only counts are read by others.
 */
#ifndef LEAT_TRANSPORT_H
#define LEAT_TRANSPORT_H

#include "capacity.h"
#include "deadline.h"
#include "server.h"
#include "watch.h"

#include <stdatomic.h>

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;

/* Connections of one daemon. libmicrohttpd walks all its resting connections
   whenever one is resumed, so small ones are cheap. */
#define DAEMON_CONNECTIONS 256

/* A seat's memory in libmicrohttpd: the request's head must fit, with 64 bytes more
   for each of its parts and with its cookies once more, then a part of the body, then
   the answer's head. The few heads that take more than half of the small one go to daemons
   of their own. */
#define POOL_BYTES_SMALL 8192
#define POOL_BYTES_LARGE 32768
#define POOL_BYTES_PART 64

/* Connections accepted a wake. */
#define LISTENER_ACCEPTS 64

/* Clients beyond the capacity that may wait for their head to be complete. */
#define GATE_SURPLUS_MAX 64

/* Clients that are being let read their answer. */
#define LINGERING_MAX 256

struct listener {
    uv_poll_t poll;
    uv_timer_t pause; /* no descriptors left: accept again later */
    int fd;           /* -1: closed */
    bool starved;     /* in such a pause, or just after */
};

struct daemon {
    struct server *server;
    struct MHD_Daemon *mhd;
    uv_poll_t poll;
    uv_timer_t timer;
    size_t connections;
    bool large; /* its connections have POOL_BYTES_LARGE */
    struct daemon *next_roomy;
    struct daemon *next_dirty;
    bool roomy; /* on the server's list of those with room */
    bool dirty; /* on the list of those that must run */
};

/* A connection's place in libmicrohttpd, from MHD_add_connection to NOTIFY_CLOSED. */
struct seat {
    struct daemon *daemon;
    struct connection *connection; /* NULL: it went on without libmicrohttpd */
};

struct connection {
    struct server *server;
    struct seat *seat; /* NULL: it has not come to libmicrohttpd, or has left it */
    struct connection *previous;
    struct connection *next;
    struct exchange *exchange; /* NULL between requests */
    struct watch watch;
    struct deadline deadline;
    int fd;
    struct capacity_place place;
};

enum exchange_state {
    EXCHANGE_READING,
    EXCHANGE_ASKED,
    EXCHANGE_WAITING,
    EXCHANGE_ANSWERED,
    EXCHANGE_OPENING,
    EXCHANGE_OPEN,
    EXCHANGE_ENDING,
    EXCHANGE_CUT,
};

struct exchange {
    struct connection *connection;
    struct MHD_Connection *mhd; /* NULL: without a seat */
    enum exchange_state state;
    bool head_seen;
    bool in_call;     /* inside libmicrohttpd's call for this request */
    bool is_head;     /* HEAD */
    bool has_body;    /* the head announces one */
    bool keeps;       /* the connection may be kept after the answer */
    bool raw_answers; /* libmicrohttpd takes no answer now: write it ourselves */
    bool streams;     /* exchange_stream was called: it is to leave libmicrohttpd */
    bool ended;       /* the stream's last chunk is in the outlet, or out */
    bool suspended;   /* we have, and MHD_resume_connection was not called yet */
    bool waking;      /* on the server's wake list */
    struct exchange *next_waking;
    char method[EXCHANGE_METHOD_MAX + 1];
    char *target;             /* owned; the raw one */
    const char *target_place; /* where it stands in libmicrohttpd's memory */
    struct buf body;
    const struct exchange_events *events; /* NULL: not bound */
    void *arg;
    struct MHD_Response *response; /* given, not queued yet */
    unsigned int http_status;
    struct buf head;      /* of a stream, until it is in the outlet */
    struct outlet outlet; /* from OPENING on */
};

struct server {
    uv_loop_t *loop;
    const struct server_handlers *handlers;
    void *arg;
    struct capacity *capacity;
    size_t body_max_bytes;
    size_t bodies_max_bytes; /* of all requests that come in at a time */
    size_t bodies_bytes;
    unsigned int silence_ms; /* a peer that acknowledges nothing for so long is gone */
    int port;

    struct listener listener;
    struct watcher watcher;
    struct deadlines deadlines;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs while something is dirty, so that the loop does not sleep */

    struct daemon **daemons;
    size_t daemon_count;
    struct daemon *roomy[2]; /* small, large */
    struct daemon *dirty;
    struct connection *connections;
    struct seat *accepting; /* inside MHD_add_connection */
    size_t seats;
    int stand_in[2]; /* the first is what libmicrohttpd closes instead of a stream's socket */
    struct caller *callers; /* in the gate */
    struct caller *ready;   /* of these: something came */
    size_t surplus;         /* of these: beyond the capacity */
    struct exchange *waking;
    size_t lingering;

    bool watching; /* watcher and below are initialised */
    bool draining;
    bool drained;  /* the steps of draining were taken */
    bool stopping; /* no exchange may rest any more */
    bool freed;    /* server_free was called: release it with the last handle */
    size_t closing_handles;

    struct {
        atomic_uint_fast64_t connections;
        atomic_uint_fast64_t accepted;
        atomic_uint_fast64_t refused;
        atomic_uint_fast64_t requests;
        atomic_uint_fast64_t malformed;
        atomic_uint_fast64_t timed_out;
    } counts;
};

#define COUNT_UP(server, name) \
    atomic_fetch_add_explicit(&(server)->counts.name, 1, memory_order_relaxed)
#define COUNT_DOWN(server, name) \
    atomic_fetch_sub_explicit(&(server)->counts.name, 1, memory_order_relaxed)

/* ---- listener.c ---- */

/**
 * listener_bind(host, port, shared, fd, bound, error)
 * A bound and listening socket; see server_new. Gives *fd; *bound is its port.
 */
MUST_CHECK enum status listener_bind(const char *host, int port, bool shared, int *fd, int *bound,
                                     struct buf *error);

/* listener_start(s, fd): accept from fd, which is taken. */
MUST_CHECK enum status listener_start(struct server *s, int fd);

/* listener_finish(s): accept what waits already, and close the socket. */
void listener_finish(struct server *s);

/* listener_close(s): close the socket and the handles. */
void listener_close(struct server *s);

/* ---- gate.c ---- */

/* gate_take(s, fd, peer, length): an accepted socket, which is taken, and whose it is. */
struct sockaddr;
void gate_take(struct server *s, int fd, const struct sockaddr *peer, unsigned int length);

/* gate_run(s): decide about those of whom something came. */
void gate_run(struct server *s);

/* gate_finish(s): let in whose head is there, close the rest; nobody stays. */
void gate_finish(struct server *s);

/* gate_close(s): close all of them at once. */
void gate_close(struct server *s);

/* gate_answer(s, fd, who, http_status, detail): write a refusal past libmicrohttpd; the
   application gives it its form (on_turned_away). */
void gate_answer(struct server *s, int fd, const struct turned_away *who, int http_status,
                 const char *detail);

/* ---- daemons.c ---- */

/**
 * daemons_add(s, c, large, address, length)
 * Give the accepted socket c->fd to a daemon with room, of the small or large kind. Takes
 * c and its socket, but for STATUS_NO_MEMORY. STATUS_SYSTEM: both are gone.
 */
MUST_CHECK enum status daemons_add(struct server *s, struct connection *c, bool large,
                                   const struct sockaddr *address, unsigned int length);

/* daemon_mark(d): it must run in this turn of the loop. */
void daemon_mark(struct daemon *d);

/* daemons_leave(seat): libmicrohttpd has closed its socket: release it. */
void daemons_leave(struct seat *seat);

/* daemons_run(s): run each that is marked, once. */
void daemons_run(struct server *s);

/* daemons_stop(s): none of their connections rests: stop and close all. */
void daemons_stop(struct server *s);

/* daemons_free(s): after their handles were closed. */
void daemons_free(struct server *s);

/* ---- calls.c ---- */

/* calls_start_daemon(s, pool_bytes): a daemon that calls us, and what each of its connections
   has; NULL: no descriptor or memory left. */
struct MHD_Daemon *calls_start_daemon(struct server *s, size_t pool_bytes);

/* connection_new(s, fd, place): for a socket that is let in, and counted at place; NULL: no
   memory, and it still is. */
MUST_CHECK struct connection *connection_new(struct server *s, int fd, struct capacity_place place);

/* connection_free(c): it is over, and counted no more. */
void connection_free(struct connection *c);

/* connection_cut(c): shut its socket; libmicrohttpd notices and closes it. */
void connection_cut(struct connection *c);

/* ---- exchange.c ---- */

/* exchange_new(c, mhd, target): the request's first line has come. NULL: no memory. */
MUST_CHECK struct exchange *exchange_new(struct connection *c, struct MHD_Connection *mhd,
                                         const char *target);

/* exchange_free(e): the request is over: on_closed, and release. */
void exchange_free(struct exchange *e);

/* exchange_queue(e): give libmicrohttpd the response. False: it must close. */
MUST_CHECK bool exchange_queue(struct exchange *e);

/* exchange_rest(e): suspend, until it is woken. */
void exchange_rest(struct exchange *e);

/* exchange_wake(e): go on with it in the loop's turn, if it rests or has left libmicrohttpd. */
void exchange_wake(struct exchange *e);

/* exchange_await(e): rest, and notice when the client leaves. */
void exchange_await(struct exchange *e);

/* exchange_cut(e): the state is CUT, the socket shut; resumed if it rests. */
void exchange_cut(struct exchange *e);

/* exchange_event(e, events): its watched socket has news. */
void exchange_event(struct exchange *e, uint32_t events);

/* exchanges_wake(s): go on with what is on the wake list. */
void exchanges_wake(struct server *s);

/* ---- linger.c ---- */

/**
 * linger_begin(s, fd)
 * The last byte to this client was written: close the writing side, read and drop
 * what it sends until it closes or DEADLINE_LINGER. Takes fd.
 */
void linger_begin(struct server *s, int fd);

/* linger_begin_watched(s, fd, watched): the same; it may be in the watcher's set already. */
void linger_begin_watched(struct server *s, int fd, bool watched);

/* linger_end_all(s): close all of them. */
void linger_end_all(struct server *s);

/* ---- server.c ---- */

/* server_close_handle(s, handle): uv_close; the server is freed after the last one. */
void server_close_handle(struct server *s, uv_handle_t *handle);

/* server_awake(s): something is to be done in this turn: the loop must not sleep. */
void server_awake(struct server *s);

#endif
