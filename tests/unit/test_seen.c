/*
 * Which texts were seen, and a number for each.
 */
#include "seen.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

static void each_text_has_one_place(void **state)
{
    (void)state;
    struct seen s = {0};
    char text[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            size_t length = (size_t)snprintf(text, sizeof text, "text-%d", i);
            struct seen_text *place = seen_get(&s, text, length);
            assert_non_null(place);
            assert_string_equal(place->text, text);
            assert_int_equal(place->number, round == 0 ? 0 : i);
            place->number = i;
        }
        assert_int_equal(s.count, 5000);
    }
    seen_clear(&s);
}

static void bytes_count_and_not_only_up_to_a_nul(void **state)
{
    (void)state;
    struct seen s = {0};
    seen_get(&s, "a\0b", 3)->number = 1;
    seen_get(&s, "a\0c", 3)->number = 2;
    seen_get(&s, "", 0)->number = 3;
    assert_int_equal(s.count, 3);
    assert_int_equal(seen_get(&s, "a\0b", 3)->number, 1);
    assert_int_equal(seen_get(&s, "a", 1)->number, 0);
    assert_int_equal(seen_get(&s, "", 0)->number, 3);
    seen_clear(&s);
}

static void a_cleared_one_is_empty_and_usable(void **state)
{
    (void)state;
    struct seen s = {0};
    seen_get(&s, "x", 1)->number = 7;
    seen_clear(&s);
    seen_clear(&s);
    assert_int_equal(s.count, 0);
    assert_int_equal(seen_get(&s, "x", 1)->number, 0);
    seen_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_text_has_one_place),
        cmocka_unit_test(bytes_count_and_not_only_up_to_a_nul),
        cmocka_unit_test(a_cleared_one_is_empty_and_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
