/**
 * raw_answer.h: a whole HTTP answer as bytes, and written to a socket at once.
 *
 * For the few places where libmicrohttpd takes no answer: before a connection is
 * given to it (400, 414, 431 …), no room for it (503), a body that grew too long
 * while it came (413), a deadline (408). And the head of a stream, which leaves it.
 *
 * Thread: any.
 */
#ifndef LEAT_RAW_ANSWER_H
#define LEAT_RAW_ANSWER_H

#include "buf.h"
#include "exchange.h"

struct raw_answer {
    int http_status;
    const struct exchange_field *fields;
    size_t count;
    const void *body;
    size_t length;
    bool head_only; /* the answer to HEAD */
};

/* raw_answer_put(answer, out): append it as HTTP/1.1 with Date, Content-Length and
   Connection: close. Borrows all. */
void raw_answer_put(const struct raw_answer *answer, struct buf *out);

/* raw_answer_is_field(field): whether it may be sent: neither empty nor with control bytes. */
bool raw_answer_is_field(const struct exchange_field *field);

/* raw_answer_put_stream(fields, count, chunked, out): append the head of a 200 whose body follows,
   in chunks or as it is, to the end of the connection. Borrows all. */
void raw_answer_put_stream(const struct exchange_field *fields, size_t count, bool chunked,
                           struct buf *out);

/**
 * raw_answer_send(fd, text)
 * Write what raw_answer_put has put. Borrows text; an empty or failed one is not sent.
 * One attempt, without waiting: what the socket does not take is lost (a few
 * hundred bytes to a socket that nothing was written to yet always fit).
 */
void raw_answer_send(int fd, const struct buf *text);

#endif
