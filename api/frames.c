/*
 * frames.c: a queue of frames over one run of bytes. Dropped bytes are moved
 * away only when they are more than the bytes in hand, so that each byte is
 * moved at most about once.
 */
#include "frames.h"

#include "chunk.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4

/* Memory of this size stays when nothing is in hand: the next entry would ask for it again. */
#define IDLE_BYTES 1024

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
    frames_rest(f);
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
    size_t capacity = f->capacity ? 2 * f->capacity : FIRST_CAPACITY;
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

static void drop_oldest(struct frames *f, size_t limit_bytes, size_t least)
{
    while (f->count > least && held_bytes(f) > limit_bytes) {
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

static void put_chunk(struct buf *out, const char *head, size_t head_length, const struct buf *text)
{
    buf_add(out, head, head_length);
    buf_add(out, text->data, text->length);
    buf_add(out, CHUNK_TAIL, CHUNK_TAIL_SIZE);
}

bool frames_put(struct frames *f, struct entry_id id, const struct buf *text, enum frame_end ends,
                size_t limit_bytes)
{
    char head[CHUNK_HEAD_SIZE];
    struct frame frame = {.id = id, .start = f->written, .ends = (uint8_t)ends};
    if (text->length > 0) {
        frame.head = (uint8_t)chunk_head(head, text->length);
        frame.length = (uint32_t)(frame.head + text->length + CHUNK_TAIL_SIZE);
    }
    if (text->length > INT32_MAX || !make_room(f))
        return false;
    if (!buf_reserve(&f->bytes, frame.length)) {
        f->bytes.failed = false;
        return false;
    }
    if (frame.length > 0)
        put_chunk(&f->bytes, head, frame.head, text);
    f->list[f->head + f->count++] = frame;
    f->written += frame.length;
    f->last = id;
    drop_oldest(f, limit_bytes, 1);
    return true;
}

void frames_trim(struct frames *f, size_t keep_bytes)
{
    drop_oldest(f, keep_bytes, 0);
    if (f->count > 0)
        return;
    f->head = 0;
    if (f->bytes.capacity + f->capacity * sizeof *f->list > IDLE_BYTES)
        frames_rest(f);
}

void frames_rest(struct frames *f)
{
    drop_oldest(f, 0, 0);
    buf_clear(&f->bytes);
    free(f->list);
    f->list = NULL;
    f->head = f->capacity = 0;
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

const char *frames_text(const struct frames *f, const struct frame *frame, size_t *length)
{
    *length = frame->length > 0 ? frame->length - frame->head - CHUNK_TAIL_SIZE : 0;
    return frames_bytes(f, frame) + frame->head;
}
