/*
 * test_render_any.c: whatever a task writes, wherever it stops, however it ends, whenever it begins
 * anew and whenever somebody joins: what comes out is what a strict client takes.
 */
#include "render_check.h"
#include "render_script.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MESSAGES_MOST 24

static const char *const answers[][MESSAGES_MOST] = {
    /* as the chat task writes */
    {"{\"type\":\"start\",\"messageId\":\"" SCRIPTED_JOB "\"}", "{\"type\":\"start-step\"}",
     "{\"type\":\"reasoning-start\",\"id\":\"r1\"}",
     "{\"type\":\"reasoning-delta\",\"id\":\"r1\",\"delta\":\"hm\"}",
     "{\"type\":\"reasoning-end\",\"id\":\"r1\"}", "{\"type\":\"text-start\",\"id\":\"t1\"}",
     "{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"Hel\"}",
     "{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"lo\"}",
     "{\"type\":\"text-end\",\"id\":\"t1\"}",
     "{\"type\":\"message-metadata\",\"messageMetadata\":{\"usage\":{\"outputTokens\":2}}}",
     "{\"type\":\"finish-step\"}", "{\"type\":\"finish\",\"finishReason\":\"stop\"}"},
    /* calls, of which one stays open */
    {"{\"type\":\"start-step\"}",
     "{\"type\":\"tool-input-start\",\"toolCallId\":\"a\",\"toolName\":\"sun\"}",
     "{\"type\":\"tool-input-delta\",\"toolCallId\":\"a\",\"inputTextDelta\":\"{\"}",
     "{\"type\":\"tool-input-available\",\"toolCallId\":\"b\",\"toolName\":\"sun\",\"input\":{}}",
     "{\"type\":\"tool-output-available\",\"toolCallId\":\"b\",\"output\":[1]}",
     "{\"type\":\"tool-approval-request\",\"toolCallId\":\"a\",\"approvalId\":\"p\"}",
     "{\"type\":\"tool-approval-response\",\"approvalId\":\"p\",\"approved\":true}",
     "{\"type\":\"tool-input-error\",\"toolCallId\":\"c\",\"toolName\":\"sun\",\"input\":\"{\","
     "\"errorText\":\"cut\"}",
     "{\"type\":\"tool-output-error\",\"toolCallId\":\"c\",\"errorText\":\"cut\"}",
     "{\"type\":\"start-step\"}", "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"so\"}",
     "{\"type\":\"tool-output-denied\",\"toolCallId\":\"a\"}",
     "{\"type\":\"tool-input-start\",\"toolCallId\":\"e\",\"toolName\":\"sun\"}",
     "{\"type\":\"tool-output-available\",\"toolCallId\":\"e\",\"output\":1}"},
    /* plain, with things of the application between */
    {"{\"message\":\"one\"}", "{\"message\":\"two\"}", "{\"type\":\"data-x\",\"data\":null}",
     "{\"n\":1}", "plain", "{\"type\":\"source-url\",\"sourceId\":\"s\",\"url\":\"u\"}",
     "{\"type\":\"text-start\",\"id\":\"plain-1\"}", "{\"text\":\"three\"}",
     "{\"type\":\"text-delta\",\"id\":\"plain-1\",\"delta\":\"x\"}", "{\"text\":\"four\"}",
     "{\"type\":\"text-delta\",\"id\":\"plain-2\",\"delta\":\"x\"}"},
    /* against all rules */
    {"{\"type\":\"text-end\",\"id\":\"t\"}", "{\"type\":\"finish-step\"}",
     "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}", "{\"type\":\"start\"}",
     "{\"type\":\"text-start\",\"id\":\"t\"}", "{\"type\":\"start-step\"}",
     "{\"type\":\"start-step\"}", "{\"type\":\"reasoning-delta\",\"id\":\"t\",\"delta\":\"a\"}",
     "{\"type\":\"finish\"}",
     "{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\","
     "\"inputTextDelta\":\"x\"}",
     "{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"late\"}",
     "{\"type\":\"tool-output-available\",\"toolCallId\":\"nobody\",\"output\":1}",
     "{\"type\":\"finish-step\"}", "{\"type\":\"reasoning-start\",\"id\":\"t\"}",
     "{\"type\":\"finish\",\"finishReason\":\"x\"}", "{\"type\":\"abort\"}", "[1]",
     "{\"type\":\"text-delta\"}"},
    /* a fallback, and then the task's own end */
    {"{\"type\":\"start-step\"}", "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"a\"}",
     "{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"sun\"}",
     "{\"type\":\"reasoning-delta\",\"id\":\"r\",\"delta\":\"a\"}", "{\"type\":\"reset-step\"}",
     "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"b\"}",
     "{\"type\":\"tool-input-start\",\"toolCallId\":\"d\",\"toolName\":\"sun\"}",
     "{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"x\"}",
     "{\"type\":\"start-step\"}", "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"c\"}",
     "{\"type\":\"reset-step\"}", "{\"type\":\"error\",\"errorText\":\"no\"}",
     "{\"message\":\"late\"}"},
};

