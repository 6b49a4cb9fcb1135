/*
 * others.c: what comes over the channel may be anybody's; what does not look like ours is passed
 * over.
 *
 * The connection is up before its SUBSCRIBE is answered, and one that may not listen is up for a
 * moment again and again. So what counts is that a question of one's own was heard.
 */
#include "others.h"

#include "job.h"
#include "keys.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
    int64_t at_ms;
    char job[JOB_ID_SIZE];
};

struct others {
    struct others_options options;
    struct redis *listen;
    struct buf channel;
    unsigned connections; /* so many there have been */
    int64_t settled_ms;   /* when the one that is up may be trusted */
    bool refused;         /* told, and nothing was heard since */
    struct asked *memory; /* a ring */
    size_t newest;        /* in it */
};

static int64_t now_ms(const struct others *o)
{
    return (int64_t)uv_now(o->options.loop);
}

static enum status tell(struct others *o, const char *text)
{
    const char *words[] = {"PUBLISH", buf_text(&o->channel), text};
    const size_t lengths[] = {strlen(words[0]), strlen(words[1]), strlen(words[2])};
    return redis_send(o->options.commands, 3, words, lengths, NULL, NULL);
}

static void answer(struct others *o, const char *job)
{
    char text[sizeof "here " + JOB_ID_SIZE];
    snprintf(text, sizeof text, "here %s", job);
    if (tell(o, text) != STATUS_OK)
        log_warn("not_told", LOG_S("job", job), LOG_S("why", "Redis is away"));
}

static void remember(struct others *o, const char *job)
{
    o->newest = (o->newest + 1) % OTHERS_MEMORY;
    struct asked *asked = &o->memory[o->newest];
    asked->at_ms = now_ms(o);
    snprintf(asked->job, sizeof asked->job, "%s", job);
}

void others_came(struct others *o, const char *job)
{
    int64_t since_ms = now_ms(o) - OTHERS_MEMORY_MS;
    for (size_t back = 0; back < OTHERS_MEMORY; back++) {
        struct asked *asked = &o->memory[(o->newest + OTHERS_MEMORY - back) % OTHERS_MEMORY];
        if (!*asked->job || asked->at_ms < since_ms)
            return;
        if (strcmp(asked->job, job) == 0) {
            answer(o, job);
            return;
        }
    }
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
    const struct others_options *to = &o->options;
    char word[sizeof "here"], job[JOB_ID_SIZE];
    char feature_id[JOB_NAME_SIZE], chat_id[JOB_NAME_SIZE];
    const char *end = data + length;
    o->refused = false;
    const char *at = take_word(data, end, word, sizeof word);
    at = at ? take_word(at, end, job, sizeof job) : NULL;
    if (at == end && strcmp(word, "here") == 0) {
        to->on_here(to->arg, job);
        return;
    }
    at = at ? take_word(at, end, feature_id, sizeof feature_id) : NULL;
    at = at ? take_word(at, end, chat_id, sizeof chat_id) : NULL;
    if (at != end || strcmp(word, "who") != 0)
        return;
    remember(o, job);
    if (to->wants(to->arg, feature_id, chat_id, job))
        answer(o, job);
    to->on_who(to->arg, job);
}

static void on_state(void *arg, bool up)
{
    struct others *o = arg;
    if (!up)
        return;
    bool is_first = o->connections++ == 0;
    o->settled_ms = now_ms(o) + (is_first ? 0 : OTHERS_SETTLE_MS);
}

/* What refuses all connections is the gateway's to say. */
static void on_refused(void *arg, const char *words)
{
    struct others *o = arg;
    if (o->refused || !redis_is_up(o->options.commands))
        return;
    o->refused = true;
    log_error("others_refused", LOG_S("why", words), LOG_S("channel", buf_text(&o->channel)));
}

unsigned others_listening(const struct others *o)
{
    return redis_is_up(o->listen) && now_ms(o) >= o->settled_ms ? o->connections : 0;
}

enum status others_ask(struct others *o, const char *feature_id, const char *chat_id,
                       const char *job)
{
    char text[sizeof "who " + JOB_ID_SIZE + 2 * JOB_NAME_SIZE];
    if (others_listening(o) == 0)
        return STATUS_CLOSED;
    snprintf(text, sizeof text, "who %s %s %s", job, feature_id, chat_id);
    return tell(o, text);
}

struct others *others_new(const struct others_options *options)
{
    struct others *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->options = *options;
    o->memory = calloc(OTHERS_MEMORY, sizeof *o->memory);
    key_make(&o->channel, options->settings->key_prefix, KEY_GATEWAYS);
    if (o->memory && buf_ok(&o->channel))
        o->listen = redis_new(&(struct redis_options){
            .loop = options->loop,
            .settings = options->settings,
            .name = "leat-api:others",
            .channel = buf_text(&o->channel),
            .quiet = true,
            .arg = o,
            .on_state = on_state,
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
    free(o->memory);
    free(o);
}
