/*
 * The steps of schedules: each occasion counts once, whoever tries.
 */
#include "admin.h"
#include "rig.h"

static struct schedule nightly(void)
{
    return (struct schedule){.name = "nightly",
                             .cron = "0 3 * * *",
                             .type = "generate_messages",
                             .feature_id = "f",
                             .payload = "{\"q\": 1}",
                             .payload_length = 8,
                             .body_hash = "abc",
                             .options = JOB_OPTIONS_USUAL};
}

static const char *put(struct rig *rig, const struct schedule *in, int64_t next_ms)
{
    return RIG_ASK(rig, admin_schedule_put, in, next_ms);
}

static const char *fire(struct rig *rig, int64_t at_ms, int64_t next_ms, bool run, const char *id)
{
    const struct occasion in = {"nightly", at_ms, next_ms, run, id};
    return RIG_ASK(rig, admin_fire, &in);
}

static void a_schedule_is_kept_and_told(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    const char *made = put(rig, &in, 5000);
    assert_int_equal(made[0], '1');
    assert_string_equal(rig_field(made, "next"), "5000");
    assert_non_null(strstr(RIG_ASK(rig, admin_schedules, "nightly"), "cron 0 3 * * *"));
    assert_non_null(strstr(RIG_ASK(rig, admin_schedules, "nightly"), "payload {\"q\": 1}"));
    assert_string_equal(rig_field(RIG_ASK(rig, admin_schedules, ""), "type"), "generate_messages");
    assert_null(strstr(RIG_ASK(rig, admin_schedules, ""), "payload"));
    assert_string_equal(RIG_ASK(rig, admin_schedules, "other"), "");
    assert_string_equal(RIG_ASK(rig, admin_schedule_drop, "nightly"), "1");
    assert_string_equal(RIG_ASK(rig, admin_schedule_drop, "nightly"), "0");
    assert_cli(rig, "0", "DBSIZE");
}

static void a_change_that_leaves_the_rhythm_leaves_the_next_occasion(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    put(rig, &in, 5000);
    in.feature_id = "g";
    in.payload = NULL;
    const char *again = put(rig, &in, 7000);
    assert_int_equal(again[0], '0');
    assert_string_equal(rig_field(again, "next"), "5000");
    assert_string_equal(rig_field(again, "feature_id"), "g");
    assert_string_equal(rig_field(again, "payload"), "");
    in.cron = "0 4 * * *";
    assert_string_equal(rig_field(put(rig, &in, 7000), "next"), "7000");
    in.cron = "";
    in.every_ms = 60000;
    assert_string_equal(rig_field(put(rig, &in, 8000), "next"), "8000");
}

static void what_is_due_is_told_with_its_rhythm(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    int64_t now = rig_now(rig);
    assert_string_equal(strchr(RIG_ASK(rig, admin_due), ' '), " 0");
    put(rig, &in, now + 60000);
    assert_string_equal(strchr(RIG_ASK(rig, admin_due), ' '), text_of(" %" PRId64, now + 60000));
    cli(rig, "ZADD schedules 5000 nightly");
    assert_non_null(strstr(RIG_ASK(rig, admin_due), " 5000 (nightly 5000 0 3 * * * 0 one)"));
}

static void an_occasion_puts_its_job_in_once(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    struct enqueue first = question("x"), second = question("y");
    put(rig, &in, 5000);
    assert_string_equal(fire(rig, 5000, 9000, true, first.id), "started");
    char *before = rig_dump(rig);
    assert_string_equal(fire(rig, 5000, 9000, true, second.id), "late");
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
    struct claim c = rig_take(rig, "w1");
    assert_string_equal(c.id, first.id);
    assert_string_equal(c.chat, first.id);
    assert_string_equal(c.payload, "{\"q\": 1}");
    assert_cli(rig, "nightly 5000 body:abc", "HMGET job:%s schedule occasion identity", first.id);
    const char *record = RIG_ASK(rig, admin_schedules, "nightly");
    assert_string_equal(rig_field(record, "next"), "9000");
    assert_string_equal(rig_field(record, "fired"), "1");
    assert_string_equal(rig_field(record, "last"), "5000");
    assert_string_equal(rig_field(record, "last_job"), first.id);
    assert_string_equal(rig_field(record, "last_outcome"), "started");
}

