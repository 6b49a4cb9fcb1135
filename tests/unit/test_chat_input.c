/*
 * test_chat_input.c: what each dialect's question asks for, each member at its bounds, beyond
 * them, and of every wrong type.
 */
#include "chat_input.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct chat_wrong wrong;
static struct chat_input input;
static char body[1200];
static char *kept; /* the body last read, in memory of exactly its size */

static enum status read_as(enum chat_dialect dialect, const char *text)
{
    struct json_info info;
    size_t length = strlen(text);
    free(kept);
    kept = malloc(length);
    assert_non_null(kept);
    memcpy(kept, text, length);
    if (!json_check(kept, length, &info))
        fail_msg("no JSON: %s", text);
    wrong = (struct chat_wrong){.member = "?"};
    return chat_input_read(kept, length, dialect, &input, &wrong);
}

static void assert_good(enum chat_dialect dialect, const char *text)
{
    if (read_as(dialect, text) != STATUS_OK)
        fail_msg("%s: %s", text, wrong.text);
}

static void assert_wrong(enum chat_dialect dialect, const char *text, const char *member,
                         const char *sentence)
{
    if (read_as(dialect, text) != STATUS_BAD_INPUT)
        fail_msg("accepted: %s", text);
    assert_string_equal(wrong.member, member);
    assert_string_equal(wrong.text, sentence);
}

/* A body of the dialect that is good but for what one member of it is. */
static const char *with(enum chat_dialect dialect, const char *name, const char *value)
{
    static const char *const rest[] = {"\"model\": \"m\"", "\"id\": \"c\"", "\"threadId\": \"t\"",
                                       "\"runId\": \"r\"", "\"messages\": [1]"};
    static const unsigned whose[] = {CHAT_OPENAI, CHAT_AI_SDK, CHAT_AG_UI, CHAT_AG_UI, ~0u};
    size_t used = (size_t)snprintf(body, sizeof body, " {\"temperature\": 1");
    for (size_t i = 0; i < COUNT_OF(rest); i++) {
        if (whose[i] & (unsigned)dialect && strncmp(rest[i] + 1, name, strlen(name)) != 0)
            used += (size_t)snprintf(body + used, sizeof body - used, ", %s", rest[i]);
    }
    const char *dot = strchr(name, '.');
    if (!value)
        snprintf(body + used, sizeof body - used, "}");
    else if (dot)
        snprintf(body + used, sizeof body - used, ", \"%.*s\": {\"%s\": %s}}", (int)(dot - name),
                 name, dot + 1, value);
    else
        snprintf(body + used, sizeof body - used, ", \"%s\": %s}", name, value);
    return body;
}

static void an_openai_question_is_read(void **state)
{
    (void)state;
    assert_good(CHAT_OPENAI, "{\"model\": \"m\", \"messages\": [ {\"role\": \"user\"} ]}");
    assert_string_equal(input.feature_id, "m");
    assert_string_equal(input.chat_id, "");
    assert_int_equal(input.messages.length, strlen("[ {\"role\": \"user\"} ]"));
    assert_false(input.stream || input.include_usage);
    assert_good(CHAT_OPENAI,
                "{\"stream_options\": {\"x\": 1, \"include_usage\": true}, \"stream\": "
                "true, \"n\": 1, \"model\": \"\\u0061.b\", \"messages\": [1]}");
    assert_string_equal(input.feature_id, "a.b");
    assert_true(input.stream && input.include_usage);
    assert_good(CHAT_OPENAI, "{\"stream\": null, \"n\": null, \"stream_options\": null, "
                             "\"include_usage\": 7, \"model\": \"m\", \"messages\": [1]}");
    assert_false(input.stream || input.include_usage);
}

static void a_question_of_the_ai_sdk_is_read(void **state)
{
    (void)state;
    assert_good(CHAT_AI_SDK, "{\"id\": \"chat-1\", \"messages\": [{}], \"trigger\": "
                             "\"submit-message\", \"model\": {}}");
    assert_string_equal(input.chat_id, "chat-1");
    assert_string_equal(input.feature_id, "");
}

static void a_run_of_ag_ui_is_read(void **state)
{
    (void)state;
    assert_good(CHAT_AG_UI, "{\"threadId\": \"t\", \"runId\": \"run \\u00e4\", \"messages\": [], "
                            "\"tools\": [], \"context\": [], \"state\": {}}");
    assert_string_equal(input.chat_id, "t");
    assert_string_equal(input.run_id, "run \u00e4");
    assert_int_equal(input.messages.length, 2);
    assert_memory_equal(input.messages.data, "[]", 2);
}

static const char *too_long(void)
{
    static char text[JOB_NAME_SIZE + 3];
    memset(text, 'a', JOB_NAME_SIZE + 2);
    text[0] = text[JOB_NAME_SIZE + 1] = '"';
    return text;
}

