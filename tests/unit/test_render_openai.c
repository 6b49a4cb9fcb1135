/*
 * test_render_openai.c: what OpenAI's clients get, byte by byte.
 */
#include "render_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEAD                                                                      \
    "{\"id\":\"chatcmpl-" SCRIPTED_JOB "\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1700000000,\"model\":\"support\""
#define CHUNK_USAGE(delta, reason, usage)               \
    HEAD ",\"choices\":[{\"index\":0,\"delta\":{" delta \
         "},\"logprobs\":null,\"finish_reason\":" reason "}]" usage "}"
#define CHUNK(delta) CHUNK_USAGE(delta, "null", "")
#define FINISH(reason) CHUNK_USAGE("", "\"" reason "\"", "")
#define ROLE CHUNK("\"role\":\"assistant\",\"content\":\"\"")
#define CALL(rest) CHUNK("\"tool_calls\":[{\"index\":" rest "}]")
#define ERROR(message, code)             \
    "{\"error\":{\"message\":\"" message \
    "\",\"type\":\"server_error\",\"param\":null,\"code\":\"" code "\"}}"
#define DONE "[DONE]"

static struct buf out;
static struct render *render;
static uint64_t n;

static void begin_with(struct render_options options)
{
    options.format = RENDER_OPENAI;
    options.created_s = 1700000000;
    render_free(render);
    buf_reset(&out);
    render = script_begin(&options, &out);
    assert_non_null(render);
}

static int begin(void **state)
{
    (void)state;
    begin_with((struct render_options){0});
    n = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    render_free(render);
    render = NULL;
    buf_clear(&out);
    return 0;
}

static void assert_out(const char *expected)
{
    assert_true(buf_ok(&out));
    assert_string_equal(buf_text(&out), expected);
    buf_reset(&out);
}

#define ASSERT_FRAMES(...) assert_out(script_frames((const char *const[]){__VA_ARGS__, NULL}))

static void put(const char *json)
{
    assert_false(script_message(render, ++n, json, &out));
}

static void done(void)
{
    assert_true(script_end(render, ENTRY_DONE, NULL, NULL, &out));
}

static void assert_whole(int status, const char *body)
{
    int http_status = 0;
    assert_out("");
    render_whole(render, &http_status, &out);
    assert_int_equal(http_status, status);
    assert_out(body);
}

static void text_is_content_and_the_job_ends_it(void **state)
{
    (void)state;
    put("{\"type\":\"start\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"H\\u00e9\"}");
    put("{\"type\":\"text-end\",\"id\":\"t\"}");
    put("{\"type\":\"finish-step\"}");
    put("{\"type\":\"finish\",\"finishReason\":\"content-filter\"}");
    ASSERT_FRAMES(ROLE, CHUNK("\"content\":\"H\\u00e9\""));
    done();
    ASSERT_FRAMES(FINISH("content_filter"), DONE);
}

static void plain_messages_are_content_in_lines(void **state)
{
    (void)state;
    put("{\"message\":\"Hello\"}");
    put("{\"message\":\"you\"}");
    done();
    ASSERT_FRAMES(ROLE, CHUNK("\"content\":\"Hello\\n\""), CHUNK("\"content\":\"you\\n\""),
                  FINISH("stop"), DONE);
}

static void reasoning_is_reasoning_content(void **state)
{
    (void)state;
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    ASSERT_FRAMES(ROLE, CHUNK("\"reasoning_content\":\"hm\""));
}

static void a_call_comes_in_pieces_or_whole(void **state)
{
    (void)state;
    put("{\"type\":\"tool-input-start\",\"toolCallId\":\"a\",\"toolName\":\"sun\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"a\",\"inputTextDelta\":\"{\\\"x\\\"\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"b\",\"toolName\":\"rain\","
        "\"input\":{\"y\":[1]}}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"a\",\"inputTextDelta\":\":1}\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"a\",\"toolName\":\"sun\","
        "\"input\":{\"x\":1}}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"a\",\"output\":5}");
    done();
    ASSERT_FRAMES(ROLE,
                  CALL("0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"sun\","
                       "\"arguments\":\"\"}"),
                  CALL("0,\"function\":{\"arguments\":\"{\\\"x\\\"\"}"),
                  CALL("1,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"rain\","
                       "\"arguments\":\"{\\\"y\\\":[1]}\"}"),
                  CALL("0,\"function\":{\"arguments\":\":1}\"}"), FINISH("tool_calls"), DONE);
}

