/*
 * chat_messages.c: one message in, none, one or several out.
 *
 * Called by chat_question.c. A message is gathered into a struct turn, whatever its dialect, and
 * written from there; so there is one reader per dialect and one writer per server. The dangerous
 * part is the AI SDK's assistant message: it holds many steps, each with text, tool calls and
 * their outputs, and servers want each call answered before the next step.
 */
#include "chat_messages.h"

#include <string.h>

#define CALLS_MOST 128 /* of one message, that are looked through for a tool's name */

/* One message to write. */
struct turn {
    const char *role;
    struct buf text;    /* all its texts */
    struct buf items;   /* content parts for OpenAI, each with a comma behind */
    struct buf images;  /* base64 literals for Ollama, likewise */
    struct buf calls;   /* tool calls, likewise */
    struct buf results; /* whole messages that answer them, likewise */
    struct chat_value call_id;
    bool in_parts; /* content is to be a list */
    bool has_text;
};

struct writing {
    bool ollama;
    struct buf *out, *wrong;
    struct buf system; /* the prompts at the beginning */
    struct buf spare;
    struct turn turn;
    struct chat_value calls; /* of the last assistant's message: names for Ollama */
    size_t number;           /* of the message that is read */
    size_t count;            /* that were written */
    bool no_memory;
};

static enum status refuse(struct writing *w, const char *what)
{
    buf_reset(w->wrong);
    buf_printf(w->wrong, "messages[%zu]%s", w->number, what);
    return STATUS_BAD_INPUT;
}

static bool is_there(const struct chat_value *value)
{
    return value->length > 0 && value->type != JSON_NULL;
}

/* ---- writing ---- */

static void put_list(struct buf *out, const struct buf *items)
{
    buf_putc(out, '[');
    if (items->length > 0)
        buf_add(out, items->data, items->length - 1);
    buf_putc(out, ']');
}

static void put_content(struct writing *w)
{
    const struct turn *turn = &w->turn;
    buf_puts(w->out, ",\"content\":");
    if (turn->in_parts && !w->ollama)
        put_list(w->out, &turn->items);
    else if (turn->calls.length > 0 && turn->text.length == 0 && !w->ollama)
        buf_puts(w->out, "null");
    else
        json_quote(w->out, buf_text(&turn->text), turn->text.length);
}

static void put_turn(struct writing *w)
{
    const struct turn *turn = &w->turn;
    buf_puts(w->out, w->count++ > 0 ? ",{\"role\":\"" : "{\"role\":\"");
    buf_puts(w->out, turn->role);
    buf_putc(w->out, '"');
    put_content(w);
    if (turn->images.length > 0) {
        buf_puts(w->out, ",\"images\":");
        put_list(w->out, &turn->images);
    }
    if (turn->calls.length > 0) {
        buf_puts(w->out, ",\"tool_calls\":");
        put_list(w->out, &turn->calls);
    }
}

static void forget_turn(struct writing *w)
{
    struct buf *all[] = {&w->turn.text, &w->turn.items, &w->turn.images, &w->turn.calls,
                         &w->turn.results};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        w->no_memory |= !buf_ok(all[i]);
        buf_reset(all[i]);
    }
    w->turn.in_parts = w->turn.has_text = false;
    w->turn.call_id = (struct chat_value){0};
}

/* The turn, if there is something in it, and what its tools said. */
static void end_turn(struct writing *w, bool even_empty)
{
    const struct turn *turn = &w->turn;
    if (even_empty || turn->text.length > 0 || turn->in_parts || turn->calls.length > 0) {
        put_turn(w);
        buf_putc(w->out, '}');
    }
    if (turn->results.length > 0) {
        buf_putc(w->out, ',');
        buf_add(w->out, turn->results.data, turn->results.length - 1);
    }
    forget_turn(w);
}

static void put_system(struct writing *w)
{
    if (w->system.length == 0)
        return;
    buf_puts(w->out, w->count++ > 0 ? ",{\"role\":\"system\",\"content\":"
                                    : "{\"role\":\"system\",\"content\":");
    json_quote(w->out, w->system.data, w->system.length);
    buf_putc(w->out, '}');
    w->no_memory |= !buf_ok(&w->system);
    buf_reset(&w->system);
}

