/*
 * test_render_ag_ui.c: what AG-UI's clients get, byte by byte.
 */
#include "render_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVENT(type, rest) "{\"type\":\"" type "\"" rest "}"
#define RUN "\"threadId\":\"chat-1\",\"runId\":\"" SCRIPTED_JOB "\""
#define STARTED EVENT("RUN_STARTED", "," RUN)
#define FINISHED EVENT("RUN_FINISHED", "," RUN)
#define ID(below) ",\"messageId\":\"" SCRIPTED_JOB below "\""
#define TEXT_START EVENT("TEXT_MESSAGE_START", ID("") ",\"role\":\"assistant\"")
#define TEXT(delta) EVENT("TEXT_MESSAGE_CONTENT", ID("") ",\"delta\":\"" delta "\"")
#define TEXT_END EVENT("TEXT_MESSAGE_END", ID(""))
#define STEP_STARTED EVENT("STEP_STARTED", ",\"stepName\":\"step-1\"")
#define STEP_FINISHED EVENT("STEP_FINISHED", ",\"stepName\":\"step-1\"")
#define CALL(type, rest) EVENT("TOOL_CALL_" type, ",\"toolCallId\":\"c\"" rest)
#define CALL_START \
    CALL("START", ",\"toolCallName\":\"sun\",\"parentMessageId\":\"" SCRIPTED_JOB "\"")
#define SNAPSHOT(messages) EVENT("MESSAGES_SNAPSHOT", ",\"messages\":[" messages "]")

static struct buf out;
static struct render *render;
static uint64_t n;

static int begin(void **state)
{
    (void)state;
    const struct render_options options = {.format = RENDER_AG_UI};
    render = script_begin(&options, &out);
    n = 0;
    return render ? 0 : -1;
}

/* As one who was there from the beginning. */
static int begin_live(void **state)
{
    if (begin(state) != 0)
        return -1;
    render_caught_up(render, &out);
    buf_reset(&out);
    return 0;
}

static int end(void **state)
{
    (void)state;
    render_free(render);
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

static void a_run_is_started_told_and_finished(void **state)
{
    (void)state;
    render_caught_up(render, &out);
    ASSERT_FRAMES(STARTED);
    put("{\"type\":\"start\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hi\"}");
    put("{\"type\":\"text-end\",\"id\":\"t\"}");
    put("{\"type\":\"finish-step\"}");
    put("{\"type\":\"finish\",\"finishReason\":\"stop\"}");
    ASSERT_FRAMES(STEP_STARTED, TEXT_START, TEXT("Hi"), TEXT_END, STEP_FINISHED);
    done();
    ASSERT_FRAMES(FINISHED);
}

static void the_client_names_its_run(void **state)
{
    (void)state;
    const struct render_options options = {
        .format = RENDER_AG_UI, .run_id = "r\"1", .thread_id = "t 1"};
    render_free(render);
    buf_reset(&out);
    render = script_begin(&options, &out);
    ASSERT_FRAMES(EVENT("RUN_STARTED", ",\"threadId\":\"t 1\",\"runId\":\"r\\\"1\""));
}

static void reasoning_is_a_message_of_its_own(void **state)
{
    (void)state;
    put("{\"type\":\"reasoning-start\",\"id\":\"r\"}");
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    put("{\"type\":\"reasoning-end\",\"id\":\"r\"}");
    ASSERT_FRAMES(EVENT("REASONING_START", ID(".reasoning.r")),
                  EVENT("REASONING_MESSAGE_START", ID(".reasoning.r") ",\"role\":\"reasoning\""),
                  EVENT("REASONING_MESSAGE_CONTENT", ID(".reasoning.r") ",\"delta\":\"hm\""),
                  EVENT("REASONING_MESSAGE_END", ID(".reasoning.r")),
                  EVENT("REASONING_END", ID(".reasoning.r")));
}

static void calls_and_what_they_returned(void **state)
{
    (void)state;
    put("{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"sun\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{}\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"c\",\"toolName\":\"sun\",\"input\":{}"
        "}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":0,"
        "\"preliminary\":true}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":{\"x\":1}}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":\"again\"}");
    ASSERT_FRAMES(CALL_START, CALL("ARGS", ",\"delta\":\"{}\""), CALL("END", ""),
                  EVENT("TOOL_CALL_RESULT", ID(".result.c") ",\"toolCallId\":\"c\",\"content\":\"{"
                                                            "\\\"x\\\":1}\",\"role\":\"tool\""));
}

static void a_call_may_come_whole(void **state)
{
    (void)state;
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"c\",\"toolName\":\"sun\","
        "\"input\":{\"x\":1}}");
    put("{\"type\":\"tool-output-error\",\"toolCallId\":\"c\",\"errorText\":\"no\"}");
    ASSERT_FRAMES(
        CALL_START, CALL("ARGS", ",\"delta\":\"{\\\"x\\\":1}\""), CALL("END", ""),
        EVENT("TOOL_CALL_RESULT",
              ID(".result.c") ",\"toolCallId\":\"c\",\"content\":\"no\",\"role\":\"tool\""));
}

static void what_is_the_applications_is_custom(void **state)
{
    (void)state;
    put("{\"type\":\"data-x\",\"data\":{\"a\":\n1}}");
    put("{\"type\":\"source-url\",\"sourceId\":\"s\",\"url\":\"u\"}");
    put("{\"type\":\"message-metadata\",\"messageMetadata\":{\"model\":\"m\",\"usage\":"
        "{\"inputTokens\":1,\"outputTokens\":2}}}");
    done();
    ASSERT_FRAMES(
        EVENT("CUSTOM", ",\"name\":\"data-x\",\"value\":{\"a\": 1}"),
        EVENT("CUSTOM", ",\"name\":\"source-url\",\"value\":"
                        "{\"type\":\"source-url\",\"sourceId\":\"s\",\"url\":\"u\"}"),
        EVENT("CUSTOM", ",\"name\":\"message-metadata\",\"value\":{\"model\":\"m\",\"usage\":"
                        "{\"inputTokens\":1,\"outputTokens\":2}}"),
        EVENT("RUN_FINISHED",
              "," RUN ",\"usage\":[{\"model\":\"m\",\"inputTokens\":1,\"outputTokens\":2}]"));
}

static void a_second_step_is_a_second_message(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"b\"}");
    ASSERT_FRAMES(STEP_STARTED, TEXT_START, TEXT("a"), TEXT_END, STEP_FINISHED,
                  EVENT("STEP_STARTED", ",\"stepName\":\"step-2\""),
                  EVENT("TEXT_MESSAGE_START", ID(".2") ",\"role\":\"assistant\""),
                  EVENT("TEXT_MESSAGE_CONTENT", ID(".2") ",\"delta\":\"b\""));
}

