/*
 * writer.c: the blocking half of a task's conversation. A reader that is slow
 * makes write() wait, which is all the back pressure that a task needs.
 */
#include "writer.h"

#include <errno.h>
#include <unistd.h>

#define FULL_BYTES (64 * 1024)

enum status writer_flush(struct writer *w)
{
    if (!buf_ok(&w->pending))
        return STATUS_NO_MEMORY;
    size_t done = 0;
    while (done < w->pending.length) {
        ssize_t written = write(w->fd, w->pending.data + done, w->pending.length - done);
        if (written < 0 && errno != EINTR)
            return errno == EPIPE ? STATUS_CLOSED : STATUS_SYSTEM;
        if (written > 0)
            done += (size_t)written;
    }
    buf_reset(&w->pending);
    return STATUS_OK;
}

enum status writer_line(struct writer *w)
{
    if (w->at_once || w->pending.failed || w->pending.length >= FULL_BYTES)
        return writer_flush(w);
    return STATUS_OK;
}

void writer_clear(struct writer *w)
{
    buf_clear(&w->pending);
}
