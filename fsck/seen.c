/*
 * seen.c: open addressing, at most half full.
 */
#include "seen.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

/* FNV-1a. Nobody gains from texts that collide: they are job ids and keys. */
static size_t hash_of(const char *text, size_t length)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return (size_t)(hash ^ (hash >> 32));
}

static struct seen_text *find(struct seen_text *places, size_t size, const char *text,
                              size_t length)
{
    size_t at = hash_of(text, length) & (size - 1);
    while (places[at].text &&
           (places[at].length != length || memcmp(places[at].text, text, length) != 0))
        at = (at + 1) & (size - 1);
    return &places[at];
}

static bool grow(struct seen *s)
{
    size_t size = s->size ? 2 * s->size : FIRST_SIZE;
    struct seen_text *places = calloc(size, sizeof *places);
    if (!places)
        return false;
    for (size_t i = 0; i < s->size; i++) {
        if (s->places[i].text)
            *find(places, size, s->places[i].text, s->places[i].length) = s->places[i];
    }
    free(s->places);
    s->places = places;
    s->size = size;
    return true;
}

struct seen_text *seen_get(struct seen *s, const char *text, size_t length)
{
    if (2 * s->count >= s->size && !grow(s))
        return NULL;
    struct seen_text *place = find(s->places, s->size, text, length);
    if (place->text)
        return place;
    place->text = malloc(length + 1);
    if (!place->text)
        return NULL;
    if (length > 0)
        memcpy(place->text, text, length);
    place->text[length] = '\0';
    place->length = length;
    s->count++;
    return place;
}

void seen_clear(struct seen *s)
{
    for (size_t i = 0; i < s->size; i++)
        free(s->places[i].text);
    free(s->places);
    *s = (struct seen){0};
}
