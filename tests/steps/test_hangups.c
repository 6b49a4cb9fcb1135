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

static int begin(void **state)
{
    rig_fresh(state);
    rig = *state;
    stops = (struct stops){0};
    hub = hub_new(&rig->loop, &rig->settings, &rig->queue);
    assert_non_null(hub);
    hangups = hangups_new(&rig->loop, hub, &rig->queue, &stops);
    assert_non_null(hangups);
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
    look_at(left(job.job));
    hangups_note(hangups, "f", "c", job.job); /* it is under way: nothing is to be set */
    hangups_back(hangups, job.job);           /* nor taken back */
    assert_int_equal(hangups->count, 1);
    hangups_free(hangups);
    hangups = NULL;
    assert_true(await(&rig->loop, is_cancelled, NULL, AWAIT_MS));
}

static void without_redis_it_is_tried_so_often_and_then_given_up(void **state)
{
    (void)state;
    struct enqueued job = rig_put(rig, "c");
    struct redis *away =
        redis_new(&(struct redis_options){.loop = &rig->loop, .settings = &rig->settings});
    const struct queue nowhere = {.redis = away, .settings = &rig->settings};
    assert_non_null(away);
    hangups->queue = &nowhere;
    struct hangup *one = left(job.job);
    for (unsigned i = 1; i < TRIES_MOST; i++) {
        look_at(one);
        assert_false(one->asked);
        assert_true(wheel_is_set(&one->alarm));
        assert_int_equal(one->tries, i);
    }
    look_at(one);
    assert_int_equal(hangups->count, 0);
    redis_free(away);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        HANGUPS_TEST(a_job_that_its_client_left_is_cancelled_and_forgotten),
        HANGUPS_TEST(whoever_comes_back_keeps_it),
        HANGUPS_TEST(a_job_that_is_over_already_is_no_stop),
        HANGUPS_TEST(an_answer_may_come_after_the_object_has_gone),
        HANGUPS_TEST(without_redis_it_is_tried_so_often_and_then_given_up),
        HANGUPS_TEST(so_many_wait_and_no_more),
    };
    return RIG_MAIN(tests);
}
