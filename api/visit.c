/*
 * visit.c: start, follow and stop a chat.
 *
 * Each sends one step and goes on in its answer. A stream is decided on before
 * its head goes out (resume.h), and its follower joins the hub at once, so that
 * a full gateway can still say so; the bytes come when the head is out (on_open).
 *
 * A GET is never refused for a passing trouble: any status but 200 would end a
 * browser's EventSource for good, so it gets a `retry:` and an end instead.
 */
#include "visit.h"

#include "digest.h"
#include "id.h"
#include "json.h"
#include "log.h"
#include "reply.h"
#include "resume.h"
#include "sse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASK_TYPE "generate_messages"
#define NO_ROOM "This gateway follows as many streams as it may."

/* ---- the life of a visit ---- */

static void free_if_over(struct visit *visit)
{
    if (visit->exchange || visit->asking)
        return;
    buf_clear(&visit->opening);
    free(visit);
}

static void on_open(void *arg, struct outlet *outlet)
{
    struct visit *visit = arg;
    enum status status = outlet_write(outlet, visit->opening.data, visit->opening.length);
    buf_clear(&visit->opening);
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
    hub_leave(&visit->follower);
}

static void on_closed(void *arg)
{
    struct visit *visit = arg;
    hub_leave(&visit->follower);
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
    if (!visit)
        return NULL;
    visit->gateway = g;
    visit->exchange = e;
    visit->follower.exchange = e;
    exchange_bind(e, &events, visit);
    return visit;
}

/* A step's answer has come. False: nobody waits for it any more, and the visit is gone. */
static bool come_back(struct visit *visit)
{
    visit->asking = false;
    if (visit->exchange)
        return true;
    free_if_over(visit);
    return false;
}

static void refuse(struct visit *visit, enum problem problem, const char *detail, const char *job)
{
    reply_problem(visit->exchange, visit->gateway->settings, problem, detail, job);
}

/* ---- opening a stream ---- */

static void open_stream(struct visit *visit, const char *job, bool attached)
{
    const struct request *request = &visit->request;
    char location[2 * JOB_NAME_SIZE + JOB_ID_SIZE + 64];
    snprintf(location, sizeof location, "/stream?feature_id=%s&chat_id=%s%s%s", request->feature_id,
             request->chat_id, *job ? "&job=" : "", job);
    struct exchange_field fields[REPLY_CORS_FIELDS + 7] = {
        {"Content-Type", "text/event-stream"},
        {"Cache-Control", "no-store, no-transform"},
        {"X-Accel-Buffering", "no"},
        {"Connection", "close"},
        {"Location", location},
        {"Leat-Attached", attached ? "true" : "false"},
    };
    size_t count = 6;
    if (*job)
        fields[count++] = (struct exchange_field){"Leat-Job", job};
    count += reply_cors(visit->exchange, visit->gateway->settings, fields + count);
    if (!buf_ok(&visit->opening) || exchange_stream(visit->exchange, fields, count) != STATUS_OK) {
        hub_leave(&visit->follower);
        exchange_abort(visit->exchange);
    }
}

/* The first lines: a comment at once, and when to come back, spread over four seconds. */
static void put_opening(struct visit *visit, const char *job)
{
    char hello[JOB_ID_SIZE + 8];
    snprintf(hello, sizeof hello, "leat%s%s", *job ? " " : "", job);
    sse_comment(&visit->opening, hello);
    sse_retry(&visit->opening, 1000 + id_random_below(4001));
}

static void come_again(struct visit *visit)
{
    buf_reset(&visit->opening);
    put_opening(visit, "");
    visit->ends = true;
    open_stream(visit, "", true);
}

