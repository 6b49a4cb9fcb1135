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
 * Thread: the loop's.
 */
#ifndef LEAT_HUB_H
#define LEAT_HUB_H

#include "base.h"
#include "exchange.h"
#include "job.h"
#include "queue.h"
#include "resume.h"
#include "settings.h"
#include "wheel.h"

#include <uv.h>

struct hub;
struct channel;
struct page;

/* What every send touches comes first, and together. */
struct follower {
    /* The hub's. */
    struct channel *channel; /* NULL: has not joined, or has left */
    struct follower *before, *behind;
    struct outlet *outlet; /* NULL before hub_open */
    struct entry_id at;    /* the last entry it has, or need not have */
    uint64_t next;         /* the frame it needs; meaningful while live */
    uint64_t mark;         /* the channel's bytes that are behind it */
    int64_t sent_ms;       /* when it last got bytes */
    uint64_t moved;        /* outlet bytes at the last look at a blocked one */
    struct page *page;     /* a page from Redis that it waits for */
    unsigned news;         /* which news it has */
    uint8_t stalls;        /* looks at which nothing had moved */
    bool live;

    /* Set by the owner before hub_join. */
    bool told; /* the client holds an id of this stream: what voids it must be said */
    bool all_events;
    struct exchange *exchange;
    char job[JOB_ID_SIZE]; /* what it came for; "" in a foreign stream */

    /* The hub's again. */
    struct alarm beat; /* set while it follows: when its silence is looked at */
    int64_t news_ms;   /* when it last got news; 0: never */
};

/* hub_new(loop, settings, queue): gives; NULL: no memory. Borrows all. */
MUST_CHECK struct hub *hub_new(uv_loop_t *loop, const struct settings *settings,
                               const struct queue *queue);

/* hub_free(h): all followers must have left. The loop must turn once more. NULL is harmless. */
void hub_free(struct hub *h);

/**
 * hub_join(h, f, feature_id, chat_id, view, from)
 * Follow a chat's stream from behind an id. Nothing is sent before hub_open.
 *
 * Borrows f until it has left; copies the rest. view: the chat as it was just read.
 * STATUS_FULL: no more streams can be followed here. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status hub_join(struct hub *h, struct follower *f, const char *feature_id,
                                const char *chat_id, const struct chat_view *view,
                                struct entry_id from);

/* hub_has_room(h, feature_id, chat_id): whether hub_join would find room now. */
bool hub_has_room(struct hub *h, const char *feature_id, const char *chat_id);

/* hub_put_news(f, out): append the news of a job that waits or runs, so that they go out with the
   stream's first lines. Between hub_join and hub_open, which would send them else. */
void hub_put_news(struct follower *f, struct buf *out);

/* hub_open(f, outlet): the stream's head and first lines are out; send. */
void hub_open(struct follower *f, struct outlet *outlet);

/* hub_writable(f): its outlet takes bytes again. */
void hub_writable(struct follower *f);

/* hub_leave(f): it follows no more. Harmless when it has left. */
void hub_leave(struct follower *f);

/* hub_end_some(h, most): end so many streams without [DONE]; who still wants one resumes
   elsewhere. */
void hub_end_some(struct hub *h, size_t most);

/* hub_followers(h): how many there are. */
size_t hub_followers(const struct hub *h);

#endif
