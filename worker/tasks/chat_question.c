/*
 * chat_question.c: which of a payload's members go to the server, and under which names.
 *
 * Called by the chat task once for each model it asks. The payload was checked by the gateway, and
 * is checked again: a task may be run by hand. The dangerous part is what servers do not know:
 * some refuse a whole question for one member, so each is put down only where it is known to be.
 */
#include "chat_question.h"

#include "chat_json.h"
#include "chat_messages.h"

#include <string.h>

#define STOPS_MOST 16

struct question {
    struct chat_value messages, prompt, temperature, top_p, max_tokens, max_completion_tokens, stop,
        seed, tools, tool_choice, response_format, reasoning_effort;
};

/* ---- reading ---- */

enum kind {
    KIND_LIST,
    KIND_TEXT,
    KIND_NUMBER,
    KIND_COUNT, /* a whole number of 0 or more */
    KIND_INTEGER,
    KIND_STOP,   /* a text, or a list of texts */
    KIND_CHOICE, /* a text, or an object */
    KIND_OBJECT,
};

static const struct {
    const char *name;
    size_t offset;
    enum kind kind;
} members[] = {
    {"messages", offsetof(struct question, messages), KIND_LIST},
    {"prompt", offsetof(struct question, prompt), KIND_TEXT},
    {"temperature", offsetof(struct question, temperature), KIND_NUMBER},
    {"top_p", offsetof(struct question, top_p), KIND_NUMBER},
    {"max_tokens", offsetof(struct question, max_tokens), KIND_COUNT},
    {"max_completion_tokens", offsetof(struct question, max_completion_tokens), KIND_COUNT},
    {"stop", offsetof(struct question, stop), KIND_STOP},
    {"seed", offsetof(struct question, seed), KIND_INTEGER},
    {"tools", offsetof(struct question, tools), KIND_LIST},
    {"tool_choice", offsetof(struct question, tool_choice), KIND_CHOICE},
    {"response_format", offsetof(struct question, response_format), KIND_OBJECT},
    {"reasoning_effort", offsetof(struct question, reasoning_effort), KIND_TEXT},
};

/* What each kind must be, for people. */
static const char *const kind_names[] = {
    [KIND_LIST] = "must be a list",
    [KIND_TEXT] = "must be a text",
    [KIND_NUMBER] = "must be a number",
    [KIND_COUNT] = "must be a whole number of 1 or more",
    [KIND_INTEGER] = "must be a whole number",
    [KIND_STOP] = "must be a text or a list of at most 16 texts",
    [KIND_CHOICE] = "must be a text or an object",
    [KIND_OBJECT] = "must be an object",
};

static bool are_texts(const struct chat_value *list)
{
    struct chat_walk walk = chat_walk_of(list);
    struct chat_value name, item;
    size_t count = 0;
    while (chat_walk_next(&walk, &name, &item)) {
        if (!chat_value_has(&item, JSON_STRING) || ++count > STOPS_MOST)
            return false;
    }
    return true;
}

static bool is_of(const struct chat_value *value, enum kind kind)
{
    int64_t integer;
    switch (kind) {
    case KIND_LIST:
        return value->type == JSON_ARRAY;
    case KIND_TEXT:
        return value->type == JSON_STRING;
    case KIND_NUMBER:
        return value->type == JSON_NUMBER;
    case KIND_COUNT:
        return chat_value_integer(value, 0) > 0;
    case KIND_INTEGER:
        return json_read_integer(value->data, value->length, &integer);
    case KIND_STOP:
        return value->type == JSON_STRING || (value->type == JSON_ARRAY && are_texts(value));
    case KIND_CHOICE:
        return value->type == JSON_STRING || value->type == JSON_OBJECT;
    default:
        return value->type == JSON_OBJECT;
    }
}

static enum status refuse(struct buf *wrong, const char *member, const char *why)
{
    buf_reset(wrong);
    buf_printf(wrong, "%s: %s", member, why);
    return buf_ok(wrong) ? STATUS_BAD_INPUT : STATUS_NO_MEMORY;
}

