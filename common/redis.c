/*
 * redis.c: the life of one connection.
 *
 *   WAITING ──timer──▶ RESOLVING ──▶ CONNECTING ──▶ GREETING ──▶ UP
 *      ▲                                                          │
 *      └───────────────── go_down(), from anywhere ◀──────────────┘
 *
 * Greeting is one pipelined write: AUTH, SELECT, CLIENT SETNAME, CLIENT ID,
 * ROLE, the scripts. Any answer that will not do ends in go_down().
 *
 * The dangerous part is hiredis's ownership: a context frees itself after an
 * error, and redisAsyncFree() from inside one of its callbacks only marks it. So
 * the context is detached first (context->data = NULL, r->context = NULL) and
 * then freed; callbacks of a detached context only answer their own command.
 *
 * Every command has a record of its own in a list of ours, so that its owner gets
 * exactly one answer, and by go_down() at the latest, whenever hiredis comes
 * around to it; the record itself goes with hiredis's call.
 */
#include "redis.h"

#include "clock.h"
#include "log.h"
#include "redis_loop.h"
#include "script.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MOST_MS 2000
#define TICK_MS 250

enum phase { WAITING, RESOLVING, CONNECTING, GREETING, UP };

struct redis {
    struct redis_options options;
    enum phase phase;
    redisAsyncContext *context; /* NULL while WAITING and RESOLVING */
    struct script_set *scripts;
    uv_timer_t timer; /* WAITING: the next try; otherwise the watch over silence */
    uv_getaddrinfo_t resolve;
    bool resolving; /* libuv holds r until on_resolved */
    bool timer_closed;
    bool freed;
    unsigned tries;               /* since it was last up */
    unsigned outstanding;         /* commands without an answer */
    struct command *first, **end; /* they, oldest first */
    int greetings_left;
    int64_t heard_ms; /* steady clock: the last answer, or the first command after silence */
    int64_t client_id;
    bool settled;    /* it was really up: on_state was told */
    bool complained; /* a failure was logged since then */
};

struct command {
    struct redis *redis; /* NULL once answered */
    redis_reply_fn *fn;
    void *arg;
    struct command *next;
};

static void begin(struct redis *r);

/* ---- going down and waiting ---- */

static void on_tick(uv_timer_t *timer);

static void on_retry(uv_timer_t *timer)
{
    begin(timer->data);
}

/* A wait between half and all of 50 ms · 2ⁿ, at most 2 s. */
static uint64_t backoff_ms(unsigned tries)
{
    uint32_t most = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < tries && most < BACKOFF_MOST_MS; i++)
        most *= 2;
    if (most > BACKOFF_MOST_MS)
        most = BACKOFF_MOST_MS;
    return most / 2 + arc4random_uniform(most / 2 + 1);
}

/* Takes the oldest command off the list and answers it. */
static void answer_first(struct redis *r, enum status status, const struct redisReply *reply)
{
    struct command *command = r->first;
    r->first = command->next;
    if (!r->first)
        r->end = &r->first;
    command->redis = NULL;
    if (command->fn)
        command->fn(command->arg, status, reply);
}

static void go_down(struct redis *r, const char *why)
{
    bool was_up = r->settled;
    redisAsyncContext *context = r->context;
    r->phase = WAITING;
    r->settled = false;
    r->context = NULL;
    r->client_id = 0;
    r->outstanding = 0;
    if (!r->complained && !r->freed) {
        LOG_AT(r->options.quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "redis_down",
               LOG_S("connection", r->options.name), LOG_S("why", why));
        r->complained = true;
    }
    while (r->first)
        answer_first(r, STATUS_LOST, NULL);
    if (context) {
        context->data = NULL;
        redisAsyncFree(context);
    }
    if (r->freed)
        return;
    uv_timer_start(&r->timer, on_retry, backoff_ms(r->tries++), 0);
    if (was_up && r->options.on_state)
        r->options.on_state(r->options.arg, false);
}

static const char *why_of(const redisAsyncContext *context, const char *otherwise)
{
    return context->errstr && *context->errstr ? context->errstr : otherwise;
}

static enum status kind_of_error(const char *text);

static void tell_refusal(struct redis *r, enum status status, const char *words)
{
    if (status != STATUS_REFUSED || !r->options.on_refused)
        return;
    r->complained = true; /* by its owner, in better words */
    r->options.on_refused(r->options.arg, words);
}

/* hiredis frees the context itself after these two. */
static void on_disconnect(const redisAsyncContext *context, int status)
{
    struct redis *r = context->data;
    (void)status;
    if (!r || r->context != context)
        return;
    r->context = NULL;
    /* To hiredis an error that answers SUBSCRIBE is the end of the connection. */
    if (r->options.channel && context->err == REDIS_ERR_OTHER)
        tell_refusal(r, kind_of_error(context->errstr), context->errstr);
    if (!r->freed)
        go_down(r, why_of(context, "closed"));
}

