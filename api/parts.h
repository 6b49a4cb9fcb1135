/**
 * parts.h: which parts and tool calls an answer has so far, and which are still open.
 *
 * At most PARTS_MOST, with ids of at most PARTS_ID_MOST bytes. An id is a string of JSON in the
 * form that json_quote gives it. Zeroed memory is a valid empty list.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_PARTS_H
#define LEAT_PARTS_H

#include "base.h"
#include "entry.h"

#define PARTS_MOST 1024
#define PARTS_ID_MOST 256

enum known_kind {
    KNOWN_TEXT,
    KNOWN_REASONING,
    KNOWN_CALL,
    KNOWN_APPROVAL,
};

struct known {
    enum known_kind kind;
    bool open;       /* deltas may come */
    bool begun;      /* its begin was given; a call that comes whole has none */
    bool has_input;  /* a call: something of its input came */
    bool answered;   /* a call: its output came, for good */
    unsigned step;   /* the step that it began in */
    unsigned number; /* a call: its place among the calls, from 0 */
    char *id;        /* not terminated */
    size_t id_length;
};

struct parts {
    struct known *list; /* as they came */
    size_t count, capacity;
    unsigned calls; /* how many there were */
};

/* parts_clear(p): give the memory back; p is empty and usable again. */
void parts_clear(struct parts *p);

/* parts_find(p, kind, id): borrowed until the next parts_add, parts_remove or parts_clear. NULL:
   not known. */
struct known *parts_find(const struct parts *p, enum known_kind kind, struct slice id);

/**
 * parts_add(p, kind, id)
 * One more, open; there is room, id is not too long, and not known. Copies id. Gives as
 * parts_find. NULL: no memory.
 */
struct known *parts_add(struct parts *p, enum known_kind kind, struct slice id);

/* parts_remove(p, known): one less. */
void parts_remove(struct parts *p, struct known *known);

/* parts_id(known): its id, borrowed. */
static inline struct slice parts_id(const struct known *known)
{
    return (struct slice){.data = known->id, .length = known->id_length};
}

#endif
