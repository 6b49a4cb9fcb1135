/**
 * digest.h: SHA-256, the identity of a body.
 *
 * Thread: any.
 */
#ifndef LEAT_DIGEST_H
#define LEAT_DIGEST_H

#include "base.h"

#define DIGEST_SIZE 65 /* 64 hex digits and a NUL */

/* digest_sha256(data, length, out): the digest of the bytes as lower-case hex. Borrows data. */
void digest_sha256(const void *data, size_t length, char out[DIGEST_SIZE]);

#endif
