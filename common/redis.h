/**
 * redis.h: one connection to Redis that makes itself anew.
 *
 * It resolves the name at every reconnect (on libuv's threads, never in the
 * loop), gives its credentials, checks by ROLE that it speaks to a master, and
 * only then is up. When it breaks, owes an answer for too long, or is told
 * -READONLY and the like, every outstanding command is answered STATUS_LOST or
 * STATUS_UNAVAILABLE and it reconnects with growing, jittered waits.
 *
 * Commands are never repeated here: only who sent one knows whether it may be.
 *
 * Thread: the loop's, for every function.
 */
#ifndef LEAT_REDIS_H
#define LEAT_REDIS_H

#include "base.h"
#include "settings.h"
#include "status.h"

#include <uv.h>

struct redis;
struct script_set; /* script.h */
struct redisReply; /* hiredis's; looked at through redis_reply_… only */

/**
 * The answer to one command, called exactly once for each that was accepted.
 * STATUS_OK: reply is the answer, borrowed until the call returns.
 * STATUS_LOST: no reply; whether the command ran is unknown.
 * STATUS_FULL, STATUS_UNAVAILABLE, STATUS_REFUSED: an error reply, by its kind;
 * redis_reply_text gives its words.
 */
typedef void redis_reply_fn(void *arg, enum status status, const struct redisReply *reply);

struct redis_options {
    uv_loop_t *loop;                 /* borrowed */
    const struct settings *settings; /* borrowed */
    const char *name;                /* for CLIENT LIST; borrowed */
    const char *channel;             /* listen to it whenever up; NULL for none. Borrowed. Such a
                                        connection takes no commands (RESP2) */
    int64_t block_ms;                /* the longest that a command of ours may block */
    bool quiet;                      /* one of many: its losses are no warning */
    bool scripts;                    /* load the steps (script.h) before being up */
    bool scripts_late;               /* with `scripts`: each when it is first run, not before */
    void *arg;
    /* Up or no longer up. May be NULL. */
    void (*on_state)(void *arg, bool up);
    /* Redis answers, and will not have us: a wrong password, database, permission (the channel's
       too). The words are borrowed. It goes on trying. May be NULL. */
    void (*on_refused)(void *arg, const char *words);
    /* A message on the channel; bytes are borrowed. */
    void (*on_message)(void *arg, const char *data, size_t length);
    /* Instead: the message as it is, borrowed. CLIENT TRACKING's are lists of keys, or nil. */
    void (*on_payload)(void *arg, const struct redisReply *payload);
};

/**
 * redis_new(options)
 * Make a connection object and begin to connect. Gives it; NULL: no memory.
 */
MUST_CHECK struct redis *redis_new(const struct redis_options *options);

/**
 * redis_free(r)
 * Close it. Outstanding commands are answered STATUS_LOST before this returns;
 * no callback comes after. The memory goes when the loop has closed its handles,
 * so the loop must turn once more.
 */
void redis_free(struct redis *r);

/* redis_is_up(r): whether commands are accepted now. */
bool redis_is_up(const struct redis *r);

/* redis_client_id(r): what CLIENT ID says of the connection (for CLIENT UNBLOCK); 0 when not up. */
int64_t redis_client_id(const struct redis *r);

/* redis_scripts(r): the steps' texts; NULL without `scripts`. Borrowed. */
const struct script_set *redis_scripts(const struct redis *r);

/* redis_drop(r): close the connection and make it anew (its answers proved wrong). */
void redis_drop(struct redis *r);

/**
 * redis_send(r, argc, argv, lengths, fn, arg)
 * Send a command. The words are copied. fn may be NULL.
 * STATUS_CLOSED: not up, or it listens to a channel; fn is not called. STATUS_NO_MEMORY: the same.
 */
MUST_CHECK enum status redis_send(struct redis *r, int argc, const char **argv,
                                  const size_t *lengths, redis_reply_fn *fn, void *arg);

enum redis_type { REDIS_IS_NIL, REDIS_IS_NUMBER, REDIS_IS_TEXT, REDIS_IS_LIST, REDIS_IS_ERROR };

enum redis_type redis_reply_type(const struct redisReply *reply);

/* redis_reply_status(reply): STATUS_OK; of an error, also one among the elements of an answer, what
   kind it is, as redis_reply_fn is told. */
enum status redis_reply_status(const struct redisReply *reply);

/* redis_reply_text(reply, length): a text's or error's bytes, terminated; "" for other types. */
const char *redis_reply_text(const struct redisReply *reply, size_t *length);

/* redis_reply_number(reply): a number, or a text that is one; 0 otherwise. */
int64_t redis_reply_number(const struct redisReply *reply);

/* redis_reply_count(reply): elements of a list; 0 for other types. */
size_t redis_reply_count(const struct redisReply *reply);

/* redis_reply_at(reply, index): an element; NULL beyond the list. */
const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t index);

#endif
