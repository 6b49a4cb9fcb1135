/**
 * queue.h: the steps of the job engine, one function for each Lua script.
 *
 * Each step is atomic in Redis, takes its time from Redis, and may be repeated
 * after STATUS_LOST: the second run changes nothing that the first one did.
 *
 * All functions send and return; the answer comes to the callback, in the same
 * thread, with a result that is borrowed until the callback returns. The
 * callback is called exactly once if the function returned STATUS_OK, and not
 * at all otherwise. The result is meaningful only for STATUS_OK.
 *
 * Thread: the loop of q->redis.
 */
#ifndef LEAT_QUEUE_H
#define LEAT_QUEUE_H

#include "job.h"
#include "redis.h"
#include "settings.h"

/* Where the steps go. Both borrowed. */
struct queue {
    struct redis *redis; /* made with `scripts` */
    const struct settings *settings;
};

/* ---- enqueue: join the chat's job, or put one in ---- */

enum if_busy { IF_BUSY_REJECT, IF_BUSY_REPLACE };

/* Numbers that are 0 stand for what is usual: the settings', or the worker's policy for the type.
 */
struct enqueue {
    const char *id;   /* for the new job; keep it when repeating */
    const char *type; /* e.g. generate_messages */
    const char *feature_id;
    const char *chat_id; /* NULL: a job without a chat; its id takes the chat's place */
    const char *queue;   /* where it goes unless its feature has a route; NULL or "": default */
    const char *payload; /* the body as the task will see it; NULL for none */
    size_t payload_length;
    const char
        *body_hash;  /* what makes two questions equal, hex (queue_identity); "" without one */
    const char *key; /* Idempotency-Key; "" for none */
    enum if_busy if_busy;
    const struct job_options *options; /* NULL: all as usual */
};

/* What a job may ask for; 0 (priority: -1) where it does not. */
struct job_options {
    int priority;         /* 0 to 9, 9 first; -1: 5 */
    int64_t delay_ms;     /* it can be claimed so long from now */
    int64_t run_at_ms;    /* or from this time on, by Redis's clock */
    int64_t deadline_ms;  /* longest wait for a worker */
    int64_t timeout_ms;   /* longest run of an attempt */
    int64_t max_attempts; /* failed attempts after which it is dead */
    int64_t retention_ms; /* how long job and stream are kept after the end */
};

#define JOB_OPTIONS_USUAL ((struct job_options){.priority = -1})

/* queue_priority(options): 0 to 9, the usual one where it does not ask. */
int queue_priority(const struct job_options *options);

enum enqueue_outcome {
    ENQUEUE_STARTED,    /* a new job was put in */
    ENQUEUE_JOINED,     /* what the chat has fits the question */
    ENQUEUE_BUSY,       /* another question runs; job says which */
    ENQUEUE_FOREIGN,    /* another program's stream is there (plain requests follow it: JOINED) */
    ENQUEUE_KEY_REUSED, /* the Idempotency-Key came with another body before */
    ENQUEUE_FULL,       /* the queue is at its limit */
};

struct enqueue_result {
    enum enqueue_outcome outcome;
    const char *job; /* STARTED, JOINED, BUSY: the job meant, which need not be the chat's any more
                        (a key of an earlier one); "" for a foreign stream */
    enum job_state state;  /* of that job; JOB_NONE when nothing is known of it any more */
    struct chat_view view; /* STARTED, JOINED: the chat right after the step */
};

typedef void enqueue_fn(void *arg, enum status status, const struct enqueue_result *result);
MUST_CHECK enum status queue_enqueue(const struct queue *q, const struct enqueue *in,
                                     enqueue_fn *fn, void *arg);

/* ---- look: read a chat, change nothing ---- */

typedef void look_fn(void *arg, enum status status, const struct chat_view *view);
MUST_CHECK enum status queue_look(const struct queue *q, const char *feature_id,
                                  const char *chat_id, look_fn *fn, void *arg);

