/*
 * The step "claim": whose turn it is, what a claim writes, and what it passes over.
 */
#include "rig.h"

static struct enqueued put_as(struct rig *rig, const char *feature, const char *chat)
{
    struct enqueue in = question(chat);
    in.feature_id = feature;
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    return out;
}

/* Enqueue knows one priority only; the others are made by hand, for a feature of their own. */
static void put_urgent(struct rig *rig, const char *feature, const char *chat, int priority)
{
    struct enqueued out = put_as(rig, feature, chat);
    cli(rig, "HSET job:%s priority %d", out.job, priority);
    cli(rig, "LREM queue:default:5:%s 1 %s", feature, out.job);
    cli(rig, "LREM queue:default:5 1 %s", feature);
    cli(rig, "RPUSH queue:default:%d:%s %s", priority, feature, out.job);
    cli(rig, "LREM queue:default:%d 1 %s", priority, feature);
    cli(rig, "RPUSH queue:default:%d %s", priority, feature);
}

/* The chats of claims, as "a b c". */
static const char *chats(const struct claims *claims)
{
    const char *text = "";
    for (size_t i = 0; i < claims->count; i++)
        text = text_of("%s%s%s", text, i ? " " : "", claims->jobs[i].chat);
    return text;
}

static void a_claim_writes_its_marker_its_lease_and_its_owner(void **state)
{
    struct rig *rig = *state;
    struct enqueue in = question_with("c", "{\"q\":1}");
    struct enqueued put = rig_enqueue(rig, &in);
    struct claim c = rig_take(rig, "w1");
    uint64_t a = c.told.attempt;
    int64_t now = rig_now(rig);
    assert_string_equal(c.id, in.id);
    assert_string_equal(c.owner, text_of("w1:%" PRIu64, a));
    assert_string_equal(c.type, "generate_messages");
    assert_string_equal(c.feature, "f");
    assert_string_equal(c.chat, "c");
    assert_string_equal(c.payload, "{\"q\":1}");
    assert_int_equal(c.told.payload_length, 7);
    assert_int_equal(c.told.number, 1);
    assert_int_equal(c.told.timeout_ms, 0);
    assert_int_equal(c.told.max_attempts, 0);
    assert_about(c.told.waited_ms, 5000, 5000);
    assert_true(a > put.view.first);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type start job %s first %" PRIu64
                                " attempt 1 reason '' worker w1))",
                                a, c.id, put.view.first));
    assert_cli(rig, text_of("running %s %" PRIu64 " 0 0 0", c.owner, a),
               "HMGET job:%s state owner attempt last attempts deaths", c.id);
    assert_about(cli_number(rig, "ZSCORE queue:default:running %s", c.id), now + 15000, 5000);
    assert_cli(rig, "", "ZRANGE queue:default:deadlines 0 -1");
    assert_cli(rig, "0 0 1 1", "HMGET queue:default waiting bytes in out");
    assert_cli(rig, c.owner, "HGET worker:w1 job:%s", c.id);
    assert_about(rig_ttl(rig, "worker:w1"), 45000, 5000);
    assert_cli(rig, "0", "EXISTS queue:default:5 queue:default:5:f");
}

