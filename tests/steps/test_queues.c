/*
 * Several queues: routes, workers that take from more than one, a queue that stands still, jobs of
 * types that only some workers know.
 */
#include "admin.h"
#include "rig.h"

static const char *const both[] = {"default", "slow"}, *const turned[] = {"slow", "default"};

static struct claims claim_from(struct rig *rig, const char *const *queues, size_t count,
                                const char *types)
{
    const struct claimant who = {"w1", queues, count, types, 10, 10, 0};
    return rig_claim_as(rig, &who);
}

static struct enqueued put_in_feature(struct rig *rig, const char *feature, const char *chat,
                                      const char *type)
{
    struct enqueue in = question(chat);
    in.feature_id = feature;
    in.type = type;
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    return out;
}

/* A worker that lives and says what it takes. */
static void announce(struct rig *rig, const char *worker, const char *queue, const char *type)
{
    cli(rig, "ZADD workers %" PRId64 " %s", rig_now(rig), worker);
    cli(rig, "HSET worker:%s queues %s types ' %s '", worker, queue, type);
    cli(rig, "ZADD queue:%s:types %" PRId64 " %s", queue, rig_now(rig), type);
}

/* ---- routes ---- */

static void a_route_says_where_new_jobs_go(void **state)
{
    struct rig *rig = *state;
    struct enqueued before = rig_put(rig, "a");
    assert_string_equal(RIG_ASK(rig, admin_route, "f", "slow"), "default");
    assert_string_equal(RIG_ASK(rig, admin_route, "f", "slow"), "slow");
    assert_string_equal(RIG_ASK(rig, admin_routes), "f slow");
    struct enqueued after = rig_put(rig, "b");
    assert_cli(rig, "default", "HGET job:%s queue", before.job);
    assert_cli(rig, "slow", "HGET job:%s queue", after.job);
    assert_string_equal(RIG_ASK(rig, admin_route, "f", ""), "slow");
    assert_string_equal(RIG_ASK(rig, admin_routes), "");
    assert_cli(rig, "slow", "SMEMBERS queues");
}

static void a_worker_of_two_queues_takes_from_both(void **state)
{
    struct rig *rig = *state;
    cli(rig, "HSET routes g slow");
    put_in_feature(rig, "f", "a", "generate_messages");
    put_in_feature(rig, "g", "b", "generate_messages");
    struct claims claims = claim_from(rig, turned, 2, " generate_messages ");
    assert_int_equal(claims.count, 2);
    assert_string_equal(claims.jobs[0].feature, "g");
    assert_string_equal(claims.jobs[1].feature, "f");
    assert_false(claims.more);
}

static void a_queue_that_a_full_claim_does_not_get_to_keeps_its_counters(void **state)
{
    struct rig *rig = *state;
    cli(rig, "HSET routes g slow");
    put_in_feature(rig, "f", "a", "generate_messages");
    put_in_feature(rig, "g", "b", "generate_messages");
    put_in_feature(rig, "g", "c", "generate_messages");
    const struct claimant one = {"w1", both, 2, " generate_messages ", 1, 1, 0};
    struct claims claims = rig_claim_as(rig, &one);
    assert_int_equal(claims.count, 1);
    assert_string_equal(claims.jobs[0].feature, "f");
    assert_true(claims.more);
    assert_string_equal(rig_field(RIG_ASK(rig, admin_queues, "slow"), "waiting"), "2");
    assert_int_equal(claim_from(rig, both, 2, " generate_messages ").count, 2);
    assert_string_equal(rig_field(RIG_ASK(rig, admin_queues, "slow"), "waiting"), "0");
}

static void on_reaped(void *arg, enum status status, const struct reap_result *result)
{
    (void)result;
    assert_int_equal(status, STATUS_OK);
    *(bool *)arg = true;
}

static void a_queue_that_is_only_served_is_known_when_it_was_reaped(void **state)
{
    struct rig *rig = *state;
    bool reaped = false;
    assert_int_equal(queue_reap(&rig->queue, turned, 2, 0, on_reaped, &reaped), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &reaped, AWAIT_MS));
    assert_cli(rig, "1", "HEXISTS queue:slow reaped");
    assert_cli(rig, "slow", "SMEMBERS queues");
}

static void a_queue_without_workers_is_reaped_all_the_same(void **state)
{
    struct rig *rig = *state;
    cli(rig, "HSET routes f slow");
    struct enqueued put = rig_put(rig, "a");
    cli(rig, "ZADD queue:slow:deadlines 1 %s", put.job);
    assert_int_equal(rig_reap(rig).result.expired, 1);
    assert_true(rig_look(rig, "a").ended);
    assert_cli(rig, "0", "EXISTS queue:slow");
}

