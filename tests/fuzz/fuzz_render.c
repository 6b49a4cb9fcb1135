/*
 * fuzz_render.c: any entries in any order through each renderer: what comes out is always what a
 * strict client takes, and nothing depends on more than the entries.
 *
 * Input: a byte for the format and its options, then records: what it is, a byte for the id, the
 * length of a text, and the text. What it is: one of the messages below, with id and text put in;
 * the text as it stands as a message; or something that happens beside messages.
 */
#include "json.h"
#include "render_check.h"
#include "render_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In a message, # is the id and $ the text, as a string of JSON. */
static const char *const messages[] = {
    "{\"type\":\"start\"}",
    "{\"type\":\"start\",\"messageId\":$,\"messageMetadata\":{\"usage\":{\"inputTokens\":1}}}",
    "{\"type\":\"start-step\"}",
    "{\"type\":\"finish-step\"}",
    "{\"type\":\"reset-step\"}",
    "{\"type\":\"finish\",\"finishReason\":$}",
    "{\"type\":\"abort\",\"reason\":$}",
    "{\"type\":\"error\",\"errorText\":$}",
    "{\"type\":\"message-metadata\",\"messageMetadata\":{\"model\":$,\"usage\":{\"outputTokens\":2}"
    "}}",
    "{\"type\":\"text-start\",\"id\":#}",
    "{\"type\":\"text-delta\",\"id\":#,\"delta\":$}",
    "{\"delta\":$,\"type\":\"text-delta\",\n\"id\":#}",
    "{\"type\":\"text-end\",\"id\":#}",
    "{\"type\":\"reasoning-start\",\"id\":#}",
    "{\"type\":\"reasoning-delta\",\"id\":#,\"delta\":$}",
    "{\"type\":\"reasoning-end\",\"id\":#}",
    "{\"type\":\"tool-input-start\",\"toolCallId\":#,\"toolName\":$}",
    "{\"type\":\"tool-input-delta\",\"toolCallId\":#,\"inputTextDelta\":$}",
    "{\"type\":\"tool-input-available\",\"toolCallId\":#,\"toolName\":$,\"input\":{\"a\":$}}",
    "{\"type\":\"tool-input-error\",\"toolCallId\":#,\"toolName\":\"n\",\"input\":$,\"errorText\":$"
    "}",
    "{\"type\":\"tool-output-available\",\"toolCallId\":#,\"output\":$}",
    "{\"type\":\"tool-output-available\",\"toolCallId\":#,\"output\":{},\"preliminary\":true}",
    "{\"type\":\"tool-output-error\",\"toolCallId\":#,\"errorText\":$}",
    "{\"type\":\"tool-output-denied\",\"toolCallId\":#}",
    "{\"type\":\"tool-approval-request\",\"toolCallId\":#,\"approvalId\":#}",
    "{\"type\":\"tool-approval-response\",\"approvalId\":#,\"approved\":true}",
    "{\"type\":\"source-url\",\"sourceId\":#,\"url\":$}",
    "{\"type\":\"data-x\",\"id\":#,\"data\":$}",
    "{\"type\":\"data-x\",\"data\":null,\"transient\":true}",
    "{\"message\":$}",
    "{\"type\":$,\"text\":$}",
};

static const char *const ids[] = {"\"a\"",       "\"b\"", "\"\\u0061\"",    "\"\"",
                                  "\"plain-1\"", "\"2\"", "\"a\\\"\\\\b\"", "\"plain-2\""};

enum happening {
    AS_IT_STANDS = COUNT_OF(messages),
    WITHOUT_DATA,
    CAUGHT_UP,
    ATTEMPT,
    VOID,
    FIRST_END,                  /* ENTRY_DONE and on */
    FIRST_LAST = FIRST_END + 4, /* RENDER_SUPERSEDED and on */
    HAPPENINGS = FIRST_LAST + 3,
};

