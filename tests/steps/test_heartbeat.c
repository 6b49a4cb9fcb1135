/*
 * The steps "heartbeat", "hand back" and "leave": how a worker keeps and gives back what it holds.
 */
#include "rig.h"

static void a_heartbeat_says_who_is_alive(void **state)
{
    struct rig *rig = *state;
    struct beaten beat = rig_beat(rig, "w1", NULL, 0, true);
    assert_int_equal(beat.status, STATUS_OK);
    assert_int_equal(beat.count, 0);
    assert_cli(rig, "default 10 0 1234", "HMGET worker:w1 queues capacity jobs since");
    assert_about(cli_number(rig, "HGET worker:w1 seen"), rig_now(rig), 5000);
    assert_about(cli_number(rig, "ZSCORE workers w1"), rig_now(rig), 5000);
    assert_about(rig_ttl(rig, "worker:w1"), 45000, 5000);
}

static void a_heartbeat_extends_leases(void **state)
{
    struct rig *rig = *state;
    struct claim jobs[2] = {rig_run(rig, "a"), rig_run(rig, "b")};
    cli(rig, "ZADD queue:default:running 1 %s 1 %s", jobs[0].id, jobs[1].id);
    struct beaten beat = rig_beat(rig, "w1", jobs, 2, true);
    assert_int_equal(beat.count, 2);
    assert_true(beat.held[0] && beat.held[1]);
    assert_int_equal(beat.returned, 0);
    for (size_t i = 0; i < 2; i++)
        assert_about(cli_number(rig, "ZSCORE queue:default:running %s", jobs[i].id),
                     rig_now(rig) + 15000, 5000);
    assert_cli(rig, "2", "HGET worker:w1 jobs");
    assert_int_equal(rig_reap(rig).result.died, 0);
}

static void what_a_worker_holds_is_known_again_when_its_hash_was_lost(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    cli(rig, "DEL worker:w1");
    rig_beat(rig, "w1", &c, 1, true);
    assert_cli(rig, c.owner, "HGET worker:w1 job:%s", c.id);
    assert_int_equal(rig_beat(rig, "w1", NULL, 0, true).returned, 1);
}

/* Written into a connection that was cut, and delivered when the network is whole again. */
static void a_heartbeat_that_comes_after_a_newer_claim_returns_nothing(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    const struct claimant who = {
        "w1", &rig->settings.worker_queues, 1, " generate_messages ", 1, 1, .number = 7};
    assert_int_equal(rig_claim_as(rig, &who).count, 1);
    struct heartbeat in = {.worker = "w1",
                           .queues = "default",
                           .types = " generate_messages ",
                           .state = "serving",
                           .complete = true,
                           .claims = 6};
    assert_int_equal(rig_beat_as(rig, &in).returned, 0);
    assert_cli(rig, "1", "ZCARD queue:default:running");
    in.claims = 7;
    assert_int_equal(rig_beat_as(rig, &in).returned, 1);
    in.claims = 6;
    assert_int_equal(rig_claim_as(rig, &who).count, 1);
    assert_int_equal(rig_beat_as(rig, &in).returned, 0);
}

static void a_heartbeat_keeps_streams_at_no_less_than_half_their_time(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    cli(rig, "PEXPIRE stream:f:a 40000");
    rig_beat(rig, "w1", &c, 1, true);
    assert_about(rig_ttl(rig, "stream:f:a"), 40000, 5000);
    cli(rig, "PEXPIRE stream:f:a 29000");
    rig_beat(rig, "w1", &c, 1, true);
    assert_about(rig_ttl(rig, "stream:f:a"), 60000, 5000);
    cli(rig, "DEL stream:f:a");
    assert_true(rig_beat(rig, "w1", &c, 1, true).held[0]);
    assert_cli(rig, "0", "EXISTS stream:f:a");
}

static void a_heartbeat_tells_what_is_not_held_any_more(void **state)
{
    struct rig *rig = *state;
    struct claim jobs[4] = {rig_run(rig, "a"), rig_run(rig, "b"), rig_run(rig, "c"),
                            rig_run(rig, "d")};
    rig_cancel(rig, "a", "");
    rig_done(rig, &jobs[2], 0);
    cli(rig, "ZADD queue:default:running 1 %s", jobs[3].id);
    assert_int_equal(rig_reap(rig).result.died, 1);
    struct claim taken = rig_take(rig, "w2");
    assert_string_equal(taken.id, jobs[3].id);
    double lease = (double)cli_number(rig, "ZSCORE queue:default:running %s", taken.id);
    struct beaten beat = rig_beat(rig, "w1", jobs, 4, true);
    assert_false(beat.held[0]);
    assert_true(beat.held[1]);
    assert_false(beat.held[2]);
    assert_false(beat.held[3]);
    assert_int_equal(beat.returned, 0);
    assert_cli(rig, text_of("%.0f", lease), "ZSCORE queue:default:running %s", taken.id);
    assert_cli(rig, "2", "ZCARD queue:default:running");
    assert_true(rig_beat(rig, "w2", &taken, 1, true).held[0]);
}

