/*
 * render_openai.c: chat.completion.chunk, and chat.completion for who did not ask for a stream
 * [openai-node: streaming.ts, ChatCompletionStream.ts; openai-python: chat_completion_chunk.py].
 *
 * A chunk is the same bytes but for its delta; they are made once. The finish_reason comes when the
 * job has ended: what a task says before may still be void.
 *
 * A cancelled answer ends with finish_reason "stop" and [DONE]. Somebody wished it to end there,
 * and what was said is worth keeping; without a finish_reason the client's helpers throw away all
 * that came ("missing finish_reason"), and an error chunk makes them raise. Whatever else keeps an
 * answer from its end is an error.
 */
#include "dialect.h"

#include "json.h"

#include <inttypes.h>
#include <string.h>

/* ---- chunks ---- */

static void put_head(const struct render *r, const char *object, struct buf *out)
{
    buf_puts(out, "{\"id\":\"chatcmpl-");
    dialect_put_name(out, r->job);
    buf_printf(out, "\",\"object\":\"%s\",\"created\":%" PRId64 ",\"model\":\"", object,
               r->options.created_s);
    dialect_put_name(out, r->feature);
    buf_putc(out, '"');
}

static void begin_chunk(const struct render *r, struct buf *out)
{
    buf_add(out, r->before.data, r->before.length);
}

static void end_chunk(const struct render *r, struct buf *out)
{
    buf_add(out, r->behind.data, r->behind.length);
}

/* One chunk whose delta has a string of JSON behind `before`, and then `behind`. */
static void put_delta(const struct render *r, const char *before, struct slice text,
                      const char *behind, struct buf *out)
{
    begin_chunk(r, out);
    buf_puts(out, before);
    buf_add(out, text.data, text.length);
    buf_puts(out, behind);
    end_chunk(r, out);
}

static void begin(struct render *r, struct buf *out)
{
    if (r->options.whole)
        return;
    buf_puts(&r->before, "data: ");
    put_head(r, "chat.completion.chunk", &r->before);
    buf_puts(&r->before, ",\"choices\":[{\"index\":0,\"delta\":{");
    buf_puts(&r->behind, "},\"logprobs\":null,\"finish_reason\":null}]");
    buf_puts(&r->behind, r->options.include_usage ? ",\"usage\":null}\n\n" : "}\n\n");
    out->failed |= r->before.failed || r->behind.failed;
    if (!buf_ok(out))
        return;
    begin_chunk(r, out);
    buf_puts(out, "\"role\":\"assistant\",\"content\":\"\"");
    end_chunk(r, out);
}

/* ---- tool calls ---- */

static void begin_call(const struct render *r, const struct part *part, const struct known *known,
                       struct buf *out)
{
    begin_chunk(r, out);
    buf_printf(out, "\"tool_calls\":[{\"index\":%u,\"id\":", known->number);
    buf_add(out, part->id.data, part->id.length);
    buf_puts(out, ",\"type\":\"function\",\"function\":{\"name\":");
    buf_add(out, part->name.data, part->name.length);
    buf_puts(out, ",\"arguments\":");
}

static void put_input(const struct render *r, const struct part *part, const struct known *known,
                      struct buf *out)
{
    if (!known->begun) {
        begin_call(r, part, known, out);
    } else {
        begin_chunk(r, out);
        buf_printf(out,
                   "\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":", known->number);
    }
    dialect_put_input(out, part);
    buf_puts(out, "}}]");
    end_chunk(r, out);
}

static void put_call(const struct render *r, const struct part *part, const struct known *known,
                     struct buf *out)
{
    if (part->kind == PART_CALL_START) {
        begin_call(r, part, known, out);
        buf_puts(out, "\"\"}}]");
        end_chunk(r, out);
    } else if (part->kind == PART_CALL_DELTA || !known->has_input) {
        put_input(r, part, known, out);
    }
}

static void put_part(struct render *r, const struct part *part, const struct known *known,
                     struct buf *out)
{
    if (r->options.whole) {
        said_take(&r->said, part, known, 0);
        out->failed |= r->said.failed;
        return;
    }
    switch (part->kind) {
    case PART_TEXT_DELTA:
        put_delta(r, "\"content\":", part->text, "", out);
        return;
    case PART_REASONING_DELTA:
        put_delta(r, "\"reasoning_content\":", part->text, "", out);
        return;
    case PART_CALL_START:
    case PART_CALL_DELTA:
    case PART_CALL_INPUT:
    case PART_CALL_BROKEN:
        put_call(r, part, known, out);
        return;
    default:
        return;
    }
}

/* ---- what is void ---- */

static bool take_back(struct render *r, struct buf *out)
{
    (void)out;
    if (!r->options.whole)
        return !r->fold.spoke_before && !r->fold.spoke_step;
    said_clear(&r->said);
    return true;
}

/* Of a whole answer too: which of its text was said before the step is not kept. */
static bool take_back_step(struct render *r, struct buf *out)
{
    if (r->options.whole && !r->fold.spoke_before)
        return take_back(r, out);
    return !r->fold.spoke_step;
}

/* ---- the end ---- */

/* Calls that the client is to answer. */
static bool asks(const struct render *r)
{
    const struct parts *parts = &r->fold.parts;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->list[i].kind == KNOWN_CALL && !parts->list[i].answered)
            return true;
    }
    return false;
}

static const char *finish_reason(const struct render *r)
{
    const char *said = buf_text(&r->fold.finish);
    if (strcmp(said, "\"length\"") == 0)
        return "\"length\"";
    if (strcmp(said, "\"content-filter\"") == 0)
        return "\"content_filter\"";
    if (strcmp(said, "\"tool-calls\"") == 0 || (!*said && asks(r)))
        return "\"tool_calls\"";
    return "\"stop\"";
}

