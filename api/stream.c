/*
 * stream.c: start, follow and stop a chat.
 *
 * Each sends one step and goes on in its answer. A stream is decided on before
 * its head goes out (resume.h), and its follower joins the hub at once, so that
 * a full gateway can still say so; the bytes come when the head is out (visit.c).
 *
 * A GET is never refused for a passing trouble: any status but 200 would end a
 * browser's EventSource for good, so it gets a `retry:` and an end instead. Who speaks
 * another dialect than ours is no EventSource, and is refused.
 *
 * A follower's renderer is made before its stream is decided on, so that what is said in place of
 * a stream is said in its dialect; the visit owns it until the hub has the follower.
 */
#include "stream.h"

#include "clock.h"
#include "digest.h"
#include "id.h"
#include "json.h"
#include "log.h"
#include "reply.h"
#include "resume.h"
#include "sse.h"

#include <stdio.h>
#include <string.h>

#define NO_MEMORY "There is no memory left."
#define NO_ROOM "This gateway follows as many streams as it may."
#define GOING_DOWN "This gateway is going down."
#define NO_RENDER_ROOM \
    "This gateway keeps as much of answers in dialects as it may (API_MAX_RENDERED)."

/* ---- opening a stream ---- */

static void open_stream(struct visit *visit, const char *job, bool attached)
{
    const struct request *request = &visit->asked->request;
    char location[REQUEST_STREAM_SIZE];
    request_stream(request->feature_id, request->chat_id, job, location);
    struct exchange_field fields[REPLY_CORS_FIELDS + 8] = {
        {"Content-Type", "text/event-stream"},
        {"Cache-Control", "no-store, no-transform"},
        {"X-Accel-Buffering", "no"},
        {"Location", location},
        {"Leat-Attached", attached ? "true" : "false"},
    };
    size_t count = 5;
    if (*job)
        fields[count++] = (struct exchange_field){"Leat-Job", job};
    if (visit->asked->render.format == RENDER_AI_SDK) {
        fields[count++] = (struct exchange_field){"x-vercel-ai-ui-message-stream", "v1"};
        if (*job)
            fields[count++] = (struct exchange_field){"x-workflow-run-id", job};
    }
    count += reply_cors(visit->exchange, visit->gateway->settings, fields + count);
    enum status status = STATUS_NO_MEMORY;
    if (buf_ok(&visit->opening))
        status = exchange_stream(visit->exchange, fields, count);
    if (status == STATUS_CLOSED)
        hub_abandon(&visit->follower);
    else if (status != STATUS_OK)
        hub_leave(&visit->follower);
    if (status != STATUS_OK)
        exchange_abort(visit->exchange);
}

static bool speaks_raw(const struct visit *visit)
{
    return visit->asked->render.format == RENDER_RAW;
}

/* The first lines: a comment at once, and when to come back, spread over four seconds. */
static void put_opening(struct visit *visit, const char *job)
{
    char hello[JOB_ID_SIZE + 8];
    snprintf(hello, sizeof hello, "leat%s%s", *job ? " " : "", job);
    sse_comment(&visit->opening, hello);
    if (speaks_raw(visit))
        sse_retry(&visit->opening, 1000 + id_random_below(4001));
}

static void come_again(struct visit *visit)
{
    if (!speaks_raw(visit)) {
        visit_refuse(visit, PROBLEM_UNAVAILABLE, "This cannot be followed at present.", "");
        return;
    }
    buf_reset(&visit->opening);
    put_opening(visit, "");
    visit->ends = true;
    open_stream(visit, "", true);
}

/* It could not be made a follower: a question is refused, a GET comes again. */
static void give_up(struct visit *visit, enum problem problem, const char *detail, const char *job)
{
    if (visit->run == stream_start)
        visit_refuse(visit, problem, detail, job);
    else
        come_again(visit);
}

/* Whether the hub has room for it; else why not. */
static const char *lacks_room(const struct visit *visit)
{
    const struct request *request = &visit->asked->request;
    struct hub *hub = visit->gateway->hub;
    if (!hub_has_room(hub, request->feature_id, request->chat_id))
        return NO_ROOM;
    size_t begins_with = visit->asked->history.length;
    return speaks_raw(visit) || hub_may_render(hub, begins_with) ? NULL : NO_RENDER_ROOM;
}

/* Takes the follower into the hub. False: it could not be, and was answered. */
static bool join(struct visit *visit, const struct chat_view *view, struct entry_id from)
{
    const struct request *request = &visit->asked->request;
    snprintf(visit->follower.job, sizeof visit->follower.job, "%s", view->job);
    visit->follower.all_events = request->all_events && speaks_raw(visit);
    visit->follower.cancels = visit->asked->cancels;
    visit->follower.whole = visit->asked->render.whole;
    visit->follower.render_once = visit->follower.render && speaks_raw(visit);
    visit->follower.told = request->cursor.kind == CURSOR_ENTRY;
    enum status status = hub_join(visit->gateway->hub, &visit->follower, request->feature_id,
                                  request->chat_id, view, from);
    if (status == STATUS_OK) {
        hangups_back(visit->gateway->hangups, view->job);
        hub_put_news(&visit->follower, &visit->opening);
        return true;
    }
    const char *why = lacks_room(visit);
    log_warn("cannot_follow", LOG_S("job", view->job),
             LOG_S("why", why ? why : status_name(status)));
    give_up(visit, PROBLEM_OVERLOADED, why ? why : NO_ROOM, view->job);
    return false;
}

