/**
 * others.h: the other loops, of this gateway and of all others.
 *
 * A loop knows its own followers only. Where it matters whether anybody wants a job, it asks the
 * others over a channel of Redis to which all listen; only who wants it answers:
 *
 *     who <job> <feature_id> <chat_id>      does anybody want it?
 *     here <job>                            somebody does
 *
 * A loop hears its own questions too: so it knows that it is heard, and could hear an answer. Each
 * remembers for OTHERS_MEMORY_MS what was asked, for whoever comes just then.
 *
 * Silence says nothing where a loop is cut off from Redis. After Redis was away all loops come back
 * one by one, so for OTHERS_SETTLE_MS nobody asks. Redis has one such channel for all its
 * databases: installations with one key prefix hear each other's questions, to no harm, for ids are
 * unique.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_OTHERS_H
#define LEAT_OTHERS_H

#include "redis.h"

struct others;

#define OTHERS_SETTLE_MS 5000 /* a lost connection is tried again within 2 s (redis.c) */
#define OTHERS_MEMORY_MS 2000
#define OTHERS_MEMORY 1024 /* questions; of more at a time the newest */

/* Texts are borrowed until the call returns. */
struct others_options {
    uv_loop_t *loop;
    const struct settings *settings;
    struct redis *commands; /* a connection that takes commands */
    void *arg;
    /* Whether this loop wants the job. */
    bool (*wants)(void *arg, const char *feature_id, const char *chat_id, const char *job);
    /* Somebody asked whether anybody wants it; it may have been this loop. */
    void (*on_who)(void *arg, const char *job);
    /* Somebody said that it wants it. */
    void (*on_here)(void *arg, const char *job);
};

/* others_new(options): gives; NULL: no memory. Borrows what they name. */
MUST_CHECK struct others *others_new(const struct others_options *options);

/* others_free(o): the loop must turn once more. NULL is harmless. */
void others_free(struct others *o);

/* others_listening(o): a number that stands for the connection by which answers are heard now, for
   as long as it stands; 0: none, or it has just come back. */
unsigned others_listening(const struct others *o);

/* others_ask(o, feature_id, chat_id, job): on_who comes when all that listen have the question.
   STATUS_CLOSED: no answer could be heard now. */
MUST_CHECK enum status others_ask(struct others *o, const char *feature_id, const char *chat_id,
                                  const char *job);

/* others_came(o, job): somebody came for it here: whoever has just asked is to know. */
void others_came(struct others *o, const char *job);

#endif
