/*
 * admin.c: the words of what an operator asks. The answers go to the caller as
 * they come; their shape stands in admin.h and at the top of each Lua file.
 */
#include "admin.h"

#include "id.h"
#include "words.h"

#include <string.h>

/* A step of texts alone. */
static enum status run_texts(const struct queue *q, enum script script, const char *const *texts,
                             size_t count, redis_reply_fn *fn, void *arg)
{
    struct words w;
    if (!words_init(&w, count + 1))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        words_put(&w, texts[i]);
    return words_run(q->redis, script, &w, fn, arg);
}

static enum status run_text(const struct queue *q, enum script script, const char *text,
                            redis_reply_fn *fn, void *arg)
{
    return run_texts(q, script, &text, 1, fn, arg);
}

/* ---- jobs ---- */

enum status admin_job(const struct queue *q, const char *id, redis_reply_fn *fn, void *arg)
{
    return run_text(q, SCRIPT_JOB, id, fn, arg);
}

enum status admin_jobs(const struct queue *q, const struct admin_page *page, redis_reply_fn *fn,
                       void *arg)
{
    struct words w;
    if (!words_init(&w, 4))
        return STATUS_NO_MEMORY;
    words_put(&w, page->queue);
    words_put(&w, job_state_name(page->state));
    words_put_number(&w, (int64_t)page->limit);
    words_put(&w, page->cursor);
    return words_run(q->redis, SCRIPT_JOBS, &w, fn, arg);
}

/* A score of at most 16 digits, a colon and an id; or an id alone. */
bool admin_cursor_is_good(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (text[digits] == ':')
        return digits >= 1 && digits <= 16 && id_is_uuid(text + digits + 1);
    return id_is_uuid(text);
}

enum status admin_retry(const struct queue *q, const char *queue, const char *cursor, size_t limit,
                        redis_reply_fn *fn, void *arg)
{
    const struct settings *s = q->settings;
    char ids[ADMIN_PAGE_MOST][JOB_ID_SIZE];
    struct words w;
    limit = limit < ADMIN_PAGE_MOST ? limit : ADMIN_PAGE_MOST;
    if (!words_init(&w, 7 + limit))
        return STATUS_NO_MEMORY;
    words_put(&w, "");
    words_put(&w, queue);
    words_put(&w, cursor);
    words_put_number(&w, s->queue_max_waiting);
    words_put_number(&w, s->queue_max_bytes);
    words_put_number(&w, s->stream_ttl_ms);
    words_put_number(&w, s->idempotency_ttl_ms);
    for (size_t i = 0; i < limit; i++) {
        id_new(ids[i]);
        words_put(&w, ids[i]);
    }
    return words_run(q->redis, SCRIPT_RETRY, &w, fn, arg);
}

enum status admin_purge(const struct queue *q, const char *queue, size_t limit, redis_reply_fn *fn,
                        void *arg)
{
    struct words w;
    if (!words_init(&w, 2))
        return STATUS_NO_MEMORY;
    words_put(&w, queue);
    words_put_number(&w, (int64_t)limit);
    return words_run(q->redis, SCRIPT_PURGE, &w, fn, arg);
}

/* ---- queues, routes, workers ---- */

enum status admin_queues(const struct queue *q, const char *name, redis_reply_fn *fn, void *arg)
{
    return run_text(q, SCRIPT_QUEUES, name, fn, arg);
}

enum status admin_pause(const struct queue *q, const char *queue, bool paused, redis_reply_fn *fn,
                        void *arg)
{
    const char *const texts[] = {queue, paused ? "1" : "0"};
    return run_texts(q, SCRIPT_PAUSE, texts, COUNT_OF(texts), fn, arg);
}

enum status admin_routes(const struct queue *q, redis_reply_fn *fn, void *arg)
{
    return run_texts(q, SCRIPT_ROUTES, NULL, 0, fn, arg);
}

enum status admin_route(const struct queue *q, const char *feature_id, const char *queue,
                        redis_reply_fn *fn, void *arg)
{
    const char *const texts[] = {feature_id, queue};
    return run_texts(q, SCRIPT_ROUTE, texts, COUNT_OF(texts), fn, arg);
}

enum status admin_workers(const struct queue *q, redis_reply_fn *fn, void *arg)
{
    return run_texts(q, SCRIPT_WORKERS, NULL, 0, fn, arg);
}

/* ---- schedules ---- */

static void put_text_field(struct words *w, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    words_put(w, name);
    words_put(w, text);
}

static void put_number_field(struct words *w, const char *name, int64_t number)
{
    if (number == 0)
        return;
    words_put(w, name);
    words_put_number(w, number);
}

enum status admin_schedule_put(const struct queue *q, const struct schedule *in, int64_t next_ms,
                               redis_reply_fn *fn, void *arg)
{
    const struct job_options *o = &in->options;
    struct words w;
    if (!words_init(&w, 2 + 2 * 14))
        return STATUS_NO_MEMORY;
    words_put(&w, in->name);
    words_put_number(&w, next_ms);
    put_text_field(&w, "cron", in->cron);
    put_number_field(&w, "every_ms", in->every_ms);
    put_text_field(&w, "missed", in->missed == MISSED_SKIP ? "skip" : "one");
    put_text_field(&w, "type", in->type);
    put_text_field(&w, "feature_id", in->feature_id);
    put_text_field(&w, "chat_id", in->chat_id);
    put_text_field(&w, "own_queue", in->queue);
    put_text_field(&w, "body_hash", in->body_hash);
    if (in->payload) {
        words_put(&w, "payload");
        words_put_bytes(&w, in->payload, in->payload_length);
    }
    words_put(&w, "priority");
    words_put_number(&w, queue_priority(o));
    put_number_field(&w, "deadline_ms",
                     o->deadline_ms ? o->deadline_ms : q->settings->job_deadline_ms);
    put_number_field(&w, "timeout_ms", o->timeout_ms);
    put_number_field(&w, "max_attempts", o->max_attempts);
    put_number_field(&w, "retention_ms", o->retention_ms);
    return words_run(q->redis, SCRIPT_SCHEDULE_PUT, &w, fn, arg);
}

enum status admin_schedules(const struct queue *q, const char *name, redis_reply_fn *fn, void *arg)
{
    return run_text(q, SCRIPT_SCHEDULES, name, fn, arg);
}

enum status admin_schedule_drop(const struct queue *q, const char *name, redis_reply_fn *fn,
                                void *arg)
{
    return run_text(q, SCRIPT_SCHEDULE_DROP, name, fn, arg);
}

enum status admin_due(const struct queue *q, redis_reply_fn *fn, void *arg)
{
    return run_texts(q, SCRIPT_DUE, NULL, 0, fn, arg);
}

enum status admin_fire(const struct queue *q, const struct occasion *in, redis_reply_fn *fn,
                       void *arg)
{
    const struct settings *s = q->settings;
    struct words w;
    if (!words_init(&w, 8))
        return STATUS_NO_MEMORY;
    words_put(&w, in->name);
    words_put_number(&w, in->at_ms);
    words_put_number(&w, in->next_ms);
    words_put_number(&w, in->run);
    words_put(&w, in->id);
    words_put_number(&w, s->queue_max_waiting);
    words_put_number(&w, s->queue_max_bytes);
    words_put_number(&w, s->stream_ttl_ms);
    return words_run(q->redis, SCRIPT_FIRE, &w, fn, arg);
}
