/*
 * test_buf.c: bytes that grow, and a failure that is remembered.
 */
#include "buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void zeroed_memory_is_an_empty_buf(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_true(buf_ok(&b));
    assert_string_equal(buf_text(&b), "");
    assert_null(buf_take(&b));
    buf_drop(&b, 5);
    buf_reset(&b);
    buf_clear(&b);
    assert_int_equal(b.length, 0);
}

static void every_way_of_adding_ends_with_a_nul(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "one");
    assert_int_equal(b.data[b.length], '\0');
    buf_putc(&b, ',');
    assert_int_equal(b.data[b.length], '\0');
    buf_add(&b, "t\0o", 3);
    assert_int_equal(b.data[b.length], '\0');
    buf_printf(&b, "%d-%s", 42, "x");
    assert_int_equal(b.length, 11);
    assert_memory_equal(b.data, "one,t\0o42-x", 12);
    buf_clear(&b);
}

static void nothing_added_is_still_a_text(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_add(&b, NULL, 0);
    buf_puts(&b, "");
    buf_printf(&b, "%s", "");
    assert_string_equal(b.data, "");
    assert_int_equal(b.length, 0);
    buf_clear(&b);
}

static void a_buf_grows_across_every_size(void **state)
{
    (void)state;
    struct buf b = {0};
    for (size_t i = 0; i < 5000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
        assert_int_equal(b.length, i + 1);
        assert_true(b.capacity > b.length);
    }
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    buf_clear(&b);
}

static void formatted_text_may_be_longer_than_the_first_allocation(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_printf(&b, "%0*d", 4000, 7);
    assert_int_equal(b.length, 4000);
    assert_int_equal(b.data[3999], '7');
    buf_clear(&b);
}

static void dropping_takes_from_the_front(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "abcdef");
    buf_drop(&b, 0);
    assert_string_equal(buf_text(&b), "abcdef");
    buf_drop(&b, 2);
    assert_string_equal(buf_text(&b), "cdef");
    buf_drop(&b, 100);
    assert_string_equal(buf_text(&b), "");
    assert_int_equal(b.length, 0);
    buf_clear(&b);
}

static void a_reset_keeps_the_memory(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "abc");
    char *data = b.data;
    buf_reset(&b);
    assert_string_equal(buf_text(&b), "");
    buf_puts(&b, "xy");
    assert_ptr_equal(b.data, data);
    assert_string_equal(buf_text(&b), "xy");
    buf_clear(&b);
}

static void a_failure_stops_every_further_step(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "kept");
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_false(buf_ok(&b));
    buf_puts(&b, "x");
    buf_putc(&b, 'x');
    buf_printf(&b, "%d", 1);
    assert_false(buf_reserve(&b, 1));
    assert_string_equal(buf_text(&b), "kept");
    assert_null(buf_take(&b));
    assert_true(buf_ok(&b));
    assert_null(b.data);
}

static void a_reset_forgets_a_failure(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_false(buf_reserve(&b, SIZE_MAX / 2));
    buf_reset(&b);
    assert_true(buf_ok(&b));
    buf_puts(&b, "again");
    assert_string_equal(buf_text(&b), "again");
    buf_clear(&b);
}

static void sizes_near_the_end_of_memory_do_not_wrap(void **state)
{
    (void)state;
    const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4, SIZE_MAX / 2 + 1, SIZE_MAX / 2};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct buf b = {0};
        buf_puts(&b, "abc");
        assert_false(buf_reserve(&b, sizes[i]));
        assert_string_equal(buf_text(&b), "abc");
        buf_clear(&b);
    }
}

static void what_is_taken_belongs_to_the_taker(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_puts(&b, "mine");
    char *text = buf_take(&b);
    assert_string_equal(text, "mine");
    assert_null(b.data);
    buf_puts(&b, "new");
    assert_string_equal(text, "mine");
    free(text);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_an_empty_buf),
        cmocka_unit_test(every_way_of_adding_ends_with_a_nul),
        cmocka_unit_test(nothing_added_is_still_a_text),
        cmocka_unit_test(a_buf_grows_across_every_size),
        cmocka_unit_test(formatted_text_may_be_longer_than_the_first_allocation),
        cmocka_unit_test(dropping_takes_from_the_front),
        cmocka_unit_test(a_reset_keeps_the_memory),
        cmocka_unit_test(a_failure_stops_every_further_step),
        cmocka_unit_test(a_reset_forgets_a_failure),
        cmocka_unit_test(sizes_near_the_end_of_memory_do_not_wrap),
        cmocka_unit_test(what_is_taken_belongs_to_the_taker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
