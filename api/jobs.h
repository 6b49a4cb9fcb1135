/**
 * jobs.h: what /jobs does; each answers, or asks Redis and answers then.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_JOBS_H
#define LEAT_JOBS_H

#include "visit.h"

void jobs_start(struct visit *visit);      /* POST /jobs */
void jobs_list(struct visit *visit);       /* GET /jobs */
void jobs_purge(struct visit *visit);      /* DELETE /jobs */
void jobs_show(struct visit *visit);       /* GET /jobs/{id} */
void jobs_stop(struct visit *visit);       /* DELETE /jobs/{id} */
void jobs_retry(struct visit *visit);      /* POST /jobs/{id}/retry */
void jobs_retry_many(struct visit *visit); /* POST /jobs/retry */

#endif
