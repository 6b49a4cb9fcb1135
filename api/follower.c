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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_COUNT_MOST 32
#define STALLS_MAX 2
#define NEWS_BLOCKED_MS 1000
#define PAGE_AGAIN_MS 250

struct page {
    struct turn turn;
    struct follower *follower; /* NULL: it is gone */
};

/* ---- silence ---- */

/* A little less than a heartbeat: the comment is to come before that is over. */
static int64_t silence_ms(const struct hub *h)
{
    int64_t heartbeat_ms = h->settings->api_heartbeat_ms;
    return heartbeat_ms - heartbeat_ms / 16 - 2 * h->beats.slot_ms;
}

/* Streams that began together are not to beat together. */
static int64_t spread_ms(const struct hub *h)
{
    return h->settings->api_heartbeat_ms / 4;
}

static void begin_beats(struct hub *h, struct follower *f)
{
    h->phase += 0x9e3779b9u; /* the golden ratio: each falls into the widest gap so far */
    int64_t early_ms = spread_ms(h) * (h->phase >> 16) / 0x10000;
    f->sent_ms = hub_now_ms(h);
    wheel_set(&h->beats, &f->beat, f->sent_ms + silence_ms(h) - early_ms);
}

/* The alarm stays where it is: when it goes off it is set anew, by the time noted here. */
static void was_sent(struct follower *f)
{
    f->sent_ms = hub_now_ms(f->channel->hub);
    f->moved = f->outlet->sent_bytes;
    f->stalls = 0;
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
    begin_beats(c->hub, f);
}

void follower_forget_page(struct follower *f)
{
    struct page *page = f->page;
    f->page = NULL;
    if (!page)
        return;
    page->follower = NULL;
    if (turns_leave(&page->turn))
        free(page);
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
    wheel_stop(&f->beat);
    c->hub->followers--;
    follower_forget_page(f);
    render_free(f->render);
    f->render = NULL;
    rendered_count(f);
    f->channel = NULL;
    f->outlet = NULL;
    channel_release(c);
}

void hub_abandon(struct follower *f)
{
    struct channel *c = f->channel;
    if (!c)
        return;
    const struct hub *h = c->hub;
    channel_hold(c);
    hub_leave(f);
    if (f->cancels && *f->job && h->on_left)
        h->on_left(h->left_arg, c->texts, c->chat_id, f->job);
    channel_release(c);
}

/* A whole one leaves; its owner answers, with what was rendered if that is all. */
static void hand_over(struct follower *f, bool has_all)
{
    hub_whole_fn *on_whole = f->channel->hub->on_whole;
    struct render *render = f->render;
    f->render = NULL;
    hub_leave(f);
    on_whole(f, has_all ? render : NULL);
    render_free(render);
}

static void end_stream(struct follower *f, bool has_all)
{
    struct exchange *exchange = f->exchange;
    if (f->whole) {
        hand_over(f, has_all);
        return;
    }
    hub_leave(f);
    exchange_end(exchange);
}

void follower_end(struct follower *f)
{
    end_stream(f, true);
}

/* Who speaks a dialect takes a body that ends in its regular way for the whole answer. */
void follower_end_early(struct follower *f)
{
    struct exchange *exchange = f->exchange;
    if (f->whole || !f->render || f->render_once) {
        end_stream(f, false);
        return;
    }
    hub_leave(f);
    exchange_abort(exchange);
}

void follower_cut(struct follower *f, const char *why)
{
    struct exchange *exchange = f->exchange;
    log_info("follower_cut", LOG_S("job", f->job), LOG_S("why", why));
    if (f->whole) {
        hand_over(f, false);
        return;
    }
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
        hub_abandon(f);
    else
        follower_cut(f, status_name(status));
    return false;
}

bool follower_put(struct follower *f, const char *data, size_t length)
{
    return was_put(f, outlet_write(f->outlet, data, length));
}

/* ---- news and heartbeats ---- */

/* Appends the channel's news, which the follower then has. */
static void put_news(struct follower *f, struct buf *out)
{
    const struct channel *c = f->channel;
    f->news = c->news;
    if (c->kind == NEWS_NONE)
        return;
    f->news_ms = hub_now_ms(c->hub);
    if (c->kind == NEWS_QUEUED)
        sse_queued(out, c->job, c->number, f->all_events);
    else
        sse_running(out, c->job, c->number, c->worker ? c->worker : "", f->all_events);
}