static void a_schedules_job_goes_to_the_queue_of_its_feature_unless_it_has_a_route(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    struct enqueue first = question("x"), second = question("y");
    in.queue = "llm";
    put(rig, &in, 5000);
    assert_string_equal(fire(rig, 5000, 9000, true, first.id), "started");
    assert_cli(rig, "llm llm", "HMGET job:%s queue own_queue", first.id);
    cli(rig, "HSET routes f slow");
    assert_string_equal(fire(rig, 9000, 9500, true, second.id), "started");
    assert_cli(rig, "slow llm", "HMGET job:%s queue own_queue", second.id);
}

static void an_occasion_may_be_left_out(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    struct enqueue first = question("x");
    put(rig, &in, 5000);
    assert_string_equal(fire(rig, 5000, 9000, false, first.id), "skipped");
    assert_cli(rig, "0", "EXISTS job:%s", first.id);
    const char *record = RIG_ASK(rig, admin_schedules, "nightly");
    assert_string_equal(rig_field(record, "skipped"), "1");
    assert_string_equal(rig_field(record, "next"), "9000");
}

static void a_busy_chat_or_a_full_queue_loses_the_occasion_and_says_so(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    struct enqueue first = question("x");
    in.chat_id = "c";
    put(rig, &in, 5000);
    rig_put(rig, "c");
    assert_string_equal(fire(rig, 5000, 9000, true, first.id), "busy");
    rig_cancel(rig, "c", "");
    rig_put(rig, "d");
    rig->settings.queue_max_waiting = 1;
    assert_string_equal(fire(rig, 9000, 10000, true, first.id), "full");
    rig->settings.queue_max_waiting = 10;
    assert_string_equal(fire(rig, 10000, 11000, true, first.id), "started");
    assert_string_equal(rig_look(rig, "c").job, first.id);
    const char *record = RIG_ASK(rig, admin_schedules, "nightly");
    assert_string_equal(rig_field(record, "skipped"), "2");
    assert_string_equal(rig_field(record, "fired"), "1");
}

static void a_full_redis_keeps_the_occasion(void **state)
{
    struct rig *rig = *state;
    struct schedule in = nightly();
    struct enqueue first = question("x");
    put(rig, &in, 5000);
    cli(rig, "CONFIG SET maxmemory 1");
    assert_non_null(strstr(fire(rig, 5000, 9000, true, first.id), "OOM"));
    cli(rig, "CONFIG SET maxmemory 0");
    assert_string_equal(fire(rig, 5000, 9000, true, first.id), "started");
}

static void a_name_without_a_schedule_goes(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question("x");
    cli(rig, "ZADD schedules 5000 nightly");
    assert_string_equal(fire(rig, 5000, 9000, true, first.id), "late");
    assert_cli(rig, "0", "DBSIZE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_schedule_is_kept_and_told),
        RIG_TEST(a_change_that_leaves_the_rhythm_leaves_the_next_occasion),
        RIG_TEST(what_is_due_is_told_with_its_rhythm),
        RIG_TEST(an_occasion_puts_its_job_in_once),
        RIG_TEST(a_schedules_job_goes_to_the_queue_of_its_feature_unless_it_has_a_route),
        RIG_TEST(an_occasion_may_be_left_out),
        RIG_TEST(a_busy_chat_or_a_full_queue_loses_the_occasion_and_says_so),
        RIG_TEST(a_full_redis_keeps_the_occasion),
        RIG_TEST(a_name_without_a_schedule_goes),
    };
    return RIG_MAIN(tests);
}