/* null is as nothing; of equal names the first counts. */
static enum status read_member(struct question *q, const struct chat_value *name,
                               const struct chat_value *value, struct buf *wrong)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        struct chat_value *member = (void *)((char *)q + members[i].offset);
        if (!chat_value_is(name, members[i].name) || member->length > 0 || value->type == JSON_NULL)
            continue;
        if (!is_of(value, members[i].kind))
            return refuse(wrong, members[i].name, kind_names[members[i].kind]);
        *member = *value;
    }
    return STATUS_OK;
}

static enum status read_question(const char *payload, size_t length, struct question *q,
                                 struct buf *wrong)
{
    struct chat_value value, name, item;
    enum status status = STATUS_OK;
    *q = (struct question){0};
    if (!chat_value_read(payload, length, &value) || value.type != JSON_OBJECT)
        return refuse(wrong, "payload", "must be an object with messages or a prompt");
    struct chat_walk walk = chat_walk_of(&value);
    while (status == STATUS_OK && chat_walk_next(&walk, &name, &item))
        status = read_member(q, &name, &item, wrong);
    if (status == STATUS_OK && q->messages.length == 0 && q->prompt.length == 0)
        status = refuse(wrong, "messages", "is missing, and so is a prompt");
    return status;
}

/* ---- what servers differ in ---- */

/* OpenAI's newer models know only max_completion_tokens, all others max_tokens, and Mistral refuses
   the former (github.com/editor-code-assistant/eca/issues/231), as well as stream_options; it sends
   its usage unasked (github.com/openai/openai-agents-python/issues/442). Its seed is random_seed.
 */
static const struct dialect {
    const char *host; /* a part of the base URL */
    const char *max_tokens, *seed;
    bool takes_stream_options;
} dialects[] = {
    {"://api.openai.com", "max_completion_tokens", "seed", true},
    {".openai.azure.com", "max_completion_tokens", "seed", true},
    {"://api.mistral.ai", "max_tokens", "random_seed", false},
    {"", "max_tokens", "seed", true},
};

static const struct dialect *dialect_of(const char *base_url)
{
    const struct dialect *dialect = dialects;
    while (!strstr(base_url, dialect->host))
        dialect++;
    return dialect;
}

/* ---- writing ---- */

struct writing {
    const struct question *q;
    const struct feature *feature;
    struct buf *out;
    bool first;              /* the next member is the first of its object */
    struct chat_value fixed; /* members that the operator put into this object */
};

static bool is_fixed(const struct writing *w, const char *name)
{
    return chat_value_find(&w->fixed, name).length > 0;
}

/* False: the operator has put it there. */
static bool put_name(struct writing *w, const char *name)
{
    if (is_fixed(w, name))
        return false;
    buf_puts(w->out, w->first ? "\"" : ",\"");
    buf_puts(w->out, name);
    buf_puts(w->out, "\":");
    w->first = false;
    return true;
}

static void put_value(struct writing *w, const char *name, const struct chat_value *value)
{
    if (value->length > 0 && put_name(w, name))
        chat_value_compact(value, w->out);
}

static void put_text(struct writing *w, const char *name, const char *json)
{
    if (put_name(w, name))
        buf_puts(w->out, json);
}

static void put_integer(struct writing *w, const char *name, int64_t value)
{
    if (put_name(w, name))
        buf_printf(w->out, "%lld", (long long)value);
}

/* What the operator put into this object, but for what was gone into already. */
static void put_fixed(struct writing *w, const char *but_for)
{
    struct chat_walk walk = chat_walk_of(&w->fixed);
    struct chat_value name, value;
    while (chat_walk_next(&walk, &name, &value)) {
        if (but_for && chat_value_is(&name, but_for))
            continue;
        if (!w->first)
            buf_putc(w->out, ',');
        w->first = false;
        buf_add(w->out, name.data, name.length);
        buf_putc(w->out, ':');
        chat_value_compact(&value, w->out);
    }
}

static void put_temperature(struct writing *w)
{
    if (w->feature->temperature < 0) {
        put_value(w, "temperature", &w->q->temperature);
        return;
    }
    if (put_name(w, "temperature"))
        buf_printf(w->out, "%.10g", w->feature->temperature);
}

