/*
 * The words for a job's states, and what is a name.
 */
#include "job.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <ctype.h>
#include <string.h>

static const enum job_state all[] = {JOB_NONE, JOB_WAITING, JOB_DELAYED,   JOB_RUNNING,
                                     JOB_DONE, JOB_DEAD,    JOB_CANCELLED, JOB_EXPIRED};

static void a_state_reads_as_it_was_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        const char *name = job_state_name(all[i]);
        assert_int_equal(job_state_read(name, strlen(name)), all[i]);
    }
    assert_string_equal(job_state_name(JOB_WAITING), "waiting");
    assert_string_equal(job_state_name(JOB_NONE), "");
    assert_string_equal(job_state_name((enum job_state)99), "");
}

static void an_unknown_word_is_no_state(void **state)
{
    (void)state;
    assert_int_equal(job_state_read("new", 3), JOB_NONE);
    assert_int_equal(job_state_read("Done", 4), JOB_NONE);
    assert_int_equal(job_state_read("doneX", 5), JOB_NONE);
    assert_int_equal(job_state_read("doneX", 4), JOB_DONE);
    assert_int_equal(job_state_read("done", 3), JOB_NONE);
    assert_int_equal(job_state_read("", 0), JOB_NONE);
}

static void three_states_are_alive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        assert_int_equal(job_is_alive(all[i]),
                         all[i] == JOB_WAITING || all[i] == JOB_DELAYED || all[i] == JOB_RUNNING);
}

static void a_name_has_1_to_128_of_its_bytes(void **state)
{
    char text[JOB_NAME_SIZE + 1];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(job_is_name(text));
    text[JOB_NAME_SIZE - 1] = '\0';
    assert_true(job_is_name(text));
    assert_true(job_is_name("AZaz09_.-"));
    assert_false(job_is_name(""));
    for (int byte = 1; byte < 256; byte++) {
        const char one[] = {(char)byte, '\0'};
        bool good = (byte < 0x80 && isalnum(byte)) || byte == '_' || byte == '.' || byte == '-';
        assert_int_equal(job_is_name(one), good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_reads_as_it_was_written),
        cmocka_unit_test(an_unknown_word_is_no_state),
        cmocka_unit_test(three_states_are_alive),
        cmocka_unit_test(a_name_has_1_to_128_of_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
