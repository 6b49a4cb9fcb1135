/*
 * histogram.c: a value's bucket is its highest seven bits and where they stand.
 */
#include "histogram.h"

#include <stddef.h>

#define SUB_BITS 6
#define SUB_COUNT (1U << SUB_BITS)

static size_t bucket_of(uint64_t value)
{
    if (value < 2 * SUB_COUNT)
        return (size_t)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - SUB_BITS;
    size_t bucket = (size_t)shift * SUB_COUNT + (size_t)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t least_of(size_t bucket)
{
    if (bucket < 2 * SUB_COUNT)
        return bucket;
    unsigned shift = (unsigned)(bucket / SUB_COUNT) - 1;
    return (uint64_t)(bucket - (size_t)shift * SUB_COUNT) << shift;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    if (value > h->max)
        h->max = value;
    h->buckets[bucket_of(value)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)h->count), seen = 0;
    if (wanted >= h->count)
        return h->max;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted)
            return least_of(i);
    }
    return h->max;
}
