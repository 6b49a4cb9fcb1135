/*
 * render_history.c: the messages that a client sent along, ready for a MESSAGES_SNAPSHOT.
 */
#include "dialect.h"

#include "json.h"

#include <string.h>

struct message {
    const char *job;
    bool is_ours;
};

/* Ours are called as the job is, or that and what follows a dot. */
static bool note_id(void *arg, const struct json_member *member)
{
    struct message *message = arg;
    size_t length = strlen(message->job);
    if (strcmp(member->name, "id") == 0)
        message->is_ours = member->length > length + 1 &&
                           memcmp(member->value + 1, message->job, length) == 0 &&
                           strchr("\".", member->value[1 + length]);
    return true;
}

static void add(struct render *r, const char *value, size_t length)
{
    struct message message = {.job = r->job};
    if (length == 0 || *value != '{')
        return;
    json_members(value, length, note_id, &message);
    if (message.is_ours)
        return;
    dialect_put(&r->history, (struct slice){value, length});
    buf_putc(&r->history, ',');
}

/* Behind a string whose opening quote is here. */
static const char *string_end(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

/* Behind a value inside a good list: at its comma, or the list's bracket. */
static const char *value_end(const char *at)
{
    unsigned depth = 0;
    while (depth > 0 || (*at != ',' && *at != ']')) {
        if (*at == '"') {
            at = string_end(at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    }
    return at;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool render_history(struct render *r, const char *messages, size_t length)
{
    const char *at = messages;
    if (length == 0 || *at != '[')
        return true;
    while (*at != ']') {
        for (at++; is_space(*at); at++)
            ;
        const char *end = value_end(at), *stop = end;
        while (stop > at && is_space(stop[-1]))
            stop--;
        add(r, at, (size_t)(stop - at));
        at = end;
    }
    return buf_ok(&r->history);
}
