/*
 * fold_notes.c: what an answer says of itself: its model, its tokens, how it finished.
 */
#include "dialect.h"

#include "json.h"

#include <string.h>

#define METADATA_MOST ((size_t)64 << 10)
#define MODEL_MOST 256

static bool note_tokens(void *arg, const struct json_member *member)
{
    struct usage *usage = arg;
    int64_t *to = strcmp(member->name, "inputTokens") == 0         ? &usage->input
                  : strcmp(member->name, "outputTokens") == 0      ? &usage->output
                  : strcmp(member->name, "reasoningTokens") == 0   ? &usage->reasoning
                  : strcmp(member->name, "cachedInputTokens") == 0 ? &usage->cached
                                                                   : NULL;
    int64_t tokens;
    /* More than this JavaScript cannot count. */
    if (to && json_read_integer(member->value, member->length, &tokens) && tokens >= 0 &&
        tokens < (int64_t)1 << 53)
        *to = tokens;
    return true;
}

static bool note_metadata(void *arg, const struct json_member *member)
{
    struct fold *f = arg;
    if (strcmp(member->name, "usage") == 0 && member->type == JSON_OBJECT) {
        f->usage = (struct usage){-1, -1, -1, -1};
        json_members(member->value, member->length, note_tokens, &f->usage);
    } else if (strcmp(member->name, "model") == 0 && member->type == JSON_STRING &&
               member->length <= MODEL_MOST) {
        buf_reset(&f->model);
        buf_add(&f->model, member->value, member->length);
    }
    return true;
}

void fold_note_metadata(struct render *r, struct slice value, struct buf *out)
{
    if (value.data && value.data[0] == '{')
        json_members(value.data, value.length, note_metadata, &r->fold);
    out->failed |= r->fold.model.failed;
}

/* The clients know these; what else a task says is another reason. */
static const char *finish_reason(struct slice reason)
{
    static const char *const known[] = {"\"stop\"", "\"length\"", "\"content-filter\"",
                                        "\"tool-calls\"", "\"error\""};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strlen(known[i]) == reason.length && memcmp(known[i], reason.data, reason.length) == 0)
            return known[i];
    }
    return "\"other\"";
}

/* It is kept until the job has ended: until then an attempt may still be void. */
void fold_note_finish(struct render *r, const struct part *part, struct buf *out)
{
    struct fold *f = &r->fold;
    fold_note_metadata(r, part->value, out);
    buf_reset(&f->finish);
    buf_reset(&f->metadata);
    if (part->text.data)
        buf_puts(&f->finish, finish_reason(part->text));
    if (part->value.length <= METADATA_MOST)
        buf_add(&f->metadata, part->value.data, part->value.length);
    out->failed |= f->finish.failed || f->metadata.failed;
}
