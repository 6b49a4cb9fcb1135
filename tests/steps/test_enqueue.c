/*
 * The step "enqueue": what joins, what starts, what is refused, and what each leaves in Redis.
 */
#include "rig.h"

static struct enqueued put_in(struct rig *rig, const struct enqueue *in,
                              enum enqueue_outcome expected)
{
    struct enqueued out = rig_enqueue(rig, in);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.outcome, expected);
    return out;
}

/* The step once more, as after a lost answer: the same outcome, and nothing moves. */
static void assert_repeatable(struct rig *rig, const struct enqueue *in,
                              const struct enqueued *before)
{
    char *dump = rig_dump(rig);
    struct enqueued again = put_in(rig, in, before->outcome);
    char *after = rig_dump(rig);
    assert_string_equal(again.job, before->job);
    assert_memory_equal(&again.view, &before->view, sizeof again.view);
    assert_string_equal(after, dump);
    free(dump);
    free(after);
}

static void a_first_question_starts_a_job(void **state)
{
    struct rig *rig = *state;
    struct enqueue in = question_with("c", "{\"q\":1}");
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    uint64_t a = out.view.first;
    assert_string_equal(out.job, in.id);
    assert_string_equal(out.view.job, in.id);
    assert_int_equal(out.view.state, JOB_WAITING);
    assert_int_equal(out.view.stream, STREAM_OURS);
    assert_false(out.view.ended);
    assert_int_equal(out.view.attempt, a);
    assert_int_equal(out.view.last.a, a);
    assert_int_equal(out.view.last.n, 0);
    assert_int_equal(out.view.number, 0);
    assert_int_equal(out.view.position, 1);
    assert_string_equal(out.view.worker, "");
    assert_about((int64_t)a, rig_now(rig), 5000);

    assert_string_equal(
        rig_stream(rig, "c"),
        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 "))", a, in.id, a));
    assert_cli(rig, in.id, "GET chat:f:c");
    assert_cli(rig, "waiting generate_messages f c default 5 body:{\"q\":1} {\"q\":1} 7 0 0",
               "HMGET job:%s state type feature_id chat_id queue priority identity payload size "
               "attempts deaths",
               in.id);
    int64_t deadline = cli_number(rig, "HGET job:%s deadline", in.id);
    assert_int_equal(deadline - cli_number(rig, "HGET job:%s ready", in.id), 300000);
    assert_int_equal(cli_number(rig, "ZSCORE queue:default:deadlines %s", in.id), deadline);
    assert_cli(rig, in.id, "LRANGE queue:default:5:f 0 -1");
    assert_cli(rig, "f", "LRANGE queue:default:5 0 -1");
    assert_cli(rig, "1 7 1 0", "HMGET queue:default waiting bytes in out");
    assert_cli(rig, "1", "LRANGE queue:default:wake 0 -1");
    assert_repeatable(rig, &in, &out);
}

static void a_waiting_jobs_keys_do_not_expire(void **state)
{
    struct rig *rig = *state;
    struct enqueued out = rig_put(rig, "c");
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "chat:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "job:%s", out.job), -1);
}

static void a_question_without_a_body_has_no_payload(void **state)
{
    struct rig *rig = *state;
    struct enqueued out = rig_put(rig, "c");
    assert_cli(rig, "0", "HEXISTS job:%s payload", out.job);
    assert_cli(rig, "''", "HGET job:%s identity", out.job);
}

/* Plain questions join whatever the chat has. */
static void a_plain_question_joins_a_job_in_every_state(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}");
    put_in(rig, &first, ENQUEUE_STARTED);
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_int_equal(out.view.state, JOB_WAITING);
    assert_repeatable(rig, &in, &out);

    struct claim c = rig_take(rig, "w1");
    out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_int_equal(out.view.state, JOB_RUNNING);
    assert_string_equal(out.view.worker, "w1");
    assert_int_equal(out.view.number, 1);
    assert_repeatable(rig, &in, &out);

    assert_int_equal(rig_failed(rig, &c).result.outcome, FINISH_AGAIN);
    out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_int_equal(out.view.state, JOB_DELAYED);
    assert_repeatable(rig, &in, &out);

    cli(rig, "ZADD queue:default:delayed 1 %s", first.id);
    c = rig_take(rig, "w1");
    assert_int_equal(rig_done(rig, &c, 0).result.outcome, FINISH_ENDED);
    out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_int_equal(out.view.state, JOB_DONE);
    assert_true(out.view.ended);
    assert_repeatable(rig, &in, &out);
}

