/**
 * roll.h: things found by the id of their job.
 *
 * A thing embeds a struct roll_entry and stays its owner's; the roll only links
 * it. How many there may be about is told at the start; more cost time, not
 * correctness. Thread: the owner's.
 */
#ifndef LEAT_ROLL_H
#define LEAT_ROLL_H

#include "base.h"
#include "job.h"

struct roll_entry {
    struct roll_entry *next; /* private to roll.c */
    char id[JOB_ID_SIZE];
};

/* Embedded; all members but count are private to roll.c. */
struct roll {
    struct roll_entry **heads;
    size_t mask;
    size_t count;
};

/* roll_init(r, about): empty. False: no memory, nothing to clear. */
MUST_CHECK bool roll_init(struct roll *r, size_t about);

/* roll_clear(r): give its memory back; the things are left alone. */
void roll_clear(struct roll *r);

/* roll_put(r, entry): entry->id is set, and nobody of that id is in it. */
void roll_put(struct roll *r, struct roll_entry *entry);

/* roll_take(r, entry): it is in it no more. */
void roll_take(struct roll *r, struct roll_entry *entry);

/* roll_find(r, id, length): whose id is these bytes; NULL for nobody. */
struct roll_entry *roll_find(const struct roll *r, const char *id, size_t length);

#endif
