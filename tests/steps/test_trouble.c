/*
 * All steps where Redis is in trouble: out of memory, without our scripts, read-only, away.
 */
#include "rig.h"

#include "script.h"

static void fill_up(struct rig *rig)
{
    assert_cli(rig, "OK", "CONFIG SET maxmemory 1");
    assert_memory_equal(cli(rig, "SET x y"), "(error) OOM", 11);
}

static void a_full_redis_takes_no_new_job_and_writes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    fill_up(rig);
    char *before = rig_dump(rig);
    struct enqueue in = question_with("c", "{}");
    in.key = "k";
    assert_int_equal(rig_enqueue(rig, &in).status, STATUS_FULL);
    in = question_with("a", "{}");
    in.if_busy = IF_BUSY_REPLACE;
    assert_int_equal(rig_enqueue(rig, &in).status, STATUS_FULL);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void a_full_redis_still_joins_and_looks(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "a");
    fill_up(rig);
    struct enqueue in = question("a");
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.outcome, ENQUEUE_JOINED);
    assert_string_equal(out.job, put.job);
    assert_int_equal(rig_look(rig, "a").state, JOB_WAITING);
}

static void a_full_redis_takes_no_message_and_no_harm_is_done(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a"), lost = rig_run(rig, "b");
    rig_append(rig, &c, 1, 2);
    cli(rig, "DEL stream:f:b");
    fill_up(rig);
    char *before = rig_dump(rig);
    assert_int_equal(rig_append(rig, &c, 3, 2).status, STATUS_FULL);
    assert_int_equal(rig_append(rig, &lost, 1, 2).status, STATUS_FULL);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_int_equal(rig_append(rig, &c, 2, 1).outcome, APPEND_OK);
    cli(rig, "CONFIG SET maxmemory 0");
    assert_int_equal(rig_append(rig, &c, 3, 2).last, 4);
    assert_int_equal(rig_append(rig, &lost, 1, 2).last, 2);
}

static void a_full_redis_finishes_beats_cancels_and_reaps_what_it_has(void **state)
{
    struct rig *rig = *state;
    struct claim done = rig_run(rig, "a"), dead = rig_run(rig, "b"), died = rig_run(rig, "c"),
                 back = rig_run(rig, "d"), lost = rig_run(rig, "e"), stop = rig_run(rig, "g");
    struct claim fails = rig_run(rig, "h"), unnamed = rig_run(rig, "i");
    struct enqueued late = rig_put(rig, "j"), waits = rig_put(rig, "k");
    rig->settings.retry_backoff_ms = rig->settings.retry_backoff_max_ms = DAY_MS;
    rig_append(rig, &done, 1, 2);
    cli(rig, "ZADD queue:default:running 1 %s", lost.id);
    cli(rig, "ZADD queue:default:deadlines 1 %s", late.job);
    fill_up(rig);
    assert_int_equal(rig_done(rig, &done, 2).result.state, JOB_DONE);
    rig->settings.job_max_attempts = 1;
    assert_int_equal(rig_failed(rig, &dead).result.state, JOB_DEAD);
    rig->settings.job_max_attempts = 3;
    assert_int_equal(rig_died(rig, &died).result.state, JOB_WAITING);
    assert_int_equal(rig_failed(rig, &fails).result.state, JOB_DELAYED);
    assert_true(rig_hand_back(rig, &back).was_ours);
    assert_true(rig_cancel(rig, "g", "").result.was_alive);
    assert_true(rig_cancel(rig, "k", waits.job).result.was_alive);
    assert_false(rig_beat(rig, "w1", &stop, 1, false).held[0]);
    struct reaped reaped = rig_reap(rig);
    assert_int_equal(reaped.status, STATUS_OK);
    assert_int_equal(reaped.result.died, 1);
    assert_int_equal(reaped.result.expired, 1);
    struct beaten beat = rig_beat(rig, "w1", NULL, 0, true);
    assert_int_equal(beat.status, STATUS_OK);
    assert_int_equal(beat.returned, 1);
    assert_cli(rig, "waiting", "HGET job:%s state", unnamed.id);
    struct claims claims = rig_claim(rig, "w2", 10);
    assert_int_equal(claims.status, STATUS_OK);
    assert_int_equal(claims.count, 4);
    assert_true(rig_beat(rig, "w2", claims.jobs, 4, true).held[3]);
    assert_int_equal(rig_leave(rig, "w1"), STATUS_OK);
    assert_true(rig_look(rig, "a").ended);
    assert_true(rig_look(rig, "b").ended);
    assert_true(rig_look(rig, "j").ended);
}

static void a_full_redis_ends_jobs_whose_streams_are_lost(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "a");
    cli(rig, "DEL stream:f:a");
    fill_up(rig);
    assert_true(rig_cancel(rig, "a", "").result.was_alive);
    assert_true(rig_look(rig, "a").ended);
}