static void queues_are_listed_with_their_numbers(void **state)
{
    struct rig *rig = *state;
    RIG_ASK(rig, admin_route, "g", "slow");
    announce(rig, "w1", "gpu", "generate_messages");
    put_in_feature(rig, "g", "a", "generate_messages");
    rig_run(rig, "b");
    const char *all = RIG_ASK(rig, admin_queues, "");
    assert_non_null(
        strstr(all, "(name default waiting 0 running 1 delayed 0 dead 0 bytes 0 dead_bytes 0 "
                    "workers 0 paused 0"));
    assert_non_null(strstr(all, "(name gpu waiting 0"));
    assert_non_null(strstr(all,
                           "(name slow waiting 1 running 0 delayed 0 dead 0 bytes 0 dead_bytes 0 "
                           "workers 0 paused 0"));
}

/* ---- a queue that stands still ---- */

static void nothing_is_taken_from_a_paused_queue(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    assert_string_equal(rig_field(RIG_ASK(rig, admin_pause, "default", true), "paused"), "1");
    struct claims none = rig_claim(rig, "w1", 5);
    assert_int_equal(none.count, 0);
    assert_false(none.more);
    cli(rig, "DEL queue:default:wake");
    assert_string_equal(rig_field(RIG_ASK(rig, admin_pause, "default", false), "paused"), "0");
    assert_cli(rig, "1", "LLEN queue:default:wake");
    assert_int_equal(rig_claim(rig, "w1", 5).count, 1);
}

static void a_full_redis_can_be_paused_and_rerouted(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    cli(rig, "CONFIG SET maxmemory 1");
    assert_string_equal(rig_field(RIG_ASK(rig, admin_pause, "default", true), "paused"), "1");
    assert_string_equal(RIG_ASK(rig, admin_route, "f", "slow"), "default");
    assert_int_equal(rig_claim(rig, "w1", 5).count, 0);
    assert_string_equal(rig_field(RIG_ASK(rig, admin_pause, "default", false), "paused"), "0");
    assert_int_equal(rig_claim(rig, "w1", 5).count, 1);
}

static void deadlines_stand_still_while_a_queue_is_paused(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "a");
    int64_t now = rig_now(rig);
    RIG_ASK(rig, admin_pause, "default", true);
    /* It was paused ten minutes ago, which is more than a deadline. */
    cli(rig, "HSET queue:default paused_at %" PRId64, now - 600000);
    cli(rig, "ZADD queue:default:deadlines %" PRId64 " %s", now - 400000, put.job);
    cli(rig, "HSET job:%s deadline %" PRId64, put.job, now - 400000);
    assert_int_equal(rig_reap(rig).result.expired, 0);
    const char *record = RIG_ASK(rig, admin_job, put.job);
    assert_about(strtoll(rig_field(record, "deadline"), NULL, 10), now + 200000 + 5000, 5000);
    RIG_ASK(rig, admin_pause, "default", false);
    assert_about(cli_number(rig, "HGET queue:default stood"), 605000, 5000);
    assert_cli(rig, "0", "HEXISTS queue:default paused_at");
    assert_int_equal(rig_reap(rig).result.expired, 0);
    record = RIG_ASK(rig, admin_job, put.job);
    assert_about(strtoll(rig_field(record, "deadline"), NULL, 10), now + 200000 + 5000, 5000);
    struct enqueued next = rig_put(rig, "b");
    record = RIG_ASK(rig, admin_job, next.job);
    assert_about(strtoll(rig_field(record, "deadline"), NULL, 10), rig_now(rig) + 300000, 5000);
    assert_int_equal(rig_claim(rig, "w1", 5).count, 2);
}

static void a_pause_that_is_set_by_hand_counts_from_the_next_step_on(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    cli(rig, "HSET queue:default paused 1");
    rig_reap(rig);
    assert_about(cli_number(rig, "HGET queue:default paused_at"), rig_now(rig), 5000);
    assert_int_equal(rig_claim(rig, "w1", 5).count, 0);
    cli(rig, "HDEL queue:default paused");
    assert_int_equal(rig_claim(rig, "w1", 5).count, 1);
    assert_cli(rig, "0", "HEXISTS queue:default paused_at");
    assert_true(cli_number(rig, "HGET queue:default stood") >= 0);
}

