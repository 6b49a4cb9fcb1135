/*
 * Task processes: real ones (small shell scripts), a real loop, no Redis.
 *
 * Each test starts a slot, gives it jobs and turns the loop until what it waits
 * for is there; at the end no process, no descriptor and no memory is left.
 */
#include "slot.h"

#include "clock.h"
#include "process.h"
#include "shell_task.h"
#include "spawn.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

struct world {
    struct shell_task shell;
    struct slot_host host;
    struct slot *slot;
    int freed, fit, gone;
    int pid;

    /* What the user was told. */
    struct buf messages; /* a line each */
    int message_count;
    int ended;
    enum place_end end;
    bool retry;
    struct buf reason, detail;
    struct buf usage;
    int left;
    bool pause_at_first;
    int descriptors;
};

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Whether a process of the group lives; what nobody waited for yet does not. */
static bool group_lives(int group)
{
    bool lives = false;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[300], text[300] = "", state = 'X';
        int pgrp = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file && fgets(text, sizeof text, file) && strrchr(text, ')') &&
            sscanf(strrchr(text, ')'), ") %c %*d %d", &state, &pgrp) == 2 && pgrp == group &&
            state != 'Z' && state != 'X')
            lives = true;
        if (file)
            fclose(file);
    }
    closedir(folder);
    return lives;
}

static void assert_group_dies(int group)
{
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (group_lives(group) && clock_steady_ms() < until)
        usleep(1000);
    assert_false(group_lives(group));
}

static void on_freed(void *arg, struct slot *slot, bool fit)
{
    struct world *w = arg;
    (void)slot;
    w->freed++;
    w->fit += fit;
}

static void on_gone(void *arg, struct slot *slot)
{
    struct world *w = arg;
    w->gone++;
    if (w->slot == slot)
        w->slot = NULL;
}

static void on_message(void *arg, const char *data, size_t length)
{
    struct world *w = arg;
    buf_add(&w->messages, data, length);
    buf_putc(&w->messages, '\n');
    w->message_count++;
    if (w->pause_at_first)
        place_pause(slot_place(w->slot));
}

static void on_end(void *arg, const struct place_report *report)
{
    struct world *w = arg;
    w->ended++;
    w->end = report->end;
    w->retry = report->retry;
    buf_reset(&w->reason);
    buf_puts(&w->reason, report->reason);
    buf_reset(&w->detail);
    buf_puts(&w->detail, report->detail);
    if (*report->words)
        buf_printf(&w->detail, "%s%s", *report->detail ? "; last words: " : "", report->words);
}

static void on_usage(void *arg, const char *data, size_t length)
{
    struct world *w = arg;
    buf_reset(&w->usage);
    buf_add(&w->usage, data, length);
}

static void on_left(void *arg)
{
    struct world *w = arg;
    assert_int_equal(w->ended, 0);
    w->left++;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    int descriptors = count_descriptors();
    if (!w || !shell_task_begin(&w->shell))
        return -1;
    w->descriptors = descriptors;
    w->host = (struct slot_host){
        .loop = &w->shell.loop,
        .settings = &w->shell.settings,
        .environment = spawn_environment(),
        .arg = w,
        .on_freed = on_freed,
        .on_gone = on_gone,
    };
    *state = w;
    return 0;
}

/* Everything must go away by itself. */
static int tear_down(void **state)
{
    struct world *w = *state;
    uv_run(&w->shell.loop, UV_RUN_DEFAULT);
    assert_null(w->slot);
    shell_task_end(&w->shell);
    if (w->pid)
        assert_group_dies(w->pid);
    assert_int_equal(count_descriptors(), w->descriptors);
    buf_clear(&w->messages);
    buf_clear(&w->reason);
    buf_clear(&w->detail);
    buf_clear(&w->usage);
    free(w->host.environment);
    free(w);
    return 0;
}

static void start(struct world *w, const char *script, bool reuse)
{
    shell_task_say(&w->shell, script);
    w->shell.task.reuse = reuse;
    assert_int_equal(slot_new(&w->host, &w->shell.task, &w->slot), STATUS_OK);
    w->pid = slot_pid(w->slot);
}

