/*
 * test_finishes.c: what ends together is ended in one step, and each is told its own answer.
 */
#include "rig.h"

#include "finishes.h"

/* One job's end, and what it came to. */
struct ending {
    struct claim claim;
    struct holding holding;
    struct finishing finishing;
    size_t answers;
    enum status status;
    enum finish_outcome outcome;
};

static void on_finished(void *arg, enum status status, const struct finish_result *result)
{
    struct ending *ending = arg;
    ending->answers++;
    ending->status = status;
    if (result)
        ending->outcome = result->outcome;
}

static void put_all(struct finishes *f, struct ending *endings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ending *e = &endings[i];
        e->finishing = (struct finishing){
            .job = &e->holding,
            .finish = {.how = FINISH_DONE, .reason = "", .detail = ""},
            .fn = on_finished,
            .arg = e,
        };
        finishes_put(f, &e->finishing);
        assert_int_equal(e->answers, 0);
    }
}

/* `count` running jobs. Gives (free). */
static struct ending *run_jobs(struct rig *rig, size_t count)
{
    struct ending *endings = calloc(count, sizeof *endings);
    assert_non_null(endings);
    for (size_t i = 0; i < count; i++) {
        endings[i].claim = rig_run(rig, text_of("c%zu", i));
        endings[i].holding = hold(&endings[i].claim);
    }
    assert_cli(rig, "OK", "CONFIG RESETSTAT");
    return endings;
}

struct wanted {
    const struct ending *endings;
    size_t count;
};

static bool are_answered(void *arg)
{
    const struct wanted *w = arg;
    for (size_t i = 0; i < w->count; i++) {
        if (w->endings[i].answers == 0)
            return false;
    }
    return true;
}

static void await_all(struct rig *rig, const struct ending *endings, size_t count)
{
    struct wanted wanted = {endings, count};
    assert_true(await(&rig->loop, are_answered, &wanted, AWAIT_MS));
}

static void assert_steps(struct rig *rig, int expected)
{
    const char *stats = cli(rig, "INFO commandstats");
    const char *steps = strstr(stats, "cmdstat_evalsha:calls=");
    long found = steps ? strtol(steps + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;
    assert_int_equal(found, expected);
}

static void assert_ended(const struct ending *e)
{
    assert_int_equal(e->answers, 1);
    assert_int_equal(e->status, STATUS_OK);
    assert_int_equal(e->outcome, FINISH_ENDED);
}

static void jobs_that_end_in_one_turn_are_ended_in_one_step(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 5);
    put_all(f, endings, 5);
    await_all(rig, endings, 5);
    for (size_t i = 0; i < 5; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 1);
    finishes_free(f);
    free(endings);
}

static void what_ends_meanwhile_is_the_next_step(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 4);
    put_all(f, endings, 1);
    uv_run(&rig->loop, UV_RUN_NOWAIT); /* it is sent */
    assert_int_equal(endings[0].answers, 0);
    put_all(f, &endings[1], 3);
    await_all(rig, endings, 4);
    for (size_t i = 0; i < 4; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 2);
    finishes_free(f);
    free(endings);
}

static void a_step_ends_a_hundred_jobs_at_most(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    size_t count = FINISHES_MOST + 3;
    struct ending *endings = run_jobs(rig, count);
    put_all(f, endings, count);
    await_all(rig, endings, count);
    for (size_t i = 0; i < count; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 2);
    finishes_free(f);
    free(endings);
}

static void a_job_that_redis_refuses_hurts_only_itself(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 6);
    assert_cli(rig, "OK", "SET job:%s broken", endings[2].claim.id);
    put_all(f, endings, 5);
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    put_all(f, &endings[5], 1);
    await_all(rig, endings, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(endings[i].answers, 1);
        assert_int_equal(endings[i].status, i == 2 ? STATUS_REFUSED : STATUS_OK);
        if (i != 2)
            assert_cli(rig, "done", "HGET job:%s state", endings[i].claim.id);
    }
    for (size_t i = 0; i < 6; i++) {
        if (i != 2)
            assert_ended(&endings[i]);
    }
    assert_steps(rig, 2);
    assert_cli(rig, endings[2].claim.id, "ZRANGE queue:default:running 0 -1");
    finishes_free(f);
    free(endings);
}

static void one_that_is_not_ours_any_more_is_told_so_among_others(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 3);
    assert_true(rig_cancel(rig, "c1", "").result.was_alive);
    put_all(f, endings, 3);
    await_all(rig, endings, 3);
    assert_ended(&endings[0]);
    assert_int_equal(endings[1].outcome, FINISH_FENCED);
    assert_ended(&endings[2]);
    finishes_free(f);
    free(endings);
}

static void without_a_connection_each_is_told_so(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 2);
    redis_drop(rig->redis);
    put_all(f, endings, 2);
    await_all(rig, endings, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(endings[i].status, STATUS_CLOSED);
    rig_await_up(rig, rig->redis);
    finishes_free(f);
    free(endings);
}

static void what_still_waits_at_the_end_is_answered_by_it(void **state)
{
    struct rig *rig = *state;
    struct finishes *f = finishes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 2);
    put_all(f, endings, 2);
    finishes_free(f);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(endings[i].answers, 1);
        assert_int_equal(endings[i].status, STATUS_CLOSED);
    }
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    assert_steps(rig, 0);
    free(endings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(jobs_that_end_in_one_turn_are_ended_in_one_step),
        RIG_TEST(what_ends_meanwhile_is_the_next_step),
        RIG_TEST(a_step_ends_a_hundred_jobs_at_most),
        RIG_TEST(a_job_that_redis_refuses_hurts_only_itself),
        RIG_TEST(one_that_is_not_ours_any_more_is_told_so_among_others),
        RIG_TEST(without_a_connection_each_is_told_so),
        RIG_TEST(what_still_waits_at_the_end_is_answered_by_it),
    };
    return RIG_MAIN(tests);
}
