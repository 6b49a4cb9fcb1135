/*
 * queue.c: C's side of the steps: their words, and what their answers mean.
 *
 * The order of words and of answers is written down at the top of each Lua file;
 * this file is the only one that shares that knowledge. A step in flight is a
 * `struct step`, freed right after its callback.
 */
#include "queue.h"

#include "id.h"
#include "words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_USUAL 5

int queue_priority(const struct job_options *options)
{
    return options->priority < 0 ? PRIORITY_USUAL : options->priority;
}

struct step {
    union {
        enqueue_fn *enqueue;
        look_fn *look;
        claim_fn *claim;
        append_fn *append;
        heartbeat_fn *heartbeat;
        finish_fn *finish;
        hand_back_fn *hand_back;
        usage_fn *usage;
        cancel_fn *cancel;
        reap_fn *reap;
        stop_fn *stop;
        retry_fn *retry;
    } fn;
    void *arg;
    size_t count; /* append, finish: of how many attempts */
};

/* ---- the words of a step ---- */

static void put_holding(struct words *w, const struct holding *job)
{
    words_put(w, job->id);
    words_put(w, job->owner);
    words_put(w, job->feature_id);
    words_put(w, job->chat_id);
}

static struct step *step_new(void *arg)
{
    struct step *step = calloc(1, sizeof *step);
    if (step)
        step->arg = arg;
    return step;
}

/* Sends the words and clears them; takes step, which on_reply frees. */
static enum status run(const struct queue *q, enum script script, struct words *w,
                       redis_reply_fn *fn, struct step *step)
{
    enum status status = words_run(q->redis, script, w, fn, step);
    if (status != STATUS_OK)
        free(step);
    return status;
}

/* Both, or neither. */
static bool prepare(struct words *w, size_t capacity, struct step **step, void *arg)
{
    if (!words_init(w, capacity))
        return false;
    *step = step_new(arg);
    if (!*step)
        words_clear(w);
    return *step != NULL;
}

/* ---- reading answers ---- */

static enum job_state state_at(const struct redisReply *reply, size_t index)
{
    size_t length;
    const char *text = redis_reply_text(redis_reply_at(reply, index), &length);
    return job_state_read(text, length);
}

static enum status with_outcome(enum status status, int outcome)
{
    return status == STATUS_OK && outcome < 0 ? STATUS_PROTOCOL : status;
}

static enum stream_kind stream_kind_of(const char *word)
{
    if (strcmp(word, "ours") == 0)
        return STREAM_OURS;
    if (strcmp(word, "foreign") == 0)
        return STREAM_FOREIGN;
    return strcmp(word, "broken") == 0 ? STREAM_BROKEN : STREAM_NONE;
}

static enum status read_view(const struct redisReply *list, struct chat_view *view)
{
    *view = (struct chat_view){0};
    if (redis_reply_count(list) != 10)
        return STATUS_PROTOCOL;
    size_t length;
    const char *last = redis_reply_text(redis_reply_at(list, 6), &length);
    if (!entry_id_parse(last, length, &view->last))
        return STATUS_PROTOCOL;
    snprintf(view->job, sizeof view->job, "%s", words_text_at(list, 0));
    view->state = state_at(list, 1);
    view->stream = stream_kind_of(words_text_at(list, 2));
    view->ended = words_number_at(list, 3) != 0;
    view->first = words_unsigned_at(list, 4);
    view->attempt = words_unsigned_at(list, 5);
    view->number = words_unsigned_at(list, 7);
    view->position = words_unsigned_at(list, 8);
    snprintf(view->worker, sizeof view->worker, "%s", words_text_at(list, 9));
    return STATUS_OK;
}

/* ---- enqueue ---- */

static void on_enqueue(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {
        [ENQUEUE_STARTED] = "STARTED", [ENQUEUE_JOINED] = "JOINED",
        [ENQUEUE_BUSY] = "BUSY",       [ENQUEUE_FOREIGN] = "FOREIGN",
        [ENQUEUE_FULL] = "FULL",       [ENQUEUE_KEY_REUSED] = "KEY_REUSED",
    };
    struct step *step = arg;
    struct enqueue_result result = {0};
    if (status == STATUS_OK) {
        int outcome = words_index_at(reply, 0, words, COUNT_OF(words));
        status = with_outcome(read_view(redis_reply_at(reply, 3), &result.view), outcome);
        result.outcome = (enum enqueue_outcome)outcome;
        result.job = words_text_at(reply, 1);
        result.state = state_at(reply, 2);
    }
    step->fn.enqueue(step->arg, status, &result);
    free(step);
}