static void put_max_tokens(struct writing *w, const char *name)
{
    int64_t most = w->feature->max_tokens > 0 ? w->feature->max_tokens : INT64_MAX;
    most = min_i64(most, chat_value_integer(&w->q->max_tokens, INT64_MAX));
    most = min_i64(most, chat_value_integer(&w->q->max_completion_tokens, INT64_MAX));
    /* A server that knows both names refuses both at once. */
    if (most < INT64_MAX && !is_fixed(w, "max_tokens") && !is_fixed(w, "max_completion_tokens"))
        put_integer(w, name, most);
}

static void put_stop(struct writing *w)
{
    if (w->feature->stop_count == 0) {
        put_value(w, "stop", &w->q->stop);
        return;
    }
    if (!put_name(w, "stop"))
        return;
    for (size_t i = 0; i < w->feature->stop_count; i++) {
        buf_putc(w->out, i == 0 ? '[' : ',');
        json_quote(w->out, w->feature->stop[i], strlen(w->feature->stop[i]));
    }
    buf_putc(w->out, ']');
}

static void put_seed(struct writing *w, const char *name)
{
    if (is_fixed(w, "seed") || is_fixed(w, "random_seed"))
        return;
    if (w->feature->seed >= 0)
        put_integer(w, name, w->feature->seed);
    else
        put_value(w, name, &w->q->seed);
}

/* ---- tools ---- */

/* AG-UI's tool has a function's members, and no function. */
static enum status put_tool(struct writing *w, const struct chat_value *tool, struct buf *wrong)
{
    struct chat_value function = chat_value_find(tool, "function");
    struct chat_value name = chat_value_find(function.length ? &function : tool, "name");
    struct chat_value description = chat_value_find(tool, "description");
    struct chat_value parameters = chat_value_find(tool, "parameters");
    if (!chat_value_has(&name, JSON_STRING))
        return refuse(wrong, "tools", "each must have a name, or a function with one");
    if (function.length > 0) {
        chat_value_compact(tool, w->out);
        return STATUS_OK;
    }
    struct writing inner = {.out = w->out, .first = true}; /* the operator's are not of a tool */
    buf_puts(w->out, "{\"type\":\"function\",\"function\":{");
    put_value(&inner, "name", &name);
    if (chat_value_has(&description, JSON_STRING))
        put_value(&inner, "description", &description);
    if (chat_value_has(&parameters, JSON_OBJECT))
        put_value(&inner, "parameters", &parameters);
    buf_puts(w->out, "}}");
    return STATUS_OK;
}

/* The client's own. An empty list is refused by OpenAI and by Mistral. */
static bool has_tools(const struct writing *w)
{
    struct chat_walk walk = chat_walk_of(&w->q->tools);
    struct chat_value name, item;
    return !is_fixed(w, "tools") && chat_walk_next(&walk, &name, &item);
}

static enum status put_tools(struct writing *w, struct buf *wrong)
{
    struct chat_walk walk = chat_walk_of(&w->q->tools);
    struct chat_value name, tool;
    enum status status = STATUS_OK;
    bool first = true;
    buf_puts(w->out, ",\"tools\":[");
    while (status == STATUS_OK && chat_walk_next(&walk, &name, &tool)) {
        if (!first)
            buf_putc(w->out, ',');
        first = false;
        status = put_tool(w, &tool, wrong);
    }
    buf_putc(w->out, ']');
    return status;
}

/* ---- the two servers ---- */

static enum status put_openai(struct writing *w, const struct feature_model *model,
                              struct buf *wrong)
{
    const struct dialect *dialect = dialect_of(model->base_url);
    enum status status = STATUS_OK;
    if (dialect->takes_stream_options)
        put_text(w, "stream_options", "{\"include_usage\":true}");
    put_temperature(w);
    put_value(w, "top_p", &w->q->top_p);
    put_max_tokens(w, dialect->max_tokens);
    put_stop(w);
    put_seed(w, dialect->seed);
    put_value(w, "response_format", &w->q->response_format);
    put_value(w, "reasoning_effort", &w->q->reasoning_effort);
    if (has_tools(w)) {
        status = put_tools(w, wrong);
        put_value(w, "tool_choice", &w->q->tool_choice);
    }
    return status;
}

