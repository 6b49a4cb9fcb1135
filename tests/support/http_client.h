/**
 * http_client.h: a strict HTTP/1.1 client at the level of bytes, for tests.
 *
 * It sends exactly what it is told, and gives exactly what came. Calls block,
 * never longer than CLIENT_MS; a failed assertion of its own ends the test.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_HTTP_CLIENT_H
#define LEAT_HTTP_CLIENT_H

#include "base.h"
#include "buf.h"

#define CLIENT_MS 60000

struct client {
    int fd;
    struct buf in; /* came, and not consumed yet */
};

enum client_end { CLIENT_CLOSED, CLIENT_RESET, CLIENT_SILENT };

/* client_open(c, port): connect to 127.0.0.1. */
void client_open(struct client *c, int port);

/* client_open_small(c, port, receive_bytes): with a small receive buffer. */
void client_open_small(struct client *c, int port, int receive_bytes);

/* client_close(c): close and forget; harmless when closed. */
void client_close(struct client *c);

/* client_reset(c): close so that the peer sees RST. */
void client_reset(struct client *c);

/* client_half_close(c): FIN, and go on reading. */
void client_half_close(struct client *c);

/* client_send(c, text): a C string. client_send_bytes: any bytes; false: the peer is gone. */
void client_send(struct client *c, const char *text);
bool client_send_bytes(struct client *c, const void *data, size_t length);

/* client_read_some(c, wait_ms): whatever comes first. */
enum client_end client_read_some(struct client *c, int wait_ms, bool *came);

/* client_read_end(c, wait_ms): all that comes into c->in, and how it ended. */
enum client_end client_read_end(struct client *c, int wait_ms);

/* client_read_until(c, text): until the text stands in c->in. False: it never came. */
bool client_read_until(struct client *c, const char *text);

struct reply {
    int http_status;
    struct buf head; /* status line and headers, CRLF each, without the last empty line */
    struct buf body; /* decoded */
    bool chunked;
    bool keeps; /* no Connection: close */
};

/**
 * client_reply(c, r, head_only)
 * Read one complete answer, strictly, and consume it from c->in; what is behind it
 * stays. head_only: the answer to HEAD. Gives r (reply_clear). False: no whole
 * answer came.
 */
MUST_CHECK bool client_reply(struct client *c, struct reply *r, bool head_only);
void reply_clear(struct reply *r);

/* reply_has(r, line): whether the head has this line, exactly. */
bool reply_has(const struct reply *r, const char *line);

#endif
