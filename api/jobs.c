/*
 * jobs.c: put a job in without following it, look at jobs, stop them, try them again.
 *
 * Each function sends one step and answers when its reply comes (visit.h). A job
 * may ask for more than a chat's question, but what makes two questions equal is
 * the same here and at /stream, so that either can join what the other started.
 */
#include "jobs.h"

#include "admin.h"
#include "id.h"
#include "job_input.h"
#include "json.h"
#include "log.h"
#include "record.h"
#include "reply.h"

#include <inttypes.h>
#include <string.h>

/* A state that is not known any more is null. */
static void put_state(struct buf *out, enum job_state state)
{
    if (state == JOB_NONE)
        buf_puts(out, "\"state\": null");
    else
        buf_printf(out, "\"state\": \"%s\"", job_state_name(state));
}

/* ---- POST /jobs ---- */

/* feature and chat are of the input, which the body still has: of this very request. */
static void answer_job(struct visit *visit, const struct enqueue_result *result, bool attached)
{
    const struct visit_stream stream = {
        .feature_id = visit->asked->request.feature_id,
        .chat_id = visit->asked->request.chat_id,
        .job = result->job,
        .attached = attached,
    };
    struct buf body = {0};
    buf_printf(&body, "{\"id\": \"%s\", ", result->job);
    put_state(&body, result->state);
    visit_answer_stream(visit, &stream, &body);
    buf_clear(&body);
}

static void on_enqueue(void *arg, enum status status, const struct enqueue_result *result)
{
    struct visit *visit = arg;
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK)
        visit_refuse_for(visit, status);
    else if (result->outcome == ENQUEUE_STARTED) {
        log_info("enqueued", LOG_S("job", result->job),
                 LOG_S("feature_id", visit->asked->request.feature_id),
                 LOG_S("chat_id", *visit->asked->request.chat_id ? visit->asked->request.chat_id
                                                                 : result->job));
        answer_job(visit, result, false);
    } else if (result->outcome == ENQUEUE_JOINED && *result->job)
        answer_job(visit, result, true);
    else if (result->outcome == ENQUEUE_JOINED) /* a stream can be followed, but is no job */
        visit_refuse(visit, PROBLEM_CHAT_FOREIGN, "It can be followed, and starts no job.", "");
    else
        visit_refuse_enqueue(visit, result);
}

static void enqueue(struct visit *visit, const struct job_input *input, const struct buf *payload,
                    const char *hash)
{
    const struct feature *feature = visit_feature(visit, input->feature_id);
    id_new(visit->asked->id);
    const struct enqueue in = {
        .id = visit->asked->id,
        .type = input->type,
        .feature_id = input->feature_id,
        .chat_id = *input->chat_id ? input->chat_id : NULL,
        .queue = feature ? feature->queue : NULL,
        .payload = payload->data,
        .payload_length = payload->length,
        .body_hash = hash,
        .key = visit->asked->key,
        .if_busy = visit->asked->request.if_busy,
        .options = &input->options,
    };
    visit_asked(visit, queue_enqueue(visit_queue(visit), &in, on_enqueue, visit));
}

void jobs_start(struct visit *visit)
{
    struct job_input input;
    struct buf payload = {0};
    char hash[DIGEST_SIZE];
    if (!visit_read_input(visit, INPUT_JOB, &input, hash))
        return;
    memcpy(visit->asked->request.feature_id, input.feature_id, sizeof input.feature_id);
    memcpy(visit->asked->request.chat_id, input.chat_id, sizeof input.chat_id);
    job_input_line(input.payload, &payload);
    if (buf_ok(&payload))
        enqueue(visit, &input, &payload, hash);
    else
        visit_refuse_for(visit, STATUS_NO_MEMORY);
    buf_clear(&payload);
}

/* ---- GET ---- */

