/**
 * outlet.h: the writing end of one open stream.
 *
 * What is sent goes straight to the connection's socket, one system call each,
 * framed as HTTP/1.1 asks (chunked) or not at all (HTTP/1.0). The socket never
 * blocks: what it does not take of a chunk is kept here, and until that rest is
 * out the outlet is blocked. The owner of a stream therefore sends while
 * !outlet_is_blocked, keeps no copy of what was accepted, and goes on at
 * exchange_events.on_writable (exchange.h).
 *
 * An outlet makes neither HTTP's head nor its end: both belong to exchange.h.
 *
 * Thread: the loop's that the connection belongs to.
 */
#ifndef LEAT_OUTLET_H
#define LEAT_OUTLET_H

#include "base.h"
#include "buf.h"
#include "status.h"

#include <sys/uio.h>

enum outlet_framing {
    OUTLET_CHUNKED, /* each send is one chunk: size in hex, CRLF, bytes, CRLF */
    OUTLET_RAW,     /* the bytes as they are; the end is the connection's end */
};

/* The most parts that one send may have. */
#define OUTLET_PARTS_MAX 12

/* The most bytes, framing included, that may be added while blocked: room for a
   few comments, so that a heartbeat or a last word need not be kept elsewhere. */
#define OUTLET_CONTROL_MAX 4096

/* To be looked at through the functions only. Owner: the exchange. */
struct outlet {
    int fd; /* borrowed */
    enum outlet_framing framing;
    bool closed;
    uint64_t sent_bytes; /* accepted by the socket, framing included */
    struct buf rest;     /* accepted and not yet taken by the socket; empty when not blocked */
    size_t rest_sent;    /* bytes of it that are out */
    size_t rest_control; /* bytes of it that were added while blocked */
};

/**
 * outlet_init(o, fd, framing)
 * Make an outlet over a non-blocking stream socket. Borrows fd.
 */
void outlet_init(struct outlet *o, int fd, enum outlet_framing framing);

/* outlet_clear(o): forget a rest and give its memory back. The socket stays open. */
void outlet_clear(struct outlet *o);

/**
 * outlet_send(o, parts, count)
 * Send the parts, one behind the other, as one chunk.
 *
 * Borrows parts (at most OUTLET_PARTS_MAX) and their bytes until it returns.
 * No bytes at all: nothing is sent, STATUS_OK (an empty chunk would end the body).
 * STATUS_OK: accepted as a whole; ask outlet_is_blocked before the next one.
 * STATUS_TOO_LONG: blocked, and the chunk does not fit into OUTLET_CONTROL_MAX:
 *   nothing was accepted, wait for on_writable.
 * STATUS_CLOSED: the peer is gone, here or earlier; on_gone follows.
 * STATUS_NO_MEMORY: nothing was accepted while blocked; else a part of the chunk
 *   is out and the rest is lost: the outlet is closed, call exchange_abort.
 */
MUST_CHECK enum status outlet_send(struct outlet *o, const struct iovec *parts, int count);

/**
 * outlet_put_http(o, data, length)
 * Bytes of HTTP itself, a stream's head or its end: they go out as they are, and are held
 * back for what follows, so that both make one packet: another send, outlet_push, or the end of
 * the connection's writing side. Behind a rest they go behind it.
 *
 * Borrows data. Statuses as of outlet_send, but for STATUS_TOO_LONG.
 */
MUST_CHECK enum status outlet_put_http(struct outlet *o, const void *data, size_t length);

/* outlet_push(o): nothing follows now: send what is held back. */
void outlet_push(struct outlet *o);

/**
 * outlet_write(o, data, length)
 * outlet_send with one part.
 */
MUST_CHECK enum status outlet_write(struct outlet *o, const void *data, size_t length);

/**
 * outlet_pass(o, chunks, length)
 * Send whole chunks that are framed already (chunk.h). Only for OUTLET_CHUNKED.
 * Borrows chunks until it returns. Statuses as of outlet_send.
 */
MUST_CHECK enum status outlet_pass(struct outlet *o, const void *chunks, size_t length);

/**
 * outlet_flush(o)
 * Give the socket what is left of the rest. Called by the exchange when the
 * socket is writable again.
 * STATUS_OK: look at outlet_is_blocked. STATUS_CLOSED: the peer is gone.
 */
MUST_CHECK enum status outlet_flush(struct outlet *o);

/* outlet_is_blocked(o): whether a rest waits for the socket. */
bool outlet_is_blocked(const struct outlet *o);

/* outlet_pending(o): bytes of that rest; they are the outlet's whole memory. */
size_t outlet_pending(const struct outlet *o);

#endif
