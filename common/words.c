/*
 * words.c: three arrays in one piece of memory: pointers, lengths, and room for
 * the digits of those that are numbers.
 */
#include "words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool words_init(struct words *w, size_t capacity)
{
    *w = (struct words){.capacity = (int)capacity};
    w->argv = calloc(capacity, sizeof *w->argv + sizeof *w->lengths + sizeof *w->numbers);
    if (!w->argv)
        return false;
    w->lengths = (size_t *)(void *)(w->argv + capacity);
    w->numbers = (char(*)[24])(w->lengths + capacity);
    return true;
}

void words_clear(struct words *w)
{
    free(w->argv);
    *w = (struct words){0};
}

void words_put_bytes(struct words *w, const char *data, size_t length)
{
    assert(w->count < w->capacity);
    w->argv[w->count] = data ? data : "";
    w->lengths[w->count++] = data ? length : 0;
}

void words_put(struct words *w, const char *text)
{
    words_put_bytes(w, text, text ? strlen(text) : 0);
}

void words_put_number(struct words *w, int64_t number)
{
    assert(w->count < w->capacity);
    char *at = w->numbers[w->count];
    words_put_bytes(w, at, (size_t)snprintf(at, sizeof w->numbers[0], "%" PRId64, number));
}

enum status words_run(struct redis *redis, enum script script, struct words *w, redis_reply_fn *fn,
                      void *arg)
{
    enum status status = script_run(redis, script, w->count, w->argv, w->lengths, fn, arg);
    words_clear(w);
    return status;
}

/* ---- answers ---- */

const char *words_text_at(const struct redisReply *list, size_t index)
{
    size_t length;
    return redis_reply_text(redis_reply_at(list, index), &length);
}

int64_t words_number_at(const struct redisReply *list, size_t index)
{
    return redis_reply_number(redis_reply_at(list, index));
}

uint64_t words_unsigned_at(const struct redisReply *list, size_t index)
{
    const struct redisReply *one = redis_reply_at(list, index);
    if (redis_reply_type(one) == REDIS_IS_TEXT)
        return strtoull(words_text_at(list, index), NULL, 10);
    int64_t number = redis_reply_number(one);
    return number < 0 ? 0 : (uint64_t)number;
}

int words_index_at(const struct redisReply *list, size_t index, const char *const *words,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words_text_at(list, index), words[i]) == 0)
            return (int)i;
    }
    return -1;
}
