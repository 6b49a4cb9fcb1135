/**
 * histogram.h: how often which value came, in little memory and without loss of rank.
 *
 * Log-linear: values below 128 have a bucket each, above that each power of two
 * has 64. So a quantile is at most 1.6 % too low, and adding a value is a few
 * instructions. Zeroed memory is a valid empty histogram.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_BENCH_HISTOGRAM_H
#define LEAT_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 2304 /* to 2^41; what is larger counts in the last one */

struct histogram {
    uint64_t count, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* histogram_add(h, value): count one value. */
void histogram_add(struct histogram *h, uint64_t value);

/* histogram_quantile(h, part): the value that this part (0 to 1) of all does not exceed; 0 when
   empty. */
uint64_t histogram_quantile(const struct histogram *h, double part);

#endif
