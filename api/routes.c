/*
 * routes.c: the table of routes, and what is checked before a body is read.
 *
 * A request is taken apart once, into a visit (visit.h) that is bound to its
 * exchange; what can be refused is refused at the head, so that a client that
 * asks first (Expect: 100-continue) never sends its body for nothing.
 */
#include "routes.h"

#include "about.h"
#include "chats.h"
#include "feature_list.h"
#include "gateway.h"
#include "jobs.h"
#include "operate.h"
#include "page.h"
#include "reply.h"
#include "schedules.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define P(name) REQUEST_READS(PARAMETER_##name)
#define OF_STREAM                                                                      \
    (P(FEATURE_ID) | P(CHAT_ID) | P(JOB) | P(LAST_EVENT_ID) | P(IF_BUSY) | P(EVENTS) | \
     REQUEST_PASSES_OVER)
#define OF_FORMAT (P(FORMAT) | P(SNAPSHOT) | P(CANCEL_ON_DISCONNECT))
#define OF_STREAM_HEAD (ROUTE_CHAT | ROUTE_CURSOR | ROUTE_KEY)
#define OF_PAGE (P(QUEUE) | P(LIMIT) | P(CURSOR))
#define ANY REQUEST_PASSES_OVER
#define OF_CHAT (P(IF_BUSY) | ANY)
#define OF_CHAT_HEAD (ROUTE_KEY | ROUTE_BODY | ROUTE_NEEDS_BODY)

/* Of two paths that fit, the first is meant. */
/* clang-format off */
static const struct route table[] = {
    {"/stream", "POST", OF_STREAM | OF_FORMAT, OF_STREAM_HEAD | ROUTE_FORMAT | ROUTE_BODY, stream_start},
    {"/stream", "GET", OF_STREAM | OF_FORMAT, OF_STREAM_HEAD | ROUTE_FORMAT, stream_follow},
    {"/stream", "DELETE", OF_STREAM, OF_STREAM_HEAD, stream_stop},
    {"/v1/chat/completions", "POST", OF_CHAT, OF_CHAT_HEAD | ROUTE_NAMES, chats_openai},
    {"/ai-sdk/{feature}", "POST", OF_CHAT, OF_CHAT_HEAD, chats_ai_sdk},
    {"/ai-sdk/{feature}/{chat}", "DELETE", P(JOB) | ANY, 0, stream_stop},
    {"/ai-sdk/{feature}/{chat}/stream", "GET", P(JOB) | ANY, 0, chats_resume},
    {"/ag-ui/{feature}", "POST", OF_CHAT, OF_CHAT_HEAD, chats_ag_ui},
    {"/jobs", "POST", P(IF_BUSY), ROUTE_KEY | ROUTE_BODY | ROUTE_NEEDS_BODY, jobs_start},
    {"/jobs", "GET", P(STATE) | OF_PAGE, 0, jobs_list},
    {"/jobs", "DELETE", P(STATE) | P(QUEUE) | P(LIMIT), 0, jobs_purge},
    {"/jobs/retry", "POST", OF_PAGE, 0, jobs_retry_many},
    {"/jobs/{id}", "GET", 0, 0, jobs_show},
    {"/jobs/{id}", "DELETE", 0, 0, jobs_stop},
    {"/jobs/{id}/retry", "POST", 0, 0, jobs_retry},
    {"/queues", "GET", 0, 0, operate_queues},
    {"/queues/{queue}", "GET", 0, 0, operate_queue},
    {"/queues/{queue}/pause", "POST", 0, 0, operate_pause},
    {"/queues/{queue}/resume", "POST", 0, 0, operate_resume},
    {"/routes", "GET", 0, 0, operate_routes},
    {"/routes/{feature}", "GET", 0, 0, operate_route},
    {"/routes/{feature}", "PUT", 0, ROUTE_BODY | ROUTE_NEEDS_BODY, operate_lead},
    {"/routes/{feature}", "DELETE", 0, 0, operate_unlead},
    {"/schedules", "GET", 0, 0, schedules_list},
    {"/schedules/{name}", "GET", 0, 0, schedules_show},
    {"/schedules/{name}", "PUT", 0, ROUTE_BODY | ROUTE_NEEDS_BODY, schedules_put},
    {"/schedules/{name}", "DELETE", 0, 0, schedules_drop},
    {"/workers", "GET", 0, 0, operate_workers},
    {"/features", "GET", ANY, 0, feature_list_show},
    {"/v1/models", "GET", ANY, 0, feature_list_models},
    {"/livez", "GET", ANY, 0, about_live},
    {"/readyz", "GET", ANY, 0, about_ready},
    {"/openapi.json", "GET", ANY, 0, about_openapi},
    {"/", "GET", ANY, 0, page_front},
    {"/page/{name}", "GET", ANY, 0, page_part},
};
/* clang-format on */

