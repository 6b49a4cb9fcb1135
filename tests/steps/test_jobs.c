/*
 * Jobs that ask for something of their own (a delay, a priority, a retention), and what an operator
 * may do with them: look, page, stop, retry, drop.
 */
#include "admin.h"
#include "rig.h"

static const char *job(struct rig *rig, const char *id)
{
    return RIG_ASK(rig, admin_job, id);
}

static const char *page(struct rig *rig, enum job_state state, size_t limit, const char *cursor)
{
    const struct admin_page in = {"default", state, limit, cursor};
    return RIG_ASK(rig, admin_jobs, &in);
}

/* A job that is dead. */
static struct claim rig_bury(struct rig *rig, const char *chat, const char *body)
{
    struct enqueue in = question_with(chat, body);
    assert_int_equal(rig_enqueue(rig, &in).outcome, ENQUEUE_STARTED);
    struct claim c = rig_take(rig, "w1");
    struct finish finish = {
        .how = FINISH_FAILED, .reason = "exit", .detail = "status 1", .words = "w"};
    assert_int_equal(rig_finish(rig, &c, &finish).result.state, JOB_DEAD);
    return c;
}

/* ---- what a job asks for ---- */

static void a_delayed_job_waits_among_the_delayed_until_it_is_due(void **state)
{
    struct rig *rig = *state;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.delay_ms = 60000;
    struct enqueued put = rig_put_with(rig, "a", &options);
    assert_int_equal(put.state, JOB_DELAYED);
    assert_int_equal(put.view.state, JOB_DELAYED);
    assert_int_equal(rig_look(rig, "a").state, JOB_DELAYED);
    assert_about(cli_number(rig, "ZSCORE queue:default:delayed %s", put.job), rig_now(rig) + 60000,
                 5000);
    assert_cli(rig, "0", "EXISTS queue:default:deadlines queue:default:5 queue:default:5:f");
    assert_int_equal(rig_ttl(rig, "stream:f:a"), -1);
    struct claims none = rig_claim(rig, "w1", 5);
    assert_int_equal(none.count, 0);
    assert_about(none.due_in_ms, 60000, 5000);
    cli(rig, "ZADD queue:default:delayed 1 %s", put.job);
    assert_string_equal(rig_take(rig, "w1").id, put.job);
    assert_int_equal(rig_claim(rig, "w1", 5).due_in_ms, -1);
}

static void run_at_is_a_time_of_redis_and_one_that_is_over_is_now(void **state)
{
    struct rig *rig = *state;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.run_at_ms = rig_now(rig) + 90000;
    struct enqueued later = rig_put_with(rig, "a", &options);
    assert_cli(rig, text_of("%" PRId64, options.run_at_ms), "ZSCORE queue:default:delayed %s",
               later.job);
    options.run_at_ms = 1000;
    assert_int_equal(rig_put_with(rig, "b", &options).state, JOB_WAITING);
}

static void a_delay_of_less_than_a_second_wakes_those_who_wait_for_that_long(void **state)
{
    struct rig *rig = *state;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.delay_ms = 5000;
    rig_put_with(rig, "a", &options);
    assert_cli(rig, "0", "LLEN queue:default:wake");
    options.delay_ms = 500;
    rig_put_with(rig, "b", &options);
    assert_cli(rig, "1", "LLEN queue:default:wake");
}

static void a_delayed_job_joins_and_is_busy_like_any_other(void **state)
{
    struct rig *rig = *state;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.delay_ms = 60000;
    struct enqueued put = rig_put_with(rig, "a", &options);
    struct enqueue plain = question("a"), other = question_with("a", "1");
    assert_int_equal(rig_enqueue(rig, &plain).outcome, ENQUEUE_JOINED);
    struct enqueued busy = rig_enqueue(rig, &other);
    assert_int_equal(busy.outcome, ENQUEUE_BUSY);
    assert_string_equal(busy.job, put.job);
    assert_true(rig_cancel(rig, "a", "").result.was_alive);
    assert_cli(rig, "0", "EXISTS queue:default:delayed");
    assert_cli(rig, "0 0 0", "HMGET queue:default waiting bytes in");
}

