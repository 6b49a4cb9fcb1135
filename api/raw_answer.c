/*
 * raw_answer.c: see raw_answer.h. Whether the client's request has come or not, a
 * complete answer with Connection: close is what every HTTP client understands;
 * but only if the socket is not closed with bytes unread, for then the kernel
 * resets the connection and the answer is lost. Who calls this lets the connection
 * linger (linger.c) or knows that nothing is left to read.
 */
#include "raw_answer.h"

#include <sys/socket.h>

static const char *phrase(int http_status)
{
    switch (http_status) {
    case 400:
        return "Bad Request";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Refused";
    }
}

void raw_answer_send(int fd, const struct raw_answer *answer)
{
    struct buf text = {0};
    buf_printf(&text, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
               answer->http_status, phrase(answer->http_status), answer->length);
    for (size_t i = 0; i < answer->count; i++)
        buf_printf(&text, "%s: %s\r\n", answer->fields[i].name, answer->fields[i].value);
    buf_puts(&text, "\r\n");
    buf_add(&text, answer->body, answer->length);
    if (buf_ok(&text)) {
        ssize_t sent = send(fd, text.data, text.length, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* a client that is gone needs no answer */
    }
    buf_clear(&text);
}