const struct route *routes_table(size_t *count)
{
    *count = COUNT_OF(table);
    return table;
}

static bool knows(const struct route *route, const char *method)
{
    return strcmp(method, route->method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static void put_allow(char allow[ROUTES_ALLOW_SIZE], const char *path)
{
    size_t length = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(table[i].path, path) != 0)
            continue;
        const char *head = strcmp(table[i].method, "GET") == 0 ? ", HEAD" : "";
        length += (size_t)snprintf(allow + length, ROUTES_ALLOW_SIZE - length, "%s%s, ",
                                   table[i].method, head);
    }
    snprintf(allow + length, ROUTES_ALLOW_SIZE - length, "OPTIONS");
}

const struct route *routes_find(const struct request *request, const char *method,
                                char allow[ROUTES_ALLOW_SIZE])
{
    size_t first = 0;
    while (first < COUNT_OF(table) && !request_match(request, table[first].path))
        first++;
    allow[0] = '\0';
    if (first == COUNT_OF(table))
        return NULL;
    put_allow(allow, table[first].path);
    for (size_t i = first; i < COUNT_OF(table); i++) {
        if (strcmp(table[i].path, table[first].path) == 0 && knows(&table[i], method))
            return &table[i];
    }
    return NULL;
}

/* ---- the head ---- */

/* NULL: refused, and answered. */
static const struct route *find_route(struct visit *visit)
{
    char allow[ROUTES_ALLOW_SIZE];
    struct exchange *e = visit->exchange;
    const struct settings *settings = visit->gateway->settings;
    const struct route *route = routes_find(&visit->asked->request, exchange_method(e), allow);
    if (route)
        return route;
    if (!*allow)
        visit_refuse(visit, PROBLEM_NOT_FOUND, "GET /openapi.json says which paths there are.", "");
    else if (strcmp(exchange_method(e), "OPTIONS") == 0)
        reply_preflight(e, settings, allow);
    else
        reply_method(e, settings, allow);
    return NULL;
}

static bool is_json(const char *type)
{
    size_t length = strcspn(type, "; \t");
    return (length == strlen("application/json") &&
            strncasecmp(type, "application/json", length) == 0) ||
           (length > 5 && strncasecmp(type + length - 5, "+json", 5) == 0);
}

/* What is wrong with a header that we read; NULL for nothing. */
static const char *read_cursor(struct visit *visit)
{
    const char *cursor;
    if (exchange_header(visit->exchange, "Last-Event-ID", &cursor) != STATUS_OK)
        return "Last-Event-ID is given more than once.";
    return cursor ? request_check_cursor(cursor, &visit->asked->request.cursor) : NULL;
}

static const char *read_key(struct visit *visit)
{
    const char *key;
    if (exchange_header(visit->exchange, "Idempotency-Key", &key) != STATUS_OK)
        return "Idempotency-Key is given more than once.";
    const char *wrong = key ? request_check_key(key) : NULL;
    if (key && !wrong)
        memcpy(visit->asked->key, key, strlen(key) + 1);
    return wrong;
}

/* Accept may be given more than once, and then says nothing of a format. */
static const char *read_format(struct visit *visit)
{
    const char *accept = NULL, *wrong = NULL;
    struct visit_asked *asked = visit->asked;
    struct request *request = &asked->request;
    if (exchange_header(visit->exchange, "Accept", &accept) == STATUS_OK && accept)
        wrong = request_read_accept(accept, request);
    if (!wrong)
        wrong = request_check_format(request);
    asked->render.format = request->format;
    asked->render.snapshot = request->snapshot;
    asked->cancels = request->cancel_on_disconnect;
    return wrong;
}

