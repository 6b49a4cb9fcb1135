/**
 * stops.h: the newest stops of a loop, to be made once more when Redis comes back.
 *
 * Redis answers before what it did is on its disk (`appendfsync everysec`), so it
 * may come back without a stop whose client was told. As a worker makes its newest
 * ends again (run.h), so a gateway its newest stops: a job that is stopped already
 * stays as it is.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_STOPS_H
#define LEAT_STOPS_H

#include "queue.h"

#define STOPS_MOST 64

/* Redis writes its file within a second, or two when the disk is slow. */
#define STOPS_KEEP_MS 3000

/* Embedded; zeroed memory is an empty one. All members are private to stops.c. */
struct stops {
    struct {
        char job[JOB_ID_SIZE];
        int64_t at_ms; /* steady clock */
    } newest[STOPS_MOST];
    size_t next;
    int64_t down_ms; /* when Redis went away; 0: it is there */
};

/* stops_note(s, job): it was stopped just now. */
void stops_note(struct stops *s, const char *job);

/* stops_down(s): Redis is not there any more. stops_up(s, q): it is again: what was stopped shortly
   before, as far as can be known, is stopped once more. Borrows q for as long as it is up. */
void stops_down(struct stops *s);
void stops_up(struct stops *s, const struct queue *q);

#endif
