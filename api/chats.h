/**
 * chats.h: what is done for clients that speak a dialect of their own: each reads the question
 * (chat_input.h), says how its answer is to be rendered (render.h), and goes on as /stream does.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_CHATS_H
#define LEAT_CHATS_H

#include "visit.h"

void chats_openai(struct visit *visit); /* POST /v1/chat/completions */
void chats_ai_sdk(struct visit *visit); /* POST /ai-sdk/{feature} */
void chats_resume(struct visit *visit); /* GET /ai-sdk/{feature}/{chat}/stream */
void chats_ag_ui(struct visit *visit);  /* POST /ag-ui/{feature} */

#endif
