/**
 * snapshot.h: all of Redis at one moment: to read, to go back to, to know again.
 */
#ifndef LEAT_TESTS_SNAPSHOT_H
#define LEAT_TESTS_SNAPSHOT_H

#include "rig.h"

#define SCENE_SEPARATOR '\2' /* in words of several parts */

/**
 * What Redis holds, a line for each key, sorted. A line's words end in tabs:
 *
 *     key  type  expiry  word…
 *
 * expiry: "-" none, "low" less than half of the stream's TTL, "ttl" more. The words are a string, a
 * list's elements, a hash's "name=value", a sorted set's "member=score", both sorted, a stream's
 * entries, "id" and then " name=value" for each field; in place of each blank and "=" stands
 * SCENE_SEPARATOR.
 */
struct scene {
    char *text;
    int64_t now; /* Redis's clock, ms */
};

/* scene_read(rig): as it is now. Gives (scene_free). Two equal texts: nothing has changed but how
   long what expires has left. */
struct scene scene_read(struct rig *rig);
void scene_free(struct scene *scene);

/**
 * A scene that is read right behind the step that is made next, in one round trip with it.
 *
 * scene_watch_open/_close: once for a rig. scene_watch_arm(w): the scene is asked for behind what
 * is sent before the rig's loop turns next. scene_watch_take(w): await it, or read it now where the
 * loop has not turned. Gives (scene_free). scene_watch_drop(w): it is not wanted.
 */
struct scene_watch {
    struct rig *rig;
    uv_prepare_t turn;
    struct scene scene;
    bool sent, answered, closed;
};

void scene_watch_open(struct scene_watch *w, struct rig *rig);
void scene_watch_arm(struct scene_watch *w);
struct scene scene_watch_take(struct scene_watch *w);
void scene_watch_drop(struct scene_watch *w);
void scene_watch_close(struct scene_watch *w);

/* The words of one line, or the fields of one entry: borrowed, not terminated. */
struct words {
    const char *at, *end;
};

/* scene_line(text, key): the words behind the key's expiry; NULLs where there is no such key. */
struct words scene_line(const char *text, const char *key);

/* words_next(words, out): cut the first word off; false, and no bytes: there is none. */
bool words_next(struct words *words, struct words *out);

/* words_field(words, name, out, size): the value of `name` in a hash's words or in an entry; ""
   and false where there is none, or no room. */
bool words_field(struct words words, const char *name, char *out, size_t size);

/* What it takes to make Redis the same again. */
struct snapshot {
    char *bytes;
    size_t length;
};

/* snapshot_take(rig): as it is now. Gives (free bytes). */
struct snapshot snapshot_take(struct rig *rig);

/* snapshot_restore(rig, snapshot): sent, not awaited: what is sent after it finds Redis restored.
   What expires has as long left as it had then. */
void snapshot_restore(struct rig *rig, const struct snapshot *snapshot);

/* A scene's name: two scenes of one name differ in nothing that a step looks at. */
struct fingerprint {
    uint64_t high, low;
};

/**
 * scene_fingerprint(scene, knowledge)
 * knowledge: what the actors know, in further lines of the same form and of type "actor".
 *
 * Left out: a time's value (only whether a score is past), an attempt's (A) value (only its rank
 * among all that occur), which of the workers w1 and w2 is which, and what tells people something
 * and steps nothing (history, reasons, last words, who is alive, wake tokens, how many were taken).
 * Of `in` and `out` the difference counts.
 */
struct fingerprint scene_fingerprint(const struct scene *scene, const char *knowledge);

#endif
