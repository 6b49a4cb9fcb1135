/*
 * chat_reply.c: what the events of a model server mean.
 *
 * Called by the chat task with the bytes of an answer; framing is chat_events.c's, the messages
 * chat_parts.c's. The dangerous part is what servers really send; each leniency names where it is
 * seen. A failure is kept: all further bytes get the same status.
 */
#include "chat_reply.h"

#include "chat_events.h"
#include "chat_parts.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MOST 300
#define MODEL_MOST 200
#define ID_MOST 16384 /* LiteLLM hides a model's signatures in ids */
#define KEEP_MOST 65536

struct chat_reply {
    enum feature_api api;
    struct chat_events events;
    struct chat_parts parts;
    struct buf scratch; /* a text, escapes undone */
    struct buf id, name;
    struct buf model, error;
    struct chat_usage usage;
    enum chat_finish finish;
    bool identified; /* parts.seed is set */
    bool done;       /* its own last word was said */
    bool no_memory;
    enum status failed;
};

/* What an event is taken with. */
struct taking {
    struct chat_reply *r;
    struct buf *out;
};

static const char *const finish_names[] = {
    [CHAT_FINISH_NONE] = "other",
    [CHAT_FINISH_STOP] = "stop",
    [CHAT_FINISH_LENGTH] = "length",
    [CHAT_FINISH_TOOL_CALLS] = "tool-calls",
    [CHAT_FINISH_CONTENT_FILTER] = "content-filter",
    [CHAT_FINISH_OTHER] = "other",
};

const char *chat_finish_name(enum chat_finish finish)
{
    return finish_names[finish];
}

struct chat_reply *chat_reply_new(enum feature_api api)
{
    struct chat_reply *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->api = api;
    r->events.framing = api == FEATURE_OLLAMA ? CHAT_FRAMING_JSON : CHAT_FRAMING_AUTO;
    r->usage = (struct chat_usage){-1, -1, -1, -1, false};
    return r;
}

void chat_reply_free(struct chat_reply *r)
{
    if (!r)
        return;
    chat_events_clear(&r->events);
    chat_parts_clear(&r->parts);
    buf_clear(&r->scratch);
    buf_clear(&r->id);
    buf_clear(&r->name);
    buf_clear(&r->model);
    buf_clear(&r->error);
    free(r);
}

/* ---- words ---- */

/* The words of an error: a text, or an object with a `message`. */
static bool put_words(const struct chat_value *error, struct buf *out)
{
    struct chat_value said = *error;
    if (chat_value_has(error, JSON_OBJECT))
        said = chat_value_find(error, "message");
    if (!chat_value_has(&said, JSON_STRING) || said.length == 2)
        return false;
    struct buf text = {0};
    chat_value_text(&said, &text);
    chat_text_line(buf_text(&text), text.length, WORDS_MOST, out);
    out->failed |= !buf_ok(&text);
    buf_clear(&text);
    return true;
}

/* Google's ends put the object into an array. */
static struct chat_value first_of(struct chat_value value)
{
    struct chat_walk walk = chat_walk_of(&value);
    struct chat_value name, item;
    return chat_value_has(&value, JSON_ARRAY) && chat_walk_next(&walk, &name, &item) ? item : value;
}

void chat_reply_words(const char *body, size_t length, struct buf *out)
{
    struct chat_value value;
    if (chat_value_read(body, length, &value)) {
        value = first_of(value);
        struct chat_value error = chat_value_find(&value, "error");
        if (put_words(&error, out) || put_words(&value, out))
            return;
    }
    chat_text_line(body, length, WORDS_MOST, out);
}

static enum status refuse(struct chat_reply *r, const struct chat_value *error)
{
    buf_reset(&r->error);
    chat_reply_words(error->data, error->length, &r->error);
    return STATUS_REFUSED;
}

static enum status not_understood(struct chat_reply *r, const char *words, const char *data,
                                  size_t length)
{
    buf_reset(&r->error);
    buf_puts(&r->error, words);
    if (length > 0)
        buf_puts(&r->error, ": ");
    chat_text_line(data, length, WORDS_MOST - r->error.length, &r->error);
    return STATUS_PROTOCOL;
}

/* ---- text and reasoning ---- */