static void give(struct world *w, const char *line)
{
    struct place_user user = {w, on_message, on_end, on_usage, on_left};
    assert_int_equal(slot_give(w->slot, line, strlen(line), &user), STATUS_OK);
}

static void turn_until(struct world *w, const int *count, int wanted)
{
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (*count < wanted && clock_steady_ms() < until) {
        uv_run(&w->shell.loop, UV_RUN_NOWAIT);
        usleep(500);
    }
    assert_int_equal(*count, wanted);
}

static void turn_for(struct world *w, int64_t wait_ms)
{
    int64_t until = clock_steady_ms() + wait_ms;
    while (clock_steady_ms() < until) {
        uv_run(&w->shell.loop, UV_RUN_NOWAIT);
        usleep(500);
    }
}

static void run(struct world *w, const char *script)
{
    start(w, script, false);
    give(w, "{\"job\":\"1\"}\n");
    turn_until(w, &w->ended, 1);
}

static void assert_failed(const struct world *w, const char *reason, const char *detail)
{
    assert_int_equal(w->end, PLACE_FAILED);
    assert_string_equal(buf_text(&w->reason), reason);
    assert_string_equal(buf_text(&w->detail), detail);
}

static void a_task_reads_its_line_and_the_end(void **state)
{
    struct world *w = *state;
    run(w, "cat; echo '{\"n\":2}'");
    assert_int_equal(w->end, PLACE_DONE);
    assert_string_equal(buf_text(&w->messages), "{\"job\":\"1\"}\n{\"n\":2}\n");
}

static void exit_zero_is_done_and_the_last_line_counts(void **state)
{
    struct world *w = *state;
    run(w, "printf '{\"n\":1}'");
    assert_int_equal(w->end, PLACE_DONE);
    assert_string_equal(buf_text(&w->messages), "{\"n\":1}\n");
}

static void another_exit_is_failed_with_the_last_words(void **state)
{
    struct world *w = *state;
    run(w, "echo 'what went wrong' >&2; printf '\\377\\n' >&2; exit 3");
    assert_failed(w, "exit", "exit status 3; last words: what went wrong\n\xef\xbf\xbd");
    assert_true(w->retry);
}

static void only_the_last_4_kib_of_words_are_kept(void **state)
{
    struct world *w = *state;
    run(w, "head -c 100000 /dev/zero | tr '\\0' x >&2; printf END >&2; exit 1");
    assert_int_equal(strlen(buf_text(&w->detail)),
                     strlen("exit status 1; last words: ") + PROCESS_WORDS_BYTES);
    assert_string_equal(buf_text(&w->detail) + strlen(buf_text(&w->detail)) - 4, "xEND");
}

static void a_killed_task_died(void **state)
{
    struct world *w = *state;
    run(w, "kill -9 $$");
    assert_int_equal(w->end, PLACE_DIED);
    assert_string_equal(buf_text(&w->reason), "signal");
    assert_string_equal(buf_text(&w->detail), "killed by signal 9 (SIGKILL)");
}

static void failed_has_its_reason_and_no_retry(void **state)
{
    struct world *w = *state;
    run(w, "echo '{\"leat\":\"failed\",\"reason\":\"no model\",\"retry\":false}'; echo words >&2");
    assert_failed(w, "no model", "words");
    assert_false(w->retry);
}

static void done_is_told_at_once_and_the_process_is_ended(void **state)
{
    struct world *w = *state;
    run(w, "trap '' TERM; echo '{\"leat\":\"done\"}'; while :; do sleep 1; done");
    assert_int_equal(w->end, PLACE_DONE);
    assert_int_equal(w->gone, 0);
    assert_int_equal(w->freed, 1);
    assert_int_equal(w->fit, 0);
    turn_until(w, &w->gone, 1);
}

static void garbage_fails_the_attempt(void **state)
{
    struct world *w = *state;
    run(w, "echo '{\"n\":1}'; echo hello; exec sleep 100");
    assert_failed(w, "line", "line 2 is not JSON at byte 0: a value is expected");
    assert_int_equal(w->message_count, 1);
}

static void a_line_of_a_mebibyte_fails_the_attempt(void **state)
{
    struct world *w = *state;
    run(w, "head -c 1048576 /dev/zero | tr '\\0' x; exec sleep 100");
    assert_failed(w, "line", "line 1 is longer than 262144 bytes");
}

