/*
 * test_chat_reply.c: answers of model servers, in every way that bytes may come.
 *
 * The shapes are those that servers send: OpenAI's reference, and what the documents and issues
 * named in worker/tasks/chat_*.c show of the others.
 */
#include "failing_memory.h"

#include "chat_reply.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    const char *name;
    enum feature_api api;
    const char *body;
    const char *lines;
    enum status status;
    enum chat_finish finish;
    bool complete;
    int64_t input, output, reasoning, cached;
    bool measured;
    const char *model, *text, *error;
};

#define CHUNK(rest) \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\"," rest "}\n\n"
#define DELTA(delta) CHUNK("\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]")
#define FINISH(reason) \
    CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]")
#define DONE "data: [DONE]\n\n"
#define TEXT_START(id) "{\"type\":\"text-start\",\"id\":\"" id "\"}\n"
#define TEXT_END(id) "{\"type\":\"text-end\",\"id\":\"" id "\"}\n"
#define TEXT(id, text) "{\"type\":\"text-delta\",\"id\":\"" id "\",\"delta\":\"" text "\"}\n"
#define THOUGHT(id, text) \
    "{\"type\":\"reasoning-delta\",\"id\":\"" id "\",\"delta\":\"" text "\"}\n"
#define THOUGHT_START(id) "{\"type\":\"reasoning-start\",\"id\":\"" id "\"}\n"
#define THOUGHT_END(id) "{\"type\":\"reasoning-end\",\"id\":\"" id "\"}\n"
#define CALL(what, id) "{\"type\":\"tool-input-" what "\",\"toolCallId\":\"" id "\""
#define CALL_START(id, tool) CALL("start", id) ",\"toolName\":\"" tool "\"}\n"
#define CALL_MORE(id, text) CALL("delta", id) ",\"inputTextDelta\":\"" text "\"}\n"
#define CALL_INPUT(id, tool, input) \
    CALL("available", id) ",\"toolName\":\"" tool "\",\"input\":" input "}\n"
#define CALL_ERROR(id, tool, input, why) \
    CALL("error", id)                    \
    ",\"toolName\":\"" tool "\",\"input\":\"" input "\",\"errorText\":\"" why "\"}\n"
#define WEATHER "{\\\"city\\\":\\\"Rome\\\"}"

