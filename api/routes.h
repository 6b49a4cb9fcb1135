/**
 * routes.h: which path and method does what.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_ROUTES_H
#define LEAT_ROUTES_H

#include "request.h"
#include "server.h"

struct visit;

/* For server_new; its arg is the struct gateway. */
extern const struct server_handlers routes_handlers;

/* What is looked at beside path and query, before the body comes. */
enum route_needs {
    ROUTE_CHAT = 1,        /* feature_id and chat_id must be given */
    ROUTE_CURSOR = 2,      /* the header Last-Event-ID */
    ROUTE_KEY = 4,         /* the header Idempotency-Key */
    ROUTE_BODY = 8,        /* a body must be JSON */
    ROUTE_NEEDS_BODY = 16, /* and there must be one */
    ROUTE_FORMAT = 32,     /* the parameters of formats, and the header Accept */
    ROUTE_NAMES = 64       /* the header Leat-Chat */
};

struct route {
    const char *path;    /* a part in braces is a parameter (request.h) */
    const char *method;  /* GET stands for HEAD too */
    unsigned parameters; /* REQUEST_READS of the query, and REQUEST_PASSES_OVER */
    unsigned needs;      /* of enum route_needs */
    void (*run)(struct visit *visit);
};

/* routes_table(count): all of them. Static. */
const struct route *routes_table(size_t *count);

/* Room for all methods. */
#define ROUTES_ALLOW_SIZE 64

/**
 * routes_find(request, method, allow)
 * The route of a request whose path was read. NULL: there is none; allow is "" when
 * there is no such path either, else the methods that the path knows. Borrows all.
 */
const struct route *routes_find(const struct request *request, const char *method,
                                char allow[ROUTES_ALLOW_SIZE]);

#endif
