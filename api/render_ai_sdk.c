/*
 * render_ai_sdk.c: the UI message stream of the AI SDK, version 1 [vercel/ai: ui-message-chunks.ts,
 * process-ui-message-stream.ts].
 *
 * The vocabulary is this dialect's, so messages pass as they stand. `finish` comes when the job has
 * ended and not before, since an attempt may still be void until then, and it always comes: a
 * transport that does not see it asks again for ever.
 */
#include "dialect.h"

#include "json.h"

#include <string.h>

static void put_start(const struct render *r, const struct part *part, struct buf *out)
{
    buf_puts(out, "data: {\"type\":\"start\",\"messageId\":");
    if (part->id.data)
        buf_add(out, part->id.data, part->id.length);
    else
        json_quote(out, r->job, strlen(r->job));
    if (part->value.data) {
        buf_puts(out, ",\"messageMetadata\":");
        dialect_put(out, part->value);
    }
    buf_puts(out, "}\n\n");
}

static void put_metadata(const struct part *part, struct buf *out)
{
    buf_puts(out, "data: {\"type\":\"message-metadata\",\"messageMetadata\":");
    dialect_put(out, part->value);
    buf_puts(out, "}\n\n");
}

static void put_part(struct render *r, const struct part *part, const struct known *known,
                     struct buf *out)
{
    (void)known;
    switch (part->kind) {
    case PART_START:
        put_start(r, part, out);
        return;
    case PART_METADATA:
        put_metadata(part, out);
        return;
    case PART_CALL_END: /* no word for it, and none is needed */
        return;
    default:
        dialect_frame(out, part->json);
    }
}

static bool take_back_step(struct render *r, struct buf *out)
{
    (void)r;
    buf_puts(out, "data: {\"type\":\"reset-step\"}\n\n");
    return true;
}

/* reset-step reaches as far as the last start-step and no further. */
static bool take_back(struct render *r, struct buf *out)
{
    return !r->fold.gave_before && take_back_step(r, out);
}

static void put_text(struct buf *out, const char *before, struct slice text)
{
    buf_puts(out, before);
    buf_add(out, text.data, text.length);
    buf_puts(out, "}\n\n");
}

static void put_finish(const struct render *r, const char *reason, struct buf *out)
{
    const struct fold *f = &r->fold;
    buf_puts(out, "data: {\"type\":\"finish\",\"finishReason\":");
    buf_puts(out, reason);
    if (f->metadata.length > 0) {
        buf_puts(out, ",\"messageMetadata\":");
        dialect_put(out, (struct slice){f->metadata.data, f->metadata.length});
    }
    buf_puts(out, "}\n\n");
}

static void end(struct render *r, const struct ending *ending, struct buf *out)
{
    switch (ending->kind) {
    case ENDING_DONE:
        put_finish(r, r->fold.finish.length > 0 ? r->fold.finish.data : "\"stop\"", out);
        break;
    case ENDING_CANCELLED:
    case ENDING_SUPERSEDED:
    case ENDING_GONE:
        put_text(out, "data: {\"type\":\"abort\",\"reason\":", ending->text);
        put_finish(r, "\"other\"", out);
        break;
    default:
        put_text(out, "data: {\"type\":\"error\",\"errorText\":", ending->text);
        put_finish(r, "\"error\"", out);
    }
    buf_puts(out, "data: [DONE]\n\n");
}

const struct dialect dialect_ai_sdk = {
    .part = put_part,
    .take_back = take_back,
    .take_back_step = take_back_step,
    .end = end,
};
