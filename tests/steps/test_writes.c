/*
 * test_writes.c: what is said together is written in one step, what ends together is ended in one,
 * and each is told its own answer.
 */
#include "rig.h"

#include "writes.h"

/* One job's end, and what it came to. */
struct ending {
    struct claim claim;
    struct holding holding;
    struct outbox outbox;
    struct finish finish;
    struct writing writing;
    size_t answers;
    enum status status;
    enum finish_outcome outcome;
    enum append_outcome appended;
    uint64_t last;
};

static void on_finished(void *arg, enum status status, const struct finish_result *result)
{
    struct ending *ending = arg;
    ending->answers++;
    ending->status = status;
    if (result)
        ending->outcome = result->outcome;
}

static void put_all(struct writes *f, struct ending *endings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ending *e = &endings[i];
        e->finish = (struct finish){
            .how = FINISH_DONE, .last = outbox_last(&e->outbox), .reason = "", .detail = ""};
        e->writing = (struct writing){
            .job = &e->holding,
            .outbox = &e->outbox,
            .finish = &e->finish,
            .on_finished = on_finished,
            .arg = e,
        };
        writes_put(f, &e->writing);
        assert_int_equal(e->answers, 0);
    }
}

/* Messages of one job, and what became of them. */
static void on_appended(void *arg, enum status status, const struct append_result *result)
{
    struct ending *ending = arg;
    ending->answers++;
    ending->status = status;
    if (result) {
        ending->appended = result->outcome;
        ending->last = result->last;
    }
}

static void say(struct ending *e, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = text_of("m%zu", (size_t)outbox_last(&e->outbox) + 1);
        assert_int_equal(outbox_put(&e->outbox, text, strlen(text)), STATUS_OK);
    }
}

static void put_messages(struct writes *f, struct ending *endings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ending *e = &endings[i];
        e->writing = (struct writing){
            .job = &e->holding, .outbox = &e->outbox, .on_appended = on_appended, .arg = e};
        writes_put(f, &e->writing);
        assert_int_equal(e->answers, 0);
    }
}

static void assert_appended(const struct ending *e, uint64_t last)
{
    assert_int_equal(e->answers, 1);
    assert_int_equal(e->status, STATUS_OK);
    assert_int_equal(e->appended, APPEND_OK);
    assert_int_equal(e->last, last);
}

static void end_all(struct writes *f, struct ending *endings, size_t count)
{
    writes_free(f);
    for (size_t i = 0; i < count; i++)
        outbox_clear(&endings[i].outbox);
    free(endings);
}

/* `count` running jobs. Gives (free). */
static struct ending *run_jobs(struct rig *rig, size_t count)
{
    struct ending *endings = calloc(count, sizeof *endings);
    assert_non_null(endings);
    for (size_t i = 0; i < count; i++) {
        endings[i].claim = rig_run(rig, text_of("c%zu", i));
        endings[i].holding = hold(&endings[i].claim);
        outbox_init(&endings[i].outbox, 1000);
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
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 5);
    put_all(f, endings, 5);
    await_all(rig, endings, 5);
    for (size_t i = 0; i < 5; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 1);
    writes_free(f);
    free(endings);
}

static void what_ends_meanwhile_is_the_next_step(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 4);
    /* So that it is not answered in the turn in which it is sent. */
    assert_cli(rig, "OK", "CLIENT PAUSE 1000 ALL");
    put_all(f, endings, 1);
    uv_run(&rig->loop, UV_RUN_NOWAIT); /* it is sent */
    assert_int_equal(endings[0].answers, 0);
    put_all(f, &endings[1], 3);
    await_all(rig, endings, 4);
    for (size_t i = 0; i < 4; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 2);
    writes_free(f);
    free(endings);
}

static void a_step_ends_a_hundred_jobs_at_most(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    size_t count = WRITES_FINISHES_MOST + 3;
    struct ending *endings = run_jobs(rig, count);
    put_all(f, endings, count);
    await_all(rig, endings, count);
    for (size_t i = 0; i < count; i++)
        assert_ended(&endings[i]);
    assert_steps(rig, 2);
    writes_free(f);
    free(endings);
}

static void a_job_that_redis_refuses_hurts_only_itself(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
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
    writes_free(f);
    free(endings);
}

static void one_that_is_not_ours_any_more_is_told_so_among_others(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 3);
    assert_true(rig_cancel(rig, "c1", "").result.was_alive);
    put_all(f, endings, 3);
    await_all(rig, endings, 3);
    assert_ended(&endings[0]);
    assert_int_equal(endings[1].outcome, FINISH_FENCED);
    assert_ended(&endings[2]);
    writes_free(f);
    free(endings);
}

static void without_a_connection_each_is_told_so(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 2);
    redis_drop(rig->redis);
    put_all(f, endings, 2);
    await_all(rig, endings, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(endings[i].status, STATUS_CLOSED);
    rig_await_up(rig, rig->redis);
    writes_free(f);
    free(endings);
}

static void what_still_waits_at_the_end_is_answered_by_it(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *endings = run_jobs(rig, 2);
    put_all(f, endings, 2);
    writes_free(f);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(endings[i].answers, 1);
        assert_int_equal(endings[i].status, STATUS_CLOSED);
    }
    uv_run(&rig->loop, UV_RUN_NOWAIT);
    assert_steps(rig, 0);
    free(endings);
}

