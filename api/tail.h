/**
 * tail.h: a followed stream; the inside of the tailer, shared by its kinds.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TAIL_H
#define LEAT_TAIL_H

#include "tailer.h"

struct lane;

struct tail {
    struct lane *lane;
    char *key;
    struct entry_id after; /* the last entry that was handed over */
    const struct tailer_events *events;
    void *arg;
};

#endif
