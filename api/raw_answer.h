/**
 * raw_answer.h: a whole HTTP answer, written to a socket at once.
 *
 * For the few places where libmicrohttpd takes no answer: no room for the
 * connection (503), a body that grew too long while it came (413), a deadline (408).
 *
 * Thread: any.
 */
#ifndef LEAT_RAW_ANSWER_H
#define LEAT_RAW_ANSWER_H

#include "exchange.h"

struct raw_answer {
    int http_status;
    const struct exchange_field *fields;
    size_t count;
    const void *body;
    size_t length;
};

/**
 * raw_answer_send(fd, answer)
 * Write it as HTTP/1.1 with Content-Length and Connection: close. Borrows all.
 * One attempt, without waiting: what the socket does not take is lost (a few
 * hundred bytes to a socket that nothing was written to yet always fit).
 */
void raw_answer_send(int fd, const struct raw_answer *answer);

#endif
