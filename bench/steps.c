/*
 * steps.c: Redis's CPU of each step of a job, one after the other.
 *
 *     steps REDIS_PID JOBS BATCH MESSAGES APPENDS FEATURES
 *
 * JOBS are put in; then, until none is left, BATCH are claimed by one step, get
 * their MESSAGES by APPENDS steps, each for all of them (0: with the finish), and
 * are finished by one step. So as many are in hand at a time as a worker holds, and
 * the steps are as large as a worker's (STEP_MESSAGES). Between the phases Redis owes
 * no answer, and its CPU clock is read; what its loop does around the commands
 * (reading, answering) counts with the step that caused it.
 *
 * Prints a line "step microseconds" for each step: of Redis's CPU, per job.
 */
#include "id.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORKER "worker-bench"
#define STEP_MESSAGES 256 /* the most of one step, unless they are one job's */
#define MESSAGES_MOST 1000

struct job {
    char id[JOB_ID_SIZE], owner[160], feature[32], chat[48];
    struct holding holding; /* borrows the above */
};

struct bench {
    struct session session;
    clockid_t redis_cpu;
    size_t jobs, batch, messages, appends, features;
    size_t outstanding;
    size_t claimed; /* in hand */
    struct job in_hand[CLAIM_MOST];
    char text[320]; /* of a message */
};

