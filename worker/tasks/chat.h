/**
 * chat.h: one answer of a language model, from a question and its feature to lines.
 *
 * The feature's models are asked one after the other until one has answered to its end. What
 * is a passing failure (no connection, 429, 5xx, silence, a cut, an error inside the answer)
 * passes on to the next; another 4xx ends it, with the server's words. When the failing one had
 * said something, the feature's on_failure decides.
 *
 * Lines are those of a task (chat_reply.h shows the messages): {"type":"start"} when the first
 * model has spoken, parts, {"type":"reset-step"} where they are void, and at the end
 * {"leat":"usage"}, if any model was heard, and {"leat":"done"} or {"leat":"failed"}.
 * Reasons of a failure: feature, question, provider_busy, provider_error, provider_refused,
 * provider_unreachable, provider_silent, provider_cut, memory, stopped.
 *
 * A key is read from the environment when its model is asked, and stands in nothing that is
 * said or logged.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_CHAT_H
#define LEAT_CHAT_H

#include "base.h"
#include "features.h"
#include "http_post.h"

struct chat;

struct chat_order {
    const char *id;            /* the job's, safe inside a JSON string */
    struct features *features; /* with the one feature: chat takes its own part in it */
    const char *payload;       /* valid JSON */
    size_t length;
    /* Lines with LF, all that one read has brought. Borrowed. */
    void (*say)(void *arg, const char *lines, size_t length);
    /* After the last line, once; not after chat_stop. The chat is over then. */
    void (*on_end)(void *arg);
    void *arg;
};

/* chat_new(http, order): copies all but arg. Gives, until on_end or chat_stop. NULL: no memory. */
MUST_CHECK struct chat *chat_new(struct http *http, const struct chat_order *order);

/* chat_begin(c): ask the first model. May end it at once. */
void chat_begin(struct chat *c);

/* chat_say_usage(c): say what it has cost so far. */
void chat_say_usage(struct chat *c);

/* chat_stop(c): ask no more; say what it has cost, and {"leat":"failed","reason":"stopped"}. */
void chat_stop(struct chat *c);

#endif
