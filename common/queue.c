/*
 * queue.c: C's side of the steps: their words, and what their answers mean.
 *
 * The order of words and of answers is written down at the top of each Lua file;
 * this file is the only one that shares that knowledge. A step in flight is a
 * `struct step`, freed right after its callback.
 */
#include "queue.h"

#include "id.h"
#include "keys.h"
#include "script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_STANDARD 5

struct step {
    union {
        enqueue_fn *enqueue;
        look_fn *look;
        claim_fn *claim;
        append_fn *append;
        heartbeat_fn *heartbeat;
        finish_fn *finish;
        hand_back_fn *hand_back;
        cancel_fn *cancel;
        reap_fn *reap;
    } fn;
    void *arg;
};

/* ---- the words of a step ---- */

struct words {
    const char **argv;
    size_t *lengths;
    char (*numbers)[24];
    int count;
    int capacity;
};

static bool words_init(struct words *w, size_t capacity)
{
    *w = (struct words){.capacity = (int)capacity};
    w->argv = calloc(capacity, sizeof *w->argv + sizeof *w->lengths + sizeof *w->numbers);
    if (!w->argv)
        return false;
    w->lengths = (size_t *)(void *)(w->argv + capacity);
    w->numbers = (char(*)[24])(w->lengths + capacity);
    return true;
}

static void put_bytes(struct words *w, const char *data, size_t length)
{
    w->argv[w->count] = data ? data : "";
    w->lengths[w->count++] = length;
}

static void put(struct words *w, const char *text)
{
    put_bytes(w, text, strlen(text));
}

static void put_number(struct words *w, int64_t number)
{
    char *at = w->numbers[w->count];
    put_bytes(w, at, (size_t)snprintf(at, sizeof w->numbers[0], "%" PRId64, number));
}

static void put_holding(struct words *w, const struct holding *job)
{
    put(w, job->id);
    put(w, job->owner);
    put(w, job->feature_id);
    put(w, job->chat_id);
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
    enum status status = script_run(q->redis, script, w->count, w->argv, w->lengths, fn, step);
    free(w->argv);
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
        free(w->argv);
    return *step != NULL;
}

/* ---- reading answers ---- */

static const char *text_at(const struct redisReply *reply, size_t index)
{
    size_t length;
    return redis_reply_text(redis_reply_at(reply, index), &length);
}

static int64_t number_at(const struct redisReply *reply, size_t index)
{
    return redis_reply_number(redis_reply_at(reply, index));
}

static uint64_t unsigned_at(const struct redisReply *reply, size_t index)
{
    const struct redisReply *one = redis_reply_at(reply, index);
    size_t length;
    if (redis_reply_type(one) == REDIS_IS_TEXT)
        return strtoull(redis_reply_text(one, &length), NULL, 10);
    int64_t number = redis_reply_number(one);
    return number < 0 ? 0 : (uint64_t)number;
}

static enum job_state state_at(const struct redisReply *reply, size_t index)
{
    size_t length;
    const char *text = redis_reply_text(redis_reply_at(reply, index), &length);
    return job_state_read(text, length);
}

/* The index of the word an answer begins with; -1 for none of them. */
static int outcome_of(const struct redisReply *reply, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text_at(reply, 0), words[i]) == 0)
            return (int)i;
    }
    return -1;
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
    snprintf(view->job, sizeof view->job, "%s", text_at(list, 0));
    view->state = state_at(list, 1);
    view->stream = stream_kind_of(text_at(list, 2));
    view->ended = number_at(list, 3) != 0;
    view->first = unsigned_at(list, 4);
    view->attempt = unsigned_at(list, 5);
    view->number = unsigned_at(list, 7);
    view->position = unsigned_at(list, 8);
    snprintf(view->worker, sizeof view->worker, "%s", text_at(list, 9));
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
        int outcome = outcome_of(reply, words, COUNT_OF(words));
        status = with_outcome(read_view(redis_reply_at(reply, 2), &result.view), outcome);
        result.outcome = (enum enqueue_outcome)outcome;
        result.job = text_at(reply, 1);
    }
    step->fn.enqueue(step->arg, status, &result);
    free(step);
}

