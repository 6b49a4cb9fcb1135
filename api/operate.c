/*
 * operate.c: queues, routes and workers.
 *
 * Each function sends one step and answers when its reply comes (visit.h). What
 * changes something is logged, once: who runs this may have to explain it later.
 */
#include "operate.h"

#include "admin.h"
#include "job_input.h"
#include "json.h"
#include "log.h"
#include "record.h"

#include <string.h>

/* ---- queues ---- */

/* {"<name>": [records]} */
static void answer_list(struct visit *visit, const char *name, enum record_kind kind,
                        const struct redisReply *reply)
{
    struct buf body = {0};
    buf_printf(&body, "{\"%s\": ", name);
    record_put_list(&body, kind, reply, 0);
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

static void answer_queues(struct visit *visit, const struct redisReply *reply)
{
    answer_list(visit, "queues", RECORD_QUEUE, reply);
}

void operate_queues(struct visit *visit)
{
    visit->answer = answer_queues;
    visit_asked(visit, admin_queues(visit_queue(visit), "", visit_on_reply, visit));
}

/* Any name is a queue's; one that nobody uses is empty. */
static void answer_queue(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    record_put(&body, RECORD_QUEUE, redis_reply_at(reply, 0));
    buf_putc(&body, '\n');
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void operate_queue(struct visit *visit)
{
    visit->answer = answer_queue;
    visit_asked(visit, admin_queues(visit_queue(visit), visit->asked->request.queue, visit_on_reply,
                                    visit));
}

static void answer_paused(struct visit *visit, const struct redisReply *reply)
{
    log_info("queue_paused", LOG_S("queue", visit->asked->request.queue));
    answer_queue(visit, reply);
}

static void answer_resumed(struct visit *visit, const struct redisReply *reply)
{
    log_info("queue_resumed", LOG_S("queue", visit->asked->request.queue));
    answer_queue(visit, reply);
}

static void set_paused(struct visit *visit, bool paused)
{
    visit->answer = paused ? answer_paused : answer_resumed;
    visit_asked(visit, admin_pause(visit_queue(visit), visit->asked->request.queue, paused,
                                   visit_on_reply, visit));
}

void operate_pause(struct visit *visit)
{
    set_paused(visit, true);
}

void operate_resume(struct visit *visit)
{
    set_paused(visit, false);
}

/* ---- routes ---- */

static const char *text_at(const struct redisReply *reply, size_t index)
{
    size_t length;
    return redis_reply_text(redis_reply_at(reply, index), &length);
}

static void put_pair(struct buf *out, const char *feature, const char *queue)
{
    buf_puts(out, "{\"feature_id\": ");
    json_quote(out, feature, strlen(feature));
    buf_puts(out, ", \"queue\": ");
    json_quote(out, queue, strlen(queue));
}

static void answer_routes(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    buf_puts(&body, "{\"routes\": [");
    for (size_t i = 0; i + 1 < redis_reply_count(reply); i += 2) {
        if (i > 0)
            buf_puts(&body, ", ");
        put_pair(&body, text_at(reply, i), text_at(reply, i + 1));
        buf_putc(&body, '}');
    }
    buf_puts(&body, "]}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void operate_routes(struct visit *visit)
{
    visit->answer = answer_routes;
    visit_asked(visit, admin_routes(visit_queue(visit), visit_on_reply, visit));
}

static void refuse_route(struct visit *visit)
{
    visit_refuse(visit, PROBLEM_NO_ROUTE, "Its jobs go to the queue \"default\".", "");
}

static void answer_route(struct visit *visit, const struct redisReply *reply)
{
    const char *queue = record_text(reply, visit->asked->request.feature_id);
    struct buf body = {0};
    if (!*queue) {
        refuse_route(visit);
        return;
    }
    put_pair(&body, visit->asked->request.feature_id, queue);
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void operate_route(struct visit *visit)
{
    visit->answer = answer_route;
    visit_asked(visit, admin_routes(visit_queue(visit), visit_on_reply, visit));
}

static void answer_led(struct visit *visit, const struct redisReply *reply)
{
    const struct request *request = &visit->asked->request;
    size_t length;
    const char *was = redis_reply_text(reply, &length);
    struct buf body = {0};
    log_info("route", LOG_S("feature_id", request->feature_id), LOG_S("queue", request->queue),
             LOG_S("was", was));
    put_pair(&body, request->feature_id, request->queue);
    buf_puts(&body, ", \"was\": ");
    json_quote(&body, was, length);
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void operate_lead(struct visit *visit)
{
    struct job_input input;
    struct request *request = &visit->asked->request;
    if (!visit_read_input(visit, INPUT_ROUTE, &input, NULL))
        return;
    memcpy(request->queue, input.queue, sizeof input.queue);
    visit->answer = answer_led;
    visit_asked(visit, admin_route(visit_queue(visit), request->feature_id, request->queue,
                                   visit_on_reply, visit));
}

static void answer_unled(struct visit *visit, const struct redisReply *reply)
{
    size_t length;
    if (strcmp(redis_reply_text(reply, &length), "default") == 0)
        refuse_route(visit);
    else
        answer_led(visit, reply);
}

void operate_unlead(struct visit *visit)
{
    visit->answer = answer_unled;
    visit_asked(visit, admin_route(visit_queue(visit), visit->asked->request.feature_id, "",
                                   visit_on_reply, visit));
}

/* ---- workers ---- */

static void answer_workers(struct visit *visit, const struct redisReply *reply)
{
    answer_list(visit, "workers", RECORD_WORKER, reply);
}

void operate_workers(struct visit *visit)
{
    visit->answer = answer_workers;
    visit_asked(visit, admin_workers(visit_queue(visit), visit_on_reply, visit));
}
