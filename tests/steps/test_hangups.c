/*
 * test_hangups.c: jobs that end with the last of their clients, over a real Redis.
 *
 * When a job is looked at is the wheel's business; the tests look at once, so hangups.c is
 * compiled in here.
 */
#include "hangups.c"

#include "rig.h"

static struct rig *rig;
static struct hub *hub;
static struct stops stops;
static struct hangups *hangups;

static bool is_listening(void *arg)
{
    const struct hangups *h = arg;
    return others_listening(h->others) != 0;
}

static struct hangups *made(struct hub *of, const struct queue *queue)
{
    struct hangups *h = hangups_new(&rig->loop, &rig->settings, of, queue, &stops);
    assert_non_null(h);
    assert_true(await(&rig->loop, is_listening, h, AWAIT_MS));
    return h;
}

static int begin(void **state)
{
    rig_fresh(state);
    rig = *state;
    stops = (struct stops){0};
    hub = hub_new(&rig->loop, &rig->settings, &rig->queue);
    assert_non_null(hub);
    hangups = made(hub, &rig->queue);
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    hangups_free(hangups);
    hub_free(hub);
    return 0;
}

static bool is_cancelled(void *arg)
{
    (void)arg;
    return rig_look(rig, "c").state == JOB_CANCELLED;
}

static bool are_none(void *arg)
{
    (void)arg;
    return hangups->count == 0;
}

static struct hangup *left(const char *job)
{
    hangups_note(hangups, "f", "c", job);
    struct hangup *one = find(hangups, job);
    assert_non_null(one);
    return one;
}

static void asked_in_vain(struct hangup *one)
{
    one->listening = others_listening(one->of->others);
    one->rounds = ROUNDS - 1;
    enter(one, LISTENING, HANGUPS_ANSWER_MS);
}

/* All others have the first question. */
static bool is_second_heard(void *arg)
{
    const struct hangup *one = arg;
    return one->rounds == 1 && one->state == LISTENING;
}

static bool is_heard(void *arg)
{
    return ((const struct hangup *)arg)->state == LISTENING;
}

/* ---- */

static void a_job_that_its_client_left_is_cancelled_and_forgotten(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    left(job.job);
    hangups_note(hangups, "f", "c", job.job);
    assert_int_equal(hangups->count, 1);
    assert_true(await(&rig->loop, is_cancelled, NULL, AWAIT_MS));
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
    assert_string_equal(stops.newest[0].job, job.job);
}

static void whoever_comes_back_keeps_it(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    left(job.job);
    hangups_back(hangups, job.job);
    hangups_back(hangups, "another");
    assert_int_equal(hangups->count, 0);
}

static void a_job_that_is_over_already_is_no_stop(void **state)
{
    (void)state;
    struct claim job = rig_run(rig, "c");
    assert_int_equal(rig_done(rig, &job, 0).status, STATUS_OK);
    look_at(left(job.id));
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
    assert_string_equal(stops.newest[0].job, "");
    assert_int_equal(rig_look(rig, "c").state, JOB_DONE);
}

static void an_answer_may_come_after_the_object_has_gone(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct hangup *one = left(job.job);
    asked_in_vain(one);
    look_at(one);
    assert_int_equal(one->state, CANCELLING);
    hangups_note(hangups, "f", "c", job.job); /* it is under way: nothing is to be set */
    hangups_back(hangups, job.job);           /* nor taken back */
    assert_int_equal(hangups->count, 1);
    hangups_free(hangups);
    hangups = NULL;
    assert_true(await(&rig->loop, is_cancelled, NULL, AWAIT_MS));
}

static void who_comes_while_the_others_are_asked_keeps_it(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct hangup *one = left(job.job);
    look_at(one);
    assert_int_equal(one->state, ASKING);
    hangups_back(hangups, job.job);
    assert_int_equal(hangups->count, 0);
    one = left(job.job);
    look_at(one);
    hangups_note(hangups, "f", "c", job.job); /* it came, and left again: the two seconds begin */
    assert_int_equal(one->state, WAITING);
    look_at(one);
    hangups_free(hangups);
    hangups = NULL;
    assert_int_equal(rig_look(rig, "c").state, JOB_WAITING);
}

