/*
 * test_schedule_times.c: an occasion has come: is there a job, and when is the next?
 */
#include "schedule_times.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Midnight of a day, so that minutes and hours of cron are easy to count. */
#define START (20000 * DAY)

#define YES true
#define NO false

/* Decides at START + now, and gives the next occasion less START. */
static int64_t assert_run(bool expected, struct schedule_due due, int64_t now)
{
    bool run = !expected;
    int64_t next = 0;
    due.occasion_ms += START;
    assert_true(schedule_decide(&due, START + now, &run, &next));
    assert_int_equal(run, expected);
    return next - START;
}

static struct schedule_due every(int64_t ms, enum missed missed)
{
    return (struct schedule_due){.cron = "", .every_ms = ms, .missed = missed};
}

static struct schedule_due hourly(enum missed missed)
{
    return (struct schedule_due){.cron = "0 * * * *", .missed = missed};
}

static void an_occasion_on_time_is_run(void **state)
{
    (void)state;
    for (enum missed missed = MISSED_ONE; missed <= MISSED_SKIP; missed++) {
        assert_int_equal(assert_run(YES, every(MINUTE, missed), 0), MINUTE);
        assert_int_equal(assert_run(YES, every(MINUTE, missed), 3), MINUTE);
        assert_int_equal(assert_run(YES, hourly(missed), 0), HOUR);
        assert_int_equal(assert_run(YES, hourly(missed), SCHEDULE_LATE_MS), HOUR);
    }
}

static void an_occasion_missed_is_made_up_for_or_left_out(void **state)
{
    (void)state;
    int64_t late = SCHEDULE_LATE_MS + 1;
    assert_int_equal(assert_run(YES, every(MINUTE, MISSED_ONE), late), MINUTE);
    assert_int_equal(assert_run(NO, every(MINUTE, MISSED_SKIP), late), MINUTE);
    assert_int_equal(assert_run(YES, hourly(MISSED_ONE), late), HOUR);
    assert_int_equal(assert_run(NO, hourly(MISSED_SKIP), late), HOUR);
}

static void many_missed_ones_are_one_run_or_none(void **state)
{
    (void)state;
    int64_t now = 10 * HOUR + 30 * MINUTE;
    assert_int_equal(assert_run(YES, hourly(MISSED_ONE), now), 11 * HOUR);
    assert_int_equal(assert_run(NO, hourly(MISSED_SKIP), now), 11 * HOUR);
    assert_int_equal(assert_run(YES, every(HOUR, MISSED_ONE), now), 11 * HOUR);
    assert_int_equal(assert_run(NO, every(HOUR, MISSED_SKIP), now), 11 * HOUR);
}

static void the_newest_of_many_may_still_be_on_time(void **state)
{
    (void)state;
    for (int64_t late = 0; late <= SCHEDULE_LATE_MS; late += SCHEDULE_LATE_MS) {
        int64_t now = 10 * HOUR + late;
        assert_int_equal(assert_run(YES, hourly(MISSED_SKIP), now), 11 * HOUR);
        assert_int_equal(assert_run(YES, every(HOUR, MISSED_SKIP), now), 11 * HOUR);
    }
    int64_t now = 10 * HOUR + SCHEDULE_LATE_MS + 1;
    assert_int_equal(assert_run(NO, hourly(MISSED_SKIP), now), 11 * HOUR);
    assert_int_equal(assert_run(NO, every(HOUR, MISSED_SKIP), now), 11 * HOUR);
}

static void an_interval_keeps_its_grid(void **state)
{
    (void)state;
    struct schedule_due due = every(1000, MISSED_SKIP);
    due.occasion_ms = 300;
    assert_int_equal(assert_run(YES, due, 300), 1300);
    assert_int_equal(assert_run(YES, due, 1299), 1300);
    assert_int_equal(assert_run(YES, due, 1300), 2300);
    assert_int_equal(assert_run(YES, due, 999999), 1000300);
}

static void what_cannot_be_read_has_no_next_occasion(void **state)
{
    (void)state;
    bool run;
    int64_t next;
    const struct schedule_due due[] = {
        {.occasion_ms = START, .cron = "61 * * * *"},
        {.occasion_ms = START, .cron = "", .every_ms = 0},
        {.occasion_ms = START, .cron = "", .every_ms = -1},
    };
    for (size_t i = 0; i < COUNT_OF(due); i++)
        assert_false(schedule_decide(&due[i], START, &run, &next));
    assert_false(schedule_first("x", 0, START, &next));
    assert_false(schedule_first("", 0, START, &next));
}

static void the_first_occasion_is_the_next_in_cron_or_an_interval_away(void **state)
{
    (void)state;
    int64_t next = 0;
    assert_true(schedule_first("30 4 * * *", 0, START + 5 * HOUR, &next));
    assert_int_equal(next - START, DAY + 4 * HOUR + 30 * MINUTE);
    assert_true(schedule_first("0 * * * *", 0, START, &next));
    assert_int_equal(next - START, HOUR);
    assert_true(schedule_first("", 1500, START + 7, &next));
    assert_int_equal(next - START, 1507);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_occasion_on_time_is_run),
        cmocka_unit_test(an_occasion_missed_is_made_up_for_or_left_out),
        cmocka_unit_test(many_missed_ones_are_one_run_or_none),
        cmocka_unit_test(the_newest_of_many_may_still_be_on_time),
        cmocka_unit_test(an_interval_keeps_its_grid),
        cmocka_unit_test(what_cannot_be_read_has_no_next_occasion),
        cmocka_unit_test(the_first_occasion_is_the_next_in_cron_or_an_interval_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
