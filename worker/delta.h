/**
 * delta.h: pieces of a growing text, as messages: which two are one.
 *
 * A model's task writes a message for each token. Those that arrive while others are
 * on their way to Redis need not travel as many: two pieces of the same part, one
 * behind the other, say the same as one with both texts. They are recognised in the
 * form in which tasks write them, byte for byte, and any other is left alone:
 *
 *     {"type":"text-delta","id":"0","delta":"…"}           reasoning-delta likewise
 *     {"type":"tool-input-delta","toolCallId":"c","inputTextDelta":"…"}
 *
 * the same with one blank behind each comma and colon. The text comes last, so that
 * to join is to put more bytes before the closing quote. Pure. Thread: any.
 */
#ifndef LEAT_DELTA_H
#define LEAT_DELTA_H

#include "base.h"
#include "buf.h"

/* What one joined message has at most. */
#define DELTA_MOST_BYTES (16 << 10)

/**
 * delta_head(data, length)
 * Bytes of a message up to its text, the opening quote included: two with the same head are
 * pieces of the same text. 0: it is no delta. Borrows data: a checked JSON object on one line.
 */
size_t delta_head(const char *data, size_t length);

/**
 * delta_join(bytes, head, data, length)
 * Append a delta's text to the delta that bytes end with; both have this head.
 * False: no memory, nothing changed.
 */
MUST_CHECK bool delta_join(struct buf *bytes, size_t head, const char *data, size_t length);

#endif
