/*
 * stops.c: a ring of ids and times.
 *
 * That Redis is gone may be noticed only when an answer is overdue, so what was
 * stopped within that time before counts as well.
 */
#include "stops.h"

#include "clock.h"
#include "log.h"

#include <stdio.h>

void stops_note(struct stops *s, const char *job)
{
    snprintf(s->newest[s->next].job, JOB_ID_SIZE, "%s", job);
    s->newest[s->next].at_ms = clock_steady_ms();
    s->next = (s->next + 1) % STOPS_MOST;
}

void stops_down(struct stops *s)
{
    if (s->down_ms == 0)
        s->down_ms = clock_steady_ms();
}

static void on_stopped(void *arg, enum status status, const struct cancel_result *result)
{
    (void)arg;
    if (status == STATUS_OK && result->was_alive)
        log_warn("stopped_again", LOG_S("job", result->job));
}

void stops_up(struct stops *s, const struct queue *q)
{
    int64_t since_ms = s->down_ms - STOPS_KEEP_MS - q->settings->redis_timeout_ms;
    if (s->down_ms == 0)
        return;
    s->down_ms = 0;
    for (size_t i = 0; i < STOPS_MOST; i++) {
        if (!*s->newest[i].job || s->newest[i].at_ms < since_ms)
            continue;
        if (queue_cancel(q, "", "", s->newest[i].job, on_stopped, NULL) != STATUS_OK)
            log_warn("stop_not_repeated", LOG_S("job", s->newest[i].job));
    }
}
