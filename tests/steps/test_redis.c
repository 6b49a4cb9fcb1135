/*
 * The connection: comes up, goes down, says so, and comes up again; each command answered once.
 */
#include "await.h"
#include "log.h"
#include "redis.h"
#include "redis_cli.h"
#include "redis_server.h"
#include "script.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server, a loop and a connection, of each test its own. */
struct bench {
    struct redis_server *server;
    uv_loop_t loop;
    struct settings settings;
    struct redis_options options;
    struct redis *redis;
    size_t ups, downs, refusals, messages;
    char refused[128], message[128];
};

static void on_state(void *arg, bool up)
{
    struct bench *b = arg;
    assert_int_equal(redis_is_up(b->redis), up);
    if (up)
        b->ups++;
    else
        b->downs++;
}

static void on_refused(void *arg, const char *words)
{
    struct bench *b = arg;
    b->refusals++;
    snprintf(b->refused, sizeof b->refused, "%s", words);
}

static void on_message(void *arg, const char *data, size_t length)
{
    struct bench *b = arg;
    b->messages++;
    snprintf(b->message, sizeof b->message, "%.*s", (int)length, data);
}

static struct bench *bench_new(const struct redis_server_options *options)
{
    struct buf error = {0};
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    log_open("test", LOG_LEVEL_NONE);
    assert_true(settings_load(&b->settings, (enum settings_user)0, &error));
    b->server = redis_server_new(options);
    b->settings.redis_socket = redis_server_socket(b->server);
    b->settings.redis_timeout_ms = 3000;
    uv_loop_init(&b->loop);
    b->options = (struct redis_options){.loop = &b->loop,
                                        .settings = &b->settings,
                                        .name = "leat-test",
                                        .arg = b,
                                        .on_state = on_state,
                                        .on_refused = on_refused,
                                        .on_message = on_message};
    return b;
}

static void connect_now(struct bench *b)
{
    b->redis = redis_new(&b->options);
    assert_non_null(b->redis);
}

static bool is_up(void *arg)
{
    return redis_is_up(((struct bench *)arg)->redis);
}

static bool is_down(void *arg)
{
    return !is_up(arg);
}

static bool was_refused(void *arg)
{
    return ((struct bench *)arg)->refusals > 0;
}

static bool was_refused_twice(void *arg)
{
    return ((struct bench *)arg)->refusals > 1;
}

static bool heard(void *arg)
{
    return ((struct bench *)arg)->messages > 0;
}

static void wait_for(struct bench *b, await_fn *holds)
{
    assert_true(await(&b->loop, holds, b, AWAIT_MS));
}

static struct bench *bench_up(const struct redis_server_options *options)
{
    struct bench *b = bench_new(options);
    redis_server_up(b->server);
    connect_now(b);
    wait_for(b, is_up);
    return b;
}

static void bench_free(struct bench *b)
{
    redis_free(b->redis);
    await_loop_end(&b->loop);
    redis_server_free(b->server);
    free(b);
}

#define cli(b, ...) redis_cli_text(&(b)->loop, (b)->redis, __VA_ARGS__)

/* Counts answers by status, and keeps the last one's text. */
struct tally {
    struct bench *bench;
    size_t answers, ok, lost, unavailable;
    char text[128];
};

static void on_answer(void *arg, enum status status, const struct redisReply *reply)
{
    struct tally *t = arg;
    size_t length;
    t->answers++;
    t->ok += status == STATUS_OK;
    t->lost += status == STATUS_LOST;
    t->unavailable += status == STATUS_UNAVAILABLE;
    snprintf(t->text, sizeof t->text, "%s", redis_reply_text(reply, &length));
}

static enum status say(struct redis *r, const char *word, const char *argument, redis_reply_fn *fn,
                       void *arg)
{
    const char *argv[] = {word, argument, "0"};
    size_t lengths[] = {strlen(word), argument ? strlen(argument) : 0, 1};
    int count = !argument ? 1 : strcmp(word, "BLPOP") == 0 ? 3 : 2;
    return redis_send(r, count, argv, lengths, fn, arg);
}

static bool answered(void *arg)
{
    return ((struct tally *)arg)->answers > 0;
}

