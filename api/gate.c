/*
 * gate.c: where a new connection waits until its first request's head is complete.
 *
 * libmicrohttpd answers what it does not like with pages of its own, or not at all, and
 * takes heads that can be read in two ways. So it gets a connection only when the
 * first head was judged by raw_head.h; until then, and where it is refused, the
 * connection is ours. The bytes are only looked at (MSG_PEEK): libmicrohttpd finds
 * them in the socket as if nobody had. Most heads are there at accept; those cost
 * one system call. For the rest there is a `struct caller`, 100 bytes instead of
 * libmicrohttpd's 10 kB, so that clients that say nothing are cheap.
 *
 * A client in the gate counts as a connection (capacity.h), and so once it is let in. When
 * there is no room for one more, a few
 * may enter as `surplus`, to be told so in words that fit their request: a browser's
 * EventSource must be asked to come again, and stops for good at any error.
 *
 * Peeking copies from the start each time. What has come is judged only when it is
 * seen first, when a line has ended, and when it is too long; so a client that
 * drips costs one copy of 8 KiB at most a packet, and a judgement a line.
 *
 * The dangerous part: on_event runs inside the watcher's batch, where no other watch
 * may be freed, and letting one more client linger may end another's. So an event
 * only puts the caller on a list; gate_run, in the loop's turn, looks and decides.
 */
#include "raw_answer.h"
#include "raw_head.h"
#include "transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ORIGIN_MAX 300

struct caller {
    struct server *server;
    struct caller *previous;
    struct caller *next;
    struct caller *next_ready;
    struct watch watch;
    struct deadline deadline;
    int fd;
    size_t seen; /* bytes of the head at the last look */
    bool ready;  /* on the list for gate_run */
    bool ended;  /* it sends nothing more */
    struct capacity_place place;
    bool counted; /* false: surplus */
};

/* What a look at a socket gives. */
struct look {
    enum raw_head_verdict verdict;
    bool gone; /* nothing will come, and nobody listens */
    ssize_t count;
    struct raw_head head;
    char data[RAW_HEAD_MAX + 1];
};

/* ---- turning away ---- */

static const char *copy_text(struct raw_text text, char *room, size_t size)
{
    size_t length = text.length < size ? text.length : 0;
    if (length > 0)
        memcpy(room, text.data, length);
    room[length] = '\0';
    return room;
}

void gate_answer(struct server *s, int fd, const struct turned_away *who, int http_status,
                 const char *detail)
{
    struct buf text = {0};
    s->handlers->on_turned_away(s->arg, who, http_status, detail, &text);
    raw_answer_send(fd, &text);
    buf_clear(&text);
}

/* Takes fd. */
static void turn_away(struct server *s, int fd, const struct raw_head *head, int http_status,
                      const char *detail)
{
    char method[EXCHANGE_METHOD_MAX + 1], target[EXCHANGE_TARGET_MAX + 1], origin[ORIGIN_MAX + 1];
    const struct turned_away who = {
        .method = copy_text(head->method, method, sizeof method),
        .target = copy_text(head->target, target, sizeof target),
        .origin = copy_text(head->origin, origin, sizeof origin),
    };
    gate_answer(s, fd, &who, http_status, detail);
    linger_begin(s, fd);
}

/* Takes fd. There is no room. */
static void turn_away_full(struct server *s, int fd, const struct raw_head *head,
                           enum capacity_verdict why)
{
    COUNT_UP(s, refused);
    if (why == CAPACITY_ADDRESS_FULL)
        turn_away(s, fd, head, 429,
                  "This gateway serves as many clients of your address as it may.");
    else
        turn_away(s, fd, head, 503, "This gateway serves as many clients as it may.");
}

/* Takes fd. */
static void refuse(struct server *s, int fd, const struct raw_head *head)
{
    COUNT_UP(s, requests);
    COUNT_UP(s, malformed);
    turn_away(s, fd, head, head->http_status, head->fault);
}