static void bodies_of_delayed_jobs_count(void **state)
{
    struct rig *rig = *state;
    struct job_options options = JOB_OPTIONS_USUAL;
    options.delay_ms = 60000;
    struct enqueue in = question_with("a", "12345");
    in.options = &options;
    assert_int_equal(rig_enqueue(rig, &in).outcome, ENQUEUE_STARTED);
    assert_cli(rig, "0 5", "HMGET queue:default waiting bytes");
    rig->settings.queue_max_bytes = 7;
    struct enqueue more = question_with("b", "123");
    assert_int_equal(rig_enqueue(rig, &more).outcome, ENQUEUE_FULL);
    cli(rig, "ZADD queue:default:delayed 1 %s", in.id);
    assert_int_equal(rig_reap(rig).result.promoted, 1);
    assert_cli(rig, "1 5", "HMGET queue:default waiting bytes");
    rig_take(rig, "w1");
    assert_cli(rig, "0 0", "HMGET queue:default waiting bytes");
    assert_int_equal(rig_enqueue(rig, &more).outcome, ENQUEUE_STARTED);
}

static void the_most_urgent_comes_first(void **state)
{
    struct rig *rig = *state;
    static const int priorities[] = {0, 5, 9, 4};
    static const char *const chats[] = {"a", "b", "c", "d"};
    struct job_options options = JOB_OPTIONS_USUAL;
    for (size_t i = 0; i < COUNT_OF(chats); i++) {
        options.priority = priorities[i];
        rig_put_with(rig, chats[i], &options);
    }
    struct claims claims = rig_claim(rig, "w1", 4);
    assert_int_equal(claims.count, 4);
    assert_string_equal(claims.jobs[0].chat, "c");
    assert_string_equal(claims.jobs[1].chat, "b");
    assert_string_equal(claims.jobs[2].chat, "d");
    assert_string_equal(claims.jobs[3].chat, "a");
}

static void a_job_asks_for_its_own_limits(void **state)
{
    struct rig *rig = *state;
    const struct job_options options = {.priority = 7,
                                        .deadline_ms = 12345,
                                        .timeout_ms = 777,
                                        .max_attempts = 1,
                                        .retention_ms = 99000};
    struct enqueued put = rig_put_with(rig, "a", &options);
    assert_cli(rig, "7 12345 777 1 99000",
               "HMGET job:%s priority deadline_ms timeout_ms max_attempts retention_ms", put.job);
    struct claim c = rig_take(rig, "w1");
    assert_int_equal(c.told.timeout_ms, 777);
    assert_int_equal(c.told.max_attempts, 1);
    assert_int_equal(rig_failed(rig, &c).result.state, JOB_DEAD);
    assert_about(rig_ttl(rig, "stream:f:a"), 99000, 5000);
}

static void what_a_worker_says_of_its_type_counts_where_a_job_does_not_ask(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a");
    struct finish in = {.how = FINISH_FAILED, .reason = "exit", .detail = "", .retry = true};
    in.policy = (struct finish_policy){2, 5000000, 7000000};
    struct finished first = rig_finish(rig, &c, &in);
    assert_int_equal(first.result.state, JOB_DELAYED);
    assert_in_range(first.result.delay_ms, 0, 5000000);
    cli(rig, "ZADD queue:default:delayed 1 %s", c.id);
    c = rig_take(rig, "w1");
    assert_int_equal(rig_finish(rig, &c, &in).result.state, JOB_DEAD);
}

/* ---- jobs without a chat ---- */

static void a_job_without_a_chat_has_its_id_for_one(void **state)
{
    struct rig *rig = *state;
    struct enqueue in = question(NULL);
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    assert_cli(rig, out.job, "GET chat:f:%s", out.job);
    struct enqueued again = rig_enqueue(rig, &in);
    assert_int_equal(again.outcome, ENQUEUE_STARTED);
    assert_int_equal(again.state, JOB_WAITING);
    assert_string_equal(rig_take(rig, "w1").chat, out.job);
}

