/*
 * test_json.c: what counts as JSON, where it breaks, and what we write ourselves.
 */
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static void a_jobs_line_may_have_one_level_more_for_the_body_in_it(void **state)
{
    (void)state;
    struct json_info info;
    size_t length;
    char *text = nested(33, '[', ']', &length);
    assert_true(json_check_line(text, length, &info));
    free(text);
    text = nested(34, '[', ']', &length);
    assert_false(json_check_line(text, length, &info));
    assert_string_equal(info.reason, "nested deeper than 33 levels");
    assert_int_equal(info.offset, 33);
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

static void any_other_control_line_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(control_of("{\"leat\":\"stop\"}").kind, JSON_CONTROL_WRONG);
    assert_int_equal(control_of("{\"leat\":\"Done\"}").kind, JSON_CONTROL_WRONG);
    assert_int_equal(control_of("{\"leat\":true}").kind, JSON_CONTROL_WRONG);
    assert_int_equal(control_of("{\"leat\":1,\"leat\":\"done\"}").kind, JSON_CONTROL_WRONG);
    struct json_control control;
    json_read_control("{\"LEAT\":\"done\"}", 15, &control);
    assert_int_equal(control.kind, JSON_CONTROL_WRONG);
}

/* A member of nothing but four-byte characters, behind `shift` single ones. */
static struct json_control control_with_long(const char *name, size_t shift)
{
    struct buf line = {0};
    buf_printf(&line, "{\"leat\":\"failed\",\"%s\":\"%.*s", name, (int)shift, "abc");
    for (int i = 0; i < 80; i++)
        buf_puts(&line, i % 2 ? "\xf0\x9f\x98\x80" : "\\ud83d\\ude00");
    buf_puts(&line, "\"}");
    struct json_control control = control_of(buf_text(&line));
    buf_clear(&line);
    return control;
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct json_control control = control_with_long("reason", shift);
        assert_true(json_is_utf8(control.reason, strlen(control.reason)));
        assert_true(strlen(control.reason) > 196 && strlen(control.reason) <= 200);
        control = control_with_long("detail", shift);
        assert_true(json_is_utf8(control.detail, strlen(control.detail)));
        assert_true(strlen(control.detail) > 296 && strlen(control.detail) <= 300);
    }
}

static void a_failure_may_have_a_sentence_and_a_time_before_which_it_is_not_tried(void **state)
{
    (void)state;
    struct json_control control =
        control_of("{\"leat\":\"failed\",\"detail\":\"Too \\u006dany.\",\"retry_after_ms\":2500}");
    assert_string_equal(control.detail, "Too many.");
    assert_int_equal(control.retry_after_ms, 2500);
    control = control_of("{\"leat\":\"failed\",\"detail\":7,\"retry_after_ms\":\"2\"}");
    assert_string_equal(control.detail, "");
    assert_int_equal(control.retry_after_ms, 0);
    control = control_of("{\"leat\":\"failed\",\"retry_after_ms\":1.5}");
    assert_int_equal(control.retry_after_ms, 0);
    control = control_of("{\"leat\":\"failed\",\"retry_after_ms\":-5}");
    assert_int_equal(control.retry_after_ms, 0);
    control = control_of("{\"leat\":\"failed\",\"retry_after_ms\":99999999999}");
    assert_int_equal(control.retry_after_ms, JSON_RETRY_AFTER_MS);
    control = control_of("{\"leat\":\"failed\",\"retry_after_ms\":1,\"retry_after_ms\":2}");
    assert_int_equal(control.retry_after_ms, 1);
}

static void assert_usage(const char *line, const char *usage)
{
    struct json_control control = control_of(line);
    assert_int_equal(control.kind, usage ? JSON_CONTROL_USAGE : JSON_CONTROL_WRONG);
    if (usage) {
        assert_int_equal(control.usage_length, strlen(usage));
        assert_memory_equal(control.usage, usage, strlen(usage));
    } else {
        assert_string_equal(control.wrong, "says usage without an object of at most 1024 bytes");
    }
}