/* ---- texts and images ---- */

static void add_text(struct writing *w, const struct chat_value *text)
{
    struct turn *turn = &w->turn;
    if (turn->has_text && strcmp(turn->role, "assistant") != 0)
        buf_putc(&turn->text, '\n');
    turn->has_text = true;
    chat_value_text(text, &turn->text);
    buf_puts(&turn->items, "{\"type\":\"text\",\"text\":");
    chat_value_compact(text, &turn->items);
    buf_puts(&turn->items, "},");
}

/* Ollama takes an image's bytes alone. url: a text, escapes undone. */
static enum status add_image(struct writing *w, const char *url)
{
    const char *data = strstr(url, ";base64,");
    w->turn.in_parts = true;
    if (!w->ollama) {
        buf_puts(&w->turn.items, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
        json_quote(&w->turn.items, url, strlen(url));
        buf_puts(&w->turn.items, "}},");
        return STATUS_OK;
    }
    if (strncmp(url, "data:", 5) != 0 || !data)
        return refuse(w, ": this model takes an image only as a data: URL in base64");
    json_quote(&w->turn.images, data + 8, strlen(data + 8));
    buf_putc(&w->turn.images, ',');
    return STATUS_OK;
}

/* What a file is, by its media type and its url or data. Others than images are refused. */
static enum status add_file(struct writing *w, const struct chat_value *media,
                            const struct chat_value *url, const struct chat_value *data)
{
    struct buf type = {0}, address = {0};
    enum status status;
    chat_value_text(media, &type);
    if (!is_there(url) && is_there(data))
        buf_printf(&address, "data:%s;base64,", buf_text(&type));
    chat_value_text(is_there(url) ? url : data, &address);
    if (strncmp(buf_text(&type), "image/", 6) != 0)
        status = refuse(w, ": a file that is no image cannot be sent to the model");
    else if (address.length == 0)
        status = refuse(w, ": a file needs a url");
    else
        status = add_image(w, address.data);
    w->no_memory |= !buf_ok(&type) || !buf_ok(&address);
    buf_clear(&type);
    buf_clear(&address);
    return status;
}

/* ---- tool calls and their results ---- */

static void put_literal(struct buf *out, const char *name, const struct chat_value *id)
{
    buf_puts(out, name);
    if (chat_value_has(id, JSON_STRING))
        chat_value_compact(id, out);
    else
        buf_puts(out, "\"\"");
}

/* OpenAI wants the input as a text, Ollama as an object. */
static void put_input(struct writing *w, const struct buf *input, struct buf *out)
{
    struct chat_value value;
    bool good = chat_value_read(buf_text(input), input->length, &value);
    if (!w->ollama)
        json_quote(out, input->length ? buf_text(input) : "{}", input->length ? input->length : 2);
    else if (good && value.type == JSON_OBJECT)
        chat_value_compact(&value, out);
    else
        buf_puts(out, "{}");
}

static void add_call(struct writing *w, const struct chat_value *id, const struct chat_value *name,
                     const struct buf *input)
{
    struct buf *out = &w->turn.calls;
    if (w->ollama)
        buf_puts(out, "{");
    else
        put_literal(out, "{\"id\":", id);
    if (!w->ollama)
        buf_puts(out, ",\"type\":\"function\",");
    put_literal(out, "\"function\":{\"name\":", name);
    buf_puts(out, ",\"arguments\":");
    put_input(w, input, out);
    buf_puts(out, "}},");
    w->no_memory |= !buf_ok(input);
}

static void add_result(struct writing *w, const struct chat_value *id,
                       const struct chat_value *name, const struct buf *text)
{
    struct buf *out = &w->turn.results;
    buf_puts(out, "{\"role\":\"tool\"");
    if (w->ollama)
        put_literal(out, ",\"tool_name\":", name);
    else
        put_literal(out, ",\"tool_call_id\":", id);
    buf_puts(out, ",\"content\":");
    json_quote(out, buf_text(text), text->length);
    buf_puts(out, "},");
    w->no_memory |= !buf_ok(text);
}

/* A text stays one, whatever else becomes its JSON. */
static void text_of(const struct chat_value *value, struct buf *out)
{
    if (chat_value_has(value, JSON_STRING))
        chat_value_text(value, out);
    else if (is_there(value))
        chat_value_compact(value, out);
}

/* OpenAI's calls; AG-UI's are the same under another name. */
static enum status read_calls(struct writing *w, const struct chat_value *calls)
{
    struct chat_walk walk = chat_walk_of(calls);
    struct chat_value key, call;
    if (is_there(calls) && calls->type != JSON_ARRAY)
        return refuse(w, ".tool_calls: must be a list");
    while (chat_walk_next(&walk, &key, &call)) {
        struct chat_value id = chat_value_find(&call, "id");
        struct chat_value function = chat_value_find(&call, "function");
        struct chat_value name = chat_value_find(&function, "name");
        struct chat_value input = chat_value_find(&function, "arguments");
        if (!chat_value_has(&name, JSON_STRING))
            return refuse(w, ".tool_calls: each needs a function with a name");
        buf_reset(&w->spare);
        text_of(&input, &w->spare);
        add_call(w, &id, &name, &w->spare);
    }
    w->calls = *calls;
    return STATUS_OK;
}

static struct chat_value name_of_call(const struct writing *w, const struct chat_value *id)
{
    struct chat_walk walk = chat_walk_of(&w->calls);
    struct chat_value key, call;
    for (int i = 0; i < CALLS_MOST && chat_walk_next(&walk, &key, &call); i++) {
        struct chat_value known = chat_value_find(&call, "id");
        struct chat_value function = chat_value_find(&call, "function");
        if (known.length == id->length && memcmp(known.data, id->data, id->length) == 0)
            return chat_value_find(&function, "name");
    }
    return (struct chat_value){0};
}

/* ---- content: a text, or OpenAI's or AG-UI's parts ---- */

static enum status read_image_url(struct writing *w, const struct chat_value *part)
{
    struct chat_value image = chat_value_find(part, "image_url");
    struct chat_value url =
        chat_value_has(&image, JSON_OBJECT) ? chat_value_find(&image, "url") : image;
    buf_reset(&w->spare);
    chat_value_text(&url, &w->spare);
    w->no_memory |= !buf_ok(&w->spare);
    return add_image(w, buf_text(&w->spare));
}

/* AG-UI: {"type":"binary","mimeType","url"|"data"}, {"type":"image","source":{"type":"url"|"data",
   "value","mimeType"}}. */
static enum status read_ag_ui(struct writing *w, const struct chat_value *part,
                              const struct chat_value *type)
{
    struct chat_value none = {0}, source = chat_value_find(part, "source");
    struct chat_value holder = is_there(&source) ? source : *part;
    struct chat_value media = chat_value_find(&holder, "mimeType");
    struct chat_value url = chat_value_find(&holder, "url");
    struct chat_value data = chat_value_find(&holder, "data");
    struct chat_value kind = chat_value_find(&source, "type");
    if (!is_there(&source))
        return add_file(w, &media, &url, &data);
    data = chat_value_find(&source, "value");
    struct chat_value image = {JSON_STRING, "\"image/\"", 8};
    bool bare = !is_there(&media) && chat_value_is(type, "image");
    return chat_value_is(&kind, "url") ? add_file(w, bare ? &image : &media, &data, &none)
                                       : add_file(w, &media, &none, &data);
}

static enum status read_item(struct writing *w, const struct chat_value *item)
{
    struct chat_value type = chat_value_find(item, "type"), text = chat_value_find(item, "text");
    struct chat_value source = chat_value_find(item, "source");
    if (!chat_value_has(item, JSON_OBJECT) || !chat_value_has(&type, JSON_STRING))
        return refuse(w, ".content: each part must be an object with a type");
    if (chat_value_is(&type, "binary") || is_there(&source))
        return read_ag_ui(w, item, &type);
    if (chat_value_is(&type, "text") && !chat_value_has(&text, JSON_STRING))
        return refuse(w, ".content: a part of type text needs a text");
    if (w->ollama && chat_value_is(&type, "image_url"))
        return read_image_url(w, item);
    if (w->ollama && !chat_value_is(&type, "text"))
        return refuse(w, ".content: this model takes only text and images");
    if (chat_value_is(&type, "text") && w->turn.has_text && strcmp(w->turn.role, "assistant") != 0)
        buf_putc(&w->turn.text, '\n');
    w->turn.has_text = true;
    chat_value_text(&text, &w->turn.text);
    chat_value_compact(item, &w->turn.items);
    buf_putc(&w->turn.items, ',');
    return STATUS_OK;
}

static enum status read_content(struct writing *w, const struct chat_value *content)
{
    struct chat_walk walk = chat_walk_of(content);
    struct chat_value key, item;
    enum status status = STATUS_OK;
    if (chat_value_has(content, JSON_STRING))
        add_text(w, content);
    else if (is_there(content) && content->type != JSON_ARRAY)
        return refuse(w, ".content: must be a text or a list of parts");
    w->turn.in_parts = chat_value_has(content, JSON_ARRAY) && content->length > 2;
    while (status == STATUS_OK && chat_value_has(content, JSON_ARRAY) &&
           chat_walk_next(&walk, &key, &item))
        status = read_item(w, &item);
    return status;
}

/* ---- parts: the AI SDK's UI messages ---- */

/* `tool-<name>`, or `dynamic-tool` with its name beside. The name as a literal in spare. */
static struct chat_value tool_of(struct writing *w, const struct chat_value *part,
                                 const struct chat_value *type)
{
    struct buf text = {0};
    struct chat_value named = chat_value_find(part, "toolName");
    if (chat_value_is(type, "dynamic-tool"))
        return named;
    chat_value_text(type, &text);
    buf_reset(&w->spare);
    if (strncmp(buf_text(&text), "tool-", 5) == 0 && text.length > 5)
        json_quote(&w->spare, text.data + 5, text.length - 5);
    w->no_memory |= !buf_ok(&text) || !buf_ok(&w->spare);
    buf_clear(&text);
    return (struct chat_value){JSON_STRING, buf_text(&w->spare), w->spare.length};
}

static void read_output(const struct chat_value *part, const struct chat_value *state,
                        struct buf *text)
{
    struct chat_value output = chat_value_find(part, "output");
    struct chat_value error = chat_value_find(part, "errorText");
    if (chat_value_is(state, "output-available"))
        text_of(&output, text);
    else if (chat_value_is(state, "output-error"))
        text_of(&error, text);
    else if (chat_value_is(state, "output-denied"))
        buf_puts(text, "The user did not allow this call.");
    else
        buf_puts(text, "The tool gave no result.");
}

/* A call whose input is not whole yet was never made. */
static void read_tool(struct writing *w, const struct chat_value *part,
                      const struct chat_value *name)
{
    struct chat_value id = chat_value_find(part, "toolCallId");
    struct chat_value state = chat_value_find(part, "state");
    struct chat_value input = chat_value_find(part, "input");
    struct chat_value raw = chat_value_find(part, "rawInput");
    struct buf text = {0};
    if (chat_value_is(&state, "input-streaming"))
        return;
    if (is_there(&input) || is_there(&raw))
        chat_value_compact(is_there(&input) ? &input : &raw, &text);
    add_call(w, &id, name, &text);
    buf_reset(&text);
    read_output(part, &state, &text);
    add_result(w, &id, name, &text);
    buf_clear(&text);
}

static enum status read_part(struct writing *w, const struct chat_value *part)
{
    struct chat_value type = chat_value_find(part, "type"), text = chat_value_find(part, "text");
    struct chat_value none = {0}, url = chat_value_find(part, "url");
    struct chat_value media = chat_value_find(part, "mediaType");
    if (!chat_value_has(part, JSON_OBJECT) || !chat_value_has(&type, JSON_STRING))
        return refuse(w, ".parts: each must be an object with a type");
    if (chat_value_is(&type, "step-start")) {
        if (strcmp(w->turn.role, "assistant") == 0)
            end_turn(w, false);
        return STATUS_OK;
    }
    if (chat_value_is(&type, "text")) {
        if (!chat_value_has(&text, JSON_STRING))
            return refuse(w, ".parts: a part of type text needs a text");
        add_text(w, &text);
        return STATUS_OK;
    }
    if (chat_value_is(&type, "file") && strcmp(w->turn.role, "user") == 0)
        return add_file(w, &media, &url, &none);
    struct chat_value name = tool_of(w, part, &type);
    if (chat_value_has(&name, JSON_STRING))
        read_tool(w, part, &name);
    return STATUS_OK; /* reasoning, sources, data: not for the model */
}

static enum status read_parts(struct writing *w, const struct chat_value *parts)
{
    struct chat_walk walk = chat_walk_of(parts);
    struct chat_value key, part;
    enum status status = STATUS_OK;
    if (parts->type != JSON_ARRAY)
        return refuse(w, ".parts: must be a list");
    while (status == STATUS_OK && chat_walk_next(&walk, &key, &part))
        status = read_part(w, &part);
    return status;
}

/* ---- messages ---- */

static const char *role_of(const struct chat_value *role)
{
    static const struct {
        const char *said, *means;
    } roles[] = {
        {"user", "user"},        {"assistant", "assistant"}, {"system", "system"}, {"tool", "tool"},
        {"developer", "system"}, {"activity", ""},           {"reasoning", ""},
    };
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (chat_value_is(role, roles[i].said))
            return roles[i].means;
    }
    return NULL;
}

