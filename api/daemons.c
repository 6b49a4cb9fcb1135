/*
 * daemons.c: libmicrohttpd's daemons, driven by the loop.
 *
 * Each daemon has an epoll descriptor; uv_poll on it marks the daemon dirty, as
 * does whoever gives it a connection or resumes one (libmicrohttpd does not tell of
 * these). After and before the loop waits, the dirty ones run once each. One that has
 * more to do at once stays dirty, and the loop does not sleep meanwhile. A quiet
 * daemon costs nothing.
 *
 * Daemons are made as connections come, and kept: an empty one is a descriptor and
 * 1.5 KB.
 */
#include "transport.h"

#include <microhttpd.h>

#include <assert.h>
#include <stdlib.h>

void daemon_mark(struct daemon *d)
{
    if (d->dirty)
        return;
    d->dirty = true;
    d->next_dirty = d->server->dirty;
    d->server->dirty = d;
    server_awake(d->server);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    daemon_mark(CONTAINER_OF(poll, struct daemon, poll));
}

static void on_timer(uv_timer_t *timer)
{
    daemon_mark(CONTAINER_OF(timer, struct daemon, timer));
}

static void run(struct daemon *d)
{
    MHD_run(d->mhd);
    MHD_UNSIGNED_LONG_LONG wait_ms;
    if (MHD_get_timeout(d->mhd, &wait_ms) != MHD_YES)
        return;
    if (wait_ms == 0)
        daemon_mark(d);
    else
        uv_timer_start(&d->timer, on_timer, wait_ms, 0);
}

void daemons_run(struct server *s)
{
    struct daemon *d = s->dirty;
    s->dirty = NULL;
    while (d) {
        struct daemon *next = d->next_dirty;
        d->dirty = false;
        run(d);
        d = next;
    }
}

/* ---- room ---- */

static void put_roomy(struct daemon *d)
{
    if (d->roomy)
        return;
    d->roomy = true;
    d->next_roomy = d->server->roomy[d->large];
    d->server->roomy[d->large] = d;
}

void daemons_leave(struct seat *seat)
{
    struct daemon *d = seat->daemon;
    d->connections--;
    d->server->seats--;
    put_roomy(d);
    free(seat);
}

static struct seat *take_seat(struct daemon *d, struct connection *c)
{
    struct seat *seat = malloc(sizeof *seat);
    if (!seat)
        return NULL;
    *seat = (struct seat){.daemon = d, .connection = c};
    c->seat = seat;
    d->connections++;
    d->server->seats++;
    return seat;
}

static struct daemon *daemon_new(struct server *s, bool large)
{
    struct daemon **all = realloc(s->daemons, (s->daemon_count + 1) * sizeof *all);
    if (!all)
        return NULL;
    s->daemons = all;
    struct daemon *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->server = s;
    d->large = large;
    d->mhd = calls_start_daemon(s, large ? POOL_BYTES_LARGE : POOL_BYTES_SMALL);
    const union MHD_DaemonInfo *info =
        d->mhd ? MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || uv_poll_init(s->loop, &d->poll, info->epoll_fd)) {
        if (d->mhd)
            MHD_stop_daemon(d->mhd);
        free(d);
        return NULL;
    }
    uv_poll_start(&d->poll, UV_READABLE, on_ready);
    uv_timer_init(s->loop, &d->timer);
    s->daemons[s->daemon_count++] = d;
    put_roomy(d);
    return d;
}

enum status daemons_add(struct server *s, struct connection *c, bool large,
                        const struct sockaddr *address, unsigned int length)
{
    struct daemon *d = s->roomy[large] ? s->roomy[large] : daemon_new(s, large);
    s->accepting = d ? take_seat(d, c) : NULL;
    if (!s->accepting)
        return STATUS_NO_MEMORY;
    deadlines_arm(&s->deadlines, &c->deadline, DEADLINE_HEAD);
    if (MHD_add_connection(d->mhd, c->fd, address, length) != MHD_YES) {
        /* The socket is closed already. Refused early, nobody but us knows of c; refused after
           NOTIFY_STARTED (its epoll had no room), NOTIFY_CLOSED has come too, and freed it. */
        if (s->accepting) {
            daemons_leave(s->accepting);
            s->accepting = NULL;
            connection_free(c);
        }
        return STATUS_SYSTEM;
    }
    assert(!s->accepting); /* NOTIFY_STARTED has come */
    if (d->connections >= DAEMON_CONNECTIONS) {
        s->roomy[large] = d->next_roomy;
        d->roomy = false;
    }
    daemon_mark(d);
    return STATUS_OK;
}

/* ---- the end ---- */

void daemons_stop(struct server *s)
{
    for (size_t i = 0; i < s->daemon_count; i++) {
        struct daemon *d = s->daemons[i];
        server_close_handle(s, (uv_handle_t *)&d->poll);
        server_close_handle(s, (uv_handle_t *)&d->timer);
        MHD_stop_daemon(d->mhd);
        d->mhd = NULL;
    }
}

void daemons_free(struct server *s)
{
    for (size_t i = 0; i < s->daemon_count; i++)
        free(s->daemons[i]);
    free(s->daemons);
}
