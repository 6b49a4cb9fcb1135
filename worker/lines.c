/*
 * lines.c: the task protocol's reading half, without a process or a loop.
 *
 * Called by slot.c with whatever a pipe gave. A search for LF never looks at a
 * byte twice, and given-out bytes are moved away only when room is asked for, so
 * that a read full of tiny lines costs one move.
 *
 * The dangerous part is a task that never writes an LF: as soon as more bytes
 * than the longest line are there without one, the line is wrong; nobody waits
 * for its end.
 */
#include "lines.h"

#include "job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void lines_init(struct lines *l, size_t most)
{
    *l = (struct lines){.most = most};
}

void lines_init_shared(struct lines *l, size_t most)
{
    *l = (struct lines){.most = most, .shared = true};
}

void lines_reset(struct lines *l)
{
    buf_clear(&l->bytes);
    *l = (struct lines){.most = l->most, .shared = l->shared};
}

char *lines_room(struct lines *l, size_t size)
{
    buf_drop(&l->bytes, l->taken);
    l->taken = 0;
    if (buf_reserve(&l->bytes, size))
        return l->bytes.data + l->bytes.length;
    l->bytes.failed = false;
    return NULL;
}

void lines_filled(struct lines *l, size_t size)
{
    l->bytes.length += size;
    l->bytes.data[l->bytes.length] = '\0';
}

bool lines_is_empty(const struct lines *l)
{
    return l->taken == l->bytes.length;
}

static enum line_kind too_long(const struct lines *l, struct line *line)
{
    snprintf(line->wrong, sizeof line->wrong, "line %" PRIu64 " is longer than %zu bytes", l->count,
             l->most);
    return LINE_WRONG;
}

static enum line_kind read_control(const struct lines *l, struct line *line)
{
    json_read_control(line->data, line->length, &line->control);
    if (line->control.kind == JSON_CONTROL_DONE)
        return LINE_DONE;
    if (line->control.kind == JSON_CONTROL_FAILED)
        return LINE_FAILED;
    if (line->control.kind == JSON_CONTROL_USAGE) {
        line->data = line->control.usage;
        line->length = line->control.usage_length;
        return LINE_USAGE;
    }
    snprintf(line->wrong, sizeof line->wrong, "line %" PRIu64 " %s", l->count, line->control.wrong);
    return LINE_WRONG;
}

static enum line_kind tell(const struct lines *l, char *data, size_t length, struct line *line)
{
    struct json_info info;
    line->data = data;
    line->length = length;
    if (length > l->most)
        return too_long(l, line);
    if (!json_check(data, length, &info)) {
        snprintf(line->wrong, sizeof line->wrong, "line %" PRIu64 " is not JSON at byte %zu: %s",
                 l->count, info.offset, info.reason);
        return LINE_WRONG;
    }
    if (!info.is_object) {
        snprintf(line->wrong, sizeof line->wrong, "line %" PRIu64 " is not a JSON object",
                 l->count);
        return LINE_WRONG;
    }
    json_flatten(data, length);
    return info.is_control ? read_control(l, line) : LINE_MESSAGE;
}

/* The longest piece without an LF that may still become a good line. */
static size_t longest(const struct lines *l)
{
    return l->most + (l->shared ? JOB_ID_SIZE : 0);
}

static bool is_id_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
}

/* `<job id> <line>`. Whether there is such a job is not known here. */
static enum line_kind tell_shared(const struct lines *l, char *data, size_t length,
                                  struct line *line)
{
    size_t at = 0;
    while (at < length && at < JOB_ID_SIZE && is_id_byte(data[at]))
        at++;
    if (at != JOB_ID_SIZE - 1 || at == length || data[at] != ' ') {
        snprintf(line->wrong, sizeof line->wrong,
                 "line %" PRIu64 " does not begin with a job's id and a blank", l->count);
        return LINE_NAMELESS;
    }
    line->id = data;
    line->id_length = at;
    return tell(l, data + at + 1, length - at - 1, line);
}

/* Up to the next LF, or all there is. False: the LF has not come yet. */
static bool skip(struct lines *l)
{
    char *data = l->bytes.data + l->taken;
    size_t length = l->bytes.length - l->taken;
    char *end = memchr(data, '\n', length);
    l->taken += end ? (size_t)(end - data) + 1 : length;
    l->skipping = !end;
    return !l->skipping;
}

enum line_kind lines_next(struct lines *l, bool at_end, struct line *line)
{
    if (lines_is_empty(l) || (l->skipping && (!skip(l) || lines_is_empty(l))))
        return LINE_NONE;
    char *data = l->bytes.data + l->taken;
    size_t length = l->bytes.length - l->taken;
    char *end = memchr(data + l->searched, '\n', length - l->searched);
    if (!end && !at_end && length <= longest(l)) {
        l->searched = length;
        return LINE_NONE;
    }
    size_t used = end ? (size_t)(end - data) : length;
    l->taken += used + (end ? 1 : 0);
    l->searched = 0;
    l->skipping = !end && l->shared;
    l->count++;
    return l->shared ? tell_shared(l, data, used, line) : tell(l, data, used, line);
}
