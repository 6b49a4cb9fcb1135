/*
 * demo_server.c: see demo_server.h. The smallest application that uses every
 * function of exchange.h; every bound exchange has a struct visit, released in
 * on_closed and nowhere else.
 */
#include "demo_server.h"

#include "raw_answer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum command { COMMAND_DRAIN = 1, COMMAND_END = 2, COMMAND_STOP = 4 };

struct visit {
    struct demo *demo;
    struct exchange *exchange;
    struct outlet *outlet;
    struct visit *previous;
    struct visit *next;
    uv_timer_t timer;
    bool timer_used;
    bool holds;
    bool aborts;
    bool late_stream;
    long count;
    size_t size;
};

struct demo {
    uv_loop_t loop;
    uv_async_t async;
    uv_prepare_t prepare;
    pthread_t thread;
    struct settings settings;
    struct server *server;
    struct capacity *capacity; /* NULL: borrowed */
    struct visit *visits;
    atomic_int commands;
    struct {
        atomic_size_t asked, bound, opened, gone, closed, turns;
    } stats;
};

/* ---- visits ---- */

static void release(uv_handle_t *handle)
{
    free(CONTAINER_OF(handle, struct visit, timer));
}

static void on_closed(void *arg)
{
    struct visit *v = arg;
    v->demo->stats.closed++;
    if (v->previous)
        v->previous->next = v->next;
    else
        v->demo->visits = v->next;
    if (v->next)
        v->next->previous = v->previous;
    uv_close((uv_handle_t *)&v->timer, release);
}

static void on_gone(void *arg)
{
    struct visit *v = arg;
    v->demo->stats.gone++;
    v->outlet = NULL;
    uv_timer_stop(&v->timer);
}

static void send_more(struct visit *v)
{
    static char chunk[65536];
    if (!chunk[0]) {
        for (size_t i = 0; i < sizeof chunk; i++)
            chunk[i] = (char)('a' + i % 26);
    }
    while (v->count > 0 && !outlet_is_blocked(v->outlet)) {
        v->count--;
        if (outlet_write(v->outlet, chunk, v->size))
            return; /* on_gone follows */
    }
    if (v->count == 0)
        exchange_end(v->exchange);
}

static void on_open(void *arg, struct outlet *outlet)
{
    struct visit *v = arg;
    v->demo->stats.opened++;
    v->outlet = outlet;
    if (!v->holds) {
        send_more(v);
        return;
    }
    if (outlet_write(outlet, ":\n\n", 3) == STATUS_OK && v->aborts)
        exchange_abort(v->exchange);
}

static void on_writable(void *arg)
{
    struct visit *v = arg;
    if (!v->holds)
        send_more(v);
}

static const struct exchange_events events = {
    .on_open = on_open, .on_writable = on_writable, .on_gone = on_gone, .on_closed = on_closed};

static struct visit *visit(struct demo *d, struct exchange *e)
{
    struct visit *v = calloc(1, sizeof *v);
    assert(v);
    *v = (struct visit){.demo = d, .exchange = e, .next = d->visits};
    if (v->next)
        v->next->previous = v;
    d->visits = v;
    uv_timer_init(&d->loop, &v->timer);
    d->stats.bound++;
    exchange_bind(e, &events, v);
    return v;
}

/* ---- routes ---- */

static const struct exchange_field plain[] = {{"Content-Type", "text/plain"}};
static const struct exchange_field streamed[] = {{"Content-Type", "text/event-stream"}};

static void answer(struct exchange *e, int http_status, const char *body, size_t length)
{
    enum status status = exchange_answer(e, http_status, plain, COUNT_OF(plain), body, length);
    assert(status == STATUS_OK);
    (void)status;
}

static void stream(struct visit *v)
{
    enum status status = exchange_stream(v->exchange, streamed, COUNT_OF(streamed));
    assert(status == STATUS_OK);
    (void)status;
}

static void on_late(uv_timer_t *timer)
{
    struct visit *v = CONTAINER_OF(timer, struct visit, timer);
    if (v->late_stream)
        stream(v);
    else
        answer(v->exchange, 200, "later\n", 6);
}