static void a_usage_is_an_object_as_it_stands_in_the_line(void **state)
{
    (void)state;
    assert_usage("{\"leat\":\"usage\",\"usage\": {\"input_tokens\" :1e2} }",
                 "{\"input_tokens\" :1e2}");
    assert_usage("{\"usage\":{},\"leat\":\"usage\",\"usage\":[]}", "{}");
    assert_usage("{\"leat\":\"usage\"}", NULL);
    assert_usage("{\"leat\":\"usage\",\"usage\":7}", NULL);
    assert_usage("{\"leat\":\"usage\",\"usage\":[{}]}", NULL);
    assert_usage("{\"leat\":\"usage\",\"usage\":null,\"usage\":{}}", NULL);
}

static void a_usage_has_at_most_so_many_bytes(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char usage[JSON_USAGE_BYTES + 2], line[JSON_USAGE_BYTES + 64];
        int length = JSON_USAGE_BYTES + more;
        snprintf(usage, sizeof usage, "{\"m\":\"%0*d\"}", length - 8, 0);
        snprintf(line, sizeof line, "{\"leat\":\"usage\",\"usage\":%s}", usage);
        assert_usage(line, more ? NULL : usage);
    }
}

/* ---- the members of an object ---- */

static bool note_member(void *arg, const struct json_member *member)
{
    struct buf *notes = arg;
    buf_printf(notes, "%s%s|%c|%.*s\n", member->name, member->name_too_long ? "…" : "",
               "snb0oa"[member->type], (int)member -> length, member -> value);
    assert_true(member->length > 0);
    return true;
}

/* Each member as a line: name, type, value. */
static void assert_members(const char *text, const char *expected)
{
    struct buf notes = {0};
    size_t length = strlen(text);
    assert_true(info_of(text).is_object);
    char *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, text, length);
    assert_true(json_members(copy, length, note_member, &notes));
    assert_memory_equal(copy, text, length);
    assert_string_equal(buf_text(&notes), expected);
    free(copy);
    buf_clear(&notes);
}

static void each_member_is_told_with_its_type_and_its_bytes(void **state)
{
    (void)state;
    assert_members(
        "{\"a\":\"x\",\"b\":-1.50e+2,\"c\":true,\"d\":false,\"e\":null,\"f\":{},\"g\":[]}",
        "a|s|\"x\"\nb|n|-1.50e+2\nc|b|true\nd|b|false\ne|0|null\nf|o|{}\ng|a|[]\n");
    assert_members("{\"a\":0}", "a|n|0\n");
    assert_members("{\"a\":\"\"}", "a|s|\"\"\n");
}

static void an_empty_object_has_no_members(void **state)
{
    (void)state;
    assert_members("{}", "");
    assert_members(" \r\n{ \t\n } ", "");
}

static void white_space_around_a_value_is_no_part_of_it(void **state)
{
    (void)state;
    assert_members(" {\n\"a\" \t:\r\n 12 \n,\"b\": \"x \" ,\n\"c\" : [ 1 , 2 ]\n, \"d\":null }\n",
                   "a|n|12\nb|s|\"x \"\nc|a|[ 1 , 2 ]\nd|0|null\n");
}

static void what_stands_inside_a_value_is_not_told(void **state)
{
    (void)state;
    assert_members("{\"a\":{\"b\":{\"c\":1},\"d\":[{\"e\":2},[]]},\"f\":[[{}],{\"g\":\"}\"}]}",
                   "a|o|{\"b\":{\"c\":1},\"d\":[{\"e\":2},[]]}\nf|a|[[{}],{\"g\":\"}\"}]\n");
    assert_members("{\"a\":\"\\\"b\\\":1,\",\"c\":\"}\"}", "a|s|\"\\\"b\\\":1,\"\nc|s|\"}\"\n");
}

static void a_value_may_be_as_deep_as_any(void **state)
{
    (void)state;
    struct buf text = {0}, expected = {0};
    buf_puts(&text, "{\"a\":");
    for (int i = 0; i < 31; i++)
        buf_putc(&text, '[');
    for (int i = 0; i < 31; i++)
        buf_putc(&text, ']');
    buf_printf(&expected, "a|a|%s\nb|n|1\n", buf_text(&text) + 5);
    buf_puts(&text, ",\"b\":1}");
    assert_members(buf_text(&text), buf_text(&expected));
    buf_clear(&text);
    buf_clear(&expected);
}