static void leases_do_not_stand_still_with_the_queue(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    RIG_ASK(rig, admin_pause, "default", true);
    cli(rig, "ZADD queue:default:running 1 %s", c.id);
    assert_int_equal(rig_reap(rig).result.died, 1);
    assert_int_equal(rig_claim(rig, "w2", 5).count, 0);
}

/* ---- types ---- */

static void a_type_that_another_worker_runs_is_left_to_it_in_its_place(void **state)
{
    struct rig *rig = *state;
    announce(rig, "w2", "default", "render");
    struct enqueued first = put_in_feature(rig, "f", "a", "render"),
                    second = put_in_feature(rig, "f", "b", "generate_messages"),
                    third = put_in_feature(rig, "f", "c", "render");
    struct claims claims = claim_from(rig, both, 1, " generate_messages ");
    assert_int_equal(claims.count, 1);
    assert_string_equal(claims.jobs[0].id, second.job);
    assert_true(claims.passed);
    assert_false(claims.more);
    assert_cli(rig, text_of("%s %s", first.job, third.job), "LRANGE queue:default:5:f 0 -1");
    assert_cli(rig, "f", "LRANGE queue:default:5 0 -1");
    assert_cli(rig, "2 3 1", "HMGET queue:default waiting in out");
    struct claims theirs = claim_from(rig, both, 1, " render ");
    assert_int_equal(theirs.count, 2);
    assert_string_equal(theirs.jobs[0].id, first.job);
    assert_string_equal(theirs.jobs[1].id, third.job);
}

static void a_type_that_nobody_of_the_queue_runs_is_given_to_fail(void **state)
{
    struct rig *rig = *state;
    announce(rig, "w2", "slow", "render");
    announce(rig, "w3", "default", "render_all");
    struct enqueued put = put_in_feature(rig, "f", "a", "render");
    struct claims claims = claim_from(rig, both, 1, " generate_messages ");
    assert_int_equal(claims.count, 1);
    assert_string_equal(claims.jobs[0].id, put.job);
    assert_string_equal(claims.jobs[0].type, "render");
}

static void whoever_stands_behind_a_hundred_of_another_type_is_reached(void **state)
{
    struct rig *rig = *state;
    announce(rig, "w2", "default", "render");
    char chat[16];
    for (int i = 0; i < 130; i++) {
        snprintf(chat, sizeof chat, "a%d", i);
        put_in_feature(rig, "f", chat, "render");
    }
    struct enqueued last = put_in_feature(rig, "f", "b", "generate_messages");
    assert_int_equal(claim_from(rig, both, 1, " generate_messages ").count, 0);
    struct claims claims = claim_from(rig, both, 1, " generate_messages ");
    assert_int_equal(claims.count, 1);
    assert_string_equal(claims.jobs[0].id, last.job);
    assert_cli(rig, "130 131 1", "HMGET queue:default waiting in out");
}

static void a_type_is_left_to_workers_that_are_just_away(void **state)
{
    struct rig *rig = *state;
    rig_beat(rig, "w2", NULL, 0, true); /* it runs generate_messages */
    rig_leave(rig, "w2");
    rig_put(rig, "a");
    struct claims claims = claim_from(rig, both, 1, " render ");
    assert_int_equal(claims.count, 0);
    assert_true(claims.passed);
}

static void a_queue_whose_keys_are_broken_keeps_nobody_from_the_others(void **state)
{
    struct rig *rig = *state;
    RIG_ASK(rig, admin_route, "g", "slow");
    struct enqueued late = rig_put(rig, "a");
    cli(rig, "ZADD queue:default:deadlines 1 %s", late.job);
    cli(rig, "SET queue:slow broken");
    struct reap_result reaped = rig_reap(rig).result;
    assert_int_equal(reaped.expired, 1);
    assert_int_equal(reaped.broken, 1);
    rig_put(rig, "b");
    assert_int_equal(claim_from(rig, turned, 2, " generate_messages ").count, 1);
    assert_non_null(strstr(RIG_ASK(rig, admin_queues, ""), "(name slow)"));
    cli(rig, "DEL queue:slow");
    cli(rig, "HSET queue:slow stood abc reaped x");
    assert_int_equal(rig_reap(rig).result.broken, 0);
}

static void a_queue_that_nobody_needs_any_more_is_forgotten(void **state)
{
    struct rig *rig = *state;
    RIG_ASK(rig, admin_route, "g", "slow");
    struct enqueued put = put_in_feature(rig, "g", "a", "generate_messages");
    RIG_ASK(rig, admin_route, "g", "");
    rig_reap(rig);
    assert_cli(rig, "slow", "SMEMBERS queues");
    cli(rig, "ZADD queue:slow:deadlines 1 %s", put.job);
    assert_int_equal(rig_reap(rig).result.expired, 1);
    assert_cli(rig, "", "SMEMBERS queues");
    assert_cli(rig, "0", "EXISTS queue:slow queue:slow:wake");
}