static void greet(struct redis *r);

static void on_connect(const redisAsyncContext *context, int status)
{
    struct redis *r = context->data;
    if (!r)
        return;
    if (status != REDIS_OK) {
        r->context = NULL;
        go_down(r, why_of(context, "cannot connect"));
        return;
    }
    greet(r);
}

/* ---- answers ---- */

static bool starts_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static enum status kind_of_error(const char *text)
{
    static const char *const passing[] = {
        "READONLY",   "LOADING",     "MASTERDOWN", "BUSY",     "MISCONF",
        "NOREPLICAS", "CLUSTERDOWN", "UNBLOCKED",  "NOSCRIPT", "ERR max number of clients",
    };
    if (starts_with(text, "OOM"))
        return STATUS_FULL;
    for (size_t i = 0; i < COUNT_OF(passing); i++) {
        if (starts_with(text, passing[i]))
            return STATUS_UNAVAILABLE;
    }
    return STATUS_REFUSED;
}

/* This server is not, or no longer, the one to talk to. */
static bool is_elsewhere(const char *text)
{
    return starts_with(text, "READONLY") || starts_with(text, "MASTERDOWN") ||
           starts_with(text, "UNBLOCKED") || starts_with(text, "LOADING");
}

static void on_reply(redisAsyncContext *context, void *data, void *private)
{
    struct command *command = private;
    struct redis *r = command->redis;
    const struct redisReply *reply = data;
    if (r && !reply) {
        go_down(r, why_of(context, "closed"));
    } else if (r) {
        enum status status = redis_reply_status(reply);
        r->heard_ms = clock_steady_ms();
        r->outstanding--;
        answer_first(r, status, reply);
        if (status == STATUS_UNAVAILABLE && r->context == context && is_elsewhere(reply->str))
            go_down(r, reply->str);
    }
    free(command);
}

static enum status send_words(struct redis *r, int argc, const char **argv, const size_t *lengths,
                              redis_reply_fn *fn, void *arg)
{
    struct command *command = malloc(sizeof *command);
    if (!command)
        return STATUS_NO_MEMORY;
    *command = (struct command){.redis = r, .fn = fn, .arg = arg};
    if (r->outstanding == 0)
        r->heard_ms = clock_steady_ms();
    if (redisAsyncCommandArgv(r->context, on_reply, command, argc, argv, lengths) != REDIS_OK) {
        free(command);
        return STATUS_CLOSED;
    }
    *r->end = command;
    r->end = &command->next;
    r->outstanding++;
    return STATUS_OK;
}

enum status redis_send(struct redis *r, int argc, const char **argv, const size_t *lengths,
                       redis_reply_fn *fn, void *arg)
{
    if (r->phase != UP || r->options.channel)
        return STATUS_CLOSED;
    return send_words(r, argc, argv, lengths, fn, arg);
}

/* ---- greeting ---- */

static void subscribe(struct redis *r);

/* Whatever was tried before is forgotten. */
static void settle_up(struct redis *r)
{
    bool was_settled = r->settled;
    r->settled = true;
    r->tries = 0;
    r->complained = false;
    if (was_settled)
        return;
    log_debug("redis_up", LOG_S("connection", r->options.name));
    if (r->options.on_state)
        r->options.on_state(r->options.arg, true);
}

static void come_up(struct redis *r)
{
    r->phase = UP;
    if (r->options.channel)
        subscribe(r);
    else
        settle_up(r);
}

static void on_greeted(void *arg, enum status status, const struct redisReply *reply)
{
    struct redis *r = arg;
    if (status == STATUS_LOST || r->phase != GREETING)
        return;
    if (status != STATUS_OK)
        tell_refusal(r, status, reply->str);
    if (r->freed || r->phase != GREETING)
        return;
    if (status != STATUS_OK)
        go_down(r, reply->str);
    else if (--r->greetings_left == 0)
        come_up(r);
}

static void on_client_id(void *arg, enum status status, const struct redisReply *reply)
{
    struct redis *r = arg;
    if (status == STATUS_OK)
        r->client_id = redis_reply_number(reply);
    on_greeted(arg, status, reply);
}

static void on_role(void *arg, enum status status, const struct redisReply *reply)
{
    struct redis *r = arg;
    size_t length;
    if (status == STATUS_OK && r->phase == GREETING &&
        strcmp(redis_reply_text(redis_reply_at(reply, 0), &length), "master") != 0)
        go_down(r, "not a master");
    else
        on_greeted(arg, status, reply);
}

