/*
 * chats.c: chats by the dialects of OpenAI, the AI SDK and AG-UI.
 *
 * Called by the routes, with a body that is to be JSON. Nothing is done here but to fill in what
 * /stream has in its query: which feature and chat, and how the answer goes out.
 */
#include "chats.h"

#include "chat_input.h"
#include "clock.h"
#include "id.h"
#include "stream.h"

#include <stdio.h>
#include <string.h>

/* False: the body is none of the dialect, and was refused. */
static bool read_body(struct visit *visit, enum chat_dialect dialect, struct chat_input *input)
{
    size_t length;
    struct chat_wrong wrong;
    const char *body = visit_json(visit, &length);
    if (!body)
        return false;
    enum status status = chat_input_read(body, length, dialect, input, &wrong);
    if (status == STATUS_BAD_INPUT)
        reply_problem_of_member(visit->exchange, visit->gateway->settings, PROBLEM_BAD_REQUEST,
                                wrong.text, wrong.member);
    else if (status != STATUS_OK)
        visit_refuse_for(visit, status);
    return status == STATUS_OK;
}

/* Without a name for it a question has a chat of its own; with a key always the same, so that
   asking again finds it. */
static void name_chat(struct visit_asked *asked)
{
    if (*asked->request.chat_id)
        return;
    if (*asked->key)
        chat_input_keyed(asked->key, asked->request.chat_id);
    else
        id_new(asked->request.chat_id);
}

/* A file of features says which models there are; without one any name will do. */
static bool check_model(struct visit *visit, const char *model)
{
    const struct features *features = visit->gateway->features;
    if (features_count(features) == 0 || features_find(features, model))
        return true;
    reply_problem_of_member(visit->exchange, visit->gateway->settings, PROBLEM_NO_MODEL,
                            "The model does not exist. GET /v1/models says which there are.",
                            "model");
    return false;
}

void chats_openai(struct visit *visit)
{
    struct chat_input input;
    struct visit_asked *asked = visit->asked;
    if (!read_body(visit, CHAT_OPENAI, &input) || !check_model(visit, input.feature_id))
        return;
    memcpy(asked->request.feature_id, input.feature_id, sizeof input.feature_id);
    name_chat(asked);
    asked->render = (struct render_options){
        .format = RENDER_OPENAI,
        .whole = !input.stream,
        .include_usage = input.include_usage,
        .created_s = clock_wall_ms() / 1000,
    };
    asked->cancels = true; /* these clients stop by hanging up */
    stream_start(visit);
}

void chats_ai_sdk(struct visit *visit)
{
    struct chat_input input;
    if (!read_body(visit, CHAT_AI_SDK, &input))
        return;
    memcpy(visit->asked->request.chat_id, input.chat_id, sizeof input.chat_id);
    visit->asked->render.format = RENDER_AI_SDK;
    stream_start(visit);
}

void chats_resume(struct visit *visit)
{
    visit->asked->render.format = RENDER_AI_SDK;
    visit->asked->if_running = true;
    stream_follow(visit);
}

void chats_ag_ui(struct visit *visit)
{
    struct chat_input input;
    struct render_options *render = &visit->asked->render;
    if (!read_body(visit, CHAT_AG_UI, &input))
        return;
    memcpy(visit->asked->request.chat_id, input.chat_id, sizeof input.chat_id);
    render->format = RENDER_AG_UI;
    memcpy(render->thread_id, input.chat_id, sizeof input.chat_id);
    visit->asked->history = input.messages;
    memcpy(render->run_id, input.run_id, sizeof input.run_id);
    stream_start(visit);
}
