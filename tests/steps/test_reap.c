/*
 * The step "reap": what nobody else does, and what it must not do after everybody was away.
 */
#include "rig.h"

static struct reap_result reap(struct rig *rig)
{
    struct reaped out = rig_reap(rig);
    assert_int_equal(out.status, STATUS_OK);
    return out.result;
}

static void assert_reaped(struct rig *rig, size_t died, size_t expired, size_t promoted)
{
    struct reap_result out = reap(rig);
    assert_int_equal(out.died, died);
    assert_int_equal(out.expired, expired);
    assert_int_equal(out.promoted, promoted);
    assert_false(out.extended);
}

static void nothing_is_to_be_done(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "a");
    rig_put(rig, "b");
    assert_reaped(rig, 0, 0, 0);
    assert_about(cli_number(rig, "HGET queue:default reaped"), rig_now(rig), 5000);
}

static void a_lease_that_is_over_is_a_death_and_the_job_is_first_in_line(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_append(rig, &c, 1, 2);
    rig_put(rig, "b");
    cli(rig, "ZADD queue:default:running 1 %s", c.id);
    assert_reaped(rig, 1, 0, 0);
    assert_cli(rig, "waiting 0 1 (nil)", "HMGET job:%s state attempts deaths owner", c.id);
    assert_cli(rig, "0", "EXISTS queue:default:running");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);
    assert_int_equal(rig_ttl(rig, "stream:f:a"), -1);
    assert_non_null(strstr(cli(rig, "HGET job:%s history", c.id), "worker_lost"));
    assert_reaped(rig, 0, 0, 0);
    struct claim again = rig_take(rig, "w2");
    assert_string_equal(again.id, c.id);
    assert_int_equal(again.told.number, 2);
}

static void a_clock_that_goes_back_makes_nothing_late_but_what_waits_for_a_time_of_day(void **state)
{
    struct rig *rig = *state;
    const int64_t hour = 3600000;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.run_at_ms = rig_now(rig) + 2 * hour;
    struct enqueued at = rig_put_with(rig, "at", &options);
    struct claim fails = rig_run(rig, "fails");
    rig_failed(rig, &fails);
    /* However little the jitter was. */
    cli(rig, "ZADD queue:default:delayed %" PRId64 " %s", rig_now(rig) + 1000, fails.id);
    struct enqueued waits = rig_put(rig, "waits");
    /* All of it was an hour from now. */
    cli(rig, "ZINCRBY queue:default:delayed %" PRId64 " %s", hour, fails.id);
    int64_t deadline =
        cli_number(rig, "ZINCRBY queue:default:deadlines %" PRId64 " %s", hour, waits.job);
    cli(rig, "HSET job:%s deadline %" PRId64, waits.job, deadline);
    cli(rig, "HSET queue:default reaped %" PRId64, rig_now(rig) + hour);
    assert_reaped(rig, 0, 0, 0);
    assert_about(-cli_number(rig, "HGET queue:default stood"), hour, 5000);
    assert_about(cli_number(rig, "ZSCORE queue:default:delayed %s", fails.id), rig_now(rig) + 2000,
                 5000);
    assert_cli(rig, text_of("%" PRId64, options.run_at_ms), "ZSCORE queue:default:delayed %s",
               at.job);
    cli(rig, "ZINCRBY queue:default:deadlines -300000 %s", waits.job);
    assert_int_equal(reap(rig).expired, 1);
}

static void a_clock_that_goes_back_in_a_pause_and_before_the_next_reap_expires_nothing(void **state)
{
    struct rig *rig = *state;
    const int64_t hour = 3600000;
    struct enqueued waits = rig_put(rig, "waits");
    assert_reaped(rig, 0, 0, 0);
    cli(rig, "HSET queue:default paused 1");
    assert_reaped(rig, 0, 0, 0);
    /* As if all of it had been written by a clock that was an hour ahead. */
    int64_t now = rig_now(rig), deadline = now + hour + 300000;
    cli(rig, "ZADD queue:default:deadlines %" PRId64 " %s", deadline, waits.job);
    cli(rig, "HSET job:%s deadline %" PRId64, waits.job, deadline);
    cli(rig, "HSET queue:default reaped %" PRId64 " paused_at %" PRId64, now + hour, now + hour);
    struct job_options options = JOB_OPTIONS_USUAL;
    rig_put(rig, "between");
    options.delay_ms = 1800000;
    rig_put_with(rig, "delayed", &options);
    assert_reaped(rig, 0, 0, 0);
    cli(rig, "HDEL queue:default paused");
    assert_reaped(rig, 0, 0, 0);
    assert_int_equal(rig_look(rig, "waits").state, JOB_WAITING);
    assert_int_equal(rig_look(rig, "between").state, JOB_WAITING);
    assert_int_equal(rig_look(rig, "delayed").state, JOB_DELAYED);
}

