/*
 * The step "finish": done, failed, died, and the way to the dead.
 */
#include "rig.h"

static void assert_ended_keys_expire(struct rig *rig, const char *chat, const char *job)
{
    assert_about(rig_ttl(rig, "stream:f:%s", chat), 60000, 5000);
    assert_about(rig_ttl(rig, "chat:f:%s", chat), 60000, 5000);
    if (job)
        assert_about(rig_ttl(rig, "job:%s", job), 60000, 5000);
}

static void assert_out_of_every_list(struct rig *rig)
{
    assert_cli(rig, "0",
               "EXISTS queue:default:running queue:default:deadlines "
               "queue:default:delayed queue:default:5 queue:default:5:f");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);
}

/* The step once more, as after a lost answer. */
static void assert_fenced_now(struct rig *rig, const struct claim *c)
{
    char *before = rig_dump(rig);
    assert_int_equal(rig_done(rig, c, 0).result.outcome, FINISH_FENCED);
    assert_int_equal(rig_failed(rig, c).result.outcome, FINISH_FENCED);
    assert_int_equal(rig_died(rig, c).result.outcome, FINISH_FENCED);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void done_writes_its_entry_behind_the_last_message(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    uint64_t a = c.told.attempt;
    rig_append(rig, &c, 1, 2);
    struct finished out = rig_done(rig, &c, 2);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.result.outcome, FINISH_ENDED);
    assert_int_equal(out.result.state, JOB_DONE);
    assert_cli(rig, text_of("(%" PRIu64 "-3 (type done data [DONE] job %s))", a, c.id),
               "XRANGE stream:f:c %" PRIu64 "-3 +", a);
    assert_cli(rig, "4", "XLEN stream:f:c");
    assert_cli(rig, "done (nil)", "HMGET job:%s state owner", c.id);
    assert_about(cli_number(rig, "HGET job:%s ended", c.id), rig_now(rig), 5000);
    assert_ended_keys_expire(rig, "c", c.id);
    assert_out_of_every_list(rig);
    assert_fenced_now(rig, &c);
}

static void an_answer_may_be_empty(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_int_equal(rig_done(rig, &c, 0).result.outcome, FINISH_ENDED);
    assert_cli(rig, text_of("(%" PRIu64 "-1 (type done data [DONE] job %s))", c.told.attempt, c.id),
               "XRANGE stream:f:c %" PRIu64 "-1 +", c.told.attempt);
}

static void retention_is_the_jobs_own_where_given(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "HSET job:%s retention_ms 500000", c.id);
    rig_done(rig, &c, 0);
    assert_about(rig_ttl(rig, "stream:f:c"), 500000, 5000);
    assert_about(rig_ttl(rig, "chat:f:c"), 500000, 5000);
    assert_about(rig_ttl(rig, "job:%s", c.id), 500000, 5000);
}

static void done_is_refused_while_messages_are_missing(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 3);
    struct finished out = rig_done(rig, &c, 5);
    assert_int_equal(out.result.outcome, FINISH_GONE);
    assert_int_equal(out.result.last, 3);
    cli(rig, "XDEL stream:f:c %" PRIu64 "-3", c.told.attempt);
    out = rig_done(rig, &c, 3);
    assert_int_equal(out.result.outcome, FINISH_GONE);
    assert_int_equal(out.result.last, 0);
    cli(rig, "DEL stream:f:c");
    out = rig_done(rig, &c, 3);
    assert_int_equal(out.result.outcome, FINISH_GONE);
    assert_int_equal(out.result.last, 0);
    out = rig_done(rig, &c, 0);
    assert_int_equal(out.result.outcome, FINISH_GONE);
    assert_cli(rig, "0", "EXISTS stream:f:c");
    rig_append(rig, &c, 1, 3);
    assert_int_equal(rig_done(rig, &c, 3).result.outcome, FINISH_ENDED);
    assert_cli(rig, "5", "XLEN stream:f:c");
}

static void done_is_refused_where_somebody_else_wrote(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 1);
    cli(rig, "XADD stream:f:c * data theirs");
    assert_int_equal(rig_done(rig, &c, 1).result.outcome, FINISH_FOREIGN);
    assert_cli(rig, "running", "HGET job:%s state", c.id);
    assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_AGAIN);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    struct claim again = rig_take(rig, "w1");
    assert_cli(rig, "1", "XLEN stream:f:c");
    assert_int_equal(rig_done(rig, &again, 0).result.outcome, FINISH_ENDED);
}

