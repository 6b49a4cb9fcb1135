/*
 * hangups.c: one record a job, in a wheel by when it is looked at, in a table by its id.
 *
 * A record whose stop is under way is in the table only: the answer frees it, also when it is
 * forgotten, or the object gone, by then.
 */
#include "hangups.h"

#include "log.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_MS 100
#define TRIES_MOST 30
#define ROUNDS 2 /* of asking */

enum hangup_state { WAITING, ASKING, LISTENING, CANCELLING };

struct hangup {
    struct hangups *of; /* NULL: forgotten */
    enum hangup_state state;
    struct alarm alarm;
    struct table_entry entry;
    unsigned tries;
    unsigned rounds;    /* without an answer */
    unsigned listening; /* by which the answer would be heard */
    char job[JOB_ID_SIZE];
    char feature_id[JOB_NAME_SIZE], chat_id[JOB_NAME_SIZE];
};

struct hangups {
    uv_timer_t tick; /* runs while there is any */
    struct hub *hub;
    struct others *others;
    const struct queue *queue;
    struct stops *stops;
    struct wheel wheel;
    struct table jobs;
    size_t count;
};

static int64_t now_ms(const struct hangups *h)
{
    return (int64_t)uv_now(h->tick.loop);
}

static struct hangup *find(const struct hangups *h, const char *job)
{
    struct table_entry *entry = table_find(&h->jobs, job, strlen(job));
    return entry ? CONTAINER_OF(entry, struct hangup, entry) : NULL;
}

static void forget(struct hangup *one)
{
    struct hangups *h = one->of;
    wheel_stop(&one->alarm);
    table_take(&h->jobs, &one->entry);
    if (--h->count == 0)
        uv_timer_stop(&h->tick);
    one->of = NULL;
    if (one->state != CANCELLING)
        free(one);
}

static void enter(struct hangup *one, enum hangup_state state, int64_t wait_ms)
{
    one->state = state;
    wheel_set(&one->of->wheel, &one->alarm, now_ms(one->of) + wait_ms);
}

/* From the beginning: what was asked before counts no more. */
static void wait_anew(struct hangup *one)
{
    one->rounds = 0;
    enter(one, WAITING, HANGUPS_WAIT_MS);
}

static void try_again(struct hangup *one)
{
    wait_anew(one);
    if (++one->tries < TRIES_MOST)
        return;
    log_warn("not_cancelled", LOG_S("job", one->job),
             LOG_S("why", "Redis is away, or the other gateways cannot be asked"));
    forget(one);
}

static void on_cancelled(void *arg, enum status status, const struct cancel_result *result)
{
    struct hangup *one = arg;
    struct hangups *h = one->of;
    if (!h) {
        free(one);
    } else if (status != STATUS_OK) {
        try_again(one);
    } else {
        if (result->found && result->was_alive) {
            log_info("cancelled", LOG_S("job", one->job), LOG_S("why", "its client is gone"));
            stops_note(h->stops, one->job);
        }
        one->state = WAITING;
        forget(one);
    }
}

static void cancel(struct hangup *one)
{
    one->state = CANCELLING;
    if (queue_cancel(one->of->queue, one->feature_id, one->chat_id, one->job, on_cancelled, one) !=
        STATUS_OK)
        try_again(one);
}

static void ask(struct hangup *one)
{
    struct hangups *h = one->of;
    one->listening = others_listening(h->others);
    if (others_ask(h->others, one->feature_id, one->chat_id, one->job) == STATUS_OK)
        enter(one, ASKING, HANGUPS_HEARD_MS);
    else
        try_again(one);
}

static void look_at(struct hangup *one)
{
    struct hangups *h = one->of;
    bool has_asked = one->state != WAITING;
    if (hub_follows(h->hub, one->feature_id, one->chat_id, one->job))
        forget(one);
    else if (one->state == ASKING || (has_asked && one->listening != others_listening(h->others)))
        try_again(one);
    else if (has_asked && ++one->rounds == ROUNDS)
        cancel(one);
    else
        ask(one);
}

