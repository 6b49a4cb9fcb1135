/**
 * part.h: what one message of an answer says, read without changing a byte of it.
 *
 * The vocabulary is that of the AI SDK's UI message stream, version 1. Values are slices of the
 * message itself, strings with their quotes and escapes, so that a renderer passes them on as they
 * stand.
 *
 * Pure. Thread: any.
 */
#ifndef LEAT_PART_H
#define LEAT_PART_H

#include "base.h"
#include "entry.h"

enum part_kind {
    PART_NOTHING, /* passed over: of the vocabulary, but not as it says */
    PART_PLAIN,   /* a message of no type; text: its `message` or `text`, else all of it counts */
    PART_WORDS,   /* plain text as it shall be read: text holds all of it */
    PART_START,
    PART_START_STEP,
    PART_FINISH_STEP,
    PART_RESET_STEP,
    PART_FINISH, /* text: its reason */
    PART_ABORT,
    PART_ERROR, /* text: in words */
    PART_METADATA,
    PART_TEXT_START,
    PART_TEXT_DELTA, /* text: what is added; so too in the next two deltas */
    PART_TEXT_END,
    PART_REASONING_START,
    PART_REASONING_DELTA,
    PART_REASONING_END,
    PART_CALL_START, /* a tool call */
    PART_CALL_DELTA,
    PART_CALL_INPUT,  /* all of its input: value */
    PART_CALL_BROKEN, /* its input is none; text: why */
    PART_CALL_END,    /* never written: what it had of input is all that comes */
    PART_OUTPUT,      /* value */
    PART_OUTPUT_ERROR,
    PART_OUTPUT_DENIED,
    PART_APPROVAL_ASKED,
    PART_APPROVAL_GIVEN, /* id: the approval's */
    PART_THING,          /* whole in itself: a source, a file, … */
    PART_DATA,           /* data-…: of the application */
};

/* Slices that are not there have data NULL. */
struct part {
    enum part_kind kind;
    struct slice json; /* the whole message */
    struct slice type; /* a string, as are id, text and name */
    struct slice id;   /* the part's, the call's, or messageId of PART_START */
    struct slice text;
    struct slice name;  /* the tool's; of PART_APPROVAL_ASKED the approval's id */
    struct slice value; /* input, output, data, messageMetadata: any JSON */
    bool preliminary;   /* PART_OUTPUT: a better one will come */
    bool transient;     /* PART_DATA: it becomes no part of the message */
    bool canonical;     /* a delta that has id and text, and nothing else */
};

/**
 * part_read(data, length, part)
 * Borrows data, any bytes; part's slices live as long as they do. Of equal members the last counts,
 * as in JSON.parse. A type that is not of the vocabulary makes PART_PLAIN if there is a text to
 * show, else PART_NOTHING.
 */
void part_read(const char *data, size_t length, struct part *part);

/* part_inside(literal): a string's inside, without its quotes. */
static inline struct slice part_inside(struct slice literal)
{
    return (struct slice){.data = literal.data + 1, .length = literal.length - 2};
}

#endif
