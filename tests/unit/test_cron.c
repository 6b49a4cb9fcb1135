/*
 * Cron expressions: what is read, what is refused and in which words, and when
 * the occasions come; at last against a clock that ticks minute by minute.
 */
#include "cron.h"

#include "buf.h"
#include "calendar.h"
#include "clock.h"
#include "stamp.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)

static struct cron parse(const char *text)
{
    struct cron cron;
    const char *wrong = cron_parse(text, &cron);
    if (wrong)
        fail_msg("%s: %s", text, wrong);
    return cron;
}

static int64_t ms_of(const char *stamp)
{
    int64_t ms;
    if (!stamp_parse(stamp, strlen(stamp), &ms))
        fail_msg("no moment: %s", stamp);
    return ms;
}

static void assert_next(const char *text, const char *after, const char *expected)
{
    struct cron cron = parse(text);
    char out[STAMP_SIZE];
    int64_t next;
    if (!cron_next(&cron, ms_of(after), &next))
        fail_msg("%s: none after %s", text, after);
    stamp_format(next, out);
    if (ms_of(expected) != next)
        fail_msg("%s after %s: %s and not %s", text, after, out, expected);
}

static void assert_refused(const char *text, const char *words)
{
    struct cron cron, before;
    memset(&cron, 0x5a, sizeof cron);
    before = cron;
    const char *wrong = cron_parse(text, &cron);
    if (!wrong)
        fail_msg("accepted: %s", text);
    if (!strstr(wrong, words))
        fail_msg("%s: %s", text, wrong);
    assert_memory_equal(&cron, &before, sizeof cron);
}

static void assert_same(const char *text, const char *other)
{
    struct cron one = parse(text), two = parse(other);
    if (one.minutes != two.minutes || one.hours != two.hours || one.days != two.days ||
        one.months != two.months || one.weekdays != two.weekdays ||
        one.either_day != two.either_day)
        fail_msg("%s is not %s", text, other);
}

/* ---- reading ---- */

static void each_field_becomes_a_set(void **state)
{
    (void)state;
    struct cron cron = parse("0,59 0-2 1,31 1-3,12 6,7");
    assert_true(cron.minutes == (1 | UINT64_C(1) << 59));
    assert_int_equal(cron.hours, 0x7);
    assert_true(cron.days == (UINT32_C(1) << 1 | UINT32_C(1) << 31));
    assert_int_equal(cron.months, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 12);
    assert_int_equal(cron.weekdays, 1 << 0 | 1 << 6);
    assert_true(cron.either_day);
    cron = parse("* * * * *");
    assert_true(cron.minutes == (UINT64_C(1) << 60) - 1);
    assert_int_equal(cron.hours, 0xffffff);
    assert_true(cron.days == UINT32_MAX - 1);
    assert_int_equal(cron.months, 0x1ffe);
    assert_int_equal(cron.weekdays, 0x7f);
    assert_false(cron.either_day);
}

static void a_step_goes_from_the_first_to_the_end(void **state)
{
    (void)state;
    assert_same("*/15 * * * *", "0,15,30,45 * * * *");
    assert_same("5/20 * * * *", "5,25,45 * * * *");
    assert_same("10-20/5 * * * *", "10,15,20 * * * *");
    assert_same("10-14/5 * * * *", "10 * * * *");
    assert_same("59/59 * * * *", "59 * * * *");
    assert_same("0 */23 * * *", "0 0,23 * * *");
    assert_same("0 0 2/10 * 1", "0 0 2,12,22 * 1");
    assert_same("0 0 1 */5 *", "0 0 1 1,6,11 *");
    assert_same("0 0 1 OCT/1 *", "0 0 1 10-12 *");
    assert_same("0 0 1 * 1/2", "0 0 1 * 1,3,5");
    assert_same("*/1 * * * *", "* * * * *");
}

static void names_are_read_in_any_case(void **state)
{
    (void)state;
    assert_same("0 0 1 JAN,feb,Mar,aPr-jUN,JUL,AUG,SEP,OCT,NOV,DEC 1", "0 0 1 1-12 1");
    assert_same("0 0 1 * SUN,mon,Tue,wED,THU,fri,Sat", "0 0 1 * 0-6");
    assert_same("0 0 1 feb-4 mon-5/2", "0 0 1 2-4 1,3,5");
}

