/*
 * slot.c: the life of a task process. Read slot.h first: states and promises.
 *
 * Three things end at their own times and in any order: the process, its
 * standard output, its standard error. conclude() waits for all three, with
 * bounds (on_timer). What the process says is told apart by lines.c.
 *
 * The dangerous parts: an exit handler and a line may both want to decide the
 * attempt (the first one does, decide()); callbacks may call back into this file
 * (so nothing is kept across them but the slot, whose memory only goes in the
 * loop); and a group may be signalled only while it surely is the one we made:
 * up to when the process is waited for, and after that while the group has
 * members, which keep its number from being given away.
 */
#include "slot.h"

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "lines.h"
#include "log.h"
#include "spawn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define READ_BYTES (64 << 10)
#define PIPE_BYTES (64 << 10) /* a pipe's room: a shorter line is written whole, or not at all */

enum phase { IDLE, BUSY, LEAVING, STOPPING, EXITED, CLOSING };

struct slot {
    const struct slot_host *host;
    const struct task *task;
    enum phase phase;
    struct spawned spawned;
    uv_timer_t timer; /* LEAVING, STOPPING, EXITED: what comes next */
    int pid;
    unsigned handles;  /* not yet closed */
    bool in_open;      /* standard input may be written to */
    bool out_open;     /* no end of standard output was seen */
    bool err_open;     /* the same of standard error */
    bool paused;       /* the user wants no messages now */
    bool group_killed; /* SIGKILL was sent */
    bool group_empty;  /* the number may be somebody else's: no more signals */
    int64_t exit_status;
    int exit_signal;
    int64_t idle_since_ms;

    /* The job; on_end is NULL when there is no user. */
    struct slot_user user;
    uint64_t jobs; /* given so far */
    struct lines lines;
    struct buf words; /* the newest of standard error */
    struct buf feed;  /* the line that is being written */
    size_t feed_length;
    uv_write_t write;
    bool feeding;
    bool feed_failed;
    bool spoke;  /* it wrote something since it got the line */
    bool unread; /* when it exited: of the line it had not read a byte */

    /* What the attempt came to. */
    bool decided;
    enum slot_end end;
    bool retry;
    char reason[JSON_REASON_SIZE];
    char sentence[200];
};

static void conclude(struct slot *slot);
static void stop(struct slot *slot);
static void on_timer(uv_timer_t *timer);

/* ---- signals and timers ---- */

static void signal_group(struct slot *slot, int number)
{
    if (!slot->group_empty)
        kill(-slot->pid, number);
}

static void kill_group(struct slot *slot)
{
    slot->group_killed = true;
    signal_group(slot, SIGKILL);
}

static void start_timer(struct slot *slot, int64_t wait_ms)
{
    uv_timer_start(&slot->timer, on_timer, (uint64_t)wait_ms, 0);
}

static bool is_listening(const struct slot *slot)
{
    return slot->user.on_end && !slot->decided;
}

/* Time does not run against what an exited process wrote while nobody reads it. */
static void start_grace(struct slot *slot)
{
    if (is_listening(slot) && slot->paused)
        uv_timer_stop(&slot->timer);
    else
        start_timer(slot, SLOT_GRACE_MS);
}

static void on_timer(uv_timer_t *timer)
{
    struct slot *slot = timer->data;
    if (slot->phase == LEAVING) {
        stop(slot);
    } else if (slot->phase == STOPPING) {
        kill_group(slot);
    } else if (slot->phase == EXITED && !slot->group_killed) {
        kill_group(slot);
        start_grace(slot);
    } else if (slot->phase == EXITED) {
        /* Held open by somebody who left the group. */
        slot->out_open = false;
        slot->err_open = false;
        conclude(slot);
    }
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct slot *slot = handle->data;
    (void)suggested;
    char *base = NULL;
    if (handle == (uv_handle_t *)&slot->spawned.out)
        base = lines_room(&slot->lines, READ_BYTES);
    else if (buf_reserve(&slot->words, SLOT_WORDS_BYTES))
        base = slot->words.data + slot->words.length;
    /* Without memory libuv reports UV_ENOBUFS, and the attempt fails there. */
    size_t size = handle == (uv_handle_t *)&slot->spawned.out ? READ_BYTES : SLOT_WORDS_BYTES;
    *room = uv_buf_init(base, base ? (unsigned)size : 0);
}

static void on_out(uv_stream_t *stream, ssize_t count, const uv_buf_t *room);
static void on_err(uv_stream_t *stream, ssize_t count, const uv_buf_t *room);

static void read_out(struct slot *slot)
{
    if (slot->out_open && slot->phase != CLOSING)
        uv_read_start((uv_stream_t *)&slot->spawned.out, on_room, on_out);
}

