/**
 * queues.h: the names in WORKER_QUEUES, and whose turn it is to be first.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_QUEUES_H
#define LEAT_QUEUES_H

#include "base.h"
#include "settings.h"

/* Embedded. names and count may be read; owner: the pool. */
struct queues {
    const char *names[2 * SETTINGS_NAMES_MOST]; /* all, and all once more: a turn is a window */
    size_t count;
    size_t turn; /* below count */
    char *text;
};

/* queues_init(q, list): read a checked value of WORKER_QUEUES. False: no memory. */
MUST_CHECK bool queues_init(struct queues *q, const char *list);

/* queues_turn(q): all `count` names, each time beginning with the next one. Borrowed from q. */
const char *const *queues_turn(struct queues *q);

/* queues_clear(q): zeroed memory too. */
void queues_clear(struct queues *q);

#endif
