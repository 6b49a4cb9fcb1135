/*
 * Shared task processes: real ones (small shell scripts), a real loop, no Redis.
 *
 * Each test starts one, gives it jobs and turns the loop until what it waits for
 * is there; at the end no process and no memory is left.
 */
#include "shared.h"

#include "buf.h"
#include "clock.h"
#include "shell_task.h"
#include "spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define JOBS 4

/* What the user of one job was told. */
struct job {
    char id[JOB_ID_SIZE];
    struct place *place;
    struct buf messages;
    size_t count, bytes;
    int ended;
    enum place_end end;
    bool alone;
    int64_t retry_after_ms;
    struct buf reason, detail, usage;
    int left;
};

struct world {
    struct shell_task shell;
    struct shared_host host;
    struct shared *shared;
    struct job jobs[JOBS];
    int freed, gone;
};

static void on_freed(void *arg, struct shared *shared)
{
    struct world *w = arg;
    (void)shared;
    w->freed++;
}

static void on_gone(void *arg, struct shared *shared)
{
    struct world *w = arg;
    assert_ptr_equal(shared, w->shared);
    w->shared = NULL;
    w->gone++;
}

static void on_message(void *arg, const char *data, size_t length)
{
    struct job *job = arg;
    job->count++;
    job->bytes += length;
    if (length > 200)
        return;
    buf_add(&job->messages, data, length);
    buf_putc(&job->messages, '\n');
}

static void on_end(void *arg, const struct place_report *report)
{
    struct job *job = arg;
    job->ended++;
    job->end = report->end;
    job->alone = report->alone;
    job->retry_after_ms = report->retry_after_ms;
    buf_puts(&job->reason, report->reason);
    buf_puts(&job->detail, report->detail);
}

static void on_usage(void *arg, const char *data, size_t length)
{
    struct job *job = arg;
    buf_reset(&job->usage);
    buf_add(&job->usage, data, length);
}

static void on_left(void *arg)
{
    struct job *job = arg;
    assert_int_equal(job->ended, 0);
    job->left++;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w || !shell_task_begin(&w->shell))
        return -1;
    w->host = (struct shared_host){
        .loop = &w->shell.loop,
        .settings = &w->shell.settings,
        .environment = spawn_environment(),
        .arg = w,
        .on_freed = on_freed,
        .on_gone = on_gone,
    };
    w->shell.task.slots = 3;
    for (int i = 0; i < JOBS; i++)
        snprintf(w->jobs[i].id, JOB_ID_SIZE, "00000000-0000-4000-8000-%012d", i);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    if (w->shared)
        shared_end(w->shared);
    uv_run(&w->shell.loop, UV_RUN_DEFAULT);
    assert_int_equal(w->gone, 1);
    shell_task_end(&w->shell);
    for (int i = 0; i < JOBS; i++) {
        buf_clear(&w->jobs[i].messages);
        buf_clear(&w->jobs[i].reason);
        buf_clear(&w->jobs[i].detail);
        buf_clear(&w->jobs[i].usage);
    }
    free(w->host.environment);
    free(w);
    return 0;
}

static void start(struct world *w, const char *script)
{
    shell_task_say(&w->shell, script);
    assert_int_equal(shared_new(&w->host, &w->shell.task, (size_t)w->shell.task.slots, &w->shared),
                     STATUS_OK);
}

static struct job *give(struct world *w, int number, const char *line)
{
    struct job *job = &w->jobs[number];
    const struct place_user user = {job, on_message, on_end, on_usage, on_left};
    assert_true(shared_has_room(w->shared, job->id));
    assert_int_equal(shared_give(w->shared, job->id, line, strlen(line), &user, &job->place),
                     STATUS_OK);
    return job;
}

static void turn(struct world *w)
{
    uv_run(&w->shell.loop, UV_RUN_NOWAIT);
    usleep(300);
}

#define TURN_UNTIL(w, condition)                             \
    do {                                                     \
        int64_t until_ms = clock_steady_ms() + PATIENCE_MS;  \
        while (!(condition) && clock_steady_ms() < until_ms) \
            turn(w);                                         \
        assert_true(condition);                              \
    } while (0)

static void turn_for(struct world *w, int64_t wait_ms)
{
    int64_t until_ms = clock_steady_ms() + wait_ms;
    while (clock_steady_ms() < until_ms)
        turn(w);
}

