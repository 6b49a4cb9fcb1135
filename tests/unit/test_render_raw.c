/*
 * test_render_raw.c: what is there already as one event, and everything behind it as ever.
 */
#include "render_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SNAPSHOT(id, rest) \
    "event: snapshot\nid: " id "\ndata: {\"job\":\"" SCRIPTED_JOB "\",\"attempt\":" rest "}\n\n"

static const struct render_options options = {.format = RENDER_RAW, .snapshot = true};
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

static void put(const char *json)
{
    assert_false(script_message(render, ++n, json, &out));
}

static void text_is_put_together_and_the_rest_stands_in_its_order(void **state)
{
    (void)state;
    put("{\"type\":\"start-step\"}");
    put("{\"type\":\"text-start\",\"id\":\"t\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hel\"}");
    put("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"lo\\n\"}");
    put("{\"type\":\"text-end\",\"id\":\"t\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\"}");
    put("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"}\"}");
    put("{\"message\":\"plain\"}");
    put("{\"type\":\"data-x\",\n\"data\":1}");
    assert_out("");
    render_caught_up(render, &out);
    assert_out(SNAPSHOT("7-9", "1,\"messages\":9,\"text\":\"Hello\\nplain\\n\",\"parts\":["
                               "{\"type\":\"start-step\"},{\"type\":\"tool-input-delta\","
                               "\"toolCallId\":\"c\",\"inputTextDelta\":\"{}\"},"
                               "{\"type\":\"data-x\", \"data\":1}]"));
}

static void behind_it_everything_is_as_ever(void **state)
{
    (void)state;
    put("{\"message\":\"a\"}");
    render_caught_up(render, &out);
    buf_reset(&out);
    put("{ \"message\": \"b\" }");
    assert_out("id: 7-2\ndata: { \"message\": \"b\" }\n\n");
    assert_false(script_start(render, 2, "retry", &out));
    assert_out("event: reset\nid: 8-0\ndata: {\"job\":\"" SCRIPTED_JOB
               "\",\"attempt\":2,\"reason\":\"retry\"}\n\n");
    assert_true(script_end(render, ENTRY_DONE, NULL, NULL, &out));
    assert_out("id: 7-99\ndata: [DONE]\n\n");
    assert_true(script_end(render, ENTRY_DONE, NULL, NULL, &out));
    assert_out("");
}

static void where_nothing_is_no_snapshot_is(void **state)
{
    (void)state;
    assert_false(script_start(render, 1, "", &out));
    render_caught_up(render, &out);
    assert_out("");
}

static void only_the_current_attempt_is_in_it(void **state)
{
    (void)state;
    put("{\"message\":\"void\"}");
    assert_false(script_start(render, 2, "retry", &out));
    put("{\"message\":\"void\"}");
    assert_false(render_void(render, 3, &out));
    put("{\"type\":\"start-step\"}");
    put("{\"message\":\"void\"}");
    put("{\"type\":\"reset-step\"}");
    put("{\"message\":\"b\"}");
    render_caught_up(render, &out);
    assert_out(SNAPSHOT(
        "7-6", "3,\"messages\":4,\"text\":\"b\\n\",\"parts\":[{\"type\":\"start-step\"}]"));
}

static void an_answer_that_has_ended_is_its_snapshot_and_its_end(void **state)
{
    (void)state;
    put("{\"message\":\"a\"}");
    assert_true(script_end(render, ENTRY_FAILED, "exit_1", "x", &out));
    assert_out(SNAPSHOT(
        "7-1",
        "1,\"messages\":1,\"text\":\"a\\n\",\"parts\":[]") "event: failed\ndata: "
                                                           "{\"job\":\"" SCRIPTED_JOB
                                                           "\",\"reason\":\"exit_1\",\"detail\":"
                                                           "\"x\",\"attempts\":1}\n\n"
                                                           "id: 7-99\ndata: [DONE]\n\n");
}

static void what_redis_lost_is_reset(void **state)
{
    (void)state;
    render_caught_up(render, &out);
    assert_false(render_void(render, 2, &out));
    assert_out("event: reset\ndata: {\"job\":\"" SCRIPTED_JOB
               "\",\"attempt\":2,\"reason\":\"history_lost\"}\n\n");
}

static void the_ends_that_are_no_entry(void **state)
{
    (void)state;
    put("{\"message\":\"a\"}");
    render_end(render, RENDER_SUPERSEDED, &out);
    assert_out(SNAPSHOT(
        "7-1",
        "1,\"messages\":1,\"text\":\"a\\n\",\"parts\":[]") "event: superseded\ndata: "
                                                           "{\"job\":\"" SCRIPTED_JOB
                                                           "\"}\n\nid: end\ndata: [DONE]\n\n");
    render_end(render, RENDER_GONE, &out);
    assert_out("");
}

static void a_foreign_writers_done_ends_it(void **state)
{
    (void)state;
    put("{\"message\":\"a\"}");
    assert_true(script_message(render, 2, "[DONE]", &out));
    assert_out(SNAPSHOT(
        "7-1", "1,\"messages\":1,\"text\":\"a\\n\",\"parts\":[]") "id: 7-2\ndata: [DONE]\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(text_is_put_together_and_the_rest_stands_in_its_order),
        TEST(behind_it_everything_is_as_ever),
        TEST(where_nothing_is_no_snapshot_is),
        TEST(only_the_current_attempt_is_in_it),
        TEST(an_answer_that_has_ended_is_its_snapshot_and_its_end),
        TEST(what_redis_lost_is_reset),
        TEST(the_ends_that_are_no_entry),
        TEST(a_foreign_writers_done_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