enum status queue_enqueue(const struct queue *q, const struct enqueue *in, enqueue_fn *fn,
                          void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 17, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.enqueue = fn;
    put(&w, in->id);
    put(&w, in->type);
    put(&w, in->feature_id);
    put(&w, in->chat_id);
    put_bytes(&w, in->payload, in->payload ? in->payload_length : 0);
    put_number(&w, in->payload != NULL);
    put(&w, in->body_hash);
    put(&w, in->key);
    put(&w, in->if_busy == IF_BUSY_REPLACE ? "replace" : "reject");
    put_number(&w, PRIORITY_STANDARD);
    put_number(&w, s->job_deadline_ms);
    put_number(&w, s->job_timeout_ms);
    put_number(&w, s->job_max_attempts);
    put_number(&w, s->queue_max_waiting);
    put_number(&w, s->queue_max_bytes);
    put_number(&w, s->idempotency_ttl_ms);
    put_number(&w, s->stream_ttl_ms);
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
    put(&w, feature_id);
    put(&w, chat_id);
    return run(q, SCRIPT_LOOK, &w, on_look, step);
}

/* ---- claim ---- */

static void read_claimed(const struct redisReply *list, struct claimed *job)
{
    const struct redisReply *payload = redis_reply_at(list, 5);
    job->id = text_at(list, 0);
    job->owner = text_at(list, 1);
    job->type = text_at(list, 2);
    job->feature_id = text_at(list, 3);
    job->chat_id = text_at(list, 4);
    job->payload = redis_reply_text(payload, &job->payload_length);
    job->attempt = unsigned_at(list, 6);
    job->number = unsigned_at(list, 7);
    job->timeout_ms = number_at(list, 8);
    job->max_attempts = number_at(list, 9);
    job->waited_ms = number_at(list, 10);
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
        result = (struct claim_result){jobs, count - 1, number_at(reply, 0) != 0};
    }
    step->fn.claim(step->arg, status, &result);
    free(jobs);
    free(step);
}

enum status queue_claim(const struct queue *q, const char *worker, size_t most, claim_fn *fn,
                        void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 5, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.claim = fn;
    put(&w, worker);
    put(&w, q->settings->worker_queues);
    put_number(&w, (int64_t)most);
    put_number(&w, q->settings->lease_ms);
    put_number(&w, q->settings->stream_ttl_ms);
    return run(q, SCRIPT_CLAIM, &w, on_claim, step);
}

/* ---- append ---- */

