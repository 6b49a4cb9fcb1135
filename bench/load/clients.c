/*
 * clients.c: the load. One thread, one buffer that all sockets are read into.
 *
 * A client is RESTING (no socket), CONNECTING (the request is not sent yet) or
 * ASKED. The run goes from phase to phase: OPENING until every client has had an
 * answer's head, SETTLING, the WINDOW in which all is counted, ENDING.
 *
 * All times are microseconds of the wall clock, since that is what messages are
 * stamped with. Those of one recv() arrive at the same moment.
 */
#include "clients.h"

#include "http_reader.h"
#include "meter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BEGIN_MOST 64     /* clients that begin in one turn */
#define SWEEP_US 100000   /* how often silent and refused clients are looked for */
#define FAN_MOST 10000000 /* messages of the chat that all follow */

enum client_state { RESTING, CONNECTING, ASKED };
enum phase { OPENING, SETTLING, WINDOW, ENDING, OVER };

struct client {
    int fd;
    enum client_state state;
    bool opened;    /* has had an answer's head, once */
    bool resumes;   /* comes back to the chat it had */
    bool has_first; /* message of this stream */
    bool catching_up;
    bool tries_again; /* found no room, or was cut; the next sweep */
    uint64_t chat;
    int64_t connect_us, asked_us, heard_us, behind_us;
    struct http_reader http;
    struct sse_reader sse;
    struct witness witness;
};

struct run {
    const struct load_options *o;
    struct load_result *out;
    struct client *all;
    int epoll;
    enum phase phase;
    int64_t now_us, phase_us, begin_us, swept_us;
    int64_t first_us, last_us; /* messages of the whole run */
    size_t begun, opened, open, next_chat;
    bool was_cut;
    size_t returning, back; /* cut: clients that must come back, that have what they missed */
    uint32_t *fan;          /* how many clients have message i */
    double watched_us[WATCHED_MOST], own_us;
    char buffer[262144];
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- a stream's begin ---- */

static size_t write_request(const struct run *run, const struct client *c, char *out, size_t size)
{
    const struct load_options *o = run->o;
    char cursor[SSE_ID_SIZE + 32] = "";
    if (c->resumes && c->sse.id[0])
        snprintf(cursor, sizeof cursor, "Last-Event-ID: %s\r\n", c->sse.id);
    int length = snprintf(out, size,
                          "%s /stream?feature_id=%s&chat_id=%s-%lu HTTP/1.1\r\nHost: localhost\r\n"
                          "%s%s\r\n",
                          o->method, o->feature, o->prefix, (unsigned long)c->chat, cursor,
                          o->method[0] == 'P' ? "Content-Length: 0\r\n" : "");
    return (size_t)length < size ? (size_t)length : size - 1;
}

static void leave(struct run *run, struct client *c)
{
    if (c->state != RESTING) {
        close(c->fd);
        run->open--;
    }
    c->state = RESTING;
}

/* There was no room. */
static void refused(struct run *run, struct client *c)
{
    run->out->errors.refused++;
    leave(run, c);
    c->tries_again = true;
}

/* False: not sent, because the connection is not there yet. */
static bool send_request(struct run *run, struct client *c)
{
    char request[512];
    size_t length = write_request(run, c, request, sizeof request);
    ssize_t sent = send(c->fd, request, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return false;
    if (sent != (ssize_t)length) {
        refused(run, c);
        return true;
    }
    c->asked_us = wall_us();
    c->state = ASKED;
    return true;
}

static int open_socket(const struct run *run, const struct client *c)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    size_t source = (size_t)(c - run->all) % run->o->sources;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source)};
    /* A port is chosen by connect(), which looks at both ends: so each source has all of them. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        fail("bind");
    return fd;
}

static void connect_client(struct run *run, struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)run->o->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = open_socket(run, c);
    c->state = CONNECTING;
    c->connect_us = c->heard_us = c->behind_us = wall_us();
    run->open++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        refused(run, c);
        return;
    }
    if (!send_request(run, c))
        event.events |= EPOLLOUT;
    if (c->state != RESTING && epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        fail("epoll_ctl");
}

static void begin_stream(struct run *run, struct client *c)
{
    if (c->resumes) {
        run->out->resumed++;
    } else {
        sse_reader_clear(&c->sse);
        c->chat = run->o->chats > 0 ? run->next_chat % run->o->chats : run->next_chat;
        run->next_chat++;
        c->witness = (struct witness){.attempt = 0};
        c->has_first = false;
        run->out->begun++;
    }
    c->tries_again = false;
    http_reader_reset(&c->http);
    sse_reader_reset(&c->sse);
    connect_client(run, c);
}

/* ---- a stream's end ---- */

static void caught_up(struct run *run, struct client *c)
{
    if (!c->catching_up)
        return;
    c->catching_up = false;
    run->back++;
    histogram_add(&run->out->back_us, (uint64_t)max_i64(c->behind_us - run->phase_us, 0));
}

