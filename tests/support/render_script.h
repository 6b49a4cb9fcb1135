/**
 * render_script.h: a renderer and the entries it is given, for tests.
 *
 * For the one file of a test program.
 */
#ifndef LEAT_TESTS_RENDER_SCRIPT_H
#define LEAT_TESTS_RENDER_SCRIPT_H

#include "buf.h"
#include "render.h"

#include <string.h>

#define SCRIPTED_JOB "01234567-89ab-4cde-8f01-23456789abcd"

static inline struct slice script_slice(const char *text)
{
    return (struct slice){.data = text, .length = text ? strlen(text) : 0};
}

/* A renderer as the hub makes it, with its first frames in out. */
static inline struct render *script_begin(const struct render_options *options, struct buf *out)
{
    struct render *r = render_new(options, SCRIPTED_JOB, "support", "chat-1");
    if (r)
        render_begin(r, out);
    return r;
}

static inline bool script_message(struct render *r, uint64_t n, const char *json, struct buf *out)
{
    struct entry entry = {.kind = ENTRY_MESSAGE, .id = {7, n}, .data = script_slice(json)};
    return render_entry(r, &entry, out);
}

static inline bool script_start(struct render *r, uint64_t number, const char *reason,
                                struct buf *out)
{
    struct entry entry = {.kind = ENTRY_START,
                          .id = {6 + number, 0},
                          .number = number,
                          .job = script_slice(SCRIPTED_JOB),
                          .reason = script_slice(reason)};
    return render_entry(r, &entry, out);
}

static inline bool script_end(struct render *r, enum entry_kind kind, const char *reason,
                              const char *detail, struct buf *out)
{
    struct entry entry = {.kind = kind,
                          .id = {7, 99},
                          .data = script_slice("[DONE]"),
                          .job = script_slice(SCRIPTED_JOB),
                          .reason = script_slice(reason),
                          .detail = script_slice(detail),
                          .number = 1};
    return render_entry(r, &entry, out);
}

/* What frames look like: the data of each, the last one NULL. Borrowed until the next call. */
static inline const char *script_frames(const char *const *data)
{
    static struct buf text;
    buf_clear(&text);
    for (; *data; data++)
        buf_printf(&text, "data: %s\n\n", *data);
    return buf_text(&text);
}

#endif