static const struct fixture fixtures[] = {
    {.name = "OpenAI: text, then the usage in a chunk without choices",
     .body = CHUNK("\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
                   "\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}],"
                   "\"usage\":null,\"obfuscation\":\"x\"") DELTA("{\"content\":\"Gr\xc3\xbc\"}")
         DELTA("{\"content\":\"\\u00dfe \\ud83d\\ude00\\n\"}") FINISH("stop")
             CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,"
                   "\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":7},"
                   "\"completion_tokens_details\":{\"reasoning_tokens\":3}}") DONE,
     .lines = TEXT_START("t1") TEXT("t1", "Gr\xc3\xbc") TEXT("t1", "\xc3\x9f"
                                                                   "e \xf0\x9f\x98\x80\\n")
         TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = 19,
     .output = 10,
     .reasoning = 3,
     .cached = 7,
     .measured = true,
     .model = "gpt-x",
     .text = "Gr\xc3\xbc\xc3\x9f"
             "e \xf0\x9f\x98\x80\n"},
    {.name = "a backend whose usage chunk has null for choices",
     .body = DELTA("{\"content\":\"a\"}") FINISH("length")
         CHUNK("\"choices\":null,\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}") DONE,
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .finish = CHAT_FINISH_LENGTH,
     .complete = true,
     .input = 1,
     .output = 2,
     .reasoning = -1,
     .cached = -1,
     .measured = true,
     .text = "a"},
    {.name = "OpenRouter: comments, CRLF, reasoning, usage with the last choice",
     .body = ": OPENROUTER PROCESSING\r\n\r\n"
             "event: message\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"\",\"reasoning\":"
             "\"Hm\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"Hm\"}]}}]}\r\n"
             "\r\n: OPENROUTER PROCESSING\r\n\r\n"
             "data: {\"model\":\"a/b\",\"choices\":[{\"delta\":{\"content\":\"Yes\",\"reasoning\":"
             "null},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":4,"
             "\"completion_tokens\":5}}\r\n\r\ndata: [DONE]\r\n\r\n",
     .lines = THOUGHT_START("r1") THOUGHT("r1", "Hm") THOUGHT_END("r1") TEXT_START("t1")
         TEXT("t1", "Yes") TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = 4,
     .output = 5,
     .reasoning = -1,
     .cached = -1,
     .measured = true,
     .model = "a/b",
     .text = "Yes"},
    {.name = "DeepSeek and vLLM: reasoning_content; Groq: x_groq's usage",
     .body = "data:{\"choices\":[{\"delta\":{\"content\":null,\"reasoning_content\":\"So\","
             "\"reasoning\":\"So\"}}]}\n\n"
             "data:{\"choices\":[{\"delta\":{\"content\":\"it is\"},\"finish_reason\":\"stop\"}],"
             "\"x_groq\":{\"usage\":{\"prompt_tokens\":6,\"completion_tokens\":2}}}\n\ndata:[DONE]",
     .lines = THOUGHT_START("r1") THOUGHT("r1", "So") THOUGHT_END("r1") TEXT_START("t1")
         TEXT("t1", "it is") TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = 6,
     .output = 2,
     .reasoning = -1,
     .cached = -1,
     .measured = true,
     .text = "it is"},
    {.name = "Mistral: a list of thoughts and texts",
     .body = DELTA("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
                   "\"text\":\"Oh\"}]},{\"type\":\"text\",\"text\":\"Ah\"}]}") DONE,
     .lines = THOUGHT_START("r1") THOUGHT("r1", "Oh") THOUGHT_END("r1") TEXT_START("t1")
         TEXT("t1", "Ah") TEXT_END("t1"),
     .complete = true,
     .input = -1,
     .output = 2,
     .reasoning = -1,
     .cached = -1,
     .text = "Ah"},
    {.name = "OpenAI: a refusal is text",
     .body = DELTA("{\"refusal\":\"No.\"}") FINISH("content_filter") DONE,
     .lines = TEXT_START("t1") TEXT("t1", "No.") TEXT_END("t1"),
     .finish = CHAT_FINISH_CONTENT_FILTER,
     .complete = true,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "No."},
    {.name = "OpenAI: two tool calls in pieces",
     .body = DELTA("{\"content\":\"Wait\"}")
         DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\","
               "\"function\":{\"name\":\"weather\",\"arguments\":\"\"}}]}")
             DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"city\\\"\"}}]"
                   "}") DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
                              "\" : \\\"Rome\\\"}\"}}]}")
                 DELTA("{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"function\":{\"name\":"
                       "\"now\",\"arguments\":\"\"}}]}") FINISH("tool_calls") DONE,
     .lines = TEXT_START("t1") TEXT("t1", "Wait") TEXT_END("t1") CALL_START("call_a", "weather")
         CALL_MORE("call_a", "{\\\"city\\\"") CALL_MORE("call_a", " : \\\"Rome\\\"}")
             CALL_INPUT("call_a", "weather", "{\"city\":\"Rome\"}") CALL_START("call_b", "now")
                 CALL_INPUT("call_b", "now", "{}"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = -1,
     .output = 4,
     .reasoning = -1,
     .cached = -1,
     .text = "Wait"},
    {.name = "pieces of two tool calls in turn",
     .body = DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{\"}},{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\","
                   "\"arguments\":\"[\"}}]}")
         DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}},"
               "{\"index\":1,\"function\":{\"arguments\":\"1]\"}}]}") FINISH("tool_calls") DONE,
     .lines = CALL_START("a", "f") CALL_MORE("a", "{") CALL_START("b", "g") CALL_MORE("b", "[")
         CALL_MORE("a", "}") CALL_MORE("b", "1]") CALL_INPUT("a", "f", "{}")
             CALL_INPUT("b", "g", "[1]"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = -1,
     .output = 4,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "Gemini: whole calls without index, all with an id",
     .body = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{"
             "\"extra_content\":{\"google\":{\"thought_signature\":\"x\"}},\"function\":{"
             "\"arguments\":\"" WEATHER "\",\"name\":\"weather\"},\"id\":\"call_1\",\"type\":"
             "\"function\"}]},\"index\":0}]}\n\n"
             "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"{}\","
             "\"name\":\"now\"},\"id\":\"call_2\"}]},\"finish_reason\":\"stop\"}]}\n\n" DONE,
     .lines = CALL_START("call_1", "weather") CALL_MORE("call_1", WEATHER)
         CALL_INPUT("call_1", "weather", "{\"city\":\"Rome\"}") CALL_START("call_2", "now")
             CALL_MORE("call_2", "{}") CALL_INPUT("call_2", "now", "{}"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = -1,
     .output = 4,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "whole calls that are all number 0 and have no id",
     .body = DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{}\"}}]}")
         DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"\",\"arguments\":\"{}\\n\"}}"
               "]}") FINISH("tool_calls") DONE,
     .lines = CALL_START("call_ba6735b9_1", "f") CALL_MORE("call_ba6735b9_1", "{}")
         CALL_INPUT("call_ba6735b9_1", "f", "{}") CALL_START("call_ba6735b9_2", "f")
             CALL_MORE("call_ba6735b9_2", "{}\\n") CALL_INPUT("call_ba6735b9_2", "f", "{}"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = -1,
     .output = 2,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "calls without index, id or input are told apart by their names",
     .body = DELTA("{\"tool_calls\":[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":"
                   "\"g\",\"arguments\":{\"a\" : 1}}}]}") FINISH("tool_calls"),
     .lines = CALL_START("call_c4656572_1", "f") CALL_START("call_c4656572_2", "g")
         CALL_MORE("call_c4656572_2", "{\\\"a\\\":1}") CALL_INPUT("call_c4656572_1", "f", "{}")
             CALL_INPUT("call_c4656572_2", "g", "{\"a\":1}"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "a tool call that was cut",
     .body = DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
                   "\"arguments\":\"{\\\"a\"}}]}") "data: {\"choices\":[{\"del",
     .lines = CALL_START("a", "f") CALL_MORE("a", "{\\\"a")
         CALL_ERROR("a", "f", "{\\\"a", "The tool's input is not whole JSON."),
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "a tool call whose name comes late, and one that has none",
     .body = DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"arguments\":\"{\"}},"
                   "{\"index\":1,\"id\":\"b\",\"function\":{\"arguments\":\"{}\"}}]}")
         DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"}\"}}]}")
             DONE,
     .lines = CALL_START("a", "f") CALL_MORE("a", "{}") CALL_INPUT("a", "f", "{}") CALL_START(
         "b", "") CALL_ERROR("b", "", "{}", "The model did not say which tool it calls."),
     .complete = true,
     .input = -1,
     .output = 3,
     .reasoning = -1,
     .cached = -1,
     .text = ""},
    {.name = "OpenRouter: an error in mid-stream",
     .body = DELTA("{\"content\":\"a\"}")
         CHUNK("\"error\":{\"code\":\"server_error\",\"message\":\"Provider\\ndisconnected\"},"
               "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":"
               "\"error\"}]") DELTA("{\"content\":\"never\"}"),
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .status = STATUS_REFUSED,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a",
     .error = "Provider disconnected"},
    {.name = "Groq: an event that is called error",
     .body = "event: error\ndata: {\"message\":\"over capacity\"}\n\n",
     .lines = "",
     .status = STATUS_REFUSED,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "over capacity"},
    {.name = "llama.cpp until 2025: a field that is called error",
     .body = "error: {\"code\":400,\"message\":\"context size\",\"type\":\"x\"}\n\n" DONE,
     .lines = "",
     .status = STATUS_REFUSED,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "context size"},
    {.name = "vLLM: an object that says to be an error",
     .body = "data: {\"object\":\"error\",\"message\":\"boom\",\"type\":\"Internal\"}\n\n",
     .lines = "",
     .status = STATUS_REFUSED,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "boom"},
    {.name = "an error without a stream, over several lines, in a list",
     .body =
         "[{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"slow {down}\"\n  }\n}\n]\n",
     .lines = "",
     .status = STATUS_REFUSED,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "slow {down}"},
    {.name = "a server that cannot stream",
     .body = "{\"object\":\"chat.completion\",\"model\":\"m\",\n\"choices\":[{\"index\":0,"
             "\"message\":{\"role\":\"assistant\",\"content\":\"All\"},\"finish_reason\":\"stop\"}"
             "],\n \"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n",
     .lines = TEXT_START("t1") TEXT("t1", "All") TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = 1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .measured = true,
     .model = "m",
     .text = "All"},
    {.name = "half a pair, a NUL and bytes that are no character",
     .body = DELTA("{\"content\":\"a\\ud83d\"}") DELTA("{\"content\":\"\\u0000b\xff\"}") DONE,
     .lines =
         TEXT_START("t1") TEXT("t1", "a\xef\xbf\xbd") TEXT("t1", "\xef\xbf\xbd"
                                                                 "b\xef\xbf\xbd") TEXT_END("t1"),
     .complete = true,
     .input = -1,
     .output = 2,
     .reasoning = -1,
     .cached = -1,
     .text = "a\xef\xbf\xbd\xef\xbf\xbd"
             "b\xef\xbf\xbd"},
    {.name = "keep-alives, an empty event, fields of no meaning, data in two lines, lone CR",
     .body = "\xef\xbb\xbf: ping\r\rdata:\r\rid: 1\rretry: 5\rdata: {\"choices\":\r"
             "data: [{\"delta\":{\"content\":\"a\"}}]}\r\rfoo: bar\rdata: [DONE]\r\r",
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .complete = true,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a"},
    {.name = "a second choice is not followed",
     .body = "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":0,"
             "\"delta\":{\"content\":\"a\"},\"finish_reason\":\"eos_token\"}]}\n\n",
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a"},
    {.name = "an answer that was cut",
     .body = DELTA("{\"content\":\"a\"}") "data: {\"choices\":[{\"delta\":{\"content\":\"b",
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a"},
    {.name = "a page of some proxy",
     .body = "<html>\n<p>Welcome: data</p>\n</html>\n",
     .lines = "",
     .status = STATUS_PROTOCOL,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "its answer is no event stream"},
    {.name = "what is no JSON",
     .body = "data: hello\n\n",
     .lines = "",
     .status = STATUS_PROTOCOL,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "the model server sent no JSON: hello"},
    {.name = "Ollama: thinking, text, a call, counts",
     .api = FEATURE_OLLAMA,
     .body =
         "{\"model\":\"qwen3\",\"created_at\":\"2025-05-27T22:54:57.641643Z\",\"message\":{"
         "\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Hm\"},\"done\":false}\n"
         "{\"model\":\"qwen3\",\"message\":{\"role\":\"assistant\",\"content\":\"Gr\xc3\xbc\"},"
         "\"done\":false}\r\n\n"
         "{\"model\":\"qwen3\",\"message\":{\"role\":\"assistant\",\"content\":\"\","
         "\"tool_calls\":[{\"function\":{\"name\":\"weather\",\"arguments\":{\"city\": "
         "\"Rome\"}}}]},\"done\":false}\n"
         "{\"model\":\"qwen3\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},"
         "\"done_reason\":\"stop\",\"done\":true,\"total_duration\":8,\"prompt_eval_count\":169,"
         "\"eval_count\":15}",
     .lines = THOUGHT_START("r1") THOUGHT("r1", "Hm") THOUGHT_END("r1") TEXT_START("t1")
         TEXT("t1", "Gr\xc3\xbc") TEXT_END("t1") CALL_START("call_b98ef78a_1", "weather")
             CALL_MORE("call_b98ef78a_1", WEATHER)
                 CALL_INPUT("call_b98ef78a_1", "weather", "{\"city\":\"Rome\"}"),
     .finish = CHAT_FINISH_TOOL_CALLS,
     .complete = true,
     .input = 169,
     .output = 15,
     .reasoning = -1,
     .cached = -1,
     .measured = true,
     .model = "qwen3",
     .text = "Gr\xc3\xbc"},
    {.name = "Ollama: an error in mid-stream",
     .api = FEATURE_OLLAMA,
     .body = "{\"message\":{\"content\":\"a\"},\"done\":false}\n"
             "{\"error\":\"an error was encountered while running the model: EOF\"}\n",
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .status = STATUS_REFUSED,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a",
     .error = "an error was encountered while running the model: EOF"},
    {.name = "Ollama: what comes behind the end does not count",
     .api = FEATURE_OLLAMA,
     .body = "{\"message\":{\"content\":\"a\"},\"done\":true}\nbye\n",
     .lines = TEXT_START("t1") TEXT("t1", "a") TEXT_END("t1"),
     .finish = CHAT_FINISH_STOP,
     .complete = true,
     .input = -1,
     .output = 1,
     .reasoning = -1,
     .cached = -1,
     .text = "a"},
    {.name = "Ollama: events of another dialect",
     .api = FEATURE_OLLAMA,
     .body = "data: {}\n\n",
     .lines = "",
     .status = STATUS_PROTOCOL,
     .input = -1,
     .reasoning = -1,
     .cached = -1,
     .text = "",
     .error = "its answer is not made of lines of JSON"},
};

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static void check_reply(const struct fixture *f, const struct chat_reply *r, enum status status,
                        const struct buf *out)
{
    struct chat_usage usage = chat_reply_usage(r);
    assert_string_equal(buf_text(out), f->lines);
    assert_int_equal(status, f->status);
    assert_int_equal(chat_reply_finish(r), f->finish);
    assert_int_equal(chat_reply_is_complete(r), f->complete);
    assert_int_equal(chat_reply_spoke(r), f->lines[0] != '\0');
    assert_int_equal(usage.input, f->input);
    assert_int_equal(usage.output, f->output);
    assert_int_equal(usage.reasoning, f->reasoning);
    assert_int_equal(usage.cached, f->cached);
    assert_int_equal(usage.measured, f->measured);
    assert_string_equal(chat_reply_model(r), text_of(f->model));
    assert_string_equal(buf_text(chat_reply_text(r)), f->text);
    assert_string_equal(chat_reply_error(r), text_of(f->error));
}

/* In pieces that end at first, at second, and then every step bytes. */
static enum status take_in_pieces(struct chat_reply *r, const char *body, size_t first, size_t step,
                                  struct buf *out)
{
    enum status status = STATUS_OK;
    size_t length = strlen(body);
    for (size_t at = 0; at < length && status == STATUS_OK;) {
        size_t piece = min_size(at == 0 ? first : step, length - at);
        /* A copy that ends where the piece does: a sanitizer sees who reads on. */
        char *copy = malloc(piece ? piece : 1);
        assert_non_null(copy);
        memcpy(copy, body + at, piece);
        status = chat_reply_take(r, copy, piece, out);
        free(copy);
        at += piece;
        step = piece == 0 ? length : step;
        first = piece == 0 ? step : first;
    }
    return status;
}

static void check_pieces(const struct fixture *f, size_t first, size_t step)
{
    struct buf out = {0};
    struct chat_reply *r = chat_reply_new(f->api);
    assert_non_null(r);
    enum status status = take_in_pieces(r, f->body, first, step, &out);
    chat_reply_end(r, &out);
    chat_reply_end(r, &out);
    check_reply(f, r, status, &out);
    chat_reply_free(r);
    buf_clear(&out);
}

static void every_answer_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fixtures); i++) {
        print_message("  %s\n", fixtures[i].name);
        check_pieces(&fixtures[i], SIZE_MAX, SIZE_MAX);
    }
}