static void send_news(struct follower *f)
{
    struct buf *text = &f->channel->hub->scratch;
    buf_reset(text);
    put_news(f, text);
    if (text->length > 0 && buf_ok(text))
        follower_put(f, text->data, text->length);
}

void hub_put_news(struct follower *f, struct buf *out)
{
    if (f->channel && strcmp(f->job, f->channel->job) == 0)
        put_news(f, out);
}

void follower_news(struct follower *f)
{
    struct channel *c = f->channel;
    int64_t now_ms = hub_now_ms(c->hub), due_ms = now_ms;
    if (!f->outlet || f->news == c->news || strcmp(f->job, c->job) != 0)
        return;
    if (outlet_is_blocked(f->outlet))
        due_ms = now_ms + NEWS_BLOCKED_MS;
    else if (f->news_ms != 0)
        due_ms = f->news_ms + NEWS_EVERY_MS;
    if (due_ms <= now_ms || c->kind == NEWS_NONE) {
        send_news(f);
        return;
    }
    c->news_wait = true;
    channel_tend_by(c, due_ms);
}

/* To take nothing for so long is to be gone without a word. */
static void cut_stalled(struct follower *f)
{
    struct exchange *exchange = f->exchange;
    log_info("follower_cut", LOG_S("job", f->job), LOG_S("why", "stalled"));
    hub_abandon(f);
    exchange_abort(exchange);
}

/* A blocked follower needs no heartbeat; it is watched for bytes that move. False: it has left. */
static bool watch_blocked(struct follower *f)
{
    if (f->moved != f->outlet->sent_bytes)
        f->stalls = 0;
    else
        f->stalls++;
    f->moved = f->outlet->sent_bytes;
    f->sent_ms = hub_now_ms(f->channel->hub);
    if (f->stalls < STALLS_MAX)
        return true;
    cut_stalled(f);
    return false;
}

