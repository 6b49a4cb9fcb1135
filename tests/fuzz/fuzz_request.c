/*
 * fuzz_request.c: any bytes as a request target; then what was read, written
 * again with every byte percent-encoded, must be read as the same.
 */
#include "id.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

/* All that a query may have, and names that are nobody's. */
#define ALL ((REQUEST_READS(PARAMETER_COUNT) - 1) | REQUEST_PASSES_OVER)

static const char name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static void put_encoded(struct buf *out, const char *text)
{
    for (; *text; text++)
        buf_printf(out, "%%%02x", (unsigned)(unsigned char)*text);
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    if (!*value)
        return;
    buf_putc(out, '&');
    put_encoded(out, name);
    buf_putc(out, '=');
    put_encoded(out, value);
}

static const char *cursor_text(const struct cursor *cursor, char text[ENTRY_ID_SIZE])
{
    if (cursor->kind != CURSOR_ENTRY)
        return cursor->kind == CURSOR_END ? CURSOR_END_TEXT : "";
    entry_id_format(cursor->id, text);
    return text;
}

static void read_again(const struct request *request)
{
    struct request again;
    struct buf target = {0};
    char id[ENTRY_ID_SIZE];
    buf_printf(&target, "%s?", request->path);
    put_pair(&target, "feature_id", request->feature_id);
    put_pair(&target, "chat_id", request->chat_id);
    put_pair(&target, "job", request->job);
    put_pair(&target, "last_event_id", cursor_text(&request->cursor, id));
    put_pair(&target, "if_busy", request->if_busy == IF_BUSY_REPLACE ? "replace" : "");
    put_pair(&target, "events", request->all_events ? "all" : "");
    put_pair(&target, "state", job_state_name(request->state));
    put_pair(&target, "queue", request->queue);
    put_pair(&target, "cursor", request->page_cursor);
    buf_printf(&target, "&limit=%zu", request->limit);
    request_read_path(target.data, target.length, &again);
    REQUIRE(!request_read_query(target.data, target.length, ALL, &again));
    REQUIRE(strcmp(again.path, request->path) == 0 && strcmp(again.job, request->job) == 0);
    REQUIRE(strcmp(again.feature_id, request->feature_id) == 0);
    REQUIRE(strcmp(again.queue, request->queue) == 0 && again.state == request->state);
    REQUIRE(strcmp(again.page_cursor, request->page_cursor) == 0 && again.limit == request->limit);
    REQUIRE(strcmp(again.chat_id, request->chat_id) == 0);
    REQUIRE(again.cursor.kind == request->cursor.kind);
    REQUIRE(entry_id_compare(again.cursor.id, request->cursor.id) == 0);
    REQUIRE(again.if_busy == request->if_busy && again.all_events == request->all_events);
    buf_clear(&target);
}

/* A path that fits a pattern has as many parts, and what was taken from it is a good value. */
static void match(const struct request *request)
{
    static const char *const patterns[] = {"/jobs/{id}/retry", "/queues/{queue}",
                                           "/{name}/{feature}"};
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct request copy = *request;
        if (!request_match(&copy, patterns[i]))
            continue;
        size_t slashes = 0;
        for (const char *at = copy.path; *at; at++)
            slashes += *at == '/';
        REQUIRE(slashes == (i == 0 ? 3 : 2));
        if (request_read_parts(&copy, patterns[i]))
            continue;
        REQUIRE(i != 0 || id_is_uuid(copy.job));
        REQUIRE(i != 1 || strspn(copy.queue, name_bytes) == strlen(copy.queue));
        REQUIRE(i != 2 || (*copy.name && *copy.feature_id));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct request request;
    request_read_path((const char *)bytes, size, &request);
    const char *wrong = request_read_query((const char *)bytes, size, ALL, &request);
    match(&request);
    REQUIRE(strlen(request.path) < REQUEST_PATH_SIZE && !strchr(request.path, '?'));
    if (wrong) {
        REQUIRE(strlen(wrong) > 10);
        return 0;
    }
    REQUIRE(strlen(request.feature_id) == strspn(request.feature_id, name_bytes));
    REQUIRE(strlen(request.chat_id) == strspn(request.chat_id, name_bytes));
    REQUIRE(!*request.job || id_is_uuid(request.job));
    REQUIRE(request.limit >= 1 && request.limit <= REQUEST_LIMIT_MOST && *request.queue);
    REQUIRE(!request_check_chat(&request) == (*request.feature_id && *request.chat_id));
    read_again(&request);
    return 0;
}
