/**
 * job.h: plain data about a job and a chat, as the steps answer it.
 */
#ifndef LEAT_JOB_H
#define LEAT_JOB_H

#include "base.h"
#include "entry.h"

#define JOB_ID_SIZE 37    /* a UUID's text and its NUL */
#define JOB_NAME_SIZE 129 /* feature_id, chat_id, type, worker id: 1 to 128 bytes and a NUL */

/* job_is_name(text): 1 to 128 of A-Z a-z 0-9 _ . - : fit for a feature, chat, type or queue. */
bool job_is_name(const char *text);

enum job_state {
    JOB_NONE, /* no such job */
    JOB_WAITING,
    JOB_DELAYED,
    JOB_RUNNING,
    JOB_DONE,
    JOB_DEAD,
    JOB_CANCELLED,
    JOB_EXPIRED,
};

/* job_state_name(state): as it stands in Redis; "" for JOB_NONE. */
const char *job_state_name(enum job_state state);

/* job_state_read(text, length): JOB_NONE for anything unknown. */
enum job_state job_state_read(const char *text, size_t length);

/* job_is_alive(state): waiting, delayed or running. */
static inline bool job_is_alive(enum job_state state)
{
    return state == JOB_WAITING || state == JOB_DELAYED || state == JOB_RUNNING;
}

/* What stands under stream:F:C. */
enum stream_kind {
    STREAM_NONE,    /* no key, or no entry left */
    STREAM_OURS,    /* begins with a marker */
    STREAM_FOREIGN, /* somebody else's */
    STREAM_BROKEN,  /* the key is not a stream */
};

/**
 * A chat at one moment: its job and its stream, read in one step.
 *
 * For STREAM_OURS the ids come from the stream. For STREAM_NONE with a job that
 * is alive they come from the job's hash, and last is where the attempt began.
 */
struct chat_view {
    char job[JOB_ID_SIZE]; /* the chat's current job; "" for none */
    enum job_state state;
    enum stream_kind stream;
    bool ended;           /* the stream's last entry is a terminal one */
    uint64_t first;       /* A0: where the job began */
    uint64_t attempt;     /* A: the current attempt; A0 before the first claim */
    struct entry_id last; /* the stream's last entry */
    uint64_t number;      /* which attempt runs, from 1; 0 before the first claim */
    uint64_t
        position; /* about how many jobs stand before this one, itself included; 0: not waiting */
    char worker[JOB_NAME_SIZE]; /* who runs it; "" for nobody */
};

#endif
