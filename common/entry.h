/**
 * entry.h: the entries of a stream, and their ids, which carry the meaning.
 *
 * An id is A-N. A (milliseconds) names the attempt, N counts its entries from 1
 * without a hole; A-0 is the attempt's marker. A0-0 is where the job began.
 */
#ifndef LEAT_ENTRY_H
#define LEAT_ENTRY_H

#include "base.h"
#include "redis.h"

struct entry_id {
    uint64_t a; /* the attempt */
    uint64_t n; /* the place in it */
};

/* Room for an id's text and its NUL: two 20-digit numbers and a dash. */
#define ENTRY_ID_SIZE 42

enum entry_kind {
    ENTRY_MESSAGE, /* no `type`: a task's message, or a foreign writer's */
    ENTRY_QUEUED,  /* A0-0: the job was put in */
    ENTRY_START,   /* an attempt begins */
    ENTRY_DONE,    /* the four terminal ones */
    ENTRY_FAILED,
    ENTRY_CANCELLED,
    ENTRY_EXPIRED,
};

/* Bytes inside a reply: not terminated, gone with it. */
struct slice {
    const char *data; /* NULL: the field is not there */
    size_t length;
};

struct entry {
    struct entry_id id;
    enum entry_kind kind;
    struct slice data;     /* a message's JSON; [DONE] of a terminal entry */
    struct slice job;      /* of all control entries */
    struct slice reason;   /* start: "", "retry", "history_lost"; failed, cancelled, expired: why */
    struct slice detail;   /* failed: in more words */
    struct slice worker;   /* start: who runs it */
    struct slice replaces; /* queued: the job that this one cancelled, if it did */
    uint64_t first;        /* start, queued: A0 */
    uint64_t number;       /* start: which attempt, from 1; failed: how many there were */
};

/**
 * entry_id_parse(text, length, id)
 * Read "A-N", both whole: decimal, at most 20 digits, within 64 bits, no sign,
 * no leading zero (but "0" itself). False: anything else.
 */
MUST_CHECK bool entry_id_parse(const char *text, size_t length, struct entry_id *id);

/* entry_id_format(id, out): the id as text, terminated. Returns its length. */
size_t entry_id_format(struct entry_id id, char out[ENTRY_ID_SIZE]);

/* entry_id_compare(x, y): negative, zero or positive, as x comes before, is, or comes after y. */
int entry_id_compare(struct entry_id x, struct entry_id y);

/**
 * entry_read(reply, entry)
 * Read one element of an XREAD's or XRANGE's answer: [id, [field, value, …]].
 * Unknown fields and types are passed over (an unknown type is a message).
 * The slices live as long as the reply. False: not of that shape.
 */
MUST_CHECK bool entry_read(const struct redisReply *reply, struct entry *entry);

/* entry_is_end(entry): a terminal entry, or a foreign writer's `data` [DONE]. */
bool entry_is_end(const struct entry *entry);

#endif
