/**
 * render_check.h: whether the bytes of a renderer are what a strict client takes.
 *
 * One small machine a dialect, made after the clients' own: no delta outside of its part, nothing
 * behind an end, everything closed at the end. For the one file of a test program or fuzz target.
 */
#ifndef LEAT_TESTS_RENDER_CHECK_H
#define LEAT_TESTS_RENDER_CHECK_H

#include "buf.h"
#include "json.h"
#include "render.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_NAMES_MOST 4096

struct check_names {
    char *name[CHECK_NAMES_MOST];
    size_t count;
};

struct check {
    enum render_format format;
    const char *wrong; /* NULL: nothing so far */
    size_t frames;
    bool ended; /* nothing may come but what an end allows */
    bool done;  /* [DONE] */
    bool in_step;
    struct check_names text, reasoning, thinking, calls, known, approvals, all;
    size_t indexes; /* of tool calls: OpenAI */
    char id[256];
};

static inline bool check_has(const struct check_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], name) == 0)
            return true;
    }
    return false;
}

static inline void check_add(struct check_names *names, const char *name)
{
    if (check_has(names, name) || names->count == CHECK_NAMES_MOST)
        return;
    names->name[names->count] = strdup(name);
    if (!names->name[names->count])
        abort();
    names->count++;
}

static inline void check_drop(struct check_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->name[i], name) == 0) {
            free(names->name[i]);
            names->name[i] = names->name[--names->count];
            return;
        }
    }
}

static inline void check_forget(struct check_names *names)
{
    while (names->count > 0)
        free(names->name[--names->count]);
}

static inline void check_clear(struct check *c)
{
    check_forget(&c->text);
    check_forget(&c->reasoning);
    check_forget(&c->thinking);
    check_forget(&c->calls);
    check_forget(&c->known);
    check_forget(&c->approvals);
    check_forget(&c->all);
}

static inline void check_that(struct check *c, bool claim, const char *wrong)
{
    if (!claim && !c->wrong)
        c->wrong = wrong;
}

/* A member that must be a text; "" and wrong, where it is none. */
static inline const char *check_text(struct check *c, const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    check_that(c, text != NULL, name);
    return text ? text : "";
}

static inline bool check_is(const char *text, const char *other)
{
    return strcmp(text, other) == 0;
}

/* ---- AI SDK ---- */

static inline void check_ai_text(struct check *c, const cJSON *json, const char *rest,
                                 struct check_names *open)
{
    const char *id = check_text(c, json, "id");
    if (check_is(rest, "start")) {
        check_that(c, !check_has(open, id), "a part begins twice");
        check_add(open, id);
        return;
    }
    check_that(c, check_has(open, id), "a part that never began");
    if (check_is(rest, "delta"))
        check_text(c, json, "delta");
    else
        check_drop(open, id);
}

static inline void check_ai_tool(struct check *c, const cJSON *json, const char *type)
{
    const char *id =
        check_is(type, "tool-approval-response") ? "" : check_text(c, json, "toolCallId");
    if (check_is(type, "tool-input-start") || check_is(type, "tool-input-available") ||
        check_is(type, "tool-input-error")) {
        check_text(c, json, "toolName");
        check_add(&c->calls, id);
        if (check_is(type, "tool-input-start"))
            check_add(&c->known, id);
        else
            check_that(c, cJSON_HasObjectItem(json, "input"), "a call without input");
    } else if (check_is(type, "tool-input-delta")) {
        check_text(c, json, "inputTextDelta");
        check_that(c, check_has(&c->known, id), "input of a call that never began");
    } else if (check_is(type, "tool-approval-response")) {
        check_that(c, check_has(&c->approvals, check_text(c, json, "approvalId")),
                   "an approval nobody asked for");
    } else {
        check_that(c, check_has(&c->calls, id), "output of a call that never began");
        if (check_is(type, "tool-approval-request"))
            check_add(&c->approvals, check_text(c, json, "approvalId"));
    }
}

static inline void check_ai_end(struct check *c, const cJSON *json, const char *type)
{
    if (check_is(type, "error"))
        check_text(c, json, "errorText");
    if (!check_is(type, "finish"))
        return;
    const char *reason = check_text(c, json, "finishReason");
    check_that(c, strstr(" stop length content-filter tool-calls error other ", reason) != NULL,
               "a finishReason of its own");
    check_that(c, c->text.count + c->reasoning.count == 0 && !c->in_step, "open at the finish");
    c->ended = true;
}

