/*
 * script.c: puts the steps' texts together and runs them.
 *
 * The shared files are cut at their top-level functions; a step gets those that it
 * calls and those that they call, in the file's order, so that a small hot step
 * (append) stays small. The digest is the name that EVALSHA knows it by:
 * SHA-1, by definition of Redis.
 *
 * Redis may forget scripts (restart, failover, SCRIPT FLUSH). The connection
 * loads all of them when it comes up; a -NOSCRIPT after that is answered by
 * sending the same words once more as EVAL, which is why a call keeps a copy.
 */
#include "script.h"

#include "buf.h"
#include "digest.h"
#include "keys.h"
#include "lua.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SHARED 160 /* functions in lua/shared.lua and lua/fsck_shared.lua */

static const char *const bodies[SCRIPT_COUNT] = {
    [SCRIPT_APPEND] = lua_append,
    [SCRIPT_CANCEL] = lua_cancel,
    [SCRIPT_CLAIM] = lua_claim,
    [SCRIPT_DUE] = lua_due,
    [SCRIPT_ENQUEUE] = lua_enqueue,
    [SCRIPT_FINISH] = lua_finish,
    [SCRIPT_FIRE] = lua_fire,
    [SCRIPT_HAND_BACK] = lua_hand_back,
    [SCRIPT_HEARTBEAT] = lua_heartbeat,
    [SCRIPT_JOB] = lua_job,
    [SCRIPT_JOBS] = lua_jobs,
    [SCRIPT_LEAVE] = lua_leave,
    [SCRIPT_LOOK] = lua_look,
    [SCRIPT_PAUSE] = lua_pause,
    [SCRIPT_PURGE] = lua_purge,
    [SCRIPT_QUEUES] = lua_queues,
    [SCRIPT_REAP] = lua_reap,
    [SCRIPT_RETRY] = lua_retry,
    [SCRIPT_ROUTE] = lua_route,
    [SCRIPT_ROUTES] = lua_routes,
    [SCRIPT_SCHEDULE_DROP] = lua_schedule_drop,
    [SCRIPT_SCHEDULE_PUT] = lua_schedule_put,
    [SCRIPT_SCHEDULES] = lua_schedules,
    [SCRIPT_STOP] = lua_stop,
    [SCRIPT_USAGE] = lua_usage,
    [SCRIPT_WORKERS] = lua_workers,
    [SCRIPT_FSCK_KEYS] = lua_fsck_keys,
    [SCRIPT_FSCK_QUEUE] = lua_fsck_queue,
    [SCRIPT_FSCK_WAITING] = lua_fsck_waiting,
};

struct script_set {
    char *texts[SCRIPT_COUNT];
    char digests[SCRIPT_COUNT][DIGEST_SHA1_SIZE];
};

/* A function of a shared file: from its "local function" up to the next one's. */
struct part {
    const char *start;
    size_t length;
    char name[32]; /* with the opening parenthesis, as a call is written */
    bool wanted;
};

/* Behind the count parts that are there already; the new count. */
static size_t cut_shared(const char *text, struct part parts[MOST_SHARED], size_t count)
{
    static const char head[] = "local function ";
    const char *at = strstr(text, head);
    while (at && count < MOST_SHARED) {
        const char *next = strstr(at + 1, "\nlocal function ");
        const char *name = at + strlen(head);
        struct part *part = &parts[count++];
        part->start = at;
        part->length = next ? (size_t)(next + 1 - at) : strlen(at);
        part->wanted = false;
        snprintf(part->name, sizeof part->name, "%.*s(", (int)strcspn(name, "("), name);
        at = next ? next + 1 : NULL;
    }
    return count;
}

/* Whether the text up to end calls the part; a longer name that ends alike does not count. */
static bool calls(const char *text, const char *end, const struct part *part)
{
    for (const char *at = text; (at = strstr(at, part->name)) && at < end; at++) {
        if (at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_'))
            return true;
    }
    return false;
}

/* The indentation is gone by now, so a local function inside a function would be cut off: none is.
 */
static void mark_wanted(struct part *parts, size_t count, const char *body)
{
    for (size_t i = count; i-- > 0;) {
        parts[i].wanted = calls(body, body + strlen(body), &parts[i]);
        for (size_t later = i + 1; later < count && !parts[i].wanted; later++) {
            const struct part *caller = &parts[later];
            parts[i].wanted =
                caller->wanted && calls(caller->start, caller->start + caller->length, &parts[i]);
        }
    }
}

char *script_compose(const char *prefix, const char *body)
{
    struct part parts[MOST_SHARED];
    struct buf shared = {0}, whole = {0};
    size_t count = cut_shared(lua_fsck_shared, parts, cut_shared(lua_shared, parts, 0));
    mark_wanted(parts, count, body);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].wanted)
            buf_add(&shared, parts[i].start, parts[i].length);
    }
    buf_puts(&shared, body);
    keys_lua(&whole, prefix, buf_text(&shared));
    buf_puts(&whole, buf_text(&shared));
    if (!buf_ok(&shared))
        whole.failed = true;
    buf_clear(&shared);
    return buf_take(&whole);
}

