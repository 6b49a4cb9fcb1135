/*
 * What a task writes, in every split.
 */
#include "lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void write_all(struct lines *l, const char *data, size_t length)
{
    char *room = lines_room(l, length);
    assert_non_null(room);
    memcpy(room, data, length);
    lines_filled(l, length);
}

/* Everything that comes out, one letter and the text a line. */
static void drain(struct lines *l, bool at_end, struct buf *told)
{
    static const char letters[] = {'-', 'm', 'd', 'f', 'u', 'w', 'n'};
    struct line line;
    enum line_kind kind;
    while ((kind = lines_next(l, at_end, &line)) != LINE_NONE) {
        buf_putc(told, letters[kind]);
        if (l->shared && kind != LINE_NAMELESS)
            buf_add(told, line.id + line.id_length - 1, 1);
        buf_putc(told, ' ');
        if (kind == LINE_MESSAGE || kind == LINE_USAGE)
            buf_add(told, line.data, line.length);
        else if (kind == LINE_FAILED)
            buf_puts(told, line.control.reason);
        else if (kind == LINE_WRONG || kind == LINE_NAMELESS)
            buf_puts(told, line.wrong);
        buf_putc(told, '\n');
    }
}

static void tell_whole(const char *text, size_t length, bool shared, struct buf *told)
{
    struct lines l;
    if (shared)
        lines_init_shared(&l, 40);
    else
        lines_init(&l, 40);
    write_all(&l, text, length);
    drain(&l, true, told);
    assert_true(lines_is_empty(&l));
    lines_reset(&l);
}

static void assert_told(const char *text, const char *expected)
{
    struct buf told = {0};
    tell_whole(text, strlen(text), false, &told);
    assert_string_equal(buf_text(&told), expected);
    buf_clear(&told);
}

static void messages_and_controls_are_told_apart(void **state)
{
    (void)state;
    assert_told("{\"a\":1}\n{}\n{\"leat\":\"done\"}\n", "m {\"a\":1}\nm {}\nd \n");
    assert_told("{\"leat\":\"failed\",\"reason\":\"why\"}\n", "f why\n");
    assert_told("{\"x\":{\"leat\":\"done\"}}\n", "m {\"x\":{\"leat\":\"done\"}}\n");
    assert_told("{\"leat\":\"usage\",\"usage\":{\"n\":\r7}}\n", "u {\"n\": 7}\n");
}

static void a_last_line_may_lack_its_line_feed(void **state)
{
    (void)state;
    assert_told("{\"a\":1}\n{\"b\":2}", "m {\"a\":1}\nm {\"b\":2}\n");
}

static void a_carriage_return_becomes_a_space(void **state)
{
    (void)state;
    assert_told("{\"a\":\r1}\r\n", "m {\"a\": 1} \n");
}

static void each_broken_rule_is_named(void **state)
{
    (void)state;
    assert_told("[1]\n", "w line 1 is not a JSON object\n");
    assert_told("{}\n{\"leat\":\"pause\"}\n",
                "m {}\nw line 2 has the key \"leat\", and says neither done, failed nor usage\n");
    assert_told("{\"leat\":\"usage\",\"usage\":[1]}\n",
                "w line 1 says usage without an object of at most 1024 bytes\n");
    assert_told("{\"a\":\"0123456789012345678901234567890123456789\"}\n",
                "w line 1 is longer than 40 bytes\n");
    struct buf told = {0};
    tell_whole("hello\n", 6, false, &told);
    assert_non_null(strstr(buf_text(&told), "w line 1 is not JSON at byte 0: "));
    buf_reset(&told);
    tell_whole("{\"a\":\"\xff\"}\n", 10, false, &told);
    assert_non_null(strstr(buf_text(&told), "w line 1 is not JSON at byte 6: "));
    buf_reset(&told);
    tell_whole("\n", 1, false, &told);
    assert_non_null(strstr(buf_text(&told), "w line 1 is not JSON at byte 0: "));
    buf_clear(&told);
}

static void a_line_without_end_is_wrong_as_soon_as_it_is_too_long(void **state)
{
    (void)state;
    struct lines l;
    struct line line;
    lines_init(&l, 10);
    write_all(&l, "{\"a\":12345", 10);
    assert_int_equal(lines_next(&l, false, &line), LINE_NONE);
    write_all(&l, "6", 1);
    assert_int_equal(lines_next(&l, false, &line), LINE_WRONG);
    lines_reset(&l);
}

static void assert_every_split(const char *text, size_t length, bool shared)
{
    struct buf whole = {0}, told = {0};
    tell_whole(text, length, shared, &whole);
    for (size_t one = 0; one <= length; one++) {
        for (size_t two = one; two <= length; two++) {
            struct lines l;
            lines_init(&l, 40);
            l.shared = shared;
            write_all(&l, text, one);
            drain(&l, false, &told);
            write_all(&l, text + one, two - one);
            drain(&l, false, &told);
            write_all(&l, text + two, length - two);
            drain(&l, true, &told);
            assert_string_equal(buf_text(&told), buf_text(&whole));
            buf_reset(&told);
            lines_reset(&l);
        }
    }
    buf_clear(&told);
    buf_clear(&whole);
}

static void every_split_tells_the_same(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1}\n{\"b\":\"\xc3\xa9\"}\r\n{}\n{\"leat\":\"usage\","
                               "\"usage\":{}}\n{\"leat\":\"done\"}\n{\"c\":3}";
    assert_every_split(text, sizeof text - 1, false);
}

#define ID "00000000-0000-4000-8000-00000000000"

static void a_shared_processs_lines_are_told_apart_by_their_jobs(void **state)
{
    (void)state;
    struct buf told = {0};
    static const char text[] =
        ID "1 {\"a\":1}\n" ID "2 {\"leat\":\"done\"}\n" ID
           "3 {\"leat\":\"failed\",\"reason\":\"r\"}\n" ID "4 []\n" ID
           "5 0123456789012345678901234567890123456789012345678901234567890\n" ID "6 {}\n" ID
           "7\n{}\nhello there\n" ID "8  {}\n";
    tell_whole(text, sizeof text - 1, true, &told);
    assert_string_equal(buf_text(&told),
                        "m1 {\"a\":1}\nd2 \nf3 r\nw4 line 4 is not a JSON object\n"
                        "w5 line 5 is longer than 40 bytes\nm6 {}\n"
                        "n line 7 does not begin with a job's id and a blank\n"
                        "n line 8 does not begin with a job's id and a blank\n"
                        "n line 9 does not begin with a job's id and a blank\nm8  {}\n");
    buf_clear(&told);
}

static void what_a_shared_process_writes_is_told_the_same_in_every_split(void **state)
{
    (void)state;
    static const char text[] =
        ID "1 {\"a\":1}\n" ID "5 0123456789012345678901234567890123456789012345678901234567890\n" ID
           "2 {\"leat\":\"done\"}\n" ID "3 {\"b\":\"\xff\"}\n" ID "6 {}";
    assert_every_split(text, sizeof text - 1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_controls_are_told_apart),
        cmocka_unit_test(a_last_line_may_lack_its_line_feed),
        cmocka_unit_test(a_carriage_return_becomes_a_space),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(a_line_without_end_is_wrong_as_soon_as_it_is_too_long),
        cmocka_unit_test(every_split_tells_the_same),
        cmocka_unit_test(a_shared_processs_lines_are_told_apart_by_their_jobs),
        cmocka_unit_test(what_a_shared_process_writes_is_told_the_same_in_every_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
