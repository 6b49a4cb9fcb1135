/**
 * head.h: whether a request's head says clearly where the request ends.
 *
 * A proxy in front and a lenient parser here can disagree about that, and then
 * the body of one request is answered as another (request smuggling). So whatever
 * could be read in two ways is refused. This file sees names and values, never a
 * connection.
 *
 * Thread: any.
 */
#ifndef LEAT_HEAD_H
#define LEAT_HEAD_H

#include "base.h"

/* Zeroed memory is a valid start. */
struct head {
    const char *fault; /* why it is refused: a sentence, static. NULL: nothing so far */
    bool needs_host;   /* HTTP/1.1 */
    int hosts;
    int transfer_encodings;
    int content_lengths;
    uint64_t content_length; /* UINT64_MAX: more than fits */
};

/* head_check_line(h, method, target, version): the request's first line. A target with a
   byte that is not printable ASCII, or a method that is no token, is a fault. */
void head_check_line(struct head *h, const char *method, const char *target, const char *version);

/* head_check_field(h, name, name_length, value, value_length): each header, as parsed. */
void head_check_field(struct head *h, const char *name, size_t name_length, const char *value,
                      size_t value_length);

/* head_check_end(h): after the last one. */
void head_check_end(struct head *h);

/* head_has_body(h): whether a body is announced. */
bool head_has_body(const struct head *h);

/* head_is_token_byte(byte): whether it may stand in a method or in a header's name. */
bool head_is_token_byte(char byte);

#endif
