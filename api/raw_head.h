/**
 * raw_head.h: a request's head, read from its bytes as they came.
 *
 * Stricter than any HTTP library has to be: every line ends with CR LF, nothing is
 * folded, no control bytes, one space where one belongs, and head.h's rules about
 * where the request ends. A head that is good here can be read in one way only.
 *
 * It sees bytes, never a socket, and keeps nothing: it is given the whole head, or
 * as much of it as has come. Its judgement of a beginning is final: what is refused
 * stays refused, with the same words, whatever follows.
 *
 * Thread: any.
 */
#ifndef LEAT_RAW_HEAD_H
#define LEAT_RAW_HEAD_H

#include "base.h"

/* The largest head, and how many headers, cookies and parameters of the query it may
   have together. */
#define RAW_HEAD_MAX 8192
#define RAW_HEAD_PARTS_MAX 128

/* Some of the bytes that were read. data: NULL where there is none. */
struct raw_text {
    const char *data;
    size_t length;
};

enum raw_head_verdict {
    RAW_HEAD_MORE,    /* good so far: more must come */
    RAW_HEAD_GOOD,    /* complete */
    RAW_HEAD_REFUSED, /* by http_status and fault, complete or not */
};

struct raw_head {
    int http_status;        /* 400, 413, 414, 431 or 505 where it is refused; else 0 */
    const char *fault;      /* a sentence, static */
    size_t length;          /* of the complete head, with its last empty line; else 0 */
    size_t parts;           /* headers, cookies and parameters: never less than there are */
    size_t cookies;         /* bytes of all Cookie headers */
    struct raw_text method; /* these three as far as they were read before a fault */
    struct raw_text target;
    struct raw_text origin; /* the header's value */
};

/**
 * raw_head_read(data, length, head)
 * Judge a head; bytes behind it are not looked at. Of more than RAW_HEAD_MAX bytes
 * the verdict is never MORE, so RAW_HEAD_MAX + 1 are always enough to be given.
 * Borrows data; head's texts point into it.
 */
MUST_CHECK enum raw_head_verdict raw_head_read(const char *data, size_t length,
                                               struct raw_head *head);

#endif