static void a_key_holds_for_jobs_without_a_chat_too(void **state)
{
    struct rig *rig = *state;
    struct enqueue first = question_with(NULL, "1"), second = question_with(NULL, "1"),
                   other = question_with(NULL, "2");
    first.key = second.key = other.key = "k";
    struct enqueued started = rig_enqueue(rig, &first), joined = rig_enqueue(rig, &second);
    assert_int_equal(joined.outcome, ENQUEUE_JOINED);
    assert_string_equal(joined.job, started.job);
    assert_string_equal(joined.view.job, started.job);
    assert_int_equal(joined.state, JOB_WAITING);
    assert_int_equal(rig_enqueue(rig, &other).outcome, ENQUEUE_KEY_REUSED);
    assert_cli(rig, "0", "EXISTS job:%s job:%s", second.id, other.id);
}

/* ---- looking ---- */

static void everything_that_is_known_of_a_job_is_told(void **state)
{
    struct rig *rig = *state;
    rig_put(rig, "z");
    struct enqueue in = question_with("a", "{\"big\":12345678901234567890}");
    rig_enqueue(rig, &in);
    const char *record = job(rig, in.id);
    assert_string_equal(rig_field(record, "state"), "waiting");
    assert_string_equal(rig_field(record, "feature_id"), "f");
    assert_string_equal(rig_field(record, "position"), "2");
    assert_string_equal(rig_field(record, "payload"), "{\"big\":12345678901234567890}");
    assert_string_equal(rig_field(record, "timeout_ms"), "");
    assert_about(strtoll(rig_field(record, "deadline"), NULL, 10), rig_now(rig) + 300000, 5000);
    rig_take(rig, "w1");
    struct claim c = rig_take(rig, "w1");
    rig_append(rig, &c, 1, 3);
    record = job(rig, in.id);
    assert_string_equal(rig_field(record, "state"), "running");
    assert_string_equal(rig_field(record, "worker"), "w1");
    assert_string_equal(rig_field(record, "messages"), "3");
    assert_string_equal(rig_field(record, "position"), "");
    assert_string_equal(job(rig, "00000000-0000-4000-8000-000000000000"), "");
}

static void a_dead_job_tells_its_payload_its_words_and_its_history(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_bury(rig, "a", "{\"q\":1}");
    const char *record = job(rig, c.id);
    assert_string_equal(rig_field(record, "state"), "dead");
    assert_string_equal(rig_field(record, "error"), "exit");
    assert_string_equal(rig_field(record, "words"), "w");
    assert_string_equal(rig_field(record, "payload"), "{\"q\":1}");
    assert_non_null(strstr(record, "\"reason\":\"exit\""));
    assert_non_null(strstr(record, "\"attempt\":1"));
}

/* Ids of all pages, one behind the other; *pages says how many there were. */
static const char *all_pages(struct rig *rig, enum job_state state, size_t limit, int *pages)
{
    static char ids[4096];
    char cursor[80] = "";
    ids[0] = '\0';
    *pages = 0;
    do {
        const char *answer = page(rig, state, limit, cursor), *at = answer;
        while ((at = strstr(at, "(id "))) {
            strncat(ids, at + 4, 36);
            at++;
        }
        snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(strchr(answer, ' ') + 1, " "),
                 strchr(answer, ' ') + 1);
        if (strcmp(cursor, "''") != 0)
            assert_true(admin_cursor_is_good(cursor));
        ++*pages;
    } while (strcmp(cursor, "''") != 0 && *pages < 20);
    return ids;
}