/* Ollama has the word json, or the schema alone. */
static void put_format(struct writing *w)
{
    const struct chat_value *format = &w->q->response_format;
    struct chat_value type = chat_value_find(format, "type");
    struct chat_value holder = chat_value_find(format, "json_schema");
    struct chat_value schema = chat_value_find(&holder, "schema");
    if (chat_value_is(&type, "json_schema") && chat_value_has(&schema, JSON_OBJECT)) {
        put_value(w, "format", &schema);
    } else if (chat_value_is(&type, "json_object") || chat_value_is(&type, "json_schema")) {
        put_text(w, "format", "\"json\"");
    }
}

static void put_think(struct writing *w)
{
    const struct chat_value *effort = &w->q->reasoning_effort;
    if (chat_value_is(effort, "none")) {
        put_text(w, "think", "false");
    } else if (chat_value_is(effort, "low") || chat_value_is(effort, "medium") ||
               chat_value_is(effort, "high")) {
        put_value(w, "think", effort);
    }
}

/* By docs.ollama.com/api/chat. It has no tool_choice: `none` is to have no tools. */
static enum status put_ollama(struct writing *w, struct buf *wrong)
{
    enum status status = STATUS_OK;
    struct writing options = *w;
    options.first = true;
    options.fixed = chat_value_find(&w->fixed, "options");
    buf_puts(w->out, ",\"options\":{");
    put_temperature(&options);
    put_value(&options, "top_p", &w->q->top_p);
    put_max_tokens(&options, "num_predict");
    put_stop(&options);
    put_seed(&options, "seed");
    put_fixed(&options, NULL);
    buf_putc(w->out, '}');
    put_format(w);
    put_think(w);
    if (has_tools(w) && !chat_value_is(&w->q->tool_choice, "none"))
        status = put_tools(w, wrong);
    return status;
}

/* A prompt is a chat of one message. */
static enum status put_messages(struct writing *w, const struct feature_model *model,
                                const char *partial, struct buf *wrong)
{
    struct buf text = {0};
    struct chat_value messages = w->q->messages;
    bool good = messages.length > 0;
    if (!good) {
        buf_puts(&text, "[{\"role\":\"user\",\"content\":");
        chat_value_compact(&w->q->prompt, &text);
        buf_puts(&text, "}]");
        good = buf_ok(&text) && chat_value_read(text.data, text.length, &messages);
    }
    buf_puts(w->out, ",\"messages\":");
    enum status status = good ? chat_messages_write(&messages, model->api == FEATURE_OLLAMA,
                                                    w->feature->system, partial, w->out, wrong)
                              : STATUS_NO_MEMORY;
    buf_clear(&text);
    return status;
}

enum status chat_question_write(const char *payload, size_t length, const struct feature *feature,
                                const struct feature_model *model, const char *partial,
                                struct buf *out, struct buf *wrong)
{
    struct question q;
    struct writing w = {.q = &q, .feature = feature, .out = out, .first = true};
    enum status status = read_question(payload, length, &q, wrong);
    if (status != STATUS_OK)
        return status;
    if (model->extra_body &&
        !chat_value_read(model->extra_body, strlen(model->extra_body), &w.fixed))
        return STATUS_NO_MEMORY;
    buf_puts(out, "{\"model\":");
    json_quote(out, model->model, strlen(model->model));
    buf_puts(out, ",\"stream\":true");
    w.first = false;
    status = put_messages(&w, model, partial, wrong);
    if (status == STATUS_OK)
        status =
            model->api == FEATURE_OLLAMA ? put_ollama(&w, wrong) : put_openai(&w, model, wrong);
    put_fixed(&w, model->api == FEATURE_OLLAMA ? "options" : NULL);
    buf_putc(out, '}');
    return buf_ok(out) && buf_ok(wrong) ? status : STATUS_NO_MEMORY;
}

int64_t chat_question_tokens(const char *payload, size_t length)
{
    struct chat_value value;
    if (!chat_value_read(payload, length, &value))
        return 0;
    struct chat_value messages = chat_value_find(&value, "messages");
    struct chat_value prompt = chat_value_find(&value, "prompt");
    int64_t bytes = chat_messages_bytes(&messages);
    if (!chat_value_has(&messages, JSON_ARRAY) && chat_value_has(&prompt, JSON_STRING))
        bytes = (int64_t)prompt.length - 2;
    return (bytes + 3) / 4;
}