/* Another loop's, or another gateway's: it has a hub and a connection of its own. */
static struct hub *elsewhere;
static struct hangups *there;

static int begin_two(void **state)
{
    begin(state);
    elsewhere = hub_new(&rig->loop, &rig->settings, &rig->queue);
    assert_non_null(elsewhere);
    there = made(elsewhere, &rig->queue);
    return 0;
}

static int end_two(void **state)
{
    hangups_free(there);
    hub_free(elsewhere);
    return end_test(state);
}

static void join_there(struct follower *f, const char *job)
{
    struct chat_view view = rig_look(rig, "c");
    *f = (struct follower){0};
    snprintf(f->job, sizeof f->job, "%s", job);
    assert_int_equal(hub_join(elsewhere, f, "f", "c", &view, (struct entry_id){0}), STATUS_OK);
    hangups_back(there, job);
}

static void who_follows_elsewhere_keeps_it(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct follower f;
    join_there(&f, job.job);
    look_at(left(job.job));
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
    assert_int_equal(rig_look(rig, "c").state, JOB_WAITING);
    hub_leave(&f);
    look_at(left(job.job));
    assert_true(await(&rig->loop, is_cancelled, NULL, AWAIT_MS));
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
}

static void who_comes_elsewhere_just_then_keeps_it(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct follower f;
    struct hangup *one = left(job.job);
    look_at(one);
    assert_true(await(&rig->loop, is_second_heard, one, AWAIT_MS));
    enter(one, LISTENING, AWAIT_MS); /* until it hears what is said now */
    join_there(&f, job.job);
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
    assert_int_equal(rig_look(rig, "c").state, JOB_WAITING);
    hub_leave(&f);
}

static void who_has_just_left_elsewhere_has_its_own_two_seconds(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    hangups_note(there, "f", "c", job.job);
    look_at(left(job.job));
    assert_true(await(&rig->loop, are_none, NULL, AWAIT_MS));
    assert_int_equal(there->count, 1);
    assert_int_equal(rig_look(rig, "c").state, JOB_WAITING);
    assert_true(await(&rig->loop, is_cancelled, NULL, AWAIT_MS));
}

static void an_answer_that_could_not_be_heard_is_none(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct hangup *one = left(job.job);
    look_at(one);
    assert_true(await(&rig->loop, is_heard, one, AWAIT_MS));
    enter(one, LISTENING, AWAIT_MS);
    one->rounds = ROUNDS - 1;
    assert_true(cli_number(rig, "CLIENT KILL TYPE pubsub") > 0);
    while (others_listening(hangups->others) == one->listening)
        uv_run(&rig->loop, UV_RUN_ONCE);
    look_at(one);
    assert_int_equal(one->state, WAITING);
    assert_int_equal(one->tries, 1);
}

static void a_question_that_is_not_heard_is_asked_again(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct hangup *one = left(job.job);
    look_at(one);
    assert_int_equal(one->state, ASKING);
    look_at(one);
    assert_int_equal(one->state, WAITING);
    assert_int_equal(one->tries, 1);
}

static void say(const char *text)
{
    const char *words[] = {"PUBLISH", "gateways", text};
    const size_t lengths[] = {7, 8, strlen(text)};
    assert_int_equal(redis_send(rig->redis, 3, words, lengths, NULL, NULL), STATUS_OK);
}

static bool is_one_left(void *arg)
{
    (void)arg;
    return hangups->count == 1;
}

