/*
 * digest.c: thin over nettle.
 */
#include "digest.h"

#include <nettle/sha2.h>

void digest_sha256(const void *data, size_t length, char out[DIGEST_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx context;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    if (length > 0)
        sha256_update(&context, length, data);
    sha256_digest(&context, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    out[DIGEST_SIZE - 1] = '\0';
}
