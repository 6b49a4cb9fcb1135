/**
 * chat_reply.h: what a model server's answer says, from its bytes to messages.
 *
 * Two dialects: Server-Sent Events of an OpenAI-compatible server, and Ollama's lines of
 * JSON. Bytes may come in any pieces, split inside a character too. Out come the lines
 * that go to the worker: typed messages (the vocabulary of the AI SDK's UI message
 * stream), canonical: no blanks between tokens, `type` first, and the growing text last:
 *
 *     {"type":"text-start","id":"t1"}
 *     {"type":"text-delta","id":"t1","delta":"Hel"}
 *     {"type":"text-end","id":"t1"}
 *     {"type":"reasoning-start","id":"r1"}   …-delta, …-end, as text
 *     {"type":"tool-input-start","toolCallId":"call_1","toolName":"weather"}
 *     {"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"{\"city\""}
 *     {"type":"tool-input-available","toolCallId":"call_1","toolName":"weather","input":{…}}
 *     {"type":"tool-input-error","toolCallId":…,"toolName":…,"input":"<text>","errorText":…}
 *
 * A part ends when another begins, or at the end; but a tool call whose input is not whole yet
 * stays open beside others, since servers may send the pieces of several calls in turn. A delta
 * has at most 32 KiB, a tool's input 192 KiB. A call without an id gets one that is the same
 * whenever the same answer is read. What begins and ends the whole message (start, start-step,
 * finish-step, finish) is the caller's.
 *
 * No clock, no descriptor. Thread: the owner's.
 */
#ifndef LEAT_CHAT_REPLY_H
#define LEAT_CHAT_REPLY_H

#include "base.h"
#include "buf.h"
#include "features.h"
#include "status.h"

enum chat_finish {
    CHAT_FINISH_NONE, /* the server has not said */
    CHAT_FINISH_STOP,
    CHAT_FINISH_LENGTH,
    CHAT_FINISH_TOOL_CALLS,
    CHAT_FINISH_CONTENT_FILTER,
    CHAT_FINISH_OTHER,
};

/* chat_finish_name(finish): as finishReason says it: "stop", "length", "tool-calls",
   "content-filter"; "other" for the rest. */
const char *chat_finish_name(enum chat_finish finish);

/* Tokens; -1: not known. */
struct chat_usage {
    int64_t input, output, reasoning, cached;
    bool measured; /* the server said so; else estimated by what came */
};

struct chat_reply;

/* chat_reply_new(api): gives; NULL: no memory. chat_reply_free(r): NULL is harmless. */
MUST_CHECK struct chat_reply *chat_reply_new(enum feature_api api);
void chat_reply_free(struct chat_reply *r);

/**
 * chat_reply_take(r, data, length, out)
 * Take bytes of a 200's body; append the messages that they complete, each a line with LF.
 *
 * STATUS_OK: go on. STATUS_REFUSED: the server says in mid-stream that it failed;
 * chat_reply_error says how. STATUS_PROTOCOL: what came is nothing of this dialect
 * (chat_reply_error), or one event has more than 1 MiB. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status chat_reply_take(struct chat_reply *r, const char *data, size_t length,
                                       struct buf *out);

/* chat_reply_rest(r, out): the body is over: an event whose end is missing is one, too, if it is
   whole otherwise. It may complete the answer, or say how it failed (chat_reply_error). */
void chat_reply_rest(struct chat_reply *r, struct buf *out);

/**
 * chat_reply_end(r, out)
 * The same, where nobody has, and close what is open. A tool call whose input is
 * whole JSON becomes tool-input-available, else tool-input-error.
 */
void chat_reply_end(struct chat_reply *r, struct buf *out);

/* chat_reply_is_complete(r): the answer came to its own end ([DONE], done: true, or a
   finish_reason), and did not fail: a body that ends without is one that was cut. */
bool chat_reply_is_complete(const struct chat_reply *r);

/* chat_reply_spoke(r): something of the answer was given to out. */
bool chat_reply_spoke(const struct chat_reply *r);

enum chat_finish chat_reply_finish(const struct chat_reply *r);

/* chat_reply_usage(r): the server's own figures as soon as they came; before, output is
   estimated by the pieces that came, input is -1. */
struct chat_usage chat_reply_usage(const struct chat_reply *r);

/* chat_reply_text(r): all text (not reasoning, no tools) of this answer so far. Borrowed. */
const struct buf *chat_reply_text(const struct chat_reply *r);

/* chat_reply_model(r): what the server calls the model; "" if it does not say. Borrowed. */
const char *chat_reply_model(const struct chat_reply *r);

/* chat_reply_error(r): the server's words about its failure, valid UTF-8; "". Borrowed. */
const char *chat_reply_error(const struct chat_reply *r);

/**
 * chat_reply_words(body, length, out)
 * The error in the body of a status that is not 200: its `error.message`, `error` or `message`,
 * else its beginning as it stands; at most 300 bytes of valid UTF-8 in one line.
 */
void chat_reply_words(const char *body, size_t length, struct buf *out);

#endif