static void pages_show_each_job_once(void **state)
{
    struct rig *rig = *state;
    static const char *const chats[] = {"a", "b", "c", "d", "e", "g", "h"};
    struct job_options delayed = JOB_OPTIONS_USUAL;
    delayed.run_at_ms = rig_now(rig) + 60000; /* one score for all of them */
    for (size_t i = 0; i < COUNT_OF(chats); i++)
        rig_put_with(rig, chats[i], &delayed);
    int pages;
    assert_int_equal(strlen(all_pages(rig, JOB_DELAYED, 3, &pages)), 7 * 36);
    assert_int_equal(pages, 3);
    assert_int_equal(strlen(all_pages(rig, JOB_DELAYED, 7, &pages)), 7 * 36);
    assert_int_equal(pages, 1);
    assert_int_equal(strlen(all_pages(rig, JOB_WAITING, 3, &pages)), 0);
    for (size_t i = 0; i < COUNT_OF(chats); i++)
        cli(rig, "ZADD queue:default:delayed 1 %s", rig_look(rig, chats[i]).job);
    rig_reap(rig);
    assert_int_equal(strlen(all_pages(rig, JOB_WAITING, 2, &pages)), 7 * 36);
    rig_claim(rig, "w1", 7);
    assert_int_equal(strlen(all_pages(rig, JOB_RUNNING, 3, &pages)), 7 * 36);
    assert_int_equal(pages, 3);
    assert_string_equal(rig_field(page(rig, JOB_RUNNING, 1, ""), "payload"), "");
}

static void a_page_goes_on_where_its_last_job_stood_though_it_is_gone(void **state)
{
    struct rig *rig = *state;
    struct job_options delayed = JOB_OPTIONS_USUAL;
    delayed.run_at_ms = rig_now(rig) + 60000;
    for (char chat[] = "a"; chat[0] < 'f'; chat[0]++)
        rig_put_with(rig, chat, &delayed);
    char ids[5][40], cursor[80];
    for (int i = 0; i < 5; i++)
        snprintf(ids[i], sizeof ids[i], "%s", cli(rig, "ZRANGE queue:default:delayed %d %d", i, i));
    snprintf(cursor, sizeof cursor, "%" PRId64 ":%s", delayed.run_at_ms, ids[2]);
    cli(rig, "ZREM queue:default:delayed %s %s", ids[2], ids[0]);
    const char *rest = page(rig, JOB_DELAYED, 10, cursor);
    assert_non_null(strstr(rest, ids[3]));
    assert_non_null(strstr(rest, ids[4]));
    assert_null(strstr(rest, ids[1]));
}

static void a_cursor_is_an_id_or_a_score_and_an_id(void **state)
{
    (void)state;
    static const char id[] = "0b9d9ef5-54f3-4d3f-9e8f-1a6b7c8d9e0f";
    assert_true(admin_cursor_is_good(id));
    assert_true(admin_cursor_is_good(text_of("1759312800000:%s", id)));
    assert_false(admin_cursor_is_good(""));
    assert_false(admin_cursor_is_good("1759312800000"));
    assert_false(admin_cursor_is_good("1759312800000:x"));
    assert_false(admin_cursor_is_good(text_of(":%s", id)));
    assert_false(admin_cursor_is_good(text_of("12345678901234567:%s", id)));
    assert_false(admin_cursor_is_good(text_of("-1:%s", id)));
}

/* ---- stopping, dropping ---- */

struct stopped {
    struct stop_result result;
    bool answered;
};

static void on_stop(void *arg, enum status status, const struct stop_result *result)
{
    struct stopped *out = arg;
    assert_int_equal(status, STATUS_OK);
    out->result = *result;
    out->answered = true;
}

static struct stop_result stop(struct rig *rig, const char *id)
{
    struct stopped out = {0};
    assert_int_equal(queue_stop(&rig->queue, id, on_stop, &out), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &out.answered, AWAIT_MS));
    return out.result;
}

static void a_job_is_stopped_by_its_id_and_a_dead_one_dropped(void **state)
{
    struct rig *rig = *state;
    struct claim c = rig_run(rig, "a"), dead = rig_bury(rig, "b", "123");
    struct claim done = rig_run(rig, "c");
    rig_done(rig, &done, 0);
    assert_int_equal(stop(rig, c.id).outcome, STOP_CANCELLED);
    assert_true(rig_look(rig, "a").ended);
    struct stop_result again = stop(rig, c.id);
    assert_int_equal(again.outcome, STOP_ENDED);
    assert_int_equal(again.state, JOB_CANCELLED);
    assert_int_equal(stop(rig, done.id).state, JOB_DONE);
    assert_cli(rig, "3", "HGET queue:default dead_bytes");
    assert_int_equal(stop(rig, dead.id).outcome, STOP_DROPPED);
    assert_cli(rig, "0", "EXISTS job:%s queue:default:dead", dead.id);
    assert_cli(rig, "0", "HGET queue:default dead_bytes");
    assert_int_equal(stop(rig, dead.id).outcome, STOP_NONE);
}

