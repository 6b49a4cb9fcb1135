/**
 * base.h: the few words every file uses.
 */
#ifndef LEAT_BASE_H
#define LEAT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The structure that a member is embedded in. */
#define CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