static const char *longest(void)
{
    static char text[JOB_NAME_SIZE + 2];
    memset(text, 'a', JOB_NAME_SIZE + 1);
    text[0] = text[JOB_NAME_SIZE] = '"';
    return text;
}

static bool fits(enum chat_kind kind, const char *value)
{
    switch (kind) {
    case CHAT_NAME:
    case CHAT_TEXT:
        return strcmp(value, longest()) == 0 ||
               (kind == CHAT_TEXT && strcmp(value, "\"a b\"") == 0);
    case CHAT_FLAG:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case CHAT_ONE:
        return strcmp(value, "1") == 0;
    case CHAT_LIST:
        return *value == '[';
    case CHAT_FILLED:
        return strcmp(value, "[0]") == 0;
    case CHAT_OPTIONS:
        return *value == '{';
    }
    return false;
}

static void each_value(const struct chat_member *member, enum chat_dialect dialect)
{
    const char *values[] = {"true",    "false",   "0",        "1",
                            "2",       "1.0",     "[]",       "[ ]",
                            "[0]",     "{}",      "\"\"",     "{\"include_usage\":true}",
                            "\"a b\"", longest(), too_long(), "\"\\u00e4\\u00e4 \""};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        enum status status = read_as(dialect, with(dialect, member->name, values[i]));
        bool good = fits(member->kind, values[i]) ||
                    (member->kind == CHAT_TEXT && i == COUNT_OF(values) - 1);
        if ((status == STATUS_OK) != good)
            fail_msg("%s: %d", body, (int)status);
        if (!good) {
            assert_string_equal(wrong.member, member->name);
            assert_int_equal(strncmp(wrong.text, member->name, strlen(member->name)), 0);
        }
    }
}

static void each_member_takes_what_its_rule_says_and_nothing_else(void **state)
{
    size_t count;
    const struct chat_member *members = chat_input_members(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (unsigned dialect = CHAT_OPENAI; dialect <= CHAT_AG_UI; dialect <<= 1) {
            if (members[i].dialects & dialect)
                each_value(&members[i], (enum chat_dialect)dialect);
        }
    }
}

static void what_is_required_may_be_neither_missing_nor_null(void **state)
{
    size_t count;
    const struct chat_member *members = chat_input_members(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (unsigned d = CHAT_OPENAI; d <= CHAT_AG_UI; d <<= 1) {
            enum chat_dialect dialect = (enum chat_dialect)d;
            if (!(members[i].dialects & d))
                continue;
            enum status expected = members[i].required ? STATUS_BAD_INPUT : STATUS_OK;
            assert_int_equal(read_as(dialect, with(dialect, members[i].name, "null")), expected);
            assert_int_equal(read_as(dialect, with(dialect, members[i].name, NULL)), expected);
        }
    }
}

static void what_is_wrong_is_said_with_the_members_name(void **state)
{
    (void)state;
    assert_wrong(CHAT_OPENAI, "[]", "", "The body must be a JSON object.");
    assert_wrong(CHAT_OPENAI, "{}", "model", "model is missing.");
    assert_wrong(CHAT_OPENAI, "{\"model\": \"a:b\"}", "model",
                 "model must be a string of 1 to 128 characters of A-Z a-z 0-9 _ . -.");
    assert_wrong(CHAT_OPENAI, "{\"model\": \"m\", \"messages\": []}", "messages",
                 "messages must be a list that is not empty.");
    assert_wrong(CHAT_OPENAI, "{\"model\": \"m\", \"messages\": [1], \"n\": 2}", "n",
                 "n must be 1.");
    assert_wrong(CHAT_OPENAI, "{\"stream_options\": {\"include_usage\": 1}}",
                 "stream_options.include_usage",
                 "stream_options.include_usage must be true or false.");
    assert_wrong(CHAT_AI_SDK, "{\"id\": \"a\", \"id\": \"b\"}", "id", "id may be given only once.");
    assert_wrong(CHAT_AG_UI, "{\"threadId\": \"a b\"}", "threadId",
                 "threadId must be a string of 1 to 128 characters of A-Z a-z 0-9 _ . -.");
}

static void a_key_always_has_the_same_chat(void **state)
{
    char one[JOB_NAME_SIZE], again[JOB_NAME_SIZE], other[JOB_NAME_SIZE];
    (void)state;
    chat_input_keyed("a key: 1", one);
    chat_input_keyed("a key: 1", again);
    chat_input_keyed("a key: 2", other);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_true(job_is_name(one));
}

static int forget(void **state)
{
    (void)state;
    free(kept);
    kept = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_openai_question_is_read),
        cmocka_unit_test(a_question_of_the_ai_sdk_is_read),
        cmocka_unit_test(a_run_of_ag_ui_is_read),
        cmocka_unit_test(each_member_takes_what_its_rule_says_and_nothing_else),
        cmocka_unit_test(what_is_required_may_be_neither_missing_nor_null),
        cmocka_unit_test(what_is_wrong_is_said_with_the_members_name),
        cmocka_unit_test(a_key_always_has_the_same_chat),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
