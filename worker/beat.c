/*
 * beat.c: a timer, and a copy of what was asked.
 *
 * Between a heartbeat and its answer jobs may be finished and new ones claimed.
 * So the attempts that were named are kept (`asked`), and an answer speaks of
 * them, never of what is in hand now; a job's id and its A name one attempt and
 * never come back.
 *
 * Many jobs are named in several steps, sent one behind the other, and a step
 * cannot say then that there are no others. Redis says how many it has noted for
 * us: if there are more, the next heartbeat names all in one.
 *
 * The dangerous part is the time: the wait is at most a third of a lease, so
 * that two may be lost before the lease is over; jitter only shortens it. One
 * that comes due while another is unanswered follows that one's answer. After
 * a failure the next one comes soon; when Redis is up again pool.c calls
 * beat_now.
 */
#include "beat.h"

#include "clock.h"
#include "id.h"
#include "job.h"
#include "log.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>

#define AFTER_FAILURE_MS 500
#define BEAT_MOST 150 /* jobs named in a step: 1 to 2 ms of Redis's time */

/* What names an attempt. */
struct attempt {
    char job[JOB_ID_SIZE];
    uint64_t a;
};

struct beat {
    struct beat_options options;
    struct holding *jobs; /* both: as many as the pool may hold */
    struct attempt *asked;
    size_t asked_count;
    struct heartbeat in; /* what is the same in all steps of one heartbeat */
    size_t sent;         /* of asked: named in a step */
    size_t answered;     /* of asked: told about */
    size_t held;         /* of these, still ours */
    unsigned steps;      /* under way */
    bool failed;         /* one of them */
    bool named_all;      /* in one step */
    bool whole;          /* the next one names all jobs in one step */
    int64_t since_ms;    /* wall clock: when we started */
    uv_timer_t timer;
    bool again; /* another one as soon as it is answered */
    bool stopped;
};

static void on_time(uv_timer_t *timer)
{
    beat_now(timer->data);
}

static void plan(struct beat *b, int64_t most_ms)
{
    if (b->stopped)
        return;
    uint32_t tenth = (uint32_t)(most_ms / 10);
    uint64_t wait_ms = (uint64_t)most_ms - id_random_below(tenth + 1);
    uv_timer_start(&b->timer, on_time, wait_ms, 0);
}

/* Streams are kept at no less than half of their time, so it must come well within that too. */
static int64_t interval_ms(const struct beat *b)
{
    const struct settings *s = b->options.settings;
    return min_i64(s->lease_ms, s->stream_ttl_ms) / 3;
}

/* A claim's reply was lost: all are named in one step, however long that takes. It is rare. */
static bool are_more_noted(const struct beat *b, const struct heartbeat_result *result)
{
    return b->in.complete && !b->named_all && result->noted > b->held;
}

static void take_failure(struct beat *b, enum status status)
{
    if (status != STATUS_LOST && !b->failed)
        log_warn("heartbeat_failed", LOG_S("status", status_name(status)));
    b->failed = true;
}

static void take_answer(struct beat *b, const struct heartbeat_result *result)
{
    for (size_t i = 0; i < result->count && b->answered < b->asked_count; i++) {
        const struct attempt *attempt = &b->asked[b->answered++];
        b->held += result->held[i];
        if (!result->held[i])
            b->options.on_lost(b->options.arg, attempt->job, attempt->a);
    }
    if (result->returned > 0)
        log_warn("claims_returned", LOG_I("jobs", result->returned));
}

/* Answers come in the order of the steps. */
static void on_answer(void *arg, enum status status, const struct heartbeat_result *result)
{
    struct beat *b = arg;
    b->steps--;
    if (b->stopped)
        return;
    if (status != STATUS_OK)
        take_failure(b, status);
    else if (!b->failed) /* else it is not known whose these answers are */
        take_answer(b, result);
    if (b->steps > 0)
        return;
    if (b->failed) {
        plan(b, min_i64(interval_ms(b), AFTER_FAILURE_MS));
        return;
    }
    b->whole = are_more_noted(b, result);
    b->options.on_answered(b->options.arg);
    if (b->whole || b->again)
        beat_now(b);
}

/* The next jobs, in one step. Redis serves others between two. */
static void send_step(struct beat *b)
{
    size_t left = b->asked_count - b->sent;
    bool all = b->whole || b->asked_count <= BEAT_MOST;
    struct heartbeat in = b->in;
    b->named_all = all;
    in.jobs = b->jobs + b->sent;
    in.count = all || left < BEAT_MOST ? left : BEAT_MOST;
    in.in_hand = b->asked_count;
    in.complete = b->in.complete && all;
    enum status status = queue_heartbeat(b->options.queue, &in, on_answer, b);
    b->sent += in.count;
    b->steps += status == STATUS_OK;
    b->failed = b->failed || status != STATUS_OK;
}

static void gather(struct beat *b)
{
    const struct settings *settings = b->options.settings;
    size_t capacity = (size_t)settings->worker_max_jobs;
    b->in = (struct heartbeat){
        .worker = b->options.worker,
        .capacity = capacity,
        .queues = settings->worker_queues,
        .types = b->options.types,
        .since_ms = b->since_ms,
    };
    b->options.gather(b->options.arg, &b->in, b->jobs, capacity + RUN_KEPT_MAX);
    b->asked_count = b->in.count;
    for (size_t i = 0; i < b->asked_count; i++) {
        snprintf(b->asked[i].job, sizeof b->asked[i].job, "%s", b->jobs[i].id);
        b->asked[i].a = b->jobs[i].attempt;
    }
}

void beat_now(struct beat *b)
{
    b->again = b->steps > 0;
    if (b->stopped || b->steps > 0)
        return;
    gather(b);
    b->sent = b->answered = b->held = 0;
    b->failed = false;
    do {
        send_step(b);
    } while (!b->failed && b->sent < b->asked_count);
    b->whole = false;
    plan(b, b->failed ? min_i64(interval_ms(b), AFTER_FAILURE_MS) : interval_ms(b));
}

void beat_stop(struct beat *b)
{
    b->stopped = true;
    uv_timer_stop(&b->timer);
}

static void release(struct beat *b)
{
    free(b->jobs);
    free(b->asked);
    free(b);
}

struct beat *beat_new(const struct beat_options *options)
{
    size_t most = (size_t)options->settings->worker_max_jobs + RUN_KEPT_MAX;
    struct beat *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->options = *options;
    b->since_ms = clock_wall_ms();
    b->jobs = calloc(most, sizeof *b->jobs);
    b->asked = calloc(most, sizeof *b->asked);
    if (!b->jobs || !b->asked) {
        release(b);
        return NULL;
    }
    uv_timer_init(options->loop, &b->timer);
    b->timer.data = b;
    return b;
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void beat_free(struct beat *b)
{
    if (!b)
        return;
    beat_stop(b);
    uv_close((uv_handle_t *)&b->timer, on_closed);
}
