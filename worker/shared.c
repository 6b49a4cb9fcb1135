/*
 * shared.c: seats, and what a line, a stop and the process's end do to them. Read
 * shared.h first.
 *
 * Below is process.c; beside it lines.c and table.c; above is crew.c, which chooses
 * a process for a job, and each seat's user (run.c).
 *
 * The dangerous parts. Every callback may call back into this file, for any seat:
 * so nothing is kept across one but the process and the seat at hand, whose memory
 * goes only by the grace or the loop. And a line must never reach another attempt
 * than the one that it was written for: so a seat is free only when its job's end
 * was said, and its id is kept for a while.
 */
#include "shared.h"

#include "buf.h"
#include "clock.h"
#include "json.h"
#include "lines.h"
#include "log.h"
#include "process.h"
#include "spawn.h"
#include "table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED_MOST 4096 /* ids that are kept, beside as many as there are seats */
#define STOP_WORDS " {\"stop\": true}\n"

enum state { WORKING, STOPPING, ENDED, STATES };

/* What a failed attempt came to. */
struct verdict {
    bool retry;
    int64_t retry_after_ms;
    char reason[JSON_REASON_SIZE];
    char sentence[JSON_DETAIL_SIZE];
};

struct seat {
    struct place place;
    char id[JOB_ID_SIZE];
    struct table_entry entry; /* by its id */
    struct shared *shared;
    struct place_user user; /* on_end is NULL when there is none, or it dropped the place */
    enum state state;
    struct seat *before, *behind; /* in the list of its state, oldest first */
    /* STOPPING: it was told, later by the time in which it could not answer; ENDED: it ended.
     * Steady */
    int64_t since_ms;
    struct verdict *verdict; /* NULL: undecided, or there was no memory for its texts */
    bool decided;
    bool paused;
    size_t over; /* bytes passed on while it was paused */
};

struct shared {
    const struct shared_host *host;
    const struct task *task;
    size_t slots;
    struct process process;
    struct lines lines;
    struct table seats; /* all of them */
    struct {
        struct seat *first, *last;
        size_t count;
    } lists[STATES];
    bool serving;
    bool deaf;          /* it lost the thread */
    bool culprit_known; /* it is replaced because of whoever did not stop */
    bool stray_said;
    uint64_t given;
    size_t users;
    size_t over;        /* of all seats */
    size_t over_seats;  /* that have reached SHARED_OVER_BYTES */
    int64_t held_up_ms; /* since when it is not read; 0: it is */
    int64_t idle_since_ms;
    uv_timer_t stops; /* until the oldest in STOPPING is overdue */
    bool timer_closed, process_closed;
    char why[160]; /* it is replaced */
    char slots_variable[32];
    char **environment;
};

static const struct place_ways ways;

/* ---- seats and their lists ---- */

static void unlink_seat(struct seat *seat)
{
    struct shared *shared = seat->shared;
    *(seat->before ? &seat->before->behind : &shared->lists[seat->state].first) = seat->behind;
    *(seat->behind ? &seat->behind->before : &shared->lists[seat->state].last) = seat->before;
    shared->lists[seat->state].count--;
}

static void link_seat(struct seat *seat, enum state state)
{
    struct shared *shared = seat->shared;
    seat->state = state;
    seat->before = shared->lists[state].last;
    seat->behind = NULL;
    *(seat->before ? &seat->before->behind : &shared->lists[state].first) = seat;
    shared->lists[state].last = seat;
    shared->lists[state].count++;
}

static void move(struct seat *seat, enum state state)
{
    unlink_seat(seat);
    link_seat(seat, state);
}

static void forget(struct seat *seat)
{
    unlink_seat(seat);
    table_take(&seat->shared->seats, &seat->entry);
    free(seat->verdict);
    free(seat);
}

/* Ended ones whose time is over, and the oldest of too many. */
static void forget_old(struct shared *shared)
{
    int64_t now = clock_steady_ms();
    while (shared->lists[ENDED].first &&
           (shared->lists[ENDED].first->since_ms + SHARED_GRACE_MS <= now ||
            shared->lists[ENDED].count > shared->slots + ENDED_MOST))
        forget(shared->lists[ENDED].first);
}

static struct seat *seat_of(const struct shared *shared, const char *id, size_t length)
{
    struct table_entry *entry = table_find(&shared->seats, id, length);
    return entry ? CONTAINER_OF(entry, struct seat, entry) : NULL;
}

