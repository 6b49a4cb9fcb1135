/*
 * outbox.c: one run of bytes and a ring of lengths.
 *
 * A task may write a million tiny messages or a few large ones; both must cost
 * about their bytes. So the messages lie one behind the other in one buf, and a
 * ring holds four bytes of length for each. Where a batch begins follows from
 * the bytes of the acknowledged ones before it, so no offsets are kept.
 *
 * Dropping from the front only moves a mark; the bytes are moved down when at
 * least half of the buf is dead, so that each byte is moved about once.
 */
#include "outbox.h"

#include "delta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void outbox_init(struct outbox *o, size_t keep_bytes)
{
    *o = (struct outbox){.first = 1, .keep_bytes = keep_bytes};
}

void outbox_join(struct outbox *o, size_t most)
{
    o->join_bytes = most;
}

void outbox_clear(struct outbox *o)
{
    buf_clear(&o->bytes);
    free(o->lengths);
    *o = (struct outbox){.first = 1};
}

static uint32_t length_of(const struct outbox *o, uint64_t number)
{
    return o->lengths[number & (o->capacity - 1)];
}

/* Room for one more length. False: no memory. */
static bool grow_ring(struct outbox *o)
{
    if (o->last + 1 - o->first < o->capacity)
        return true;
    uint64_t capacity = o->capacity ? 2 * o->capacity : FIRST_CAPACITY;
    uint32_t *lengths = malloc(capacity * sizeof *lengths);
    if (!lengths)
        return false;
    for (uint64_t n = o->first; n <= o->last; n++)
        lengths[n & (capacity - 1)] = length_of(o, n);
    free(o->lengths);
    o->lengths = lengths;
    o->capacity = capacity;
    return true;
}

static bool joins(const struct outbox *o, const char *data, size_t length, size_t head)
{
    if (head == 0 || head != o->last_head || o->last <= o->sent_most)
        return false;
    size_t before = length_of(o, o->last);
    return before + length - head - 2 <= o->join_bytes &&
           memcmp(o->bytes.data + o->bytes.length - before, data, head) == 0;
}

enum status outbox_put(struct outbox *o, const char *data, size_t length)
{
    size_t head = o->join_bytes > 0 ? delta_head(data, length) : 0;
    if (joins(o, data, length, head)) {
        if (!delta_join(&o->bytes, head, data, length))
            return STATUS_NO_MEMORY;
        o->lengths[o->last & (o->capacity - 1)] += (uint32_t)(length - head - 2);
        return STATUS_OK;
    }
    if (length > UINT32_MAX || !grow_ring(o))
        return STATUS_NO_MEMORY;
    buf_add(&o->bytes, data, length);
    if (!buf_ok(&o->bytes)) {
        /* A failed addition left the bytes as they were. */
        o->bytes.failed = false;
        return STATUS_NO_MEMORY;
    }
    o->last++;
    o->lengths[o->last & (o->capacity - 1)] = (uint32_t)length;
    o->last_head = head;
    return STATUS_OK;
}

static bool has_room(const struct outbox_room *room, size_t length)
{
    return room->count > 0 && (length <= room->bytes || room->bytes == OUTBOX_BATCH_BYTES);
}

size_t outbox_next(struct outbox *o, struct message *messages, struct outbox_room *room,
                   uint64_t *first)
{
    *first = o->acknowledged + 1;
    if (o->sent != o->acknowledged)
        return 0;
    const char *at = buf_text(&o->bytes) + o->gone + o->acknowledged_bytes;
    size_t count = 0;
    while (o->sent < o->last) {
        size_t length = length_of(o, o->sent + 1);
        if (!has_room(room, length))
            break;
        messages[count++] = (struct message){.data = at, .length = length};
        at += length;
        room->count--;
        room->bytes -= min_size(length, room->bytes);
        o->sent++;
    }
    if (o->sent > o->sent_most)
        o->sent_most = o->sent;
    return count;
}

uint64_t outbox_pending(const struct outbox *o)
{
    return o->last - o->sent;
}

bool outbox_fits(const struct outbox *o)
{
    return o->sent == o->acknowledged && outbox_pending(o) <= OUTBOX_BATCH_COUNT &&
           (outbox_waiting_bytes(o) <= OUTBOX_BATCH_BYTES || outbox_pending(o) == 1);
}

static void drop_oldest(struct outbox *o)
{
    while (o->acknowledged_bytes > o->keep_bytes) {
        size_t length = length_of(o, o->first);
        o->first++;
        o->acknowledged_bytes -= length;
        o->gone += length;
    }
    if (o->gone > 0 && o->gone >= o->bytes.length / 2) {
        buf_drop(&o->bytes, o->gone);
        o->gone = 0;
    }
}

void outbox_acknowledge(struct outbox *o, uint64_t last)
{
    assert(last <= o->last);
    while (o->acknowledged < last) {
        o->acknowledged++;
        o->acknowledged_bytes += length_of(o, o->acknowledged);
    }
    o->sent = o->acknowledged;
    drop_oldest(o);
}

void outbox_unsend(struct outbox *o)
{
    o->sent = o->acknowledged;
}

bool outbox_rewind(struct outbox *o, uint64_t last)
{
    if (last + 1 < o->first)
        return false;
    outbox_unsend(o);
    while (o->acknowledged > last) {
        o->acknowledged_bytes -= length_of(o, o->acknowledged);
        o->acknowledged--;
    }
    o->sent = o->acknowledged;
    return true;
}

size_t outbox_waiting_bytes(const struct outbox *o)
{
    return o->bytes.length - o->gone - o->acknowledged_bytes;
}

bool outbox_settled(const struct outbox *o)
{
    return o->acknowledged == o->last;
}

uint64_t outbox_last(const struct outbox *o)
{
    return o->last;
}

uint64_t outbox_acknowledged(const struct outbox *o)
{
    return o->acknowledged;
}
