/*
 * fold.c: whatever a task wrote becomes a sequence that every client understands.
 *
 * Clients end at the first delta whose part was never begun, at a step in a step, at a second
 * start. So what is missing is put in here, what comes twice is passed over, and what is open at an
 * end is closed. Called by render.c for each message, and by the dialects for fold_close.
 *
 * The dangerous part: `known` is gone with the next part that is added or removed; it is looked up
 * anew for each message and handed on at once.
 */
#include "dialect.h"

#include "json.h"

#include <string.h>

void fold_clear(struct fold *f)
{
    parts_clear(&f->parts);
    buf_clear(&f->plain_id);
    buf_clear(&f->finish);
    buf_clear(&f->metadata);
    buf_clear(&f->model);
}

static void give(struct render *r, const struct part *part, const struct known *known,
                 struct buf *out)
{
    r->dialect->part(r, part, known, out);
}

/* ---- messages of our own making ---- */

/* A message of a type and an id in r->scratch, until the next one. */
static struct part make(struct render *r, enum part_kind kind, const char *type, struct slice id,
                        struct buf *out)
{
    struct part part = {.kind = kind, .id = id};
    buf_reset(&r->scratch);
    buf_puts(&r->scratch, "{\"type\":\"");
    buf_puts(&r->scratch, type);
    buf_puts(&r->scratch, kind == PART_CALL_START ? "\",\"toolCallId\":" : "\",\"id\":");
    buf_add(&r->scratch, id.data, id.length);
    if (kind == PART_CALL_START) {
        static const char unknown[] = "\"unknown\"";
        part.name = (struct slice){.data = unknown, .length = sizeof unknown - 1};
        buf_puts(&r->scratch, ",\"toolName\":\"unknown\"");
    }
    buf_putc(&r->scratch, '}');
    out->failed |= r->scratch.failed;
    part.json = (struct slice){.data = r->scratch.data, .length = r->scratch.length};
    return part;
}

static void close_one(struct render *r, struct known *known, struct buf *out)
{
    struct part end = {.kind = PART_CALL_END, .id = parts_id(known)};
    if (known->kind == KNOWN_TEXT)
        end = make(r, PART_TEXT_END, "text-end", parts_id(known), out);
    else if (known->kind == KNOWN_REASONING)
        end = make(r, PART_REASONING_END, "reasoning-end", parts_id(known), out);
    if (buf_ok(out) && known->kind != KNOWN_APPROVAL)
        give(r, &end, known, out);
    known->open = false;
}

/* NULL: no memory. */
static struct known *add(struct render *r, enum known_kind kind, struct slice id, struct buf *out)
{
    struct parts *parts = &r->fold.parts;
    if (parts->count == PARTS_MOST) {
        if (parts->list[0].open)
            close_one(r, &parts->list[0], out);
        parts_remove(parts, &parts->list[0]);
        r->fold.forgot = true;
    }
    struct known *known = parts_add(parts, kind, id);
    if (known)
        known->step = r->fold.steps;
    else
        out->failed = true;
    return known;
}

static struct known *begin_silently(struct render *r, enum known_kind kind, struct slice id,
                                    struct buf *out)
{
    static const struct {
        enum part_kind kind;
        const char *type;
    } starts[] = {
        [KNOWN_TEXT] = {PART_TEXT_START, "text-start"},
        [KNOWN_REASONING] = {PART_REASONING_START, "reasoning-start"},
        [KNOWN_CALL] = {PART_CALL_START, "tool-input-start"},
    };
    struct known *known = parts_find(&r->fold.parts, kind, id);
    if (!known)
        known = add(r, kind, id, out);
    if (!known)
        return NULL;
    struct part start = make(r, starts[kind].kind, starts[kind].type, id, out);
    if (!buf_ok(out))
        return NULL;
    give(r, &start, known, out);
    known->open = known->begun = true;
    return known;
}

/* ---- text and reasoning ---- */

static void note_given(struct render *r, bool spoke)
{
    r->fold.gave_step = true;
    r->fold.spoke_step |= spoke;
}

static void start_text(struct render *r, enum known_kind kind, const struct part *part,
                       struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, kind, part->id);
    if (known && known->open)
        return;
    if (!known)
        known = add(r, kind, part->id, out);
    if (!known)
        return;
    give(r, part, known, out);
    known->open = known->begun = true;
    note_given(r, false);
}