static void stream_is_whole(struct run *run, struct client *c)
{
    struct load_result *out = run->out;
    caught_up(run, c);
    out->ended++;
    if (run->o->messages > 0)
        witness_expect(&c->witness, run->o->messages, &out->tally);
    if (run->phase == WINDOW) {
        out->streams++;
        histogram_add(&out->done_us, (uint64_t)(run->now_us - c->connect_us));
    }
    c->resumes = false;
}

/* Its answer is over, in whatever way. */
static void end_stream(struct run *run, struct client *c)
{
    bool whole = c->witness.ended;
    leave(run, c);
    if (whole)
        stream_is_whole(run, c);
    else if (c->http.status == 200 || c->http.status == 0)
        run->out->errors.cut++;
    else if (c->http.status == 503)
        run->out->errors.unavailable++;
    else
        run->out->errors.status++;
    c->resumes = !whole && (run->o->resume || c->catching_up);
    c->tries_again = !whole && (run->o->again || c->resumes);
    if (whole && run->o->again && run->phase <= WINDOW)
        begin_stream(run, c);
}

/* ---- what comes ---- */

static void fan_see(struct run *run, uint64_t number, int64_t stamp_us)
{
    if (number < FAN_MOST && ++run->fan[number] == run->o->clients && run->phase == WINDOW)
        histogram_add(&run->out->last_us, (uint64_t)max_i64(run->now_us - stamp_us, 0));
}

static void see_message(struct run *run, struct client *c, int64_t stamp_us, uint64_t number)
{
    struct load_result *out = run->out;
    if (run->first_us == 0)
        run->first_us = run->now_us;
    run->last_us = run->now_us;
    if (stamp_us >= c->asked_us)
        caught_up(run, c);
    else
        c->behind_us = run->now_us;
    if (run->fan)
        fan_see(run, number, stamp_us);
    if (run->phase != WINDOW)
        return;
    out->messages++;
    /* What was written before the client asked waited for the client. */
    if (stamp_us >= c->asked_us)
        histogram_add(&out->latency_us, (uint64_t)max_i64(run->now_us - stamp_us, 0));
    if (!c->has_first)
        histogram_add(&out->first_us, (uint64_t)(run->now_us - c->connect_us));
}

struct arrival {
    struct run *run;
    struct client *client;
};

static void on_event(void *arg, const struct sse_reader *r, const char *data, size_t length)
{
    struct arrival *a = arg;
    int64_t stamp_us = 0;
    uint64_t number = 0;
    if (witness_see(&a->client->witness, r, data, length, &a->run->out->tally, &stamp_us,
                    &number) != SEEN_MESSAGE)
        return;
    see_message(a->run, a->client, stamp_us, number);
    a->client->has_first = true;
}

static void on_body(void *arg, const char *data, size_t length)
{
    struct arrival *a = arg;
    if (a->client->http.status == 200 &&
        !sse_reader_feed(&a->client->sse, data, length, on_event, a))
        fail("memory");
}

static void note_head(struct run *run, struct client *c)
{
    c->behind_us = run->now_us;
    if (c->opened || c->http.status != 200)
        return;
    c->opened = true;
    run->opened++;
}

static void on_bytes(struct run *run, struct client *c, size_t length)
{
    struct arrival arrival = {run, c};
    bool had_head = c->http.status != 0;
    c->heard_us = run->now_us;
    run->out->receives += run->phase == WINDOW;
    run->out->bytes += run->phase == WINDOW ? length : 0;
    if (!http_reader_feed(&c->http, run->buffer, length, on_body, &arrival)) {
        run->out->errors.garbled++;
        leave(run, c);
        c->tries_again = run->o->again;
        return;
    }
    if (!had_head && c->http.status != 0)
        note_head(run, c);
    if (c->http.place == HTTP_ENDED || (c->http.status != 0 && c->http.status != 200))
        end_stream(run, c);
}

static void on_ready(struct run *run, struct client *c)
{
    if (c->state == CONNECTING) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (send_request(run, c) && c->state == ASKED)
            epoll_ctl(run->epoll, EPOLL_CTL_MOD, c->fd, &event);
        return;
    }
    if (c->state == RESTING)
        return;
    ssize_t got = recv(c->fd, run->buffer, sizeof run->buffer, 0);
    run->now_us = wall_us();
    if (got > 0)
        on_bytes(run, c, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        end_stream(run, c);
}

/* ---- the run ---- */

static void announce(const struct run *run, const char *what)
{
    if (!run->o->announce)
        return;
    puts(what);
    fflush(stdout);
}

static double watched_us(const struct watched *w)
{
    return w->below ? meter_below_cpu_us(w->pid) : meter_cpu_us(w->pid);
}

static void cut_all(struct run *run)
{
    for (size_t i = 0; i < run->o->clients; i++) {
        struct client *c = &run->all[i];
        if (c->state == RESTING)
            continue;
        leave(run, c);
        c->resumes = c->catching_up = true;
        run->returning++;
    }
    run->was_cut = true;
    run->begun = 0;
}

