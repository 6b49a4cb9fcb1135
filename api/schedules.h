/**
 * schedules.h: jobs that come again: what /schedules does.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_SCHEDULES_H
#define LEAT_SCHEDULES_H

#include "visit.h"

void schedules_list(struct visit *visit); /* GET /schedules */
void schedules_show(struct visit *visit); /* GET /schedules/{name} */
void schedules_put(struct visit *visit);  /* PUT /schedules/{name} */
void schedules_drop(struct visit *visit); /* DELETE /schedules/{name} */

#endif