static void add_text(struct render *r, enum known_kind kind, const struct part *part,
                     struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, kind, part->id);
    if (!known || !known->open)
        known = begin_silently(r, kind, part->id, out);
    if (!known)
        return;
    give(r, part, known, out);
    note_given(r, part->text.length > 2);
}

/* Reasoning that is over stays known: a dialect may have to take it back by its name. */
static void forget_text(struct render *r, struct known *known)
{
    known->open = false;
    if (known->kind == KNOWN_TEXT)
        parts_remove(&r->fold.parts, known);
}

static void end_text(struct render *r, enum known_kind kind, const struct part *part,
                     struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, kind, part->id);
    if (!known || !known->open)
        return;
    give(r, part, known, out);
    forget_text(r, known);
}

/* ---- plain messages ---- */

static struct slice plain_id(const struct render *r)
{
    const struct buf *id = &r->fold.plain_id;
    return (struct slice){.data = id->data, .length = id->length};
}

static void begin_plain(struct render *r, struct buf *out)
{
    struct buf *id = &r->fold.plain_id;
    do {
        buf_reset(id);
        buf_printf(id, "\"plain-%u\"", ++r->fold.plain);
        out->failed |= id->failed;
    } while (buf_ok(out) && parts_find(&r->fold.parts, KNOWN_TEXT, plain_id(r)));
    if (buf_ok(out) && begin_silently(r, KNOWN_TEXT, plain_id(r), out))
        note_given(r, false);
}

static void close_plain(struct render *r, struct buf *out)
{
    if (r->fold.plain_id.length == 0)
        return;
    struct known *known = parts_find(&r->fold.parts, KNOWN_TEXT, plain_id(r));
    if (known) {
        close_one(r, known, out);
        forget_text(r, known);
    }
    buf_reset(&r->fold.plain_id);
}

static void add_plain(struct render *r, const struct part *part, struct buf *out)
{
    struct part delta = {.kind = PART_TEXT_DELTA};
    if (r->fold.plain_id.length == 0)
        begin_plain(r, out);
    struct known *known = buf_ok(out) ? parts_find(&r->fold.parts, KNOWN_TEXT, plain_id(r)) : NULL;
    if (!known)
        return;
    buf_reset(&r->words);
    delta.id = plain_id(r);
    delta.text = dialect_words(part, &r->words);
    buf_reset(&r->scratch);
    buf_puts(&r->scratch, "{\"type\":\"text-delta\",\"id\":");
    buf_add(&r->scratch, delta.id.data, delta.id.length);
    buf_puts(&r->scratch, ",\"delta\":");
    buf_add(&r->scratch, delta.text.data, delta.text.length);
    buf_putc(&r->scratch, '}');
    delta.json = (struct slice){.data = r->scratch.data, .length = r->scratch.length};
    out->failed |= r->words.failed || r->scratch.failed;
    if (!buf_ok(out))
        return;
    give(r, &delta, known, out);
    note_given(r, true);
}

/* ---- tool calls ---- */

static void start_call(struct render *r, const struct part *part, struct buf *out)
{
    if (parts_find(&r->fold.parts, KNOWN_CALL, part->id))
        return;
    struct known *known = add(r, KNOWN_CALL, part->id, out);
    if (!known)
        return;
    give(r, part, known, out);
    known->begun = true;
    note_given(r, true);
}

static void add_input(struct render *r, const struct part *part, struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, KNOWN_CALL, part->id);
    if (!known)
        known = begin_silently(r, KNOWN_CALL, part->id, out);
    if (!known || !known->open)
        return;
    give(r, part, known, out);
    known->has_input |= part->text.length > 2;
    note_given(r, true);
}

static void end_input(struct render *r, const struct part *part, struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, KNOWN_CALL, part->id);
    if (!known)
        known = add(r, KNOWN_CALL, part->id, out);
    if (!known || !known->open)
        return;
    give(r, part, known, out);
    known->begun = true;
    known->open = false;
    note_given(r, true);
}

static void add_output(struct render *r, const struct part *part, struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, KNOWN_CALL, part->id);
    if (!known || known->answered)
        return;
    if (known->open)
        close_one(r, known, out);
    give(r, part, known, out);
    known->answered = !part->preliminary;
    note_given(r, true);
}

