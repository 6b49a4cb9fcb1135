/*
 * order.c: copies and one line of JSON.
 *
 * The payload was checked and flattened when it was put in (the design, section
 * 7), so it is one line, and goes to the task byte for byte. Everything else is
 * quoted, although names need no escapes: another program may have put the job in.
 */
#include "order.h"

#include "clock.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool order_init(struct order *o, const struct claimed *job, int64_t timeout_ms)
{
    *o = (struct order){
        .number = job->number,
        .alone = job->alone,
        .timeout_ms = timeout_ms,
        .claimed_ms = clock_steady_ms(),
    };
    buf_add(&o->payload, job->payload, job->payload_length);
    if (!buf_ok(&o->payload)) {
        buf_clear(&o->payload);
        return false;
    }
    snprintf(o->id, sizeof o->id, "%s", job->id);
    snprintf(o->owner, sizeof o->owner, "%s", job->owner);
    snprintf(o->feature_id, sizeof o->feature_id, "%s", job->feature_id);
    snprintf(o->chat_id, sizeof o->chat_id, "%s", job->chat_id);
    snprintf(o->type, sizeof o->type, "%s", job->type);
    o->holding = (struct holding){o->id, o->owner, o->feature_id, o->chat_id, job->attempt};
    return true;
}

void order_clear(struct order *o)
{
    buf_clear(&o->payload);
}

static void add_member(struct buf *line, const char *name, const char *value)
{
    buf_putc(line, '"');
    buf_puts(line, name);
    buf_puts(line, "\": ");
    json_quote(line, value, strlen(value));
    buf_puts(line, ", ");
}

void order_write(const struct order *o, const struct feature *feature, struct buf *line)
{
    int64_t left_ms = o->claimed_ms + o->timeout_ms - clock_steady_ms();
    buf_putc(line, '{');
    add_member(line, "job", o->id);
    add_member(line, "type", o->type);
    add_member(line, "feature_id", o->feature_id);
    add_member(line, "chat_id", o->chat_id);
    if (feature) {
        buf_puts(line, "\"feature\": ");
        buf_add(line, feature->json, feature->json_length);
        buf_puts(line, ", ");
    }
    buf_printf(line,
               "\"attempt\": %" PRIu64 ", \"time_left_ms\": %" PRId64 ", \"payload\": ", o->number,
               max_i64(left_ms, 0));
    if (o->payload.length > 0)
        buf_add(line, o->payload.data, o->payload.length);
    else
        buf_puts(line, "null");
    buf_puts(line, "}\n");
}