static void equal_names_are_all_told(void **state)
{
    (void)state;
    assert_members("{\"a\":1,\"b\":2,\"a\":3,\"\\u0061\":4}", "a|n|1\nb|n|2\na|n|3\na|n|4\n");
    assert_members("{\"\":1,\"\":2}", "|n|1\n|n|2\n");
}

static void escapes_in_a_name_are_undone(void **state)
{
    (void)state;
    assert_members("{\"\\u0074ype\":1}", "type|n|1\n");
    assert_members("{\"a\\\"b\\\\c\\/d\":1}", "a\"b\\c/d|n|1\n");
    assert_members("{\"\\b\\f\\n\\r\\t\":1}", "\b\f\n\r\t|n|1\n");
    assert_members("{\"\\u00e9\\u20AC\\ud83d\\ude00\":1}",
                   "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|n|1\n");
    assert_members("{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":1}",
                   "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|n|1\n");
    assert_members("{\"\\\\u0061\":1}", "\\u0061|n|1\n");
    assert_members("{\"\\\"\":\"\\\"\"}", "\"|s|\"\\\"\"\n");
}

static bool keep_member(void *arg, const struct json_member *member)
{
    *(struct json_member *)arg = *member;
    return false;
}

/* `count` letters, then a character. */
static struct json_member named(size_t count, const char *character)
{
    struct json_member member;
    struct buf text = {0};
    buf_puts(&text, "{\"");
    for (size_t i = 0; i < count; i++)
        buf_putc(&text, 'n');
    buf_printf(&text, "%s\":1}", character);
    assert_true(info_of(buf_text(&text)).is_object);
    assert_false(json_members(text.data, text.length, keep_member, &member));
    assert_int_equal(member.length, 1);
    buf_clear(&text);
    return member;
}

static void a_name_of_more_than_64_bytes_is_marked_and_cut_between_characters(void **state)
{
    (void)state;
    for (size_t length = 55; length < 75; length++) {
        struct json_member letters = named(length, "");
        assert_int_equal(letters.name_too_long, length > 64);
        assert_int_equal(strlen(letters.name), min_size(length, 64));
        static const char *const forms[] = {"\xf0\x9f\x98\x80", "\\ud83d\\ude00"};
        for (size_t i = 0; i < COUNT_OF(forms); i++) {
            struct json_member with = named(length, forms[i]);
            size_t expected = length > 60 ? min_size(length, 64) : length + 4;
            assert_int_equal(with.name_too_long, length > 60);
            assert_int_equal(strlen(with.name), expected);
            assert_true(json_is_utf8(with.name, expected));
        }
    }
    struct json_member escaped = named(63, "\\u0041");
    assert_false(escaped.name_too_long);
    assert_int_equal(escaped.name[63], 'A');
}

static bool stop_at_third(void *arg, const struct json_member *member)
{
    (void)member;
    return ++*(int *)arg < 3;
}

static void the_walk_stops_when_it_is_told_to(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}";
    int count = 0;
    assert_false(json_members(text, sizeof text - 1, stop_at_third, &count));
    assert_int_equal(count, 3);
    count = -1;
    assert_false(json_members(text, sizeof text - 1, stop_at_third, &count));
    assert_int_equal(count, 3);
    count = -2;
    assert_true(json_members(text, sizeof text - 1, stop_at_third, &count));
    assert_int_equal(count, 2);
}

static void assert_string(const char *literal, const char *expected)
{
    struct buf out = {0};
    assert_good(literal);
    json_read_string(literal, strlen(literal), &out);
    assert_true(buf_ok(&out));
    assert_string_equal(buf_text(&out), expected);
    buf_clear(&out);
}