static void the_oldest_dead_are_purged(void **state)
{
    struct rig *rig = *state;
    struct claim a = rig_bury(rig, "a", "1"), b = rig_bury(rig, "b", "22"),
                 c = rig_bury(rig, "c", "333");
    cli(rig, "ZADD queue:default:dead 1 %s 2 %s 3 %s", a.id, b.id, c.id);
    assert_string_equal(RIG_ASK(rig, admin_purge, "default", 2), "2 1");
    assert_cli(rig, "0", "EXISTS job:%s job:%s", a.id, b.id);
    assert_cli(rig, "3", "HGET queue:default dead_bytes");
    assert_string_equal(RIG_ASK(rig, admin_purge, "default", 100), "1 0");
    assert_string_equal(RIG_ASK(rig, admin_purge, "default", 100), "0 0");
}

static void the_dead_are_bounded_by_their_bytes_and_their_age(void **state)
{
    struct rig *rig = *state;
    rig->settings.dead_max_bytes = 5;
    struct claim a = rig_bury(rig, "a", "123");
    cli(rig, "ZINCRBY queue:default:dead -1000 %s", a.id);
    struct claim b = rig_bury(rig, "b", "456");
    assert_cli(rig, b.id, "ZRANGE queue:default:dead 0 -1");
    assert_cli(rig, "0 3",
               "EVAL 'return "
               "{redis.call(\"EXISTS\",\"job:%s\"),redis.call(\"HGET\",\"queue:default\",\"dead_"
               "bytes\")}' 0",
               a.id);
    cli(rig, "ZADD queue:default:dead 1 %s", b.id);
    rig_reap(rig);
    assert_cli(rig, "0", "EXISTS job:%s queue:default:dead", b.id);
    assert_cli(rig, "0", "HGET queue:default dead_bytes");
}

/* ---- retrying ---- */

struct retried {
    struct retry_result result;
    char job[JOB_ID_SIZE];
    bool answered;
};

static void on_retry(void *arg, enum status status, const struct retry_result *result)
{
    struct retried *out = arg;
    assert_int_equal(status, STATUS_OK);
    out->result = *result;
    snprintf(out->job, sizeof out->job, "%s", result->job);
    out->answered = true;
}

static struct retried retry(struct rig *rig, const char *id, const char *new)
{
    struct retried out = {0};
    assert_int_equal(queue_retry(&rig->queue, id, new, on_retry, &out), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &out.answered, AWAIT_MS));
    return out;
}

static void a_dead_job_is_retried_as_a_new_one(void **state)
{
    struct rig *rig = *state;
    struct claim dead = rig_bury(rig, "a", "{\"q\":1}");
    struct enqueue fresh = question("x"), second = question("y");
    cli(rig, "HSET job:%s usage:%" PRIu64 " {}", dead.id, dead.told.attempt);
    struct retried out = retry(rig, dead.id, fresh.id);
    assert_null(strstr(cli(rig, "HKEYS job:%s", fresh.id), "usage"));
    assert_int_equal(out.result.outcome, RETRY_STARTED);
    assert_string_equal(out.job, fresh.id);
    assert_int_equal(out.result.state, JOB_WAITING);
    assert_cli(rig, dead.id, "HGET job:%s retried_from", fresh.id);
    assert_cli(rig, text_of("%s (nil)", fresh.id), "HMGET job:%s retried_as payload", dead.id);
    assert_cli(rig, "0", "EXISTS queue:default:dead");
    assert_cli(rig, "0", "HGET queue:default dead_bytes");
    assert_about(rig_ttl(rig, "job:%s", dead.id), 3600000, 5000);
    char *before = rig_dump(rig);
    struct retried again = retry(rig, dead.id, second.id);
    assert_int_equal(again.result.outcome, RETRY_STARTED);
    assert_string_equal(again.job, fresh.id);
    char *after = rig_dump(rig);
    assert_string_equal(after, before);
    free(before);
    free(after);
    struct claim c = rig_take(rig, "w1");
    assert_string_equal(c.id, fresh.id);
    assert_string_equal(c.payload, "{\"q\":1}");
    assert_int_equal(c.told.number, 1);
    assert_true(c.told.attempt > dead.told.attempt);
    assert_int_equal(stop(rig, dead.id).outcome, STOP_ENDED);
}

