/**
 * server.h: the HTTP transport of one event loop.
 *
 * A listening socket, its connections, and the requests on them as exchanges
 * (exchange.h). It knows no route, no Redis and no job. Several servers of one
 * process, one a loop, listen on the same port and share nothing but the count of connections.
 *
 * libmicrohttpd parses requests and writes answers; accepting, limits, deadlines,
 * noticing that a client left, and all of a stream's answer are our own. The only
 * files that know libmicrohttpd are daemons.c, calls.c and exchange.c.
 *
 * What a client can cost is bounded: connections (capacity.h; some more are let
 * speak, to be turned away in a way that fits), head (API_HEADER_TIMEOUT_MS from accept
 * or from the request's first line; raw_head.h has its size),
 * body (API_BODY_TIMEOUT_MS, API_MAX_BODY), silence between requests
 * (API_IDLE_TIMEOUT_MS), a peer that acknowledges nothing (2 heartbeats).
 *
 * A stream closes its connection, and so does every answer but that to a GET, HEAD or OPTIONS
 * without a body, so that a request hidden in a body is never answered. Only the first head
 * of a connection is judged byte by byte (gate.c); later ones, on a connection that was
 * kept, are read by libmicrohttpd, its limits and its forgiveness included, and checked
 * by head.c. A proxy should not share a kept connection among clients.
 *
 * Thread: the loop's, unless a function says otherwise.
 */
#ifndef LEAT_SERVER_H
#define LEAT_SERVER_H

#include "base.h"
#include "buf.h"
#include "capacity.h"
#include "exchange.h"
#include "settings.h"
#include "status.h"

#include <stdatomic.h>
#include <uv.h>

struct server;

/* Who is turned away without ever being an exchange. "" is what is not known. */
struct turned_away {
    const char *method;
    const char *target; /* as of exchange_target */
    const char *origin; /* the header */
};

/* The application's side; each of them must be there. exchange.h says what may be
   done in each. */
struct server_handlers {
    /* The head is complete and well-formed. Answer, or just return to let the body come. */
    void (*on_head)(void *arg, struct exchange *exchange);
    /* The request is complete. Answer, open a stream, or bind and return. (Neither
       answered nor bound: the server answers 500.) */
    void (*on_request)(void *arg, struct exchange *exchange);
    /* The server refuses the request, and closes afterwards: 400, 413, 414, or 503
       (too many bodies at once). detail is a sentence for people. Answer with
       http_status, now. Comes instead of on_head, or between on_head and
       on_request, which then does not come. */
    void (*on_refused)(void *arg, struct exchange *exchange, int http_status, const char *detail);
    /* The server refuses what never becomes an exchange, and closes: 400, 413, 414, 431 or
       505 for its head, 408 for its silence, 503 when there is no room for it, 429 when there
       are too many of its address. Append the whole answer (raw_answer.h). Nothing else may be done
       in here. */
    void (*on_turned_away)(void *arg, const struct turned_away *who, int http_status,
                           const char *detail, struct buf *answer);
};

struct server_options {
    uv_loop_t *loop;                 /* borrowed until the server's handles are closed */
    const struct settings *settings; /* borrowed; api_host and the api_… limits are used */
    int port;                        /* settings->api_port, or the first server's server_port */
    bool port_shared;                /* a server of this process listens on it already */
    struct capacity *capacity; /* borrowed until the server's handles are closed; shared by all */
    const struct server_handlers *handlers; /* borrowed */
    void *arg;                              /* given to each of them */
};

/**
 * server_new(options, out, error)
 * Listen, and serve from the next turn of the loop on. A name as API_HOST is
 * resolved here, blocking.
 *
 * Borrows options until it returns. Gives *out (server_free), NULL unless STATUS_OK.
 * STATUS_BAD_INPUT: the address cannot be had; error holds one line that names the
 *   variable, "API_PORT: 127.0.0.1:8000 is in use".
 * STATUS_NO_MEMORY, STATUS_SYSTEM: likewise, with their line.
 *
 * The port is shared among the loops by SO_REUSEPORT, which would also let a
 * second gateway of the same user in unnoticed. So unless port_shared, the
 * address is first bound without it, as a test. Two gateways that start within
 * the same few microseconds can still both pass; each then serves a part of the
 * clients, which is harmless: gateways hold nothing.
 */
MUST_CHECK enum status server_new(const struct server_options *options, struct server **out,
                                  struct buf *error);

/* server_port(s): the port that was bound (API_PORT may be 0). */
int server_port(const struct server *s);

/**
 * server_drain(s)
 * Take no new connections. From the next turn of the loop on: the listening socket
 * is closed, connections that wait for a request, or are within its head, are
 * closed, and every answer closes its connection. What is complete or sends its
 * body goes on; the application ends its streams. Then server_connections falls
 * to 0. Calling it again is harmless.
 */
void server_drain(struct server *s);

/* server_connections(s): how many are open now; not those that are being turned away. */
size_t server_connections(const struct server *s);

/**
 * server_free(s)
 * Cut what is left and release the server. Every bound exchange hears on_closed
 * before this returns, so the application's state must still be there. The memory
 * goes when the loop has closed its handles: the loop must turn once more.
 * Not inside a callback of this server. NULL is harmless.
 */
void server_free(struct server *s);

/* Since the start, but for the first. */
struct server_counts {
    uint64_t connections; /* open now */
    uint64_t accepted;
    uint64_t refused;   /* for want of room */
    uint64_t requests;  /* heads, complete or refused before */
    uint64_t malformed; /* of these: answered 4xx or 505 by the server itself */
    uint64_t timed_out; /* connections shut by a deadline */
};

/**
 * server_get_counts(s, out)
 * Thread: any, while the server lives.
 */
void server_get_counts(const struct server *s, struct server_counts *out);

/**
 * server_own_files(settings)
 * The most descriptors that one loop needs beside its connections: Redis, and those
 * whose client is on its way in or out. Thread: any.
 */
int64_t server_own_files(const struct settings *settings);

/**
 * server_raise_file_limit()
 * Raise this process's limit of open files to the hard limit, and give it; -1
 * where it cannot be known. Thread: main, before any other starts.
 */
int64_t server_raise_file_limit(void);

#endif
