/**
 * stream.h: what /stream does; each answers, or asks Redis and answers then.
 *
 * The paths of other dialects come in by the same doors: they set visit->asked, that is
 * request.feature_id, request.chat_id, request.if_busy, key, render, history, cancels and
 * if_running, in on_request, and then call stream_start, which takes the body as it came for the
 * job's payload, or stream_follow. A renderer never goes on by a cursor: request.cursor has
 * to stay CURSOR_NONE. With render.whole the answer is one JSON text at the job's end, by
 * render_whole; what prevents that is a problem as anywhere else.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_STREAM_H
#define LEAT_STREAM_H

#include "visit.h"

void stream_start(struct visit *visit);  /* POST */
void stream_follow(struct visit *visit); /* GET */
void stream_stop(struct visit *visit);   /* DELETE */

/* stream_on_whole: of the gateway's hub; its followers are visits' own. */
hub_whole_fn stream_on_whole;

#endif
