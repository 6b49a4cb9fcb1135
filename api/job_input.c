/*
 * job_input.c: a table of the members we know, and one loop over the body's.
 *
 * Unlike a payload, which is the client's own business, a member that we do not
 * know is refused: a misspelt deadline_ms would otherwise be a job without one.
 */
#include "job_input.h"

#include "json.h"
#include "stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define AT(member) offsetof(struct job_input, member)
#define JOBS (INPUT_JOB | INPUT_SCHEDULE)

/* clang-format off */
static const struct input_member table[] = {
    {"type", JOBS, JOBS, INPUT_NAME, 1, 128, AT(type)},
    {"feature_id", JOBS, 0, INPUT_NAME, 1, 128, AT(feature_id)},
    {"chat_id", JOBS, 0, INPUT_NAME, 1, 128, AT(chat_id)},
    {"payload", JOBS, 0, INPUT_ANY, 0, 0, AT(payload)},
    {"priority", JOBS, 0, INPUT_INTEGER, 0, 9, AT(priority)},
    {"delay_ms", INPUT_JOB, 0, INPUT_INTEGER, 0, 366 * DAY_MS, AT(options.delay_ms)},
    {"run_at", INPUT_JOB, 0, INPUT_TIME, 0, STAMP_LAST_MS, AT(options.run_at_ms)},
    {"deadline_ms", JOBS, 0, INPUT_INTEGER, 100, 7 * DAY_MS, AT(options.deadline_ms)},
    {"timeout_ms", JOBS, 0, INPUT_INTEGER, 100, 7 * DAY_MS, AT(options.timeout_ms)},
    {"max_attempts", JOBS, 0, INPUT_INTEGER, 1, 100, AT(options.max_attempts)},
    {"retention_ms", JOBS, 0, INPUT_INTEGER, 1000, 7 * DAY_MS, AT(options.retention_ms)},
    {"every_ms", INPUT_SCHEDULE, 0, INPUT_INTEGER, 1000, 366 * DAY_MS, AT(every_ms)},
    {"cron", INPUT_SCHEDULE, 0, INPUT_CRON, 1, CRON_TEXT_MOST, AT(cron)},
    {"missed", INPUT_SCHEDULE, 0, INPUT_MISSED, 0, 0, AT(missed)},
    {"queue", INPUT_ROUTE, INPUT_ROUTE, INPUT_NAME, 1, 128, AT(queue)},
};
/* clang-format on */

const struct input_member *job_input_members(size_t *count)
{
    *count = COUNT_OF(table);
    return table;
}

struct reading {
    struct job_input *input;
    enum input_use use;
    unsigned seen; /* a bit for each row */
    struct buf text;
    char *wrong;
    enum status status;
};

/* ---- what is said ---- */

/* False, for each() to stop with. */
static bool refuse(struct reading *r, const char *before, const char *name, const char *behind)
{
    snprintf(r->wrong, JOB_INPUT_WRONG_SIZE, "%s%s%s", before, name, behind);
    r->status = STATUS_BAD_INPUT;
    return false;
}

static bool refuse_value(struct reading *r, const struct input_member *row)
{
    char rule[160];
    switch (row->kind) {
    case INPUT_NAME:
        snprintf(rule, sizeof rule,
                 " must be a string of %" PRId64 " to %" PRId64 " characters of A-Z a-z 0-9 _ . -.",
                 row->min, row->max);
        break;
    case INPUT_INTEGER:
        snprintf(rule, sizeof rule, " must be a whole number from %" PRId64 " to %" PRId64 ".",
                 row->min, row->max);
        break;
    case INPUT_TIME:
        snprintf(rule, sizeof rule,
                 " must be a time by RFC 3339, such as \"2026-11-25T18:00:00Z\".");
        break;
    case INPUT_CRON:
        snprintf(rule, sizeof rule, " must be a string of %" PRId64 " to %" PRId64 " bytes.",
                 row->min, row->max);
        break;
    default:
        snprintf(rule, sizeof rule, " must be \"one\" or \"skip\".");
        break;
    }
    return refuse(r, "", row->name, rule);
}

/* ---- values ---- */

/* A string of min to max bytes, escapes undone, into r->text. */
static bool read_text(struct reading *r, const struct input_member *row,
                      const struct json_member *member)
{
    /* The longest way to write a byte is an escape of six. */
    if (member->type != JSON_STRING || member->length > 6 * (size_t)row->max + 2)
        return refuse_value(r, row);
    buf_reset(&r->text);
    json_read_string(member->value, member->length, &r->text);
    if (!buf_ok(&r->text)) {
        r->status = STATUS_NO_MEMORY;
        return false;
    }
    if (r->text.length < (size_t)row->min || r->text.length > (size_t)row->max)
        return refuse_value(r, row);
    return true;
}

static bool store_name(struct reading *r, const struct input_member *row,
                       const struct json_member *member)
{
    if (!read_text(r, row, member))
        return false;
    if (!job_is_name(buf_text(&r->text)))
        return refuse_value(r, row);
    memcpy((char *)r->input + row->offset, r->text.data, r->text.length + 1);
    return true;
}

static bool store_cron(struct reading *r, const struct input_member *row,
                       const struct json_member *member)
{
    if (!read_text(r, row, member))
        return false;
    struct cron cron;
    const char *wrong = cron_parse(r->text.data, &cron);
    if (wrong)
        return refuse(r, row->name, ": ", wrong);
    memcpy(r->input->cron, r->text.data, r->text.length + 1);
    return true;
}

