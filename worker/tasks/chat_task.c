/*
 * chat_task.c: from a job's line to a chat, and from its lines to standard output.
 *
 * One loop, no threads but libcurl's for names. What is wrong with a job is said to
 * its own failure and touches no other; only a line that names no job, or one that is in hand, ends
 * the process.
 *
 * While nobody reads what was said, nothing is read from model servers either.
 */
#include "chat_task.h"

#include "buf.h"
#include "chat.h"
#include "http_post.h"
#include "id.h"
#include "json.h"
#include "table.h"
#include "talk.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* From SIGTERM on, for a reader that is slow. */
#define LAST_WORDS_MS 500
/* Of the features that jobs came with: most come with the same few. */
#define KEPT_FEATURES 8

/* What an id may be made of: it stands inside of JSON as it is. */
static const char id_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

struct desk {
    uv_loop_t loop;
    uv_signal_t term;
    uv_prepare_t prepare;
    struct http *http;
    struct talk *talk;
    struct table jobs; /* by their ids */
    struct features *kept[KEPT_FEATURES];
    size_t next_kept;
    bool shared; /* lines have ids */
    bool ended;  /* no more jobs come */
    enum status status;
};

struct job {
    struct desk *desk;
    struct table_entry entry;
    char id[JOB_ID_SIZE];
    struct chat *chat;
};

/* A member's text as it stands in the line. */
struct piece {
    const char *data;
    size_t length;
};

/* A job's line, read. */
struct order {
    char id[JOB_ID_SIZE];
    struct piece feature, payload;
};

/* ---- to standard output ---- */

/* Lines, each behind the job's id where that is the form. */
static void say(struct desk *d, const char *id, const char *lines, size_t length)
{
    if (!d->shared) {
        talk_say(d->talk, lines, length);
        return;
    }
    struct buf out = {0};
    for (const char *at = lines, *end = lines + length; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t line = lf ? (size_t)(lf - at) + 1 : (size_t)(end - at);
        buf_puts(&out, id);
        buf_putc(&out, ' ');
        buf_add(&out, at, line);
        at += line;
    }
    if (buf_ok(&out))
        talk_say(d->talk, out.data, out.length);
    else
        d->status = STATUS_NO_MEMORY;
    buf_clear(&out);
}

static void say_failed(struct desk *d, const char *id, const char *reason, const char *detail)
{
    struct buf line = {0};
    buf_printf(&line, "{\"leat\":\"failed\",\"reason\":\"%s\",\"detail\":", reason);
    json_quote(&line, detail, strlen(detail));
    buf_puts(&line, ",\"retry\":false}\n");
    if (buf_ok(&line))
        say(d, id, line.data, line.length);
    else
        d->status = STATUS_NO_MEMORY;
    buf_clear(&line);
}

/* ---- jobs in hand ---- */

static void free_job(struct job *job)
{
    struct desk *d = job->desk;
    table_take(&d->jobs, &job->entry);
    free(job);
    if (!d->shared)
        talk_listen(d->talk, true);
}

static void on_said(void *arg, const char *lines, size_t length)
{
    const struct job *job = arg;
    say(job->desk, job->id, lines, length);
}

static void on_chat_end(void *arg)
{
    free_job(arg);
}

static void start_job(struct desk *d, const struct order *order, struct features *features)
{
    struct job *job = calloc(1, sizeof *job);
    if (job) {
        job->desk = d;
        memcpy(job->id, order->id, sizeof job->id);
        const struct chat_order chat = {
            .id = job->id,
            .features = features,
            .payload = order->payload.data,
            .length = order->payload.length,
            .say = on_said,
            .on_end = on_chat_end,
            .arg = job,
        };
        job->chat = chat_new(d->http, &chat);
    }
    if (!job || !job->chat) {
        free(job);
        d->status = STATUS_NO_MEMORY;
        return;
    }
    table_put(&d->jobs, &job->entry, job->id, strlen(job->id));
    if (!d->shared)
        talk_listen(d->talk, false);
    chat_begin(job->chat);
}

/* ---- lines that come ---- */

/* Of a shared process the id before the line counts. */
static void take_id(struct order *order, const char *text)
{
    char id[JOB_ID_SIZE];
    memcpy(id, text, sizeof id - 1);
    id[sizeof id - 1] = '\0';
    if (!*order->id && id_is_uuid(id))
        memcpy(order->id, id, sizeof id);
}

static bool take_member(void *arg, const struct json_member *member)
{
    struct order *order = arg;
    const struct piece piece = {member->value, member->length};
    if (strcmp(member->name, "feature") == 0)
        order->feature = piece;
    else if (strcmp(member->name, "payload") == 0)
        order->payload = piece;
    else if (strcmp(member->name, "job") == 0 && member->length == JOB_ID_SIZE + 1)
        take_id(order, member->value + 1);
    return true;
}

/* Its feature, for features_release; NULL: words say why. */
static struct features *find_features(struct desk *d, const struct piece *json, struct buf *words)
{
    for (size_t i = 0; i < KEPT_FEATURES && json->data && d->kept[i]; i++) {
        const struct feature *kept = features_at(d->kept[i], 0);
        if (kept->json_length == json->length && memcmp(kept->json, json->data, json->length) == 0)
            return features_take(d->kept[i]);
    }
    if (!json->data) {
        buf_puts(words, "the feature is not in the features file of the worker");
        return NULL;
    }
    struct features *features = features_parse_one(json->data, json->length, words);
    if (!features)
        return NULL;
    features_release(d->kept[d->next_kept]);
    d->kept[d->next_kept] = features_take(features);
    d->next_kept = (d->next_kept + 1) % KEPT_FEATURES;
    return features;
}

