/*
 * schedules.c: make, show and drop the schedules by which jobs come again.
 *
 * A schedule's first occasion is reckoned here, but from Redis's clock: PUT asks
 * for the time first, and goes on when it has come. The request's body stays
 * readable until it is answered, so it is read anew then and nothing is kept.
 */
#include "schedules.h"

#include "admin.h"
#include "job_input.h"
#include "log.h"
#include "record.h"
#include "schedule_times.h"

static void refuse_name(struct visit *visit)
{
    visit_refuse(visit, PROBLEM_NO_SCHEDULE, "GET /schedules says which there are.", "");
}

static void answer_record(struct visit *visit, int http_status, const struct redisReply *record)
{
    struct buf body = {0};
    record_put(&body, RECORD_SCHEDULE, record);
    buf_putc(&body, '\n');
    visit_answer(visit, http_status, &body);
    buf_clear(&body);
}

/* ---- GET ---- */

static void answer_all(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    buf_puts(&body, "{\"schedules\": ");
    record_put_list(&body, RECORD_SCHEDULE, reply, 0);
    buf_puts(&body, "}\n");
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void schedules_list(struct visit *visit)
{
    visit->answer = answer_all;
    visit_asked(visit, admin_schedules(visit_queue(visit), "", visit_on_reply, visit));
}

static void answer_one(struct visit *visit, const struct redisReply *reply)
{
    if (redis_reply_count(reply) == 0)
        refuse_name(visit);
    else
        answer_record(visit, 200, redis_reply_at(reply, 0));
}

void schedules_show(struct visit *visit)
{
    visit->answer = answer_one;
    visit_asked(visit, admin_schedules(visit_queue(visit), visit->asked->request.name,
                                       visit_on_reply, visit));
}

/* ---- PUT ---- */

static void answer_put(struct visit *visit, const struct redisReply *reply)
{
    bool created = redis_reply_number(redis_reply_at(reply, 0)) != 0;
    log_info("schedule_put", LOG_S("name", visit->asked->request.name), LOG_I("created", created));
    answer_record(visit, created ? 201 : 200, redis_reply_at(reply, 1));
}

static void put(struct visit *visit, const struct job_input *input, const char *hash,
                int64_t next_ms)
{
    struct buf payload = {0};
    const struct feature *feature = visit_feature(visit, input->feature_id);
    job_input_line(input->payload, &payload);
    const struct schedule in = {
        .name = visit->asked->request.name,
        .cron = input->cron,
        .every_ms = input->every_ms,
        .missed = input->missed,
        .type = input->type,
        .feature_id = input->feature_id,
        .chat_id = *input->chat_id ? input->chat_id : NULL,
        .queue = feature ? feature->queue : NULL,
        .payload = payload.data,
        .payload_length = payload.length,
        .body_hash = hash,
        .options = input->options,
    };
    visit->answer = answer_put;
    if (buf_ok(&payload))
        visit_asked(visit,
                    admin_schedule_put(visit_queue(visit), &in, next_ms, visit_on_reply, visit));
    else
        visit_refuse_for(visit, STATUS_NO_MEMORY);
    buf_clear(&payload);
}

static void on_clock(struct visit *visit, const struct redisReply *reply)
{
    int64_t now = redis_reply_number(redis_reply_at(reply, 0)), next = 0;
    struct job_input input;
    char hash[DIGEST_SIZE];
    if (!visit_read_input(visit, INPUT_SCHEDULE, &input, hash))
        return;
    if (!schedule_first(input.cron, input.every_ms, now, &next)) {
        visit_refuse(visit, PROBLEM_BAD_REQUEST, "cron: It has no occasion any more.", "");
        return;
    }
    put(visit, &input, hash, next);
}

void schedules_put(struct visit *visit)
{
    struct job_input input;
    if (!visit_read_input(visit, INPUT_SCHEDULE, &input, NULL))
        return;
    visit->answer = on_clock;
    visit_asked(visit, admin_due(visit_queue(visit), visit_on_reply, visit));
}

/* ---- DELETE ---- */

static void answer_drop(struct visit *visit, const struct redisReply *reply)
{
    struct buf body = {0};
    if (redis_reply_number(reply) == 0) {
        refuse_name(visit);
        return;
    }
    log_info("schedule_drop", LOG_S("name", visit->asked->request.name));
    buf_printf(&body, "{\"name\": \"%s\", \"dropped\": true}\n", visit->asked->request.name);
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void schedules_drop(struct visit *visit)
{
    visit->answer = answer_drop;
    visit_asked(visit, admin_schedule_drop(visit_queue(visit), visit->asked->request.name,
                                           visit_on_reply, visit));
}
