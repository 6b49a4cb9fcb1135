/*
 * routes.c: the table of routes, and what is checked before a body is read.
 *
 * A request is taken apart once, into a visit (visit.h) that is bound to its
 * exchange; what can be refused is refused at the head, so that a client that
 * asks first (Expect: 100-continue) never sends its body for nothing.
 */
#include "routes.h"

#include "gateway.h"
#include "reply.h"
#include "visit.h"

#include <string.h>
#include <strings.h>

static void health_live(struct visit *visit);
static void health_ready(struct visit *visit);

static const struct route {
    const char *path;
    const char *method;
    void (*run)(struct visit *visit);
} table[] = {
    {"/stream", "POST", visit_start},  {"/stream", "GET", visit_follow},
    {"/stream", "HEAD", visit_follow}, {"/stream", "DELETE", visit_stop},
    {"/livez", "GET", health_live},    {"/livez", "HEAD", health_live},
    {"/readyz", "GET", health_ready},  {"/readyz", "HEAD", health_ready},
};

static void answer_health(struct visit *visit)
{
    struct buf body = {0};
    buf_puts(&body, "{\"status\": \"ok\"}\n");
    reply_json(visit->exchange, visit->gateway->settings, 200, &body);
    buf_clear(&body);
}

static void health_live(struct visit *visit)
{
    answer_health(visit);
}

static void health_ready(struct visit *visit)
{
    const struct gateway *g = visit->gateway;
    if (g->draining)
        reply_problem(visit->exchange, g->settings, PROBLEM_OVERLOADED, "It is going down.", "");
    else if (!redis_is_up(g->redis))
        reply_problem(visit->exchange, g->settings, PROBLEM_UNAVAILABLE,
                      "There is no usable connection to Redis.", "");
    else
        answer_health(visit);
}

/* ---- the head ---- */

/* NULL: refused, and answered. */
static const struct route *find_route(const struct gateway *g, struct exchange *e, const char *path)
{
    bool path_known = false;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (strcmp(path, table[i].path) != 0)
            continue;
        path_known = true;
        if (strcmp(exchange_method(e), table[i].method) == 0)
            return &table[i];
    }
    if (!path_known)
        reply_problem(e, g->settings, PROBLEM_NOT_FOUND,
                      "The paths are /stream, /livez and /readyz.", "");
    else if (strcmp(exchange_method(e), "OPTIONS") == 0)
        reply_preflight(e, g->settings);
    else
        reply_problem(e, g->settings, PROBLEM_METHOD, "Allow says which methods there are.", "");
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
static const char *read_headers(struct visit *visit)
{
    const char *cursor, *key;
    if (exchange_header(visit->exchange, "Last-Event-ID", &cursor) != STATUS_OK)
        return "Last-Event-ID is given more than once.";
    if (exchange_header(visit->exchange, "Idempotency-Key", &key) != STATUS_OK)
        return "Idempotency-Key is given more than once.";
    const char *wrong = cursor ? request_check_cursor(cursor, &visit->request.cursor) : NULL;
    if (wrong || !key)
        return wrong;
    wrong = request_check_key(key);
    if (!wrong)
        memcpy(visit->key, key, strlen(key) + 1);
    return wrong;
}

static void on_head(void *arg, struct exchange *e)
{
    struct gateway *g = arg;
    const char *type = NULL;
    struct visit *visit = visit_new(g, e);
    if (!visit) {
        reply_problem(e, g->settings, PROBLEM_INTERNAL, "There is no memory left.", "");
        return;
    }
    const char *wrong =
        request_read(exchange_target(e), strlen(exchange_target(e)), &visit->request);
    const struct route *route = find_route(g, e, visit->request.path);
    if (!route)
        return;
    visit->run = route->run;
    bool stream = strcmp(route->path, "/stream") == 0;
    if (stream && !wrong)
        wrong = request_check_chat(&visit->request);
    if (stream && !wrong)
        wrong = read_headers(visit);
    if (!wrong && exchange_header(e, "Content-Type", &type) != STATUS_OK)
        wrong = "Content-Type is given more than once.";
    if (wrong)
        reply_problem(e, g->settings, PROBLEM_BAD_REQUEST, wrong, "");
    else if (route->run == visit_start && exchange_has_body(e) && type && !is_json(type))
        reply_problem(e, g->settings, PROBLEM_MEDIA_TYPE,
                      "Send the body with Content-Type: application/json.", "");
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

/* A stream's GET is never refused for a passing trouble (visit.c says why). */
static bool wants_stream(const struct turned_away *who)
{
    struct request request;
    const char *wrong = request_read(who->target, strlen(who->target), &request);
    (void)wrong; /* it will hear of it when it comes again */
    return strcmp(who->method, "GET") == 0 && strcmp(request.path, "/stream") == 0;
}

static void on_turned_away(void *arg, const struct turned_away *who, int http_status,
                           const char *detail, struct buf *answer)
{
    const struct gateway *g = arg;
    if (http_status == 503 && wants_stream(who))
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