static void every_split_of_an_answer_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fixtures); i++) {
        size_t length = strlen(fixtures[i].body);
        for (size_t first = 1; first < length; first++)
            check_pieces(&fixtures[i], first, SIZE_MAX);
        for (size_t step = 1; step < 8; step++)
            check_pieces(&fixtures[i], step, step);
    }
}

static void every_line_is_a_whole_message_with_its_type_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fixtures); i++) {
        for (const char *at = fixtures[i].lines; *at;) {
            struct json_info info;
            size_t length = strcspn(at, "\n");
            assert_true(json_check(at, length, &info));
            assert_true(info.is_object && !info.is_control);
            assert_memory_equal(at, "{\"type\":\"", 9);
            at += length + 1;
        }
    }
}

static enum status take_with_failing(const struct fixture *f, struct buf *out)
{
    enum status status = STATUS_NO_MEMORY;
    struct chat_reply *r = chat_reply_new(f->api);
    if (r)
        status = chat_reply_take(r, f->body, strlen(f->body), out);
    if (r)
        chat_reply_end(r, out);
    if (!buf_ok(out))
        status = STATUS_NO_MEMORY;
    chat_reply_free(r);
    return status;
}

/* Returns whether there was an n-th allocation. */
static bool check_failing(const struct fixture *f, size_t n, bool for_good)
{
    struct buf out = {0};
    memory_fails_at(n, for_good);
    enum status status = take_with_failing(f, &out);
    bool failed = memory_has_failed();
    if (!failed)
        assert_string_equal(buf_text(&out), f->lines);
    buf_clear(&out);
    assert_int_equal(memory_is_back(), 0);
    assert_int_equal(status, failed ? STATUS_NO_MEMORY : f->status);
    return failed;
}