/* OpenAI's and AG-UI's name for the same. */
static struct chat_value either(const struct chat_value *message, const char *one,
                                const char *other)
{
    struct chat_value value = chat_value_find(message, one);
    return value.length > 0 ? value : chat_value_find(message, other);
}

static enum status end_tool(struct writing *w, const struct chat_value *message)
{
    struct chat_value id = either(message, "tool_call_id", "toolCallId");
    struct chat_value name = chat_value_find(message, "name");
    if (!chat_value_has(&id, JSON_STRING))
        return refuse(w, ".tool_call_id: a message of role tool needs one");
    if (!chat_value_has(&name, JSON_STRING))
        name = name_of_call(w, &id);
    add_result(w, &id, &name, &w->turn.text);
    if (w->count++ > 0)
        buf_putc(w->out, ',');
    buf_add(w->out, buf_text(&w->turn.results),
            w->turn.results.length ? w->turn.results.length - 1 : 0);
    forget_turn(w);
    return STATUS_OK;
}

/* The prompts at the beginning wait for the first message that is none. */
static void end_system(struct writing *w)
{
    if (w->count > 0) {
        end_turn(w, false);
        return;
    }
    if (w->system.length > 0 && w->turn.text.length > 0)
        buf_puts(&w->system, "\n\n");
    buf_add(&w->system, buf_text(&w->turn.text), w->turn.text.length);
    forget_turn(w);
}