/* Takes the follower into the hub. False: it could not be, and was answered. */
static bool join(struct visit *visit, const struct chat_view *view, struct entry_id from)
{
    const struct request *request = &visit->request;
    snprintf(visit->follower.job, sizeof visit->follower.job, "%s", view->job);
    visit->follower.all_events = request->all_events;
    visit->follower.told = request->cursor.kind == CURSOR_ENTRY;
    enum status status = hub_join(visit->gateway->hub, &visit->follower, request->feature_id,
                                  request->chat_id, view, from);
    if (status == STATUS_OK)
        return true;
    log_warn("cannot_follow", LOG_S("job", view->job), LOG_S("why", status_name(status)));
    if (visit->run == visit_start)
        refuse(visit, PROBLEM_OVERLOADED, NO_ROOM, view->job);
    else
        come_again(visit);
    return false;
}

/* Answers with the chat's stream as far as the client needs it. */
static void follow(struct visit *visit, const struct chat_view *view, const char *pinned,
                   bool attached)
{
    struct resume resume = resume_decide(&visit->request.cursor, pinned, view);
    const char *job = *view->job ? view->job : pinned;
    if (resume.action == RESUME_NO_CONTENT && visit->run == visit_follow) {
        reply_no_content(visit->exchange, visit->gateway->settings);
        return;
    }
    put_opening(visit, job);
    switch (resume.action) {
    case RESUME_NO_CONTENT:
    case RESUME_GONE:
        sse_gone(&visit->opening, job);
        visit->ends = true;
        break;
    case RESUME_SUPERSEDED:
        sse_superseded(&visit->opening, view->job);
        visit->ends = true;
        break;
    case RESUME_RESET:
        sse_reset(&visit->opening, resume.from, view->job, view->number, resume.reason);
        break;
    case RESUME_FOLLOW:
    case RESUME_WAIT:
        break;
    }
    /* On the way down nobody is taken in any more: the client goes on at another gateway. */
    if (visit->gateway->draining)
        visit->ends = true;
    if (visit->ends || join(visit, view, resume.from))
        open_stream(visit, job, attached);
}

/* ---- GET ---- */

static void on_look(void *arg, enum status status, const struct chat_view *view)
{
    struct visit *visit = arg;
    if (!come_back(visit))
        return;
    if (status != STATUS_OK)
        come_again(visit);
    else
        follow(visit, view, visit->request.job, true);
}

void visit_follow(struct visit *visit)
{
    const struct gateway *g = visit->gateway;
    const struct request *request = &visit->request;
    enum status status = STATUS_CLOSED;
    if (!g->draining)
        status = queue_look(&g->queue, request->feature_id, request->chat_id, on_look, visit);
    if (status == STATUS_OK)
        visit->asking = true;
    else
        come_again(visit);
}

/* ---- POST ---- */

static void answer_start(struct visit *visit, const struct enqueue_result *result)
{
    switch (result->outcome) {
    case ENQUEUE_STARTED:
        log_info("enqueued", LOG_S("job", result->job),
                 LOG_S("feature_id", visit->request.feature_id),
                 LOG_S("chat_id", visit->request.chat_id));
        follow(visit, &result->view, result->job, false);
        break;
    case ENQUEUE_JOINED:
        follow(visit, &result->view, result->job, true);
        break;
    case ENQUEUE_BUSY:
        refuse(visit, PROBLEM_CHAT_BUSY,
               "Follow it with GET, stop it with DELETE, or ask with if_busy=replace.",
               result->job);
        break;
    case ENQUEUE_FOREIGN:
        refuse(visit, PROBLEM_CHAT_FOREIGN, "It can be followed, and starts no job.", "");
        break;
    case ENQUEUE_KEY_REUSED:
        refuse(visit, PROBLEM_KEY_REUSED, "Take a new key for a new question.", result->job);
        break;
    case ENQUEUE_FULL:
        refuse(visit, PROBLEM_QUEUE_FULL, "The queue has reached its limit.", "");
        break;
    }
}

static void refuse_for(struct visit *visit, enum status status)
{
    const char *detail = "There is no usable connection to Redis. Nothing was started.";
    if (status == STATUS_LOST)
        detail = "The connection to Redis broke. Ask again: what was started will be joined.";
    else if (status == STATUS_FULL)
        detail = "Redis has no memory left for new jobs.";
    else if (status != STATUS_CLOSED)
        detail = status_text(status);
    if (status == STATUS_PROTOCOL || status == STATUS_REFUSED)
        log_error("step_failed", LOG_S("why", status_name(status)));
    refuse(visit, PROBLEM_UNAVAILABLE, detail, "");
}

