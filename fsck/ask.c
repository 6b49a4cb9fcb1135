/*
 * ask.c: sends, and turns the loop until the answer is there. redis.c gives up
 * by itself after REDIS_TIMEOUT_MS, so that no wait is without an end.
 */
#include "ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REST_MOST_MS 100
#define HEAD_WORDS 6

struct answer {
    struct ask *ask;
    ask_fn *fn;
    void *arg;
    enum status status;
    bool came;
};

void ask_word(struct ask *a, const char *text, size_t length)
{
    if (a->argc == ASK_WORDS_MOST)
        return;
    a->argv[a->argc] = text;
    a->lengths[a->argc++] = length;
}

static void on_answer(void *arg, enum status status, const struct redisReply *reply)
{
    struct answer *answer = arg;
    size_t length;
    answer->came = true;
    answer->status = status;
    buf_reset(&answer->ask->words);
    if (status == STATUS_OK)
        answer->fn(answer->arg, reply);
    else if (reply)
        buf_puts(&answer->ask->words, redis_reply_text(reply, &length));
}

static enum status await_answer(struct ask *a, struct answer *answer, uint64_t began_ns)
{
    while (!answer->came)
        uv_run(a->loop, UV_RUN_ONCE);
    uint64_t took_us = (uv_hrtime() - began_ns) / 1000;
    a->calls++;
    if (took_us > a->slowest_us)
        a->slowest_us = took_us;
    uint64_t rest_ms = took_us / 1000;
    if (rest_ms > 0)
        uv_sleep((unsigned)(rest_ms < REST_MOST_MS ? rest_ms : REST_MOST_MS));
    return answer->status;
}

enum status ask_command(struct ask *a, ask_fn *fn, void *arg)
{
    struct answer answer = {.ask = a, .fn = fn, .arg = arg};
    uint64_t began_ns = uv_hrtime();
    enum status status = redis_send(a->redis, a->argc, a->argv, a->lengths, on_answer, &answer);
    a->argc = 0;
    return status == STATUS_OK ? await_answer(a, &answer, began_ns) : status;
}

/* What every fsck script begins with: see lua/fsck_keys.lua. */
static void put_head(const struct ask *a, char numbers[HEAD_WORDS][24], const char *argv[],
                     size_t lengths[])
{
    const struct settings *s = a->settings;
    const int64_t head[HEAD_WORDS] = {
        a->mend,
        s->stream_ttl_ms,
        s->lease_ms,
        s->idempotency_ttl_ms,
        s->dead_retention_ms,
        s->job_deadline_ms,
    };
    for (size_t i = 0; i < HEAD_WORDS; i++) {
        lengths[i] = (size_t)snprintf(numbers[i], sizeof numbers[i], "%" PRId64, head[i]);
        argv[i] = numbers[i];
    }
}

enum status ask_script(struct ask *a, enum script script, ask_fn *fn, void *arg)
{
    struct answer answer = {.ask = a, .fn = fn, .arg = arg};
    char numbers[HEAD_WORDS][24];
    const char *argv[ASK_WORDS_MOST + HEAD_WORDS];
    size_t lengths[ASK_WORDS_MOST + HEAD_WORDS];
    put_head(a, numbers, argv, lengths);
    memcpy(argv + HEAD_WORDS, a->argv, (size_t)a->argc * sizeof *argv);
    memcpy(lengths + HEAD_WORDS, a->lengths, (size_t)a->argc * sizeof *lengths);
    int argc = a->argc + HEAD_WORDS;
    a->argc = 0;
    uint64_t began_ns = uv_hrtime();
    enum status status =
        a->mend ? script_run(a->redis, script, argc, argv, lengths, on_answer, &answer)
                : script_run_read_only(a->redis, script, argc, argv, lengths, on_answer, &answer);
    return status == STATUS_OK ? await_answer(a, &answer, began_ns) : status;
}