static void jobs_that_a_worker_does_not_name_go_back_unspent(void **state)
{
    struct rig *rig = *state;
    struct claim lost = rig_run(rig, "a"), kept = rig_run(rig, "b");
    rig_put(rig, "c");
    assert_int_equal(rig_beat(rig, "w1", &kept, 1, false).returned, 0);
    assert_cli(rig, "running", "HGET job:%s state", lost.id);
    assert_int_equal(rig_beat(rig, "w1", &kept, 1, true).returned, 1);
    assert_cli(rig, "waiting 0 0 (nil)", "HMGET job:%s state attempts deaths owner", lost.id);
    assert_cli(rig, "0", "HEXISTS worker:w1 job:%s", lost.id);
    assert_int_equal(rig_ttl(rig, "stream:f:a"), -1);
    assert_int_equal(rig_beat(rig, "w1", &kept, 1, true).returned, 0);
    assert_string_equal(rig_take(rig, "w2").chat, "a");
    assert_int_equal(rig_append(rig, &lost, 1, 1).outcome, APPEND_FENCED);
    assert_int_equal(rig_append(rig, &kept, 1, 1).outcome, APPEND_OK);
}

static void a_job_that_went_to_another_is_forgotten_by_its_old_worker(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    cli(rig, "HSET worker:w2 job:%s w2:1", c.id);
    assert_int_equal(rig_beat(rig, "w2", NULL, 0, true).returned, 0);
    assert_cli(rig, "0", "HEXISTS worker:w2 job:%s", c.id);
    assert_cli(rig, c.owner, "HGET job:%s owner", c.id);
}

static void a_repeated_heartbeat_answers_the_same(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    for (int i = 0; i < 2; i++) {
        struct beaten beat = rig_beat(rig, "w1", &c, 1, true);
        assert_true(beat.held[0]);
        assert_int_equal(beat.returned, 0);
    }
}

/* Hand back. */
static void what_is_handed_back_stands_at_the_head_of_its_line(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_append(rig, &c, 1, 2);
    rig_put(rig, "b");
    assert_true(rig_hand_back(rig, &c).was_ours);
    assert_cli(rig, "waiting 0 0 (nil)", "HMGET job:%s state attempts deaths owner", c.id);
    assert_cli(rig, "0", "ZCARD queue:default:running");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);
    assert_int_equal(rig_ttl(rig, "stream:f:a"), -1);
    assert_int_equal(rig_ttl(rig, "chat:f:a"), -1);
    assert_int_equal(cli_number(rig, "ZSCORE queue:default:deadlines %s", c.id),
                     cli_number(rig, "HGET job:%s ready", c.id) + 300000);
    assert_cli(rig, "2 0 2 0", "HMGET queue:default waiting bytes in out");
    struct chat_view view = rig_look(rig, "a");
    assert_int_equal(view.attempt, c.told.attempt);
    assert_int_equal(view.last.n, 2);
    struct claim again = rig_take(rig, "w2");
    assert_string_equal(again.id, c.id);
    assert_int_equal(again.told.number, 1);
    assert_cli(rig, "retry",
               "EVAL 'return redis.call(\"XRANGE\",\"stream:f:a\",\"-\",\"+\")[1][2][10]' 0");
}

static void a_feature_that_had_nobody_waiting_gets_its_turn_first(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    struct enqueue in = question("b");
    in.feature_id = "g";
    rig_enqueue(rig, &in);
    rig_hand_back(rig, &c);
    assert_cli(rig, "f g", "LRANGE queue:default:5 0 -1");
}

static void handing_back_twice_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_hand_back(rig, &c);
    char *before = rig_dump(rig);
    assert_false(rig_hand_back(rig, &c).was_ours);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void only_the_owner_hands_back(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_cancel(rig, "a", "");
    assert_false(rig_hand_back(rig, &c).was_ours);
    assert_cli(rig, "cancelled", "HGET job:%s state", c.id);
    cli(rig, "DEL job:%s", c.id);
    assert_false(rig_hand_back(rig, &c).was_ours);
    assert_cli(rig, "0", "EXISTS job:%s", c.id);
}

/* Leave. */
static void a_worker_that_leaves_is_gone_from_the_list(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_beat(rig, "w1", &c, 1, true);
    rig_beat(rig, "w2", NULL, 0, true);
    assert_int_equal(rig_leave(rig, "w1"), STATUS_OK);
    assert_cli(rig, "w2", "ZRANGE workers 0 -1");
    assert_cli(rig, "0", "EXISTS worker:w1");
    assert_int_equal(rig_leave(rig, "w1"), STATUS_OK);
    assert_int_equal(rig_append(rig, &c, 1, 1).outcome, APPEND_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_heartbeat_says_who_is_alive),
        RIG_TEST(a_heartbeat_extends_leases),
        RIG_TEST(a_heartbeat_that_comes_after_a_newer_claim_returns_nothing),
        RIG_TEST(what_a_worker_holds_is_known_again_when_its_hash_was_lost),
        RIG_TEST(a_heartbeat_keeps_streams_at_no_less_than_half_their_time),
        RIG_TEST(a_heartbeat_tells_what_is_not_held_any_more),
        RIG_TEST(jobs_that_a_worker_does_not_name_go_back_unspent),
        RIG_TEST(a_job_that_went_to_another_is_forgotten_by_its_old_worker),
        RIG_TEST(a_repeated_heartbeat_answers_the_same),
        RIG_TEST(what_is_handed_back_stands_at_the_head_of_its_line),
        RIG_TEST(a_feature_that_had_nobody_waiting_gets_its_turn_first),
        RIG_TEST(handing_back_twice_changes_nothing),
        RIG_TEST(only_the_owner_hands_back),
        RIG_TEST(a_worker_that_leaves_is_gone_from_the_list),
    };
    return RIG_MAIN(tests);
}
