/*
 * lanes.c: a lane is one connection and at most one tail:
 *
 *     IDLE ──follow──▶ READING ──answer──▶ READING …
 *      ▲                  │ leave, move
 *      └──── answer ── LEAVING        (CLIENT UNBLOCK makes the answer come)
 *
 * `reading` says that an XREAD is under way; it is the only thing that may not be
 * forgotten when a tail leaves, because its answer belongs to nobody then. A move
 * is a leave and a follow on the same lane: the answer under way is thrown away.
 *
 * Lanes are made when they are needed; IDLE_MAX are kept for the next ones.
 */
#include "lanes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_COUNT 100
#define READ_COUNT_TEXT "100"
#define RETRY_MS 1000
#define IDLE_MAX 16

struct lane {
    struct lanes *lanes;
    struct redis *redis;
    struct tail *tail; /* NULL: idle, or about to be */
    bool reading;      /* an XREAD is under way */
    bool stale;        /* its answer is for nobody */
    bool freed;        /* and waits for its handles to close */
    bool calling;      /* inside a callback of the tail, which may leave in it */
    uv_timer_t retry;  /* after an answer that makes no sense: not at once again */
    struct lane *next_idle;
    struct lane *before, *next; /* all lanes */
};

struct lanes {
    uv_loop_t *loop;
    const struct settings *settings;
    struct redis *commands;
    int64_t block_ms;
    struct lane *first;
    struct lane *idle;
    size_t idle_count;
    size_t count;
    struct entry entries[READ_COUNT]; /* of one answer */
};

static void read_on(struct lane *lane);

static void on_lane_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void lane_free(struct lane *lane)
{
    lane->freed = true;
    redis_free(lane->redis);
    uv_close((uv_handle_t *)&lane->retry, on_lane_closed);
}

/* Kept for the next tail, or given back when enough are. */
static void rest(struct lane *lane)
{
    struct lanes *l = lane->lanes;
    if (l->idle_count < IDLE_MAX) {
        lane->next_idle = l->idle;
        l->idle = lane;
        l->idle_count++;
        return;
    }
    *(lane->before ? &lane->before->next : &l->first) = lane->next;
    if (lane->next)
        lane->next->before = lane->before;
    l->count--;
    lane_free(lane);
}

/* ---- answers ---- */

static void on_retry(uv_timer_t *timer)
{
    struct lane *lane = timer->data;
    if (lane->tail && !lane->reading)
        read_on(lane);
}

static void hand_over(struct lane *lane, enum status status, const struct redisReply *reply)
{
    struct tail *tail = lane->tail;
    struct entry *entries = lane->lanes->entries;
    /* [[key, [entry, …]]], or nil. */
    const struct redisReply *list = redis_reply_at(redis_reply_at(reply, 0), 1);
    size_t count = status == STATUS_OK ? tail_read_entries(list, entries, READ_COUNT) : 0;
    if (status == STATUS_REFUSED)
        tail_complain(tail, redis_reply_text(reply, &(size_t){0}));
    else
        tail->has_complained = false;
    /* An error: the same would come at once. */
    if (count == 0 && redis_reply_type(reply) != REDIS_IS_NIL)
        uv_timer_start(&lane->retry, on_retry, RETRY_MS, 0);
    if (count == 0) {
        tail->events->on_check(tail->arg);
        return;
    }
    tail->after = entries[count - 1].id;
    tail->events->on_entries(tail->arg, entries, count);
}

static void on_read(void *arg, enum status status, const struct redisReply *reply)
{
    struct lane *lane = arg;
    bool stale = lane->stale;
    lane->reading = false;
    lane->stale = false;
    if (lane->freed)
        return;
    if (!lane->tail) {
        rest(lane);
        return;
    }
    /* on_state tells the tail when the connection is back. */
    if (status == STATUS_LOST)
        return;
    if (!stale) {
        lane->calling = true;
        hand_over(lane, status, reply);
        lane->calling = false;
    }
    if (!lane->tail)
        rest(lane);
    else if (!uv_is_active((uv_handle_t *)&lane->retry))
        read_on(lane);
}

