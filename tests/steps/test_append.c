/*
 * The step "append": a contiguous prefix, once, by its owner only; and what it does where Redis or
 * somebody else changed the stream underneath.
 */
#include "rig.h"

static void assert_append(struct rig *rig, const struct claim *c, uint64_t first, size_t count,
                          enum append_outcome outcome, uint64_t last)
{
    struct appended out = rig_append(rig, c, first, count);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.outcome, outcome);
    assert_int_equal(out.last, last);
}

/* The stream is the attempt's marker (written anew or not) and messages 1 to last. */
static void assert_whole(struct rig *rig, const struct claim *c, uint64_t last, const char *reason)
{
    uint64_t a = c->told.attempt;
    const char *first = cli(rig, "HGET job:%s first", c->id);
    const char *text = text_of("(%" PRIu64 "-0 (type start job %s first %s attempt %" PRIu64
                               " reason %s worker w1))",
                               a, c->id, first, c->told.number, reason);
    for (uint64_t n = 1; n <= last; n++)
        text = text_of("%s (%" PRIu64 "-%" PRIu64 " (data m%" PRIu64 "))", text, a, n, n);
    assert_string_equal(rig_stream(rig, c->chat), text);
}

static void messages_are_numbered_without_a_hole(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 1, APPEND_OK, 1);
    assert_append(rig, &c, 2, 5, APPEND_OK, 6);
    assert_whole(rig, &c, 6, "''");
    assert_cli(rig, "6", "HGET job:%s last", c.id);
}

static void a_repeat_adds_nothing(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_append(rig, &c, 2, 1, APPEND_OK, 3);
    assert_whole(rig, &c, 3, "''");
}

static void a_partial_repeat_adds_what_is_missing(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_append(rig, &c, 2, 4, APPEND_OK, 5);
    assert_whole(rig, &c, 5, "''");
}

static void a_hole_is_refused(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    assert_append(rig, &c, 4, 1, APPEND_GONE, 2);
    assert_whole(rig, &c, 2, "''");
}

static void an_empty_append_looks_only(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 0, APPEND_OK, 0);
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    char *before = rig_dump(rig);
    assert_append(rig, &c, 3, 0, APPEND_OK, 2);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
    cli(rig, "DEL stream:f:c");
    assert_append(rig, &c, 3, 0, APPEND_GONE, 0);
}

static void on_bytes(void *arg, enum status status, const struct append_result *result)
{
    assert_int_equal(status, STATUS_OK);
    *(bool *)arg = result->status == STATUS_OK && result->outcome == APPEND_OK;
}

static void a_message_may_hold_every_byte(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    struct holding holding = hold(&c);
    struct message message = {"a\0b\r\n\xff", 6};
    bool done = false;
    struct append append = {1, &message, 1};
    assert_int_equal(queue_append(&rig->queue, &holding, &append, 1, on_bytes, &done), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &done, AWAIT_MS));
    assert_cli(rig, "6 97 0 98 13 10 255",
               "EVAL 'local d = redis.call(\"XREVRANGE\",\"stream:f:c\",\"+\",\"-\",\"COUNT\",1)"
               "[1][2][2] return {#d,string.byte(d,1,-1)}' 0");
}

/* Fencing. */
static void nobody_but_the_owner_writes(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c"), other = c;
    snprintf(other.owner, sizeof other.owner, "w2:%" PRIu64, c.told.attempt);
    assert_append(rig, &other, 1, 1, APPEND_FENCED, 0);
    assert_whole(rig, &c, 0, "''");
}

static void a_worker_whose_lease_was_reaped_is_fenced(void **state)
{
    struct rig *rig = *state;
    struct claim old = rig_run(rig, "c");
    assert_append(rig, &old, 1, 2, APPEND_OK, 2);
    cli(rig, "ZADD queue:default:running 1 %s", old.id);
    assert_int_equal(rig_reap(rig).result.died, 1);
    assert_append(rig, &old, 3, 1, APPEND_FENCED, 0);
    struct claim again = rig_take(rig, "w1");
    assert_append(rig, &old, 3, 1, APPEND_FENCED, 0);
    assert_append(rig, &again, 1, 1, APPEND_OK, 1);
    assert_whole(rig, &again, 1, "retry");
}

