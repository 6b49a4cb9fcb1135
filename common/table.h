/**
 * table.h: things found by a key, which is any bytes.
 *
 * A thing embeds a struct table_entry and stays its owner's; the table only links
 * it. Two things may have the same key. It grows with what is in it, and where
 * there is no memory for that it goes on with longer chains. Clients choose what
 * stands in many keys, so the hash begins with a number that they do not know.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_TABLE_H
#define LEAT_TABLE_H

#include "base.h"

struct table_entry {
    struct table_entry *next; /* in its bucket */
    const char *key;          /* the thing's; it stays as it is while it is in the table */
    uint32_t key_length;
    uint32_t hash;
};

/* Embedded. For who goes through all of them the buckets may be read. */
struct table {
    struct table_entry **buckets;
    size_t size; /* of buckets: a power of two */
    size_t count;
    uint32_t seed;
};

/* table_init(t): empty. False: no memory, nothing to clear. */
MUST_CHECK bool table_init(struct table *t);

/* table_clear(t): give its memory back; the things are left alone. Zeroed memory is harmless. */
void table_clear(struct table *t);

/* table_put(t, entry, key, length): borrows both until the entry is taken out. */
void table_put(struct table *t, struct table_entry *entry, const char *key, size_t length);

/* table_take(t, entry): it is in it no more. */
void table_take(struct table *t, struct table_entry *entry);

/* table_find(t, key, length): one whose key is these bytes; NULL for none.
   table_find_other(entry): one more of the same key. */
struct table_entry *table_find(const struct table *t, const char *key, size_t length);
struct table_entry *table_find_other(const struct table_entry *entry);

#endif
