/**
 * tail_table.h: tails by their keys; the inside of tracking.c.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TAIL_TABLE_H
#define LEAT_TAIL_TABLE_H

#include "tail.h"

struct tail_table {
    struct tail **buckets;
    size_t size; /* of buckets: a power of two */
    size_t count;
    uint32_t seed;
};

/* tail_table_init(t): false: no memory. */
MUST_CHECK bool tail_table_init(struct tail_table *t);

/* tail_table_clear(t): the tails are their owners'. */
void tail_table_clear(struct tail_table *t);

/* tail_table_put(t, tail): borrows it until it is taken out. It grows where there is memory. */
void tail_table_put(struct tail_table *t, struct tail *tail);

/* tail_table_take(t, tail): out of it. */
void tail_table_take(struct tail_table *t, struct tail *tail);

/* tail_table_first(t, key, length): a tail of that key, or NULL; tail_table_other: one more. */
struct tail *tail_table_first(const struct tail_table *t, const char *key, size_t length);
struct tail *tail_table_other(const struct tail *tail);

#endif
