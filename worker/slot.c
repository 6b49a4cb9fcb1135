/*
 * slot.c: the attempt. Read slot.h first: states and promises.
 *
 * Below is process.c, which says what the process wrote and when it is over;
 * beside it lines.c, which tells the lines apart; above is the user (run.c),
 * who gets messages and one report, and the host (crew.c), who counts processes.
 *
 * The dangerous parts: the process's end and a line may both want to decide what
 * an attempt came to (the first one does: decide()), and every callback may call
 * back into this file. So nothing is kept across a callback but the slot itself,
 * whose memory only goes from the loop.
 */
#include "slot.h"

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "lines.h"
#include "process.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    struct place place;
    const struct slot_host *host;
    const struct task *task;
    struct process process;
    struct lines lines;
    int64_t idle_since_ms;
    bool busy; /* has a job, or had one and is not fit for another */

    struct place_user user; /* on_end is NULL when there is none, or it dropped the place */
    uint64_t jobs;          /* given so far */
    bool spoke;             /* it wrote something since it got the line */

    /* What the attempt came to. */
    bool decided;
    enum place_end end;
    bool retry;
    int64_t retry_after_ms;
    char reason[JSON_REASON_SIZE];
    char sentence[JSON_DETAIL_SIZE];
};

static bool is_listening(const struct slot *slot)
{
    return slot->user.on_end && !slot->decided;
}

/* Its lines are read: for all that they say, or for the usage alone. */
static bool is_heard(const struct slot *slot)
{
    return is_listening(slot) || slot->user.on_usage;
}

/* ---- the attempt's end ---- */

static void decide(struct slot *slot, enum place_end end, const char *reason, const char *sentence)
{
    if (!is_listening(slot))
        return;
    slot->decided = true;
    slot->end = end;
    slot->retry = true;
    slot->retry_after_ms = 0;
    snprintf(slot->reason, sizeof slot->reason, "%s", reason);
    snprintf(slot->sentence, sizeof slot->sentence, "%s", sentence);
    /* What it still says is read and thrown away. */
    process_resume(&slot->process);
}

static void report(struct slot *slot)
{
    struct place_user user = slot->user;
    struct buf detail = {0}, words = {0};
    char reason[sizeof slot->reason];
    memcpy(reason, slot->reason, sizeof reason);
    if (slot->end != PLACE_DONE) {
        size_t length;
        const char *last = process_words(&slot->process, &length);
        json_utf8_clean(&detail, slot->sentence, strlen(slot->sentence));
        json_utf8_clean(&words, last, length);
    }
    struct place_report told = {
        .end = slot->end,
        .reason = reason,
        .detail = buf_ok(&detail) ? buf_text(&detail) : "",
        .words = buf_ok(&words) ? buf_text(&words) : "",
        .retry = slot->retry,
        .retry_after_ms = slot->retry_after_ms,
    };
    slot->user = (struct place_user){0};
    slot->host->on_freed(slot->host->arg, slot, !slot->busy);
    user.on_end(user.arg, &told);
    buf_clear(&detail);
    buf_clear(&words);
}

static void decide_by_exit(struct slot *slot, const struct process_end *end)
{
    static const enum place_end ends[] = {PLACE_DONE, PLACE_FAILED, PLACE_DIED};
    char sentence[sizeof slot->sentence];
    const char *reason = process_end_text(end, sentence, sizeof sentence);
    if (slot->jobs > 1 && end->unread && !slot->spoke)
        decide(slot, PLACE_UNREAD, "", "");
    else
        decide(slot, ends[end->signal ? 2 : end->status ? 1 : 0], reason, *reason ? sentence : "");
}

static void on_over(void *arg, const struct process_end *end)
{
    struct slot *slot = arg;
    struct place_user user = slot->user;
    slot->busy = true;
    if (user.on_end) {
        decide_by_exit(slot, end);
        report(slot);
    } else if (user.on_left) {
        slot->user = (struct place_user){0};
        user.on_left(user.arg);
    }
}

/* ---- what the process says ---- */

/* Told at once. It is kept if it read its line whole and said nothing after `done`. */
static void take_done(struct slot *slot)
{
    decide(slot, PLACE_DONE, "", "");
    if (slot->task->reuse && process_has_read(&slot->process) && lines_is_empty(&slot->lines)) {
        slot->busy = false;
        slot->idle_since_ms = clock_steady_ms();
    } else {
        process_leave(&slot->process);
    }
    report(slot);
}

static void take_line(struct slot *slot, enum line_kind kind, const struct line *line)
{
    if (kind == LINE_USAGE && slot->user.on_usage)
        slot->user.on_usage(slot->user.arg, line->data, line->length);
    if (!is_listening(slot))
        return;
    switch (kind) {
    case LINE_NONE:
    case LINE_USAGE:
        break;
    case LINE_MESSAGE:
        slot->user.on_message(slot->user.arg, line->data, line->length);
        break;
    case LINE_DONE:
        take_done(slot);
        break;
    case LINE_FAILED:
        decide(slot, PLACE_FAILED, *line->control.reason ? line->control.reason : "failed",
               line->control.detail);
        slot->retry = line->control.retry;
        slot->retry_after_ms = line->control.retry_after_ms;
        process_leave(&slot->process);
        break;
    case LINE_WRONG:
    case LINE_NAMELESS: /* comes of shared processes alone */
        decide(slot, PLACE_FAILED, "line", line->wrong);
        process_stop(&slot->process);
        break;
    }
}

