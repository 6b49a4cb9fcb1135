/*
 * request.c: a table of the parameters we know, and one loop over the query.
 *
 * A value is decoded into a small buffer and never again, then handed to its
 * row's function, which checks and stores it. A byte that a rule does not name
 * never gets past these functions, so keys, headers and log lines made from
 * their results cannot be led astray.
 */
#include "request.h"

#include "admin.h"
#include "id.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LAST_EVENT_ID_RULE "an entry's id (two numbers joined by a dash) or the word end"

/* One part of a query, decoded. What is longer than any good value is marked, not kept. */
struct part {
    char bytes[JOB_NAME_SIZE]; /* terminated; may hold NULs before that */
    size_t length;
    bool too_long;
};

typedef bool store_fn(struct request *request, const struct part *value);

static bool store_name(char out[JOB_NAME_SIZE], const struct part *value)
{
    if (strlen(value->bytes) != value->length || !job_is_name(value->bytes))
        return false;
    memcpy(out, value->bytes, value->length + 1);
    return true;
}

static bool store_feature(struct request *request, const struct part *value)
{
    return store_name(request->feature_id, value);
}

static bool store_chat(struct request *request, const struct part *value)
{
    return store_name(request->chat_id, value);
}

static bool store_job(struct request *request, const struct part *value)
{
    /* With a NUL inside, the text that is_uuid sees is too short. */
    if (!id_is_uuid(value->bytes) || value->length != JOB_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < JOB_ID_SIZE; i++) {
        char c = value->bytes[i];
        request->job[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    }
    return true;
}

static bool is(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static bool read_cursor(const char *text, size_t length, struct cursor *cursor)
{
    struct cursor read = {.kind = CURSOR_END};
    if (!is(text, length, CURSOR_END_TEXT)) {
        read.kind = CURSOR_ENTRY;
        if (!entry_id_parse(text, length, &read.id))
            return false;
    }
    *cursor = read;
    return true;
}

static bool store_cursor(struct request *request, const struct part *value)
{
    return read_cursor(value->bytes, value->length, &request->cursor);
}

static bool store_if_busy(struct request *request, const struct part *value)
{
    bool replace = is(value->bytes, value->length, "replace");
    request->if_busy = replace ? IF_BUSY_REPLACE : IF_BUSY_REJECT;
    return replace || is(value->bytes, value->length, "reject");
}

static bool store_events(struct request *request, const struct part *value)
{
    request->all_events = is(value->bytes, value->length, "all");
    return request->all_events;
}

/* False: there is no such format. */
static bool read_format(const char *text, size_t length, enum render_format *format)
{
    static const char *const names[] = {
        [RENDER_RAW] = "raw",
        [RENDER_OPENAI] = "openai",
        [RENDER_AI_SDK] = "ai-sdk",
        [RENDER_AG_UI] = "ag-ui",
    };
    size_t i = 0;
    while (i < COUNT_OF(names) && !is(text, length, names[i]))
        i++;
    if (i == COUNT_OF(names))
        return false;
    *format = (enum render_format)i;
    return true;
}

static bool store_format(struct request *request, const struct part *value)
{
    request->has_format = true;
    return read_format(value->bytes, value->length, &request->format);
}

static bool store_snapshot(struct request *request, const struct part *value)
{
    request->snapshot = is(value->bytes, value->length, "1");
    return request->snapshot;
}

static bool store_cancel(struct request *request, const struct part *value)
{
    request->cancel_on_disconnect = is(value->bytes, value->length, "1");
    return request->cancel_on_disconnect;
}

static bool store_state(struct request *request, const struct part *value)
{
    request->state = job_state_read(value->bytes, value->length);
    return job_is_alive(request->state) || request->state == JOB_DEAD;
}

static bool store_queue(struct request *request, const struct part *value)
{
    return store_name(request->queue, value);
}

static bool store_own_name(struct request *request, const struct part *value)
{
    return store_name(request->name, value);
}

static bool store_limit(struct request *request, const struct part *value)
{
    request->limit = 0;
    for (size_t i = 0; i < value->length; i++) {
        char c = value->bytes[i];
        if (c < '0' || c > '9' || request->limit > REQUEST_LIMIT_MOST)
            return false;
        request->limit = 10 * request->limit + (size_t)(c - '0');
    }
    return request->limit >= 1 && request->limit <= REQUEST_LIMIT_MOST;
}

static bool store_page_cursor(struct request *request, const struct part *value)
{
    memcpy(request->page_cursor, value->bytes, value->length + 1);
    return value->length > 0 && strlen(value->bytes) == value->length &&
           admin_cursor_is_good(value->bytes);
}

#define FORMAT_RULE "raw, openai, ai-sdk or ag-ui"
#define NAME_RULE "1 to 128 characters of A-Z a-z 0-9 _ . -"

static const struct {
    const char *name;
    store_fn *store;
    const char *wrong, *twice, *escape;
} table[] = {
#define ROW(name, store, rule)                                                                    \
    {                                                                                             \
        name, store, name " must be " rule ".", name " may be given only once.",                  \
            "In the value of " name ", a percent sign is not followed by two hexadecimal digits." \
    }
    [PARAMETER_FEATURE_ID] = ROW("feature_id", store_feature, NAME_RULE),
    [PARAMETER_CHAT_ID] = ROW("chat_id", store_chat, NAME_RULE),
    [PARAMETER_JOB] = ROW("job", store_job, "a job's id, which is a UUID"),
    [PARAMETER_LAST_EVENT_ID] = ROW("last_event_id", store_cursor, LAST_EVENT_ID_RULE),
    [PARAMETER_IF_BUSY] = ROW("if_busy", store_if_busy, "reject or replace"),
    [PARAMETER_EVENTS] = ROW("events", store_events, "all"),
    [PARAMETER_FORMAT] = ROW("format", store_format, FORMAT_RULE),
    [PARAMETER_SNAPSHOT] = ROW("snapshot", store_snapshot, "1"),
    [PARAMETER_CANCEL_ON_DISCONNECT] = ROW("cancel_on_disconnect", store_cancel, "1"),
    [PARAMETER_STATE] = ROW("state", store_state, "waiting, delayed, running or dead"),
    [PARAMETER_QUEUE] = ROW("queue", store_queue, NAME_RULE),
    [PARAMETER_LIMIT] = ROW("limit", store_limit, "a whole number from 1 to 100"),
    [PARAMETER_CURSOR] = ROW("cursor", store_page_cursor, "the cursor of an earlier page"),
    [PARAMETER_ID] = ROW("id", store_job, "a job's id, which is a UUID"),
    [PARAMETER_NAME] = ROW("name", store_own_name, NAME_RULE),
    [PARAMETER_FEATURE] = ROW("feature", store_feature, NAME_RULE),
    [PARAMETER_CHAT] = ROW("chat", store_chat, NAME_RULE),
#undef ROW
};

const char *parameter_name(enum parameter parameter)
{
    return table[parameter].name;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* False: a percent sign without two hexadecimal digits. */
static bool decode(const char *at, const char *end, struct part *part)
{
    part->length = 0;
    part->too_long = false;
    while (at < end) {
        int byte = (unsigned char)*at++;
        if (byte == '%') {
            int high = end - at < 2 ? -1 : hex_value(at[0]);
            int low = high < 0 ? -1 : hex_value(at[1]);
            if (low < 0)
                return false;
            byte = high * 16 + low;
            at += 2;
        }
        if (part->length < sizeof part->bytes - 1)
            part->bytes[part->length++] = (char)byte;
        else
            part->too_long = true;
    }
    part->bytes[part->length] = '\0';
    return true;
}

/* The table's row of a name; COUNT_OF(table) for a name we do not know. */
static size_t find(const struct part *name)
{
    size_t row = 0;
    while (row < COUNT_OF(table) && !is(name->bytes, name->length, table[row].name))
        row++;
    return row;
}

/* One name=value; seen has a bit for each row that was there before. */
static const char *read_pair(const char *at, const char *end, unsigned reads, unsigned *seen,
                             struct request *request)
{
    struct part part;
    const char *equals = memchr(at, '=', (size_t)(end - at));
    if (!decode(at, equals ? equals : end, &part))
        return "In a parameter's name, a percent sign is not followed by two hexadecimal digits.";
    size_t row = find(&part);
    if (row == COUNT_OF(table) || !(reads & REQUEST_READS(row)))
        return reads & REQUEST_PASSES_OVER || at == end
                   ? NULL
                   : "The query has a parameter that this call does not know.";
    if (*seen & 1u << row)
        return table[row].twice;
    *seen |= 1u << row;
    if (!decode(equals ? equals + 1 : end, end, &part))
        return table[row].escape;
    return part.too_long || !table[row].store(request, &part) ? table[row].wrong : NULL;
}

static void read_path(const char *at, size_t length, struct request *request)
{
    if (length == 0 || length >= REQUEST_PATH_SIZE || *at != '/')
        return;
    for (size_t i = 0; i < length; i++) {
        if (at[i] <= 0x20 || at[i] >= 0x7f)
            return;
    }
    memcpy(request->path, at, length);
}

void request_read_path(const char *target, size_t length, struct request *request)
{
    *request = (struct request){
        .if_busy = IF_BUSY_REJECT,
        .queue = "default",
        .limit = REQUEST_LIMIT_STANDARD,
    };
    const char *query = length > 0 ? memchr(target, '?', length) : NULL;
    read_path(target, query ? (size_t)(query - target) : length, request);
}

const char *request_read_query(const char *target, size_t length, unsigned reads,
                               struct request *request)
{
    const char *end = target + length, *query = length > 0 ? memchr(target, '?', length) : NULL;
    unsigned seen = 0;
    for (const char *at = query ? query + 1 : end, *stop; at < end; at = stop + 1) {
        stop = memchr(at, '&', (size_t)(end - at));
        if (!stop)
            stop = end;
        const char *wrong = read_pair(at, stop, reads, &seen, request);
        if (wrong)
            return wrong;
        if (stop == end)
            break;
    }
    return NULL;
}

/* ---- paths ---- */

/* One part of a path and its pattern, from behind a slash to before the next. */
struct pair {
    const char *path, *pattern;
    size_t path_length, pattern_length;
};

static bool is_braced(const struct pair *pair)
{
    return *pair->pattern == '{';
}

static void begin(struct pair *pair, const char *path, const char *pattern)
{
    *pair = (struct pair){path, pattern, strcspn(path, "/"), strcspn(pattern, "/")};
}

/* False: one of them has no further part. */
static bool go_on(struct pair *pair)
{
    const char *path = pair->path + pair->path_length;
    const char *pattern = pair->pattern + pair->pattern_length;
    if (!*path || !*pattern)
        return false;
    begin(pair, path + 1, pattern + 1);
    return true;
}

static bool fits(const struct pair *pair)
{
    if (is_braced(pair))
        return pair->path_length > 0;
    return pair->path_length == pair->pattern_length &&
           memcmp(pair->path, pair->pattern, pair->path_length) == 0;
}

bool request_match(const struct request *request, const char *pattern)
{
    struct pair pair;
    begin(&pair, request->path, pattern);
    do {
        if (!fits(&pair))
            return false;
    } while (go_on(&pair));
    return !pair.path[pair.path_length] && !pair.pattern[pair.pattern_length];
}

static const char *read_part(const struct pair *pair, struct request *request)
{
    struct part part;
    size_t row = 0;
    while (!is(pair->pattern + 1, pair->pattern_length - 2, table[row].name))
        row++; /* the patterns are ours */
    if (!decode(pair->path, pair->path + pair->path_length, &part))
        return table[row].escape;
    return part.too_long || !table[row].store(request, &part) ? table[row].wrong : NULL;
}

const char *request_read_parts(struct request *request, const char *pattern)
{
    struct pair pair;
    const char *wrong = NULL;
    begin(&pair, request->path, pattern);
    do {
        if (is_braced(&pair))
            wrong = read_part(&pair, request);
    } while (!wrong && go_on(&pair));
    return wrong;
}

void request_stream(const char *feature_id, const char *chat_id, const char *job,
                    char out[REQUEST_STREAM_SIZE])
{
    snprintf(out, REQUEST_STREAM_SIZE, "/stream?feature_id=%s&chat_id=%s%s%s", feature_id, chat_id,
             *job ? "&job=" : "", job);
}

const char *request_check_chat(const struct request *request)
{
    if (!*request->feature_id)
        return "feature_id is missing.";
    return *request->chat_id ? NULL : "chat_id is missing.";
}

const char *request_check_cursor(const char *text, struct cursor *cursor)
{
    if (read_cursor(text, strlen(text), cursor))
        return NULL;
    return "Last-Event-ID must be " LAST_EVENT_ID_RULE ".";
}

/* ---- what stands in Accept ---- */

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* One parameter of text/event-stream, from behind its semicolon. */
static bool read_accept_parameter(const char *at, struct request *request)
{
    at = skip_blanks(at);
    if (strncasecmp(at, "format=", 7) != 0)
        return true;
    at += 7;
    bool quoted = *at == '"';
    at += quoted ? 1 : 0;
    return read_format(at, strcspn(at, quoted ? "\"" : "; \t,"), &request->format);
}

const char *request_read_accept(const char *text, struct request *request)
{
    static const char type[] = "text/event-stream";
    if (request->has_format)
        return NULL;
    for (const char *at = skip_blanks(text); *at; at = skip_blanks(at)) {
        size_t length = strcspn(at, ",; \t");
        bool is_stream = length == strlen(type) && strncasecmp(at, type, length) == 0;
        at = skip_blanks(at + length);
        while (*at == ';') {
            if (is_stream && !read_accept_parameter(++at, request))
                return "The format in Accept must be " FORMAT_RULE ".";
            at += is_stream ? 0 : 1;
            at += strcspn(at, ";,");
        }
        at += strcspn(at, ",");
        at += *at ? 1 : 0;
    }
    return NULL;
}

const char *request_check_format(const struct request *request)
{
    if (request->format == RENDER_RAW || request->cursor.kind == CURSOR_NONE)
        return NULL;
    return "A cursor goes with format=raw only: other formats begin at the answer's start.";
}

const char *request_check_key(const char *text)
{
    size_t length = strlen(text);
    bool good = length >= 1 && length <= 255;
    for (size_t i = 0; good && i < length; i++)
        good = text[i] > 0x20 && text[i] < 0x7f;
    return good ? NULL : "Idempotency-Key must be 1 to 255 visible ASCII characters.";
}