static bool is(const struct exchange *e, const char *path)
{
    size_t length = strcspn(exchange_target(e), "?");
    return length == strlen(path) && strncmp(exchange_target(e), path, length) == 0;
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void hello(struct demo *d, struct exchange *e)
{
    (void)d;
    answer(e, 200, "hello\n", 6);
}

static void echo(struct demo *d, struct exchange *e)
{
    (void)d;
    size_t length;
    const char *body = exchange_body(e, &length);
    answer(e, 200, body, length);
}

static void chunks(struct demo *d, struct exchange *e)
{
    struct visit *v = visit(d, e);
    if (sscanf(exchange_target(e), "/stream?count=%ld&size=%zu", &v->count, &v->size) != 2)
        v->count = 0;
    stream(v);
}

static void hold(struct demo *d, struct exchange *e)
{
    struct visit *v = visit(d, e);
    v->holds = true;
    v->aborts = is(e, "/abort");
    stream(v);
}

static void wait_for_ever(struct demo *d, struct exchange *e)
{
    visit(d, e);
}

static void later(struct demo *d, struct exchange *e)
{
    struct visit *v = visit(d, e);
    v->late_stream = is(e, "/late-stream");
    v->count = 3;
    v->size = 10;
    uv_timer_start(&v->timer, on_late, 20, 0);
}

static void fat(struct demo *d, struct exchange *e)
{
    static const struct exchange_field fields[] = {
        {"Content-Type", "text/plain"}, {"X-Fat-1", HUNDRED}, {"X-Fat-2", HUNDRED},
        {"X-Fat-3", HUNDRED},           {"X-Fat-4", HUNDRED}, {"X-Fat-5", HUNDRED},
        {"X-Fat-6", HUNDRED},           {"X-Fat-7", HUNDRED}, {"X-Fat-8", HUNDRED},
    };
    enum status status;
    if (strstr(exchange_target(e), "stream"))
        status = exchange_stream((visit(d, e))->exchange, fields, COUNT_OF(fields));
    else
        status = exchange_answer(e, 200, fields, COUNT_OF(fields), "fat\n", 4);
    assert(status == STATUS_OK);
    (void)status;
}

static void nothing(struct demo *d, struct exchange *e)
{
    (void)d;
    (void)e;
}

static const struct {
    const char *path;
    void (*call)(struct demo *d, struct exchange *e);
} routes[] = {
    {"/hello", hello},     {"/echo", echo},   {"/stream", chunks},     {"/hold", hold},
    {"/abort", hold},      {"/later", later}, {"/late-stream", later}, {"/wait", wait_for_ever},
    {"/nothing", nothing}, {"/fat", fat},     {"/fat-stream", fat},
};

static void on_head(void *arg, struct exchange *e)
{
    (void)arg;
    const char *once;
    if (exchange_header(e, "X-Once", &once)) {
        answer(e, 400, "twice\n", 6);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (is(e, routes[i].path))
            return;
    }
    answer(e, 404, "not found\n", 10);
}

static void on_request(void *arg, struct exchange *e)
{
    struct demo *d = arg;
    d->stats.asked++;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (is(e, routes[i].path)) {
            routes[i].call(d, e);
            return;
        }
    }
}

static void on_refused(void *arg, struct exchange *e, int http_status, const char *detail)
{
    (void)arg;
    answer(e, http_status, detail, strlen(detail));
}

/* The body says what the server has said, and what it knew: the tests compare it. */
static void on_turned_away(void *arg, const struct turned_away *who, int http_status,
                           const char *detail, struct buf *answer)
{
    (void)arg;
    struct buf body = {0};
    buf_printf(&body, "%s %s: %s", who->method, who->target, detail);
    raw_answer_put(&(struct raw_answer){.http_status = http_status,
                                        .fields = plain,
                                        .count = COUNT_OF(plain),
                                        .body = buf_text(&body),
                                        .length = body.length,
                                        .head_only = strcmp(who->method, "HEAD") == 0},
                   answer);
    buf_clear(&body);
}

static const struct server_handlers handlers = {.on_head = on_head,
                                                .on_request = on_request,
                                                .on_refused = on_refused,
                                                .on_turned_away = on_turned_away};

/* ---- the thread ---- */

