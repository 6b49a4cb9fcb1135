/**
 * operate.h: what an operator asks of queues, routes and workers, and changes there.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_OPERATE_H
#define LEAT_OPERATE_H

#include "visit.h"

void operate_queues(struct visit *visit);  /* GET /queues */
void operate_queue(struct visit *visit);   /* GET /queues/{queue} */
void operate_pause(struct visit *visit);   /* POST /queues/{queue}/pause */
void operate_resume(struct visit *visit);  /* POST /queues/{queue}/resume */
void operate_routes(struct visit *visit);  /* GET /routes */
void operate_route(struct visit *visit);   /* GET /routes/{feature} */
void operate_lead(struct visit *visit);    /* PUT /routes/{feature} */
void operate_unlead(struct visit *visit);  /* DELETE /routes/{feature} */
void operate_workers(struct visit *visit); /* GET /workers */

#endif
