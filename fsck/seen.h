/**
 * seen.h: which texts were seen, and a number for each.
 *
 * A hash table that only grows. Zeroed memory is a valid empty one.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_SEEN_H
#define LEAT_SEEN_H

#include "base.h"

struct seen_text {
    char *text; /* NUL-terminated; NULL: an empty place */
    size_t length;
    int number;
};

struct seen {
    struct seen_text *places;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

/**
 * seen_get(s, text, length)
 * The text's place, made with the number 0 where it is new. Borrowed until the next
 * seen_get. NULL: no memory.
 */
MUST_CHECK struct seen_text *seen_get(struct seen *s, const char *text, size_t length);

/* seen_clear(s): give the memory back; s is empty and usable again. */
void seen_clear(struct seen *s);

#endif
