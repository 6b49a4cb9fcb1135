/*
 * delta.c: a few constant strings, and two walks along a JSON string.
 *
 * Called by outbox.c for every message while others wait, so what is no delta is told
 * from its first bytes. The dangerous part: a text that only looks as if it came last.
 * So the closing quote is looked for from the opening one on.
 */
#include "delta.h"

#include <string.h>

struct form {
    const char *start;  /* up to the opening quote of the part's name */
    const char *middle; /* from its closing quote to the opening one of the text */
};

#define FORMS(type, id, text)                                             \
    {"{\"type\":\"" type "\",\"" id "\":\"", "\",\"" text "\":\""},       \
    {                                                                     \
        "{\"type\": \"" type "\", \"" id "\": \"", "\", \"" text "\": \"" \
    }

static const struct form forms[] = {
    FORMS("text-delta", "id", "delta"),
    FORMS("reasoning-delta", "id", "delta"),
    FORMS("tool-input-delta", "toolCallId", "inputTextDelta"),
};

/* Behind a prefix; NULL: it begins otherwise. */
static const char *behind(const char *at, const char *end, const char *prefix)
{
    size_t length = strlen(prefix);
    return (size_t)(end - at) >= length && memcmp(at, prefix, length) == 0 ? at + length : NULL;
}

/* From inside a string to its closing quote. A checked string has one before the end. */
static const char *closing_quote(const char *at, const char *end)
{
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at;
}

static size_t head_by(const struct form *form, const char *data, const char *end)
{
    const char *at = behind(data, end, form->start);
    if (at)
        at = behind(closing_quote(at, end), end, form->middle);
    return at && closing_quote(at, end) == end - 2 && end[-1] == '}' ? (size_t)(at - data) : 0;
}

size_t delta_head(const char *data, size_t length)
{
    size_t head = 0;
    for (size_t i = 0; i < COUNT_OF(forms) && head == 0; i++)
        head = head_by(&forms[i], data, data + length);
    return head;
}

bool delta_join(struct buf *bytes, size_t head, const char *data, size_t length)
{
    if (!buf_reserve(bytes, length)) {
        bytes->failed = false;
        return false;
    }
    bytes->length -= 2; /* the end of the one before, which the new one brings again */
    buf_add(bytes, data + head, length - head);
    return true;
}