/* ---- flow ---- */

/* Whether the process is not read, by our own will: then it cannot say that it obeyed. */
static bool is_held_up(const struct shared *shared)
{
    return shared->over_seats > 0 || shared->over >= SHARED_OVER_ALL_BYTES;
}

static void await_stops(struct shared *shared);

/* The time in which a process is not read is nothing that a stopped job in it could have used. */
static void apply_flow(struct shared *shared)
{
    int64_t now = clock_steady_ms(), held_up = shared->held_up_ms;
    if (is_held_up(shared)) {
        process_pause(&shared->process);
        shared->held_up_ms = held_up ? held_up : now;
    } else {
        process_resume(&shared->process);
        shared->held_up_ms = 0;
        for (struct seat *seat = shared->lists[STOPPING].first; held_up && seat;
             seat = seat->behind)
            seat->since_ms += now - max_i64(seat->since_ms, held_up);
    }
    await_stops(shared);
}

static void count_over(struct seat *seat, size_t length)
{
    struct shared *shared = seat->shared;
    bool was_full = seat->over >= SHARED_OVER_BYTES;
    seat->over += length;
    shared->over += length;
    shared->over_seats += !was_full && seat->over >= SHARED_OVER_BYTES;
    apply_flow(shared);
}

/* It holds up nobody any more. */
static void resume(struct seat *seat)
{
    struct shared *shared = seat->shared;
    seat->paused = false;
    if (seat->over == 0)
        return;
    shared->over_seats -= seat->over >= SHARED_OVER_BYTES;
    shared->over -= seat->over;
    seat->over = 0;
    apply_flow(shared);
}

/* ---- the process is to be replaced ---- */

static void break_down(struct shared *shared, const char *why)
{
    if (!shared->serving)
        return;
    shared->serving = false;
    snprintf(shared->why, sizeof shared->why, "%s", why);
    log_warn("shared_replaced", LOG_S("type", shared->task->type),
             LOG_I("pid", shared->process.pid), LOG_I("jobs", shared_jobs(shared)),
             LOG_S("why", why));
    process_stop(&shared->process);
}

/* ---- stops ---- */

static void on_overdue(uv_timer_t *timer);

static int64_t overdue_at(const struct seat *seat)
{
    return seat->since_ms + seat->shared->host->settings->task_stop_ms;
}

static void await_stops(struct shared *shared)
{
    const struct seat *oldest = shared->lists[STOPPING].first;
    if (!oldest || !shared->serving || is_held_up(shared))
        uv_timer_stop(&shared->stops);
    else if (!uv_is_active((uv_handle_t *)&shared->stops))
        uv_timer_start(&shared->stops, on_overdue,
                       (uint64_t)max_i64(1, overdue_at(oldest) - clock_steady_ms()), 0);
}

static void on_overdue(uv_timer_t *timer)
{
    struct shared *shared = timer->data;
    const struct seat *oldest = shared->lists[STOPPING].first;
    if (oldest && overdue_at(oldest) <= clock_steady_ms()) {
        shared->culprit_known = true;
        break_down(shared, "a job in it did not stop when it was told to");
    }
    await_stops(shared);
}

static void begin_stopping(struct seat *seat)
{
    struct shared *shared = seat->shared;
    char line[JOB_ID_SIZE + sizeof STOP_WORDS];
    resume(seat);
    if (seat->state != WORKING)
        return;
    move(seat, STOPPING);
    seat->since_ms = clock_steady_ms();
    int length = snprintf(line, sizeof line, "%s" STOP_WORDS, seat->id);
    if (!shared->serving)
        process_stop(&shared->process); /* it could not say that it obeys */
    else if (!process_send(&shared->process, line, (size_t)length))
        break_down(shared, "it cannot be told anything any more");
    await_stops(shared);
}

/* ---- an attempt's end ---- */

/* The first one counts. */
static void decide(struct seat *seat, const char *reason, const char *sentence, bool retry)
{
    if (seat->decided)
        return;
    seat->decided = true;
    seat->verdict = calloc(1, sizeof *seat->verdict);
    if (!seat->verdict)
        return;
    seat->verdict->retry = retry;
    snprintf(seat->verdict->reason, sizeof seat->verdict->reason, "%s", reason);
    snprintf(seat->verdict->sentence, sizeof seat->verdict->sentence, "%s", sentence);
}