static void while_a_job_runs_only_its_stream_expires(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_about(rig_ttl(rig, "stream:f:c"), 60000, 5000);
    assert_int_equal(rig_ttl(rig, "chat:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "job:%s", c.id), -1);
}

static void nothing_waits(void **state)
{
    struct rig *rig = *state;
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_int_equal(claims.status, STATUS_OK);
    assert_int_equal(claims.count, 0);
    assert_false(claims.more);
    assert_cli(rig, "", "KEYS *");
}

static void a_payload_may_hold_every_byte_and_may_be_absent(void **state)
{
    struct rig *rig = *state;
    struct enqueue in = question("c");
    in.payload = "a\0\r\n\xc3\xa4";
    in.payload_length = 6;
    rig_enqueue(rig, &in);
    assert_int_equal(rig_take(rig, "w1").told.payload_length, 6);
    rig_put(rig, "d");
    assert_int_equal(rig_take(rig, "w1").told.payload_length, 0);
}

static void first_in_is_first_out(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    rig_put(rig, "b");
    rig_put(rig, "c");
    struct claims claims = rig_claim(rig, "w1", 2);
    assert_string_equal(chats(&claims), "a b");
    assert_true(claims.more);
    claims = rig_claim(rig, "w1", 2);
    assert_string_equal(chats(&claims), "c");
    assert_false(claims.more);
}

static void features_take_turns(void **state)
{
    struct rig *rig = *state;
    put_as(rig, "x", "x1");
    put_as(rig, "x", "x2");
    put_as(rig, "x", "x3");
    put_as(rig, "y", "y1");
    put_as(rig, "y", "y2");
    put_as(rig, "z", "z1");
    assert_cli(rig, "x y z", "LRANGE queue:default:5 0 -1");
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_string_equal(chats(&claims), "x1 y1 z1 x2 y2 x3");
    assert_cli(rig, "0", "EXISTS queue:default:5");
}

static void urgent_jobs_come_first_and_every_tenth_is_the_least_urgent(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 12; i++)
        put_urgent(rig, "hot", text_of("h%d", i), 9);
    put_urgent(rig, "cold", "c0", 0);
    put_urgent(rig, "cold", "c1", 0);
    put_as(rig, "f", "n0");
    struct claims claims = rig_claim(rig, "w1", 32);
    assert_string_equal(chats(&claims), "h0 h1 h2 h3 h4 h5 h6 h7 h8 c0 h9 h10 h11 n0 c1");
}

static void looking_in_vain_does_not_bring_the_tenth_turn_nearer(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 9; i++)
        rig_claim(rig, "w1", 1);
    put_urgent(rig, "cold", "c0", 0);
    put_urgent(rig, "hot", "h0", 9);
    assert_string_equal(rig_take(rig, "w1").chat, "h0");
}

static void two_idle_workers_share_what_waits(void **state)
{
    struct rig *rig = *state;
    rig_beat(rig, "w1", NULL, 0, true);
    rig_beat(rig, "w2", NULL, 0, true);
    rig_put(rig, "a");
    rig_put(rig, "b");
    rig_put(rig, "c");
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_string_equal(chats(&claims), "a b");
    assert_true(claims.more);
    claims = rig_claim(rig, "w2", 10);
    assert_string_equal(chats(&claims), "c");
}

static void a_claim_that_leaves_jobs_wakes_another_worker(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    rig_put(rig, "b");
    cli(rig, "DEL queue:default:wake");
    assert_true(rig_claim(rig, "w1", 1).more);
    assert_cli(rig, "1", "LRANGE queue:default:wake 0 -1");
    cli(rig, "DEL queue:default:wake");
    assert_false(rig_claim(rig, "w1", 1).more);
    assert_cli(rig, "0", "EXISTS queue:default:wake");
}

static void there_are_never_more_than_a_few_wake_tokens(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 20; i++)
        rig_put(rig, text_of("c%d", i));
    assert_cli(rig, "16", "LLEN queue:default:wake");
}

static void a_job_past_its_deadline_expires_instead(void **state)
{
    struct rig *rig = *state;
    struct enqueued late = rig_put(rig, "a");
    rig_put(rig, "b");
    cli(rig, "HSET job:%s deadline 1", late.job);
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_string_equal(chats(&claims), "b");
    assert_string_equal(rig_stream(rig, "a"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 ")) (%" PRIu64
                                "-1 (type expired data [DONE] job %s reason deadline))",
                                late.view.first, late.job, late.view.first, late.view.first,
                                late.job));
    assert_cli(rig, "expired", "HGET job:%s state", late.job);
    assert_about(rig_ttl(rig, "job:%s", late.job), 60000, 5000);
    assert_about(rig_ttl(rig, "stream:f:a"), 60000, 5000);
    assert_about(rig_ttl(rig, "chat:f:a"), 60000, 5000);
    assert_cli(rig, "0 0 2 2", "HMGET queue:default waiting bytes in out");
    assert_cli(rig, "", "ZRANGE queue:default:deadlines 0 -1");
}

static void a_claim_expires_at_most_a_hundred_jobs(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 130; i++)
        cli(rig, "HSET job:%s deadline 1", rig_put(rig, text_of("c%d", i)).job);
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_int_equal(claims.count, 0);
    assert_true(claims.more);
    assert_cli(rig, "30", "HGET queue:default waiting");
}

static void a_cancelled_job_is_not_claimed(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    rig_put(rig, "b");
    rig_cancel(rig, "a", "");
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_string_equal(chats(&claims), "b");
}

