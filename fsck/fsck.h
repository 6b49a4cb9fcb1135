/**
 * fsck.h: whether all keys of a Leat fit together, looked at while it runs.
 *
 * What must be true of each kind of key stands in lua/fsck_shared.lua, the only
 * place. Here is the walk: SCAN over all keys, some at a time to fsck_keys.lua,
 * each looked at atomically with everything that belongs to it. Large ones are
 * read in pages. What only fits together across pages (a waiting job stands once
 * in its line) is noted as a suspicion and looked at again, atomically, by
 * itself: what moved meanwhile fits then.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_FSCK_H
#define LEAT_FSCK_H

#include "ask.h"

struct fsck_finding {
    const char *word;     /* what kind, for scripts: stable */
    const char *key;      /* where */
    const char *sentence; /* about the key, without a full stop */
    const char *done;     /* what was done about it; "" for nothing */
};

/* The finding is borrowed until this returns. */
typedef void fsck_found_fn(void *arg, const struct fsck_finding *finding);

struct fsck_summary {
    uint64_t keys, jobs, queues, streams; /* looked at */
    uint64_t others;                      /* keys of other programs */
    uint64_t moving;   /* queues whose bytes were not compared: too many jobs, and they moved */
    uint64_t findings; /* what does not fit (after a repair: what still does not) */
    uint64_t repaired;
};

/**
 * fsck_run(a, repair, fn, arg, summary)
 * Look at everything once, and tell fn what does not fit. With repair: first put right what a step
 * or the reaper would, telling fn each thing that was done, until nothing more is done (5 times at
 * most); then look.
 *
 * Memory: about 100 bytes for each waiting job.
 * STATUS_OK: it was looked at. Anything else: it was not, and what came is a part;
 * a->words says what Redis said.
 */
MUST_CHECK enum status fsck_run(struct ask *a, bool repair, fsck_found_fn *fn, void *arg,
                                struct fsck_summary *summary);

#endif
