/*
 * linger.c: the last second of a refused client.
 *
 * Closing a socket with unread bytes resets the connection, and the reset overtakes
 * the answer: a client that is still sending its 2 MB would see "connection reset"
 * instead of 413. So the writing side is closed, and what comes is read and dropped
 * until the client closes too. Bounded in time (LINGER_MS in server.c), in
 * number (the oldest goes first), and in work: 64 KiB a turn.
 */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536

struct lingering {
    struct server *server;
    struct watch watch;
    struct deadline deadline;
    int fd;
};

static void end(struct lingering *l)
{
    struct server *s = l->server;
    deadlines_disarm(&s->deadlines, &l->deadline);
    close(l->fd); /* there is no other copy of it: so it leaves the watcher's set too */
    s->lingering--;
    free(l);
}

static void on_event(struct watch *w, uint32_t events)
{
    (void)events;
    struct lingering *l = CONTAINER_OF(w, struct lingering, watch);
    char dropped[READ_BYTES];
    ssize_t count = recv(l->fd, dropped, sizeof dropped, MSG_DONTWAIT);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        end(l);
}

static void on_over(struct deadline *d)
{
    end(CONTAINER_OF(d, struct lingering, deadline));
}

void linger_begin(struct server *s, int fd)
{
    linger_begin_watched(s, fd, false);
}

void linger_begin_watched(struct server *s, int fd, bool watched)
{
    struct deadline *oldest = deadlines_first(&s->deadlines, DEADLINE_LINGER);
    if (s->lingering >= LINGERING_MAX && oldest)
        on_over(oldest);
    struct lingering *l = s->stopping ? NULL : calloc(1, sizeof *l);
    if (!l) {
        close(fd);
        return;
    }
    *l = (struct lingering){.server = s,
                            .watch = {.on_event = on_event, .added = watched},
                            .deadline.over = on_over,
                            .fd = fd};
    s->lingering++;
    shutdown(fd, SHUT_WR);
    deadlines_arm(&s->deadlines, &l->deadline, DEADLINE_LINGER);
    if (watcher_set(&s->watcher, &l->watch, fd, EPOLLIN | EPOLLRDHUP))
        end(l);
}

void linger_end_all(struct server *s)
{
    struct deadline *oldest;
    while ((oldest = deadlines_first(&s->deadlines, DEADLINE_LINGER)))
        on_over(oldest);
}
