/*
 * gateway.c: makes the parts of one loop in order and releases them newest first.
 *
 * Draining: the listening socket is closed, then the streams are ended without [DONE], some
 * at each look (their clients come back to another gateway, each after its own random `retry:`
 * or at once), and the loop goes on until no connection is left or API_DRAIN_MS is over.
 */
#include "gateway.h"

#include "clock.h"
#include "log.h"
#include "reaper.h"
#include "routes.h"
#include "scheduler.h"
#include "stream.h"

#include <string.h>

#define DRAIN_LOOK_MS 10

/* Streams that are ended in a millisecond, all within half of API_DRAIN_MS. Who comes back at
   once comes to another gateway that slowly, and no turn of the loop is long. */
#define DRAIN_PER_MS 5

static void release(struct gateway *g)
{
    server_free(g->server);
    hangups_free(g->hangups);
    hub_free(g->hub);
    reaper_free(g->reaper);
    scheduler_free(g->scheduler);
    redis_free(g->redis);
    uv_close((uv_handle_t *)&g->drain, NULL);
    uv_close((uv_handle_t *)&g->stop, NULL);
    uv_close((uv_handle_t *)&g->reload, NULL);
}

/* Ends what is due by now. */
static void end_streams(struct gateway *g)
{
    int64_t followers = (int64_t)g->drain_followers;
    int64_t all_ms = min_i64(g->settings->api_drain_ms / 2, followers / DRAIN_PER_MS) + 1;
    int64_t since_ms = (int64_t)uv_now(&g->loop) - (g->drain_end_ms - g->settings->api_drain_ms);
    int64_t may_be_left = max_i64(0, followers - followers * (since_ms + DRAIN_LOOK_MS) / all_ms);
    int64_t left = (int64_t)hub_followers(g->hub);
    hub_end_some(g->hub, (size_t)max_i64(0, left - may_be_left));
}

static void on_drain(uv_timer_t *timer)
{
    struct gateway *g = timer->data;
    end_streams(g);
    size_t left = server_connections(g->server);
    bool late = (int64_t)uv_now(&g->loop) >= g->drain_end_ms;
    if (left > 0 && !late)
        return;
    log_info("drained", LOG_I("connections_cut", left));
    uv_timer_stop(&g->drain);
    release(g);
}

static void begin_drain(struct gateway *g)
{
    if (g->draining)
        return;
    g->draining = true;
    log_info("draining", LOG_I("connections", server_connections(g->server)),
             LOG_I("followers", hub_followers(g->hub)));
    g->drain_end_ms = (int64_t)uv_now(&g->loop) + g->settings->api_drain_ms;
    server_drain(g->server);
    hangups_drop(g->hangups);
    g->drain_followers = hub_followers(g->hub);
    uv_timer_start(&g->drain, on_drain, 0, DRAIN_LOOK_MS);
}

static void on_stop(uv_async_t *async)
{
    begin_drain(async->data);
}

void gateway_stop(struct gateway *g)
{
    uv_async_send(&g->stop);
}

static void take_features(struct gateway *g)
{
    struct features *next = atomic_exchange(&g->features_next, NULL);
    if (!next)
        return;
    features_release(g->features);
    g->features = next;
    g->features_since = clock_wall_ms() / 1000;
}

static void on_reload(uv_async_t *async)
{
    take_features(async->data);
}

void gateway_reload(struct gateway *g, struct features *features)
{
    features_release(atomic_exchange(&g->features_next, features_take(features)));
    uv_async_send(&g->reload);
}

static void on_redis_state(void *arg, bool up)
{
    struct gateway *g = arg;
    g->was_up = g->was_up || up;
    if (up) {
        atomic_fetch_add(&g->shared->with_redis, 1);
        log_info("ready");
        stops_up(&g->stops, &g->queue);
    } else {
        atomic_fetch_sub(&g->shared->with_redis, 1);
        stops_down(&g->stops);
    }
}

/* A wrong password at the start is a mistake to be seen at once; later it may be a rotation. */
static void on_redis_refused(void *arg, const char *words)
{
    struct gateway *g = arg;
    if (g->failure)
        return;
    log_error("redis_refused", LOG_S("why", words),
              LOG_S("see", "REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB"));
    if (g->was_up)
        return;
    g->failure = 1;
    g->on_failure(g->arg);
}

/* On the way down clients leave because of us. */
static void on_left(void *arg, const char *feature_id, const char *chat_id, const char *job)
{
    const struct gateway *g = arg;
    if (!g->draining)
        hangups_note(g->hangups, feature_id, chat_id, job);
}

static bool make_parts(struct gateway *g)
{
    g->redis = redis_new(&(struct redis_options){
        .loop = &g->loop,
        .settings = g->settings,
        .name = "leat-api",
        .scripts = true,
        .arg = g,
        .on_state = on_redis_state,
        .on_refused = on_redis_refused,
    });
    if (!g->redis)
        return false;
    g->queue = (struct queue){.redis = g->redis, .settings = g->settings};
    g->hub = hub_new(&g->loop, g->settings, &g->queue);
    g->reaper = reaper_new(&g->loop, &g->queue, NULL, 0);
    g->scheduler = scheduler_new(&g->loop, &g->queue);
    if (!g->hub || !g->reaper || !g->scheduler)
        return false;
    g->hangups = hangups_new(&g->loop, g->settings, g->hub, &g->queue, &g->stops);
    hub_on_whole(g->hub, stream_on_whole);
    hub_on_left(g->hub, on_left, g);
    return g->hangups != NULL;
}

/* What other threads wake the loop by. Answers libuv's code; then there is nothing to close. */
static int make_signals(struct gateway *g)
{
    g->stop.data = g->reload.data = g;
    int bad = uv_async_init(&g->loop, &g->stop, on_stop);
    if (bad)
        return bad;
    bad = uv_async_init(&g->loop, &g->reload, on_reload);
    if (bad)
        uv_close((uv_handle_t *)&g->stop, NULL);
    return bad;
}

bool gateway_init(struct gateway *g, const struct settings *settings, int port, bool port_shared,
                  struct gateway_shared *shared, struct buf *error)
{
    *g = (struct gateway){.settings = settings, .shared = shared};
    int bad = uv_loop_init(&g->loop);
    if (bad) {
        buf_printf(error, "cannot make an event loop: %s", uv_strerror(bad));
        return false;
    }
    uv_timer_init(&g->loop, &g->drain);
    bad = make_signals(g);
    if (bad) {
        buf_printf(error, "cannot make an event loop: %s", uv_strerror(bad));
        uv_close((uv_handle_t *)&g->drain, NULL);
        gateway_run(g);
        gateway_close(g);
        return false;
    }
    g->drain.data = g;
    const struct server_options options = {
        .loop = &g->loop,
        .settings = settings,
        .port = port,
        .port_shared = port_shared,
        .capacity = shared->capacity,
        .handlers = &routes_handlers,
        .arg = g,
    };
    if (server_new(&options, &g->server, error) == STATUS_OK) {
        if (make_parts(g))
            return true;
        buf_puts(error, "out of memory");
    }
    gateway_abandon(g);
    return false;
}

void gateway_abandon(struct gateway *g)
{
    release(g);
    gateway_run(g);
    gateway_close(g);
}

void gateway_run(struct gateway *g)
{
    take_features(g); /* before the first request */
    uv_run(&g->loop, UV_RUN_DEFAULT);
}

void gateway_close(struct gateway *g)
{
    features_release(g->features);
    features_release(atomic_exchange(&g->features_next, NULL));
    g->features = NULL;
    uv_loop_close(&g->loop);
}
