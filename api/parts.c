/*
 * parts.c: a short list, looked through from its end: the newest is nearly always meant.
 */
#include "parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void parts_clear(struct parts *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->list[i].id);
    free(p->list);
    *p = (struct parts){0};
}

struct known *parts_find(const struct parts *p, enum known_kind kind, struct slice id)
{
    for (size_t i = p->count; i-- > 0;) {
        struct known *known = &p->list[i];
        if (known->id_length == id.length && known->kind == kind &&
            memcmp(known->id, id.data, id.length) == 0)
            return known;
    }
    return NULL;
}

static bool make_room(struct parts *p)
{
    if (p->count < p->capacity)
        return true;
    size_t capacity = p->capacity ? 2 * p->capacity : 4;
    struct known *list = realloc(p->list, capacity * sizeof *list);
    if (!list)
        return false;
    p->list = list;
    p->capacity = capacity;
    return true;
}

struct known *parts_add(struct parts *p, enum known_kind kind, struct slice id)
{
    assert(p->count < PARTS_MOST && id.length <= PARTS_ID_MOST);
    char *copy = malloc(id.length);
    if (!copy || !make_room(p)) {
        free(copy);
        return NULL;
    }
    memcpy(copy, id.data, id.length);
    struct known *known = &p->list[p->count++];
    *known = (struct known){.kind = kind, .open = true, .id = copy, .id_length = id.length};
    if (kind == KNOWN_CALL)
        known->number = p->calls++;
    return known;
}

void parts_remove(struct parts *p, struct known *known)
{
    size_t behind = p->count - (size_t)(known - p->list) - 1;
    free(known->id);
    memmove(known, known + 1, behind * sizeof *known);
    p->count--;
}
