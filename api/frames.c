/*
 * frames.c: a queue of frames over one run of bytes. Dropped bytes are moved
 * away only when they are more than the bytes in hand, so that each byte is
 * moved at most about once.
 */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

void frames_begin(struct frames *f, struct entry_id after)
{
    f->first += f->count;
    f->head = f->count = 0;
    f->dropped = 0;
    buf_reset(&f->bytes);
    f->complete_from = f->last = after;
}

void frames_clear(struct frames *f)
{
    free(f->list);
    buf_clear(&f->bytes);
    *f = (struct frames){0};
}

static bool make_room(struct frames *f)
{
    if (f->head + f->count < f->capacity)
        return true;
    if (f->head > f->count) {
        memmove(f->list, f->list + f->head, f->count * sizeof *f->list);
        f->head = 0;
        return true;
    }
    size_t capacity = f->capacity ? 2 * f->capacity : 16;
    struct frame *list = realloc(f->list, capacity * sizeof *list);
    if (!list)
        return false;
    f->list = list;
    f->capacity = capacity;
    return true;
}

/* The records count as well: a frame may be empty, or not much longer than its record. */
static size_t held_bytes(const struct frames *f)
{
    return f->bytes.length - f->dropped + f->count * sizeof *f->list;
}

static void drop_oldest(struct frames *f, size_t limit_bytes)
{
    while (f->count > 1 && held_bytes(f) > limit_bytes) {
        f->dropped += f->list[f->head].length;
        f->complete_from = f->list[f->head].id;
        f->head++;
        f->count--;
        f->first++;
    }
    if (f->dropped > f->bytes.length / 2) {
        buf_drop(&f->bytes, f->dropped);
        f->dropped = 0;
    }
}

bool frames_put(struct frames *f, struct entry_id id, const struct buf *text, enum frame_end ends,
                size_t limit_bytes)
{
    if (!make_room(f))
        return false;
    if (!buf_reserve(&f->bytes, text->length)) {
        f->bytes.failed = false;
        return false;
    }
    buf_add(&f->bytes, text->data, text->length);
    f->list[f->head + f->count++] =
        (struct frame){.id = id, .start = f->written, .length = text->length, .ends = ends};
    f->written += text->length;
    f->last = id;
    drop_oldest(f, limit_bytes);
    return true;
}

uint64_t frames_end(const struct frames *f)
{
    return f->first + f->count;
}

bool frames_reach(const struct frames *f, struct entry_id after)
{
    return entry_id_compare(after, f->complete_from) >= 0;
}

uint64_t frames_after(const struct frames *f, struct entry_id after)
{
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_id_compare(f->list[f->head + middle].id, after) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return f->first + low;
}

const struct frame *frames_at(const struct frames *f, uint64_t number)
{
    if (number < f->first || number >= frames_end(f))
        return NULL;
    return &f->list[f->head + (size_t)(number - f->first)];
}

const char *frames_bytes(const struct frames *f, const struct frame *frame)
{
    const struct frame *oldest = &f->list[f->head];
    return buf_text(&f->bytes) + f->dropped + (size_t)(frame->start - oldest->start);
}