static enum status end_message(struct writing *w, const struct chat_value *message, bool in_parts)
{
    if (strcmp(w->turn.role, "system") == 0) {
        end_system(w);
        return STATUS_OK;
    }
    put_system(w);
    if (strcmp(w->turn.role, "tool") == 0)
        return end_tool(w, message);
    end_turn(w, !in_parts);
    return STATUS_OK;
}

static enum status read_message(struct writing *w, const struct chat_value *message)
{
    struct chat_value role = chat_value_find(message, "role");
    struct chat_value parts = chat_value_find(message, "parts");
    struct chat_value content = chat_value_find(message, "content");
    struct chat_value calls = either(message, "tool_calls", "toolCalls");
    w->turn.role = role_of(&role);
    if (!w->turn.role)
        return refuse(w, ".role: must be system, developer, user, assistant or tool");
    if (w->turn.role[0] == '\0')
        return STATUS_OK;
    /* Steps are written while they are read. */
    if (strcmp(w->turn.role, "assistant") == 0)
        put_system(w);
    enum status status = is_there(&parts) ? read_parts(w, &parts) : read_content(w, &content);
    if (status == STATUS_OK && !is_there(&parts) && strcmp(w->turn.role, "assistant") == 0)
        status = read_calls(w, &calls);
    return status ? status : end_message(w, message, is_there(&parts));
}