static void a_flood_of_one_feature_leaves_the_others_their_turns(void **state)
{
    struct rig *rig = *state;
    char chat[16];
    for (int i = 0; i < 60; i++) {
        snprintf(chat, sizeof chat, "a%d", i);
        put_in_feature(rig, "flood", chat, "generate_messages");
    }
    for (int i = 0; i < 5; i++) {
        snprintf(chat, sizeof chat, "b%d", i);
        put_in_feature(rig, "quiet", chat, "generate_messages");
    }
    size_t quiet = 0;
    for (int i = 0; i < 10; i++)
        quiet += strcmp(rig_take(rig, "w1").feature, "quiet") == 0;
    assert_in_range(quiet, 4, 5);
}

static void a_batch_of_one_feature_keeps_the_order_and_the_tenth_for_the_least_urgent(void **state)
{
    struct rig *rig = *state;
    struct job_options low = JOB_OPTIONS_USUAL;
    low.priority = 0;
    struct enqueued last = rig_put_with(rig, "low", &low);
    char ids[20][JOB_ID_SIZE];
    for (int i = 0; i < 20; i++) {
        struct enqueued put = rig_put(rig, text_of("c%d", i));
        memcpy(ids[i], put.job, JOB_ID_SIZE);
    }
    struct claims claims = rig_claim(rig, "w1", 12);
    assert_int_equal(claims.count, 12);
    for (int i = 0; i < 9; i++)
        assert_string_equal(claims.jobs[i].id, ids[i]);
    assert_string_equal(claims.jobs[9].id, last.job);
    assert_string_equal(claims.jobs[10].id, ids[9]);
    assert_true(claims.more);
}

/* ---- workers ---- */

static void workers_are_listed_with_what_they_say_of_themselves(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    rig_beat(rig, "w1", &c, 1, true);
    const char *all = RIG_ASK(rig, admin_workers);
    assert_string_equal(rig_field(all, "id"), "w1");
    assert_string_equal(rig_field(all, "queues"), "default");
    assert_string_equal(rig_field(all, "capacity"), "10");
    assert_string_equal(rig_field(all, "jobs"), "1");
    assert_string_equal(rig_field(all, "ids"), c.id);
    assert_string_equal(rig_field(all, "state"), "serving");
    assert_string_equal(rig_field(all, "version"), LEAT_VERSION);
    assert_string_equal(rig_field(all, "since"), "1234");
    assert_non_null(strstr(all, "types  generate_messages  "));
    rig_leave(rig, "w1");
    assert_string_equal(RIG_ASK(rig, admin_workers), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_route_says_where_new_jobs_go),
        RIG_TEST(a_worker_of_two_queues_takes_from_both),
        RIG_TEST(a_queue_that_a_full_claim_does_not_get_to_keeps_its_counters),
        RIG_TEST(a_queue_that_is_only_served_is_known_when_it_was_reaped),
        RIG_TEST(a_queue_without_workers_is_reaped_all_the_same),
        RIG_TEST(queues_are_listed_with_their_numbers),
        RIG_TEST(nothing_is_taken_from_a_paused_queue),
        RIG_TEST(a_full_redis_can_be_paused_and_rerouted),
        RIG_TEST(deadlines_stand_still_while_a_queue_is_paused),
        RIG_TEST(a_pause_that_is_set_by_hand_counts_from_the_next_step_on),
        RIG_TEST(leases_do_not_stand_still_with_the_queue),
        RIG_TEST(a_type_that_another_worker_runs_is_left_to_it_in_its_place),
        RIG_TEST(a_type_that_nobody_of_the_queue_runs_is_given_to_fail),
        RIG_TEST(whoever_stands_behind_a_hundred_of_another_type_is_reached),
        RIG_TEST(a_type_is_left_to_workers_that_are_just_away),
        RIG_TEST(a_queue_whose_keys_are_broken_keeps_nobody_from_the_others),
        RIG_TEST(a_queue_that_nobody_needs_any_more_is_forgotten),
        RIG_TEST(a_flood_of_one_feature_leaves_the_others_their_turns),
        RIG_TEST(a_batch_of_one_feature_keeps_the_order_and_the_tenth_for_the_least_urgent),
        RIG_TEST(workers_are_listed_with_what_they_say_of_themselves),
    };
    return RIG_MAIN(tests);
}
