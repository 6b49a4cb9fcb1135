/**
 * buf.h: bytes that grow.
 *
 * A buf remembers that an allocation failed, so that a text may be put together
 * in many steps and be checked once, at the end: after a failure every further
 * step does nothing and buf_ok says no. Zeroed memory is a valid empty buf.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BUF_H
#define LEAT_BUF_H

#include "base.h"

#include <stdarg.h>

struct buf {
    char *data;      /* NUL-terminated once anything was added; NULL before */
    size_t length;   /* bytes in use, without that NUL */
    size_t capacity; /* bytes allocated */
    bool failed;
};

/* buf_clear(b): give the memory back; b is empty and usable again. */
void buf_clear(struct buf *b);

/* buf_reset(b): forget the content and a failure, keep the memory. */
void buf_reset(struct buf *b);

/* buf_reserve(b, more): make room for so many more bytes. False: no memory. */
bool buf_reserve(struct buf *b, size_t more);

/* buf_add(b, data, length): append a copy of bytes. */
void buf_add(struct buf *b, const void *data, size_t length);

/* buf_puts(b, text): append a C string. */
void buf_puts(struct buf *b, const char *text);

/* buf_putc(b, byte): append one byte. */
void buf_putc(struct buf *b, char byte);

/* buf_printf(b, format, …): append formatted text. */
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* buf_drop(b, count): remove bytes from the front; at most all of them. */
void buf_drop(struct buf *b, size_t count);

/* buf_ok(b): whether every step since the last reset found its memory. */
MUST_CHECK bool buf_ok(const struct buf *b);

/* buf_text(b): the content as a C string, never NULL. Borrowed until the next step. */
const char *buf_text(const struct buf *b);

/* buf_take(b): gives the memory (free()); b is empty. NULL when failed or never used. */
char *buf_take(struct buf *b);

#endif
