/**
 * promises.h: what must be so after each step of the actors, whatever the order.
 */
#ifndef LEAT_TESTS_PROMISES_H
#define LEAT_TESTS_PROMISES_H

#include "actors.h"
#include "snapshot.h"

/* Before a move. Both borrowed. */
struct moment {
    const struct memory *memory;
    const struct scene *scene;
};

/**
 * promises_judge(s, before, after)
 * After the move s: Redis is as s->memory has it, and the promises hold that one moment alone
 * cannot show. What is broken becomes lines of s->wrong.
 */
void promises_judge(struct step *s, const struct moment *before, const struct scene *after);

/**
 * promises_end(s)
 * That the chat's job can still be brought to an end: what is held is given up by time and a reap,
 * then one claim and one finish do it. Redis is not as it was afterwards.
 */
void promises_end(struct step *s);

#endif
