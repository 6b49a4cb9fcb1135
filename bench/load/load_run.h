/**
 * load_run.h: the inside of the load: one client (client.c), all of them (clients.c).
 *
 * A client is RESTING (no socket), CONNECTING (the request is not sent yet) or
 * ASKED. The run goes from phase to phase: OPENING until every client has had an
 * answer's head, SETTLING, the WINDOW in which all is counted, ENDING.
 *
 * All times are microseconds of the wall clock, since that is what messages are
 * stamped with. Those of one recv() arrive at the same moment.
 *
 * Thread: main.
 */
#ifndef LEAT_BENCH_LOAD_RUN_H
#define LEAT_BENCH_LOAD_RUN_H

#include "clients.h"
#include "http_reader.h"

#define FAN_MOST 10000000 /* messages of a chat that all follow */

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

/* run_fail(what): say it with errno's text, and end the program. */
_Noreturn void run_fail(const char *what);

/* run_wall_us(): now. */
int64_t run_wall_us(void);

/* client_begin(run, c): connect and ask, for its next stream, or for the rest of the one it had. */
void client_begin(struct run *run, struct client *c);

/* client_ready(run, c): its socket can be read, or written to. */
void client_ready(struct run *run, struct client *c);

/* client_leave(run, c): close its socket, if it has one. */
void client_leave(struct run *run, struct client *c);

#endif