/* ---- claim: become the owner of up to `most` jobs ---- */

struct claimed {
    const char *id;
    const char *owner; /* <worker>:<A>: the fencing token of every later step */
    const char *type;
    const char *feature_id;
    const char *chat_id;
    const char *payload; /* "" for none */
    size_t payload_length;
    uint64_t attempt;     /* A */
    uint64_t number;      /* which attempt, from 1 */
    int64_t timeout_ms;   /* from now; 0: what the worker's policy says */
    int64_t max_attempts; /* the same */
    int64_t waited_ms;    /* from when it could be claimed */
    bool alone;           /* it lost a shared process: now it is to have one of its own */
};

struct claimant {
    const char *worker;
    const char *const *queues; /* in the order in which they are looked through */
    size_t queue_count;
    const char *types; /* which the worker runs, each between spaces: " a b " */
    size_t most;       /* at most CLAIM_MOST are given */
    size_t most_alone; /* of them, those that are to have a process of their own */
    uint64_t number;   /* which claim of this worker it is, from 1 */
};

#define CLAIM_MOST 100

struct claim_result {
    const struct claimed *jobs;
    size_t count;
    bool more;   /* jobs that this worker can run were left waiting */
    bool passed; /* jobs were passed over whose type another worker runs, or beyond most_alone */
    int64_t due_in_ms; /* until the next delayed job can be claimed; -1: none is delayed */
};

/* A job whose type nobody runs who takes from its queue is given to whoever claims: it is to fail.
 */
typedef void claim_fn(void *arg, enum status status, const struct claim_result *result);
MUST_CHECK enum status queue_claim(const struct queue *q, const struct claimant *in, claim_fn *fn,
                                   void *arg);

/* The job a worker holds, as every step of an owner names it. */
struct holding {
    const char *id;
    const char *owner;
    const char *feature_id;
    const char *chat_id;
    uint64_t attempt; /* A */
};

/* ---- append: write messages first, first + 1, … of attempts ---- */

struct message {
    const char *data;
    size_t length;
};

/* Messages of one attempt, the first of which has number `first`. */
struct append {
    uint64_t first;
    const struct message *messages;
    size_t count;
};

enum append_outcome {
    APPEND_OK,      /* last is the attempt's last N now */
    APPEND_FENCED,  /* somebody else owns the job, or nobody: kill the task */
    APPEND_FOREIGN, /* somebody else wrote into the stream: the attempt cannot go on */
    APPEND_GONE,    /* the stream lost entries below `first`; last is what is left, 0 also where
                       the whole stream is gone. Send again from last + 1 */
};

/* The most attempts of one append or finish. */
#define QUEUE_BATCH_MOST 256

struct append_result {
    enum status
        status; /* STATUS_OK, or why Redis would not write to this one; the rest holds for OK */
    enum append_outcome outcome;
    uint64_t last;
};

typedef void append_fn(void *arg, enum status status, const struct append_result *results);

/**
 * queue_append(q, jobs, in, count, fn, arg)
 * Append to count attempts (at most QUEUE_BATCH_MOST) in one step; each has a result of its own, in
 * the order given.
 *
 * One with no messages is only looked at. A stream that vanished is APPEND_GONE
 * with last 0, and is made anew (with its marker) by an append whose first is 1.
 */
MUST_CHECK enum status queue_append(const struct queue *q, const struct holding *jobs,
                                    const struct append *in, size_t count, append_fn *fn,
                                    void *arg);

/* ---- heartbeat: keep the leases of all jobs in hand ---- */

struct heartbeat {
    const char *worker;
    const struct holding *jobs;
    size_t count;
    size_t in_hand; /* of which these are some; what it holds Redis up for depends on count */
    size_t capacity;
    const char *queues; /* as in WORKER_QUEUES */
    const char *types;  /* as in struct claimant */
    const char *state;  /* serving, quiet or draining */
    int64_t since_ms;   /* wall clock: when the worker started */
    bool complete;   /* no claim is under way: jobs leased to this worker and not named go back */
    uint64_t claims; /* how many it has sent: one that arrives later than a newer claim returns
                        nothing */
};

