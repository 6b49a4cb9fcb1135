/*
 * The shared form of leat-task, without a process, a pipe or a clock.
 */
#include "many.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE "00000000-0000-4000-8000-000000000001"
#define TWO "00000000-0000-4000-8000-000000000002"
#define JOB " {\"feature_id\": \"f\", \"chat_id\": \"c\"}"

struct world {
    struct settings settings;
    struct task_context context;
    struct many many;
    struct buf out;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->settings = (struct settings){
        .feature_id = "default", .task_message_count = 2, .task_message_interval_ms = 500};
    w->context = (struct task_context){.settings = &w->settings, .container_id = "worker-box"};
    *state = w;
    return many_init(&w->many, &w->context) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    many_clear(&w->many);
    buf_clear(&w->out);
    free(w);
    return 0;
}

static enum status take(struct world *w, const char *line, int64_t now_ms)
{
    return many_take(&w->many, line, strlen(line), now_ms, &w->out);
}

/* What came out, the last digit of each line's job and the first letters of what it says. */
static void assert_said(struct world *w, const char *expected)
{
    struct buf said = {0};
    const char *line = buf_text(&w->out);
    while (*line) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        buf_putc(&said, line[JOB_ID_SIZE - 2]);
        buf_add(&said, line + JOB_ID_SIZE, 10);
        buf_putc(&said, '\n');
        line = end + 1;
    }
    assert_string_equal(buf_text(&said), expected);
    buf_clear(&said);
    buf_reset(&w->out);
}

static void each_job_speaks_at_its_own_times(void **state)
{
    struct world *w = *state;
    assert_int_equal(many_wait_ms(&w->many, 0), -1);
    assert_int_equal(take(w, ONE JOB, 1000), STATUS_OK);
    many_speak(&w->many, 1000, 1 << 20, &w->out);
    assert_said(w, "1{\"id\": \"0\"\n");
    assert_int_equal(take(w, TWO JOB, 1200), STATUS_OK);
    many_speak(&w->many, 1200, 1 << 20, &w->out);
    assert_said(w, "2{\"id\": \"0\"\n");
    assert_int_equal(many_wait_ms(&w->many, 1200), 300);
    many_speak(&w->many, 1499, 1 << 20, &w->out);
    assert_said(w, "");
    /* What is due at the same moment is said together. */
    many_speak(&w->many, 1700, 1 << 20, &w->out);
    assert_said(w, "1{\"id\": \"1\"\n1{\"leat\":\"d\n2{\"id\": \"1\"\n2{\"leat\":\"d\n");
    assert_int_equal(many_wait_ms(&w->many, 1700), -1);
}

static void a_stop_is_obeyed_at_once(void **state)
{
    struct world *w = *state;
    assert_int_equal(take(w, ONE JOB, 0), STATUS_OK);
    assert_int_equal(take(w, TWO JOB, 0), STATUS_OK);
    assert_int_equal(take(w, ONE " {\"stop\": true}", 0), STATUS_OK);
    assert_said(w, "1{\"leat\":\"f\n");
    /* One for nobody is nothing: it was done just before. */
    assert_int_equal(take(w, ONE " {\"stop\": true}", 0), STATUS_OK);
    many_speak(&w->many, 0, 1 << 20, &w->out);
    assert_said(w, "2{\"id\": \"0\"\n");
}

static void what_has_no_room_is_said_later(void **state)
{
    struct world *w = *state;
    assert_int_equal(take(w, ONE JOB, 0), STATUS_OK);
    assert_int_equal(take(w, TWO JOB, 0), STATUS_OK);
    many_speak(&w->many, 0, 10, &w->out);
    assert_said(w, "1{\"id\": \"0\"\n");
    assert_int_equal(many_wait_ms(&w->many, 0), 0);
    many_speak(&w->many, 0, 10, &w->out);
    assert_said(w, "2{\"id\": \"0\"\n");
}

static void neither_a_job_nor_a_stop_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const lines[] = {"",        " ",         ONE,         ONE " ",
                                        ONE " {}", ONE " null", "x" ONE JOB, ONE " {\"stop\":1}"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        assert_int_equal(take(w, lines[i], 0), STATUS_BAD_INPUT);
    assert_int_equal(take(w, ONE JOB, 0), STATUS_OK);
    assert_int_equal(take(w, ONE JOB, 0), STATUS_BAD_INPUT);
}

static void without_messages_a_job_is_done_at_once(void **state)
{
    struct world *w = *state;
    w->settings.task_message_count = 0;
    assert_int_equal(take(w, ONE JOB, 0), STATUS_OK);
    many_speak(&w->many, 0, 1 << 20, &w->out);
    assert_said(w, "1{\"leat\":\"d\n");
}

#define MANY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MANY_TEST(each_job_speaks_at_its_own_times),
        MANY_TEST(a_stop_is_obeyed_at_once),
        MANY_TEST(what_has_no_room_is_said_later),
        MANY_TEST(neither_a_job_nor_a_stop_is_refused),
        MANY_TEST(without_messages_a_job_is_done_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
