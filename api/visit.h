/**
 * visit.h: one request, from its head to the end of its answer.
 *
 * A visit is bound to its exchange and lives until that has closed and no step
 * in Redis is under way for it. A client that leaves in between costs nothing:
 * the step's answer finds `exchange` NULL.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_VISIT_H
#define LEAT_VISIT_H

#include "buf.h"
#include "exchange.h"
#include "gateway.h"
#include "hub.h"
#include "job_input.h"
#include "render.h"
#include "reply.h"
#include "request.h"

#define VISIT_KEY_SIZE 256

/* What only the answering needs: an open stream may live for long. */
struct visit_asked {
    struct request request;
    char key[VISIT_KEY_SIZE]; /* Idempotency-Key; "" for none */
    char id[JOB_ID_SIZE];     /* of the job that this request may start */
    struct render_options render;
    struct slice history; /* AG_UI: of render_history; empty: none. In the exchange's body */
    bool cancels;         /* its leaving ends the job (hangups.h) */
    bool if_running;      /* GET: 204 unless the chat's job is alive */
};

struct visit {
    struct gateway *gateway;
    struct exchange *exchange;        /* NULL once it has closed */
    void (*run)(struct visit *visit); /* the route's; then stream_start or stream_follow */
    struct visit_asked *asked;        /* NULL once its stream is open */
    bool asking;                      /* a step is under way */
    struct follower follower;
    void (*answer)(struct visit *visit, const struct redisReply *reply); /* of visit_on_reply */
    struct buf opening; /* the first bytes of the stream */
    bool ends;          /* nothing comes behind them */
};

/* visit_new(g, e): gives a visit that is bound to e, and freed with it. NULL: no memory. */
MUST_CHECK struct visit *visit_new(struct gateway *g, struct exchange *e);

/* visit_queue(visit): where its steps go. */
static inline const struct queue *visit_queue(const struct visit *visit)
{
    return &visit->gateway->queue;
}

/**
 * visit_asked(visit, status)
 * A step was sent with this status: note that its answer is to come, or answer why not.
 */
void visit_asked(struct visit *visit, enum status status);

/**
 * visit_come_back(visit)
 * A step's answer has come. False: nobody waits for it any more, and the visit is gone.
 */
MUST_CHECK bool visit_come_back(struct visit *visit);

/**
 * visit_on_reply
 * For the steps of admin.h, with the visit as their arg: visit->answer gets their reply,
 * if it is one and somebody waits for it.
 */
redis_reply_fn visit_on_reply;

/* visit_feature(visit, feature_id): as the file of features has it; NULL: it has not. Borrowed
   until the loop's callback returns: the next may bring another file (gateway_reload). */
static inline const struct feature *visit_feature(const struct visit *visit, const char *feature_id)
{
    return features_find(visit->gateway->features, feature_id);
}

/* visit_answer(visit, http_status, body): answer with JSON. Borrows body. */
void visit_answer(struct visit *visit, int http_status, const struct buf *body);

/* What an answer says of a job that was put in. All borrowed. */
struct visit_stream {
    const char *feature_id;
    const char *chat_id; /* "": the job's id */
    const char *job;
    bool attached; /* it was there before */
};

/**
 * visit_answer_stream(visit, stream, body)
 * Answer 202 and where the job can be followed. body: an object that lacks the member
 * `stream` and its end. Borrows all.
 */
void visit_answer_stream(struct visit *visit, const struct visit_stream *stream, struct buf *body);

/* visit_refuse(visit, problem, detail, job): reply_problem (reply.h). */
void visit_refuse(struct visit *visit, enum problem problem, const char *detail, const char *job);

/* visit_refuse_for(visit, status): answer that Redis did not do its part. */
void visit_refuse_for(struct visit *visit, enum status status);

/* visit_refuse_enqueue(visit, result): answer why no job was started or joined. */
void visit_refuse_enqueue(struct visit *visit, const struct enqueue_result *result);

/* visit_put_cursor(body, cursor): append the member `cursor` of a page: a text, or null. */
void visit_put_cursor(struct buf *body, const struct redisReply *cursor);

/**
 * visit_json(visit, length)
 * The request's body, checked to be JSON; it may be empty. Borrowed as of exchange_body.
 * NULL: it is not, and was refused.
 */
MUST_CHECK const char *visit_json(struct visit *visit, size_t *length);

/**
 * visit_read_input(visit, use, input, hash)
 * Read the body as a job, a schedule or a route, and what makes it equal to another
 * (job_input.h; hash may be NULL); what it leaves open is as the file says of its feature.
 * False: it is none, and was refused.
 */
MUST_CHECK bool visit_read_input(struct visit *visit, enum input_use use, struct job_input *input,
                                 char hash[DIGEST_SIZE]);

#endif
