/*
 * test_log.c: each event is one good JSON line in one write.
 *
 * Standard error is a packet pipe while a test logs: what one read brings is
 * what one write sent.
 */
#include "log.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_ends[2], kept_stderr;
static char line[8192];

static int capture(void **state)
{
    (void)state;
    kept_stderr = dup(STDERR_FILENO);
    if (kept_stderr < 0 || pipe2(pipe_ends, O_DIRECT | O_NONBLOCK) != 0)
        return -1;
    log_open("test", LOG_LEVEL_DEBUG);
    return dup2(pipe_ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int release(void **state)
{
    (void)state;
    int result = dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return result < 0 ? -1 : 0;
}

/* One write's bytes, checked to be one line of at most 4 KiB that is a JSON object; "" for none. */
static const char *take_line(void)
{
    struct json_info info;
    ssize_t length = read(pipe_ends[0], line, sizeof line - 1);
    line[length > 0 ? length : 0] = '\0';
    if (length <= 0)
        return line;
    assert_true(length <= 4096);
    assert_ptr_equal(strchr(line, '\n'), line + length - 1);
    if (!json_check(line, (size_t)length, &info))
        fail_msg("%s at %zu: %s", info.reason, info.offset, line);
    assert_true(info.is_object);
    return line;
}

static void assert_has(const char *part)
{
    if (!strstr(line, part))
        fail_msg("no %s in %s", part, line);
}

static void an_event_is_one_json_line(void **state)
{
    (void)state;
    const char *job = "2f6c";
    log_info("claimed", LOG_S("job", job), LOG_I("attempt", -2));
    take_line();
    assert_has("{\"time\":\"20");
    assert_has("\",\"level\":\"info\",\"program\":\"test\",\"event\":\"claimed\","
               "\"job\":\"2f6c\",\"attempt\":-2}\n");
    assert_string_equal(take_line(), "");
}

static void an_event_needs_no_fields(void **state)
{
    (void)state;
    log_error("stopped");
    take_line();
    assert_has("\"level\":\"error\",\"program\":\"test\",\"event\":\"stopped\"}\n");
}

static void numbers_are_whole_to_their_last_digit(void **state)
{
    (void)state;
    log_warn("n", LOG_I("low", INT64_MIN), LOG_I("high", INT64_MAX), LOG_I("zero", 0));
    take_line();
    assert_has("\"low\":-9223372036854775808,\"high\":9223372036854775807,\"zero\":0}");
}

static void a_missing_text_is_an_empty_one(void **state)
{
    (void)state;
    const char *missing = NULL;
    log_info("n", LOG_S("text", missing));
    take_line();
    assert_has("\"text\":\"\"}");
}

static void texts_cannot_leave_their_quotes_or_their_line(void **state)
{
    (void)state;
    const char *text = "a\"b\\c\r\n\x01\x7f\t{}\xc3\xa9";
    log_info("n", LOG_S("text", text));
    take_line();
    assert_has("\"text\":\"a\\\"b\\\\c\\u000d\\u000a\\u0001\\u007f\\u0009{}\xc3\xa9\"}");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    log_open("test", LOG_LEVEL_WARN);
    log_debug("n");
    log_info("n");
    assert_string_equal(take_line(), "");
    log_warn("n");
    assert_string_not_equal(take_line(), "");
    log_open("test", LOG_LEVEL_NONE);
    log_error("n");
    assert_string_equal(take_line(), "");
}

static void levels_are_known_by_their_words(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_NONE;
    assert_true(log_level_of("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_true(log_level_of("none", &level));
    assert_int_equal(level, LOG_LEVEL_NONE);
    assert_false(log_level_of("", &level));
    assert_false(log_level_of("Info", &level));
    assert_int_equal(level, LOG_LEVEL_NONE);
}

static char *repeated(const char *piece, size_t count)
{
    struct buf text = {0};
    buf_puts(&text, "");
    for (size_t i = 0; i < count; i++)
        buf_puts(&text, piece);
    assert_true(buf_ok(&text));
    return buf_take(&text);
}

static void a_text_of_any_length_gives_a_line_that_fits(void **state)
{
    (void)state;
    for (size_t length = 3800; length < 4200; length++) {
        char *text = repeated("x", length);
        log_info("n", LOG_S("text", text), LOG_I("number", 1234567), LOG_S("more", text));
        assert_true(strlen(take_line()) > 3800);
        assert_string_equal(take_line(), "");
        free(text);
    }
}

static void a_text_is_cut_between_characters_and_escapes(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",     "\"",
                                         "\x01",     "\x01z",        "a\xf0\x9f\x98\x80\x02"};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        for (size_t shift = 0; shift < 8; shift++) {
            char *text = repeated(pieces[i], 4096);
            char *before = repeated("b", shift);
            log_info("n", LOG_S("before", before), LOG_S("text", text));
            assert_true(strlen(take_line()) > 4000);
            free(before);
            free(text);
        }
    }
}

static void a_cut_text_has_no_holes(void **state)
{
    (void)state;
    char *text = repeated("x", 4200);
    for (size_t place = 3900; place < 4150; place++) {
        text[place] = '\x01';
        text[place + 1] = 'y';
        log_info("n", LOG_S("text", text));
        take_line();
        assert_true(!strchr(strstr(line, "text"), 'y') || strstr(line, "x\\u0001y"));
        text[place] = text[place + 1] = 'x';
    }
    free(text);
}

static void a_long_event_and_a_long_program_are_cut_too(void **state)
{
    (void)state;
    char *text = repeated("w", 6000);
    log_info(text, LOG_I("number", 1));
    take_line();
    log_open(text, LOG_LEVEL_DEBUG);
    log_info("n", LOG_I("number", 1));
    take_line();
    log_open("test", LOG_LEVEL_DEBUG);
    free(text);
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    errno = EAGAIN;
    for (int i = 0; i < 100; i++) /* more than the pipe holds */
        log_info("n");
    int kept = errno;
    while (*take_line())
        continue;
    assert_int_equal(kept, EAGAIN);
    errno = ENOENT;
    log_info("n");
    kept = errno;
    assert_string_not_equal(take_line(), "");
    assert_int_equal(kept, ENOENT);
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture, release)

static void no_descriptor_of_ours_becomes_a_standard_stream(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            close(fd);
        log_open("test", LOG_LEVEL_NONE);
        _exit(open("/dev/null", O_RDWR) > STDERR_FILENO ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(an_event_is_one_json_line),
        CAPTURED(an_event_needs_no_fields),
        CAPTURED(numbers_are_whole_to_their_last_digit),
        CAPTURED(a_missing_text_is_an_empty_one),
        CAPTURED(texts_cannot_leave_their_quotes_or_their_line),
        CAPTURED(what_is_below_the_level_is_not_written),
        CAPTURED(levels_are_known_by_their_words),
        CAPTURED(a_text_of_any_length_gives_a_line_that_fits),
        CAPTURED(a_text_is_cut_between_characters_and_escapes),
        CAPTURED(a_cut_text_has_no_holes),
        CAPTURED(a_long_event_and_a_long_program_are_cut_too),
        CAPTURED(logging_leaves_errno_alone),
        cmocka_unit_test(no_descriptor_of_ours_becomes_a_standard_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