static void it_comes_up_and_is_known_by_its_name(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    connect_now(b);
    assert_false(redis_is_up(b->redis));
    assert_int_equal(redis_client_id(b->redis), 0);
    assert_int_equal(say(b->redis, "PING", NULL, NULL, NULL), STATUS_CLOSED);
    wait_for(b, is_up);
    assert_int_equal(b->ups, 1);
    assert_int_equal(b->downs, 0);
    assert_string_equal(cli(b, "CLIENT GETNAME"), "leat-test");
    assert_string_equal(cli(b, "CLIENT ID"), text_of("%lld", (long long)redis_client_id(b->redis)));
    assert_null(redis_scripts(b->redis));
    bench_free(b);
}

static void answers_come_in_the_order_of_the_commands(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    enum { COUNT = 2000 };
    static struct tally tallies[COUNT];
    memset(tallies, 0, sizeof tallies);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(say(b->redis, i % 2 ? "INCR" : "ECHO", i % 2 ? "n" : text_of("%d", i),
                             on_answer, &tallies[i]),
                         STATUS_OK);
    assert_true(await(&b->loop, answered, &tallies[COUNT - 1], AWAIT_MS));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(tallies[i].ok, 1);
        assert_string_equal(tallies[i].text, i % 2 ? "" : text_of("%d", i));
    }
    assert_string_equal(cli(b, "GET n"), "1000");
    bench_free(b);
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    cli(b, "SET s x");
    assert_int_equal(say(b->redis, "LPOP", "s", on_answer, &t), STATUS_OK);
    assert_true(await(&b->loop, answered, &t, AWAIT_MS));
    assert_int_equal(t.ok + t.lost + t.unavailable, 0);
    assert_memory_equal(t.text, "WRONGTYPE", 9);
    assert_true(redis_is_up(b->redis));
    bench_free(b);
}

static void a_wrong_password_is_reported_and_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){.password = "secret"});
    redis_server_up(b->server);
    b->settings.redis_password = "wrong";
    connect_now(b);
    wait_for(b, was_refused_twice);
    assert_memory_equal(b->refused, "WRONGPASS", 9);
    assert_int_equal(b->ups, 0);
    b->settings.redis_password = "";
    b->refusals = 0;
    wait_for(b, was_refused_twice);
    assert_memory_equal(b->refused, "NOAUTH", 6);
    b->settings.redis_password = "secret";
    wait_for(b, is_up);
    b->settings.redis_username = "default";
    redis_drop(b->redis);
    wait_for(b, is_up);
    bench_free(b);
}

static void a_database_that_does_not_exist_is_reported(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    b->settings.redis_db = 999;
    connect_now(b);
    wait_for(b, was_refused);
    assert_non_null(strstr(b->refused, "DB index"));
    b->settings.redis_db = 3;
    wait_for(b, is_up);
    cli(b, "SET here x");
    assert_string_equal(cli(b, "SELECT 0"), "OK");
    assert_string_equal(cli(b, "EXISTS here"), "0");
    bench_free(b);
}

static void a_missing_permission_is_reported(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    assert_string_equal(cli(b, "ACL SETUSER poor on >p +@all -role"), "OK");
    b->settings.redis_username = "poor";
    b->settings.redis_password = "p";
    redis_drop(b->redis);
    wait_for(b, was_refused);
    assert_memory_equal(b->refused, "NOPERM", 6);
    bench_free(b);
}

static void it_waits_for_a_server_that_is_not_there_yet(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    connect_now(b);
    for (int i = 0; i < 4; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_false(redis_is_up(b->redis));
    redis_server_up(b->server);
    wait_for(b, is_up);
    assert_int_equal(b->downs, 0);
    bench_free(b);
}

static void a_refused_tcp_connection_is_noticed_and_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){.tcp = true});
    b->settings.redis_socket = "";
    b->settings.redis_port = redis_server_port(b->server);
    connect_now(b);
    for (int i = 0; i < 6; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    redis_server_up(b->server);
    wait_for(b, is_up);
    bench_free(b);
}

static void a_name_is_resolved(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){.tcp = true});
    redis_server_up(b->server);
    b->settings.redis_socket = "";
    b->settings.redis_host = "localhost";
    b->settings.redis_port = redis_server_port(b->server);
    connect_now(b);
    wait_for(b, is_up);
    assert_string_equal(cli(b, "PING"), "PONG");
    redis_server_restart(b->server);
    wait_for(b, is_down);
    wait_for(b, is_up);
    bench_free(b);
}

