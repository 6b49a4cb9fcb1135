/**
 * clients.h: many clients at a time, each of which follows streams and checks them.
 *
 * One epoll loop. It opens all clients, lets them settle, measures for a window,
 * and waits for the streams' ends. What cannot go on (no memory, too few open
 * files allowed) ends the program with a line on standard error.
 *
 * Thread: main.
 */
#ifndef LEAT_BENCH_CLIENTS_H
#define LEAT_BENCH_CLIENTS_H

#include "histogram.h"
#include "load_options.h"
#include "witness.h"

struct load_errors {
    uint64_t refused;     /* no connection */
    uint64_t unavailable; /* 503 */
    uint64_t status;      /* neither 200 nor 503 */
    uint64_t cut;         /* ended without [DONE] */
    uint64_t timeout;
    uint64_t garbled; /* not HTTP */
};

struct load_result {
    struct tally tally; /* of the whole run */
    struct load_errors errors;
    uint64_t begun, ended, resumed; /* streams of the whole run */
    uint64_t comments;
    /* In the window: */
    double window_s;
    uint64_t messages, streams, receives, bytes;
    uint64_t frames;             /* events with tokens */
    struct histogram latency_us; /* a message's stamp to its arrival */
    struct histogram first_us;   /* connect() to the first message */
    struct histogram done_us;    /* connect() to [DONE] */
    struct histogram last_us;    /* fan: stamp to the last client's arrival */
    struct histogram back_us;    /* cut: from the cut to when a client has what it missed */
    uint64_t open_at_end;
    double watched_cpu_us[WATCHED_MOST];
    int64_t watched_rss_kib[WATCHED_MOST]; /* at the window's end */
    double own_cpu_us;
    /* Of the whole run: from the first message's arrival to the last one's. */
    double span_s;
};

/* clients_run(o, out): do as asked. Borrows o. */
void clients_run(const struct load_options *o, struct load_result *out);

#endif
