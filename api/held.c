/*
 * held.c: lines of JSON in one buffer. A line that begins with a quote is plain text; all others
 * are messages, and the last one grows while deltas of its part come.
 */
#include "held.h"

#include "dialect.h"

#include <string.h>

void held_clear(struct held *h)
{
    buf_clear(&h->lines);
    *h = (struct held){0};
}

static void begin_line(struct held *h, enum part_kind kind)
{
    h->last_at = h->lines.length;
    h->last = kind;
}

/* The last line ends with a string that grows, and what closes it. */
static void grow(struct held *h, struct slice text, const char *closing)
{
    struct slice inside = part_inside(text);
    size_t closing_length = strlen(closing);
    if (!buf_ok(&h->lines))
        return;
    h->lines.length -= closing_length;
    buf_add(&h->lines, inside.data, inside.length);
    buf_add(&h->lines, closing, closing_length);
}

static void add_words(struct held *h, const struct part *part)
{
    struct buf words = {0};
    struct slice text = dialect_words(part, &words);
    if (!buf_ok(&words)) {
        h->lines.failed = true;
    } else if (h->last == PART_WORDS) {
        grow(h, text, "\"\n");
    } else {
        begin_line(h, PART_WORDS);
        buf_add(&h->lines, text.data, text.length);
        buf_putc(&h->lines, '\n');
    }
    buf_clear(&words);
}

static bool goes_on(const struct held *h, const struct part *part)
{
    size_t head = part->json.length - part->text.length - 1; /* the same but for its text */
    return part->canonical && h->last == part->kind && h->lines.length - h->last_at > head &&
           memcmp(h->lines.data + h->last_at, part->json.data, head) == 0;
}

void held_add(struct held *h, const struct part *part)
{
    h->messages++;
    if (part->kind == PART_NOTHING)
        return;
    if (part->kind == PART_PLAIN || part->kind == PART_WORDS) {
        add_words(h, part);
    } else if (part->kind == PART_RESET_STEP) {
        if (buf_ok(&h->lines))
            h->lines.length = h->step_at;
        h->last = PART_NOTHING;
    } else if (goes_on(h, part)) {
        grow(h, part->text, "\"}\n");
    } else {
        begin_line(h, part->canonical ? part->kind : PART_NOTHING);
        dialect_put(&h->lines, part->json);
        buf_putc(&h->lines, '\n');
    }
    if (part->kind == PART_START || part->kind == PART_START_STEP)
        h->step_at = h->lines.length;
}

bool held_next(const struct held *h, size_t *at, struct part *part)
{
    if (*at >= h->lines.length)
        return false;
    const char *line = h->lines.data + *at;
    const char *end = memchr(line, '\n', h->lines.length - *at);
    size_t length = (size_t)(end - line);
    *at += length + 1;
    if (*line == '"')
        *part = (struct part){.kind = PART_WORDS, .text = {.data = line, .length = length}};
    else
        part_read(line, length, part);
    return true;
}
