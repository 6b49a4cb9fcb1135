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
    static const char letters[] = {'-', 'm', 'd', 'f', 'w'};
    struct line line;
    enum line_kind kind;
    while ((kind = lines_next(l, at_end, &line)) != LINE_NONE) {
        buf_putc(told, letters[kind]);
        buf_putc(told, ' ');
        if (kind == LINE_MESSAGE)
            buf_add(told, line.data, line.length);
        else if (kind == LINE_FAILED)
            buf_puts(told, line.control.reason);
        else if (kind == LINE_WRONG)
            buf_puts(told, line.wrong);
        buf_putc(told, '\n');
    }
}

static void tell_whole(const char *text, size_t length, struct buf *told)
{
    struct lines l;
    lines_init(&l, 40);
    write_all(&l, text, length);
    drain(&l, true, told);
    assert_true(lines_is_empty(&l));
    lines_reset(&l);
}

static void assert_told(const char *text, const char *expected)
{
    struct buf told = {0};
    tell_whole(text, strlen(text), &told);
    assert_string_equal(buf_text(&told), expected);
    buf_clear(&told);
}

static void messages_and_controls_are_told_apart(void **state)
{
    (void)state;
    assert_told("{\"a\":1}\n{}\n{\"leat\":\"done\"}\n", "m {\"a\":1}\nm {}\nd \n");
    assert_told("{\"leat\":\"failed\",\"reason\":\"why\"}\n", "f why\n");
    assert_told("{\"x\":{\"leat\":\"done\"}}\n", "m {\"x\":{\"leat\":\"done\"}}\n");
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
                "m {}\nw line 2 has the key \"leat\", and says neither done nor failed\n");
    assert_told("{\"a\":\"0123456789012345678901234567890123456789\"}\n",
                "w line 1 is longer than 40 bytes\n");
    struct buf told = {0};
    tell_whole("hello\n", 6, &told);
    assert_non_null(strstr(buf_text(&told), "w line 1 is not JSON at byte 0: "));
    buf_reset(&told);
    tell_whole("{\"a\":\"\xff\"}\n", 10, &told);
    assert_non_null(strstr(buf_text(&told), "w line 1 is not JSON at byte 6: "));
    buf_reset(&told);
    tell_whole("\n", 1, &told);
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

static void every_split_tells_the_same(void **state)
{
    (void)state;
    const char text[] = "{\"a\":1}\n{\"b\":\"\xc3\xa9\"}\r\n{}\n{\"leat\":\"done\"}\n{\"c\":3}";
    struct buf whole = {0}, told = {0};
    tell_whole(text, sizeof text - 1, &whole);
    for (size_t one = 0; one < sizeof text; one++) {
        for (size_t two = one; two < sizeof text; two++) {
            struct lines l;
            lines_init(&l, 40);
            write_all(&l, text, one);
            drain(&l, false, &told);
            write_all(&l, text + one, two - one);
            drain(&l, false, &told);
            write_all(&l, text + two, sizeof text - 1 - two);
            drain(&l, true, &told);
            assert_string_equal(buf_text(&told), buf_text(&whole));
            buf_reset(&told);
            lines_reset(&l);
        }
    }
    buf_clear(&told);
    buf_clear(&whole);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
