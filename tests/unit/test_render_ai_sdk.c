/*
 * test_render_ai_sdk.c: what the AI SDK's clients get, byte by byte.
 */
#include "render_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FRAME(type, rest) "{\"type\":\"" type "\"" rest "}"
#define START FRAME("start", ",\"messageId\":\"" SCRIPTED_JOB "\"")
#define DONE "[DONE]"

static const struct render_options options = {.format = RENDER_AI_SDK};
static struct buf out;
static struct render *render;
static uint64_t n;

static int begin(void **state)
{
    (void)state;
    render = script_begin(&options, &out);
    n = 0;
    return render ? 0 : -1;
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

static void typed_messages_pass_as_they_stand(void **state)
{
    (void)state;
    put("{\"type\":\"start\",\"messageId\":\"" SCRIPTED_JOB "\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t1\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"H\\u00e9 \\\"\"}");
    put("{ \"delta\": \"llo\", \"id\": \"t1\",\n\"type\":\"text-delta\", \"more\": 1 }");
    put("{\"type\":\"text-end\",\"id\":\"t1\"}");
    put("{\"type\":\"data-weather\",\"data\":{\"sun\":true}}");
    put("{\"type\":\"finish-step\"}");
    ASSERT_FRAMES(START, FRAME("start-step", ""), FRAME("text-start", ",\"id\":\"t1\""),
                  FRAME("text-delta", ",\"id\":\"t1\",\"delta\":\"H\\u00e9 \\\"\""),
                  "{ \"delta\": \"llo\", \"id\": \"t1\", \"type\":\"text-delta\", \"more\": 1 }",
                  FRAME("text-end", ",\"id\":\"t1\""),
                  FRAME("data-weather", ",\"data\":{\"sun\":true}"), FRAME("finish-step", ""));
}

static void the_finish_comes_when_the_job_is_done(void **state)
{
    (void)state;
    put("{\"type\":\"finish\",\"finishReason\":\"length\",\"messageMetadata\":{\"a\":1}}");
    ASSERT_FRAMES(START);
    done();
    ASSERT_FRAMES(FRAME("finish", ",\"finishReason\":\"length\",\"messageMetadata\":{\"a\":1}"),
                  DONE);
}

static void a_finish_is_made_where_the_task_wrote_none(void **state)
{
    (void)state;
    done();
    ASSERT_FRAMES(START, FRAME("finish", ",\"finishReason\":\"stop\""), DONE);
}

static void a_reason_no_client_knows_is_other(void **state)
{
    (void)state;
    put("{\"type\":\"finish\",\"finishReason\":\"bored\"}");
    done();
    ASSERT_FRAMES(START, FRAME("finish", ",\"finishReason\":\"other\""), DONE);
}

static void plain_messages_are_one_part_of_text(void **state)
{
    (void)state;
    put("{\"id\": \"0\", \"message\": \"Hello\"}");
    put("{\"text\": \"you\"}");
    put("{\"n\": 1}");
    put("no JSON");
    put("{\"type\":\"data-x\",\"data\":1}");
    put("{\"message\":\"again\"}");
    done();
    ASSERT_FRAMES(START, FRAME("text-start", ",\"id\":\"plain-1\""),
                  FRAME("text-delta", ",\"id\":\"plain-1\",\"delta\":\"Hello\\n\""),
                  FRAME("text-delta", ",\"id\":\"plain-1\",\"delta\":\"you\\n\""),
                  FRAME("text-delta", ",\"id\":\"plain-1\",\"delta\":\"{\\\"n\\\": 1}\\n\""),
                  FRAME("text-delta", ",\"id\":\"plain-1\",\"delta\":\"no JSON\\n\""),
                  FRAME("text-end", ",\"id\":\"plain-1\""), FRAME("data-x", ",\"data\":1"),
                  FRAME("text-start", ",\"id\":\"plain-2\""),
                  FRAME("text-delta", ",\"id\":\"plain-2\",\"delta\":\"again\\n\""),
                  FRAME("text-end", ",\"id\":\"plain-2\""),
                  FRAME("finish", ",\"finishReason\":\"stop\""), DONE);
}

static void an_unknown_type_is_passed_over_unless_it_has_a_text(void **state)
{
    (void)state;
    put("{\"type\":\"step-of-tomorrow\",\"x\":1}");
    assert_out("");
    put("{\"type\":\"log\",\"message\":\"hi\"}");
    ASSERT_FRAMES(START, FRAME("text-start", ",\"id\":\"plain-1\""),
                  FRAME("text-delta", ",\"id\":\"plain-1\",\"delta\":\"hi\\n\""));
}

static void what_a_client_would_refuse_is_passed_over(void **state)
{
    (void)state;
    put("{\"type\":\"text-delta\",\"id\":5,\"delta\":\"x\"}");
    put("{\"type\":\"text-start\"}");
    put("{\"type\":\"source-url\",\"sourceId\":\"s\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\",\"providerMetadata\":{\"a\":1}}");
    put("{\"type\":\"tool-output-available\",\"toolCallId\":\"nobody\",\"output\":1}");
    put("{\"type\":\"tool-approval-response\",\"approvalId\":\"nobody\",\"approved\":true}");
    put("{\"type\":\"text-end\",\"id\":\"t\"}");
    put("{\"type\":\"finish-step\"}");
    ASSERT_FRAMES(START);
}

static void a_delta_begins_its_part_where_nobody_did(void **state)
{
    (void)state;
    put("{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"hm\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\"}");
    ASSERT_FRAMES(START, FRAME("reasoning-start", ",\"id\":\"r\""),
                  FRAME("reasoning-delta", ",\"id\":\"r\",\"delta\":\"hm\""),
                  FRAME("tool-input-start", ",\"toolCallId\":\"c\",\"toolName\":\"unknown\""),
                  FRAME("tool-input-delta", ",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\""));
}

static void equal_ids_are_equal_however_they_are_written(void **state)
{
    (void)state;
    put("{\"type\":\"text-start\",\"id\":\"a/b\"}");
    put("{\"type\":\"text-delta\",\"id\":\"a\\/b\",\"delta\":\"x\"}");
    put("{\"type\":\"text-end\",\"id\":\"\\u0061/b\"}");
    ASSERT_FRAMES(START, FRAME("text-start", ",\"id\":\"a/b\""),
                  FRAME("text-delta", ",\"id\":\"a\\/b\",\"delta\":\"x\""),
                  FRAME("text-end", ",\"id\":\"\\u0061/b\""));
}

static void a_new_attempt_resets_the_step_and_starts_no_second_message(void **state)
{
    (void)state;
    put("{\"type\":\"start\",\"messageId\":\"m\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    put("{\"type\":\"finish\",\"finishReason\":\"length\"}");
    buf_reset(&out);
    assert_false(script_start(render, 2, "retry", &out));
    ASSERT_FRAMES(FRAME("reset-step", ""));
    put("{\"type\":\"start\",\"messageId\":\"m\",\"messageMetadata\":{\"a\":1}}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"y\"}");
    done();
    ASSERT_FRAMES(FRAME("message-metadata", ",\"messageMetadata\":{\"a\":1}"),
                  FRAME("text-start", ",\"id\":\"t\""),
                  FRAME("text-delta", ",\"id\":\"t\",\"delta\":\"y\""),
                  FRAME("text-end", ",\"id\":\"t\""), FRAME("finish-step", ""),
                  FRAME("finish", ",\"finishReason\":\"stop\""), DONE);
}

static void a_new_attempt_before_anything_was_sent_is_not_noticed(void **state)
{
    (void)state;
    assert_false(script_start(render, 2, "retry", &out));
    assert_false(render_void(render, 3, &out));
    assert_out("");
}

/* reset-step does not reach what came before the last start-step. */
static void what_no_reset_reaches_ends_the_answer(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    put("{\"type\":\"finish-step\"}");
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"y\"}");
    buf_reset(&out);
    assert_true(render_void(render, 2, &out));
    ASSERT_FRAMES(
        FRAME("text-end", ",\"id\":\"t\""), FRAME("finish-step", ""),
        FRAME("error",
              ",\"errorText\":\"The answer was begun anew, and what was sent of it is void.\""),
        FRAME("finish", ",\"finishReason\":\"error\""), DONE);
}

static void a_fallback_resets_its_step(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    buf_reset(&out);
    put("{\"type\":\"reset-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    ASSERT_FRAMES(FRAME("reset-step", ""), FRAME("text-start", ",\"id\":\"t\""));
}