struct input {
    const uint8_t *at, *end;
};

struct record {
    unsigned what;
    const char *id;
    struct slice text;
};

static void require(bool claim, const char *wrong, const struct buf *out)
{
    if (claim)
        return;
    fprintf(stderr, "%s:\n%s\n", wrong, buf_text(out));
    abort();
}

static bool next(struct input *input, struct record *record)
{
    if (input->end - input->at < 3)
        return false;
    size_t length = min_size(input->at[2], (size_t)(input->end - input->at - 3));
    record->what = input->at[0] % HAPPENINGS;
    record->id = ids[input->at[1] % COUNT_OF(ids)];
    record->text = (struct slice){(const char *)input->at + 3, length};
    input->at += 3 + length;
    return true;
}

static void fill(const struct record *record, struct buf *json)
{
    for (const char *at = messages[record->what]; *at; at++) {
        if (*at == '#')
            buf_puts(json, record->id);
        else if (*at == '$')
            json_quote(json, record->text.data, record->text.length);
        else
            buf_putc(json, *at);
    }
}

static bool put_message(struct render *r, uint64_t n, const struct record *record, struct buf *out)
{
    struct buf json = {0};
    struct entry entry = {.kind = ENTRY_MESSAGE, .id = {7, n}, .data = record->text};
    if (record->what < COUNT_OF(messages)) {
        fill(record, &json);
        entry.data = (struct slice){json.data, json.length};
    } else if (record->what == WITHOUT_DATA) {
        entry.data = (struct slice){0};
    }
    bool ended = render_entry(r, &entry, out);
    buf_clear(&json);
    return ended;
}

static bool put(struct render *r, uint64_t n, const struct record *record, struct buf *out)
{
    unsigned what = record->what;
    char text[256] = "";
    memcpy(text, record->text.data, record->text.length);
    text[record->text.length] = '\0';
    if (what <= WITHOUT_DATA)
        return put_message(r, n, record, out);
    if (what == CAUGHT_UP)
        render_caught_up(r, out);
    else if (what == ATTEMPT)
        return script_start(r, n, text, out);
    else if (what == VOID)
        return render_void(r, n, out);
    else if (what < FIRST_LAST)
        return script_end(r, (enum entry_kind)(ENTRY_DONE + what - FIRST_END), text, text, out);
    else
        render_end(r, (enum render_end)(what - FIRST_LAST), out);
    return what >= FIRST_LAST;
}

static void judge(struct render *r, const struct render_options *options, bool ended,
                  struct buf *out)
{
    struct json_info info;
    int status = 0;
    const char *wrong = NULL;
    require(buf_ok(out), "no memory", out);
    if (options->format == RENDER_RAW) {
        require(json_is_utf8(buf_text(out), out->length), "no UTF-8", out);
        require(!memchr(buf_text(out), '\r', out->length), "a CR", out);
    } else if (options->whole) {
        require(out->length == 0, "frames before the whole", out);
        if (ended)
            render_whole(r, &status, out);
        require(!ended || json_check(buf_text(out), out->length, &info), "no JSON", out);
    } else {
        wrong = check_answer(options->format, buf_text(out), out->length, ended);
        require(!wrong, wrong, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data + 1, data + size};
    struct record record;
    struct buf out = {0};
    uint64_t n = 0;
    bool ended = false;
    if (size == 0)
        return 0;
    struct render_options options = {.format = (enum render_format)(data[0] & 3),
                                     .snapshot = data[0] & 4,
                                     .include_usage = data[0] & 8,
                                     .whole = (data[0] & 3) == RENDER_OPENAI && data[0] & 16};
    struct render *r = script_begin(&options, &out);
    require(r != NULL, "no memory", &out);
    while (!ended && next(&input, &record))
        ended = put(r, ++n, &record, &out);
    judge(r, &options, ended, &out);
    render_free(r);
    buf_clear(&out);
    return 0;
}
