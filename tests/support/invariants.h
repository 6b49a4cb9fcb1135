/**
 * invariants.h: whether all keys in Redis fit together (ARCHITECTURE.md, "Invariants").
 *
 * The rules are leat-fsck's own (common/lua/fsck_shared.lua), here applied to everything in one
 * atomic look, which suits the little that a test has.
 */
#ifndef LEAT_TESTS_INVARIANTS_H
#define LEAT_TESTS_INVARIANTS_H

#include "rig.h"

/**
 * invariants_broken(rig)
 * What does not fit, a line each: word, key, sentence; "" where all is well. The tests' own rule is
 * among them: a message begins with "m" and its number. Borrowed until the next call.
 */
const char *invariants_broken(struct rig *rig);

#endif
