/**
 * words.h: the arguments of a Lua step, put together one by one, and what its
 * answer holds, looked at by place.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_WORDS_H
#define LEAT_WORDS_H

#include "base.h"
#include "redis.h"
#include "script.h"
#include "status.h"

/* Embedded; all members are private to words.c. */
struct words {
    const char **argv;
    size_t *lengths;
    char (*numbers)[24];
    int count;
    int capacity;
};

/* words_init(w, capacity): room for so many. False: no memory, and nothing to clear. */
MUST_CHECK bool words_init(struct words *w, size_t capacity);

/* words_clear(w): give the memory back. */
void words_clear(struct words *w);

/* words_put…: one more; at most capacity. Texts and bytes are borrowed until words_run; NULL is "".
 */
void words_put(struct words *w, const char *text);
void words_put_bytes(struct words *w, const char *data, size_t length);
void words_put_number(struct words *w, int64_t number);

/**
 * words_run(redis, script, w, fn, arg)
 * Run a step with these words, and clear them. As script_run.
 */
MUST_CHECK enum status words_run(struct redis *redis, enum script script, struct words *w,
                                 redis_reply_fn *fn, void *arg);

/* words_text_at(list, index): an element's text; "" where it is none. Borrowed from the reply. */
const char *words_text_at(const struct redisReply *list, size_t index);

/* words_number_at(list, index): a number, or a text that is one; 0 otherwise. */
int64_t words_number_at(const struct redisReply *list, size_t index);

/* words_unsigned_at(list, index): the same for the whole of 64 bits without a sign. */
uint64_t words_unsigned_at(const struct redisReply *list, size_t index);

/* words_index_at(list, index, words, count): which of the words the element is; -1 for none. */
int words_index_at(const struct redisReply *list, size_t index, const char *const *words,
                   size_t count);

#endif
