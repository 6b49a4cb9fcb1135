/**
 * report.h: a load's result as one JSON object on standard output.
 *
 * Thread: main.
 */
#ifndef LEAT_BENCH_REPORT_H
#define LEAT_BENCH_REPORT_H

#include "clients.h"

/* report_print(o, result): print it, on one line. */
void report_print(const struct load_options *o, const struct load_result *result);

#endif