/* The seat is free; its user, if any, is told. */
static void report(struct seat *seat, const struct place_report *told)
{
    struct shared *shared = seat->shared;
    struct place_user user = seat->user;
    seat->user = (struct place_user){0};
    resume(seat);
    move(seat, ENDED);
    seat->since_ms = clock_steady_ms();
    if (shared_jobs(shared) == 0)
        shared->idle_since_ms = clock_steady_ms();
    await_stops(shared);
    shared->users -= user.on_end != NULL;
    shared->host->on_freed(shared->host->arg, shared);
    if (user.on_end)
        user.on_end(user.arg, told);
    else if (user.on_left)
        user.on_left(user.arg);
}

static void report_failed(struct seat *seat, const char *words, bool alone)
{
    static const struct verdict no_memory = {
        .retry = true, .reason = "memory", .sentence = "the worker has no memory for more"};
    /* The seat's own may go while it is told. */
    struct verdict verdict = seat->verdict ? *seat->verdict : no_memory;
    struct buf detail = {0};
    json_utf8_clean(&detail, verdict.sentence, strlen(verdict.sentence));
    report(seat, &(struct place_report){
                     .end = PLACE_FAILED,
                     .reason = verdict.reason,
                     .detail = buf_ok(&detail) ? buf_text(&detail) : "",
                     .words = words,
                     .retry = verdict.retry,
                     .retry_after_ms = verdict.retry_after_ms,
                     .alone = alone,
                 });
    buf_clear(&detail);
}

/* What the process wrote to standard error, from whichever job it came. */
static void write_words(const struct shared *shared, struct buf *out)
{
    size_t length;
    const char *last = process_words(&shared->process, &length);
    if (length > 0 && shared->given > 1)
        buf_puts(out, "(of a process shared with other jobs)\n");
    json_utf8_clean(out, last, length);
}

static void take_failed(struct seat *seat, const struct json_control *control)
{
    struct buf words = {0};
    decide(seat, *control->reason ? control->reason : "failed", control->detail, control->retry);
    if (seat->verdict)
        seat->verdict->retry_after_ms = control->retry_after_ms;
    write_words(seat->shared, &words);
    report_failed(seat, buf_ok(&words) ? buf_text(&words) : "", false);
    buf_clear(&words);
}

/* ---- what the process says ---- */

static void take_message(struct seat *seat, const struct line *line)
{
    if (!seat->decided && seat->user.on_end)
        seat->user.on_message(seat->user.arg, line->data, line->length);
    if (seat->paused)
        count_over(seat, line->length);
}

static void take_usage(struct seat *seat, const struct line *line)
{
    if (seat->user.on_usage)
        seat->user.on_usage(seat->user.arg, line->data, line->length);
}

static void take_wrong(struct seat *seat, const struct line *line)
{
    decide(seat, "line", line->wrong, true);
    begin_stopping(seat);
}

static void take_stray(struct shared *shared, const struct line *line)
{
    if (shared->stray_said)
        return;
    shared->stray_said = true;
    char id[JOB_ID_SIZE];
    snprintf(id, sizeof id, "%.*s", (int)line->id_length, line->id);
    log_warn("stray_line", LOG_S("type", shared->task->type), LOG_I("pid", shared->process.pid),
             LOG_S("names", id));
}

/* No job can be told. If there never was but one, it is that one's. */
static void take_nameless(struct shared *shared, const struct line *line)
{
    struct seat *only = shared->given == 1 ? shared->lists[WORKING].first : NULL;
    if (only)
        decide(only, "line", line->wrong, true);
    shared->deaf = true;
    break_down(shared, line->wrong);
}

static void take_line(struct shared *shared, enum line_kind kind, const struct line *line)
{
    if (kind == LINE_NAMELESS) {
        take_nameless(shared, line);
        return;
    }
    struct seat *seat = seat_of(shared, line->id, line->id_length);
    if (!seat)
        take_stray(shared, line);
    else if (seat->state == ENDED)
        ;
    else if (kind == LINE_MESSAGE)
        take_message(seat, line);
    else if (kind == LINE_USAGE)
        take_usage(seat, line);
    else if (kind == LINE_WRONG)
        take_wrong(seat, line);
    else if (seat->decided || !seat->user.on_end)
        report_failed(seat, "", false);
    else if (kind == LINE_DONE)
        report(seat, &(struct place_report){.reason = "", .detail = "", .words = ""});
    else if (!*shared->why)
        take_failed(seat, &line->control);
    /* Else it says what it comes to since we end its process: it is lost with that. */
}

