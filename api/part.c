/*
 * part.c: one table of types and their members; before it, a look whether the message is a delta
 * in the form that our own tasks write, since nearly all messages are.
 *
 * The dangerous part: clients check each member of what is passed on to them, and end at the first
 * that is wrong. So a message of the vocabulary whose members are not as it says is nothing.
 */
#include "part.h"

#include "json.h"

#include <string.h>

#define LITERAL(text) (text), sizeof(text) - 1

/* ---- deltas as our own tasks write them ---- */

struct form {
    enum part_kind kind;
    const char *before_id;
    size_t before_id_length;
    const char *before_text;
    size_t before_text_length;
};

static const struct form forms[] = {
    {PART_TEXT_DELTA, LITERAL("{\"type\":\"text-delta\",\"id\":"), LITERAL(",\"delta\":\"")},
    {PART_REASONING_DELTA, LITERAL("{\"type\":\"reasoning-delta\",\"id\":"),
     LITERAL(",\"delta\":\"")},
    {PART_CALL_DELTA, LITERAL("{\"type\":\"tool-input-delta\",\"toolCallId\":"),
     LITERAL(",\"inputTextDelta\":\"")},
};

/* The string that begins here, if it needs no escapes and is ASCII. Its length, or 0. */
static size_t simple_string(const char *at, const char *end)
{
    const char *start = at;
    if (at == end || *at != '"')
        return 0;
    for (at++; at < end && *at >= 0x20 && *at < 0x7f && *at != '\\'; at++) {
        if (*at == '"')
            return (size_t)(at + 1 - start);
    }
    return 0;
}

static bool begins_with(const char *at, const char *end, const char *text, size_t length)
{
    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

static bool has_form(const char *data, const char *end, const struct form *form, struct part *part)
{
    const char *at = data + form->before_id_length;
    struct json_info info;
    size_t id_length = simple_string(at, end);
    const char *text = at + id_length + form->before_text_length - 1;
    if (id_length == 0 ||
        !begins_with(at + id_length, end, form->before_text, form->before_text_length))
        return false;
    /* As far as the last quote there is exactly one value, or there is none: a string that ends
       before it leaves something behind it. */
    if (end - text < 3 || end[-2] != '"' || !json_check(text, (size_t)(end - 1 - text), &info))
        return false;
    part->kind = form->kind;
    part->canonical = true;
    part->id = (struct slice){.data = at, .length = id_length};
    part->text = (struct slice){.data = text, .length = (size_t)(end - 1 - text)};
    return true;
}

static bool read_delta(const char *data, const char *end, struct part *part)
{
    if (end - data < 32 || end[-1] != '}')
        return false;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        const struct form *form = &forms[i];
        if (begins_with(data, end, form->before_id, form->before_id_length))
            return has_form(data, end, form, part);
    }
    return false;
}

/* ---- all others ---- */

/* What a type's members are called. A name that begins with ? need not be there. */
struct row {
    const char *type; /* with its quotes */
    enum part_kind kind;
    const char *id, *text, *name; /* strings */
    const char *value;
};

static const struct row rows[] = {
    {"\"start\"", PART_START, .id = "?messageId", .value = "?messageMetadata"},
    {"\"start-step\"", PART_START_STEP, .id = NULL},
    {"\"finish-step\"", PART_FINISH_STEP, .id = NULL},
    {"\"reset-step\"", PART_RESET_STEP, .id = NULL},
    {"\"finish\"", PART_FINISH, .text = "?finishReason", .value = "?messageMetadata"},
    {"\"abort\"", PART_ABORT, .text = "?reason"},
    {"\"error\"", PART_ERROR, .text = "errorText"},
    {"\"message-metadata\"", PART_METADATA, .value = "messageMetadata"},
    {"\"text-start\"", PART_TEXT_START, .id = "id"},
    {"\"text-delta\"", PART_TEXT_DELTA, .id = "id", .text = "delta"},
    {"\"text-end\"", PART_TEXT_END, .id = "id"},
    {"\"reasoning-start\"", PART_REASONING_START, .id = "id"},
    {"\"reasoning-delta\"", PART_REASONING_DELTA, .id = "id", .text = "delta"},
    {"\"reasoning-end\"", PART_REASONING_END, .id = "id"},
    {"\"tool-input-start\"", PART_CALL_START, .id = "toolCallId", .name = "toolName"},
    {"\"tool-input-delta\"", PART_CALL_DELTA, .id = "toolCallId", .text = "inputTextDelta"},
    {"\"tool-input-available\"", PART_CALL_INPUT, .id = "toolCallId", .name = "toolName",
     .value = "input"},
    {"\"tool-input-error\"", PART_CALL_BROKEN, .id = "toolCallId", .name = "toolName",
     .value = "input", .text = "errorText"},
    {"\"tool-output-available\"", PART_OUTPUT, .id = "toolCallId", .value = "output"},
    {"\"tool-output-error\"", PART_OUTPUT_ERROR, .id = "toolCallId", .text = "errorText"},
    {"\"tool-output-denied\"", PART_OUTPUT_DENIED, .id = "toolCallId"},
    {"\"tool-approval-request\"", PART_APPROVAL_ASKED, .id = "toolCallId", .name = "approvalId"},
    {"\"tool-approval-response\"", PART_APPROVAL_GIVEN, .id = "approvalId", .value = "approved"},
    {"\"source-url\"", PART_THING, .id = "sourceId", .text = "url"},
    {"\"source-document\"", PART_THING, .id = "sourceId", .text = "mediaType", .name = "title"},
    {"\"file\"", PART_THING, .text = "url", .name = "mediaType"},
    {"\"reasoning-file\"", PART_THING, .text = "url", .name = "mediaType"},
    {"\"custom\"", PART_THING, .text = "kind"},
};

