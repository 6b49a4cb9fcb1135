/**
 * session.h: what each program of the bench begins and ends with.
 *
 * Settings from the environment, one loop, one connection with the steps. The
 * programs are loads, not services: what goes wrong ends them with a line that
 * says why, so that no figure comes from a run that was not whole.
 *
 * Thread: main.
 */
#ifndef LEAT_BENCH_SESSION_H
#define LEAT_BENCH_SESSION_H

#include "queue.h"

#include <uv.h>

struct session {
    uv_loop_t loop;
    struct settings settings;
    struct redis *redis;
    struct queue queue; /* on redis */
    uv_timer_t bound;
    char token[9]; /* of this run: in the names of its chats, which are nobody else's */
};

/* session_open(s): connect, and wait until it is up. */
void session_open(struct session *s);

/* session_connect(s, block_ms): one more connection, without the steps, up; its commands may block
   so long. Gives (redis_free, before session_close). */
struct redis *session_connect(struct session *s, int64_t block_ms);

/* session_close(s): free the connection and the loop. */
void session_close(struct session *s);

/* session_turn(s): wait for the loop's next event. The program as a whole ends after 300 s. */
void session_turn(struct session *s);

/* session_fail(format, …): say it on standard error, and end. */
_Noreturn void session_fail(const char *format, ...) PRINTF_LIKE(1, 2);

/* session_number(text, what, least): an argument; below least, or not a number, ends the program.
 */
size_t session_number(const char *text, const char *what, size_t least);

/* session_us(): a steady clock in microseconds. */
double session_us(void);

/* session_print_spread(name, times, count): "name p50 p99" of the times, which it sorts. */
void session_print_spread(const char *name, double *times, size_t count);

#endif