static void a_stop_reaches_the_whole_group(void **state)
{
    struct world *w = *state;
    start(w,
          "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo '{\"n\":1}'; wait; wait",
          false);
    give(w, "{}\n");
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (w->message_count == 0 && clock_steady_ms() < until)
        turn_for(w, 1);
    place_stop(slot_place(w->slot), "timeout", "longer than 10 ms");
    turn_until(w, &w->ended, 1);
    assert_failed(w, "timeout", "longer than 10 ms");
    turn_until(w, &w->gone, 1);
    assert_group_dies(w->pid);
}

static void a_grandchild_that_holds_the_pipe_is_killed_after_a_grace(void **state)
{
    struct world *w = *state;
    /* It speaks as soon as its parent, $$, is gone, and then holds the pipe. */
    run(w, "(while kill -0 $$ 2>/dev/null; do :; done; echo '{\"n\":1}'; exec sleep 100) & exit 0");
    assert_int_equal(w->end, PLACE_DONE);
    assert_string_equal(buf_text(&w->messages), "{\"n\":1}\n");
}

static void even_one_that_left_the_group_holds_up_nobody(void **state)
{
    struct world *w = *state;
    run(w, "setsid sleep 5 & sleep 0.2; exit 4");
    assert_failed(w, "exit", "exit status 4");
}

static void a_task_may_close_its_output_and_go_on(void **state)
{
    struct world *w = *state;
    run(w, "echo '{\"n\":1}'; exec >&- 2>&-; sleep 0.3; exit 5");
    assert_failed(w, "exit", "exit status 5");
    assert_int_equal(w->message_count, 1);
}

static void a_task_need_not_read_its_line(void **state)
{
    struct world *w = *state;
    struct buf line = {0};
    start(w, "echo '{\"n\":1}'; sleep 0.2; exit 0", false);
    while (line.length < 1 << 20)
        buf_puts(&line, "0123456789");
    buf_putc(&line, '\n');
    give(w, buf_text(&line));
    turn_until(w, &w->ended, 1);
    assert_int_equal(w->end, PLACE_DONE);
    buf_clear(&line);
}

static void a_large_line_arrives_whole(void **state)
{
    struct world *w = *state;
    struct buf line = {0};
    start(w, "printf '{\"n\":%d}' $(wc -c)", false);
    while (line.length < 1 << 20)
        buf_puts(&line, "0123456789");
    buf_putc(&line, '\n');
    give(w, buf_text(&line));
    turn_until(w, &w->ended, 1);
    assert_string_equal(buf_text(&w->messages), "{\"n\":1048581}\n");
    buf_clear(&line);
}

static const char *const loyal =
    "while read -r line; do echo \"$line\"; echo '{\"leat\":\"done\"}'; done";

static void a_reused_process_takes_one_job_after_the_other(void **state)
{
    struct world *w = *state;
    start(w, loyal, true);
    for (int i = 1; i <= 20; i++) {
        assert_true(slot_is_fit(w->slot));
        give(w, "{\"job\":1}\n");
        turn_until(w, &w->ended, i);
        assert_int_equal(w->end, PLACE_DONE);
        assert_int_equal(w->fit, i);
    }
    assert_int_equal(w->message_count, 20);
    assert_int_equal(slot_pid(w->slot), w->pid);
    slot_end(w->slot);
    turn_until(w, &w->gone, 1);
}

static void a_reused_process_that_talks_on_is_not_reused(void **state)
{
    struct world *w = *state;
    start(w, "read -r line; printf '{\"leat\":\"done\"}\\n{}\\n'; read -r line", true);
    give(w, "{}\n");
    turn_until(w, &w->ended, 1);
    assert_int_equal(w->end, PLACE_DONE);
    assert_int_equal(w->fit, 0);
    assert_int_equal(w->message_count, 0);
    turn_until(w, &w->gone, 1);
}