static void assert_end(const struct job *job, enum place_end end, const char *reason, bool alone)
{
    assert_int_equal(job->ended, 1);
    assert_int_equal(job->end, end);
    assert_string_equal(buf_text(&job->reason), reason);
    assert_int_equal(job->alone, alone);
}

/* Says back each job's line, and `done` when that holds the word; `failed` to a stop. */
#define SAYS_BACK                                                                              \
    "while read -r id line; do case $line in *stop*) echo \"$id "                              \
    "{\\\"leat\\\":\\\"failed\\\"}\";; "                                                       \
    "*) echo \"$id $line\"; case $line in *done*) echo \"$id {\\\"leat\\\":\\\"done\\\"}\";; " \
    "esac;; "                                                                                  \
    "esac; done"

static void each_job_gets_its_own_lines_and_the_process_goes_on(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(w, SAYS_BACK);
    struct job *a = give(w, 0, "{\"n\":1}\n"), *b = give(w, 1, "{\"done\":2}\n");
    TURN_UNTIL(w, a->count == 1 && b->ended);
    assert_string_equal(buf_text(&a->messages), "{\"n\":1}\n");
    assert_string_equal(buf_text(&b->messages), "{\"done\":2}\n");
    assert_end(b, PLACE_DONE, "", false);
    assert_int_equal(a->ended, 0);
    assert_int_equal(shared_jobs(w->shared), 1);
    place_stop(a->place, "timeout", "too long");
    TURN_UNTIL(w, a->ended);
    assert_end(a, PLACE_FAILED, "timeout", false);
    assert_true(shared_is_serving(w->shared));
    assert_int_equal(w->freed, 2);
}

static void it_has_room_for_as_many_as_its_slots(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(w, SAYS_BACK);
    for (int i = 0; i < 3; i++)
        give(w, i, "{}\n");
    assert_false(shared_has_room(w->shared, w->jobs[3].id));
    place_drop(w->jobs[0].place);
    /* It is free when the process has said so. */
    assert_false(shared_has_room(w->shared, w->jobs[3].id));
    assert_int_equal(shared_users(w->shared), 2);
    TURN_UNTIL(w, shared_has_room(w->shared, w->jobs[3].id));
    assert_int_equal(w->jobs[0].ended, 0);
}

static void another_attempt_of_the_same_job_goes_elsewhere_for_a_while(void **state)
{
    struct world *w = *state;
    start(w, SAYS_BACK);
    struct job *a = give(w, 0, "{\"done\":1}\n");
    TURN_UNTIL(w, a->ended);
    assert_false(shared_has_room(w->shared, a->id));
    assert_true(shared_has_room(w->shared, w->jobs[1].id));
}

static void late_and_stray_lines_harm_nobody(void **state)
{
    struct world *w = *state;
    start(w,
          "read -r id line; read -r other line; echo \"$id {\\\"leat\\\":\\\"done\\\"}\"; echo "
          "\"$id {}\"; echo \"$id []\"; echo \"$id {\\\"leat\\\":\\\"done\\\"}\"; echo "
          "'99999999-0000-4000-8000-000000000000 []'; echo \"$other {\\\"n\\\":1}\"; read -r line");
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    TURN_UNTIL(w, b->count == 1);
    assert_end(a, PLACE_DONE, "", false);
    assert_int_equal(a->count, 0);
    assert_true(shared_is_serving(w->shared));
}

static void who_does_not_stop_has_the_process_replaced(void **state)
{
    struct world *w = *state;
    start(w, "trap '' TERM; read -r id line; echo \"$id {}\"; while :; do read -r id line || sleep "
             "1; done");
    struct job *deaf = give(w, 0, "{}\n"), *innocent = give(w, 1, "{}\n");
    TURN_UNTIL(w, deaf->count == 1);
    int64_t begin = clock_steady_ms();
    place_stop(deaf->place, "timeout", "too long");
    TURN_UNTIL(w, deaf->ended && innocent->ended);
    assert_true(clock_steady_ms() - begin >= 2 * w->shell.settings.task_stop_ms);
    assert_end(deaf, PLACE_FAILED, "timeout", true);
    assert_end(innocent, PLACE_LOST, "shared", false);
    assert_string_equal(
        buf_text(&innocent->detail),
        "its shared process was replaced: a job in it did not stop when it was told to");
}

