/**
 * chat_json.h: a checked JSON text, walked where it stands: no tree, nothing copied.
 *
 * What model servers and clients send is looked at once, and mostly passed on; so numbers,
 * escapes and the order of members arrive as they were sent. Values are borrowed from the
 * text. json.h checks; this file only walks what was found good.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_CHAT_JSON_H
#define LEAT_CHAT_JSON_H

#include "base.h"
#include "buf.h"
#include "json.h"

/* A value as it stands in its text, without white space around. length 0: there is none. */
struct chat_value {
    enum json_type type;
    const char *data;
    size_t length;
};

/* chat_value_read(data, length, value): false: it is not good JSON by json_check. */
MUST_CHECK bool chat_value_read(const char *data, size_t length, struct chat_value *value);

/* chat_value_has(value, type): it is there, and of this type. */
bool chat_value_has(const struct chat_value *value, enum json_type type);

/* chat_value_is(value, text): a string that stands for this text, of at most 40 bytes. */
bool chat_value_is(const struct chat_value *value, const char *text);

/* chat_value_text(value, out): append what a string stands for; of others nothing. */
void chat_value_text(const struct chat_value *value, struct buf *out);

/* chat_value_integer(value, otherwise): a whole number of 0 or more, else `otherwise`. */
int64_t chat_value_integer(const struct chat_value *value, int64_t otherwise);

/* chat_value_compact(value, out): append it without white space between its tokens. */
void chat_value_compact(const struct chat_value *value, struct buf *out);

/* chat_value_find(object, name): its first member of this name; of others length 0. */
struct chat_value chat_value_find(const struct chat_value *object, const char *name);

/* The items of an array, or members of an object, in their order; others have none. */
struct chat_walk {
    const char *at, *end;
    bool object;
};
struct chat_walk chat_walk_of(const struct chat_value *value);

/* chat_walk_next(w, name, item): false: there are no more. name: a member's, else length 0. */
bool chat_walk_next(struct chat_walk *w, struct chat_value *name, struct chat_value *item);

/* The depth of a text that comes in pieces: where an object or array of it is over. */
struct chat_depth {
    unsigned depth;
    bool in_string, escaped;
};

/* chat_depth_take(d, byte): true: it closes the outermost object or array. */
bool chat_depth_take(struct chat_depth *d, char byte);

/**
 * chat_text_mend(data, length, out)
 * Append a text that json_check refused, with what is no character made U+FFFD (invalid UTF-8,
 * \u0000, half a surrogate pair) and control characters made spaces.
 */
void chat_text_mend(const char *data, size_t length, struct buf *out);

/* chat_text_cut(text, length, most): the longest beginning of at most so many bytes that ends
   between characters (and has at least one of them). text: valid UTF-8. */
size_t chat_text_cut(const char *text, size_t length, size_t most);

/* chat_text_line(data, length, most, out): append the beginning of any bytes, as valid UTF-8 in
   one line of at most so many bytes, each run of white space a space. */
void chat_text_line(const char *data, size_t length, size_t most, struct buf *out);

#endif
