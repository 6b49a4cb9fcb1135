/*
 * talk.c: two descriptors, a buffer for each.
 *
 * A file cannot be polled, and never blocks: it is read in uv_idle, and written at once.
 *
 * The dangerous part: O_NONBLOCK belongs to what is open, not to us: a shell's terminal would
 * keep it after us. So what was there is put back at the end.
 */
#include "talk.h"

#include "buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (64 << 10)
/* A buffer larger than this is given back as soon as it is empty. */
#define KEPT_BYTES (128 << 10)

struct talk {
    struct talk_user user;
    struct buf in, out;
    size_t searched; /* of in: no LF in it */
    size_t written;  /* of out */
    int in_flags, out_flags;
    bool listens, ended, told_end, is_full, broken;
    bool in_is_file, out_is_file;
    bool waits_for_room; /* out_poll runs */
    bool reading;        /* a call of ours is on the stack */
    uv_poll_t in_poll, out_poll;
    uv_idle_t in_idle;
    int open_handles;
};

static void break_down(struct talk *t, enum status status)
{
    if (!t->broken)
        t->user.on_broken(t->user.arg, status);
    t->broken = true;
}

/* ---- in ---- */

static void set_reading(struct talk *t);

static void give_line(struct talk *t, size_t length, size_t used)
{
    /* A line of its own: the user may say what it likes while it has it. */
    char *line = malloc(length + 1);
    if (!line) {
        break_down(t, STATUS_NO_MEMORY);
        return;
    }
    memcpy(line, t->in.data, length);
    line[length] = '\0';
    buf_drop(&t->in, used);
    t->searched = 0;
    t->user.on_line(t->user.arg, line, length);
    free(line);
}

static void give_lines(struct talk *t)
{
    if (t->reading)
        return;
    t->reading = true;
    while (t->listens && !t->broken && t->in.length > 0) {
        char *end = memchr(t->in.data + t->searched, '\n', t->in.length - t->searched);
        size_t length = end ? (size_t)(end - t->in.data) : t->in.length;
        t->searched = length;
        if (!end && !t->ended)
            break;
        give_line(t, length, min_size(length + 1, t->in.length));
    }
    if (t->in.length == 0 && t->in.capacity > KEPT_BYTES)
        buf_clear(&t->in);
    if (t->ended && t->in.length == 0 && !t->told_end) {
        t->told_end = true;
        t->user.on_input_end(t->user.arg);
    }
    t->reading = false;
    set_reading(t);
}

static void read_some(struct talk *t)
{
    if (!buf_reserve(&t->in, READ_BYTES)) {
        break_down(t, STATUS_NO_MEMORY);
        return;
    }
    ssize_t count = read(STDIN_FILENO, t->in.data + t->in.length, READ_BYTES);
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
        break_down(t, STATUS_SYSTEM);
        return;
    }
    if (count > 0)
        t->in.length += (size_t)count;
    t->ended = count == 0;
    give_lines(t);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    read_some(poll->data);
}

static void on_idle(uv_idle_t *idle)
{
    read_some(idle->data);
}

static void set_reading(struct talk *t)
{
    bool wants = t->listens && !t->ended && !t->broken;
    int result = 0;
    if (t->in_is_file)
        result = wants ? uv_idle_start(&t->in_idle, on_idle) : uv_idle_stop(&t->in_idle);
    else
        result = wants ? uv_poll_start(&t->in_poll, UV_READABLE, on_readable)
                       : uv_poll_stop(&t->in_poll);
    if (result != 0)
        break_down(t, STATUS_SYSTEM);
}

void talk_listen(struct talk *t, bool wants)
{
    t->listens = wants;
    if (wants)
        give_lines(t);
    else
        set_reading(t);
}

/* ---- out ---- */

bool talk_is_quiet(const struct talk *t)
{
    return t->written == t->out.length;
}

static size_t waiting(const struct talk *t)
{
    return t->out.length - t->written;
}

