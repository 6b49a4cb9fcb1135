/**
 * chat_messages.h: the messages of a chat, as clients of several dialects keep them, written as
 * a model server wants them.
 *
 * Read are OpenAI's messages, AG-UI's (docs.ag-ui.com/concepts/messages) and the AI SDK's UI
 * messages (vercel/ai, packages/ai/src/ui/convert-to-model-messages.ts). Written are OpenAI's
 * or Ollama's, with no member that a server did not define: some refuse what they do not know.
 * The system prompts at the beginning become one message, since many chat templates take no
 * second one; `developer` becomes `system`, which all servers know. A tool call that never got
 * a result is given one that says so: without, servers refuse the whole question.
 *
 * Pure. Thread: any.
 */
#ifndef LEAT_CHAT_MESSAGES_H
#define LEAT_CHAT_MESSAGES_H

#include "base.h"
#include "buf.h"
#include "chat_json.h"
#include "status.h"

/**
 * chat_messages_write(messages, ollama, system, partial, out, wrong)
 * Append them as a JSON array.
 *
 * messages: an array. system: the operator's prompt, which comes first; "" for none. partial: the
 * beginning of the assistant's answer, which comes last; "" for none.
 * STATUS_BAD_INPUT: wrong holds a sentence that names the member. STATUS_NO_MEMORY.
 */
MUST_CHECK enum status chat_messages_write(const struct chat_value *messages, bool ollama,
                                           const char *system, const char *partial, struct buf *out,
                                           struct buf *wrong);

/* chat_messages_bytes(messages): of all their texts. */
int64_t chat_messages_bytes(const struct chat_value *messages);

#endif