static void put_usage(const struct usage *usage, struct buf *out)
{
    int64_t input = max_i64(usage->input, 0), output = max_i64(usage->output, 0);
    buf_printf(out,
               "{\"prompt_tokens\":%" PRId64 ",\"completion_tokens\":%" PRId64
               ",\"total_tokens\":%" PRId64,
               input, output, input + output);
    if (usage->cached >= 0)
        buf_printf(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRId64 "}",
                   usage->cached);
    if (usage->reasoning >= 0)
        buf_printf(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%" PRId64 "}",
                   usage->reasoning);
    buf_putc(out, '}');
}

/* Nobody said how many: then nothing is better than a zero that was never measured. */
static bool knows_usage(const struct render *r)
{
    return r->fold.usage.input >= 0 || r->fold.usage.output >= 0;
}

/* The task could not make a question of what the client sent: its own mistake. */
static bool is_clients(const struct ending *ending)
{
    static const char word[] = "question";
    return ending->kind == ENDING_FAILED && ending->code.length == strlen(word) &&
           memcmp(ending->code.data, word, strlen(word)) == 0;
}

static void put_error(const struct ending *ending, struct buf *out)
{
    /* Of a cancelled one the text is just why: a word. */
    bool is_cancelled = ending->kind == ENDING_CANCELLED;
    struct slice text = part_inside(ending->text);
    buf_puts(out, "{\"error\":{\"message\":\"");
    buf_puts(out, is_cancelled ? "The answer was cancelled: " : "");
    buf_add(out, text.data, text.length);
    buf_puts(out, is_cancelled ? ".\"" : "\"");
    buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":",
               is_clients(ending) ? "invalid_request_error" : "server_error");
    json_quote(out, ending->code.data, ending->code.length);
    buf_puts(out, "}}");
}

static void put_end(const struct render *r, struct buf *out)
{
    const char *behind = r->options.include_usage ? ",\"usage\":null}\n\n" : "}\n\n";
    begin_chunk(r, out);
    buf_printf(out, "},\"logprobs\":null,\"finish_reason\":%s}]%s", finish_reason(r), behind);
    if (r->options.include_usage && knows_usage(r)) {
        buf_puts(out, "data: ");
        put_head(r, "chat.completion.chunk", out);
        buf_puts(out, ",\"choices\":[],\"usage\":");
        put_usage(&r->fold.usage, out);
        buf_puts(out, "}\n\n");
    }
    buf_puts(out, "data: [DONE]\n\n");
}

static void keep_ending(struct render *r, const struct ending *ending, struct buf *out)
{
    r->ending.kind = ending->kind;
    buf_add(&r->ending.code, ending->code.data, ending->code.length);
    buf_add(&r->ending.text, ending->text.data, ending->text.length);
    out->failed |= r->ending.code.failed || r->ending.text.failed;
}

static void end(struct render *r, const struct ending *ending, struct buf *out)
{
    if (r->options.whole) {
        keep_ending(r, ending, out);
    } else if (ending->kind == ENDING_DONE || ending->kind == ENDING_CANCELLED) {
        put_end(r, out);
    } else {
        buf_puts(out, "data: ");
        put_error(ending, out);
        buf_puts(out, "\n\n");
    }
}

/* ---- the whole answer ---- */

static int status_of(const struct ending *ending)
{
    if (is_clients(ending))
        return 400;
    switch (ending->kind) {
    case ENDING_DONE:
        return 200;
    case ENDING_CANCELLED:
        return 499;
    case ENDING_EXPIRED:
        return 504;
    case ENDING_SUPERSEDED:
    case ENDING_GONE:
        return 410;
    default:
        return 500;
    }
}

static void put_inside(struct buf *out, const char *name, const struct buf *inside)
{
    buf_puts(out, name);
    buf_add(out, inside->data, inside->length);
    buf_putc(out, '"');
}

static void put_thoughts(struct buf *out, const struct said *said)
{
    buf_puts(out, ",\"reasoning_content\":\"");
    for (size_t i = 0; i < said->thought_count; i++)
        buf_add(out, said->thoughts[i].text.data, said->thoughts[i].text.length);
    buf_putc(out, '"');
}

static void put_completion(const struct render *r, struct buf *out)
{
    const struct said *said = &r->said;
    put_head(r, "chat.completion", out);
    buf_puts(out, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"");
    if (said->text.length > 0 || said->call_count == 0)
        put_inside(out, ",\"content\":\"", &said->text);
    else
        buf_puts(out, ",\"content\":null");
    if (said->thought_count > 0)
        put_thoughts(out, said);
    if (said->call_count > 0) {
        buf_puts(out, ",\"tool_calls\":");
        said_put_calls(said, out);
    }
    buf_printf(out, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":%s}]",
               finish_reason(r));
    if (knows_usage(r)) {
        buf_puts(out, ",\"usage\":");
        put_usage(&r->fold.usage, out);
    }
    buf_putc(out, '}');
}

void render_whole(struct render *r, int *http_status, struct buf *out)
{
    struct ending ending = {.kind = r->ending.kind,
                            .code = {r->ending.code.data, r->ending.code.length},
                            .text = {r->ending.text.data, r->ending.text.length}};
    *http_status = status_of(&ending);
    if (ending.kind == ENDING_DONE)
        put_completion(r, out);
    else
        put_error(&ending, out);
}

const struct dialect dialect_openai = {
    .begin = begin,
    .part = put_part,
    .take_back = take_back,
    .take_back_step = take_back_step,
    .end = end,
};