static enum status read_messages(struct writing *w, const struct chat_value *messages)
{
    struct chat_walk walk = chat_walk_of(messages);
    struct chat_value key, message;
    enum status status = STATUS_OK;
    for (; status == STATUS_OK && chat_walk_next(&walk, &key, &message); w->number++) {
        status = chat_value_has(&message, JSON_OBJECT) ? read_message(w, &message)
                                                       : refuse(w, ": must be an object");
        if (status == STATUS_OK && w->no_memory)
            status = STATUS_NO_MEMORY;
    }
    return status;
}

/* What a former model said stands last, as a plain message: servers go on with it (Ollama,
   llama.cpp, many hosts) or answer after it. vLLM would need continue_final_message
   (github.com/vllm-project/vllm/pull/8942), which others refuse as unknown. */
static void put_partial(struct writing *w, const char *partial)
{
    if (*partial == '\0')
        return;
    w->turn.role = "assistant";
    buf_puts(&w->turn.text, partial);
    end_turn(w, true);
}

static void clear(struct writing *w)
{
    struct buf *all[] = {&w->system,      &w->spare,      &w->turn.text,   &w->turn.items,
                         &w->turn.images, &w->turn.calls, &w->turn.results};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        w->no_memory |= !buf_ok(all[i]);
        buf_clear(all[i]);
    }
}

