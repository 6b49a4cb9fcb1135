/**
 * meter.h: what other processes use, by their ids: CPU and resident memory.
 *
 * Thread: any.
 */
#ifndef LEAT_BENCH_METER_H
#define LEAT_BENCH_METER_H

#include <stdint.h>
#include <sys/types.h>

/* meter_cpu_us(pid): CPU of one process, all its threads. -1: it is gone. */
double meter_cpu_us(pid_t pid);

/* meter_below_cpu_us(pid): CPU of all processes below one, also those it has waited for. */
double meter_below_cpu_us(pid_t pid);

/* meter_rss_kib(pid): its resident memory. -1: it is gone. */
int64_t meter_rss_kib(pid_t pid);

#endif
