/*
 * hub.c: the table of channels, joining one, and the tick.
 *
 * The tick does what no event brings: it looks at followers that may have been silent
 * for a heartbeat, and at channels that have something to do later. Both stand in
 * wheels, so only those are touched that are due.
 */
#include "hub.h"

#include "channel.h"
#include "keys.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MAX_MS 100
#define LOOKS_AT_ONCE 32
#define PAGES_AT_ONCE 8    /* each may have megabytes */
#define TAIL_BLOCK_MS 4000 /* what XREAD does not tell of is noticed so long after, at most 5 s */

int64_t hub_now_ms(const struct hub *h)
{
    return (int64_t)uv_now(h->loop);
}

/* ---- the table ---- */

static struct channel *find(struct hub *h, const struct buf *key)
{
    struct table_entry *entry = table_find(&h->channels, key->data, key->length);
    return entry ? CONTAINER_OF(entry, struct channel, entry) : NULL;
}

void hub_forget(struct hub *h, struct channel *c)
{
    table_take(&h->channels, &c->entry);
}

/* ---- joining ---- */

static struct channel *find_chat(struct hub *h, const char *feature_id, const char *chat_id)
{
    struct buf key = {0};
    key_make(&key, h->settings->key_prefix, KEY_STREAM, feature_id, chat_id);
    struct channel *c = buf_ok(&key) ? find(h, &key) : NULL;
    buf_clear(&key);
    return c;
}

bool hub_has_room(struct hub *h, const char *feature_id, const char *chat_id)
{
    return find_chat(h, feature_id, chat_id) || tailer_has_room(h->tailer);
}

bool hub_follows(struct hub *h, const char *feature_id, const char *chat_id, const char *job)
{
    const struct channel *c = find_chat(h, feature_id, chat_id);
    const struct follower *f = c ? c->followers : NULL;
    while (f && strcmp(f->job, job) != 0)
        f = f->behind;
    return f != NULL;
}

enum status hub_join(struct hub *h, struct follower *f, const char *feature_id, const char *chat_id,
                     const struct chat_view *view, struct entry_id from)
{
    struct buf key = {0};
    enum status status = STATUS_NO_MEMORY;
    key_make(&key, h->settings->key_prefix, KEY_STREAM, feature_id, chat_id);
    if (!buf_ok(&key))
        goto out;
    status = STATUS_FULL;
    if (f->render && !hub_may_render(h, 0))
        goto out;
    struct channel *c = find(h, &key);
    status = STATUS_OK;
    bool is_new = !c;
    if (is_new) {
        /* From the stream's end on. What stands before it goes to each follower by pages, as
           fast as that one takes it. */
        status = channel_new(h, feature_id, chat_id, buf_text(&key), view->last, &c);
        if (status != STATUS_OK)
            goto out;
        table_put(&h->channels, &c->entry, c->key, key.length);
        snprintf(c->job, sizeof c->job, "%s", view->job);
        c->complete = view->ended;
    }
    /* A view from before the newest frame has older news. */
    if (is_new ||
        (strcmp(c->job, view->job) == 0 && entry_id_compare(view->last, c->frames.last) >= 0))
        channel_read_view(c, view);
    f->at = from;
    f->live = false;
    f->mark = c->frames.written;
    f->news = c->news - 1;
    f->news_ms = 0;
    f->stalls = 0;
    follower_link(c, f);
    rendered_count(f);
    f->kept_first = f->kept;
out:
    buf_clear(&key);
    return status;
}

void hub_end_some(struct hub *h, size_t most)
{
    for (struct alarm *a; most > 0 && (a = wheel_any(&h->beats)); most--)
        follower_end_early(CONTAINER_OF(a, struct follower, beat));
}

size_t hub_followers(const struct hub *h)
{
    return h->followers;
}

/* ---- the tick ---- */

static int64_t tick_ms(const struct hub *h)
{
    return min_i64(TICK_MAX_MS, max_i64(10, h->settings->api_heartbeat_ms / 100));
}

static void on_tick(uv_timer_t *timer)
{
    struct hub *h = timer->data;
    int64_t now_ms = hub_now_ms(h);
    struct alarm *a;
    while ((a = wheel_next(&h->beats, now_ms)))
        follower_beat(CONTAINER_OF(a, struct follower, beat));
    while ((a = wheel_next(&h->tends, now_ms)))
        channel_tend(CONTAINER_OF(a, struct channel, tend));
}

/* ---- the object ---- */

static void release(struct hub *h)
{
    tailer_free(h->tailer);
    turns_free(h->looks);
    turns_free(h->pages);
    table_clear(&h->channels);
    buf_clear(&h->scratch);
    free(h);
}

struct hub *hub_new(uv_loop_t *loop, const struct settings *settings, const struct queue *queue)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    *h = (struct hub){.loop = loop, .settings = settings, .queue = queue};
    bool has_table = table_init(&h->channels);
    h->looks = turns_new(LOOKS_AT_ONCE, channel_ask_look);
    h->pages = turns_new(PAGES_AT_ONCE, follower_ask_page);
    h->tailer = tailer_new(loop, settings, queue->redis, TAIL_BLOCK_MS);
    if (!has_table || !h->looks || !h->pages || !h->tailer) {
        release(h);
        return NULL;
    }
    wheel_init(&h->beats, tick_ms(h), hub_now_ms(h));
    wheel_init(&h->tends, tick_ms(h), hub_now_ms(h));
    uv_timer_init(loop, &h->tick);
    h->tick.data = h;
    uv_timer_start(&h->tick, on_tick, (uint64_t)tick_ms(h), (uint64_t)tick_ms(h));
    return h;
}

void hub_on_whole(struct hub *h, hub_whole_fn *fn)
{
    h->on_whole = fn;
}

void hub_on_left(struct hub *h, hub_left_fn *fn, void *arg)
{
    h->on_left = fn;
    h->left_arg = arg;
}

static void on_tick_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    tailer_free(h->tailer);
    h->tailer = NULL; /* it closes in this same turn of the loop */
    uv_close((uv_handle_t *)&h->tick, on_tick_closed);
}
