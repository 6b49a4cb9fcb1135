/*
 * chat_json.c: what json_check called good is walked with a byte's look at a time.
 *
 * Called by chat_reply.c for every event of a model server, so a walk neither allocates nor
 * copies. The dangerous part: all walking trusts that the text was checked; a value comes from
 * chat_value_read or from a walk over one, never from anywhere else.
 */
#include "chat_json.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* From a string's opening quote to behind its closing one: that with an even number of backslashes
   before it. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return end;
        const char *run = quote;
        while (run > at && run[-1] == '\\')
            run--;
        if ((quote - run) % 2 == 0)
            return quote + 1;
        at = quote;
    }
    return end;
}

static const char *skip_nested(const char *at, const char *end)
{
    unsigned depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && --depth == 0)
            return at + 1;
        at++;
    }
    return end;
}

static const char *skip_word(const char *at, const char *end)
{
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at;
}

/* The value that begins here; at least one byte is left. */
static struct chat_value value_at(const char *at, const char *end)
{
    struct chat_value value = {.data = at};
    const char *behind;
    switch (*at) {
    case '"':
        value.type = JSON_STRING;
        behind = skip_string(at, end);
        break;
    case '{':
    case '[':
        value.type = *at == '{' ? JSON_OBJECT : JSON_ARRAY;
        behind = skip_nested(at, end);
        break;
    default:
        value.type = *at == 'n' ? JSON_NULL : *at == 't' || *at == 'f' ? JSON_BOOL : JSON_NUMBER;
        behind = skip_word(at, end);
    }
    value.length = (size_t)(behind - at);
    return value;
}

bool chat_value_read(const char *data, size_t length, struct chat_value *value)
{
    struct json_info info;
    *value = (struct chat_value){0};
    if (!json_check(data, length, &info))
        return false;
    *value = value_at(skip_space(data, data + length), data + length);
    return true;
}

bool chat_value_has(const struct chat_value *value, enum json_type type)
{
    return value->length > 0 && value->type == type;
}

bool chat_value_is(const struct chat_value *value, const char *text)
{
    if (!chat_value_has(value, JSON_STRING))
        return false;
    size_t length = strlen(text);
    /* An escape is longer than what it stands for: so as a rule lengths decide. */
    if (value->length <= length + 2)
        return value->length == length + 2 && memcmp(value->data + 1, text, length) == 0;
    /* An escape has six bytes at most for one: what is longer than the room is another text. */
    char room[256];
    if (value->length >= sizeof room || !memchr(value->data, '\\', value->length))
        return false;
    struct buf undone = {.data = room, .capacity = sizeof room}; /* never has to grow */
    json_read_string(value->data, value->length, &undone);
    return undone.length == length && memcmp(room, text, length) == 0;
}

void chat_value_text(const struct chat_value *value, struct buf *out)
{
    if (chat_value_has(value, JSON_STRING))
        json_read_string(value->data, value->length, out);
}

int64_t chat_value_integer(const struct chat_value *value, int64_t otherwise)
{
    int64_t read;
    if (!chat_value_has(value, JSON_NUMBER) ||
        !json_read_integer(value->data, value->length, &read) || read < 0)
        return otherwise;
    return read;
}

void chat_value_compact(const struct chat_value *value, struct buf *out)
{
    const char *at = value->data, *end = at + value->length;
    while (at < end) {
        const char *start = at;
        while (at < end && !is_space(*at))
            at = *at == '"' ? skip_string(at, end) : at + 1;
        buf_add(out, start, (size_t)(at - start));
        at = skip_space(at, end);
    }
}

struct chat_value chat_value_find(const struct chat_value *object, const char *name)
{
    struct chat_walk walk = chat_walk_of(object);
    struct chat_value key, item;
    while (walk.object && chat_walk_next(&walk, &key, &item)) {
        if (chat_value_is(&key, name))
            return item;
    }
    return (struct chat_value){0};
}

