/*
 * cron.c: sets of bits, and the next bit in them.
 *
 * Each field becomes a set. To find an occasion is then to take the next bit of
 * one set after the other: the month, the day in it, the hour, the minute. The
 * days of a month that fit are one set too, since the days of the week repeat.
 *
 * The text comes from strangers; each field says by itself what it takes.
 */
#include "cron.h"

#include "calendar.h"

#include <string.h>
#include <strings.h>

#define MINUTE_MS INT64_C(60000)
#define MINUTES_OF_DAY 1440

/* What 29 February on one day of the week takes at most, across a century without it. */
#define MONTHS_AHEAD (41 * 12)

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELD_COUNT };

struct field {
    int first, last;
    int most;            /* above last: another name of the first */
    const char *names;   /* three letters each, from `first` on; NULL: none */
    const char *rule;    /* what may stand there */
    const char *reverse; /* a range that ends before it begins */
};

#define RULE(name, values, steps)                                                           \
    "The " name " takes * or " values ", ranges a-b, lists with commas, and steps /n of 1 " \
    "to " steps "."
#define REVERSE(name, example) "A range of " name " must not end before it begins: " example "."

static const struct field fields[FIELD_COUNT] = {
    [MINUTE] = {0, 59, 59, NULL, RULE("minute (first field)", "0 to 59", "59"),
                REVERSE("minutes (first field)", "write 50-59,0-10, not 50-10")},
    [HOUR] = {0, 23, 23, NULL, RULE("hour (second field)", "0 to 23", "23"),
              REVERSE("hours (second field)", "write 22-23,0-6, not 22-6")},
    [DAY] = {1, 31, 31, NULL, RULE("day of month (third field)", "1 to 31", "31"),
             REVERSE("days of month (third field)", "write 28-31,1-3, not 28-3")},
    [MONTH] = {1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
               RULE("month (fourth field)", "1 to 12 or JAN to DEC", "12"),
               REVERSE("months (fourth field)", "write NOV-DEC,JAN-FEB, not NOV-FEB")},
    [WEEKDAY] = {0, 6, 7, "SUNMONTUEWEDTHUFRISAT",
                 RULE("day of week (fifth field)", "0 to 7 (0 and 7 are Sunday) or SUN to SAT",
                      "7"),
                 REVERSE("days of week (fifth field)", "write FRI-SAT,SUN or 5-7, not FRI-SUN")},
};

/* ---- reading ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static int count_words(const char *at)
{
    int count = 0;
    for (at = skip_blanks(at); *at; at = skip_blanks(at)) {
        count++;
        while (*at && !is_blank(*at))
            at++;
    }
    return count;
}

/* One or two digits. */
static bool read_number(const char **at, int least, int most, int *out)
{
    const char *start = *at;
    int value = 0;
    while (**at >= '0' && **at <= '9' && *at - start < 2)
        value = value * 10 + (*(*at)++ - '0');
    *out = value;
    return *at > start && value >= least && value <= most;
}

static bool read_name(const char **at, const struct field *field, int *out)
{
    const char *names = field->names ? field->names : "";
    for (int i = 0; names[3 * i]; i++) {
        if (strncasecmp(*at, names + 3 * i, 3) == 0) {
            *at += 3;
            *out = field->first + i;
            return true;
        }
    }
    return false;
}

static bool read_value(const char **at, const struct field *field, int *out)
{
    return read_name(at, field, out) || read_number(at, field->first, field->most, out);
}

static bool take(const char **at, char mark)
{
    if (**at != mark)
        return false;
    (*at)++;
    return true;
}

/* One of a list: NULL, or what is wrong with it. */
static const char *read_item(const char **at, const struct field *field, uint64_t *set)
{
    int from = field->first, to = field->last, step = 1;
    bool is_all = take(at, '*');
    if (!is_all && !read_value(at, field, &from))
        return field->rule;
    bool is_range = !is_all && take(at, '-');
    if (is_range && !read_value(at, field, &to))
        return field->rule;
    if (is_range && to < from)
        return field->reverse;
    bool has_step = take(at, '/');
    if (has_step && !read_number(at, 1, field->most, &step))
        return field->rule;
    if (!is_all && !is_range && (!has_step || from > to))
        to = from;
    for (int value = from; value <= to; value += step)
        *set |= UINT64_C(1) << value;
    return NULL;
}

static const char *read_field(const char **at, const struct field *field, uint64_t *set)
{
    *set = 0;
    do {
        const char *wrong = read_item(at, field, set);
        if (wrong)
            return wrong;
    } while (take(at, ','));
    return **at == '\0' || is_blank(**at) ? NULL : field->rule;
}

