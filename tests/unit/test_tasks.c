/*
 * WORKER_TASKS: what is understood, and what each mistake is told as.
 */
#include "tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_text_means_the_built_in_tasks(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(&tasks, "", &error));
    assert_int_equal(tasks.count, 2);
    const struct task *task = tasks_find(&tasks, "generate_messages");
    assert_non_null(task);
    assert_true(task->reuse);
    assert_string_equal(task->words[0], "leat-task");
    assert_string_equal(task->words[1], "generate_messages");
    assert_null(task->words[2]);
    task = tasks_find(&tasks, "chat");
    assert_non_null(task);
    assert_int_equal(task->slots, 100);
    assert_string_equal(task->words[1], "chat");
    tasks_clear(&tasks);
}

static void commands_are_split_at_blanks(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(
        &tasks, " a.b-c_1 = python3  /app/x.py\t--key=v ;\n two[reuse]=two=2;three [reuse] = t; ",
        &error));
    assert_int_equal(tasks.count, 3);
    const struct task *first = tasks_find(&tasks, "a.b-c_1");
    assert_non_null(first);
    assert_false(first->reuse);
    assert_string_equal(first->words[0], "python3");
    assert_string_equal(first->words[1], "/app/x.py");
    assert_string_equal(first->words[2], "--key=v");
    assert_null(first->words[3]);
    const struct task *second = tasks_find(&tasks, "two");
    assert_non_null(second);
    assert_true(second->reuse);
    assert_string_equal(second->words[0], "two=2");
    assert_true(tasks_find(&tasks, "three")->reuse);
    assert_null(tasks_find(&tasks, "four"));
    tasks_clear(&tasks);
}

static void assert_wrong(const char *text, const char *expected)
{
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_false(tasks_parse(&tasks, text, &error));
    assert_string_equal(buf_text(&error), expected);
    buf_clear(&error);
    tasks_clear(&tasks);
}

static void each_mistake_is_named(void **state)
{
    (void)state;
    assert_wrong(" ; ", "WORKER_TASKS: names no task");
    assert_wrong("x", "WORKER_TASKS: x: is not type=command or type[marks]=command");
    assert_wrong("x[reuse", "WORKER_TASKS: x[reuse: is not type=command or type[marks]=command");
    assert_wrong("x[reuse=y",
                 "WORKER_TASKS: x[reuse=y: is not type=command or type[marks]=command");
    assert_wrong("=y", "WORKER_TASKS: =y: its type is not 1 to 128 of A-Z a-z 0-9 _ . -");
    assert_wrong("a b=y", "WORKER_TASKS: a b=y: its type is not 1 to 128 of A-Z a-z 0-9 _ . -");
    assert_wrong("a=", "WORKER_TASKS: a: has no command");
    assert_wrong("a= ;b=c", "WORKER_TASKS: a: has no command");
    assert_wrong("a=x;a=y", "WORKER_TASKS: a: is there twice");
    assert_wrong("a[reuse]b=x", "WORKER_TASKS: a: there is something between ] and =");
}

static void marks_are_read_in_any_order(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(&tasks,
                            "a[reuse,max_attempts=5,timeout_ms=30000,backoff_ms=500,"
                            "backoff_max_ms=20000]=x;b [ timeout_ms=604800000 , reuse ]=y;"
                            "c[slots=100,reuse]=z;d[slots=1]=z",
                            &error));
    const struct task *a = tasks_find(&tasks, "a"), *b = tasks_find(&tasks, "b");
    assert_int_equal(a->slots, 0);
    assert_int_equal(tasks_find(&tasks, "c")->slots, 100);
    assert_int_equal(tasks_find(&tasks, "d")->slots, 1);
    assert_true(a->reuse);
    assert_int_equal(a->max_attempts, 5);
    assert_int_equal(a->timeout_ms, 30000);
    assert_int_equal(a->backoff_ms, 500);
    assert_int_equal(a->backoff_max_ms, 20000);
    assert_true(b->reuse);
    assert_int_equal(b->timeout_ms, 604800000);
    assert_int_equal(b->max_attempts, 0);
    assert_int_equal(b->backoff_ms, 0);
    tasks_clear(&tasks);
}

#define NONE_OF \
    " is none of reuse, slots=n, max_attempts=n, timeout_ms=n, backoff_ms=n, backoff_max_ms=n"