static void a_plain_question_joins_a_cancelled_answer_too(void **state)
{
    struct rig *rig = *state;
    struct enqueued first = rig_put(rig, "c");
    assert_true(rig_cancel(rig, "c", "").result.was_alive);
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.job);
    assert_int_equal(out.view.state, JOB_CANCELLED);
}

static void a_plain_question_joins_a_live_job_whose_stream_is_lost(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "DEL stream:f:c");
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, c.id);
    assert_int_equal(out.view.stream, STREAM_NONE);
    assert_int_equal(out.view.attempt, c.told.attempt);
    assert_int_equal(out.view.last.a, c.told.attempt);
    assert_int_equal(out.view.last.n, 0);
    assert_int_equal(out.view.number, 1);
}

static void a_stream_of_ours_that_will_never_end_does_not_count(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_append(rig, &c, 1, 2);
    cli(rig, "DEL job:%s", c.id);
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    assert_true(out.view.first > c.told.attempt);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 "))",
                                out.view.first, in.id, out.view.first));
}

/* A body is its own identity. */
static void the_same_body_joins_while_waiting_delayed_running_and_done(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "{}");
    put_in(rig, &first, ENQUEUE_STARTED);
    assert_string_equal(put_in(rig, &in, ENQUEUE_JOINED).job, first.id);
    struct claim c = rig_take(rig, "w1");
    assert_string_equal(put_in(rig, &in, ENQUEUE_JOINED).job, first.id);
    rig_failed(rig, &c);
    assert_string_equal(put_in(rig, &in, ENQUEUE_JOINED).job, first.id);
    cli(rig, "ZADD queue:default:delayed 1 %s", first.id);
    c = rig_take(rig, "w1");
    rig_done(rig, &c, 0);
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_repeatable(rig, &in, &out);
}

static void the_same_body_starts_anew_after_cancelled_expired_and_dead(void **state)
{
    struct rig *rig = *state;
    struct enqueue one = question_with("c", "{}"), two = question_with("c", "{}"),
                   three = question_with("c", "{}"), four = question_with("c", "{}");
    put_in(rig, &one, ENQUEUE_STARTED);
    rig_cancel(rig, "c", "");
    put_in(rig, &two, ENQUEUE_STARTED);
    cli(rig, "ZADD queue:default:deadlines 1 %s", two.id);
    assert_int_equal(rig_reap(rig).result.expired, 1);
    struct enqueued out = put_in(rig, &three, ENQUEUE_STARTED);
    struct claim c = rig_take(rig, "w1");
    struct finish hopeless = {
        .how = FINISH_FAILED, .reason = "type", .detail = "no such task", .retry = false};
    assert_int_equal(rig_finish(rig, &c, &hopeless).result.state, JOB_DEAD);
    out = put_in(rig, &four, ENQUEUE_STARTED);
    assert_repeatable(rig, &four, &out);
}

static void another_body_is_told_who_is_busy(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[]");
    put_in(rig, &first, ENQUEUE_STARTED);
    struct enqueued out = put_in(rig, &in, ENQUEUE_BUSY);
    assert_string_equal(out.job, first.id);
    assert_string_equal(out.view.job, first.id);
    assert_repeatable(rig, &in, &out);
    struct claim c = rig_take(rig, "w1");
    assert_int_equal(put_in(rig, &in, ENQUEUE_BUSY).view.state, JOB_RUNNING);
    rig_failed(rig, &c);
    assert_int_equal(put_in(rig, &in, ENQUEUE_BUSY).view.state, JOB_DELAYED);
}

static void a_body_is_another_question_than_none(void **state)
{
    struct rig *rig = *state;
    struct enqueued first = rig_put(rig, "c");
    struct enqueue in = question_with("c", "[]");
    assert_string_equal(put_in(rig, &in, ENQUEUE_BUSY).job, first.job);
}

