/*
 * floor.c: how many streams a second one Redis takes, if a job cost plain commands only.
 *
 *     floor SOCKET SECONDS MESSAGES BATCH
 *
 * What a job of MESSAGES must write and read at the very least, without scripts, as
 * Redis would have to do it for any design like ours: put in (its hash, the chat's
 * key, the stream's marker, its place in line), claimed (out of the line, state,
 * marker), messages in BATCHes that are each read once by a gateway, ended (the
 * entry, state, expiry). All is pipelined, WINDOW jobs at a time, so that Redis
 * never waits.
 *
 * Prints "streams per_second" and "commands per_stream".
 */
#include "resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW 20
#define WORDS_MOST 24

static double steady_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A command as a line of words; %s in it are the job's number. */
static void put(struct resp *r, const char *number, const char *line)
{
    char text[1024], *words[WORDS_MOST], *rest = NULL;
    size_t length = 0, count = 0;
    for (const char *at = line; *at && length < sizeof text - 32; at++) {
        if (*at == '#')
            length += (size_t)snprintf(text + length, sizeof text - length, "%s", number);
        else
            text[length++] = *at;
    }
    text[length] = '\0';
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    resp_put(r, count, (const char *const *)words);
}

static void put_messages(struct resp *r, const char *number, size_t messages, size_t batch)
{
    static char message[300];
    memset(message, 'x', sizeof message - 1);
    char key[64], id[48], last[48] = "7-0";
    snprintf(key, sizeof key, "stream:bench:%s", number);
    const char *const add[] = {"XADD", key, id, "data", message};
    const char *const read[] = {"XREAD", "COUNT", "100", "STREAMS", key, last};
    for (size_t i = 0; i < messages; i++) {
        snprintf(id, sizeof id, "7-%zu", i + 1);
        resp_put(r, 5, add);
        if ((i + 1) % batch == 0 || i + 1 == messages) {
            resp_put(r, 6, read);
            strcpy(last, id);
        }
    }
}

static void put_job(struct resp *r, size_t job, size_t messages, size_t batch)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", job);
    put(r, number,
        "HSET job:# state waiting type generate_messages feature_id bench chat_id # "
        "queue default priority 5 size 0 queued 1759312800000 deadline 1759313100000");
    put(r, number, "SET chat:bench:# job-#");
    put(r, number, "XADD stream:bench:# 6-0 type queued job #");
    put(r, number, "RPUSH queue:default:5:bench #");
    put(r, number, "LPOP queue:default:5:bench");
    put(r, number, "HSET job:# state running owner worker:7 attempt 7 started 1759312800000");
    put(r, number, "ZADD queue:default:running 1759312815000 #");
    put(r, number, "XADD stream:bench:# 7-0 type start job # attempt 1");
    put_messages(r, number, messages, batch);
    put(r, number, "ZREM queue:default:running #");
    put(r, number, "XADD stream:bench:# 8-0 type done data [DONE]");
    put(r, number, "HSET job:# state done ended 1759312800000 last 20");
    put(r, number, "EXPIRE stream:bench:# 60");
    put(r, number, "EXPIRE chat:bench:# 60");
    put(r, number, "EXPIRE job:# 60");
    put(r, number, "XREAD COUNT 100 STREAMS stream:bench:# 7-9999");
}

int main(int argc, char **argv)
{
    struct resp redis;
    if (argc != 5) {
        fputs("usage: floor SOCKET SECONDS MESSAGES BATCH\n", stderr);
        return 2;
    }
    double seconds = atof(argv[2]);
    size_t messages = strtoul(argv[3], NULL, 10), batch = strtoul(argv[4], NULL, 10), jobs = 0;
    if (batch == 0)
        return 2;
    resp_open(&redis, argv[1]);
    double begun = steady_s();
    while (steady_s() - begun < seconds) {
        for (int i = 0; i < WINDOW; i++)
            put_job(&redis, jobs++, messages, batch);
        resp_send(&redis);
        resp_await(&redis, redis.asked / jobs * WINDOW);
    }
    resp_await(&redis, 0);
    printf("streams %.1f\ncommands %.1f\n", (double)jobs / (steady_s() - begun),
           (double)redis.asked / (double)jobs);
    resp_close(&redis);
    return EXIT_SUCCESS;
}
