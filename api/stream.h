/**
 * stream.h: what /stream does; each answers, or asks Redis and answers then.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_STREAM_H
#define LEAT_STREAM_H

#include "visit.h"

void stream_start(struct visit *visit);  /* POST */
void stream_follow(struct visit *visit); /* GET */
void stream_stop(struct visit *visit);   /* DELETE */

#endif
