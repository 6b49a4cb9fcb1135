/*
 * feature_list.c: the features of the file, in two shapes.
 *
 * Called by the routes. Nothing of Redis is asked: it is what this gateway read last. A
 * member is written only where it stands here, so that a new one in the file stays inside.
 */
#include "feature_list.h"

#include "json.h"

#include <inttypes.h>
#include <string.h>

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ", \"%s\": ", name);
    json_quote(out, text, strlen(text));
}

static void put_feature(struct buf *out, const struct feature *f)
{
    buf_printf(out, "{\"id\": \"%s\"", f->id);
    put_member(out, "description", f->description);
    put_member(out, "task", f->task);
    if (f->model_count > 0)
        put_member(out, "model", f->models[0].model);
    else
        buf_puts(out, ", \"model\": null");
    buf_putc(out, '}');
}

void feature_list_put(struct buf *out, const struct features *features)
{
    buf_puts(out, "{\"features\": [");
    for (size_t i = 0; i < features_count(features); i++) {
        buf_puts(out, i > 0 ? ", " : "");
        put_feature(out, features_at(features, i));
    }
    buf_puts(out, "]}\n");
}

void feature_list_put_models(struct buf *out, const struct features *features, int64_t since)
{
    buf_puts(out, "{\"object\": \"list\", \"data\": [");
    for (size_t i = 0; i < features_count(features); i++)
        buf_printf(out,
                   "%s{\"id\": \"%s\", \"object\": \"model\", \"created\": %" PRId64
                   ", \"owned_by\": \"leat\"}",
                   i > 0 ? ", " : "", features_at(features, i)->id, since);
    buf_puts(out, "]}\n");
}

static void answer(struct visit *visit, struct buf *body)
{
    if (buf_ok(body))
        visit_answer(visit, 200, body);
    else
        visit_refuse_for(visit, STATUS_NO_MEMORY);
    buf_clear(body);
}

void feature_list_show(struct visit *visit)
{
    struct buf body = {0};
    feature_list_put(&body, visit->gateway->features);
    answer(visit, &body);
}

void feature_list_models(struct visit *visit)
{
    struct buf body = {0};
    feature_list_put_models(&body, visit->gateway->features, visit->gateway->features_since);
    answer(visit, &body);
}
