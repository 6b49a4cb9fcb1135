/*
 * calendar.c: a year is taken to begin in March, so that the odd day comes last.
 *
 * From March on the lengths of months repeat as 31, 30, 31, 30, 31, which makes
 * 153 days in five months, and (153 * month + 2) / 5 the days before a month.
 * Years repeat after 400, centuries but the last of four are a day short, and so
 * is every fourth year but for the last of a century: those are the divisions.
 */
#include "calendar.h"

#define DAYS_OF_400_YEARS 146097
#define DAYS_OF_100_YEARS 36524
#define DAYS_OF_4_YEARS 1461
#define DAYS_OF_YEAR 365

/* From 1 March of year 0 to 1 January 1970. */
#define DAYS_BEFORE_1970 719468

/* 1 January 1970 was a Thursday. */
#define FIRST_WEEKDAY 4

static int days_before_month(int months_from_march)
{
    return (153 * months_from_march + 2) / 5;
}

int64_t calendar_days(int year, int month, int day)
{
    int months_from_march = (month + 9) % 12;
    int64_t years = year - (month < 3);
    int64_t leap_days = years / 4 - years / 100 + years / 400;
    return years * DAYS_OF_YEAR + leap_days + days_before_month(months_from_march) + day - 1 -
           DAYS_BEFORE_1970;
}

/* Takes whole periods out of *days, at most so many; the last one may be a day longer. */
static int64_t take_periods(int64_t *days, int64_t length, int64_t most)
{
    int64_t count = min_i64(*days / length, most);
    *days -= count * length;
    return count;
}

struct calendar_date calendar_date(int64_t days)
{
    int64_t left = days + DAYS_BEFORE_1970;
    int64_t years = 400 * take_periods(&left, DAYS_OF_400_YEARS, INT64_MAX);
    years += 100 * take_periods(&left, DAYS_OF_100_YEARS, 3);
    years += 4 * take_periods(&left, DAYS_OF_4_YEARS, 24);
    years += take_periods(&left, DAYS_OF_YEAR, 3);
    int months_from_march = (5 * (int)left + 2) / 153;
    return (struct calendar_date){
        .year = (int)years + (months_from_march >= 10),
        .month = (months_from_march + 2) % 12 + 1,
        .day = (int)left - days_before_month(months_from_march) + 1,
    };
}

int calendar_month_length(int year, int month)
{
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int calendar_weekday(int64_t days)
{
    return (int)((days + FIRST_WEEKDAY) % 7);
}
