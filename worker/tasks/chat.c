/*
 * chat.c: the chain of models.
 *
 *     ask ──▶ on_data … on_end ──complete──▶ succeed
 *      ▲            │ failed
 *      └── pass_on ◀┴──▶ give_up
 *
 * One model at a time is asked (post, reply). What it has said goes out as it comes; what has
 * to be said around it (start, reset-step, the end) is said together with it, in one piece.
 *
 * When an answer is continued by the next model, the end of its text is kept back (held): if
 * the next one begins with text too, both are one part.
 *
 * The dangerous part: any call that may end the chat frees it; it is always the last of its caller.
 */
#include "chat.h"

#include "chat_question.h"
#include "chat_reply.h"
#include "json.h"
#include "log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From the answer's last word to its end: the usage, and what closes the body. */
#define END_WAIT_MS 2000
/* Of the body of an answer that is none. */
#define ERROR_MOST_BYTES 4096
/* So much of a key's beginning is a provider's, and no secret. */
#define KEY_TOLD_BYTES 4
/* Of one model, as far as it is believed: sums stay numbers, also to readers with doubles. */
#define TOKENS_MOST (INT64_C(1) << 48)

/* What its models have cost together. */
struct cost {
    int64_t input, output;
    bool known, measured;
};

struct chat {
    struct http *http;
    struct chat_order order; /* its texts are copies */
    const struct feature *feature;
    int64_t question_tokens; /* estimated */
    size_t next;             /* the model to ask */
    struct http_post *post;
    struct chat_reply *reply;
    bool heard;            /* the model that is asked has begun to answer */
    bool started;          /* start and start-step were said */
    bool spoke;            /* and parts behind them, that are not void */
    bool called_tools;     /* among them */
    bool expects_end;      /* what matters has come, the body's end has not */
    struct buf lines;      /* to be said */
    struct buf partial;    /* text of the models before */
    struct buf held;       /* the end of their text */
    struct buf error_body; /* of the one that is asked */
    struct cost cost;
    struct buf model_name; /* who spoke last */
    const char *reason;    /* why the last one failed */
    struct buf detail;
    bool retry;             /* one of them may do better next time */
    int64_t retry_after_ms; /* -1: nobody said */
};

static void ask(struct chat *c);

/* ---- the end ---- */

static void free_chat(struct chat *c)
{
    if (c->post)
        http_cancel(c->post);
    chat_reply_free(c->reply);
    features_release(c->order.features);
    free((char *)c->order.id);
    free((char *)c->order.payload);
    struct buf *texts[] = {&c->lines,      &c->partial,    &c->held,
                           &c->error_body, &c->model_name, &c->detail};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        buf_clear(texts[i]);
    free(c);
}

/* Where there is no memory for words, the chat is to end. */
static void say(struct chat *c)
{
    if (!buf_ok(&c->lines)) {
        static const char none[] = "{\"leat\":\"failed\",\"reason\":\"memory\"}\n";
        c->order.say(c->order.arg, none, sizeof none - 1);
    } else if (c->lines.length > 0) {
        c->order.say(c->order.arg, c->lines.data, c->lines.length);
    }
    buf_clear(&c->lines);
}

static void end(struct chat *c)
{
    void (*on_end)(void *arg) = c->order.on_end;
    void *arg = c->order.arg;
    say(c);
    free_chat(c);
    on_end(arg);
}

/* ---- what it costs ---- */

/* With the one that is being asked, if it was heard. */
static struct cost cost_of(const struct chat *c)
{
    struct cost cost = c->cost;
    if (!c->heard)
        return cost;
    struct chat_usage usage = chat_reply_usage(c->reply);
    cost.measured = usage.measured && (cost.measured || !cost.known);
    cost.known = true;
    cost.input += min_i64(TOKENS_MOST, usage.input >= 0 ? usage.input : c->question_tokens);
    cost.output += min_i64(TOKENS_MOST, max_i64(0, usage.output));
    return cost;
}

static void name_model(struct chat *c)
{
    const char *name = c->heard ? chat_reply_model(c->reply) : "";
    if (!c->heard)
        return;
    if (!*name)
        name = c->feature->models[c->next].model;
    buf_reset(&c->model_name);
    buf_puts(&c->model_name, name);
}

