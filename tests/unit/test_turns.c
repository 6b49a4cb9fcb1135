/*
 * test_turns.c: turns.c with questions that are answered when the test says so.
 */
#include "turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#define MOST 3

static struct turn questions[10];
static size_t asked[10], asked_count; /* in their order */
static bool refuses;

static bool ask(struct turn *turn)
{
    if (refuses)
        return false;
    asked[asked_count++] = (size_t)(turn - questions);
    return true;
}

static struct turns *begin(void)
{
    memset(questions, 0, sizeof questions);
    asked_count = 0;
    refuses = false;
    struct turns *ts = turns_new(MOST, ask);
    assert_non_null(ts);
    for (size_t i = 0; i < COUNT_OF(questions); i++)
        turns_wait(ts, &questions[i]);
    return ts;
}

static void so_many_are_asked_at_a_time_in_their_order(void **state)
{
    (void)state;
    struct turns *ts = begin();
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        assert_int_equal(asked_count, i + MOST < COUNT_OF(questions) ? i + MOST : 10);
        turns_done(&questions[i]);
    }
    for (size_t i = 0; i < COUNT_OF(questions); i++)
        assert_int_equal(asked[i], i);
    turns_free(ts);
}

static void who_leaves_the_line_is_not_asked(void **state)
{
    (void)state;
    struct turns *ts = begin();
    assert_false(turns_leave(&questions[0])); /* asked already */
    assert_true(turns_leave(&questions[3]));
    assert_true(turns_leave(&questions[9]));
    turns_done(&questions[0]);
    assert_int_equal(asked[3], 4);
    for (size_t i = 1; i < 9; i++) {
        if (i != 3)
            turns_done(&questions[i]);
    }
    assert_int_equal(asked_count, 8);
    turns_free(ts);
}

static void a_line_that_cannot_be_asked_is_over_at_once(void **state)
{
    (void)state;
    struct turns *ts = begin();
    refuses = true;
    turns_done(&questions[0]);
    refuses = false;
    turns_done(&questions[1]);
    turns_done(&questions[2]);
    assert_int_equal(asked_count, MOST);
    turns_wait(ts, &questions[0]);
    assert_int_equal(asked_count, MOST + 1);
    turns_done(&questions[0]);
    turns_free(ts);
}

static void answers_may_come_after_it_was_freed(void **state)
{
    (void)state;
    struct turns *ts = begin();
    for (size_t i = MOST; i < COUNT_OF(questions); i++)
        assert_true(turns_leave(&questions[i]));
    turns_free(ts);
    for (size_t i = 0; i < MOST; i++)
        turns_done(&questions[i]);
    assert_int_equal(asked_count, MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_are_asked_at_a_time_in_their_order),
        cmocka_unit_test(who_leaves_the_line_is_not_asked),
        cmocka_unit_test(a_line_that_cannot_be_asked_is_over_at_once),
        cmocka_unit_test(answers_may_come_after_it_was_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
