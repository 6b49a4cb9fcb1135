/*
 * sse.c: framing, and the handful of events that Leat itself sends.
 *
 * The hub calls sse_entry once for each entry and sends the bytes to all
 * followers, so the plain case (a message in one line) is two scans and a copy.
 * The dangerous part: a stream can be written by any program. A CR or LF that
 * got into a frame unsplit would let its author forge events and ids.
 */
#include "sse.h"

#include "json.h"
#include "resume.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define DONE "[DONE]"

static struct slice slice_of(const char *text)
{
    return (struct slice){.data = text, .length = strlen(text)};
}

static void put_line(struct buf *out, const char *field, const char *data, size_t length)
{
    buf_puts(out, field);
    buf_add(out, data, length);
    buf_putc(out, '\n');
}

static bool is_one_line(const char *data, size_t length)
{
    return length == 0 || (!memchr(data, '\n', length) && !memchr(data, '\r', length));
}

static void put_data(struct buf *out, const char *data, size_t length)
{
    const char *at = data, *start = data;
    if (is_one_line(data, length)) {
        put_line(out, "data: ", data, length);
        return;
    }
    for (; at < data + length; at++) {
        if (*at != '\r' && *at != '\n')
            continue;
        put_line(out, "data: ", start, (size_t)(at - start));
        if (*at == '\r' && at + 1 < data + length && at[1] == '\n')
            at++;
        start = at + 1;
    }
    put_line(out, "data: ", start, (size_t)(at - start));
}

/* Our own workers' lines were checked; a foreign writer's were not. */
static void put_clean_data(struct buf *out, const char *data, size_t length)
{
    struct buf clean = {0};
    if (json_is_utf8(data, length)) {
        put_data(out, data, length);
        return;
    }
    json_utf8_clean(&clean, data, length);
    put_data(out, buf_text(&clean), clean.length);
    out->failed |= clean.failed;
    buf_clear(&clean);
}

static void put_field(struct buf *out, const char *field, const char *word)
{
    assert(is_one_line(word, strlen(word)));
    put_line(out, field, word, strlen(word));
}

void sse_event(struct buf *out, const char *id, const char *name, const char *data, size_t length)
{
    if (name)
        put_field(out, "event: ", name);
    if (id)
        put_field(out, "id: ", id);
    put_clean_data(out, data, length);
    buf_putc(out, '\n');
}

void sse_comment(struct buf *out, const char *text)
{
    struct buf line = {0};
    json_utf8_clean(&line, text, strlen(text));
    for (size_t i = 0; i < line.length; i++) {
        if ((unsigned char)line.data[i] < 0x20 || line.data[i] == 0x7f)
            line.data[i] = ' ';
    }
    put_line(out, ": ", buf_text(&line), line.length);
    buf_putc(out, '\n');
    out->failed |= line.failed;
    buf_clear(&line);
}

void sse_retry(struct buf *out, int64_t wait_ms)
{
    buf_printf(out, "retry: %" PRId64 "\n\n", wait_ms);
}

/* The data of a named event: an object of texts and numbers, in one line. */

static void put_text(struct buf *json, const char *key, struct slice value)
{
    buf_printf(json, "%s\"%s\":", json->length > 0 ? "," : "{", key);
    json_quote(json, value.data, value.length);
}

static void put_number(struct buf *json, const char *key, uint64_t value)
{
    buf_printf(json, "%s\"%s\":%" PRIu64, json->length > 0 ? "," : "{", key, value);
}

static void put_named(struct buf *out, const char *id, const char *name, struct buf *json)
{
    buf_putc(json, '}');
    sse_event(out, id, name, buf_text(json), json->length);
    out->failed |= json->failed;
    buf_clear(json);
}

static void put_done(struct buf *out, const char *id)
{
    sse_event(out, id, NULL, DONE, strlen(DONE));
}

static void put_reset(struct buf *out, const char *id, struct slice job, uint64_t number,
                      struct slice reason)
{
    struct buf json = {0};
    put_text(&json, "job", job);
    put_number(&json, "attempt", number);
    put_text(&json, "reason", reason);
    put_named(out, id, "reset", &json);
}

static void put_message(struct buf *out, const char *id, struct slice data)
{
    if (data.data)
        sse_event(out, id, NULL, data.data, data.length);
    else
        buf_printf(out, "id: %s\n\n", id); /* moves the cursor, and shows nothing */
}

static void put_end(struct buf *out, const char *id, const char *name, const struct entry *entry)
{
    struct buf json = {0};
    put_text(&json, "job", entry->job);
    if (entry->kind != ENTRY_EXPIRED)
        put_text(&json, "reason", entry->reason);
    if (entry->kind == ENTRY_FAILED) {
        put_text(&json, "detail", entry->detail);
        put_number(&json, "attempts", entry->number);
    }
    put_named(out, NULL, name, &json);
    put_done(out, id);
}

void sse_entry(struct buf *out, const struct entry *entry)
{
    char id[ENTRY_ID_SIZE];
    entry_id_format(entry->id, id);
    switch (entry->kind) {
    case ENTRY_QUEUED:
        return;
    case ENTRY_START:
        if (entry->reason.length > 0)
            put_reset(out, id, entry->job, entry->number, entry->reason);
        return;
    case ENTRY_DONE:
        put_done(out, id);
        return;
    case ENTRY_FAILED:
        put_end(out, id, "failed", entry);
        return;
    case ENTRY_CANCELLED:
        put_end(out, id, "cancelled", entry);
        return;
    case ENTRY_EXPIRED:
        put_end(out, id, "expired", entry);
        return;
    case ENTRY_MESSAGE:
        put_message(out, id, entry->data);
        return;
    }
}

void sse_reset(struct buf *out, struct entry_id marker, const char *job, uint64_t number,
               const char *reason)
{
    char id[ENTRY_ID_SIZE];
    entry_id_format(marker, id);
    put_reset(out, id, slice_of(job), number, slice_of(reason));
}

static void put_last_word(struct buf *out, const char *name, const char *job, const char *reason)
{
    struct buf json = {0};
    put_text(&json, "job", slice_of(job));
    if (reason)
        put_text(&json, "reason", slice_of(reason));
    put_named(out, NULL, name, &json);
    put_done(out, CURSOR_END_TEXT);
}

void sse_superseded(struct buf *out, const char *job)
{
    put_last_word(out, "superseded", job, NULL);
}

void sse_gone(struct buf *out, const char *job)
{
    put_last_word(out, "gone", job, NULL);
}

void sse_replaced(struct buf *out, const char *job)
{
    put_last_word(out, "cancelled", job, "replaced");
}

void sse_queued(struct buf *out, const char *job, uint64_t position, bool named)
{
    struct buf text = {0};
    if (named) {
        put_text(&text, "job", slice_of(job));
        put_number(&text, "position", position);
        put_named(out, NULL, "queued", &text);
        return;
    }
    buf_printf(&text, "queued %" PRIu64, position);
    sse_comment(out, buf_text(&text));
    out->failed |= text.failed;
    buf_clear(&text);
}

void sse_running(struct buf *out, const char *job, uint64_t number, const char *worker, bool named)
{
    struct buf text = {0};
    if (named) {
        put_text(&text, "job", slice_of(job));
        put_number(&text, "attempt", number);
        put_text(&text, "worker", slice_of(worker));
        put_named(out, NULL, "running", &text);
        return;
    }
    buf_printf(&text, "running attempt %" PRIu64 "%s%s", number, *worker ? " " : "", worker);
    sse_comment(out, buf_text(&text));
    out->failed |= text.failed;
    buf_clear(&text);
}
