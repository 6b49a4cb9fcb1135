/*
 * writer.c: another program that writes streams, so that the gateway alone is measured.
 *
 *     writer SOCKET FEATURE PREFIX STREAMS MESSAGES INTERVAL_US [BATCH]
 *
 * Each of the STREAMS gets MESSAGES as generate_messages writes them, INTERVAL_US
 * apart, then [DONE]. The streams' moments are spread evenly over the interval; what
 * is due within a millisecond goes to Redis in one write. Ids are A-N, as a
 * worker's, so that a reader can see whether one is missing. BATCH messages of a
 * stream are written at a time (1).
 *
 * Writes each stream's first message, prints "ready", and goes on when a line
 * comes on standard input. Prints "late p50 p99" at the end: by how many
 * microseconds a message was written after its moment.
 */
#include "clock.h"
#include "histogram.h"
#include "resp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define IN_FLIGHT_MOST 20000
#define TICK_US 1000

struct writer {
    struct resp redis;
    const char *feature, *prefix;
    size_t streams, batch;
    uint64_t messages;
    int64_t interval_us, attempt;
    struct histogram late_us;
};

static int64_t steady_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void sleep_until(int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

static void add_entry(struct writer *w, const char *key, uint64_t number, const char *data)
{
    char id[48];
    snprintf(id, sizeof id, "%lld-%llu", (long long)w->attempt, (unsigned long long)number);
    const char *const words[] = {"XADD", key, id, "data", data};
    resp_put(&w->redis, 5, words);
}

static void write_message(struct writer *w, size_t stream, uint64_t number)
{
    char key[160], data[640], stamp[CLOCK_STAMP_SIZE];
    clock_stamp(stamp);
    snprintf(key, sizeof key, "stream:%s:%s-%zu", w->feature, w->prefix, stream);
    snprintf(data, sizeof data,
             "{\"id\": \"%llu\", \"feature_id\": \"%s\", \"chat_id\": \"%s-%zu\", "
             "\"message\": \"Message %llu from feature %s, chat %s-%zu\", \"timestamp\": \"%s\", "
             "\"container_id\": \"worker-writer\", \"container_feature_id\": \"worker-default\", "
             "\"worker\": \"leat\"}",
             (unsigned long long)number, w->feature, w->prefix, stream, (unsigned long long)number,
             w->feature, w->prefix, stream, stamp);
    add_entry(w, key, number + 1, data);
    if (number + 1 == w->messages)
        add_entry(w, key, number + 2, "[DONE]");
}

/* Round by round; within one, each stream at its moment. */
static void run(struct writer *w)
{
    int64_t begin_us = steady_us() + TICK_US, now_us = begin_us;
    for (uint64_t number = 1; number < w->messages; number += w->batch) {
        for (size_t i = 0; i < w->streams; i++) {
            int64_t due_us = begin_us + (int64_t)((number - 1) / w->batch) * w->interval_us +
                             (int64_t)i * w->interval_us / (int64_t)w->streams;
            if (due_us > now_us) {
                resp_send(&w->redis);
                resp_await(&w->redis, IN_FLIGHT_MOST);
                sleep_until(due_us + TICK_US / 2);
                now_us = steady_us();
            }
            histogram_add(&w->late_us, (uint64_t)(now_us > due_us ? now_us - due_us : 0));
            for (uint64_t n = number; n < number + w->batch && n < w->messages; n++)
                write_message(w, i, n);
        }
    }
    resp_send(&w->redis);
    resp_await(&w->redis, 0);
}

int main(int argc, char **argv)
{
    static struct writer w;
    if (argc < 7 || argc > 8) {
        fputs("usage: writer SOCKET FEATURE PREFIX STREAMS MESSAGES INTERVAL_US [BATCH]\n", stderr);
        return 2;
    }
    w.feature = argv[2];
    w.prefix = argv[3];
    w.streams = strtoul(argv[4], NULL, 10);
    w.messages = strtoull(argv[5], NULL, 10);
    w.interval_us = strtol(argv[6], NULL, 10);
    w.batch = argc == 8 ? strtoul(argv[7], NULL, 10) : 1;
    w.attempt = clock_wall_ms();
    if (w.streams == 0 || w.messages == 0 || w.batch == 0)
        return 2;
    resp_open(&w.redis, argv[1]);
    for (size_t i = 0; i < w.streams; i++)
        write_message(&w, i, 0);
    resp_send(&w.redis);
    resp_await(&w.redis, 0);
    puts("ready");
    fflush(stdout);
    if (getchar() != EOF)
        run(&w);
    printf("late %llu %llu\n", (unsigned long long)histogram_quantile(&w.late_us, 0.5),
           (unsigned long long)histogram_quantile(&w.late_us, 0.99));
    resp_close(&w.redis);
    return EXIT_SUCCESS;
}
