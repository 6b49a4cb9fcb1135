/**
 * invariants.h: whether all keys in Redis fit together (ARCHITECTURE.md, "Invariants").
 */
#ifndef LEAT_TESTS_INVARIANTS_H
#define LEAT_TESTS_INVARIANTS_H

#include "rig.h"

/* invariants_broken(rig): what does not fit, a line each; "" where all is well. Borrowed, as cli's
   answers are. */
const char *invariants_broken(struct rig *rig);

#endif
