/*
 * said.c: for the answer that goes out whole, and for messages that stand for what was before.
 */
#include "said.h"

#include "dialect.h"

#include <stdlib.h>
#include <string.h>

/* What one in a list costs beside its text: its place, which may be doubled, and a buf's first room
   for each of its texts. */
#define CALL_BYTES (2 * sizeof(struct said_call) + 3 * 128)
#define THOUGHT_BYTES (2 * sizeof(struct said_thought) + 2 * 128)

void said_clear(struct said *s)
{
    for (size_t i = 0; i < s->call_count; i++) {
        buf_clear(&s->calls[i].id);
        buf_clear(&s->calls[i].name);
        buf_clear(&s->calls[i].input);
    }
    for (size_t i = 0; i < s->thought_count; i++) {
        buf_clear(&s->thoughts[i].id);
        buf_clear(&s->thoughts[i].text);
    }
    free(s->calls);
    free(s->thoughts);
    buf_clear(&s->text);
    *s = (struct said){0};
}

static void add(struct said *s, struct buf *to, struct slice text)
{
    buf_add(to, text.data, text.length);
    s->length += text.length;
    s->failed |= to->failed;
}

/* A list of so many, with room for one more; grown in powers of two. NULL: no memory. */
static void *with_room(struct said *s, void *list, size_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return list;
    void *grown = realloc(list, (count > 0 ? 2 * count : 1) * size);
    s->failed |= !grown;
    return grown;
}

/* The call of this place; NULL: no memory. */
static struct said_call *call_at(struct said *s, size_t at)
{
    while (s->call_count <= at) {
        struct said_call *calls = with_room(s, s->calls, s->call_count, sizeof *calls);
        if (!calls)
            return NULL;
        s->calls = calls;
        s->calls[s->call_count++] = (struct said_call){0};
        s->length += CALL_BYTES;
    }
    return &s->calls[at];
}

static struct said_thought *thought_of(struct said *s, struct slice id)
{
    for (size_t i = s->thought_count; i-- > 0;) {
        struct buf *known = &s->thoughts[i].id;
        if (known->length == id.length && memcmp(known->data, id.data, id.length) == 0)
            return &s->thoughts[i];
    }
    struct said_thought *thoughts = with_room(s, s->thoughts, s->thought_count, sizeof *thoughts);
    if (!thoughts)
        return NULL;
    s->thoughts = thoughts;
    struct said_thought *thought = &s->thoughts[s->thought_count++];
    *thought = (struct said_thought){0};
    s->length += THOUGHT_BYTES;
    add(s, &thought->id, id);
    return thought;
}

static void think(struct said *s, const struct part *part)
{
    struct said_thought *thought = thought_of(s, part->id);
    if (thought)
        add(s, &thought->text, part_inside(part->text));
}

static void begin_call(struct said *s, struct said_call *call, const struct part *part)
{
    buf_reset(&call->id);
    buf_reset(&call->name);
    add(s, &call->id, part->id);
    add(s, &call->name, part->name);
}

static void put_input(struct said *s, struct said_call *call, const struct part *part)
{
    struct buf text = {0};
    dialect_put_input(&text, part);
    s->failed |= text.failed;
    if (buf_ok(&text))
        add(s, &call->input, part_inside((struct slice){text.data, text.length}));
    buf_clear(&text);
}

static void take_call(struct said *s, const struct part *part, const struct known *known,
                      unsigned first)
{
    struct said_call *call = call_at(s, known->number - first);
    if (!call)
        return;
    if (!known->begun)
        begin_call(s, call, part);
    /* All of it at once says what its deltas said before. */
    if (part->kind == PART_CALL_DELTA || (part->kind != PART_CALL_START && !known->has_input))
        put_input(s, call, part);
}

void said_take(struct said *s, const struct part *part, const struct known *known, unsigned first)
{
    switch (part->kind) {
    case PART_TEXT_DELTA:
        add(s, &s->text, part_inside(part->text));
        return;
    case PART_REASONING_DELTA:
        think(s, part);
        return;
    case PART_CALL_START:
    case PART_CALL_DELTA:
    case PART_CALL_INPUT:
    case PART_CALL_BROKEN:
        take_call(s, part, known, first);
        return;
    default:
        return;
    }
}

void said_put_calls(const struct said *s, struct buf *out)
{
    buf_putc(out, '[');
    for (size_t i = 0; i < s->call_count; i++) {
        const struct said_call *call = &s->calls[i];
        buf_puts(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        buf_add(out, call->id.data, call->id.length);
        buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
        buf_add(out, call->name.data, call->name.length);
        buf_puts(out, ",\"arguments\":\"");
        buf_add(out, call->input.data, call->input.length);
        buf_puts(out, "\"}}");
    }
    buf_putc(out, ']');
}
