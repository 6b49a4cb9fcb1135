/*
 * clock.c: thin over clock_gettime, which cannot fail for these two clocks.
 */
#include "clock.h"

#include <string.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_steady_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

/* Many stamps fall into one second, and its text is most of the work. */
void clock_stamp(char out[CLOCK_STAMP_SIZE])
{
    static _Thread_local struct {
        time_t second;
        char text[CLOCK_STAMP_SIZE];
    } known = {.text = "1970-01-01T00:00:00.000000Z"};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != known.second) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        strftime(known.text, sizeof known.text, "%Y-%m-%dT%H:%M:%S.000000Z", &utc);
        known.second = now.tv_sec;
    }
    memcpy(out, known.text, CLOCK_STAMP_SIZE);
    long left = now.tv_nsec / 1000;
    for (char *digit = out + CLOCK_STAMP_SIZE - 3; left > 0; digit--, left /= 10)
        *digit = (char)('0' + left % 10);
}