/* ---- the attempt's end ---- */

static void decide(struct slot *slot, enum slot_end end, const char *reason, bool retry)
{
    if (!is_listening(slot))
        return;
    slot->decided = true;
    slot->end = end;
    slot->retry = retry;
    snprintf(slot->reason, sizeof slot->reason, "%s", reason);
    read_out(slot);
}

static void say(struct slot *slot, const char *sentence)
{
    if (is_listening(slot))
        snprintf(slot->sentence, sizeof slot->sentence, "%s", sentence);
}

/* The sentence, and the last words without the blanks at their end. */
static void write_detail(struct slot *slot, struct buf *out)
{
    size_t length = slot->words.length;
    while (length > 0 && strchr(" \t\r\n", slot->words.data[length - 1]))
        length--;
    json_utf8_clean(out, slot->sentence, strlen(slot->sentence));
    if (length == 0)
        return;
    if (*slot->sentence)
        buf_puts(out, "; last words: ");
    json_utf8_clean(out, slot->words.data, length);
}

static void report(struct slot *slot)
{
    struct slot_user user = slot->user;
    struct buf detail = {0};
    char reason[JSON_REASON_SIZE];
    memcpy(reason, slot->reason, sizeof reason);
    if (slot->end != SLOT_DONE)
        write_detail(slot, &detail);
    struct slot_report told = {slot->end, reason, buf_ok(&detail) ? buf_text(&detail) : "",
                               slot->retry};
    slot->user = (struct slot_user){0};
    slot->host->on_freed(slot->host->arg, slot, slot->phase == IDLE);
    user.on_end(user.arg, &told);
    buf_clear(&detail);
}

static const char *signal_word(int number)
{
    const char *word = sigabbrev_np(number);
    return word ? word : "?";
}

static void decide_by_exit(struct slot *slot)
{
    char sentence[sizeof slot->sentence];
    if (slot->jobs > 1 && slot->unread && !slot->spoke) {
        decide(slot, SLOT_UNREAD, "", true);
    } else if (slot->exit_signal != 0) {
        snprintf(sentence, sizeof sentence, "killed by signal %d (SIG%s)", slot->exit_signal,
                 signal_word(slot->exit_signal));
        say(slot, sentence);
        decide(slot, SLOT_DIED, "signal", true);
    } else if (slot->exit_status != 0) {
        snprintf(sentence, sizeof sentence, "exit status %" PRId64, slot->exit_status);
        say(slot, sentence);
        decide(slot, SLOT_FAILED, "exit", true);
    } else {
        decide(slot, SLOT_DONE, "", false);
    }
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
    struct slot *slot = handle->data;
    if (--slot->handles > 0)
        return;
    /* A process that never started was never announced. */
    if (slot->pid > 0)
        slot->host->on_gone(slot->host->arg, slot);
    lines_reset(&slot->lines);
    buf_clear(&slot->words);
    buf_clear(&slot->feed);
    free(slot);
}

static void close_handle(struct slot *slot, uv_handle_t *handle)
{
    if (uv_is_closing(handle))
        return;
    slot->handles++;
    uv_close(handle, on_closed);
}

static void close_in(struct slot *slot)
{
    if (!slot->in_open)
        return;
    slot->in_open = false;
    close_handle(slot, (uv_handle_t *)&slot->spawned.in);
}

static void close_all(struct slot *slot)
{
    slot->phase = CLOSING;
    close_in(slot);
    close_handle(slot, (uv_handle_t *)&slot->spawned.in);
    close_handle(slot, (uv_handle_t *)&slot->spawned.out);
    close_handle(slot, (uv_handle_t *)&slot->spawned.err);
    if (slot->spawned.process_made)
        close_handle(slot, (uv_handle_t *)&slot->spawned.process);
    /* Counted from the start, so that it is the last to be closed. */
    uv_close((uv_handle_t *)&slot->timer, on_closed);
}

/* The process, its output and its words have all ended: so has the attempt. */
static void conclude(struct slot *slot)
{
    if (slot->phase != EXITED || slot->out_open || slot->err_open)
        return;
    kill_group(slot);
    if (slot->user.on_end) {
        decide_by_exit(slot);
        report(slot);
    }
    if (slot->phase == EXITED)
        close_all(slot);
}

/* ---- ending the process ---- */

static void leave(struct slot *slot)
{
    if (slot->phase > BUSY)
        return;
    slot->phase = LEAVING;
    close_in(slot);
    start_timer(slot, slot->host->settings->task_stop_ms);
}

