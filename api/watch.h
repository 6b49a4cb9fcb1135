/**
 * watch.h: an epoll set of our own, beside libmicrohttpd's.
 *
 * A connection that rests (its answer is awaited, or its stream is open) is in no
 * set of libmicrohttpd's; here its end is noticed within a loop turn, and that its
 * socket takes bytes again. One uv_poll on the epoll descriptor serves them all.
 *
 * Thread: the loop's, for every function.
 */
#ifndef LEAT_WATCH_H
#define LEAT_WATCH_H

#include "base.h"
#include "status.h"

#include <uv.h>

/* One watched descriptor, embedded where it belongs. Set on_event; zero the rest. */
struct watch {
    /* events as of epoll_wait. May free its own watch, and no other. */
    void (*on_event)(struct watch *w, uint32_t events);
    bool added;
};

struct watcher {
    uv_poll_t poll;
    int epoll_fd;
};

/**
 * watcher_init(ws, loop)
 * The owner closes ws->poll and then calls watcher_clear; neither after a failure.
 * STATUS_SYSTEM: no descriptor left.
 */
MUST_CHECK enum status watcher_init(struct watcher *ws, uv_loop_t *loop);

/* watcher_clear(ws): close the set; ws->poll was given to uv_close before. */
void watcher_clear(struct watcher *ws);

/**
 * watcher_set(ws, w, fd, events)
 * Watch fd for events (EPOLL…), or change them. With EPOLLET this asks anew: what
 * is already there is reported again.
 * STATUS_NO_MEMORY: the kernel refused.
 */
MUST_CHECK enum status watcher_set(struct watcher *ws, struct watch *w, int fd, uint32_t events);

/* watcher_unset(ws, w, fd): stop; fd is still open. Harmless when not watched. */
void watcher_unset(struct watcher *ws, struct watch *w, int fd);

#endif
