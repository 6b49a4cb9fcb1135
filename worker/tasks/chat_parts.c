/*
 * chat_parts.c: which part a piece belongs to, and the lines that say so.
 *
 * Called by chat_reply.c. The dangerous part is to which tool call a piece belongs: by OpenAI's
 * reference a call's id and name come once and its pieces by `index`. But Gemini's compatible end
 * leaves the index out, or calls each of several calls 0 (github.com/THU-MAIC/OpenMAIC/issues/1556,
 * github.com/su-kaka/gcli2api/pull/406), with an id each, or none
 * (github.com/dyedd/lens/issues/49). So a piece begins a new call if its id is another one, or if
 * the call that it would go to is whole.
 */
#include "chat_parts.h"

#include <stdlib.h>
#include <string.h>

/* Of one delta; quoted it has at most six times as many, less than the shortest usual
 * TASK_MAX_LINE. */
#define PIECE_MOST ((size_t)32 * 1024)
#define ERROR_INPUT_MOST ((size_t)16 * 1024)

/* ---- the lines ---- */

static void put_member(struct buf *out, const char *name, const char *text, size_t length)
{
    buf_puts(out, ",\"");
    buf_puts(out, name);
    buf_puts(out, "\":");
    json_quote(out, text, length);
}

static void put_type(struct buf *out, const char *type)
{
    buf_puts(out, "{\"type\":\"");
    buf_puts(out, type);
    buf_putc(out, '"');
}

static void put_end(struct buf *out)
{
    buf_puts(out, "}\n");
}

static void put_part(const struct chat_parts *p, const char *what, struct buf *out)
{
    bool text = p->open == CHAT_PART_TEXT;
    buf_printf(out, "{\"type\":\"%s-%s\",\"id\":\"%c%u\"", text ? "text" : "reasoning", what,
               text ? 't' : 'r', text ? p->texts : p->reasonings);
}

static void put_part_line(const struct chat_parts *p, const char *what, struct buf *out)
{
    put_part(p, what, out);
    put_end(out);
}

static void put_call(const struct chat_call *call, const char *type, bool named, struct buf *out)
{
    put_type(out, type);
    put_member(out, "toolCallId", buf_text(&call->shown_id), call->shown_id.length);
    if (named)
        put_member(out, "toolName", buf_text(&call->name), call->name.length);
}

/* ---- tool calls end ---- */

static bool is_blank(const struct buf *text)
{
    return strspn(buf_text(text), " \t\r\n") == text->length;
}

static void put_call_error(const struct chat_call *call, const char *why, struct buf *out)
{
    put_call(call, "tool-input-error", true, out);
    const char *input = buf_text(&call->input);
    put_member(out, "input", input, chat_text_cut(input, call->input.length, ERROR_INPUT_MOST));
    put_member(out, "errorText", why, strlen(why));
    put_end(out);
}

/* Inside brackets it is as deep as it will stand in its line. */
static const char *why_no_input(const struct chat_call *call, struct buf *bracketed)
{
    if (call->name.length == 0)
        return "The model did not say which tool it calls.";
    if (call->input.length > CHAT_INPUT_MOST)
        return "The tool's input is longer than 192 KiB.";
    struct json_info info;
    buf_putc(bracketed, '[');
    buf_add(bracketed, call->input.data, call->input.length);
    buf_putc(bracketed, ']');
    if (!buf_ok(bracketed) ||
        !json_check(call->input.data ? call->input.data : "", call->input.length, &info) ||
        !json_check(bracketed->data, bracketed->length, &info))
        return "The tool's input is not whole JSON.";
    return NULL;
}

