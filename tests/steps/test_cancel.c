/*
 * The steps "cancel" and "look": a stop is a stop in every state, and a chat as it is.
 */
#include "rig.h"

static void assert_cancelled(struct rig *rig, const char *chat, const char *job)
{
    struct cancelled out = rig_cancel(rig, chat, "");
    assert_int_equal(out.status, STATUS_OK);
    assert_true(out.result.found);
    assert_true(out.result.was_alive);
    assert_string_equal(out.job, job);
    assert_int_equal(out.result.state, JOB_CANCELLED);
    assert_cli(rig, "cancelled requested (nil)", "HMGET job:%s state error owner", job);
    assert_about(rig_ttl(rig, "stream:f:%s", chat), 60000, 5000);
    assert_about(rig_ttl(rig, "chat:f:%s", chat), 60000, 5000);
    assert_about(rig_ttl(rig, "job:%s", job), 60000, 5000);
    assert_cli(rig, "0",
               "EXISTS queue:default:running queue:default:deadlines "
               "queue:default:delayed queue:default:5 queue:default:5:f");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);

    char *before = rig_dump(rig);
    out = rig_cancel(rig, chat, "");
    assert_true(out.result.found);
    assert_false(out.result.was_alive);
    assert_string_equal(out.job, job);
    assert_int_equal(out.result.state, JOB_CANCELLED);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static const char *last_entry(struct rig *rig)
{
    return cli(rig, "XREVRANGE stream:f:c + - COUNT 1");
}

static const char *cancelled_entry(uint64_t a, uint64_t n, const char *job)
{
    return text_of("(%" PRIu64 "-%" PRIu64 " (type cancelled data [DONE] job %s reason requested))",
                   a, n, job);
}

static void a_waiting_job_is_cancelled(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "c");
    assert_cancelled(rig, "c", put.job);
    assert_string_equal(last_entry(rig), cancelled_entry(put.view.first, 1, put.job));
    assert_cli(rig, "0 0 1 1", "HMGET queue:default waiting bytes in out");
    assert_int_equal(rig_claim(rig, "w1", 1).count, 0);
}

static void a_feature_keeps_its_turn_for_the_jobs_behind_a_cancelled_one(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "a");
    rig_put(rig, "b");
    rig_cancel(rig, "a", "");
    assert_cli(rig, "f", "LRANGE queue:default:5 0 -1");
    assert_string_equal(rig_take(rig, "w1").chat, "b");
}

static void a_running_job_is_cancelled_behind_its_last_message(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 2);
    assert_cancelled(rig, "c", c.id);
    assert_string_equal(last_entry(rig), cancelled_entry(c.told.attempt, 3, c.id));
    assert_int_equal(rig_append(rig, &c, 3, 1).outcome, APPEND_FENCED);
    assert_int_equal(rig_done(rig, &c, 2).result.outcome, FINISH_FENCED);
    assert_false(rig_beat(rig, "w1", &c, 1, true).held[0]);
    assert_string_equal(last_entry(rig), cancelled_entry(c.told.attempt, 3, c.id));
}

static void a_delayed_job_is_cancelled(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 2);
    rig_failed(rig, &c);
    assert_cancelled(rig, "c", c.id);
    assert_string_equal(last_entry(rig), cancelled_entry(c.told.attempt, 3, c.id));
}

static void a_job_whose_stream_is_lost_is_cancelled_in_a_new_one(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "c");
    cli(rig, "DEL stream:f:c");
    assert_cancelled(rig, "c", put.job);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 ")) %s",
                                put.view.first, put.job, put.view.first,
                                cancelled_entry(put.view.first, 1, put.job)));
    cli(rig, "FLUSHALL");
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 2);
    cli(rig, "DEL stream:f:c");
    assert_cancelled(rig, "c", c.id);
    assert_cli(rig,
               text_of("(%" PRIu64 "-0 (type start job %s first %s attempt 1 reason "
                       "history_lost worker ''))",
                       c.told.attempt, c.id, cli(rig, "HGET job:%s first", c.id)),
               "XRANGE stream:f:c - + COUNT 1");
    assert_string_equal(last_entry(rig), cancelled_entry(c.told.attempt, 3, c.id));
}

static void what_has_ended_stays_as_it_ended(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_done(rig, &c, 0);
    struct cancelled out = rig_cancel(rig, "c", "");
    assert_true(out.result.found);
    assert_false(out.result.was_alive);
    assert_string_equal(out.job, c.id);
    assert_int_equal(out.result.state, JOB_DONE);
}

