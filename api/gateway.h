/**
 * gateway.h: one event loop's worth of leat-api.
 *
 * Server, Redis connection, hub and tailer of one loop; nothing is shared with
 * another loop's gateway but the port and the count of connections. `leat-api` runs API_LOOPS of
 * them, each in a thread of its own.
 *
 * Thread: the loop's, unless a function says otherwise.
 */
#ifndef LEAT_GATEWAY_H
#define LEAT_GATEWAY_H

#include "buf.h"
#include "features.h"
#include "hangups.h"
#include "hub.h"
#include "queue.h"
#include "redis.h"
#include "server.h"
#include "settings.h"
#include "stops.h"

#include <stdatomic.h>
#include <uv.h>

struct reaper;
struct scheduler;

/* What the loops of a process share: numbers, changed by all of them. Owner: main. */
struct gateway_shared {
    size_t loops;
    struct capacity *capacity;
    atomic_size_t with_redis; /* loops whose connection to Redis is usable */
};

struct gateway {
    const struct settings *settings;
    struct gateway_shared *shared;
    uv_loop_t loop;
    struct redis *redis;
    struct queue queue;
    struct hub *hub;
    struct hangups *hangups;
    struct server *server;
    struct reaper *reaper;
    struct stops stops;
    struct scheduler *scheduler;
    struct features *features;                /* as this loop knows them */
    int64_t features_since;                   /* seconds since 1970, by this machine's clock */
    _Atomic(struct features *) features_next; /* handed over and not yet taken; NULL for none */
    uv_async_t reload;                        /* gateway_reload, from another thread */
    uv_async_t stop;                          /* gateway_stop, from another thread */
    uv_timer_t drain;                         /* looks whether all connections are gone */
    int64_t drain_end_ms;                     /* by the loop's clock */
    size_t drain_followers;                   /* how many there were when it began */
    bool draining;
    bool was_up;
    int failure; /* the exit code; not 0 when Redis would not have us */
    /* Where Redis refuses us before it ever was up: tell the others to stop. */
    void (*on_failure)(void *arg);
    void *arg;
};

/**
 * gateway_init(g, settings, port, port_shared, shared, error)
 * Make the loop and all on it, and listen. Borrows settings and shared. It knows of no
 * features until gateway_reload.
 * False: error holds one line; the process is to end.
 * Thread: main.
 */
MUST_CHECK bool gateway_init(struct gateway *g, const struct settings *settings, int port,
                             bool port_shared, struct gateway_shared *shared, struct buf *error);

/* gateway_abandon(g): release one that was made and is not to run. Thread: main. */
void gateway_abandon(struct gateway *g);

/* gateway_run(g): serve until gateway_stop, drain, release everything but the loop. */
void gateway_run(struct gateway *g);

/* gateway_close(g): release the loop, when no other runs any more: libuv closes its descriptors
   unseen by the thread sanitizer, which would mistake one with the same number for it. Thread:
   main. */
void gateway_close(struct gateway *g);

/**
 * gateway_reload(g, features)
 * From now on new jobs are made by these; takes its own share (features_take). What is there
 * already stays as it is. Thread: any, from gateway_init until gateway_stop.
 */
void gateway_reload(struct gateway *g, struct features *features);

/* gateway_stop(g): begin to drain; harmless when repeated. Thread: any, while it runs. */
void gateway_stop(struct gateway *g);

#endif