static void a_replaced_waiting_job_leaves_its_line(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[1]");
    uint64_t a = put_in(rig, &first, ENQUEUE_STARTED).view.first;
    in.if_busy = IF_BUSY_REPLACE;
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    assert_true(out.view.first > a);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64
                                " replaces %s))",
                                out.view.first, in.id, out.view.first, first.id));
    assert_cli(rig, in.id, "GET chat:f:c");
    assert_int_equal(rig_ttl(rig, "chat:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
    assert_cli(rig, in.id, "LRANGE queue:default:5:f 0 -1");
    assert_cli(rig, "f", "LRANGE queue:default:5 0 -1");
    assert_cli(rig, in.id, "ZRANGE queue:default:deadlines 0 -1");
    assert_cli(rig, "1 3 2 1", "HMGET queue:default waiting bytes in out");
    assert_cli(rig, "cancelled replaced", "HMGET job:%s state error", first.id);
    assert_about(rig_ttl(rig, "job:%s", first.id), 60000, 5000);
    assert_repeatable(rig, &in, &out);
}

static void a_replaced_running_job_loses_its_owner(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[1]");
    put_in(rig, &first, ENQUEUE_STARTED);
    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 3);
    in.if_busy = IF_BUSY_REPLACE;
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    assert_true(out.view.first > c.told.attempt);
    assert_cli(rig, "1", "XLEN stream:f:c");
    assert_cli(rig, "0", "HEXISTS job:%s owner", first.id);
    assert_cli(rig, "", "ZRANGE queue:default:running 0 -1");
    assert_int_equal(rig_append(rig, &c, 4, 1).outcome, APPEND_FENCED);
    assert_int_equal(rig_done(rig, &c, 3).result.outcome, FINISH_FENCED);
    assert_cli(rig, "1", "XLEN stream:f:c");
    assert_repeatable(rig, &in, &out);
}

static void a_replaced_delayed_job_is_not_promoted(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[1]");
    put_in(rig, &first, ENQUEUE_STARTED);
    struct claim c = rig_take(rig, "w1");
    rig_failed(rig, &c);
    in.if_busy = IF_BUSY_REPLACE;
    put_in(rig, &in, ENQUEUE_STARTED);
    assert_cli(rig, "0", "ZCARD queue:default:delayed");
    assert_cli(rig, "1 3", "HMGET queue:default waiting bytes");
}

static void an_ended_jobs_stream_gives_way_to_the_next_question(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[1]");
    put_in(rig, &first, ENQUEUE_STARTED);
    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 3);
    rig_done(rig, &c, 3);
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    assert_true(out.view.first > c.told.attempt);
    assert_string_equal(rig_stream(rig, "c"),
                        text_of("(%" PRIu64 "-0 (type queued job %s first %" PRIu64 "))",
                                out.view.first, in.id, out.view.first));
    assert_int_equal(rig_ttl(rig, "stream:f:c"), -1);
    assert_int_equal(rig_ttl(rig, "chat:f:c"), -1);
    assert_cli(rig, "done", "HGET job:%s state", first.id);
}

static void ids_grow_also_where_the_clock_went_back(void **state)
{
    struct rig *rig = *state;
    cli(rig, "XADD stream:f:c 4102444800000-7 type done data [DONE] job x");
    cli(rig, "XADD stream:f:c 4102444800000-8 data y");
    cli(rig, "XDEL stream:f:c 4102444800000-7 4102444800000-8");
    assert_int_equal(rig_put(rig, "c").view.first, 4102444800001);
    assert_in_range(rig_take(rig, "w1").told.attempt, 4102444800003, 4102444801002);
}