static double cpu_us(const struct bench *b)
{
    struct timespec now;
    if (clock_gettime(b->redis_cpu, &now) != 0)
        session_fail("Redis is gone");
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void await_answers(struct bench *b)
{
    while (b->outstanding > 0)
        session_turn(&b->session);
}

static void sent(struct bench *b, enum status status)
{
    if (status != STATUS_OK)
        session_fail("a step cannot be sent: %s", status_text(status));
    b->outstanding++;
}

static void answered(struct bench *b, enum status status, bool as_wanted)
{
    if (status != STATUS_OK || !as_wanted)
        session_fail("a step's answer is not what it should be: %s", status_text(status));
    b->outstanding--;
}

/* ---- the steps ---- */

static void on_enqueued(void *arg, enum status status, const struct enqueue_result *result)
{
    answered(arg, status, result->outcome == ENQUEUE_STARTED);
}

static void enqueue(struct bench *b, size_t number)
{
    char id[JOB_ID_SIZE], feature[32], chat[48];
    id_new(id);
    snprintf(feature, sizeof feature, "bench-%zu", number % b->features);
    snprintf(chat, sizeof chat, "chat-%s-%zu", b->session.token, number);
    const struct enqueue in = {.id = id,
                               .type = "generate_messages",
                               .feature_id = feature,
                               .chat_id = chat,
                               .body_hash = "",
                               .key = ""};
    sent(b, queue_enqueue(&b->session.queue, &in, on_enqueued, b));
}

static void on_claimed(void *arg, enum status status, const struct claim_result *result)
{
    struct bench *b = arg;
    answered(b, status, true);
    b->claimed = result->count;
    for (size_t i = 0; i < result->count; i++) {
        const struct claimed *from = &result->jobs[i];
        struct job *to = &b->in_hand[i];
        snprintf(to->id, sizeof to->id, "%s", from->id);
        snprintf(to->owner, sizeof to->owner, "%s", from->owner);
        snprintf(to->feature, sizeof to->feature, "%s", from->feature_id);
        snprintf(to->chat, sizeof to->chat, "%s", from->chat_id);
        to->holding = (struct holding){to->id, to->owner, to->feature, to->chat, from->attempt};
    }
}

static void claim(struct bench *b)
{
    const char *const queues[] = {"default"};
    const struct claimant in = {.worker = WORKER,
                                .queues = queues,
                                .queue_count = 1,
                                .types = " generate_messages ",
                                .most = b->batch};
    sent(b, queue_claim(&b->session.queue, &in, on_claimed, b));
}

static void on_appended(void *arg, enum status status, const struct append_result *results)
{
    answered(arg, status,
             status == STATUS_OK && results[0].status == STATUS_OK &&
                 results[0].outcome == APPEND_OK);
}

/* Messages from + 1 to `to` of a job. */
static struct append messages_of(const struct bench *b, struct message *messages, size_t from,
                                 size_t to)
{
    for (size_t i = from; i < to; i++)
        messages[i - from] = (struct message){b->text, strlen(b->text)};
    return (struct append){from + 1, messages, to - from};
}

/* As many jobs as one step takes, from the first on. */
static size_t jobs_of_a_step(const struct bench *b, size_t first, size_t messages)
{
    size_t most = messages ? STEP_MESSAGES / messages : b->claimed;
    most = most ? most : 1;
    return b->claimed - first < most ? b->claimed - first : most;
}

/* The part-th append of all jobs in hand. */
static void append(struct bench *b, size_t part)
{
    struct holding jobs[CLAIM_MOST];
    struct append in[CLAIM_MOST];
    struct message messages[MESSAGES_MOST];
    size_t from = b->messages * part / b->appends, to = b->messages * (part + 1) / b->appends;
    for (size_t i = 0, count; i < b->claimed; i += count) {
        count = jobs_of_a_step(b, i, to - from);
        for (size_t j = 0; j < count; j++) {
            jobs[j] = b->in_hand[i + j].holding;
            in[j] = messages_of(b, messages, from, to);
        }
        sent(b, queue_append(&b->session.queue, jobs, in, count, on_appended, b));
    }
}

static void on_finished(void *arg, enum status status, const struct finish_result *results)
{
    answered(arg, status,
             status == STATUS_OK && results[0].status == STATUS_OK &&
                 results[0].outcome == FINISH_ENDED);
}

static void finish(struct bench *b)
{
    struct holding jobs[CLAIM_MOST];
    struct finish ends[CLAIM_MOST];
    struct message messages[MESSAGES_MOST];
    size_t along = b->appends ? 0 : b->messages;
    for (size_t i = 0, count; i < b->claimed; i += count) {
        count = jobs_of_a_step(b, i, along);
        for (size_t j = 0; j < count; j++) {
            jobs[j] = b->in_hand[i + j].holding;
            ends[j] = (struct finish){.append = messages_of(b, messages, 0, along),
                                      .how = FINISH_DONE,
                                      .last = b->messages,
                                      .reason = "",
                                      .detail = "",
                                      .words = ""};
        }
        sent(b, queue_finish(&b->session.queue, jobs, ends, count, on_finished, b));
    }
}

/* ---- one after the other ---- */

enum { ENQUEUE, CLAIM, APPEND, FINISH, PHASES };

static void run_batches(struct bench *b, double cost[PHASES])
{
    for (size_t done = 0; done < b->jobs; done += b->claimed) {
        double at[4];
        at[0] = cpu_us(b);
        claim(b);
        await_answers(b);
        if (b->claimed == 0)
            session_fail("claim: %zu of %zu jobs are nowhere", b->jobs - done, b->jobs);
        at[1] = cpu_us(b);
        for (size_t part = 0; part < b->appends; part++) {
            append(b, part);
            await_answers(b);
        }
        at[2] = cpu_us(b);
        finish(b);
        await_answers(b);
        at[3] = cpu_us(b);
        for (size_t i = 0; i < 3; i++)
            cost[CLAIM + i] += at[i + 1] - at[i];
    }
}

static void run(struct bench *b)
{
    static const char *const names[PHASES] = {"enqueue", "claim", "append", "finish"};
    double cost[PHASES] = {0}, before = cpu_us(b);
    for (size_t i = 0; i < b->jobs; i++) {
        enqueue(b, i);
        if (i % b->batch == b->batch - 1)
            await_answers(b);
    }
    await_answers(b);
    cost[ENQUEUE] = cpu_us(b) - before;
    run_batches(b, cost);
    for (size_t i = 0; i < PHASES; i++)
        printf("%s %.2f\n", names[i], cost[i] / (double)b->jobs);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc != 7)
        session_fail("usage: steps REDIS_PID JOBS BATCH MESSAGES APPENDS FEATURES");
    if (clock_getcpuclockid((pid_t)session_number(argv[1], "REDIS_PID", 1), &b.redis_cpu) != 0)
        session_fail("no process %s", argv[1]);
    b.jobs = session_number(argv[2], "JOBS", 1);
    b.batch = session_number(argv[3], "BATCH", 1);
    b.messages = session_number(argv[4], "MESSAGES", 0);
    b.appends = session_number(argv[5], "APPENDS", 0);
    b.features = session_number(argv[6], "FEATURES", 1);
    if (b.batch > CLAIM_MOST || b.messages > MESSAGES_MOST || b.appends > b.messages)
        session_fail("BATCH to 100, MESSAGES to 1000, APPENDS to MESSAGES");
    /* As long as one of generate_messages. */
    snprintf(b.text, sizeof b.text, "{\"id\": \"0\", \"message\": \"%0*d\"}", 220, 0);
    session_open(&b.session);
    run(&b);
    session_close(&b.session);
    return EXIT_SUCCESS;
}
