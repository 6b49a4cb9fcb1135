/*
 * process.c: three things that end at their own times and in any order: the
 * process, its standard output, its standard error. conclude() waits for all
 * three, with bounds (on_timer). Read process.h first.
 *
 * The dangerous parts: a group may be signalled only while it surely is the one
 * we made: up to when its leader is waited for, and after that while it has
 * members, which keep its number from being given away. And whether a process
 * that is gone had read its line is known only from what lies in the pipe, at
 * the moment of its exit (has_read_nothing).
 */
#include "process.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define READ_BYTES (4 << 10)       /* at first, and until that much comes at once */
#define READ_MOST_BYTES (64 << 10) /* from then on, as long as it fills READ_BYTES */
#define PIPE_BYTES (64 << 10) /* a pipe's room: a shorter line is written whole, or not at all */

static void conclude(struct process *p);
static void on_timer(uv_timer_t *timer);

/* ---- signals and timers ---- */

static void signal_group(struct process *p, int number)
{
    if (p->pid > 0 && !p->group_empty)
        kill(-p->pid, number);
}

static void kill_group(struct process *p)
{
    p->killed = true;
    signal_group(p, SIGKILL);
}

static void start_timer(struct process *p, int64_t wait_ms)
{
    uv_timer_start(&p->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void start_grace(struct process *p)
{
    if (p->paused)
        uv_timer_stop(&p->timer);
    else
        start_timer(p, PROCESS_GRACE_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct process *p = timer->data;
    if (p->phase == PROCESS_LEAVING) {
        process_stop(p);
    } else if (p->phase == PROCESS_STOPPING) {
        kill_group(p);
    } else if (p->phase == PROCESS_EXITED && !p->killed) {
        kill_group(p);
        start_grace(p);
    } else if (p->phase == PROCESS_EXITED) {
        /* Held open by somebody who left the group. */
        p->err_open = false;
        if (p->out_open) {
            p->out_open = false;
            p->options.on_out(p->options.arg, 0);
        }
        conclude(p);
    }
}

/* ---- reading ---- */

static void on_out_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct process *p = handle->data;
    (void)suggested;
    unsigned size = p->talkative ? READ_MOST_BYTES : READ_BYTES;
    char *base = p->options.room(p->options.arg, size);
    *room = uv_buf_init(base, base ? size : 0);
}

static void on_out(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct process *p = stream->data;
    (void)room;
    if (count == 0)
        return;
    p->talkative = count >= READ_BYTES;
    if (count < 0) {
        p->out_open = false;
        uv_read_stop(stream);
        count = count == UV_ENOBUFS ? count : 0;
    }
    p->options.on_out(p->options.arg, count);
    conclude(p);
}

static void on_err_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct process *p = handle->data;
    (void)suggested;
    bool fits = buf_reserve(&p->words, PROCESS_WORDS_BYTES);
    *room =
        uv_buf_init(fits ? p->words.data + p->words.length : NULL, fits ? PROCESS_WORDS_BYTES : 0);
}

static void on_err(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct process *p = stream->data;
    (void)room;
    if (count > 0) {
        p->words.length += (size_t)count;
        if (p->words.length > PROCESS_WORDS_BYTES)
            buf_drop(&p->words, p->words.length - PROCESS_WORDS_BYTES);
    } else if (count < 0) {
        p->err_open = false;
        uv_read_stop(stream);
        conclude(p);
    }
}

static void read_out(struct process *p)
{
    if (p->out_open && p->phase != PROCESS_CLOSING)
        uv_read_start((uv_stream_t *)&p->spawned.out, on_out_room, on_out);
}

void process_pause(struct process *p)
{
    if (p->paused)
        return;
    p->paused = true;
    if (p->out_open && p->phase != PROCESS_CLOSING)
        uv_read_stop((uv_stream_t *)&p->spawned.out);
    if (p->phase == PROCESS_EXITED)
        start_grace(p);
}

void process_resume(struct process *p)
{
    if (!p->paused)
        return;
    p->paused = false;
    read_out(p);
    if (p->phase == PROCESS_EXITED)
        start_grace(p);
}

/* Bytes that wait in a pipe whose one end is handle. */
static size_t waiting_bytes(const uv_pipe_t *handle)
{
    uv_os_fd_t fd;
    int count = 0;
    if (uv_fileno((const uv_handle_t *)handle, &fd) != 0 || ioctl(fd, FIONREAD, &count) != 0)
        return 0;
    return (size_t)count;
}

bool process_is_silent(const struct process *p)
{
    return p->phase == PROCESS_RUNNING && p->out_open && p->err_open &&
           waiting_bytes(&p->spawned.out) == 0;
}

const char *process_words(const struct process *p, size_t *length)
{
    *length = p->words.length;
    while (*length > 0 && strchr(" \t\r\n", p->words.data[*length - 1]))
        --*length;
    return buf_text(&p->words);
}

const char *process_end_text(const struct process_end *end, char *out, size_t size)
{
    const char *word = end->signal ? sigabbrev_np(end->signal) : NULL;
    if (end->signal)
        snprintf(out, size, "killed by signal %d (SIG%s)", end->signal, word ? word : "?");
    else
        snprintf(out, size, "exit status %" PRId64, end->status);
    return end->signal ? "signal" : end->status ? "exit" : "";
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;
    if (--p->handles > 0)
        return;
    buf_clear(&p->words);
    buf_clear(&p->feed);
    buf_clear(&p->unfed);
    p->options.on_closed(p->options.arg);
}

static void close_handle(struct process *p, uv_handle_t *handle)
{
    if (uv_is_closing(handle))
        return;
    p->handles++;
    uv_close(handle, on_closed);
}

static void close_in(struct process *p)
{
    p->in_open = false;
    close_handle(p, (uv_handle_t *)&p->spawned.in);
}

static void close_all(struct process *p)
{
    p->phase = PROCESS_CLOSING;
    close_in(p);
    close_handle(p, (uv_handle_t *)&p->spawned.out);
    close_handle(p, (uv_handle_t *)&p->spawned.err);
    if (p->spawned.process_made)
        close_handle(p, (uv_handle_t *)&p->spawned.process);
    /* Counted from the start, so that on_closed comes after all of them. */
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

static void conclude(struct process *p)
{
    if (p->phase != PROCESS_EXITED || p->out_open || p->err_open)
        return;
    kill_group(p);
    if (p->options.keeper)
        keeper_remove(p->options.keeper, p->pid);
    close_all(p);
    p->options.on_over(p->options.arg, &p->end);
}

/* ---- ending ---- */

void process_leave(struct process *p)
{
    if (p->phase > PROCESS_RUNNING)
        return;
    p->phase = PROCESS_LEAVING;
    close_in(p);
    start_timer(p, p->options.stop_ms);
}

void process_stop(struct process *p)
{
    if (p->phase > PROCESS_LEAVING)
        return;
    p->phase = PROCESS_STOPPING;
    close_in(p);
    process_resume(p);
    signal_group(p, SIGTERM);
    start_timer(p, p->options.stop_ms);
}

void process_hurry(struct process *p)
{
    process_stop(p);
    process_resume(p);
    if (p->phase != PROCESS_EXITED)
        return;
    kill_group(p);
    start_grace(p);
}

void process_kill(struct process *p)
{
    process_hurry(p);
    if (p->phase == PROCESS_STOPPING)
        kill_group(p);
}

static bool has_read_nothing(const struct process *p)
{
    if (!p->in_open)
        return false;
    size_t waiting = waiting_bytes(&p->spawned.in);
    if (p->feed_failed)
        return waiting == 0 && p->feed_length <= PIPE_BYTES;
    const uv_stream_t *stream = (const uv_stream_t *)&p->spawned.in;
    return waiting + uv_stream_get_write_queue_size(stream) == p->feed_length;
}

static void on_exit_of(uv_process_t *handle, int64_t status, int signal)
{
    struct process *p = handle->data;
    bool was_stopping = p->phase == PROCESS_STOPPING;
    p->end = (struct process_end){status, signal, has_read_nothing(p)};
    p->phase = PROCESS_EXITED;
    p->group_empty = kill(-p->pid, 0) != 0 && errno == ESRCH;
    close_in(p);
    /* A stop's time goes on running for what the process started. */
    if (!was_stopping || p->killed)
        start_grace(p);
    conclude(p);
}

/* ---- feeding ---- */

static void write_unfed(struct process *p);

static void on_written(uv_write_t *request, int bad)
{
    struct process *p = CONTAINER_OF(request, struct process, write);
    p->feeding = false;
    buf_clear(&p->feed);
    /* A task may well close its standard input unread. */
    p->feed_failed = bad != 0;
    if (p->options.task->slots > 0)
        write_unfed(p);
    else if (!p->options.task->reuse)
        close_in(p);
}

/* What was sent meanwhile goes in one write. */
static void write_unfed(struct process *p)
{
    if (p->unfed.length == 0 || p->feeding || p->feed_failed || !p->in_open)
        return;
    struct buf empty = p->feed;
    p->feed = p->unfed;
    p->unfed = empty;
    buf_reset(&p->unfed);
    p->feeding = true;
    uv_buf_t bytes = uv_buf_init(p->feed.data, (unsigned)p->feed.length);
    if (uv_write(&p->write, (uv_stream_t *)&p->spawned.in, &bytes, 1, on_written) != 0) {
        p->feeding = false;
        p->feed_failed = true;
    }
}

bool process_send(struct process *p, const char *line, size_t length)
{
    if (!p->in_open || p->feed_failed || p->unfed.length + length > UINT32_MAX)
        return false;
    buf_add(&p->unfed, line, length);
    if (!buf_ok(&p->unfed)) {
        p->unfed.failed = false;
        return false;
    }
    write_unfed(p);
    return true;
}

bool process_feed(struct process *p, const char *line, size_t length)
{
    assert(!p->feeding);
    buf_reset(&p->words);
    buf_reset(&p->feed);
    buf_add(&p->feed, line, length);
    if (!buf_ok(&p->feed))
        return false;
    uv_buf_t bytes = uv_buf_init(p->feed.data, (unsigned)length);
    p->feeding = true;
    p->feed_failed = false;
    p->feed_length = length;
    if (!p->in_open ||
        uv_write(&p->write, (uv_stream_t *)&p->spawned.in, &bytes, 1, on_written) != 0)
        on_written(&p->write, UV_EPIPE);
    return true;
}

bool process_can_be_sent(const struct process *p)
{
    return p->phase == PROCESS_RUNNING && p->in_open && p->out_open && !p->feed_failed;
}

bool process_has_read(const struct process *p)
{
    return p->phase == PROCESS_RUNNING && p->in_open && p->out_open && p->err_open && !p->feeding &&
           !p->feed_failed && waiting_bytes(&p->spawned.in) == 0;
}

/* ---- the start ---- */

static bool is_short_of(int bad)
{
    return bad == UV_ENOMEM || bad == UV_EMFILE || bad == UV_ENFILE || bad == UV_EAGAIN;
}

enum status process_start(struct process *p, const struct process_options *options)
{
    p->options = *options;
    p->handles = 1; /* the timer */
    p->timer.data = p->spawned.process.data = p;
    p->spawned.in.data = p->spawned.out.data = p->spawned.err.data = p;
    uv_timer_init(options->loop, &p->timer);
    int bad =
        spawn_task(options->loop, options->task, options->environment, &p->spawned, on_exit_of);
    if (bad) {
        log_error("task_not_started", LOG_S("type", options->task->type),
                  LOG_S("why", uv_strerror(bad)));
        close_all(p);
        return is_short_of(bad) ? STATUS_NO_MEMORY : STATUS_SYSTEM;
    }
    p->pid = p->spawned.process.pid;
    p->in_open = p->out_open = p->err_open = true;
    if (options->keeper)
        keeper_add(options->keeper, p->pid);
    read_out(p);
    uv_read_start((uv_stream_t *)&p->spawned.err, on_err_room, on_err);
    return STATUS_OK;
}
