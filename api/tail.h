/**
 * tail.h: a followed stream; the inside of the tailer, shared by its kinds.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TAIL_H
#define LEAT_TAIL_H

#include "table.h"
#include "tailer.h"

struct lane;
struct tracking;

struct tail {
    struct lane *lane;     /* NULL: it is tracked */
    const char *key;       /* the owner's */
    struct entry_id after; /* the last entry that was handed over */
    const struct tailer_events *events;
    void *arg;

    /* tracking.c's. */
    struct tracking *tracking;
    struct table_entry entry;     /* by its key */
    uint32_t heard;               /* the tick in which it last had entries */
    uint16_t slot;                /* one more than its place in the batch under way; 0: in none */
    struct tail *before, *behind; /* in one of the two queues */
    bool is_queued : 1;           /* to be read as soon as may be */
    bool is_deferred : 1;         /* to be read in a while, after what could not be read */
    bool is_new : 1;              /* not yet read from here: is what it comes behind there? */
    bool is_suspect : 1;          /* something happened that entries alone may not explain */
    bool is_suspect_in_batch : 1; /* the same of the read under way */
    bool has_complained : 1;      /* that it cannot be read, since it last could */
};

/* tail_new: gives (free); NULL: no memory. */
MUST_CHECK struct tail *tail_new(const char *key, struct entry_id after,
                                 const struct tailer_events *events, void *arg);

/* tail_read_entries(list, entries, most): of a list of entries, which are borrowed from it. Gives
   how many, at most so many; 0 where nothing came. */
size_t tail_read_entries(const struct redisReply *list, struct entry *entries, size_t most);

/* tail_complain(tail, words): say that it cannot be read, unless that was said. */
void tail_complain(struct tail *tail, const char *words);

#endif