void follower_beat(struct follower *f)
{
    struct hub *h = f->channel->hub;
    int64_t quiet_ms = hub_now_ms(h) - f->sent_ms;
    bool stays = true;
    if (!f->outlet)
        f->sent_ms += quiet_ms;
    else if (outlet_is_blocked(f->outlet) && quiet_ms >= silence_ms(h))
        stays = watch_blocked(f);
    else if (!outlet_is_blocked(f->outlet) && quiet_ms >= silence_ms(h) - spread_ms(h))
        stays = follower_put(f, ":\n\n", 3);
    if (stays)
        wheel_set(&h->beats, &f->beat, f->sent_ms + silence_ms(h));
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

/* The marker of its own job ends the others, who did not know of that: the first one may be gone (a
   claim trims it) before the channel knew of the job. To itself it may be a `reset`. */
static bool is_own_marker(const struct follower *f, const struct frame *frame)
{
    return frame->ends == FRAME_ENDS_OTHERS && strcmp(f->job, f->channel->job) == 0;
}

/* NULL when there is nothing more for it yet. */
static const struct frame *frame_for(struct follower *f)
{
    const struct frames *frames = &f->channel->frames;
    const struct frame *frame;
    while ((frame = frames_at(frames, f->next)) && entry_id_compare(frame->id, f->at) <= 0)
        f->next++;
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

/* The next page is to be no more than one send takes: what is beyond it would be read in vain. */
void follower_size_pages(struct channel *c, size_t bytes, size_t entries)
{
    size_t each = entries > 0 ? 1 + bytes / entries : SPAN_MAX_BYTES;
    size_t count = SPAN_MAX_BYTES / each;
    c->page_count = (uint8_t)min_size(count > 0 ? count : 1, PAGE_COUNT_MOST);
}

/* Sends what one page holds, as much as one send takes. False: the follower has left. */
static bool send_page(struct follower *f, const struct redisReply *reply)
{
    struct buf whole = {0};
    struct buf *one = &f->channel->hub->scratch;
    struct entry entry;
    bool ends = false, stays = true;
    size_t used = 0;
    for (size_t i = 0; i < redis_reply_count(reply) && !ends; i++) {
        if (!entry_read(redis_reply_at(reply, i), &entry))
            continue;
        bool is_last = channel_render(one, f->job, f->at, &entry);
        if (whole.length > 0 && whole.length + one->length > SPAN_MAX_BYTES)
            break;
        buf_add(&whole, one->data, one->length);
        ends = is_last;
        f->at = entry.id;
        used++;
    }
    follower_size_pages(f->channel, whole.length, used);
    if (!buf_ok(&whole) || !buf_ok(one)) {
        follower_cut(f, "no memory");
        stays = false;
    } else if (whole.length > 0) {
        f->told = true;
        f->mark = (uint64_t)min_i64((int64_t)(f->mark + whole.length),
                                    (int64_t)f->channel->frames.written);
        stays = follower_put(f, whole.data, whole.length);
    }
    buf_clear(&whole);
    if (stays && ends)
        follower_end(f);
    return stays && !ends;
}

/* It has to be asked for once more, a little later. */
static void lacks_page(struct follower *f)
{
    f->channel->pages_wait = true;
    channel_tend_by(f->channel, hub_now_ms(f->channel->hub) + PAGE_AGAIN_MS);
}

static void on_page(void *arg, enum status status, const struct redisReply *reply)
{
    struct page *page = arg;
    struct follower *f = page->follower;
    turns_done(&page->turn);
    free(page);
    if (!f)
        return;
    f->page = NULL;
    /* An empty page: Redis has lost what stood there, or gets it back. */
    if (status != STATUS_OK || redis_reply_count(reply) == 0) {
        lacks_page(f);
        return;
    }
    /* A comment may have blocked it meanwhile: asked again when it is writable. */
    if (!follower_may_take(f))
        return;
    struct channel *c = f->channel;
    channel_hold(c);
    if (f->render)
        rendered_page(f, reply);
    else if (send_page(f, reply))
        follower_pump(f);
    channel_release(c);
}

/* The page's turn has come. */
bool follower_ask_page(struct turn *turn)
{
    struct page *page = CONTAINER_OF(turn, struct page, turn);
    struct follower *f = page->follower;
    struct channel *c = f->channel;
    char from[ENTRY_ID_SIZE + 1] = "(", count[8];
    size_t from_length = 1 + entry_id_format(f->at, from + 1);
    size_t count_length = (size_t)snprintf(count, sizeof count, "%u", c->page_count);
    const char *argv[] = {"XRANGE", c->key, from, "+", "COUNT", count};
    const size_t lengths[] = {6, c->entry.key_length, from_length, 1, 5, count_length};
    if (redis_send(c->hub->queue->redis, COUNT_OF(argv), argv, lengths, on_page, page) == STATUS_OK)
        return true;
    f->page = NULL;
    free(page);
    lacks_page(f);
    return false;
}

void follower_want_page(struct follower *f)
{
    struct page *page = calloc(1, sizeof *page);
    if (!page) {
        lacks_page(f);
        return;
    }
    page->follower = f;
    f->page = page;
    turns_wait(f->channel->hub->pages, &page->turn);
}

bool follower_may_take(const struct follower *f)
{
    return f->whole || (f->outlet && !outlet_is_blocked(f->outlet));
}

/* A rendered one needs none of them. */
bool follower_has_all(const struct follower *f)
{
    if (f->render)
        return true;
    return f->live && f->next == frames_end(&f->channel->frames);
}

/* Moves a follower as far as it can go now. It may have left afterwards. */
void follower_pump(struct follower *f)
{
    if (f->render) {
        rendered_pump(f);
        return;
    }
    while (f->outlet && !f->page && !outlet_is_blocked(f->outlet)) {
        const struct frames *frames = &f->channel->frames;
        if (f->live && f->next < frames->first)
            f->live = false;
        if (!f->live && frames_reach(frames, f->at))
            go_live(f);
        const struct frame *frame = f->live ? frame_for(f) : NULL;
        if (frame && is_own_marker(f, frame))
            f->live = false; /* a page has it in its own words */
        if (!f->live) {
            follower_want_page(f);
            return;
        }
        if (!frame || !send_span(f))
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
    if (f->render) {
        rendered_tell_loss(f, view, &resume);
        return;
    }
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
    if (text->length > 0 && !follower_put(f, text->data, text->length))
        return;
    if (!follows) {
        follower_end(f);
        return;
    }
    follower_forget_page(f);
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
