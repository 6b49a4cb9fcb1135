/*
 * beat.c: a timer, and a copy of what was asked.
 *
 * Between a heartbeat and its answer jobs may be finished and new ones claimed.
 * So the attempts that were named are kept (`asked`), and an answer speaks of
 * them, never of what is in hand now; a job's id and its A name one attempt and
 * never come back.
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
    int64_t since_ms; /* wall clock: when we started */
    uv_timer_t timer;
    bool asking;
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

static void on_answer(void *arg, enum status status, const struct heartbeat_result *result)
{
    struct beat *b = arg;
    b->asking = false;
    if (b->stopped)
        return;
    if (status != STATUS_OK) {
        if (status != STATUS_LOST)
            log_warn("heartbeat_failed", LOG_S("status", status_name(status)));
        plan(b, min_i64(interval_ms(b), AFTER_FAILURE_MS));
        return;
    }
    for (size_t i = 0; i < b->asked_count && i < result->count; i++) {
        if (!result->held[i])
            b->options.on_lost(b->options.arg, b->asked[i].job, b->asked[i].a);
    }
    if (result->returned > 0)
        log_warn("claims_returned", LOG_I("jobs", result->returned));
    b->options.on_answered(b->options.arg);
    if (b->again)
        beat_now(b);
}

void beat_now(struct beat *b)
{
    b->again = b->asking;
    if (b->stopped || b->asking)
        return;
    const struct settings *settings = b->options.settings;
    size_t capacity = (size_t)settings->worker_max_jobs;
    struct heartbeat in = {
        .worker = b->options.worker,
        .jobs = b->jobs,
        .capacity = capacity,
        .queues = settings->worker_queues,
        .types = b->options.types,
        .since_ms = b->since_ms,
    };
    b->options.gather(b->options.arg, &in, b->jobs, capacity + RUN_KEPT_MAX);
    b->asked_count = in.count;
    for (size_t i = 0; i < in.count; i++) {
        snprintf(b->asked[i].job, sizeof b->asked[i].job, "%s", b->jobs[i].id);
        b->asked[i].a = b->jobs[i].attempt;
    }
    b->asking = queue_heartbeat(b->options.queue, &in, on_answer, b) == STATUS_OK;
    plan(b, b->asking ? interval_ms(b) : min_i64(interval_ms(b), AFTER_FAILURE_MS));
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
