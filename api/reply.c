/*
 * reply.c: one table of problems, and the headers that all answers share.
 *
 * An answer that cannot be given (no memory) becomes a cut connection: the
 * client then asks again, which is what it would have to do anyway.
 */
#include "reply.h"

#include "id.h"
#include "json.h"
#include "log.h"
#include "raw_answer.h"
#include "sse.h"

#include <stdio.h>
#include <string.h>

#define ORIGIN_MAX 300
#define FIELDS_MAX (REPLY_CORS_FIELDS + 6)

static const struct {
    int http_status;
    const char *name;
    const char *title;
} table[] = {
    [PROBLEM_BAD_REQUEST] = {400, "bad-request", "The request breaks a rule"},
    [PROBLEM_NOT_FOUND] = {404, "not-found", "There is nothing at this path"},
    [PROBLEM_NO_JOB] = {404, "no-job", "There is no such job"},
    [PROBLEM_NO_ROUTE] = {404, "no-route", "The feature has no route"},
    [PROBLEM_NO_SCHEDULE] = {404, "no-schedule", "There is no such schedule"},
    [PROBLEM_NO_MODEL] = {404, "model-not-found", "There is no such model"},
    [PROBLEM_METHOD] = {405, "method-not-allowed", "This path does not know the method"},
    [PROBLEM_TIMEOUT] = {408, "timeout", "The request took too long to come"},
    [PROBLEM_CHAT_BUSY] = {409, "chat-busy", "The chat is still answering another question"},
    [PROBLEM_CHAT_FOREIGN] = {409, "chat-foreign", "The chat's stream belongs to another program"},
    [PROBLEM_NOT_DEAD] = {409, "job-not-dead", "Only a dead job can be tried again"},
    [PROBLEM_BODY_TOO_LARGE] = {413, "body-too-large", "The body is too large"},
    [PROBLEM_TARGET_TOO_LONG] = {414, "target-too-long", "The request's target is too long"},
    [PROBLEM_MEDIA_TYPE] = {415, "media-type", "The body must be JSON"},
    [PROBLEM_KEY_REUSED] = {422, "key-reused", "The Idempotency-Key came with another body before"},
    [PROBLEM_QUEUE_FULL] = {429, "queue-full", "Too many jobs are waiting"},
    [PROBLEM_TOO_MANY] = {429, "too-many-connections", "Too many connections of one address"},
    [PROBLEM_HEAD_TOO_LARGE] = {431, "head-too-large", "The request's head is too large"},
    [PROBLEM_UNAVAILABLE] = {503, "unavailable", "Redis cannot be used now"},
    [PROBLEM_OVERLOADED] = {503, "overloaded", "This gateway cannot take more"},
    [PROBLEM_INTERNAL] = {500, "internal", "Something went wrong here"},
    [PROBLEM_HTTP_VERSION] = {505, "http-version", "This version of HTTP is not understood"},
};

const char *reply_problem_name(enum problem problem)
{
    return table[problem].name;
}

enum problem reply_problem_of(int http_status)
{
    switch (http_status) {
    case 408:
        return PROBLEM_TIMEOUT;
    case 413:
        return PROBLEM_BODY_TOO_LARGE;
    case 414:
        return PROBLEM_TARGET_TOO_LONG;
    case 429:
        return PROBLEM_TOO_MANY;
    case 431:
        return PROBLEM_HEAD_TOO_LARGE;
    case 500:
        return PROBLEM_INTERNAL;
    case 503:
        return PROBLEM_OVERLOADED;
    case 505:
        return PROBLEM_HTTP_VERSION;
    default:
        return PROBLEM_BAD_REQUEST;
    }
}

/* ---- CORS ---- */

/* A longer origin than a name can make is nobody's: an answer repeats it. */
static bool is_listed(const char *origins, const char *origin)
{
    size_t length = strlen(origin);
    if (length > ORIGIN_MAX)
        return false;
    for (const char *at = origins; *at;) {
        at += strspn(at, ", ");
        size_t one = strcspn(at, ", ");
        if ((one == 1 && *at == '*') || (one == length && memcmp(at, origin, one) == 0))
            return true;
        at += one;
    }
    return false;
}

/* origin: NULL or "" for none. */
static size_t cors(const char *origin, const struct settings *settings,
                   struct exchange_field fields[REPLY_CORS_FIELDS])
{
    if (!*settings->api_cors_origins)
        return 0;
    fields[0] = (struct exchange_field){"Vary", "Origin"};
    if (!origin || !*origin || !is_listed(settings->api_cors_origins, origin))
        return 1;
    fields[1] = (struct exchange_field){"Access-Control-Allow-Origin", origin};
    fields[2] = (struct exchange_field){"Access-Control-Expose-Headers",
                                        "Leat-Job, Leat-Attached, Location, Retry-After, "
                                        "x-workflow-run-id, x-should-retry"};
    return 3;
}