static void put_call_input(struct chat_call *call, struct buf *out)
{
    struct buf bracketed = {0};
    if (is_blank(&call->input)) {
        buf_reset(&call->input);
        buf_puts(&call->input, "{}"); /* a tool without parameters */
    }
    const char *wrong = why_no_input(call, &bracketed);
    struct chat_value input = {0};
    if (!wrong && chat_value_read(call->input.data, call->input.length, &input)) {
        put_call(call, "tool-input-available", true, out);
        buf_puts(out, ",\"input\":");
        chat_value_compact(&input, out);
        put_end(out);
    } else {
        put_call_error(call, wrong ? wrong : "", out);
    }
    out->failed |= !buf_ok(&bracketed) || !buf_ok(&call->input) || !buf_ok(&call->shown_id);
    buf_clear(&bracketed);
}

static void start_call(struct chat_parts *p, struct chat_call *call, struct buf *out);

static void close_call(struct chat_parts *p, struct chat_call *call, struct buf *out)
{
    if (call->closed)
        return;
    start_call(p, call, out);
    put_call_input(call, out);
    call->closed = true;
    buf_clear(&call->input);
}

static void end_part(struct chat_parts *p, struct buf *out)
{
    if (p->open != CHAT_PART_NONE)
        put_part_line(p, "end", out);
    p->open = CHAT_PART_NONE;
}

/* Before another part begins: text ends, and of the calls those that nothing can be added to. */
static void close_others(struct chat_parts *p, const struct chat_call *except, struct buf *out)
{
    end_part(p, out);
    for (size_t i = 0; i < p->call_count; i++) {
        if (&p->calls[i] != except && p->calls[i].whole && p->calls[i].name.length > 0)
            close_call(p, &p->calls[i], out);
    }
}

/* ---- text ---- */

static void open_part(struct chat_parts *p, enum chat_part part, struct buf *out)
{
    if (p->open == part)
        return;
    close_others(p, NULL, out);
    p->open = part;
    if (part == CHAT_PART_TEXT)
        p->texts++;
    else
        p->reasonings++;
    put_part_line(p, "start", out);
}

static void count(struct chat_parts *p, size_t length)
{
    p->spoke = true;
    p->bytes += (int64_t)length;
    p->tokens += max_i64(1, (int64_t)length / 4);
}

void chat_parts_add(struct chat_parts *p, enum chat_part part, const char *text, size_t length,
                    struct buf *out)
{
    if (length == 0)
        return;
    open_part(p, part, out);
    count(p, length);
    if (part == CHAT_PART_TEXT)
        buf_add(&p->text, text, length);
    while (length > 0) {
        size_t piece = chat_text_cut(text, length, PIECE_MOST);
        put_part(p, "delta", out);
        put_member(out, "delta", text, piece);
        put_end(out);
        text += piece;
        length -= piece;
    }
}

/* ---- tool calls ---- */

static struct chat_call *last_of_index(const struct chat_parts *p, int64_t index)
{
    for (size_t i = p->call_count; i-- > 0;) {
        if (index < 0 || p->calls[i].index == index)
            return &p->calls[i];
    }
    return NULL;
}

static struct chat_call *of_id(const struct chat_parts *p, const struct buf *id)
{
    for (size_t i = 0; i < p->call_count; i++) {
        if (strcmp(buf_text(&p->calls[i].id), buf_text(id)) == 0)
            return &p->calls[i];
    }
    return NULL;
}

/* Without an index: whether a piece is no more of the last call. */
static bool is_another(const struct chat_call *last, const struct chat_piece *piece)
{
    if (piece->name->length > 0 &&
        (last->whole || strcmp(buf_text(&last->name), buf_text(piece->name)) != 0))
        return last->name.length > 0;
    return piece->id->length > 0 && last->started;
}

/* The call that a piece goes on with; NULL: it begins one. */
static struct chat_call *call_of(const struct chat_parts *p, const struct chat_piece *piece)
{
    if (piece->id->length > 0) {
        struct chat_call *call = of_id(p, piece->id);
        if (call)
            return call;
    }
    struct chat_call *call = last_of_index(p, piece->index);
    if (!call || (piece->id->length > 0 && call->id.length > 0))
        return NULL;
    if (call->whole && !is_blank(piece->input))
        return NULL;
    if (piece->index < 0 && is_another(call, piece))
        return NULL;
    return call;
}

