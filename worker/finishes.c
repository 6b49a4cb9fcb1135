/*
 * finishes.c: a line of those who wait, and the batch that is under way.
 *
 * Used by run.c, made by pool.c. The timer of no time at all fires when the loop
 * has turned: by then every task that spoke in this turn was heard.
 *
 * The dangerous part: whoever is answered may put itself in line again at once,
 * or end everything (finishes_free). So a batch is moved out of the way before
 * its first answer, and the memory goes only from the loop.
 */
#include "finishes.h"

#include <stdlib.h>
#include <string.h>

struct finishes {
    const struct queue *queue;
    struct finishing *first, **end; /* they wait, in the order in which they came */
    struct finishing *sent[FINISHES_MOST];
    size_t sent_count; /* 0: no step is under way */
    uv_timer_t timer;
};

static void send_next(struct finishes *f);

static void on_turn(uv_timer_t *timer)
{
    send_next(timer->data);
}

static void plan(struct finishes *f)
{
    if (f->first && f->sent_count == 0 && !uv_is_closing((uv_handle_t *)&f->timer))
        uv_timer_start(&f->timer, on_turn, 0, 0);
}

static void tell(struct finishing *one, enum status status, const struct finish_result *result)
{
    if (status == STATUS_OK && result->outcome == FINISH_REFUSED)
        status = STATUS_REFUSED;
    one->fn(one->arg, status, status == STATUS_OK ? result : NULL);
}

static void on_answer(void *arg, enum status status, const struct finish_result *results)
{
    struct finishes *f = arg;
    struct finishing *batch[FINISHES_MOST];
    size_t count = f->sent_count;
    memcpy(batch, f->sent, count * sizeof batch[0]);
    f->sent_count = 0;
    for (size_t i = 0; i < count; i++)
        tell(batch[i], status, results ? &results[i] : NULL);
    plan(f);
}

static struct finishing *take_first(struct finishes *f)
{
    struct finishing *one = f->first;
    f->first = one->next;
    if (!f->first)
        f->end = &f->first;
    return one;
}

static void send_next(struct finishes *f)
{
    struct holding jobs[FINISHES_MOST];
    struct finish in[FINISHES_MOST];
    size_t count = 0;
    if (f->sent_count > 0)
        return;
    while (f->first && count < FINISHES_MOST) {
        struct finishing *one = take_first(f);
        jobs[count] = *one->job;
        in[count] = one->finish;
        f->sent[count++] = one;
    }
    f->sent_count = count;
    enum status status =
        count > 0 ? queue_finish(f->queue, jobs, in, count, on_answer, f) : STATUS_OK;
    if (status != STATUS_OK)
        on_answer(f, status, NULL);
}

void finishes_put(struct finishes *f, struct finishing *one)
{
    one->next = NULL;
    *f->end = one;
    f->end = &one->next;
    plan(f);
}

struct finishes *finishes_new(uv_loop_t *loop, const struct queue *queue)
{
    struct finishes *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->queue = queue;
    f->end = &f->first;
    uv_timer_init(loop, &f->timer);
    f->timer.data = f;
    return f;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void finishes_free(struct finishes *f)
{
    if (!f)
        return;
    uv_close((uv_handle_t *)&f->timer, on_closed);
    while (f->first) {
        struct finishing *one = take_first(f);
        one->fn(one->arg, STATUS_CLOSED, NULL);
    }
}
