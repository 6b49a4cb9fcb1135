/*
 * session.c: one timer bounds the whole program; what is awaited in a turn is up
 * to the caller.
 */
#include "session.h"

#include "id.h"
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_S 300

_Noreturn void session_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

static void on_bound(uv_timer_t *timer)
{
    (void)timer;
    session_fail("not done within %d s", MOST_S);
}

void session_turn(struct session *s)
{
    uv_run(&s->loop, UV_RUN_ONCE);
}

static void await_up(struct session *s, struct redis *r)
{
    if (!r)
        session_fail("no memory");
    while (!redis_is_up(r))
        session_turn(s);
}

void session_open(struct session *s)
{
    struct buf error = {0};
    if (!settings_load(&s->settings, SETTINGS_API, &error))
        session_fail("%s", buf_text(&error));
    log_open("bench", LOG_LEVEL_ERROR);
    id_random_hex(s->token, sizeof s->token - 1);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->bound);
    uv_timer_start(&s->bound, on_bound, MOST_S * 1000, 0);
    const struct redis_options options = {
        .loop = &s->loop, .settings = &s->settings, .name = "bench", .scripts = true};
    s->redis = redis_new(&options);
    await_up(s, s->redis);
    s->queue = (struct queue){.redis = s->redis, .settings = &s->settings};
}

struct redis *session_connect(struct session *s, int64_t block_ms)
{
    const struct redis_options options = {
        .loop = &s->loop, .settings = &s->settings, .name = "bench:wait", .block_ms = block_ms};
    struct redis *r = redis_new(&options);
    await_up(s, r);
    return r;
}

void session_close(struct session *s)
{
    redis_free(s->redis);
    uv_close((uv_handle_t *)&s->bound, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
}

size_t session_number(const char *text, const char *what, size_t least)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end || errno || number < least)
        session_fail("%s: a number from %zu on, not \"%s\"", what, least, text);
    return (size_t)number;
}

double session_us(void)
{
    return (double)uv_hrtime() / 1000;
}

static int by_size(const void *a, const void *b)
{
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

void session_print_spread(const char *name, double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    printf("%s %.1f %.1f\n", name, times[count / 2], times[count * 99 / 100]);
}
