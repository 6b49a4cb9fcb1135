/*
 * json.c: one pass over the bytes, with what may come next as the whole state.
 *
 * The depth is bounded and the open levels are bits of one word, so no input can
 * make this recurse, allocate or look at a byte twice (but for short escapes).
 * The dangerous part is what other readers make of a value that we let through:
 * hence no NUL, no half pairs, no invalid UTF-8, whatever the RFC would allow.
 *
 * Called by the gateway for bodies, by the worker for every line of a task, and
 * by whatever writes a JSON text of our own.
 */
#include "json.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The letters behind a backslash, and what they stand for. A slash needs none, but may have one. */
static const char escape_letters[] = "\"\\bfnrt/", escaped[] = "\"\\\b\f\n\r\t/";

enum expect {
    EXPECT_VALUE,
    EXPECT_FIRST_VALUE, /* behind "[": or the end of the array */
    EXPECT_KEY,
    EXPECT_FIRST_KEY, /* behind "{": or the end of the object */
    EXPECT_MORE,      /* behind a value: a comma, or the end of what it stands in */
    EXPECT_NOTHING,   /* behind the whole value */
};

struct scan {
    const unsigned char *at, *end;
    enum expect expect;
    unsigned depth;
    unsigned most;    /* of depth */
    uint64_t objects; /* a bit for each open level, the innermost lowest: 1 for an object */
    bool is_control;
    const char *reason;
};

/* No bytes at all may come as NULL; to add to that, even 0, is undefined. */
static const unsigned char *bytes_of(const char *data)
{
    return (const unsigned char *)(data ? data : "");
}