static void stop(struct slot *slot)
{
    if (slot->phase > LEAVING)
        return;
    slot->phase = STOPPING;
    close_in(slot);
    read_out(slot);
    signal_group(slot, SIGTERM);
    start_timer(slot, slot->host->settings->task_stop_ms);
}

/* Nobody waits for what is still to come. */
static void hurry(struct slot *slot)
{
    stop(slot);
    if (slot->phase != EXITED)
        return;
    kill_group(slot);
    start_grace(slot);
}

/* Bytes in standard input that the process has not read; 0 where that cannot be told. */
static size_t unread_bytes(const struct slot *slot)
{
    uv_os_fd_t fd;
    int count = 0;
    if (!slot->in_open || uv_fileno((const uv_handle_t *)&slot->spawned.in, &fd) != 0 ||
        ioctl(fd, FIONREAD, &count) != 0)
        return 0;
    return (size_t)count + uv_stream_get_write_queue_size((const uv_stream_t *)&slot->spawned.in);
}

static bool has_read_nothing(const struct slot *slot)
{
    size_t unread = unread_bytes(slot);
    if (slot->feed_failed)
        return unread == 0 && slot->feed_length <= PIPE_BYTES;
    return unread == slot->feed_length;
}

static void on_exit_of(uv_process_t *process, int64_t exit_status, int exit_signal)
{
    struct slot *slot = CONTAINER_OF(process, struct slot, spawned.process);
    bool was_stopping = slot->phase == STOPPING;
    slot->exit_status = exit_status;
    slot->exit_signal = exit_signal;
    slot->unread = has_read_nothing(slot);
    slot->phase = EXITED;
    slot->group_empty = kill(-slot->pid, 0) != 0 && errno == ESRCH;
    close_in(slot);
    /* A stop's time goes on running for what the process started. */
    if (!was_stopping || slot->group_killed)
        start_grace(slot);
    conclude(slot);
}

/* ---- what the process says ---- */

/* `done` by a process that read its line whole and said nothing after it. */
static bool is_reusable(const struct slot *slot)
{
    return slot->task->reuse && slot->phase == BUSY && slot->out_open && slot->err_open &&
           !slot->feeding && !slot->feed_failed && unread_bytes(slot) == 0 &&
           lines_is_empty(&slot->lines);
}

static void take_done(struct slot *slot)
{
    decide(slot, SLOT_DONE, "", false);
    if (is_reusable(slot)) {
        slot->phase = IDLE;
        slot->idle_since_ms = clock_steady_ms();
    } else {
        leave(slot);
    }
    report(slot);
}

static void take_line(struct slot *slot, enum line_kind kind, const struct line *line)
{
    switch (kind) {
    case LINE_NONE:
        break;
    case LINE_MESSAGE:
        slot->user.on_message(slot->user.arg, line->data, line->length);
        break;
    case LINE_DONE:
        take_done(slot);
        break;
    case LINE_FAILED:
        decide(slot, SLOT_FAILED, *line->control.reason ? line->control.reason : "failed",
               line->control.retry);
        leave(slot);
        break;
    case LINE_WRONG:
        say(slot, line->wrong);
        decide(slot, SLOT_FAILED, "line", true);
        stop(slot);
        break;
    }
}

static void take_lines(struct slot *slot)
{
    struct line line;
    enum line_kind kind = LINE_NONE;
    do {
        kind = is_listening(slot) ? lines_next(&slot->lines, !slot->out_open, &line) : LINE_NONE;
        take_line(slot, kind, &line);
    } while (kind != LINE_NONE);
    if (!is_listening(slot))
        lines_reset(&slot->lines);
}

static void on_out(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct slot *slot = stream->data;
    (void)room;
    if (count == 0)
        return;
    if (count > 0) {
        slot->spoke = true;
        lines_filled(&slot->lines, (size_t)count);
    } else {
        slot->out_open = false;
        uv_read_stop(stream);
    }
    /* Speaks without being asked, or can speak no more: replaced. */
    if (slot->phase == IDLE)
        leave(slot);
    if (count == UV_ENOBUFS)
        slot_stop(slot, "memory", "the worker has no memory for a line");
    take_lines(slot);
    conclude(slot);
}

static void on_err(uv_stream_t *stream, ssize_t count, const uv_buf_t *room)
{
    struct slot *slot = stream->data;
    (void)room;
    if (count > 0) {
        slot->words.length += (size_t)count;
        if (slot->words.length > SLOT_WORDS_BYTES)
            buf_drop(&slot->words, slot->words.length - SLOT_WORDS_BYTES);
    } else if (count < 0) {
        slot->err_open = false;
        uv_read_stop(stream);
        conclude(slot);
    }
}

/* ---- the job ---- */

