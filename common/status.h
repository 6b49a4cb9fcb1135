/**
 * status.h: what can come of a call that may fail.
 *
 * One table (status.c) holds the word and the sentence of each. HTTP codes are
 * no business of this file: they live in api/reply.c.
 */
#ifndef LEAT_STATUS_H
#define LEAT_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY,   /* an allocation failed */
    STATUS_BAD_INPUT,   /* the caller's bytes break a rule */
    STATUS_TOO_LONG,    /* a limit of the settings was reached */
    STATUS_CLOSED,      /* no connection: nothing was sent */
    STATUS_LOST,        /* the connection broke: the outcome is unknown, repeat the step */
    STATUS_UNAVAILABLE, /* Redis answers, and cannot serve: loading, read-only, busy … */
    STATUS_FULL,        /* Redis is out of memory, or a queue is at its limit */
    STATUS_REFUSED,     /* Redis refused a command: wrong type, no permission … */
    STATUS_PROTOCOL,    /* an answer that does not fit the question */
    STATUS_SYSTEM,      /* the operating system refused; errno or a uv code was logged */
};

/**
 * status_name(status)
 * The status in one word, for logs. Static storage.
 * Thread: any.
 */
const char *status_name(enum status status);

/**
 * status_text(status)
 * The status in a short sentence, for people. Static storage.
 * Thread: any.
 */
const char *status_text(enum status status);

#endif