static void ask_approval(struct render *r, const struct part *part, struct buf *out)
{
    struct known *known = parts_find(&r->fold.parts, KNOWN_CALL, part->id);
    if (!known || part->name.length > PARTS_ID_MOST ||
        memchr(part->name.data, '\\', part->name.length))
        return;
    if (known->open)
        close_one(r, known, out);
    if (!parts_find(&r->fold.parts, KNOWN_APPROVAL, part->name)) {
        struct known *approval = add(r, KNOWN_APPROVAL, part->name, out);
        if (!approval)
            return;
        approval->open = false;
        known = parts_find(&r->fold.parts, KNOWN_CALL, part->id);
    }
    if (known)
        give(r, part, known, out);
}

/* ---- steps ---- */

static void remove_parts(struct render *r, unsigned from_step)
{
    struct parts *parts = &r->fold.parts;
    for (size_t i = parts->count; i-- > 0;) {
        if (parts->list[i].step >= from_step)
            parts_remove(parts, &parts->list[i]);
    }
}

void fold_close_parts(struct render *r, struct buf *out)
{
    struct parts *parts = &r->fold.parts;
    close_plain(r, out);
    for (size_t i = parts->count; i-- > 0;) {
        if (parts->list[i].open) {
            close_one(r, &parts->list[i], out);
            forget_text(r, &parts->list[i]);
        }
    }
}

static void end_step(struct render *r, struct buf *out)
{
    static const char json[] = "{\"type\":\"finish-step\"}";
    struct part part = {.kind = PART_FINISH_STEP, .json = {json, sizeof json - 1}};
    if (!r->fold.step_open)
        return;
    fold_close_parts(r, out);
    give(r, &part, NULL, out);
    r->fold.step_open = false;
}

static void start_step(struct render *r, const struct part *part, struct buf *out)
{
    struct fold *f = &r->fold;
    bool skips = f->skips_step && !f->gave_step;
    f->skips_step = false;
    if (skips && f->step_open)
        return;
    fold_close(r, out);
    f->gave_before |= f->gave_step;
    f->spoke_before |= f->spoke_step;
    f->gave_step = f->spoke_step = false;
    f->calls_before = f->parts.calls;
    f->steps++;
    f->step_open = true;
    give(r, part, NULL, out);
}

static void lose(struct render *r, struct buf *out)
{
    static const char code[] = "attempt_lost";
    static const char text[] = "\"The answer was begun anew, and what was sent of it is void.\"";
    struct ending ending = {
        .kind = ENDING_LOST, .code = {code, sizeof code - 1}, .text = {text, sizeof text - 1}};
    fold_end(r, &ending, out);
}

static void reset_step(struct render *r, struct buf *out)
{
    struct fold *f = &r->fold;
    if ((f->gave_step || f->spoke_step) && !r->dialect->take_back_step(r, out)) {
        lose(r, out);
        return;
    }
    buf_reset(&f->plain_id);
    remove_parts(r, f->steps);
    f->parts.calls = f->calls_before;
    f->gave_step = f->spoke_step = false;
}

/* ---- all of it ---- */

static void start_message(struct render *r, const struct part *part, struct buf *out)
{
    struct part metadata = {.kind = PART_METADATA, .value = part->value};
    fold_note_metadata(r, part->value, out);
    if (!r->fold.began)
        give(r, part, NULL, out);
    else if (part->value.data)
        give(r, &metadata, NULL, out);
    r->fold.began = true;
}

static void fail(struct render *r, const struct part *part, struct buf *out)
{
    static const char code[] = "error";
    struct ending ending = {
        .kind = ENDING_FAILED, .code = {code, sizeof code - 1}, .text = part->text};
    fold_end(r, &ending, out);
}

static void begin(struct render *r, struct buf *out)
{
    struct part start = {.kind = PART_START};
    if (!r->fold.began)
        start_message(r, &start, out);
}

static void pass(struct render *r, const struct part *part, struct buf *out)
{
    if (part->kind == PART_METADATA)
        fold_note_metadata(r, part->value, out);
    give(r, part, NULL, out);
    if (part->kind == PART_THING || (part->kind == PART_DATA && !part->transient))
        note_given(r, false);
}