static void a_retried_job_goes_to_the_queue_of_its_feature(void **state)
{
    struct rig *rig = *state;
    struct claim dead = rig_bury(rig, "a", "1");
    struct enqueue fresh = question("x");
    cli(rig, "HSET job:%s own_queue llm", dead.id);
    assert_int_equal(retry(rig, dead.id, fresh.id).result.outcome, RETRY_STARTED);
    assert_cli(rig, "llm llm", "HMGET job:%s queue own_queue", fresh.id);
    assert_cli(rig, fresh.id, "LRANGE queue:llm:5:f 0 -1");
}

static void a_retry_is_refused_where_it_makes_no_sense(void **state)
{
    struct rig *rig = *state;
    struct claim dead = rig_bury(rig, "a", "1");
    struct enqueue fresh = question("x"), next = question_with("a", "2");
    assert_int_equal(retry(rig, fresh.id, fresh.id).result.outcome, RETRY_NONE);
    rig_enqueue(rig, &next);
    struct retried busy = retry(rig, dead.id, fresh.id);
    assert_int_equal(busy.result.outcome, RETRY_BUSY);
    assert_string_equal(busy.job, next.id);
    assert_int_equal(retry(rig, next.id, fresh.id).result.outcome, RETRY_ALIVE);
    rig_cancel(rig, "a", "");
    rig->settings.queue_max_waiting = 1;
    rig_put(rig, "b");
    assert_int_equal(retry(rig, dead.id, fresh.id).result.outcome, RETRY_FULL);
    assert_cli(rig, dead.id, "ZRANGE queue:default:dead 0 -1");
}

/* Dead jobs of the chats c0, c1, …, a millisecond apart. Returns when the first of them died. */
static int64_t bury_many(struct rig *rig, char ids[][JOB_ID_SIZE], int count)
{
    int64_t at = rig_now(rig) - 1000;
    for (int i = 0; i < count; i++) {
        struct claim c = rig_bury(rig, text_of("c%d", i), "1");
        memcpy(ids[i], c.id, JOB_ID_SIZE);
        cli(rig, "ZADD queue:default:dead %" PRId64 " %s", at + i, c.id);
    }
    return at;
}

static void many_are_retried_page_by_page(void **state)
{
    struct rig *rig = *state;
    char ids[5][JOB_ID_SIZE];
    int64_t at = bury_many(rig, ids, 5);
    struct enqueue busy = question_with("c1", "2");
    rig_enqueue(rig, &busy);
    const char *first = RIG_ASK(rig, admin_retry, "default", "", 2);
    assert_string_equal(first, text_of("1 1 4 %" PRId64 ":%s 0", at + 1, ids[1]));
    assert_string_equal(
        RIG_ASK(rig, admin_retry, "default", text_of("%" PRId64 ":%s", at + 1, ids[1]), 100),
        "3 0 1 '' 0");
    assert_cli(rig, ids[1], "ZRANGE queue:default:dead 0 -1");
    assert_cli(rig, "5", "HGET queue:default waiting");
}

static void a_page_of_retries_that_fills_the_queue_says_where_to_go_on(void **state)
{
    struct rig *rig = *state;
    char ids[3][JOB_ID_SIZE];
    int64_t at = bury_many(rig, ids, 3);
    rig->settings.queue_max_waiting = 2;
    const char *cursor = text_of("%" PRId64 ":%s", at + 1, ids[1]);
    assert_string_equal(RIG_ASK(rig, admin_retry, "default", "", 100),
                        text_of("2 0 1 %s 1", cursor));
    assert_string_equal(RIG_ASK(rig, admin_retry, "default", cursor, 100),
                        text_of("0 0 1 %s 1", cursor));
    rig->settings.queue_max_waiting = 10;
    assert_string_equal(RIG_ASK(rig, admin_retry, "default", cursor, 100), "1 0 0 '' 0");
}

