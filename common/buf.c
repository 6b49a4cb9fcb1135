/*
 * buf.c: doubling growth, one sticky failure flag.
 */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 128

void buf_clear(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->length = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (b->failed)
        return false;
    if (more > SIZE_MAX / 2 - b->length - 1) {
        b->failed = true;
        return false;
    }
    size_t needed = b->length + more + 1;
    if (needed <= b->capacity)
        return true;
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity *= 2;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t length)
{
    if (!buf_reserve(b, length))
        return;
    if (length > 0)
        memcpy(b->data + b->length, data, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_putc(struct buf *b, char byte)
{
    buf_add(b, &byte, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, list);
    if (length >= 0 && buf_reserve(b, (size_t)length)) {
        vsnprintf(b->data + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
    va_end(list);
}

void buf_drop(struct buf *b, size_t count)
{
    count = min_size(count, b->length);
    if (count == 0)
        return;
    b->length -= count;
    memmove(b->data, b->data + count, b->length);
    b->data[b->length] = '\0';
}

bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

const char *buf_text(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *data = b->failed ? NULL : b->data;
    if (b->failed)
        free(b->data);
    *b = (struct buf){0};
    return data;
}