static const char *read_name(struct visit *visit)
{
    const char *name;
    if (exchange_header(visit->exchange, "Leat-Chat", &name) != STATUS_OK)
        return "Leat-Chat is given more than once.";
    if (name && !job_is_name(name))
        return "Leat-Chat must be 1 to 128 characters of A-Z a-z 0-9 _ . -.";
    if (name)
        memcpy(visit->asked->request.chat_id, name, strlen(name) + 1);
    return NULL;
}

static const char *read_head(struct visit *visit, const struct route *route)
{
    const char *target = exchange_target(visit->exchange);
    const char *wrong =
        request_read_query(target, strlen(target), route->parameters, &visit->asked->request);
    if (!wrong && route->needs & ROUTE_CHAT)
        wrong = request_check_chat(&visit->asked->request);
    if (!wrong && route->needs & ROUTE_CURSOR)
        wrong = read_cursor(visit);
    if (!wrong && route->needs & ROUTE_FORMAT)
        wrong = read_format(visit);
    if (!wrong && route->needs & ROUTE_KEY)
        wrong = read_key(visit);
    if (!wrong && route->needs & ROUTE_NAMES)
        wrong = read_name(visit);
    return wrong;
}

/* A path's part that breaks its rule: a job's id can be nobody's, a name is told the rule. */
static bool read_path(struct visit *visit, const struct route *route)
{
    const char *wrong = request_read_parts(&visit->asked->request, route->path);
    if (!wrong)
        return true;
    if (strstr(route->path, "{id}"))
        visit_refuse(visit, PROBLEM_NO_JOB, wrong, "");
    else
        visit_refuse(visit, PROBLEM_BAD_REQUEST, wrong, "");
    return false;
}

static void check_body(struct visit *visit, const struct route *route)
{
    struct exchange *e = visit->exchange;
    bool needs = route->needs & ROUTE_NEEDS_BODY;
    const char *type;
    if (exchange_header(e, "Content-Type", &type) != STATUS_OK)
        visit_refuse(visit, PROBLEM_BAD_REQUEST, "Content-Type is given more than once.", "");
    else if (!(route->needs & ROUTE_BODY))
        return;
    else if (needs && !exchange_has_body(e))
        visit_refuse(visit, PROBLEM_BAD_REQUEST, "The body is missing.", "");
    else if (exchange_has_body(e) && (type ? !is_json(type) : needs))
        visit_refuse(visit, PROBLEM_MEDIA_TYPE,
                     "Send the body with Content-Type: application/json.", "");
}

static void on_head(void *arg, struct exchange *e)
{
    struct gateway *g = arg;
    struct visit *visit = visit_new(g, e);
    if (!visit) {
        reply_problem(e, g->settings, PROBLEM_INTERNAL, "There is no memory left.", "");
        return;
    }
    request_read_path(exchange_target(e), strlen(exchange_target(e)), &visit->asked->request);
    const struct route *route = find_route(visit);
    if (!route || !read_path(visit, route))
        return;
    visit->run = route->run;
    const char *wrong = read_head(visit, route);
    if (wrong)
        visit_refuse(visit, PROBLEM_BAD_REQUEST, wrong, "");
    else
        check_body(visit, route);
}

static void on_request(void *arg, struct exchange *e)
{
    struct visit *visit = exchange_bound(e);
    (void)arg;
    visit->run(visit);
}

static void on_refused(void *arg, struct exchange *e, int http_status, const char *detail)
{
    const struct gateway *g = arg;
    reply_problem(e, g->settings, reply_problem_of(http_status), detail, "");
}

/* A stream's GET is never refused for a passing trouble (stream.c says why). */
static bool wants_stream(const struct turned_away *who)
{
    struct request request;
    request_read_path(who->target, strlen(who->target), &request);
    return strcmp(who->method, "GET") == 0 && strcmp(request.path, "/stream") == 0;
}

static void on_turned_away(void *arg, const struct turned_away *who, int http_status,
                           const char *detail, struct buf *answer)
{
    const struct gateway *g = arg;
    if ((http_status == 503 || http_status == 429) && wants_stream(who))
        reply_come_again_raw(g->settings, who, answer);
    else
        reply_problem_raw(g->settings, who, reply_problem_of(http_status), detail, answer);
}

const struct server_handlers routes_handlers = {
    .on_head = on_head,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_turned_away = on_turned_away,
};
