/**
 * chunk.h: the framing of a chunked body: size in hex, CRLF, bytes, CRLF.
 *
 * Shared by who frames what it sends (outlet.h) and who frames it once for many
 * (frames.h).
 *
 * Thread: any.
 */
#ifndef LEAT_CHUNK_H
#define LEAT_CHUNK_H

#include "base.h"

/* Room for what stands before the bytes: up to 16 hex digits, CR, LF. */
#define CHUNK_HEAD_SIZE 18

/* What stands behind them. */
#define CHUNK_TAIL "\r\n"
#define CHUNK_TAIL_SIZE 2

/* chunk_head(head, length): what stands before so many bytes, not terminated. Returns its size.
   length: not 0, which would end the body. */
size_t chunk_head(char head[CHUNK_HEAD_SIZE], size_t length);

#endif