static void the_last_death_ends_the_job(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_deaths = 1;
    struct claim c = rig_run(rig, "a");
    rig_append(rig, &c, 1, 2);
    cli(rig, "ZADD queue:default:running 1 %s", c.id);
    assert_reaped(rig, 1, 0, 0);
    assert_cli(rig,
               text_of("(%" PRIu64 "-3 (type failed data [DONE] job %s reason worker_lost detail "
                       "the worker was not heard of for 15000 ms attempts 1))",
                       c.told.attempt, c.id),
               "XREVRANGE stream:f:a + - COUNT 1");
    assert_cli(rig, "dead worker_lost", "HMGET job:%s state error", c.id);
    assert_cli(rig, c.id, "ZRANGE queue:default:dead 0 -1");
    assert_about(rig_ttl(rig, "job:%s", c.id), 604800000 + 3600000, 5000);
    assert_about(rig_ttl(rig, "stream:f:a"), 60000, 5000);
}

static void a_waiting_job_past_its_deadline_expires(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "a");
    rig_put(rig, "b");
    cli(rig, "ZADD queue:default:deadlines 1 %s", put.job);
    assert_reaped(rig, 0, 1, 0);
    assert_cli(rig,
               text_of("(%" PRIu64 "-1 (type expired data [DONE] job %s reason deadline))",
                       put.view.first, put.job),
               "XREVRANGE stream:f:a + - COUNT 1");
    assert_cli(rig, "expired", "HGET job:%s state", put.job);
    assert_about(rig_ttl(rig, "job:%s", put.job), 60000, 5000);
    assert_about(rig_ttl(rig, "chat:f:a"), 60000, 5000);
    assert_cli(rig, "1 0 2 1", "HMGET queue:default waiting bytes in out");
    assert_string_equal(rig_take(rig, "w1").chat, "b");
    assert_reaped(rig, 0, 0, 0);
}

static void what_is_listed_and_does_not_exist_is_struck_out(void **state)
{
    struct rig *rig = *state;
    cli(rig, "ZADD queue:default:running 1 gone");
    cli(rig, "ZADD queue:default:deadlines 1 gone");
    cli(rig, "ZADD queue:default:delayed 1 gone");
    assert_reaped(rig, 0, 0, 1);
    assert_cli(rig, "0",
               "EXISTS queue:default:running queue:default:deadlines "
               "queue:default:delayed job:gone");
}

static void delayed_jobs_that_come_due_join_the_tail(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_failed(rig, &c);
    rig_put(rig, "b");
    cli(rig, "ZADD queue:default:delayed %lld %s", (long long)rig_now(rig) + 100000, c.id);
    assert_reaped(rig, 0, 0, 0);
    cli(rig, "DEL queue:default:wake");
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    assert_reaped(rig, 0, 0, 1);
    assert_cli(rig, "1", "LLEN queue:default:wake");
    assert_string_equal(rig_take(rig, "w1").chat, "b");
    assert_string_equal(rig_take(rig, "w1").chat, "a");
}

static void at_most_a_hundred_of_each_are_reaped_at_once(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 130; i++)
        cli(rig, "ZADD queue:default:deadlines 1 %s", rig_put(rig, text_of("c%d", i)).job);
    assert_reaped(rig, 0, 100, 0);
    assert_reaped(rig, 0, 30, 0);
}

