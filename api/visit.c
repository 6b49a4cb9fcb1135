/*
 * visit.c: a request while it is being answered, and what it is told when it cannot be.
 *
 * Called by the routes and by what they call; stream.c has the part of a visit
 * that follows a stream. The dangerous part is its end: the exchange may close
 * while a step is under way, and the step's answer then frees the visit.
 */
#include "visit.h"

#include "json.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the life of a visit ---- */

static void free_if_over(struct visit *visit)
{
    if (visit->exchange || visit->asking)
        return;
    buf_clear(&visit->opening);
    render_free(visit->follower.render);
    free(visit->asked);
    free(visit);
}

static void on_open(void *arg, struct outlet *outlet)
{
    struct visit *visit = arg;
    enum status status = outlet_write(outlet, visit->opening.data, visit->opening.length);
    buf_clear(&visit->opening);
    free(visit->asked);
    visit->asked = NULL;
    if (status != STATUS_OK)
        exchange_abort(visit->exchange);
    else if (visit->ends)
        exchange_end(visit->exchange);
    else
        hub_open(&visit->follower, outlet);
}

static void on_writable(void *arg)
{
    struct visit *visit = arg;
    hub_writable(&visit->follower);
}

static void on_gone(void *arg)
{
    struct visit *visit = arg;
    hub_abandon(&visit->follower);
}

static void on_closed(void *arg)
{
    struct visit *visit = arg;
    hub_abandon(&visit->follower);
    visit->exchange = NULL;
    free_if_over(visit);
}

static const struct exchange_events events = {
    .on_open = on_open,
    .on_writable = on_writable,
    .on_gone = on_gone,
    .on_closed = on_closed,
};

struct visit *visit_new(struct gateway *g, struct exchange *e)
{
    struct visit *visit = calloc(1, sizeof *visit);
    struct visit_asked *asked = calloc(1, sizeof *asked);
    if (!visit || !asked) {
        free(visit);
        free(asked);
        return NULL;
    }
    visit->asked = asked;
    visit->gateway = g;
    visit->exchange = e;
    visit->follower.exchange = e;
    exchange_bind(e, &events, visit);
    return visit;
}

void visit_asked(struct visit *visit, enum status status)
{
    if (status == STATUS_OK)
        visit->asking = true;
    else
        visit_refuse_for(visit, status);
}

bool visit_come_back(struct visit *visit)
{
    visit->asking = false;
    if (visit->exchange)
        return true;
    free_if_over(visit);
    return false;
}

void visit_on_reply(void *arg, enum status status, const struct redisReply *reply)
{
    struct visit *visit = arg;
    if (!visit_come_back(visit))
        return;
    if (status == STATUS_OK)
        visit->answer(visit, reply);
    else
        visit_refuse_for(visit, status);
}

void visit_answer(struct visit *visit, int http_status, const struct buf *body)
{
    reply_json(visit->exchange, visit->gateway->settings, http_status, NULL, 0, body);
}

void visit_answer_stream(struct visit *visit, const struct visit_stream *stream, struct buf *body)
{
    const char *chat = *stream->chat_id ? stream->chat_id : stream->job;
    char target[REQUEST_STREAM_SIZE];
    request_stream(stream->feature_id, chat, stream->job, target);
    buf_printf(body, ", \"stream\": \"%s\"}\n", target);
    const struct exchange_field fields[] = {
        {"Location", target},
        {"Leat-Job", stream->job},
        {"Leat-Attached", stream->attached ? "true" : "false"},
    };
    reply_json(visit->exchange, visit->gateway->settings, 202, fields, COUNT_OF(fields), body);
}

void visit_put_cursor(struct buf *body, const struct redisReply *cursor)
{
    size_t length;
    const char *text = redis_reply_text(cursor, &length);
    buf_puts(body, ", \"cursor\": ");
    if (length > 0)
        json_quote(body, text, length);
    else
        buf_puts(body, "null");
}

/* ---- refusals ---- */

void visit_refuse(struct visit *visit, enum problem problem, const char *detail, const char *job)
{
    reply_problem(visit->exchange, visit->gateway->settings, problem, detail, job);
}

void visit_refuse_for(struct visit *visit, enum status status)
{
    enum problem problem = status == STATUS_NO_MEMORY ? PROBLEM_INTERNAL : PROBLEM_UNAVAILABLE;
    const char *detail = "There is no usable connection to Redis. Nothing was done.";
    if (status == STATUS_LOST)
        detail = "The connection to Redis broke, and what came of it is not known. Ask again.";
    else if (status == STATUS_FULL)
        detail = "Redis has no memory left for new jobs.";
    else if (status != STATUS_CLOSED)
        detail = status_text(status);
    if (status == STATUS_PROTOCOL || status == STATUS_REFUSED)
        log_error("step_failed", LOG_S("why", status_name(status)));
    visit_refuse(visit, problem, detail, "");
}

void visit_refuse_enqueue(struct visit *visit, const struct enqueue_result *result)
{
    switch (result->outcome) {
    case ENQUEUE_STARTED:
    case ENQUEUE_JOINED:
        break;
    case ENQUEUE_BUSY:
        visit_refuse(visit, PROBLEM_CHAT_BUSY,
                     "Follow it with GET, stop it with DELETE, or ask with if_busy=replace.",
                     result->job);
        break;
    case ENQUEUE_FOREIGN:
        visit_refuse(visit, PROBLEM_CHAT_FOREIGN, "It can be followed, and starts no job.", "");
        break;
    case ENQUEUE_KEY_REUSED:
        visit_refuse(visit, PROBLEM_KEY_REUSED, "Take a new key for a new question.", result->job);
        break;
    case ENQUEUE_FULL:
        visit_refuse(visit, PROBLEM_QUEUE_FULL, "The queue has reached its limit.", "");
        break;
    }
}

const char *visit_json(struct visit *visit, size_t *length)
{
    struct json_info info;
    char detail[200];
    const char *body = exchange_body(visit->exchange, length);
    if (*length == 0 || json_check(body, *length, &info))
        return body;
    snprintf(detail, sizeof detail, "The body is not valid JSON: %s, at byte %zu.", info.reason,
             info.offset);
    visit_refuse(visit, PROBLEM_BAD_REQUEST, detail, "");
    return NULL;
}

bool visit_read_input(struct visit *visit, enum input_use use, struct job_input *input,
                      char hash[DIGEST_SIZE])
{
    size_t length;
    char wrong[JOB_INPUT_WRONG_SIZE];
    const char *body = visit_json(visit, &length);
    if (!body)
        return false;
    enum status status = job_input_read(body, length, use, input, wrong);
    const struct feature *feature =
        status == STATUS_OK ? visit_feature(visit, input->feature_id) : NULL;
    if (status == STATUS_OK)
        job_input_fill(&input->options, feature);
    if (status == STATUS_OK && hash)
        status =
            job_input_identity(input->type, job_input_stream_type(feature), input->payload, hash);
    if (status == STATUS_BAD_INPUT)
        visit_refuse(visit, PROBLEM_BAD_REQUEST, wrong, "");
    else if (status != STATUS_OK)
        visit_refuse_for(visit, status);
    return status == STATUS_OK;
}
