/*
 * clock.c: thin over clock_gettime, which cannot fail for these two clocks.
 */
#include "clock.h"

#include <stdio.h>
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

void clock_stamp(char out[CLOCK_STAMP_SIZE])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(out, CLOCK_STAMP_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + length, CLOCK_STAMP_SIZE - length, ".%06ldZ", now.tv_nsec / 1000);
}
