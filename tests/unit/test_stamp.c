/*
 * Moments as text: what is written, what is read, and what is neither.
 */
#include "stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The bytes stand in memory of exactly their size, so that a sanitizer sees a read behind them. */
static bool parse_bytes(const char *text, size_t length, int64_t *ms)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    bool good = stamp_parse(copy, length, ms);
    free(copy);
    return good;
}

static void assert_stamp(const char *text, int64_t expected)
{
    int64_t ms = -1;
    if (!parse_bytes(text, strlen(text), &ms))
        fail_msg("refused: %s", text);
    if (ms != expected)
        fail_msg("%s: %lld and not %lld", text, (long long)ms, (long long)expected);
}

static void assert_no_stamp(const char *text)
{
    int64_t ms = 77;
    if (parse_bytes(text, strlen(text), &ms))
        fail_msg("accepted: %s", text);
    assert_int_equal(ms, 77);
}

static void assert_written(int64_t ms, const char *expected)
{
    char out[STAMP_SIZE];
    memset(out, 'x', sizeof out);
    stamp_format(ms, out);
    assert_string_equal(out, expected);
}

static void a_moment_is_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    assert_written(0, "1970-01-01T00:00:00.000Z");
    assert_written(1, "1970-01-01T00:00:00.001Z");
    assert_written(1795629600000, "2026-11-25T18:00:00.000Z");
    assert_written(1709251199999, "2024-02-29T23:59:59.999Z");
    assert_written(STAMP_LAST_MS, "9999-12-31T23:59:59.999Z");
}

