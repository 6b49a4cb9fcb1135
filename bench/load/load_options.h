/**
 * load_options.h: what a load is asked to do.
 *
 * Thread: main.
 */
#ifndef LEAT_BENCH_LOAD_OPTIONS_H
#define LEAT_BENCH_LOAD_OPTIONS_H

#include "base.h"

#include <sys/types.h>

#define WATCHED_MOST 16

struct watched {
    const char *name;
    pid_t pid;
    bool below; /* the processes below it, not itself */
};

struct load_options {
    size_t port, clients, chats, sources, rate;
    const char *method, *feature, *prefix, *format, *body;
    size_t messages;
    double settle_s, window_s, timeout_s;
    bool again, resume, cut, fan, leave, announce, tokens;
    struct watched watched[WATCHED_MOST];
    size_t watched_count;
};

/* load_options_read(o, argc, argv): fill it. --help prints and ends the program with 0, what cannot
   be understood with 2. Borrows argv for as long as o is used. */
void load_options_read(struct load_options *o, int argc, char **argv);

#endif
