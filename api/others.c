/*
 * others.c: what comes over the channel may be anybody's; what does not look like ours is passed
 * over.
 */
#include "others.h"

#include "job.h"
#include "keys.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct others {
    struct hub *hub;
    struct redis *commands, *listen;
    struct buf channel;
    others_here_fn *on_here;
    void *arg;
};

static enum status tell(struct others *o, const char *text, redis_reply_fn *fn, void *arg)
{
    const char *words[] = {"PUBLISH", buf_text(&o->channel), text};
    const size_t lengths[] = {strlen(words[0]), strlen(words[1]), strlen(words[2])};
    return redis_send(o->commands, 3, words, lengths, fn, arg);
}

static void answer(struct others *o, const char *feature_id, const char *chat_id, const char *job)
{
    char text[sizeof "here " + JOB_ID_SIZE];
    if (!hub_follows(o->hub, feature_id, chat_id, job))
        return;
    snprintf(text, sizeof text, "here %s", job);
    if (tell(o, text, NULL, NULL) != STATUS_OK)
        log_warn("not_told", LOG_S("job", job), LOG_S("why", "Redis is away"));
}

/* Up to the next space, or the end; NULL: there is none, or it is longer than that. */
static const char *take_word(const char *from, const char *end, char *out, size_t size)
{
    const char *space = memchr(from, ' ', (size_t)(end - from));
    size_t length = (size_t)((space ? space : end) - from);
    if (length == 0 || length >= size)
        return NULL;
    memcpy(out, from, length);
    out[length] = '\0';
    return space ? space + 1 : end;
}

static void on_message(void *arg, const char *data, size_t length)
{
    struct others *o = arg;
    char word[sizeof "here"], job[JOB_ID_SIZE];
    char feature_id[JOB_NAME_SIZE], chat_id[JOB_NAME_SIZE];
    const char *end = data + length;
    const char *at = take_word(data, end, word, sizeof word);
    at = at ? take_word(at, end, job, sizeof job) : NULL;
    if (at == end && strcmp(word, "here") == 0) {
        o->on_here(o->arg, job);
        return;
    }
    at = at ? take_word(at, end, feature_id, sizeof feature_id) : NULL;
    at = at ? take_word(at, end, chat_id, sizeof chat_id) : NULL;
    if (at == end && strcmp(word, "who") == 0)
        answer(o, feature_id, chat_id, job);
}

/* What refuses all connections is the gateway's to say. */
static void on_refused(void *arg, const char *words)
{
    const struct others *o = arg;
    if (!redis_is_up(o->commands))
        return;
    log_error("others_refused", LOG_S("why", words),
              LOG_S("see", "the permission to listen to the channel \"gateways\""));
}

bool others_is_listening(const struct others *o)
{
    return redis_is_up(o->listen);
}

enum status others_ask(struct others *o, const char *feature_id, const char *chat_id,
                       const char *job, redis_reply_fn *fn, void *arg)
{
    char text[sizeof "who " + JOB_ID_SIZE + 2 * JOB_NAME_SIZE];
    if (!others_is_listening(o))
        return STATUS_CLOSED;
    snprintf(text, sizeof text, "who %s %s %s", job, feature_id, chat_id);
    return tell(o, text, fn, arg);
}

struct others *others_new(uv_loop_t *loop, const struct settings *settings, struct hub *hub,
                          struct redis *commands, others_here_fn *on_here, void *arg)
{
    struct others *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->hub = hub;
    o->commands = commands;
    o->on_here = on_here;
    o->arg = arg;
    key_make(&o->channel, settings->key_prefix, KEY_GATEWAYS);
    if (buf_ok(&o->channel))
        o->listen = redis_new(&(struct redis_options){
            .loop = loop,
            .settings = settings,
            .name = "leat-api:others",
            .channel = buf_text(&o->channel),
            .quiet = true,
            .arg = o,
            .on_refused = on_refused,
            .on_message = on_message,
        });
    if (!o->listen) {
        others_free(o);
        return NULL;
    }
    return o;
}

void others_free(struct others *o)
{
    if (!o)
        return;
    redis_free(o->listen);
    buf_clear(&o->channel);
    free(o);
}
