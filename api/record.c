/*
 * record.c: a table of members for each kind of record, and a writer for each form.
 *
 * Whatever bytes Redis holds, what is written is valid JSON: a text is quoted, a
 * number is looked at, and JSON is checked before it is copied.
 */
#include "record.h"

#include "json.h"
#include "request.h"
#include "stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value in a record: a text's bytes, or a number written as one. */
struct value {
    const char *data; /* NULL: it is not there */
    size_t length;
    char number[24];
};

typedef void put_fn(struct buf *out, const struct redisReply *record, const struct value *value);

/* ---- reading ---- */

static void find(const struct redisReply *record, const char *name, struct value *value)
{
    size_t length, count = redis_reply_count(record);
    *value = (struct value){0};
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *text = redis_reply_text(redis_reply_at(record, i), &length);
        if (length != strlen(name) || memcmp(text, name, length) != 0)
            continue;
        const struct redisReply *one = redis_reply_at(record, i + 1);
        value->data = redis_reply_text(one, &value->length);
        if (redis_reply_type(one) == REDIS_IS_NUMBER) {
            value->length = (size_t)snprintf(value->number, sizeof value->number, "%" PRId64,
                                             redis_reply_number(one));
            value->data = value->number;
        }
        return;
    }
}

const char *record_text(const struct redisReply *record, const char *name)
{
    size_t length, count = redis_reply_count(record);
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (strcmp(redis_reply_text(redis_reply_at(record, i), &length), name) == 0)
            return redis_reply_text(redis_reply_at(record, i + 1), &length);
    }
    return "";
}

static bool is_number(const struct value *value)
{
    size_t sign = value->length > 0 && *value->data == '-';
    size_t digits = value->length - sign;
    if (digits < 1 || digits > 18 || (digits > 1 && value->data[sign] == '0'))
        return false;
    return strspn(value->data + sign, "0123456789") == digits;
}

/* ---- forms: each appends a value, or nothing when it is empty or not what it should be ---- */

static void put_text(struct buf *out, const struct redisReply *record, const struct value *value)
{
    (void)record;
    if (value->length > 0)
        json_quote(out, value->data, value->length);
}

static void put_number(struct buf *out, const struct redisReply *record, const struct value *value)
{
    (void)record;
    if (is_number(value))
        buf_add(out, value->data, value->length);
}

static void put_flag(struct buf *out, const struct redisReply *record, const struct value *value)
{
    (void)record;
    buf_puts(out, value->length == 1 && *value->data == '1' ? "true" : "false");
}

static void put_stamp(struct buf *out, int64_t ms)
{
    char text[STAMP_SIZE];
    stamp_format(ms, text);
    buf_printf(out, "\"%s\"", text);
}

static void put_time(struct buf *out, const struct redisReply *record, const struct value *value)
{
    (void)record;
    if (is_number(value))
        put_stamp(out, strtoll(value->data, NULL, 10));
}

static void put_json(struct buf *out, const struct redisReply *record, const struct value *value)
{
    struct json_info info;
    (void)record;
    if (json_check(value->data, value->length, &info))
        buf_add(out, value->data, value->length);
}