static void take_lines(struct slot *slot, bool at_end)
{
    struct line line;
    enum line_kind kind = LINE_NONE;
    do {
        kind = is_heard(slot) ? lines_next(&slot->lines, at_end, &line) : LINE_NONE;
        take_line(slot, kind, &line);
    } while (kind != LINE_NONE);
    if (!is_heard(slot))
        lines_reset(&slot->lines);
}

static void stop(struct slot *slot, const char *reason, const char *sentence)
{
    decide(slot, PLACE_FAILED, reason, sentence);
    process_hurry(&slot->process);
}

static void on_out(void *arg, ssize_t count)
{
    struct slot *slot = arg;
    if (count > 0) {
        slot->spoke = true;
        lines_filled(&slot->lines, (size_t)count);
    }
    if (count < 0)
        stop(slot, "memory", "the worker has no memory for a line");
    /* Speaks without being asked, or can speak no more: replaced. */
    if (!slot->busy)
        process_leave(&slot->process);
    take_lines(slot, count <= 0);
}

static char *room(void *arg, size_t size)
{
    struct slot *slot = arg;
    return lines_room(&slot->lines, size);
}

/* ---- the job ---- */

enum status slot_give(struct slot *slot, const char *line, size_t length,
                      const struct place_user *user)
{
    assert(!slot->busy && !slot->user.on_end);
    if (!process_feed(&slot->process, line, length))
        return STATUS_NO_MEMORY;
    slot->busy = true;
    slot->jobs++;
    slot->user = *user;
    slot->spoke = false;
    slot->decided = false;
    lines_reset(&slot->lines);
    return STATUS_OK;
}

bool slot_is_idle(const struct slot *slot)
{
    return !slot->busy && slot->process.phase == PROCESS_RUNNING;
}

bool slot_is_fit(const struct slot *slot)
{
    return slot_is_idle(slot) && process_is_silent(&slot->process);
}

void slot_end(struct slot *slot)
{
    process_leave(&slot->process);
}

void slot_kill(struct slot *slot)
{
    process_kill(&slot->process);
}

/* ---- as a place ---- */

static struct slot *slot_of(struct place *place)
{
    return CONTAINER_OF(place, struct slot, place);
}

static void pause_place(struct place *place)
{
    struct slot *slot = slot_of(place);
    if (is_listening(slot))
        process_pause(&slot->process);
}

static void resume_place(struct place *place)
{
    process_resume(&slot_of(place)->process);
}

static void stop_place(struct place *place, const char *reason, const char *sentence)
{
    stop(slot_of(place), reason, sentence);
}

static void drop_place(struct place *place)
{
    struct slot *slot = slot_of(place);
    if (!slot->user.on_end)
        return;
    slot->user.on_end = NULL;
    slot->host->on_freed(slot->host->arg, slot, false);
    process_hurry(&slot->process);
}

static void kill_place(struct place *place)
{
    slot_kill(slot_of(place));
}

static const struct place_ways ways = {pause_place, resume_place, stop_place, drop_place,
                                       kill_place};

struct place *slot_place(struct slot *slot)
{
    return &slot->place;
}

const struct task *slot_task(const struct slot *slot)
{
    return slot->task;
}

int slot_pid(const struct slot *slot)
{
    return slot->process.pid;
}

int64_t slot_idle_since(const struct slot *slot)
{
    return slot->idle_since_ms;
}

/* ---- the start ---- */

static void on_closed(void *arg)
{
    struct slot *slot = arg;
    /* One that never started was never announced. */
    if (slot->process.pid > 0)
        slot->host->on_gone(slot->host->arg, slot);
    lines_reset(&slot->lines);
    free(slot);
}

enum status slot_new(const struct slot_host *host, const struct task *task, struct slot **out)
{
    struct slot *slot = calloc(1, sizeof *slot);
    *out = NULL;
    if (!slot)
        return STATUS_NO_MEMORY;
    slot->place.ways = &ways;
    slot->host = host;
    slot->task = task;
    slot->idle_since_ms = clock_steady_ms();
    lines_init(&slot->lines, (size_t)host->settings->task_max_line_bytes);
    const struct process_options options = {
        .loop = host->loop,
        .task = task,
        .environment = host->environment,
        .keeper = host->keeper,
        .stop_ms = host->settings->task_stop_ms,
        .arg = slot,
        .room = room,
        .on_out = on_out,
        .on_over = on_over,
        .on_closed = on_closed,
    };
    enum status status = process_start(&slot->process, &options);
    if (status == STATUS_OK)
        *out = slot;
    return status;
}
