/**
 * said.h: what an answer says, put together: its text, its reasoning, its tool calls.
 *
 * Everything is kept as the inside of strings of JSON, so that nothing is decoded on the way.
 * Zeroed memory is a valid empty one. Check `failed` at the end: an allocation did.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_SAID_H
#define LEAT_SAID_H

#include "buf.h"
#include "part.h"
#include "parts.h"

struct said_call {
    struct buf id, name; /* strings, with their quotes */
    struct buf input;    /* the inside of a string */
};

struct said_thought {
    struct buf id;
    struct buf text; /* the inside of a string */
};

struct said {
    struct buf text; /* the inside of a string */
    struct said_call *calls;
    size_t call_count;
    struct said_thought *thoughts;
    size_t thought_count;
    size_t length; /* bytes of all of it, and of keeping it, about */
    bool failed;
};

/* said_clear(s): give the memory back; s is empty and usable again. */
void said_clear(struct said *s);

/* said_take(s, part, known): one more of the sequence, as a dialect gets it. Calls are told apart
   by known->number less first. */
void said_take(struct said *s, const struct part *part, const struct known *known, unsigned first);

/* said_put_calls(s, out): a list {"id","type":"function","function":{"name","arguments"}}. */
void said_put_calls(const struct said *s, struct buf *out);

#endif
