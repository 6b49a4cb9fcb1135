/*
 * dialect.c: what several dialects write in the same way.
 */
#include "dialect.h"

#include "json.h"

#include <string.h>

void dialect_put(struct buf *out, struct slice json)
{
    size_t at = out->length;
    buf_add(out, json.data, json.length);
    if (!buf_ok(out) || json.length == 0)
        return;
    if (memchr(json.data, '\n', json.length) || memchr(json.data, '\r', json.length))
        json_flatten(out->data + at, json.length);
}

void dialect_frame(struct buf *out, struct slice json)
{
    buf_add(out, "data: ", 6);
    dialect_put(out, json);
    buf_add(out, "\n\n", 2);
}

struct slice dialect_words(const struct part *part, struct buf *words)
{
    if (part->kind == PART_WORDS)
        return part->text;
    if (part->text.data)
        buf_add(words, part->text.data, part->text.length);
    else
        json_quote(words, part->json.data, part->json.length);
    if (buf_ok(words))
        words->length--; /* the quote comes again, behind a line end */
    buf_puts(words, "\\n\"");
    return (struct slice){.data = words->data, .length = words->length};
}

void dialect_put_text(struct buf *out, struct slice json)
{
    if (json.length > 0 && json.data[0] == '"')
        buf_add(out, json.data, json.length);
    else
        json_quote(out, json.data, json.length);
}

void dialect_put_input(struct buf *out, const struct part *part)
{
    if (part->kind == PART_CALL_DELTA)
        buf_add(out, part->text.data, part->text.length);
    else if (part->kind == PART_CALL_BROKEN)
        dialect_put_text(out, part->value);
    else
        json_quote(out, part->value.data, part->value.length);
}

void dialect_put_name(struct buf *out, const char *name)
{
    struct buf quoted = {0};
    json_quote(&quoted, name, strlen(name));
    if (buf_ok(&quoted))
        buf_add(out, quoted.data + 1, quoted.length - 2);
    out->failed |= quoted.failed;
    buf_clear(&quoted);
}