static void after_every_end_the_owner_is_fenced(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    rig_cancel(rig, "c", "");
    assert_append(rig, &c, 1, 1, APPEND_FENCED, 0);
    c = rig_run(rig, "d");
    rig_done(rig, &c, 0);
    assert_append(rig, &c, 1, 1, APPEND_FENCED, 0);
    c = rig_run(rig, "e");
    rig_failed(rig, &c);
    assert_append(rig, &c, 1, 1, APPEND_FENCED, 0);
    c = rig_run(rig, "g");
    cli(rig, "DEL job:%s", c.id);
    assert_append(rig, &c, 1, 1, APPEND_FENCED, 0);
}

/* Others in the stream. */
static void an_entry_of_somebody_else_ends_the_attempt(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    cli(rig, "XADD stream:f:c * data theirs");
    assert_append(rig, &c, 3, 1, APPEND_FOREIGN, 0);
    assert_append(rig, &c, 1, 3, APPEND_FOREIGN, 0);
    assert_cli(rig, "4", "XLEN stream:f:c");
}

static void an_entry_of_somebody_else_within_our_millisecond_too(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    cli(rig, "XADD stream:f:c %" PRIu64 "-3 data theirs", c.told.attempt);
    assert_append(rig, &c, 3, 1, APPEND_FOREIGN, 0);
    cli(rig, "XDEL stream:f:c %" PRIu64 "-1", c.told.attempt);
    assert_append(rig, &c, 3, 1, APPEND_FOREIGN, 0);
}

static void a_stream_that_somebody_else_made_instead_is_foreign(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "DEL stream:f:c");
    cli(rig, "XADD stream:f:c %" PRIu64 "-0 data theirs", c.told.attempt + 1);
    assert_append(rig, &c, 1, 1, APPEND_FOREIGN, 0);
}

static void an_entry_taken_from_the_middle_ends_the_attempt(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    cli(rig, "XDEL stream:f:c %" PRIu64 "-2", c.told.attempt);
    assert_append(rig, &c, 4, 1, APPEND_FOREIGN, 0);
    c = rig_run(rig, "d");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    cli(rig, "XTRIM stream:f:d MAXLEN 2");
    assert_append(rig, &c, 4, 1, APPEND_FOREIGN, 0);
}

/* Loss. */
static void a_lost_stream_is_made_anew_under_the_same_ids(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 5, APPEND_OK, 5);
    cli(rig, "DEL stream:f:c");
    assert_append(rig, &c, 6, 1, APPEND_GONE, 0);
    assert_cli(rig, "0", "EXISTS stream:f:c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_cli(rig, "3", "HGET job:%s last", c.id);
    assert_append(rig, &c, 4, 3, APPEND_OK, 6);
    assert_whole(rig, &c, 6, "history_lost");
    assert_about(rig_ttl(rig, "stream:f:c"), 60000, 5000);
}

static void a_stream_lost_before_its_first_message_is_made_anew_at_once(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "DEL stream:f:c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    assert_whole(rig, &c, 2, "history_lost");
}

static void a_stream_emptied_by_hand_is_a_lost_one(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    cli(rig, "XTRIM stream:f:c MAXLEN 0");
    assert_append(rig, &c, 3, 1, APPEND_GONE, 0);
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_whole(rig, &c, 3, "history_lost");
}

static void a_key_of_another_type_is_a_lost_stream(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    cli(rig, "SET stream:f:c x");
    assert_append(rig, &c, 3, 1, APPEND_GONE, 0);
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_whole(rig, &c, 3, "history_lost");
}

/* Redis would refuse the ids of what was deleted: so all of it is written again. */
static void a_stream_whose_tail_was_deleted_by_hand_is_a_lost_one(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 5, APPEND_OK, 5);
    cli(rig, "XDEL stream:f:c %" PRIu64 "-4 %" PRIu64 "-5", c.told.attempt, c.told.attempt);
    assert_append(rig, &c, 6, 1, APPEND_GONE, 0);
    assert_append(rig, &c, 1, 4, APPEND_OK, 4);
    assert_cli(rig, "4", "HGET job:%s last", c.id);
    assert_append(rig, &c, 5, 2, APPEND_OK, 6);
    assert_whole(rig, &c, 6, "history_lost");
}