static void who_joins_in_the_middle_gets_a_snapshot_and_the_tail(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    put("{\"type\":\"reasoning-end\",\"id\":\"r\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hel\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"l\"}");
    put("{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"sun\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\"}");
    put("{\"type\":\"data-x\",\"data\":1}");
    ASSERT_FRAMES(STARTED);
    render_caught_up(render, &out);
    ASSERT_FRAMES(SNAPSHOT("{\"id\":\"" SCRIPTED_JOB ".reasoning.r\",\"role\":\"reasoning\","
                           "\"content\":\"hm\"},{\"id\":\"" SCRIPTED_JOB
                           "\",\"role\":\"assistant\",\"content\":\"Hell\",\"toolCalls\":"
                           "[{\"id\":\"c\",\"type\":\"function\",\"function\":"
                           "{\"name\":\"sun\",\"arguments\":\"{\"}}]}"),
                  EVENT("CUSTOM", ",\"name\":\"data-x\",\"value\":1"), STEP_STARTED, TEXT_START,
                  CALL_START);
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"o\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"}\"}");
    done();
    ASSERT_FRAMES(TEXT("o"), CALL("ARGS", ",\"delta\":\"}\""), CALL("END", ""), TEXT_END,
                  STEP_FINISHED, FINISHED);
}