/* ---- ends in batches ---- */

struct ends {
    struct finish_result results[4];
    bool answered;
};

static void on_finished(void *arg, enum status status, const struct finish_result *results)
{
    struct ends *out = arg;
    assert_int_equal(status, STATUS_OK);
    memcpy(out->results, results, sizeof out->results);
    out->answered = true;
}

static void many_attempts_end_in_one_step(void **state)
{
    struct rig *rig = *state;
    struct claim a = rig_run(rig, "a"), b = rig_run(rig, "b"), c = rig_run(rig, "c"),
                 d = rig_run(rig, "d");
    rig_append(rig, &a, 1, 2);
    rig_cancel(rig, "d", "");
    const struct holding jobs[] = {hold(&a), hold(&b), hold(&c), hold(&d)};
    const struct finish in[] = {
        {.how = FINISH_DONE, .last = 2, .reason = "", .detail = ""},
        {.how = FINISH_FAILED,
         .reason = "exit",
         .detail = "x",
         .retry = true,
         .policy = rig_policy(rig)},
        {.how = FINISH_DIED, .reason = "signal", .detail = "y"},
        {.how = FINISH_DONE, .reason = "", .detail = ""},
    };
    struct ends out = {0};
    assert_int_equal(queue_finish(&rig->queue, jobs, in, 4, on_finished, &out), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &out.answered, AWAIT_MS));
    assert_int_equal(out.results[0].state, JOB_DONE);
    assert_int_equal(out.results[1].state, JOB_DELAYED);
    assert_int_equal(out.results[2].state, JOB_WAITING);
    assert_int_equal(out.results[3].outcome, FINISH_FENCED);
    assert_true(rig_look(rig, "a").ended);
    assert_cli(rig, "0", "EXISTS queue:default:running");
    assert_int_equal(rig_in_hand(rig, "w1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_delayed_job_waits_among_the_delayed_until_it_is_due),
        RIG_TEST(run_at_is_a_time_of_redis_and_one_that_is_over_is_now),
        RIG_TEST(a_delay_of_less_than_a_second_wakes_those_who_wait_for_that_long),
        RIG_TEST(a_delayed_job_joins_and_is_busy_like_any_other),
        RIG_TEST(bodies_of_delayed_jobs_count),
        RIG_TEST(the_most_urgent_comes_first),
        RIG_TEST(a_job_asks_for_its_own_limits),
        RIG_TEST(what_a_worker_says_of_its_type_counts_where_a_job_does_not_ask),
        RIG_TEST(a_job_without_a_chat_has_its_id_for_one),
        RIG_TEST(a_key_holds_for_jobs_without_a_chat_too),
        RIG_TEST(everything_that_is_known_of_a_job_is_told),
        RIG_TEST(a_dead_job_tells_its_payload_its_words_and_its_history),
        RIG_TEST(pages_show_each_job_once),
        RIG_TEST(a_page_goes_on_where_its_last_job_stood_though_it_is_gone),
        RIG_TEST(a_cursor_is_an_id_or_a_score_and_an_id),
        RIG_TEST(a_job_is_stopped_by_its_id_and_a_dead_one_dropped),
        RIG_TEST(the_oldest_dead_are_purged),
        RIG_TEST(the_dead_are_bounded_by_their_bytes_and_their_age),
        RIG_TEST(a_dead_job_is_retried_as_a_new_one),
        RIG_TEST(a_retried_job_goes_to_the_queue_of_its_feature),
        RIG_TEST(a_retry_is_refused_where_it_makes_no_sense),
        RIG_TEST(many_are_retried_page_by_page),
        RIG_TEST(a_page_of_retries_that_fills_the_queue_says_where_to_go_on),
        RIG_TEST(many_attempts_end_in_one_step),
    };
    return RIG_MAIN(tests);
}