size_t reply_cors(const struct exchange *e, const struct settings *settings,
                  struct exchange_field fields[REPLY_CORS_FIELDS])
{
    const char *origin;
    enum status status = exchange_header(e, "Origin", &origin);
    return cors(status == STATUS_OK ? origin : NULL, settings, fields);
}

/* ---- answers ---- */

static void give(struct exchange *e, int http_status, const struct exchange_field *fields,
                 size_t count, const char *body, size_t length)
{
    enum status status = exchange_answer(e, http_status, fields, count, body, length);
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        log_error("answer_failed", LOG_S("why", status_name(status)));
        exchange_abort(e);
    }
}

static void answer(struct exchange *e, const struct settings *settings, int http_status,
                   const struct exchange_field *more, size_t count, const char *body, size_t length)
{
    struct exchange_field fields[FIELDS_MAX];
    size_t used = reply_cors(e, settings, fields);
    for (size_t i = 0; i < count; i++)
        fields[used++] = more[i];
    fields[used++] = (struct exchange_field){"Cache-Control", "no-store"};
    give(e, http_status, fields, used, body, length);
}

/* One problem on its way out. */
struct told {
    enum problem problem;
    bool openai; /* in the form of OpenAI's errors */
    const char *detail;
    const char *job;    /* "" for none, as the next */
    const char *member; /* of the body */
};

static bool is_openai(const char *target)
{
    return strncmp(target, "/v1/", 4) == 0;
}

static void put_text_or_null(struct buf *out, const char *text)
{
    if (*text)
        json_quote(out, text, strlen(text));
    else
        buf_puts(out, "null");
}

/* The word for programs: the problem's name, as OpenAI writes its own. A broken rule has none. */
static void put_code(struct buf *out, enum problem problem)
{
    char code[40];
    snprintf(code, sizeof code, "%s", problem == PROBLEM_BAD_REQUEST ? "" : table[problem].name);
    for (char *at = code; (at = strchr(at, '-'));)
        *at = '_';
    put_text_or_null(out, code);
}

static void openai_body(struct buf *out, const struct told *told)
{
    int http_status = table[told->problem].http_status;
    struct buf words = {0};
    if (told->problem != PROBLEM_BAD_REQUEST && told->problem != PROBLEM_NO_MODEL)
        buf_printf(&words, "%s. ", table[told->problem].title);
    buf_puts(&words, told->detail);
    buf_puts(out, "{\"error\": {\"message\": ");
    json_quote(out, buf_text(&words), words.length);
    buf_printf(out, ", \"type\": \"%s\", \"param\": ",
               http_status >= 500   ? "server_error"
               : http_status == 429 ? "rate_limit_error"
                                    : "invalid_request_error");
    put_text_or_null(out, told->member);
    buf_puts(out, ", \"code\": ");
    put_code(out, told->problem);
    buf_puts(out, "}}\n");
    out->failed = out->failed || !buf_ok(&words);
    buf_clear(&words);
}

static void problem_body(struct buf *out, const struct told *told)
{
    if (told->openai) {
        openai_body(out, told);
        return;
    }
    buf_printf(
        out, "{\"type\": \"urn:leat:problem:%s\", \"title\": \"%s\", \"status\": %d, \"detail\": ",
        table[told->problem].name, table[told->problem].title, table[told->problem].http_status);
    json_quote(out, told->detail, strlen(told->detail));
    if (*told->job) {
        buf_puts(out, ", \"job\": ");
        json_quote(out, told->job, strlen(told->job));
    }
    buf_puts(out, "}\n");
}

/* The headers of every problem: at most two. */
static size_t problem_fields(const struct told *told, char wait[12], struct exchange_field *fields)
{
    int http_status = table[told->problem].http_status;
    fields[0] = (struct exchange_field){"Content-Type", told->openai ? "application/json"
                                                                     : "application/problem+json"};
    if (http_status != 429 && http_status != 503)
        return 1;
    snprintf(wait, 12, "%u", 1 + id_random_below(5));
    fields[1] = (struct exchange_field){"Retry-After", wait};
    return 2;
}

