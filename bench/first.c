/*
 * first.c: from just before the enqueue step to the first message, without HTTP.
 *
 *     first CHATS
 *
 * One chat after the other on an idle system: a second connection waits in XREAD
 * BLOCK for the chat's stream, as a gateway does, before the job is put in. What
 * a job's stream brings before its first message (the markers) is read and waited
 * behind. The next chat begins PAUSE_MS after the end of the last one.
 *
 * Prints "first p50 p99" and "done p50 p99", in microseconds.
 */
#include "id.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 3
#define BLOCK_MS 20000

struct first {
    struct session session;
    struct redis *reader;
    size_t chats, number;
    char chat[48];
    char last_id[48];
    double begun_us, first_us;
    bool ended;
    double *firsts, *dones;
};

static void read_on(struct first *f);

/* An entry is {id, {name, value, …}}; a message's first name is `data`, all others begin with
   `type`. */
static void take_entry(struct first *f, const struct redisReply *entry)
{
    size_t length;
    const struct redisReply *fields = redis_reply_at(entry, 1);
    const char *kind = redis_reply_text(redis_reply_at(fields, 1), &length);
    snprintf(f->last_id, sizeof f->last_id, "%s",
             redis_reply_text(redis_reply_at(entry, 0), &length));
    bool is_message = strcmp(redis_reply_text(redis_reply_at(fields, 0), &length), "data") == 0;
    if (is_message && f->first_us == 0)
        f->first_us = session_us();
    if (is_message)
        return;
    if (strcmp(kind, "done") == 0)
        f->ended = true;
    else if (strcmp(kind, "queued") != 0 && strcmp(kind, "start") != 0)
        session_fail("first: a job ended as %s", kind);
}

static void on_read(void *arg, enum status status, const struct redisReply *reply)
{
    struct first *f = arg;
    const struct redisReply *entries = redis_reply_at(redis_reply_at(reply, 0), 1);
    if (status != STATUS_OK || redis_reply_count(entries) == 0)
        session_fail("first: a chat's stream stays silent");
    for (size_t i = 0; i < redis_reply_count(entries); i++)
        take_entry(f, redis_reply_at(entries, i));
    if (!f->ended)
        read_on(f);
}

static void read_on(struct first *f)
{
    char key[96], block[16];
    snprintf(key, sizeof key, "%sstream:bench:%s", f->session.settings.key_prefix, f->chat);
    snprintf(block, sizeof block, "%d", BLOCK_MS);
    const char *words[] = {"XREAD", "BLOCK", block, "STREAMS", key, f->last_id};
    size_t lengths[COUNT_OF(words)];
    for (size_t i = 0; i < COUNT_OF(words); i++)
        lengths[i] = strlen(words[i]);
    if (redis_send(f->reader, COUNT_OF(words), words, lengths, on_read, f) != STATUS_OK)
        session_fail("first: XREAD cannot be sent");
}

static void on_enqueued(void *arg, enum status status, const struct enqueue_result *result)
{
    (void)arg;
    if (status != STATUS_OK || result->outcome != ENQUEUE_STARTED)
        session_fail("first: a job was not put in: %s", status_text(status));
}

static void ask(struct first *f)
{
    char id[JOB_ID_SIZE];
    id_new(id);
    const struct enqueue in = {.id = id,
                               .type = "generate_messages",
                               .feature_id = "bench",
                               .chat_id = f->chat,
                               .body_hash = "",
                               .key = ""};
    f->begun_us = session_us();
    if (queue_enqueue(&f->session.queue, &in, on_enqueued, f) != STATUS_OK)
        session_fail("first: a step cannot be sent");
}

static void on_pause_over(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Also time for the XREAD to be there before the job is. */
static void pause_a_while(struct first *f, uv_timer_t *timer)
{
    bool over = false;
    timer->data = &over;
    uv_update_time(&f->session.loop);
    uv_timer_start(timer, on_pause_over, PAUSE_MS, 0);
    while (!over)
        session_turn(&f->session);
}

static void run_chat(struct first *f, uv_timer_t *timer)
{
    snprintf(f->chat, sizeof f->chat, "first-%s-%zu", f->session.token, f->number);
    strcpy(f->last_id, "0-0");
    f->first_us = 0;
    f->ended = false;
    read_on(f);
    pause_a_while(f, timer);
    ask(f);
    while (!f->ended)
        session_turn(&f->session);
    if (f->first_us == 0)
        session_fail("first: a job ended without a message");
    f->dones[f->number] = session_us() - f->begun_us;
    f->firsts[f->number] = f->first_us - f->begun_us;
}

int main(int argc, char **argv)
{
    struct first f = {0};
    uv_timer_t timer;
    if (argc != 2)
        session_fail("usage: first CHATS");
    f.chats = session_number(argv[1], "CHATS", 1);
    f.firsts = calloc(f.chats, sizeof *f.firsts);
    f.dones = calloc(f.chats, sizeof *f.dones);
    if (!f.firsts || !f.dones)
        session_fail("no memory");
    session_open(&f.session);
    f.reader = session_connect(&f.session, BLOCK_MS);
    uv_timer_init(&f.session.loop, &timer);
    for (f.number = 0; f.number < f.chats; f.number++)
        run_chat(&f, &timer);
    session_print_spread("first", f.firsts, f.chats);
    session_print_spread("done", f.dones, f.chats);
    uv_close((uv_handle_t *)&timer, NULL);
    redis_free(f.reader);
    session_close(&f.session);
    free(f.firsts);
    free(f.dones);
    return EXIT_SUCCESS;
}