static void add_usage(struct chat *c)
{
    struct cost cost = cost_of(c);
    if (!cost.known)
        return;
    name_model(c);
    buf_puts(&c->lines, "{\"leat\":\"usage\",\"usage\":{\"model\":");
    json_quote(&c->lines, buf_text(&c->model_name), c->model_name.length);
    buf_printf(&c->lines,
               ",\"input_tokens\":%" PRId64 ",\"output_tokens\":%" PRId64 ",\"measured\":%s}}\n",
               cost.input, cost.output, cost.measured ? "true" : "false");
}

static void add_metadata(struct chat *c)
{
    struct cost cost = cost_of(c);
    name_model(c);
    buf_puts(&c->lines, "{\"type\":\"message-metadata\",\"messageMetadata\":{\"model\":");
    json_quote(&c->lines, buf_text(&c->model_name), c->model_name.length);
    buf_printf(&c->lines,
               ",\"usage\":{\"inputTokens\":%" PRId64 ",\"outputTokens\":%" PRId64
               ",\"measured\":%s}}}\n",
               cost.input, cost.output, cost.measured ? "true" : "false");
}

/* ---- what it says ---- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Of a new answer's first lines and the held end of a former's text: what is to be said. */
static const char *join(struct chat *c, const char *lines)
{
    static const char starts[] = "{\"type\":\"text-start\",", ends[] = "{\"type\":\"text-end\",";
    const char *held = buf_text(&c->held);
    if (begins(lines, starts) && begins(held, ends) &&
        begins(lines + strlen(starts), held + strlen(ends)))
        lines += strcspn(lines, "\n") + 1;
    else
        buf_add(&c->lines, c->held.data, c->held.length);
    buf_clear(&c->held);
    return lines;
}

static bool calls_a_tool(const char *lines)
{
    for (const char *line = lines; *line; line += strcspn(line, "\n") + 1) {
        if (begins(line, "{\"type\":\"tool-"))
            return true;
        if (!line[strcspn(line, "\n")])
            break;
    }
    return false;
}

static void add_start(struct chat *c)
{
    if (!c->started)
        buf_printf(&c->lines,
                   "{\"type\":\"start\",\"messageId\":\"%s\"}\n{\"type\":\"start-step\"}\n",
                   c->order.id);
    c->started = true;
}

/* Parts of the answer, behind what has to be said before them. */
static void add_parts(struct chat *c, const struct buf *parts)
{
    if (!buf_ok(parts))
        c->lines.failed = true;
    if (!buf_ok(parts) || parts->length == 0)
        return;
    add_start(c);
    c->spoke = true;
    c->called_tools |= calls_a_tool(parts->data);
    buf_puts(&c->lines, c->held.length > 0 ? join(c, parts->data) : parts->data);
}

/* Nothing more of it is read: what it has left open is closed. A second time nothing is. */
static void close_reply(struct chat *c)
{
    struct buf parts = {0};
    chat_reply_end(c->reply, &parts);
    add_parts(c, &parts);
    buf_clear(&parts);
}

static void add_last_parts(struct chat *c)
{
    if (c->reply)
        close_reply(c);
    buf_add(&c->lines, c->held.data, c->held.length);
    buf_clear(&c->held);
}

static void succeed(struct chat *c)
{
    enum chat_finish finish = chat_reply_finish(c->reply);
    add_last_parts(c);
    add_start(c);
    add_metadata(c);
    buf_printf(&c->lines,
               "{\"type\":\"finish-step\"}\n{\"type\":\"finish\",\"finishReason\":\"%s\"}\n",
               chat_finish_name(finish == CHAT_FINISH_NONE ? CHAT_FINISH_STOP : finish));
    add_usage(c);
    buf_puts(&c->lines, "{\"leat\":\"done\"}\n");
    end(c);
}

