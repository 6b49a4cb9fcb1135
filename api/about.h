/**
 * about.h: what a gateway says of itself.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_ABOUT_H
#define LEAT_ABOUT_H

#include "visit.h"

void about_live(struct visit *visit);    /* GET /livez: it runs */
void about_ready(struct visit *visit);   /* GET /readyz: it can serve */
void about_openapi(struct visit *visit); /* GET /openapi.json */

/* The text of api/openapi.json, without its white space. (Made by scripts/embed-json.) */
extern const char about_openapi_text[];

#endif