static void on_tick(uv_timer_t *timer)
{
    struct hangups *h = timer->data;
    struct alarm *a;
    while ((a = wheel_next(&h->wheel, now_ms(h))))
        look_at(CONTAINER_OF(a, struct hangup, alarm));
}

static struct hangup *add(struct hangups *h, const char *feature_id, const char *chat_id,
                          const char *job)
{
    struct hangup *one = h->count < HANGUPS_MOST ? calloc(1, sizeof *one) : NULL;
    if (!one) {
        log_warn("not_cancelled", LOG_S("job", job), LOG_S("why", "too many wait"));
        return NULL;
    }
    one->of = h;
    snprintf(one->job, sizeof one->job, "%s", job);
    snprintf(one->feature_id, sizeof one->feature_id, "%s", feature_id);
    snprintf(one->chat_id, sizeof one->chat_id, "%s", chat_id);
    table_put(&h->jobs, &one->entry, one->job, strlen(one->job));
    if (h->count++ == 0) {
        wheel_init(&h->wheel, SLOT_MS, now_ms(h)); /* it stood still while there was none */
        uv_timer_start(&h->tick, on_tick, SLOT_MS, SLOT_MS);
    }
    return one;
}

void hangups_note(struct hangups *h, const char *feature_id, const char *chat_id, const char *job)
{
    struct hangup *one = find(h, job);
    if (!one)
        one = add(h, feature_id, chat_id, job);
    if (one && one->state != CANCELLING)
        wait_anew(one);
}

void hangups_back(struct hangups *h, const char *job)
{
    struct hangup *one = h->count > 0 ? find(h, job) : NULL;
    if (one && one->state != CANCELLING)
        forget(one);
    others_came(h->others, job);
}

/* ---- what the others ask and say ---- */

static bool wants(void *arg, const char *feature_id, const char *chat_id, const char *job)
{
    const struct hangups *h = arg;
    const struct hangup *one = find(h, job);
    return (one && one->state == WAITING) || hub_follows(h->hub, feature_id, chat_id, job);
}

static void on_who(void *arg, const char *job)
{
    struct hangup *one = find(arg, job);
    if (one && one->state == ASKING)
        enter(one, LISTENING, HANGUPS_ANSWER_MS);
}

/* A client that has just left here has its two seconds, whoever was found for another. */
static void on_here(void *arg, const char *job)
{
    struct hangup *one = find(arg, job);
    if (one && (one->state == ASKING || one->state == LISTENING))
        forget(one);
}

/* ---- the object ---- */

struct hangups *hangups_new(uv_loop_t *loop, const struct settings *settings, struct hub *hub,
                            const struct queue *queue, struct stops *stops)
{
    struct hangups *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->others = others_new(&(struct others_options){
        .loop = loop,
        .settings = settings,
        .commands = queue->redis,
        .arg = h,
        .wants = wants,
        .on_who = on_who,
        .on_here = on_here,
    });
    if (!h->others || !table_init(&h->jobs)) {
        others_free(h->others);
        free(h);
        return NULL;
    }
    h->hub = hub;
    h->queue = queue;
    h->stops = stops;
    uv_timer_init(loop, &h->tick);
    h->tick.data = h;
    wheel_init(&h->wheel, SLOT_MS, now_ms(h));
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct hangups *h = handle->data;
    table_clear(&h->jobs);
    free(h);
}

/* Those too that Redis owes an answer. */
void hangups_drop(struct hangups *h)
{
    for (size_t i = 0; i < h->jobs.size; i++) {
        while (h->jobs.buckets[i])
            forget(CONTAINER_OF(h->jobs.buckets[i], struct hangup, entry));
    }
}

void hangups_free(struct hangups *h)
{
    if (!h)
        return;
    hangups_drop(h);
    others_free(h->others);
    uv_close((uv_handle_t *)&h->tick, on_closed);
}