static void an_answer_without_memory_is_said_to_be_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fixtures); i++) {
        for (size_t n = 1; check_failing(&fixtures[i], n, false); n++)
            assert_true(check_failing(&fixtures[i], n, true));
    }
}

/* ---- what is long ---- */

static void a_long_delta_is_divided_between_characters(void **state)
{
    (void)state;
    struct buf body = {0}, out = {0};
    struct chat_reply *r = chat_reply_new(FEATURE_OPENAI);
    buf_puts(&body, "data: {\"choices\":[{\"delta\":{\"content\":\"");
    for (int i = 0; i < 100000; i++)
        buf_puts(&body, "\xe2\x82\xac");
    buf_puts(&body, "\"}}]}\n\n");
    assert_int_equal(chat_reply_take(r, body.data, body.length, &out), STATUS_OK);
    chat_reply_end(r, &out);
    assert_int_equal(chat_reply_text(r)->length, 300000);
    for (const char *at = out.data; *at;) {
        struct json_info info;
        size_t length = strcspn(at, "\n");
        assert_true(length < 65536 && json_check(at, length, &info));
        at += length + 1;
    }
    chat_reply_free(r);
    buf_clear(&body);
    buf_clear(&out);
}

static enum status take_endless(enum feature_api api, const char *start, struct buf *error)
{
    char piece[4096];
    struct buf out = {0};
    struct chat_reply *r = chat_reply_new(api);
    enum status status = chat_reply_take(r, start, strlen(start), &out);
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 1000 && status == STATUS_OK; i++)
        status = chat_reply_take(r, piece, sizeof piece, &out);
    buf_puts(error, chat_reply_error(r));
    assert_int_equal(chat_reply_take(r, "data: [DONE]\n\n", 14, &out), status);
    chat_reply_free(r);
    buf_clear(&out);
    return status;
}

