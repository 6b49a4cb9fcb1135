/**
 * tracking.h: tails without a connection of their own; the inside of the tailer.
 *
 * Two connections serve them all. On one Redis tells which keys have changed (CLIENT TRACKING, sent
 * on by REDIRECT, because RESP2 has no room for it beside answers); on the other just those are
 * read. So a silent stream costs nothing, a busy one no more than one read for all that came, and
 * a stream that is left costs Redis at most one needless message.
 *
 * What the functions promise is said in tailer.h.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TRACKING_H
#define LEAT_TRACKING_H

#include "tail.h"

enum tracking_answer {
    TRACKING_UNKNOWN, /* Redis was not asked yet, or has not answered */
    TRACKING_ALLOWED,
    TRACKING_REFUSED, /* what is tracked all the same is asked for again and again */
};

/* tracking_new: gives, and connects; NULL: no memory. Borrows all. commands: made anew as well when
   the server turns out to be no master: what is only read there is not told so. */
MUST_CHECK struct tracking *tracking_new(uv_loop_t *loop, const struct settings *settings,
                                         struct redis *commands);

/* tracking_free(t): all tails must have been left. The loop must turn once more. NULL is harmless.
 */
void tracking_free(struct tracking *t);

/* tracking_answer(t): whether Redis lets us; as it said last, while it is away. */
enum tracking_answer tracking_answer(const struct tracking *t);

/* tracking_follow: gives a tail in *out. STATUS_NO_MEMORY. */
MUST_CHECK enum status tracking_follow(struct tracking *t, const char *key, struct entry_id after,
                                       const struct tailer_events *events, void *arg,
                                       struct tail **out);

void tracking_move(struct tail *tail, struct entry_id after);
void tracking_leave(struct tail *tail);

/* tracking_count(f, figures): fill in what is said of tracking. */
void tracking_count(const struct tracking *t, struct tailer_figures *figures);

#endif