/* Idempotency-Key. */
static void a_key_is_the_identity_instead_of_the_body(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "{}");
    first.key = in.key = "k 1";
    put_in(rig, &first, ENQUEUE_STARTED);
    assert_cli(rig, "key:k 1", "HGET job:%s identity", first.id);
    assert_cli(rig, text_of("%s {}", first.id), "GET 'idem:f:c:k 1'");
    assert_about(cli_number(rig, "PTTL 'idem:f:c:k 1'"), 3600000, 5000);
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_repeatable(rig, &in, &out);
    in.key = "k2";
    assert_string_equal(put_in(rig, &in, ENQUEUE_BUSY).job, first.id);
    in.key = "";
    assert_string_equal(put_in(rig, &in, ENQUEUE_BUSY).job, first.id);
}

static void a_key_never_starts_a_second_job_whatever_became_of_the_first(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question("c"), other = question_with("c", "[]"), in = question("c");
    first.key = in.key = "k";
    put_in(rig, &first, ENQUEUE_STARTED);
    rig_cancel(rig, "c", "");
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_int_equal(out.view.state, JOB_CANCELLED);
    put_in(rig, &other, ENQUEUE_STARTED);
    out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, first.id);
    assert_string_equal(out.view.job, other.id);
    assert_repeatable(rig, &in, &out);
    cli(rig, "DEL job:%s stream:f:c chat:f:c", first.id);
    assert_string_equal(put_in(rig, &in, ENQUEUE_JOINED).job, first.id);
}

static void a_key_with_another_body_is_refused(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with("c", "{}"), in = question_with("c", "[]");
    first.key = in.key = "k";
    in.if_busy = IF_BUSY_REPLACE;
    put_in(rig, &first, ENQUEUE_STARTED);
    struct enqueued out = put_in(rig, &in, ENQUEUE_KEY_REUSED);
    assert_repeatable(rig, &in, &out);
    in = question("c");
    in.key = "k";
    put_in(rig, &in, ENQUEUE_KEY_REUSED);
}

static void a_key_counts_for_its_chat_only(void **state)
{
    struct rig *rig = *state;
    struct enqueue one = question("c"), two = question("d");
    one.key = two.key = "k";
    put_in(rig, &one, ENQUEUE_STARTED);
    put_in(rig, &two, ENQUEUE_STARTED);
}

static void a_forgotten_key_starts_again_once_the_job_has_ended(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question("c"), in = question("c");
    first.key = in.key = "k";
    put_in(rig, &first, ENQUEUE_STARTED);
    rig_cancel(rig, "c", "");
    cli(rig, "DEL idem:f:c:k");
    put_in(rig, &in, ENQUEUE_STARTED);
}

/* Streams of others. */
static void a_foreign_stream_is_joined_by_plain_questions_only(void **state)
{
    struct rig *rig = *state;
    cli(rig, "XADD stream:f:c 5-1 data {}");
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_JOINED);
    assert_string_equal(out.job, "");
    assert_int_equal(out.view.stream, STREAM_FOREIGN);
    assert_int_equal(out.view.last.a, 5);
    assert_int_equal(out.view.last.n, 1);
    assert_false(out.view.ended);
    assert_repeatable(rig, &in, &out);
    struct enqueue with = question_with("c", "{}");
    out = put_in(rig, &with, ENQUEUE_FOREIGN);
    assert_repeatable(rig, &with, &out);
    with = question("c");
    with.key = "k";
    with.if_busy = IF_BUSY_REPLACE;
    put_in(rig, &with, ENQUEUE_FOREIGN);
    cli(rig, "XADD stream:f:c 6-1 data [DONE]");
    assert_true(put_in(rig, &in, ENQUEUE_JOINED).view.ended);
    assert_cli(rig, "stream:f:c", "KEYS *");
}

static void an_emptied_foreign_stream_is_nothing(void **state)
{
    struct rig *rig = *state;
    cli(rig, "XADD stream:f:c 5-1 data {}");
    cli(rig, "XDEL stream:f:c 5-1");
    rig_put(rig, "c");
}

static void a_key_of_another_type_is_foreign_and_stays(void **state)
{
    struct rig *rig = *state;
    cli(rig, "SET stream:f:c mine");
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_FOREIGN);
    assert_int_equal(out.view.stream, STREAM_BROKEN);
    assert_repeatable(rig, &in, &out);
    assert_cli(rig, "mine", "GET stream:f:c");
}