static void sunday_is_0_and_7(void **state)
{
    (void)state;
    assert_same("0 0 * * 7", "0 0 * * 0");
    assert_same("0 0 * * SUN", "0 0 * * 0");
    assert_same("0 0 * * 5-7", "0 0 * * 0,5,6");
    assert_same("0 0 * * 0-7", "0 0 * * 0-6");
    assert_same("0 0 * * 7-7", "0 0 * * 0");
    assert_same("0 0 * * 7/2", "0 0 * * 0");
    assert_same("0 0 1 * 1-7/2", "0 0 1 * 0,1,3,5");
}

static void blanks_may_be_several_and_around(void **state)
{
    (void)state;
    assert_same("  1 \t2   3\t4  5 \t", "1 2 3 4 5");
    assert_same("01 02 03 04 05", "1 2 3 4 5");
}

static void a_field_that_is_wrong_is_named_with_its_rule(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "60",
        "-1",
        "1-",
        "a",
        "",
        "1,",
        ",1",
        "1,,2",
        "*/0",
        "*/",
        "/5",
        "1/",
        "*/60",
        "1-2-3",
        "1-60",
        "**",
        "*5",
        "*-5",
        "1/2/3",
        "001",
        "1.5",
        "+1",
        "?",
        "L",
        "1#2",
        "JANUARY",
        "0x1",
        "MONDAY",
        "JA",
        "99999999999999999999",
        "*/99999999999999999999",
        "1\n",
        "1\xc2\xa0",
    };
    static const char *const names[] = {
        "The minute (first field) takes * or 0 to 59,",
        "The hour (second field) takes * or 0 to 23,",
        "The day of month (third field) takes * or 1 to 31,",
        "The month (fourth field) takes * or 1 to 12 or JAN to DEC,",
        "The day of week (fifth field) takes * or 0 to 7 (0 and 7 are Sunday) or SUN to SAT,",
    };
    for (size_t field = 0; field < COUNT_OF(names); field++) {
        for (size_t i = 0; i < COUNT_OF(wrong); i++) {
            char text[200] = "";
            for (size_t at = 0; at < COUNT_OF(names); at++) {
                strcat(text, at == field ? wrong[i] : "1");
                strcat(text, " ");
            }
            assert_refused(text, wrong[i][0] ? names[field] : "five fields");
        }
    }
}

static void each_field_has_its_bounds(void **state)
{
    (void)state;
    assert_refused("0 24 * * *", "0 to 23");
    assert_refused("0 */24 * * *", "steps /n of 1 to 23.");
    assert_refused("0 0 0 * *", "1 to 31");
    assert_refused("0 0 32 * *", "1 to 31");
    assert_refused("0 0 * 0 *", "1 to 12");
    assert_refused("0 0 * 13 *", "1 to 12");
    assert_refused("0 0 * * 8", "0 to 7");
    assert_refused("0 0 * MON *", "The month");
    assert_refused("0 0 * * JAN", "The day of week");
    assert_refused("JAN 0 * * *", "The minute");
}

static void a_range_that_ends_before_it_begins_is_refused(void **state)
{
    (void)state;
    assert_refused("50-10 * * * *", "A range of minutes (first field) must not end before");
    assert_refused("0 22-6 * * *", "A range of hours (second field) must not end before");
    assert_refused("0 0 28-3 * *", "A range of days of month (third field) must not end before");
    assert_refused("0 0 * NOV-FEB *", "A range of months (fourth field) must not end before");
    assert_refused("0 0 * * FRI-SUN", "write FRI-SAT,SUN or 5-7, not FRI-SUN.");
    assert_refused("0 0 * * 6-1/2", "A range of days of week (fifth field) must not end before");
}

static void what_is_no_five_fields_is_refused(void **state)
{
    (void)state;
    assert_refused("", "five fields");
    assert_refused("   ", "five fields");
    assert_refused("* * * *", "five fields");
    assert_refused("* * * * * *", "five fields");
    assert_refused("0 0 12 15 * ?", "five fields");
    assert_refused("* * * *\n*", "five fields");
    assert_refused("@hourly", "Macros like @hourly");
    assert_refused(" @every 5m", "Macros like @hourly");
    assert_refused("@ * * * *", "Macros like @hourly");
}

static void a_text_has_128_bytes_at_most(void **state)
{
    (void)state;
    char text[CRON_TEXT_MOST + 2];
    memset(text, ' ', sizeof text);
    memcpy(text, "* * * * *", 9);
    text[CRON_TEXT_MOST] = '\0';
    parse(text);
    text[CRON_TEXT_MOST] = ' ';
    text[CRON_TEXT_MOST + 1] = '\0';
    assert_refused(text, "128 bytes");
}