/* ---- letting in ---- */

/* Whether libmicrohttpd needs a large pool for this head. Half of the small one is what it
   begins to read into; the rest is for the head's parts and the answer. */
static bool is_large(const struct raw_head *head)
{
    size_t kept = head->length + head->cookies + head->parts * POOL_BYTES_PART;
    return kept > POOL_BYTES_SMALL / 2;
}

/* Takes fd, which is counted at place and whose head is good. peer: NULL: it is to be found. */
static void let_in(struct server *s, int fd, const struct raw_head *head,
                   struct capacity_place place, const struct sockaddr *peer, socklen_t length)
{
    struct sockaddr_storage room;
    struct connection *c = connection_new(s, fd, place);
    if (!c) {
        capacity_leave(s->capacity, place);
        turn_away_full(s, fd, head, CAPACITY_FULL);
        return;
    }
    if (!peer) {
        peer = (struct sockaddr *)&room;
        length = sizeof room;
        if (getpeername(fd, (struct sockaddr *)&room, &length)) {
            connection_free(c);
            close(fd); /* it was reset */
            return;
        }
    }
    if (daemons_add(s, c, is_large(head), peer, length) == STATUS_NO_MEMORY) {
        connection_free(c);
        turn_away_full(s, fd, head, CAPACITY_FULL);
    }
}

/* ---- looking ---- */

static void look(int fd, size_t seen, bool ended, struct look *out)
{
    out->gone = false;
    out->verdict = RAW_HEAD_MORE;
    out->head = (struct raw_head){0};
    out->count = recv(fd, out->data, sizeof out->data, MSG_PEEK | MSG_DONTWAIT);
    if (out->count <= 0) {
        out->gone = out->count == 0 || (errno != EAGAIN && errno != EINTR);
        out->count = 0;
        return;
    }
    size_t count = (size_t)out->count;
    bool worth = seen == 0 || ended || count > RAW_HEAD_MAX ||
                 (count > seen && memchr(out->data + seen, '\n', count - seen));
    if (worth)
        out->verdict = raw_head_read(out->data, count, &out->head);
    if (out->verdict == RAW_HEAD_MORE && ended) {
        out->verdict = RAW_HEAD_REFUSED;
        out->head.http_status = 400;
        out->head.fault = "The request ends within its head.";
    }
}

/* ---- callers ---- */

/* It leaves the gate; gives its socket. */
static int leave(struct caller *c)
{
    struct server *s = c->server;
    int fd = c->fd;
    watcher_unset(&s->watcher, &c->watch, fd);
    deadlines_disarm(&s->deadlines, &c->deadline);
    if (c->previous)
        c->previous->next = c->next;
    else
        s->callers = c->next;
    if (c->next)
        c->next->previous = c->previous;
    if (c->counted)
        COUNT_DOWN(s, connections);
    else
        s->surplus--;
    return fd;
}

/* The last of it; it has left. */
static void forget(struct caller *c)
{
    if (c->counted)
        capacity_leave(c->server->capacity, c->place);
    free(c);
}

static void look_again(struct caller *c)
{
    struct server *s = c->server;
    enum capacity_verdict why = CAPACITY_ROOM;
    struct look seen;
    look(c->fd, c->seen, c->ended, &seen);
    c->seen = (size_t)seen.count;
    if (!seen.gone && seen.verdict == RAW_HEAD_MORE)
        return;
    int fd = leave(c);
    if (seen.gone) {
        close(fd);
    } else if (seen.verdict == RAW_HEAD_REFUSED) {
        refuse(s, fd, &seen.head);
    } else if (!c->counted && (why = capacity_enter(s->capacity, c->place)) != CAPACITY_ROOM) {
        turn_away_full(s, fd, &seen.head, why);
    } else {
        c->counted = false; /* the connection is, now */
        let_in(s, fd, &seen.head, c->place, NULL, 0);
    }
    forget(c);
}

