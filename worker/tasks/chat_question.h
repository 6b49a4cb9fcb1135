/**
 * chat_question.h: a job's payload as a question to a model server.
 *
 * Taken is what the clients of all dialects send: `messages`, each with a `role` (system,
 * developer, user, assistant, tool) and its text in `content` (a text, or parts
 * {"type": "text", "text": …}, passed on as they are for FEATURE_OPENAI: images too) or in
 * `parts` (the AI SDK's UI messages: their text, tool calls and tool outputs). Or
 * `prompt`, a text: one message of the user. Beside them `temperature`, `top_p`, `max_tokens`
 * (also `max_completion_tokens`), `stop`, `seed`, `tools`, `tool_choice`, `response_format`,
 * `reasoning_effort`, as OpenAI names them: for FEATURE_OLLAMA put where Ollama has them
 * (`options`, `format`, `tools`). AG-UI's tools ({name, description, parameters}) become functions.
 * What the feature fixes (system, temperature, max_tokens, stop, seed) goes before what the
 * client asks for, but for max_tokens, where the smaller counts, and for system: the client's
 * own prompts follow the feature's in the same message. The model's extra_body goes before all
 * of this, member by member, and for FEATURE_OLLAMA its `options` too. Everything else is left out.
 * reasoning_effort is Ollama's `think`. A picture goes to Ollama only as a data: URL in base64.
 *
 * Pure. Thread: any.
 */
#ifndef LEAT_CHAT_QUESTION_H
#define LEAT_CHAT_QUESTION_H

#include "base.h"
#include "buf.h"
#include "features.h"
#include "status.h"

/**
 * chat_question_write(payload, length, feature, model, partial, out, wrong)
 * Append the request's body for one of the feature's models, streamed, with usage asked for.
 *
 * payload: the job's, valid JSON. partial: what a former model said already ("" for
 * nothing): it goes along as the beginning of the assistant's answer, a last message of role
 * assistant. Servers go on with it or answer after it; none is told to by a member of its own.
 * STATUS_BAD_INPUT: it is no question; wrong holds a sentence for the client that names the
 * member. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status chat_question_write(const char *payload, size_t length,
                                           const struct feature *feature,
                                           const struct feature_model *model, const char *partial,
                                           struct buf *out, struct buf *wrong);

/* chat_question_tokens(payload, length): about how many tokens the question has (4 bytes of its
   texts each): for usage that nobody measured. */
int64_t chat_question_tokens(const char *payload, size_t length);

#endif
