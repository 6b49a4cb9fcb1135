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
#include "resume.h"

#define REQUEST_PATH_SIZE 257

struct request {
    char path[REQUEST_PATH_SIZE];   /* as it came, not decoded; "" when it cannot be one of ours */
    char feature_id[JOB_NAME_SIZE]; /* "" when not given, as with the next two */
    char chat_id[JOB_NAME_SIZE];
    char job[JOB_ID_SIZE]; /* in lower case */
    struct cursor cursor;  /* last_event_id; the header, where there is one, goes first */
    enum if_busy if_busy;
    bool all_events; /* events=all */
};

/**
 * request_read(target, length, request)
 * Take a target such as "/stream?feature_id=a&chat_id=b" apart.
 *
 * Borrows target. The path ends at the first "?"; one of more than 256 bytes, or
 * with bytes that are not visible ASCII, or that does not begin with "/", is read
 * as "". Names and values are percent-decoded exactly once ("+" stays "+").
 * Parameters that we do not know are passed over; one that we know may stand
 * once only, and never empty.
 * NULL: request is filled. Otherwise why not (400), and only the path is meant.
 */
MUST_CHECK const char *request_read(const char *target, size_t length, struct request *request);

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
 * request_check_key(text)
 * NULL: fit for an Idempotency-Key, 1 to 255 bytes of visible ASCII.
 */
MUST_CHECK const char *request_check_key(const char *text);

#endif
