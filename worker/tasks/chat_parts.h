/**
 * chat_parts.h: the parts of an answer, written as messages while they grow.
 *
 * One part is open at a time, but for tool calls whose input is not whole yet: servers may send
 * the pieces of several of them in turn, so such a call stays open until the end.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_CHAT_PARTS_H
#define LEAT_CHAT_PARTS_H

#include "base.h"
#include "buf.h"
#include "chat_json.h"

#define CHAT_CALLS_MOST 128                      /* tool calls of one answer */
#define CHAT_INPUT_MOST ((size_t)192 * 1024)     /* of a tool call: it must fit into one line */
#define CHAT_ANSWER_MOST ((int64_t)16 * 1048576) /* bytes of all parts */

enum chat_part {
    CHAT_PART_NONE,
    CHAT_PART_TEXT,
    CHAT_PART_REASONING,
};

struct chat_call {
    int64_t index;   /* as the server counts; -1: it does not say */
    struct buf id;   /* the server's; may be empty */
    struct buf name; /* may be empty while nobody said it */
    struct buf shown_id;
    struct buf input; /* so far; given back when the call is closed */
    struct chat_depth depth;
    bool whole, started, closed;
};

/* Zeroed memory is a valid start. */
struct chat_parts {
    enum chat_part open;
    unsigned texts, reasonings; /* how many there were */
    uint32_t seed;              /* of the ids made up for tool calls */
    struct chat_call *calls;
    size_t call_count;
    struct buf text; /* all text */
    int64_t bytes;   /* of all parts */
    int64_t tokens;  /* estimated */
    bool spoke;      /* something was written */
    bool failed;     /* an allocation failed */
};

/* chat_parts_add(p, part, text, length, out): text or reasoning grows; "" is nothing. */
void chat_parts_add(struct chat_parts *p, enum chat_part part, const char *text, size_t length,
                    struct buf *out);

/* A piece of a tool call, as the server said it. Borrowed; texts may be empty. */
struct chat_piece {
    int64_t index; /* -1: not said */
    const struct buf *id, *name, *input;
};

/* chat_parts_call(p, piece, out): a tool call begins or grows. False: there are too many. */
bool chat_parts_call(struct chat_parts *p, const struct chat_piece *piece, struct buf *out);

/* chat_parts_close(p, out): close all that is open. */
void chat_parts_close(struct chat_parts *p, struct buf *out);

/* chat_parts_ok(p): no allocation failed. */
bool chat_parts_ok(const struct chat_parts *p);

void chat_parts_clear(struct chat_parts *p);

#endif
