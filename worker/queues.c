/*
 * queues.c: a list of names, cut at its commas, twice in a row: so the list that
 * begins with any of them is a part of it.
 */
#include "queues.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool queues_init(struct queues *q, const char *list)
{
    *q = (struct queues){.text = strdup(list)};
    if (!q->text)
        return false;
    char *rest = NULL;
    for (char *name = strtok_r(q->text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        assert(q->count < SETTINGS_NAMES_MOST);
        q->names[q->count++] = name;
    }
    memcpy(&q->names[q->count], q->names, q->count * sizeof q->names[0]);
    return true;
}

const char *const *queues_turn(struct queues *q)
{
    const char *const *names = &q->names[q->turn];
    q->turn = (q->turn + 1) % q->count;
    return names;
}

void queues_clear(struct queues *q)
{
    free(q->text);
    *q = (struct queues){0};
}