static void forgotten_scripts_are_sent_again(void **state)
{
    struct rig *rig = *state;
#define FORGET() assert_cli(rig, "OK", "SCRIPT FLUSH")
    FORGET();
    rig_put(rig, "a");
    FORGET();
    assert_int_equal(rig_look(rig, "a").state, JOB_WAITING);
    FORGET();
    struct claim c = rig_take(rig, "w1");
    FORGET();
    assert_int_equal(rig_append(rig, &c, 1, 2).last, 2);
    FORGET();
    assert_true(rig_beat(rig, "w1", &c, 1, true).held[0]);
    FORGET();
    assert_true(rig_hand_back(rig, &c).was_ours);
    FORGET();
    assert_int_equal(rig_reap(rig).status, STATUS_OK);
    c = rig_take(rig, "w1");
    FORGET();
    assert_int_equal(rig_done(rig, &c, 0).result.outcome, FINISH_ENDED);
    FORGET();
    assert_true(rig_cancel(rig, "a", "").result.found);
    FORGET();
    assert_int_equal(rig_leave(rig, "w1"), STATUS_OK);
#undef FORGET
}

struct digest {
    bool answered;
    char text[64];
};

static void on_digest(void *arg, enum status status, const struct redisReply *reply)
{
    struct digest *digest = arg;
    size_t length;
    assert_int_equal(status, STATUS_OK);
    digest->answered = true;
    snprintf(digest->text, sizeof digest->text, "%s", redis_reply_text(reply, &length));
}

static void redis_knows_the_scripts_by_our_digests(void **state)
{
    struct rig *rig = *state;
    const struct script_set *set = redis_scripts(rig->redis);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *text = script_text(set, (enum script)i);
        const char *argv[] = {"SCRIPT", "LOAD", text};
        size_t lengths[] = {6, 4, strlen(text)};
        struct digest digest = {0};
        assert_int_equal(redis_send(rig->redis, 3, argv, lengths, on_digest, &digest), STATUS_OK);
        assert_true(await(&rig->loop, await_flag, &digest.answered, AWAIT_MS));
        assert_string_equal(digest.text, script_digest(set, (enum script)i));
    }
}

static void a_new_connection_loads_all_scripts(void **state)
{
    struct rig *rig = *state;
    cli(rig, "SCRIPT FLUSH");
    struct redis *r = rig_connect(rig);
    for (int i = 0; i < SCRIPT_STEPS; i++)
        assert_cli(rig, "1", "SCRIPT EXISTS %s", script_digest(redis_scripts(r), (enum script)i));
    redis_free(r);
}

static void a_step_on_a_wrong_type_is_refused_with_nothing_written(void **state)
{
    struct rig *rig = *state;
    cli(rig, "LPUSH chat:f:c x");
    struct enqueue in = question("c");
    assert_int_equal(rig_enqueue(rig, &in).status, STATUS_REFUSED);
    assert_cli(rig, "chat:f:c", "KEYS *");
}

static void without_a_connection_a_step_is_not_sent(void **state)
{
    struct rig *rig = *state;
    redis_server_kill(rig->server);
    while (redis_is_up(rig->redis))
        uv_run(&rig->loop, UV_RUN_ONCE);
    struct enqueue in = question("c");
    struct claim c = {.id = "x", .owner = "w1:1", .feature = "f", .chat = "c"};
    assert_int_equal(rig_enqueue(rig, &in).status, STATUS_CLOSED);
    assert_int_equal(rig_claim(rig, "w1", 1).status, STATUS_CLOSED);
    assert_int_equal(rig_append(rig, &c, 1, 1).status, STATUS_CLOSED);
    assert_int_equal(rig_beat(rig, "w1", &c, 1, true).status, STATUS_CLOSED);
    assert_int_equal(rig_done(rig, &c, 1).status, STATUS_CLOSED);
    assert_int_equal(rig_hand_back(rig, &c).status, STATUS_CLOSED);
    assert_int_equal(rig_cancel(rig, "c", "").status, STATUS_CLOSED);
    assert_int_equal(rig_reap(rig).status, STATUS_CLOSED);
    assert_int_equal(rig_leave(rig, "w1"), STATUS_CLOSED);
    redis_server_up(rig->server);
}

static void a_step_whose_answer_is_lost_says_so(void **state)
{
    struct rig *rig = *state;
    int64_t timeout_ms = rig->settings.redis_timeout_ms;
    rig->settings.redis_timeout_ms = 300;
    redis_server_stop(rig->server);
    struct enqueue in = question("c");
    assert_int_equal(rig_enqueue(rig, &in).status, STATUS_LOST);
    rig->settings.redis_timeout_ms = timeout_ms;
    redis_server_cont(rig->server);
    rig_await_up(rig, rig->redis);
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    assert_cli(rig, "1", "XLEN stream:f:c");
    assert_cli(rig, "1", "LLEN queue:default:5:f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_full_redis_takes_no_new_job_and_writes_nothing),
        RIG_TEST(a_full_redis_still_joins_and_looks),
        RIG_TEST(a_full_redis_takes_no_message_and_no_harm_is_done),
        RIG_TEST(a_full_redis_finishes_beats_cancels_and_reaps_what_it_has),
        RIG_TEST(a_full_redis_ends_jobs_whose_streams_are_lost),
        RIG_TEST(forgotten_scripts_are_sent_again),
        RIG_TEST(redis_knows_the_scripts_by_our_digests),
        RIG_TEST(a_new_connection_loads_all_scripts),
        RIG_TEST(a_step_on_a_wrong_type_is_refused_with_nothing_written),
        RIG_TEST(without_a_connection_a_step_is_not_sent),
        RIG_TEST(a_step_whose_answer_is_lost_says_so),
    };
    return RIG_MAIN(tests);
}
