/*
 * tail_table.c: chains in buckets, which are doubled when there are as many tails. A key may have
 * more than one tail. Clients choose what stands in a key, so the hash begins with a number that
 * they do not know.
 */
#include "tail_table.h"

#include "id.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 256

static uint32_t hash_of(const struct tail_table *t, const char *key, size_t length)
{
    uint32_t hash = t->seed;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    return hash ^ hash >> 16;
}

bool tail_table_init(struct tail_table *t)
{
    *t = (struct tail_table){.size = SIZE_FIRST, .seed = id_random_below(UINT32_MAX)};
    t->buckets = calloc(t->size, sizeof(struct tail *));
    return t->buckets;
}

void tail_table_clear(struct tail_table *t)
{
    free(t->buckets);
    *t = (struct tail_table){0};
}

static void link_to(struct tail **buckets, size_t size, struct tail *tail)
{
    struct tail **bucket = &buckets[tail->hash & (size - 1)];
    tail->next = *bucket;
    *bucket = tail;
}

static void grow(struct tail_table *t)
{
    size_t size = 2 * t->size;
    struct tail **buckets = calloc(size, sizeof(struct tail *));
    if (!buckets)
        return; /* then its chains are longer */
    for (size_t i = 0; i < t->size; i++) {
        for (struct tail *tail = t->buckets[i], *next; tail; tail = next) {
            next = tail->next;
            link_to(buckets, size, tail);
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->size = size;
}

void tail_table_put(struct tail_table *t, struct tail *tail)
{
    if (t->count >= t->size)
        grow(t);
    tail->hash = hash_of(t, tail->key, tail->key_length);
    link_to(t->buckets, t->size, tail);
    t->count++;
}

void tail_table_take(struct tail_table *t, struct tail *tail)
{
    struct tail **at = &t->buckets[tail->hash & (t->size - 1)];
    while (*at != tail)
        at = &(*at)->next;
    *at = tail->next;
    t->count--;
}

static struct tail *find_from(struct tail *tail, uint32_t hash, const char *key, size_t length)
{
    while (tail && (tail->hash != hash || tail->key_length != length ||
                    memcmp(tail->key, key, length) != 0))
        tail = tail->next;
    return tail;
}

struct tail *tail_table_first(const struct tail_table *t, const char *key, size_t length)
{
    uint32_t hash = hash_of(t, key, length);
    return find_from(t->buckets[hash & (t->size - 1)], hash, key, length);
}

struct tail *tail_table_other(const struct tail *tail)
{
    return find_from(tail->next, tail->hash, tail->key, tail->key_length);
}