static void what_lies_outside_is_written_as_the_nearest_moment(void **state)
{
    (void)state;
    assert_written(-1, "1970-01-01T00:00:00.000Z");
    assert_written(INT64_MIN, "1970-01-01T00:00:00.000Z");
    assert_written(STAMP_LAST_MS + 1, "9999-12-31T23:59:59.999Z");
    assert_written(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void every_form_of_the_rfc_is_read(void **state)
{
    (void)state;
    assert_stamp("1970-01-01T00:00:00Z", 0);
    assert_stamp("2026-11-25T18:00:00Z", 1795629600000);
    assert_stamp("2026-11-25t18:00:00z", 1795629600000);
    assert_stamp("2026-11-25T18:00:00.000Z", 1795629600000);
    assert_stamp("2026-11-25T19:30:00+01:30", 1795629600000);
    assert_stamp("2026-11-25T00:00:00-18:00", 1795629600000);
    assert_stamp("2026-11-26T00:00:00.5+06:00", 1795629600500);
    assert_stamp("2026-11-25T18:00:00-00:00", 1795629600000);
    assert_stamp("2026-11-26T17:59:00+23:59", 1795629600000);
    assert_stamp("9999-12-31T23:59:59.999Z", STAMP_LAST_MS);
}

static void a_fraction_is_cut_to_milliseconds(void **state)
{
    (void)state;
    assert_stamp("1970-01-01T00:00:00.1Z", 100);
    assert_stamp("1970-01-01T00:00:00.12Z", 120);
    assert_stamp("1970-01-01T00:00:00.123Z", 123);
    assert_stamp("1970-01-01T00:00:00.1239Z", 123);
    assert_stamp("1970-01-01T00:00:00.999999999Z", 999);
    assert_stamp("1970-01-01T00:00:00.000999999Z", 0);
    assert_no_stamp("1970-01-01T00:00:00.Z");
    assert_no_stamp("1970-01-01T00:00:00.0000000000Z");
    assert_no_stamp("1970-01-01T00:00:00,5Z");
}

static void only_days_of_the_calendar_are_read(void **state)
{
    (void)state;
    assert_stamp("2024-02-29T00:00:00Z", 1709164800000);
    assert_stamp("2000-02-29T00:00:00Z", 951782400000);
    assert_no_stamp("2026-02-29T00:00:00Z");
    assert_no_stamp("2100-02-29T00:00:00Z");
    assert_no_stamp("2026-02-30T00:00:00Z");
    assert_no_stamp("2026-04-31T00:00:00Z");
    assert_no_stamp("2026-01-32T00:00:00Z");
    assert_no_stamp("2026-01-00T00:00:00Z");
    assert_no_stamp("2026-00-01T00:00:00Z");
    assert_no_stamp("2026-13-01T00:00:00Z");
}

static void only_times_of_a_day_are_read(void **state)
{
    (void)state;
    assert_no_stamp("2026-11-25T24:00:00Z");
    assert_no_stamp("2026-11-25T18:60:00Z");
    assert_no_stamp("2026-11-25T18:00:61Z");
    assert_no_stamp("2016-12-31T23:59:60Z");
    assert_no_stamp("2026-11-25T18:00:00+24:00");
    assert_no_stamp("2026-11-25T18:00:00+01:60");
}

static void only_years_from_1970_to_9999_are_read(void **state)
{
    (void)state;
    assert_stamp("1970-01-01T01:00:00+01:00", 0);
    assert_no_stamp("1970-01-01T00:59:59+01:00");
    assert_no_stamp("1969-12-31T23:59:59Z");
    assert_no_stamp("1969-12-31T23:30:00-01:00");
    assert_no_stamp("0000-01-01T00:00:00Z");
    assert_stamp("9999-12-31T22:59:59-01:00", 253402300799000);
    assert_no_stamp("9999-12-31T23:00:00-01:00");
    assert_no_stamp("10000-01-01T00:00:00Z");
}

static void any_other_form_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "now",
        "1795629600",
        "2026-11-25",
        "2026-11-25T18:00Z",
        "2026-11-25 18:00:00Z",
        "2026-11-25T18:00:00",
        "2026-11-25T18:00:00 Z",
        "2026-11-25T18:00:00+0100",
        "2026-11-25T18:00:00+01",
        "2026-11-25T18:00:00+1:00",
        "2026-11-25T18:00:00Z+01:00",
        "2026-11-25T18:00:00ZZ",
        " 2026-11-25T18:00:00Z",
        "2026-11-25T18:00:00Z ",
        "+2026-11-25T18:00:00Z",
        "26-11-25T18:00:00Z",
        "2026-11-5T18:00:00Z",
        "2026/11/25T18:00:00Z",
        "20261125T180000Z",
        "2026-W48-3T18:00:00Z",
        "2026-11-25T-8:00:00Z",
        "2026-11-25T1 :00:00Z",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_no_stamp(texts[i]);
    int64_t ms;
    assert_false(stamp_parse(NULL, 0, &ms));
    assert_false(parse_bytes("2026-11-25T18:00:00Z\0", 21, &ms));
    assert_false(parse_bytes("2026-11-25T18:00:00\0Z", 21, &ms));
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char whole[] = "2026-11-25T18:00:00.123456789+01:30";
    int64_t ms;
    assert_true(parse_bytes(whole, sizeof whole - 1, &ms));
    for (size_t length = 0; length < sizeof whole - 1; length++)
        assert_false(parse_bytes(whole, length, &ms));
}

static void what_was_written_is_read_back(void **state)
{
    (void)state;
    char text[STAMP_SIZE];
    /* A prime step, so that all times of the day come. */
    for (int64_t ms = 0; ms <= STAMP_LAST_MS; ms += 1000000007) {
        stamp_format(ms, text);
        int64_t again = -1;
        if (!stamp_parse(text, strlen(text), &again) || again != ms)
            fail_msg("%s is not %lld", text, (long long)ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_written_in_utc_with_milliseconds),
        cmocka_unit_test(what_lies_outside_is_written_as_the_nearest_moment),
        cmocka_unit_test(every_form_of_the_rfc_is_read),
        cmocka_unit_test(a_fraction_is_cut_to_milliseconds),
        cmocka_unit_test(only_days_of_the_calendar_are_read),
        cmocka_unit_test(only_times_of_a_day_are_read),
        cmocka_unit_test(only_years_from_1970_to_9999_are_read),
        cmocka_unit_test(any_other_form_is_refused),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(what_was_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
