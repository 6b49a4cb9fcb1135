/*
 * hub.c: the table of channels, joining one, and the tick.
 *
 * The tick does what no event brings: heartbeats, in the order in which followers
 * fell silent, so that only those are touched that are due; and a look at each
 * channel (channel_tend).
 */
#include "hub.h"

#include "channel.h"
#include "id.h"
#include "keys.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MAX_MS 1000
#define TAIL_BLOCK_MS 4000 /* what XREAD does not tell of is noticed so long after, at most 5 s */

int64_t hub_now_ms(const struct hub *h)
{
    return (int64_t)uv_now(h->loop);
}

/* ---- the table ---- */

static struct channel **bucket_of(struct hub *h, const char *key)
{
    uint32_t hash = h->seed;
    for (const char *c = key; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    return &h->buckets[hash % HUB_BUCKETS];
}

static struct channel *find(struct hub *h, const char *key)
{
    struct channel *c = *bucket_of(h, key);
    while (c && strcmp(c->key, key) != 0)
        c = c->next;
    return c;
}

static void add(struct hub *h, struct channel *c)
{
    struct channel **bucket = bucket_of(h, c->key);
    c->next = *bucket;
    *bucket = c;
}

void hub_forget(struct hub *h, struct channel *c)
{
    struct channel **at = bucket_of(h, c->key);
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
}

/* ---- joining ---- */

bool hub_has_room(struct hub *h, const char *feature_id, const char *chat_id)
{
    struct buf key = {0};
    key_make(&key, h->settings->key_prefix, KEY_STREAM, feature_id, chat_id);
    bool followed = buf_ok(&key) && find(h, buf_text(&key));
    buf_clear(&key);
    return followed || tailer_has_room(h->tailer);
}

enum status hub_join(struct hub *h, struct follower *f, const char *feature_id, const char *chat_id,
                     const struct chat_view *view, struct entry_id from)
{
    struct buf key = {0};
    enum status status = STATUS_NO_MEMORY;
    key_make(&key, h->settings->key_prefix, KEY_STREAM, feature_id, chat_id);
    if (!buf_ok(&key))
        goto out;
    struct channel *c = find(h, buf_text(&key));
    status = STATUS_OK;
    bool is_new = !c;
    if (is_new) {
        /* From the stream's end on. What stands before it goes to each follower by pages, as
           fast as that one takes it. */
        status = channel_new(h, feature_id, chat_id, buf_text(&key), view->last, &c);
        if (status != STATUS_OK)
            goto out;
        add(h, c);
        snprintf(c->job, sizeof c->job, "%s", view->job);
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
    follower_link(c, f);
out:
    buf_clear(&key);
    return status;
}

void hub_end_all(struct hub *h)
{
    while (h->quietest)
        follower_end(h->quietest);
}

size_t hub_followers(const struct hub *h)
{
    return h->followers;
}

/* ---- the tick ---- */

static void beat(struct hub *h, int64_t silence_ms)
{
    while (h->quietest && hub_now_ms(h) - h->quietest->sent_ms >= silence_ms)
        follower_beat(h->quietest);
}

static int64_t tick_ms(const struct hub *h)
{
    return min_i64(TICK_MAX_MS, max_i64(10, h->settings->api_heartbeat_ms / 10));
}

static void on_tick(uv_timer_t *timer)
{
    struct hub *h = timer->data;
    beat(h, h->settings->api_heartbeat_ms - tick_ms(h));
    for (size_t i = 0; i < HUB_BUCKETS; i++) {
        for (struct channel *c = h->buckets[i], *next; c; c = next) {
            next = c->next;
            channel_tend(c);
        }
    }
}

/* ---- the object ---- */

struct hub *hub_new(uv_loop_t *loop, const struct settings *settings, const struct queue *queue)
{
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    *h = (struct hub){.loop = loop, .settings = settings, .queue = queue};
    h->seed = id_random_below(UINT32_MAX);
    h->tailer = tailer_new(loop, settings, queue->redis, TAIL_BLOCK_MS);
    if (!h->tailer) {
        free(h);
        return NULL;
    }
    uv_timer_init(loop, &h->tick);
    h->tick.data = h;
    uv_timer_start(&h->tick, on_tick, (uint64_t)tick_ms(h), (uint64_t)tick_ms(h));
    return h;
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct hub *h = handle->data;
    buf_clear(&h->scratch);
    free(h);
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    tailer_free(h->tailer);
    uv_close((uv_handle_t *)&h->tick, on_tick_closed);
}