static bool store_number(struct reading *r, const struct input_member *row,
                         const struct json_member *member)
{
    int64_t number;
    if (!json_read_integer(member->value, member->length, &number) || number < row->min ||
        number > row->max)
        return refuse_value(r, row);
    *(int64_t *)(void *)((char *)r->input + row->offset) = number;
    return true;
}

static bool store_time(struct reading *r, const struct input_member *row,
                       const struct json_member *member)
{
    int64_t *at = (int64_t *)(void *)((char *)r->input + row->offset);
    if (member->type != JSON_STRING || member->length < 2 ||
        !stamp_parse(member->value + 1, member->length - 2, at))
        return refuse_value(r, row);
    *at = max_i64(*at, 1); /* 0 would be none; both are past */
    return true;
}

static bool store_missed(struct reading *r, const struct input_member *row,
                         const struct json_member *member)
{
    bool skip = member->length == 6 && memcmp(member->value, "\"skip\"", 6) == 0;
    if (!skip && (member->length != 5 || memcmp(member->value, "\"one\"", 5) != 0))
        return refuse_value(r, row);
    r->input->missed = skip ? MISSED_SKIP : MISSED_ONE;
    return true;
}

static bool store(struct reading *r, const struct input_member *row,
                  const struct json_member *member)
{
    switch (row->kind) {
    case INPUT_NAME:
        return store_name(r, row, member);
    case INPUT_INTEGER:
        return store_number(r, row, member);
    case INPUT_TIME:
        return store_time(r, row, member);
    case INPUT_CRON:
        return store_cron(r, row, member);
    case INPUT_MISSED:
        return store_missed(r, row, member);
    case INPUT_ANY:
        r->input->payload = (struct slice){.data = member->value, .length = member->length};
        break;
    }
    return true;
}

/* ---- members ---- */

static bool read_member(void *arg, const struct json_member *member)
{
    struct reading *r = arg;
    size_t row = 0;
    while (row < COUNT_OF(table) &&
           (!(table[row].uses & r->use) || strcmp(table[row].name, member->name) != 0))
        row++;
    if (row == COUNT_OF(table) || member->name_too_long)
        return refuse(r, "The body may not have the member \"", member->name, "\".");
    if (r->seen & 1u << row)
        return refuse(r, "", member->name, " may be given only once.");
    r->seen |= 1u << row;
    return store(r, &table[row], member);
}

static bool has(const struct reading *r, const char *name)
{
    for (size_t row = 0; row < COUNT_OF(table); row++) {
        if (strcmp(table[row].name, name) == 0)
            return r->seen & 1u << row;
    }
    return false;
}

/* What one member has to do with another. */
static bool fit_together(struct reading *r)
{
    for (size_t row = 0; row < COUNT_OF(table); row++) {
        if (table[row].required & r->use && !(r->seen & 1u << row))
            return refuse(r, "", table[row].name, " is missing.");
    }
    if (has(r, "chat_id") && !has(r, "feature_id"))
        return refuse(r, "chat_id", "", " needs feature_id.");
    if (has(r, "delay_ms") && has(r, "run_at"))
        return refuse(r, "delay_ms and run_at", "", " cannot be given together.");
    if (r->use == INPUT_SCHEDULE && has(r, "every_ms") == has(r, "cron"))
        return refuse(r, "Either every_ms or cron", "", " must be given.");
    return true;
}

enum status job_input_read(const char *body, size_t length, enum input_use use,
                           struct job_input *input, char wrong[JOB_INPUT_WRONG_SIZE])
{
    struct reading r = {.input = input, .use = use, .wrong = wrong, .status = STATUS_OK};
    *input = (struct job_input){.feature_id = "default", .priority = -1};
    const char *start = body;
    while (length > 0 && strchr(" \t\r\n", *start)) {
        start++;
        length--;
    }
    if (length == 0 || *start != '{')
        refuse(&r, "The body must be a JSON object.", "", "");
    else if (json_members(start, length, read_member, &r))
        fit_together(&r);
    input->options.priority = (int)input->priority;
    buf_clear(&r.text);
    return r.status;
}

/* ---- features ---- */

const char *job_input_stream_type(const struct feature *feature)
{
    return feature ? feature->task : JOB_INPUT_STREAM_TYPE;
}

static void fill(int64_t *asked, int64_t usual)
{
    if (*asked == 0)
        *asked = usual;
}

void job_input_fill(struct job_options *options, const struct feature *feature)
{
    if (!feature)
        return;
    fill(&options->timeout_ms, feature->timeout_ms);
    fill(&options->deadline_ms, feature->deadline_ms);
    fill(&options->max_attempts, feature->max_attempts);
}

/* ---- payloads ---- */

enum status job_input_identity(const char *type, const char *stream_type, struct slice payload,
                               char out[DIGEST_SIZE])
{
    bool of_stream = strcmp(type, stream_type) == 0;
    out[0] = '\0';
    if (of_stream) {
        if (payload.data)
            digest_sha256(payload.data, payload.length, out);
        return STATUS_OK;
    }
    struct buf text = {0};
    buf_printf(&text, "%s\n", type);
    buf_add(&text, payload.data, payload.length);
    enum status status = buf_ok(&text) ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        digest_sha256(text.data, text.length, out);
    buf_clear(&text);
    return status;
}

void job_input_line(struct slice payload, struct buf *out)
{
    size_t before = out->length;
    if (payload.length == 0)
        return;
    buf_add(out, payload.data, payload.length);
    if (buf_ok(out))
        json_flatten(out->data + before, payload.length);
}
