/**
 * id.h: names that nobody can guess, and numbers that nobody can foresee.
 *
 * All of it comes from the kernel's random source, so that neither a fork nor
 * two processes started at the same moment draw the same.
 *
 * Thread: any.
 */
#ifndef LEAT_ID_H
#define LEAT_ID_H

#include "base.h"
#include "job.h"

/* id_new(out): a new random UUID (version 4) in lower case. */
void id_new(char out[JOB_ID_SIZE]);

/* id_is_uuid(text): 8-4-4-4-12 hex digits of either case, and not a byte more. */
bool id_is_uuid(const char *text);

/* id_random_hex(out, digits): so many random hex digits and a NUL; out has room for both. */
void id_random_hex(char *out, size_t digits);

/* id_random_below(n): a number from 0 to n - 1, each as likely; 0 for n of 0 or 1. */
uint32_t id_random_below(uint32_t n);

#endif