static void add_failed(struct chat *c)
{
    buf_printf(&c->lines, "{\"leat\":\"failed\",\"reason\":\"%s\",\"detail\":", c->reason);
    json_quote(&c->lines, buf_text(&c->detail), c->detail.length);
    buf_printf(&c->lines, ",\"retry\":%s", c->retry ? "true" : "false");
    if (c->retry && c->retry_after_ms >= 0)
        buf_printf(&c->lines, ",\"retry_after_ms\":%" PRId64, c->retry_after_ms);
    buf_puts(&c->lines, "}\n");
}

static void give_up(struct chat *c)
{
    /* Another attempt would make void what is to be kept. */
    if (c->spoke && c->feature->on_failure == FEATURE_FAIL)
        c->retry = false;
    add_last_parts(c);
    add_usage(c);
    add_failed(c);
    end(c);
}

/* ---- a model that failed ---- */

/* How one failed. */
struct failure {
    const char *reason;
    const char *detail; /* for the client */
    const char *words;  /* for the log */
    int status;
    int64_t retry_after_ms;
    bool passes; /* another model, or another time, may do better */
};

/* Of a text that was cut, how much at its end begins the key. */
static size_t cut_key(const char *text, size_t length, const char *key)
{
    size_t most = min_size(length, strlen(key));
    while (most >= KEY_TOLD_BYTES && memcmp(text + length - most, key, most) != 0)
        most--;
    return most >= KEY_TOLD_BYTES ? most : 0;
}

/* The server's words, should it repeat the key in them. */
static void add_without_key(struct buf *out, const char *text, const char *key)
{
    const char *at;
    while (*key && (at = strstr(text, key))) {
        buf_add(out, text, (size_t)(at - text));
        buf_puts(out, "[key]");
        text = at + strlen(key);
    }
    size_t length = strlen(text), cut = cut_key(text, length, key);
    buf_add(out, text, length - cut);
    buf_puts(out, cut > 0 ? "[key]" : "");
}

static const char *key_of(const struct feature_model *model)
{
    const char *key = *model->api_key_env ? getenv(model->api_key_env) : "";
    return key ? key : "";
}

static void note(struct chat *c, const struct failure *failure)
{
    const struct feature_model *model = &c->feature->models[c->next];
    c->reason = failure->reason;
    buf_reset(&c->detail);
    add_without_key(&c->detail, failure->detail, key_of(model));
    c->retry |= failure->passes;
    if (failure->retry_after_ms >= 0 &&
        (c->retry_after_ms < 0 || failure->retry_after_ms < c->retry_after_ms))
        c->retry_after_ms = failure->retry_after_ms;
    log_warn("model_failed", LOG_S("job", c->order.id), LOG_S("model", model->model),
             LOG_S("reason", failure->reason), LOG_I("status", failure->status),
             LOG_S("words", failure->words));
}

/* Its half answer goes on with the next one. */
static void keep_answer(struct chat *c)
{
    close_reply(c);
    const struct buf *text = chat_reply_text(c->reply);
    buf_add(&c->partial, text->data, text->length);
    static const char ends[] = "{\"type\":\"text-end\",";
    const char *all = buf_text(&c->lines);
    const char *last = all + c->lines.length;
    while (last > all && (last == all + c->lines.length || last[-1] != '\n'))
        last--;
    if (!begins(last, ends))
        return;
    buf_puts(&c->held, last);
    c->lines.length = (size_t)(last - all);
    c->lines.data[c->lines.length] = '\0';
}

static void void_answer(struct chat *c)
{
    buf_puts(&c->lines, "{\"type\":\"reset-step\"}\n");
    buf_clear(&c->partial);
    buf_clear(&c->held);
    c->spoke = c->called_tools = false;
}

static void forget_model(struct chat *c)
{
    name_model(c);
    c->cost = cost_of(c);
    c->heard = c->expects_end = false;
    chat_reply_free(c->reply);
    c->reply = NULL;
    buf_clear(&c->error_body);
}

static void pass_on(struct chat *c, const struct failure *failure)
{
    note(c, failure);
    bool last = c->next + 1 == c->feature->model_count;
    if (last || !failure->passes || (c->spoke && c->feature->on_failure == FEATURE_FAIL)) {
        give_up(c);
        return;
    }
    /* A call of a tool is no text that another model could go on with. */
    if (c->spoke && (c->feature->on_failure == FEATURE_RESTART || c->called_tools))
        void_answer(c);
    else if (c->reply && chat_reply_spoke(c->reply))
        keep_answer(c);
    if (!buf_ok(&c->lines)) {
        end(c);
        return;
    }
    say(c);
    forget_model(c);
    c->next++;
    ask(c);
}