static void a_name_that_does_not_resolve_is_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){.tcp = true});
    redis_server_up(b->server);
    b->settings.redis_socket = "";
    b->settings.redis_host = "no such name";
    b->settings.redis_port = redis_server_port(b->server);
    connect_now(b);
    for (int i = 0; i < 4; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    b->settings.redis_host = "127.0.0.1";
    wait_for(b, is_up);
    bench_free(b);
}

static void it_can_be_freed_at_any_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct bench *b = bench_new(&(struct redis_server_options){.tcp = true});
        if (turns % 2)
            redis_server_up(b->server);
        b->settings.redis_socket = "";
        b->settings.redis_host = "localhost";
        b->settings.redis_port = redis_server_port(b->server);
        connect_now(b);
        for (int i = 0; i < turns; i++)
            uv_run(&b->loop, UV_RUN_NOWAIT);
        bench_free(b);
    }
    redis_free(NULL);
}

static void a_restart_loses_the_commands_under_way_and_nothing_else(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    redis_server_stop(b->server);
    for (int i = 0; i < 10; i++)
        assert_int_equal(say(b->redis, "PING", NULL, on_answer, &t), STATUS_OK);
    redis_server_restart(b->server);
    wait_for(b, is_down);
    assert_int_equal(t.answers, 10);
    assert_int_equal(t.lost, 10);
    assert_int_equal(b->downs, 1);
    wait_for(b, is_up);
    assert_int_equal(b->ups, 2);
    assert_string_equal(cli(b, "PING"), "PONG");
    assert_int_equal(t.answers, 10);
    bench_free(b);
}

static void scripts_are_there_again_after_a_restart(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    b->options.scripts = true;
    connect_now(b);
    wait_for(b, is_up);
    redis_server_restart(b->server);
    wait_for(b, is_down);
    wait_for(b, is_up);
    assert_string_equal(
        cli(b, "SCRIPT EXISTS %s", script_digest(redis_scripts(b->redis), SCRIPT_APPEND)), "1");
    bench_free(b);
}

static void a_server_that_stands_still_is_given_up(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    b->settings.redis_timeout_ms = 100;
    redis_server_stop(b->server);
    assert_int_equal(say(b->redis, "PING", NULL, on_answer, &t), STATUS_OK);
    wait_for(b, is_down);
    assert_int_equal(t.lost, 1);
    /* Not up either while it accepts and says nothing. */
    for (int i = 0; i < 6; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_false(redis_is_up(b->redis));
    redis_server_cont(b->server);
    wait_for(b, is_up);
    assert_int_equal(b->downs, 1);
    bench_free(b);
}

static void a_server_that_stands_still_is_noticed_while_nobody_asks(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    b->settings.redis_timeout_ms = 100;
    redis_server_stop(b->server);
    wait_for(b, is_down);
    redis_server_cont(b->server);
    wait_for(b, is_up);
    bench_free(b);
}

static void an_idle_connection_stays_up(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    b->settings.redis_timeout_ms = 1000;
    uint64_t end = uv_hrtime() + UINT64_C(4000000000);
    while (uv_hrtime() < end)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->downs, 0);
    bench_free(b);
}

static void a_command_may_block_as_long_as_it_was_said(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    struct tally t = {0};
    redis_server_up(b->server);
    b->settings.redis_timeout_ms = 100;
    b->options.block_ms = 60000;
    connect_now(b);
    wait_for(b, is_up);
    assert_int_equal(say(b->redis, "BLPOP", "k", on_answer, &t), STATUS_OK);
    uint64_t end = uv_hrtime() + UINT64_C(800000000);
    while (uv_hrtime() < end)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->downs, 0);
    redis_server_tell(b->server, "RPUSH k x");
    assert_true(await(&b->loop, answered, &t, AWAIT_MS));
    assert_int_equal(t.ok, 1);
    bench_free(b);
}

static void a_replica_is_not_talked_to(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    redis_server_tell(b->server, "REPLICAOF 127.0.0.1 1");
    connect_now(b);
    for (int i = 0; i < 8; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->ups, 0);
    assert_int_equal(b->refusals, 0);
    redis_server_tell(b->server, "REPLICAOF NO ONE");
    wait_for(b, is_up);
    bench_free(b);
}