static void take_lines(struct shared *shared, bool at_end)
{
    struct line line;
    enum line_kind kind;
    while (!shared->deaf && (kind = lines_next(&shared->lines, at_end, &line)) != LINE_NONE)
        take_line(shared, kind, &line);
    if (shared->deaf)
        lines_reset(&shared->lines);
    forget_old(shared);
}

static void on_out(void *arg, ssize_t count)
{
    struct shared *shared = arg;
    if (count > 0)
        lines_filled(&shared->lines, (size_t)count);
    take_lines(shared, count <= 0);
    if (count < 0)
        break_down(shared, "the worker has no memory for its lines");
    /* It can say nothing any more. What it exits with may still say how its only job ended. */
    if (count == 0 && (shared->given != 1 || shared_jobs(shared) == 0))
        process_leave(&shared->process);
    if (count <= 0)
        shared->serving = false;
}

static char *room(void *arg, size_t size)
{
    struct shared *shared = arg;
    return lines_room(&shared->lines, size);
}

/* ---- the process's end ---- */

/* Of a job that was in it to its end, undecided. */
static void report_over(struct seat *seat, const struct process_end *end, const char *words)
{
    const struct shared *shared = seat->shared;
    char sentence[80], detail[280];
    const char *reason = process_end_text(end, sentence, sizeof sentence);
    struct place_report told = {
        .end = PLACE_LOST,
        .reason = "shared",
        .detail = detail,
        .words = words,
        .retry = true,
        .alone = !shared->culprit_known,
    };
    snprintf(detail, sizeof detail, "its shared process %s",
             *shared->why ? "was replaced: " : "ended: ");
    strncat(detail, *shared->why ? shared->why : sentence, sizeof detail - strlen(detail) - 1);
    if (shared->given == 1) {
        told.end = end->signal ? PLACE_DIED : end->status ? PLACE_FAILED : PLACE_DONE;
        told.reason = reason;
        told.detail = sentence;
    }
    report(seat, &told);
}

static void on_over(void *arg, const struct process_end *end)
{
    struct shared *shared = arg;
    struct buf words = {0};
    size_t jobs = shared_jobs(shared);
    if (shared->serving && (jobs > 0 || end->signal || end->status))
        log_warn("shared_ended", LOG_S("type", shared->task->type),
                 LOG_I("pid", shared->process.pid), LOG_I("jobs", jobs),
                 LOG_I("status", end->status), LOG_I("signal", end->signal));
    shared->serving = false;
    write_words(shared, &words);
    const char *text = buf_ok(&words) ? buf_text(&words) : "";
    while (shared->lists[STOPPING].first)
        report_failed(shared->lists[STOPPING].first, text, true);
    while (shared->lists[WORKING].first) {
        struct seat *seat = shared->lists[WORKING].first;
        if (seat->decided)
            report_failed(seat, text, true);
        else
            report_over(seat, end, text);
    }
    buf_clear(&words);
    uv_timer_stop(&shared->stops);
}

/* ---- the user's side ---- */

static void pause_seat(struct place *place)
{
    struct seat *seat = CONTAINER_OF(place, struct seat, place);
    if (seat->state == WORKING)
        seat->paused = true;
}

static void resume_seat(struct place *place)
{
    resume(CONTAINER_OF(place, struct seat, place));
}

static void stop_seat(struct place *place, const char *reason, const char *sentence)
{
    struct seat *seat = CONTAINER_OF(place, struct seat, place);
    decide(seat, reason, sentence, true);
    begin_stopping(seat);
}

static void drop_seat(struct place *place)
{
    struct seat *seat = CONTAINER_OF(place, struct seat, place);
    if (!seat->user.on_end)
        return;
    seat->user.on_end = NULL;
    seat->shared->users--;
    begin_stopping(seat);
}

static void kill_seat(struct place *place)
{
    shared_kill(CONTAINER_OF(place, struct seat, place)->shared);
}

static const struct place_ways ways = {pause_seat, resume_seat, stop_seat, drop_seat, kill_seat};

