/*
 * The keeper: real processes, which wait for a signal and do nothing else.
 */
#include "keeper.h"

#include "log.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A process that leads a group of its own and waits for its end. Made before the keeper, whose
   pipe it would hold open otherwise (a task's exec closes it). */
static pid_t sleeper(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(pid, pid);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void what_is_left_at_the_end_is_killed(void **state)
{
    struct keeper keeper;
    int status;
    (void)state;
    pid_t left = sleeper();
    assert_true(keeper_start(&keeper));
    keeper_add(&keeper, left);
    keeper_stop(&keeper);
    assert_int_equal(waitpid(left, &status, 0), left);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_has_ended_is_let_alone(void **state)
{
    struct keeper keeper;
    (void)state;
    pid_t other = sleeper();
    assert_true(keeper_start(&keeper));
    keeper_add(&keeper, other);
    keeper_remove(&keeper, other);
    keeper_stop(&keeper);
    assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
    end(other);
}

static void a_keeper_that_was_killed_has_a_successor_that_knows_all(void **state)
{
    struct keeper keeper;
    int status;
    (void)state;
    pid_t early = sleeper(), late = sleeper();
    assert_true(keeper_start(&keeper));
    pid_t former = keeper.pid;
    keeper_add(&keeper, early);
    kill(former, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)former, &info, WEXITED | WNOWAIT), 0);
    keeper_add(&keeper, late);
    assert_int_not_equal(keeper.pid, former);
    keeper_stop(&keeper);
    assert_int_equal(waitpid(early, &status, 0), early);
    assert_int_equal(waitpid(late, &status, 0), late);
}

static void a_frozen_keeper_holds_nobody_up(void **state)
{
    struct keeper keeper;
    (void)state;
    assert_true(keeper_start(&keeper));
    kill(keeper.pid, SIGSTOP);
    keeper_stop(&keeper);
    assert_int_equal(keeper.pid, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_at_the_end_is_killed),
        cmocka_unit_test(what_has_ended_is_let_alone),
        cmocka_unit_test(a_keeper_that_was_killed_has_a_successor_that_knows_all),
        cmocka_unit_test(a_frozen_keeper_holds_nobody_up),
    };
    alarm(30);
    signal(SIGPIPE, SIG_IGN);
    log_open("test_keeper", LOG_LEVEL_NONE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
