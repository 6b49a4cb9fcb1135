/*
 * test_raw_head.c: heads as bytes: what is good, what is refused and by which status,
 * and that a beginning is never judged otherwise than the whole.
 */
#include "raw_head.h"

#include "buf.h"
#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define HOST "Host: x\r\n"
#define BYTES(text) (text), sizeof(text) - 1

struct sample {
    const char *head;
    size_t length;
    const char *fault; /* a part of it; NULL: good */
    int http_status;   /* 0: 400 */
};

static const struct sample samples[] = {
    {BYTES("GET / HTTP/1.1\r\n" HOST "\r\n"), NULL, 0},
    {BYTES("GET /a?b=c HTTP/1.0\r\n\r\n"), NULL, 0},
    {BYTES("GET / HTTP/1.2\r\nHost:\r\n\r\n"), NULL, 0},
    {BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), NULL, 0},
    {BYTES("OPTIONS * HTTP/1.1\r\nHOST:\tx\r\n\r\n"), NULL, 0},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"), NULL, 0},
    {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"), NULL, 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "X: \xc3\xa4\t: y\r\nY:\r\nZ:  \r\n\r\n"), NULL, 0},
    {BYTES("\r\n\r\nGET / HTTP/1.1\r\n"), "not a token", 0},
    {BYTES("\nGET / HTTP/1.1\r\n"), "not a token", 0},
    {BYTES(" GET / HTTP/1.1\r\n"), "not a token", 0},
    {BYTES("G\x01T / HTTP/1.1\r\n"), "not a token", 0},
    {BYTES("GET\t/ HTTP/1.1\r\n"), "not a token", 0},
    {BYTES("\x16\x03\x01\x02"), "not a token", 0},
    {BYTES("ABCDEFGHIJKLMNOP"), "not known", 0},
    {BYTES("GET  / HTTP/1.1\r\n"), "percent-encoded", 0},
    {BYTES("GET /a b HTTP/1.1\r\n"), "version", 0},
    {BYTES("GET /\0 HTTP/1.1\r\n"), "percent-encoded", 0},
    {BYTES("GET /\xc3\xa4 HTTP/1.1\r\n"), "percent-encoded", 0},
    {BYTES("GET /\r\n"), "percent-encoded", 0},
    {BYTES("GET / HTTP/1.1\n"), "version", 0},
    {BYTES("GET / HTTP/1.1 \r\n"), "version", 0},
    {BYTES("GET / http/1.1\r\n"), "version", 0},
    {BYTES("GET / HTTP/11\r\n"), "version", 0},
    {BYTES("GET / HTTP/2.0\r\n"), "HTTP/1.1", 505},
    {BYTES("GET / HTTP/1.1\r\n" HOST "\n"), "CR LF", 0},
    {BYTES("GET / HTTP/1.1\r\nHost: x\n"), "CR LF", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n"), "control byte", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A: b\r\r\n"), "control byte", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n"), "control byte", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n"), "control byte", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n"), "folded", 0},
    {BYTES("GET / HTTP/1.1\r\n\tA: b\r\n"), "folded", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "abc\r\n"), "no colon", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST ": b\r\n"), "name", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "A : b\r\n"), "name", 0},
    {BYTES("GET / HTTP/1.1\r\n\r\n"), "Host is missing", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "host: y\r\n\r\n"), "Host is given more", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 5 \r\n"), "not a number", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n"), "not a number", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n"), "not a number", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n"), "empty", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
     "more than once", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n"), "too long",
     413},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n"), "chunked", 0},
    {BYTES("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
     "Both", 0},
    {BYTES("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "HTTP/1.0", 0},
};

/* A copy of exactly that size, so that a sanitizer sees a read behind it. */
static enum raw_head_verdict read_exactly(const char *data, size_t length, struct raw_head *head)
{
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, data, length);
    enum raw_head_verdict verdict = raw_head_read(copy, length, head);
    head->method = head->target = head->origin = (struct raw_text){0};
    free(copy);
    return verdict;
}

/* Every beginning says "more" until one is final, and then all longer ones say the same. */
static void assert_final(const char *data, size_t length)
{
    struct raw_head first = {0}, head;
    enum raw_head_verdict final = RAW_HEAD_MORE;
    for (size_t i = 0; i <= length; i++) {
        enum raw_head_verdict verdict = read_exactly(data, i, &head);
        if (final == RAW_HEAD_MORE) {
            final = verdict;
            first = head;
            continue;
        }
        assert_int_equal(verdict, final);
        assert_int_equal(head.http_status, first.http_status);
        assert_ptr_equal(head.fault, first.fault);
        assert_int_equal(head.length, first.length);
    }
}

static void each_sample_is_judged_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        const struct sample *s = &samples[i];
        struct raw_head head;
        enum raw_head_verdict verdict = read_exactly(s->head, s->length, &head);
        if (!s->fault) {
            if (verdict != RAW_HEAD_GOOD || head.length != s->length || head.http_status != 0)
                fail_msg("sample %zu: %s", i, head.fault ? head.fault : "more");
        } else if (verdict != RAW_HEAD_REFUSED || !strstr(head.fault, s->fault) ||
                   head.http_status != (s->http_status ? s->http_status : 400)) {
            fail_msg("sample %zu, wanted \"%s\": %s", i, s->fault,
                     head.fault ? head.fault : "good");
        }
    }
}