static void a_chat_without_a_job_has_nothing_to_cancel(void **state)
{
    struct rig *rig = *state;
    assert_false(rig_cancel(rig, "c", "").result.found);
    cli(rig, "XADD stream:f:c * data theirs");
    assert_false(rig_cancel(rig, "c", "").result.found);
    rig_put(rig, "d");
    cli(rig, "DEL job:%s", cli(rig, "GET chat:f:d"));
    assert_false(rig_cancel(rig, "d", "").result.found);
}

static void a_cancel_with_a_job_hits_that_job_only(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), second = question_with("c", "[]");
    rig_enqueue(rig, &first);
    second.if_busy = IF_BUSY_REPLACE;
    rig_enqueue(rig, &second);
    struct cancelled out = rig_cancel(rig, "c", first.id);
    assert_true(out.result.found);
    assert_false(out.result.was_alive);
    assert_string_equal(out.job, first.id);
    assert_int_equal(out.result.state, JOB_CANCELLED);
    assert_cli(rig, "waiting", "HGET job:%s state", second.id);

    struct enqueued other = rig_put(rig, "d");
    assert_false(rig_cancel(rig, "c", other.job).result.found);
    assert_false(rig_cancel(rig, "c", "no-such-job").result.found);
    out = rig_cancel(rig, "c", second.id);
    assert_true(out.result.was_alive);
}

/* The owner is told. */
struct ear {
    char text[64];
    bool up, heard;
};

static void on_state(void *arg, bool up)
{
    ((struct ear *)arg)->up = up;
}

static void on_message(void *arg, const char *data, size_t length)
{
    struct ear *ear = arg;
    snprintf(ear->text, sizeof ear->text, "%.*s", (int)length, data);
    ear->heard = true;
}

static void the_owner_of_a_cancelled_job_is_told(void **state)
{
    struct rig *rig = *state;
    struct ear ear = {0};
    struct redis *r = redis_new(&(struct redis_options){.loop = &rig->loop,
                                                        .settings = &rig->settings,
                                                        .name = "ear",
                                                        .channel = "worker:w1",
                                                        .arg = &ear,
                                                        .on_state = on_state,
                                                        .on_message = on_message});
    assert_non_null(r);
    assert_true(await(&rig->loop, await_flag, &ear.up, AWAIT_MS));
    while (strcmp(cli(rig, "PUBSUB NUMSUB worker:w1"), "worker:w1 1") != 0)
        continue;
    struct claim c = rig_run(rig, "c");
    rig_cancel(rig, "c", "");
    assert_true(await(&rig->loop, await_flag, &ear.heard, AWAIT_MS));
    assert_string_equal(ear.text, c.id);

    ear.heard = false;
    c = rig_run(rig, "d");
    struct enqueue in = question_with("d", "{}");
    in.if_busy = IF_BUSY_REPLACE;
    rig_enqueue(rig, &in);
    assert_true(await(&rig->loop, await_flag, &ear.heard, AWAIT_MS));
    assert_string_equal(ear.text, c.id);
    redis_free(r);
}

/* Look. */
static void a_look_finds_nothing_where_there_is_nothing(void **state)
{
    struct rig *rig = *state;
    struct chat_view view = rig_look(rig, "c"), none = {0};
    assert_memory_equal(&view, &none, sizeof view);
    assert_cli(rig, "", "KEYS *");
}

static void a_look_follows_a_job_through_its_states(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "c");
    struct chat_view view = rig_look(rig, "c");
    assert_memory_equal(&view, &put.view, sizeof view);

    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 3);
    view = rig_look(rig, "c");
    assert_string_equal(view.job, put.job);
    assert_int_equal(view.state, JOB_RUNNING);
    assert_int_equal(view.stream, STREAM_OURS);
    assert_false(view.ended);
    assert_int_equal(view.first, put.view.first);
    assert_int_equal(view.attempt, c.told.attempt);
    assert_int_equal(view.last.a, c.told.attempt);
    assert_int_equal(view.last.n, 3);
    assert_int_equal(view.number, 1);
    assert_int_equal(view.position, 0);
    assert_string_equal(view.worker, "w1");

    rig_failed(rig, &c);
    view = rig_look(rig, "c");
    assert_int_equal(view.state, JOB_DELAYED);
    assert_int_equal(view.attempt, c.told.attempt);
    assert_int_equal(view.last.n, 3);
    assert_int_equal(view.position, 0);
    assert_string_equal(view.worker, "");

    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    assert_int_equal(rig_reap(rig).result.promoted, 1);
    view = rig_look(rig, "c");
    assert_int_equal(view.state, JOB_WAITING);
    assert_int_equal(view.position, 1);
    assert_int_equal(view.attempt, c.told.attempt);

    c = rig_take(rig, "w1");
    assert_int_equal(rig_look(rig, "c").number, 2);
    rig_done(rig, &c, 0);
    view = rig_look(rig, "c");
    assert_int_equal(view.state, JOB_DONE);
    assert_true(view.ended);
    assert_int_equal(view.last.n, 1);
    assert_int_equal(view.number, 2);
    assert_int_equal(view.first, put.view.first);
}

