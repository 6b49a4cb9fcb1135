/**
 * calendar.h: days and their dates, by arithmetic alone.
 *
 * The Gregorian calendar in UTC, where every day has 86,400 seconds. Nothing
 * here asks the machine for its time zone or its locale.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_CALENDAR_H
#define LEAT_CALENDAR_H

#include "base.h"

#define CALENDAR_DAY_MS INT64_C(86400000)

/* The years that we read and write. */
#define CALENDAR_FIRST_YEAR 1970
#define CALENDAR_LAST_YEAR 9999

struct calendar_date {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/**
 * calendar_days(year, month, day)
 * Days from 1 January 1970 to that date, which must be one of the calendar.
 * year: 0 and above.
 */
int64_t calendar_days(int year, int month, int day);

/**
 * calendar_date(days)
 * The other way round. days: 0 to those of all milliseconds that an int64_t
 * can hold.
 */
struct calendar_date calendar_date(int64_t days);

/* calendar_month_length(year, month): how many days that month has, 28 to 31. */
int calendar_month_length(int year, int month);

/* calendar_weekday(days): 0 for Sunday to 6 for Saturday; days as above. */
int calendar_weekday(int64_t days);

#endif
