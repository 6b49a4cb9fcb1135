/**
 * order.h: a job as it was claimed: a copy that outlives the claim's answer.
 *
 * It says how the steps name the job (holding), and writes the line that its
 * task reads. Thread: the owner's.
 */
#ifndef LEAT_ORDER_H
#define LEAT_ORDER_H

#include "base.h"
#include "buf.h"
#include "features.h"
#include "job.h"
#include "queue.h"

/* Embedded, and not moved: holding points into it. Read only, but through these functions. */
struct order {
    struct holding holding; /* its texts are those below */
    char id[JOB_ID_SIZE];
    char owner[JOB_NAME_SIZE + 24]; /* <worker>:<A> */
    char feature_id[JOB_NAME_SIZE];
    char chat_id[JOB_NAME_SIZE];
    char type[JOB_NAME_SIZE];
    uint64_t number; /* which attempt, from 1 */
    bool alone;      /* it is to have a process of its own */
    int64_t timeout_ms;
    int64_t claimed_ms; /* steady clock */
    struct buf payload; /* empty: none */
};

/* order_init(o, job, timeout_ms): copy job; timeout_ms is what counts for it. False: no memory;
   nothing to clear. */
MUST_CHECK bool order_init(struct order *o, const struct claimed *job, int64_t timeout_ms);

/* order_clear(o): give the memory back. */
void order_clear(struct order *o);

/* order_write(o, feature, line): append the line for the task, with its LF. feature: of the job, if
   it is in the file of features; else NULL, and the line says nothing of it. Check buf_ok. */
void order_write(const struct order *o, const struct feature *feature, struct buf *line);

#endif