static void caller_event(struct watch *w, uint32_t events)
{
    struct caller *c = CONTAINER_OF(w, struct caller, watch);
    struct server *s = c->server;
    c->ended = c->ended || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (c->ready)
        return;
    c->ready = true;
    c->next_ready = s->ready;
    s->ready = c;
}

static void caller_over(struct deadline *d)
{
    struct caller *c = CONTAINER_OF(d, struct caller, deadline);
    struct server *s = c->server;
    int fd = leave(c);
    COUNT_UP(s, timed_out);
    if (c->seen > 0)
        turn_away(s, fd, &(struct raw_head){0}, 408, "The head did not come in time.");
    else
        linger_begin(s, fd);
    forget(c);
}

/* counted: at place. NULL: no room or memory, and it still is. */
static struct caller *caller_new(struct server *s, int fd, struct capacity_place place,
                                 bool counted)
{
    struct caller *c = NULL;
    if (counted || s->surplus < GATE_SURPLUS_MAX)
        c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct caller){.server = s,
                         .next = s->callers,
                         .watch.on_event = caller_event,
                         .deadline.over = caller_over,
                         .fd = fd,
                         .place = place,
                         .counted = counted};
    if (c->next)
        c->next->previous = c;
    s->callers = c;
    if (counted)
        COUNT_UP(s, connections);
    else
        s->surplus++;
    return c;
}

/* Takes fd, whose head is not complete. why: whether it is counted, or why not. */
static void let_wait(struct server *s, int fd, const struct look *seen, struct capacity_place place,
                     enum capacity_verdict why)
{
    struct caller *c = caller_new(s, fd, place, why == CAPACITY_ROOM);
    if (!c) {
        if (why == CAPACITY_ROOM)
            capacity_leave(s->capacity, place);
        turn_away_full(s, fd, &seen->head, why);
        return;
    }
    c->seen = (size_t)seen->count;
    deadlines_arm(&s->deadlines, &c->deadline, DEADLINE_HEAD);
    if (watcher_set(&s->watcher, &c->watch, fd, EPOLLIN | EPOLLRDHUP | EPOLLET)) {
        turn_away_full(s, leave(c), &seen->head, CAPACITY_FULL);
        forget(c);
    }
}

void gate_take(struct server *s, int fd, const struct sockaddr *peer, unsigned int length)
{
    struct look seen;
    COUNT_UP(s, accepted);
    look(fd, 0, false, &seen);
    if (seen.gone) {
        close(fd);
        return;
    }
    if (seen.verdict == RAW_HEAD_REFUSED) {
        refuse(s, fd, &seen.head);
        return;
    }
    struct capacity_place place = capacity_place(s->capacity, peer);
    enum capacity_verdict why = capacity_enter(s->capacity, place);
    if (seen.verdict == RAW_HEAD_MORE)
        let_wait(s, fd, &seen, place, why);
    else if (why == CAPACITY_ROOM)
        let_in(s, fd, &seen.head, place, peer, length);
    else
        turn_away_full(s, fd, &seen.head, why);
}

void gate_run(struct server *s)
{
    struct caller *c = s->ready;
    s->ready = NULL;
    while (c) {
        struct caller *next = c->next_ready;
        c->ready = false;
        look_again(c);
        c = next;
    }
}

/* ---- the end ---- */

void gate_finish(struct server *s)
{
    gate_run(s);
    for (struct caller *c = s->callers, *next; c; c = next) {
        next = c->next;
        look_again(c); /* it may be there since the loop last looked */
    }
    while (s->callers) {
        struct caller *c = s->callers;
        linger_begin(s, leave(c));
        forget(c);
    }
}

void gate_close(struct server *s)
{
    s->ready = NULL;
    while (s->callers) {
        struct caller *c = s->callers;
        close(leave(c));
        forget(c);
    }
}
