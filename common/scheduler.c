/*
 * scheduler.c: ask what is due, fire it, wait for the next.
 *
 * Made by worker/pool.c and by each loop of a gateway. What an occasion means
 * is decided in schedule_times.c; that it counts once, in lua/fire.lua. Many
 * processes wake for the same occasion, so each adds a few milliseconds of its
 * own: most of them then find it fired.
 *
 * The dangerous parts: a rhythm that cannot be read must not be asked for again
 * at once, nor hold up the others: it is left out and looked at an hour later.
 * And the memory: steps may be unanswered when scheduler_free is called, so it
 * goes with whichever comes last.
 */
#include "scheduler.h"

#include "admin.h"
#include "id.h"
#include "log.h"
#include "schedule_times.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_MS 1000
#define SPREAD_MS 20
#define UNREADABLE_MS INT64_C(3600000)

struct scheduler {
    const struct queue *queue;
    uv_timer_t timer;
    unsigned asking; /* steps under way */
    int64_t wait_ms; /* until the next question */
    bool closed;
};

/* One occasion on its way. */
struct firing {
    struct scheduler *scheduler;
    char job[JOB_ID_SIZE];
    char name[JOB_NAME_SIZE];
};

static void on_time(uv_timer_t *timer);

/* A step is answered: the last one plans what comes next. Whoever moved a schedule on asks again at
   once; who was late, or failed, waits: the others know better, or Redis has to recover. */
static void settle(struct scheduler *s)
{
    s->asking--;
    if (s->asking == 0 && s->closed)
        free(s);
    else if (s->asking == 0 && !uv_is_closing((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, on_time, (uint64_t)s->wait_ms + id_random_below(SPREAD_MS), 0);
}

static void on_fired(void *arg, enum status status, const struct redisReply *reply)
{
    struct firing *firing = arg;
    struct scheduler *s = firing->scheduler;
    size_t length;
    const char *outcome = redis_reply_text(reply, &length);
    if (status == STATUS_OK && strcmp(outcome, "late") != 0) {
        bool started = strcmp(outcome, "started") == 0;
        s->wait_ms = 0;
        log_info(started ? "schedule_fired" : "schedule_left_out", LOG_S("schedule", firing->name),
                 LOG_S("outcome", outcome), LOG_S("job", started ? firing->job : ""));
    }
    free(firing);
    settle(s);
}

static void fire(struct scheduler *s, const char *name, const struct schedule_due *due,
                 int64_t now_ms)
{
    struct firing *firing = calloc(1, sizeof *firing);
    if (!firing)
        return;
    struct occasion occasion = {.name = name, .at_ms = due->occasion_ms, .id = firing->job};
    if (!schedule_decide(due, now_ms, &occasion.run, &occasion.next_ms)) {
        log_error("schedule_unreadable", LOG_S("schedule", name), LOG_S("cron", due->cron),
                  LOG_I("every_ms", due->every_ms));
        occasion.run = false;
        occasion.next_ms = now_ms + UNREADABLE_MS;
    }
    firing->scheduler = s;
    id_new(firing->job);
    snprintf(firing->name, sizeof firing->name, "%s", name);
    s->asking++;
    if (admin_fire(s->queue, &occasion, on_fired, firing) != STATUS_OK) {
        s->asking--;
        free(firing);
    }
}

static int64_t number_at(const struct redisReply *list, size_t index)
{
    return redis_reply_number(redis_reply_at(list, index));
}

static const char *text_at(const struct redisReply *list, size_t index)
{
    size_t length;
    return redis_reply_text(redis_reply_at(list, index), &length);
}

/* {now, next occasion, {name, occasion, cron, every_ms, missed}, …} */
static void on_due(void *arg, enum status status, const struct redisReply *reply)
{
    struct scheduler *s = arg;
    size_t count = status == STATUS_OK ? redis_reply_count(reply) : 0;
    int64_t now_ms = number_at(reply, 0), next_ms = number_at(reply, 1);
    if (count == 2 && next_ms > 0)
        s->wait_ms = min_i64(max_i64(next_ms - now_ms, 0), WAIT_MS);
    for (size_t i = 2; i < count && !uv_is_closing((uv_handle_t *)&s->timer); i++) {
        const struct redisReply *one = redis_reply_at(reply, i);
        const struct schedule_due due = {
            .occasion_ms = number_at(one, 1),
            .cron = text_at(one, 2),
            .every_ms = number_at(one, 3),
            .missed = strcmp(text_at(one, 4), "skip") == 0 ? MISSED_SKIP : MISSED_ONE,
        };
        fire(s, text_at(one, 0), &due, now_ms);
    }
    settle(s);
}

static void on_time(uv_timer_t *timer)
{
    struct scheduler *s = timer->data;
    s->wait_ms = WAIT_MS;
    s->asking = 1;
    if (admin_due(s->queue, on_due, s) != STATUS_OK)
        settle(s);
}

struct scheduler *scheduler_new(uv_loop_t *loop, const struct queue *queue)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->queue = queue;
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    uv_timer_start(&s->timer, on_time, id_random_below(WAIT_MS), 0);
    return s;
}

static void on_closed(uv_handle_t *handle)
{
    struct scheduler *s = handle->data;
    s->closed = true;
    if (s->asking == 0)
        free(s);
}

void scheduler_free(struct scheduler *s)
{
    if (s && !uv_is_closing((uv_handle_t *)&s->timer))
        uv_close((uv_handle_t *)&s->timer, on_closed);
}
