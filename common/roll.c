/*
 * roll.c: chains behind a table of heads that never grows.
 *
 * Asked once for each line of a shared process, so it does little: ids are made
 * at random, and any cheap mixture of their bytes spreads well.
 */
#include "roll.h"

#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct roll *r, const char *id, size_t length)
{
    uint64_t hash = 14695981039346656037U;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)id[i]) * 1099511628211U;
    return (size_t)(hash ^ hash >> 32) & r->mask;
}

bool roll_init(struct roll *r, size_t about)
{
    size_t heads = 16;
    while (heads < about)
        heads *= 2;
    *r = (struct roll){.heads = calloc(heads, sizeof *r->heads), .mask = heads - 1};
    return r->heads != NULL;
}

void roll_clear(struct roll *r)
{
    free(r->heads);
    *r = (struct roll){0};
}

void roll_put(struct roll *r, struct roll_entry *entry)
{
    struct roll_entry **head = &r->heads[place_of(r, entry->id, strlen(entry->id))];
    entry->next = *head;
    *head = entry;
    r->count++;
}

void roll_take(struct roll *r, struct roll_entry *entry)
{
    struct roll_entry **at = &r->heads[place_of(r, entry->id, strlen(entry->id))];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    r->count--;
}

struct roll_entry *roll_find(const struct roll *r, const char *id, size_t length)
{
    if (length >= JOB_ID_SIZE)
        return NULL;
    struct roll_entry *entry = r->heads[place_of(r, id, length)];
    while (entry && (memcmp(entry->id, id, length) != 0 || entry->id[length] != '\0'))
        entry = entry->next;
    return entry;
}
