/*
 * The table: what was put in is found by its key until it is taken out.
 */
#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THINGS 5000

struct thing {
    struct table_entry entry;
    char key[16];
};

static struct table table;
static struct thing things[THINGS];

static int set_up(void **state)
{
    (void)state;
    return table_init(&table) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    table_clear(&table);
    return 0;
}

static void put(size_t number, const char *key, size_t length)
{
    memcpy(things[number].key, key, length);
    table_put(&table, &things[number].entry, things[number].key, length);
}

static void put_all(void)
{
    char key[16];
    for (size_t i = 0; i < THINGS; i++)
        put(i, key, (size_t)snprintf(key, sizeof key, "k%zu", i));
}

static const struct table_entry *find(const char *key)
{
    return table_find(&table, key, strlen(key));
}

static void each_is_found_by_its_own_key_however_many_there_are(void **state)
{
    (void)state;
    put_all();
    assert_int_equal(table.count, THINGS);
    assert_true(table.size >= THINGS);
    for (size_t i = 0; i < THINGS; i++)
        assert_ptr_equal(table_find(&table, things[i].key, things[i].entry.key_length),
                         &things[i].entry);
    assert_null(find("k5000"));
    assert_null(find("k"));
    assert_null(find(""));
}

static void what_was_taken_out_is_not_found_and_the_others_are(void **state)
{
    (void)state;
    put_all();
    for (size_t i = 0; i < THINGS; i += 2)
        table_take(&table, &things[i].entry);
    assert_int_equal(table.count, THINGS / 2);
    for (size_t i = 0; i < THINGS; i++)
        assert_ptr_equal(table_find(&table, things[i].key, things[i].entry.key_length),
                         i % 2 ? &things[i].entry : NULL);
}

static void several_of_one_key_are_all_found(void **state)
{
    (void)state;
    put(0, "same", 4);
    put(1, "other", 5);
    put(2, "same", 4);
    const struct table_entry *one = find("same"), *two = table_find_other(one);
    assert_true((one == &things[0].entry && two == &things[2].entry) ||
                (one == &things[2].entry && two == &things[0].entry));
    assert_null(table_find_other(two));
    assert_null(table_find_other(find("other")));
}

static void a_key_is_any_bytes(void **state)
{
    (void)state;
    put(0, "a\0b", 3);
    put(1, "a\0c", 3);
    put(2, "", 0);
    assert_ptr_equal(table_find(&table, "a\0b", 3), &things[0].entry);
    assert_ptr_equal(table_find(&table, "a\0c", 3), &things[1].entry);
    assert_ptr_equal(table_find(&table, "", 0), &things[2].entry);
    assert_null(find("a"));
}

static void all_stand_once_in_the_buckets(void **state)
{
    (void)state;
    size_t count = 0;
    put_all();
    for (size_t i = 0; i < table.size; i++) {
        for (const struct table_entry *entry = table.buckets[i]; entry; entry = entry->next)
            count++;
    }
    assert_int_equal(count, THINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_is_found_by_its_own_key_however_many_there_are, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_taken_out_is_not_found_and_the_others_are, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(several_of_one_key_are_all_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_is_any_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_stand_once_in_the_buckets, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
