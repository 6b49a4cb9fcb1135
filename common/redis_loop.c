/*
 * redis_loop.c: five small hooks over one uv_poll_t and one uv_idle_t. Both
 * outlive the context by a loop turn, because closing a handle takes one.
 *
 * What is to be sent goes out when the loop turns, all of it with one write: to
 * wait for the socket to say that it can take it would cost two epoll_ctl and a
 * turn. Only what the socket did not take waits for that. An idle handle, because
 * one that was started anywhere in a turn keeps the loop from sleeping.
 */
#include "redis_loop.h"

#include <hiredis/async.h>
#include <stdlib.h>

struct watch {
    uv_poll_t poll;
    uv_idle_t unsent;           /* runs while something is to be sent */
    redisAsyncContext *context; /* NULL once it is gone */
    int events;
    int open;     /* handles */
    bool sending; /* in on_unsent: what is left then is more than the socket takes */
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

static void on_unsent(uv_idle_t *unsent)
{
    struct watch *watch = unsent->data;
    uv_idle_stop(unsent);
    watch->sending = true;
    redisAsyncHandleWrite(watch->context);
    watch->sending = false;
}

/* Before the connection stands, a writable socket is what says that it does. */
static void add_write(void *data)
{
    struct watch *watch = data;
    if (watch->sending || !(watch->context->c.flags & REDIS_CONNECTED))
        listen_for(watch, watch->events | UV_WRITABLE);
    else if (!(watch->events & UV_WRITABLE))
        uv_idle_start(&watch->unsent, on_unsent);
}

static void del_write(void *data)
{
    struct watch *watch = data;
    uv_idle_stop(&watch->unsent);
    listen_for(watch, watch->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    if (--watch->open == 0)
        free(watch);
}

static void cleanup(void *data)
{
    struct watch *watch = data;
    watch->context = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->unsent, on_closed);
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
    uv_idle_init(loop, &watch->unsent);
    watch->poll.data = watch->unsent.data = watch;
    watch->open = 2;
    watch->context = context;
    context->ev.data = watch;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    return true;
}