static enum status write_some(struct talk *t)
{
    if (!buf_ok(&t->out))
        return STATUS_NO_MEMORY;
    while (!talk_is_quiet(t)) {
        ssize_t count = write(STDOUT_FILENO, t->out.data + t->written, waiting(t));
        if (count < 0 && errno == EAGAIN)
            return STATUS_OK;
        if (count < 0 && errno != EINTR)
            return errno == EPIPE ? STATUS_CLOSED : STATUS_SYSTEM;
        if (count > 0)
            t->written += (size_t)count;
    }
    if (t->out.capacity > KEPT_BYTES)
        buf_clear(&t->out);
    buf_reset(&t->out);
    t->written = 0;
    return STATUS_OK;
}

static void on_writable(uv_poll_t *poll, int status, int events);

/* What was said; and what is said because there is room again. */
static enum status write_all(struct talk *t)
{
    enum status status;
    while ((status = write_some(t)) == STATUS_OK && t->is_full &&
           waiting(t) <= TALK_FULL_BYTES / 4) {
        t->is_full = false;
        t->user.on_full(t->user.arg, false);
    }
    return status;
}

void talk_flush(struct talk *t)
{
    if (t->broken || (talk_is_quiet(t) && !t->out.failed))
        return;
    enum status status = write_all(t);
    /* Only a change is told to the loop: each costs a system call. */
    if (status == STATUS_OK && !t->out_is_file && t->waits_for_room == talk_is_quiet(t)) {
        t->waits_for_room = !talk_is_quiet(t);
        int result = t->waits_for_room ? uv_poll_start(&t->out_poll, UV_WRITABLE, on_writable)
                                       : uv_poll_stop(&t->out_poll);
        status = result == 0 ? STATUS_OK : STATUS_SYSTEM;
    }
    if (status != STATUS_OK)
        break_down(t, status);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    talk_flush(poll->data);
}

void talk_say(struct talk *t, const char *data, size_t length)
{
    if (t->written >= TALK_FULL_BYTES) {
        buf_drop(&t->out, t->written);
        t->written = 0;
    }
    buf_add(&t->out, data, length);
    if (t->is_full || waiting(t) < TALK_FULL_BYTES)
        return;
    t->is_full = true;
    t->user.on_full(t->user.arg, true);
}

void talk_finish(struct talk *t, int wait_ms)
{
    struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
    uint64_t until_ns = uv_hrtime() + (uint64_t)wait_ms * 1000000;
    while (!t->broken && write_some(t) == STATUS_OK && !talk_is_quiet(t) &&
           uv_hrtime() < until_ns) {
        if (poll(&room, 1, 10) < 0 && errno != EINTR)
            break;
    }
    if (fcntl(STDIN_FILENO, F_SETFL, t->in_flags) != 0 ||
        fcntl(STDOUT_FILENO, F_SETFL, t->out_flags) != 0)
        t->broken = true;
}

/* ---- the start and the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct talk *t = handle->data;
    if (--t->open_handles > 0)
        return;
    buf_clear(&t->in);
    buf_clear(&t->out);
    free(t);
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, on_closed);
}

/* A file cannot be polled. */
static bool open_poll(uv_loop_t *loop, struct talk *t, uv_poll_t *handle, int fd)
{
    handle->data = t;
    if (uv_poll_init(loop, handle, fd) != 0)
        return false;
    t->open_handles++;
    return true;
}

struct talk *talk_new(uv_loop_t *loop, const struct talk_user *user)
{
    struct talk *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->user = *user;
    t->in_flags = fcntl(STDIN_FILENO, F_GETFL);
    t->out_flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (t->in_flags < 0 || t->out_flags < 0) {
        free(t);
        return NULL;
    }
    t->in_is_file = !open_poll(loop, t, &t->in_poll, STDIN_FILENO);
    t->out_is_file = !open_poll(loop, t, &t->out_poll, STDOUT_FILENO);
    t->in_idle.data = t;
    uv_idle_init(loop, &t->in_idle);
    t->open_handles++;
    t->listens = true;
    set_reading(t);
    return t;
}

void talk_free(struct talk *t)
{
    if (!t)
        return;
    talk_finish(t, 0);
    if (!t->in_is_file)
        close_handle((uv_handle_t *)&t->in_poll);
    if (!t->out_is_file)
        close_handle((uv_handle_t *)&t->out_poll);
    close_handle((uv_handle_t *)&t->in_idle);
}
