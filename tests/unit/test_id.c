/*
 * test_id.c: new ids have the right shape, and nothing else has it.
 */
#include "id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GOOD "01234567-89ab-4cde-8f01-23456789abcd"

static void a_new_id_is_a_random_uuid_in_lower_case(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char id[JOB_ID_SIZE];
        id_new(id);
        assert_int_equal(strlen(id), JOB_ID_SIZE - 1);
        assert_true(id_is_uuid(id));
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
        assert_int_equal(strspn(id, "0123456789abcdef-"), JOB_ID_SIZE - 1);
    }
}

static int compare(const void *x, const void *y)
{
    return memcmp(x, y, JOB_ID_SIZE);
}

static void no_two_ids_are_equal(void **state)
{
    (void)state;
    static char ids[10000][JOB_ID_SIZE];
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        id_new(ids[i]);
    qsort(ids, COUNT_OF(ids), sizeof ids[0], compare);
    for (size_t i = 1; i < COUNT_OF(ids); i++)
        assert_string_not_equal(ids[i - 1], ids[i]);
}

static void a_uuid_may_be_of_either_case(void **state)
{
    (void)state;
    assert_true(id_is_uuid(GOOD));
    assert_true(id_is_uuid("01234567-89AB-4CDE-8F01-23456789ABCD"));
    assert_true(id_is_uuid("00000000-0000-0000-0000-000000000000"));
}

static void anything_else_is_no_uuid(void **state)
{
    (void)state;
    assert_false(id_is_uuid(""));
    assert_false(id_is_uuid(GOOD "0"));
    assert_false(id_is_uuid(GOOD "\n"));
    assert_false(id_is_uuid("{" GOOD "}"));
    assert_false(id_is_uuid("0123456789ab4cde8f0123456789abcd"));
    for (size_t length = 0; length < strlen(GOOD); length++) {
        char cut[JOB_ID_SIZE] = GOOD;
        cut[length] = '\0';
        assert_false(id_is_uuid(cut));
    }
}

static void each_place_takes_only_its_bytes(void **state)
{
    (void)state;
    for (size_t place = 0; place < strlen(GOOD); place++) {
        for (int byte = 1; byte < 256; byte++) {
            char text[JOB_ID_SIZE] = GOOD;
            text[place] = (char)byte;
            const char *fits = GOOD[place] == '-' ? "-" : "0123456789abcdefABCDEF";
            assert_int_equal(id_is_uuid(text), strchr(fits, byte) != NULL);
        }
    }
}

static void random_hex_is_as_long_as_asked(void **state)
{
    (void)state;
    for (size_t digits = 0; digits <= 16; digits++) {
        char out[18];
        memset(out, 'x', sizeof out);
        id_random_hex(out, digits);
        assert_int_equal(strlen(out), digits);
        assert_int_equal(strspn(out, "0123456789abcdef"), digits);
        assert_int_equal(out[digits + 1], 'x');
    }
}

static void random_numbers_stay_below_and_reach_every_value(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t number = id_random_below(5);
        assert_true(number < 5);
        seen |= 1u << number;
    }
    assert_int_equal(seen, 0x1f);
    assert_int_equal(id_random_below(0), 0);
    assert_int_equal(id_random_below(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_id_is_a_random_uuid_in_lower_case),
        cmocka_unit_test(no_two_ids_are_equal),
        cmocka_unit_test(a_uuid_may_be_of_either_case),
        cmocka_unit_test(anything_else_is_no_uuid),
        cmocka_unit_test(each_place_takes_only_its_bytes),
        cmocka_unit_test(random_hex_is_as_long_as_asked),
        cmocka_unit_test(random_numbers_stay_below_and_reach_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