static void put_words(struct buf *out, const struct value *value, char between)
{
    const char *at = value->data, *end = at + value->length;
    const char *comma = "";
    buf_putc(out, '[');
    while (at < end) {
        const char *stop = memchr(at, between, (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at) {
            buf_puts(out, comma);
            json_quote(out, at, (size_t)(stop - at));
            comma = ", ";
        }
        at = stop + 1;
    }
    buf_putc(out, ']');
}

static void put_by_comma(struct buf *out, const struct redisReply *record,
                         const struct value *value)
{
    (void)record;
    put_words(out, value, ',');
}

static void put_by_space(struct buf *out, const struct redisReply *record,
                         const struct value *value)
{
    (void)record;
    put_words(out, value, ' ');
}

/* ---- a job's own forms ---- */

/* Behind a good string's opening quote: its closing one. */
static const char *string_end(const char *at)
{
    while (*at != '"')
        at += *at == '\\' ? 2 : 1;
    return at;
}

/* The number of a member "at" whose name ends here; NULL: it is another string. */
static const char *time_behind(const char *name, const char *close)
{
    if (close - name != 2 || memcmp(name, "at", 2) != 0)
        return NULL;
    const char *at = close + 1 + strspn(close + 1, " ");
    if (*at != ':')
        return NULL;
    at += 1 + strspn(at + 1, " ");
    return *at >= '0' && *at <= '9' ? at : NULL;
}

/* The history as it stands, but for its times. A checked text ends with its bracket, so
   the looks ahead stay inside. */
static void put_history(struct buf *out, const struct redisReply *record, const struct value *value)
{
    struct json_info info;
    (void)record;
    if (*value->data != '[' || !json_check(value->data, value->length, &info))
        return;
    for (const char *at = value->data, *end = at + value->length; at < end; at++) {
        buf_putc(out, *at);
        if (*at != '"')
            continue;
        const char *close = string_end(at + 1), *time = time_behind(at + 1, close);
        buf_add(out, at + 1, (size_t)(close - at));
        at = close;
        if (!time)
            continue;
        buf_puts(out, ": ");
        put_stamp(out, strtoll(time, NULL, 10));
        at = time + strspn(time, "0123456789") - 1;
    }
}

static void put_error(struct buf *out, const struct redisReply *record, const struct value *value)
{
    struct value detail;
    if (value->length == 0)
        return;
    find(record, "error_detail", &detail);
    buf_puts(out, "{\"reason\": ");
    json_quote(out, value->data, value->length);
    if (detail.length > 0) {
        buf_puts(out, ", \"detail\": ");
        json_quote(out, detail.data, detail.length);
    }
    buf_putc(out, '}');
}

static void put_stream(struct buf *out, const struct redisReply *record, const struct value *value)
{
    const char *feature = record_text(record, "feature_id"), *chat = record_text(record, "chat_id");
    char target[REQUEST_STREAM_SIZE];
    if (!*feature || !*chat || value->length >= JOB_ID_SIZE)
        return;
    request_stream(feature, chat, value->data, target);
    json_quote(out, target, strlen(target));
}

/* ---- the table ---- */

struct row {
    const char *from; /* its name in Redis */
    const char *to;
    put_fn *put;
};

static const struct row job[] = {
    {"id", "id", put_text},
    {"state", "state", put_text},
    {"type", "type", put_text},
    {"feature_id", "feature_id", put_text},
    {"chat_id", "chat_id", put_text},
    {"queue", "queue", put_text},
    {"id", "stream", put_stream},
    {"priority", "priority", put_number},
    {"position", "position", put_number},
    {"worker", "worker", put_text},
    {"number", "number", put_number},
    {"attempts", "attempts", put_number},
    {"deaths", "deaths", put_number},
    {"alone", "alone", put_flag},
    {"messages", "messages", put_number},
    {"size", "size", put_number},
    {"identity", "identity", put_text},
    {"deadline_ms", "deadline_ms", put_number},
    {"timeout_ms", "timeout_ms", put_number},
    {"max_attempts", "max_attempts", put_number},
    {"retention_ms", "retention_ms", put_number},
    {"created", "created_at", put_time},
    {"due", "run_at", put_time},
    {"ready", "ready_at", put_time},
    {"started", "started_at", put_time},
    {"ended", "ended_at", put_time},
    {"deadline", "deadline_at", put_time},
    {"retried_from", "retried_from", put_text},
    {"retried_as", "retried_as", put_text},
    {"schedule", "schedule", put_text},
    {"error", "error", put_error},
    {"words", "last_words", put_text},
    {"history", "history", put_history},
    {"usage", "usage", put_json},
    {"payload", "payload", put_json},
};

static const struct row queue[] = {
    {"name", "name", put_text},
    {"waiting", "waiting", put_number},
    {"delayed", "delayed", put_number},
    {"running", "running", put_number},
    {"dead", "dead", put_number},
    {"bytes", "bytes", put_number},
    {"dead_bytes", "dead_bytes", put_number},
    {"workers", "workers", put_number},
    {"paused", "paused", put_flag},
    {"paused_at", "paused_at", put_time},
    {"reaped", "reaped_at", put_time},
};

static const struct row worker[] = {
    {"id", "id", put_text},
    {"state", "state", put_text},
    {"queues", "queues", put_by_comma},
    {"types", "types", put_by_space},
    {"capacity", "capacity", put_number},
    {"jobs", "jobs", put_number},
    {"ids", "job_ids", put_by_space},
    {"version", "version", put_text},
    {"since", "started_at", put_time},
    {"seen", "seen_at", put_time},
};

static const struct row schedule[] = {
    {"name", "name", put_text},
    {"every_ms", "every_ms", put_number},
    {"cron", "cron", put_text},
    {"missed", "missed", put_text},
    {"next", "next_at", put_time},
    {"last", "last_at", put_time},
    {"last_job", "last_job", put_text},
    {"last_outcome", "last_outcome", put_text},
    {"fired", "fired", put_number},
    {"skipped", "skipped", put_number},
    {"created", "created_at", put_time},
    {"type", "type", put_text},
    {"feature_id", "feature_id", put_text},
    {"chat_id", "chat_id", put_text},
    {"priority", "priority", put_number},
    {"deadline_ms", "deadline_ms", put_number},
    {"timeout_ms", "timeout_ms", put_number},
    {"max_attempts", "max_attempts", put_number},
    {"retention_ms", "retention_ms", put_number},
    {"payload", "payload", put_json},
};

static const struct {
    const struct row *rows;
    size_t count;
} kinds[] = {
    [RECORD_JOB] = {job, COUNT_OF(job)},
    [RECORD_QUEUE] = {queue, COUNT_OF(queue)},
    [RECORD_WORKER] = {worker, COUNT_OF(worker)},
    [RECORD_SCHEDULE] = {schedule, COUNT_OF(schedule)},
};

const char *record_member(enum record_kind kind, size_t index)
{
    return index < kinds[kind].count ? kinds[kind].rows[index].to : NULL;
}

/* ---- writing ---- */

/* What has no form after all is taken back, its name included. */
static void put_member(struct buf *out, const struct row *row, const struct redisReply *record)
{
    struct value value;
    size_t before = out->length;
    find(record, row->from, &value);
    if (!value.data)
        return;
    buf_printf(out, "%s\"%s\": ", out->data[before - 1] == '{' ? "" : ", ", row->to);
    size_t named = out->length;
    row->put(out, record, &value);
    if (buf_ok(out) && out->length == named) {
        out->length = before;
        out->data[before] = '\0';
    }
}

void record_put(struct buf *out, enum record_kind kind, const struct redisReply *record)
{
    buf_putc(out, '{');
    for (size_t i = 0; i < kinds[kind].count && buf_ok(out); i++)
        put_member(out, &kinds[kind].rows[i], record);
    buf_putc(out, '}');
}

void record_put_list(struct buf *out, enum record_kind kind, const struct redisReply *list,
                     size_t first)
{
    buf_putc(out, '[');
    for (size_t i = first; i < redis_reply_count(list); i++) {
        if (i > first)
            buf_puts(out, ", ");
        record_put(out, kind, redis_reply_at(list, i));
    }
    buf_putc(out, ']');
}
