/**
 * place.h: where an attempt runs, as a run (run.h) sees it: a process of its own
 * (slot.h), or one seat of several in a shared process (shared.h).
 *
 * An attempt is going on; then decided (what it came to is known, what the task
 * still says about it is thrown away, but for its usage); then reported (on_end was
 * called). Until then there is a user, after that, or after place_drop, the place is
 * not the user's any more. One that dropped it still hears of the usage, until on_left:
 * a task that was stopped has TASK_STOP_MS to say what it had used.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_PLACE_H
#define LEAT_PLACE_H

#include "base.h"

enum place_end {
    PLACE_DONE,
    PLACE_FAILED,
    PLACE_DIED,   /* killed by a signal that was not ours */
    PLACE_UNREAD, /* a reused process had gone before it read the line: no attempt took place */
    PLACE_LOST,   /* its shared process is gone, and it need not be this attempt's doing */
};

/* What an attempt came to. The texts are borrowed until on_end returns. */
struct place_report {
    enum place_end end;
    const char *reason;     /* done: ""; a task's own word, or exit, signal, line, timeout … */
    const char *detail;     /* a sentence for the client, valid UTF-8; may be "" */
    const char *words;      /* the end of standard error, for the operator alone; valid UTF-8 */
    bool retry;             /* failed: whether another attempt makes sense */
    int64_t retry_after_ms; /* failed: but not sooner */
    bool alone;             /* not done: the next attempt is to have a process of its own */
};

struct place_user {
    void *arg;
    /* A message: one line without LF, a checked JSON object. Borrowed. */
    void (*on_message)(void *arg, const char *data, size_t length);
    /* The attempt is over; nothing of it comes after. */
    void (*on_end)(void *arg, const struct place_report *report);
    /* What the attempt has used so far: one line, a checked JSON object of at most
       JSON_USAGE_BYTES. Borrowed. Also when it is decided or dropped. May be NULL. */
    void (*on_usage)(void *arg, const char *data, size_t length);
    /* The attempt was dropped, and is over now: nothing of it comes after. May be NULL. */
    void (*on_left)(void *arg);
};

struct place;

/* What its owner does for each of the functions below. */
struct place_ways {
    void (*pause)(struct place *place);
    void (*resume)(struct place *place);
    void (*stop)(struct place *place, const char *reason, const char *sentence);
    void (*drop)(struct place *place);
    void (*kill)(struct place *place);
};

/* Embedded in a slot or a seat. */
struct place {
    const struct place_ways *ways;
};

/**
 * place_pause(place), place_resume(place)
 * The user wants no more messages for now; it wants them again. What was read
 * already may still come, and of a shared process somewhat more (shared.h).
 */
static inline void place_pause(struct place *place)
{
    place->ways->pause(place);
}

static inline void place_resume(struct place *place)
{
    place->ways->resume(place);
}

/**
 * place_stop(place, reason, sentence)
 * End the attempt that is going on: it is FAILED with this reason, to be tried
 * again, unless it was decided before. Copies the texts.
 */
static inline void place_stop(struct place *place, const char *reason, const char *sentence)
{
    place->ways->stop(place, reason, sentence);
}

/* place_drop(place): end the attempt; on_end does not come, nor a message; but on_left does, later.
 */
static inline void place_drop(struct place *place)
{
    place->ways->drop(place);
}

/* place_kill(place): SIGKILL to the group of its process now. After place_stop. */
static inline void place_kill(struct place *place)
{
    place->ways->kill(place);
}

#endif
