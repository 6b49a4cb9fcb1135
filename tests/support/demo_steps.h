/**
 * demo_steps.h: what the tests of the server say again and again.
 *
 * One demo server at a time, in `demo`; clients of it; and waits for a condition.
 * A step that does not hold fails the test (cmocka).
 *
 * Thread: main.
 */
#ifndef LEAT_DEMO_STEPS_H
#define LEAT_DEMO_STEPS_H

#include "demo_server.h"
#include "http_client.h"

extern struct demo *demo;

/* demo_begin(options): start it. */
void demo_begin(const struct demo_options *options);

/* cmocka's set-up and tear-down: with the defaults; and stopped, if it runs. */
int demo_begin_default(void **state);
int demo_end(void **state);

#define WITH_DEMO(test) cmocka_unit_test_setup_teardown(test, demo_begin_default, demo_end)
#define ALONE(test) cmocka_unit_test_teardown(test, demo_end)

#define HOST "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* connect_demo(): a client of it. asking(text): which has sent this. */
struct client connect_demo(void);
struct client asking(const char *text);

/* assert_reply(c, http_status, body): one answer with this status and, unless NULL, body. */
void assert_reply(struct client *c, int http_status, const char *body);

/* assert_closed(c): the server closed in good order, and nothing was left over. */
void assert_closed(struct client *c);

/* STAT(name): a number of struct demo_stats. */
#define STAT(name) demo_stat(offsetof(struct demo_stats, name))
size_t demo_stat(size_t offset);

/* AWAIT(name, number, within_ms): until it is at least so high. */
#define AWAIT(name, number, within_ms) \
    assert_true(await_stat(offsetof(struct demo_stats, name), (number), (within_ms)))
bool await_stat(size_t offset, size_t number, int64_t within_ms);

/* await_connections(number, within_ms): until the server has exactly so many. */
bool await_connections(size_t number, int64_t within_ms);

/* open_descriptors(): of this process. */
size_t open_descriptors(void);

/* pattern(length): bytes that tell their place; free(). */
char *pattern(size_t length);

#endif
