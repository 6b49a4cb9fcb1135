/*
 * The keys: as the design's table has them, the same in C and in Lua.
 */
#include "keys.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

static void keys_are_as_the_design_says(void **state)
{
    (void)state;
    struct buf b = {0};
#define IS(expected, ...)                            \
    do {                                             \
        key_make(&b, __VA_ARGS__);                   \
        assert_true(buf_ok(&b));                     \
        assert_string_equal(buf_text(&b), expected); \
    } while (0)
    IS("stream:f:c", "", KEY_STREAM, "f", "c");
    IS("chat:f:c", "", KEY_CHAT, "f", "c");
    IS("job:id", "", KEY_JOB, "id");
    IS("idem:f:c:k:1", "", KEY_IDEM, "f", "c", "k:1");
    IS("queue:q", "", KEY_QUEUE, "q");
    IS("queue:q:9", "", KEY_TURNS, "q", "9");
    IS("queue:q:9:f", "", KEY_LINE, "q", "9", "f");
    IS("queue:q:delayed", "", KEY_DELAYED, "q");
    IS("queue:q:running", "", KEY_RUNNING, "q");
    IS("queue:q:deadlines", "", KEY_DEADLINES, "q");
    IS("queue:q:dead", "", KEY_DEAD, "q");
    IS("queue:q:wake", "", KEY_WAKE, "q");
    IS("workers", "", KEY_WORKERS);
    IS("worker:w", "", KEY_WORKER, "w");
    IS("routes", "", KEY_ROUTES);
    IS("{p}:stream:f:c", "{p}:", KEY_STREAM, "f", "c");
#undef IS
    buf_clear(&b);
}

static void only_the_functions_that_are_called_are_written(void **state)
{
    (void)state;
    struct buf b = {0};
    keys_lua(&b, "p:", "return key_stream(f, c) .. key_workers() .. key_job");
    assert_string_equal(buf_text(&b),
                        "local function key_stream(a,b) return 'p:stream:'..a..':'..b..'' end\n"
                        "local function key_workers() return 'p:workers' end\n");
    buf_clear(&b);
}

/* key_worker( is not key_workers(, and key_queue( none of its longer neighbours. */
static void a_name_within_a_longer_one_does_not_count(void **state)
{
    (void)state;
    struct buf b = {0};
    keys_lua(&b, "", "key_workers()");
    assert_null(strstr(buf_text(&b), "key_worker("));
    buf_reset(&b);
    keys_lua(&b, "", "key_worker(w)");
    assert_null(strstr(buf_text(&b), "key_workers("));
    assert_non_null(strstr(buf_text(&b), "key_worker(a)"));
    buf_clear(&b);
}

static void three_parts_fit(void **state)
{
    (void)state;
    struct buf b = {0};
    keys_lua(&b, "", "key_idem(f, c, k) key_line(q, p, f)");
    assert_non_null(strstr(buf_text(&b), "key_idem(a,b,c) return 'idem:'..a..':'..b..':'..c..''"));
    assert_non_null(strstr(buf_text(&b), "key_line(a,b,c)"));
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_as_the_design_says),
        cmocka_unit_test(only_the_functions_that_are_called_are_written),
        cmocka_unit_test(a_name_within_a_longer_one_does_not_count),
        cmocka_unit_test(three_parts_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
