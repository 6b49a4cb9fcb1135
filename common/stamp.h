/**
 * stamp.h: moments as text, as RFC 3339 has it.
 *
 * What we write is always UTC with milliseconds: 2026-11-25T18:00:00.000Z. What
 * we read may have another offset and any fraction. Moments are milliseconds
 * since 1970, of the years 1970 to 9999.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_STAMP_H
#define LEAT_STAMP_H

#include "base.h"

/* Room for a moment's text and its NUL. */
#define STAMP_SIZE 25

/* The last moment of the year 9999. */
#define STAMP_LAST_MS INT64_C(253402300799999)

/**
 * stamp_format(ms, out)
 * Write a moment, terminated. One before 1970 is written as the first, one
 * behind STAMP_LAST_MS as the last.
 */
void stamp_format(int64_t ms, char out[STAMP_SIZE]);

/**
 * stamp_parse(text, length, ms)
 * Read a date, `T` or `t`, a time, perhaps a fraction of 1 to 9 digits (what is
 * below a millisecond is cut off), and `Z`, `z` or an offset ±hh:mm.
 *
 * Borrows text, which need not be terminated. False, and *ms is as it was: any
 * other form, a day or an hour that does not exist, a leap second (:60), or a
 * year, as written or in UTC, outside of 1970 to 9999.
 */
MUST_CHECK bool stamp_parse(const char *text, size_t length, int64_t *ms);

#endif