static void what_is_said_in_one_turn_is_written_in_one_step(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 5);
    put_messages(f, jobs, 5);
    for (size_t i = 0; i < 5; i++)
        say(&jobs[i], i + 1); /* after it stood in line: it goes along */
    await_all(rig, jobs, 5);
    for (size_t i = 0; i < 5; i++)
        assert_appended(&jobs[i], i + 1);
    assert_steps(rig, 1);
    end_all(f, jobs, 5);
}

static void what_is_said_meanwhile_is_the_next_step(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 4);
    for (size_t i = 0; i < 4; i++)
        say(&jobs[i], 1);
    assert_cli(rig, "OK", "CLIENT PAUSE 1000 ALL"); /* as above */
    put_messages(f, jobs, 1);
    uv_run(&rig->loop, UV_RUN_NOWAIT); /* it is sent */
    assert_false(writes_take_back(f, &jobs[0].writing));
    put_messages(f, &jobs[1], 3);
    await_all(rig, jobs, 4);
    for (size_t i = 0; i < 4; i++)
        assert_appended(&jobs[i], 1);
    assert_steps(rig, 2);
    end_all(f, jobs, 4);
}

static void a_step_holds_one_batch_of_all_together(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 3);
    say(&jobs[0], OUTBOX_BATCH_COUNT - 1);
    say(&jobs[1], 2); /* one of them fits */
    say(&jobs[2], 1);
    put_messages(f, jobs, 3);
    await_all(rig, jobs, 3);
    assert_appended(&jobs[0], OUTBOX_BATCH_COUNT - 1);
    assert_appended(&jobs[1], 1);
    assert_appended(&jobs[2], 1);
    assert_steps(rig, 2);
    end_all(f, jobs, 3);
}

static void each_is_told_its_own_answer_to_its_messages(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 5);
    for (size_t i = 0; i < 5; i++)
        say(&jobs[i], 2);
    assert_true(rig_cancel(rig, "c1", "").result.was_alive);
    assert_cli(rig, "OK", "SET job:%s broken", jobs[2].claim.id);
    cli(rig, "XADD stream:f:c3 * data theirs");
    put_messages(f, jobs, 5);
    await_all(rig, jobs, 5);
    assert_appended(&jobs[0], 2);
    assert_int_equal(jobs[1].appended, APPEND_FENCED);
    assert_int_equal(jobs[2].status, STATUS_REFUSED);
    assert_int_equal(jobs[3].appended, APPEND_FOREIGN);
    assert_appended(&jobs[4], 2);
    end_all(f, jobs, 5);
}

static void a_full_redis_refuses_messages_and_takes_ends(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 3);
    say(&jobs[0], 1);
    say(&jobs[1], 1);
    cli(rig, "CONFIG SET maxmemory 1");
    put_messages(f, jobs, 2);
    put_all(f, &jobs[2], 1);
    await_all(rig, jobs, 3);
    assert_int_equal(jobs[0].status, STATUS_FULL);
    assert_int_equal(jobs[1].status, STATUS_FULL);
    assert_ended(&jobs[2]);
    assert_cli(rig, "1", "XLEN stream:f:c0");
    cli(rig, "CONFIG SET maxmemory 0");
    end_all(f, jobs, 3);
}

static void the_last_messages_go_along_with_the_end(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 2);
    say(&jobs[0], 3);
    say(&jobs[1], 1);
    put_messages(f, jobs, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(writes_take_back(f, &jobs[i].writing));
    put_all(f, jobs, 2);
    await_all(rig, jobs, 2);
    assert_ended(&jobs[0]);
    assert_ended(&jobs[1]);
    assert_cli(rig, "5", "XLEN stream:f:c0");
    assert_cli(rig, "3", "HGET job:%s last", jobs[0].claim.id);
    assert_cli(rig, "3", "XLEN stream:f:c1");
    assert_steps(rig, 1);
    end_all(f, jobs, 2);
}

static void an_end_with_messages_is_for_the_owner_only(void **state)
{
    struct rig *rig = *state;
    struct writes *f = writes_new(&rig->loop, &rig->queue);
    struct ending *jobs = run_jobs(rig, 2);
    say(&jobs[0], 1);
    say(&jobs[1], 1);
    assert_true(rig_cancel(rig, "c0", "").result.was_alive);
    cli(rig, "XADD stream:f:c1 * data theirs");
    put_all(f, jobs, 2);
    await_all(rig, jobs, 2);
    assert_int_equal(jobs[0].outcome, FINISH_FENCED);
    assert_int_equal(jobs[1].outcome, FINISH_FOREIGN);
    assert_cli(rig, "running", "HGET job:%s state", jobs[1].claim.id);
    end_all(f, jobs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_is_said_in_one_turn_is_written_in_one_step),
        RIG_TEST(what_is_said_meanwhile_is_the_next_step),
        RIG_TEST(a_step_holds_one_batch_of_all_together),
        RIG_TEST(each_is_told_its_own_answer_to_its_messages),
        RIG_TEST(a_full_redis_refuses_messages_and_takes_ends),
        RIG_TEST(the_last_messages_go_along_with_the_end),
        RIG_TEST(an_end_with_messages_is_for_the_owner_only),
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
