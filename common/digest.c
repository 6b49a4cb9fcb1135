/*
 * digest.c: thin over nettle.
 */
#include "digest.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>

static void write_hex(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    out[2 * count] = '\0';
}

void digest_sha256(const void *data, size_t length, char out[DIGEST_SIZE])
{
    struct sha256_ctx context;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    if (length > 0)
        sha256_update(&context, length, data);
    sha256_digest(&context, sizeof bytes, bytes);
    write_hex(bytes, sizeof bytes, out);
}

void digest_sha1(const void *data, size_t length, char out[DIGEST_SHA1_SIZE])
{
    struct sha1_ctx context;
    uint8_t bytes[SHA1_DIGEST_SIZE];
    sha1_init(&context);
    if (length > 0)
        sha1_update(&context, length, data);
    sha1_digest(&context, sizeof bytes, bytes);
    write_hex(bytes, sizeof bytes, out);
}
