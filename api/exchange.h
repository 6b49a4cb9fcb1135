/**
 * exchange.h: one request and its answer, as the routes see them.
 *
 * The server makes an exchange when a request's first line has come, and shows
 * it to the application up to three times (server_handlers in server.h):
 *
 *     on_head      the head is complete and well-formed, the body has not come.
 *                  Answer here what needs no body: 404, 405, 415 …
 *     on_request   the body is complete. Answer at once, or bind and answer later,
 *                  or open a stream.
 *     on_refused   the server itself refuses (400, 413, 414, 503); the application
 *                  only gives it its form, by exchange_answer.
 *
 * The states, and who moves them:
 *
 *     READING ──▶ ASKED ──▶ WAITING ──▶ ANSWERED ──────────▶ closed
 *        │          │          ├──────▶ OPENING ─▶ OPEN ─▶ ENDING ─▶ closed
 *        │          │          │            any of them ─▶ CUT ────▶ closed
 *        └──────────┴── exchange_answer, exchange_stream
 *
 *     READING   head and body come in (on_head is called in here)
 *     ASKED     inside on_request
 *     WAITING   on_request returned without an answer. The connection rests; that
 *               the client leaves is noticed: on_gone
 *     ANSWERED  the answer is given and goes out
 *     OPENING   the stream's head goes out, past libmicrohttpd, which forgets the request
 *     OPEN      on_open was called; the application sends through the outlet
 *     ENDING    exchange_end was called; the rest is flushed, then body and connection end
 *     CUT       the client is gone, a deadline is over, or exchange_abort: the
 *               connection is shut and nothing more goes out
 *
 * Invariants:
 * - A connection has at most one exchange. The next request of a kept connection
 *   gets a new one, after the former has closed.
 * - From WAITING on there are exchange_events, given by exchange_bind.
 * - on_closed is the last that is heard of an exchange, and comes exactly once to
 *   each bound one, whatever happened: release the arg there and forget the
 *   exchange. It comes from the loop or inside server_free, never inside another
 *   function of this header or outlet.h. Unbound exchanges end silently.
 * - on_gone comes at most once, in WAITING or OPEN, from the loop; on_closed follows
 *   by itself. In other states a client that leaves is heard of by on_closed alone.
 * - In CUT every function is harmless and does nothing.
 * - The server frees an exchange right after on_closed. The application frees none.
 *
 * Any function may be called in any callback, for this exchange or another of the
 * same server. Thread: the server's loop, for every function.
 */
#ifndef LEAT_EXCHANGE_H
#define LEAT_EXCHANGE_H

#include "base.h"
#include "outlet.h"
#include "status.h"

struct exchange;

/* One header of an answer. Neither name nor value may be empty or hold CR or LF. */
struct exchange_field {
    const char *name;
    const char *value;
};

/* What becomes of a bound exchange. on_closed must be there, any other may be NULL. */
struct exchange_events {
    /* The stream's head is out: send. The outlet is borrowed until on_gone, or
       until exchange_end or exchange_abort. Not called for HEAD. */
    void (*on_open)(void *arg, struct outlet *outlet);
    /* A blocked outlet has flushed its rest: send on. */
    void (*on_writable)(void *arg);
    /* The client closed, half-closed or reset the connection: nothing more can be sent. */
    void (*on_gone)(void *arg);
    /* It is over: release arg. */
    void (*on_closed)(void *arg);
};

/* ---- the request ---- */

/* exchange_method(e): a token, as it came ("GET"), at most EXCHANGE_METHOD_MAX bytes.
   Borrowed until on_closed. */
const char *exchange_method(const struct exchange *e);
#define EXCHANGE_METHOD_MAX 15

/* exchange_target(e): path and query as they came, not decoded, only printable
   ASCII without spaces, at most EXCHANGE_TARGET_MAX bytes. Borrowed until the exchange is
   answered or its stream begins; "" from then on. */
const char *exchange_target(const struct exchange *e);
#define EXCHANGE_TARGET_MAX 4096

/**
 * exchange_header(e, name, value)
 * The value of a request header that may be given once.
 *
 * *value is NULL where there is none; printable bytes and tabs. Borrowed until the
 * exchange is answered or its stream begins.
 * STATUS_BAD_INPUT: given more than once; *value is NULL.
 */
MUST_CHECK enum status exchange_header(const struct exchange *e, const char *name,
                                       const char **value);

/* exchange_has_body(e): whether the head announces a body (also before it has come). */
bool exchange_has_body(const struct exchange *e);

/**
 * exchange_body(e, length)
 * The body, at most API_MAX_BODY, terminated by a NUL that length does not count;
 * "" where there is none. From on_request on; borrowed until the exchange is
 * answered or its stream begins.
 */
const char *exchange_body(const struct exchange *e, size_t *length);

/* ---- the application's side ---- */

/**
 * exchange_bind(e, events, arg)
 * Say who hears what becomes of this exchange. Once; in on_head or on_request.
 *
 * Borrows events until on_closed. arg is kept for the application, which releases
 * it in on_closed.
 */
void exchange_bind(struct exchange *e, const struct exchange_events *events, void *arg);

/* exchange_bound(e): the arg of exchange_bind; NULL before. */
void *exchange_bound(const struct exchange *e);

/**
 * exchange_answer(e, http_status, fields, count, body, length)
 * Answer with a complete body; Content-Length, Date and, where it is due,
 * Connection: close are added. Once; in any callback of server_handlers, or later
 * when bound. HEAD gets the same head and no body.
 *
 * Borrows everything until it returns.
 * STATUS_CLOSED: the client is gone, or an answer was given before; nothing to do.
 * STATUS_NO_MEMORY, STATUS_BAD_INPUT (a field breaks the rules above): nothing was
 *   answered; answer otherwise, or exchange_abort.
 */
MUST_CHECK enum status exchange_answer(struct exchange *e, int http_status,
                                       const struct exchange_field *fields, size_t count,
                                       const void *body, size_t length);

/**
 * exchange_stream(e, fields, count)
 * Answer with 200 and a body that goes on until exchange_end. In on_request, or
 * later; the exchange must be bound. HEAD gets the head alone, and then on_closed. The
 * connection ends with the stream, and says so; what the client sends meanwhile is dropped.
 *
 * Borrows fields until it returns. Statuses as of exchange_answer.
 */
MUST_CHECK enum status exchange_stream(struct exchange *e, const struct exchange_field *fields,
                                       size_t count);

/**
 * exchange_end(e)
 * End the stream's body in its regular way once the outlet's rest is out. No
 * on_writable comes any more. A client that does not take the rest within
 * API_BODY_TIMEOUT_MS is cut. In OPENING, where on_open has not come, it does not
 * come any more. Harmless when the exchange is no stream, or ended before.
 */
void exchange_end(struct exchange *e);

/**
 * exchange_abort(e)
 * Shut the connection at once, in any state: the client sees a body that broke
 * off. No on_gone; on_closed follows.
 */
void exchange_abort(struct exchange *e);

#endif
