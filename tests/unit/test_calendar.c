/*
 * Days and their dates: every day of the years that we know, against libc.
 */
#include "calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

/* All of them, so without cmocka's slow comparisons. */
static void every_day_until_9999_is_what_libc_says(void **state)
{
    (void)state;
    for (int64_t days = 0; days <= calendar_days(9999, 12, 31); days++) {
        time_t seconds = days * 86400;
        struct tm libc;
        gmtime_r(&seconds, &libc);
        struct calendar_date date = calendar_date(days);
        if (date.year != libc.tm_year + 1900 || date.month != libc.tm_mon + 1 ||
            date.day != libc.tm_mday || calendar_weekday(days) != libc.tm_wday)
            fail_msg("day %lld is not %d-%d-%d", (long long)days, date.year, date.month, date.day);
        if (calendar_days(date.year, date.month, date.day) != days)
            fail_msg("%d-%d-%d is not day %lld", date.year, date.month, date.day, (long long)days);
    }
}

static void a_month_ends_where_the_next_begins(void **state)
{
    (void)state;
    for (int year = 1970; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            int64_t next =
                month == 12 ? calendar_days(year + 1, 1, 1) : calendar_days(year, month + 1, 1);
            int64_t length = next - calendar_days(year, month, 1);
            if (calendar_month_length(year, month) != length)
                fail_msg("%d-%d has %lld days", year, month, (long long)length);
        }
    }
}

static void centuries_leap_only_every_fourth_time(void **state)
{
    (void)state;
    assert_int_equal(calendar_month_length(2000, 2), 29);
    assert_int_equal(calendar_month_length(2024, 2), 29);
    assert_int_equal(calendar_month_length(2026, 2), 28);
    assert_int_equal(calendar_month_length(2100, 2), 28);
    assert_int_equal(calendar_month_length(2400, 2), 29);
    assert_int_equal(calendar_days(2100, 3, 1) - calendar_days(2100, 2, 28), 1);
}

static void the_last_day_that_milliseconds_reach_has_a_date(void **state)
{
    (void)state;
    int64_t last = INT64_MAX / CALENDAR_DAY_MS;
    struct calendar_date date = calendar_date(last);
    assert_int_equal(date.year, 292278994);
    assert_int_equal(date.month, 8);
    assert_int_equal(date.day, 17);
    assert_true(calendar_days(date.year, date.month, date.day) == last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_until_9999_is_what_libc_says),
        cmocka_unit_test(a_month_ends_where_the_next_begins),
        cmocka_unit_test(centuries_leap_only_every_fourth_time),
        cmocka_unit_test(the_last_day_that_milliseconds_reach_has_a_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