/* What a string stands for, in a buffer that is used again and again. */
static void undo(struct chat_reply *r, const struct chat_value *value, struct buf *text)
{
    buf_reset(text);
    chat_value_text(value, text);
    r->no_memory |= !buf_ok(text);
}

static void take_text(struct taking *t, enum chat_part part, const struct chat_value *value)
{
    undo(t->r, value, &t->r->scratch);
    chat_parts_add(&t->r->parts, part, buf_text(&t->r->scratch), t->r->scratch.length, t->out);
}

static void take_content(struct taking *t, enum chat_part part, const struct chat_value *value);

/* As deep as json_check lets a text be. Mistral's reasoning models send a list of
   {"type":"text","text":…} and {"type":"thinking", "thinking":[…]}
   (docs.mistral.ai/capabilities/reasoning). */
static void take_content_item(struct taking *t, enum chat_part part, const struct chat_value *item)
{
    struct chat_value thinking = chat_value_find(item, "thinking");
    struct chat_value text = chat_value_find(item, "text");
    if (thinking.length > 0)
        take_content(t, CHAT_PART_REASONING, &thinking);
    else
        take_text(t, part, &text);
}

static void take_content(struct taking *t, enum chat_part part, const struct chat_value *value)
{
    if (!chat_value_has(value, JSON_ARRAY)) {
        take_text(t, part, value);
        return;
    }
    struct chat_walk walk = chat_walk_of(value);
    struct chat_value name, item;
    while (chat_walk_next(&walk, &name, &item)) {
        if (chat_value_has(&item, JSON_OBJECT))
            take_content_item(t, part, &item);
    }
}

/* ---- tool calls ---- */

/* The input comes as a text in pieces; from Ollama and others as the object itself. */
static void read_input(struct chat_reply *r, const struct chat_value *input)
{
    undo(r, input, &r->scratch);
    if (chat_value_has(input, JSON_OBJECT))
        chat_value_compact(input, &r->scratch);
    r->no_memory |= !buf_ok(&r->scratch);
}

static enum status take_call(struct taking *t, const struct chat_value *call)
{
    struct chat_reply *r = t->r;
    struct chat_value function = chat_value_find(call, "function");
    struct chat_value id = chat_value_find(call, "id"), index = chat_value_find(call, "index");
    struct chat_value name = chat_value_find(&function, "name");
    struct chat_value input = chat_value_find(&function, "arguments");
    undo(r, &id, &r->id);
    undo(r, &name, &r->name);
    read_input(r, &input);
    struct chat_piece piece = {chat_value_integer(&index, -1), &r->id, &r->name, &r->scratch};
    if (r->no_memory)
        return STATUS_NO_MEMORY;
    if (r->id.length > ID_MOST || r->name.length > ID_MOST)
        return not_understood(r, "the model server names a tool call with more than 16 KiB", "", 0);
    if (!chat_parts_call(&r->parts, &piece, t->out))
        return not_understood(r, "the model server makes more than 128 tool calls", "", 0);
    return STATUS_OK;
}

static enum status take_calls(struct taking *t, const struct chat_value *calls)
{
    struct chat_walk walk = chat_walk_of(calls);
    struct chat_value name, item;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && chat_walk_next(&walk, &name, &item)) {
        if (chat_value_has(&item, JSON_OBJECT))
            status = take_call(t, &item);
    }
    return status;
}

/* ---- a message, or what was added to it ---- */

struct delta {
    struct chat_value content, reasoning, refusal, calls;
};

static void read_delta(const struct chat_value *value, struct delta *delta)
{
    struct chat_walk walk = chat_walk_of(value);
    struct chat_value name, item;
    struct chat_value spare = {0};
    while (chat_value_has(value, JSON_OBJECT) && chat_walk_next(&walk, &name, &item)) {
        if (chat_value_is(&name, "content"))
            delta->content = item;
        else if (chat_value_is(&name, "tool_calls"))
            delta->calls = item;
        else if (chat_value_is(&name, "refusal"))
            delta->refusal = item;
        else if (chat_value_is(&name, "reasoning_content"))
            delta->reasoning = item; /* DeepSeek, vLLM, llama.cpp */
        else if (chat_value_is(&name, "reasoning") || chat_value_is(&name, "thinking"))
            spare = item; /* OpenRouter, Groq; Ollama. Some send the same under both names. */
    }
    if (!chat_value_has(&delta->reasoning, JSON_STRING) || delta->reasoning.length == 2)
        delta->reasoning = spare;
}