static void a_call_without_deltas_gets_its_input_when_it_is_there(void **state)
{
    (void)state;
    put("{\"type\":\"tool-input-start\",\"toolCallId\":\"a\",\"toolName\":\"sun\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"a\",\"toolName\":\"sun\","
        "\"input\":{}}");
    put("{\"type\":\"tool-input-error\",\"toolCallId\":\"b\",\"toolName\":\"sun\","
        "\"input\":\"{\\\"x\",\"errorText\":\"cut\"}");
    ASSERT_FRAMES(ROLE,
                  CALL("0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"sun\","
                       "\"arguments\":\"\"}"),
                  CALL("0,\"function\":{\"arguments\":\"{}\"}"),
                  CALL("1,\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"sun\","
                       "\"arguments\":\"{\\\"x\"}"));
}

static void usage_comes_last_if_it_was_asked_for(void **state)
{
    (void)state;
    begin_with((struct render_options){.include_usage = true});
    put("{\"type\":\"message-metadata\",\"messageMetadata\":{\"model\":\"small\",\"usage\":"
        "{\"inputTokens\":7,\"outputTokens\":3,\"cachedInputTokens\":2,\"measured\":true}}}");
    done();
    ASSERT_FRAMES(CHUNK_USAGE("\"role\":\"assistant\",\"content\":\"\"", "null", ",\"usage\":null"),
                  CHUNK_USAGE("", "\"stop\"", ",\"usage\":null"),
                  HEAD ",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"
                       "\"total_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
                  DONE);
}

static void usage_that_nobody_knows_is_not_made_up(void **state)
{
    (void)state;
    begin_with((struct render_options){.include_usage = true});
    buf_reset(&out);
    done();
    ASSERT_FRAMES(CHUNK_USAGE("", "\"stop\"", ",\"usage\":null"), DONE);
}

static void a_failure_is_an_error_without_done(void **state)
{
    (void)state;
    put("{\"message\":\"Hel\"}");
    buf_reset(&out);
    assert_true(script_end(render, ENTRY_FAILED, "exit_1", "It \"broke\"", &out));
    ASSERT_FRAMES(ERROR("It \\\"broke\\\"", "exit_1"));
}

static void a_cancelled_answer_stops(void **state)
{
    (void)state;
    put("{\"message\":\"Hel\"}");
    buf_reset(&out);
    assert_true(script_end(render, ENTRY_CANCELLED, "requested", NULL, &out));
    ASSERT_FRAMES(FINISH("stop"), DONE);
}

static void other_ends_are_errors(void **state)
{
    (void)state;
    buf_reset(&out);
    assert_true(script_end(render, ENTRY_EXPIRED, NULL, NULL, &out));
    ASSERT_FRAMES(ERROR("The job was not done before its deadline.", "expired"));
    begin_with((struct render_options){0});
    buf_reset(&out);
    render_end(render, RENDER_SUPERSEDED, &out);
    ASSERT_FRAMES(ERROR("Another question has taken this answer's place.", "superseded"));
    begin_with((struct render_options){0});
    buf_reset(&out);
    render_end(render, RENDER_GONE, &out);
    ASSERT_FRAMES(ERROR("Nothing is left of this answer.", "gone"));
}

static void a_new_attempt_is_noticed_only_once_something_was_said(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    put("{\"type\":\"data-x\",\"data\":1}");
    assert_false(script_start(render, 2, "retry", &out));
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    ASSERT_FRAMES(ROLE, CHUNK("\"content\":\"x\""));
    assert_true(script_start(render, 3, "retry", &out));
    ASSERT_FRAMES(
        ERROR("The answer was begun anew, and what was sent of it is void.", "attempt_lost"));
    assert_true(script_end(render, ENTRY_DONE, NULL, NULL, &out));
    assert_out("");
}

static void a_fallback_that_begins_anew_is_the_same(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"reset-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    buf_reset(&out);
    assert_true(script_message(render, 9, "{\"type\":\"reset-step\"}", &out));
    ASSERT_FRAMES(
        ERROR("The answer was begun anew, and what was sent of it is void.", "attempt_lost"));
}