bool shared_has_room(const struct shared *shared, const char *id)
{
    if (!shared->serving || shared_jobs(shared) >= shared->slots ||
        !process_can_be_sent(&shared->process))
        return false;
    const struct seat *seat = seat_of(shared, id, strlen(id));
    return !seat || (seat->state == ENDED && seat->since_ms + SHARED_GRACE_MS <= clock_steady_ms());
}

enum status shared_give(struct shared *shared, const char *id, const char *line, size_t length,
                        const struct place_user *user, struct place **place)
{
    assert(shared_has_room(shared, id));
    forget_old(shared);
    struct buf whole = {0};
    struct seat *seat = calloc(1, sizeof *seat);
    buf_printf(&whole, "%s ", id);
    buf_add(&whole, line, length);
    bool good = seat && buf_ok(&whole) && process_send(&shared->process, whole.data, whole.length);
    buf_clear(&whole);
    if (!good) {
        free(seat);
        return STATUS_NO_MEMORY;
    }
    seat->place.ways = &ways;
    seat->shared = shared;
    seat->user = *user;
    snprintf(seat->id, sizeof seat->id, "%s", id);
    table_put(&shared->seats, &seat->entry, seat->id, strlen(seat->id));
    link_seat(seat, WORKING);
    shared->given++;
    shared->users++;
    *place = &seat->place;
    return STATUS_OK;
}

size_t shared_jobs(const struct shared *shared)
{
    return shared->lists[WORKING].count + shared->lists[STOPPING].count;
}

size_t shared_users(const struct shared *shared)
{
    return shared->users;
}

bool shared_is_serving(const struct shared *shared)
{
    return shared->serving;
}

int64_t shared_idle_since(const struct shared *shared)
{
    return shared->idle_since_ms;
}

void shared_end(struct shared *shared)
{
    shared->serving = false;
    process_leave(&shared->process);
}

void shared_kill(struct shared *shared)
{
    shared->serving = false;
    process_kill(&shared->process);
}

const struct task *shared_task(const struct shared *shared)
{
    return shared->task;
}

size_t shared_slots(const struct shared *shared)
{
    return shared->slots;
}

int shared_pid(const struct shared *shared)
{
    return shared->process.pid;
}

/* ---- the start, and the last of it ---- */

static void free_shared(struct shared *shared)
{
    if (!shared->timer_closed || !shared->process_closed)
        return;
    if (shared->process.pid > 0)
        shared->host->on_gone(shared->host->arg, shared);
    while (shared->lists[ENDED].first)
        forget(shared->lists[ENDED].first);
    lines_reset(&shared->lines);
    table_clear(&shared->seats);
    free(shared->environment);
    free(shared);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct shared *shared = timer->data;
    shared->timer_closed = true;
    free_shared(shared);
}

static void on_closed(void *arg)
{
    struct shared *shared = arg;
    shared->process_closed = true;
    uv_close((uv_handle_t *)&shared->stops, on_timer_closed);
}

static bool prepare(struct shared *shared)
{
    snprintf(shared->slots_variable, sizeof shared->slots_variable, "LEAT_SLOTS=%zu",
             shared->slots);
    shared->environment = spawn_environment_with(shared->host->environment, shared->slots_variable);
    return shared->environment && table_init(&shared->seats);
}

enum status shared_new(const struct shared_host *host, const struct task *task, size_t slots,
                       struct shared **out)
{
    struct shared *shared = calloc(1, sizeof *shared);
    *out = NULL;
    if (!shared)
        return STATUS_NO_MEMORY;
    shared->host = host;
    shared->task = task;
    shared->slots = slots;
    shared->serving = true;
    shared->idle_since_ms = clock_steady_ms();
    if (!prepare(shared)) {
        free(shared->environment);
        free(shared);
        return STATUS_NO_MEMORY;
    }
    lines_init_shared(&shared->lines, (size_t)host->settings->task_max_line_bytes);
    uv_timer_init(host->loop, &shared->stops);
    shared->stops.data = shared;
    const struct process_options options = {
        .loop = host->loop,
        .task = task,
        .environment = shared->environment,
        .keeper = host->keeper,
        .stop_ms = host->settings->task_stop_ms,
        .arg = shared,
        .room = room,
        .on_out = on_out,
        .on_over = on_over,
        .on_closed = on_closed,
    };
    enum status status = process_start(&shared->process, &options);
    if (status == STATUS_OK)
        *out = shared;
    return status;
}