static void a_job_deleted_by_hand_is_passed_over_and_forgotten(void **state)
{
    struct rig *rig = *state;
    cli(rig, "DEL job:%s", rig_put(rig, "a").job);
    rig_put(rig, "b");
    struct claims claims = rig_claim(rig, "w1", 10);
    assert_string_equal(chats(&claims), "b");
    claims = rig_claim(rig, "w1", 10);
    assert_int_equal(claims.count, 0);
    assert_false(claims.more);
    assert_cli(rig, "0 0", "HMGET queue:default waiting bytes");
    assert_int_equal(rig_put(rig, "d").view.position, 1);
}

static void delayed_jobs_whose_time_has_come_are_claimed(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    uint64_t before = c.told.attempt;
    rig_append(rig, &c, 1, 2);
    rig_failed(rig, &c);
    assert_int_equal(cli_number(rig, "ZADD queue:default:delayed %lld %s",
                                (long long)rig_now(rig) + 60000, c.id),
                     0);
    assert_int_equal(rig_claim(rig, "w2", 1).count, 0);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    struct claim again = rig_take(rig, "w2");
    assert_true(again.told.attempt > before);
    assert_int_equal(again.told.number, 2);
    assert_string_equal(rig_stream(rig, "a"),
                        text_of("(%" PRIu64 "-0 (type start job %s first %s attempt 2 reason retry "
                                "worker w2))",
                                again.told.attempt, c.id, cli(rig, "HGET job:%s first", c.id)));
    assert_cli(rig, "0", "EXISTS queue:default:delayed");
}

static void a_paused_queue_gives_nothing(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    cli(rig, "HSET queue:default paused 1");
    struct claims claims = rig_claim(rig, "w1", 1);
    assert_int_equal(claims.count, 0);
    assert_false(claims.more);
    cli(rig, "HSET queue:default paused 0");
    assert_int_equal(rig_claim(rig, "w1", 1).count, 1);
}

static void a_claim_makes_a_lost_stream_anew(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "a");
    cli(rig, "DEL stream:f:a");
    struct claim c = rig_take(rig, "w1");
    assert_string_equal(rig_stream(rig, "a"),
                        text_of("(%" PRIu64 "-0 (type start job %s first %" PRIu64
                                " attempt 1 reason '' worker w1))",
                                c.told.attempt, put.job, put.view.first));
    assert_about(rig_ttl(rig, "stream:f:a"), 60000, 5000);
}

static void a_claim_replaces_what_is_no_stream(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    cli(rig, "SET stream:f:a x");
    rig_take(rig, "w1");
    assert_cli(rig, "1", "XLEN stream:f:a");
    rig_put(rig, "b");
    cli(rig, "XADD stream:f:b 18446744073709551615-18446744073709551615 data x");
    rig_take(rig, "w1");
    assert_cli(rig, "1", "XLEN stream:f:b");
}

static void a_claim_starts_behind_what_others_wrote(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    cli(rig, "XADD stream:f:a 4102444800000-3 data x");
    struct claim c = rig_take(rig, "w1");
    assert_int_equal(c.told.attempt, 4102444800001);
    assert_cli(rig, "1", "XLEN stream:f:a");
}

/* Its first answer was lost: the jobs are in the worker's name, and come back by a heartbeat. */
static void a_claim_repeated_takes_other_jobs(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    rig_put(rig, "b");
    rig_claim(rig, "w1", 1);
    struct claim second = rig_take(rig, "w1");
    assert_string_equal(second.chat, "b");
    struct beaten beat = rig_beat(rig, "w1", &second, 1, true);
    assert_true(beat.held[0]);
    assert_int_equal(beat.returned, 1);
    struct claim back = rig_take(rig, "w1");
    assert_string_equal(back.chat, "a");
    assert_int_equal(back.told.number, 1);
}

static void positions_count_down(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_put(rig, "a").view.position, 1);
    assert_int_equal(rig_put(rig, "b").view.position, 2);
    assert_int_equal(rig_put(rig, "c").view.position, 3);
    struct claim a = rig_take(rig, "w1");
    assert_int_equal(rig_look(rig, "a").position, 0);
    assert_int_equal(rig_look(rig, "b").position, 1);
    assert_int_equal(rig_look(rig, "c").position, 2);
    rig_hand_back(rig, &a);
    assert_int_equal(rig_look(rig, "a").position, 1);
    assert_int_equal(rig_look(rig, "b").position, 2);
    assert_int_equal(rig_put(rig, "d").view.position, 4);
    rig_cancel(rig, "b", "");
    assert_int_equal(rig_look(rig, "d").position, 3);
    assert_int_equal(rig_claim(rig, "w1", 10).count, 3);
    assert_int_equal(rig_put(rig, "e").view.position, 1);
}