static void answer_record(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    if (redis_reply_count(reply) == 0) {
        visit_refuse(visit, PROBLEM_NO_JOB, "Nothing is known of such a job.", "");
        return;
    }
    record_put(&body, RECORD_JOB, reply);
    buf_putc(&body, '\n');
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void jobs_show(struct visit *visit)
{
    visit->answer = answer_record;
    visit_asked(visit,
                admin_job(visit_queue(visit), visit->asked->request.job, visit_on_reply, visit));
}

static void answer_page(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    buf_puts(&body, "{\"jobs\": ");
    record_put_list(&body, RECORD_JOB, reply, 2);
    buf_printf(&body, ", \"total\": %" PRId64, redis_reply_number(redis_reply_at(reply, 0)));
    visit_put_cursor(&body, redis_reply_at(reply, 1));
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void jobs_list(struct visit *visit)
{
    const struct request *request = &visit->asked->request;
    if (request->state == JOB_NONE) {
        visit_refuse(visit, PROBLEM_BAD_REQUEST, "state is missing.", "");
        return;
    }
    const struct admin_page page = {
        .queue = request->queue,
        .state = request->state,
        .limit = request->limit,
        .cursor = request->page_cursor,
    };
    visit->answer = answer_page;
    visit_asked(visit, admin_jobs(visit_queue(visit), &page, visit_on_reply, visit));
}

/* ---- DELETE /jobs/{id} ---- */

static void on_stop(void *arg, enum status status, const struct stop_result *result)
{
    struct visit *visit = arg;
    struct buf body = {0};
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK) {
        visit_refuse_for(visit, status);
        return;
    }
    if (result->outcome == STOP_NONE) {
        visit_refuse(visit, PROBLEM_NO_JOB, "Nothing is known of such a job.", "");
        return;
    }
    const char *job = visit->asked->request.job;
    bool dropped = result->outcome == STOP_DROPPED;
    if (result->outcome != STOP_ENDED)
        log_info(dropped ? "dropped" : "cancelled", LOG_S("job", job));
    if (result->outcome == STOP_CANCELLED)
        stops_note(&visit->gateway->stops, job);
    buf_printf(&body, "{\"id\": \"%s\", ", job);
    put_state(&body, result->state);
    buf_printf(&body, ", \"dropped\": %s}\n", dropped ? "true" : "false");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void jobs_stop(struct visit *visit)
{
    visit_asked(visit, queue_stop(visit_queue(visit), visit->asked->request.job, on_stop, visit));
}

/* ---- POST /jobs/{id}/retry ---- */

static void answer_retry(struct visit *visit, const struct retry_result *result)
{
    const struct visit_stream stream = {
        .feature_id = result->feature_id,
        .chat_id = result->chat_id,
        .job = result->job,
    };
    struct buf body = {0};
    log_info("retried", LOG_S("job", visit->asked->request.job), LOG_S("as", result->job));
    buf_printf(&body, "{\"id\": \"%s\", ", result->job);
    put_state(&body, result->state);
    buf_printf(&body, ", \"retried_from\": \"%s\"", visit->asked->request.job);
    visit_answer_stream(visit, &stream, &body);
    buf_clear(&body);
}

static void on_retry(void *arg, enum status status, const struct retry_result *result)
{
    struct visit *visit = arg;
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK) {
        visit_refuse_for(visit, status);
        return;
    }
    switch (result->outcome) {
    case RETRY_STARTED:
        answer_retry(visit, result);
        break;
    case RETRY_NONE:
        visit_refuse(visit, PROBLEM_NO_JOB, "Nothing is known of such a job.", "");
        break;
    case RETRY_ALIVE:
        visit_refuse(visit, PROBLEM_NOT_DEAD, "GET says what has become of it.",
                     visit->asked->request.job);
        break;
    case RETRY_BUSY:
        if (*result->job)
            visit_refuse(visit, PROBLEM_CHAT_BUSY, "Its chat has another job.", result->job);
        else
            visit_refuse(visit, PROBLEM_CHAT_FOREIGN, "It stays as it is.", "");
        break;
    case RETRY_FULL:
        visit_refuse(visit, PROBLEM_QUEUE_FULL, "The queue has reached its limit.", "");
        break;
    }
}

void jobs_retry(struct visit *visit)
{
    id_new(visit->asked->id);
    visit_asked(visit, queue_retry(visit_queue(visit), visit->asked->request.job, visit->asked->id,
                                   on_retry, visit));
}

/* ---- many at once ---- */

static int64_t number_at(const struct redisReply *reply, size_t index)
{
    return redis_reply_number(redis_reply_at(reply, index));
}

static void answer_retry_many(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    if (number_at(reply, 4) != 0 && number_at(reply, 0) == 0) {
        visit_refuse(visit, PROBLEM_QUEUE_FULL, "The queue has reached its limit.", "");
        return;
    }
    log_info("retried_many", LOG_S("queue", visit->asked->request.queue),
             LOG_I("retried", number_at(reply, 0)));
    buf_printf(&body, "{\"retried\": %" PRId64 ", \"busy\": %" PRId64 ", \"left\": %" PRId64,
               number_at(reply, 0), number_at(reply, 1), number_at(reply, 2));
    visit_put_cursor(&body, redis_reply_at(reply, 3));
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void jobs_retry_many(struct visit *visit)
{
    const struct request *request = &visit->asked->request;
    visit->answer = answer_retry_many;
    visit_asked(visit, admin_retry(visit_queue(visit), request->queue, request->page_cursor,
                                   request->limit, visit_on_reply, visit));
}

static void answer_purge(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    log_info("purged", LOG_S("queue", visit->asked->request.queue),
             LOG_I("dropped", number_at(reply, 0)));
    buf_printf(&body, "{\"dropped\": %" PRId64 ", \"left\": %" PRId64 "}\n", number_at(reply, 0),
               number_at(reply, 1));
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void jobs_purge(struct visit *visit)
{
    const struct request *request = &visit->asked->request;
    if (request->state != JOB_DEAD) {
        visit_refuse(visit, PROBLEM_BAD_REQUEST,
                     "Only state=dead can be dropped, and must be said.", "");
        return;
    }
    visit->answer = answer_purge;
    visit_asked(visit, admin_purge(visit_queue(visit), request->queue, request->limit,
                                   visit_on_reply, visit));
}