static void a_failed_attempt_is_delayed_and_its_messages_stay(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 2);
    struct finished out = rig_failed(rig, &c);
    assert_int_equal(out.result.outcome, FINISH_AGAIN);
    assert_int_equal(out.result.state, JOB_DELAYED);
    assert_in_range(out.result.delay_ms, 0, 1000);
    assert_about(cli_number(rig, "ZSCORE queue:default:delayed %s", c.id),
                 rig_now(rig) + out.result.delay_ms, 5000);
    assert_cli(rig, "delayed 1 0 (nil)", "HMGET job:%s state attempts deaths owner", c.id);
    assert_cli(rig, "3", "XLEN stream:f:c");
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "chat:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "job:%s", c.id), -1);
    assert_cli(rig, "0", "EXISTS queue:default:running queue:default:deadlines");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);
    const char *history = cli(rig, "HGET job:%s history", c.id);
    assert_non_null(strstr(history, "\"what\":\"failure\""));
    assert_non_null(strstr(history, "\"reason\":\"exit\""));
    assert_non_null(strstr(history, "\"detail\":\"exit status 1\""));
    assert_non_null(strstr(history, "\"worker\":\"w1\""));
    assert_fenced_now(rig, &c);
}

static void backoff_doubles_with_jitter_up_to_its_most(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 100;
    rig->settings.retry_backoff_max_ms = 6000;
    rig_put(rig, "c");
    int64_t least = INT64_MAX, most = 0;
    for (int attempt = 0; attempt < 40; attempt++) {
        struct claim c = rig_take(rig, "w1");
        struct finished out = rig_failed(rig, &c);
        assert_int_equal(out.result.outcome, FINISH_AGAIN);
        int64_t bound = attempt < 3 ? 1000 << attempt : 6000;
        assert_in_range(out.result.delay_ms, 0, bound - 1);
        if (attempt >= 3 && out.result.delay_ms < least)
            least = out.result.delay_ms;
        most = max_i64(most, out.result.delay_ms);
        cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    }
    /* 37 draws from 0 to 5999: all in one half once in 10^11 runs. */
    assert_true(least < 3000 && most > 3000);
}

/* A provider that is too busy says the same to all: they are not to come back all at once. */
static void another_try_comes_no_sooner_than_was_asked_and_not_with_all_others(void **state)
{
    struct rig *rig = *state;
    const struct finish busy = {.how = FINISH_FAILED,
                                .reason = "provider_busy",
                                .detail = "Slow down.",
                                .retry = true,
                                .retry_after_ms = 10000};
    rig->settings.job_max_attempts = 100;
    rig->settings.retry_backoff_ms = 1;
    rig->settings.retry_backoff_max_ms = 1;
    rig_put(rig, "c");
    int64_t least = INT64_MAX, most = 0;
    for (int attempt = 0; attempt < 40; attempt++) {
        struct claim c = rig_take(rig, "w1");
        struct finished out = rig_finish(rig, &c, &busy);
        assert_int_equal(out.result.outcome, FINISH_AGAIN);
        assert_in_range(out.result.delay_ms, 10000, 11000);
        least = min_i64(least, out.result.delay_ms);
        most = max_i64(most, out.result.delay_ms);
        cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    }
    assert_true(least < 10500 && most > 10500);
}

static void the_last_try_that_fails_is_dead(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 2;
    struct claim c = rig_run(rig, "c");
    assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_AGAIN);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 1);
    struct finished out = rig_failed(rig, &c);
    assert_int_equal(out.result.outcome, FINISH_ENDED);
    assert_int_equal(out.result.state, JOB_DEAD);
    assert_cli(rig,
               text_of("(%" PRIu64 "-2 (type failed data [DONE] job %s reason exit detail exit "
                       "status 1 attempts 2))",
                       c.told.attempt, c.id),
               "XRANGE stream:f:c %" PRIu64 "-2 +", c.told.attempt);
    assert_cli(rig, "dead exit exit status 1 2", "HMGET job:%s state error error_detail attempts",
               c.id);
    assert_ended_keys_expire(rig, "c", NULL);
    assert_about(rig_ttl(rig, "job:%s", c.id), 604800000 + 3600000, 5000);
    assert_about(cli_number(rig, "ZSCORE queue:default:dead %s", c.id), rig_now(rig), 5000);
    assert_out_of_every_list(rig);
    assert_fenced_now(rig, &c);
}

