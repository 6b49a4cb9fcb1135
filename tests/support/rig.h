/**
 * rig.h: a Redis of one's own, a connection, and the steps made synchronous.
 *
 * Each rig_… step sends, turns the loop until the answer is there, and gives a
 * result that owns what it holds. STATUS_CLOSED and the like come back in
 * `status` as they came.
 */
#ifndef LEAT_TESTS_RIG_H
#define LEAT_TESTS_RIG_H

#include "await.h"
#include "id.h"
#include "queue.h"
#include "redis_cli.h"
#include "redis_server.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct redis_server *server;
    uv_loop_t loop;
    struct settings settings; /* the defaults, and the server's socket; a test may change its own */
    struct redis *redis;
    struct queue queue;
};

/* For cmocka: a group's set-up and tear-down (state is the rig), and before each test: an empty
   Redis, standard settings. */
int rig_up(void **state);
int rig_down(void **state);
int rig_fresh(void **state);

#define RIG_TEST(name) cmocka_unit_test_setup(name, rig_fresh)
#define RIG_MAIN(tests) cmocka_run_group_tests(tests, rig_up, rig_down)

/* rig_connect(rig): one more connection, up. Gives (redis_free). */
struct redis *rig_connect(struct rig *rig);

/* rig_await_up(rig, r): turn the loop until r is up. */
void rig_await_up(struct rig *rig, struct redis *r);

/* cli(rig, format, …): a raw command (redis_cli.h). cli_number: its answer as a number. */
const char *cli(struct rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);
int64_t cli_number(struct rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);

/* assert_cli(rig, expected, format, …): the command's answer is expected. */
#define assert_cli(rig, expected, ...) assert_string_equal(cli((rig), __VA_ARGS__), (expected))

/* rig_now(rig): Redis's clock in ms. */
int64_t rig_now(struct rig *rig);

/* assert_about(value, expected, slack): value in expected - slack … expected. */
void assert_about(int64_t value, int64_t expected, int64_t slack);

/* A pexpire of a key: -1 none, -2 no key. */
int64_t rig_ttl(struct rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);

/* A plain question: feature f, no body, no key, a fresh id (in a ring of 256). */
struct enqueue question(const char *chat);

/* The same with a body, whose "hash" is the body itself. */
struct enqueue question_with(const char *chat, const char *body);

struct enqueued {
    enum status status;
    enum enqueue_outcome outcome;
    char job[JOB_ID_SIZE];
    enum job_state state;
    struct chat_view view;
};
struct enqueued rig_enqueue(struct rig *rig, const struct enqueue *in);

/* rig_put(rig, chat): a plain question that starts a job; asserted. */
struct enqueued rig_put(struct rig *rig, const char *chat);

struct chat_view rig_look(struct rig *rig, const char *chat);

/* A claimed job, owning its texts. */
struct claim {
    char id[JOB_ID_SIZE];
    char owner[160];
    char type[JOB_NAME_SIZE];
    char feature[JOB_NAME_SIZE];
    char chat[JOB_NAME_SIZE];
    char payload[256];
    struct claimed told; /* its numbers; the texts are NULL */
};

#define CLAIMS_MOST 32

struct claims {
    enum status status;
    bool more, passed;
    int64_t due_in_ms;
    size_t count;
    struct claim jobs[CLAIMS_MOST];
};
struct claims rig_claim(struct rig *rig, const char *worker, size_t most);

/* rig_claim_as(rig, who): with queues and types of one's own. */
struct claims rig_claim_as(struct rig *rig, const struct claimant *who);

/* rig_take(rig, worker): claims one; asserted that there is one. */
struct claim rig_take(struct rig *rig, const char *worker);

#define DAY_MS 86400000

/* rig_stop_time(rig): no lease, wait or expiry is over within a day: time passes as the test says.
 */
void rig_stop_time(struct rig *rig);

/* rig_run(rig, chat): put and take by worker w1. */
struct claim rig_run(struct rig *rig, const char *chat);

/* The claim as later steps name it; borrows c. */
struct holding hold(const struct claim *c);

struct appended {
    enum status status;
    enum append_outcome outcome;
    uint64_t last;
};
/* Messages "m<first>", "m<first + 1>", … */
struct appended rig_append(struct rig *rig, const struct claim *c, uint64_t first, size_t count);
/* Messages of the test's own. */
struct appended rig_append_these(struct rig *rig, const struct claim *c, uint64_t first,
                                 const struct message *messages, size_t count);

struct beaten {
    enum status status;
    bool held[CLAIMS_MOST];
    size_t count, returned;
};
struct beaten rig_beat(struct rig *rig, const char *worker, const struct claim *jobs, size_t count,
                       bool complete);

/* rig_in_hand(rig, worker): how many jobs Redis has noted for it. */
long rig_in_hand(struct rig *rig, const char *worker);

/* rig_beat_as(rig, in): with everything of one's own. */
struct beaten rig_beat_as(struct rig *rig, const struct heartbeat *in);

struct finished {
    enum status status;
    struct finish_result result;
};
/* rig_policy(rig): what the settings say of failed attempts; used where a finish says nothing. */
struct finish_policy rig_policy(const struct rig *rig);
struct finished rig_finish(struct rig *rig, const struct claim *c, const struct finish *in);

/* FINISH_DONE with `last`; FINISH_FAILED with reason exit; FINISH_DIED with reason signal. */
struct finished rig_done(struct rig *rig, const struct claim *c, uint64_t last);
struct finished rig_failed(struct rig *rig, const struct claim *c);
struct finished rig_died(struct rig *rig, const struct claim *c);

struct handed {
    enum status status;
    bool was_ours;
};
struct handed rig_hand_back(struct rig *rig, const struct claim *c);
struct handed rig_hand_back_as(struct rig *rig, const struct claim *c, const struct hand_back *in);

/* rig_usage(rig, c, usage): the step usage; kept: was_ours. */
struct handed rig_usage(struct rig *rig, const struct claim *c, const char *usage);

struct cancelled {
    enum status status;
    struct cancel_result result; /* job is NULL: it stands in `job` */
    char job[JOB_ID_SIZE];
};
struct cancelled rig_cancel(struct rig *rig, const char *chat, const char *job);

struct reaped {
    enum status status;
    struct reap_result result;
};
struct reaped rig_reap(struct rig *rig);

/**
 * RIG_ASK(rig, function, …)
 * A function that answers with a reply (admin.h): what it answers, as text (redis_cli.h).
 */
#define RIG_ASK(rig, function, ...) \
    rig_answer((rig), function(&(rig)->queue, ##__VA_ARGS__, rig_on_reply, rig_ask()))
struct rig_ask *rig_ask(void);
void rig_on_reply(void *arg, enum status status, const struct redisReply *reply);
const char *rig_answer(struct rig *rig, enum status sent);

/* rig_field(record, name): the word behind the name in a record's text; "" where it is not. */
const char *rig_field(const char *record, const char *name);

/* rig_put_with(rig, chat, options): a plain question that starts a job; asserted. */
struct enqueued rig_put_with(struct rig *rig, const char *chat, const struct job_options *options);

enum status rig_leave(struct rig *rig, const char *worker);

/* Everything in feature f's stream of chat, as XRANGE gives it. */
const char *rig_stream(struct rig *rig, const char *chat);

/* All keys and their contents, expiries left out: two equal texts mean that nothing changed. Gives
   (free). */
char *rig_dump(struct rig *rig);

#endif