static void fail_by_status(struct chat *c, const struct http_result *result)
{
    struct buf words = {0};
    struct failure failure = {
        .reason = "provider_refused",
        .words = result->words,
        .status = result->status,
        .retry_after_ms = result->retry_after_ms,
    };
    if (result->status == 429)
        failure.reason = "provider_busy";
    else if (result->status >= 500 || result->status == 408)
        failure.reason = "provider_error";
    failure.passes = strcmp(failure.reason, "provider_refused") != 0;
    chat_reply_words(c->error_body.data, c->error_body.length, &words);
    if (words.length == 0)
        buf_printf(&words, "the model server answered with status %d", result->status);
    failure.detail = buf_text(&words);
    pass_on(c, &failure);
    buf_clear(&words);
}

static void fail_by_end(struct chat *c, const struct http_result *result)
{
    static const struct {
        const char *reason, *detail;
    } ends[] = {
        [HTTP_ENDED] = {"provider_cut", "the model server's answer ended before its end"},
        [HTTP_UNREACHABLE] = {"provider_unreachable", "the model server cannot be reached"},
        [HTTP_CUT] = {"provider_cut", "the connection to the model server broke off"},
        [HTTP_SILENT] = {"provider_silent", "the model server said nothing for too long"},
    };
    pass_on(c, &(struct failure){
                   .reason = ends[result->end].reason,
                   .detail = ends[result->end].detail,
                   .words = result->words,
                   .status = result->status,
                   .retry_after_ms = -1,
                   .passes = true,
               });
}

/* What it says of itself in the middle, or what is no answer at all. */
static void fail_by_words(struct chat *c, enum status status)
{
    struct buf words = {0};
    buf_puts(&words, chat_reply_error(c->reply));
    if (words.length == 0)
        buf_puts(&words, "the model server's answer cannot be read");
    pass_on(c, &(struct failure){
                   .reason = "provider_error",
                   .detail = buf_text(&words),
                   .words = status == STATUS_REFUSED ? "an error inside the answer"
                                                     : status_text(status),
                   .status = 200,
                   .retry_after_ms = -1,
                   .passes = true,
               });
    buf_clear(&words);
}

/* ---- what comes ---- */

static bool is_answer(int status)
{
    return status >= 200 && status < 300;
}

/* The rest of a large one is not kept. It is waited for, but not long: Retry-After is told with the
   end. */
static void take_error(struct chat *c, const char *data, size_t length)
{
    size_t room = ERROR_MOST_BYTES - c->error_body.length;
    buf_add(&c->error_body, data, min_size(length, room));
    if (length > room && !c->expects_end)
        http_expect_end(c->post, END_WAIT_MS);
    c->expects_end |= length > room;
}

static bool on_data(void *arg, int status, const char *data, size_t length)
{
    struct chat *c = arg;
    struct buf parts = {0};
    if (!is_answer(status)) {
        take_error(c, data, length);
        return true;
    }
    c->heard = true;
    enum status taken = chat_reply_take(c->reply, data, length, &parts);
    add_parts(c, &parts);
    buf_clear(&parts);
    bool complete = chat_reply_is_complete(c->reply);
    if (taken != STATUS_OK || !buf_ok(&c->lines)) {
        c->post = NULL;
        if (!buf_ok(&c->lines))
            end(c);
        else
            fail_by_words(c, taken);
        return false;
    }
    say(c);
    if (complete && !c->expects_end)
        http_expect_end(c->post, END_WAIT_MS);
    c->expects_end = complete;
    return true;
}

/* An event whose end is missing may be the one that ends the answer. */
static void take_rest(struct chat *c)
{
    struct buf parts = {0};
    chat_reply_rest(c->reply, &parts);
    add_parts(c, &parts);
    buf_clear(&parts);
}

