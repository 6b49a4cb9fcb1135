/*
 * claims.c: claim while there is room, else wait for a token.
 *
 * Two connections: one for the steps, one that blocks. An idle worker has a
 * BLPOP outstanding; the step that puts a job in pushes a token, so the claim
 * follows within a round trip. Tokens can be lost or be too few (a gateway dies,
 * Redis restarts): therefore BLPOP ends after a second and a claim follows
 * anyway.
 *
 * The dangerous part is a circle without a wait: an answer that comes at once
 * and brings nothing. Every failure goes through PAUSED; a token is used up by
 * each turn of BLOCKED.
 */
#include "claims.h"

#include "id.h"
#include "keys.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_LEAST_MS 100
#define PAUSE_SPREAD_MS 400

enum phase { RESTING, CLAIMING, BLOCKED, PAUSED };

struct claims {
    struct claims_options options;
    enum phase phase;
    uv_timer_t timer;
    struct buf key; /* of the wake list */
    bool stopped;
};

static void on_pause_over(uv_timer_t *timer)
{
    struct claims *c = timer->data;
    c->phase = RESTING;
    claims_seek(c);
}

static void pause_a_while(struct claims *c)
{
    c->phase = PAUSED;
    uv_timer_start(&c->timer, on_pause_over, PAUSE_LEAST_MS + id_random_below(PAUSE_SPREAD_MS), 0);
}

/* We cannot use it (any more), and somebody else may be waiting for it. */
static void put_back(struct claims *c)
{
    const char *words[] = {"RPUSH", buf_text(&c->key), "1"};
    const size_t lengths[] = {strlen("RPUSH"), c->key.length, 1};
    if (redis_send(c->options.wake, 3, words, lengths, NULL, NULL) != STATUS_OK)
        log_debug("token_lost");
}

static void on_token(void *arg, enum status status, const struct redisReply *reply)
{
    struct claims *c = arg;
    c->phase = RESTING;
    if (status == STATUS_OK && redis_reply_type(reply) == REDIS_IS_LIST &&
        (c->stopped || c->options.room(c->options.arg) == 0))
        put_back(c);
    if (status == STATUS_OK)
        claims_seek(c);
    else if (!c->stopped)
        pause_a_while(c);
}

static void block(struct claims *c)
{
    const char *words[] = {"BLPOP", buf_text(&c->key), "1"};
    const size_t lengths[] = {strlen("BLPOP"), c->key.length, 1};
    c->phase = BLOCKED;
    if (redis_send(c->options.wake, 3, words, lengths, on_token, c) != STATUS_OK)
        pause_a_while(c);
}

static void on_claimed(void *arg, enum status status, const struct claim_result *result)
{
    struct claims *c = arg;
    if (status == STATUS_OK && result->count > 0)
        c->options.on_jobs(c->options.arg, result->jobs, result->count);
    c->phase = RESTING;
    if (status != STATUS_OK && status != STATUS_LOST)
        log_warn("claim_failed", LOG_S("status", status_name(status)));
    if (c->stopped)
        c->options.on_stopped(c->options.arg);
    else if (status != STATUS_OK)
        pause_a_while(c);
    else if (result->count > 0 && result->more)
        claims_seek(c);
    else if (c->options.room(c->options.arg) > 0)
        block(c);
}

static void claim(struct claims *c)
{
    size_t room = c->options.room(c->options.arg);
    if (room == 0)
        return;
    c->phase = CLAIMING;
    c->options.who.most = room;
    if (queue_claim(c->options.queue, &c->options.who, on_claimed, c) != STATUS_OK)
        pause_a_while(c);
}

void claims_seek(struct claims *c)
{
    if (!c->stopped && c->phase == RESTING)
        claim(c);
}

bool claims_is_asking(const struct claims *c)
{
    return c->phase == CLAIMING;
}

void claims_stop(struct claims *c)
{
    c->stopped = true;
    uv_timer_stop(&c->timer);
}

struct claims *claims_new(const struct claims_options *options)
{
    struct claims *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->options = *options;
    key_make(&c->key, options->settings->key_prefix, KEY_WAKE, options->settings->worker_queues);
    if (!buf_ok(&c->key)) {
        buf_clear(&c->key);
        free(c);
        return NULL;
    }
    uv_timer_init(options->loop, &c->timer);
    c->timer.data = c;
    return c;
}

static void on_closed(uv_handle_t *handle)
{
    struct claims *c = handle->data;
    buf_clear(&c->key);
    free(c);
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    claims_stop(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}