static void an_event_without_an_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum feature_api api;
        const char *start;
    } starts[] = {
        {FEATURE_OPENAI, "data: "},
        {FEATURE_OPENAI, ": "},
        {FEATURE_OPENAI, "data: a\ndata: "},
        {FEATURE_OLLAMA, "{\"a\":\""},
    };
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        struct buf error = {0};
        assert_int_equal(take_endless(starts[i].api, starts[i].start, &error), STATUS_PROTOCOL);
        assert_string_equal(buf_text(&error), "one event has more than 1 MiB");
        buf_clear(&error);
    }
}

static void check_input(const char *input, size_t times, const char *closing, const char *why)
{
    struct buf body = {0}, out = {0};
    struct chat_reply *r = chat_reply_new(FEATURE_OPENAI);
    buf_puts(&body, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\","
                    "\"function\":{\"name\":\"f\",\"arguments\":\"");
    for (size_t i = 0; i < times; i++)
        buf_puts(&body, input);
    buf_puts(&body, closing);
    buf_puts(&body, "\"}}]}}]}\n\n");
    assert_int_equal(chat_reply_take(r, body.data, body.length, &out), STATUS_OK);
    chat_reply_end(r, &out);
    assert_int_equal(strstr(buf_text(&out), "tool-input-error") != NULL, why != NULL);
    assert_true(!why || strstr(buf_text(&out), why));
    for (const char *at = buf_text(&out); *at;) {
        struct json_info info;
        size_t length = strcspn(at, "\n");
        assert_true(length < 256 * 1024 && json_check(at, length, &info));
        at += length + 1;
    }
    chat_reply_free(r);
    buf_clear(&body);
    buf_clear(&out);
}

