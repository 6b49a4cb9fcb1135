/**
 * keys.h: the one place where Redis keys are made.
 *
 * A table of templates serves C (key_make) and the Lua steps (keys_lua, which
 * writes a function for each key that a script names).
 */
#ifndef LEAT_KEYS_H
#define LEAT_KEYS_H

#include "buf.h"

enum key {
    KEY_STREAM,    /* stream:<feature>:<chat> */
    KEY_CHAT,      /* chat:<feature>:<chat> */
    KEY_JOB,       /* job:<id> */
    KEY_IDEM,      /* idem:<feature>:<chat>:<key> */
    KEY_QUEUE,     /* queue:<q> */
    KEY_TURNS,     /* queue:<q>:<priority> */
    KEY_LINE,      /* queue:<q>:<priority>:<feature> */
    KEY_DELAYED,   /* queue:<q>:delayed */
    KEY_RUNNING,   /* queue:<q>:running */
    KEY_DEADLINES, /* queue:<q>:deadlines */
    KEY_DEAD,      /* queue:<q>:dead */
    KEY_WAKE,      /* queue:<q>:wake */
    KEY_TYPES,     /* queue:<q>:types */
    KEY_WORKERS,   /* workers */
    KEY_WORKER,    /* worker:<id>; also the channel its owner listens to */
    KEY_ROUTES,    /* routes */
    KEY_QUEUES,    /* queues */
    KEY_SCHEDULES, /* schedules */
    KEY_SCHEDULE,  /* schedule:<name> */
    KEY_GATEWAYS,  /* gateways: a channel only, see api/others.h */
};

/**
 * key_make(out, prefix, key, …)
 * Replace out by the key; as many texts follow as its template has places (4 at most).
 * Check buf_ok.
 */
void key_make(struct buf *out, const char *prefix, enum key key, ...);

/**
 * keys_lua(out, prefix, script)
 * Append the Lua functions that script calls: key_stream(f, c), key_job(id), …
 */
void keys_lua(struct buf *out, const char *prefix, const char *script);

#endif