static void the_marker_of_an_attempt_still_says_whom_its_job_replaced(void **state)
{
    struct rig *rig = *state;
    struct claim former = rig_run(rig, "c");
    struct enqueue next = question_with("c", "1");
    next.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &next).outcome, ENQUEUE_STARTED);
    rig_take(rig, "w1");
    assert_non_null(strstr(rig_stream(rig, "c"), text_of("replaces %s", former.id)));
}

static void a_job_that_lost_a_shared_process_is_to_run_alone_from_then_on(void **state)
{
    struct rig *rig = *state;
    static const struct hand_back lost = {
        .alone = true, .reason = "shared", .detail = "it ended", .words = "words"};
    struct claim c = rig_run(rig, "c");
    assert_false(c.told.alone);
    assert_true(rig_hand_back_as(rig, &c, &lost).was_ours);
    assert_false(rig_hand_back_as(rig, &c, &lost).was_ours);
    assert_cli(rig, "waiting 0 0 1 words", "HMGET job:%s state attempts deaths alone words", c.id);
    assert_non_null(strstr(cli(rig, "HGET job:%s history", c.id), "\"what\":\"return\""));
    c = rig_take(rig, "w1");
    assert_true(c.told.alone);
    rig_hand_back(rig, &c);
    c = rig_take(rig, "w1");
    assert_true(c.told.alone);
    rig_failed(rig, &c);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    assert_true(rig_take(rig, "w1").told.alone);
}

static void more_jobs_that_are_to_run_alone_than_there_is_room_for_keep_their_places(void **state)
{
    struct rig *rig = *state;
    static const struct hand_back lost = {.alone = true, .reason = "shared", .detail = ""};
    struct claim claims[3];
    const char *const chats[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        claims[i] = rig_run(rig, chats[i]);
    for (int i = 2; i >= 0; i--)
        rig_hand_back_as(rig, &claims[i], &lost);
    rig_put(rig, "d");
    struct claimant who = {"w1", &rig->settings.worker_queues, 1, " generate_messages ", 10, 1, 0};
    struct claims out = rig_claim_as(rig, &who);
    assert_int_equal(out.count, 2);
    assert_string_equal(out.jobs[0].chat, "a");
    assert_string_equal(out.jobs[1].chat, "d");
    assert_true(out.passed);
    who.most_alone = 0;
    assert_int_equal(rig_claim_as(rig, &who).count, 0);
    who.most_alone = 10;
    out = rig_claim_as(rig, &who);
    assert_int_equal(out.count, 2);
    assert_string_equal(out.jobs[0].chat, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_marker_of_an_attempt_still_says_whom_its_job_replaced),
        RIG_TEST(a_claim_writes_its_marker_its_lease_and_its_owner),
        RIG_TEST(while_a_job_runs_only_its_stream_expires),
        RIG_TEST(nothing_waits),
        RIG_TEST(a_payload_may_hold_every_byte_and_may_be_absent),
        RIG_TEST(first_in_is_first_out),
        RIG_TEST(features_take_turns),
        RIG_TEST(urgent_jobs_come_first_and_every_tenth_is_the_least_urgent),
        RIG_TEST(looking_in_vain_does_not_bring_the_tenth_turn_nearer),
        RIG_TEST(two_idle_workers_share_what_waits),
        RIG_TEST(a_claim_that_leaves_jobs_wakes_another_worker),
        RIG_TEST(there_are_never_more_than_a_few_wake_tokens),
        RIG_TEST(a_job_past_its_deadline_expires_instead),
        RIG_TEST(a_claim_expires_at_most_a_hundred_jobs),
        RIG_TEST(a_cancelled_job_is_not_claimed),
        RIG_TEST(a_job_deleted_by_hand_is_passed_over_and_forgotten),
        RIG_TEST(delayed_jobs_whose_time_has_come_are_claimed),
        RIG_TEST(a_paused_queue_gives_nothing),
        RIG_TEST(a_claim_makes_a_lost_stream_anew),
        RIG_TEST(a_claim_replaces_what_is_no_stream),
        RIG_TEST(a_claim_starts_behind_what_others_wrote),
        RIG_TEST(a_claim_repeated_takes_other_jobs),
        RIG_TEST(positions_count_down),
        RIG_TEST(a_job_that_lost_a_shared_process_is_to_run_alone_from_then_on),
        RIG_TEST(more_jobs_that_are_to_run_alone_than_there_is_room_for_keep_their_places),
    };
    return RIG_MAIN(tests);
}
