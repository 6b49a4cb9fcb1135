/**
 * http_reader.h: an HTTP/1.1 answer as it comes, in pieces of any size.
 *
 * Reads the head, then takes the framing off the body (chunked, by length, or
 * until the close). It sees bytes and never sockets. A body piece is handed on
 * where it lies; nothing is copied but a head that comes in several pieces.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BENCH_HTTP_READER_H
#define LEAT_BENCH_HTTP_READER_H

#include "buf.h"

enum http_place {
    HTTP_HEAD,
    HTTP_SIZE,      /* in the digits of a chunk's size */
    HTTP_EXTENSION, /* behind them, to the line's end */
    HTTP_CHUNK,
    HTTP_CHUNK_END, /* the line end behind a chunk */
    HTTP_TRAILER,   /* behind the last chunk, to an empty line */
    HTTP_LENGTH,
    HTTP_UNTIL_CLOSE,
    HTTP_ENDED,
};

struct http_reader {
    enum http_place place;
    int status;      /* 0 until the head is whole */
    bool line_empty; /* of the trailer */
    uint64_t left;   /* of the chunk, or of the body */
    struct buf head; /* one that came in pieces */
};

/* Some bytes of the body. Borrowed during the call. */
typedef void http_body(void *arg, const char *data, size_t length);

/* http_reader_reset(r): ready for the next answer; keeps its memory. */
void http_reader_reset(struct http_reader *r);

/* http_reader_clear(r): free. */
void http_reader_clear(struct http_reader *r);

/* http_reader_feed(r, data, length, body, arg): what came next. False: this is no HTTP answer, or
   there are bytes behind its end, or no memory. */
MUST_CHECK bool http_reader_feed(struct http_reader *r, const char *data, size_t length,
                                 http_body *body, void *arg);

#endif