static inline void check_ai_sdk(struct check *c, const cJSON *json)
{
    static const char others[] = " message-metadata source-url source-document file reasoning-file "
                                 "custom abort error finish ";
    const char *type = check_text(c, json, "type");
    char word[80];
    snprintf(word, sizeof word, " %s ", type);
    check_that(c, (c->frames == 0) == check_is(type, "start"), "a start that is not the first");
    if (strncmp(type, "text-", 5) == 0)
        check_ai_text(c, json, type + 5, &c->text);
    else if (strncmp(type, "reasoning-", 10) == 0 && !check_is(type, "reasoning-file"))
        check_ai_text(c, json, type + 10, &c->reasoning);
    else if (strncmp(type, "tool-", 5) == 0)
        check_ai_tool(c, json, type);
    else if (check_is(type, "reset-step")) {
        check_forget(&c->text);
        check_forget(&c->reasoning);
        check_forget(&c->known);
    } else if (check_is(type, "start-step") || check_is(type, "finish-step")) {
        check_that(c, c->in_step == check_is(type, "finish-step"), "steps overlap");
        c->in_step = !c->in_step;
    } else if (check_is(type, "start"))
        check_text(c, json, "messageId");
    else if (strncmp(type, "data-", 5) != 0)
        check_that(c, strstr(others, word) != NULL, "an unknown type");
    check_ai_end(c, json, type);
}

/* ---- OpenAI ---- */

static inline void check_openai_call(struct check *c, const cJSON *call)
{
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(call, "index");
    const cJSON *function = cJSON_GetObjectItemCaseSensitive(call, "function");
    size_t at = cJSON_IsNumber(index) ? (size_t)index->valueint : SIZE_MAX;
    check_text(c, function, "arguments");
    if (cJSON_HasObjectItem(call, "id")) {
        check_that(c, at == c->indexes, "a call out of its place");
        check_text(c, call, "id");
        check_that(c, check_is(check_text(c, call, "type"), "function"), "a call of no function");
        check_text(c, function, "name");
        c->indexes++;
    } else {
        check_that(c, at < c->indexes, "input of a call that never began");
    }
}

static inline void check_openai_choice(struct check *c, const cJSON *choice)
{
    const cJSON *delta = cJSON_GetObjectItemCaseSensitive(choice, "delta"), *call;
    const cJSON *reason = cJSON_GetObjectItemCaseSensitive(choice, "finish_reason");
    check_that(c, cJSON_IsObject(delta), "a chunk without a delta");
    cJSON_ArrayForEach(call, cJSON_GetObjectItemCaseSensitive(delta, "tool_calls"))
        check_openai_call(c, call);
    check_that(c, (c->frames == 0) == cJSON_HasObjectItem(delta, "role"), "a role in the middle");
    if (cJSON_IsNull(reason))
        return;
    check_that(c,
               strstr(" stop length tool_calls content_filter ",
                      check_text(c, choice, "finish_reason")) != NULL,
               "an unknown finish_reason");
    c->ended = true;
}

static inline void check_openai(struct check *c, const cJSON *json)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    if (error) {
        check_text(c, error, "message");
        check_text(c, error, "code");
        c->ended = c->done = true;
        return;
    }
    const char *id = check_text(c, json, "id");
    const cJSON *choices = cJSON_GetObjectItemCaseSensitive(json, "choices");
    check_that(c, c->frames == 0 || check_is(id, c->id), "another id");
    snprintf(c->id, sizeof c->id, "%s", id);
    check_that(c, check_is(check_text(c, json, "object"), "chat.completion.chunk"), "no chunk");
    check_text(c, json, "model");
    if (cJSON_GetArraySize(choices) == 0) {
        check_that(c, c->ended && cJSON_IsObject(cJSON_GetObjectItem(json, "usage")),
                   "usage before the end");
        return;
    }
    check_that(c, !c->ended, "a chunk behind the finish_reason");
    check_openai_choice(c, cJSON_GetArrayItem(choices, 0));
}

/* ---- AG-UI ---- */

static inline void check_bracket(struct check *c, struct check_names *open, const char *id,
                                 const char *what)
{
    if (check_is(what, "START")) {
        check_that(c, !check_has(open, id), "it is begun already");
        check_add(open, id);
    } else {
        check_that(c, check_has(open, id), "it is not open");
        if (check_is(what, "END"))
            check_drop(open, id);
    }
}

static inline void check_snapshot(struct check *c, const cJSON *json)
{
    struct check_names ids = {0};
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(json, "messages"), *message;
    check_that(c, cJSON_IsArray(messages), "a snapshot without messages");
    cJSON_ArrayForEach(message, messages)
    {
        const char *id = check_text(c, message, "id");
        check_that(c, !check_has(&ids, id), "a message stands twice in a snapshot");
        check_add(&ids, id);
        check_text(c, message, "role");
        check_text(c, message, "content");
    }
    check_forget(&ids);
}

