/**
 * tokens.h: the tokens of bench/model_server.c inside of an event, in whatever dialect.
 *
 * Token N is written " ~N", or " ~N@MICROSECONDS" with its time; no dialect needs an escape for
 * that, so they are found in an event's data as they stand.
 *
 * Pure. Thread: any.
 */
#ifndef LEAT_BENCH_TOKENS_H
#define LEAT_BENCH_TOKENS_H

#include "base.h"

struct token {
    uint64_t number;
    int64_t stamp_us; /* since 1970; 0: it does not say */
};

/* tokens_next(at, end, token): the first one from *at on, which is moved behind it. False: none. */
bool tokens_next(const char **at, const char *end, struct token *token);

/* tokens_are_over(data, length): whether an event is a dialect's last one. */
bool tokens_are_over(const char *data, size_t length);

#endif