/* What the job asks for; numbers that it does not ask for are 0. */
static void put_options(struct words *w, const struct job_options *o, const struct settings *s)
{
    words_put_number(w, queue_priority(o));
    words_put_number(w, o->deadline_ms ? o->deadline_ms : s->job_deadline_ms);
    words_put_number(w, o->delay_ms);
    words_put_number(w, o->run_at_ms);
    words_put_number(w, o->timeout_ms);
    words_put_number(w, o->max_attempts);
    words_put_number(w, o->retention_ms);
}

enum status queue_enqueue(const struct queue *q, const struct enqueue *in, enqueue_fn *fn,
                          void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 21, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.enqueue = fn;
    words_put(&w, in->id);
    words_put(&w, in->type);
    words_put(&w, in->feature_id);
    words_put(&w, in->chat_id);
    words_put_bytes(&w, in->payload, in->payload_length);
    words_put_number(&w, in->payload != NULL);
    words_put(&w, in->body_hash);
    words_put(&w, in->key);
    words_put(&w, in->if_busy == IF_BUSY_REPLACE ? "replace" : "reject");
    put_options(&w, in->options ? in->options : &JOB_OPTIONS_USUAL, s);
    words_put_number(&w, s->queue_max_waiting);
    words_put_number(&w, s->queue_max_bytes);
    words_put_number(&w, s->idempotency_ttl_ms);
    words_put_number(&w, s->stream_ttl_ms);
    words_put(&w, in->queue);
    return run(q, SCRIPT_ENQUEUE, &w, on_enqueue, step);
}

/* ---- look ---- */

static void on_look(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct chat_view view = {0};
    if (status == STATUS_OK)
        status = read_view(reply, &view);
    step->fn.look(step->arg, status, &view);
    free(step);
}

enum status queue_look(const struct queue *q, const char *feature_id, const char *chat_id,
                       look_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 2, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.look = fn;
    words_put(&w, feature_id);
    words_put(&w, chat_id);
    return run(q, SCRIPT_LOOK, &w, on_look, step);
}

/* ---- claim ---- */

static void read_claimed(const struct redisReply *list, struct claimed *job)
{
    const struct redisReply *payload = redis_reply_at(list, 5);
    job->id = words_text_at(list, 0);
    job->owner = words_text_at(list, 1);
    job->type = words_text_at(list, 2);
    job->feature_id = words_text_at(list, 3);
    job->chat_id = words_text_at(list, 4);
    job->payload = redis_reply_text(payload, &job->payload_length);
    job->attempt = words_unsigned_at(list, 6);
    job->number = words_unsigned_at(list, 7);
    job->timeout_ms = words_number_at(list, 8);
    job->max_attempts = words_number_at(list, 9);
    job->waited_ms = words_number_at(list, 10);
    job->alone = words_number_at(list, 11) == 1;
}

static void on_claim(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct claim_result result = {0};
    struct claimed *jobs = NULL;
    size_t count = redis_reply_count(reply);
    if (status == STATUS_OK && count == 0)
        status = STATUS_PROTOCOL;
    if (status == STATUS_OK && !(jobs = calloc(count, sizeof *jobs)))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        for (size_t i = 1; i < count; i++)
            read_claimed(redis_reply_at(reply, i), &jobs[i - 1]);
        const struct redisReply *head = redis_reply_at(reply, 0);
        result = (struct claim_result){
            .jobs = jobs,
            .count = count - 1,
            .more = words_number_at(head, 0) != 0,
            .passed = words_number_at(head, 1) != 0,
            .due_in_ms = words_number_at(head, 2),
        };
    }
    step->fn.claim(step->arg, status, &result);
    free(jobs);
    free(step);
}

enum status queue_claim(const struct queue *q, const struct claimant *in, claim_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 8 + in->queue_count, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.claim = fn;
    words_put(&w, in->worker);
    words_put_number(&w, min_i64((int64_t)in->most, CLAIM_MOST));
    words_put_number(&w, q->settings->lease_ms);
    words_put_number(&w, q->settings->stream_ttl_ms);
    words_put(&w, in->types);
    words_put_number(&w, 1 + (int64_t)id_random_below(1000));
    words_put_number(&w, (int64_t)in->most_alone);
    words_put_number(&w, (int64_t)in->number);
    for (size_t i = 0; i < in->queue_count; i++)
        words_put(&w, in->queues[i]);
    return run(q, SCRIPT_CLAIM, &w, on_claim, step);
}