struct chat_walk chat_walk_of(const struct chat_value *value)
{
    struct chat_walk walk = {.object = chat_value_has(value, JSON_OBJECT)};
    if (walk.object || chat_value_has(value, JSON_ARRAY)) {
        walk.at = value->data + 1;
        walk.end = value->data + value->length - 1;
    }
    return walk;
}

bool chat_walk_next(struct chat_walk *w, struct chat_value *name, struct chat_value *item)
{
    *name = (struct chat_value){0};
    w->at = skip_space(w->at, w->end);
    if (w->at < w->end && *w->at == ',')
        w->at = skip_space(w->at + 1, w->end);
    if (w->at == w->end)
        return false;
    if (w->object) {
        *name = value_at(w->at, w->end);
        w->at = skip_space(w->at + name->length, w->end);
        w->at = skip_space(w->at + 1, w->end); /* the colon */
    }
    *item = value_at(w->at, w->end);
    w->at += item->length;
    return true;
}

bool chat_depth_take(struct chat_depth *d, char byte)
{
    if (d->in_string) {
        if (d->escaped)
            d->escaped = false;
        else if (byte == '\\')
            d->escaped = true;
        else if (byte == '"')
            d->in_string = false;
        return false;
    }
    if (byte == '"')
        d->in_string = true;
    else if (byte == '{' || byte == '[')
        d->depth++;
    else if ((byte == '}' || byte == ']') && d->depth > 0)
        return --d->depth == 0;
    return false;
}

/* The value of four hexadecimal digits; -1: they are others. */
static int hex_unit(const char *at, const char *end)
{
    int unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = at[i] ? strchr(digits, at[i]) : NULL;
        if (!digit)
            return -1;
        unit = unit * 16 + (int)((digit - digits) % 16);
    }
    return unit;
}

static int unit_at(const char *at, const char *end)
{
    return end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex_unit(at + 2, end) : -1;
}

/* At a backslash: replaces what no reader takes. Returns how many bytes to move past. */
static size_t mend_escape(char *at, const char *end)
{
    int unit = unit_at(at, end);
    if (unit < 0)
        return min_size(2, (size_t)(end - at));
    int second = unit_at(at + 6, end);
    if (unit >= 0xd800 && unit < 0xdc00 && second >= 0xdc00 && second < 0xe000)
        return 12;
    if (unit == 0 || (unit >= 0xd800 && unit < 0xe000))
        memcpy(at + 2, "fffd", 4);
    return 6;
}

void chat_text_mend(const char *data, size_t length, struct buf *out)
{
    size_t start = out->length;
    json_utf8_clean(out, data, length);
    if (!buf_ok(out))
        return;
    for (char *at = out->data + start, *end = out->data + out->length; at < end;) {
        if (*at == '\\') {
            at += mend_escape(at, end);
            continue;
        }
        if ((unsigned char)*at < 0x20)
            *at = ' ';
        at++;
    }
}

size_t chat_text_cut(const char *text, size_t length, size_t most)
{
    if (length <= most)
        return length;
    size_t cut = most;
    while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut > 0 ? cut : length;
}

void chat_text_line(const char *data, size_t length, size_t most, struct buf *out)
{
    struct buf clean = {0};
    /* A character of one byte becomes three at most, and nothing shrinks but white space. */
    json_utf8_clean(&clean, data, min_size(length, 4 * most));
    struct buf line = {0};
    bool space = false;
    for (size_t i = 0; i < clean.length; i++) {
        unsigned char c = (unsigned char)clean.data[i];
        if (c <= 0x20 || c == 0x7f) {
            space = line.length > 0;
            continue;
        }
        if (space)
            buf_putc(&line, ' ');
        space = false;
        buf_putc(&line, (char)c);
    }
    if (!buf_ok(&clean) || !buf_ok(&line))
        out->failed = true;
    else
        buf_add(out, line.data, chat_text_cut(line.data, line.length, most));
    buf_clear(&clean);
    buf_clear(&line);
}