static const char *read_fields(const char *at, struct cron *cron)
{
    uint64_t sets[FIELD_COUNT];
    bool is_open[FIELD_COUNT];
    for (int i = 0; i < FIELD_COUNT; i++) {
        at = skip_blanks(at);
        is_open[i] = *at == '*';
        const char *wrong = read_field(&at, &fields[i], &sets[i]);
        if (wrong)
            return wrong;
    }
    *cron = (struct cron){
        .minutes = sets[MINUTE],
        .hours = (uint32_t)sets[HOUR],
        .days = (uint32_t)sets[DAY],
        .months = (uint16_t)sets[MONTH],
        .weekdays = (uint8_t)((sets[WEEKDAY] | sets[WEEKDAY] >> 7) & 0x7f),
        .either_day = !is_open[DAY] && !is_open[WEEKDAY],
    };
    return NULL;
}

const char *cron_parse(const char *text, struct cron *out)
{
    struct cron cron;
    int64_t first;
    if (strnlen(text, CRON_TEXT_MOST + 1) > CRON_TEXT_MOST)
        return "A cron expression has at most 128 bytes.";
    if (*skip_blanks(text) == '@')
        return "Macros like @hourly are not known: write five fields, like 0 * * * *.";
    if (count_words(text) != FIELD_COUNT)
        return "A cron expression has five fields, with blanks between: minute, hour, day of "
               "month, month, day of week.";
    const char *wrong = read_fields(text, &cron);
    if (wrong)
        return wrong;
    if (!cron_next(&cron, 0, &first))
        return "This never comes: none of these months (fourth field) has such a day of month "
               "(third field).";
    *out = cron;
    return NULL;
}

/* ---- looking ahead ---- */

/* The lowest of a set that is not below `from`, 0 to 63; -1: none is. */
static int next_of(uint64_t set, int from)
{
    uint64_t left = set >> from;
    return left ? from + __builtin_ctzll(left) : -1;
}

/* The days of a month, as bits 1 to 31, that are occasions' days. */
static uint64_t days_of_month(const struct cron *cron, int year, int month)
{
    int first = calendar_weekday(calendar_days(year, month, 1));
    uint64_t length_mask = (UINT64_C(2) << calendar_month_length(year, month)) - 2;
    /* The week from the first day on, and five times that. */
    uint64_t week = (cron->weekdays >> first | cron->weekdays << (7 - first)) & 0x7f;
    uint64_t by_weekday = week * 0x10204081 << 1;
    uint64_t fitting = cron->either_day ? cron->days | by_weekday : cron->days & by_weekday;
    return fitting & length_mask;
}

/* The first occasion's day that is not before `day`; -1: none. */
static int64_t next_day(const struct cron *cron, int64_t day)
{
    struct calendar_date date = calendar_date(day);
    for (int i = 0; i < MONTHS_AHEAD && date.year <= CALENDAR_LAST_YEAR; i++) {
        int found = -1;
        if (cron->months >> date.month & 1)
            found = next_of(days_of_month(cron, date.year, date.month), date.day);
        if (found > 0)
            return calendar_days(date.year, date.month, found);
        date.year += date.month == 12;
        date.month = date.month % 12 + 1;
        date.day = 1;
    }
    return -1;
}

/* The first occasion's minute of a day that is not before `minute`; -1: none. */
static int next_time(const struct cron *cron, int minute)
{
    int hour = minute / 60, found = -1;
    if (cron->hours >> hour & 1)
        found = next_of(cron->minutes, minute % 60);
    if (found < 0) {
        hour = next_of(cron->hours, hour + 1);
        found = next_of(cron->minutes, 0);
    }
    return hour < 0 || found < 0 ? -1 : hour * 60 + found;
}

bool cron_next(const struct cron *cron, int64_t after_ms, int64_t *next_ms)
{
    int64_t start = after_ms < 0 ? 0 : after_ms / MINUTE_MS + 1;
    int64_t day = next_day(cron, start / MINUTES_OF_DAY);
    int time = next_time(cron, 0);
    if (day == start / MINUTES_OF_DAY) {
        int later = next_time(cron, (int)(start % MINUTES_OF_DAY));
        if (later < 0)
            day = next_day(cron, day + 1);
        else
            time = later;
    }
    if (day < 0 || time < 0)
        return false;
    *next_ms = (day * MINUTES_OF_DAY + time) * MINUTE_MS;
    return true;
}