static void read_on(struct lane *lane)
{
    char block[24], id[ENTRY_ID_SIZE];
    snprintf(block, sizeof block, "%" PRId64, lane->lanes->block_ms);
    size_t id_length = entry_id_format(lane->tail->after, id);
    const char *argv[] = {"XREAD", "COUNT",   READ_COUNT_TEXT, "BLOCK",
                          block,   "STREAMS", lane->tail->key, id};
    size_t lengths[COUNT_OF(argv)];
    for (size_t i = 0; i < COUNT_OF(argv); i++)
        lengths[i] = strlen(argv[i]);
    lengths[COUNT_OF(argv) - 1] = id_length;
    enum status status = redis_send(lane->redis, COUNT_OF(argv), argv, lengths, on_read, lane);
    lane->reading = status == STATUS_OK;
    /* Down: on_state goes on. */
    if (status == STATUS_NO_MEMORY)
        uv_timer_start(&lane->retry, on_retry, RETRY_MS, 0);
}

static void on_state(void *arg, bool up)
{
    struct lane *lane = arg;
    if (!up || !lane->tail)
        return;
    uv_timer_stop(&lane->retry);
    read_on(lane);
    lane->tail->events->on_check(lane->tail->arg);
}

/* ---- lanes ---- */

static struct lane *lane_new(struct lanes *l)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->lanes = l;
    lane->redis = redis_new(&(struct redis_options){
        .loop = l->loop,
        .settings = l->settings,
        .name = "leat-api:lane",
        .quiet = true,
        .block_ms = l->block_ms,
        .arg = lane,
        .on_state = on_state,
    });
    if (!lane->redis) {
        free(lane);
        return NULL;
    }
    uv_timer_init(l->loop, &lane->retry);
    lane->retry.data = lane;
    lane->next = l->first;
    if (l->first)
        l->first->before = lane;
    l->first = lane;
    l->count++;
    return lane;
}

static struct lane *take_lane(struct lanes *l)
{
    struct lane *lane = l->idle;
    if (!lane)
        return lane_new(l);
    l->idle = lane->next_idle;
    l->idle_count--;
    lane->next_idle = NULL;
    return lane;
}

/* Makes the XREAD under way come back; its answer will be thrown away. */
static void interrupt(struct lane *lane)
{
    char id[24];
    lane->stale = true;
    int length = snprintf(id, sizeof id, "%" PRId64, redis_client_id(lane->redis));
    const char *argv[] = {"CLIENT", "UNBLOCK", id};
    const size_t lengths[] = {6, 7, (size_t)length};
    if (redis_send(lane->lanes->commands, 3, argv, lengths, NULL, NULL) != STATUS_OK)
        redis_drop(lane->redis);
}

bool lanes_have_room(const struct lanes *l, size_t most)
{
    return l->count - l->idle_count < most;
}

enum status lanes_follow(struct lanes *l, const char *key, struct entry_id after,
                         const struct tailer_events *events, void *arg, struct tail **out)
{
    struct tail *tail = *out = tail_new(key, after, events, arg);
    struct lane *lane = tail ? take_lane(l) : NULL;
    if (!lane) {
        free(tail);
        *out = NULL;
        return STATUS_NO_MEMORY;
    }
    tail->lane = lane;
    lane->tail = tail;
    read_on(lane);
    return STATUS_OK;
}

void lanes_move(struct tail *tail, struct entry_id after)
{
    tail->after = after;
    if (tail->lane->reading && !tail->lane->stale)
        interrupt(tail->lane);
}

void lanes_leave(struct tail *tail)
{
    struct lane *lane = tail->lane;
    lane->tail = NULL;
    uv_timer_stop(&lane->retry);
    if (lane->reading && !lane->stale)
        interrupt(lane);
    else if (!lane->reading && !lane->calling)
        rest(lane);
    free(tail);
}

size_t lanes_count(const struct lanes *l)
{
    return l->count;
}

/* ---- the object ---- */

struct lanes *lanes_new(uv_loop_t *loop, const struct settings *settings, struct redis *commands,
                        int64_t block_ms)
{
    struct lanes *l = calloc(1, sizeof *l);
    if (l)
        *l = (struct lanes){
            .loop = loop, .settings = settings, .commands = commands, .block_ms = block_ms};
    return l;
}

void lanes_free(struct lanes *l)
{
    if (!l)
        return;
    for (struct lane *lane = l->first, *next; lane; lane = next) {
        next = lane->next;
        lane_free(lane);
    }
    free(l);
}
