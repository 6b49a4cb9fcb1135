/*
 * redis_loop.c: five small hooks over one uv_poll_t. The poll outlives the
 * context by a loop turn, because closing a handle takes one.
 */
#include "redis_loop.h"

#include <hiredis/async.h>
#include <stdlib.h>

struct watch {
    uv_poll_t poll;
    redisAsyncContext *context; /* NULL once it is gone */
    int events;
};

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    /* An error is read like an end: hiredis asks the socket what it is. */
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    if (watch->context && (events & UV_READABLE))
        redisAsyncHandleRead(watch->context);
    if (watch->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(watch->context);
}

static void listen_for(struct watch *watch, int events)
{
    if (events == watch->events)
        return;
    watch->events = events;
    if (events)
        uv_poll_start(&watch->poll, events, on_event);
    else
        uv_poll_stop(&watch->poll);
}

static void add_read(void *data)
{
    struct watch *watch = data;
    listen_for(watch, watch->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct watch *watch = data;
    listen_for(watch, watch->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct watch *watch = data;
    listen_for(watch, watch->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct watch *watch = data;
    listen_for(watch, watch->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void cleanup(void *data)
{
    struct watch *watch = data;
    watch->context = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
}

bool redis_loop_attach(struct redisAsyncContext *context, uv_loop_t *loop)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return false;
    if (uv_poll_init(loop, &watch->poll, context->c.fd) != 0) {
        free(watch);
        return false;
    }
    watch->poll.data = watch;
    watch->context = context;
    context->ev.data = watch;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return true;
}
