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
 * and brings nothing. Every failure goes through PAUSED, and so does a claim that
 * passed over all it found (such jobs keep a token on the list); else a token is
 * used up by each turn of BLOCKED.
 */
#include "claims.h"

#include "id.h"
#include "keys.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_LEAST_MS 100
#define PAUSE_SPREAD_MS 200
#define TOKENS_LAST "15" /* the index of the last wake token that a list may have (shared.lua) */

enum phase { RESTING, SEEKING, CLAIMING, BLOCKED, PAUSED };

struct claims {
    struct claims_options options;
    enum phase phase;
    uv_timer_t timer;
    struct buf keys[SETTINGS_NAMES_MOST]; /* of the wake lists */
    int64_t due_in_ms;                    /* as the last claim said */
    uint64_t sent;                        /* claims so far */
    bool quiet;
    bool stopped;
};

static void claim(struct claims *c);

static void on_time(uv_timer_t *timer)
{
    struct claims *c = timer->data;
    c->phase = RESTING;
    claim(c);
}

static void pause_a_while(struct claims *c)
{
    c->phase = PAUSED;
    uv_timer_start(&c->timer, on_time, PAUSE_LEAST_MS + id_random_below(PAUSE_SPREAD_MS), 0);
}

static size_t room(const struct claims *c)
{
    return c->stopped || c->quiet ? 0 : c->options.room(c->options.arg);
}

/* ---- waiting for a token ---- */

/* We cannot use it (any more), and somebody else may be waiting for it. */
static void put_back(struct claims *c, const struct redisReply *token)
{
    size_t length;
    const char *key = redis_reply_text(redis_reply_at(token, 0), &length);
    const char *push[] = {"RPUSH", key, "1"}, *trim[] = {"LTRIM", key, "0", TOKENS_LAST};
    const size_t push_lengths[] = {strlen("RPUSH"), length, 1};
    const size_t trim_lengths[] = {strlen("LTRIM"), length, 1, strlen(TOKENS_LAST)};
    /* Others may have filled the list meanwhile. */
    if (redis_send(c->options.wake, 3, push, push_lengths, NULL, NULL) != STATUS_OK ||
        redis_send(c->options.wake, 4, trim, trim_lengths, NULL, NULL) != STATUS_OK)
        log_debug("token_lost");
}

static void on_token(void *arg, enum status status, const struct redisReply *reply)
{
    struct claims *c = arg;
    c->phase = RESTING;
    if (status == STATUS_OK && redis_reply_type(reply) == REDIS_IS_LIST && room(c) == 0)
        put_back(c, reply);
    if (status == STATUS_OK)
        claim(c);
    else if (!c->stopped)
        pause_a_while(c);
}

/* Longer than until the next delayed job is due by a moment, so that it surely is then. */
static int64_t block_ms(const struct claims *c)
{
    if (c->due_in_ms < 0)
        return CLAIMS_BLOCK_MS;
    return min_i64(c->due_in_ms + 1, CLAIMS_BLOCK_MS);
}

static void block(struct claims *c)
{
    const char *words[SETTINGS_NAMES_MOST + 2] = {"BLPOP"};
    size_t lengths[SETTINGS_NAMES_MOST + 2] = {strlen("BLPOP")};
    size_t count = c->options.queues->count;
    int64_t wait_ms = block_ms(c);
    char seconds[24];
    for (size_t i = 0; i < count; i++) {
        words[i + 1] = buf_text(&c->keys[i]);
        lengths[i + 1] = c->keys[i].length;
    }
    words[count + 1] = seconds;
    lengths[count + 1] = (size_t)snprintf(seconds, sizeof seconds, "%" PRId64 ".%03" PRId64,
                                          wait_ms / 1000, wait_ms % 1000);
    c->phase = BLOCKED;
    if (redis_send(c->options.wake, (int)count + 2, words, lengths, on_token, c) != STATUS_OK)
        pause_a_while(c);
}

/* ---- claiming ---- */

/* Nothing came of it, and nothing would come of the next one either. */
static bool is_in_vain(const struct claim_result *result)
{
    return result->count == 0 && (result->passed || result->due_in_ms == 0);
}

static void on_claimed(void *arg, enum status status, const struct claim_result *result)
{
    struct claims *c = arg;
    if (status == STATUS_OK && result->count > 0)
        c->options.on_jobs(c->options.arg, result->jobs, result->count);
    c->phase = RESTING;
    if (status != STATUS_OK && status != STATUS_LOST)
        log_warn("claim_failed", LOG_S("status", status_name(status)));
    if (status == STATUS_OK)
        c->due_in_ms = result->due_in_ms;
    if (c->stopped)
        c->options.on_stopped(c->options.arg);
    else if (status != STATUS_OK || is_in_vain(result))
        pause_a_while(c);
    else if (result->count > 0 && result->more)
        claim(c);
    else if (room(c) > 0)
        block(c);
}

static void claim(struct claims *c)
{
    struct claimant claimant = {
        .worker = c->options.worker,
        .queue_count = c->options.queues->count,
        .types = c->options.types,
        .most = room(c) < CLAIM_MOST ? room(c) : CLAIM_MOST,
        .most_alone = c->options.room_alone(c->options.arg),
    };
    if (claimant.most == 0)
        return;
    claimant.queues = queues_turn(c->options.queues);
    claimant.number = ++c->sent;
    c->phase = CLAIMING;
    if (queue_claim(c->options.queue, &claimant, on_claimed, c) != STATUS_OK)
        pause_a_while(c);
}

void claims_seek(struct claims *c)
{
    if (c->phase != RESTING || room(c) == 0)
        return;
    c->phase = SEEKING;
    uv_timer_start(&c->timer, on_time, 0, 0);
}

void claims_set_quiet(struct claims *c, bool quiet)
{
    c->quiet = quiet;
    claims_seek(c);
}

bool claims_is_asking(const struct claims *c)
{
    return c->phase == CLAIMING;
}

uint64_t claims_sent(const struct claims *c)
{
    return c->sent;
}

void claims_stop(struct claims *c)
{
    c->stopped = true;
    uv_timer_stop(&c->timer);
}

static void release(struct claims *c)
{
    for (size_t i = 0; i < SETTINGS_NAMES_MOST; i++)
        buf_clear(&c->keys[i]);
    free(c);
}

static bool make_keys(struct claims *c)
{
    const struct queues *queues = c->options.queues;
    bool good = true;
    for (size_t i = 0; i < queues->count; i++) {
        key_make(&c->keys[i], c->options.settings->key_prefix, KEY_WAKE, queues->names[i]);
        good = good && buf_ok(&c->keys[i]);
    }
    return good;
}

struct claims *claims_new(const struct claims_options *options)
{
    struct claims *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->options = *options;
    c->due_in_ms = -1;
    if (!make_keys(c)) {
        release(c);
        return NULL;
    }
    uv_timer_init(options->loop, &c->timer);
    c->timer.data = c;
    return c;
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void claims_free(struct claims *c)
{
    if (!c)
        return;
    claims_stop(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}
