/**
 * held.h: messages that wait, until they go out in one piece.
 *
 * Deltas of one part that follow each other are put together, and so are plain messages; what a
 * reset-step voids is forgotten. Zeroed memory is a valid empty one.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_HELD_H
#define LEAT_HELD_H

#include "buf.h"
#include "part.h"

struct held {
    struct buf lines;    /* a message each; plain text as a string. Check buf_ok */
    size_t last_at;      /* where the last line begins */
    enum part_kind last; /* PART_NOTHING: nothing is added to it any more */
    size_t step_at;      /* what a reset-step leaves */
    uint64_t messages;   /* how many there were */
};

/* held_clear(h): give the memory back; h is empty and usable again. */
void held_clear(struct held *h);

/* held_add(h, part): one more, as part_read gave it. Borrows. */
void held_add(struct held *h, const struct part *part);

/**
 * held_next(h, at, part)
 * The one that begins at *at (from 0), which is moved on; part's slices are h's. False: no more.
 */
MUST_CHECK bool held_next(const struct held *h, size_t *at, struct part *part);

#endif
