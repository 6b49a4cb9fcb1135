/*
 * test_json.c: what counts as JSON, where it breaks, and what we write ourselves.
 */
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bytes stand in memory of exactly their size, so that a sanitizer sees a read behind them. */
static bool check(const char *data, size_t length, struct json_info *info)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, data, length);
    bool good = json_check(copy, length, info);
    assert_memory_equal(copy, data, length);
    free(copy);
    return good;
}

static void assert_good(const char *text)
{
    struct json_info info;
    if (!check(text, strlen(text), &info))
        fail_msg("%s: %s at %zu", text, info.reason, info.offset);
    assert_null(info.reason);
}

static void assert_bad_bytes(const char *data, size_t length, size_t offset, const char *reason)
{
    struct json_info info;
    if (check(data, length, &info))
        fail_msg("accepted: %s", data);
    assert_string_equal(info.reason, reason);
    assert_int_equal(info.offset, offset);
}

static void assert_bad(const char *text, size_t offset, const char *reason)
{
    assert_bad_bytes(text, strlen(text), offset, reason);
}

static void every_kind_of_value_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "10",
        "-1.5",
        "1e400",
        "1E+2",
        "1e-2",
        "0.0",
        "12345678901234567890",
        "9007199254740993",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[[],{}]",
        "[1,2]",
        "{\"a\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"\":{\"b\":[null,true]}}",
        " \t\r\n[ 1 , 2 ] \t\r\n",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\\uDE00\"",
        "\"\x7f\"",
        "\"\xc2\x80\"",
        "\"\xdf\xbf\"",
        "\"\xe0\xa0\x80\"",
        "\"\xed\x9f\xbf\"",
        "\"\xee\x80\x80\"",
        "\"\xef\xbf\xbf\"",
        "\"\xf0\x90\x80\x80\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"\xe2\x80\xa8\"",
        "\"\xef\xbb\xbf\"",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_good(good[i]);
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"a\":[1.5e+3,true,null,\"\\ud83d\\ude00\\n\xf0\x9f\x98\x80\"],\"b\":{}}";
    struct json_info info;
    assert_good(whole);
    for (size_t length = 0; length < sizeof whole - 1; length++)
        assert_false(check(whole, length, &info));
}

static void what_is_missing_or_too_much_is_named(void **state)
{
    (void)state;
    assert_bad("", 0, "it ends too early");
    assert_bad("  ", 2, "it ends too early");
    assert_bad("[1,", 3, "it ends too early");
    assert_bad("{\"a\":", 5, "it ends too early");
    assert_bad("{\"a\"", 4, "a colon is expected");
    assert_bad("{\"a\" 1}", 5, "a colon is expected");
    assert_bad("{,}", 1, "a key is expected");
    assert_bad("{\"a\":1,}", 7, "a key is expected");
    assert_bad("{a:1}", 1, "a key is expected");
    assert_bad("{1:1}", 1, "a key is expected");
    assert_bad("[1,]", 3, "a value is expected");
    assert_bad("[,]", 1, "a value is expected");
    assert_bad("]", 0, "a value is expected");
    assert_bad("nul", 0, "a value is expected");
    assert_bad("True", 0, "a value is expected");
    assert_bad("'a'", 0, "a value is expected");
    assert_bad("NaN", 0, "a value is expected");
    assert_bad("[1 2]", 3, "a comma or ] is expected");
    assert_bad("[1}", 2, "a comma or ] is expected");
    assert_bad("{\"a\":1]", 6, "a comma or } is expected");
    assert_bad("{} {}", 3, "more bytes behind the value");
    assert_bad("1 x", 2, "more bytes behind the value");
    assert_bad("nullx", 4, "more bytes behind the value");
    assert_bad("[]//", 2, "more bytes behind the value");
    assert_bad("\xef\xbb\xbf{}", 0, "a byte order mark");
    assert_bad_bytes("{}\0", 3, 2, "more bytes behind the value");
    assert_bad_bytes("\0", 1, 0, "a value is expected");
    assert_bad("[\x0b]", 1, "a value is expected");
    assert_bad("[\xc2\xa0]", 1, "a value is expected");
}

