/*
 * test_outlet.c: outlet.c over a socket pair that takes a few bytes at a time.
 */
#include "outlet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a kernel that takes as much as the test says ---- */

static bool pretend;     /* otherwise the real one is called */
static size_t allowed;   /* bytes that it still takes */
static struct buf taken; /* what it took */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!pretend)
        return syscall(SYS_sendmsg, fd, message, flags);
    size_t count = 0;
    for (size_t i = 0; i < message->msg_iovlen && allowed > 0; i++) {
        size_t length = min_size(message->msg_iov[i].iov_len, allowed);
        buf_add(&taken, message->msg_iov[i].iov_base, length);
        allowed -= length;
        count += length;
    }
    if (count > 0)
        return (ssize_t)count;
    errno = EAGAIN;
    return -1;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(fd, &message, flags);
}

/* ---- a real socket that takes little ---- */

struct pair {
    struct outlet outlet;
    int peer;
};

static void open_pair(struct pair *p, enum outlet_framing framing)
{
    int fds[2];
    int small = 1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    outlet_init(&p->outlet, fds[0], framing);
    p->peer = fds[1];
}

static void close_pair(struct pair *p)
{
    outlet_clear(&p->outlet);
    close(p->outlet.fd);
    if (p->peer >= 0)
        close(p->peer);
}

/* Whatever has arrived. */
static void receive(struct pair *p, struct buf *in)
{
    char data[4096];
    ssize_t count;
    while ((count = recv(p->peer, data, sizeof data, 0)) > 0)
        buf_add(in, data, (size_t)count);
}

static struct iovec part(const void *data, size_t length)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = length};
}

static void assert_bytes(const struct buf *got, const char *wanted)
{
    assert_int_equal(got->length, strlen(wanted));
    assert_memory_equal(got->data, wanted, got->length);
}

static void a_chunk_of_parts_is_framed_as_one(void **state)
{
    (void)state;
    struct pair p;
    struct buf in = {0};
    open_pair(&p, OUTLET_CHUNKED);
    struct iovec parts[] = {part("id: 1\n", 6), part("", 0), part("data: hello\n\n", 13)};
    assert_int_equal(outlet_send(&p.outlet, parts, 3), STATUS_OK);
    assert_int_equal(outlet_write(&p.outlet, ":\n\n", 3), STATUS_OK);
    receive(&p, &in);
    assert_bytes(&in, "13\r\nid: 1\ndata: hello\n\n\r\n3\r\n:\n\n\r\n");
    buf_clear(&in);
    close_pair(&p);
}

static void chunks_that_are_framed_already_are_passed_on(void **state)
{
    (void)state;
    struct pair p;
    struct buf in = {0};
    open_pair(&p, OUTLET_CHUNKED);
    assert_int_equal(outlet_pass(&p.outlet, "1\r\na\r\n2\r\nbc\r\n", 13), STATUS_OK);
    assert_int_equal(outlet_pass(&p.outlet, "", 0), STATUS_OK);
    receive(&p, &in);
    assert_bytes(&in, "1\r\na\r\n2\r\nbc\r\n");
    assert_int_equal(p.outlet.sent_bytes, 13);
    buf_clear(&in);
    close_pair(&p);
}

static void what_is_passed_on_waits_its_turn(void **state)
{
    (void)state;
    struct outlet o;
    static const char *const wanted = "3\r\none\r\n3\r\ntwo\r\n";
    for (size_t first = 0; first < 8; first++) {
        outlet_init(&o, 1, OUTLET_CHUNKED);
        buf_reset(&taken);
        pretend = true;
        allowed = first;
        assert_int_equal(outlet_pass(&o, wanted, 8), STATUS_OK);
        assert_int_equal(outlet_pass(&o, wanted + 8, 8), STATUS_OK);
        allowed = 100;
        assert_int_equal(outlet_flush(&o), STATUS_OK);
        pretend = false;
        assert_bytes(&taken, wanted);
        outlet_clear(&o);
    }
    buf_clear(&taken);
}

static void raw_bytes_are_sent_as_they_are(void **state)
{
    (void)state;
    struct pair p;
    struct buf in = {0};
    open_pair(&p, OUTLET_RAW);
    assert_int_equal(outlet_write(&p.outlet, "data: x\n\n", 9), STATUS_OK);
    receive(&p, &in);
    assert_bytes(&in, "data: x\n\n");
    buf_clear(&in);
    close_pair(&p);
}

static void an_empty_send_does_not_end_the_body(void **state)
{
    (void)state;
    struct pair p;
    struct buf in = {0};
    open_pair(&p, OUTLET_CHUNKED);
    assert_int_equal(outlet_write(&p.outlet, "", 0), STATUS_OK);
    assert_int_equal(outlet_send(&p.outlet, NULL, 0), STATUS_OK);
    receive(&p, &in);
    assert_int_equal(in.length, 0);
    close_pair(&p);
}

static void the_size_of_a_chunk_is_written_in_hex_at_every_width(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 15, 16, 255, 256, 4095, 4096, 65535, 65536};
    char *data = calloc(1, 65536);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct pair p;
        struct buf in = {0};
        char head[32];
        open_pair(&p, OUTLET_CHUNKED);
        snprintf(head, sizeof head, "%zx\r\n", sizes[i]);
        assert_int_equal(outlet_write(&p.outlet, data, sizes[i]), STATUS_OK);
        while (outlet_is_blocked(&p.outlet)) {
            receive(&p, &in);
            assert_int_equal(outlet_flush(&p.outlet), STATUS_OK);
        }
        receive(&p, &in);
        assert_memory_equal(in.data, head, strlen(head));
        assert_int_equal(in.length, strlen(head) + sizes[i] + 2);
        buf_clear(&in);
        close_pair(&p);
    }
    free(data);
}

