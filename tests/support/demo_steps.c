/*
 * demo_steps.c: see demo_steps.h.
 */
#include "demo_steps.h"

#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

struct demo *demo;

void demo_begin(const struct demo_options *options)
{
    demo = demo_start(options);
}

int demo_begin_default(void **state)
{
    (void)state;
    demo_begin(&(struct demo_options){0});
    return 0;
}

int demo_end(void **state)
{
    (void)state;
    demo_stop(demo);
    demo = NULL;
    return 0;
}

struct client connect_demo(void)
{
    struct client c;
    client_open(&c, demo_port(demo));
    return c;
}

struct client asking(const char *text)
{
    struct client c = connect_demo();
    client_send(&c, text);
    return c;
}

void assert_reply(struct client *c, int http_status, const char *body)
{
    struct reply r;
    assert_true(client_reply(c, &r, false));
    assert_int_equal(r.http_status, http_status);
    if (body)
        assert_string_equal(buf_text(&r.body), body);
    reply_clear(&r);
}

void assert_closed(struct client *c)
{
    assert_int_equal(client_read_end(c, CLIENT_MS), CLIENT_CLOSED);
    assert_int_equal(c->in.length, 0);
    client_close(c);
}

size_t demo_stat(size_t offset)
{
    struct demo_stats stats;
    demo_get_stats(demo, &stats);
    return *(size_t *)(void *)((char *)&stats + offset);
}

bool await_stat(size_t offset, size_t number, int64_t within_ms)
{
    for (int64_t end = clock_steady_ms() + within_ms; clock_steady_ms() < end; usleep(1000)) {
        if (demo_stat(offset) >= number)
            return true;
    }
    return demo_stat(offset) >= number;
}

bool await_connections(size_t number, int64_t within_ms)
{
    struct server_counts counts;
    int64_t end = clock_steady_ms() + within_ms;
    do {
        demo_get_counts(demo, &counts);
        if (counts.connections == number)
            return true;
        usleep(1000);
    } while (clock_steady_ms() < end);
    return false;
}

size_t open_descriptors(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

char *pattern(size_t length)
{
    char *data = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        data[i] = (char)('a' + i % 26);
    data[length] = '\0';
    return data;
}