/* ---- append ---- */

/* How many words stand before an attempt's messages. */
#define APPEND_WORDS 7

static struct append_result read_appended(const struct redisReply *list)
{
    static const char *const words[] = {
        [APPEND_OK] = "OK", /* told by a number instead */
        [APPEND_FENCED] = "FENCED",
        [APPEND_FOREIGN] = "FOREIGN",
        [APPEND_GONE] = "GONE",
    };
    enum status status = redis_reply_status(list);
    if (status != STATUS_OK)
        return (struct append_result){.status = status};
    if (redis_reply_type(list) == REDIS_IS_NUMBER)
        return (struct append_result){.outcome = APPEND_OK,
                                      .last = (uint64_t)redis_reply_number(list)};
    int outcome = words_index_at(list, 0, words, COUNT_OF(words));
    return (struct append_result){
        .status = with_outcome(STATUS_OK, outcome),
        .outcome = (enum append_outcome)outcome,
        .last = words_unsigned_at(list, 1),
    };
}

/* Each attempt must have its own. */
static enum status check_results(const struct step *step, enum status status,
                                 const struct redisReply *reply)
{
    if (status == STATUS_OK && redis_reply_count(reply) != step->count)
        return STATUS_PROTOCOL;
    return status;
}

static void on_append(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct append_result results[QUEUE_BATCH_MOST];
    status = check_results(step, status, reply);
    for (size_t i = 0; status == STATUS_OK && i < step->count; i++)
        results[i] = read_appended(redis_reply_at(reply, i));
    step->fn.append(step->arg, status, results);
    free(step);
}

static void put_append(struct words *w, const struct append *in)
{
    words_put_number(w, (int64_t)in->first);
    words_put_number(w, (int64_t)in->count);
    for (size_t i = 0; i < in->count; i++)
        words_put_bytes(w, in->messages[i].data, in->messages[i].length);
}