/* What is heard comes in its order: once the last is heard, so are those before it. */
static void what_is_not_ours_is_passed_over(void **state)
{
    static const char *const rubbish[] = {
        "",
        " ",
        "who",
        "here",
        "here ",
        "who  ",
        "here a b",
        "here here here here",
        "nope",
        "who a",
        "who a b",
        "here\ta",
        "who a b c d",
    };
    (void)state;
    left("a");
    enter(left("last"), ASKING, 60000);
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        say(rubbish[i]);
    }
    for (size_t length = 30; length < 400; length++) {
        char text[420];
        snprintf(text, sizeof text, "here %0*d", (int)length, 0);
        say(text);
        snprintf(text, sizeof text, "who a %0*d b", (int)length, 0);
        say(text);
    }
    say("here last");
    assert_true(await(&rig->loop, is_one_left, NULL, AWAIT_MS));
    assert_non_null(find(hangups, "a"));
}

static void without_redis_it_is_tried_so_often_and_then_given_up(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct settings wrong = rig->settings;
    wrong.redis_socket = "/nobody/listens/here";
    struct redis *away =
        redis_new(&(struct redis_options){.loop = &rig->loop, .settings = &wrong, .name = "away"});
    const struct queue nowhere = {.redis = away, .settings = &wrong};
    assert_non_null(away);
    hangups_free(hangups);
    hangups = made(hub, &nowhere);
    struct hangup *one = left(job.job);
    for (unsigned i = 1; i < TRIES_MOST; i++) {
        if (i % 2)
            asked_in_vain(one);
        look_at(one);
        assert_int_equal(one->state, WAITING);
        assert_true(wheel_is_set(&one->alarm));
        assert_int_equal(one->tries, i);
    }
    look_at(one);
    assert_int_equal(hangups->count, 0);
    hangups_free(hangups);
    hangups = NULL;
    redis_free(away);
}

static void who_cannot_hear_the_others_does_not_cancel(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    hangups_free(hangups);
    hangups = hangups_new(&rig->loop, &rig->settings, hub, &rig->queue, &stops);
    struct hangup *one = left(job.job); /* the loop has not turned yet: there is no connection */
    assert_int_equal(others_listening(hangups->others), 0);
    look_at(one);
    assert_int_equal(one->state, WAITING);
    assert_int_equal(one->tries, 1);
}

static void so_many_wait_and_no_more(void **state)
{
    char job[JOB_ID_SIZE];
    (void)state;
    for (size_t i = 0; i < HANGUPS_MOST + 1; i++) {
        snprintf(job, sizeof job, "%zu", i);
        hangups_note(hangups, "f", "c", job);
    }
    assert_int_equal(hangups->count, HANGUPS_MOST);
    assert_null(find(hangups, job));
}

#define HANGUPS_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end_test)
#define TWO_TEST(test) cmocka_unit_test_setup_teardown(test, begin_two, end_two)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANGUPS_TEST(a_job_that_its_client_left_is_cancelled_and_forgotten),
        HANGUPS_TEST(whoever_comes_back_keeps_it),
        HANGUPS_TEST(a_job_that_is_over_already_is_no_stop),
        HANGUPS_TEST(an_answer_may_come_after_the_object_has_gone),
        HANGUPS_TEST(who_comes_while_the_others_are_asked_keeps_it),
        TWO_TEST(who_follows_elsewhere_keeps_it),
        TWO_TEST(who_comes_elsewhere_just_then_keeps_it),
        TWO_TEST(who_has_just_left_elsewhere_has_its_own_two_seconds),
        HANGUPS_TEST(an_answer_that_could_not_be_heard_is_none),
        HANGUPS_TEST(a_question_that_is_not_heard_is_asked_again),
        HANGUPS_TEST(what_is_not_ours_is_passed_over),
        HANGUPS_TEST(who_cannot_hear_the_others_does_not_cancel),
        HANGUPS_TEST(without_redis_it_is_tried_so_often_and_then_given_up),
        HANGUPS_TEST(so_many_wait_and_no_more),
    };
    return RIG_MAIN(tests);
}