static void what_is_not_streamed_comes_whole(void **state)
{
    (void)state;
    begin_with((struct render_options){.whole = true});
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"void\"}");
    assert_false(script_start(render, 2, "retry", &out));
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"void\"}");
    put("{\"type\":\"reset-step\"}");
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hel\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"lo\"}");
    put("{\"type\":\"message-metadata\",\"messageMetadata\":{\"usage\":{\"outputTokens\":2}}}");
    done();
    assert_whole(200, "{\"id\":\"chatcmpl-" SCRIPTED_JOB "\",\"object\":\"chat.completion\","
                      "\"created\":1700000000,\"model\":\"support\",\"choices\":[{\"index\":0,"
                      "\"message\":{\"role\":\"assistant\",\"content\":\"Hello\","
                      "\"reasoning_content\":\"hm\",\"refusal\":null},\"logprobs\":null,"
                      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":0,"
                      "\"completion_tokens\":2,\"total_tokens\":2}}");
}

static void whole_calls_have_no_content(void **state)
{
    (void)state;
    begin_with((struct render_options){.whole = true});
    put("{\"type\":\"tool-input-start\",\"toolCallId\":\"a\",\"toolName\":\"sun\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"a\",\"inputTextDelta\":\"{\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"b\",\"toolName\":\"rain\","
        "\"input\":{\"y\":1}}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"a\",\"inputTextDelta\":\"}\"}");
    done();
    assert_whole(200, "{\"id\":\"chatcmpl-" SCRIPTED_JOB "\",\"object\":\"chat.completion\","
                      "\"created\":1700000000,\"model\":\"support\",\"choices\":[{\"index\":0,"
                      "\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
                      "{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"sun\","
                      "\"arguments\":\"{}\"}},{\"id\":\"b\",\"type\":\"function\",\"function\":"
                      "{\"name\":\"rain\",\"arguments\":\"{\\\"y\\\":1}\"}}],\"refusal\":null},"
                      "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}]}");
}

static void whole_answers_that_failed_have_a_status(void **state)
{
    (void)state;
    begin_with((struct render_options){.whole = true});
    assert_true(script_end(render, ENTRY_FAILED, "exit_1", NULL, &out));
    assert_whole(500, ERROR("exit_1", "exit_1"));
    begin_with((struct render_options){.whole = true});
    assert_true(script_end(render, ENTRY_CANCELLED, "requested", NULL, &out));
    assert_whole(499, ERROR("The answer was cancelled: requested.", "cancelled"));
    begin_with((struct render_options){.whole = true});
    assert_true(script_end(render, ENTRY_EXPIRED, NULL, NULL, &out));
    assert_whole(504, ERROR("The job was not done before its deadline.", "expired"));
    begin_with((struct render_options){.whole = true});
    render_end(render, RENDER_GONE, &out);
    assert_whole(410, ERROR("Nothing is left of this answer.", "gone"));
    begin_with((struct render_options){.whole = true});
    assert_true(script_end(render, ENTRY_FAILED, "question", "messages is empty.", &out));
    assert_whole(400, "{\"error\":{\"message\":\"messages is empty.\",\"type\":"
                      "\"invalid_request_error\",\"param\":null,\"code\":\"question\"}}");
}

static void a_whole_answer_has_a_bound(void **state)
{
    (void)state;
    struct buf json = {0};
    begin_with((struct render_options){.whole = true});
    buf_puts(&json, "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"");
    for (int i = 0; i < 200000; i++)
        buf_putc(&json, 'x');
    buf_puts(&json, "\"}");
    for (int i = 0; i < RENDER_WHOLE_BYTES / 200000; i++)
        put(buf_text(&json));
    assert_true(script_message(render, 1, buf_text(&json), &out));
    buf_clear(&json);
    assert_whole(500, ERROR("The answer is too long.", "too_long"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(text_is_content_and_the_job_ends_it),
        TEST(plain_messages_are_content_in_lines),
        TEST(reasoning_is_reasoning_content),
        TEST(a_call_comes_in_pieces_or_whole),
        TEST(a_call_without_deltas_gets_its_input_when_it_is_there),
        TEST(usage_comes_last_if_it_was_asked_for),
        TEST(usage_that_nobody_knows_is_not_made_up),
        TEST(a_failure_is_an_error_without_done),
        TEST(a_cancelled_answer_stops),
        TEST(other_ends_are_errors),
        TEST(a_new_attempt_is_noticed_only_once_something_was_said),
        TEST(a_fallback_that_begins_anew_is_the_same),
        TEST(what_is_not_streamed_comes_whole),
        TEST(whole_calls_have_no_content),
        TEST(whole_answers_that_failed_have_a_status),
        TEST(a_whole_answer_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
