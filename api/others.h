/**
 * others.h: the other loops, of this gateway and of all others.
 *
 * A loop knows its own followers only. Where it matters whether anybody follows a job, it asks
 * the others over a channel of Redis to which all listen; only who follows it answers:
 *
 *     who <job> <feature_id> <chat_id>      does anybody follow it?
 *     here <job>                            somebody does
 *
 * Nothing is kept, and an answer takes as long as Redis's way there and back. A loop that is cut
 * off from Redis does not answer.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_OTHERS_H
#define LEAT_OTHERS_H

#include "hub.h"
#include "redis.h"

struct others;

/* Somebody follows this job, here or elsewhere: it was asked for by some loop. job is borrowed. */
typedef void others_here_fn(void *arg, const char *job);

/* others_new(loop, settings, hub, commands, on_here, arg)
   commands: a connection that takes commands. Gives; NULL: no memory. Borrows all. */
MUST_CHECK struct others *others_new(uv_loop_t *loop, const struct settings *settings,
                                     struct hub *hub, struct redis *commands,
                                     others_here_fn *on_here, void *arg);

/* others_free(o): the loop must turn once more. NULL is harmless. */
void others_free(struct others *o);

/* others_is_listening(o): whether an answer could be heard now. */
bool others_is_listening(const struct others *o);

/* others_ask(o, feature_id, chat_id, job, fn, arg)
   fn: with STATUS_OK once all that listen have the question; as redis_send otherwise. Answers come
   before or after it. STATUS_CLOSED: no answer could be heard now; fn is not called. */
MUST_CHECK enum status others_ask(struct others *o, const char *feature_id, const char *chat_id,
                                  const char *job, redis_reply_fn *fn, void *arg);

#endif
