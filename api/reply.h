/**
 * reply.h: answers that are no stream: JSON, files, and errors as RFC 9457 problems.
 *
 * The one place that knows HTTP status codes and problem types. Each problem has
 * a stable `type` (urn:leat:problem:<name>); `detail` is for people. Below /v1/, where
 * clients of OpenAI's API ask, a problem has the form that they read:
 *
 *     {"error": {"message": …, "type": "invalid_request_error", "param": …, "code": <name>}}
 *
 * Thread: the loop's.
 */
#ifndef LEAT_REPLY_H
#define LEAT_REPLY_H

#include "buf.h"
#include "exchange.h"
#include "server.h"
#include "settings.h"
#include "status.h"

enum problem {
    PROBLEM_BAD_REQUEST,
    PROBLEM_NOT_FOUND,
    PROBLEM_NO_JOB,
    PROBLEM_NO_ROUTE,
    PROBLEM_NO_SCHEDULE,
    PROBLEM_NO_MODEL, /* no feature of this name, in the words of /v1/ */
    PROBLEM_METHOD,   /* by reply_method */
    PROBLEM_TIMEOUT,
    PROBLEM_CHAT_BUSY,
    PROBLEM_CHAT_FOREIGN,
    PROBLEM_NOT_DEAD,
    PROBLEM_BODY_TOO_LARGE,
    PROBLEM_TARGET_TOO_LONG,
    PROBLEM_MEDIA_TYPE,
    PROBLEM_KEY_REUSED,
    PROBLEM_QUEUE_FULL,
    PROBLEM_TOO_MANY, /* connections of one address */
    PROBLEM_HEAD_TOO_LARGE,
    PROBLEM_UNAVAILABLE, /* Redis is away, full, or cannot serve */
    PROBLEM_OVERLOADED,  /* this gateway is full or draining */
    PROBLEM_INTERNAL,
    PROBLEM_HTTP_VERSION,
    PROBLEM_COUNT,
};

/* reply_problem_name(problem): the last word of its `type`. Static. */
const char *reply_problem_name(enum problem problem);

/* The problem that a refusal of the server itself is (server_handlers.on_refused, on_turned_away).
 */
enum problem reply_problem_of(int http_status);

/**
 * reply_problem(e, settings, problem, detail, job)
 * Answer with a problem. job: an id that the client should know of; "" for none.
 * 429 and 503 get a Retry-After of 1 to 5 s (random).
 * Borrows all.
 */
void reply_problem(struct exchange *e, const struct settings *settings, enum problem problem,
                   const char *detail, const char *job);

/* reply_problem_of_member(e, settings, problem, detail, member): the same for what a body's member
   breaks, which /v1/ names apart. */
void reply_problem_of_member(struct exchange *e, const struct settings *settings,
                             enum problem problem, const char *detail, const char *member);

/* reply_method(e, settings, allow): 405, and the methods that the path knows. Borrows all. */
void reply_method(struct exchange *e, const struct settings *settings, const char *allow);

/* reply_problem_raw(settings, who, problem, detail, out): the same for one that is turned
   away: append the whole answer. Borrows all. */
void reply_problem_raw(const struct settings *settings, const struct turned_away *who,
                       enum problem problem, const char *detail, struct buf *out);

/* reply_come_again_raw(settings, who, out): append the whole answer to one who wants a
   stream and is turned away: an empty one, and when to ask again. Borrows all. */
void reply_come_again_raw(const struct settings *settings, const struct turned_away *who,
                          struct buf *out);

/* The most headers that reply_json takes. */
#define REPLY_MORE_FIELDS 3

/* reply_json(e, settings, http_status, more, count, body): answer with a JSON text, and some
   more headers. Borrows all. */
void reply_json(struct exchange *e, const struct settings *settings, int http_status,
                const struct exchange_field *more, size_t count, const struct buf *body);

/* reply_file(e, http_status, fields, count, text): answer with a text and these headers, and none
   for other origins. Borrows all. */
void reply_file(struct exchange *e, int http_status, const struct exchange_field *fields,
                size_t count, const char *text);

/* reply_no_content(e, settings): 204. */
void reply_no_content(struct exchange *e, const struct settings *settings);

/* reply_preflight(e, settings, allow): the answer to OPTIONS: the methods that the path knows. */
void reply_preflight(struct exchange *e, const struct settings *settings, const char *allow);

/* Room for the headers that every answer to another origin's page needs. */
#define REPLY_CORS_FIELDS 3

/**
 * reply_cors(e, settings, fields)
 * The CORS headers for this request: Vary where origins are configured, and the
 * rest where this one may call. Borrowed from e and static storage. Returns how many.
 */
size_t reply_cors(const struct exchange *e, const struct settings *settings,
                  struct exchange_field fields[REPLY_CORS_FIELDS]);

#endif