/* more: NULL, or one more header. */
static void give_problem(struct exchange *e, const struct settings *settings,
                         const struct told *told, const struct exchange_field *more)
{
    struct exchange_field fields[4];
    char wait[12];
    size_t count = problem_fields(told, wait, fields);
    if (more)
        fields[count++] = *more;
    if (*told->job)
        fields[count++] = (struct exchange_field){"Leat-Job", told->job};
    struct buf body = {0};
    problem_body(&body, told);
    answer(e, settings, table[told->problem].http_status, fields, count, buf_text(&body),
           body.length);
    buf_clear(&body);
}

void reply_problem(struct exchange *e, const struct settings *settings, enum problem problem,
                   const char *detail, const char *job)
{
    const struct told told = {problem, is_openai(exchange_target(e)), detail, job, ""};
    give_problem(e, settings, &told, NULL);
}

void reply_problem_of_member(struct exchange *e, const struct settings *settings,
                             enum problem problem, const char *detail, const char *member)
{
    const struct told told = {problem, is_openai(exchange_target(e)), detail, "", member};
    give_problem(e, settings, &told, NULL);
}

void reply_method(struct exchange *e, const struct settings *settings, const char *allow)
{
    const struct exchange_field more = {"Allow", allow};
    const struct told told = {PROBLEM_METHOD, is_openai(exchange_target(e)),
                              "Allow says which methods there are.", "", ""};
    give_problem(e, settings, &told, &more);
}

void reply_json(struct exchange *e, const struct settings *settings, int http_status,
                const struct exchange_field *more, size_t count, const struct buf *body)
{
    struct exchange_field fields[REPLY_MORE_FIELDS + 1] = {{"Content-Type", "application/json"}};
    for (size_t i = 0; i < count; i++)
        fields[i + 1] = more[i];
    if (buf_ok(body))
        answer(e, settings, http_status, fields, count + 1, buf_text(body), body->length);
    else
        exchange_abort(e);
}

void reply_file(struct exchange *e, int http_status, const struct exchange_field *fields,
                size_t count, const char *text)
{
    give(e, http_status, fields, count, text, strlen(text));
}

void reply_no_content(struct exchange *e, const struct settings *settings)
{
    answer(e, settings, 204, NULL, 0, "", 0);
}

void reply_preflight(struct exchange *e, const struct settings *settings, const char *allow)
{
    const struct exchange_field fields[] = {
        {"Allow", allow},
        {"Access-Control-Allow-Methods", allow},
        {"Access-Control-Allow-Headers",
         /* OpenAI's client sends many of its own; a star does not stand for Authorization. */
         "Content-Type, Last-Event-ID, Idempotency-Key, Leat-Chat, Authorization, *"},
        {"Access-Control-Max-Age", "600"},
    };
    struct exchange_field cors[REPLY_CORS_FIELDS];
    bool allowed = reply_cors(e, settings, cors) > 1;
    answer(e, settings, 204, fields, allowed ? COUNT_OF(fields) : 1, "", 0);
}

/* ---- past libmicrohttpd ---- */

static void put_raw(const struct settings *settings, const struct turned_away *who, int http_status,
                    struct exchange_field fields[FIELDS_MAX], size_t count, const struct buf *body,
                    struct buf *out)
{
    count += cors(who->origin, settings, fields + count);
    const struct raw_answer answer = {
        .http_status = http_status,
        .fields = fields,
        .count = count,
        .body = buf_text(body),
        .length = body->length,
        .head_only = strcmp(who->method, "HEAD") == 0,
    };
    raw_answer_put(&answer, out);
    out->failed = out->failed || !buf_ok(body); /* half an answer is none */
}

void reply_problem_raw(const struct settings *settings, const struct turned_away *who,
                       enum problem problem, const char *detail, struct buf *out)
{
    struct exchange_field fields[FIELDS_MAX];
    struct buf body = {0};
    char wait[12];
    const struct told told = {problem, is_openai(who->target), detail, "", ""};
    size_t count = problem_fields(&told, wait, fields);
    fields[count++] = (struct exchange_field){"Cache-Control", "no-store"};
    problem_body(&body, &told);
    put_raw(settings, who, table[problem].http_status, fields, count, &body, out);
    buf_clear(&body);
}

void reply_come_again_raw(const struct settings *settings, const struct turned_away *who,
                          struct buf *out)
{
    struct exchange_field fields[FIELDS_MAX] = {
        {"Content-Type", "text/event-stream"},
        {"Cache-Control", "no-store, no-transform"},
        {"X-Accel-Buffering", "no"},
    };
    struct buf body = {0};
    sse_comment(&body, "leat");
    sse_retry(&body, 1000 + id_random_below(4001));
    put_raw(settings, who, 200, fields, 3, &body, out);
    buf_clear(&body);
}