static enum status take_delta(struct taking *t, const struct chat_value *value)
{
    struct delta delta = {0};
    read_delta(value, &delta);
    take_text(t, CHAT_PART_REASONING, &delta.reasoning);
    take_content(t, CHAT_PART_TEXT, &delta.content);
    take_text(t, CHAT_PART_TEXT, &delta.refusal);
    return take_calls(t, &delta.calls);
}

/* ---- the end ---- */

static const struct {
    const char *said;
    enum chat_finish means;
} finishes[] = {
    {"stop", CHAT_FINISH_STOP},
    {"length", CHAT_FINISH_LENGTH},
    {"tool_calls", CHAT_FINISH_TOOL_CALLS},
    {"function_call", CHAT_FINISH_TOOL_CALLS},
    {"content_filter", CHAT_FINISH_CONTENT_FILTER},
    {"stop_sequence", CHAT_FINISH_STOP},
    {"eos", CHAT_FINISH_STOP},
    {"eos_token", CHAT_FINISH_STOP}, /* Text Generation Inference */
    {"end_turn", CHAT_FINISH_STOP},
    {"max_tokens", CHAT_FINISH_LENGTH},
    {"model_length", CHAT_FINISH_LENGTH}, /* Mistral */
    {"tool_use", CHAT_FINISH_TOOL_CALLS},
};

/* OpenRouter and Mistral end with `error`, vLLM and SGLang with `abort`: then nothing is finished.
 */
static enum status take_finish(struct chat_reply *r, const struct chat_value *reason)
{
    if (!chat_value_has(reason, JSON_STRING) || reason->length == 2)
        return STATUS_OK;
    if (chat_value_is(reason, "error") || chat_value_is(reason, "abort")) {
        buf_reset(&r->error);
        buf_puts(&r->error, "the model server broke the answer off");
        return STATUS_REFUSED;
    }
    r->finish = CHAT_FINISH_OTHER;
    for (size_t i = 0; i < COUNT_OF(finishes); i++) {
        if (chat_value_is(reason, finishes[i].said))
            r->finish = finishes[i].means;
    }
    return STATUS_OK;
}

static void learn_integer(const struct chat_value *object, const char *name, int64_t *number)
{
    struct chat_value value = chat_value_find(object, name);
    *number = chat_value_integer(&value, *number);
}

/* Some servers send what it is so far with every chunk, at first only zeros. */
static void take_counts(struct chat_reply *r, const struct chat_usage *counts)
{
    if (counts->input <= 0 && counts->output <= 0)
        return;
    r->usage = *counts;
    r->usage.measured = true;
}

static void take_usage(struct chat_reply *r, const struct chat_value *value)
{
    struct chat_usage counts = {-1, -1, -1, -1, false};
    struct chat_value of_input = chat_value_find(value, "prompt_tokens_details");
    struct chat_value of_output = chat_value_find(value, "completion_tokens_details");
    learn_integer(value, "prompt_tokens", &counts.input);
    learn_integer(value, "completion_tokens", &counts.output);
    learn_integer(value, "prompt_cache_hit_tokens", &counts.cached); /* DeepSeek */
    learn_integer(&of_input, "cached_tokens", &counts.cached);
    learn_integer(&of_output, "reasoning_tokens", &counts.reasoning);
    take_counts(r, &counts);
}

/* ---- events ---- */

static void take_model(struct chat_reply *r, const struct chat_value *model)
{
    if (r->model.length > 0 || !chat_value_has(model, JSON_STRING))
        return;
    undo(r, model, &r->scratch);
    chat_text_line(buf_text(&r->scratch), r->scratch.length, MODEL_MOST, &r->model);
}

/* One question asks for one answer; a second choice is nobody's. */
static enum status take_choice(struct taking *t, const struct chat_value *choice)
{
    struct chat_walk walk = chat_walk_of(choice);
    struct chat_value name, item, said = {0}, reason = {0}, index = {0};
    while (chat_value_has(choice, JSON_OBJECT) && chat_walk_next(&walk, &name, &item)) {
        if (chat_value_is(&name, "delta") ||
            (chat_value_is(&name, "message") && said.length == 0)) /* a server that cannot stream */
            said = item;
        else if (chat_value_is(&name, "finish_reason"))
            reason = item;
        else if (chat_value_is(&name, "index"))
            index = item;
    }
    if (chat_value_integer(&index, 0) > 0)
        return STATUS_OK;
    enum status status = take_delta(t, &said);
    return status ? status : take_finish(t->r, &reason);
}

