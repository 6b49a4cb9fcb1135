/*
 * render.c: entries in, frames out: which messages wait, what ends an answer, what voids it.
 *
 * Called by the hub for each follower that wants another dialect than the raw one. What messages
 * mean is fold.c's, how they look the dialects'.
 */
#include "dialect.h"

#include "json.h"
#include "sse.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REST_BYTES 4096   /* that may stay for the next message */
#define SHORT_ID_BYTES 32 /* a part's id, in the count of what is kept */

static const struct dialect *const dialects[] = {
    [RENDER_RAW] = &dialect_raw,
    [RENDER_OPENAI] = &dialect_openai,
    [RENDER_AI_SDK] = &dialect_ai_sdk,
    [RENDER_AG_UI] = &dialect_ag_ui,
};

static void copy_name(char to[JOB_NAME_SIZE], const char *from)
{
    size_t length = strnlen(from, JOB_NAME_SIZE - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

struct render *render_new(const struct render_options *options, const char *job,
                          const char *feature_id, const char *chat_id)
{
    struct render *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->options = *options;
    r->dialect = dialects[options->format];
    r->holds = options->snapshot || options->format == RENDER_AG_UI;
    r->attempt = 1;
    r->fold.usage = (struct usage){-1, -1, -1, -1};
    copy_name(r->job, *job ? job : chat_id);
    copy_name(r->feature, feature_id);
    copy_name(r->chat, *chat_id ? chat_id : job);
    return r;
}

void render_free(struct render *r)
{
    if (!r)
        return;
    fold_clear(&r->fold);
    held_clear(&r->held);
    said_clear(&r->said);
    buf_clear(&r->scratch);
    buf_clear(&r->words);
    buf_clear(&r->id);
    buf_clear(&r->before);
    buf_clear(&r->behind);
    buf_clear(&r->history);
    buf_clear(&r->ending.code);
    buf_clear(&r->ending.text);
    free(r);
}

size_t render_bytes(const struct render *r)
{
    return sizeof *r + r->history.capacity + r->held.lines.capacity + r->said.length +
           (r->said.text.capacity - r->said.text.length) +
           r->fold.parts.capacity * (sizeof *r->fold.parts.list + SHORT_ID_BYTES) +
           r->fold.finish.capacity + r->fold.metadata.capacity + r->scratch.capacity +
           r->words.capacity + r->id.capacity + r->before.capacity + r->behind.capacity +
           r->fold.model.capacity;
}

/* A long message leaves nothing behind. */
static void give_back(struct render *r)
{
    if (r->words.capacity + r->scratch.capacity <= REST_BYTES)
        return;
    buf_clear(&r->words);
    buf_clear(&r->scratch);
}

void render_begin(struct render *r, struct buf *out)
{
    if (r->dialect->begin)
        r->dialect->begin(r, out);
}

/* ---- what is held back ---- */

static void release(struct render *r, struct buf *out)
{
    size_t at = 0;
    struct part part;
    if (!r->holds)
        return;
    r->holds = false;
    if (r->held.messages > 0 && r->dialect->release)
        r->dialect->release(r, out);
    else
        while (held_next(&r->held, &at, &part))
            fold_part(r, &part, out);
    held_clear(&r->held);
}

/* ---- ends ---- */

static void end(struct render *r, enum ending_kind kind, struct slice code, struct slice words,
                struct buf *out)
{
    struct ending ending = {.kind = kind, .code = code};
    struct buf text = {0};
    json_quote(&text, words.data, words.length);
    out->failed |= text.failed;
    release(r, out);
    if (buf_ok(out)) {
        ending.text = (struct slice){.data = text.data, .length = text.length};
        fold_end(r, &ending, out);
    }
    buf_clear(&text);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){.data = text, .length = strlen(text)};
}

static struct slice or_else(struct slice slice, const char *text)
{
    return slice.length > 0 ? slice : slice_of(text);
}

static void end_as(struct render *r, const struct entry *entry, struct buf *out)
{
    switch (entry->kind) {
    case ENTRY_FAILED:
        end(r, ENDING_FAILED, or_else(entry->reason, "failed"),
            or_else(entry->detail.length > 0 ? entry->detail : entry->reason, "The job failed."),
            out);
        return;
    case ENTRY_CANCELLED:
        end(r, ENDING_CANCELLED, slice_of("cancelled"), or_else(entry->reason, "requested"), out);
        return;
    case ENTRY_EXPIRED:
        end(r, ENDING_EXPIRED, slice_of("expired"),
            slice_of("The job was not done before its deadline."), out);
        return;
    default:
        end(r, ENDING_DONE, slice_of("done"), slice_of(""), out);
    }
}

/* ---- entries ---- */

static void hold(struct render *r, const struct entry *entry, struct buf *out)
{
    struct part part;
    if (!entry->data.data)
        return;
    part_read(entry->data.data, entry->data.length, &part);
    held_add(&r->held, &part);
    r->last = entry->id;
    out->failed |= r->held.lines.failed;
    if (buf_ok(out) && r->held.lines.length > RENDER_HELD_BYTES)
        release(r, out);
}

static void take_part(struct render *r, const struct part *part, struct buf *out)
{
    fold_part(r, part, out);
    if (r->said.length > RENDER_WHOLE_BYTES)
        end(r, ENDING_FAILED, slice_of("too_long"), slice_of("The answer is too long."), out);
}

static void take_message(struct render *r, const struct entry *entry, struct buf *out)
{
    struct part part;
    if (!entry->data.data)
        return;
    part_read(entry->data.data, entry->data.length, &part);
    if (part.kind == PART_ERROR)
        release(r, out); /* it is an end */
    if (r->holds)
        hold(r, entry, out);
    else
        take_part(r, &part, out);
}

static void begin_attempt(struct render *r, uint64_t number, struct buf *out)
{
    held_clear(&r->held);
    r->attempt = number;
    if (r->options.format != RENDER_RAW)
        fold_void(r, out);
}

/* The raw format: but for what is held back, as everybody gets it. */
static void take_raw(struct render *r, const struct entry *entry, struct buf *out)
{
    bool is_end = entry_is_end(entry);
    if (r->holds && entry->kind == ENTRY_MESSAGE && !is_end) {
        hold(r, entry, out);
    } else if (r->holds && entry->kind == ENTRY_START) {
        held_clear(&r->held);
        r->attempt = entry->number;
    } else if (entry->kind != ENTRY_QUEUED) {
        release(r, out);
        sse_entry(out, entry);
    }
    r->ended = is_end;
}

bool render_entry(struct render *r, const struct entry *entry, struct buf *out)
{
    if (r->ended)
        return true;
    if (r->options.format == RENDER_RAW)
        take_raw(r, entry, out);
    else if (entry_is_end(entry))
        end_as(r, entry, out);
    else if (entry->kind == ENTRY_START)
        begin_attempt(r, entry->number, out);
    else if (entry->kind == ENTRY_MESSAGE)
        take_message(r, entry, out);
    give_back(r);
    return r->ended;
}

void render_caught_up(struct render *r, struct buf *out)
{
    if (!r->ended)
        release(r, out);
    give_back(r);
}

static void void_raw(struct render *r, struct buf *out)
{
    struct buf json = {0};
    if (r->holds)
        return;
    buf_puts(&json, "{\"job\":\"");
    dialect_put_name(&json, r->job);
    buf_printf(&json, "\",\"attempt\":%" PRIu64 ",\"reason\":\"history_lost\"}", r->attempt);
    sse_event(out, NULL, "reset", buf_text(&json), json.length);
    out->failed |= json.failed;
    buf_clear(&json);
}

bool render_void(struct render *r, uint64_t number, struct buf *out)
{
    if (r->ended)
        return true;
    begin_attempt(r, number, out);
    if (r->options.format == RENDER_RAW)
        void_raw(r, out);
    return r->ended;
}

static void end_raw(struct render *r, enum render_end how, struct buf *out)
{
    release(r, out);
    if (how == RENDER_REPLACED)
        sse_replaced(out, r->job);
    else if (how == RENDER_SUPERSEDED)
        sse_superseded(out, r->job);
    else
        sse_gone(out, r->job);
    r->ended = true;
}

void render_end(struct render *r, enum render_end how, struct buf *out)
{
    if (r->ended)
        return;
    if (r->options.format == RENDER_RAW)
        end_raw(r, how, out);
    else if (how == RENDER_REPLACED)
        end(r, ENDING_CANCELLED, slice_of("cancelled"), slice_of("replaced"), out);
    else if (how == RENDER_SUPERSEDED)
        end(r, ENDING_SUPERSEDED, slice_of("superseded"),
            slice_of("Another question has taken this answer's place."), out);
    else
        end(r, ENDING_GONE, slice_of("gone"), slice_of("Nothing is left of this answer."), out);
}