static void a_tools_input_that_fits_into_no_line_is_an_error(void **state)
{
    (void)state;
    check_input("[", 31, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL);
    check_input("[", 32, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "is not whole JSON");
    check_input(" ", 190000, "[1]", NULL);
    check_input(" ", 200000, "[1]", "longer than 192 KiB");
}

static void too_many_tool_calls_are_refused(void **state)
{
    (void)state;
    enum status status = STATUS_OK;
    struct buf out = {0};
    struct chat_reply *r = chat_reply_new(FEATURE_OPENAI);
    for (int i = 0; i <= 128; i++) {
        struct buf body = {0};
        assert_int_equal(status, STATUS_OK);
        buf_printf(&body,
                   "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\","
                   "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
                   i, i);
        status = chat_reply_take(r, body.data, body.length, &out);
        buf_clear(&body);
    }
    assert_int_equal(status, STATUS_PROTOCOL);
    chat_reply_free(r);
    buf_clear(&out);
}

/* ---- words ---- */

static void check_words(const char *body, const char *words)
{
    struct buf out = {0};
    chat_reply_words(body, strlen(body), &out);
    assert_string_equal(buf_text(&out), words);
    buf_clear(&out);
}

static void a_failures_words_are_found(void **state)
{
    (void)state;
    check_words("{\"error\":{\"message\":\"Bad\\n key\",\"code\":1}}", "Bad key");
    check_words("{\"error\":\"model 'x' not found\"}", "model 'x' not found");
    check_words("{\"object\":\"error\",\"message\":\"too long\"}", "too long");
    check_words("[{\"error\":{\"message\":\"quota\"}}]", "quota");
    check_words("{\"detail\":\"Not Found\"}", "{\"detail\":\"Not Found\"}");
    check_words("<html>\r\n <h1>502 Bad\x01Gateway</h1>\xff\n",
                "<html> <h1>502 Bad Gateway</h1>\xef\xbf\xbd");
    check_words("", "");
}