enum status queue_append(const struct queue *q, const struct holding *jobs, const struct append *in,
                         size_t count, append_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    size_t capacity = 1;
    assert(count <= QUEUE_BATCH_MOST);
    for (size_t i = 0; i < count; i++)
        capacity += APPEND_WORDS + in[i].count;
    if (!prepare(&w, capacity, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.append = fn;
    step->count = count;
    words_put_number(&w, q->settings->stream_ttl_ms);
    for (size_t i = 0; i < count; i++) {
        put_holding(&w, &jobs[i]);
        words_put_number(&w, (int64_t)jobs[i].attempt);
        put_append(&w, &in[i]);
    }
    return run(q, SCRIPT_APPEND, &w, on_append, step);
}

/* ---- heartbeat ---- */

static void on_heartbeat(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct heartbeat_result result = {0};
    bool *held = NULL;
    size_t count = redis_reply_count(reply);
    if (status == STATUS_OK && count < 2)
        status = STATUS_PROTOCOL;
    if (status == STATUS_OK && !(held = calloc(count, sizeof *held)))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        for (size_t i = 2; i < count; i++)
            held[i - 2] = words_number_at(reply, i) == 1;
        result = (struct heartbeat_result){
            .held = held,
            .count = count - 2,
            .returned = (size_t)words_number_at(reply, 0),
            .noted = (size_t)words_number_at(reply, 1),
        };
    }
    step->fn.heartbeat(step->arg, status, &result);
    free(held);
    free(step);
}

enum status queue_heartbeat(const struct queue *q, const struct heartbeat *in, heartbeat_fn *fn,
                            void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 12 + 4 * in->count, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.heartbeat = fn;
    words_put(&w, in->worker);
    words_put_number(&w, q->settings->lease_ms);
    words_put_number(&w, q->settings->stream_ttl_ms);
    words_put_number(&w, in->complete);
    words_put(&w, in->queues);
    words_put_number(&w, (int64_t)in->capacity);
    words_put_number(&w, in->since_ms);
    words_put(&w, in->types);
    words_put(&w, in->state);
    words_put(&w, LEAT_VERSION);
    words_put_number(&w, (int64_t)in->in_hand);
    words_put_number(&w, (int64_t)in->claims);
    for (size_t i = 0; i < in->count; i++)
        put_holding(&w, &in->jobs[i]);
    return run(q, SCRIPT_HEARTBEAT, &w, on_heartbeat, step);
}

enum status queue_leave(const struct queue *q, const char *worker, redis_reply_fn *fn, void *arg)
{
    size_t length = strlen(worker);
    return script_run(q->redis, SCRIPT_LEAVE, 1, &worker, &length, fn, arg);
}

/* ---- finish and hand back ---- */

/* How many words each attempt takes without its messages, and how many stand before them. */
#define FINISH_WORDS 17
#define FINISH_HEAD 5

static struct finish_result read_finished(const struct redisReply *list)
{
    static const char *const words[] = {
        [FINISH_ENDED] = "ENDED",     [FINISH_AGAIN] = "AGAIN", [FINISH_FENCED] = "FENCED",
        [FINISH_FOREIGN] = "FOREIGN", [FINISH_GONE] = "GONE",
    };
    enum status status = redis_reply_status(list);
    if (status != STATUS_OK)
        return (struct finish_result){.status = status};
    int outcome = words_index_at(list, 0, words, COUNT_OF(words));
    return (struct finish_result){
        .status = with_outcome(STATUS_OK, outcome),
        .outcome = (enum finish_outcome)outcome,
        .state = state_at(list, 1),
        .last = words_unsigned_at(list, 2),
        .delay_ms = words_number_at(list, 3),
    };
}

static void on_finish(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct finish_result results[QUEUE_BATCH_MOST];
    status = check_results(step, status, reply);
    for (size_t i = 0; status == STATUS_OK && i < step->count; i++)
        results[i] = read_finished(redis_reply_at(reply, i));
    step->fn.finish(step->arg, status, results);
    free(step);
}

static void put_finish(struct words *w, const struct holding *job, const struct finish *in)
{
    static const char *const how[] = {
        [FINISH_DONE] = "done", [FINISH_FAILED] = "failed", [FINISH_DIED] = "died"};
    words_put(w, job->id);
    words_put(w, job->owner);
    words_put(w, how[in->how]);
    words_put_number(w, (int64_t)in->last);
    words_put(w, in->reason);
    words_put(w, in->detail);
    words_put_number(w, in->retry);
    words_put(w, in->words);
    /* A draw is a system call, and only a failed attempt needs one. */
    words_put_number(w, in->how == FINISH_FAILED ? (int64_t)id_random_below(1000000) : 0);
    words_put_number(w, in->policy.max_attempts);
    words_put_number(w, in->policy.backoff_ms);
    words_put_number(w, in->policy.backoff_max_ms);
    words_put_number(w, in->alone);
    words_put_number(w, in->retry_after_ms);
    words_put(w, in->usage);
    put_append(w, &in->append);
}

/* How the dead are bounded; three words. */
static void put_dead_bounds(struct words *w, const struct settings *s)
{
    words_put_number(w, s->dead_retention_ms);
    words_put_number(w, s->dead_max);
    words_put_number(w, s->dead_max_bytes);
}

enum status queue_finish(const struct queue *q, const struct holding *jobs, const struct finish *in,
                         size_t count, finish_fn *fn, void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    size_t capacity = FINISH_HEAD;
    assert(count <= QUEUE_BATCH_MOST);
    for (size_t i = 0; i < count; i++)
        capacity += FINISH_WORDS + in[i].append.count;
    if (!prepare(&w, capacity, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.finish = fn;
    step->count = count;
    words_put_number(&w, s->stream_ttl_ms);
    words_put_number(&w, s->job_max_deaths);
    put_dead_bounds(&w, s);
    for (size_t i = 0; i < count; i++)
        put_finish(&w, &jobs[i], &in[i]);
    return run(q, SCRIPT_FINISH, &w, on_finish, step);
}

static void on_hand_back(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    step->fn.hand_back(step->arg, status, status == STATUS_OK && redis_reply_number(reply) == 1);
    free(step);
}

enum status queue_hand_back(const struct queue *q, const struct holding *job,
                            const struct hand_back *in, hand_back_fn *fn, void *arg)
{
    static const struct hand_back plain = {.reason = "", .detail = ""};
    struct words w;
    struct step *step;
    if (!prepare(&w, 7, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.hand_back = fn;
    if (!in)
        in = &plain;
    words_put(&w, job->id);
    words_put(&w, job->owner);
    words_put_number(&w, in->alone);
    words_put(&w, in->reason);
    words_put(&w, in->detail);
    words_put(&w, in->words);
    words_put(&w, in->usage);
    return run(q, SCRIPT_HAND_BACK, &w, on_hand_back, step);
}

static void on_usage(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    step->fn.usage(step->arg, status, status == STATUS_OK && redis_reply_number(reply) == 1);
    free(step);
}

enum status queue_usage(const struct queue *q, const struct holding *job, const char *usage,
                        usage_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 3, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.usage = fn;
    words_put(&w, job->id);
    words_put_number(&w, (int64_t)job->attempt);
    words_put(&w, usage);
    return run(q, SCRIPT_USAGE, &w, on_usage, step);
}

/* ---- cancel ---- */

static void on_cancel(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {"NONE", "ENDED", "CANCELLED"};
    struct step *step = arg;
    struct cancel_result result = {0};
    if (status == STATUS_OK) {
        int outcome = words_index_at(reply, 0, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result.found = outcome > 0;
        result.was_alive = outcome == 2;
        result.job = words_text_at(reply, 1);
        result.state = state_at(reply, 2);
    }
    step->fn.cancel(step->arg, status, &result);
    free(step);
}

enum status queue_cancel(const struct queue *q, const char *feature_id, const char *chat_id,
                         const char *job, cancel_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 4, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.cancel = fn;
    words_put(&w, feature_id);
    words_put(&w, chat_id);
    words_put(&w, job);
    words_put_number(&w, q->settings->stream_ttl_ms);
    return run(q, SCRIPT_CANCEL, &w, on_cancel, step);
}

/* ---- stop and retry ---- */

static void on_stop(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {
        [STOP_NONE] = "NONE",
        [STOP_ENDED] = "ENDED",
        [STOP_CANCELLED] = "CANCELLED",
        [STOP_DROPPED] = "DROPPED",
    };
    struct step *step = arg;
    struct stop_result result = {0};
    if (status == STATUS_OK) {
        int outcome = words_index_at(reply, 0, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result = (struct stop_result){(enum stop_outcome)outcome, state_at(reply, 1)};
    }
    step->fn.stop(step->arg, status, &result);
    free(step);
}

enum status queue_stop(const struct queue *q, const char *job, stop_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 2, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.stop = fn;
    words_put(&w, job);
    words_put_number(&w, q->settings->stream_ttl_ms);
    return run(q, SCRIPT_STOP, &w, on_stop, step);
}

static void on_retry(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {
        [RETRY_STARTED] = "STARTED", [RETRY_NONE] = "NONE", [RETRY_ALIVE] = "ALIVE",
        [RETRY_BUSY] = "BUSY",       [RETRY_FULL] = "FULL",
    };
    struct step *step = arg;
    struct retry_result result = {0};
    if (status == STATUS_OK) {
        int outcome = words_index_at(reply, 0, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result = (struct retry_result){
            .outcome = (enum retry_outcome)outcome,
            .job = words_text_at(reply, 1),
            .state = state_at(reply, 2),
            .feature_id = words_text_at(reply, 3),
            .chat_id = words_text_at(reply, 4),
        };
    }
    step->fn.retry(step->arg, status, &result);
    free(step);
}

enum status queue_retry(const struct queue *q, const char *job, const char *id, retry_fn *fn,
                        void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 8, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.retry = fn;
    words_put(&w, job);
    words_put(&w, ""); /* queue and cursor are for a page of them */
    words_put(&w, "");
    words_put_number(&w, s->queue_max_waiting);
    words_put_number(&w, s->queue_max_bytes);
    words_put_number(&w, s->stream_ttl_ms);
    words_put_number(&w, s->idempotency_ttl_ms);
    words_put(&w, id);
    return run(q, SCRIPT_RETRY, &w, on_retry, step);
}

/* ---- reap ---- */

static void on_reap(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct reap_result result = {0};
    if (status == STATUS_OK)
        result = (struct reap_result){
            .died = (size_t)words_number_at(reply, 0),
            .expired = (size_t)words_number_at(reply, 1),
            .promoted = (size_t)words_number_at(reply, 2),
            .extended = words_number_at(reply, 3) != 0,
            .broken = (size_t)words_number_at(reply, 4),
        };
    step->fn.reap(step->arg, status, &result);
    free(step);
}

enum status queue_reap(const struct queue *q, const char *const *names, size_t count,
                       int64_t fresh_ms, reap_fn *fn, void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 7 + count, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.reap = fn;
    words_put_number(&w, s->lease_ms);
    words_put_number(&w, s->stream_ttl_ms);
    words_put_number(&w, s->job_max_deaths);
    put_dead_bounds(&w, s);
    words_put_number(&w, fresh_ms);
    for (size_t i = 0; i < count; i++)
        words_put(&w, names[i]);
    return run(q, SCRIPT_REAP, &w, on_reap, step);
}
