/*
 * render_ag_ui.c: AG-UI events [ag-ui-protocol/ag-ui: events.ts, verify.ts, apply/default.ts].
 *
 * A step's text and calls are one message of the assistant: `<job>`, from the second step on
 * `<job>.2`. Its reasoning is a message of its own, `<job>.reasoning.<part>`, and so is what a tool
 * returned, `<job>.result.<call>`. So who joins late has the same names as who was there.
 *
 * A cancelled run is RUN_FINISHED with the outcome "cancelled": the protocol's word for a run that
 * was stopped and did not fail. Clients keep what came; as RUN_ERROR it would be shown as a
 * failure.
 *
 * The dangerous part: the client's verifier ends a run at the first event that is out of its order,
 * and MESSAGES_SNAPSHOT removes every message that it does not name.
 */
#include "render_ag_ui.h"

#include "json.h"

#include <inttypes.h>
#include <string.h>

static void begin_event(struct buf *out, const char *type)
{
    buf_puts(out, "data: {\"type\":\"");
    buf_puts(out, type);
    buf_putc(out, '"');
}

static void end_event(struct buf *out)
{
    buf_add(out, "}\n\n", 3);
}

void render_ag_ui_put_member(struct buf *out, const char *name, struct slice value)
{
    buf_puts(out, name);
    buf_add(out, value.data, value.length);
}

/* ---- names of messages ---- */

/* As a string that is not closed yet. */
void render_ag_ui_open_id(const struct render *r, unsigned step, struct buf *out)
{
    buf_add(out, r->before.data, r->before.length);
    if (step > 1)
        buf_printf(out, ".%u", step);
}

static void put_message_id(const struct render *r, struct buf *out)
{
    buf_puts(out, ",\"messageId\":");
    render_ag_ui_open_id(r, r->fold.steps, out);
    buf_putc(out, '"');
}

/* A name below the message's, of a part or a call. */
void render_ag_ui_put_id_below(const struct render *r, unsigned step, const char *what,
                               struct slice id, struct buf *out)
{
    struct slice inside = part_inside(id);
    render_ag_ui_open_id(r, step, out);
    buf_puts(out, what);
    buf_add(out, inside.data, inside.length);
    buf_putc(out, '"');
}

/* ---- text and reasoning ---- */

void render_ag_ui_start_text(struct render *r, struct buf *out)
{
    if (r->text_open)
        return;
    begin_event(out, "TEXT_MESSAGE_START");
    put_message_id(r, out);
    buf_puts(out, ",\"role\":\"assistant\"");
    end_event(out);
    r->text_open = true;
}

static void add_text(const struct render *r, const struct part *part, struct buf *out)
{
    if (part->text.length <= 2)
        return; /* older clients refuse an empty one */
    begin_event(out, "TEXT_MESSAGE_CONTENT");
    put_message_id(r, out);
    render_ag_ui_put_member(out, ",\"delta\":", part->text);
    end_event(out);
}

/* Several parts may be in it at once; the last one closes it. */
static void end_text(struct render *r, const struct known *known, struct buf *out)
{
    const struct parts *parts = &r->fold.parts;
    for (size_t i = 0; i < parts->count; i++) {
        const struct known *other = &parts->list[i];
        if (other != known && other->kind == KNOWN_TEXT && other->open)
            return;
    }
    begin_event(out, "TEXT_MESSAGE_END");
    put_message_id(r, out);
    end_event(out);
    r->text_open = false;
}

static void put_reasoning(const struct render *r, const char *type, const struct known *known,
                          const char *behind, struct buf *out)
{
    begin_event(out, type);
    buf_puts(out, ",\"messageId\":");
    render_ag_ui_put_id_below(r, known->step, ".reasoning.", parts_id(known), out);
    buf_puts(out, behind);
    end_event(out);
}

void render_ag_ui_start_reasoning(const struct render *r, const struct known *known,
                                  struct buf *out)
{
    put_reasoning(r, "REASONING_START", known, "", out);
    put_reasoning(r, "REASONING_MESSAGE_START", known, ",\"role\":\"reasoning\"", out);
}

static void add_reasoning(const struct render *r, const struct part *part,
                          const struct known *known, struct buf *out)
{
    if (part->text.length <= 2)
        return;
    begin_event(out, "REASONING_MESSAGE_CONTENT");
    buf_puts(out, ",\"messageId\":");
    render_ag_ui_put_id_below(r, known->step, ".reasoning.", parts_id(known), out);
    render_ag_ui_put_member(out, ",\"delta\":", part->text);
    end_event(out);
}

static void end_reasoning(const struct render *r, const struct known *known, struct buf *out)
{
    put_reasoning(r, "REASONING_MESSAGE_END", known, "", out);
    put_reasoning(r, "REASONING_END", known, "", out);
}

/* ---- tool calls ---- */