static enum status take_choices(struct taking *t, const struct chat_value *choices)
{
    struct chat_walk walk = chat_walk_of(choices);
    struct chat_value name, item;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && chat_value_has(choices, JSON_ARRAY) &&
           chat_walk_next(&walk, &name, &item))
        status = take_choice(t, &item);
    return status;
}

struct members {
    struct chat_value error, choices, message, usage, model, object, x_groq, done, done_reason;
};

static void read_members(const struct chat_value *event, struct members *m)
{
    const struct {
        const char *name;
        struct chat_value *value;
    } known[] = {
        {"choices", &m->choices}, {"message", &m->message},
        {"model", &m->model},     {"usage", &m->usage},
        {"error", &m->error},     {"object", &m->object},
        {"done", &m->done},       {"done_reason", &m->done_reason},
        {"x_groq", &m->x_groq},
    };
    struct chat_walk walk = chat_walk_of(event);
    struct chat_value name, item;
    while (chat_walk_next(&walk, &name, &item)) {
        for (size_t i = 0; i < COUNT_OF(known); i++) {
            if (chat_value_is(&name, known[i].name))
                *known[i].value = item;
        }
    }
}

static bool is_true(const struct chat_value *value)
{
    return chat_value_has(value, JSON_BOOL) && value->data[0] == 't';
}

/* By Ollama's docs/api.md; its counts come with `done`. */
static enum status take_ollama(struct taking *t, const struct chat_value *event,
                               const struct members *m)
{
    struct chat_usage counts = {-1, -1, -1, -1, false};
    enum status status = take_delta(t, &m->message);
    if (status != STATUS_OK || !is_true(&m->done))
        return status;
    learn_integer(event, "prompt_eval_count", &counts.input);
    learn_integer(event, "eval_count", &counts.output);
    take_counts(t->r, &counts);
    t->r->done = true;
    t->r->finish = CHAT_FINISH_STOP; /* older ones do not say more */
    return take_finish(t->r, &m->done_reason);
}

/* Groq puts the usage into x_groq too, where nobody asked for it (console.groq.com/docs). */
static enum status take_openai(struct taking *t, const struct members *m)
{
    struct chat_value usage = chat_value_find(&m->x_groq, "usage");
    enum status status = take_choices(t, &m->choices);
    if (status != STATUS_OK)
        return status;
    take_usage(t->r, &usage);
    take_usage(t->r, &m->usage);
    return STATUS_OK;
}

/* An error under its name (github.com/block/goose/pull/8031 lists the shapes), or, from vLLM, an
   object that says to be one. Other members, null mostly, are none. */
static bool is_failure(const struct members *m)
{
    return chat_value_has(&m->error, JSON_OBJECT) ||
           (chat_value_has(&m->error, JSON_STRING) && m->error.length > 2) ||
           chat_value_is(&m->object, "error");
}

static enum status take_event(struct taking *t, bool is_error, const struct chat_value *event)
{
    struct members m = {0};
    read_members(event, &m);
    take_model(t->r, &m.model);
    if (is_error || is_failure(&m))
        return refuse(t->r, event);
    return t->r->api == FEATURE_OLLAMA ? take_ollama(t, event, &m) : take_openai(t, &m);
}

/* FNV-1a of the first event: servers put an id or a time of their own into it. */
static void identify(struct chat_reply *r, const char *data, size_t length)
{
    if (r->identified)
        return;
    r->identified = true;
    r->parts.seed = 2166136261u;
    for (size_t i = 0; i < length; i++)
        r->parts.seed = (r->parts.seed ^ (unsigned char)data[i]) * 16777619u;
}

static bool is_done(const char *data, size_t length)
{
    while (length > 0 && (data[length - 1] == ' ' || data[length - 1] == '\n'))
        length--;
    return length == 6 && memcmp(data, "[DONE]", 6) == 0;
}