static void greet_with(struct redis *r, redis_reply_fn *fn, int argc, const char **argv)
{
    size_t lengths[3];
    if (r->phase != GREETING)
        return;
    for (int i = 0; i < argc; i++)
        lengths[i] = strlen(argv[i]);
    r->greetings_left++;
    if (send_words(r, argc, argv, lengths, fn, r) != STATUS_OK)
        go_down(r, "cannot send");
}

static void greet(struct redis *r)
{
    const struct settings *s = r->options.settings;
    char db[24];
    snprintf(db, sizeof db, "%lld", (long long)s->redis_db);
    r->phase = GREETING;
    r->greetings_left = 0;
    if (*s->redis_password && *s->redis_username)
        greet_with(r, on_greeted, 3,
                   (const char *[]){"AUTH", s->redis_username, s->redis_password});
    else if (*s->redis_password)
        greet_with(r, on_greeted, 2, (const char *[]){"AUTH", s->redis_password});
    if (s->redis_db != 0)
        greet_with(r, on_greeted, 2, (const char *[]){"SELECT", db});
    greet_with(r, on_greeted, 3, (const char *[]){"CLIENT", "SETNAME", r->options.name});
    greet_with(r, on_client_id, 2, (const char *[]){"CLIENT", "ID"});
    greet_with(r, on_role, 1, (const char *[]){"ROLE"});
    bool loads = r->options.scripts && !r->options.scripts_late;
    for (int i = 0; loads && i < SCRIPT_STEPS; i++)
        greet_with(r, on_greeted, 3,
                   (const char *[]){"SCRIPT", "LOAD", script_text(r->scripts, (enum script)i)});
}

/* ---- a channel ---- */

static void on_push(redisAsyncContext *context, void *data, void *private)
{
    struct redis *r = private;
    const redisReply *reply = data;
    if (!reply || r->context != context)
        return;
    r->heard_ms = clock_steady_ms();
    r->outstanding = 0;
    if (reply->type == REDIS_REPLY_ERROR) {
        go_down(r, reply->str);
        return;
    }
    settle_up(r);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        strcmp(reply->element[0]->str, "message") != 0)
        return;
    if (r->options.on_payload)
        r->options.on_payload(r->options.arg, reply->element[2]);
    else
        r->options.on_message(r->options.arg, reply->element[2]->str,
                              (size_t)reply->element[2]->len);
}

/* Also the sign of life of a connection that listens: PING's answer could not be told from a
   message there (RESP2), a repeated SUBSCRIBE's can. */
static void subscribe(struct redis *r)
{
    if (redisAsyncCommand(r->context, on_push, r, "SUBSCRIBE %s", r->options.channel) != REDIS_OK) {
        go_down(r, "cannot subscribe");
        return;
    }
    r->heard_ms = clock_steady_ms();
    r->outstanding = 1;
}

static void ask_for_life(struct redis *r)
{
    if (r->options.channel)
        subscribe(r);
    else if (send_words(r, 1, (const char *[]){"PING"}, (const size_t[]){4}, NULL, NULL) !=
             STATUS_OK)
        go_down(r, "cannot send");
}

static void on_tick(uv_timer_t *timer)
{
    struct redis *r = timer->data;
    int64_t silent_ms = clock_steady_ms() - r->heard_ms;
    int64_t limit_ms = r->options.settings->redis_timeout_ms;
    if (r->phase == UP && r->outstanding > 0)
        limit_ms += r->options.block_ms;
    if ((r->phase != UP || r->outstanding > 0) && silent_ms > limit_ms)
        go_down(r, "no answer");
    else if (r->phase == UP && r->outstanding == 0 && silent_ms > limit_ms / 2)
        ask_for_life(r);
}

/* ---- connecting ---- */

static void adopt(struct redis *r, redisAsyncContext *context)
{
    if (!context) {
        go_down(r, "out of memory");
        return;
    }
    if (context->err || !redis_loop_attach(context, r->options.loop)) {
        char why[128];
        snprintf(why, sizeof why, "%s", context->err ? context->errstr : "cannot watch the socket");
        redisAsyncFree(context);
        go_down(r, why);
        return;
    }
    context->data = r;
    r->context = context;
    r->phase = CONNECTING;
    r->heard_ms = clock_steady_ms();
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
    uv_timer_start(&r->timer, on_tick, TICK_MS, TICK_MS);
}

static void connect_to(struct redis *r, const struct sockaddr *address)
{
    char ip[INET6_ADDRSTRLEN];
    int bad = address->sa_family == AF_INET6
                  ? uv_ip6_name((const struct sockaddr_in6 *)(const void *)address, ip, sizeof ip)
                  : uv_ip4_name((const struct sockaddr_in *)(const void *)address, ip, sizeof ip);
    if (bad)
        go_down(r, "an address that cannot be written");
    else
        adopt(r, redisAsyncConnect(ip, (int)r->options.settings->redis_port));
}