static const char three_chunks[] = "15\r\nid: 12\ndata: message\n\r\n3\r\n:\n\n\r\n3\r\nend\r\n";

/* The first chunk's parts, as an entry has them. */
static enum status send_first(struct outlet *o)
{
    struct iovec parts[] = {part("id: ", 4), part("12", 2), part("\ndata: ", 7),
                            part("message\n", 8)};
    return outlet_send(o, parts, 4);
}

/* The kernel takes `first` bytes at once, then `step` at each flush. */
static void send_in_pieces(size_t first, size_t step)
{
    struct outlet o;
    outlet_init(&o, -1, OUTLET_CHUNKED);
    allowed = first;
    assert_int_equal(send_first(&o), STATUS_OK);
    if (outlet_is_blocked(&o)) /* a heartbeat while blocked goes behind the rest */
        allowed = 0;
    assert_int_equal(outlet_write(&o, ":\n\n", 3), STATUS_OK);
    while (outlet_is_blocked(&o)) {
        size_t before = outlet_pending(&o);
        allowed = step;
        assert_int_equal(outlet_flush(&o), STATUS_OK);
        assert_int_equal(outlet_pending(&o), before > step ? before - step : 0);
    }
    assert_null(o.rest.data); /* an outlet that keeps up holds no memory */
    allowed = SIZE_MAX;
    assert_int_equal(outlet_write(&o, "end", 3), STATUS_OK);
    assert_bytes(&taken, three_chunks);
    assert_int_equal(o.sent_bytes, taken.length);
    outlet_clear(&o);
    buf_reset(&taken);
}

static void every_split_of_a_partial_write_gives_the_same_bytes(void **state)
{
    (void)state;
    pretend = true;
    for (size_t first = 0; first < sizeof three_chunks; first++) {
        for (size_t step = 1; step < sizeof three_chunks; step++)
            send_in_pieces(first, step);
    }
    pretend = false;
    buf_clear(&taken);
}

static void a_blocked_outlet_takes_control_frames_up_to_a_limit(void **state)
{
    (void)state;
    static char big[OUTLET_CONTROL_MAX];
    struct outlet o;
    outlet_init(&o, -1, OUTLET_CHUNKED);
    pretend = true;
    allowed = 5;
    assert_int_equal(outlet_write(&o, big, sizeof big), STATUS_OK);
    assert_true(outlet_is_blocked(&o));
    size_t pending = outlet_pending(&o);
    assert_int_equal(outlet_write(&o, big, sizeof big), STATUS_TOO_LONG);
    assert_int_equal(outlet_pending(&o), pending);
    size_t fits = sizeof big - 7; /* "ff9", and twice CR and LF */
    assert_int_equal(outlet_write(&o, big, fits), STATUS_OK);
    assert_int_equal(outlet_pending(&o), pending + sizeof big);
    assert_int_equal(outlet_write(&o, ":", 1), STATUS_TOO_LONG);
    allowed = SIZE_MAX;
    assert_int_equal(outlet_flush(&o), STATUS_OK);
    assert_false(outlet_is_blocked(&o));
    allowed = 0;
    assert_int_equal(outlet_write(&o, "x", 1), STATUS_OK);
    assert_int_equal(outlet_write(&o, big, fits), STATUS_OK); /* the limit counts anew */
    pretend = false;
    outlet_clear(&o);
    buf_clear(&taken);
}

static void a_slow_reader_gets_a_megabyte_whole(void **state)
{
    (void)state;
    struct pair p;
    struct buf in = {0};
    size_t length = 1 << 20;
    char *data = malloc(length);
    for (size_t i = 0; i < length; i++)
        data[i] = (char)('a' + i % 23);
    open_pair(&p, OUTLET_CHUNKED);
    assert_int_equal(outlet_write(&p.outlet, data, length), STATUS_OK);
    size_t flushes = 0;
    while (outlet_is_blocked(&p.outlet)) {
        receive(&p, &in);
        assert_int_equal(outlet_flush(&p.outlet), STATUS_OK);
        flushes++;
    }
    receive(&p, &in);
    assert_true(flushes > 100);
    assert_int_equal(in.length, 8 + length + 2);
    assert_memory_equal(in.data, "100000\r\n", 8);
    assert_memory_equal(in.data + 8, data, length);
    assert_memory_equal(in.data + 8 + length, "\r\n", 2);
    free(data);
    buf_clear(&in);
    close_pair(&p);
}

static void a_peer_that_left_is_told_and_nothing_more_is_sent(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, OUTLET_CHUNKED);
    close(p.peer);
    p.peer = -1;
    assert_int_equal(outlet_write(&p.outlet, "x", 1), STATUS_CLOSED);
    assert_int_equal(outlet_write(&p.outlet, "x", 1), STATUS_CLOSED);
    assert_int_equal(outlet_flush(&p.outlet), STATUS_CLOSED);
    assert_false(outlet_is_blocked(&p.outlet));
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_of_parts_is_framed_as_one),
        cmocka_unit_test(chunks_that_are_framed_already_are_passed_on),
        cmocka_unit_test(what_is_passed_on_waits_its_turn),
        cmocka_unit_test(raw_bytes_are_sent_as_they_are),
        cmocka_unit_test(an_empty_send_does_not_end_the_body),
        cmocka_unit_test(the_size_of_a_chunk_is_written_in_hex_at_every_width),
        cmocka_unit_test(every_split_of_a_partial_write_gives_the_same_bytes),
        cmocka_unit_test(a_blocked_outlet_takes_control_frames_up_to_a_limit),
        cmocka_unit_test(a_slow_reader_gets_a_megabyte_whole),
        cmocka_unit_test(a_peer_that_left_is_told_and_nothing_more_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