static void every_end_is_followed_by_a_finish(void **state)
{
    (void)state;
    assert_true(script_end(render, ENTRY_FAILED, "provider_401", "No such key.", &out));
    ASSERT_FRAMES(START, FRAME("error", ",\"errorText\":\"No such key.\""),
                  FRAME("finish", ",\"finishReason\":\"error\""), DONE);
}

static void a_cancelled_answer_is_aborted(void **state)
{
    (void)state;
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\"}");
    buf_reset(&out);
    assert_true(script_end(render, ENTRY_CANCELLED, "requested", NULL, &out));
    ASSERT_FRAMES(FRAME("text-end", ",\"id\":\"t\""), FRAME("abort", ",\"reason\":\"requested\""),
                  FRAME("finish", ",\"finishReason\":\"other\""), DONE);
    render_end(render, RENDER_GONE, &out);
    assert_out("");
}

static void an_expired_answer_is_an_error(void **state)
{
    (void)state;
    assert_true(script_end(render, ENTRY_EXPIRED, NULL, NULL, &out));
    ASSERT_FRAMES(START,
                  FRAME("error", ",\"errorText\":\"The job was not done before its deadline.\""),
                  FRAME("finish", ",\"finishReason\":\"error\""), DONE);
}

static void a_replaced_answer_is_aborted(void **state)
{
    (void)state;
    render_end(render, RENDER_REPLACED, &out);
    ASSERT_FRAMES(START, FRAME("abort", ",\"reason\":\"replaced\""),
                  FRAME("finish", ",\"finishReason\":\"other\""), DONE);
}