static void where_no_other_attempt_makes_sense_the_first_is_the_last(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    struct finish hopeless = {.how = FINISH_FAILED, .reason = "type", .detail = "", .retry = false};
    struct finished out = rig_finish(rig, &c, &hopeless);
    assert_int_equal(out.result.outcome, FINISH_ENDED);
    assert_int_equal(out.result.state, JOB_DEAD);
}

static void a_death_goes_back_to_the_head_at_once(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_put(rig, "d");
    struct finished out = rig_died(rig, &c);
    assert_int_equal(out.result.outcome, FINISH_AGAIN);
    assert_int_equal(out.result.state, JOB_WAITING);
    assert_int_equal(out.result.delay_ms, 0);
    assert_cli(rig, "waiting 0 1 (nil)", "HMGET job:%s state attempts deaths owner", c.id);
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
    assert_non_null(strstr(cli(rig, "HGET job:%s history", c.id), "\"what\":\"death\""));
    assert_fenced_now(rig, &c);
    struct claim again = rig_take(rig, "w1");
    assert_string_equal(again.id, c.id);
    assert_int_equal(again.told.number, 2);
}

static void deaths_are_counted_apart_from_failures(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "c");
    struct claim c;
    for (int i = 0; i < 2; i++) {
        c = rig_take(rig, "w1");
        assert_int_equal(rig_died(rig, &c).result.outcome, FINISH_AGAIN);
        c = rig_take(rig, "w1");
        assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_AGAIN);
        cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    }
    c = rig_take(rig, "w1");
    assert_int_equal(c.told.number, 5);
    struct finished out = rig_died(rig, &c);
    assert_int_equal(out.result.outcome, FINISH_ENDED);
    assert_int_equal(out.result.state, JOB_DEAD);
    assert_cli(rig, "dead signal 2 3", "HMGET job:%s state error attempts deaths", c.id);
    assert_int_equal(rig_look(rig, "c").ended, true);
}

static void the_twenty_newest_lines_of_history_are_kept(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_deaths = 100;
    rig_put(rig, "c");
    char id[JOB_ID_SIZE] = "";
    for (int i = 0; i < 25; i++) {
        struct claim c = rig_take(rig, "w1");
        snprintf(id, sizeof id, "%s", c.id);
        struct finish in = {
            .how = FINISH_DIED, .reason = text_of("r%d", i), .detail = "\"\\\n\xc3\xa4"};
        assert_int_equal(rig_finish(rig, &c, &in).result.outcome, FINISH_AGAIN);
    }
    const char *history = cli(rig, "HGET job:%s history", id);
    assert_null(strstr(history, "\"r4\""));
    assert_non_null(strstr(history, "\"r5\""));
    assert_non_null(strstr(history, "\"r24\""));
    assert_non_null(strstr(history, "\\\"\\\\\\n\xc3\xa4"));
}

static void the_dead_are_kept_to_a_number(void **state)
{
    struct rig *rig = *state;
    rig->settings.dead_max = 2;
    rig->settings.job_max_attempts = 1;
    struct claim jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = rig_run(rig, text_of("c%d", i));
        rig_failed(rig, &jobs[i]);
        cli(rig, "ZADD queue:default:dead XX %lld %s", (long long)rig_now(rig) - 1000 + i,
            jobs[i].id);
    }
    assert_cli(rig, text_of("%s %s", jobs[2].id, jobs[3].id), "ZRANGE queue:default:dead 0 -1");
    assert_cli(rig, "2", "EXISTS job:%s job:%s job:%s job:%s", jobs[0].id, jobs[1].id, jobs[2].id,
               jobs[3].id);
}

