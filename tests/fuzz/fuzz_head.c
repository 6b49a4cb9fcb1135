/*
 * fuzz_head.c: any bytes as a request's head. The judgement is final: what follows a
 * complete or refused head changes nothing, and every shorter beginning says the same
 * or "more". A good head has only lines that can be read in one way.
 */
#include "raw_head.h"

#include "exchange.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void require_clean(const char *data, size_t length)
{
    REQUIRE(length >= 4 && length <= RAW_HEAD_MAX);
    REQUIRE(memcmp(data + length - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)data[i];
        REQUIRE((byte >= ' ' && byte != 127) || strchr("\r\n\t", byte));
        REQUIRE(byte != '\r' || data[i + 1] == '\n');
        REQUIRE(byte != '\n' || (i > 0 && data[i - 1] == '\r'));
        REQUIRE(byte != '\n' || i + 1 == length || (data[i + 1] != ' ' && data[i + 1] != '\t'));
        REQUIRE(byte != 0);
    }
}

static void require_same(const char *data, size_t length, enum raw_head_verdict verdict,
                         const struct raw_head *head)
{
    struct raw_head other;
    enum raw_head_verdict shorter = raw_head_read(data, length, &other);
    REQUIRE(shorter == verdict || shorter == RAW_HEAD_MORE);
    if (shorter != RAW_HEAD_MORE)
        REQUIRE(other.http_status == head->http_status && other.fault == head->fault &&
                other.length == head->length && other.parts == head->parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct raw_head head;
    enum raw_head_verdict verdict = raw_head_read(data, size, &head);
    REQUIRE(verdict != RAW_HEAD_MORE || size <= RAW_HEAD_MAX);
    REQUIRE((verdict == RAW_HEAD_REFUSED) == (head.http_status != 0));
    REQUIRE((verdict == RAW_HEAD_REFUSED) == (head.fault != NULL));
    REQUIRE((verdict == RAW_HEAD_GOOD) == (head.length != 0));
    REQUIRE(head.method.length <= EXCHANGE_METHOD_MAX);
    REQUIRE(head.target.length <= EXCHANGE_TARGET_MAX);
    if (verdict == RAW_HEAD_GOOD) {
        REQUIRE(head.method.length > 0 && head.target.length > 0);
        REQUIRE(head.parts <= RAW_HEAD_PARTS_MAX);
        require_clean(data, head.length);
    }
    size_t step = size > 512 ? size / 128 : 1;
    for (size_t i = 0; i < size; i += step)
        require_same(data, i, verdict, &head);
    return 0;
}