void render_ag_ui_start_call(const struct render *r, struct slice id, struct slice name,
                             struct buf *out)
{
    begin_event(out, "TOOL_CALL_START");
    render_ag_ui_put_member(out, ",\"toolCallId\":", id);
    render_ag_ui_put_member(out, ",\"toolCallName\":", name);
    buf_puts(out, ",\"parentMessageId\":");
    render_ag_ui_open_id(r, r->fold.steps, out);
    buf_putc(out, '"');
    end_event(out);
}

static void end_call(const struct part *part, struct buf *out)
{
    begin_event(out, "TOOL_CALL_END");
    render_ag_ui_put_member(out, ",\"toolCallId\":", part->id);
    end_event(out);
}

static void add_input(const struct part *part, struct buf *out)
{
    struct buf text = {0};
    dialect_put_input(&text, part);
    if (text.length > 2) {
        begin_event(out, "TOOL_CALL_ARGS");
        render_ag_ui_put_member(out, ",\"toolCallId\":", part->id);
        render_ag_ui_put_member(out, ",\"delta\":", (struct slice){text.data, text.length});
        end_event(out);
    }
    out->failed |= text.failed;
    buf_clear(&text);
}

static void put_call(const struct render *r, const struct part *part, const struct known *known,
                     struct buf *out)
{
    if (!known->begun)
        render_ag_ui_start_call(r, part->id, part->name, out);
    if (part->kind == PART_CALL_DELTA ||
        ((part->kind == PART_CALL_INPUT || part->kind == PART_CALL_BROKEN) && !known->has_input))
        add_input(part, out);
    if (part->kind != PART_CALL_START && part->kind != PART_CALL_DELTA)
        end_call(part, out);
}

/* What a tool returned, as the rest of an object. */
void render_ag_ui_put_content(const struct part *part, struct buf *out)
{
    buf_puts(out, ",\"content\":");
    if (part->kind == PART_OUTPUT)
        dialect_put_text(out, part->value);
    else if (part->kind == PART_OUTPUT_ERROR)
        buf_add(out, part->text.data, part->text.length);
    else
        buf_puts(out, "\"denied\"");
}

static void put_result(const struct render *r, const struct part *part, const struct known *known,
                       struct buf *out)
{
    if (part->preliminary)
        return; /* each would be a message of its own */
    begin_event(out, "TOOL_CALL_RESULT");
    buf_puts(out, ",\"messageId\":");
    render_ag_ui_put_id_below(r, known->step, ".result.", part->id, out);
    render_ag_ui_put_member(out, ",\"toolCallId\":", part->id);
    render_ag_ui_put_content(part, out);
    buf_puts(out, ",\"role\":\"tool\"");
    end_event(out);
}

/* ---- everything else ---- */

static void put_custom(struct slice name, struct slice value, struct buf *out)
{
    begin_event(out, "CUSTOM");
    render_ag_ui_put_member(out, ",\"name\":", name);
    buf_puts(out, ",\"value\":");
    dialect_put(out, value);
    end_event(out);
}

static void put_metadata(const struct part *part, struct buf *out)
{
    static const char name[] = "\"message-metadata\"";
    if (part->value.data)
        put_custom((struct slice){name, sizeof name - 1}, part->value, out);
}

void render_ag_ui_put_step(const struct render *r, const char *type, struct buf *out)
{
    begin_event(out, type);
    buf_printf(out, ",\"stepName\":\"step-%u\"", r->fold.steps);
    end_event(out);
}

void render_ag_ui_put_rest(struct render *r, const struct part *part, const struct known *known,
                           struct buf *out)
{
    switch (part->kind) {
    case PART_START:
    case PART_METADATA:
        put_metadata(part, out);
        return;
    case PART_START_STEP:
        render_ag_ui_put_step(r, "STEP_STARTED", out);
        return;
    case PART_FINISH_STEP:
        render_ag_ui_put_step(r, "STEP_FINISHED", out);
        return;
    case PART_OUTPUT:
    case PART_OUTPUT_ERROR:
    case PART_OUTPUT_DENIED:
        put_result(r, part, known, out);
        return;
    case PART_DATA:
        put_custom(part->type, part->value, out);
        return;
    case PART_THING:
    case PART_APPROVAL_ASKED:
    case PART_APPROVAL_GIVEN:
        put_custom(part->type, part->json, out);
        return;
    default:
        return;
    }
}

static void put_part(struct render *r, const struct part *part, const struct known *known,
                     struct buf *out)
{
    switch (part->kind) {
    case PART_TEXT_START:
        render_ag_ui_start_text(r, out);
        return;
    case PART_TEXT_DELTA:
        add_text(r, part, out);
        return;
    case PART_TEXT_END:
        end_text(r, known, out);
        return;
    case PART_REASONING_START:
        render_ag_ui_start_reasoning(r, known, out);
        return;
    case PART_REASONING_DELTA:
        add_reasoning(r, part, known, out);
        return;
    case PART_REASONING_END:
        end_reasoning(r, known, out);
        return;
    case PART_CALL_START:
    case PART_CALL_DELTA:
    case PART_CALL_INPUT:
    case PART_CALL_BROKEN:
    case PART_CALL_END:
        put_call(r, part, known, out);
        return;
    default:
        render_ag_ui_put_rest(r, part, known, out);
    }
}

