/*
 * fuzz_sse.c: entries of any bytes through sse_entry, read back by a reader made
 * after the WHATWG text. What comes back must be what was meant, event by event.
 *
 * Input: a kind, two small numbers for the id, then fields, each a length byte
 * and its bytes; the last one, data, takes what is left.
 */
#include "json.h"
#include "sse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

#define MOST_EVENTS 4

struct event {
    struct buf name, data, id;
};

struct reader {
    struct event events[MOST_EVENTS];
    size_t count;
    struct buf name, data, id; /* of the event under way; the id stays */
};

static bool is(const struct buf *text, const char *word)
{
    return strcmp(buf_text(text), word) == 0 && text->length == strlen(word);
}

static void copy(struct buf *to, const struct buf *from)
{
    buf_add(to, buf_text(from), from->length);
}

static void dispatch(struct reader *r)
{
    if (r->data.length > 0) {
        REQUIRE(r->count < MOST_EVENTS);
        struct event *event = &r->events[r->count++];
        copy(&event->name, &r->name);
        copy(&event->id, &r->id);
        buf_add(&event->data, r->data.data, r->data.length - 1);
    }
    buf_reset(&r->data);
    buf_reset(&r->name);
}

static void read_field(struct reader *r, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length);
    if (colon == line)
        return;
    REQUIRE(colon && colon[1] == ' '); /* we always write it so */
    size_t name = (size_t)(colon - line), skip = name + 2;
    if (name == 4 && memcmp(line, "data", 4) == 0) {
        buf_add(&r->data, line + skip, length - skip);
        buf_putc(&r->data, '\n');
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        buf_reset(&r->name);
        buf_add(&r->name, line + skip, length - skip);
    } else {
        REQUIRE(name == 2 && memcmp(line, "id", 2) == 0);
        REQUIRE(!memchr(line, 0, length));
        buf_reset(&r->id);
        buf_add(&r->id, line + skip, length - skip);
    }
}

static void read_stream(struct reader *r, const struct buf *text)
{
    const char *at = buf_text(text), *end = at + text->length;
    REQUIRE(!memchr(at, '\r', text->length));
    REQUIRE(json_is_utf8(at, text->length));
    REQUIRE(at == end || (text->length > 1 && end[-1] == '\n' && end[-2] == '\n'));
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        REQUIRE(stop);
        if (stop == at)
            dispatch(r);
        else
            read_field(r, at, (size_t)(stop - at));
        at = stop + 1;
    }
    REQUIRE(r->data.length == 0 && r->name.length == 0);
}

static void reader_clear(struct reader *r)
{
    for (size_t i = 0; i < r->count; i++) {
        buf_clear(&r->events[i].name);
        buf_clear(&r->events[i].data);
        buf_clear(&r->events[i].id);
    }
    buf_clear(&r->name);
    buf_clear(&r->data);
    buf_clear(&r->id);
}

/* A message's data as a reader sees it: valid UTF-8, each line end a LF. */
static void expect_data(struct slice data, struct buf *out)
{
    struct buf clean = {0};
    if (json_is_utf8(data.data, data.length))
        buf_add(&clean, data.data, data.length);
    else
        json_utf8_clean(&clean, data.data, data.length);
    for (size_t i = 0; i < clean.length; i++) {
        if (clean.data[i] == '\r' && clean.data[i + 1] != '\n')
            buf_putc(out, '\n');
        else if (clean.data[i] != '\r')
            buf_putc(out, clean.data[i]);
    }
    buf_clear(&clean);
}

static void judge_message(const struct reader *r, const struct entry *entry, const char *id)
{
    struct buf expected = {0};
    REQUIRE(is(&r->id, id) && r->count == (entry->data.data != NULL));
    if (r->count == 0)
        return;
    expect_data(entry->data, &expected);
    const struct buf *data = &r->events[0].data;
    REQUIRE(is(&r->events[0].name, "") && is(&r->events[0].id, id));
    REQUIRE(data->length == expected.length);
    REQUIRE(memcmp(buf_text(data), buf_text(&expected), expected.length) == 0);
    buf_clear(&expected);
}

static void judge_named(const struct event *event, const char *name)
{
    struct json_info info;
    REQUIRE(is(&event->name, name));
    REQUIRE(json_check(buf_text(&event->data), event->data.length, &info) && info.is_object);
}

static void judge_done(const struct event *event, const char *id)
{
    REQUIRE(is(&event->name, "") && is(&event->data, "[DONE]") && is(&event->id, id));
}

static void judge(const struct reader *r, const struct entry *entry, const char *id)
{
    static const char *const names[] = {
        [ENTRY_FAILED] = "failed",
        [ENTRY_CANCELLED] = "cancelled",
        [ENTRY_EXPIRED] = "expired",
    };
    bool resets = entry->kind == ENTRY_START && entry->reason.length > 0;
    if (entry->kind == ENTRY_MESSAGE) {
        judge_message(r, entry, id);
    } else if (entry->kind == ENTRY_DONE) {
        REQUIRE(r->count == 1);
        judge_done(&r->events[0], id);
    } else if (entry->kind == ENTRY_QUEUED || entry->kind == ENTRY_START) {
        REQUIRE(r->count == resets && is(&r->id, resets ? id : ""));
        if (resets)
            judge_named(&r->events[0], "reset");
    } else {
        REQUIRE(r->count == 2 && is(&r->events[0].id, ""));
        judge_named(&r->events[0], names[entry->kind]);
        judge_done(&r->events[1], id);
    }
}

static struct slice take(const uint8_t **at, const uint8_t *end)
{
    if (*at == end)
        return (struct slice){0};
    size_t length = min_size(**at, (size_t)(end - *at - 1));
    struct slice slice = {.data = (const char *)*at + 1, .length = length};
    *at += 1 + length;
    return slice;
}

static struct entry entry_of(const uint8_t *at, const uint8_t *end)
{
    struct entry entry = {
        .kind = at[0] % (ENTRY_EXPIRED + 1), .id = {at[1], at[2]}, .number = at[1]};
    at += 3;
    if (entry.kind != ENTRY_MESSAGE) {
        entry.job = take(&at, end);
        entry.reason = take(&at, end);
        entry.detail = take(&at, end);
    }
    if (at < end)
        entry.data = (struct slice){.data = (const char *)at, .length = (size_t)(end - at)};
    return entry;
}

/* Comments and the words of a gateway, from a text that ends at a NUL. */
static void judge_comments(const uint8_t *bytes, size_t size)
{
    struct buf text = {0}, out = {0};
    struct reader r = {0};
    buf_add(&text, bytes, size);
    sse_comment(&out, buf_text(&text));
    sse_running(&out, buf_text(&text), 1, buf_text(&text), false);
    sse_queued(&out, buf_text(&text), 1, true);
    sse_superseded(&out, buf_text(&text));
    read_stream(&r, &out);
    REQUIRE(r.count == 3);
    judge_named(&r.events[0], "queued");
    judge_named(&r.events[1], "superseded");
    judge_done(&r.events[2], "end");
    reader_clear(&r);
    buf_clear(&text);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf out = {0};
    struct reader r = {0};
    char id[ENTRY_ID_SIZE];
    if (size < 3)
        return 0;
    struct entry entry = entry_of(bytes, bytes + size);
    entry_id_format(entry.id, id);
    sse_entry(&out, &entry);
    REQUIRE(buf_ok(&out));
    read_stream(&r, &out);
    judge(&r, &entry, id);
    reader_clear(&r);
    buf_clear(&out);
    judge_comments(bytes, size);
    return 0;
}
