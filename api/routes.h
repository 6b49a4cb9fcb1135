/**
 * routes.h: which path and method does what.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_ROUTES_H
#define LEAT_ROUTES_H

#include "server.h"

/* For server_new; its arg is the struct gateway. */
extern const struct server_handlers routes_handlers;

#endif
