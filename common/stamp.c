/*
 * stamp.c: fixed places, digit by digit.
 *
 * What is read was written by strangers, so each part has its bounds, and the
 * day must be one of its month. An offset is taken away at the end, which can
 * lead out of the years that we know: that is looked at last.
 */
#include "stamp.h"

#include "calendar.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)

static char *put_number(char *at, int64_t value, int digits, char behind)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    at[digits] = behind;
    return at + digits + 1;
}

void stamp_format(int64_t ms, char out[STAMP_SIZE])
{
    ms = min_i64(max_i64(ms, 0), STAMP_LAST_MS);
    struct calendar_date date = calendar_date(ms / CALENDAR_DAY_MS);
    int64_t time = ms % CALENDAR_DAY_MS;
    char *at = put_number(out, date.year, 4, '-');
    at = put_number(at, date.month, 2, '-');
    at = put_number(at, date.day, 2, 'T');
    at = put_number(at, time / HOUR_MS, 2, ':');
    at = put_number(at, time / MINUTE_MS % 60, 2, ':');
    at = put_number(at, time / SECOND_MS % 60, 2, '.');
    at = put_number(at, time % SECOND_MS, 3, 'Z');
    *at = '\0';
}

struct reader {
    const char *text;
    size_t length, at;
};

static bool is_digit_next(const struct reader *r)
{
    return r->at < r->length && r->text[r->at] >= '0' && r->text[r->at] <= '9';
}

/* One of these two bytes. */
static bool read_mark(struct reader *r, char one, char other)
{
    if (r->at == r->length || (r->text[r->at] != one && r->text[r->at] != other))
        return false;
    r->at++;
    return true;
}

static bool read_number(struct reader *r, int digits, int least, int most, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!is_digit_next(r))
            return false;
        value = value * 10 + (r->text[r->at++] - '0');
    }
    *out = value;
    return value >= least && value <= most;
}

static bool read_day(struct reader *r, int64_t *ms)
{
    int year, month, day;
    if (!read_number(r, 4, CALENDAR_FIRST_YEAR, CALENDAR_LAST_YEAR, &year) ||
        !read_mark(r, '-', '-') || !read_number(r, 2, 1, 12, &month) || !read_mark(r, '-', '-') ||
        !read_number(r, 2, 1, calendar_month_length(year, month), &day))
        return false;
    *ms = calendar_days(year, month, day) * CALENDAR_DAY_MS;
    return true;
}

static bool read_hour_and_minute(struct reader *r, int64_t *ms)
{
    int hour, minute;
    if (!read_number(r, 2, 0, 23, &hour) || !read_mark(r, ':', ':') ||
        !read_number(r, 2, 0, 59, &minute))
        return false;
    *ms = (int64_t)hour * HOUR_MS + minute * MINUTE_MS;
    return true;
}

static bool read_seconds(struct reader *r, int64_t *ms)
{
    int second, digits = 0;
    if (!read_mark(r, ':', ':') || !read_number(r, 2, 0, 59, &second))
        return false;
    *ms = (int64_t)second * SECOND_MS;
    if (!read_mark(r, '.', '.'))
        return true;
    for (int worth = SECOND_MS / 10; is_digit_next(r); worth /= 10, digits++)
        *ms += (r->text[r->at++] - '0') * worth;
    return digits >= 1 && digits <= 9;
}

static bool read_offset(struct reader *r, int64_t *ms)
{
    *ms = 0;
    if (read_mark(r, 'Z', 'z'))
        return true;
    bool east = read_mark(r, '+', '+');
    if ((!east && !read_mark(r, '-', '-')) || !read_hour_and_minute(r, ms))
        return false;
    *ms = east ? *ms : -*ms;
    return true;
}

bool stamp_parse(const char *text, size_t length, int64_t *ms)
{
    struct reader r = {.text = text, .length = length};
    int64_t day, minute, second, offset;
    if (!read_day(&r, &day) || !read_mark(&r, 'T', 't') || !read_hour_and_minute(&r, &minute) ||
        !read_seconds(&r, &second) || !read_offset(&r, &offset) || r.at != r.length)
        return false;
    int64_t moment = day + minute + second - offset;
    if (moment < 0 || moment > STAMP_LAST_MS)
        return false;
    *ms = moment;
    return true;
}
