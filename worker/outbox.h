/**
 * outbox.h: the messages of one attempt, from the task's mouth until nobody can
 * ask for them again.
 *
 * Messages are numbered 1, 2, 3 …; each is in one of four places, in this order:
 *
 *     dropped | kept          | in flight      | pending
 *             | acknowledged, | sent, not yet  | not yet sent
 *             | may be needed | answered       |
 *             first           acknowledged+1   sent+1          last
 *
 *     outbox_put            adds a pending one
 *     outbox_next           pending → in flight (one batch at a time)
 *     outbox_acknowledge    in flight → kept; beyond keep_bytes the oldest are dropped
 *     outbox_unsend         in flight → pending: the answer never came
 *     outbox_rewind         kept → pending: Redis lost them
 *
 * A pending delta (delta.h) takes another one of the same part into itself, under its
 * own number, if that was asked for (outbox_join).
 *
 * Invariants: first - 1 ≤ acknowledged ≤ sent ≤ last. What was ever in flight stays as
 * it is: an answer that never came may have been a yes, and Redis takes a number that
 * it has for a message that it has. So only the last one is joined to, and only while
 * its number is above the highest that was ever sent.
 * Nothing here knows of a loop or of Redis. Thread: the owner's.
 */
#ifndef LEAT_OUTBOX_H
#define LEAT_OUTBOX_H

#include "base.h"
#include "buf.h"
#include "queue.h"
#include "status.h"

/* The most that one batch holds; a single longer message goes alone. */
#define OUTBOX_BATCH_COUNT 256
#define OUTBOX_BATCH_BYTES (256 << 10)

/* Embedded; all members are private to outbox.c. */
struct outbox {
    struct buf bytes;  /* the messages one behind the other, from `gone` on */
    size_t gone;       /* bytes at the front that were dropped, not yet moved away */
    uint32_t *lengths; /* a ring: of message n at n % capacity */
    uint64_t capacity; /* a power of two; 0 before the first message */
    uint64_t first;    /* oldest that is kept */
    uint64_t acknowledged;
    uint64_t sent;
    uint64_t last;
    uint64_t sent_most;        /* the highest that was ever in flight */
    size_t last_head;          /* of the last one, where that is a delta; else 0 */
    size_t join_bytes;         /* a joined one has at most so many; 0: none is joined */
    size_t acknowledged_bytes; /* of first … acknowledged */
    size_t keep_bytes;
};

/* outbox_init(o, keep_bytes): empty; keeps so many acknowledged bytes. */
void outbox_init(struct outbox *o, size_t keep_bytes);

/* outbox_join(o, most): from now on deltas are joined, to at most so many bytes. */
void outbox_join(struct outbox *o, size_t most);

/* outbox_clear(o): give the memory back; init again before use. */
void outbox_clear(struct outbox *o);

/**
 * outbox_put(o, data, length)
 * Add message last + 1, or make it a part of the last one. Copies the bytes.
 * STATUS_NO_MEMORY: nothing changed.
 */
MUST_CHECK enum status outbox_put(struct outbox *o, const char *data, size_t length);

/* What may still be put into a step, which may be that of many outboxes. */
struct outbox_room {
    size_t count, bytes;
};

#define OUTBOX_ROOM ((struct outbox_room){OUTBOX_BATCH_COUNT, OUTBOX_BATCH_BYTES})

/**
 * outbox_next(o, messages, room, first)
 * Make the next batch: as many pending messages as there is room for, which is
 * taken away from *room; from an untouched room, OUTBOX_ROOM, at least one.
 *
 * messages has room->count places; their bytes are borrowed until the next call.
 * *first: the number of the first, acknowledged + 1. Returns how many; 0 also when
 * nothing is pending or a batch is in flight.
 */
size_t outbox_next(struct outbox *o, struct message *messages, struct outbox_room *room,
                   uint64_t *first);

/* outbox_pending(o): how many messages are pending. */
uint64_t outbox_pending(const struct outbox *o);

/* outbox_fits(o): nothing is in flight, and the next batch may be all that is pending. */
bool outbox_fits(const struct outbox *o);

/* outbox_acknowledge(o, last): Redis has messages 1 … last. In-flight ones beyond are pending
 * again. */
void outbox_acknowledge(struct outbox *o, uint64_t last);

/* outbox_unsend(o): what is in flight is pending again. */
void outbox_unsend(struct outbox *o);

/**
 * outbox_rewind(o, last)
 * Redis lost everything behind last: what comes after is pending again.
 * False: some of that was dropped; nothing changed.
 */
MUST_CHECK bool outbox_rewind(struct outbox *o, uint64_t last);

/* outbox_waiting_bytes(o): bytes in flight or pending: what flow control looks at. */
size_t outbox_waiting_bytes(const struct outbox *o);

/* outbox_settled(o): every message is acknowledged. */
bool outbox_settled(const struct outbox *o);

/* outbox_last(o): the number of the last message put in; 0 for none. */
uint64_t outbox_last(const struct outbox *o);

/* outbox_acknowledged(o): Redis had messages 1 … n at the last answer. */
uint64_t outbox_acknowledged(const struct outbox *o);

#endif
