/*
 * witness.c: `behind` remembers the newest 64 numbers, so that a late message is
 * told from one that came twice. What lies further back counts as doubled.
 */
#include "witness.h"

#include <string.h>
#include <time.h>

/* ---- texts ---- */

static const char *read_number(const char *at, uint64_t *out)
{
    uint64_t value = 0;
    const char *digit = at;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        value = value * 10 + (uint64_t)(*digit - '0');
    *out = value;
    return digit > at ? digit : NULL;
}

static bool read_id(const char *text, uint64_t *attempt, uint64_t *number)
{
    const char *at = read_number(text, attempt);
    if (!at || *at != '-')
        return false;
    at = read_number(at + 1, number);
    return at && *at == '\0';
}

/* 2025-10-01T09:00:00.000000Z; many in a row fall into the same second. */
static int64_t read_stamp(const char *text)
{
    static _Thread_local struct {
        char text[20];
        int64_t us;
    } known;
    if (memcmp(text, known.text, 19) != 0) {
        struct tm utc = {0};
        char copy[20] = {0};
        memcpy(copy, text, 19);
        const char *end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &utc);
        if (!end || *end)
            return 0;
        memcpy(known.text, text, 19);
        known.us = (int64_t)timegm(&utc) * 1000000;
    }
    int64_t part = 0;
    for (const char *digit = text + 20; digit < text + 26; digit++)
        part = part * 10 + (*digit - '0');
    return known.us + part;
}

#define STAMP_NAME "\"timestamp\": \""
#define STAMP_SIZE (sizeof STAMP_NAME - 1)

/* All messages of a run look alike, so where the last one had its stamp is tried first. */
static int64_t find_stamp(const char *data, size_t length)
{
    static _Thread_local size_t hint;
    const char *at = data + hint;
    if (hint + STAMP_SIZE > length || memcmp(at, STAMP_NAME, STAMP_SIZE) != 0)
        at = memmem(data, length, STAMP_NAME, STAMP_SIZE);
    if (!at || (size_t)(data + length - at) < STAMP_SIZE + 27)
        return 0;
    hint = (size_t)(at - data);
    return read_stamp(at + STAMP_SIZE);
}

static bool read_message(const char *data, size_t length, uint64_t *number)
{
    static const char begin[] = "{\"id\": \"";
    size_t size = sizeof begin - 1;
    if (length < size + 2 || memcmp(data, begin, size) != 0)
        return false;
    const char *end = read_number(data + size, number);
    return end && *end == '"';
}

/* ---- the order ---- */

/* N has come: the next one, one too far, one that is late, or one that was there. */
static void place(struct witness *w, uint64_t n, struct tally *tally)
{
    if (n >= w->next) {
        uint64_t ahead = n - w->next;
        tally->lost += ahead;
        w->behind = ahead >= 63 ? 1 : w->behind << (ahead + 1) | 1;
        w->next = n + 1;
        return;
    }
    uint64_t back = w->next - 1 - n;
    if (back < 64 && !(w->behind >> back & 1)) {
        w->behind |= UINT64_C(1) << back;
        tally->disordered++;
        tally->lost--;
    } else {
        tally->doubled++;
    }
}

static void begin(struct witness *w, uint64_t attempt)
{
    *w = (struct witness){.attempt = attempt, .next = 1, .behind = 0};
}

static void take_named(struct witness *w, const struct sse_reader *r, struct tally *tally)
{
    uint64_t attempt, n;
    if (strcmp(r->name, "reset") != 0) {
        tally->otherwise += strcmp(r->name, "queued") != 0 && strcmp(r->name, "running") != 0;
    } else if (r->has_id && read_id(r->id, &attempt, &n)) {
        begin(w, attempt);
        tally->resets++;
    } else {
        tally->strange++;
    }
}

enum seen witness_see(struct witness *w, const struct sse_reader *r, const char *data,
                      size_t length, struct tally *tally, int64_t *stamp_us, uint64_t *number)
{
    uint64_t attempt, n;
    bool end = length == 6 && memcmp(data, "[DONE]", 6) == 0;
    if (r->name[0]) {
        take_named(w, r, tally);
        return SEEN_OTHER;
    }
    if (w->ended)
        tally->strange++;
    if (!r->has_id || !read_id(r->id, &attempt, &n)) {
        tally->strange += !end;
        w->ended = w->ended || end;
        return end ? SEEN_END : SEEN_OTHER;
    }
    if (w->attempt == 0)
        begin(w, attempt);
    if (w->attempt != attempt)
        tally->strange++;
    else
        place(w, n, tally);
    w->ended = w->ended || end;
    if (end)
        return SEEN_END;
    tally->messages++;
    *stamp_us = find_stamp(data, length);
    if (!read_message(data, length, number) || *number + 1 != n)
        tally->strange++;
    return SEEN_MESSAGE;
}

void witness_expect(const struct witness *w, uint64_t messages, struct tally *tally)
{
    uint64_t came = w->attempt == 0 ? 0 : w->next - 1 - w->ended;
    if (came < messages)
        tally->lost += messages - came;
    else if (came > messages)
        tally->strange += came - messages;
}