static void numbers_follow_the_grammar(void **state)
{
    (void)state;
    assert_bad("01", 1, "a number that begins with 0");
    assert_bad("-012", 2, "a number that begins with 0");
    assert_bad("-", 1, "a number without a digit");
    assert_bad("-a", 1, "a number without a digit");
    assert_bad("1.", 2, "a number without a digit");
    assert_bad("1.e1", 2, "a number without a digit");
    assert_bad("1e", 2, "a number without a digit");
    assert_bad("1e+", 3, "a number without a digit");
    assert_bad("+1", 0, "a value is expected");
    assert_bad(".5", 0, "a value is expected");
    assert_bad("0x10", 1, "more bytes behind the value");
    assert_bad("1.5.5", 3, "more bytes behind the value");
    assert_bad_bytes("1\0", 2, 1, "more bytes behind the value");
}

static void strings_hold_no_raw_controls_and_no_odd_escapes(void **state)
{
    (void)state;
    for (char c = 1; c < 0x20; c++) {
        char text[] = {'"', 'a', c, '"', '\0'};
        assert_bad(text, 2, "a control character in a string");
    }
    assert_bad_bytes("\"\0\"", 3, 1, "a control character in a string");
    assert_bad("\"a", 2, "a string is not closed");
    assert_bad("\"\\", 2, "a string is not closed");
    assert_bad("\"\\\"", 3, "a string is not closed");
    assert_bad("\"\\x41\"", 1, "an unknown escape");
    assert_bad("\"\\'\"", 1, "an unknown escape");
    assert_bad_bytes("\"\\\0\"", 4, 1, "an unknown escape");
    assert_bad("\"\\u12\"", 1, "\\u without four hexadecimal digits");
    assert_bad("\"\\u12g4\"", 1, "\\u without four hexadecimal digits");
    assert_bad("\"\\U0041\"", 1, "an unknown escape");
    assert_bad("\"\\u0000\"", 1, "\\u0000 is not allowed");
    assert_bad("{\"\\u0000\":1}", 2, "\\u0000 is not allowed");
}

static void half_a_surrogate_pair_is_refused(void **state)
{
    (void)state;
    assert_bad("\"\\ud800\"", 1, "half a surrogate pair");
    assert_bad("\"a\\udc00\"", 2, "half a surrogate pair");
    assert_bad("\"\\ud800\\ud800\"", 1, "half a surrogate pair");
    assert_bad("\"\\udc00\\ud800\"", 1, "half a surrogate pair");
    assert_bad("\"\\ud800\\n\"", 1, "half a surrogate pair");
    assert_bad("\"\\ud800\\u0041\"", 1, "half a surrogate pair");
    assert_bad("\"\\ud800\\ue000\"", 1, "half a surrogate pair");
    assert_good("\"\\ud7ff\\ue000\\udbff\\udfff\"");
}

static void invalid_utf8_is_refused_where_it_stands(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x41",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xe2\x82\x41",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf0\x9f\x98\x41",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char text[16] = "\"ok";
        strcat(strcat(text, bad[i]), "\"");
        assert_bad(text, 3, "not valid UTF-8");
        assert_false(json_is_utf8(bad[i], strlen(bad[i])));
    }
}

static char *nested(size_t depth, char open, char close, size_t *length)
{
    char *text = malloc(2 * depth + 1);
    assert_non_null(text);
    memset(text, open, depth);
    memset(text + depth, close, depth);
    text[2 * depth] = '\0';
    *length = 2 * depth;
    return text;
}

static void thirty_two_levels_are_accepted_and_thirty_three_are_not(void **state)
{
    (void)state;
    size_t length;
    char *text = nested(32, '[', ']', &length);
    assert_good(text);
    free(text);
    text = nested(33, '[', ']', &length);
    assert_bad(text, 32, "nested deeper than 32 levels");
    free(text);
    text = nested(1000000, '[', ']', &length);
    assert_bad(text, 32, "nested deeper than 32 levels");
    free(text);
}

static void objects_and_arrays_count_alike_and_siblings_do_not(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 16; i++)
        buf_puts(&text, "[{\"a\":");
    buf_puts(&text, "1");
    for (int i = 0; i < 16; i++)
        buf_puts(&text, "}]");
    assert_good(buf_text(&text));
    buf_reset(&text);
    for (int i = 0; i < 16; i++)
        buf_puts(&text, "[{\"a\":");
    buf_puts(&text, "{}");
    assert_bad(buf_text(&text), 96, "nested deeper than 32 levels");
    buf_reset(&text);
    buf_puts(&text, "[[]");
    for (int i = 0; i < 100; i++)
        buf_puts(&text, ",[{}]");
    buf_puts(&text, "]");
    assert_good(buf_text(&text));
    buf_clear(&text);
}