/* What is done to it at one place, beside its messages. */
enum event { NOTHING, ATTEMPT, VOID, JOINED };

struct course {
    enum render_format format;
    bool snapshot;
    bool whole;
    size_t answer;
    size_t length;   /* so many messages */
    size_t event_at; /* before this message */
    enum event event;
    int end;
};

/* The ends: those of a stream, then those that are none of it, then none at all. */
#define ENDS 8

static bool put_end(struct render *r, int how, struct buf *out)
{
    static const enum entry_kind kinds[] = {ENTRY_DONE, ENTRY_FAILED, ENTRY_CANCELLED,
                                            ENTRY_EXPIRED};
    if (how < 4)
        return script_end(r, kinds[how], "why", NULL, out);
    if (how < 7)
        render_end(r, (enum render_end)(how - 4), out);
    return how < 7;
}

static bool put_event(struct render *r, const struct course *course, struct buf *out)
{
    if (course->event == ATTEMPT)
        return script_start(r, 2, "retry", out);
    if (course->event == VOID)
        return render_void(r, 2, out);
    if (course->event == JOINED)
        render_caught_up(r, out);
    return false;
}

static bool run(struct render *r, const struct course *course, struct buf *out)
{
    bool ended = false;
    if (course->event != JOINED && !course->snapshot)
        render_caught_up(r, out);
    for (size_t i = 0; i < course->length && !ended; i++) {
        if (i == course->event_at)
            ended = put_event(r, course, out);
        if (!ended)
            ended = script_message(r, i + 1, answers[course->answer][i], out);
    }
    return ended || put_end(r, course->end, out);
}

/* A completion with its calls in order, or an error; nothing before. */
static const char *check_whole(struct render *r, bool ended, struct buf *out)
{
    int status = 0;
    struct json_info info;
    if (out->length > 0)
        return "frames before the whole";
    if (!ended)
        return NULL;
    render_whole(r, &status, out);
    if (!json_check(buf_text(out), out->length, &info))
        return info.reason;
    return (status == 200) == (strstr(buf_text(out), "chat.completion") != NULL) ? NULL
                                                                                 : "a status";
}

static void assert_course(const struct course *course)
{
    struct render_options options = {.format = course->format,
                                     .snapshot = course->snapshot,
                                     .whole = course->whole,
                                     .include_usage = course->end % 2 == 1};
    struct buf out = {0};
    struct render *r = script_begin(&options, &out);
    assert_non_null(r);
    bool ended = run(r, course, &out);
    assert_true(buf_ok(&out));
    const char *wrong = course->whole
                            ? check_whole(r, ended, &out)
                            : check_answer(course->format, buf_text(&out), out.length, ended);
    if (wrong)
        fail_msg("format %d snapshot %d answer %zu of %zu, event %d at %zu, end %d: %s:\n%s",
                 course->format, course->snapshot, course->answer, course->length, course->event,
                 course->event_at, course->end, wrong, buf_text(&out));
    render_free(r);
    buf_clear(&out);
}

static size_t length_of(size_t answer)
{
    size_t length = 0;
    while (length < MESSAGES_MOST && answers[answer][length])
        length++;
    return length;
}

static void with_each_event(struct course course)
{
    course.event = NOTHING;
    course.event_at = 0;
    assert_course(&course);
    for (course.event_at = 0; course.event_at < course.length; course.event_at++) {
        for (course.event = ATTEMPT; course.event <= JOINED; course.event++)
            assert_course(&course);
    }
}

static void with_each_end(struct course course)
{
    for (course.answer = 0; course.answer < COUNT_OF(answers); course.answer++) {
        for (course.length = 0; course.length <= length_of(course.answer); course.length++) {
            for (course.end = 0; course.end < ENDS; course.end++)
                with_each_event(course);
        }
    }
}

