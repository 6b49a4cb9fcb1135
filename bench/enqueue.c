/*
 * enqueue.c: put jobs into the queue as fast as Redis takes them.
 *
 *     enqueue JOBS FEATURES
 *
 * Each job is a chat of its own; the features take turns. Up to WINDOW steps are
 * on their way at once, so that Redis never waits for this program.
 */
#include "id.h"
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW 200

struct load {
    struct session session;
    size_t jobs, features;
    size_t sent, answered;
};

static void put_more(struct load *load);

static void on_enqueued(void *arg, enum status status, const struct enqueue_result *result)
{
    struct load *load = arg;
    if (status != STATUS_OK)
        session_fail("enqueue: %s", status_text(status));
    if (result->outcome != ENQUEUE_STARTED)
        session_fail("enqueue: outcome %d instead of a new job", (int)result->outcome);
    load->answered++;
    put_more(load);
}

static void put_one(struct load *load)
{
    char id[JOB_ID_SIZE], feature[32], chat[48];
    id_new(id);
    snprintf(feature, sizeof feature, "bench-%zu", load->sent % load->features);
    snprintf(chat, sizeof chat, "chat-%s-%zu", load->session.token, load->sent);
    const struct enqueue in = {.id = id,
                               .type = "generate_messages",
                               .feature_id = feature,
                               .chat_id = chat,
                               .body_hash = "",
                               .key = ""};
    load->sent++;
    if (queue_enqueue(&load->session.queue, &in, on_enqueued, load) != STATUS_OK)
        session_fail("enqueue: cannot be sent");
}

static void put_more(struct load *load)
{
    while (load->sent < load->jobs && load->sent - load->answered < WINDOW)
        put_one(load);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    if (argc != 3)
        session_fail("usage: enqueue JOBS FEATURES");
    load.jobs = session_number(argv[1], "JOBS", 1);
    load.features = session_number(argv[2], "FEATURES", 1);
    session_open(&load.session);
    double begun_us = session_us();
    put_more(&load);
    while (load.answered < load.jobs)
        session_turn(&load.session);
    printf("enqueued %zu %.0f\n", load.jobs, session_us() - begun_us);
    session_close(&load.session);
    return EXIT_SUCCESS;
}
