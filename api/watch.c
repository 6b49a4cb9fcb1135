/*
 * watch.c: see watch.h. uv_poll of its own for each connection would cost 160
 * bytes and, level-triggered, a change of the set for each wait; here a connection
 * costs 16 bytes and one system call when it begins to rest.
 *
 * The dangerous part: a batch of events holds pointers. An event's own watch may
 * be freed in its callback; another one's never, or its event, later in the batch,
 * would reach freed memory. Connections keep this rule because they are freed in
 * libmicrohttpd's run only, which never happens inside a batch.
 */
#include "watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256

static void on_ready(uv_poll_t *poll, int status, int uv_events)
{
    (void)status;
    (void)uv_events;
    struct watcher *ws = CONTAINER_OF(poll, struct watcher, poll);
    struct epoll_event events[BATCH];
    int count = epoll_wait(ws->epoll_fd, events, BATCH, 0);
    for (int i = 0; i < count; i++) {
        struct watch *w = events[i].data.ptr;
        w->on_event(w, events[i].events);
    }
}

enum status watcher_init(struct watcher *ws, uv_loop_t *loop)
{
    ws->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ws->epoll_fd < 0)
        return STATUS_SYSTEM;
    if (uv_poll_init(loop, &ws->poll, ws->epoll_fd)) {
        watcher_clear(ws);
        return STATUS_SYSTEM;
    }
    uv_poll_start(&ws->poll, UV_READABLE, on_ready);
    return STATUS_OK;
}

void watcher_clear(struct watcher *ws)
{
    close(ws->epoll_fd);
    ws->epoll_fd = -1;
}

enum status watcher_set(struct watcher *ws, struct watch *w, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};
    if (epoll_ctl(ws->epoll_fd, w->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
        return STATUS_NO_MEMORY;
    w->added = true;
    return STATUS_OK;
}

void watcher_unset(struct watcher *ws, struct watch *w, int fd)
{
    if (!w->added)
        return;
    w->added = false;
    epoll_ctl(ws->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}