static void on_end(void *arg, const struct http_result *result)
{
    struct chat *c = arg;
    c->post = NULL;
    if (c->heard && !chat_reply_is_complete(c->reply))
        take_rest(c);
    if (chat_reply_is_complete(c->reply))
        succeed(c);
    else if (result->status != 0 && !is_answer(result->status))
        fail_by_status(c, result);
    else if (*chat_reply_error(c->reply))
        fail_by_words(c, STATUS_REFUSED);
    else
        fail_by_end(c, result);
}

/* ---- asking ---- */

/* Neither another model nor another time would help. */
static void refuse(struct chat *c, const char *reason, const char *detail)
{
    c->reason = reason;
    buf_reset(&c->detail);
    buf_puts(&c->detail, detail);
    give_up(c);
}

static bool post(struct chat *c, const struct feature_model *model, const struct buf *body)
{
    struct buf url = {0};
    buf_printf(&url, "%s%s", model->base_url,
               model->api == FEATURE_OLLAMA ? "/api/chat" : "/chat/completions");
    c->reply = chat_reply_new(model->api);
    if (c->reply && buf_ok(&url) && buf_ok(body))
        c->post = http_post_new(c->http, &(struct http_request){
                                             .url = buf_text(&url),
                                             .key = key_of(model),
                                             .body = body->data,
                                             .body_length = body->length,
                                             .connect_timeout_ms = c->feature->connect_timeout_ms,
                                             .first_timeout_ms = c->feature->first_token_timeout_ms,
                                             .silence_timeout_ms = c->feature->silence_timeout_ms,
                                             .on_data = on_data,
                                             .on_end = on_end,
                                             .arg = c,
                                         });
    buf_clear(&url);
    return c->post;
}

/* A key with a line break in it would write headers of its own. */
static bool is_field_value(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

/* What is wrong with the model's key, a sentence in out; or nothing. */
static void check_key(const struct feature_model *model, struct buf *out)
{
    if (*model->api_key_env && !*key_of(model))
        buf_printf(out, "the variable %s is not set where the task runs", model->api_key_env);
    else if (!is_field_value(key_of(model)))
        buf_printf(out, "the variable %s holds what cannot be a key", model->api_key_env);
}

static void ask(struct chat *c)
{
    const struct feature_model *model = &c->feature->models[c->next];
    struct buf body = {0}, wrong = {0};
    check_key(model, &wrong);
    enum status status = STATUS_REFUSED;
    if (wrong.length == 0)
        status = chat_question_write(c->order.payload, c->order.length, c->feature, model,
                                     buf_text(&c->partial), &body, &wrong);
    if (status == STATUS_OK && !post(c, model, &body))
        status = STATUS_NO_MEMORY;
    buf_clear(&body);
    if (status == STATUS_REFUSED) {
        refuse(c, "feature", buf_text(&wrong));
    } else if (status == STATUS_BAD_INPUT) {
        refuse(c, "question", buf_text(&wrong));
    } else if (status != STATUS_OK) {
        c->retry = true;
        refuse(c, "memory", status_text(status));
    }
    buf_clear(&wrong);
}

/* ---- the user's side ---- */

struct chat *chat_new(struct http *http, const struct chat_order *order)
{
    struct chat *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    char *payload = malloc(order->length + 1);
    c->http = http;
    c->order = *order;
    c->order.id = strdup(order->id);
    c->order.payload = payload;
    c->order.features = features_take(order->features);
    c->retry_after_ms = -1;
    if (!c->order.id || !payload) {
        free_chat(c);
        return NULL;
    }
    memcpy(payload, order->payload, order->length);
    payload[order->length] = '\0';
    c->feature = features_at(c->order.features, 0);
    c->question_tokens = chat_question_tokens(payload, order->length);
    return c;
}

void chat_begin(struct chat *c)
{
    if (c->feature->model_count == 0)
        refuse(c, "feature", "the feature has no models");
    else
        ask(c);
}

void chat_say_usage(struct chat *c)
{
    add_usage(c);
    say(c);
}

void chat_stop(struct chat *c)
{
    add_last_parts(c);
    add_usage(c);
    buf_puts(&c->lines, "{\"leat\":\"failed\",\"reason\":\"stopped\"}\n");
    say(c);
    free_chat(c);
}
