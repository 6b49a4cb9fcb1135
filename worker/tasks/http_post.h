/**
 * http_post.h: many requests at once to model servers, streamed (libcurl on the loop).
 *
 * The only file that knows libcurl. HTTPS is checked against the system's certificates;
 * redirects are not followed (a key would travel with them); HTTP_PROXY and its like count.
 * Connections are kept for the next request to the same server. The key goes into a header
 * and nowhere else.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_HTTP_POST_H
#define LEAT_HTTP_POST_H

#include "base.h"
#include "status.h"

#include <uv.h>

struct http;      /* all requests of a loop */
struct http_post; /* one */

enum http_end {
    HTTP_ENDED,       /* the whole answer came */
    HTTP_UNREACHABLE, /* no connection: name, port, TLS, or connect_timeout_ms */
    HTTP_CUT,         /* it broke off before or inside the answer */
    HTTP_SILENT,      /* first_timeout_ms or silence_timeout_ms passed */
};

/* How one went. Borrowed for the call. */
struct http_result {
    enum http_end end;
    int status;             /* 0: no answer came */
    int64_t retry_after_ms; /* Retry-After, in seconds or as a date; -1: none */
    const char *words;      /* what went wrong, a sentence without key or credentials; "" */
};

struct http_request {
    const char *url;  /* http:// or https:// */
    const char *key;  /* Authorization: Bearer; "" for none */
    const char *body; /* JSON */
    size_t body_length;
    int64_t connect_timeout_ms;
    int64_t first_timeout_ms;   /* from the request to the body's first byte */
    int64_t silence_timeout_ms; /* between two pieces of the body */
    /* A piece of the body. False: enough; on_end does not come, the request is over. */
    bool (*on_data)(void *arg, int status, const char *data, size_t length);
    /* The end, once; not after http_cancel, nor from inside http_post_new. It is over then. */
    void (*on_end)(void *arg, const struct http_result *result);
    /* Both come from outside of libcurl: any function here may be called from them. */
    void *arg;
};

/* http_new(loop): gives; NULL: no memory. http_free(h): all requests are over; the loop must turn
   once more. */
MUST_CHECK struct http *http_new(uv_loop_t *loop);
void http_free(struct http *h);

/**
 * http_pause(h), http_resume(h)
 * Hand out nothing more, of all requests, and read no more than a few KiB of each: who takes
 * the data has no room. No time limit passes meanwhile. http_resume calls on_data and on_end
 * from inside itself, unless it is called from inside one of them.
 */
void http_pause(struct http *h);
void http_resume(struct http *h);

/* http_post_new(h, request): begin one. Copies all but arg. Gives, until on_end, a false from
   on_data, or http_cancel. NULL: no memory. */
MUST_CHECK struct http_post *http_post_new(struct http *h, const struct http_request *request);

/* http_expect_end(p, wait_ms): what matters has come; the end must come within wait_ms, or is
   HTTP_SILENT. */
void http_expect_end(struct http_post *p, int64_t wait_ms);

/* http_cancel(p): end it now. Not from inside its own on_data: return false there. */
void http_cancel(struct http_post *p);

#endif