static void after_a_long_pause_leases_are_extended_first(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a"), d = rig_run(rig, "b");
    int64_t later = rig_now(rig) + 10000;
    cli(rig, "ZADD queue:default:running 1 %s %lld %s", c.id, (long long)later, d.id);
    cli(rig, "HSET queue:default reaped %lld", (long long)rig_now(rig) - 7600);
    struct reap_result out = reap(rig);
    assert_true(out.extended);
    assert_int_equal(out.died, 0);
    assert_about(cli_number(rig, "ZSCORE queue:default:running %s", c.id), rig_now(rig) + 15000,
                 5000);
    assert_int_equal(cli_number(rig, "ZSCORE queue:default:running %s", d.id), later + 15000);
    assert_reaped(rig, 0, 0, 0);
    assert_int_equal(rig_append(rig, &c, 1, 1).outcome, APPEND_OK);
}

static void after_a_short_pause_they_are_not(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    cli(rig, "ZADD queue:default:running 1 %s", c.id);
    cli(rig, "HSET queue:default reaped %lld", (long long)rig_now(rig) - 3000);
    assert_reaped(rig, 1, 0, 0);
}

static void leases_far_ahead_are_brought_back_where_the_clock_went_back(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a"), d = rig_run(rig, "b");
    int64_t two = rig_now(rig) + 29000;
    cli(rig, "ZADD queue:default:running %lld %s %lld %s", (long long)rig_now(rig) + 3600000, c.id,
        (long long)two, d.id);
    cli(rig, "HSET queue:default reaped %lld", (long long)rig_now(rig) + 3600000);
    assert_reaped(rig, 0, 0, 0);
    assert_about(cli_number(rig, "ZSCORE queue:default:running %s", c.id), rig_now(rig) + 15000,
                 5000);
    assert_int_equal(cli_number(rig, "ZSCORE queue:default:running %s", d.id), two);
    assert_about(cli_number(rig, "HGET queue:default reaped"), rig_now(rig), 5000);
}

static void workers_not_heard_of_for_three_leases_are_removed(void **state)
{
    struct rig *rig = *state;
    rig_beat(rig, "w1", NULL, 0, true);
    cli(rig, "ZADD workers %lld w2 %lld w3", (long long)rig_now(rig) - 45100,
        (long long)rig_now(rig) - 30000);
    assert_reaped(rig, 0, 0, 0);
    assert_cli(rig, "w3 w1", "ZRANGE workers 0 -1");
}

static void a_job_with_a_poisoned_stream_does_not_stop_the_reaper(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_deaths = 1;
    struct claim c = rig_run(rig, "a"), d = rig_run(rig, "b");
    struct enqueued e = rig_put(rig, "c");
    cli(rig, "XADD stream:f:a 18446744073709551615-18446744073709551615 data x");
    cli(rig, "SET stream:f:b x");
    cli(rig, "SET stream:f:c x");
    cli(rig, "ZADD queue:default:running 1 %s 1 %s", c.id, d.id);
    cli(rig, "ZADD queue:default:deadlines 1 %s", e.job);
    assert_reaped(rig, 2, 1, 0);
    assert_true(rig_look(rig, "a").ended);
    assert_true(rig_look(rig, "b").ended);
    assert_true(rig_look(rig, "c").ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(nothing_is_to_be_done),
        RIG_TEST(a_lease_that_is_over_is_a_death_and_the_job_is_first_in_line),
        RIG_TEST(a_clock_that_goes_back_makes_nothing_late_but_what_waits_for_a_time_of_day),
        RIG_TEST(a_clock_that_goes_back_in_a_pause_and_before_the_next_reap_expires_nothing),
        RIG_TEST(the_last_death_ends_the_job),
        RIG_TEST(a_waiting_job_past_its_deadline_expires),
        RIG_TEST(what_is_listed_and_does_not_exist_is_struck_out),
        RIG_TEST(delayed_jobs_that_come_due_join_the_tail),
        RIG_TEST(at_most_a_hundred_of_each_are_reaped_at_once),
        RIG_TEST(after_a_long_pause_leases_are_extended_first),
        RIG_TEST(after_a_short_pause_they_are_not),
        RIG_TEST(leases_far_ahead_are_brought_back_where_the_clock_went_back),
        RIG_TEST(workers_not_heard_of_for_three_leases_are_removed),
        RIG_TEST(a_job_with_a_poisoned_stream_does_not_stop_the_reaper),
    };
    return RIG_MAIN(tests);
}