static void the_tasks_own_error_ends_it(void **state)
{
    (void)state;
    assert_true(
        script_message(render, 1, "{\"type\":\"error\",\"errorText\":\"No \\\"sun\\\"\"}", &out));
    ASSERT_FRAMES(START, FRAME("error", ",\"errorText\":\"No \\\"sun\\\"\""),
                  FRAME("finish", ",\"finishReason\":\"error\""), DONE);
    assert_true(script_message(render, 2, "{\"message\":\"late\"}", &out));
    assert_out("");
}

static void with_snapshot_what_is_there_comes_in_one_piece(void **state)
{
    (void)state;
    const struct render_options late = {.format = RENDER_AI_SDK, .snapshot = true};
    render_free(render);
    render = script_begin(&late, &out);
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hel\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"lo\\n\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"you\"}");
    assert_out("");
    render_caught_up(render, &out);
    ASSERT_FRAMES(START, FRAME("start-step", ""), FRAME("text-start", ",\"id\":\"t\""),
                  FRAME("text-delta", ",\"id\":\"t\",\"delta\":\"Hello\\nyou\""));
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"!\"}");
    ASSERT_FRAMES(FRAME("text-delta", ",\"id\":\"t\",\"delta\":\"!\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(typed_messages_pass_as_they_stand),
        TEST(the_finish_comes_when_the_job_is_done),
        TEST(a_finish_is_made_where_the_task_wrote_none),
        TEST(a_reason_no_client_knows_is_other),
        TEST(plain_messages_are_one_part_of_text),
        TEST(an_unknown_type_is_passed_over_unless_it_has_a_text),
        TEST(what_a_client_would_refuse_is_passed_over),
        TEST(a_delta_begins_its_part_where_nobody_did),
        TEST(equal_ids_are_equal_however_they_are_written),
        TEST(a_new_attempt_resets_the_step_and_starts_no_second_message),
        TEST(a_new_attempt_before_anything_was_sent_is_not_noticed),
        TEST(what_no_reset_reaches_ends_the_answer),
        TEST(a_fallback_resets_its_step),
        TEST(every_end_is_followed_by_a_finish),
        TEST(a_cancelled_answer_is_aborted),
        TEST(an_expired_answer_is_an_error),
        TEST(a_replaced_answer_is_aborted),
        TEST(the_tasks_own_error_ends_it),
        TEST(with_snapshot_what_is_there_comes_in_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
