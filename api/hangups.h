/**
 * hangups.h: jobs that are to end with the last of their clients.
 *
 * A client may wish that its leaving stops the job (cancel_on_disconnect; always so with
 * OpenAI's clients, which know no other stop). Two seconds after it has left, the job is cancelled
 * unless somebody follows it then, or came for it meanwhile: a reload is no stop. Who follows it at
 * another loop or gateway, or has left it there within two seconds, says so when asked (others.h).
 *
 *     WAITING ──2 s, nobody here──▶ ASKING ──the question is heard──▶ LISTENING ──no answer──┐
 *        ▲                          │    ▲                                │                  │
 *        │    not heard for 1 s,    │    └──────── the first time ────────┘                  ▼
 *        └── or Redis was away ─────┴─────────────────┴──────────────────────────── CANCELLING ──▶
 * forgotten
 *
 * Asked twice, since one answer may come late: who is stopped in vain has lost an answer, who is
 * stopped late has only cost a second more. Somebody who came here ends it in each state but
 * CANCELLING, somebody who is found elsewhere in ASKING and LISTENING.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_HANGUPS_H
#define LEAT_HANGUPS_H

#include "hub.h"
#include "others.h"
#include "stops.h"

struct hangups;

#define HANGUPS_WAIT_MS 2000
#define HANGUPS_HEARD_MS 1000
#define HANGUPS_ANSWER_MS 400
#define HANGUPS_MOST 16384 /* waiting at a time; beyond, jobs run to their end */

/* hangups_new(loop, settings, hub, queue, stops): gives; NULL: no memory. Borrows all. */
MUST_CHECK struct hangups *hangups_new(uv_loop_t *loop, const struct settings *settings,
                                       struct hub *hub, const struct queue *queue,
                                       struct stops *stops);

/* hangups_free(h): nothing is cancelled any more. The loop must turn once more. NULL is harmless.
 */
void hangups_free(struct hangups *h);

/* hangups_note(h, feature_id, chat_id, job): a client that wished it has left the job. Borrows all.
   Where Redis is away it is tried again for a minute. */
void hangups_note(struct hangups *h, const char *feature_id, const char *chat_id, const char *job);

/* hangups_back(h, job): somebody came for it. */
void hangups_back(struct hangups *h, const char *job);

/* hangups_drop(h): forget all: on the way down clients leave because of us. */
void hangups_drop(struct hangups *h);

#endif
