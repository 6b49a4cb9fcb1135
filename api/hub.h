/**
 * hub.h: which stream has which followers, and where each of them stands.
 *
 * A *channel* is one stream that somebody here follows: a tail (tailer.h), the
 * newest frames (frames.h), and its followers. A *follower* is one open
 * connection: a position in the channel's frames, never a queue of its own.
 *
 *     JOINED ──hub_open──▶ LIVE ◀──────▶ PAGING
 *        │                   │             │     its next frame was dropped, or never
 *        └───────────────────┴─────────────┘     here: served from Redis until it is
 *                            ▼
 *                          LEFT   (hub_leave, or the hub ended it)
 *
 * Invariants:
 * - A follower gets the entries behind `at` in their order, each once: whatever
 *   brings an entry with an id not behind `at` is passed over.
 * - It gets nothing behind a frame that ends it.
 * - While its outlet is blocked it gets nothing but comments. If then more than
 *   API_MAX_BACKLOG is written behind its back, or nothing moves for two
 *   heartbeats, it is cut without [DONE], and may resume.
 * - A channel lives as long as it has followers. Its frames begin where the stream
 *   ended when it was made.
 *
 * A *rendered* follower speaks a dialect (render.h). It begins at its attempt's start and is given
 * entries, never frames: those of a read as they come while it has all before them and its socket
 * takes bytes, and pages from Redis else. A *whole* one has no outlet; its owner is told at the
 * end. What renderers keep is counted: where all of them keep this loop's share of
 * API_MAX_RENDERED, no new one joins, and one that has grown by more than HUB_KEPT_FREELY is cut
 * when it grows again.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_HUB_H
#define LEAT_HUB_H

#include "base.h"
#include "exchange.h"
#include "job.h"
#include "queue.h"
#include "render.h"
#include "resume.h"
#include "settings.h"
#include "wheel.h"

#include <uv.h>

#define HUB_KEPT_FREELY 65536 /* bytes */

struct hub;
struct channel;
struct page;

/* What every send touches comes first, and together. */
struct follower {
    /* The hub's. */
    struct channel *channel; /* NULL: has not joined, or has left */
    struct follower *before, *behind;
    struct outlet *outlet; /* NULL before hub_open, and of a whole one */
    struct render *render; /* NULL: raw. Set by the owner before hub_join; then the hub's */
    struct entry_id at;    /* the last entry it has, or need not have */
    uint64_t next;         /* the frame it needs; meaningful while live */
    uint64_t mark;         /* the channel's bytes that are behind it */
    int64_t sent_ms;       /* when it last got bytes */
    uint64_t moved;        /* outlet bytes at the last look at a blocked one */
    struct page *page;     /* a page from Redis that it waits for */
    unsigned news;         /* which news it has */
    uint8_t stalls;        /* looks at which nothing had moved */
    bool live;
    size_t kept;       /* what its renderer keeps, as the hub has counted it */
    size_t kept_first; /* the same when it joined */

    /* Set by the owner before hub_join. */
    bool told; /* the client holds an id of this stream: what voids it must be said */
    bool all_events;
    struct exchange *exchange;
    char job[JOB_ID_SIZE]; /* what it came for; "" in a foreign stream */
    bool render_once;      /* `render` is for what is there already; behind that it is raw */
    bool whole;            /* see hub_on_whole */
    bool cancels;          /* see hub_on_left */

    /* The hub's again. */
    struct alarm beat; /* set while it follows: when its silence is looked at */
    int64_t news_ms;   /* when it last got news; 0: never */
};

/* hub_new(loop, settings, queue): gives; NULL: no memory. Borrows all. */
MUST_CHECK struct hub *hub_new(uv_loop_t *loop, const struct settings *settings,
                               const struct queue *queue);

/**
 * hub_on_whole(h, fn)
 * Say who hears that a whole follower has left by the hub's doing: its exchange is to be answered.
 * render: of one that has all, for render_whole; NULL: it was not to be (the gateway drains, or has
 * no memory). Borrowed until fn returns.
 */
typedef void hub_whole_fn(struct follower *f, struct render *render);
void hub_on_whole(struct hub *h, hub_whole_fn *fn);

/**
 * hub_on_left(h, fn, arg)
 * Say who hears that a follower with `cancels` was left by its client (hub_abandon, a closed
 * socket, or one that took no byte for two heartbeats), not by the hub's doing. Borrows arg. It has
 * left when fn is called; the texts are borrowed until fn returns.
 */
typedef void hub_left_fn(void *arg, const char *feature_id, const char *chat_id, const char *job);
void hub_on_left(struct hub *h, hub_left_fn *fn, void *arg);

/* hub_free(h): all followers must have left. The loop must turn once more. NULL is harmless. */
void hub_free(struct hub *h);

/**
 * hub_join(h, f, feature_id, chat_id, view, from)
 * Follow a chat's stream from behind an id. Nothing is sent before hub_open.
 *
 * Borrows f until it has left; copies the rest. view: the chat as it was just read.
 * STATUS_FULL: no more streams can be followed here, or no more in a dialect. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status hub_join(struct hub *h, struct follower *f, const char *feature_id,
                                const char *chat_id, const struct chat_view *view,
                                struct entry_id from);

/* hub_has_room(h, feature_id, chat_id): whether hub_join would find room now. */
bool hub_has_room(struct hub *h, const char *feature_id, const char *chat_id);

/* hub_may_render(h, bytes): whether a rendered one that begins with so many may join now. */
bool hub_may_render(const struct hub *h, size_t bytes);

/* hub_put_news(f, out): append the news of a job that waits or runs, so that they go out with the
   stream's first lines. Between hub_join and hub_open, which would send them else. */
void hub_put_news(struct follower *f, struct buf *out);

/* hub_open(f, outlet): the stream's head and first lines are out; send. A whole one: NULL. */
void hub_open(struct follower *f, struct outlet *outlet);

/* hub_writable(f): its outlet takes bytes again. */
void hub_writable(struct follower *f);

/* hub_leave(f): it follows no more. Harmless when it has left. */
void hub_leave(struct follower *f);

/* hub_abandon(f): the same, because its client is gone. */
void hub_abandon(struct follower *f);

/* hub_follows(h, feature_id, chat_id, job): whether anybody follows that job here. */
bool hub_follows(struct hub *h, const char *feature_id, const char *chat_id, const char *job);

/* hub_end_some(h, most): end so many streams without their end (in a dialect: break them off), and
   whole ones by hub_on_whole; who still wants one resumes elsewhere. */
void hub_end_some(struct hub *h, size_t most);

/* hub_followers(h): how many there are. */
size_t hub_followers(const struct hub *h);

#endif
