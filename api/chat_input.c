/*
 * chat_input.c: a table of the members that we read, and one loop over the body's.
 *
 * A member that stands there twice is refused: the task that reads the body after us might
 * take the other one.
 */
#include "chat_input.h"

#include "buf.h"
#include "digest.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct chat_input, member)

/* clang-format off */
static const struct chat_member table[] = {
    {"model", CHAT_OPENAI, true, CHAT_NAME, AT(feature_id)},
    {"id", CHAT_AI_SDK, true, CHAT_NAME, AT(chat_id)},
    {"threadId", CHAT_AG_UI, true, CHAT_NAME, AT(chat_id)},
    {"runId", CHAT_AG_UI, true, CHAT_TEXT, AT(run_id)},
    {"messages", CHAT_OPENAI | CHAT_AI_SDK, true, CHAT_FILLED, AT(messages)},
    {"messages", CHAT_AG_UI, true, CHAT_LIST, AT(messages)},
    {"n", CHAT_OPENAI, false, CHAT_ONE, 0},
    {"stream", CHAT_OPENAI, false, CHAT_FLAG, AT(stream)},
    {"stream_options", CHAT_OPENAI, false, CHAT_OPTIONS, 0},
    {"stream_options.include_usage", CHAT_OPENAI, false, CHAT_FLAG, AT(include_usage)},
};

static const char *const rules[] = {
    [CHAT_NAME] = "a string of 1 to 128 characters of A-Z a-z 0-9 _ . -",
    [CHAT_TEXT] = "a string of 1 to 128 bytes",
    [CHAT_FLAG] = "true or false",
    [CHAT_ONE] = "1",
    [CHAT_LIST] = "a list",
    [CHAT_FILLED] = "a list that is not empty",
    [CHAT_OPTIONS] = "an object",
};
/* clang-format on */

const struct chat_member *chat_input_members(size_t *count)
{
    *count = COUNT_OF(table);
    return table;
}

struct reading {
    struct chat_input *input;
    unsigned dialect;
    unsigned seen; /* a bit for each row */
    bool inside;   /* among the members of stream_options */
    struct buf text;
    struct chat_wrong *wrong;
    enum status status;
};

/* False, for each() to stop with. */
static bool refuse(struct reading *r, const char *member, const char *must, const char *rule)
{
    r->wrong->member = member;
    snprintf(r->wrong->text, sizeof r->wrong->text, "%s %s%s.", *member ? member : "The body", must,
             rule);
    r->status = STATUS_BAD_INPUT;
    return false;
}

/* ---- values ---- */

static bool read_text(struct reading *r, const struct chat_member *row,
                      const struct json_member *member)
{
    /* The longest way to write a byte is an escape of six. */
    if (member->type != JSON_STRING || member->length > 6 * JOB_NAME_SIZE)
        return false;
    buf_reset(&r->text);
    json_read_string(member->value, member->length, &r->text);
    if (!buf_ok(&r->text)) {
        r->status = STATUS_NO_MEMORY;
        return false;
    }
    if (r->text.length == 0 || r->text.length >= JOB_NAME_SIZE ||
        (row->kind == CHAT_NAME && !job_is_name(buf_text(&r->text))))
        return false;
    memcpy((char *)r->input + row->offset, r->text.data, r->text.length + 1);
    return true;
}

static bool read_list(struct reading *r, const struct chat_member *row,
                      const struct json_member *member)
{
    if (member->type != JSON_ARRAY)
        return false;
    *(struct slice *)(void *)((char *)r->input + row->offset) =
        (struct slice){.data = member->value, .length = member->length};
    size_t at = 1;
    while (strchr(" \t\r\n", member->value[at]))
        at++;
    return row->kind == CHAT_LIST || member->value[at] != ']';
}

static bool read_member(void *arg, const struct json_member *member);

/* False: it breaks the row's rule, or r->status says what else. */
static bool store(struct reading *r, const struct chat_member *row,
                  const struct json_member *member)
{
    int64_t number;
    if (member->type == JSON_NULL)
        return !row->required;
    switch (row->kind) {
    case CHAT_NAME:
    case CHAT_TEXT:
        return read_text(r, row, member);
    case CHAT_FLAG:
        *((bool *)r->input + row->offset) = *member->value == 't';
        return member->type == JSON_BOOL;
    case CHAT_ONE:
        return json_read_integer(member->value, member->length, &number) && number == 1;
    case CHAT_LIST:
    case CHAT_FILLED:
        return read_list(r, row, member);
    case CHAT_OPTIONS:
        if (member->type != JSON_OBJECT)
            return false;
        r->inside = true;
        bool all = json_members(member->value, member->length, read_member, r);
        r->inside = false;
        return all;
    }
    return false;
}

/* ---- members ---- */

static const struct chat_member *find(const struct reading *r, const struct json_member *member)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const char *dot = strchr(table[i].name, '.');
        if (table[i].dialects & r->dialect && (dot != NULL) == r->inside &&
            strcmp(dot ? dot + 1 : table[i].name, member->name) == 0)
            return &table[i];
    }
    return NULL;
}

static bool read_member(void *arg, const struct json_member *member)
{
    struct reading *r = arg;
    const struct chat_member *row = find(r, member);
    if (!row)
        return true;
    unsigned bit = 1u << (row - table);
    if (r->seen & bit)
        return refuse(r, row->name, "may be given only once", "");
    r->seen |= bit;
    if (store(r, row, member))
        return true;
    return r->status == STATUS_OK ? refuse(r, row->name, "must be ", rules[row->kind]) : false;
}

static void check_required(struct reading *r)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].dialects & r->dialect && table[i].required && !(r->seen & 1u << i)) {
            refuse(r, table[i].name, "is missing", "");
            return;
        }
    }
}

enum status chat_input_read(const char *body, size_t length, enum chat_dialect dialect,
                            struct chat_input *input, struct chat_wrong *wrong)
{
    struct reading r = {.input = input, .dialect = dialect, .wrong = wrong, .status = STATUS_OK};
    *input = (struct chat_input){0};
    while (length > 0 && strchr(" \t\r\n", *body)) {
        body++;
        length--;
    }
    if (length == 0 || *body != '{')
        refuse(&r, "", "must be a JSON object", "");
    else if (json_members(body, length, read_member, &r))
        check_required(&r);
    buf_clear(&r.text);
    return r.status;
}

/* ---- chats ---- */

void chat_input_keyed(const char *key, char out[JOB_NAME_SIZE])
{
    char hash[DIGEST_SIZE];
    digest_sha256(key, strlen(key), hash);
    snprintf(out, JOB_NAME_SIZE, "key-%s", hash);
}