static void one_that_talks_between_jobs_is_ended(void **state)
{
    struct world *w = *state;
    start(w, "read -r line; echo '{\"leat\":\"done\"}'; sleep 0.1; echo '{}'; read -r line", true);
    give(w, "{}\n");
    turn_until(w, &w->ended, 1);
    turn_until(w, &w->gone, 1);
    assert_int_equal(w->message_count, 0);
}

/* Returns as soon as the process is a zombie; the loop has not been told. */
static void wait_for_zombie(int pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (!strstr(text, ") Z ") && clock_steady_ms() < until) {
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        usleep(1000);
    }
}

static void a_job_that_a_dying_reused_process_never_read_was_no_attempt(void **state)
{
    struct world *w = *state;
    start(w, "read -r line; echo '{\"leat\":\"done\"}'; exit 0", true);
    give(w, "{}\n");
    turn_until(w, &w->ended, 1);
    if (!w->slot || w->fit == 0)
        return; /* its end was seen together with its last line */
    wait_for_zombie(w->pid);
    give(w, "{\"job\":2}\n");
    turn_until(w, &w->ended, 2);
    assert_int_equal(w->end, PLACE_UNREAD);
}

static void a_job_that_it_did_read_was_one(void **state)
{
    struct world *w = *state;
    start(w, "read -r line; echo '{\"leat\":\"done\"}'; read -r line; exit 7", true);
    give(w, "{}\n");
    turn_until(w, &w->ended, 1);
    give(w, "{\"job\":2}\n");
    turn_until(w, &w->ended, 2);
    assert_failed(w, "exit", "exit status 7");
}

static void a_paused_task_is_read_to_its_end_later(void **state)
{
    struct world *w = *state;
    w->pause_at_first = true;
    start(w, "i=0; while [ $i -lt 2000 ]; do echo \"{\\\"n\\\":$i}\"; i=$((i+1)); done; exit 9",
          false);
    give(w, "{}\n");
    /* Longer than both graces: the process has exited, its output waits in the pipe. */
    turn_for(w, 2 * PROCESS_GRACE_MS + 500);
    assert_true(w->message_count > 0);
    assert_int_equal(w->ended, 0);
    w->pause_at_first = false;
    place_resume(slot_place(w->slot));
    turn_until(w, &w->ended, 1);
    assert_int_equal(w->message_count, 2000);
    assert_failed(w, "exit", "exit status 9");
}

static void a_dropped_task_is_ended_in_silence(void **state)
{
    struct world *w = *state;
    start(w, "trap '' TERM; echo '{}'; while :; do sleep 1; done", false);
    give(w, "{}\n");
    turn_for(w, 50);
    place_drop(slot_place(w->slot));
    assert_int_equal(w->freed, 1);
    turn_until(w, &w->gone, 1);
    assert_int_equal(w->ended, 0);
}

static void a_task_sees_none_of_our_secrets_and_descriptors(void **state)
{
    struct world *w = *state;
    int leaked = open("/dev/null", O_RDONLY); /* as a careless library would */
    setenv("REDIS_PASSWORD", "secret", 1);
    free(w->host.environment);
    w->host.environment = spawn_environment();
    run(w, "env | grep -c REDIS_ >&2; ls /proc/self/fd | wc -l >&2; exit 1");
    /* 0, 1, 2 and the folder that ls reads. */
    assert_failed(w, "exit", "exit status 1; last words: 0\n4");
    unsetenv("REDIS_PASSWORD");
    close(leaked);
}

static void a_program_that_is_not_there_is_a_status(void **state)
{
    struct world *w = *state;
    static char nowhere[] = "/nowhere/at/all";
    w->shell.task.program = nowhere;
    w->shell.words[2] = NULL;
    assert_int_equal(slot_new(&w->host, &w->shell.task, &w->slot), STATUS_SYSTEM);
    assert_null(w->slot);
    turn_for(w, 10);
    assert_int_equal(w->gone, 0);
}

/* The first child makes the loop's library open what it keeps for good. */
static int warm_up(void **state)
{
    int bad = set_up(state);
    struct world *w = *state;
    w->shell.words[2] = w->shell.words[1];
    bad |= slot_new(&w->host, &w->shell.task, &w->slot) != STATUS_OK;
    slot_end(w->slot);
    w->descriptors += 2;
    return bad | tear_down(state);
}

