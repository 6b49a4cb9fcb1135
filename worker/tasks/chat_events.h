/**
 * chat_events.h: a model server's body, cut into its events.
 *
 * Server-Sent Events by the HTML standard, section 9.2, or JSON values one behind another (lines
 * of JSON; but also the one object that some servers answer a stream's request with, spread over
 * lines as it may be). Bytes may come in any pieces; an event in one piece is not copied twice.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_CHAT_EVENTS_H
#define LEAT_CHAT_EVENTS_H

#include "base.h"
#include "buf.h"
#include "chat_json.h"
#include "status.h"

#define CHAT_EVENT_MOST (1024 * 1024) /* bytes of one event */

enum chat_framing {
    CHAT_FRAMING_AUTO, /* by the first byte: a brace is JSON, else Server-Sent Events */
    CHAT_FRAMING_SSE,
    CHAT_FRAMING_JSON,
};

/* Zeroed memory is a valid start. */
struct chat_events {
    enum chat_framing framing;
    bool began, after_cr, has_data, is_error, had_event;
    struct buf line; /* of a line that is not whole yet */
    struct buf data; /* of an event that is not whole yet */
    struct chat_depth depth;
    const char *wrong; /* after STATUS_PROTOCOL: why, static */
};

/* An event. is_error: the server called it one. Another status than STATUS_OK ends the taking. */
typedef enum status chat_event_fn(void *arg, bool is_error, const char *data, size_t length);

/**
 * chat_events_take(e, data, length, each, arg)
 * Take bytes; call each for the events that they complete, in order.
 * STATUS_PROTOCOL: this is no such body, or one event has more than CHAT_EVENT_MOST bytes (wrong).
 * STATUS_NO_MEMORY, or what each returned.
 */
MUST_CHECK enum status chat_events_take(struct chat_events *e, const char *data, size_t length,
                                        chat_event_fn *each, void *arg);

/* chat_events_end(e, each, arg): no more will come; an event whose end is missing is one, too. */
MUST_CHECK enum status chat_events_end(struct chat_events *e, chat_event_fn *each, void *arg);

void chat_events_clear(struct chat_events *e);

#endif
