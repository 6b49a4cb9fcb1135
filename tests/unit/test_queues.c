/*
 * test_queues.c: a worker's queues take turns at being the first.
 */
#include "queues.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_turn(struct queues *q, const char *expected)
{
    char found[64] = "";
    const char *const *names = queues_turn(q);
    for (size_t i = 0; i < q->count; i++) {
        strcat(found, i > 0 ? " " : "");
        strcat(found, names[i]);
    }
    assert_string_equal(found, expected);
}

static void each_queue_is_the_first_in_its_turn(void **state)
{
    (void)state;
    struct queues q;
    assert_true(queues_init(&q, "a,bc,d"));
    assert_int_equal(q.count, 3);
    assert_turn(&q, "a bc d");
    assert_turn(&q, "bc d a");
    assert_turn(&q, "d a bc");
    assert_turn(&q, "a bc d");
    queues_clear(&q);
}

static void one_queue_has_every_turn(void **state)
{
    (void)state;
    struct queues q;
    assert_true(queues_init(&q, "default"));
    assert_turn(&q, "default");
    assert_turn(&q, "default");
    queues_clear(&q);
    queues_clear(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_queue_is_the_first_in_its_turn),
        cmocka_unit_test(one_queue_has_every_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
