/**
 * channel.h: the inside of the hub, shared by hub.c, channel.c and follower.c.
 *
 *     hub.c       which channels there are; joining; the tick
 *     channel.c   one stream: its entries, its news, what Redis lost of it
 *     follower.c  one connection: what it is sent, and when it is cut
 *     rendered.c  the same, for one that speaks a dialect
 *
 * A follower may leave inside any loop over followers, and with the last one its
 * channel goes. So whoever loops holds the channel, and it is freed at release.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_CHANNEL_H
#define LEAT_CHANNEL_H

#include "frames.h"
#include "hub.h"
#include "table.h"
#include "tailer.h"
#include "turns.h"

#define NEWS_EVERY_MS 5000

enum news_kind { NEWS_NONE, NEWS_QUEUED, NEWS_RUNNING };

struct look;

/* One block of memory, and what hangs on it; an idle one should be small. */
struct channel {
    struct hub *hub;
    struct table_entry entry; /* in the hub's table, by its key */
    struct follower *followers;
    struct frames frames;
    struct tail *tail;
    struct look *look;  /* in the line, or under way */
    struct alarm tend;  /* set while there is something to be done later */
    int64_t looked_ms;  /* when it last asked for a look */
    int64_t entries_ms; /* when the last entries came */
    uint64_t number;    /* QUEUED: position; RUNNING: which attempt */
    char *worker;       /* RUNNING; NULL where it has no name */
    unsigned news;      /* counts the changes of kind, number and worker */
    unsigned held;
    uint8_t kind;              /* enum news_kind */
    uint8_t page_count;        /* entries that a page should have */
    bool look_again;           /* the look failed, or is older than what it is to tell of */
    bool complete;             /* the newest entry was an end */
    bool news_wait;            /* somebody lacks the news */
    bool pages_wait;           /* somebody lacks a page, and did not get it */
    char job[JOB_ID_SIZE];     /* of the newest frame */
    const char *chat_id, *key; /* behind the feature's in `texts` */
    char texts[];              /* feature_id, chat_id, key, each terminated */
};

struct hub {
    uv_loop_t *loop;
    const struct settings *settings;
    const struct queue *queue;
    struct tailer *tailer;
    uv_timer_t tick;
    struct table channels;
    uint32_t phase; /* of the next follower's beats */
    size_t followers;
    size_t rendered;             /* bytes that their renderers keep */
    size_t waiting;              /* channels whose job waits in its line */
    struct wheel beats, tends;   /* of followers; of channels */
    struct turns *looks, *pages; /* questions to Redis */
    struct buf scratch;          /* a text that is being made */
    hub_whole_fn *on_whole;
    hub_left_fn *on_left;
    void *left_arg;
};

/* ---- hub.c ---- */

/* hub_now_ms(h): the loop's clock. */
int64_t hub_now_ms(const struct hub *h);

/* hub_forget(h, c): take a channel out of the table. */
void hub_forget(struct hub *h, struct channel *c);

/* ---- channel.c ---- */

/* channel_new: gives a channel that follows key from behind an id, which is not behind the stream's
   end. STATUS_FULL, STATUS_NO_MEMORY. */
MUST_CHECK enum status channel_new(struct hub *h, const char *feature_id, const char *chat_id,
                                   const char *key, struct entry_id from, struct channel **out);

/* channel_hold, channel_release: between them it is not freed; release frees one without followers.
 */
void channel_hold(struct channel *c);
void channel_release(struct channel *c);

/* channel_read_view(c, view): the news that a fresh view of the chat holds. */
void channel_read_view(struct channel *c, const struct chat_view *view);

/* channel_tend_by(c, due_ms): see that it is tended then, or before. */
void channel_tend_by(struct channel *c, int64_t due_ms);

/* channel_tend(c): do what is due. It may be gone afterwards. */
void channel_tend(struct channel *c);

/* channel_ask_look: of hub.looks. */
turn_fn channel_ask_look;

/* What an entry is for the followers of a job. */
enum sight {
    SIGHT_ENTRY,      /* one of theirs */
    SIGHT_LOSS,       /* the job's first claim, where they have more: Redis lost that */
    SIGHT_REPLACED,   /* another job's, which replaces theirs */
    SIGHT_SUPERSEDED, /* another job's */
};

/* channel_see(job, before, entry): for those that stand at the id `before`. */
enum sight channel_see(const char *job, struct entry_id before, const struct entry *entry);

/**
 * channel_render(out, job, before, entry)
 * Replace out by an entry as the followers of a job see it that stand at the id `before`.
 * True: nothing comes for them behind it. Check buf_ok(out).
 */
bool channel_render(struct buf *out, const char *job, struct entry_id before,
                    const struct entry *entry);

/* ---- follower.c: all of these may make the follower leave ---- */

/* follower_link(c, f): it is the channel's now, and its silence is watched. */
void follower_link(struct channel *c, struct follower *f);

/* follower_pump(f): send it what there is, as far as its socket takes it. */
void follower_pump(struct follower *f);

/* follower_news(f): send the channel's news, if they are due; else the channel is tended then. */
void follower_news(struct follower *f);

/* follower_has_all(f): nothing of the channel's frames is for it any more. */
bool follower_has_all(const struct follower *f);

/* follower_beat(f): its alarm went off: it may have been silent for a heartbeat. */
void follower_beat(struct follower *f);

/* follower_ask_page: of hub.pages. */
turn_fn follower_ask_page;

/* follower_tell_loss(f, view): Redis holds less than it was sent; answer by the resume table. */
void follower_tell_loss(struct follower *f, const struct chat_view *view);

/* follower_put(f, data, length): one send. False: it has left by it. */
bool follower_put(struct follower *f, const char *data, size_t length);

/* follower_want_page(f): the entries behind `at` are to come from Redis; it waits for no page. */
void follower_want_page(struct follower *f);

/* follower_may_take(f): whether it takes more than comments now. */
bool follower_may_take(const struct follower *f);

/* follower_forget_page(f): a page that is under way is for nobody. */
void follower_forget_page(struct follower *f);

/* follower_size_pages(c, bytes, entries): so much a page came to that was used. */
void follower_size_pages(struct channel *c, size_t bytes, size_t entries);

/* A send is to have no more than about this. */
#define SPAN_MAX_BYTES 65536

/* follower_end(f): leaves, and the stream ends in its regular way. */
void follower_end(struct follower *f);

/* follower_end_early(f): the same before it has all; a stream in a dialect is broken off. */
void follower_end_early(struct follower *f);

/* follower_cut(f, why): leaves, and the connection is cut; the client may resume. */
void follower_cut(struct follower *f, const char *why);

/* ---- rendered.c: followers with `render`; they may leave in here ---- */

/* rendered_count(f): count what its renderer keeps now; none: nothing. */
void rendered_count(struct follower *f);

/* rendered_take(f, before, entries, count): they came behind the id `before`; if it has all up to
   there, it gets them. */
void rendered_take(struct follower *f, struct entry_id before, const struct entry *entries,
                   size_t count);

/* rendered_page(f, reply): what a page holds, as much as one send takes. */
void rendered_page(struct follower *f, const struct redisReply *reply);

/* rendered_pump(f): asks for what it lacks, or tells its renderer that it lacks nothing. */
void rendered_pump(struct follower *f);

/* rendered_tell_loss(f, view, resume): as follower_tell_loss. */
void rendered_tell_loss(struct follower *f, const struct chat_view *view,
                        const struct resume *resume);

#endif