static void the_dead_are_kept_for_a_time(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 1;
    struct claim one = rig_run(rig, "a");
    rig_failed(rig, &one);
    cli(rig, "ZADD queue:default:dead %lld %s", (long long)rig_now(rig) - 604800001, one.id);
    struct claim two = rig_run(rig, "b");
    rig_failed(rig, &two);
    assert_cli(rig, two.id, "ZRANGE queue:default:dead 0 -1");
}

/* Ends where the stream is not what it was. */
static void a_job_dies_with_words_also_where_its_stream_is_lost(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 1;
    struct claim c = rig_run(rig, "c");
    uint64_t a = c.told.attempt;
    rig_append(rig, &c, 1, 3);
    cli(rig, "DEL stream:f:c");
    assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_ENDED);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type start job %s first %s attempt 1 reason "
                                "history_lost worker '')) (%" PRIu64 "-4 (type failed data [DONE] "
                                "job %s reason exit detail exit status 1 attempts 1))",
                                a, c.id, cli(rig, "HGET job:%s first", c.id), a, c.id));
    assert_ended_keys_expire(rig, "c", NULL);
}

static void an_end_never_reuses_the_id_of_a_message_that_was_lost(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 1;
    struct claim c = rig_run(rig, "c");
    uint64_t a = c.told.attempt;
    rig_append(rig, &c, 1, 2);
    cli(rig, "COPY stream:f:c old");
    rig_append(rig, &c, 3, 2);
    cli(rig, "COPY old stream:f:c REPLACE");
    rig_failed(rig, &c);
    struct chat_view view = rig_look(rig, "c");
    assert_int_equal(view.last.a, a);
    assert_int_equal(view.last.n, 5);
    assert_true(view.ended);
}

static void an_end_is_written_into_an_emptied_stream_and_over_a_broken_key(void **state)
{
    struct rig *rig = *state;
    rig->settings.job_max_attempts = 1;
    static const char *const damages[] = {"XTRIM stream:f:c MAXLEN 0", "SET stream:f:c x",
                                          "XADD stream:f:c 18446744073709551615-1 data x"};
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        cli(rig, "FLUSHALL");
        struct claim c = rig_run(rig, "c");
        rig_append(rig, &c, 1, 2);
        cli(rig, "%s", damages[i]);
        assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_ENDED);
        struct chat_view view = rig_look(rig, "c");
        assert_int_equal(view.stream, STREAM_OURS);
        assert_true(view.ended);
        assert_int_equal(view.last.n, 3);
    }
}

static void an_end_leaves_the_next_jobs_stream_alone(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    /* As where the chat's keys were lost, and a new question came. */
    cli(rig, "DEL chat:f:c stream:f:c");
    struct enqueued next = rig_put(rig, "c");
    rig_failed(rig, &c);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 "))",
                                next.view.first, next.job, next.view.first));
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(done_writes_its_entry_behind_the_last_message),
        RIG_TEST(an_answer_may_be_empty),
        RIG_TEST(retention_is_the_jobs_own_where_given),
        RIG_TEST(done_is_refused_while_messages_are_missing),
        RIG_TEST(done_is_refused_where_somebody_else_wrote),
        RIG_TEST(a_failed_attempt_is_delayed_and_its_messages_stay),
        RIG_TEST(backoff_doubles_with_jitter_up_to_its_most),
        RIG_TEST(another_try_comes_no_sooner_than_was_asked_and_not_with_all_others),
        RIG_TEST(the_last_try_that_fails_is_dead),
        RIG_TEST(where_no_other_attempt_makes_sense_the_first_is_the_last),
        RIG_TEST(a_death_goes_back_to_the_head_at_once),
        RIG_TEST(deaths_are_counted_apart_from_failures),
        RIG_TEST(the_twenty_newest_lines_of_history_are_kept),
        RIG_TEST(the_dead_are_kept_to_a_number),
        RIG_TEST(the_dead_are_kept_for_a_time),
        RIG_TEST(a_job_dies_with_words_also_where_its_stream_is_lost),
        RIG_TEST(an_end_never_reuses_the_id_of_a_message_that_was_lost),
        RIG_TEST(an_end_is_written_into_an_emptied_stream_and_over_a_broken_key),
        RIG_TEST(an_end_leaves_the_next_jobs_stream_alone),
    };
    return RIG_MAIN(tests);
}
