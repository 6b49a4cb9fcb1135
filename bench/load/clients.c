/*
 * clients.c: all clients, from phase to phase, turn by turn.
 */
#include "load_run.h"
#include "meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BEGIN_MOST 64   /* clients that begin in one turn */
#define SWEEP_US 100000 /* how often silent and refused clients are looked for */

_Noreturn void run_fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

int64_t run_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- phases ---- */

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
        client_leave(run, c);
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
    run->phase_us = run_wall_us();
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
    double passed_us = (double)(run->now_us - run->phase_us);
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

/* ---- turns ---- */

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
        client_begin(run, c);
        most--;
    }
}

/* Silent ones are given up, and at last those that never end; those that found no room try again.
 */
static void sweep(struct run *run)
{
    int64_t silent_us = (int64_t)(run->o->timeout_s * 1e6);
    if (run->now_us - run->swept_us < SWEEP_US)
        return;
    run->swept_us = run->now_us;
    bool too_late = run->phase == ENDING && run->now_us - run->phase_us > silent_us;
    for (size_t i = 0; i < run->o->clients; i++) {
        struct client *c = &run->all[i];
        if (c->state != RESTING && (too_late || run->now_us - c->heard_us > silent_us)) {
            run->out->errors.timeout++;
            client_leave(run, c);
            c->tries_again = run->o->again;
        } else if (c->state == RESTING && c->tries_again && run->phase <= WINDOW) {
            client_begin(run, c);
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
    run->now_us = run_wall_us();
    begin_due(run);
    int count = epoll_wait(run->epoll, events, COUNT_OF(events), wait_ms(run));
    run->now_us = run_wall_us();
    for (int i = 0; i < count; i++)
        client_ready(run, events[i].data.ptr);
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
        run_fail("getrlimit");
    if (limit.rlim_max < wanted) {
        fprintf(stderr,
                "load: %zu clients need %zu open files, and no more than %zu are allowed here "
                "(ulimit -Hn)\n",
                clients, wanted, (size_t)limit.rlim_max);
        exit(EXIT_FAILURE);
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        run_fail("setrlimit");
}

static void run_clear(struct run *run)
{
    for (size_t i = 0; i < run->o->clients; i++) {
        client_leave(run, &run->all[i]);
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
        run_fail("start");
    run.begin_us = run.phase_us = run.swept_us = run_wall_us();
    while (run.phase != OVER)
        turn(&run);
    out->span_s = (double)(run.last_us - run.first_us) / 1e6;
    run_clear(&run);
}
