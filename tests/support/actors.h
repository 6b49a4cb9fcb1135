/**
 * actors.h: two workers, a reaper, a canceller, askers and time, in one chat; what each can do,
 * what it knows, and what must come of it.
 *
 * memory is what the actors know together with what must stand in Redis, by the states of a job
 * (ARCHITECTURE.md). A move is one step of one actor: it is made in Redis, its answer is compared
 * with what memory foretells, and memory becomes what must be so afterwards.
 */
#ifndef LEAT_TESTS_ACTORS_H
#define LEAT_TESTS_ACTORS_H

#include "buf.h"
#include "rig.h"

#define ACTORS_WORKERS 2 /* w1, w2 */
#define ACTORS_CLAIMS 2  /* that each of them remembers */
#define ACTORS_JOBS 12
#define ACTORS_STREAM "stream:f:c"

struct job {
    enum job_state state;
    int attempts, deaths;
    const char *body; /* "" for a plain question */
    int retried_as;   /* a dead one's: which job it is again; 0: none */
};

/* A claim that a worker remembers, held still or not; attempt 0: none. */
struct grip {
    int job;
    uint64_t attempt;
    uint64_t written; /* answered messages */
};

struct memory {
    struct job jobs[ACTORS_JOBS]; /* the last one is the chat's */
    int count;
    uint64_t holder; /* the attempt in hand; 0: in nobody's */
    int writer;      /* whose the newest attempt is or was, once begun */
    bool begun;      /* the chat's job has been claimed: its marker is not `queued` any more */
    uint64_t top;    /* the chat's highest A */
    uint64_t last;   /* messages of the newest attempt */
    bool over;       /* the lease, the deadline or the wait of the chat's job is over */
    bool away;       /* nobody reaped for more than half a lease */
    struct grip grips[ACTORS_WORKERS][ACTORS_CLAIMS]; /* newest first */
};

/* memory_describe(m, out): as lines for scene_fingerprint. */
void memory_describe(const struct memory *m, struct buf *out);

/* memory_newest(m): the chat's job; NULL before the first. memory_lives(m): whether it lives. */
const struct job *memory_newest(const struct memory *m);
bool memory_lives(const struct memory *m);

/* The texts that actors use: a job's id by its place in memory, a fencing token, a message.
   Borrowed as cli's answers are. */
const char *job_id(int index);
const char *owner_text(int worker, uint64_t attempt);
const char *message_text(int worker, uint64_t attempt, uint64_t n);

/* One move. */
struct step {
    struct rig *rig;
    struct memory memory; /* before the move; and as it must be afterwards */
    bool still;           /* nothing in Redis may have changed */
    bool arranged;        /* Redis was arranged by hand behind the step: what was read is stale */
    int retried;          /* 1 + the ended job that may have changed, for it was retried; 0: none */
    bool renewed;         /* the stream's expiry must have been */
    struct buf wrong;     /* what is not as it must be, a line each; the caller's to clear */
};

/* expect(s, holds, format, …): unless it holds, the words are one line of s->wrong. */
void expect(struct step *s, bool holds, const char *format, ...) PRINTF_LIKE(3, 4);

/* actors_settings(rig): no time passes but by moves; two failures or deaths make a job dead. */
void actors_settings(struct rig *rig);

/* actors_before_the_clock_went_back(rig, m): an empty Redis gets a job that was asked for and
   cancelled when its clock showed a day more than it does now: no A of the chat comes from the
   clock any more. */
void actors_before_the_clock_went_back(struct rig *rig, struct memory *m);

/* moves_count(): they are named 0, 1, … move_name(move): in words, borrowed as above. */
int moves_count(void);
const char *move_name(int move);

/* move_make(s, move): false: its actor cannot make it here, and nothing was sent. */
bool move_make(struct step *s, int move);

/* let_time_pass(rig, nobody_reaps): leases, deadlines and waits are over, the stream of a running
   job is about to expire; and it looks as if nobody had reaped for long. Not awaited: what is sent
   next comes behind it. */
void let_time_pass(struct rig *rig, bool nobody_reaps);

#endif