static void a_string_is_read_with_its_escapes_undone(void **state)
{
    (void)state;
    assert_string("\"\"", "");
    assert_string("\"plain\"", "plain");
    assert_string("\"\\n\"", "\n");
    assert_string("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz");
    assert_string("\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
                  "\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
    assert_string("\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    assert_string("\"\xc3\xa9\\u00e9\xc3\xa9\"", "\xc3\xa9\xc3\xa9\xc3\xa9");
    assert_string("\"\\\\\"", "\\");
    assert_string("\"\\\\n\"", "\\n");
}

static void a_string_is_added_to_what_is_there(void **state)
{
    (void)state;
    struct buf out = {0};
    buf_puts(&out, "a");
    json_read_string("\"b\\u0063\"", 9, &out);
    json_read_string("\"\"", 2, &out);
    assert_string_equal(buf_text(&out), "abc");
    buf_clear(&out);
}

static void every_text_is_read_back_as_it_was_quoted(void **state)
{
    (void)state;
    struct buf literal = {0}, again = {0};
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char bytes[2] = {(char)(pair >> 8), (char)(pair & 0xff)};
        if (!bytes[0] || !bytes[1] || !json_is_utf8(bytes, 2))
            continue;
        buf_reset(&literal);
        buf_reset(&again);
        json_quote(&literal, bytes, 2);
        json_read_string(literal.data, literal.length, &again);
        assert_int_equal(again.length, 2);
        assert_memory_equal(again.data, bytes, 2);
    }
    buf_clear(&literal);
    buf_clear(&again);
}

static void assert_integer(const char *text, int64_t expected)
{
    int64_t read = 77;
    assert_good(text);
    assert_true(json_read_integer(text, strlen(text), &read));
    assert_true(read == expected);
}

static void assert_no_integer(const char *text)
{
    int64_t read = 77;
    if (json_read_integer(text, strlen(text), &read))
        fail_msg("accepted: %s", text);
    assert_int_equal(read, 77);
}

static void an_integer_has_64_bits_and_no_fraction(void **state)
{
    (void)state;
    assert_integer("0", 0);
    assert_integer("-0", 0);
    assert_integer("7", 7);
    assert_integer("-86400000", -86400000);
    assert_integer("9007199254740993", 9007199254740993);
    assert_integer("9223372036854775807", INT64_MAX);
    assert_integer("-9223372036854775807", -INT64_MAX);
    assert_integer("-9223372036854775808", INT64_MIN);
    static const char *const no[] = {
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999",
        "92233720368547758070",
        "1.0",
        "1.5",
        "1e3",
        "1E3",
        "0e0",
        "true",
        "null",
        "\"1\"",
        "[1]",
        "{}",
        "",
        "-",
    };
    for (size_t i = 0; i < COUNT_OF(no); i++)
        assert_no_integer(no[i]);
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
        cmocka_unit_test(a_jobs_line_may_have_one_level_more_for_the_body_in_it),
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
        cmocka_unit_test(any_other_control_line_is_wrong),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_failure_may_have_a_sentence_and_a_time_before_which_it_is_not_tried),
        cmocka_unit_test(a_usage_is_an_object_as_it_stands_in_the_line),
        cmocka_unit_test(a_usage_has_at_most_so_many_bytes),
        cmocka_unit_test(each_member_is_told_with_its_type_and_its_bytes),
        cmocka_unit_test(an_empty_object_has_no_members),
        cmocka_unit_test(white_space_around_a_value_is_no_part_of_it),
        cmocka_unit_test(what_stands_inside_a_value_is_not_told),
        cmocka_unit_test(a_value_may_be_as_deep_as_any),
        cmocka_unit_test(equal_names_are_all_told),
        cmocka_unit_test(escapes_in_a_name_are_undone),
        cmocka_unit_test(a_name_of_more_than_64_bytes_is_marked_and_cut_between_characters),
        cmocka_unit_test(the_walk_stops_when_it_is_told_to),
        cmocka_unit_test(a_string_is_read_with_its_escapes_undone),
        cmocka_unit_test(a_string_is_added_to_what_is_there),
        cmocka_unit_test(every_text_is_read_back_as_it_was_quoted),
        cmocka_unit_test(an_integer_has_64_bits_and_no_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
