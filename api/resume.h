/**
 * resume.h: where a follower goes on.
 *
 * A pure function of what the client holds (a cursor, a pinned job) and what
 * the chat looks like at one moment. The gateway asks it when a follower
 * arrives, and again for every open stream when Redis comes back.
 *
 * Thread: any.
 */
#ifndef LEAT_RESUME_H
#define LEAT_RESUME_H

#include "base.h"
#include "entry.h"
#include "job.h"

enum cursor_kind {
    CURSOR_NONE,  /* the client holds nothing */
    CURSOR_END,   /* "end": it was told that there is nothing more */
    CURSOR_ENTRY, /* the last entry it has */
};

struct cursor {
    enum cursor_kind kind;
    struct entry_id id; /* CURSOR_ENTRY */
};

/* The text of CURSOR_END, in both directions. */
#define CURSOR_END_TEXT "end"

enum resume_action {
    RESUME_NO_CONTENT, /* 204: a browser stops */
    RESUME_FOLLOW,     /* send what stands behind `from` */
    RESUME_RESET,      /* announce `reset` with `reason` and `from` as its id, then FOLLOW */
    RESUME_WAIT,       /* comments only, until the stream has reached `from`; then FOLLOW. Ask
                          again when the attempt changes or the job ends */
    RESUME_SUPERSEDED, /* the event `superseded`, and the end */
    RESUME_GONE,       /* the event `gone`, and the end */
};

struct resume {
    enum resume_action action;
    struct entry_id from; /* FOLLOW, RESET, WAIT: exclusive */
    const char *reason;   /* RESET: "retry" or "history_lost"; static. NULL otherwise */
};

/**
 * resume_decide(cursor, pinned, view)
 * The design's table "Resume", first row that fits, and what holds without a cursor.
 *
 * Borrows all. pinned: a job's id in lower case; "" for none.
 * For an open stream the cursor is the last entry that was sent with an id,
 * CURSOR_NONE while there was none: `queued` and a first `start` send nothing,
 * so they are no cursor, and what follows them is no `reset`.
 */
struct resume resume_decide(const struct cursor *cursor, const char *pinned,
                            const struct chat_view *view);

#endif
