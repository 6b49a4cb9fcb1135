/*
 * render_ag_ui_join.c: what was there before a follower came, as one MESSAGES_SNAPSHOT; then what
 * is still open begins once more, so that the tail has where to go.
 *
 * The messages that were held back go through fold.c like any other, but to a dialect that writes
 * no events: it puts the snapshot's messages together.
 */
#include "render_ag_ui.h"

#include <string.h>

/* Lives for as long as the messages that were held back are gone through. */
struct building {
    struct buf messages; /* of the steps that are over, a comma behind each */
    struct said said;    /* of the step */
    struct buf results;  /* what its tools returned: messages, likewise */
    struct buf customs;  /* frames: what is no message */
    unsigned calls_before;
};

static void put_thoughts(const struct render *r, unsigned step, struct buf *out)
{
    const struct said *said = &r->building->said;
    for (size_t i = 0; i < said->thought_count; i++) {
        const struct buf *id = &said->thoughts[i].id, *text = &said->thoughts[i].text;
        buf_puts(out, "{\"id\":");
        render_ag_ui_put_id_below(r, step, ".reasoning.", (struct slice){id->data, id->length},
                                  out);
        buf_puts(out, ",\"role\":\"reasoning\",\"content\":\"");
        buf_add(out, text->data, text->length);
        buf_puts(out, "\"},");
    }
}

static void put_message(const struct render *r, unsigned step, struct buf *out)
{
    const struct said *said = &r->building->said;
    if (said->text.length == 0 && said->call_count == 0)
        return;
    buf_puts(out, "{\"id\":");
    render_ag_ui_open_id(r, step, out);
    buf_puts(out, "\",\"role\":\"assistant\",\"content\":\"");
    buf_add(out, said->text.data, said->text.length);
    buf_putc(out, '"');
    if (said->call_count > 0) {
        buf_puts(out, ",\"toolCalls\":");
        said_put_calls(said, out);
    }
    buf_puts(out, "},");
}

/* In the order in which a model would want them back. */
static void finish_building(struct render *r, unsigned step)
{
    struct building *b = r->building;
    put_thoughts(r, step, &b->messages);
    put_message(r, step, &b->messages);
    buf_add(&b->messages, b->results.data, b->results.length);
    b->messages.failed |= b->said.failed || b->results.failed;
    b->calls_before = r->fold.parts.calls;
    said_clear(&b->said);
    buf_reset(&b->results);
}

static void build_result(const struct render *r, const struct part *part, const struct known *known)
{
    struct buf *to = &r->building->results;
    if (part->preliminary)
        return;
    buf_puts(to, "{\"id\":");
    render_ag_ui_put_id_below(r, known->step, ".result.", part->id, to);
    render_ag_ui_put_member(to, ",\"role\":\"tool\",\"toolCallId\":", part->id);
    render_ag_ui_put_content(part, to);
    buf_puts(to, "},");
}

static void build(struct render *r, const struct part *part, const struct known *known,
                  struct buf *out)
{
    struct building *b = r->building;
    (void)out;
    switch (part->kind) {
    case PART_START_STEP:
        if (r->fold.steps > 1) /* what was before the first step is the same message */
            finish_building(r, r->fold.steps - 1);
        return;
    case PART_FINISH_STEP:
        return;
    case PART_OUTPUT:
    case PART_OUTPUT_ERROR:
    case PART_OUTPUT_DENIED:
        build_result(r, part, known);
        return;
    default:
        if (known)
            said_take(&b->said, part, known, b->calls_before);
        if (!known || part->kind == PART_APPROVAL_ASKED)
            render_ag_ui_put_rest(r, part, known, &b->customs);
    }
}

static void reopen_call(const struct render *r, const struct known *known, struct buf *out)
{
    const struct building *b = r->building;
    size_t at = known->number - b->calls_before;
    if (at < b->said.call_count) {
        const struct buf *name = &b->said.calls[at].name;
        render_ag_ui_start_call(r, parts_id(known), (struct slice){name->data, name->length}, out);
    }
}

/* What is not over yet begins once more: a client adds to what the snapshot has. */
static void reopen(struct render *r, struct buf *out)
{
    const struct parts *parts = &r->fold.parts;
    if (r->fold.step_open)
        render_ag_ui_put_step(r, "STEP_STARTED", out);
    for (size_t i = 0; i < parts->count; i++) {
        const struct known *known = &parts->list[i];
        if (!known->open)
            continue;
        if (known->kind == KNOWN_TEXT)
            render_ag_ui_start_text(r, out);
        else if (known->kind == KNOWN_REASONING)
            render_ag_ui_start_reasoning(r, known, out);
        else
            reopen_call(r, known, out);
    }
}

static const struct dialect building = {.part = build};

void render_ag_ui_release(struct render *r, struct buf *out)
{
    struct building b = {0};
    struct buf open = {0};
    struct part part;
    size_t at = 0;
    r->building = &b;
    r->dialect = &building;
    while (held_next(&r->held, &at, &part))
        fold_part(r, &part, out);
    r->dialect = &dialect_ag_ui;
    reopen(r, &open);
    finish_building(r, r->fold.steps);
    if (b.messages.length > 0)
        render_ag_ui_put_snapshot(r, &b.messages, out);
    buf_add(out, b.customs.data, b.customs.length);
    buf_add(out, open.data, open.length);
    out->failed |= b.messages.failed || b.customs.failed || open.failed;
    r->building = NULL;
    buf_clear(&b.messages);
    buf_clear(&b.results);
    buf_clear(&b.customs);
    buf_clear(&open);
}
