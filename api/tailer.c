/*
 * tailer.c: the one interface over lanes.c.
 */
#include "tailer.h"

#include "lanes.h"

#include <stdlib.h>

struct tailer {
    struct lanes *lanes;
};

bool tailer_has_room(const struct tailer *t)
{
    return lanes_has_room(t->lanes);
}

enum status tailer_follow(struct tailer *t, const char *key, struct entry_id after,
                          const struct tailer_events *events, void *arg, struct tail **out)
{
    return lanes_follow(t->lanes, key, after, events, arg, out);
}

void tailer_move(struct tail *tail, struct entry_id after)
{
    lanes_move(tail, after);
}

void tailer_leave(struct tail *tail)
{
    if (tail)
        lanes_leave(tail);
}

struct tailer *tailer_new(uv_loop_t *loop, const struct settings *settings, struct redis *commands,
                          int64_t block_ms)
{
    struct tailer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->lanes = lanes_new(loop, settings, commands, block_ms);
    if (!t->lanes) {
        free(t);
        return NULL;
    }
    return t;
}

void tailer_free(struct tailer *t)
{
    if (!t)
        return;
    lanes_free(t->lanes);
    free(t);
}