static void who_closed_its_output_is_stopped_all_the_same(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; exec >&-; read -r id line; sleep 60");
    struct job *mute = give(w, 0, "{}\n");
    TURN_UNTIL(w, !shared_is_serving(w->shared));
    assert_false(mute->ended);
    place_stop(mute->place, "timeout", "too long");
    TURN_UNTIL(w, mute->ended);
    assert_end(mute, PLACE_FAILED, "timeout", true);
    TURN_UNTIL(w, w->gone);
}

static void who_closed_its_output_and_has_nothing_to_do_ends(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; echo \"$id {\\\"leat\\\": \\\"done\\\"}\"; exec >&-; read -r id "
             "line; sleep 60");
    struct job *job = give(w, 0, "{}\n");
    TURN_UNTIL(w, job->ended && w->gone);
    assert_int_equal(job->end, PLACE_DONE);
}

static void a_death_together_is_nobodys_whatever_the_exit(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; read -r id line; exit 0");
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    TURN_UNTIL(w, a->ended && b->ended);
    assert_end(a, PLACE_LOST, "shared", true);
    assert_end(b, PLACE_LOST, "shared", true);
    assert_string_equal(buf_text(&a->detail), "its shared process ended: exit status 0");
}

static void who_was_always_alone_in_it_ends_with_it(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; echo \"$LEAT_SLOTS\" >&2; kill -9 $$");
    struct job *a = give(w, 0, "{}\n");
    TURN_UNTIL(w, a->ended);
    assert_end(a, PLACE_DIED, "signal", true);
    assert_string_equal(buf_text(&a->detail), "killed by signal 9 (SIGKILL)");
}

static void a_wrong_line_is_its_jobs_alone(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(
        w,
        "read -r id line; read -r other line; printf '%s ' \"$id\"; head -c 1048576 /dev/zero | tr "
        "'\\0' x; echo; echo \"$other {\\\"n\\\":1}\"; " SAYS_BACK);
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    TURN_UNTIL(w, a->ended && b->count == 1);
    assert_end(a, PLACE_FAILED, "line", false);
    assert_string_equal(buf_text(&a->detail), "line 1 is longer than 262144 bytes");
    assert_int_equal(b->ended, 0);
}

static void a_line_of_nobody_breaks_the_process(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; read -r other line; echo hello; echo \"$id {}\"; read -r line");
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    TURN_UNTIL(w, a->ended && b->ended);
    assert_end(a, PLACE_LOST, "shared", true);
    assert_end(b, PLACE_LOST, "shared", true);
    assert_int_equal(a->count, 0);
}

static void one_that_is_held_up_holds_up_its_neighbours_only_at_last(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = 1000;
    start(
        w,
        "read -r id line; read -r other line; long=$(head -c 100000 /dev/zero | tr '\\0' x); "
        "for i in 1 2 3 4 5; do echo \"$id {\\\"x\\\":\\\"$long\\\"}\"; echo \"$other {}\"; done; "
        "for i in 1 2 3 4 5 6 7 8 9; do echo \"$id {\\\"x\\\":\\\"$long\\\"}\"; done; "
        "echo \"$other {\\\"leat\\\":\\\"done\\\"}\"; " SAYS_BACK);
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    place_pause(a->place);
    TURN_UNTIL(w, b->count == 5);
    /* The last message that comes at all is the one that fills the measure. */
    TURN_UNTIL(w, a->bytes >= SHARED_OVER_BYTES);
    turn_for(w, 200);
    assert_true(a->bytes < SHARED_OVER_BYTES + 200000);
    assert_int_equal(b->ended, 0);
    /* And a stop is not held against a process that is not read. */
    place_stop(b->place, "timeout", "too long");
    turn_for(w, 2 * w->shell.settings.task_stop_ms);
    assert_true(shared_is_serving(w->shared));
    w->shell.settings.task_stop_ms =
        PATIENCE_MS; /* how soon the shell is heard then, is the machine's */
    place_resume(a->place);
    TURN_UNTIL(w, b->ended && a->count == 14);
}