static void on_enqueue(void *arg, enum status status, const struct enqueue_result *result)
{
    struct visit *visit = arg;
    if (!come_back(visit))
        return;
    if (status != STATUS_OK)
        refuse_for(visit, status);
    else
        answer_start(visit, result);
}

/* The body as the task will see it: checked, and on one line. False: refused, and answered. */
static bool take_body(struct visit *visit, struct buf *payload, char hash[DIGEST_SIZE])
{
    struct json_info info;
    size_t length;
    const char *body = exchange_body(visit->exchange, &length);
    hash[0] = '\0';
    if (length == 0)
        return true;
    if (!json_check(body, length, &info)) {
        char detail[200];
        snprintf(detail, sizeof detail, "The body is not valid JSON: %s, at byte %zu.", info.reason,
                 info.offset);
        refuse(visit, PROBLEM_BAD_REQUEST, detail, "");
        return false;
    }
    digest_sha256(body, length, hash);
    buf_add(payload, body, length);
    if (!buf_ok(payload)) {
        refuse(visit, PROBLEM_INTERNAL, "There is no memory left.", "");
        return false;
    }
    json_flatten(payload->data, payload->length);
    return true;
}

static void enqueue(struct visit *visit, const struct buf *payload, const char *hash)
{
    const struct request *request = &visit->request;
    id_new(visit->id);
    struct enqueue in = {
        .id = visit->id,
        .type = TASK_TYPE,
        .feature_id = request->feature_id,
        .chat_id = request->chat_id,
        .payload = payload->data,
        .payload_length = payload->length,
        .body_hash = hash,
        .key = visit->key,
        .if_busy = request->if_busy,
    };
    enum status status = queue_enqueue(&visit->gateway->queue, &in, on_enqueue, visit);
    if (status == STATUS_OK)
        visit->asking = true;
    else
        refuse_for(visit, status);
}

void visit_start(struct visit *visit)
{
    struct buf payload = {0};
    char hash[DIGEST_SIZE];
    /* A request with a cursor never starts anything. */
    if (visit->request.cursor.kind != CURSOR_NONE) {
        visit->run = visit_follow;
        visit_follow(visit);
        return;
    }
    const struct request *request = &visit->request;
    if (visit->gateway->draining)
        refuse(visit, PROBLEM_OVERLOADED, "This gateway is going down.", "");
    else if (!hub_has_room(visit->gateway->hub, request->feature_id, request->chat_id))
        refuse(visit, PROBLEM_OVERLOADED, NO_ROOM, "");
    else if (take_body(visit, &payload, hash))
        enqueue(visit, &payload, hash);
    buf_clear(&payload);
}

/* ---- DELETE ---- */

static void on_cancel(void *arg, enum status status, const struct cancel_result *result)
{
    struct visit *visit = arg;
    struct buf body = {0};
    if (!come_back(visit))
        return;
    if (status != STATUS_OK) {
        refuse_for(visit, status);
        return;
    }
    if (!result->found) {
        refuse(visit, PROBLEM_NO_JOB, "There is nothing to stop.", "");
        return;
    }
    if (result->was_alive)
        log_info("cancelled", LOG_S("job", result->job));
    buf_puts(&body, "{\"id\": ");
    json_quote(&body, result->job, strlen(result->job));
    buf_printf(&body, ", \"feature_id\": \"%s\", \"chat_id\": \"%s\", \"state\": \"%s\"}\n",
               visit->request.feature_id, visit->request.chat_id, job_state_name(result->state));
    reply_json(visit->exchange, visit->gateway->settings, 200, &body);
    buf_clear(&body);
}

void visit_stop(struct visit *visit)
{
    const struct request *request = &visit->request;
    enum status status = queue_cancel(&visit->gateway->queue, request->feature_id, request->chat_id,
                                      request->job, on_cancel, visit);
    if (status == STATUS_OK)
        visit->asking = true;
    else
        refuse_for(visit, status);
}
