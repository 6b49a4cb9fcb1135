/*
 * rendered.c: what a follower that speaks a dialect is sent.
 *
 * A renderer has to see each entry from the attempt's start on, so such a follower gets
 * entries, not frames: those of a read as they come while it has all before them, else
 * pages from Redis (follower.c asks for them). What was given to a renderer cannot be given
 * again: so an entry is given only when the socket takes what comes of it.
 *
 * One that wants the raw format and only what is there already in one piece becomes a raw
 * follower as soon as it has that.
 *
 * Dangerous: as in follower.c, it may have left after every send.
 */
#include "channel.h"

#include "redis.h"
#include "sse.h"

#include <stdio.h>

static bool lies_behind(const struct follower *f, struct entry_id id)
{
    return entry_id_compare(f->at, id) < 0;
}

static void put_end(struct follower *f, enum render_end how, const char *other, struct buf *out)
{
    if (f->render_once && how == RENDER_SUPERSEDED) {
        render_caught_up(f->render, out);
        sse_superseded(out, other);
    } else {
        render_end(f->render, how, out);
    }
}

/* True: nothing comes behind it. */
static bool give_seen(struct follower *f, const struct entry *entry, struct buf *out)
{
    char other[JOB_ID_SIZE];
    enum sight sight = channel_see(f->job, f->at, entry);
    switch (sight) {
    case SIGHT_ENTRY:
        return render_entry(f->render, entry, out);
    case SIGHT_LOSS:
        return render_void(f->render, entry->number, out);
    case SIGHT_REPLACED:
    case SIGHT_SUPERSEDED:
        break;
    }
    snprintf(other, sizeof other, "%.*s", (int)entry->job.length,
             entry->job.data ? entry->job.data : "");
    put_end(f, sight == SIGHT_REPLACED ? RENDER_REPLACED : RENDER_SUPERSEDED, other, out);
    return true;
}

/* A first claim says nothing, so who has no more than that holds nothing. */
static bool tells(const struct entry *entry)
{
    return entry->kind != ENTRY_QUEUED && (entry->kind != ENTRY_START || entry->reason.length > 0);
}

static bool give(struct follower *f, const struct entry *entry, struct buf *out)
{
    if (!lies_behind(f, entry->id))
        return false;
    bool ends = give_seen(f, entry, out);
    f->told = f->told || tells(entry);
    f->at = entry->id;
    return ends;
}

static size_t room(const struct hub *h)
{
    return (size_t)(h->settings->api_max_rendered_bytes / h->settings->api_loops);
}

bool hub_may_render(const struct hub *h, size_t bytes)
{
    return h->rendered + bytes < room(h);
}

void rendered_count(struct follower *f)
{
    size_t bytes = f->render ? render_bytes(f->render) : 0;
    f->channel->hub->rendered += bytes - f->kept;
    f->kept = bytes;
}

/* Who was let in may grow a little: their number bounds that. */
static bool keeps_too_much(struct follower *f)
{
    size_t before = f->kept;
    rendered_count(f);
    return f->kept > before && f->kept > f->kept_first + HUB_KEPT_FREELY &&
           f->channel->hub->rendered > room(f->channel->hub);
}

/* Sends what was rendered. False: the follower has left. */
static bool send_text(struct follower *f, const struct buf *out, bool ends)
{
    const char *why = !buf_ok(out)                 ? "no memory"
                      : !ends && keeps_too_much(f) ? "dialects keep too much"
                                                   : NULL;
    if (why) {
        follower_cut(f, why);
        return false;
    }
    if (out->length > 0 && f->outlet && !follower_put(f, out->data, out->length))
        return false;
    if (ends)
        follower_end(f);
    return !ends;
}

/* It has all that the channel has. */
static void catch_up(struct follower *f, struct buf *out)
{
    render_caught_up(f->render, out);
    f->mark = f->channel->frames.written;
    if (!f->render_once)
        return;
    render_free(f->render);
    f->render = NULL;
}

void rendered_take(struct follower *f, struct entry_id before, const struct entry *entries,
                   size_t count)
{
    struct buf *out = &f->channel->hub->scratch;
    bool ends = false;
    if (f->page || !follower_may_take(f) || lies_behind(f, before))
        return;
    buf_reset(out);
    for (size_t i = 0; i < count && !ends && buf_ok(out) && out->length < SPAN_MAX_BYTES; i++)
        ends = give(f, &entries[i], out);
    if (!ends && !lies_behind(f, f->channel->frames.last))
        catch_up(f, out);
    (void)send_text(f, out, ends); /* the caller looks whether it has left */
}

void rendered_page(struct follower *f, const struct redisReply *reply)
{
    struct buf *out = &f->channel->hub->scratch;
    struct entry entry;
    size_t bytes = 0, used = 0, count = redis_reply_count(reply);
    bool ends = false;
    buf_reset(out);
    for (size_t i = 0; i < count && !ends && buf_ok(out) && out->length < SPAN_MAX_BYTES; i++) {
        if (!entry_read(redis_reply_at(reply, i), &entry))
            continue;
        bytes += entry.data.length;
        ends = give(f, &entry, out);
        used++;
    }
    follower_size_pages(f->channel, bytes > out->length ? bytes : out->length, used);
    f->mark = (uint64_t)min_i64((int64_t)(f->mark + bytes), (int64_t)f->channel->frames.written);
    if (send_text(f, out, ends))
        rendered_pump(f);
}

void rendered_pump(struct follower *f)
{
    struct buf *out = &f->channel->hub->scratch;
    if (f->page || !follower_may_take(f))
        return;
    if (lies_behind(f, f->channel->frames.last)) {
        follower_want_page(f);
        return;
    }
    buf_reset(out);
    catch_up(f, out);
    if (send_text(f, out, false) && !f->render)
        follower_pump(f);
}

void rendered_tell_loss(struct follower *f, const struct chat_view *view,
                        const struct resume *resume)
{
    struct buf *out = &f->channel->hub->scratch;
    bool ends = false;
    buf_reset(out);
    switch (resume->action) {
    case RESUME_WAIT:
        return;
    case RESUME_RESET:
        ends = render_void(f->render, view->number, out);
        break;
    case RESUME_FOLLOW:
        break;
    case RESUME_SUPERSEDED:
        put_end(f, RENDER_SUPERSEDED, view->job, out);
        ends = true;
        break;
    case RESUME_GONE:
    case RESUME_NO_CONTENT:
        put_end(f, RENDER_GONE, view->job, out);
        ends = true;
        break;
    }
    if (out->length > 0 && !f->outlet && !f->whole) {
        follower_cut(f, "history lost");
        return;
    }
    if (!send_text(f, out, ends))
        return;
    follower_forget_page(f);
    f->at = resume->from;
    f->live = false;
}
