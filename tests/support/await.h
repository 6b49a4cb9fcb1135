/**
 * await.h: turn a loop until something holds.
 *
 * The tests' only way to wait: never for a while, always for a condition, and
 * never without a bound.
 */
#ifndef LEAT_TESTS_AWAIT_H
#define LEAT_TESTS_AWAIT_H

#include "base.h"

#include <uv.h>

/* Longest wait for what should come at once; generous, for sanitizers on a busy machine. */
#define AWAIT_MS 60000

typedef bool await_fn(void *arg);

/**
 * await(loop, holds, arg, bound_ms)
 * Turn loop until holds(arg); it is asked after every turn, and each 5 ms when
 * nothing turns the loop. False: it did not hold within bound_ms.
 */
MUST_CHECK bool await(uv_loop_t *loop, await_fn *holds, void *arg, uint64_t bound_ms);

/* await_flag: holds once the bool that arg points to is true. */
bool await_flag(void *arg);

/* await_loop_end(loop): let its closed handles go, and close it; it must have nothing open. */
void await_loop_end(uv_loop_t *loop);

#endif