struct heartbeat_result {
    const bool *held; /* per job, in the order given: false means fenced or cancelled */
    size_t count;
    size_t returned; /* jobs that went back because they were not named */
    size_t noted;    /* jobs that Redis believes to be in the worker's hands */
};

typedef void heartbeat_fn(void *arg, enum status status, const struct heartbeat_result *result);
MUST_CHECK enum status queue_heartbeat(const struct queue *q, const struct heartbeat *in,
                                       heartbeat_fn *fn, void *arg);

/* queue_leave(q, worker, fn, arg): the worker is gone; take it from the list of the living. */
MUST_CHECK enum status queue_leave(const struct queue *q, const char *worker, redis_reply_fn *fn,
                                   void *arg);

/* ---- finish: the attempt is over ---- */

enum finish_how {
    FINISH_DONE,
    FINISH_FAILED, /* an attempt is spent; again after a backoff, while tries are left */
    FINISH_DIED,   /* a death: again at once, while deaths are left */
};

/* What a failed attempt costs; the job's own max_attempts goes before. */
struct finish_policy {
    int64_t max_attempts;
    int64_t backoff_ms; /* before the second attempt at most; doubles with each */
    int64_t backoff_max_ms;
};

struct finish {
    struct append append; /* what is still to be written, in the same step; none: all zero */
    enum finish_how how;
    uint64_t last;               /* the attempt's last N: all of it must be in the stream then */
    const char *reason;          /* one word: exit, signal, timeout, line, … */
    const char *detail;          /* a sentence that the client is told; valid UTF-8 */
    const char *words;           /* the task's last words, kept on the job alone; NULL for none */
    bool retry;                  /* FAILED: whether another attempt makes sense */
    bool alone;                  /* FAILED, DIED: further attempts have a process of their own */
    struct finish_policy policy; /* FAILED */
    int64_t retry_after_ms; /* FAILED: the next attempt comes no sooner; a tenth later at most */
    const char *usage;      /* what it used (queue_usage); NULL for none */
};

enum finish_outcome {
    FINISH_ENDED,   /* a terminal entry stands in the stream */
    FINISH_AGAIN,   /* the job waits or is delayed for another attempt */
    FINISH_FENCED,  /* not ours any more (also: this very step had run before) */
    FINISH_FOREIGN, /* as in append: finish it FAILED instead */
    FINISH_GONE,    /* as in append: write again from last + 1 */
};

struct finish_result {
    enum status status; /* as in append_result */
    enum finish_outcome outcome;
    enum job_state state;
    uint64_t last;    /* GONE */
    int64_t delay_ms; /* AGAIN */
};

typedef void finish_fn(void *arg, enum status status, const struct finish_result *results);

/**
 * queue_finish(q, jobs, in, count, fn, arg)
 * Finish count attempts (at most QUEUE_BATCH_MOST) in one step; each has a result of its own, in
 * the order given.
 */
MUST_CHECK enum status queue_finish(const struct queue *q, const struct holding *jobs,
                                    const struct finish *in, size_t count, finish_fn *fn,
                                    void *arg);

/* ---- hand back: unspent, to the head of its list, at once ---- */

typedef void hand_back_fn(void *arg, enum status status, bool was_ours);

/* Why it goes back; zeroed for no reason that anybody need know. */
struct hand_back {
    bool alone;         /* further attempts are to have a process of their own */
    const char *reason; /* one word for the job's history; "" for none, and no entry there */
    const char *detail; /* a sentence beside it */
    const char *words;  /* as of finish */
    const char *usage;  /* the same */
};