static void a_master_that_becomes_a_replica_is_left(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    redis_server_tell(b->server, "REPLICAOF 127.0.0.1 1");
    assert_int_equal(say(b->redis, "INCR", "n", on_answer, &t), STATUS_OK);
    assert_int_equal(say(b->redis, "INCR", "n", on_answer, &t), STATUS_OK);
    wait_for(b, is_down);
    assert_int_equal(t.answers, 2);
    assert_int_equal(t.unavailable, 1);
    assert_int_equal(t.lost, 1);
    redis_server_tell(b->server, "REPLICAOF NO ONE");
    wait_for(b, is_up);
    assert_string_equal(cli(b, "INCR n"), "1");
    bench_free(b);
}

static void a_server_full_of_clients_is_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct redis *first = b->redis;
    assert_string_equal(cli(b, "CONFIG SET maxclients 1"), "OK");
    connect_now(b);
    for (int i = 0; i < 6; i++)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_false(redis_is_up(b->redis));
    assert_int_equal(b->refusals, 0);
    assert_string_equal(redis_cli_text(&b->loop, first, "CONFIG SET maxclients 100"), "OK");
    wait_for(b, is_up);
    redis_free(first);
    bench_free(b);
}

static void a_channel_is_heard_again_after_a_restart(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    b->options.channel = "news";
    connect_now(b);
    for (int round = 0; round < 2; round++) {
        b->messages = 0;
        while (!heard(b)) {
            redis_server_tell(b->server, "PUBLISH news hello");
            uv_run(&b->loop, UV_RUN_ONCE);
        }
        assert_string_equal(b->message, "hello");
        assert_true(is_up(b));
        assert_int_equal(say(b->redis, "PING", NULL, NULL, NULL), STATUS_CLOSED);
        redis_server_restart(b->server);
        wait_for(b, is_down);
    }
    wait_for(b, is_up);
    bench_free(b);
}

static bool was_up(void *arg)
{
    return ((struct bench *)arg)->ups > 0;
}

static void a_channel_that_may_not_be_heard_is_told_and_tried_again(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    redis_server_tell(b->server, "ACL SETUSER default resetchannels");
    b->options.channel = "news";
    connect_now(b);
    wait_for(b, was_refused_twice);
    assert_non_null(strstr(b->refused, "NOPERM"));
    assert_int_equal(b->ups, 0);
    redis_server_tell(b->server, "ACL SETUSER default allchannels");
    wait_for(b, was_up);
    bench_free(b);
}

static void a_silent_channel_stays_up_and_a_dead_one_is_noticed(void **state)
{
    (void)state;
    struct bench *b = bench_new(&(struct redis_server_options){0});
    redis_server_up(b->server);
    b->options.channel = "news";
    b->settings.redis_timeout_ms = 1000;
    connect_now(b);
    wait_for(b, is_up);
    uint64_t end = uv_hrtime() + UINT64_C(4000000000);
    while (uv_hrtime() < end)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->downs, 0);
    redis_server_tell(b->server, "PUBLISH news hello");
    wait_for(b, heard);
    assert_int_equal(b->messages, 1);
    redis_server_stop(b->server);
    wait_for(b, is_down);
    redis_server_cont(b->server);
    wait_for(b, is_up);
    bench_free(b);
}

static void free_answers_everything_before_it_returns(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(say(b->redis, "PING", NULL, on_answer, &t), STATUS_OK);
    redis_free(b->redis);
    assert_int_equal(t.answers, 100);
    assert_int_equal(t.lost, 100);
    b->redis = NULL;
    bench_free(b);
}

/* From inside one of its own answers, too. */
static void on_answer_free(void *arg, enum status status, const struct redisReply *reply)
{
    struct tally *t = arg;
    on_answer(t, status, reply);
    if (t->answers == 1) {
        redis_free(t->bench->redis);
        assert_int_equal(t->answers, 100);
    }
}

static void free_may_be_called_from_an_answer(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct bench *b = bench_up(&(struct redis_server_options){0});
        struct tally t = {.bench = b};
        if (stopped)
            redis_server_stop(b->server);
        for (int i = 0; i < 100; i++)
            assert_int_equal(say(b->redis, "PING", NULL, on_answer_free, &t), STATUS_OK);
        if (stopped)
            redis_server_kill(b->server);
        assert_true(await(&b->loop, answered, &t, AWAIT_MS));
        assert_int_equal(t.answers, 100);
        assert_int_equal(t.ok, stopped ? 0 : 1);
        b->redis = NULL;
        bench_free(b);
    }
}

