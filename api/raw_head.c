/*
 * raw_head.c: see raw_head.h. The request line is read byte by byte, so that the
 * first wrong byte is refused when it comes; headers line by line.
 *
 * The dangerous part: a fault may depend only on the bytes up to its own line's end,
 * or the same head would be judged differently in one piece and in two. So each line
 * is measured first, and then looked into. tests/fuzz/fuzz_head.c holds us to it.
 */
#include "raw_head.h"

#include "exchange.h"
#include "head.h"

#include <string.h>
#include <strings.h>

struct reading {
    const char *begin;
    const char *at; /* where the next line begins */
    const char *end;
    struct head fields;
    struct raw_head *head;
};

static enum raw_head_verdict refuse(struct reading *r, int http_status, const char *fault)
{
    r->head->http_status = http_status;
    r->head->fault = fault;
    return RAW_HEAD_REFUSED;
}

/* How often one of the bytes stands in a text. */
static size_t count_bytes(const char *data, size_t length, char one, char other)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += data[i] == one || data[i] == other;
    return count;
}

/* ---- the request line ---- */

static enum raw_head_verdict read_method(struct reading *r)
{
    size_t most = (size_t)(r->end - r->at);
    size_t length = 0;
    while (length < most && length <= EXCHANGE_METHOD_MAX && head_is_token_byte(r->at[length]))
        length++;
    if (length > EXCHANGE_METHOD_MAX)
        return refuse(r, 400, "The method is not known.");
    if (length == most)
        return RAW_HEAD_MORE;
    if (length == 0 || r->at[length] != ' ')
        return refuse(r, 400, "The method is not a token.");
    r->head->method = (struct raw_text){r->at, length};
    r->at += length + 1;
    return RAW_HEAD_GOOD;
}

static enum raw_head_verdict read_target(struct reading *r)
{
    size_t most = (size_t)(r->end - r->at);
    size_t length = 0;
    while (length < most && length <= EXCHANGE_TARGET_MAX && r->at[length] > ' ' &&
           r->at[length] <= '~')
        length++;
    if (length > EXCHANGE_TARGET_MAX)
        return refuse(r, 414, "The target is too long.");
    if (length == most)
        return RAW_HEAD_MORE;
    if (length == 0 || r->at[length] != ' ')
        return refuse(r, 400, "The target has a byte that must be percent-encoded.");
    r->head->target = (struct raw_text){r->at, length};
    if (memchr(r->at, '?', length))
        r->head->parts += 1 + count_bytes(r->at, length, '&', '&');
    r->at += length + 1;
    return RAW_HEAD_GOOD;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static enum raw_head_verdict read_version(struct reading *r)
{
    static const char form[] = "HTTP/0.0\r\n"; /* 0: any digit */
    size_t most = (size_t)(r->end - r->at);
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (i == most)
            return RAW_HEAD_MORE;
        if (form[i] == '0' ? !is_digit(r->at[i]) : r->at[i] != form[i])
            return refuse(r, 400, "The request line does not end with a version and CR LF.");
    }
    if (r->at[5] != '1')
        return refuse(r, 505, "The versions understood are HTTP/1.0 and HTTP/1.1.");
    r->fields.needs_host = r->at[7] != '0';
    r->at += sizeof form - 1;
    return RAW_HEAD_GOOD;
}

/* Some clients end a request with one line end too many; one before the next is passed over. */
static enum raw_head_verdict skip_line_end(struct reading *r)
{
    size_t most = (size_t)(r->end - r->at);
    if (most > 0 && most < 2 && *r->at == '\r')
        return RAW_HEAD_MORE;
    if (most >= 2 && memcmp(r->at, "\r\n", 2) == 0)
        r->at += 2;
    return RAW_HEAD_GOOD;
}

static enum raw_head_verdict read_line(struct reading *r)
{
    enum raw_head_verdict verdict = skip_line_end(r);
    if (verdict == RAW_HEAD_GOOD)
        verdict = read_method(r);
    if (verdict == RAW_HEAD_GOOD)
        verdict = read_target(r);
    if (verdict == RAW_HEAD_GOOD)
        verdict = read_version(r);
    return verdict;
}

/* ---- headers ---- */

/* Whether a line that ends there, or goes on from there, still fits. */
static bool fits(const struct reading *r, const char *end)
{
    return (size_t)(end - r->begin) <= RAW_HEAD_MAX && r->head->parts <= RAW_HEAD_PARTS_MAX;
}

static bool is(struct raw_text name, const char *wanted)
{
    return name.length == strlen(wanted) && strncasecmp(name.data, wanted, name.length) == 0;
}

/* One header; stop is the CR that ends its line. */
static enum raw_head_verdict read_field(struct reading *r, const char *stop)
{
    const char *colon = memchr(r->at, ':', (size_t)(stop - r->at));
    struct raw_text name = {r->at, (size_t)((colon ? colon : stop) - r->at)};
    struct raw_text value = {stop, 0};
    if (colon) {
        for (value.data = colon + 1; value.data < stop; value.data++) {
            if (*value.data != ' ' && *value.data != '\t')
                break;
        }
        value.length = (size_t)(stop - value.data);
    }
    r->head->parts++;
    if (is(name, "Cookie")) {
        r->head->parts += 1 + count_bytes(value.data, value.length, ';', ',');
        r->head->cookies += value.length + 1;
    }
    if (!fits(r, stop + 2))
        return refuse(r, 431, "The head is too large.");
    if (*r->at == ' ' || *r->at == '\t')
        return refuse(r, 400, "A header is folded.");
    if (!colon)
        return refuse(r, 400, "A header has no colon.");
    head_check_field(&r->fields, name.data, name.length, value.data, value.length);
    if (r->fields.fault)
        return refuse(r, 400, r->fields.fault);
    if (is(name, "Origin"))
        r->head->origin = value;
    return RAW_HEAD_MORE;
}

static enum raw_head_verdict finish(struct reading *r)
{
    head_check_end(&r->fields);
    if (r->fields.fault)
        return refuse(r, 400, r->fields.fault);
    if (r->fields.content_length == UINT64_MAX)
        return refuse(r, 413, "The body is too long.");
    r->head->length = (size_t)(r->at - r->begin);
    return RAW_HEAD_GOOD;
}

static enum raw_head_verdict read_fields(struct reading *r)
{
    for (;;) {
        const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
        if (!fits(r, stop ? stop + 1 : r->end))
            return refuse(r, 431, "The head is too large.");
        if (!stop)
            return RAW_HEAD_MORE;
        if (stop == r->at || stop[-1] != '\r')
            return refuse(r, 400, "A line does not end with CR LF.");
        const char *line = r->at;
        enum raw_head_verdict verdict = stop - 1 == line ? RAW_HEAD_GOOD : read_field(r, stop - 1);
        r->at = stop + 1;
        if (verdict == RAW_HEAD_GOOD)
            return finish(r);
        if (verdict == RAW_HEAD_REFUSED)
            return verdict;
    }
}

enum raw_head_verdict raw_head_read(const char *data, size_t length, struct raw_head *head)
{
    *head = (struct raw_head){0};
    struct reading r = {.begin = data, .at = data, .end = data + length, .head = head};
    enum raw_head_verdict verdict = read_line(&r);
    return verdict == RAW_HEAD_GOOD ? read_fields(&r) : verdict;
}
