/*
 * raw_answer.c: see raw_answer.h. Whether the client's request has come or not, a
 * complete answer with Connection: close is what every HTTP client understands;
 * but only if the socket is not closed with bytes unread, for then the kernel
 * resets the connection and the answer is lost. Who calls this lets the connection
 * linger (linger.c) or knows that nothing is left to read.
 */
#include "raw_answer.h"

#include <sys/socket.h>
#include <time.h>

static const char *phrase(int http_status)
{
    switch (http_status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Refused";
    }
}

static void put_date(struct buf *out)
{
    char text[40];
    struct tm parts;
    time_t now = time(NULL);
    /* The names of days and months are English: this program sets no locale. */
    if (gmtime_r(&now, &parts) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts))
        buf_printf(out, "Date: %s\r\n", text);
}

static void put_fields(const struct exchange_field *fields, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s: %s\r\n", fields[i].name, fields[i].value);
    buf_puts(out, "\r\n");
}

void raw_answer_put(const struct raw_answer *answer, struct buf *out)
{
    buf_printf(out, "HTTP/1.1 %d %s\r\n", answer->http_status, phrase(answer->http_status));
    put_date(out);
    buf_printf(out, "Connection: close\r\nContent-Length: %zu\r\n", answer->length);
    put_fields(answer->fields, answer->count, out);
    if (!answer->head_only)
        buf_add(out, answer->body, answer->length);
}

static bool is_clean(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' && *text != '\t')
            return false;
    }
    return true;
}

bool raw_answer_is_field(const struct exchange_field *field)
{
    return is_clean(field->name) && is_clean(field->value);
}

void raw_answer_put_stream(const struct exchange_field *fields, size_t count, bool chunked,
                           struct buf *out)
{
    buf_puts(out, "HTTP/1.1 200 OK\r\n");
    put_date(out);
    buf_puts(out, "Connection: close\r\n");
    if (chunked)
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
    put_fields(fields, count, out);
}

void raw_answer_send(int fd, const struct buf *text)
{
    if (!buf_ok(text) || text->length == 0)
        return;
    ssize_t sent = send(fd, text->data, text->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* a client that is gone needs no answer */
}
