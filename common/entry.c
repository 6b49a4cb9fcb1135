/*
 * entry.c: reading the ids and fields of a stream's entries.
 *
 * Anybody can write into a stream, so nothing here trusts what it reads: what
 * does not look like one of our control entries is a message, and what is not
 * an entry at all is refused.
 */
#include "entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_u64(const char **at, const char *end, uint64_t *out)
{
    const char *start = *at, *c = start;
    uint64_t value = 0;
    for (; c < end && *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (c == start || (*start == '0' && c - start > 1))
        return false;
    *at = c;
    *out = value;
    return true;
}

bool entry_id_parse(const char *text, size_t length, struct entry_id *id)
{
    const char *at = text, *end = text + length;
    struct entry_id read;
    if (!read_u64(&at, end, &read.a) || at == end || *at++ != '-')
        return false;
    if (!read_u64(&at, end, &read.n) || at != end)
        return false;
    *id = read;
    return true;
}

size_t entry_id_format(struct entry_id id, char out[ENTRY_ID_SIZE])
{
    return (size_t)snprintf(out, ENTRY_ID_SIZE, "%" PRIu64 "-%" PRIu64, id.a, id.n);
}

int entry_id_compare(struct entry_id x, struct entry_id y)
{
    if (x.a != y.a)
        return x.a < y.a ? -1 : 1;
    return x.n < y.n ? -1 : x.n > y.n;
}

static bool is(struct slice slice, const char *word)
{
    return slice.length == strlen(word) && memcmp(slice.data, word, slice.length) == 0;
}

static enum entry_kind kind_of(struct slice type)
{
    static const struct {
        const char *word;
        enum entry_kind kind;
    } kinds[] = {
        {"queued", ENTRY_QUEUED}, {"start", ENTRY_START},         {"done", ENTRY_DONE},
        {"failed", ENTRY_FAILED}, {"cancelled", ENTRY_CANCELLED}, {"expired", ENTRY_EXPIRED},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (is(type, kinds[i].word))
            return kinds[i].kind;
    }
    return ENTRY_MESSAGE;
}

static uint64_t number_of(struct slice text)
{
    uint64_t number = 0;
    const char *at = text.data;
    return at && read_u64(&at, text.data + text.length, &number) ? number : 0;
}

static void read_field(struct entry *entry, struct slice name, struct slice value)
{
    const struct {
        const char *word;
        struct slice *slice;
    } texts[] = {
        {"data", &entry->data},     {"job", &entry->job},       {"reason", &entry->reason},
        {"detail", &entry->detail}, {"worker", &entry->worker}, {"replaces", &entry->replaces},
    };
    if (is(name, "type")) {
        entry->kind = kind_of(value);
    } else if (is(name, "first")) {
        entry->first = number_of(value);
    } else if (is(name, "attempt") || is(name, "attempts")) {
        entry->number = number_of(value);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (is(name, texts[i].word))
            *texts[i].slice = value;
    }
}

bool entry_read(const struct redisReply *reply, struct entry *entry)
{
    *entry = (struct entry){.kind = ENTRY_MESSAGE};
    size_t length;
    const struct redisReply *id = redis_reply_at(reply, 0);
    const struct redisReply *fields = redis_reply_at(reply, 1);
    if (redis_reply_count(reply) != 2 || redis_reply_type(id) != REDIS_IS_TEXT ||
        redis_reply_type(fields) != REDIS_IS_LIST)
        return false;
    const char *text = redis_reply_text(id, &length);
    if (!entry_id_parse(text, length, &entry->id))
        return false;
    for (size_t i = 0; i + 1 < redis_reply_count(fields); i += 2) {
        struct slice name, value;
        name.data = redis_reply_text(redis_reply_at(fields, i), &name.length);
        value.data = redis_reply_text(redis_reply_at(fields, i + 1), &value.length);
        read_field(entry, name, value);
    }
    /* A control entry must name its job. */
    if (entry->kind != ENTRY_MESSAGE && !entry->job.data)
        entry->kind = ENTRY_MESSAGE;
    return true;
}

bool entry_is_end(const struct entry *entry)
{
    if (entry->kind == ENTRY_MESSAGE)
        return is(entry->data, "[DONE]");
    return entry->kind != ENTRY_QUEUED && entry->kind != ENTRY_START;
}
