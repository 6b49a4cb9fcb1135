/**
 * clock.h: the two clocks.
 *
 * The steady clock measures waits, and is all that a decision may rest on in
 * this process. The wall clock is for people (logs, messages). Times that
 * several processes must agree on come from Redis (TIME, inside the scripts).
 */
#ifndef LEAT_CLOCK_H
#define LEAT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/**
 * clock_steady_ms()
 * Milliseconds that never go backwards, from an arbitrary origin.
 * Thread: any.
 */
int64_t clock_steady_ms(void);

/**
 * clock_wall_ms()
 * Milliseconds since 1970 (UTC) by this machine's clock.
 * Thread: any.
 */
int64_t clock_wall_ms(void);

/* Room for clock_stamp's text and its NUL. */
#define CLOCK_STAMP_SIZE 28

/**
 * clock_stamp(out)
 * The wall clock as RFC 3339 in UTC with microseconds:
 * 2025-10-01T09:00:00.000000Z.
 * Thread: any.
 */
void clock_stamp(char out[CLOCK_STAMP_SIZE]);

#endif