/* The last one counts; and one that is stopped still has a word. */
#define COUNTS_AND_WAITS                                                                      \
    "trap 'echo \"{\\\"leat\\\":\\\"usage\\\",\\\"usage\\\":{\\\"n\\\":2}}\"; exit 0' TERM; " \
    "echo '{\"leat\":\"usage\",\"usage\": {\"n\":1}}'; echo '{}'; "                           \
    "while :; do sleep 0.05; done"

static void what_it_used_is_told_and_no_message(void **state)
{
    struct world *w = *state;
    run(w, "echo '{\"leat\":\"usage\",\"usage\":{\"n\":1}}'; echo "
           "'{\"leat\":\"usage\",\"usage\":{\"n\": 2}}'; echo '{}'; echo "
           "'{\"leat\":\"failed\",\"reason\":\"full\",\"detail\":\"Come again.\"}'");
    assert_failed(w, "full", "Come again.");
    assert_string_equal(buf_text(&w->usage), "{\"n\": 2}");
    assert_int_equal(w->message_count, 1);
}

static void a_stopped_task_may_still_say_what_it_used(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(w, COUNTS_AND_WAITS, false);
    give(w, "{\"job\":\"1\"}\n");
    turn_until(w, &w->message_count, 1);
    place_stop(slot_place(w->slot), "timeout", "too long");
    turn_until(w, &w->ended, 1);
    assert_int_equal(w->end, PLACE_FAILED);
    assert_string_equal(buf_text(&w->reason), "timeout");
    assert_string_equal(buf_text(&w->usage), "{\"n\":2}");
}

static void a_dropped_task_may_still_say_what_it_used(void **state)
{
    struct world *w = *state;
    w->shell.settings.task_stop_ms = PATIENCE_MS;
    start(w, COUNTS_AND_WAITS, false);
    give(w, "{\"job\":\"1\"}\n");
    turn_until(w, &w->message_count, 1);
    place_drop(slot_place(w->slot));
    assert_int_equal(w->freed, 1);
    turn_until(w, &w->left, 1);
    assert_int_equal(w->ended, 0);
    assert_string_equal(buf_text(&w->usage), "{\"n\":2}");
}

#define SLOT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOT_TEST(a_task_reads_its_line_and_the_end),
        SLOT_TEST(exit_zero_is_done_and_the_last_line_counts),
        SLOT_TEST(another_exit_is_failed_with_the_last_words),
        SLOT_TEST(only_the_last_4_kib_of_words_are_kept),
        SLOT_TEST(a_killed_task_died),
        SLOT_TEST(failed_has_its_reason_and_no_retry),
        SLOT_TEST(done_is_told_at_once_and_the_process_is_ended),
        SLOT_TEST(garbage_fails_the_attempt),
        SLOT_TEST(a_line_of_a_mebibyte_fails_the_attempt),
        SLOT_TEST(a_stop_reaches_the_whole_group),
        SLOT_TEST(a_grandchild_that_holds_the_pipe_is_killed_after_a_grace),
        SLOT_TEST(even_one_that_left_the_group_holds_up_nobody),
        SLOT_TEST(a_task_may_close_its_output_and_go_on),
        SLOT_TEST(a_task_need_not_read_its_line),
        SLOT_TEST(a_large_line_arrives_whole),
        SLOT_TEST(a_reused_process_takes_one_job_after_the_other),
        SLOT_TEST(a_reused_process_that_talks_on_is_not_reused),
        SLOT_TEST(one_that_talks_between_jobs_is_ended),
        SLOT_TEST(a_job_that_a_dying_reused_process_never_read_was_no_attempt),
        SLOT_TEST(a_job_that_it_did_read_was_one),
        SLOT_TEST(a_paused_task_is_read_to_its_end_later),
        SLOT_TEST(a_dropped_task_is_ended_in_silence),
        SLOT_TEST(what_it_used_is_told_and_no_message),
        SLOT_TEST(a_stopped_task_may_still_say_what_it_used),
        SLOT_TEST(a_dropped_task_may_still_say_what_it_used),
        SLOT_TEST(a_task_sees_none_of_our_secrets_and_descriptors),
        SLOT_TEST(a_program_that_is_not_there_is_a_status),
    };
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