static void on_append(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {
        [APPEND_OK] = "OK",
        [APPEND_FENCED] = "FENCED",
        [APPEND_FOREIGN] = "FOREIGN",
        [APPEND_GONE] = "GONE",
    };
    struct step *step = arg;
    struct append_result result = {0};
    if (status == STATUS_OK) {
        int outcome = outcome_of(reply, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result.outcome = (enum append_outcome)outcome;
        result.last = unsigned_at(reply, 1);
    }
    step->fn.append(step->arg, status, &result);
    free(step);
}

enum status queue_append(const struct queue *q, const struct holding *job, uint64_t first,
                         const struct message *messages, size_t count, append_fn *fn, void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 7 + count, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.append = fn;
    put_holding(&w, job);
    put_number(&w, (int64_t)job->attempt);
    put_number(&w, (int64_t)first);
    put_number(&w, q->settings->stream_ttl_ms);
    for (size_t i = 0; i < count; i++)
        put_bytes(&w, messages[i].data, messages[i].length);
    return run(q, SCRIPT_APPEND, &w, on_append, step);
}

/* ---- heartbeat ---- */

static void on_heartbeat(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct heartbeat_result result = {0};
    bool *held = NULL;
    size_t count = redis_reply_count(reply);
    if (status == STATUS_OK && count == 0)
        status = STATUS_PROTOCOL;
    if (status == STATUS_OK && !(held = calloc(count, sizeof *held)))
        status = STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        for (size_t i = 1; i < count; i++)
            held[i - 1] = number_at(reply, i) == 1;
        result = (struct heartbeat_result){held, count - 1, (size_t)number_at(reply, 0)};
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
    if (!prepare(&w, 7 + 4 * in->count, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.heartbeat = fn;
    put(&w, in->worker);
    put(&w, q->settings->worker_queues);
    put_number(&w, q->settings->lease_ms);
    put_number(&w, q->settings->stream_ttl_ms);
    put_number(&w, (int64_t)in->capacity);
    put_number(&w, in->complete);
    put_number(&w, in->since_ms);
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

static void on_finish(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {
        [FINISH_ENDED] = "ENDED",     [FINISH_AGAIN] = "AGAIN", [FINISH_FENCED] = "FENCED",
        [FINISH_FOREIGN] = "FOREIGN", [FINISH_GONE] = "GONE",
    };
    struct step *step = arg;
    struct finish_result result = {0};
    if (status == STATUS_OK) {
        int outcome = outcome_of(reply, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result.outcome = (enum finish_outcome)outcome;
        result.state = state_at(reply, 1);
        result.last = unsigned_at(reply, 2);
        result.delay_ms = number_at(reply, 3);
    }
    step->fn.finish(step->arg, status, &result);
    free(step);
}

enum status queue_finish(const struct queue *q, const struct holding *job, const struct finish *in,
                         finish_fn *fn, void *arg)
{
    static const char *const how[] = {
        [FINISH_DONE] = "done", [FINISH_FAILED] = "failed", [FINISH_DIED] = "died"};
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 15, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.finish = fn;
    put(&w, job->id);
    put(&w, job->owner);
    put(&w, how[in->how]);
    put_number(&w, (int64_t)in->last);
    put(&w, in->reason);
    put(&w, in->detail);
    put_number(&w, in->retry);
    put_number(&w, (int64_t)id_random_below(1000000));
    put_number(&w, s->retry_backoff_ms);
    put_number(&w, s->retry_backoff_max_ms);
    put_number(&w, s->stream_ttl_ms);
    put_number(&w, s->job_max_deaths);
    put_number(&w, s->dead_retention_ms);
    put_number(&w, s->dead_max);
    put(&w, in->words ? in->words : "");
    return run(q, SCRIPT_FINISH, &w, on_finish, step);
}

static void on_hand_back(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    step->fn.hand_back(step->arg, status, status == STATUS_OK && redis_reply_number(reply) == 1);
    free(step);
}

enum status queue_hand_back(const struct queue *q, const struct holding *job, hand_back_fn *fn,
                            void *arg)
{
    struct words w;
    struct step *step;
    if (!prepare(&w, 2, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.hand_back = fn;
    put(&w, job->id);
    put(&w, job->owner);
    return run(q, SCRIPT_HAND_BACK, &w, on_hand_back, step);
}

/* ---- cancel ---- */

static void on_cancel(void *arg, enum status status, const struct redisReply *reply)
{
    static const char *const words[] = {"NONE", "ENDED", "CANCELLED"};
    struct step *step = arg;
    struct cancel_result result = {0};
    if (status == STATUS_OK) {
        int outcome = outcome_of(reply, words, COUNT_OF(words));
        status = with_outcome(STATUS_OK, outcome);
        result.found = outcome > 0;
        result.was_alive = outcome == 2;
        result.job = text_at(reply, 1);
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
    put(&w, feature_id);
    put(&w, chat_id);
    put(&w, job);
    put_number(&w, q->settings->stream_ttl_ms);
    return run(q, SCRIPT_CANCEL, &w, on_cancel, step);
}

/* ---- reap ---- */

static void on_reap(void *arg, enum status status, const struct redisReply *reply)
{
    struct step *step = arg;
    struct reap_result result = {0};
    if (status == STATUS_OK)
        result = (struct reap_result){(size_t)number_at(reply, 0), (size_t)number_at(reply, 1),
                                      (size_t)number_at(reply, 2), number_at(reply, 3) != 0};
    step->fn.reap(step->arg, status, &result);
    free(step);
}

enum status queue_reap(const struct queue *q, const char *name, reap_fn *fn, void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    struct step *step;
    if (!prepare(&w, 6, &step, arg))
        return STATUS_NO_MEMORY;
    step->fn.reap = fn;
    put(&w, name);
    put_number(&w, s->lease_ms);
    put_number(&w, s->stream_ttl_ms);
    put_number(&w, s->job_max_deaths);
    put_number(&w, s->dead_retention_ms);
    put_number(&w, s->dead_max);
    return run(q, SCRIPT_REAP, &w, on_reap, step);
}
