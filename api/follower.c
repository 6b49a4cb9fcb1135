/*
 * follower.c: one open connection and what it is sent.
 *
 * follower_pump() is the only function that moves a follower along. It runs when
 * frames came, when the socket takes bytes again, when a page came from Redis,
 * and when the stream's head is out. Whatever it sends is one send.
 *
 * A follower whose next frame is not among the frames asks Redis for a page, sends as much of
 * it as one send takes, and so on until its place is within the frames again. The
 * page's answer finds its follower through a small record that is emptied when
 * that leaves.
 *
 * Dangerous: every function that sends may end in follower_cut or hub_leave, and
 * after that the follower has no channel. Functions that go on say so by a bool.
 */
#include "channel.h"

#include "log.h"
#include "resume.h"
#include "sse.h"

#include <stdlib.h>
#include <string.h>

#define SPAN_MAX_BYTES 65536
#define PAGE_COUNT "32"
#define STALLS_MAX 2

struct page {
    struct follower *follower; /* NULL: it is gone */
};

/* ---- the order of silence ---- */

static void quiet_unlink(struct hub *h, struct follower *f)
{
    *(f->quieter ? &f->quieter->louder : &h->quietest) = f->louder;
    *(f->louder ? &f->louder->quieter : &h->loudest) = f->quieter;
    f->quieter = f->louder = NULL;
}

static void quiet_append(struct hub *h, struct follower *f)
{
    f->sent_ms = hub_now_ms(h);
    f->quieter = h->loudest;
    f->louder = NULL;
    *(h->loudest ? &h->loudest->louder : &h->quietest) = f;
    h->loudest = f;
}

static void was_sent(struct follower *f)
{
    struct hub *h = f->channel->hub;
    f->moved = f->outlet->sent_bytes;
    f->stalls = 0;
    if (f->sent_ms == hub_now_ms(h))
        return;
    quiet_unlink(h, f);
    quiet_append(h, f);
}

/* ---- followers come and go ---- */

void follower_link(struct channel *c, struct follower *f)
{
    f->channel = c;
    f->before = NULL;
    f->behind = c->followers;
    if (c->followers)
        c->followers->before = f;
    c->followers = f;
    c->hub->followers++;
    quiet_append(c->hub, f);
}

/* A page that is under way is for nobody. */
static void forget_page(struct follower *f)
{
    if (f->page)
        f->page->follower = NULL;
    f->page = NULL;
}

void hub_leave(struct follower *f)
{
    struct channel *c = f->channel;
    if (!c)
        return;
    channel_hold(c);
    *(f->before ? &f->before->behind : &c->followers) = f->behind;
    if (f->behind)
        f->behind->before = f->before;
    quiet_unlink(c->hub, f);
    c->hub->followers--;
    forget_page(f);
    f->channel = NULL;
    f->outlet = NULL;
    channel_release(c);
}

void follower_end(struct follower *f)
{
    struct exchange *exchange = f->exchange;
    hub_leave(f);
    exchange_end(exchange);
}

void follower_cut(struct follower *f, const char *why)
{
    struct exchange *exchange = f->exchange;
    log_info("follower_cut", LOG_S("job", f->job), LOG_S("why", why));
    hub_leave(f);
    exchange_abort(exchange);
}

/* What a send came to; false when the follower has left by it. */
static bool was_put(struct follower *f, enum status status)
{
    if (status == STATUS_OK) {
        was_sent(f);
        return true;
    }
    /* on_gone follows by itself when the peer has closed. */
    if (status == STATUS_CLOSED)
        hub_leave(f);
    else
        follower_cut(f, status_name(status));
    return false;
}

static bool put(struct follower *f, const char *data, size_t length)
{
    return was_put(f, outlet_write(f->outlet, data, length));
}

/* ---- news and heartbeats ---- */

static void send_news(struct follower *f)
{
    struct channel *c = f->channel;
    struct buf *text = &c->hub->scratch;
    buf_reset(text);
    f->news = c->news;
    if (c->kind == NEWS_QUEUED)
        sse_queued(text, c->job, c->number, f->all_events);
    else if (c->kind == NEWS_RUNNING)
        sse_running(text, c->job, c->number, c->worker, f->all_events);
    if (text->length == 0 || !buf_ok(text))
        return;
    f->news_ms = hub_now_ms(c->hub);
    put(f, text->data, text->length);
}

static bool news_are_due(const struct follower *f)
{
    const struct channel *c = f->channel;
    return f->outlet && f->news != c->news && !outlet_is_blocked(f->outlet) &&
           strcmp(f->job, c->job) == 0 &&
           (f->news_ms == 0 || hub_now_ms(c->hub) - f->news_ms >= NEWS_EVERY_MS);
}

