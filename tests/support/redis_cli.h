/**
 * redis_cli.h: one command as a person would type it, its answer as text.
 *
 * For looking at keys and for damaging them, in tests. It turns the loop of the
 * connection until the answer is there.
 */
#ifndef LEAT_TESTS_REDIS_CLI_H
#define LEAT_TESTS_REDIS_CLI_H

#include "redis.h"

/**
 * redis_cli_text(loop, r, format, …)
 * Words are separated by spaces; 'one word' may hold spaces or nothing. The answer: a text as it
 * is ('' when empty), a number, (nil), (error) words, a list's elements separated by spaces with
 * inner lists in parentheses, (lost) without an answer.
 * Borrowed until 32 further texts were made.
 */
const char *redis_cli_text(uv_loop_t *loop, struct redis *r, const char *format, ...)
    PRINTF_LIKE(3, 4);
const char *redis_cli_textv(uv_loop_t *loop, struct redis *r, const char *format, va_list args)
    PRINTF_LIKE(3, 0);

/* text_of(format, …): formatted text, from the same ring; to compare with. */
const char *text_of(const char *format, ...) PRINTF_LIKE(1, 2);

/* redis_cli_render(reply): an answer as redis_cli_text gives it; from the same ring. */
const char *redis_cli_render(const struct redisReply *reply);

#endif