static void a_day_that_never_comes_is_refused(void **state)
{
    (void)state;
    assert_refused("0 0 30 2 *", "This never comes");
    assert_refused("0 0 30,31 FEB *", "This never comes");
    assert_refused("0 0 31 2,4,6,9,11 *", "This never comes");
    assert_refused("0 0 30 2 */2", "This never comes");
    parse("0 0 29 2 *");
    parse("0 0 31 2,3 *");
    parse("0 0 30 2 MON");
}

/* ---- looking ahead ---- */

static void the_next_occasion_is_later_than_the_moment(void **state)
{
    (void)state;
    assert_next("* * * * *", "2026-11-25T18:00:00.000Z", "2026-11-25T18:01:00Z");
    assert_next("* * * * *", "2026-11-25T18:00:59.999Z", "2026-11-25T18:01:00Z");
    assert_next("0 18 * * *", "2026-11-25T17:59:59.999Z", "2026-11-25T18:00:00Z");
    assert_next("0 18 * * *", "2026-11-25T18:00:00.000Z", "2026-11-26T18:00:00Z");
    assert_next("30 17 * * *", "2026-11-25T18:00:00Z", "2026-11-26T17:30:00Z");
    assert_next("10,20 17-18 * * *", "2026-11-25T17:20:00Z", "2026-11-25T18:10:00Z");
    assert_next("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z");
    assert_next("0 0 1 1 *", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z");
    assert_next("0 12 31 * *", "2026-04-01T00:00:00Z", "2026-05-31T12:00:00Z");
}

static void one_of_two_day_fields_is_enough_unless_one_begins_with_a_star(void **state)
{
    (void)state;
    /* 25 November 2026 is a Wednesday. */
    assert_next("0 0 13 * FRI", "2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z");
    assert_next("0 0 26 * FRI", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
    assert_next("0 0 * * FRI", "2026-11-25T00:00:00Z", "2026-11-27T00:00:00Z");
    assert_next("0 0 13 * *", "2026-11-25T00:00:00Z", "2026-12-13T00:00:00Z");
    assert_next("0 0 */12 * FRI", "2026-11-25T00:00:00Z", "2026-12-25T00:00:00Z");
    assert_next("0 0 13 * */5", "2026-11-25T00:00:00Z", "2026-12-13T00:00:00Z");
    assert_next("0 0 14 * */5", "2026-11-25T00:00:00Z", "2027-02-14T00:00:00Z");
    assert_next("0 0 13,* * FRI", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z");
}

static void a_leap_day_comes_also_across_a_century(void **state)
{
    (void)state;
    assert_next("0 0 29 2 *", "2026-11-25T00:00:00Z", "2028-02-29T00:00:00Z");
    assert_next("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z");
    assert_next("0 0 29 2 *", "1996-02-29T00:00:00Z", "2000-02-29T00:00:00Z");
}

static int longest_way(struct cron *cron, int64_t end)
{
    int longest = 0, year = 1970;
    int64_t at = -1;
    while (at < end) {
        int64_t next;
        if (!cron_next(cron, at, &next))
            fail_msg("none after %" PRId64, at);
        struct calendar_date date = calendar_date(next / CALENDAR_DAY_MS);
        assert_true(date.month == 2 && date.day == 29);
        assert_int_equal(1 << calendar_weekday(next / CALENDAR_DAY_MS), cron->weekdays);
        if (date.year - year > longest)
            longest = date.year - year;
        year = date.year;
        at = next;
    }
    return longest;
}

/* 400 years are whole weeks, so that all that can come has come by then. */
static void a_leap_day_on_one_day_of_the_week_is_always_found(void **state)
{
    (void)state;
    struct cron cron = parse("0 0 29 2 */7");
    int longest = 0;
    for (unsigned day = 0; day < 7; day++) {
        cron.weekdays = (uint8_t)(1 << day);
        int way = longest_way(&cron, ms_of("2400-01-01T00:00:00Z"));
        longest = way > longest ? way : longest;
    }
    assert_int_equal(longest, 40);
}

static void before_1970_the_first_moment_counts_and_after_9999_there_is_none(void **state)
{
    (void)state;
    struct cron cron = parse("* * * * *");
    int64_t next = 77;
    assert_true(cron_next(&cron, -1, &next) && next == 0);
    assert_true(cron_next(&cron, INT64_MIN, &next) && next == 0);
    assert_true(cron_next(&cron, 0, &next) && next == MINUTE_MS);
    int64_t last = STAMP_LAST_MS + 1 - MINUTE_MS;
    assert_true(cron_next(&cron, last - 1, &next) && next == last);
    assert_false(cron_next(&cron, last, &next));
    assert_false(cron_next(&cron, INT64_MAX, &next));
    assert_true(next == last);
    cron = parse("0 0 1 1 *");
    assert_false(cron_next(&cron, ms_of("9999-01-01T00:00:00Z"), &next));
}

static void an_empty_set_has_no_occasion(void **state)
{
    (void)state;
    const struct cron whole = parse("* * * * *");
    int64_t next;
    struct cron cron = whole;
    cron.minutes = 0;
    assert_false(cron_next(&cron, 0, &next));
    cron = whole;
    cron.hours = 0;
    assert_false(cron_next(&cron, 0, &next));
    cron = whole;
    cron.days = 0;
    assert_false(cron_next(&cron, 0, &next));
    cron = whole;
    cron.months = 0;
    assert_false(cron_next(&cron, 0, &next));
    cron = whole;
    cron.weekdays = 0;
    assert_false(cron_next(&cron, 0, &next));
}

/* ---- against a clock that ticks ---- */

#define ROUNDS 1000
#define OCCASIONS 12
#define MINUTES_MOST (5 * 366 * 1440) /* a round ticks no longer */

static uint64_t seed;

static int dice(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)(seed >> 33) % n;
}

/* What an expression means, kept as it is made up: a row for each field. */
struct meaning {
    bool fits[5][60];
    bool open[5];
};

static const int firsts[] = {0, 0, 1, 1, 0}, lasts[] = {59, 23, 31, 12, 7};

static void put_value(struct buf *text, int field, int value)
{
    static const char names[][40] = {"JanFebMarAprMayJunJulAugSepOctNovDec",
                                     "sunMONtueWEDthuFRIsat"};
    if (field < 3 || dice(2) == 0 || (field == 4 && value == 7))
        buf_printf(text, dice(4) ? "%d" : "%02d", value);
    else
        buf_printf(text, "%.3s", names[field - 3] + 3 * (value - firsts[field]));
}

/* A value, a range or a star, perhaps with a step. */
static void make_item(struct buf *text, struct meaning *meaning, int field)
{
    int end = lasts[field] - (field == 4);
    int from = firsts[field], to = end, step = 1, kind = dice(6);
    if (kind == 0) {
        buf_putc(text, '*');
    } else {
        from += dice(lasts[field] - from + 1);
        to = from;
        put_value(text, field, from);
    }
    if (kind == 1 || kind == 2) {
        to += dice(lasts[field] - from + 1);
        buf_putc(text, '-');
        put_value(text, field, to);
    }
    if (dice(3) == 0) {
        step = 1 + dice(lasts[field]);
        buf_printf(text, "/%d", step);
        to = kind > 2 && to < end ? end : to;
    }
    for (int value = from; value <= to; value += step)
        meaning->fits[field][field == 4 ? value % 7 : value] = true;
}

static void make_expression(struct buf *text, struct meaning *meaning)
{
    *meaning = (struct meaning){0};
    for (int field = 0; field < 5; field++) {
        size_t start = text->length;
        int items = dice(3) ? 1 : 1 + dice(4);
        if (dice(3) == 0) {
            buf_putc(text, '*');
            memset(meaning->fits[field], true, sizeof meaning->fits[field]);
            items = 0;
        }
        for (int i = 0; i < items; i++) {
            if (i > 0)
                buf_putc(text, ',');
            make_item(text, meaning, field);
        }
        meaning->open[field] = text->data[start] == '*';
        buf_puts(text, field == 4 ? "" : dice(4) ? " " : " \t ");
    }
}

struct moment {
    int minute, hour, day, month, weekday, year;
};

static void tick(struct moment *m)
{
    static const int lengths[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = m->month == 2 && m->year % 4 == 0 && (m->year % 100 || m->year % 400 == 0);
    if (++m->minute < 60)
        return;
    m->minute = 0;
    if (++m->hour < 24)
        return;
    m->hour = 0;
    m->weekday = (m->weekday + 1) % 7;
    if (++m->day <= lengths[m->month] + leap)
        return;
    m->day = 1;
    if (++m->month <= 12)
        return;
    m->month = 1;
    m->year++;
}

static bool fits(const struct meaning *meaning, const struct moment *m)
{
    bool day = meaning->fits[2][m->day], weekday = meaning->fits[4][m->weekday];
    bool either = !meaning->open[2] && !meaning->open[4];
    return meaning->fits[0][m->minute] && meaning->fits[1][m->hour] && meaning->fits[3][m->month] &&
           (either ? day || weekday : day && weekday);
}

static struct moment moment_of(int64_t minutes)
{
    time_t seconds = minutes * 60;
    struct tm libc;
    gmtime_r(&seconds, &libc);
    return (struct moment){.minute = libc.tm_min,
                           .hour = libc.tm_hour,
                           .day = libc.tm_mday,
                           .month = libc.tm_mon + 1,
                           .weekday = libc.tm_wday,
                           .year = libc.tm_year + 1900};
}

/* The occasions behind `minutes`, until there were enough of them or of the ticks. */
static int follow_clock(const struct cron *cron, const struct meaning *meaning, int64_t minutes,
                        const char *text)
{
    struct moment m = moment_of(minutes);
    int64_t next = -1, end = minutes + MINUTES_MOST;
    bool more = cron_next(cron, minutes * MINUTE_MS + dice(60000), &next);
    int count = 0;
    while (minutes < end && count < OCCASIONS) {
        tick(&m);
        minutes++;
        if (fits(meaning, &m) != (more && next == minutes * MINUTE_MS))
            fail_msg("\"%s\" at %d-%02d-%02d %02d:%02d: %" PRId64 " is named as the next", text,
                     m.year, m.month, m.day, m.hour, m.minute, next);
        if (!more || next != minutes * MINUTE_MS)
            continue;
        count++;
        more = cron_next(cron, next, &next);
    }
    return count;
}

/* A day in the years 1970 to 2120, every other time close to the end of a February. */
static int64_t draw_start(void)
{
    int year = 1970 + dice(150);
    int64_t day =
        dice(2) ? calendar_days(year, 2, 20) + dice(12) : calendar_days(year, 1, 1) + dice(366);
    return day * 1440 + dice(1440);
}

static void every_occasion_is_that_of_a_clock_that_ticks(void **state)
{
    (void)state;
    const char *wanted = getenv("LEAT_SEED");
    struct buf text = {0};
    int occasions = 0, never = 0;
    seed = wanted ? strtoull(wanted, NULL, 10) : (uint64_t)clock_wall_ms();
    print_message("LEAT_SEED=%" PRIu64 "\n", seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct meaning meaning;
        struct cron cron;
        buf_reset(&text);
        make_expression(&text, &meaning);
        if (text.length > CRON_TEXT_MOST)
            continue;
        const char *wrong = cron_parse(buf_text(&text), &cron);
        if (wrong && !strstr(wrong, "never comes"))
            fail_msg("\"%s\": %s", buf_text(&text), wrong);
        if (wrong)
            never++;
        else
            occasions += follow_clock(&cron, &meaning, draw_start(), buf_text(&text));
    }
    print_message("%d occasions, %d expressions that never come\n", occasions, never);
    assert_true(occasions > ROUNDS && never < ROUNDS / 10);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_field_becomes_a_set),
        cmocka_unit_test(a_step_goes_from_the_first_to_the_end),
        cmocka_unit_test(names_are_read_in_any_case),
        cmocka_unit_test(sunday_is_0_and_7),
        cmocka_unit_test(blanks_may_be_several_and_around),
        cmocka_unit_test(a_field_that_is_wrong_is_named_with_its_rule),
        cmocka_unit_test(each_field_has_its_bounds),
        cmocka_unit_test(a_range_that_ends_before_it_begins_is_refused),
        cmocka_unit_test(what_is_no_five_fields_is_refused),
        cmocka_unit_test(a_text_has_128_bytes_at_most),
        cmocka_unit_test(a_day_that_never_comes_is_refused),
        cmocka_unit_test(the_next_occasion_is_later_than_the_moment),
        cmocka_unit_test(one_of_two_day_fields_is_enough_unless_one_begins_with_a_star),
        cmocka_unit_test(a_leap_day_comes_also_across_a_century),
        cmocka_unit_test(a_leap_day_on_one_day_of_the_week_is_always_found),
        cmocka_unit_test(before_1970_the_first_moment_counts_and_after_9999_there_is_none),
        cmocka_unit_test(an_empty_set_has_no_occasion),
        cmocka_unit_test(every_occasion_is_that_of_a_clock_that_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
