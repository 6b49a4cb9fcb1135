/*
 * head.c: see head.h. Each rule answers an input that libmicrohttpd 0.9.75 or 1.0.1
 * accepts or reads in its own way (tests/steps/test_server.c sends them all):
 * Transfer-Encoding beside Content-Length, several Content-Length, a name with a
 * space before its colon, a folded line that becomes a part of a name, an unknown
 * coding, control bytes.
 *
 * The names of headers are the main gate: only token characters, so that white
 * space, folded lines and bytes that another parser might skip are all out.
 */
#include "head.h"

#include <string.h>
#include <strings.h>

bool head_is_token_byte(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '-' || (byte && strchr("!#$%&'*+.^_`|~", byte));
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!head_is_token_byte(text[i]))
            return false;
    }
    return length > 0;
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if (*text <= ' ' || *text > '~')
            return false;
    }
    return true;
}

static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte < ' ' && byte != '\t') || byte == 127)
            return true;
    }
    return false;
}

static void fault(struct head *h, const char *sentence)
{
    if (!h->fault)
        h->fault = sentence;
}

void head_check_line(struct head *h, const char *method, const char *target, const char *version)
{
    h->needs_host = strcmp(version, "HTTP/1.0") != 0;
    if (!is_token(method, strlen(method)))
        fault(h, "The method is not a token.");
    if (!*target || !is_printable(target))
        fault(h, "The target has a byte that must be percent-encoded.");
}

static bool name_is(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

static bool name_begins(const char *name, size_t length, const char *wanted)
{
    return length > strlen(wanted) && strncasecmp(name, wanted, strlen(wanted)) == 0;
}

static void read_length(struct head *h, const char *value, size_t length)
{
    h->content_lengths++;
    if (length == 0)
        fault(h, "Content-Length is empty.");
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9') {
            fault(h, "Content-Length is not a number.");
            return;
        }
        uint64_t digit = (uint64_t)(value[i] - '0');
        sum = sum > (UINT64_MAX - digit) / 10 ? UINT64_MAX : sum * 10 + digit;
    }
    h->content_length = sum;
}

void head_check_field(struct head *h, const char *name, size_t name_length, const char *value,
                      size_t value_length)
{
    if (!is_token(name, name_length))
        fault(h, "A header's name has a byte that it must not have.");
    if (has_control(value, value_length))
        fault(h, "A header has a control byte.");
    if (name_begins(name, name_length, "transfer-encoding") ||
        name_begins(name, name_length, "content-length"))
        fault(h, "A header's name looks like another's.");
    if (name_is(name, name_length, "host"))
        h->hosts++;
    if (name_is(name, name_length, "content-length"))
        read_length(h, value, value_length);
    if (name_is(name, name_length, "transfer-encoding")) {
        h->transfer_encodings++;
        if (!name_is(value, value_length, "chunked"))
            fault(h, "The only Transfer-Encoding understood is \"chunked\".");
    }
}

void head_check_end(struct head *h)
{
    if (h->hosts > 1)
        fault(h, "Host is given more than once.");
    if (h->needs_host && h->hosts == 0)
        fault(h, "Host is missing.");
    if (h->content_lengths > 1)
        fault(h, "Content-Length is given more than once.");
    if (h->transfer_encodings > 1)
        fault(h, "Transfer-Encoding is given more than once.");
    if (h->transfer_encodings && !h->needs_host)
        fault(h, "Transfer-Encoding is unknown to HTTP/1.0.");
    if (h->transfer_encodings && h->content_lengths)
        fault(h, "Both Content-Length and Transfer-Encoding are given.");
}

bool head_has_body(const struct head *h)
{
    return h->transfer_encodings > 0 || h->content_length > 0;
}
