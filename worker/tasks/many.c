/*
 * many.c: one list of jobs in the order in which they are due, and poll().
 *
 * The pause between two messages is the same for all jobs, so whoever has just
 * spoken is due behind all others: a list does what a heap would, at no cost. What
 * is due at the same moment goes out in one write.
 *
 * The dangerous part is a reader that does not read: nothing may block then, or a
 * stop could not be read. So standard output does not block either; no more is
 * made while OUT_MOST_BYTES wait, and messages come late rather than never.
 */
#include "many.h"

#include "clock.h"
#include "generate_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MOST_BYTES (256 << 10)
#define READ_BYTES (64 << 10)

bool many_init(struct many *m, const struct task_context *context)
{
    *m = (struct many){.context = context};
    return table_init(&m->jobs);
}

/* ---- jobs ---- */

static void unlink_job(struct many *m, struct many_job *job)
{
    *(job->before ? &job->before->behind : &m->first) = job->behind;
    *(job->behind ? &job->behind->before : &m->last) = job->before;
}

/* Nearly always the last place; the first, of one that is new. */
static void link_job(struct many *m, struct many_job *job)
{
    struct many_job *before = m->last;
    if (m->first && m->first->due_ms > job->due_ms)
        before = NULL;
    while (before && before->due_ms > job->due_ms)
        before = before->before;
    job->before = before;
    job->behind = before ? before->behind : m->first;
    *(job->before ? &job->before->behind : &m->first) = job;
    *(job->behind ? &job->behind->before : &m->last) = job;
}

static void end_job(struct many *m, struct many_job *job, const char *words, struct buf *out)
{
    buf_puts(out, job->id);
    buf_puts(out, words);
    unlink_job(m, job);
    table_take(&m->jobs, &job->entry);
    free(job);
}

void many_clear(struct many *m)
{
    while (m->first) {
        struct many_job *job = m->first;
        unlink_job(m, job);
        free(job);
    }
    table_clear(&m->jobs);
}

static enum status add_job(struct many *m, const char *id, size_t length,
                           const struct job_line *line, int64_t now_ms)
{
    struct many_job *job = calloc(1, sizeof *job);
    if (!job)
        return STATUS_NO_MEMORY;
    memcpy(job->id, id, length);
    job->line = *line;
    job->due_ms = now_ms;
    table_put(&m->jobs, &job->entry, job->id, length);
    link_job(m, job);
    return STATUS_OK;
}

enum status many_take(struct many *m, const char *line, size_t length, int64_t now_ms,
                      struct buf *out)
{
    const char *blank = memchr(line, ' ', length);
    size_t id_length = blank ? (size_t)(blank - line) : 0;
    struct job_line job;
    if (id_length == 0 || id_length >= JOB_ID_SIZE)
        return STATUS_BAD_INPUT;
    struct table_entry *known = table_find(&m->jobs, line, id_length);
    size_t rest = length - id_length - 1;
    if (job_line_is_stop(blank + 1, rest)) {
        if (known)
            end_job(m, CONTAINER_OF(known, struct many_job, entry),
                    " {\"leat\":\"failed\",\"reason\":\"stopped\"}\n", out);
        return STATUS_OK;
    }
    if (known || job_line_parse(blank + 1, rest, &job) != STATUS_OK)
        return STATUS_BAD_INPUT;
    return add_job(m, line, id_length, &job, now_ms);
}

static void speak(struct many *m, struct many_job *job, const char *stamp, struct buf *out)
{
    const struct settings *settings = m->context->settings;
    if (job->number < settings->task_message_count) {
        buf_puts(out, job->id);
        buf_putc(out, ' ');
        generate_messages_render(out, m->context, &job->line, job->number++, stamp);
    }
    if (job->number >= settings->task_message_count) {
        end_job(m, job, " {\"leat\":\"done\"}\n", out);
        return;
    }
    unlink_job(m, job);
    job->due_ms += settings->task_message_interval_ms;
    link_job(m, job);
}