static void who_could_not_answer_has_its_time_afterwards(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = 3000;
    start(
        w,
        "read -r id line; read -r other line; long=$(head -c 250000 /dev/zero | tr '\\0' x); "
        "for i in 1 2 3 4 5 6; do echo \"$id {\\\"x\\\":\\\"$long\\\"}\"; done; "
        "read -r stopped line; read -r next line; echo \"$stopped {\\\"leat\\\":\\\"failed\\\"}\"; "
        "read -r line");
    struct job *a = give(w, 0, "{}\n"), *b = give(w, 1, "{}\n");
    place_pause(a->place);
    TURN_UNTIL(w, a->bytes >= SHARED_OVER_BYTES);
    place_stop(b->place, "timeout", "too long");
    /* But for a little, as long as it has to obey. */
    turn_for(w, w->shell.settings.task_stop_ms - 200);
    assert_int_equal(b->ended, 0);
    place_resume(a->place);
    turn_for(w, 1000);
    assert_int_equal(b->ended, 0);
    assert_true(shared_is_serving(w->shared));
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    give(w, 2, "{}\n"); /* it waits for this before it obeys */
    TURN_UNTIL(w, b->ended);
    assert_string_equal(buf_text(&b->reason), "timeout");
    assert_false(b->alone);
    assert_true(shared_is_serving(w->shared));
}

/* To a stop it says what it used, then that it ended. */
#define SAYS_USAGE                                                                          \
    "read -r id line; read -r other line; echo \"$id {}\"; while read -r id line; do echo " \
    "\"$id {\\\"leat\\\":\\\"usage\\\",\\\"usage\\\":{\\\"n\\\":7}}\"; echo \"$id "         \
    "{\\\"late\\\":1}\"; "                                                                  \
    "echo \"$id {\\\"leat\\\":\\\"failed\\\"}\"; echo "                                     \
    "\"$id {\\\"leat\\\":\\\"usage\\\",\\\"usage\\\":{\\\"n\\\":8}}\"; done"

static void who_is_stopped_may_still_say_what_it_used(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(w, SAYS_USAGE);
    struct job *stopped = give(w, 0, "{}\n"), *dropped = give(w, 1, "{}\n");
    TURN_UNTIL(w, stopped->count == 1);
    place_stop(stopped->place, "timeout", "too long");
    place_drop(dropped->place);
    TURN_UNTIL(w, stopped->ended && dropped->left);
    assert_end(stopped, PLACE_FAILED, "timeout", false);
    assert_string_equal(buf_text(&stopped->usage), "{\"n\":7}");
    assert_string_equal(buf_text(&dropped->usage), "{\"n\":7}");
    assert_int_equal(stopped->count, 1);
    assert_int_equal(stopped->left + dropped->ended, 0);
    assert_true(shared_is_serving(w->shared));
}

static void a_failure_says_why_and_how_long_to_wait(void **state)
{
    struct world *w = *state;
    start(w, "read -r id line; echo \"$id {\\\"leat\\\":\\\"failed\\\",\\\"reason\\\":\\\"busy\\\","
             "\\\"detail\\\":\\\"Too many.\\\",\\\"retry_after_ms\\\":5000}\"; read -r line");
    struct job *job = give(w, 0, "{}\n");
    TURN_UNTIL(w, job->ended);
    assert_end(job, PLACE_FAILED, "busy", false);
    assert_string_equal(buf_text(&job->detail), "Too many.");
    assert_int_equal(job->retry_after_ms, 5000);
}

#define SHARED_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED_TEST(each_job_gets_its_own_lines_and_the_process_goes_on),
        SHARED_TEST(it_has_room_for_as_many_as_its_slots),
        SHARED_TEST(another_attempt_of_the_same_job_goes_elsewhere_for_a_while),
        SHARED_TEST(late_and_stray_lines_harm_nobody),
        SHARED_TEST(who_does_not_stop_has_the_process_replaced),
        SHARED_TEST(who_closed_its_output_is_stopped_all_the_same),
        SHARED_TEST(who_closed_its_output_and_has_nothing_to_do_ends),
        SHARED_TEST(a_death_together_is_nobodys_whatever_the_exit),
        SHARED_TEST(who_was_always_alone_in_it_ends_with_it),
        SHARED_TEST(a_wrong_line_is_its_jobs_alone),
        SHARED_TEST(a_line_of_nobody_breaks_the_process),
        SHARED_TEST(one_that_is_held_up_holds_up_its_neighbours_only_at_last),
        SHARED_TEST(who_could_not_answer_has_its_time_afterwards),
        SHARED_TEST(who_is_stopped_may_still_say_what_it_used),
        SHARED_TEST(a_failure_says_why_and_how_long_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