/* Who hears that an answer is lost cannot ask again at once. */
static void on_answer_ask_again(void *arg, enum status status, const struct redisReply *reply)
{
    struct tally *t = arg;
    on_answer(t, status, reply);
    if (status == STATUS_LOST) {
        assert_false(redis_is_up(t->bench->redis));
        assert_int_equal(say(t->bench->redis, "PING", NULL, on_answer, t), STATUS_CLOSED);
    }
}

static void a_lost_answer_finds_the_connection_down(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {.bench = b};
    redis_server_stop(b->server);
    assert_int_equal(say(b->redis, "PING", NULL, on_answer_ask_again, &t), STATUS_OK);
    assert_int_equal(say(b->redis, "PING", NULL, on_answer_ask_again, &t), STATUS_OK);
    redis_server_restart(b->server);
    wait_for(b, is_down);
    assert_int_equal(t.answers, 2);
    wait_for(b, is_up);
    bench_free(b);
}

static void on_answer_drop(void *arg, enum status status, const struct redisReply *reply)
{
    struct tally *t = arg;
    on_answer(t, status, reply);
    redis_drop(t->bench->redis);
}

static void a_dropped_connection_is_made_anew(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {.bench = b};
    assert_int_equal(say(b->redis, "PING", NULL, on_answer_drop, &t), STATUS_OK);
    assert_int_equal(say(b->redis, "PING", NULL, on_answer_drop, &t), STATUS_OK);
    wait_for(b, is_down);
    assert_int_equal(t.ok, 1);
    assert_int_equal(t.lost, 1);
    wait_for(b, is_up);
    assert_int_equal(b->downs, 1);
    bench_free(b);
}

static void a_megabyte_goes_both_ways(void **state)
{
    (void)state;
    struct bench *b = bench_up(&(struct redis_server_options){0});
    struct tally t = {0};
    size_t length = 1 << 20;
    char *big = malloc(length + 1);
    assert_non_null(big);
    memset(big, 'x', length);
    big[length] = '\0';
    assert_int_equal(say(b->redis, "ECHO", big, on_answer, &t), STATUS_OK);
    assert_true(await(&b->loop, answered, &t, AWAIT_MS));
    assert_int_equal(t.ok, 1);
    free(big);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_up_and_is_known_by_its_name),
        cmocka_unit_test(answers_come_in_the_order_of_the_commands),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(a_wrong_password_is_reported_and_tried_again),
        cmocka_unit_test(a_database_that_does_not_exist_is_reported),
        cmocka_unit_test(a_missing_permission_is_reported),
        cmocka_unit_test(it_waits_for_a_server_that_is_not_there_yet),
        cmocka_unit_test(a_refused_tcp_connection_is_noticed_and_tried_again),
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(a_name_that_does_not_resolve_is_tried_again),
        cmocka_unit_test(it_can_be_freed_at_any_moment),
        cmocka_unit_test(a_restart_loses_the_commands_under_way_and_nothing_else),
        cmocka_unit_test(scripts_are_there_again_after_a_restart),
        cmocka_unit_test(a_server_that_stands_still_is_given_up),
        cmocka_unit_test(a_server_that_stands_still_is_noticed_while_nobody_asks),
        cmocka_unit_test(an_idle_connection_stays_up),
        cmocka_unit_test(a_command_may_block_as_long_as_it_was_said),
        cmocka_unit_test(a_replica_is_not_talked_to),
        cmocka_unit_test(a_master_that_becomes_a_replica_is_left),
        cmocka_unit_test(a_server_full_of_clients_is_tried_again),
        cmocka_unit_test(a_channel_is_heard_again_after_a_restart),
        cmocka_unit_test(a_channel_that_may_not_be_heard_is_told_and_tried_again),
        cmocka_unit_test(a_silent_channel_stays_up_and_a_dead_one_is_noticed),
        cmocka_unit_test(free_answers_everything_before_it_returns),
        cmocka_unit_test(free_may_be_called_from_an_answer),
        cmocka_unit_test(a_lost_answer_finds_the_connection_down),
        cmocka_unit_test(a_dropped_connection_is_made_anew),
        cmocka_unit_test(a_megabyte_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
