/*
 * chat_events.c: lines to events, and braces to values.
 *
 * Called by chat_reply.c with whatever the connection gave. Lenient where servers are known to
 * be: an event is taken without the blank line behind it at the end (llama-server's [DONE]:
 * github.com/darshi1337/apogee/pull/139), and the field `error` is one (llama.cpp before
 * github.com/ggml-org/llama.cpp/pull/16109). What begins with another unknown field is a page of
 * some proxy, which the standard would let pass as an empty stream.
 */
#include "chat_events.h"

#include <string.h>

#define KEEP_MOST 16384 /* a buffer that grew beyond is given back after its event */

static void empty(struct buf *b)
{
    if (b->capacity > KEEP_MOST)
        buf_clear(b);
    else
        buf_reset(b);
}

static enum status protocol_error(struct chat_events *e, const char *why)
{
    e->wrong = why;
    return STATUS_PROTOCOL;
}

/* Adds to a buffer that one event may fill, but not exceed. */
static enum status add_bounded(struct chat_events *e, struct buf *b, const char *data,
                               size_t length)
{
    if (length > CHAT_EVENT_MOST || b->length > CHAT_EVENT_MOST - length)
        return protocol_error(e, "one event has more than 1 MiB");
    buf_add(b, data, length);
    return buf_ok(b) ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status dispatch(struct chat_events *e, chat_event_fn *each, void *arg)
{
    enum status status = STATUS_OK;
    if (e->has_data && e->data.length > 0)
        status = each(arg, e->is_error, e->data.data, e->data.length);
    e->had_event |= e->has_data;
    e->has_data = e->is_error = false;
    empty(&e->data);
    return status;
}

static bool is_field(const char *line, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(line, name, length) == 0;
}

static enum status add_data(struct chat_events *e, const char *value, size_t length)
{
    enum status status = e->has_data ? add_bounded(e, &e->data, "\n", 1) : STATUS_OK;
    e->has_data = true;
    return status ? status : add_bounded(e, &e->data, value, length);
}

static enum status take_field(struct chat_events *e, const char *name, size_t name_length,
                              const char *value, size_t length)
{
    if (is_field(name, name_length, "data"))
        return add_data(e, value, length);
    if (is_field(name, name_length, "error")) {
        e->is_error = true;
        return add_data(e, value, length);
    }
    if (is_field(name, name_length, "event"))
        e->is_error = is_field(value, length, "error");
    else if (!e->had_event && !is_field(name, name_length, "id") &&
             !is_field(name, name_length, "retry"))
        return protocol_error(e, "its answer is no event stream");
    return STATUS_OK;
}

static enum status take_line(struct chat_events *e, const char *line, size_t length,
                             chat_event_fn *each, void *arg)
{
    if (length == 0)
        return dispatch(e, each, arg);
    if (line[0] == ':')
        return STATUS_OK;
    const char *colon = memchr(line, ':', length);
    size_t name = colon ? (size_t)(colon - line) : length;
    size_t value = colon ? name + 1 : length;
    if (value < length && line[value] == ' ')
        value++;
    return take_field(e, line, name, line + value, length - value);
}

/* Where the line ends that begins here; end: not in these bytes. */
static const char *line_end(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    const char *cr = memchr(at, '\r', (size_t)((lf ? lf : end) - at));
    return cr ? cr : lf ? lf : end;
}

static enum status end_line(struct chat_events *e, const char *at, size_t length,
                            chat_event_fn *each, void *arg)
{
    if (e->line.length == 0)
        return length > CHAT_EVENT_MOST ? protocol_error(e, "one event has more than 1 MiB")
                                        : take_line(e, at, length, each, arg);
    enum status status = add_bounded(e, &e->line, at, length);
    if (status == STATUS_OK)
        status = take_line(e, e->line.data, e->line.length, each, arg);
    empty(&e->line);
    return status;
}

static enum status take_sse(struct chat_events *e, const char *at, const char *end,
                            chat_event_fn *each, void *arg)
{
    enum status status = STATUS_OK;
    while (at < end && status == STATUS_OK) {
        bool second_half = e->after_cr && *at == '\n';
        e->after_cr = false;
        if (second_half) {
            at++;
            continue;
        }
        const char *stop = line_end(at, end);
        if (stop == end)
            return add_bounded(e, &e->line, at, (size_t)(end - at));
        status = end_line(e, at, (size_t)(stop - at), each, arg);
        e->after_cr = *stop == '\r';
        at = stop + 1;
    }
    return status;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* From the first byte that was not looked at to behind the value that ends, or to the end. */
static const char *value_end(struct chat_events *e, const char *at, const char *end)
{
    while (at < end) {
        if (chat_depth_take(&e->depth, *at++)) {
            e->has_data = true;
            break;
        }
    }
    return at;
}

static enum status take_json(struct chat_events *e, const char *at, const char *end,
                             chat_event_fn *each, void *arg)
{
    while (at < end) {
        if (e->data.length == 0) {
            if (is_space(*at)) {
                at++;
                continue;
            }
            if (*at != '{' && *at != '[')
                return protocol_error(e, "its answer is not made of lines of JSON");
        }
        const char *stop = value_end(e, at, end);
        enum status status = add_bounded(e, &e->data, at, (size_t)(stop - at));
        if (status == STATUS_OK && e->has_data)
            status = dispatch(e, each, arg);
        if (status != STATUS_OK)
            return status;
        at = stop;
    }
    return STATUS_OK;
}

/* Past a byte order mark and blanks to the first byte that says what this is. */
static const char *begin(struct chat_events *e, const char *at, const char *end)
{
    while (at < end && (is_space(*at) || strchr("\xef\xbb\xbf", *at)))
        at++;
    if (at == end)
        return at;
    e->began = true;
    if (e->framing == CHAT_FRAMING_AUTO)
        e->framing = *at == '{' || *at == '[' ? CHAT_FRAMING_JSON : CHAT_FRAMING_SSE;
    return at;
}

enum status chat_events_take(struct chat_events *e, const char *data, size_t length,
                             chat_event_fn *each, void *arg)
{
    const char *at = data, *end = data + length;
    if (!e->began)
        at = begin(e, at, end);
    if (at == end)
        return STATUS_OK;
    return e->framing == CHAT_FRAMING_JSON ? take_json(e, at, end, each, arg)
                                           : take_sse(e, at, end, each, arg);
}

enum status chat_events_end(struct chat_events *e, chat_event_fn *each, void *arg)
{
    if (e->framing == CHAT_FRAMING_JSON)
        return STATUS_OK;
    enum status status = e->line.length > 0 ? end_line(e, "", 0, each, arg) : STATUS_OK;
    return status ? status : dispatch(e, each, arg);
}

void chat_events_clear(struct chat_events *e)
{
    buf_clear(&e->line);
    buf_clear(&e->data);
}
