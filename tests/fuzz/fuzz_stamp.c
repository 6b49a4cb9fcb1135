/*
 * fuzz_stamp.c: any text as a moment, and the first bytes as a number to write.
 */
#include "stamp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

/* What is written is read again as the same moment; what lies outside as the nearest. */
static void write_and_read(int64_t ms)
{
    char text[STAMP_SIZE];
    int64_t again;
    stamp_format(ms, text);
    REQUIRE(strlen(text) == STAMP_SIZE - 1);
    REQUIRE(stamp_parse(text, strlen(text), &again));
    REQUIRE(again == min_i64(max_i64(ms, 0), STAMP_LAST_MS));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int64_t ms;
    if (stamp_parse((const char *)bytes, size, &ms)) {
        REQUIRE(ms >= 0 && ms <= STAMP_LAST_MS);
        write_and_read(ms);
    }
    if (size >= sizeof ms) {
        memcpy(&ms, bytes, sizeof ms);
        write_and_read(ms);
    }
    return 0;
}
