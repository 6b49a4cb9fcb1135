/**
 * writer.h: lines to a file descriptor, each at once or many in one write.
 */
#ifndef LEAT_WRITER_H
#define LEAT_WRITER_H

#include "base.h"
#include "buf.h"
#include "status.h"

/* owner: the task process's only thread. Set fd and at_once, zero the rest. */
struct writer {
    int fd;
    bool at_once; /* each line is one write of its own */
    struct buf pending;
};

/**
 * writer_line(w)
 * What the caller has added to w->pending is now one more whole line: write it,
 * or keep it until 64 KiB are together.
 *
 * STATUS_CLOSED: nobody reads any more. STATUS_NO_MEMORY, STATUS_SYSTEM: as named.
 */
MUST_CHECK enum status writer_line(struct writer *w);

/**
 * writer_flush(w)
 * Write what is kept. Blocks while the reader is slow. Returns as writer_line.
 */
MUST_CHECK enum status writer_flush(struct writer *w);

/* writer_clear(w): give the memory back; what was not flushed is lost. */
void writer_clear(struct writer *w);

#endif
