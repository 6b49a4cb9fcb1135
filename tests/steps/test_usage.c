/*
 * What an attempt used: kept with its job, whatever became of it.
 */
#include "admin.h"
#include "rig.h"

#define USED "{\"attempt\": 1, \"output_tokens\": 7}"

static const char *used_by(struct rig *rig, const struct claim *c)
{
    return cli(rig, "HGET job:%s usage:%" PRIu64, c->id, c->told.attempt);
}

static struct finish ending(enum finish_how how, const char *usage)
{
    return (struct finish){.how = how, .reason = "x", .detail = "", .retry = true, .usage = usage};
}

static void it_travels_with_the_end_of_an_attempt(void **state)
{
    struct rig *rig = *state;
    static const enum finish_how all[] = {FINISH_DONE, FINISH_FAILED, FINISH_DIED};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct claim c = rig_run(rig, text_of("c%zu", i));
        struct finish in = ending(all[i], USED);
        assert_int_equal(rig_finish(rig, &c, &in).status, STATUS_OK);
        assert_string_equal(used_by(rig, &c), USED);
        /* Repeated: it is not ours any more, and nothing changes. */
        in.usage = "{}";
        assert_int_equal(rig_finish(rig, &c, &in).result.outcome, FINISH_FENCED);
        assert_string_equal(used_by(rig, &c), USED);
    }
}

static void it_travels_with_messages_and_a_job_that_goes_back(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_true(
        rig_hand_back_as(rig, &c, &(struct hand_back){.reason = "", .usage = USED}).was_ours);
    assert_string_equal(used_by(rig, &c), USED);
    c = rig_take(rig, "w1");
    const struct message messages[] = {{"m1", 2}, {"m2", 2}};
    struct finish in = ending(FINISH_DONE, "{\"attempt\": 2}");
    in.append = (struct append){1, messages, 2};
    in.last = 2;
    assert_int_equal(rig_finish(rig, &c, &in).result.outcome, FINISH_ENDED);
    assert_string_equal(used_by(rig, &c), "{\"attempt\": 2}");
    assert_cli(rig, "4", "XLEN stream:f:c");
    /* Oldest first. */
    const char *known = RIG_ASK(rig, admin_job, c.id);
    assert_non_null(strstr(known, "usage [" USED ", {\"attempt\": 2}]"));
}

static void it_is_kept_after_a_stop_and_the_job_goes_when_it_would(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_true(rig_cancel(rig, "c", "").result.was_alive);
    cli(rig, "PEXPIRE job:%s 30000", c.id);
    assert_true(rig_usage(rig, &c, USED).was_ours);
    assert_true(rig_usage(rig, &c, USED).was_ours);
    assert_string_equal(used_by(rig, &c), USED);
    assert_about(rig_ttl(rig, "job:%s", c.id), 30000, 5000);
    cli(rig, "DEL job:%s", c.id);
    assert_false(rig_usage(rig, &c, USED).was_ours);
    assert_cli(rig, "0", "EXISTS job:%s", c.id);
}

static void a_late_worker_changes_nothing_but_its_own_attempts(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c"), stranger = c;
    assert_true(rig_hand_back(rig, &c).was_ours);
    struct claim next = rig_take(rig, "w2");
    assert_true(rig_usage(rig, &c, USED).was_ours);
    assert_string_equal(used_by(rig, &c), USED);
    assert_string_equal(used_by(rig, &next), "(nil)");
    assert_cli(rig, next.owner, "HGET job:%s owner", c.id);
    stranger.told.attempt = next.told.attempt + 1;
    assert_false(rig_usage(rig, &stranger, USED).was_ours);
    stranger.told.attempt = 1;
    assert_false(rig_usage(rig, &stranger, USED).was_ours);
}

static void a_full_redis_refuses_it(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_cancel(rig, "c", "");
    cli(rig, "CONFIG SET maxmemory 1");
    assert_int_equal(rig_usage(rig, &c, USED).status, STATUS_FULL);
    cli(rig, "CONFIG SET maxmemory 0");
}

static void a_failure_may_ask_for_a_least_delay(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    struct finish in = ending(FINISH_FAILED, NULL);
    in.retry_after_ms = 3600000;
    struct finished out = rig_finish(rig, &c, &in);
    assert_int_equal(out.result.outcome, FINISH_AGAIN);
    assert_in_range(out.result.delay_ms, 3600000, 3600000 + 360000);
    assert_about(cli_number(rig, "ZSCORE queue:default:delayed %s", c.id),
                 rig_now(rig) + out.result.delay_ms, 5000);
    c = rig_run(rig, "d");
    in.retry_after_ms = 1;
    rig->settings.retry_backoff_ms = 1000;
    out = rig_finish(rig, &c, &in);
    assert_true(out.result.delay_ms >= 1 && out.result.delay_ms <= 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(it_travels_with_the_end_of_an_attempt),
        RIG_TEST(it_travels_with_messages_and_a_job_that_goes_back),
        RIG_TEST(it_is_kept_after_a_stop_and_the_job_goes_when_it_would),
        RIG_TEST(a_late_worker_changes_nothing_but_its_own_attempts),
        RIG_TEST(a_full_redis_refuses_it),
        RIG_TEST(a_failure_may_ask_for_a_least_delay),
    };
    return RIG_MAIN(tests);
}