static void end_streams(struct demo *d)
{
    for (struct visit *v = d->visits; v; v = v->next)
        exchange_end(v->exchange);
}

static void on_turn(uv_prepare_t *prepare)
{
    CONTAINER_OF(prepare, struct demo, prepare)->stats.turns++;
}

static void on_command(uv_async_t *async)
{
    struct demo *d = CONTAINER_OF(async, struct demo, async);
    int commands = atomic_exchange(&d->commands, 0);
    if (commands & COMMAND_DRAIN)
        server_drain(d->server);
    if (commands & (COMMAND_DRAIN | COMMAND_END))
        end_streams(d);
    if (!(commands & COMMAND_STOP))
        return;
    server_free(d->server);
    d->server = NULL;
    uv_close((uv_handle_t *)&d->async, NULL);
    uv_close((uv_handle_t *)&d->prepare, NULL);
}

static void *run(void *arg)
{
    struct demo *d = arg;
    uv_run(&d->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

static void fill(struct settings *s, const struct demo_options *o)
{
    *s = (struct settings){
        .api_host = "127.0.0.1",
        .api_max_body_bytes = or_default(o->body_max_bytes, 1 << 20),
        .api_header_timeout_ms = or_default(o->header_timeout_ms, 10000),
        .api_body_timeout_ms = or_default(o->body_timeout_ms, 30000),
        .api_idle_timeout_ms = or_default(o->idle_timeout_ms, 60000),
        .api_heartbeat_ms = 15000,
    };
}

struct demo *demo_try(const struct demo_options *options, struct buf *error)
{
    struct demo *d = calloc(1, sizeof *d);
    assert(d);
    fill(&d->settings, options);
    if (!options->capacity)
        d->capacity = capacity_new(options->connections_max ? options->connections_max : 20000,
                                   options->address_max);
    uv_loop_init(&d->loop);
    struct server_options server = {
        .loop = &d->loop,
        .settings = &d->settings,
        .port = options->port,
        .port_shared = options->port_shared,
        .capacity = options->capacity ? options->capacity : d->capacity,
        .handlers = &handlers,
        .arg = d,
    };
    if (server_new(&server, &d->server, error)) {
        uv_run(&d->loop, UV_RUN_DEFAULT);
        uv_loop_close(&d->loop);
        capacity_free(d->capacity);
        free(d);
        return NULL;
    }
    uv_async_init(&d->loop, &d->async, on_command);
    uv_prepare_init(&d->loop, &d->prepare);
    uv_prepare_start(&d->prepare, on_turn);
    int result = pthread_create(&d->thread, NULL, run, d);
    assert(result == 0);
    (void)result;
    return d;
}

struct demo *demo_start(const struct demo_options *options)
{
    struct buf error = {0};
    struct demo *d = demo_try(options, &error);
    if (!d) {
        fprintf(stderr, "%s\n", buf_text(&error));
        abort();
    }
    buf_clear(&error);
    return d;
}

static void command(struct demo *d, enum command what)
{
    atomic_fetch_or(&d->commands, (int)what);
    uv_async_send(&d->async);
}

void demo_wake(struct demo *d)
{
    uv_async_send(&d->async);
}

int demo_port(const struct demo *d)
{
    return server_port(d->server);
}

void demo_get_stats(const struct demo *d, struct demo_stats *out)
{
    *out = (struct demo_stats){.asked = d->stats.asked,
                               .bound = d->stats.bound,
                               .opened = d->stats.opened,
                               .gone = d->stats.gone,
                               .closed = d->stats.closed,
                               .turns = d->stats.turns};
}

void demo_get_counts(const struct demo *d, struct server_counts *out)
{
    server_get_counts(d->server, out);
}

void demo_drain(struct demo *d)
{
    command(d, COMMAND_DRAIN);
}

void demo_end_streams(struct demo *d)
{
    command(d, COMMAND_END);
}

void demo_stop(struct demo *d)
{
    if (!d)
        return;
    command(d, COMMAND_STOP);
    pthread_join(d->thread, NULL);
    int result = uv_loop_close(&d->loop);
    assert(result == 0); /* every handle was closed */
    (void)result;
    capacity_free(d->capacity);
    free(d);
}