struct script_set *script_set_new(const char *prefix)
{
    struct script_set *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        set->texts[i] = script_compose(prefix, bodies[i]);
        if (!set->texts[i]) {
            script_set_free(set);
            return NULL;
        }
        digest_sha1(set->texts[i], strlen(set->texts[i]), set->digests[i]);
    }
    return set;
}

void script_set_free(struct script_set *set)
{
    for (size_t i = 0; set && i < SCRIPT_COUNT; i++)
        free(set->texts[i]);
    free(set);
}

const char *script_text(const struct script_set *set, enum script script)
{
    return set->texts[script];
}

const char *script_digest(const struct script_set *set, enum script script)
{
    return set->digests[script];
}

/* ---- running one ---- */

struct call {
    struct redis *redis;
    enum script script;
    bool read_only;
    redis_reply_fn *fn;
    void *arg;
    int argc;
    const char *
        *argv; /* EVALSHA's words: argv[1] is the digest; the bytes stand behind the arrays */
    size_t *lengths;
};

static struct call *keep(int argc, const char **argv, const size_t *lengths)
{
    size_t bytes = 0, words = (size_t)argc + 3;
    for (int i = 0; i < argc; i++)
        bytes += lengths[i];
    struct call *call =
        malloc(sizeof *call + words * (sizeof *call->argv + sizeof *call->lengths) + bytes);
    if (!call)
        return NULL;
    call->argc = argc + 3;
    call->argv = (const char **)(call + 1);
    call->lengths = (size_t *)(void *)(call->argv + words);
    char *at = (char *)(call->lengths + words);
    for (int i = 0; i < argc; i++) {
        if (lengths[i] > 0)
            memcpy(at, argv[i], lengths[i]);
        call->argv[i + 3] = at;
        call->lengths[i + 3] = lengths[i];
        at += lengths[i];
    }
    return call;
}

static void set_word(struct call *call, int index, const char *word)
{
    call->argv[index] = word;
    call->lengths[index] = strlen(word);
}

static void on_reply(void *arg, enum status status, const struct redisReply *reply)
{
    struct call *call = arg;
    size_t length;
    if (status == STATUS_UNAVAILABLE && reply &&
        strncmp(redis_reply_text(reply, &length), "NOSCRIPT", 8) == 0 &&
        strncmp(call->argv[0], "EVALSHA", 7) == 0) {
        set_word(call, 0, call->read_only ? "EVAL_RO" : "EVAL");
        set_word(call, 1, script_text(redis_scripts(call->redis), call->script));
        if (redis_send(call->redis, call->argc, call->argv, call->lengths, on_reply, call) ==
            STATUS_OK)
            return;
    }
    if (call->fn)
        call->fn(call->arg, status, reply);
    free(call);
}

static enum status run(struct redis *r, enum script script, bool read_only, int argc,
                       const char **argv, const size_t *lengths, redis_reply_fn *fn, void *arg)
{
    if (!redis_is_up(r))
        return STATUS_CLOSED;
    struct call *call = keep(argc, argv, lengths);
    if (!call)
        return STATUS_NO_MEMORY;
    call->redis = r;
    call->script = script;
    call->read_only = read_only;
    call->fn = fn;
    call->arg = arg;
    set_word(call, 0, read_only ? "EVALSHA_RO" : "EVALSHA");
    set_word(call, 1, script_digest(redis_scripts(r), script));
    set_word(call, 2, "0");
    enum status status = redis_send(r, call->argc, call->argv, call->lengths, on_reply, call);
    if (status != STATUS_OK)
        free(call);
    return status;
}

enum status script_run(struct redis *r, enum script script, int argc, const char **argv,
                       const size_t *lengths, redis_reply_fn *fn, void *arg)
{
    return run(r, script, false, argc, argv, lengths, fn, arg);
}

enum status script_run_read_only(struct redis *r, enum script script, int argc, const char **argv,
                                 const size_t *lengths, redis_reply_fn *fn, void *arg)
{
    return run(r, script, true, argc, argv, lengths, fn, arg);
}
