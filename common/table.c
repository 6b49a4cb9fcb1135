/*
 * table.c: chains in buckets, which are doubled when there are as many things.
 */
#include "table.h"

#include "id.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 256

static uint32_t hash_of(const struct table *t, const char *key, size_t length)
{
    uint32_t hash = t->seed;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    return hash ^ hash >> 16;
}

bool table_init(struct table *t)
{
    *t = (struct table){.size = SIZE_FIRST, .seed = id_random_below(UINT32_MAX)};
    t->buckets = calloc(t->size, sizeof(struct table_entry *));
    return t->buckets;
}

void table_clear(struct table *t)
{
    free(t->buckets);
    *t = (struct table){0};
}

static void link_to(struct table_entry **buckets, size_t size, struct table_entry *entry)
{
    struct table_entry **bucket = &buckets[entry->hash & (size - 1)];
    entry->next = *bucket;
    *bucket = entry;
}

static void grow(struct table *t)
{
    size_t size = 2 * t->size;
    struct table_entry **buckets = calloc(size, sizeof(struct table_entry *));
    if (!buckets)
        return;
    for (size_t i = 0; i < t->size; i++) {
        for (struct table_entry *entry = t->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            link_to(buckets, size, entry);
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->size = size;
}

void table_put(struct table *t, struct table_entry *entry, const char *key, size_t length)
{
    if (t->count >= t->size)
        grow(t);
    *entry = (struct table_entry){
        .key = key, .key_length = (uint32_t)length, .hash = hash_of(t, key, length)};
    link_to(t->buckets, t->size, entry);
    t->count++;
}

void table_take(struct table *t, struct table_entry *entry)
{
    struct table_entry **at = &t->buckets[entry->hash & (t->size - 1)];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    t->count--;
}

static struct table_entry *find_from(struct table_entry *entry, uint32_t hash, const char *key,
                                     size_t length)
{
    while (entry && (entry->hash != hash || entry->key_length != length ||
                     memcmp(entry->key, key, length) != 0))
        entry = entry->next;
    return entry;
}

struct table_entry *table_find(const struct table *t, const char *key, size_t length)
{
    uint32_t hash = hash_of(t, key, length);
    return find_from(t->buckets[hash & (t->size - 1)], hash, key, length);
}

struct table_entry *table_find_other(const struct table_entry *entry)
{
    return find_from(entry->next, entry->hash, entry->key, entry->key_length);
}
