/**
 * demo_server.h: the gateway's transport with a tiny application, in a thread.
 *
 *     GET  /hello               "hello\n"
 *     POST /echo                the body
 *     GET  /stream?count=&size= so many chunks of so many bytes, as fast as they go
 *     GET  /hold                a stream that says ":\n\n" and stays, until demo_end_streams
 *     GET  /wait                bound, and never answered
 *     GET  /later               answered after 20 ms
 *     GET  /late-stream         a stream like /stream?count=3&size=10 after 20 ms
 *     GET  /abort               a stream that is aborted after its first chunk
 *     GET  /nothing             neither answered nor bound
 *     GET  /fat, /fat-stream    an answer, an empty stream, with 1 kB of headers
 *     any other                 404, at its head
 *
 * Thread: any one, but for the loop's own.
 */
#ifndef LEAT_DEMO_SERVER_H
#define LEAT_DEMO_SERVER_H

#include "server.h"

struct demo;

/* What differs from the defaults; 0 means the default. */
struct demo_options {
    int port;
    bool port_shared;
    size_t connections_max;
    size_t address_max;
    struct capacity *capacity; /* borrowed, and shared with others */
    int64_t body_max_bytes;
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    int64_t idle_timeout_ms;
};

struct demo_stats {
    size_t asked; /* on_request */
    size_t bound;
    size_t opened;
    size_t gone;
    size_t closed;
    size_t turns; /* of the loop */
};

/* demo_start(options): gives; fails the test where it cannot start. */
struct demo *demo_start(const struct demo_options *options);

/* demo_try(options, error): NULL: it could not start, and error says why. */
struct demo *demo_try(const struct demo_options *options, struct buf *error);

int demo_port(const struct demo *d);
void demo_get_stats(const struct demo *d, struct demo_stats *out);
void demo_get_counts(const struct demo *d, struct server_counts *out);

/* demo_wake(d): its loop turns at least once more. */
void demo_wake(struct demo *d);

/* demo_drain(d): server_drain, and the end of all streams. */
void demo_drain(struct demo *d);

/* demo_end_streams(d): exchange_end for each that is open. */
void demo_end_streams(struct demo *d);

/* demo_stop(d): server_free as things stand, join, and release. NULL is harmless. */
void demo_stop(struct demo *d);

#endif