/* ---- snapshots ---- */

void render_ag_ui_put_snapshot(const struct render *r, const struct buf *messages, struct buf *out)
{
    begin_event(out, "MESSAGES_SNAPSHOT");
    buf_puts(out, ",\"messages\":[");
    buf_add(out, r->history.data, r->history.length);
    buf_add(out, messages->data, messages->length);
    if ((r->history.length > 0 || messages->length > 0) && buf_ok(out))
        out->length--; /* the last comma */
    buf_putc(out, ']');
    end_event(out);
}

/* A client keeps reasoning that a snapshot does not name; so it is named, and empty. */
static void blank_reasoning(const struct render *r, struct buf *messages)
{
    const struct parts *parts = &r->fold.parts;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->list[i].kind != KNOWN_REASONING)
            continue;
        buf_puts(messages, "{\"id\":");
        render_ag_ui_put_id_below(r, parts->list[i].step, ".reasoning.", parts_id(&parts->list[i]),
                                  messages);
        buf_puts(messages, ",\"role\":\"reasoning\",\"content\":\"\"},");
    }
}

static bool take_all_back(struct render *r, struct buf *out)
{
    struct buf messages = {0};
    if (r->fold.forgot)
        return false;
    blank_reasoning(r, &messages);
    render_ag_ui_put_snapshot(r, &messages, out);
    out->failed |= messages.failed;
    buf_clear(&messages);
    return true;
}

static bool take_back(struct render *r, struct buf *out)
{
    fold_close(r, out);
    return take_all_back(r, out);
}

/* What the steps before it said is not kept; so without them there is nothing to name. */
static bool take_back_step(struct render *r, struct buf *out)
{
    if (r->fold.gave_before)
        return false;
    fold_close_parts(r, out);
    return take_all_back(r, out);
}

/* ---- the first and the last ---- */

static void put_run(const struct render *r, struct buf *out)
{
    buf_puts(out, ",\"threadId\":\"");
    dialect_put_name(out, *r->options.thread_id ? r->options.thread_id : r->chat);
    buf_puts(out, "\",\"runId\":\"");
    dialect_put_name(out, *r->options.run_id ? r->options.run_id : r->job);
    buf_putc(out, '"');
}

static void begin(struct render *r, struct buf *out)
{
    buf_putc(&r->before, '"');
    dialect_put_name(&r->before, r->job);
    out->failed |= r->before.failed;
    begin_event(out, "RUN_STARTED");
    put_run(r, out);
    end_event(out);
}

static void put_tokens(const char *name, int64_t tokens, const char **comma, struct buf *out)
{
    if (tokens < 0)
        return;
    buf_printf(out, "%s\"%s\":%" PRId64, *comma, name, tokens);
    *comma = ",";
}

static void put_usage(const struct render *r, struct buf *out)
{
    const struct usage *usage = &r->fold.usage;
    const char *comma = "";
    if (usage->input < 0 && usage->output < 0)
        return;
    buf_puts(out, ",\"usage\":[{");
    if (r->fold.model.length > 0) {
        render_ag_ui_put_member(
            out, "\"model\":", (struct slice){r->fold.model.data, r->fold.model.length});
        comma = ",";
    }
    put_tokens("inputTokens", usage->input, &comma, out);
    put_tokens("outputTokens", usage->output, &comma, out);
    put_tokens("reasoningTokens", usage->reasoning, &comma, out);
    put_tokens("cachedInputTokens", usage->cached, &comma, out);
    buf_puts(out, "}]");
}

static void end(struct render *r, const struct ending *ending, struct buf *out)
{
    bool is_finished = ending->kind == ENDING_DONE || ending->kind == ENDING_CANCELLED;
    begin_event(out, is_finished ? "RUN_FINISHED" : "RUN_ERROR");
    if (is_finished) {
        put_run(r, out);
    } else {
        render_ag_ui_put_member(out, ",\"message\":", ending->text);
        buf_puts(out, ",\"code\":");
        json_quote(out, ending->code.data, ending->code.length);
    }
    if (ending->kind == ENDING_CANCELLED)
        buf_puts(out, ",\"outcome\":{\"type\":\"cancelled\"}");
    put_usage(r, out);
    end_event(out);
}

const struct dialect dialect_ag_ui = {
    .begin = begin,
    .part = put_part,
    .take_back = take_back,
    .take_back_step = take_back_step,
    .release = render_ag_ui_release,
    .end = end,
};