static inline void check_ag_ui_end(struct check *c, const cJSON *json, const char *type)
{
    if (check_is(type, "RUN_ERROR")) {
        check_text(c, json, "message");
        check_text(c, json, "code");
    }
    check_that(c,
               c->text.count + c->reasoning.count + c->thinking.count + c->calls.count == 0 &&
                   !c->in_step,
               "open at the end");
    c->ended = c->done = true;
}

static inline void check_ag_ui(struct check *c, const cJSON *json)
{
    const char *type = check_text(c, json, "type");
    const char *what = strrchr(type, '_') ? strrchr(type, '_') + 1 : "";
    check_that(c, (c->frames == 0) == check_is(type, "RUN_STARTED"), "a run begins in the middle");
    if (check_is(type, "RUN_FINISHED") || check_is(type, "RUN_ERROR")) {
        check_ag_ui_end(c, json, type);
    } else if (strncmp(type, "TEXT_MESSAGE_", 13) == 0) {
        check_bracket(c, &c->text, check_text(c, json, "messageId"), what);
    } else if (check_is(type, "REASONING_START") || check_is(type, "REASONING_END")) {
        check_bracket(c, &c->reasoning, check_text(c, json, "messageId"), what);
    } else if (strncmp(type, "REASONING_MESSAGE_", 18) == 0) {
        check_bracket(c, &c->thinking, check_text(c, json, "messageId"), what);
    } else if (check_is(type, "TOOL_CALL_RESULT")) {
        check_text(c, json, "messageId");
        check_text(c, json, "content");
        check_that(c, !check_has(&c->calls, check_text(c, json, "toolCallId")),
                   "the result of a call that is open");
    } else if (strncmp(type, "TOOL_CALL_", 10) == 0) {
        check_bracket(c, &c->calls, check_text(c, json, "toolCallId"), what);
        if (check_is(what, "START"))
            check_text(c, json, "toolCallName");
    } else if (strncmp(type, "STEP_", 5) == 0) {
        check_text(c, json, "stepName");
        check_that(c, c->in_step == check_is(what, "FINISHED"), "steps overlap");
        c->in_step = !c->in_step;
    } else if (check_is(type, "MESSAGES_SNAPSHOT")) {
        check_snapshot(c, json);
    } else if (check_is(type, "CUSTOM")) {
        check_text(c, json, "name");
        check_that(c, cJSON_HasObjectItem(json, "value"), "no value");
    } else {
        check_that(c, check_is(type, "RUN_STARTED"), "an unknown event");
    }
    if (check_is(what, "CONTENT") || check_is(what, "ARGS"))
        check_that(c, *check_text(c, json, "delta") != '\0', "an empty delta");
}

/* ---- frames ---- */

static inline void check_frame(struct check *c, const char *data, size_t length)
{
    struct json_info info;
    if (c->done) {
        check_that(c, false, "a frame behind the end");
        return;
    }
    if (length == 6 && memcmp(data, "[DONE]", 6) == 0) {
        check_that(c, c->ended && c->format != RENDER_AG_UI, "[DONE] in the wrong place");
        c->done = true;
        return;
    }
    check_that(c, !c->ended || c->format == RENDER_OPENAI, "a frame behind the end");
    check_that(c, json_check(data, length, &info) && info.is_object, "a frame that is no JSON");
    cJSON *json = cJSON_ParseWithLength(data, length);
    if (c->format == RENDER_AI_SDK)
        check_ai_sdk(c, json);
    else if (c->format == RENDER_OPENAI)
        check_openai(c, json);
    else
        check_ag_ui(c, json);
    cJSON_Delete(json);
    c->frames++;
}

/* check_answer(format, text, length, whole): NULL, or what is wrong with it. whole: it must end. */
static inline const char *check_answer(enum render_format format, const char *text, size_t length,
                                       bool whole)
{
    static struct check c; /* large */
    const char *at = text, *end = text + length;
    memset(&c, 0, sizeof c);
    c.format = format;
    while (at < end && !c.wrong) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop || stop + 1 >= end || stop[1] != '\n' || strncmp(at, "data: ", 6) != 0) {
            c.wrong = "not a frame of one line";
            break;
        }
        check_frame(&c, at + 6, (size_t)(stop - at) - 6);
        at = stop + 2;
    }
    if (whole)
        check_that(&c, c.done, "no end");
    check_clear(&c);
    return c.wrong;
}

#endif