static void a_snapshot_has_all_steps_and_the_history(void **state)
{
    (void)state;
    const char history[] =
        "[ {\"id\":\"u1\",\"role\":\"user\",\"content\":\"a,]}\\\"\"} ,\n"
        "{\"id\":\"" SCRIPTED_JOB "\",\"role\":\"assistant\",\"content\":\"x\"},"
        "{\"id\":\"" SCRIPTED_JOB "9\",\"role\":\"user\",\"content\":[1,[2]]}, 5 ]";
    assert_true(render_history(render, history, sizeof history - 1));
    buf_reset(&out);
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"tool-input-available\",\"toolCallId\":\"c\",\"toolName\":\"sun\",\"input\":"
        "1}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":\"warm\"}");
    put("{\"type\":\"finish-step\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"message\":\"It is\"}");
    put("{\"message\":\"warm\"}");
    done();
    ASSERT_FRAMES(
        SNAPSHOT(
            "{\"id\":\"u1\",\"role\":\"user\",\"content\":\"a,]}\\\"\"},{\"id\":\"" SCRIPTED_JOB
            "9\",\"role\":\"user\",\"content\":[1,[2]]},{\"id\":\"" SCRIPTED_JOB
            "\",\"role\":\"assistant\",\"content\":\"\",\"toolCalls\":[{\"id\":\"c\","
            "\"type\":\"function\",\"function\":{\"name\":\"sun\",\"arguments\":\"1\"}}]},"
            "{\"id\":\"" SCRIPTED_JOB ".result.c\",\"role\":\"tool\",\"toolCallId\":\"c\","
            "\"content\":\"warm\"},{\"id\":\"" SCRIPTED_JOB
            ".2\",\"role\":\"assistant\",\"content\":\"It is\\nwarm\\n\"}"),
        EVENT("STEP_STARTED", ",\"stepName\":\"step-2\""),
        EVENT("TEXT_MESSAGE_START", ID(".2") ",\"role\":\"assistant\""),
        EVENT("TEXT_MESSAGE_END", ID(".2")), EVENT("STEP_FINISHED", ",\"stepName\":\"step-2\""),
        FINISHED);
}

static void a_new_attempt_takes_everything_back(void **state)
{
    (void)state;
    const char history[] = "[{\"id\":\"u1\",\"role\":\"user\",\"content\":\"x\"}]";
    assert_true(render_history(render, history, sizeof history - 1));
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}");
    buf_reset(&out);
    assert_false(script_start(render, 2, "retry", &out));
    ASSERT_FRAMES(
        TEXT_END, EVENT("REASONING_MESSAGE_END", ID(".reasoning.r")),
        EVENT("REASONING_END", ID(".reasoning.r")), STEP_FINISHED,
        SNAPSHOT("{\"id\":\"u1\",\"role\":\"user\",\"content\":\"x\"},{\"id\":\"" SCRIPTED_JOB
                 ".reasoning.r\",\"role\":\"reasoning\",\"content\":\"\"}"));
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"b\"}");
    done();
    ASSERT_FRAMES(STEP_STARTED, TEXT_START, TEXT("b"), TEXT_END, STEP_FINISHED, FINISHED);
}

static void a_step_that_is_void_is_taken_back_if_it_is_the_first(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}");
    buf_reset(&out);
    put("{\"type\":\"reset-step\"}");
    ASSERT_FRAMES(TEXT_END, SNAPSHOT(""));
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"b\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"c\"}");
    buf_reset(&out);
    assert_true(script_message(render, 1, "{\"type\":\"reset-step\"}", &out));
    ASSERT_FRAMES(
        EVENT("TEXT_MESSAGE_END", ID(".2")), EVENT("STEP_FINISHED", ",\"stepName\":\"step-2\""),
        EVENT("RUN_ERROR",
              ",\"message\":\"The answer was begun anew, and what was sent of it is void.\","
              "\"code\":\"attempt_lost\""));
}

static void a_cancelled_run_is_finished_and_says_so(void **state)
{
    (void)state;
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}");
    buf_reset(&out);
    assert_true(script_end(render, ENTRY_CANCELLED, "requested", NULL, &out));
    ASSERT_FRAMES(TEXT_END, EVENT("RUN_FINISHED", "," RUN ",\"outcome\":{\"type\":\"cancelled\"}"));
}

static void a_failed_run_is_an_error(void **state)
{
    (void)state;
    assert_true(script_end(render, ENTRY_FAILED, "exit_1", "It broke.", &out));
    ASSERT_FRAMES(EVENT("RUN_ERROR", ",\"message\":\"It broke.\",\"code\":\"exit_1\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, begin_live, end)
        TEST(a_run_is_started_told_and_finished),
        TEST(the_client_names_its_run),
        LIVE_TEST(reasoning_is_a_message_of_its_own),
        LIVE_TEST(calls_and_what_they_returned),
        LIVE_TEST(a_call_may_come_whole),
        LIVE_TEST(what_is_the_applications_is_custom),
        LIVE_TEST(a_second_step_is_a_second_message),
        TEST(who_joins_in_the_middle_gets_a_snapshot_and_the_tail),
        TEST(a_snapshot_has_all_steps_and_the_history),
        LIVE_TEST(a_new_attempt_takes_everything_back),
        LIVE_TEST(a_step_that_is_void_is_taken_back_if_it_is_the_first),
        LIVE_TEST(a_cancelled_run_is_finished_and_says_so),
        LIVE_TEST(a_failed_run_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
