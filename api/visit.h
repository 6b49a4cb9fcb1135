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
#include "request.h"

#define VISIT_KEY_SIZE 256

struct visit {
    struct gateway *gateway;
    struct exchange *exchange; /* NULL once it has closed */
    void (*run)(struct visit *visit);
    struct request request;
    char key[VISIT_KEY_SIZE]; /* Idempotency-Key; "" for none */
    char id[JOB_ID_SIZE];     /* of the job that this request may start */
    bool asking;              /* a step is under way */
    struct follower follower;
    struct buf opening; /* the first bytes of the stream */
    bool ends;          /* nothing comes behind them */
};

/* visit_new(g, e): gives a visit that is bound to e, and freed with it. NULL: no memory. */
MUST_CHECK struct visit *visit_new(struct gateway *g, struct exchange *e);

/* What the routes do; each answers, or asks Redis and answers then. */
void visit_start(struct visit *visit);  /* POST /stream */
void visit_follow(struct visit *visit); /* GET /stream */
void visit_stop(struct visit *visit);   /* DELETE /stream */

#endif