void follower_news(struct follower *f)
{
    if (news_are_due(f))
        send_news(f);
}

/* A blocked follower needs no heartbeat; it is watched for bytes that move. */
static void watch_blocked(struct follower *f)
{
    if (f->moved != f->outlet->sent_bytes)
        f->stalls = 0;
    else
        f->stalls++;
    f->moved = f->outlet->sent_bytes;
    if (f->stalls >= STALLS_MAX) {
        follower_cut(f, "stalled");
        return;
    }
    quiet_unlink(f->channel->hub, f);
    quiet_append(f->channel->hub, f);
}

void follower_beat(struct follower *f)
{
    struct hub *h = f->channel->hub;
    if (f->outlet && outlet_is_blocked(f->outlet)) {
        watch_blocked(f);
    } else if (f->outlet) {
        put(f, ":\n\n", 3);
    } else {
        quiet_unlink(h, f);
        quiet_append(h, f);
    }
}

/* ---- sending ---- */

/* Frames from `next` on that go out in one send: up to one that ends, or SPAN_MAX_BYTES. */
static const struct frame *span_from(const struct frames *frames, uint64_t next, size_t *length,
                                     uint64_t *behind)
{
    const struct frame *last = NULL;
    *length = 0;
    for (const struct frame *frame; (frame = frames_at(frames, next)); next++) {
        if (last && (last->ends || *length + frame->length > SPAN_MAX_BYTES))
            break;
        *length += frame->length;
        last = frame;
    }
    *behind = next;
    return last;
}

/* Whether it has the frame, or need not have it. The marker of its own job ends only the others:
   the first one may be gone (a claim trims it) before the channel knew of the job. */
static bool passes_over(const struct follower *f, const struct frame *frame)
{
    return entry_id_compare(frame->id, f->at) <= 0 ||
           (frame->ends == FRAME_ENDS_OTHERS && strcmp(f->job, f->channel->job) == 0);
}

/* NULL when there is nothing more for it yet. */
static const struct frame *frame_for(struct follower *f)
{
    const struct frames *frames = &f->channel->frames;
    const struct frame *frame;
    while ((frame = frames_at(frames, f->next)) && passes_over(f, frame)) {
        if (entry_id_compare(frame->id, f->at) > 0)
            f->at = frame->id;
        f->next++;
    }
    return frame;
}

/* Frames are chunks already; a connection without that framing gets what is in them. */
static enum status send_frames(struct follower *f, size_t length, uint64_t behind)
{
    const struct frames *frames = &f->channel->frames;
    struct buf *text = &f->channel->hub->scratch;
    if (f->outlet->framing == OUTLET_CHUNKED)
        return outlet_pass(f->outlet, frames_bytes(frames, frames_at(frames, f->next)), length);
    buf_reset(text);
    for (uint64_t number = f->next; number < behind; number++) {
        size_t part;
        const char *bytes = frames_text(frames, frames_at(frames, number), &part);
        buf_add(text, bytes, part);
    }
    return buf_ok(text) ? outlet_write(f->outlet, text->data, text->length) : STATUS_NO_MEMORY;
}

/* From f->next on. False: the follower has left. */
static bool send_span(struct follower *f)
{
    const struct frames *frames = &f->channel->frames;
    size_t length;
    uint64_t behind;
    const struct frame *last = span_from(frames, f->next, &length, &behind);
    bool ends = last->ends;
    enum status status = length > 0 ? send_frames(f, length, behind) : STATUS_OK;
    f->at = last->id;
    f->next = behind;
    f->mark = last->start + last->length;
    f->told = f->told || length > 0;
    if (length > 0 && !was_put(f, status))
        return false;
    if (ends)
        follower_end(f);
    return !ends;
}

static void go_live(struct follower *f)
{
    const struct frames *frames = &f->channel->frames;
    f->live = true;
    f->next = frames_after(frames, f->at);
    const struct frame *frame = frames_at(frames, f->next);
    f->mark = frame ? frame->start : frames->written;
}

/* ---- pages from Redis ---- */

/* Sends what one page holds, as much as one send takes. False: the follower has left. */
static bool send_page(struct follower *f, const struct redisReply *reply)
{
    struct buf whole = {0};
    struct buf *one = &f->channel->hub->scratch;
    struct entry entry;
    bool ends = false, stays = true;
    for (size_t i = 0; i < redis_reply_count(reply) && !ends; i++) {
        if (!entry_read(redis_reply_at(reply, i), &entry))
            continue;
        bool is_last = channel_render(one, f->job, f->at, &entry);
        if (whole.length > 0 && whole.length + one->length > SPAN_MAX_BYTES)
            break;
        buf_add(&whole, one->data, one->length);
        ends = is_last;
        f->at = entry.id;
    }
    if (!buf_ok(&whole) || !buf_ok(one)) {
        follower_cut(f, "no memory");
        stays = false;
    } else if (whole.length > 0) {
        f->told = true;
        f->mark = (uint64_t)min_i64((int64_t)(f->mark + whole.length),
                                    (int64_t)f->channel->frames.written);
        stays = put(f, whole.data, whole.length);
    }
    buf_clear(&whole);
    if (stays && ends)
        follower_end(f);
    return stays && !ends;
}

