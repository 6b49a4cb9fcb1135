/**
 * frames.h: the newest part of a stream, rendered once for all its followers.
 *
 * A frame is what one entry looks like on the wire, framed as a chunk (chunk.h), so
 * that a run of frames is a send as it stands. Frames have running numbers
 * from the first on, which never repeat, so a follower is just the number that
 * it needs next. Beyond a limit of bytes (frames and their records) the oldest
 * are dropped; a follower that needed one of them is served from Redis until it
 * is back here.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_FRAMES_H
#define LEAT_FRAMES_H

#include "base.h"
#include "buf.h"
#include "entry.h"

enum frame_end {
    FRAME_GOES_ON,
    FRAME_ENDS,        /* who has read it has read all */
    FRAME_ENDS_OTHERS, /* the same, but for followers of the job that begins with it */
};

struct frame {
    struct entry_id id; /* the entry's */
    uint64_t start;     /* bytes before it, since the beginning */
    uint32_t length;    /* of the chunk; 0 where the entry shows nothing */
    uint8_t head;       /* bytes of the chunk before the text */
    uint8_t ends;       /* enum frame_end */
};

/* Zeroed memory with `complete_from` set is valid and empty. */
struct frames {
    struct entry_id complete_from; /* every entry behind this id, and up to `last`, is here */
    struct entry_id last;          /* the newest entry that was put in; complete_from at first */
    struct frame *list; /* the frames in hand are list[head] … list[head + count - 1] */
    size_t head, count, capacity;
    uint64_t first;   /* number of the oldest frame in hand */
    uint64_t written; /* bytes ever put in */
    struct buf bytes; /* of the frames in hand, behind `dropped` bytes that are not */
    size_t dropped;
};

/* frames_begin(f, after): empty; what comes next stands behind that id. Numbers go on. */
void frames_begin(struct frames *f, struct entry_id after);

/* frames_clear(f): give the memory back. */
void frames_clear(struct frames *f);

/**
 * frames_put(f, id, text, ends, limit_bytes)
 * Put a rendered entry behind the others and drop the oldest beyond the limit
 * (never the one just put in). Borrows text, which may be empty and is less than 2 GiB.
 * False: no memory; the frames are as they were.
 */
MUST_CHECK bool frames_put(struct frames *f, struct entry_id id, const struct buf *text,
                           enum frame_end ends, size_t limit_bytes);

/**
 * frames_trim(f, keep_bytes)
 * Drop the oldest as far as more than keep_bytes are in hand, if need be all. When none is
 * left, 1 KiB of memory stays for the next.
 */
void frames_trim(struct frames *f, size_t keep_bytes);

/* frames_rest(f): drop all, and hold no memory until the next one comes. */
void frames_rest(struct frames *f);

/* frames_end(f): the number that the next frame will have. */
uint64_t frames_end(const struct frames *f);

/* frames_reach(f, after): whether everything behind that id is, or will be, here. */
bool frames_reach(const struct frames *f, struct entry_id after);

/* frames_after(f, after): the number of the first frame behind an id; frames_end for none yet. */
uint64_t frames_after(const struct frames *f, struct entry_id after);

/* frames_at(f, number): a frame in hand; NULL when it was dropped or has not come yet. */
const struct frame *frames_at(const struct frames *f, uint64_t number);

/* frames_bytes(f, frame): where its chunk is. Borrowed until the next put or trim. Those of
   the following frames stand right behind it. */
const char *frames_bytes(const struct frames *f, const struct frame *frame);

/* frames_text(f, frame, length): what is in the chunk. Borrowed as frames_bytes. */
const char *frames_text(const struct frames *f, const struct frame *frame, size_t *length);

#endif
