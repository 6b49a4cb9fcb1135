/*
 * fuzz_cursor.c: any text as a cursor, any chat as a view: what is decided keeps
 * to the promises that hold in every row.
 *
 * The first bytes make the view, the rest is the text.
 */
#include "request.h"
#include "resume.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

#define JOB "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER "11111111-89ab-4cde-8f01-23456789abcd"

/* Small ids most of the time, so that they meet; the highest ones sometimes. */
static uint64_t number_of(uint8_t byte)
{
    return byte >= 0xf0 ? UINT64_MAX - (byte & 0xf) : byte & 0xf;
}

static struct chat_view view_of(const uint8_t bytes[8])
{
    struct chat_view view = {
        .state = bytes[0] % (JOB_EXPIRED + 1),
        .stream = bytes[1] % (STREAM_BROKEN + 1),
        .ended = bytes[2] & 1,
        .first = number_of(bytes[3]),
        .attempt = number_of(bytes[4]),
        .last = {number_of(bytes[5]), number_of(bytes[6])},
    };
    if (view.state != JOB_NONE)
        memcpy(view.job, JOB, sizeof JOB);
    return view;
}

static void judge(const struct cursor *cursor, const char *pinned, const struct chat_view *view)
{
    struct resume resume = resume_decide(cursor, pinned, view);
    bool with_cursor = cursor->kind == CURSOR_ENTRY;
    bool sends = resume.action == RESUME_FOLLOW || resume.action == RESUME_WAIT ||
                 resume.action == RESUME_RESET;
    REQUIRE((resume.action == RESUME_RESET) == (resume.reason != NULL));
    if (resume.action == RESUME_RESET)
        REQUIRE(with_cursor && resume.from.a == view->attempt && resume.from.n == 0);
    if (resume.action == RESUME_WAIT)
        REQUIRE(view->state == JOB_RUNNING && entry_id_compare(cursor->id, view->last) > 0);
    /* Without a reset, nothing is left out and nothing of another attempt is mixed in. */
    if (resume.action == RESUME_FOLLOW && with_cursor)
        REQUIRE(entry_id_compare(resume.from, cursor->id) == 0 &&
                (view->stream == STREAM_FOREIGN || cursor->id.a == view->attempt));
    if (cursor->kind == CURSOR_END)
        REQUIRE(resume.action == RESUME_NO_CONTENT);
    if (strcmp(pinned, OTHER) == 0)
        REQUIRE(!sends);
    if (view->stream == STREAM_BROKEN)
        REQUIRE(!sends);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cursor cursor = {.kind = CURSOR_NONE};
    char text[ENTRY_ID_SIZE + 8] = "", again[ENTRY_ID_SIZE];
    if (size < 8)
        return 0;
    struct chat_view view = view_of(bytes);
    memcpy(text, bytes + 8, min_size(size - 8, sizeof text - 1));
    if (!request_check_cursor(text, &cursor) && cursor.kind == CURSOR_ENTRY) {
        entry_id_format(cursor.id, again);
        REQUIRE(strcmp(text, again) == 0);
    }
    judge(&cursor, "", &view);
    judge(&cursor, JOB, &view);
    judge(&cursor, OTHER, &view);
    return 0;
}