/* Who holds a cursor has what is there already, so it wants no snapshot of that; and where nothing
   more may be kept it comes message by message. False: no memory, and it was answered. */
static bool make_render(struct visit *visit, const struct chat_view *view, const char *job)
{
    struct visit_asked *asked = visit->asked;
    struct render_options *options = &asked->render;
    if (speaks_raw(visit) && (!options->snapshot || asked->request.cursor.kind != CURSOR_NONE ||
                              !hub_may_render(visit->gateway->hub, 0)))
        return true;
    if (options->created_s == 0)
        options->created_s = clock_wall_ms() / 1000;
    struct render *render =
        render_new(options, job, asked->request.feature_id, asked->request.chat_id);
    visit->follower.render = render;
    if (!render || (asked->history.length > 0 &&
                    !render_history(render, asked->history.data, asked->history.length))) {
        give_up(visit, PROBLEM_INTERNAL, NO_MEMORY, job);
        return false;
    }
    render_begin(render, &visit->opening);
    /* A snapshot says which attempt it is of, and this one's marker is not sent. */
    if (speaks_raw(visit) && view->number > 1)
        visit->ends = render_void(render, view->number, &visit->opening);
    return true;
}

/* What stands in place of a stream. */
static void put_end(struct visit *visit, const struct resume *resume, const char *job)
{
    bool superseded = resume->action == RESUME_SUPERSEDED;
    if (!speaks_raw(visit))
        render_end(visit->follower.render, superseded ? RENDER_SUPERSEDED : RENDER_GONE,
                   &visit->opening);
    else if (superseded)
        sse_superseded(&visit->opening, job);
    else
        sse_gone(&visit->opening, job);
    visit->ends = true;
}

/* Puts the first lines together; `ends` where there is nothing to follow. */
static void open_with(struct visit *visit, const struct resume *resume,
                      const struct chat_view *view, const char *job)
{
    switch (resume->action) {
    case RESUME_NO_CONTENT:
    case RESUME_GONE:
        put_end(visit, resume, job);
        break;
    case RESUME_SUPERSEDED:
        put_end(visit, resume, view->job);
        break;
    case RESUME_RESET:
        sse_reset(&visit->opening, resume->from, view->job, view->number, resume->reason);
        break;
    case RESUME_FOLLOW:
    case RESUME_WAIT:
        break;
    }
}

/* OpenAI's clients ask again by themselves after a 500; but what failed for good has had its
   attempts. */
static void answer_whole(struct visit *visit, struct render *render, const char *job)
{
    struct buf body = {0};
    int http_status;
    struct exchange_field fields[2];
    size_t count = 0;
    render_whole(render, &http_status, &body);
    if (*job)
        fields[count++] = (struct exchange_field){"Leat-Job", job};
    if (http_status == 500)
        fields[count++] = (struct exchange_field){"x-should-retry", "false"};
    if (buf_ok(&body))
        reply_json(visit->exchange, visit->gateway->settings, http_status, fields, count, &body);
    else
        visit_refuse(visit, PROBLEM_INTERNAL, NO_MEMORY, job);
    buf_clear(&body);
}

void stream_on_whole(struct follower *f, struct render *render)
{
    struct visit *visit = CONTAINER_OF(f, struct visit, follower);
    if (render)
        answer_whole(visit, render, f->job);
    else
        visit_refuse(visit, PROBLEM_OVERLOADED, "This gateway cannot wait for the answer.", f->job);
}

/* Nothing is sent before the end; `opening` only tells whether its making found memory. */
static void begin_whole(struct visit *visit, const struct chat_view *view, struct entry_id from,
                        const char *job)
{
    if (!buf_ok(&visit->opening))
        visit_refuse(visit, PROBLEM_INTERNAL, NO_MEMORY, job);
    else if (visit->ends)
        answer_whole(visit, visit->follower.render, job);
    else if (visit->gateway->draining)
        visit_refuse(visit, PROBLEM_OVERLOADED, GOING_DOWN, view->job);
    else if (join(visit, view, from))
        hub_open(&visit->follower, NULL);
}

static bool is_answered_by_nothing(const struct visit *visit, const struct resume *resume,
                                   const struct chat_view *view)
{
    return (resume->action == RESUME_NO_CONTENT && visit->run == stream_follow) ||
           (visit->asked->if_running && !job_is_alive(view->state));
}

