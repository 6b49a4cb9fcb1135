/*
 * test_scheduler.c: many processes look after the schedules; each occasion counts once.
 */
#include "rig.h"

#include "admin.h"
#include "scheduler.h"

#define SCHEDULERS 5
#define EVERY_MS 150

/* As many connections, each with a scheduler, as there are processes. */
struct crowd {
    struct redis *redis[SCHEDULERS];
    struct queue queues[SCHEDULERS];
    struct scheduler *schedulers[SCHEDULERS];
};

static void crowd_start(struct rig *rig, struct crowd *crowd)
{
    for (int i = 0; i < SCHEDULERS; i++) {
        crowd->redis[i] = rig_connect(rig);
        crowd->queues[i] = (struct queue){crowd->redis[i], &rig->settings};
        crowd->schedulers[i] = scheduler_new(&rig->loop, &crowd->queues[i]);
        assert_non_null(crowd->schedulers[i]);
    }
}

static void crowd_stop(struct crowd *crowd)
{
    for (int i = 0; i < SCHEDULERS; i++) {
        scheduler_free(crowd->schedulers[i]);
        redis_free(crowd->redis[i]);
    }
}

/* Jobs of chats of their own, the next one in `ms` (before now where that is negative). */
static void put_schedule(struct rig *rig, const char *name, int64_t every_ms, enum missed missed,
                         int64_t ms)
{
    const struct schedule in = {
        .name = name,
        .cron = "",
        .every_ms = every_ms,
        .missed = missed,
        .type = "generate_messages",
        .feature_id = "f",
        .body_hash = "",
        .options = JOB_OPTIONS_USUAL,
    };
    const char *answer = RIG_ASK(rig, admin_schedule_put, &in, rig_now(rig) + ms);
    assert_int_equal(answer[0], '1');
}

struct wanted {
    struct rig *rig;
    const char *name, *field;
    int64_t least;
};

static bool is_reached(void *arg)
{
    const struct wanted *w = arg;
    return strtoll(cli(w->rig, "HGET schedule:%s %s", w->name, w->field), NULL, 10) >= w->least;
}

static void await_count(struct rig *rig, const char *name, const char *field, int64_t least)
{
    struct wanted wanted = {rig, name, field, least};
    assert_true(await(&rig->loop, is_reached, &wanted, AWAIT_MS));
}

/* How many jobs a schedule has made; -1: two of them for the same occasion. */
static int64_t jobs_of(struct rig *rig, const char *name)
{
    static const char script[] =
        "local seen, count = {}, 0 "
        "for _, key in ipairs(redis.call([[KEYS]], [[job:*]])) do "
        "local job = redis.call([[HMGET]], key, [[schedule]], [[occasion]]) "
        "if job[1] == ARGV[1] then if seen[job[2]] then return -1 end "
        "seen[job[2]] = true count = count + 1 end end return count";
    return cli_number(rig, "EVAL '%s' 0 %s", script, name);
}

static void of_many_schedulers_one_fires_each_occasion(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd;
    put_schedule(rig, "s", EVERY_MS, MISSED_ONE, EVERY_MS);
    put_schedule(rig, "t", EVERY_MS / 2, MISSED_SKIP, 1);
    int64_t first = cli_number(rig, "ZSCORE schedules s");
    crowd_start(rig, &crowd);
    await_count(rig, "s", "fired", 12);
    await_count(rig, "t", "fired", 12);
    crowd_stop(&crowd);
    int64_t fired = cli_number(rig, "HGET schedule:s fired");
    assert_int_equal(jobs_of(rig, "s"), fired);
    assert_int_equal(jobs_of(rig, "t"), cli_number(rig, "HGET schedule:t fired"));
    /* The occasions lie on the schedule's grid: so many of them, or more, have gone by. */
    int64_t next = cli_number(rig, "ZSCORE schedules s");
    assert_true((next - first) / EVERY_MS >= fired);
}

static void what_was_missed_is_made_up_for_once_or_left_out(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd;
    int64_t day_ms = 86400000, hour_ms = 3600000;
    put_schedule(rig, "one", day_ms, MISSED_ONE, -9 * day_ms - hour_ms);
    put_schedule(rig, "skip", day_ms, MISSED_SKIP, -9 * day_ms - hour_ms);
    crowd_start(rig, &crowd);
    await_count(rig, "one", "fired", 1);
    await_count(rig, "skip", "skipped", 1);
    crowd_stop(&crowd);
    assert_int_equal(jobs_of(rig, "one"), 1);
    assert_int_equal(jobs_of(rig, "skip"), 0);
    const char *const names[] = {"one", "skip"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_about(cli_number(rig, "ZSCORE schedules %s", names[i]),
                     rig_now(rig) + day_ms - hour_ms, 20000);
}

static void a_rhythm_that_cannot_be_read_does_not_hold_up_the_others(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd;
    put_schedule(rig, "bad", EVERY_MS, MISSED_ONE, -1);
    put_schedule(rig, "good", EVERY_MS, MISSED_ONE, 1);
    cli(rig, "HSET schedule:bad cron nonsense");
    crowd_start(rig, &crowd);
    await_count(rig, "good", "fired", 3);
    await_count(rig, "bad", "skipped", 1);
    crowd_stop(&crowd);
    assert_int_equal(jobs_of(rig, "bad"), 0);
    assert_true(cli_number(rig, "ZSCORE schedules bad") > rig_now(rig) + 3000000);
}

static void over_a_restart_of_redis_each_occasion_counts_once(void **state)
{
    struct rig rig = {.settings = ((struct rig *)*state)->settings};
    struct crowd crowd;
    rig.server = redis_server_new(&(struct redis_server_options){.append_only = true});
    redis_server_up(rig.server);
    uv_loop_init(&rig.loop);
    rig.settings.redis_socket = redis_server_socket(rig.server);
    rig.redis = rig_connect(&rig);
    rig.queue = (struct queue){rig.redis, &rig.settings};
    put_schedule(&rig, "s", EVERY_MS, MISSED_ONE, EVERY_MS);
    crowd_start(&rig, &crowd);
    for (int64_t round = 1; round <= 3; round++) {
        await_count(&rig, "s", "fired", 4 * round);
        redis_server_restart(rig.server);
        redis_drop(rig.redis);
        rig_await_up(&rig, rig.redis);
    }
    await_count(&rig, "s", "fired", 16);
    crowd_stop(&crowd);
    assert_int_equal(jobs_of(&rig, "s"), cli_number(&rig, "HGET schedule:s fired"));
    redis_free(rig.redis);
    await_loop_end(&rig.loop);
    redis_server_free(rig.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(of_many_schedulers_one_fires_each_occasion),
        RIG_TEST(what_was_missed_is_made_up_for_once_or_left_out),
        RIG_TEST(a_rhythm_that_cannot_be_read_does_not_hold_up_the_others),
        RIG_TEST(over_a_restart_of_redis_each_occasion_counts_once),
    };
    return RIG_MAIN(tests);
}
