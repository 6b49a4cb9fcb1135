/*
 * test_wheel.c: wheel.c, by a clock of its own.
 */
#include "wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SLOT_MS 10

static void an_alarm_goes_off_once_and_never_early(void **state)
{
    (void)state;
    for (int64_t wait_ms = 1; wait_ms < 5 * WHEEL_SLOTS * SLOT_MS; wait_ms += 37) {
        struct wheel w;
        struct alarm a = {0};
        int64_t begun_ms = 1234567, went_ms = 0;
        wheel_init(&w, SLOT_MS, begun_ms);
        wheel_set(&w, &a, begun_ms + wait_ms);
        for (int64_t now = begun_ms; now < begun_ms + wait_ms + 3 * SLOT_MS; now++) {
            struct alarm *due = wheel_next(&w, now);
            if (!due)
                continue;
            assert_ptr_equal(due, &a);
            assert_int_equal(went_ms, 0);
            went_ms = now;
        }
        assert_false(wheel_is_set(&a));
        assert_in_range(went_ms, begun_ms + wait_ms, begun_ms + wait_ms + 2 * SLOT_MS);
    }
}

static void one_that_is_moved_or_stopped_does_not_go_off_before(void **state)
{
    (void)state;
    struct wheel w;
    struct alarm moved = {0}, stopped = {0};
    wheel_init(&w, SLOT_MS, 0);
    wheel_set(&w, &moved, 100);
    wheel_set(&w, &stopped, 100);
    wheel_set(&w, &moved, 300);
    wheel_stop(&stopped);
    wheel_stop(&stopped);
    assert_null(wheel_next(&w, 299));
    assert_ptr_equal(wheel_next(&w, 300), &moved);
    assert_null(wheel_next(&w, 100000));
}

static void all_that_are_due_come_after_a_long_sleep(void **state)
{
    (void)state;
    struct wheel w;
    struct alarm alarms[500] = {0};
    wheel_init(&w, SLOT_MS, 0);
    for (int64_t i = 0; i < 500; i++)
        wheel_set(&w, &alarms[i], 1 + i * 20);
    int count = 0;
    while (wheel_next(&w, 1000000))
        count++;
    assert_int_equal(count, 500);
}

static void one_that_is_set_again_at_once_does_not_hold_up_the_loop(void **state)
{
    (void)state;
    struct wheel w;
    struct alarm a = {0}, *due;
    wheel_init(&w, SLOT_MS, 0);
    wheel_set(&w, &a, 1);
    for (int64_t now = 0, rounds = 0; rounds < 100; rounds++, now += SLOT_MS) {
        int times = 0;
        for (; (due = wheel_next(&w, now)); times++)
            wheel_set(&w, due, now);
        assert_in_range(times, 0, 1);
    }
    assert_true(wheel_is_set(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alarm_goes_off_once_and_never_early),
        cmocka_unit_test(one_that_is_moved_or_stopped_does_not_go_off_before),
        cmocka_unit_test(all_that_are_due_come_after_a_long_sleep),
        cmocka_unit_test(one_that_is_set_again_at_once_does_not_hold_up_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
