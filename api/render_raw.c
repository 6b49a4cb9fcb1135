/*
 * render_raw.c: what is there already as one event `snapshot`; behind it everything is as sse.h
 * has it, and no dialect is asked.
 */
#include "dialect.h"

#include "json.h"
#include "sse.h"

#include <inttypes.h>
#include <string.h>

static bool is_text(const struct part *part)
{
    return part->kind == PART_TEXT_DELTA || part->kind == PART_WORDS;
}

static void put_text(const struct held *held, struct buf *out)
{
    size_t at = 0;
    struct part part;
    while (held_next(held, &at, &part)) {
        if (is_text(&part)) {
            struct slice inside = part_inside(part.text);
            buf_add(out, inside.data, inside.length);
        }
    }
}

/* What is not text stands as it is, in its order. */
static void put_parts(const struct held *held, struct buf *out)
{
    size_t at = 0;
    struct part part;
    const char *comma = "";
    while (held_next(held, &at, &part)) {
        if (is_text(&part) || part.kind == PART_TEXT_START || part.kind == PART_TEXT_END)
            continue;
        buf_puts(out, comma);
        buf_add(out, part.json.data, part.json.length);
        comma = ",";
    }
}

static void release(struct render *r, struct buf *out)
{
    struct buf json = {0};
    char id[ENTRY_ID_SIZE];
    entry_id_format(r->last, id);
    buf_puts(&json, "{\"job\":\"");
    dialect_put_name(&json, r->job);
    buf_printf(&json, "\",\"attempt\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"text\":\"", r->attempt,
               r->held.messages);
    put_text(&r->held, &json);
    buf_puts(&json, "\",\"parts\":[");
    put_parts(&r->held, &json);
    buf_puts(&json, "]}");
    sse_event(out, id, "snapshot", buf_text(&json), json.length);
    out->failed |= json.failed;
    buf_clear(&json);
}

const struct dialect dialect_raw = {.release = release};
