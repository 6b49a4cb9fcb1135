/**
 * digest.h: SHA-256, the identity of a body; SHA-1, the name that Redis gives a script.
 *
 * Thread: any.
 */
#ifndef LEAT_DIGEST_H
#define LEAT_DIGEST_H

#include "base.h"

#define DIGEST_SIZE 65 /* 64 hex digits and a NUL */

/* digest_sha256(data, length, out): the digest of the bytes as lower-case hex. Borrows data. */
void digest_sha256(const void *data, size_t length, char out[DIGEST_SIZE]);

#define DIGEST_SHA1_SIZE 41 /* 40 hex digits and a NUL */

/* digest_sha1(data, length, out): likewise; where Redis's protocol wants it, for nothing else. */
void digest_sha1(const void *data, size_t length, char out[DIGEST_SHA1_SIZE]);

#endif