static void finish_free(struct redis *r)
{
    if (r->timer_closed && !r->resolving) {
        script_set_free(r->scripts);
        free(r);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct redis *r = request->data;
    r->resolving = false;
    if (r->freed) {
        uv_freeaddrinfo(list);
        finish_free(r);
        return;
    }
    if (status != 0) {
        go_down(r, uv_strerror(status));
        return;
    }
    /* A name with several addresses: the next one at each try. */
    size_t count = 0;
    for (struct addrinfo *one = list; one; one = one->ai_next)
        count++;
    struct addrinfo *chosen = list;
    for (size_t i = count ? r->tries % count : 0; i > 0; i--)
        chosen = chosen->ai_next;
    connect_to(r, chosen->ai_addr);
    uv_freeaddrinfo(list);
}

static void begin(struct redis *r)
{
    const struct settings *s = r->options.settings;
    struct sockaddr_storage address;
    if (*s->redis_socket) {
        adopt(r, redisAsyncConnectUnix(s->redis_socket));
        return;
    }
    if (uv_ip4_addr(s->redis_host, (int)s->redis_port, (struct sockaddr_in *)&address) == 0 ||
        uv_ip6_addr(s->redis_host, (int)s->redis_port, (struct sockaddr_in6 *)&address) == 0) {
        connect_to(r, (struct sockaddr *)&address);
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    r->phase = RESOLVING;
    r->resolve.data = r;
    int bad =
        uv_getaddrinfo(r->options.loop, &r->resolve, on_resolved, s->redis_host, NULL, &hints);
    if (bad)
        go_down(r, uv_strerror(bad));
    else
        r->resolving = true;
}

/* ---- the object ---- */

struct redis *redis_new(const struct redis_options *options)
{
    struct redis *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->options = *options;
    r->end = &r->first;
    if (options->scripts && !(r->scripts = script_set_new(options->settings->key_prefix))) {
        free(r);
        return NULL;
    }
    uv_timer_init(options->loop, &r->timer);
    r->timer.data = r;
    /* From the loop, so that no callback comes before this has returned. */
    uv_timer_start(&r->timer, on_retry, 0, 0);
    return r;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis *r = handle->data;
    r->timer_closed = true;
    finish_free(r);
}

void redis_free(struct redis *r)
{
    if (!r || r->freed)
        return;
    r->freed = true;
    go_down(r, "freed");
    if (r->resolving)
        uv_cancel((uv_req_t *)&r->resolve);
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

void redis_drop(struct redis *r)
{
    if (r->context)
        go_down(r, "dropped");
}

bool redis_is_up(const struct redis *r)
{
    return r->phase == UP;
}

int64_t redis_client_id(const struct redis *r)
{
    return r->client_id;
}

const struct script_set *redis_scripts(const struct redis *r)
{
    return r->scripts;
}

/* ---- looking at answers ---- */

enum redis_type redis_reply_type(const struct redisReply *reply)
{
    switch (reply ? reply->type : REDIS_REPLY_NIL) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return REDIS_IS_TEXT;
    case REDIS_REPLY_INTEGER:
        return REDIS_IS_NUMBER;
    case REDIS_REPLY_ARRAY:
        return REDIS_IS_LIST;
    case REDIS_REPLY_ERROR:
        return REDIS_IS_ERROR;
    default:
        return REDIS_IS_NIL;
    }
}

enum status redis_reply_status(const struct redisReply *reply)
{
    return redis_reply_type(reply) == REDIS_IS_ERROR ? kind_of_error(reply->str) : STATUS_OK;
}

const char *redis_reply_text(const struct redisReply *reply, size_t *length)
{
    enum redis_type type = redis_reply_type(reply);
    bool has_text = type == REDIS_IS_TEXT || type == REDIS_IS_ERROR;
    *length = has_text ? (size_t)reply->len : 0;
    return has_text ? reply->str : "";
}

int64_t redis_reply_number(const struct redisReply *reply)
{
    enum redis_type type = redis_reply_type(reply);
    if (type == REDIS_IS_NUMBER)
        return reply->integer;
    return type == REDIS_IS_TEXT ? strtoll(reply->str, NULL, 10) : 0;
}

size_t redis_reply_count(const struct redisReply *reply)
{
    return redis_reply_type(reply) == REDIS_IS_LIST ? reply->elements : 0;
}

const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t index)
{
    return index < redis_reply_count(reply) ? reply->element[index] : NULL;
}