/* The answer about 4 and 5 was lost; then the stream is as long as before them. */
static void messages_that_were_deleted_before_they_were_told_of_are_a_lost_tail(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_append(rig, &c, 4, 2, APPEND_OK, 5);
    cli(rig, "XDEL stream:f:c %" PRIu64 "-4 %" PRIu64 "-5", c.told.attempt, c.told.attempt);
    assert_append(rig, &c, 4, 2, APPEND_GONE, 0);
    assert_append(rig, &c, 1, 5, APPEND_OK, 5);
    assert_whole(rig, &c, 5, "history_lost");
}

/* As after a crash or a fail-over: the stream, and the hash or not, as they were a moment ago. */
static void a_tail_that_redis_lost_is_written_again(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    cli(rig, "COPY stream:f:c old");
    cli(rig, "COPY job:%s oldjob", c.id);
    assert_append(rig, &c, 4, 2, APPEND_OK, 5);
    cli(rig, "COPY old stream:f:c REPLACE");
    assert_append(rig, &c, 6, 1, APPEND_GONE, 3);
    assert_append(rig, &c, 4, 3, APPEND_OK, 6);
    assert_whole(rig, &c, 6, "''");

    cli(rig, "COPY old stream:f:c REPLACE");
    cli(rig, "COPY oldjob job:%s REPLACE", c.id);
    assert_append(rig, &c, 7, 1, APPEND_GONE, 3);
    assert_append(rig, &c, 4, 4, APPEND_OK, 7);
    assert_whole(rig, &c, 7, "''");
}

static void a_stream_from_before_the_attempt_is_a_lost_one(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "c");
    cli(rig, "COPY stream:f:c old");
    struct claim c = rig_take(rig, "w1");
    assert_append(rig, &c, 1, 2, APPEND_OK, 2);
    cli(rig, "COPY old stream:f:c REPLACE");
    assert_append(rig, &c, 3, 1, APPEND_GONE, 0);
    assert_append(rig, &c, 1, 3, APPEND_OK, 3);
    assert_whole(rig, &c, 3, "history_lost");
}

/* Expiry. */
static void an_append_extends_a_stream_only_when_half_its_time_is_over(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "c");
    cli(rig, "PEXPIRE stream:f:c 40000");
    assert_append(rig, &c, 1, 1, APPEND_OK, 1);
    assert_about(rig_ttl(rig, "stream:f:c"), 40000, 5000);
    cli(rig, "PEXPIRE stream:f:c 29000");
    assert_append(rig, &c, 2, 1, APPEND_OK, 2);
    assert_about(rig_ttl(rig, "stream:f:c"), 60000, 5000);
    cli(rig, "PERSIST stream:f:c");
    assert_append(rig, &c, 3, 1, APPEND_OK, 3);
    assert_about(rig_ttl(rig, "stream:f:c"), 60000, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(messages_are_numbered_without_a_hole),
        RIG_TEST(a_repeat_adds_nothing),
        RIG_TEST(a_partial_repeat_adds_what_is_missing),
        RIG_TEST(a_hole_is_refused),
        RIG_TEST(an_empty_append_looks_only),
        RIG_TEST(a_message_may_hold_every_byte),
        RIG_TEST(nobody_but_the_owner_writes),
        RIG_TEST(a_worker_whose_lease_was_reaped_is_fenced),
        RIG_TEST(after_every_end_the_owner_is_fenced),
        RIG_TEST(an_entry_of_somebody_else_ends_the_attempt),
        RIG_TEST(an_entry_of_somebody_else_within_our_millisecond_too),
        RIG_TEST(a_stream_that_somebody_else_made_instead_is_foreign),
        RIG_TEST(an_entry_taken_from_the_middle_ends_the_attempt),
        RIG_TEST(a_lost_stream_is_made_anew_under_the_same_ids),
        RIG_TEST(a_stream_lost_before_its_first_message_is_made_anew_at_once),
        RIG_TEST(a_stream_emptied_by_hand_is_a_lost_one),
        RIG_TEST(a_key_of_another_type_is_a_lost_stream),
        RIG_TEST(a_stream_whose_tail_was_deleted_by_hand_is_a_lost_one),
        RIG_TEST(messages_that_were_deleted_before_they_were_told_of_are_a_lost_tail),
        RIG_TEST(a_tail_that_redis_lost_is_written_again),
        RIG_TEST(a_stream_from_before_the_attempt_is_a_lost_one),
        RIG_TEST(an_append_extends_a_stream_only_when_half_its_time_is_over),
    };
    return RIG_MAIN(tests);
}