/* in: NULL is a zeroed one. All borrowed for the call. */
MUST_CHECK enum status queue_hand_back(const struct queue *q, const struct holding *job,
                                       const struct hand_back *in, hand_back_fn *fn, void *arg);

/* ---- usage: what an attempt used, when it is not ours any more ---- */

typedef void usage_fn(void *arg, enum status status, bool kept);

/**
 * queue_usage(q, job, usage, fn, arg)
 * Keep a JSON object, at most about 1 KiB, with the job, as finish and hand back do while it is
 * ours: one for each attempt, in the field usage:<A> of its hash, the last one counts. After a
 * stop, or when the lease was lost, the task may still say what it had used.
 *
 * Not kept where the job is gone. A full Redis refuses it (STATUS_FULL): then it is lost.
 */
MUST_CHECK enum status queue_usage(const struct queue *q, const struct holding *job,
                                   const char *usage, usage_fn *fn, void *arg);

/* ---- cancel: end a chat's job from outside ---- */

struct cancel_result {
    bool found;     /* false: the chat has no such job */
    bool was_alive; /* whether this call ended it */
    const char *job;
    enum job_state state; /* after the step */
};

/* job: only this one, "" for whichever the chat has. feature_id and chat_id may be "" where the job
   says it all. */
typedef void cancel_fn(void *arg, enum status status, const struct cancel_result *result);
MUST_CHECK enum status queue_cancel(const struct queue *q, const char *feature_id,
                                    const char *chat_id, const char *job, cancel_fn *fn, void *arg);

/* ---- stop: end a job by its id alone, or drop a dead one ---- */

enum stop_outcome {
    STOP_NONE,      /* nothing is known of such a job */
    STOP_ENDED,     /* it was over before; state says how */
    STOP_CANCELLED, /* this call ended it */
    STOP_DROPPED,   /* it was dead, and is gone */
};

struct stop_result {
    enum stop_outcome outcome;
    enum job_state state; /* after the step; DROPPED: dead */
};

typedef void stop_fn(void *arg, enum status status, const struct stop_result *result);
MUST_CHECK enum status queue_stop(const struct queue *q, const char *job, stop_fn *fn, void *arg);

/* ---- retry: a dead job again, as a new one ---- */

enum retry_outcome {
    RETRY_STARTED, /* job is the new one's id. Repeated: the same again */
    RETRY_NONE,    /* nothing is known of such a job */
    RETRY_ALIVE,   /* it is not dead: it lives, or ended otherwise */
    RETRY_BUSY,    /* its chat has another job, which job names, or another program's stream */
    RETRY_FULL,    /* the queue is at its limit */
};

struct retry_result {
    enum retry_outcome outcome;
    const char *job;
    enum job_state state;             /* STARTED: the new one's; ALIVE: its own */
    const char *feature_id, *chat_id; /* STARTED */
};

typedef void retry_fn(void *arg, enum status status, const struct retry_result *result);

/* queue_retry(q, job, id, fn, arg): id is for the new job. */
MUST_CHECK enum status queue_retry(const struct queue *q, const char *job, const char *id,
                                   retry_fn *fn, void *arg);

/* ---- reap: what nobody else does, for all queues ---- */

struct reap_result {
    size_t died;     /* leases that were over */
    size_t expired;  /* deadlines that were over */
    size_t promoted; /* delayed jobs that came due */
    size_t broken;   /* queues some key of which is of a wrong type: left as they are */
    bool extended;   /* nobody had reaped for long: leases were extended, none was taken */
};

typedef void reap_fn(void *arg, enum status status, const struct reap_result *result);

/**
 * queue_reap(q, names, count, fresh_ms, fn, arg)
 * Reap `default`, every queue that ever got a job, and those named. One that
 * somebody reaped less than fresh_ms ago is left alone; 0 reaps all.
 */
MUST_CHECK enum status queue_reap(const struct queue *q, const char *const *names, size_t count,
                                  int64_t fresh_ms, reap_fn *fn, void *arg);

#endif
