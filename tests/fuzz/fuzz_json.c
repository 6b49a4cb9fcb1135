/*
 * fuzz_json.c: any bytes through everything of json.h.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static bool check(const struct buf *text)
{
    struct json_info info;
    return json_check(buf_text(text), text->length, &info);
}

static void quote_and_clean(const char *data, size_t size)
{
    struct buf quoted = {0}, cleaned = {0};
    json_quote(&quoted, data, size);
    REQUIRE(buf_ok(&quoted) && check(&quoted));
    json_utf8_clean(&cleaned, data, size);
    REQUIRE(json_is_utf8(buf_text(&cleaned), cleaned.length));
    REQUIRE(strlen(buf_text(&cleaned)) == cleaned.length);
    if (json_is_utf8(data, size) && (size == 0 || !memchr(data, 0, size)))
        REQUIRE(cleaned.length == size && (size == 0 || memcmp(cleaned.data, data, size) == 0));
    buf_clear(&quoted);
    buf_clear(&cleaned);
}

/* A good value made one line is the same value, in one line. */
static void flatten(const char *data, size_t size, const struct json_info *info)
{
    struct json_info again;
    char *copy = malloc(size);
    REQUIRE(copy);
    memcpy(copy, data, size);
    json_flatten(copy, size);
    REQUIRE(!memchr(copy, '\n', size) && !memchr(copy, '\r', size));
    REQUIRE(json_check(copy, size, &again));
    REQUIRE(again.is_object == info->is_object && again.is_control == info->is_control);
    for (size_t i = 0; i < size; i++)
        REQUIRE(copy[i] == data[i] || (copy[i] == ' ' && (data[i] == '\r' || data[i] == '\n')));
    free(copy);
}

/* A string that was read is quoted, and read again, as the same. */
static void read_string(const struct json_member *member)
{
    struct buf text = {0}, literal = {0}, again = {0};
    json_read_string(member->value, member->length, &text);
    REQUIRE(buf_ok(&text) && text.length <= member->length - 2);
    REQUIRE(json_is_utf8(buf_text(&text), text.length));
    REQUIRE(strlen(buf_text(&text)) == text.length);
    json_quote(&literal, buf_text(&text), text.length);
    REQUIRE(buf_ok(&literal) && check(&literal));
    json_read_string(literal.data, literal.length, &again);
    REQUIRE(buf_ok(&again) && strcmp(buf_text(&again), buf_text(&text)) == 0);
    buf_clear(&text);
    buf_clear(&literal);
    buf_clear(&again);
}

struct walk {
    const char *at, *end;
    bool found_control;
};

/* The values stand behind each other, and each is good by itself. */
static bool read_member(void *arg, const struct json_member *member)
{
    struct walk *walk = arg;
    struct json_info info;
    int64_t number;
    REQUIRE(member->value > walk->at && member->value + member->length < walk->end);
    walk->at = member->value + member->length;
    walk->found_control |= strcmp(member->name, "leat") == 0;
    REQUIRE(json_check(member->value, member->length, &info));
    REQUIRE(info.is_object == (member->type == JSON_OBJECT));
    REQUIRE(!strchr(" \t\r\n", member->value[0]) && !strchr(" \t\r\n", walk->at[-1]));
    REQUIRE(strlen(member->name) < JSON_NAME_SIZE);
    REQUIRE(json_is_utf8(member->name, strlen(member->name)));
    if (member->type == JSON_STRING)
        read_string(member);
    if (json_read_integer(member->value, member->length, &number))
        REQUIRE(member->type == JSON_NUMBER);
    return true;
}

static void walk_members(const char *data, size_t size, const struct json_info *info)
{
    struct walk walk = {.at = data, .end = data + size};
    REQUIRE(json_members(data, size, read_member, &walk));
    REQUIRE(walk.found_control == info->is_control);
}

static void read_control(const char *data, size_t size)
{
    struct json_control control;
    struct json_info info;
    json_read_control(data, size, &control);
    REQUIRE((control.kind == JSON_CONTROL_WRONG) == (control.wrong != NULL));
    REQUIRE(strlen(control.reason) < JSON_REASON_SIZE && strlen(control.detail) < JSON_DETAIL_SIZE);
    REQUIRE(json_is_utf8(control.reason, strlen(control.reason)));
    REQUIRE(json_is_utf8(control.detail, strlen(control.detail)));
    REQUIRE(control.retry_after_ms >= 0 && control.retry_after_ms <= JSON_RETRY_AFTER_MS);
    if (control.kind != JSON_CONTROL_USAGE)
        return;
    REQUIRE(control.usage > data && control.usage + control.usage_length < data + size);
    REQUIRE(control.usage_length <= JSON_USAGE_BYTES);
    REQUIRE(json_check(control.usage, control.usage_length, &info) && info.is_object);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct json_info info;
    if (json_check(data, size, &info)) {
        REQUIRE(size > 0 && !info.reason && json_is_utf8(data, size));
        REQUIRE(!info.is_control || info.is_object);
        flatten(data, size, &info);
        if (info.is_object)
            walk_members(data, size, &info);
        if (info.is_control)
            read_control(data, size);
    } else {
        REQUIRE(info.reason && info.offset <= size);
    }
    quote_and_clean(data, size);
    return 0;
}
