/**
 * resp.h: commands to Redis as bytes, many in one write, with answers that are only counted.
 *
 * For the programs of the bench that must cost less than what they measure. An
 * error among the answers ends the program.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BENCH_RESP_H
#define LEAT_BENCH_RESP_H

#include "buf.h"

struct resp {
    int fd;
    uint64_t asked, answered;
    struct buf out; /* commands that are not sent yet */
    struct buf in;  /* an answer that is not whole yet */
};

/* resp_open(r, path): connect to a Unix socket. */
void resp_open(struct resp *r, const char *path);

/* resp_put(r, count, words): one more command, of C strings. Not sent yet. */
void resp_put(struct resp *r, size_t count, const char *const words[]);

/* resp_put_rendered(r, bytes, length, commands): commands that stand ready as bytes. */
void resp_put_rendered(struct resp *r, const char *bytes, size_t length, uint64_t commands);

/* resp_send(r): send what is put. Reads answers meanwhile, so that neither side blocks. */
void resp_send(struct resp *r);

/* resp_await(r, most): read answers until at most so many are owed. */
void resp_await(struct resp *r, uint64_t most);

/* resp_close(r): close and free. */
void resp_close(struct resp *r);

#endif