static void on_page(void *arg, enum status status, const struct redisReply *reply)
{
    struct page *page = arg;
    struct follower *f = page->follower;
    free(page);
    if (!f)
        return;
    f->page = NULL;
    /* Without an answer the tick asks again. */
    if (status != STATUS_OK)
        return;
    /* A comment may have blocked it meanwhile: asked again when it is writable. An empty page
       is asked for again by the tick: Redis has lost what stood there, or gets it back. */
    if (outlet_is_blocked(f->outlet) || redis_reply_count(reply) == 0)
        return;
    struct channel *c = f->channel;
    channel_hold(c);
    if (send_page(f, reply))
        follower_pump(f);
    channel_release(c);
}

static void ask_page(struct follower *f)
{
    char from[ENTRY_ID_SIZE + 1] = "(";
    struct channel *c = f->channel;
    struct page *page = malloc(sizeof *page);
    if (!page)
        return;
    page->follower = f;
    size_t from_length = 1 + entry_id_format(f->at, from + 1);
    const char *argv[] = {"XRANGE", c->key, from, "+", "COUNT", PAGE_COUNT};
    const size_t lengths[] = {6, strlen(c->key), from_length, 1, 5, strlen(PAGE_COUNT)};
    f->page = page;
    if (redis_send(c->hub->queue->redis, COUNT_OF(argv), argv, lengths, on_page, page) !=
        STATUS_OK) {
        f->page = NULL;
        free(page);
    }
}

/* Moves a follower as far as it can go now. It may have left afterwards. */
void follower_pump(struct follower *f)
{
    while (f->outlet && !f->page && !outlet_is_blocked(f->outlet)) {
        const struct frames *frames = &f->channel->frames;
        if (f->live && f->next < frames->first)
            f->live = false;
        if (!f->live && frames_reach(frames, f->at))
            go_live(f);
        if (!f->live) {
            ask_page(f);
            return;
        }
        if (!frame_for(f) || !send_span(f))
            return;
    }
}

/* ---- loss ---- */

static struct resume resume_after_loss(const struct follower *f, const struct chat_view *view)
{
    struct cursor cursor = {.kind = f->told ? CURSOR_ENTRY : CURSOR_NONE, .id = f->at};
    struct resume resume = resume_decide(&cursor, f->job, view);
    /* It has something else than the end that stands in its place now. */
    if (resume.action == RESUME_NO_CONTENT && view->ended && view->stream == STREAM_OURS)
        resume = (struct resume){RESUME_RESET, {view->attempt, 0}, "history_lost"};
    return resume;
}

void follower_tell_loss(struct follower *f, const struct chat_view *view)
{
    struct buf *text = &f->channel->hub->scratch;
    struct resume resume = resume_after_loss(f, view);
    buf_reset(text);
    switch (resume.action) {
    case RESUME_WAIT:
        return;
    case RESUME_RESET:
        sse_reset(text, resume.from, view->job, view->number, resume.reason);
        break;
    case RESUME_FOLLOW:
        break;
    case RESUME_SUPERSEDED:
        sse_superseded(text, view->job);
        break;
    case RESUME_GONE:
    case RESUME_NO_CONTENT:
        sse_gone(text, f->job);
        break;
    }
    bool follows = resume.action == RESUME_FOLLOW || resume.action == RESUME_RESET;
    if (!buf_ok(text) || (text->length > 0 && !f->outlet)) {
        follower_cut(f, "history lost");
        return;
    }
    if (text->length > 0 && !put(f, text->data, text->length))
        return;
    if (!follows) {
        follower_end(f);
        return;
    }
    forget_page(f);
    f->at = resume.from;
    f->live = false;
}

/* ---- hub.h's calls for one follower ---- */

void hub_open(struct follower *f, struct outlet *outlet)
{
    struct channel *c = f->channel;
    if (!c)
        return;
    f->outlet = outlet;
    channel_hold(c);
    follower_news(f);
    if (f->channel)
        follower_pump(f);
    channel_release(c);
}

void hub_writable(struct follower *f)
{
    struct channel *c = f->channel;
    if (!c)
        return;
    channel_hold(c);
    follower_pump(f);
    channel_release(c);
}