static void take_answer(struct render *r, const struct part *part, struct buf *out)
{
    switch (part->kind) {
    case PART_TEXT_START:
        start_text(r, KNOWN_TEXT, part, out);
        return;
    case PART_TEXT_DELTA:
        add_text(r, KNOWN_TEXT, part, out);
        return;
    case PART_TEXT_END:
        end_text(r, KNOWN_TEXT, part, out);
        return;
    case PART_REASONING_START:
        start_text(r, KNOWN_REASONING, part, out);
        return;
    case PART_REASONING_DELTA:
        add_text(r, KNOWN_REASONING, part, out);
        return;
    case PART_REASONING_END:
        end_text(r, KNOWN_REASONING, part, out);
        return;
    case PART_CALL_START:
        start_call(r, part, out);
        return;
    case PART_CALL_DELTA:
        add_input(r, part, out);
        return;
    case PART_CALL_INPUT:
    case PART_CALL_BROKEN:
        end_input(r, part, out);
        return;
    case PART_APPROVAL_ASKED:
        ask_approval(r, part, out);
        return;
    case PART_APPROVAL_GIVEN:
        if (parts_find(&r->fold.parts, KNOWN_APPROVAL, part->id))
            give(r, part, NULL, out);
        return;
    default:
        add_output(r, part, out);
    }
}

static void take(struct render *r, const struct part *part, struct buf *out)
{
    switch (part->kind) {
    case PART_START:
        start_message(r, part, out);
        return;
    case PART_START_STEP:
        start_step(r, part, out);
        return;
    case PART_FINISH_STEP:
        end_step(r, out);
        return;
    case PART_RESET_STEP:
        reset_step(r, out);
        return;
    case PART_FINISH:
        fold_note_finish(r, part, out);
        return;
    case PART_ERROR:
        fail(r, part, out);
        return;
    case PART_ABORT:
    case PART_METADATA:
    case PART_THING:
    case PART_DATA:
        pass(r, part, out);
        return;
    default:
        take_answer(r, part, out);
    }
}

/* The id in its only form, so that equal ids are equal bytes. False: it is too long. */
static bool simplify(struct render *r, struct part *part, struct buf *out)
{
    struct buf text = {0};
    if (!part->id.data || part->kind == PART_START || part->kind == PART_THING ||
        part->kind == PART_DATA)
        return true;
    if (memchr(part->id.data, '\\', part->id.length)) {
        buf_reset(&r->id);
        json_read_string(part->id.data, part->id.length, &text);
        json_quote(&r->id, buf_text(&text), text.length);
        out->failed |= text.failed || r->id.failed;
        buf_clear(&text);
        part->id = (struct slice){.data = r->id.data, .length = r->id.length};
    }
    return part->id.length <= PARTS_ID_MOST;
}

void fold_part(struct render *r, const struct part *part, struct buf *out)
{
    struct part simple = *part;
    bool is_plain = part->kind == PART_PLAIN || part->kind == PART_WORDS;
    if (r->ended || part->kind == PART_NOTHING || !simplify(r, &simple, out) || !buf_ok(out))
        return;
    if (part->kind != PART_START)
        begin(r, out);
    if (is_plain) {
        add_plain(r, part, out);
    } else {
        close_plain(r, out);
        take(r, &simple, out);
    }
}

void fold_void(struct render *r, struct buf *out)
{
    struct fold *f = &r->fold;
    bool gave = f->gave_before || f->gave_step || f->spoke_before || f->spoke_step;
    if (gave && !r->dialect->take_back(r, out)) {
        lose(r, out);
        return;
    }
    struct fold anew = {.began = f->began,
                        .step_open = f->step_open,
                        .skips_step = f->step_open,
                        .steps = f->step_open,
                        .plain = f->plain,
                        .usage = {-1, -1, -1, -1}};
    fold_clear(f);
    *f = anew;
}

void fold_close(struct render *r, struct buf *out)
{
    fold_close_parts(r, out);
    end_step(r, out);
}

void fold_end(struct render *r, const struct ending *ending, struct buf *out)
{
    if (r->ended)
        return;
    begin(r, out);
    fold_close(r, out);
    r->dialect->end(r, ending, out);
    r->ended = true;
}