static void begin_window(struct run *run)
{
    for (size_t i = 0; i < run->o->watched_count; i++)
        run->watched_us[i] = watched_us(&run->o->watched[i]);
    run->own_us = meter_cpu_us(getpid());
    announce(run, "window");
    run->phase_us = wall_us();
    if (run->o->cut)
        cut_all(run);
}

static void end_window(struct run *run)
{
    struct load_result *out = run->out;
    out->window_s = (double)(run->now_us - run->phase_us) / 1e6;
    out->own_cpu_us = meter_cpu_us(getpid()) - run->own_us;
    out->open_at_end = run->open;
    for (size_t i = 0; i < run->o->watched_count; i++) {
        out->watched_cpu_us[i] = watched_us(&run->o->watched[i]) - run->watched_us[i];
        out->watched_rss_kib[i] = meter_rss_kib(run->o->watched[i].pid);
    }
    announce(run, "end");
}

static bool phase_is_over(const struct run *run)
{
    int64_t passed_us = run->now_us - run->phase_us;
    switch (run->phase) {
    case OPENING:
        return run->opened == run->o->clients || passed_us > run->o->timeout_s * 1e6;
    case SETTLING:
        return passed_us >= run->o->settle_s * 1e6;
    case WINDOW:
        return passed_us >= run->o->window_s * 1e6 ||
               (run->o->cut && run->back == run->returning) ||
               (run->open == 0 && run->begun == run->o->clients);
    default:
        return run->open == 0 || run->o->leave; /* ENDING: each ends, or is given up as silent */
    }
}

static void next_phase(struct run *run)
{
    if (run->phase == WINDOW)
        end_window(run);
    run->phase++;
    run->phase_us = run->now_us;
    if (run->phase == SETTLING)
        announce(run, "open");
    if (run->phase == WINDOW)
        begin_window(run);
}

/* Clients begin in their order, as fast as asked; after a cut those that were cut, at once. */
static void begin_due(struct run *run)
{
    for (int most = BEGIN_MOST; most > 0 && run->begun < run->o->clients; run->begun++) {
        struct client *c = &run->all[run->begun];
        if (!run->was_cut && run->o->rate > 0 &&
            run->now_us < run->begin_us + (int64_t)(run->begun * 1000000 / run->o->rate))
            return;
        if (run->was_cut && !c->resumes)
            continue;
        begin_stream(run, c);
        most--;
    }
}

/* Silent ones are given up; those that found no room try again. */
static void sweep(struct run *run)
{
    int64_t silent_us = (int64_t)(run->o->timeout_s * 1e6);
    if (run->now_us - run->swept_us < SWEEP_US)
        return;
    run->swept_us = run->now_us;
    for (size_t i = 0; i < run->o->clients; i++) {
        struct client *c = &run->all[i];
        if (c->state != RESTING && run->now_us - c->heard_us > silent_us) {
            run->out->errors.timeout++;
            leave(run, c);
            c->tries_again = run->o->again;
        } else if (c->state == RESTING && c->tries_again && run->phase <= WINDOW) {
            begin_stream(run, c);
        }
    }
}

static int wait_ms(const struct run *run)
{
    if (run->begun == run->o->clients)
        return 10;
    return run->o->rate > 0 && !run->was_cut ? 1 : 0;
}

static void turn(struct run *run)
{
    struct epoll_event events[256];
    run->now_us = wall_us();
    begin_due(run);
    int count = epoll_wait(run->epoll, events, COUNT_OF(events), wait_ms(run));
    run->now_us = wall_us();
    for (int i = 0; i < count; i++)
        on_ready(run, events[i].data.ptr);
    sweep(run);
    while (run->phase != OVER && phase_is_over(run))
        next_phase(run);
}

/* As many open files as the clients need. */
static void allow_files(size_t clients)
{
    struct rlimit limit;
    size_t wanted = clients + 64;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("getrlimit");
    if (limit.rlim_max < wanted) {
        fprintf(stderr,
                "load: %zu clients need %zu open files, and no more than %zu are allowed here "
                "(ulimit -Hn)\n",
                clients, wanted, (size_t)limit.rlim_max);
        exit(EXIT_FAILURE);
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        fail("setrlimit");
}

static void run_clear(struct run *run)
{
    for (size_t i = 0; i < run->o->clients; i++) {
        leave(run, &run->all[i]);
        run->out->comments += run->all[i].sse.comments;
        http_reader_clear(&run->all[i].http);
        sse_reader_clear(&run->all[i].sse);
    }
    close(run->epoll);
    free(run->all);
    free(run->fan);
}

void clients_run(const struct load_options *o, struct load_result *out)
{
    static struct run run;
    run = (struct run){.o = o, .out = out};
    allow_files(o->clients);
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.all = calloc(o->clients, sizeof *run.all);
    run.fan = o->fan ? calloc(FAN_MOST, sizeof *run.fan) : NULL;
    if (run.epoll < 0 || !run.all || (o->fan && !run.fan))
        fail("start");
    run.begin_us = run.phase_us = run.swept_us = wall_us();
    while (run.phase != OVER)
        turn(&run);
    out->span_s = (double)(run.last_us - run.first_us) / 1e6;
    run_clear(&run);
}
