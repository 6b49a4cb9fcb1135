/**
 * cron.h: when a schedule's occasions come, by five fields in UTC.
 *
 * Minute, hour, day of month, month, day of week, blanks between them. A field
 * is a list (`,`) of `*`, a number, or a range `a-b`, each perhaps with a step:
 * `*` and `a-b` count from their first, `a/n` goes from a to the field's end.
 * Months and days of the week have names too, JAN to DEC and SUN to SAT, in any
 * case. Sunday is 0 and 7; a week ends with Saturday, 6.
 *
 * A day is an occasion's when both its fields fit. Where neither of the two
 * begins with `*`, one that fits is enough, as in every cron since Vixie's.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_CRON_H
#define LEAT_CRON_H

#include "base.h"

#define CRON_TEXT_MOST 128 /* bytes */

/* Plain data: bit n of a set stands for n. */
struct cron {
    uint64_t minutes; /* 0 to 59 */
    uint32_t hours;   /* 0 to 23 */
    uint32_t days;    /* of the month: 1 to 31 */
    uint16_t months;  /* 1 to 12 */
    uint8_t weekdays; /* 0, Sunday, to 6 */
    bool either_day;  /* days or weekdays; else both */
};

/**
 * cron_parse(text, out)
 * Read an expression. NULL: *out has it, and it has occasions without end.
 * Otherwise a static sentence for whoever wrote the text: which field is wrong
 * and what may stand there; *out is as it was.
 *
 * Borrows text. Refused: more than CRON_TEXT_MOST bytes, a range that ends
 * before it begins, macros like @hourly, a day that never comes (30 February).
 */
MUST_CHECK const char *cron_parse(const char *text, struct cron *out);

/**
 * cron_next(cron, after_ms, next_ms)
 * The first occasion later than after_ms, both in milliseconds since 1970; from
 * before 1970 it looks as from its first moment on, that one included.
 *
 * The work is bounded: one look at each month until one has a day that fits.
 * False: none within 41 years, which no expression that cron_parse took makes
 * (29 February on one day of the week is 40 years away at most), or none before
 * the end of the year 9999.
 */
MUST_CHECK bool cron_next(const struct cron *cron, int64_t after_ms, int64_t *next_ms);

#endif