static void the_judgement_of_a_beginning_is_final(void **state)
{
    (void)state;
    struct buf text = {0};
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        buf_reset(&text);
        buf_add(&text, samples[i].head, samples[i].length);
        buf_puts(&text, "GET /hidden HTTP/1.1\r\n" HOST "\r\n\r\n\n\r");
        assert_final(text.data, text.length);
    }
    buf_clear(&text);
}

static void what_is_known_of_a_request_is_given(void **state)
{
    (void)state;
    struct raw_head head;
    const char *text = "DELETE /stream?a=b&c=d HTTP/1.1\r\n" HOST "Origin: https://example.org\r\n"
                       "Cookie: a=b; c=d\r\n\r\nbody";
    assert_int_equal(raw_head_read(text, strlen(text), &head), RAW_HEAD_GOOD);
    assert_int_equal(head.length, strlen(text) - 4);
    assert_int_equal(head.parts, 3 + 2 + 2);
    assert_int_equal(head.cookies, strlen("a=b; c=d") + 1);
    assert_memory_equal(head.method.data, "DELETE ", head.method.length + 1);
    assert_memory_equal(head.target.data, "/stream?a=b&c=d ", head.target.length + 1);
    assert_memory_equal(head.origin.data, "https://example.org\r", head.origin.length + 1);
    text = "GET /x HTTP/1.1\r\nX y\r\n";
    assert_int_equal(raw_head_read(text, strlen(text), &head), RAW_HEAD_REFUSED);
    assert_int_equal(head.method.length, 3);
    assert_int_equal(head.target.length, 2);
    assert_null(head.origin.data);
}

static void put_many(struct buf *text, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_putc(text, byte);
}

static enum raw_head_verdict with_target(size_t length, int *http_status)
{
    struct buf text = {0};
    struct raw_head head;
    buf_puts(&text, "GET ");
    put_many(&text, 'a', length);
    buf_puts(&text, " HTTP/1.1\r\n" HOST "\r\n");
    enum raw_head_verdict verdict = read_exactly(text.data, text.length, &head);
    assert_final(text.data, text.length);
    *http_status = head.http_status;
    buf_clear(&text);
    return verdict;
}

static void the_longest_target_passes_and_one_byte_more_is_414(void **state)
{
    (void)state;
    int http_status;
    assert_int_equal(with_target(EXCHANGE_TARGET_MAX, &http_status), RAW_HEAD_GOOD);
    assert_int_equal(with_target(EXCHANGE_TARGET_MAX + 1, &http_status), RAW_HEAD_REFUSED);
    assert_int_equal(http_status, 414);
}

static void the_largest_head_passes_and_one_byte_more_is_431(void **state)
{
    (void)state;
    static const char before[] = "GET / HTTP/1.1\r\n" HOST "X: ", after[] = "\r\n\r\n";
    for (size_t more = 0; more < 2; more++) {
        struct buf text = {0};
        struct raw_head head;
        buf_puts(&text, before);
        put_many(&text, 'y', RAW_HEAD_MAX + more - strlen(before) - strlen(after));
        buf_puts(&text, after);
        assert_int_equal(text.length, RAW_HEAD_MAX + more);
        enum raw_head_verdict verdict = read_exactly(text.data, text.length, &head);
        assert_int_equal(verdict, more ? RAW_HEAD_REFUSED : RAW_HEAD_GOOD);
        assert_int_equal(head.http_status, more ? 431 : 0);
        /* Without its end it is too large, too, and not a byte before. */
        put_many(&text, 'y', 10);
        memset(text.data + RAW_HEAD_MAX - 10, 'y', 10);
        assert_int_equal(read_exactly(text.data, RAW_HEAD_MAX, &head), RAW_HEAD_MORE);
        assert_int_equal(read_exactly(text.data, RAW_HEAD_MAX + 1, &head), RAW_HEAD_REFUSED);
        assert_int_equal(head.http_status, 431);
        buf_clear(&text);
    }
}

static int status_of_parts(const char *before, const char *part, size_t count, const char *after)
{
    struct buf text = {0};
    struct raw_head head;
    buf_puts(&text, before);
    for (size_t i = 0; i < count; i++)
        buf_puts(&text, part);
    buf_puts(&text, after);
    enum raw_head_verdict verdict = read_exactly(text.data, text.length, &head);
    assert_int_not_equal(verdict, RAW_HEAD_MORE);
    assert_final(text.data, text.length);
    buf_clear(&text);
    return head.http_status;
}

static void too_many_headers_parameters_or_cookies_are_431(void **state)
{
    (void)state;
    static const struct {
        const char *before, *part, *after;
        size_t most;
    } all[] = {
        {"GET / HTTP/1.1\r\n" HOST, "X:\r\n", "\r\n", RAW_HEAD_PARTS_MAX - 1},
        {"GET /?a", "&", " HTTP/1.1\r\n" HOST "\r\n", RAW_HEAD_PARTS_MAX - 2},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: a", ";a", "\r\n\r\n", RAW_HEAD_PARTS_MAX - 3},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_int_equal(status_of_parts(all[i].before, all[i].part, all[i].most, all[i].after), 0);
        assert_int_equal(status_of_parts(all[i].before, all[i].part, all[i].most + 1, all[i].after),
                         431);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_is_judged_as_it_should),
        cmocka_unit_test(the_judgement_of_a_beginning_is_final),
        cmocka_unit_test(what_is_known_of_a_request_is_given),
        cmocka_unit_test(the_longest_target_passes_and_one_byte_more_is_414),
        cmocka_unit_test(the_largest_head_passes_and_one_byte_more_is_431),
        cmocka_unit_test(too_many_headers_parameters_or_cookies_are_431),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
