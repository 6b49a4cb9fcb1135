/*
 * test_part.c: what a message says, in whatever form it is written.
 */
#include "part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct part part;

static void read_part(const char *json)
{
    part_read(json, strlen(json), &part);
}

static void assert_slice(struct slice slice, const char *expected)
{
    if (!expected) {
        assert_null(slice.data);
        return;
    }
    assert_non_null(slice.data);
    assert_int_equal(slice.length, strlen(expected));
    assert_memory_equal(slice.data, expected, slice.length);
}

static void assert_kind(const char *json, enum part_kind kind)
{
    read_part(json);
    if (part.kind != kind)
        fail_msg("%s: %d, not %d", json, part.kind, kind);
}

static void a_delta_is_read_in_its_form(void **state)
{
    (void)state;
    assert_kind("{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"H\\u00e9 \\\"\xc3\xa9\"}",
                PART_TEXT_DELTA);
    assert_true(part.canonical);
    assert_slice(part.id, "\"t1\"");
    assert_slice(part.text, "\"H\\u00e9 \\\"\xc3\xa9\"");
    assert_kind("{\"type\":\"reasoning-delta\",\"id\":\"\",\"delta\":\"\"}", PART_REASONING_DELTA);
    assert_true(part.canonical);
    assert_slice(part.text, "\"\"");
    assert_kind("{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\"}",
                PART_CALL_DELTA);
    assert_true(part.canonical);
    assert_slice(part.id, "\"c\"");
}

static void other_forms_say_the_same(void **state)
{
    (void)state;
    assert_kind(
        " { \"delta\" : \"x\" , \"more\":[{}], \"id\":\"\\u0074\",\"type\":\"text-delta\"}\n",
        PART_TEXT_DELTA);
    assert_false(part.canonical);
    assert_slice(part.id, "\"\\u0074\"");
    assert_slice(part.text, "\"x\"");
    assert_kind("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\",\"delta\":\"y\"}",
                PART_TEXT_DELTA);
    assert_false(part.canonical);
    assert_slice(part.text, "\"y\"");
    assert_kind("{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"x\",\"type\":\"text-end\"}",
                PART_TEXT_END);
}

/* One byte that is missing or wrong, anywhere: a canonical delta is whole or it is none. */
static void a_broken_delta_is_none(void **state)
{
    (void)state;
    const char whole[] = "{\"type\":\"text-delta\",\"id\":\"t1\",\"delta\":\"a\\n\\u0041\"}";
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        part_read(whole, length, &part);
        assert_int_equal(part.kind, PART_PLAIN);
    }
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        char broken[sizeof whole];
        memcpy(broken, whole, sizeof whole);
        broken[at] = '\n';
        read_part(broken);
        assert_false(part.canonical);
    }
}

static void members_that_are_missing_or_wrong_make_it_nothing(void **state)
{
    (void)state;
    assert_kind("{\"type\":\"text-delta\",\"id\":\"t\"}", PART_NOTHING);
    assert_kind("{\"type\":\"text-delta\",\"id\":1,\"delta\":\"\"}", PART_NOTHING);
    assert_kind("{\"type\":\"tool-input-available\",\"toolCallId\":\"c\",\"toolName\":\"n\"}",
                PART_NOTHING);
    assert_kind("{\"type\":\"finish\",\"finishReason\":null}", PART_NOTHING);
    assert_kind("{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"n\","
                "\"dynamic\":1}",
                PART_NOTHING);
    assert_kind("{\"type\":\"text-end\",\"id\":\"t\",\"providerMetadata\":{\"a\":[]}}",
                PART_NOTHING);
    assert_kind("{\"type\":\"text-end\",\"id\":\"t\",\"providerMetadata\":{\"a\":{}}}",
                PART_TEXT_END);
    assert_kind("{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"n\","
                "\"inputEncoding\":\"binary\"}",
                PART_NOTHING);
}

static void the_values_are_as_they_stand(void **state)
{
    (void)state;
    assert_kind("{\"type\":\"tool-input-available\",\"toolCallId\":\"c\",\"toolName\":\"n\","
                "\"input\":{\"a\": 1.50}}",
                PART_CALL_INPUT);
    assert_slice(part.value, "{\"a\": 1.50}");
    assert_slice(part.name, "\"n\"");
    assert_kind("{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":null,"
                "\"preliminary\":true}",
                PART_OUTPUT);
    assert_slice(part.value, "null");
    assert_true(part.preliminary);
    assert_kind("{\"type\":\"data-a\\/b\",\"data\":[],\"transient\":true,\"title\":5}", PART_DATA);
    assert_slice(part.type, "\"data-a\\/b\"");
    assert_true(part.transient);
    assert_kind("{\"type\":\"start\"}", PART_START);
    assert_slice(part.id, NULL);
}

static void what_has_no_type_is_plain(void **state)
{
    (void)state;
    assert_kind("{\"id\":\"0\",\"message\":\"hi\",\"text\":\"no\"}", PART_PLAIN);
    assert_slice(part.text, "\"hi\"");
    assert_kind("{\"message\":5,\"text\":\"yes\"}", PART_PLAIN);
    assert_slice(part.text, "\"yes\"");
    assert_kind("{\"n\":1}", PART_PLAIN);
    assert_slice(part.text, NULL);
    assert_kind("[{\"type\":\"start\"}]", PART_PLAIN);
    assert_kind("not JSON", PART_PLAIN);
    assert_kind("", PART_PLAIN);
    assert_kind("{\"type\":5}", PART_PLAIN);
}

static void a_type_of_nobody_is_plain_if_it_has_a_text(void **state)
{
    (void)state;
    assert_kind("{\"type\":\"log\",\"message\":\"hi\"}", PART_PLAIN);
    assert_slice(part.text, "\"hi\"");
    assert_kind("{\"type\":\"log\",\"n\":1}", PART_NOTHING);
    assert_kind("{\"type\":\"data-\",\"data\":1}", PART_DATA);
    assert_kind("{\"type\":\"data-x\"}", PART_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delta_is_read_in_its_form),
        cmocka_unit_test(other_forms_say_the_same),
        cmocka_unit_test(a_broken_delta_is_none),
        cmocka_unit_test(members_that_are_missing_or_wrong_make_it_nothing),
        cmocka_unit_test(the_values_are_as_they_stand),
        cmocka_unit_test(what_has_no_type_is_plain),
        cmocka_unit_test(a_type_of_nobody_is_plain_if_it_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
