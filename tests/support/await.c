/*
 * await.c: a timer keeps the loop turning, so that UV_RUN_ONCE never sleeps
 * past the bound.
 */
#include "await.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_EACH_MS 5

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void on_closed(uv_handle_t *handle)
{
    *(bool *)handle->data = true;
}

bool await(uv_loop_t *loop, await_fn *holds, void *arg, uint64_t bound_ms)
{
    uv_timer_t timer;
    bool closed = false;
    uint64_t end_ns = uv_hrtime() + bound_ms * 1000000;
    uv_timer_init(loop, &timer);
    timer.data = &closed;
    uv_update_time(loop);
    uv_timer_start(&timer, on_timer, LOOK_EACH_MS, LOOK_EACH_MS);
    bool held;
    while (!(held = holds(arg)) && uv_hrtime() < end_ns)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, on_closed);
    while (!closed)
        uv_run(loop, UV_RUN_NOWAIT);
    return held;
}

bool await_flag(void *arg)
{
    return *(bool *)arg;
}

void await_loop_end(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    int bad = uv_loop_close(loop);
    if (bad) {
        fprintf(stderr, "await_loop_end: %s\n", uv_strerror(bad));
        abort();
    }
}