static void take_job(struct desk *d, const struct order *order)
{
    struct buf words = {0};
    struct features *features = find_features(d, &order->feature, &words);
    if (!features)
        say_failed(d, order->id, "feature", buf_text(&words));
    else if (!order->payload.data)
        say_failed(d, order->id, "question", "the job has no payload");
    else
        start_job(d, order, features);
    features_release(features);
    buf_clear(&words);
}

static void read_job(struct desk *d, struct order *order, const char *line, size_t length)
{
    struct json_info info;
    if (!json_check_line(line, length, &info)) {
        struct buf words = {0};
        buf_printf(&words, "the job's line is not JSON at byte %zu: %s", info.offset, info.reason);
        say_failed(d, order->id, "question", buf_text(&words));
        buf_clear(&words);
    } else if (!info.is_object) {
        say_failed(d, order->id, "question", "the job's line is not a JSON object");
    } else {
        json_members(line, length, take_member, order);
        if (!*order->id)
            id_new(order->id); /* a shell's job has none */
        take_job(d, order);
    }
}

static void stop_job(struct job *job)
{
    chat_stop(job->chat);
    free_job(job);
}

static void take_shared_line(struct desk *d, const char *line, size_t length)
{
    struct order order = {0};
    const char *blank = memchr(line, ' ', length);
    size_t id_length = blank ? (size_t)(blank - line) : 0;
    if (id_length == 0 || id_length >= JOB_ID_SIZE || strspn(line, id_bytes) != id_length) {
        d->status = STATUS_BAD_INPUT;
        return;
    }
    memcpy(order.id, line, id_length);
    size_t rest = length - id_length - 1;
    struct table_entry *known = table_find(&d->jobs, order.id, id_length);
    bool is_stop = job_line_is_stop(blank + 1, rest);
    if (known && is_stop)
        stop_job(CONTAINER_OF(known, struct job, entry));
    else if (known)
        d->status = STATUS_BAD_INPUT;
    else if (!is_stop)
        read_job(d, &order, blank + 1, rest);
}

static void on_line(void *arg, char *line, size_t length)
{
    struct desk *d = arg;
    struct order order = {0};
    if (d->shared) {
        take_shared_line(d, line, length);
    } else if (length > 0) {
        read_job(d, &order, line, length);
    }
}

static void on_input_end(void *arg)
{
    ((struct desk *)arg)->ended = true;
}

static void on_full(void *arg, bool is_full)
{
    struct desk *d = arg;
    if (is_full)
        http_pause(d->http);
    else
        http_resume(d->http);
}

static void on_broken(void *arg, enum status status)
{
    ((struct desk *)arg)->status = status;
}

/* ---- the loop ---- */

static void each_job(struct desk *d, void (*call)(struct job *job))
{
    for (size_t i = 0; i < d->jobs.size; i++) {
        struct table_entry *next;
        for (struct table_entry *entry = d->jobs.buckets[i]; entry; entry = next) {
            next = entry->next;
            call(CONTAINER_OF(entry, struct job, entry));
        }
    }
}

static void say_usage(struct job *job)
{
    chat_say_usage(job->chat);
}

static void on_term(uv_signal_t *signal, int number)
{
    struct desk *d = signal->data;
    each_job(d, say_usage);
    talk_finish(d->talk, LAST_WORDS_MS);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

static bool is_over(const struct desk *d)
{
    return d->status != STATUS_OK || (d->ended && d->jobs.count == 0 && talk_is_quiet(d->talk));
}

/* Before the loop waits. */
static void on_turn(uv_prepare_t *prepare)
{
    struct desk *d = prepare->data;
    talk_flush(d->talk);
    if (is_over(d))
        uv_stop(&d->loop);
}

static bool open_desk(struct desk *d)
{
    const struct talk_user user = {on_line, on_input_end, on_full, on_broken, d};
    if (!table_init(&d->jobs))
        return false;
    d->http = http_new(&d->loop);
    d->talk = talk_new(&d->loop, &user);
    return d->http && d->talk;
}

static void end_job(struct job *job)
{
    chat_stop(job->chat);
    table_take(&job->desk->jobs, &job->entry);
    free(job);
}

static void close_desk(struct desk *d)
{
    each_job(d, end_job);
    table_clear(&d->jobs);
    for (size_t i = 0; i < KEPT_FEATURES; i++)
        features_release(d->kept[i]);
    talk_free(d->talk);
    http_free(d->http);
    uv_close((uv_handle_t *)&d->term, NULL);
    uv_close((uv_handle_t *)&d->prepare, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
}

enum status chat_task_run(const struct task_context *context)
{
    struct desk d = {.shared = context->settings->leat_slots > 0};
    if (uv_loop_init(&d.loop) != 0)
        return STATUS_NO_MEMORY;
    uv_signal_init(&d.loop, &d.term);
    d.term.data = &d;
    uv_prepare_init(&d.loop, &d.prepare);
    d.prepare.data = &d;
    if (!open_desk(&d) || uv_signal_start(&d.term, on_term, SIGTERM) != 0 ||
        uv_prepare_start(&d.prepare, on_turn) != 0)
        d.status = STATUS_NO_MEMORY;
    while (!is_over(&d))
        uv_run(&d.loop, UV_RUN_DEFAULT);
    enum status status = d.status;
    close_desk(&d);
    return status;
}
