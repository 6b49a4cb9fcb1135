/**
 * witness.h: whether a stream brings each of its messages once and in order.
 *
 * An entry's id is A-N, A the attempt and N = 1, 2, 3 …; the message itself counts
 * from "id": "0". A witness says what it sees to a tally that all streams of a run
 * share. It also reads when a message was written, from its "timestamp".
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BENCH_WITNESS_H
#define LEAT_BENCH_WITNESS_H

#include "sse_reader.h"

struct tally {
    uint64_t messages;   /* in all */
    uint64_t lost;       /* never came, though a later one or the end did */
    uint64_t doubled;    /* came again */
    uint64_t disordered; /* came behind a later one */
    uint64_t strange;   /* no message of ours, a wrong number inside, another attempt unannounced */
    uint64_t resets;    /* attempts that were announced to begin anew */
    uint64_t otherwise; /* streams that ended as failed, cancelled, expired, superseded or gone */
};

enum seen { SEEN_MESSAGE, SEEN_END, SEEN_OTHER };

/* Zeroed memory is a witness of a stream that has not begun. */
struct witness {
    uint64_t attempt; /* 0: none yet */
    uint64_t next;    /* the N that comes next */
    uint64_t behind;  /* bit i: next - 1 - i has come */
    bool ended;       /* [DONE] came */
};

/* witness_see(w, r, data, length, tally, stamp_us, number): take one event. SEEN_MESSAGE: *stamp_us
   is when it was written (microseconds since 1970; 0: it does not say), *number its own "id". */
enum seen witness_see(struct witness *w, const struct sse_reader *r, const char *data,
                      size_t length, struct tally *tally, int64_t *stamp_us, uint64_t *number);

/* witness_expect(w, messages, tally): a stream that should have had so many is over; what its end
   did not bring is lost. */
void witness_expect(const struct witness *w, uint64_t messages, struct tally *tally);

#endif
