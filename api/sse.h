/**
 * sse.h: what goes over a stream, as Server-Sent Events.
 *
 * Every function appends whole frames: lines ended by LF, then an empty line.
 * Whatever bytes come from Redis, they cannot leave their line: data is split at
 * CR, LF and CRLF, named events carry JSON strings, comments are made one line.
 * All that is appended is valid UTF-8.
 *
 * All functions borrow everything; check buf_ok(out) at the end.
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_SSE_H
#define LEAT_SSE_H

#include "base.h"
#include "buf.h"
#include "entry.h"

/**
 * sse_event(out, id, name, data, length)
 * One event. id: an entry's id as text, or "end"; NULL for none. name: NULL for a
 * message. Both are words of our own, without control characters. data: any bytes.
 */
void sse_event(struct buf *out, const char *id, const char *name, const char *data, size_t length);

/* sse_comment(out, text): a line that readers pass over; control characters become spaces. */
void sse_comment(struct buf *out, const char *text);

/* sse_retry(out, wait_ms): how long a browser waits before it comes back. */
void sse_retry(struct buf *out, int64_t wait_ms);

/**
 * sse_entry(out, entry)
 * An entry of a stream, as followers see it:
 *   a message                  its data, with its id; without data, the id alone
 *   start                      `reset` with its id, if it has a reason; else nothing
 *   queued                     nothing
 *   done                       [DONE] with its id
 *   failed, cancelled, expired the named event without an id, then [DONE] with its id
 */
void sse_entry(struct buf *out, const struct entry *entry);

/* sse_reset(out, marker, job, number, reason): `reset`; number: which attempt, from 1. */
void sse_reset(struct buf *out, struct entry_id marker, const char *job, uint64_t number,
               const char *reason);

/* The ends that are no entry of the stream: the event, then [DONE] with `id: end`. */
void sse_superseded(struct buf *out, const char *job);
void sse_gone(struct buf *out, const char *job);
void sse_replaced(struct buf *out, const char *job); /* `cancelled`, reason `replaced` */

/**
 * sse_queued(out, job, position, named)
 * News of a waiting job: a comment, or a named event when the client asked for all.
 */
void sse_queued(struct buf *out, const char *job, uint64_t position, bool named);

/* sse_running(out, job, number, worker, named): news of a running one, the same way. */
void sse_running(struct buf *out, const char *job, uint64_t number, const char *worker, bool named);

#endif
