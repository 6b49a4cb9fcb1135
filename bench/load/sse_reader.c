/*
 * sse_reader.c: line by line. The usual event (an id, one line of data, an empty
 * line, all in one piece) is handed on without a copy.
 */
#include "sse_reader.h"

#include <string.h>

void sse_reader_reset(struct sse_reader *r)
{
    buf_reset(&r->line);
    buf_reset(&r->data);
    r->name[0] = '\0';
    r->has_id = r->has_data = false;
}

void sse_reader_clear(struct sse_reader *r)
{
    buf_clear(&r->line);
    buf_clear(&r->data);
    *r = (struct sse_reader){.comments = 0};
}

static void keep(char *to, size_t size, const char *from, size_t length)
{
    if (length >= size)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

/* The value behind "field:" and a space; NULL: another field. */
static const char *value_of(const char *line, size_t *length, const char *field)
{
    size_t size = strlen(field);
    if (*length < size || memcmp(line, field, size) != 0)
        return NULL;
    size += *length > size && line[size] == ' ';
    *length -= size;
    return line + size;
}

static void event_is_whole(struct sse_reader *r, const char *data, size_t length, sse_take *take,
                           void *arg)
{
    take(arg, r, data, length);
    buf_reset(&r->data);
    r->name[0] = '\0';
    r->has_id = r->has_data = false;
}

/* next: whether the byte behind the line is known to end the event. Gives whether it was used. */
static bool take_data(struct sse_reader *r, const char *value, size_t length, bool next,
                      sse_take *take, void *arg)
{
    if (next && !r->has_data) {
        event_is_whole(r, value, length, take, arg);
        return true;
    }
    if (r->has_data)
        buf_putc(&r->data, '\n');
    buf_add(&r->data, value, length);
    r->has_data = true;
    return false;
}

static bool take_line(struct sse_reader *r, const char *line, size_t length, bool next,
                      sse_take *take, void *arg)
{
    const char *value;
    size_t left = length;
    if (length > 0 && line[length - 1] == '\r')
        left = --length;
    if (length == 0) {
        if (r->has_data)
            event_is_whole(r, buf_text(&r->data), r->data.length, take, arg);
    } else if ((value = value_of(line, &left, "data:"))) {
        return take_data(r, value, left, next, take, arg);
    } else if ((value = value_of(line, &left, "id:"))) {
        keep(r->id, sizeof r->id, value, left);
        r->has_id = true;
    } else if ((value = value_of(line, &left, "event:"))) {
        keep(r->name, sizeof r->name, value, left);
    } else if (line[0] == ':') {
        r->comments++;
    }
    return false;
}

bool sse_reader_feed(struct sse_reader *r, const char *data, size_t length, sse_take *take,
                     void *arg)
{
    const char *end = data + length, *stop;
    while ((stop = memchr(data, '\n', (size_t)(end - data)))) {
        const char *line = data;
        size_t size = (size_t)(stop - data);
        if (r->line.length > 0) {
            buf_add(&r->line, data, size);
            line = r->line.data;
            size = r->line.length;
        }
        bool next = stop + 1 < end && stop[1] == '\n';
        data = stop + 1 + take_line(r, line, size, next, take, arg);
        buf_reset(&r->line);
    }
    buf_add(&r->line, data, (size_t)(end - data));
    return buf_ok(&r->line) && buf_ok(&r->data);
}
