/**
 * json.h: JSON that strangers wrote, and the little that we write ourselves.
 *
 * Messages and bodies are checked and then passed on byte for byte; nothing is
 * ever parsed and written anew, so large numbers, key order, duplicate keys and
 * escapes arrive as they were sent.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_JSON_H
#define LEAT_JSON_H

#include "base.h"
#include "buf.h"

/* Objects and arrays inside each other; the outermost one counts. */
#define JSON_MAX_DEPTH 32
#define JSON_LINE_DEPTH (JSON_MAX_DEPTH + 1)

struct json_info {
    const char *reason; /* what is wrong, as a phrase, static; NULL when nothing is */
    size_t offset;      /* the byte where it is wrong, from 0; length: it ends too early */
    bool is_object;     /* the whole value is an object */
    bool is_control;    /* and one of its own keys, escapes undone, is "leat" */
};

/**
 * json_check(data, length, info)
 * Whether the bytes are one JSON value by RFC 8259 in valid UTF-8, at most
 * JSON_MAX_DEPTH deep, with white space around it and nothing else. Stricter
 * than the RFC: \u0000 and half a surrogate pair are refused, since many
 * readers cut or garble such strings.
 *
 * Borrows data, which need not be terminated. One pass, no recursion, no memory.
 * False: info->reason and info->offset say why and where; the rest is not meant.
 */
MUST_CHECK bool json_check(const char *data, size_t length, struct json_info *info);

/* json_check_line(data, length, info): the same of a job's line, in which a body stands as a
   member: at most JSON_LINE_DEPTH deep. */
MUST_CHECK bool json_check_line(const char *data, size_t length, struct json_info *info);

/**
 * json_flatten(data, length)
 * Make one line of a checked value: each CR and LF becomes a space, in place.
 * Only after json_check: in a good value they stand between tokens alone.
 */
void json_flatten(char *data, size_t length);

/**
 * json_quote(out, text, length)
 * Append a JSON string literal, quotes included. Whatever the bytes are, the
 * literal passes json_check: NUL and invalid UTF-8 become U+FFFD.
 * Borrows text. Check buf_ok(out).
 */
void json_quote(struct buf *out, const char *text, size_t length);

/**
 * json_is_utf8(data, length)
 * Whether the bytes are valid UTF-8: nothing overlong, no surrogates, nothing
 * above U+10FFFF. NUL counts as valid.
 */
bool json_is_utf8(const char *data, size_t length);

/**
 * json_utf8_clean(out, data, length)
 * Append the bytes as valid UTF-8: each one that does not fit becomes U+FFFD,
 * NUL is dropped. Borrows data. Check buf_ok(out).
 */
void json_utf8_clean(struct buf *out, const char *data, size_t length);

/* ---- the members of an object ---- */

enum json_type {
    JSON_STRING,
    JSON_NUMBER,
    JSON_BOOL, /* the value's first byte says which: t or f */
    JSON_NULL,
    JSON_OBJECT,
    JSON_ARRAY,
};

#define JSON_NAME_SIZE 65 /* 64 bytes and a NUL */

/* One member, for the length of a call. */
struct json_member {
    char name[JSON_NAME_SIZE]; /* escapes undone, terminated; cut between characters */
    bool name_too_long;        /* it was cut: name is for people alone */
    enum json_type type;
    const char *value; /* its bytes as they stand in the object, no white space around */
    size_t length;
};

/**
 * json_members(data, length, each, arg)
 * Call each for the object's own members, in their order; equal names come as
 * often as they stand there. Stops when each returns false.
 *
 * Borrows data, to which the values point. Only after json_check, or json_check_line, called it
 * good and an object. One pass, no recursion, no memory. Returns whether all came.
 */
bool json_members(const char *data, size_t length,
                  bool (*each)(void *arg, const struct json_member *member), void *arg);

/**
 * json_read_string(value, length, out)
 * Append what a string literal stands for, escapes undone: valid UTF-8 without
 * NUL. Borrows value, a JSON_STRING's. Check buf_ok(out).
 */
void json_read_string(const char *value, size_t length, struct buf *out);

/**
 * json_read_integer(value, length, out)
 * Read a member's value of any type. False, and *out is as it was: not a number,
 * one with a fraction or an exponent, or one that an int64_t cannot hold.
 */
MUST_CHECK bool json_read_integer(const char *value, size_t length, int64_t *out);

/* ---- a task's lines that are for us ---- */

enum json_control_kind {
    JSON_CONTROL_WRONG, /* none of the three below, or one that breaks a rule: wrong */
    JSON_CONTROL_DONE,
    JSON_CONTROL_FAILED,
    JSON_CONTROL_USAGE,
};

#define JSON_REASON_SIZE 201 /* 200 bytes and a NUL */
#define JSON_DETAIL_SIZE 301
#define JSON_USAGE_BYTES 1024
#define JSON_RETRY_AFTER_MS (7 * 24 * 3600 * INT64_C(1000))

struct json_control {
    enum json_control_kind kind;
    const char *wrong; /* what is, as a phrase behind "it"; static */
    /* failed; the texts are valid UTF-8, cut between characters, "" for none */
    bool retry; /* whether to try again; true unless it says false */
    int64_t
        retry_after_ms; /* but not sooner; 0 to JSON_RETRY_AFTER_MS, which is what more becomes */
    char reason[JSON_REASON_SIZE];
    char detail[JSON_DETAIL_SIZE]; /* a sentence for the client */
    /* usage: an object of at most JSON_USAGE_BYTES as it stands in the line; borrowed from that */
    const char *usage;
    size_t usage_length;
};

/**
 * json_read_control(data, length, control)
 * Read a line that json_check called a control line: {"leat":"done"},
 * {"leat":"failed","reason":"…","detail":"…","retry":false,"retry_after_ms":2000} or
 * {"leat":"usage","usage":{…}}. Of equal keys the first counts; beside `leat` and `usage`,
 * what is of a wrong type is as if it were not there. No memory.
 */
void json_read_control(const char *data, size_t length, struct json_control *control);

#endif