static void a_look_at_a_live_job_without_its_stream_tells_what_the_hash_knows(void **state)
{
    struct rig *rig = *state;
    struct enqueued put = rig_put(rig, "c");
    cli(rig, "DEL stream:f:c");
    struct chat_view view = rig_look(rig, "c");
    assert_string_equal(view.job, put.job);
    assert_int_equal(view.stream, STREAM_NONE);
    assert_int_equal(view.first, put.view.first);
    assert_int_equal(view.attempt, put.view.first);
    assert_int_equal(view.last.a, put.view.first);
    assert_int_equal(view.last.n, 0);
    assert_int_equal(view.number, 0);
    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 3);
    cli(rig, "DEL stream:f:c");
    view = rig_look(rig, "c");
    assert_int_equal(view.attempt, c.told.attempt);
    assert_int_equal(view.last.a, c.told.attempt);
    assert_int_equal(view.last.n, 0);
    assert_int_equal(view.number, 1);
    assert_string_equal(view.worker, "w1");
}

static void a_look_knows_foreign_broken_and_empty_streams(void **state)
{
    struct rig *rig = *state;
    cli(rig, "XADD stream:f:c 5-1 data {} type done");
    struct chat_view view = rig_look(rig, "c");
    assert_int_equal(view.stream, STREAM_FOREIGN);
    assert_int_equal(view.state, JOB_NONE);
    assert_string_equal(view.job, "");
    assert_int_equal(view.last.a, 5);
    assert_int_equal(view.last.n, 1);
    assert_false(view.ended);
    cli(rig, "XADD stream:f:c 5-2 data [DONE]");
    assert_true(rig_look(rig, "c").ended);
    cli(rig, "XTRIM stream:f:c MAXLEN 0");
    assert_int_equal(rig_look(rig, "c").stream, STREAM_NONE);
    cli(rig, "DEL stream:f:c");
    cli(rig, "LPUSH stream:f:c x");
    view = rig_look(rig, "c");
    assert_int_equal(view.stream, STREAM_BROKEN);
    assert_int_equal(view.last.a, 0);
}

static void a_look_trusts_the_streams_marker_where_the_chats_key_is_lost(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "DEL chat:f:c");
    struct chat_view view = rig_look(rig, "c");
    assert_string_equal(view.job, c.id);
    assert_int_equal(view.state, JOB_RUNNING);
    assert_int_equal(view.stream, STREAM_OURS);
    assert_true(rig_cancel(rig, "c", "").result.was_alive);
}

static void a_stream_of_another_job_than_the_chats_is_none(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    struct enqueued other = rig_put(rig, "d");
    cli(rig, "COPY stream:f:d stream:f:c REPLACE");
    struct chat_view view = rig_look(rig, "c");
    assert_string_not_equal(view.job, other.job);
    assert_string_equal(view.job, c.id);
    assert_int_equal(view.stream, STREAM_NONE);
    assert_int_equal(view.attempt, c.told.attempt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_waiting_job_is_cancelled),
        RIG_TEST(a_feature_keeps_its_turn_for_the_jobs_behind_a_cancelled_one),
        RIG_TEST(a_running_job_is_cancelled_behind_its_last_message),
        RIG_TEST(a_delayed_job_is_cancelled),
        RIG_TEST(a_job_whose_stream_is_lost_is_cancelled_in_a_new_one),
        RIG_TEST(what_has_ended_stays_as_it_ended),
        RIG_TEST(a_chat_without_a_job_has_nothing_to_cancel),
        RIG_TEST(a_cancel_with_a_job_hits_that_job_only),
        RIG_TEST(the_owner_of_a_cancelled_job_is_told),
        RIG_TEST(a_look_finds_nothing_where_there_is_nothing),
        RIG_TEST(a_look_follows_a_job_through_its_states),
        RIG_TEST(a_look_at_a_live_job_without_its_stream_tells_what_the_hash_knows),
        RIG_TEST(a_look_knows_foreign_broken_and_empty_streams),
        RIG_TEST(a_look_trusts_the_streams_marker_where_the_chats_key_is_lost),
        RIG_TEST(a_stream_of_another_job_than_the_chats_is_none),
    };
    return RIG_MAIN(tests);
}