static void a_level_remembers_whether_it_is_an_object(void **state)
{
    (void)state;
    assert_good("{\"a\":[{\"b\":[1,2],\"c\":3},4],\"d\":5}");
    assert_bad("[{\"a\":[1]],2]", 9, "a comma or } is expected");
    assert_bad("[{\"a\":1},\"b\":2]", 12, "a comma or ] is expected");
}

static struct json_info info_of(const char *text)
{
    struct json_info info;
    assert_true(check(text, strlen(text), &info));
    return info;
}

static void an_object_at_the_top_is_told_from_other_values(void **state)
{
    (void)state;
    assert_true(info_of("{}").is_object);
    assert_true(info_of(" \n{\"a\":[]}").is_object);
    assert_false(info_of("[{}]").is_object);
    assert_false(info_of("\"{\"").is_object);
    assert_false(info_of("1").is_object);
}

static void the_key_leat_at_the_top_is_found_however_it_is_written(void **state)
{
    (void)state;
    assert_true(info_of("{\"leat\":1}").is_control);
    assert_true(info_of("{\"a\":{},\"leat\" :1}").is_control);
    assert_true(info_of("{\"\\u006ceat\":1}").is_control);
    assert_true(info_of("{\"\\u006C\\u0065\\u0061\\u0074\":1}").is_control);
    assert_true(info_of("{\"lea\\u0074\":1,\"b\":2}").is_control);
}

static void the_key_leat_elsewhere_means_nothing(void **state)
{
    (void)state;
    assert_false(info_of("{\"a\":{\"leat\":1}}").is_control);
    assert_false(info_of("[{\"leat\":1}]").is_control);
    assert_false(info_of("[\"leat\"]").is_control);
    assert_false(info_of("{\"a\":\"leat\"}").is_control);
    assert_false(info_of("{\"Leat\":1,\"lea\":1,\"leats\":1,\"xleat\":1,\"\":1}").is_control);
    assert_false(info_of("{\"\\\\u006ceat\":1,\"\\u016ceat\":1}").is_control);
}

static void flattening_changes_nothing_but_line_ends(void **state)
{
    (void)state;
    char text[] = "{\r\n\"a\\n\":\t[1.0,\n9007199254740993]}\n";
    json_flatten(text, strlen(text));
    assert_string_equal(text, "{  \"a\\n\":\t[1.0, 9007199254740993]} ");
    assert_good(text);
}

static void assert_quoted(const char *data, size_t length, const char *expected)
{
    struct buf out = {0};
    json_quote(&out, data, length);
    assert_true(buf_ok(&out));
    assert_string_equal(buf_text(&out), expected);
    assert_good(buf_text(&out));
    buf_clear(&out);
}