static void an_ai_sdk_client_takes_every_course(void **state)
{
    (void)state;
    with_each_end((struct course){.format = RENDER_AI_SDK});
    with_each_end((struct course){.format = RENDER_AI_SDK, .snapshot = true});
}

static void an_openai_client_takes_every_course(void **state)
{
    (void)state;
    with_each_end((struct course){.format = RENDER_OPENAI});
    with_each_end((struct course){.format = RENDER_OPENAI, .snapshot = true});
    with_each_end((struct course){.format = RENDER_OPENAI, .whole = true});
}

static void an_ag_ui_client_takes_every_course(void **state)
{
    (void)state;
    with_each_end((struct course){.format = RENDER_AG_UI});
    with_each_end((struct course){.format = RENDER_AG_UI, .snapshot = true});
}

/* ---- bounds ---- */

static const enum render_format formats[] = {RENDER_RAW, RENDER_OPENAI, RENDER_AI_SDK,
                                             RENDER_AG_UI};

static void what_is_held_back_has_a_bound(void **state)
{
    (void)state;
    struct buf json = {0};
    buf_puts(&json, "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"");
    for (int i = 0; i < 100000; i++)
        buf_putc(&json, 'x');
    buf_puts(&json, "\"}");
    for (size_t f = 0; f < COUNT_OF(formats); f++) {
        const struct render_options options = {.format = formats[f], .snapshot = true};
        struct buf out = {0};
        struct render *r = script_begin(&options, &out);
        size_t begun = out.length;
        for (uint64_t i = 0; i <= RENDER_HELD_BYTES / 100000; i++) {
            assert_int_equal(out.length, begun);
            assert_false(script_message(r, i + 1, buf_text(&json), &out));
        }
        assert_true(out.length > RENDER_HELD_BYTES);
        size_t before = out.length;
        assert_false(script_message(r, 99, buf_text(&json), &out));
        assert_true(out.length > before + 100000);
        render_free(r);
        buf_clear(&out);
    }
    buf_clear(&json);
}

static void an_answer_of_very_many_parts_is_still_right(void **state)
{
    (void)state;
    static const char *const kinds[][3] = {
        {"text-delta", "id", "delta"},
        {"reasoning-delta", "id", "delta"},
        {"tool-input-delta", "toolCallId", "inputTextDelta"},
    };
    for (size_t f = 1; f < COUNT_OF(formats); f++) {
        const struct render_options options = {.format = formats[f]};
        struct buf out = {0};
        struct render *r = script_begin(&options, &out);
        render_caught_up(r, &out);
        for (unsigned i = 0; i < 3000; i++) {
            char json[128];
            snprintf(json, sizeof json, "{\"type\":\"%s\",\"%s\":\"%u\",\"%s\":\"x\"}",
                     kinds[i % 3][0], kinds[i % 3][1], i, kinds[i % 3][2]);
            assert_false(script_message(r, i + 1, json, &out));
        }
        bool lost = render_void(r, 2, &out);
        assert_int_equal(lost, formats[f] != RENDER_AI_SDK);
        if (!lost)
            assert_true(script_end(r, ENTRY_DONE, NULL, NULL, &out));
        assert_null(check_answer(formats[f], buf_text(&out), out.length, true));
        render_free(r);
        buf_clear(&out);
    }
}

static void an_id_that_is_too_long_is_passed_over(void **state)
{
    (void)state;
    char json[600];
    snprintf(json, sizeof json, "{\"type\":\"text-delta\",\"id\":\"%0300d\",\"delta\":\"x\"}", 1);
    for (size_t f = 1; f < COUNT_OF(formats); f++) {
        const struct render_options options = {.format = formats[f]};
        struct buf out = {0};
        struct render *r = script_begin(&options, &out);
        render_caught_up(r, &out);
        buf_reset(&out);
        assert_false(script_message(r, 1, json, &out));
        assert_int_equal(out.length, 0);
        render_free(r);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ai_sdk_client_takes_every_course),
        cmocka_unit_test(an_openai_client_takes_every_course),
        cmocka_unit_test(an_ag_ui_client_takes_every_course),
        cmocka_unit_test(what_is_held_back_has_a_bound),
        cmocka_unit_test(an_answer_of_very_many_parts_is_still_right),
        cmocka_unit_test(an_id_that_is_too_long_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