static void a_stream_whose_ids_leave_no_room_is_foreign(void **state)
{
    struct rig *rig = *state;
    static const char *const ids[] = {"18446744073709551615-1", "5-18446744073709551615",
                                      "9007199254740992-0"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct enqueue in = question_with("c", "{}");
        cli(rig, "DEL stream:f:c");
        cli(rig, "XADD stream:f:c %s data x", ids[i]);
        put_in(rig, &in, ENQUEUE_FOREIGN);
        assert_cli(rig, "stream:f:c", "KEYS *");
    }
}

/* Limits. */
static void a_queue_is_full_by_count_delayed_ones_included(void **state)
{
    struct rig *rig = *state;
    rig->settings.queue_max_waiting = 2;
    struct claim c = rig_run(rig, "a");
    rig_failed(rig, &c);
    rig_put(rig, "b");
    struct enqueue in = question("c");
    struct enqueued out = put_in(rig, &in, ENQUEUE_FULL);
    assert_string_equal(out.job, "");
    assert_int_equal(out.view.stream, STREAM_NONE);
    assert_repeatable(rig, &in, &out);
    struct enqueue joins = question("b");
    put_in(rig, &joins, ENQUEUE_JOINED);
    rig_take(rig, "w1");
    put_in(rig, &in, ENQUEUE_STARTED);
}

static void a_queue_is_full_by_bytes(void **state)
{
    struct rig *rig = *state;
    rig->settings.queue_max_bytes = 10;
    struct enqueue one = question_with("a", "123456"), two = question_with("b", "12345"),
                   three = question_with("c", "1234");
    put_in(rig, &one, ENQUEUE_STARTED);
    put_in(rig, &two, ENQUEUE_FULL);
    put_in(rig, &three, ENQUEUE_STARTED);
    assert_cli(rig, "10", "HGET queue:default bytes");
}

static void a_feature_goes_to_its_route(void **state)
{
    struct rig *rig = *state;
    cli(rig, "HSET routes f slow");
    struct enqueued out = rig_put(rig, "c");
    assert_cli(rig, "slow", "HGET job:%s queue", out.job);
    assert_cli(rig, out.job, "LRANGE queue:slow:5:f 0 -1");
    assert_int_equal(rig_claim(rig, "w1", 1).count, 0);
    rig->settings.worker_queues = "slow";
    assert_int_equal(rig_claim(rig, "w1", 1).count, 1);
}

static void a_feature_of_the_file_goes_to_its_own_queue_unless_it_has_a_route(void **state)
{
    struct rig *rig = *state;
    struct enqueue in = question_with("c", "{}"), plain = question_with("d", "{}");
    in.queue = "llm";
    struct enqueued out = put_in(rig, &in, ENQUEUE_STARTED);
    assert_cli(rig, "llm llm", "HMGET job:%s queue own_queue", out.job);
    assert_cli(rig, out.job, "LRANGE queue:llm:5:f 0 -1");
    assert_cli(rig, "llm", "SMEMBERS queues");
    assert_repeatable(rig, &in, &out);

    out = put_in(rig, &plain, ENQUEUE_STARTED);
    assert_cli(rig, "default (nil)", "HMGET job:%s queue own_queue", out.job);

    cli(rig, "HSET routes f slow");
    struct enqueue led = question_with("e", "{}");
    led.queue = "llm";
    out = put_in(rig, &led, ENQUEUE_STARTED);
    assert_cli(rig, "slow llm", "HMGET job:%s queue own_queue", out.job);
    assert_repeatable(rig, &led, &out);
}

static void a_prefix_begins_every_key(void **state)
{
    struct rig *rig = *state;
    rig->settings.key_prefix = "leat:{1}:";
    struct redis *own = rig->redis;
    rig->redis = rig->queue.redis = rig_connect(rig);
    rig_put(rig, "c");
    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 1);
    rig_done(rig, &c, 1);
    const char *keys = cli(rig, "KEYS *");
    for (const char *at = keys; *at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : "")
        assert_memory_equal(at, "leat:{1}:", 9);
    redis_free(rig->redis);
    rig->redis = rig->queue.redis = own;
}