enum status chat_messages_write(const struct chat_value *messages, bool ollama, const char *system,
                                const char *partial, struct buf *out, struct buf *wrong)
{
    struct writing w = {.ollama = ollama, .out = out, .wrong = wrong};
    buf_puts(&w.system, system);
    buf_putc(out, '[');
    enum status status = read_messages(&w, messages);
    if (status == STATUS_OK) {
        put_system(&w);
        put_partial(&w, partial);
        buf_putc(out, ']');
    }
    if (status == STATUS_OK && w.count == 0) {
        buf_puts(wrong, "messages: must have at least one");
        status = STATUS_BAD_INPUT;
    }
    clear(&w);
    return w.no_memory || !buf_ok(out) ? STATUS_NO_MEMORY : status;
}

/* ---- how long it is ---- */

static int64_t bytes_of(const struct chat_value *value)
{
    return chat_value_has(value, JSON_STRING) ? (int64_t)value->length - 2
           : is_there(value)                  ? (int64_t)value->length
                                              : 0;
}

/* The texts of a list of parts, and what went into and came out of tools. */
static int64_t bytes_of_parts(const struct chat_value *parts)
{
    struct chat_walk walk = chat_walk_of(parts);
    struct chat_value key, part, name, item;
    int64_t bytes = 0;
    while (!walk.object && chat_walk_next(&walk, &key, &part)) {
        struct chat_walk members = chat_walk_of(&part);
        while (members.object && chat_walk_next(&members, &name, &item)) {
            if (chat_value_is(&name, "text") || chat_value_is(&name, "input") ||
                chat_value_is(&name, "output") || chat_value_is(&name, "function"))
                bytes += bytes_of(&item);
        }
    }
    return bytes;
}

int64_t chat_messages_bytes(const struct chat_value *messages)
{
    struct chat_walk walk = chat_walk_of(messages);
    struct chat_value key, message;
    int64_t bytes = 0;
    while (!walk.object && chat_walk_next(&walk, &key, &message)) {
        struct chat_value parts = chat_value_find(&message, "parts");
        struct chat_value content = chat_value_find(&message, "content");
        struct chat_value calls = either(&message, "tool_calls", "toolCalls");
        if (chat_value_has(&content, JSON_STRING))
            bytes += bytes_of(&content);
        bytes += bytes_of_parts(&content) + bytes_of_parts(&parts) + bytes_of_parts(&calls);
    }
    return bytes;
}
