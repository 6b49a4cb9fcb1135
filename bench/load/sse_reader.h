/**
 * sse_reader.h: Server-Sent Events as they come, in pieces of any size.
 *
 * An event that lies whole in one piece is handed on where it lies; only what is
 * split is copied. As in a browser, the last id seen stays until another comes.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BENCH_SSE_READER_H
#define LEAT_BENCH_SSE_READER_H

#include "buf.h"

#define SSE_ID_SIZE 48

struct sse_reader {
    char id[SSE_ID_SIZE]; /* the last one, "" before; a longer one is cut short */
    char name[16];        /* of the event that is being read, "" for a message */
    bool has_id;          /* this event brought the id itself */
    bool has_data;
    uint64_t comments;
    struct buf line; /* one that is not whole yet */
    struct buf data; /* of an event that is not whole yet */
};

/* data: its data lines, joined by LF; not terminated. Borrowed during the call, as is r. */
typedef void sse_take(void *arg, const struct sse_reader *r, const char *data, size_t length);

/* sse_reader_reset(r): at the start of another body. The last id stays, and the memory. */
void sse_reader_reset(struct sse_reader *r);

/* sse_reader_clear(r): free, and forget the id. */
void sse_reader_clear(struct sse_reader *r);

/* sse_reader_feed(r, data, length, take, arg): what came next. Calls take for each event that has
   data and is whole. False: no memory. */
MUST_CHECK bool sse_reader_feed(struct sse_reader *r, const char *data, size_t length,
                                sse_take *take, void *arg);

#endif