static enum status take_data(struct taking *t, bool is_error, const char *data, size_t length)
{
    struct chat_value event;
    if (!chat_value_read(data, length, &event))
        return STATUS_BAD_INPUT;
    event = first_of(event);
    identify(t->r, data, length);
    if (!chat_value_has(&event, JSON_OBJECT))
        return is_error ? refuse(t->r, &event) : STATUS_BAD_INPUT;
    return take_event(t, is_error, &event);
}

static enum status sound(const struct taking *t)
{
    const struct chat_reply *r = t->r;
    return !r->no_memory && buf_ok(&r->model) && buf_ok(&r->error) && buf_ok(t->out) &&
                   chat_parts_ok(&r->parts)
               ? STATUS_OK
               : STATUS_NO_MEMORY;
}

static enum status on_event(void *arg, bool is_error, const char *data, size_t length)
{
    struct taking *t = arg;
    if (t->r->done)
        return STATUS_OK;
    if (is_done(data, length)) {
        t->r->done = true;
        return STATUS_OK;
    }
    enum status status = take_data(t, is_error, data, length);
    if (status == STATUS_BAD_INPUT) {
        struct buf mended = {0};
        chat_text_mend(data, length, &mended);
        status = buf_ok(&mended) ? take_data(t, is_error, buf_text(&mended), mended.length)
                                 : STATUS_NO_MEMORY;
        buf_clear(&mended);
    }
    if (status == STATUS_BAD_INPUT)
        status = not_understood(t->r, "the model server sent no JSON", data, length);
    else if (status == STATUS_OK && t->r->parts.bytes > CHAT_ANSWER_MOST)
        status = not_understood(t->r, "the answer has more than 16 MiB", "", 0);
    if (t->r->scratch.capacity > KEEP_MOST)
        buf_clear(&t->r->scratch);
    enum status memory = sound(t);
    return memory ? memory : status;
}

enum status chat_reply_take(struct chat_reply *r, const char *data, size_t length, struct buf *out)
{
    struct taking taking = {.r = r, .out = out};
    if (r->failed != STATUS_OK || r->done)
        return r->failed;
    r->events.wrong = NULL;
    r->failed = chat_events_take(&r->events, data, length, on_event, &taking);
    if (r->events.wrong) /* behind the last word nothing counts */
        r->failed = r->done ? STATUS_OK : not_understood(r, r->events.wrong, "", 0);
    enum status memory = sound(&taking);
    return r->failed = memory ? memory : r->failed;
}

void chat_reply_rest(struct chat_reply *r, struct buf *out)
{
    struct taking taking = {.r = r, .out = out};
    if (r->failed != STATUS_OK || r->done)
        return;
    r->failed = chat_events_end(&r->events, on_event, &taking);
    /* An event that was cut is no mistake of the server's. */
    if (r->failed == STATUS_PROTOCOL)
        buf_reset(&r->error);
    out->failed |= r->failed == STATUS_NO_MEMORY;
}

void chat_reply_end(struct chat_reply *r, struct buf *out)
{
    chat_reply_rest(r, out);
    chat_parts_close(&r->parts, out);
}

bool chat_reply_is_complete(const struct chat_reply *r)
{
    return r->failed == STATUS_OK && (r->done || r->finish != CHAT_FINISH_NONE);
}

bool chat_reply_spoke(const struct chat_reply *r)
{
    return r->parts.spoke;
}

/* Gemini's end, Ollama, and vLLM with a tool that was asked for by name say `stop` where tools were
   called; clients look at the reason to know that they are to run them. */
enum chat_finish chat_reply_finish(const struct chat_reply *r)
{
    return r->finish == CHAT_FINISH_STOP && r->parts.call_count > 0 ? CHAT_FINISH_TOOL_CALLS
                                                                    : r->finish;
}

struct chat_usage chat_reply_usage(const struct chat_reply *r)
{
    struct chat_usage usage = r->usage;
    if (!usage.measured)
        usage.output = r->parts.tokens;
    return usage;
}

const struct buf *chat_reply_text(const struct chat_reply *r)
{
    return &r->parts.text;
}

const char *chat_reply_model(const struct chat_reply *r)
{
    return buf_text(&r->model);
}

const char *chat_reply_error(const struct chat_reply *r)
{
    return buf_text(&r->error);
}