static void each_mistake_in_a_mark_is_named(void **state)
{
    (void)state;
    assert_wrong("a[fast]=x", "WORKER_TASKS: a: the mark fast" NONE_OF);
    assert_wrong("a[]=x", "WORKER_TASKS: a: the mark []" NONE_OF);
    assert_wrong("a[reuse,]=x", "WORKER_TASKS: a: the mark []" NONE_OF);
    assert_wrong("a[reuse=1]=x", "WORKER_TASKS: a: the mark reuse=1" NONE_OF);
    assert_wrong("a[max_attempts]=x", "WORKER_TASKS: a: the mark max_attempts" NONE_OF);
    assert_wrong("a[reuse,reuse]=x", "WORKER_TASKS: a: the mark reuse is there twice");
    assert_wrong("a[backoff_ms=1,reuse,backoff_ms=1]=x",
                 "WORKER_TASKS: a: the mark backoff_ms is there twice");
    assert_wrong("a[slots]=x", "WORKER_TASKS: a: the mark slots" NONE_OF);
    assert_wrong("a[slots=0]=x", "WORKER_TASKS: a: the mark slots=0 is not a whole number from 1 "
                                 "to 10000");
    assert_wrong("a[slots=10001]=x", "WORKER_TASKS: a: the mark slots=10001 is not a whole number "
                                     "from 1 to 10000");
    assert_wrong("a[slots=2,slots=2]=x", "WORKER_TASKS: a: the mark slots is there twice");
    assert_wrong("a[max_attempts=0]=x", "WORKER_TASKS: a: the mark max_attempts=0 is not a whole "
                                        "number from 1 to 100");
    assert_wrong("a[timeout_ms=1s]=x", "WORKER_TASKS: a: the mark timeout_ms=1s is not a whole "
                                       "number from 100 to 604800000");
    assert_wrong("a[backoff_ms=]=x", "WORKER_TASKS: a: the mark backoff_ms= is not a whole "
                                     "number from 1 to 86400000");
    assert_wrong("a[backoff_max_ms=-1]=x", "WORKER_TASKS: a: the mark backoff_max_ms=-1 is not a "
                                           "whole number from 1 to 86400000");
}

static void all_types_stand_between_blanks(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0}, types = {0};
    assert_true(tasks_parse(&tasks, "a=x;bc=y", &error));
    tasks_types(&tasks, &types);
    assert_string_equal(buf_text(&types), " a bc ");
    buf_clear(&types);
    tasks_clear(&tasks);
}

static void a_type_has_at_most_128_bytes(void **state)
{
    (void)state;
    char text[160];
    memset(text, 'a', 129);
    strcpy(text + 128, "=x");
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(&tasks, text, &error));
    tasks_clear(&tasks);
    strcpy(text + 128, "a=x");
    assert_false(tasks_parse(&tasks, text, &error));
    tasks_clear(&tasks);
    buf_clear(&error);
}

static void programs_are_found_along_the_path(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(&tasks, "a=sh -c x;b=/bin/sh", &error));
    assert_true(tasks_find_programs(&tasks, "/nowhere", "/nowhere:/bin:/usr/bin", &error));
    assert_string_equal(tasks.items[0].program, "/bin/sh");
    assert_string_equal(tasks.items[1].program, "/bin/sh");
    tasks_clear(&tasks);
}

static void a_program_that_cannot_run_is_named(void **state)
{
    (void)state;
    struct tasks tasks = {0};
    struct buf error = {0};
    assert_true(tasks_parse(&tasks, "a=sh;b=/etc/passwd x", &error));
    assert_false(tasks_find_programs(&tasks, "", "/bin", &error));
    assert_string_equal(buf_text(&error),
                        "WORKER_TASKS: b: \"/etc/passwd\" is not a program that can be run");
    tasks_clear(&tasks);
    buf_reset(&error);

    assert_true(tasks_parse(&tasks, "", &error));
    assert_false(tasks_find_programs(&tasks, "/nowhere", NULL, &error));
    assert_string_equal(buf_text(&error), "WORKER_TASKS: generate_messages: \"leat-task\" is not a "
                                          "program that can be run (looked for in PATH)");
    tasks_clear(&tasks);
    buf_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_text_means_the_built_in_tasks),
        cmocka_unit_test(commands_are_split_at_blanks),
        cmocka_unit_test(each_mistake_is_named),
        cmocka_unit_test(marks_are_read_in_any_order),
        cmocka_unit_test(each_mistake_in_a_mark_is_named),
        cmocka_unit_test(all_types_stand_between_blanks),
        cmocka_unit_test(a_type_has_at_most_128_bytes),
        cmocka_unit_test(programs_are_found_along_the_path),
        cmocka_unit_test(a_program_that_cannot_run_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