/* Of a call whose id nobody said: the same for the same answer, another for another one. */
static void show_id(const struct chat_parts *p, struct chat_call *call)
{
    if (call->id.length > 0)
        buf_add(&call->shown_id, call->id.data, call->id.length);
    else
        buf_printf(&call->shown_id, "call_%08x_%zu", p->seed, (size_t)(call - p->calls) + 1);
}

static void start_call(struct chat_parts *p, struct chat_call *call, struct buf *out)
{
    if (call->started)
        return;
    show_id(p, call);
    close_others(p, call, out);
    call->started = true;
    p->spoke = true;
    put_call(call, "tool-input-start", true, out);
    put_end(out);
}

static void put_input(const struct chat_call *call, const char *text, size_t length,
                      struct buf *out)
{
    while (length > 0) {
        size_t piece = chat_text_cut(text, length, PIECE_MOST);
        put_call(call, "tool-input-delta", false, out);
        put_member(out, "inputTextDelta", text, piece);
        put_end(out);
        text += piece;
        length -= piece;
    }
}

/* What came before the name was said is written with it. */
static void grow(struct chat_parts *p, struct chat_call *call, const struct buf *input,
                 struct buf *out)
{
    bool first = !call->started && call->name.length > 0;
    if (first)
        start_call(p, call, out);
    buf_add(&call->input, buf_text(input), input->length);
    if (input->length > 0)
        count(p, input->length);
    for (size_t i = 0; i < input->length; i++)
        call->whole |= chat_depth_take(&call->depth, input->data[i]);
    if (first)
        put_input(call, buf_text(&call->input), call->input.length, out);
    else if (call->started)
        put_input(call, buf_text(input), input->length, out);
}

/* A server that names only the first of its calls means the same tool again. */
static struct chat_call *add_call(struct chat_parts *p, const struct chat_piece *piece)
{
    if (p->call_count == CHAT_CALLS_MOST)
        return NULL;
    const struct chat_call *former = last_of_index(p, piece->index);
    if (!p->calls)
        p->calls = calloc(CHAT_CALLS_MOST, sizeof *p->calls);
    if (!p->calls) {
        p->failed = true;
        return NULL;
    }
    struct chat_call *call = &p->calls[p->call_count++];
    call->index = piece->index;
    if (former && piece->name->length == 0)
        buf_add(&call->name, buf_text(&former->name), former->name.length);
    return call;
}

static void learn(struct buf *known, const struct buf *said)
{
    if (known->length == 0)
        buf_add(known, buf_text(said), said->length);
}

bool chat_parts_call(struct chat_parts *p, const struct chat_piece *piece, struct buf *out)
{
    struct chat_call *call = call_of(p, piece);
    if (!call)
        call = add_call(p, piece);
    if (!call)
        return p->failed;
    if (call->closed)
        return true;
    learn(&call->id, piece->id);
    learn(&call->name, piece->name);
    end_part(p, out);
    grow(p, call, piece->input, out);
    p->failed |= !buf_ok(&call->id) || !buf_ok(&call->name) || !buf_ok(&call->shown_id) ||
                 !buf_ok(&call->input);
    return true;
}

void chat_parts_close(struct chat_parts *p, struct buf *out)
{
    end_part(p, out);
    for (size_t i = 0; i < p->call_count; i++)
        close_call(p, &p->calls[i], out);
}

bool chat_parts_ok(const struct chat_parts *p)
{
    return !p->failed && buf_ok(&p->text);
}

static void clear_call(struct chat_call *call)
{
    buf_clear(&call->id);
    buf_clear(&call->name);
    buf_clear(&call->shown_id);
    buf_clear(&call->input);
}

void chat_parts_clear(struct chat_parts *p)
{
    for (size_t i = 0; i < p->call_count; i++)
        clear_call(&p->calls[i]);
    free(p->calls);
    buf_clear(&p->text);
}
