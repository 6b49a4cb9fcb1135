/*
 * test_policy.c: who is asked first: the job, its type's marks, the settings.
 */
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct settings settings = {.job_timeout_ms = 60000,
                                         .job_max_attempts = 3,
                                         .retry_backoff_ms = 1000,
                                         .retry_backoff_max_ms = 60000};

static void a_type_without_marks_has_the_settings(void **state)
{
    (void)state;
    static const struct task task;
    const struct task *const tasks[] = {&task, NULL};
    for (size_t i = 0; i < COUNT_OF(tasks); i++) {
        struct policy policy = policy_of(&settings, tasks[i], 0);
        assert_int_equal(policy.timeout_ms, 60000);
        assert_int_equal(policy.finish.max_attempts, 3);
        assert_int_equal(policy.finish.backoff_ms, 1000);
        assert_int_equal(policy.finish.backoff_max_ms, 60000);
    }
}

static void each_mark_goes_before_its_setting_alone(void **state)
{
    (void)state;
    static const struct task one = {.timeout_ms = 500, .backoff_max_ms = 7};
    static const struct task other = {.max_attempts = 9, .backoff_ms = 8};
    struct policy policy = policy_of(&settings, &one, 0);
    assert_int_equal(policy.timeout_ms, 500);
    assert_int_equal(policy.finish.max_attempts, 3);
    assert_int_equal(policy.finish.backoff_ms, 1000);
    assert_int_equal(policy.finish.backoff_max_ms, 7);
    policy = policy_of(&settings, &other, 0);
    assert_int_equal(policy.timeout_ms, 60000);
    assert_int_equal(policy.finish.max_attempts, 9);
    assert_int_equal(policy.finish.backoff_ms, 8);
    assert_int_equal(policy.finish.backoff_max_ms, 60000);
}

static void what_the_job_asked_for_goes_first(void **state)
{
    (void)state;
    static const struct task task = {.timeout_ms = 500};
    assert_int_equal(policy_of(&settings, &task, 20).timeout_ms, 20);
    assert_int_equal(policy_of(&settings, NULL, 20).timeout_ms, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_without_marks_has_the_settings),
        cmocka_unit_test(each_mark_goes_before_its_setting_alone),
        cmocka_unit_test(what_the_job_asked_for_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
