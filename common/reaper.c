/*
 * reaper.c: a timer and at most one step under way.
 *
 * Made by worker/pool.c and by each loop of a gateway. The wait is drawn anew
 * each time, so that many processes started at once spread out.
 *
 * The dangerous part is the end: a step may be unanswered when reaper_free is
 * called. The memory goes with whichever comes last, the answer or the timer's
 * end.
 */
#include "reaper.h"

#include "id.h"
#include "log.h"

#include <stdlib.h>

#define WAIT_MS 1000

struct reaper {
    const struct queue *queue;
    const char *const *names;
    size_t count;
    uv_timer_t timer;
    bool asking;
    bool closed;
    bool told_broken; /* once, as long as it lasts */
};

static void finish_free(struct reaper *r)
{
    if (r->closed && !r->asking)
        free(r);
}

static void on_reaped(void *arg, enum status status, const struct reap_result *result)
{
    struct reaper *r = arg;
    r->asking = false;
    if (status == STATUS_OK && result->died + result->expired > 0)
        log_warn("reaped", LOG_I("died", result->died), LOG_I("expired", result->expired));
    if (status == STATUS_OK && result->broken > 0 && !r->told_broken)
        log_error("queues_broken", LOG_I("queues", result->broken), LOG_S("see", "leat-fsck"));
    r->told_broken = status == STATUS_OK && result->broken > 0;
    if (status == STATUS_OK && result->extended)
        log_warn("leases_extended");
    finish_free(r);
}

/* About a second, three quarters to five quarters of it. Less where leases are short: the step
   takes half a lease without a reap for an outage, and then takes nothing away. */
static uint64_t wait_ms(const struct reaper *r)
{
    uint32_t most = (uint32_t)min_i64(WAIT_MS, r->queue->settings->lease_ms / 4);
    return most - most / 4 + id_random_below(most / 2 + 1);
}

/* What was reaped less than a quarter of a wait ago is left alone: that and a whole wait stay well
   below the half of a lease. */
static void on_time(uv_timer_t *timer)
{
    struct reaper *r = timer->data;
    uv_timer_start(timer, on_time, wait_ms(r), 0);
    if (!r->asking)
        r->asking = queue_reap(r->queue, r->names, r->count, (int64_t)wait_ms(r) / 4, on_reaped,
                               r) == STATUS_OK;
}

struct reaper *reaper_new(uv_loop_t *loop, const struct queue *queue, const char *const *names,
                          size_t count)
{
    struct reaper *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->queue = queue;
    r->names = names;
    r->count = count;
    uv_timer_init(loop, &r->timer);
    r->timer.data = r;
    uv_timer_start(&r->timer, on_time, id_random_below((uint32_t)wait_ms(r) + 1), 0);
    return r;
}

static void on_closed(uv_handle_t *handle)
{
    struct reaper *r = handle->data;
    r->closed = true;
    finish_free(r);
}

void reaper_free(struct reaper *r)
{
    if (r && !uv_is_closing((uv_handle_t *)&r->timer))
        uv_close((uv_handle_t *)&r->timer, on_closed);
}