static void quoting_escapes_what_json_asks_for(void **state)
{
    (void)state;
    assert_quoted("", 0, "\"\"");
    assert_quoted(NULL, 0, "\"\"");
    assert_quoted("plain / 'text'", 14, "\"plain / 'text'\"");
    assert_quoted("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    assert_quoted("\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\"");
    assert_quoted("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void quoting_replaces_what_no_string_may_hold(void **state)
{
    (void)state;
    assert_quoted("a\0b", 3,
                  "\"a\xef\xbf\xbd"
                  "b\"");
    assert_quoted("\xff"
                  "a\xc3",
                  3,
                  "\"\xef\xbf\xbd"
                  "a\xef\xbf\xbd\"");
    assert_quoted("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char bytes[2] = {(char)(pair >> 8), (char)(pair & 0xff)};
        struct buf out = {0};
        json_quote(&out, bytes, 2);
        assert_good(buf_text(&out));
        buf_clear(&out);
    }
}

static void cleaning_leaves_good_text_alone_and_drops_nul(void **state)
{
    (void)state;
    struct buf out = {0};
    json_utf8_clean(&out, "a\n\x01\xc3\xa9", 5);
    assert_string_equal(buf_text(&out), "a\n\x01\xc3\xa9");
    buf_reset(&out);
    json_utf8_clean(&out,
                    "\xa9"
                    "a\0b\xe2\x82",
                    6);
    assert_int_equal(out.length, 11);
    assert_string_equal(buf_text(&out), "\xef\xbf\xbd"
                                        "ab\xef\xbf\xbd\xef\xbf\xbd");
    assert_true(json_is_utf8(out.data, out.length));
    buf_clear(&out);
    json_utf8_clean(&out, NULL, 0);
    assert_string_equal(buf_text(&out), "");
}

static struct json_control control_of(const char *text)
{
    struct json_control control;
    assert_true(info_of(text).is_control);
    json_read_control(text, strlen(text), &control);
    return control;
}

static void a_control_line_says_done_or_failed(void **state)
{
    (void)state;
    assert_int_equal(control_of("{\"leat\":\"done\"}").kind, JSON_CONTROL_DONE);
    struct json_control control =
        control_of("{\"leat\": \"failed\", \"reason\": \"no \\\"x\\\"\"}");
    assert_int_equal(control.kind, JSON_CONTROL_FAILED);
    assert_string_equal(control.reason, "no \"x\"");
    assert_true(control.retry);
    control = control_of("{\"retry\":false,\"leat\":\"failed\"}");
    assert_false(control.retry);
    assert_string_equal(control.reason, "");
    assert_true(control_of("{\"leat\":\"failed\",\"retry\":0}").retry);
    assert_string_equal(control_of("{\"leat\":\"failed\",\"reason\":7}").reason, "");
    assert_int_equal(control_of("{\"\\u006ceat\":\"done\"}").kind, JSON_CONTROL_DONE);
}

static void any_other_control_line_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(control_of("{\"leat\":\"stop\"}").kind, JSON_CONTROL_UNKNOWN);
    assert_int_equal(control_of("{\"leat\":\"Done\"}").kind, JSON_CONTROL_UNKNOWN);
    assert_int_equal(control_of("{\"leat\":true}").kind, JSON_CONTROL_UNKNOWN);
    assert_int_equal(control_of("{\"leat\":1,\"leat\":\"done\"}").kind, JSON_CONTROL_UNKNOWN);
    struct json_control control;
    json_read_control("{\"LEAT\":\"done\"}", 15, &control);
    assert_int_equal(control.kind, JSON_CONTROL_UNKNOWN);
    json_read_control("", 0, &control);
    assert_int_equal(control.kind, JSON_CONTROL_UNKNOWN);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct buf line = {0};
        buf_printf(&line, "{\"leat\":\"failed\",\"reason\":\"%.*s", (int)shift, "abc");
        for (int i = 0; i < 80; i++)
            buf_puts(&line, "\xf0\x9f\x98\x80");
        buf_puts(&line, "\"}");
        struct json_control control = control_of(buf_text(&line));
        assert_true(json_is_utf8(control.reason, strlen(control.reason)));
        assert_true(strlen(control.reason) > 196 && strlen(control.reason) <= 200);
        buf_clear(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_accepted),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(what_is_missing_or_too_much_is_named),
        cmocka_unit_test(numbers_follow_the_grammar),
        cmocka_unit_test(strings_hold_no_raw_controls_and_no_odd_escapes),
        cmocka_unit_test(half_a_surrogate_pair_is_refused),
        cmocka_unit_test(invalid_utf8_is_refused_where_it_stands),
        cmocka_unit_test(thirty_two_levels_are_accepted_and_thirty_three_are_not),
        cmocka_unit_test(objects_and_arrays_count_alike_and_siblings_do_not),
        cmocka_unit_test(a_level_remembers_whether_it_is_an_object),
        cmocka_unit_test(an_object_at_the_top_is_told_from_other_values),
        cmocka_unit_test(the_key_leat_at_the_top_is_found_however_it_is_written),
        cmocka_unit_test(the_key_leat_elsewhere_means_nothing),
        cmocka_unit_test(flattening_changes_nothing_but_line_ends),
        cmocka_unit_test(quoting_escapes_what_json_asks_for),
        cmocka_unit_test(quoting_replaces_what_no_string_may_hold),
        cmocka_unit_test(cleaning_leaves_good_text_alone_and_drops_nul),
        cmocka_unit_test(a_control_line_says_done_or_failed),
        cmocka_unit_test(any_other_control_line_is_unknown),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