static const struct row data_row = {"\"data-", PART_DATA, .id = "?id", .value = "data"};

/* What members must be where they are there, in all types but data-…. */
static const struct {
    const char *name;
    enum json_type type;
} known_members[] = {
    {"providerMetadata", JSON_OBJECT}, {"toolMetadata", JSON_OBJECT}, {"dynamic", JSON_BOOL},
    {"providerExecuted", JSON_BOOL},   {"preliminary", JSON_BOOL},    {"transient", JSON_BOOL},
    {"isAutomatic", JSON_BOOL},        {"approved", JSON_BOOL},       {"title", JSON_STRING},
    {"filename", JSON_STRING},         {"signature", JSON_STRING},    {"reason", JSON_STRING},
    {"citations", JSON_ARRAY},
};

struct reading {
    struct part *part;
    const struct row *row;
    struct slice message, text; /* of a plain one */
    bool is_wrong;
};

static struct slice value_of(const struct json_member *member)
{
    return (struct slice){.data = member->value, .length = member->length};
}

/* First pass: which type, and what a plain message has to show. */
static bool note_type(void *arg, const struct json_member *member)
{
    struct reading *reading = arg;
    struct slice *to = strcmp(member->name, "type") == 0      ? &reading->part->type
                       : strcmp(member->name, "message") == 0 ? &reading->message
                       : strcmp(member->name, "text") == 0    ? &reading->text
                                                              : NULL;
    if (to)
        *to = member->type == JSON_STRING ? value_of(member) : (struct slice){0};
    return true;
}

static const struct row *row_of(struct slice type)
{
    for (size_t i = 0; type.data && i < COUNT_OF(rows); i++) {
        if (strlen(rows[i].type) == type.length &&
            memcmp(rows[i].type, type.data, type.length) == 0)
            return &rows[i];
    }
    bool is_data = type.data && type.length > strlen(data_row.type) &&
                   memcmp(type.data, data_row.type, strlen(data_row.type)) == 0;
    return is_data ? &data_row : NULL;
}

static bool is_called(const char *name, const struct json_member *member)
{
    return name && strcmp(name[0] == '?' ? name + 1 : name, member->name) == 0;
}

static bool all_objects(void *arg, const struct json_member *member)
{
    (void)arg;
    return member->type == JSON_OBJECT;
}

static bool is_wrong(const struct json_member *member)
{
    if (strcmp(member->name, "inputEncoding") == 0)
        return member->length != strlen("\"json\"") || (memcmp(member->value, "\"json\"", 6) != 0 &&
                                                        memcmp(member->value, "\"text\"", 6) != 0);
    for (size_t i = 0; i < COUNT_OF(known_members); i++) {
        if (strcmp(known_members[i].name, member->name) == 0)
            return member->type != known_members[i].type ||
                   (strcmp(member->name, "providerMetadata") == 0 &&
                    !json_members(member->value, member->length, all_objects, NULL));
    }
    return false;
}

/* Second pass: what the type has. */
static bool note_member(void *arg, const struct json_member *member)
{
    struct reading *reading = arg;
    const struct row *row = reading->row;
    struct part *part = reading->part;
    struct slice *to = is_called(row->id, member)     ? &part->id
                       : is_called(row->text, member) ? &part->text
                       : is_called(row->name, member) ? &part->name
                                                      : NULL;
    bool is_true = member->type == JSON_BOOL && member->value[0] == 't';
    if (to)
        *to = value_of(member);
    if (is_called(row->value, member))
        part->value = value_of(member);
    if (strcmp(member->name, "preliminary") == 0)
        part->preliminary = is_true;
    if (strcmp(member->name, "transient") == 0)
        part->transient = is_true;
    bool is_free = row->kind == PART_DATA && strcmp(member->name, "transient") != 0;
    reading->is_wrong |= (to && member->type != JSON_STRING) || (!is_free && is_wrong(member));
    return true;
}

static bool lacks(const char *name, struct slice slice)
{
    return name && name[0] != '?' && !slice.data;
}

static void read_typed(struct reading *reading, const char *data, size_t length)
{
    const struct row *row = reading->row;
    struct part *part = reading->part;
    part->kind = row->kind;
    json_members(data, length, note_member, reading);
    if (reading->is_wrong || lacks(row->id, part->id) || lacks(row->text, part->text) ||
        lacks(row->name, part->name) || lacks(row->value, part->value))
        part->kind = PART_NOTHING;
}

void part_read(const char *data, size_t length, struct part *part)
{
    struct json_info info;
    struct reading reading = {.part = part};
    *part = (struct part){.kind = PART_PLAIN, .json = {.data = data, .length = length}};
    if (length == 0 || read_delta(data, data + length, part))
        return;
    if (!json_check(data, length, &info) || !info.is_object)
        return;
    json_members(data, length, note_type, &reading);
    reading.row = row_of(part->type);
    part->text = reading.message.data ? reading.message : reading.text;
    if (reading.row) {
        part->text = (struct slice){0};
        read_typed(&reading, data, length);
    } else if (part->type.data && !part->text.data) {
        part->kind = PART_NOTHING;
    }
}
