/**
 * request.h: what a request asks for, read from the raw bytes of its target.
 *
 * The HTTP library decodes and shortens targets in ways of its own, so ours are
 * read here, once, by rules that can be stated. Nothing is kept that was not
 * checked; all of it fits into the structure.
 *
 * Refusals are sentences for the client that name the parameter and its rule:
 * static storage, fit for a problem's `detail`.
 *
 * Thread: any.
 */
#ifndef LEAT_REQUEST_H
#define LEAT_REQUEST_H

#include "base.h"
#include "job.h"
#include "queue.h"
#include "render.h"
#include "resume.h"

#define REQUEST_PATH_SIZE 257

/* The parameters that we know: of the query, and parts of paths. */
enum parameter {
    PARAMETER_FEATURE_ID,
    PARAMETER_CHAT_ID,
    PARAMETER_JOB,
    PARAMETER_LAST_EVENT_ID,
    PARAMETER_IF_BUSY,
    PARAMETER_EVENTS,
    PARAMETER_FORMAT,
    PARAMETER_SNAPSHOT,
    PARAMETER_CANCEL_ON_DISCONNECT,
    PARAMETER_STATE,
    PARAMETER_QUEUE,
    PARAMETER_LIMIT,
    PARAMETER_CURSOR,
    PARAMETER_ID, /* these four in paths only */
    PARAMETER_NAME,
    PARAMETER_FEATURE,
    PARAMETER_CHAT,
    PARAMETER_COUNT,
};

/* parameter_name(parameter): as it stands in a query or in a path's pattern. */
const char *parameter_name(enum parameter parameter);

/* A set of parameters has the bit REQUEST_READS(p) for each of them; with
   REQUEST_PASSES_OVER, names that are not in it do no harm. */
#define REQUEST_READS(parameter) (1u << (parameter))
#define REQUEST_PASSES_OVER (1u << 31)

#define REQUEST_LIMIT_STANDARD 50
#define REQUEST_LIMIT_MOST 100

struct request {
    char path[REQUEST_PATH_SIZE];   /* as it came, not decoded; "" when it cannot be one of ours */
    char feature_id[JOB_NAME_SIZE]; /* "" when not given, as with the next two; or {feature} */
    char chat_id[JOB_NAME_SIZE];    /* or {chat} */
    char job[JOB_ID_SIZE];          /* in lower case; or {id} */
    struct cursor cursor;           /* last_event_id; the header, where there is one, goes first */
    enum if_busy if_busy;
    bool all_events;                 /* events=all */
    bool has_format;                 /* format was given in the query */
    bool snapshot;                   /* snapshot=1 */
    bool cancel_on_disconnect;       /* cancel_on_disconnect=1 */
    enum render_format format;       /* RENDER_RAW when not given */
    enum job_state state;            /* JOB_NONE when not given */
    char queue[JOB_NAME_SIZE];       /* "default" when not given; or {queue} */
    char name[JOB_NAME_SIZE];        /* {name} */
    size_t limit;                    /* 1 to REQUEST_LIMIT_MOST */
    char page_cursor[JOB_NAME_SIZE]; /* "" when not given */
};

/**
 * request_read_path(target, length, request)
 * Begin to take a target such as "/stream?feature_id=a&chat_id=b" apart: the path, and what
 * a request has that asks for nothing.
 *
 * Borrows target. The path ends at the first "?"; one of more than 256 bytes, or
 * with bytes that are not visible ASCII, or that does not begin with "/", is read
 * as "".
 */
void request_read_path(const char *target, size_t length, struct request *request);

/**
 * request_read_query(target, length, reads, request)
 * Go on behind the path, with the parameters in the set `reads`.
 *
 * Borrows target. Names and values are percent-decoded exactly once ("+" stays "+").
 * A parameter may stand once only, and never empty.
 * NULL: request is filled. Otherwise why not (400).
 */
MUST_CHECK const char *request_read_query(const char *target, size_t length, unsigned reads,
                                          struct request *request);

/**
 * request_match(request, pattern)
 * Whether the path is the pattern's. A part of the pattern in braces, "/jobs/{id}/retry",
 * stands for one part of the path that is not empty. Borrows pattern.
 */
bool request_match(const struct request *request, const char *pattern);

/**
 * request_read_parts(request, pattern)
 * Take what stands in place of the braces, percent-decoded once, as a query's value.
 * NULL: request has it. Otherwise why not, as of request_read_query.
 */
MUST_CHECK const char *request_read_parts(struct request *request, const char *pattern);

/* Room for the longest, and its NUL. */
#define REQUEST_STREAM_SIZE (2 * JOB_NAME_SIZE + JOB_ID_SIZE + 64)

/**
 * request_stream(feature_id, chat_id, job, out)
 * Write the target of a chat's stream, pinned to a job ("" for none). Borrows all.
 */
void request_stream(const char *feature_id, const char *chat_id, const char *job,
                    char out[REQUEST_STREAM_SIZE]);

/**
 * request_check_chat(request)
 * NULL: feature_id and chat_id were given. Otherwise which one is missing.
 */
MUST_CHECK const char *request_check_chat(const struct request *request);

/**
 * request_check_cursor(text, cursor)
 * Read a Last-Event-ID header by the rule of last_event_id. Borrows text.
 * NULL: cursor is filled. Otherwise why not, and cursor is as it was.
 */
MUST_CHECK const char *request_check_cursor(const char *text, struct cursor *cursor);

/**
 * request_read_accept(text, request)
 * Take the format out of an Accept header, "text/event-stream;format=ag-ui", where the query gave
 * none. Borrows text. NULL: done. Otherwise why not.
 */
MUST_CHECK const char *request_read_accept(const char *text, struct request *request);

/* request_check_format(request): NULL: its format, snapshot and cursor go together. */
MUST_CHECK const char *request_check_format(const struct request *request);

/**
 * request_check_key(text)
 * NULL: fit for an Idempotency-Key, 1 to 255 bytes of visible ASCII.
 */
MUST_CHECK const char *request_check_key(const char *text);

#endif