static void on_written(uv_write_t *request, int bad)
{
    struct slot *slot = CONTAINER_OF(request, struct slot, write);
    slot->feeding = false;
    buf_clear(&slot->feed);
    /* A task may well close its standard input unread. */
    slot->feed_failed = bad != 0;
    if (!slot->task->reuse)
        close_in(slot);
}

static void feed(struct slot *slot)
{
    uv_buf_t bytes = uv_buf_init(slot->feed.data, (unsigned)slot->feed.length);
    slot->feeding = true;
    slot->feed_failed = false;
    if (!slot->in_open ||
        uv_write(&slot->write, (uv_stream_t *)&slot->spawned.in, &bytes, 1, on_written) != 0)
        on_written(&slot->write, UV_EPIPE);
}

enum status slot_give(struct slot *slot, const char *line, size_t length,
                      const struct slot_user *user)
{
    assert(slot->phase == IDLE && !slot->user.on_end && !slot->feeding);
    buf_reset(&slot->feed);
    buf_add(&slot->feed, line, length);
    if (!buf_ok(&slot->feed))
        return STATUS_NO_MEMORY;
    slot->phase = BUSY;
    slot->jobs++;
    slot->user = *user;
    slot->paused = false;
    slot->spoke = false;
    slot->decided = false;
    slot->sentence[0] = '\0';
    slot->feed_length = length;
    buf_reset(&slot->words);
    lines_reset(&slot->lines);
    feed(slot);
    return STATUS_OK;
}

bool slot_is_idle(const struct slot *slot)
{
    return slot->phase == IDLE;
}

bool slot_is_fit(const struct slot *slot)
{
    uv_os_fd_t fd;
    int count = 0;
    return slot->phase == IDLE && slot->out_open &&
           uv_fileno((const uv_handle_t *)&slot->spawned.out, &fd) == 0 &&
           ioctl(fd, FIONREAD, &count) == 0 && count == 0;
}

void slot_pause(struct slot *slot)
{
    if (!is_listening(slot) || slot->paused)
        return;
    slot->paused = true;
    if (slot->out_open)
        uv_read_stop((uv_stream_t *)&slot->spawned.out);
    if (slot->phase == EXITED)
        start_grace(slot);
}

void slot_resume(struct slot *slot)
{
    if (!is_listening(slot) || !slot->paused)
        return;
    slot->paused = false;
    read_out(slot);
    if (slot->phase == EXITED)
        start_grace(slot);
}

void slot_stop(struct slot *slot, const char *reason, const char *detail)
{
    say(slot, detail);
    decide(slot, SLOT_FAILED, reason, true);
    hurry(slot);
}

void slot_drop(struct slot *slot)
{
    if (!slot->user.on_end)
        return;
    slot->user = (struct slot_user){0};
    slot->decided = true;
    slot->host->on_freed(slot->host->arg, slot, false);
    read_out(slot);
    hurry(slot);
}

void slot_end(struct slot *slot)
{
    leave(slot);
}

void slot_kill(struct slot *slot)
{
    stop(slot);
    if (slot->phase == STOPPING || slot->phase == EXITED)
        kill_group(slot);
}

const struct task *slot_task(const struct slot *slot)
{
    return slot->task;
}

int slot_pid(const struct slot *slot)
{
    return slot->pid;
}

int64_t slot_idle_since(const struct slot *slot)
{
    return slot->idle_since_ms;
}

/* ---- the start ---- */

enum status slot_new(const struct slot_host *host, const struct task *task, struct slot **out)
{
    struct slot *slot = calloc(1, sizeof *slot);
    *out = NULL;
    if (!slot)
        return STATUS_NO_MEMORY;
    slot->host = host;
    slot->task = task;
    slot->handles = 1; /* the timer */
    slot->idle_since_ms = clock_steady_ms();
    lines_init(&slot->lines, (size_t)host->settings->task_max_line_bytes);
    slot->timer.data = slot->spawned.in.data = slot->spawned.out.data = slot->spawned.err.data =
        slot->spawned.process.data = slot;
    uv_timer_init(host->loop, &slot->timer);
    int bad = spawn_task(host->loop, task, host->environment, &slot->spawned, on_exit_of);
    if (bad) {
        log_error("task_not_started", LOG_S("type", task->type), LOG_S("why", uv_strerror(bad)));
        close_all(slot);
        return STATUS_SYSTEM;
    }
    slot->pid = slot->spawned.process.pid;
    slot->in_open = slot->out_open = slot->err_open = true;
    read_out(slot);
    uv_read_start((uv_stream_t *)&slot->spawned.err, on_room, on_err);
    *out = slot;
    return STATUS_OK;
}