/* One answer per question. */
struct crowd {
    size_t answers, started, joined;
    char job[JOB_ID_SIZE];
    bool agree;
};

static void on_crowd(void *arg, enum status status, const struct enqueue_result *result)
{
    struct crowd *crowd = arg;
    assert_int_equal(status, STATUS_OK);
    if (crowd->answers++ == 0)
        snprintf(crowd->job, sizeof crowd->job, "%s", result->job);
    crowd->agree &= strcmp(crowd->job, result->job) == 0;
    crowd->started += result->outcome == ENQUEUE_STARTED;
    crowd->joined += result->outcome == ENQUEUE_JOINED;
}

static bool all_answered(void *arg)
{
    return ((struct crowd *)arg)->answers == 64;
}

static void sixty_four_equal_questions_at_once_start_one_job(void **state)
{
    struct rig *rig = *state;
    struct queue queues[4];
    struct crowd crowd = {.agree = true};
    for (size_t i = 0; i < COUNT_OF(queues); i++)
        queues[i] = (struct queue){rig_connect(rig), &rig->settings};
    for (size_t i = 0; i < 64; i++) {
        struct enqueue in = question_with("c", "{}");
        assert_int_equal(queue_enqueue(&queues[i % 4], &in, on_crowd, &crowd), STATUS_OK);
    }
    assert_true(await(&rig->loop, all_answered, &crowd, AWAIT_MS));
    assert_int_equal(crowd.started, 1);
    assert_int_equal(crowd.joined, 63);
    assert_true(crowd.agree);
    assert_cli(rig, "1", "LLEN queue:default:5:f");
    assert_cli(rig, "1", "XLEN stream:f:c");
    for (size_t i = 0; i < COUNT_OF(queues); i++)
        redis_free(queues[i].redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_first_question_starts_a_job),
        RIG_TEST(a_waiting_jobs_keys_do_not_expire),
        RIG_TEST(a_question_without_a_body_has_no_payload),
        RIG_TEST(a_plain_question_joins_a_job_in_every_state),
        RIG_TEST(a_plain_question_joins_a_cancelled_answer_too),
        RIG_TEST(a_plain_question_joins_a_live_job_whose_stream_is_lost),
        RIG_TEST(a_stream_of_ours_that_will_never_end_does_not_count),
        RIG_TEST(the_same_body_joins_while_waiting_delayed_running_and_done),
        RIG_TEST(the_same_body_starts_anew_after_cancelled_expired_and_dead),
        RIG_TEST(another_body_is_told_who_is_busy),
        RIG_TEST(a_body_is_another_question_than_none),
        RIG_TEST(a_replaced_waiting_job_leaves_its_line),
        RIG_TEST(a_replaced_running_job_loses_its_owner),
        RIG_TEST(a_replaced_delayed_job_is_not_promoted),
        RIG_TEST(an_ended_jobs_stream_gives_way_to_the_next_question),
        RIG_TEST(ids_grow_also_where_the_clock_went_back),
        RIG_TEST(a_key_is_the_identity_instead_of_the_body),
        RIG_TEST(a_key_never_starts_a_second_job_whatever_became_of_the_first),
        RIG_TEST(a_key_with_another_body_is_refused),
        RIG_TEST(a_key_counts_for_its_chat_only),
        RIG_TEST(a_forgotten_key_starts_again_once_the_job_has_ended),
        RIG_TEST(a_foreign_stream_is_joined_by_plain_questions_only),
        RIG_TEST(an_emptied_foreign_stream_is_nothing),
        RIG_TEST(a_key_of_another_type_is_foreign_and_stays),
        RIG_TEST(a_stream_whose_ids_leave_no_room_is_foreign),
        RIG_TEST(a_queue_is_full_by_count_delayed_ones_included),
        RIG_TEST(a_queue_is_full_by_bytes),
        RIG_TEST(a_feature_goes_to_its_route),
        RIG_TEST(a_feature_of_the_file_goes_to_its_own_queue_unless_it_has_a_route),
        RIG_TEST(a_prefix_begins_every_key),
        RIG_TEST(sixty_four_equal_questions_at_once_start_one_job),
    };
    return RIG_MAIN(tests);
}