static bool refuse(struct scan *s, const unsigned char *at, const char *reason)
{
    s->at = at;
    s->reason = reason;
    return false;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the character that begins here, by table 3-7 of the Unicode standard; 0: none does. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4 || left < length)
        return 0;
    if (lead == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (lead == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (lead == 0xf0)
        low = 0x90; /* below: overlong */
    else if (lead == 0xf4)
        high = 0x8f; /* above: beyond U+10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation(at[i]))
            return 0;
    }
    return length;
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of a \uXXXX that begins here; -1: none does. */
static int read_unit(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool scan_unit(struct scan *s)
{
    int unit = read_unit(s->at, s->end);
    if (unit < 0)
        return refuse(s, s->at, "\\u without four hexadecimal digits");
    if (unit == 0)
        return refuse(s, s->at, "\\u0000 is not allowed");
    if (unit >= 0xd800 && unit <= 0xdfff) {
        int second = read_unit(s->at + 6, s->end);
        if (unit >= 0xdc00 || second < 0xdc00 || second > 0xdfff)
            return refuse(s, s->at, "half a surrogate pair");
        s->at += 6;
    }
    s->at += 6;
    return true;
}

static bool scan_escape(struct scan *s)
{
    if (s->end - s->at < 2)
        return refuse(s, s->end, "a string is not closed");
    if (s->at[1] == 'u')
        return scan_unit(s);
    if (!memchr(escape_letters, s->at[1], sizeof escape_letters - 1))
        return refuse(s, s->at, "an unknown escape");
    s->at += 2;
    return true;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* From behind the opening quote to behind the closing one. */
static bool scan_string(struct scan *s)
{
    for (;;) {
        while (s->at < s->end && is_plain(*s->at))
            s->at++;
        if (s->at == s->end)
            return refuse(s, s->at, "a string is not closed");
        if (*s->at == '"')
            break;
        if (*s->at == '\\') {
            if (!scan_escape(s))
                return false;
            continue;
        }
        if (*s->at < 0x20)
            return refuse(s, s->at, "a control character in a string");
        size_t length = utf8_length(s->at, (size_t)(s->end - s->at));
        if (length == 0)
            return refuse(s, s->at, "not valid UTF-8");
        s->at += length;
    }
    s->at++;
    return true;
}

static bool scan_digits(struct scan *s)
{
    const unsigned char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > start || refuse(s, s->at, "a number without a digit");
}

static bool at_byte(const struct scan *s, const char *bytes)
{
    return s->at < s->end && *s->at != '\0' && strchr(bytes, *s->at);
}

static bool scan_number(struct scan *s)
{
    if (at_byte(s, "-"))
        s->at++;
    if (at_byte(s, "0"))
        s->at++;
    else if (!scan_digits(s))
        return false;
    if (at_byte(s, "0123456789"))
        return refuse(s, s->at, "a number that begins with 0");
    if (at_byte(s, ".")) {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (at_byte(s, "eE")) {
        s->at++;
        if (at_byte(s, "+-"))
            s->at++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
        return refuse(s, s->at, "a value is expected");
    s->at += length;
    return true;
}

static bool open_level(struct scan *s, bool object)
{
    if (s->depth == s->most)
        return refuse(s, s->at,
                      s->most == JSON_MAX_DEPTH ? "nested deeper than 32 levels"
                                                : "nested deeper than 33 levels");
    s->at++;
    s->depth++;
    s->objects = s->objects << 1 | object;
    s->expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    return true;
}

static void value_ended(struct scan *s)
{
    s->expect = s->depth > 0 ? EXPECT_MORE : EXPECT_NOTHING;
}

static bool close_level(struct scan *s)
{
    s->at++;
    s->depth--;
    s->objects >>= 1;
    value_ended(s);
    return true;
}

static bool scan_scalar(struct scan *s)
{
    switch (*s->at) {
    case '"':
        s->at++;
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (!at_byte(s, "-0123456789"))
            return refuse(s, s->at, "a value is expected");
        return scan_number(s);
    }
}

static bool scan_value(struct scan *s)
{
    if (*s->at == '{' || *s->at == '[')
        return open_level(s, *s->at == '{');
    if (!scan_scalar(s))
        return false;
    value_ended(s);
    return true;
}

/* Whether a good string's inside is `leat`, however its letters are written. */
static bool is_our_key(const unsigned char *at, const unsigned char *end)
{
    for (const char *letter = "leat"; *letter; letter++) {
        if (at == end)
            return false;
        int unit = read_unit(at, end);
        if ((unit < 0 ? *at : unit) != *letter)
            return false;
        at += unit < 0 ? 1 : 6;
    }
    return at == end;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static bool scan_key(struct scan *s)
{
    if (*s->at != '"')
        return refuse(s, s->at, "a key is expected");
    const unsigned char *start = ++s->at;
    if (!scan_string(s))
        return false;
    if (s->depth == 1 && is_our_key(start, s->at - 1))
        s->is_control = true;
    skip_space(s);
    if (!at_byte(s, ":"))
        return refuse(s, s->at, "a colon is expected");
    s->at++;
    s->expect = EXPECT_VALUE;
    return true;
}

static bool scan_more(struct scan *s)
{
    bool object = s->objects & 1;
    if (*s->at == (object ? '}' : ']'))
        return close_level(s);
    if (*s->at != ',')
        return refuse(s, s->at, object ? "a comma or } is expected" : "a comma or ] is expected");
    s->at++;
    s->expect = object ? EXPECT_KEY : EXPECT_VALUE;
    return true;
}

static bool scan_step(struct scan *s)
{
    switch (s->expect) {
    case EXPECT_FIRST_KEY:
        return *s->at == '}' ? close_level(s) : scan_key(s);
    case EXPECT_KEY:
        return scan_key(s);
    case EXPECT_FIRST_VALUE:
        return *s->at == ']' ? close_level(s) : scan_value(s);
    case EXPECT_MORE:
        return scan_more(s);
    default:
        return scan_value(s);
    }
}

static bool scan_all(struct scan *s)
{
    if (s->end - s->at >= 3 && memcmp(s->at, "\xef\xbb\xbf", 3) == 0)
        return refuse(s, s->at, "a byte order mark");
    while (s->expect != EXPECT_NOTHING) {
        skip_space(s);
        if (s->at == s->end)
            return refuse(s, s->at, "it ends too early");
        if (!scan_step(s))
            return false;
    }
    skip_space(s);
    return s->at == s->end || refuse(s, s->at, "more bytes behind the value");
}

static bool check(const char *data, size_t length, unsigned most, struct json_info *info)
{
    const unsigned char *start = bytes_of(data);
    struct scan s = {.at = start, .end = start + length, .most = most, .expect = EXPECT_VALUE};
    *info = (struct json_info){0};
    skip_space(&s);
    info->is_object = at_byte(&s, "{");
    s.at = start;
    bool good = scan_all(&s);
    info->reason = s.reason;
    info->offset = (size_t)(s.at - start);
    info->is_control = s.is_control;
    return good;
}

bool json_check(const char *data, size_t length, struct json_info *info)
{
    return check(data, length, JSON_MAX_DEPTH, info);
}

bool json_check_line(const char *data, size_t length, struct json_info *info)
{
    return check(data, length, JSON_LINE_DEPTH, info);
}

void json_flatten(char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\r' || data[i] == '\n')
            data[i] = ' ';
    }
}

static void quote_byte(struct buf *out, unsigned char c)
{
    const char *at = c ? strchr(escaped, c) : NULL;
    if (!c)
        buf_puts(out, REPLACEMENT);
    else if (at)
        buf_printf(out, "\\%c", escape_letters[at - escaped]);
    else
        buf_printf(out, "\\u%04x", c);
}

void json_quote(struct buf *out, const char *text, size_t length)
{
    const unsigned char *at = bytes_of(text), *end = at + length;
    buf_putc(out, '"');
    while (at < end) {
        const unsigned char *start = at;
        while (at < end && is_plain(*at))
            at++;
        buf_add(out, start, (size_t)(at - start));
        if (at == end)
            break;
        size_t bytes = utf8_length(at, (size_t)(end - at));
        if (bytes == 0)
            buf_puts(out, REPLACEMENT);
        else if (bytes == 1)
            quote_byte(out, *at);
        else
            buf_add(out, at, bytes);
        at += bytes ? bytes : 1;
    }
    buf_putc(out, '"');
}

bool json_is_utf8(const char *data, size_t length)
{
    const unsigned char *at = bytes_of(data), *end = at + length;
    while (at < end) {
        size_t bytes = utf8_length(at, (size_t)(end - at));
        if (bytes == 0)
            return false;
        at += bytes;
    }
    return true;
}

void json_utf8_clean(struct buf *out, const char *data, size_t length)
{
    const unsigned char *at = bytes_of(data), *end = at + length;
    while (at < end) {
        size_t bytes = utf8_length(at, (size_t)(end - at));
        if (bytes == 0)
            buf_puts(out, REPLACEMENT);
        else if (*at != '\0')
            buf_add(out, at, bytes);
        at += bytes ? bytes : 1;
    }
}

/* ---- the members of an object ---- */

/* Writes a character above NUL as UTF-8. Returns its bytes. */
static size_t put_character(uint32_t c, char out[4])
{
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)(leads[length] | c);
    return length;
}

/* The same for what a good string's \uXXXX stands for, or a pair of them. */
static size_t undo_unit(const unsigned char **at, const unsigned char *end, char out[4])
{
    uint32_t c = (uint32_t)read_unit(*at, end);
    *at += 6;
    if (c >= 0xd800 && c <= 0xdbff) {
        uint32_t second = (uint32_t)read_unit(*at, end);
        c = 0x10000 + ((c & 0x3ff) << 10) + (second & 0x3ff);
        *at += 6;
    }
    return put_character(c, out);
}

/* One character of a good string, which is moved past. Returns its bytes. */
static size_t read_character(const unsigned char **at, const unsigned char *end, char out[4])
{
    size_t length = 1;
    if (**at != '\\') {
        length = utf8_length(*at, (size_t)(end - *at));
        memcpy(out, *at, length);
        *at += length;
    } else if ((*at)[1] == 'u') {
        length = undo_unit(at, end, out);
    } else {
        out[0] = escaped[strchr(escape_letters, (*at)[1]) - escape_letters];
        *at += 2;
    }
    return length;
}

/* From behind a good key's opening quote; the closing one ends it. */
static void read_name(const unsigned char *at, const unsigned char *end, struct json_member *member)
{
    size_t used = 0;
    while (*at != '"') {
        char character[4];
        size_t length = 1;
        /* Nearly all names are letters: those need no look at what they stand for. */
        if (is_plain(*at))
            character[0] = (char)*at++;
        else
            length = read_character(&at, end, character);
        if (used + length >= JSON_NAME_SIZE) {
            member->name_too_long = true;
            break;
        }
        if (length == 1)
            member->name[used] = character[0];
        else
            memcpy(member->name + used, character, length);
        used += length;
    }
    member->name[used] = '\0';
}

static enum json_type type_of(unsigned char first)
{
    switch (first) {
    case '"':
        return JSON_STRING;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* From behind a member, or the opening brace, to the next key. False: there is none. */
static bool to_next_key(struct scan *s)
{
    skip_space(s);
    if (at_byte(s, ",") && !scan_more(s))
        return false;
    skip_space(s);
    return at_byte(s, "\"");
}

/* From a key's opening quote to behind its value. */
static bool scan_member(struct scan *s, struct json_member *member)
{
    read_name(s->at + 1, s->end, member);
    if (!scan_key(s))
        return false;
    skip_space(s);
    const unsigned char *value = s->at;
    do {
        skip_space(s);
        if (!scan_step(s))
            return false;
    } while (s->depth > 1 || s->expect != EXPECT_MORE);
    member->type = type_of(*value);
    member->value = (const char *)value;
    member->length = (size_t)(s->at - value);
    return true;
}

bool json_members(const char *data, size_t length,
                  bool (*each)(void *arg, const struct json_member *member), void *arg)
{
    const unsigned char *start = bytes_of(data);
    struct scan s = {.at = start, .end = start + length, .most = JSON_LINE_DEPTH};
    skip_space(&s);
    bool more = open_level(&s, true);
    while (more && to_next_key(&s)) {
        struct json_member member = {0};
        more = scan_member(&s, &member) && each(arg, &member);
    }
    return more;
}

void json_read_string(const char *value, size_t length, struct buf *out)
{
    const unsigned char *at = bytes_of(value) + 1, *end = at + length - 2;
    while (at < end) {
        const unsigned char *start = at;
        char character[4];
        while (at < end && *at != '\\')
            at++;
        buf_add(out, start, (size_t)(at - start));
        if (at < end)
            buf_add(out, character, read_character(&at, end, character));
    }
}

bool json_read_integer(const char *value, size_t length, int64_t *out)
{
    bool is_negative = length > 0 && value[0] == '-';
    int64_t read = 0;
    if (length == is_negative)
        return false;
    /* Below zero, where there is room for one more. */
    for (size_t i = is_negative; i < length; i++) {
        if (value[i] < '0' || value[i] > '9' || __builtin_mul_overflow(read, 10, &read) ||
            __builtin_sub_overflow(read, value[i] - '0', &read))
            return false;
    }
    if (!is_negative && read == INT64_MIN)
        return false;
    *out = is_negative ? read : -read;
    return true;
}

/* ---- a task's lines that are for us ---- */

/* What a good string stands for, as much as there is room for, cut between characters. */
static void copy_string(const struct json_member *member, char *out, size_t size)
{
    const unsigned char *at = bytes_of(member->value) + 1, *end = at + member->length - 2;
    size_t used = 0;
    while (at < end) {
        char character[4];
        size_t length = read_character(&at, end, character);
        if (used + length >= size)
            break;
        memcpy(out + used, character, length);
        used += length;
    }
    out[used] = '\0';
}

static const char *const control_keys[] = {"leat",  "reason",         "detail",
                                           "retry", "retry_after_ms", "usage"};
enum control_key { KEY_LEAT, KEY_REASON, KEY_DETAIL, KEY_RETRY, KEY_RETRY_AFTER, KEY_USAGE };

struct control_walk {
    struct json_control *control;
    char word[8]; /* of `leat` */
    bool seen[COUNT_OF(control_keys)];
};

static void take_value(struct control_walk *walk, size_t key, const struct json_member *member)
{
    struct json_control *control = walk->control;
    bool is_text = member->type == JSON_STRING;
    int64_t ms;
    if (key == KEY_LEAT && is_text)
        copy_string(member, walk->word, sizeof walk->word);
    else if (key == KEY_REASON && is_text)
        copy_string(member, control->reason, sizeof control->reason);
    else if (key == KEY_DETAIL && is_text)
        copy_string(member, control->detail, sizeof control->detail);
    else if (key == KEY_RETRY)
        control->retry = !(member->type == JSON_BOOL && *member->value == 'f');
    else if (key == KEY_RETRY_AFTER && json_read_integer(member->value, member->length, &ms))
        control->retry_after_ms = max_i64(0, min_i64(ms, JSON_RETRY_AFTER_MS));
    else if (key == KEY_USAGE && member->type == JSON_OBJECT &&
             member->length <= JSON_USAGE_BYTES) {
        control->usage = member->value;
        control->usage_length = member->length;
    }
}

static bool take_member(void *arg, const struct json_member *member)
{
    struct control_walk *walk = arg;
    for (size_t key = 0; key < COUNT_OF(control_keys); key++) {
        if (walk->seen[key] || strcmp(member->name, control_keys[key]) != 0)
            continue;
        walk->seen[key] = true;
        take_value(walk, key, member);
    }
    return true;
}

void json_read_control(const char *data, size_t length, struct json_control *control)
{
    struct control_walk walk = {.control = control};
    *control = (struct json_control){.kind = JSON_CONTROL_WRONG, .retry = true};
    json_members(data, length, take_member, &walk);
    if (strcmp(walk.word, "done") == 0)
        control->kind = JSON_CONTROL_DONE;
    else if (strcmp(walk.word, "failed") == 0)
        control->kind = JSON_CONTROL_FAILED;
    else if (strcmp(walk.word, "usage") != 0)
        control->wrong = "has the key \"leat\", and says neither done, failed nor usage";
    else if (!control->usage)
        control->wrong = "says usage without an object of at most 1024 bytes";
    else
        control->kind = JSON_CONTROL_USAGE;
}