void many_speak(struct many *m, int64_t now_ms, size_t most, struct buf *out)
{
    char stamp[CLOCK_STAMP_SIZE];
    if (m->first && m->first->due_ms <= now_ms)
        clock_stamp(stamp);
    while (m->first && m->first->due_ms <= now_ms && out->length < most)
        speak(m, m->first, stamp, out);
}

int64_t many_wait_ms(const struct many *m, int64_t now_ms)
{
    return m->first ? max_i64(0, m->first->due_ms - now_ms) : -1;
}

/* ---- descriptors ---- */

struct talk {
    struct many many;
    struct buf in, out;
    size_t taken;   /* of in */
    size_t written; /* of out */
    bool ended;     /* nothing more comes in */
};

static enum status take_lines(struct talk *t)
{
    enum status status = STATUS_OK;
    int64_t now_ms = clock_steady_ms();
    while (status == STATUS_OK && t->taken < t->in.length) {
        char *line = t->in.data + t->taken;
        char *end = memchr(line, '\n', t->in.length - t->taken);
        if (!end)
            break;
        *end = '\0';
        t->taken += (size_t)(end - line) + 1;
        status = many_take(&t->many, line, (size_t)(end - line), now_ms, &t->out);
    }
    buf_drop(&t->in, t->taken);
    t->taken = 0;
    return status;
}

static enum status read_some(struct talk *t)
{
    if (!buf_reserve(&t->in, READ_BYTES))
        return STATUS_NO_MEMORY;
    ssize_t count = read(STDIN_FILENO, t->in.data + t->in.length, READ_BYTES);
    if (count < 0 && errno != EINTR && errno != EAGAIN)
        return STATUS_SYSTEM;
    if (count == 0)
        t->ended = true;
    if (count <= 0)
        return STATUS_OK;
    t->in.length += (size_t)count;
    return take_lines(t);
}

static enum status write_some(struct talk *t)
{
    if (!buf_ok(&t->out))
        return STATUS_NO_MEMORY;
    if (t->written == t->out.length)
        return STATUS_OK;
    ssize_t count = write(STDOUT_FILENO, t->out.data + t->written, t->out.length - t->written);
    if (count < 0 && errno != EINTR && errno != EAGAIN)
        return errno == EPIPE ? STATUS_CLOSED : STATUS_SYSTEM;
    if (count > 0)
        t->written += (size_t)count;
    if (t->written == t->out.length) {
        buf_reset(&t->out);
        t->written = 0;
    }
    return STATUS_OK;
}

static enum status turn(struct talk *t)
{
    many_speak(&t->many, clock_steady_ms(), OUT_MOST_BYTES, &t->out);
    enum status status = write_some(t);
    if (status != STATUS_OK)
        return status;
    bool waits = t->written < t->out.length;
    struct pollfd fds[2] = {
        {.fd = t->ended ? -1 : STDIN_FILENO, .events = POLLIN},
        {.fd = waits ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    int64_t wait_ms = many_wait_ms(&t->many, clock_steady_ms());
    /* What is due and has no room waits for room. */
    if (wait_ms == 0 && t->out.length >= OUT_MOST_BYTES)
        wait_ms = -1;
    if (poll(fds, 2, (int)min_i64(wait_ms, 60000)) < 0 && errno != EINTR)
        return STATUS_SYSTEM;
    return fds[0].revents ? read_some(t) : STATUS_OK;
}

enum status many_run(const struct task_context *context)
{
    struct talk t = {0};
    enum status status = STATUS_NO_MEMORY;
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (flags < 0 || fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) != 0)
        return STATUS_SYSTEM;
    if (many_init(&t.many, context))
        status = STATUS_OK;
    while (status == STATUS_OK && (!t.ended || t.many.first || t.written < t.out.length))
        status = turn(&t);
    many_clear(&t.many);
    buf_clear(&t.in);
    buf_clear(&t.out);
    return status;
}
