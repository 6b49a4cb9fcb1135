/**
 * feature_list.h: which features there are, as clients may know them.
 *
 * Of the file of features only names, descriptions, tasks and models: never an address,
 * a key's name or a system prompt.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_FEATURE_LIST_H
#define LEAT_FEATURE_LIST_H

#include "features.h"
#include "visit.h"

void feature_list_show(struct visit *visit);   /* GET /features */
void feature_list_models(struct visit *visit); /* GET /v1/models: in OpenAI's shape */

/* feature_list_put(out, features), feature_list_put_models(out, features, since): append what each
   of the two answers; since: seconds since 1970. Check buf_ok(out). */
void feature_list_put(struct buf *out, const struct features *features);
void feature_list_put_models(struct buf *out, const struct features *features, int64_t since);

#endif