static void a_failures_words_are_cut_between_characters(void **state)
{
    (void)state;
    struct buf body = {0}, out = {0};
    for (int i = 0; i < 1000; i++)
        buf_puts(&body, "\xf0\x9f\x98\x80 ");
    chat_reply_words(body.data, body.length, &out);
    assert_true(out.length <= 300 && out.length > 290);
    assert_true(json_is_utf8(out.data, out.length));
    buf_clear(&body);
    buf_clear(&out);
}

static void every_finish_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(chat_finish_name(CHAT_FINISH_STOP), "stop");
    assert_string_equal(chat_finish_name(CHAT_FINISH_LENGTH), "length");
    assert_string_equal(chat_finish_name(CHAT_FINISH_TOOL_CALLS), "tool-calls");
    assert_string_equal(chat_finish_name(CHAT_FINISH_CONTENT_FILTER), "content-filter");
    assert_string_equal(chat_finish_name(CHAT_FINISH_OTHER), "other");
    assert_string_equal(chat_finish_name(CHAT_FINISH_NONE), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_understood),
        cmocka_unit_test(every_split_of_an_answer_gives_the_same),
        cmocka_unit_test(every_line_is_a_whole_message_with_its_type_first),
        cmocka_unit_test(an_answer_without_memory_is_said_to_be_one),
        cmocka_unit_test(a_long_delta_is_divided_between_characters),
        cmocka_unit_test(an_event_without_an_end_is_refused),
        cmocka_unit_test(a_tools_input_that_fits_into_no_line_is_an_error),
        cmocka_unit_test(too_many_tool_calls_are_refused),
        cmocka_unit_test(a_failures_words_are_found),
        cmocka_unit_test(a_failures_words_are_cut_between_characters),
        cmocka_unit_test(every_finish_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
