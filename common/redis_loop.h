/**
 * redis_loop.h: hiredis on libuv.
 *
 * hiredis brings an adapter of its own, which drops libuv's error events: libuv
 * reports POLLERR (a refused connection) as a status, stops the handle, and that
 * adapter returns at once, so that the refusal is never seen. [read in
 * hiredis 0.14.1 adapters/libuv.h and libuv 1.44 src/unix/poll.c]
 */
#ifndef LEAT_REDIS_LOOP_H
#define LEAT_REDIS_LOOP_H

#include "base.h"

#include <uv.h>

struct redisAsyncContext;

/**
 * redis_loop_attach(context, loop)
 * Let the loop drive the context until that frees itself. False: no memory or descriptor.
 * Thread: the loop's.
 */
MUST_CHECK bool redis_loop_attach(struct redisAsyncContext *context, uv_loop_t *loop);

#endif
