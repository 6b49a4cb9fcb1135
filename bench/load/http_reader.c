/*
 * http_reader.c: one function for each place that an answer can be at; each eats
 * what belongs to it and says how much that was.
 */
#include "http_reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MOST 16384

void http_reader_reset(struct http_reader *r)
{
    buf_reset(&r->head);
    *r = (struct http_reader){.head = r->head};
}

void http_reader_clear(struct http_reader *r)
{
    buf_clear(&r->head);
    *r = (struct http_reader){.place = HTTP_HEAD};
}

/* ---- the head ---- */

/* The value of a header line, if it is the one of this name; NULL otherwise. */
static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    line += length + 1;
    return line + strspn(line, " ");
}

/* Length bytes at head, the last four of which are the empty line. */
static bool read_head(struct http_reader *r, const char *head, size_t length)
{
    const char *value;
    if (length < 16 || memcmp(head, "HTTP/1.", 7) != 0)
        return false;
    r->status = atoi(head + 9);
    r->place = r->status == 204 || r->status == 304 ? HTTP_ENDED : HTTP_UNTIL_CLOSE;
    const char *line = head, *end = head + length - 2;
    while (r->place != HTTP_ENDED && line < end) {
        if ((value = value_of(line, "transfer-encoding")) &&
            strncasecmp(value, "chunked", 7) == 0) {
            r->place = HTTP_SIZE;
            return true;
        }
        if ((value = value_of(line, "content-length"))) {
            r->left = strtoull(value, NULL, 10);
            r->place = r->left > 0 ? HTTP_LENGTH : HTTP_ENDED;
        }
        line = (const char *)memchr(line, '\n', (size_t)(head + length - line)) + 1;
    }
    return true;
}

/* Gives how many bytes belonged to the head; 0, and the place stays: it is none. */
static size_t take_head(struct http_reader *r, const char *data, size_t length)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (end && r->head.length == 0) {
        size_t size = (size_t)(end - data) + 4;
        return read_head(r, data, size) ? size : 0;
    }
    size_t before = r->head.length;
    buf_add(&r->head, data, length);
    if (!buf_ok(&r->head) || r->head.length > HEAD_MOST + length)
        return 0;
    end = memmem(r->head.data, r->head.length, "\r\n\r\n", 4);
    if (!end)
        return r->head.length > HEAD_MOST ? 0 : length;
    size_t size = (size_t)(end - r->head.data) + 4;
    return read_head(r, r->head.data, size) ? size - before : 0;
}

/* ---- the body ---- */

static size_t take_digits(struct http_reader *r, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)data[i];
        if (!isxdigit(c)) {
            r->place = HTTP_EXTENSION;
            return i;
        }
        r->left = r->left * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return length;
}

static size_t take_line_end(struct http_reader *r, const char *data, size_t length,
                            enum http_place then)
{
    const char *end = memchr(data, '\n', length);
    if (!end)
        return length;
    r->place = then;
    return (size_t)(end - data) + 1;
}

static size_t take_trailer(struct http_reader *r, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n' && r->line_empty) {
            r->place = HTTP_ENDED;
            return i + 1;
        }
        if (data[i] != '\r')
            r->line_empty = data[i] == '\n';
    }
    return length;
}

static size_t take_counted(struct http_reader *r, const char *data, size_t length, http_body *body,
                           void *arg)
{
    size_t size = r->left < length ? (size_t)r->left : length;
    body(arg, data, size);
    r->left -= size;
    if (r->left == 0)
        r->place = r->place == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_ENDED;
    return size;
}

/* What is at the front; gives how many bytes that was. */
static size_t take_piece(struct http_reader *r, const char *data, size_t length, http_body *body,
                         void *arg)
{
    switch (r->place) {
    case HTTP_HEAD:
        return take_head(r, data, length);
    case HTTP_SIZE:
        return take_digits(r, data, length);
    case HTTP_EXTENSION:
        r->line_empty = true;
        return take_line_end(r, data, length, r->left > 0 ? HTTP_CHUNK : HTTP_TRAILER);
    case HTTP_CHUNK_END:
        return take_line_end(r, data, length, HTTP_SIZE);
    case HTTP_TRAILER:
        return take_trailer(r, data, length);
    case HTTP_CHUNK:
    case HTTP_LENGTH:
        return take_counted(r, data, length, body, arg);
    default:
        body(arg, data, length);
        return length;
    }
}

bool http_reader_feed(struct http_reader *r, const char *data, size_t length, http_body *body,
                      void *arg)
{
    while (length > 0) {
        enum http_place before = r->place;
        size_t taken = before == HTTP_ENDED ? 0 : take_piece(r, data, length, body, arg);
        if (taken == 0 && r->place == before)
            return false;
        data += taken;
        length -= taken;
    }
    return true;
}