/* Answers with the chat's stream as far as the client needs it. */
static void follow(struct visit *visit, const struct chat_view *view, const char *pinned,
                   bool attached)
{
    struct resume resume = resume_decide(&visit->asked->request.cursor, pinned, view);
    const char *job = *view->job ? view->job : pinned;
    if (is_answered_by_nothing(visit, &resume, view)) {
        reply_no_content(visit->exchange, visit->gateway->settings);
        return;
    }
    put_opening(visit, job);
    if (!make_render(visit, view, job))
        return;
    open_with(visit, &resume, view, job);
    if (visit->asked->render.whole) {
        begin_whole(visit, view, resume.from, job);
        return;
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
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK)
        come_again(visit);
    else
        follow(visit, view, visit->asked->request.job, true);
}

void stream_follow(struct visit *visit)
{
    const struct gateway *g = visit->gateway;
    const struct request *request = &visit->asked->request;
    enum status status = STATUS_CLOSED;
    visit->run = stream_follow; /* another path may have led here */
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
                 LOG_S("feature_id", visit->asked->request.feature_id),
                 LOG_S("chat_id", visit->asked->request.chat_id));
        follow(visit, &result->view, result->job, false);
        break;
    case ENQUEUE_JOINED:
        follow(visit, &result->view, result->job, true);
        break;
    default:
        visit_refuse_enqueue(visit, result);
    }
}

/* Its client left before it could be followed. */
static void note_left(struct visit *visit, const struct enqueue_result *result)
{
    const struct visit_asked *asked = visit->asked;
    bool is_there = result->outcome == ENQUEUE_STARTED || result->outcome == ENQUEUE_JOINED;
    if (is_there && asked->cancels && !visit->gateway->draining)
        hangups_note(visit->gateway->hangups, asked->request.feature_id, asked->request.chat_id,
                     result->job);
}

static void on_enqueue(void *arg, enum status status, const struct enqueue_result *result)
{
    struct visit *visit = arg;
    if (!visit->exchange && status == STATUS_OK)
        note_left(visit, result);
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK)
        visit_refuse_for(visit, status);
    else
        answer_start(visit, result);
}

/* The body as the task will see it: checked, and on one line. False: refused, and answered. */
static bool take_body(struct visit *visit, struct buf *payload, char hash[DIGEST_SIZE])
{
    size_t length;
    const char *body = visit_json(visit, &length);
    hash[0] = '\0';
    if (!body || length == 0)
        return body != NULL;
    digest_sha256(body, length, hash);
    buf_add(payload, body, length);
    if (!buf_ok(payload)) {
        visit_refuse(visit, PROBLEM_INTERNAL, NO_MEMORY, "");
        return false;
    }
    json_flatten(payload->data, payload->length);
    return true;
}

static void enqueue(struct visit *visit, const struct buf *payload, const char *hash)
{
    const struct request *request = &visit->asked->request;
    const struct feature *feature = visit_feature(visit, request->feature_id);
    struct job_options options = JOB_OPTIONS_USUAL;
    job_input_fill(&options, feature);
    id_new(visit->asked->id);
    struct enqueue in = {
        .id = visit->asked->id,
        .type = job_input_stream_type(feature),
        .feature_id = request->feature_id,
        .chat_id = request->chat_id,
        .queue = feature ? feature->queue : NULL,
        .payload = payload->data,
        .payload_length = payload->length,
        .body_hash = hash,
        .key = visit->asked->key,
        .if_busy = request->if_busy,
        .options = &options,
    };
    visit_asked(visit, queue_enqueue(visit_queue(visit), &in, on_enqueue, visit));
}

void stream_start(struct visit *visit)
{
    struct buf payload = {0};
    char hash[DIGEST_SIZE];
    /* A request with a cursor never starts anything. */
    if (visit->asked->request.cursor.kind != CURSOR_NONE) {
        stream_follow(visit);
        return;
    }
    visit->run = stream_start;
    const char *why = visit->gateway->draining ? GOING_DOWN : lacks_room(visit);
    if (why)
        visit_refuse(visit, PROBLEM_OVERLOADED, why, "");
    else if (take_body(visit, &payload, hash))
        enqueue(visit, &payload, hash);
    buf_clear(&payload);
}

/* ---- DELETE ---- */

static void on_cancel(void *arg, enum status status, const struct cancel_result *result)
{
    struct visit *visit = arg;
    struct buf body = {0};
    if (!visit_come_back(visit))
        return;
    if (status != STATUS_OK) {
        visit_refuse_for(visit, status);
        return;
    }
    if (!result->found) {
        visit_refuse(visit, PROBLEM_NO_JOB, "There is nothing to stop.", "");
        return;
    }
    if (result->was_alive) {
        log_info("cancelled", LOG_S("job", result->job));
        stops_note(&visit->gateway->stops, result->job);
    }
    buf_puts(&body, "{\"id\": ");
    json_quote(&body, result->job, strlen(result->job));
    buf_printf(&body, ", \"feature_id\": \"%s\", \"chat_id\": \"%s\", \"state\": \"%s\"}\n",
               visit->asked->request.feature_id, visit->asked->request.chat_id,
               job_state_name(result->state));
    visit_answer(visit, 200, &body);
    buf_clear(&body);
}

void stream_stop(struct visit *visit)
{
    const struct request *request = &visit->asked->request;
    visit_asked(visit, queue_cancel(visit_queue(visit), request->feature_id, request->chat_id,
                                    request->job, on_cancel, visit));
}
