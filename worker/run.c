/*
 * run.c: the state machine of one job. Read run.h first.
 *
 * Called by pool.c. Its three partners call back at their own times: the task
 * process (take_message, take_end), Redis (on_appended, on_finished,
 * on_handed_back), the timers. None of them decides what comes next; they write
 * down what they know, and next() does.
 *
 * The dangerous parts: a run may be settled while a step is unanswered (fenced
 * by the heartbeat), so answers look at the phase first and the memory goes last
 * (release); and an attempt may have to fail for a reason of ours (history,
 * foreign_writer) while its task believes that it is done: abandon() replaces
 * the verdict as long as `finish` has not been answered.
 */
#include "run.h"

#include "buf.h"
#include "clock.h"
#include "delta.h"
#include "id.h"
#include "log.h"
#include "order.h"
#include "outbox.h"
#include "policy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_MOST_BYTES (1 << 20)
#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 1000
#define REFUSED_MOST 5

enum phase { WORKING, FINISHING, RETURNING, KEPT, SETTLED };
enum step { NONE, APPEND, FINISH, HAND_BACK, USAGE };

struct run {
    const struct run_host *host;
    enum phase phase;
    enum step step; /* under way */
    struct order order;
    const struct task *task;
    struct finish_policy policy;
    struct place *slot;
    struct outbox outbox;
    bool full;      /* Redis is out of memory: the task is not read */
    bool look;      /* an append is wanted even without messages */
    bool remake;    /* the same: the stream's marker may be missing */
    bool appended;  /* since the last run_look */
    bool abandoned; /* messages do not count any more */
    bool revived;   /* it was finished before, and Redis has been away since */
    bool again;     /* finish was sent before, with an unknown outcome */
    bool apart;     /* finish was refused with messages: they go before it, to see which it was */
    unsigned gone_count;
    unsigned refused_count;

    /* The verdict, from FINISHING on, or why the job goes back. */
    enum finish_how how;
    bool retry;
    bool alone; /* the next attempt is to have a process of its own */
    int64_t retry_after_ms;
    struct buf reason, detail, words;
    struct buf usage; /* what the task said last of it; empty: nothing */
    bool usage_told;  /* Redis has it, or cannot get it any more */
    bool leaving;     /* the task was dropped, and is not gone yet */
    struct finish finish;
    struct writing writing; /* append or finish, while it waits or is under way */

    uv_timer_t timeout;
    uv_timer_t wait; /* after a failed step */
    int64_t wait_ms;
    int open_timers;
};

static void next(struct run *run);

/* ---- the end of a run ---- */

static void release(struct run *run)
{
    if (run->phase != SETTLED || run->step != NONE || run->open_timers > 0 || run->leaving)
        return;
    outbox_clear(&run->outbox);
    order_clear(&run->order);
    buf_clear(&run->reason);
    buf_clear(&run->detail);
    buf_clear(&run->words);
    buf_clear(&run->usage);
    free(run);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct run *run = handle->data;
    run->open_timers--;
    release(run);
}

/* The step that waits for its turn is not wanted any more. */
static void take_back(struct run *run)
{
    bool may_wait = run->step == APPEND || run->step == FINISH;
    if (may_wait && writes_take_back(run->host->writes, &run->writing))
        run->step = NONE;
}

static void let_go(struct run *run)
{
    assert(run->phase != SETTLED && !run->slot);
    take_back(run);
    run->phase = SETTLED;
    uv_close((uv_handle_t *)&run->timeout, on_timer_closed);
    uv_close((uv_handle_t *)&run->wait, on_timer_closed);
}

/* ---- what it used ---- */

static void on_usage_kept(void *arg, enum status status, bool kept)
{
    struct run *run = arg;
    run->step = NONE;
    run->host->on_telling(run->host->arg, false);
    log_debug("usage_kept", LOG_S("job", run->order.id), LOG_S("status", status_name(status)),
              LOG_I("kept", kept));
    release(run);
}

/* Of a job that is not ours any more, when its task has nothing to say any more. */
static void tell_usage(struct run *run)
{
    if (run->phase != SETTLED || run->step != NONE || run->leaving || run->usage_told ||
        run->usage.length == 0)
        return;
    run->usage_told = true;
    if (queue_usage(run->host->queue, &run->order.holding, buf_text(&run->usage), on_usage_kept,
                    run) != STATUS_OK)
        return;
    run->step = USAGE;
    run->host->on_telling(run->host->arg, true);
}

/* A step of a settled one was answered. STATUS_CLOSED: there is no connection any more. */
static void take_late_answer(struct run *run, enum status status)
{
    if (status != STATUS_CLOSED)
        tell_usage(run);
    release(run);
}

/* It stands beside the others of its job: so it says whose it is. */
static void take_usage(void *arg, const char *data, size_t length)
{
    struct run *run = arg;
    size_t first = 1 + strspn(data + 1, " \t");
    buf_reset(&run->usage);
    buf_printf(&run->usage, "{\"attempt\": %" PRIu64 "%s", run->order.number,
               data[first] == '}' ? "" : ", ");
    buf_add(&run->usage, data + first, length - first);
    if (!buf_ok(&run->usage))
        buf_clear(&run->usage);
}

static void take_left(void *arg)
{
    struct run *run = arg;
    run->leaving = false;
    tell_usage(run);
    release(run);
}

/* ---- letting go ---- */

static void settle(struct run *run)
{
    let_go(run);
    tell_usage(run);
    run->host->on_settled(run->host->arg, run, false);
}

static void on_wait_over(uv_timer_t *timer);

static void keep(struct run *run)
{
    run->phase = KEPT;
    /* That Redis is gone may be noticed only when an answer is overdue. */
    uint64_t keep_ms = RUN_KEEP_MS + (uint64_t)run->host->settings->redis_timeout_ms;
    uv_timer_start(&run->wait, on_wait_over, keep_ms, 0);
    run->host->on_settled(run->host->arg, run, true);
}

void run_forget(struct run *run)
{
    let_go(run);
    run->host->on_forgotten(run->host->arg, run);
}

void run_hold(struct run *run)
{
    uv_timer_stop(&run->wait);
}

void run_revive(struct run *run)
{
    run->phase = FINISHING;
    run->again = true;
    run->revived = true;
    run_resume(run);
}

static void drop_slot(struct run *run)
{
    struct place *slot = run->slot;
    run->slot = NULL;
    run->leaving = slot != NULL;
    if (slot)
        place_drop(slot);
}

void run_lose(struct run *run, const char *event)
{
    /* Of one that was revived it says that Redis has kept its end. */
    LOG_AT(run->revived ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, event, LOG_S("job", run->order.id),
           LOG_I("attempt", run->order.number));
    drop_slot(run);
    settle(run);
}

void run_give_up(struct run *run)
{
    log_warn("given_up", LOG_S("job", run->order.id), LOG_I("attempt", run->order.number));
    drop_slot(run);
    run->usage_told = true;
    settle(run);
}

/* ---- verdicts ---- */

/* Texts are copied; what cannot be copied is left out, never the verdict. */
static void set_verdict(struct run *run, enum finish_how how, const char *reason,
                        const char *detail, bool retry)
{
    run->how = how;
    run->retry = retry;
    buf_reset(&run->reason);
    buf_reset(&run->detail);
    buf_puts(&run->reason, reason);
    buf_puts(&run->detail, detail);
}

static void begin_finishing(struct run *run)
{
    run->phase = FINISHING;
    uv_timer_stop(&run->timeout);
}

/* Its messages do not count. */
static void begin_returning(struct run *run)
{
    run->phase = RETURNING;
    run->abandoned = true;
    uv_timer_stop(&run->timeout);
}

/* The attempt fails for a reason of ours, and its messages do not count. */
static void abandon(struct run *run, const char *reason, const char *detail)
{
    run->abandoned = true;
    outbox_clear(&run->outbox);
    if (run->phase == WORKING)
        place_stop(run->slot, reason, detail);
    else if (run->phase == FINISHING && run->how == FINISH_DONE)
        set_verdict(run, FINISH_FAILED, reason, detail, true);
}

/* ---- steps ---- */

static void on_wait_over(uv_timer_t *timer)
{
    struct run *run = timer->data;
    if (run->phase == KEPT)
        run_forget(run);
    else
        next(run);
}

/* A failed step is made again after 50 ms, 100 ms … 1 s, or as soon as Redis is up again. */
static void wait(struct run *run)
{
    run->wait_ms = run->wait_ms ? min_i64(2 * run->wait_ms, RETRY_MOST_MS) : RETRY_FIRST_MS;
    uint32_t half = (uint32_t)run->wait_ms / 2;
    uv_timer_start(&run->wait, on_wait_over, half + id_random_below(half + 1), 0);
}

static void apply_flow(struct run *run)
{
    if (!run->slot)
        return;
    size_t waiting = outbox_waiting_bytes(&run->outbox);
    if (run->full || waiting > FLOW_MOST_BYTES)
        place_pause(run->slot);
    else if (waiting < FLOW_MOST_BYTES / 2)
        place_resume(run->slot);
}

static const char *step_name(enum step step)
{
    static const char *const names[] = {"none", "append", "finish", "hand_back", "usage"};
    return names[step];
}

/* A step did not work; its outcome may be unknown. */
static void take_failure(struct run *run, enum step step, enum status status)
{
    /* The first of a row; that Redis is away was said by the connection. */
    if (status != STATUS_LOST && status != STATUS_CLOSED && run->wait_ms == 0)
        log_warn("step_failed", LOG_S("job", run->order.id), LOG_S("step", step_name(step)),
                 LOG_S("status", status_name(status)));
    outbox_unsend(&run->outbox);
    if (step == FINISH && status != STATUS_CLOSED)
        run->again = true;
    if (status == STATUS_FULL) {
        run->full = true;
        apply_flow(run);
    }
    if (status != STATUS_REFUSED) {
        wait(run);
    } else if (step == FINISH && !run->apart && !outbox_settled(&run->outbox)) {
        run->apart = true;
        next(run);
    } else if (step == APPEND) {
        abandon(run, "refused", "Redis refuses to write to the stream");
        next(run);
    } else if (++run->refused_count < REFUSED_MOST) {
        wait(run);
    } else {
        run_give_up(run);
    }
}

static void take_gone(struct run *run, uint64_t last)
{
    log_warn("stream_lost", LOG_S("job", run->order.id), LOG_I("left", last),
             LOG_I("written", outbox_acknowledged(&run->outbox)));
    if (!outbox_rewind(&run->outbox, last)) {
        abandon(run, "history", "Redis lost messages that are not kept any more");
    } else {
        run->remake = true;
        /* Never in a circle without a pause. */
        if (run->gone_count++ > 0)
            wait(run);
    }
    apply_flow(run);
    next(run);
}

static void take_appended(struct run *run, uint64_t last)
{
    run->full = run->look = run->remake = false;
    run->gone_count = 0;
    run->wait_ms = 0;
    if (run->abandoned)
        outbox_unsend(&run->outbox);
    else if (last <= outbox_last(&run->outbox))
        outbox_acknowledge(&run->outbox, last);
    else
        abandon(run, "foreign_writer", "Redis counts more messages than were written");
    apply_flow(run);
    next(run);
}

static void on_appended(void *arg, enum status status, const struct append_result *result)
{
    struct run *run = arg;
    run->step = NONE;
    if (run->phase == SETTLED) {
        take_late_answer(run, status);
    } else if (status != STATUS_OK) {
        take_failure(run, APPEND, status);
    } else if (result->outcome == APPEND_FENCED) {
        run_lose(run, "fenced");
    } else if (result->outcome == APPEND_FOREIGN) {
        abandon(run, "foreign_writer", "another program writes to the chat's stream");
        next(run);
    } else if (result->outcome == APPEND_GONE) {
        take_gone(run, result->last);
    } else {
        take_appended(run, result->last);
    }
}

static void put_append(struct run *run)
{
    run->appended = true;
    run->writing = (struct writing){
        .job = &run->order.holding,
        .outbox = &run->outbox,
        .on_appended = on_appended,
        .arg = run,
    };
    writes_put(run->host->writes, &run->writing);
}

static void log_finished(const struct run *run, const char *state)
{
    static const char *const words[] = {"done", "failed", "died"};
    log_info("finished", LOG_S("job", run->order.id), LOG_S("type", run->order.type),
             LOG_I("attempt", run->order.number), LOG_S("how", words[run->how]),
             LOG_S("reason", buf_text(&run->reason)), LOG_S("state", state),
             LOG_I("messages", outbox_last(&run->outbox)),
             LOG_I("took_ms", clock_steady_ms() - run->order.claimed_ms));
}

static void on_finished(void *arg, enum status status, const struct finish_result *result)
{
    struct run *run = arg;
    run->step = NONE;
    if (run->phase == SETTLED) {
        take_late_answer(run, status);
    } else if (status != STATUS_OK) {
        take_failure(run, FINISH, status);
    } else if (result->outcome == FINISH_FENCED && !run->again) {
        run_lose(run, "fenced");
    } else if (result->outcome == FINISH_FOREIGN) {
        abandon(run, "foreign_writer", "another program writes to the chat's stream");
        next(run);
    } else if (result->outcome == FINISH_GONE) {
        take_gone(run, result->last);
    } else {
        outbox_acknowledge(&run->outbox, outbox_last(&run->outbox));
        /* Fenced after an unknown outcome: most likely by that very step. */
        if (result->outcome != FINISH_FENCED || !run->revived)
            log_finished(run, job_state_name(result->state));
        keep(run);
    }
}

/* The verdict's texts stay as they are until the answer: nothing else is under way meanwhile. */
static void put_finish(struct run *run)
{
    run->finish = (struct finish){
        .how = run->how,
        .last = outbox_last(&run->outbox),
        .reason = buf_text(&run->reason),
        .detail = buf_text(&run->detail),
        .words = buf_ok(&run->words) ? buf_text(&run->words) : NULL,
        .retry = run->retry,
        .alone = run->alone,
        .policy = run->policy,
        .retry_after_ms = run->retry_after_ms,
        .usage = buf_text(&run->usage),
    };
    run->writing = (struct writing){
        .job = &run->order.holding,
        .outbox = &run->outbox,
        .finish = &run->finish,
        .on_finished = on_finished,
        .arg = run,
    };
    writes_put(run->host->writes, &run->writing);
}

static void on_handed_back(void *arg, enum status status, bool was_ours)
{
    struct run *run = arg;
    run->step = NONE;
    if (run->phase == SETTLED) {
        take_late_answer(run, status);
    } else if (status != STATUS_OK) {
        take_failure(run, HAND_BACK, status);
    } else {
        log_info("handed_back", LOG_S("job", run->order.id), LOG_I("attempt", run->order.number),
                 LOG_I("was_ours", was_ours));
        run->usage_told = was_ours;
        settle(run);
    }
}

static enum status send_hand_back(struct run *run)
{
    const struct hand_back in = {
        .alone = run->alone,
        .reason = buf_text(&run->reason),
        .detail = buf_text(&run->detail),
        .words = buf_ok(&run->words) ? buf_text(&run->words) : NULL,
        .usage = buf_text(&run->usage),
    };
    return queue_hand_back(run->host->queue, &run->order.holding, &in, on_handed_back, run);
}

static enum step wanted_step(const struct run *run)
{
    bool looks = !run->abandoned && (run->look || run->remake);
    bool unwritten = looks || (!run->abandoned && !outbox_settled(&run->outbox));
    switch (run->phase) {
    case WORKING:
        return unwritten ? APPEND : NONE;
    case FINISHING:
        return looks || (unwritten && (run->apart || !outbox_fits(&run->outbox))) ? APPEND : FINISH;
    case RETURNING:
        return run->slot ? NONE : HAND_BACK;
    case KEPT:
    case SETTLED:
        break;
    }
    return NONE;
}

static void next(struct run *run)
{
    enum step step = wanted_step(run);
    if (run->step != step)
        take_back(run);
    if (run->step != NONE || step == NONE || uv_is_active((uv_handle_t *)&run->wait))
        return;
    run->step = step;
    if (step == APPEND) {
        put_append(run);
    } else if (step == FINISH) {
        put_finish(run);
    } else {
        enum status status = send_hand_back(run);
        if (status == STATUS_OK)
            return;
        run->step = NONE;
        take_failure(run, step, status);
    }
}

/* ---- the task ---- */

static void take_message(void *arg, const char *data, size_t length)
{
    struct run *run = arg;
    if (run->phase != WORKING || run->abandoned)
        return;
    if (outbox_put(&run->outbox, data, length) != STATUS_OK) {
        abandon(run, "memory", "the worker has no memory for a message");
        return;
    }
    apply_flow(run);
    next(run);
}

static void give_to_crew(struct run *run, bool fresh);

/* Another attempt, at no cost: what it was that ended the shared process nobody knows. */
static void take_lost(struct run *run, const struct place_report *report)
{
    log_info("shared_lost", LOG_S("job", run->order.id), LOG_I("attempt", run->order.number),
             LOG_I("alone", report->alone));
    set_verdict(run, FINISH_DIED, report->reason, report->detail, true);
    buf_puts(&run->words, report->words);
    run->alone = report->alone;
    begin_returning(run);
}

static void take_end(void *arg, const struct place_report *report)
{
    static const enum finish_how how[] = {
        [PLACE_DONE] = FINISH_DONE, [PLACE_FAILED] = FINISH_FAILED, [PLACE_DIED] = FINISH_DIED};
    struct run *run = arg;
    run->slot = NULL;
    if (run->phase == WORKING && report->end == PLACE_UNREAD) {
        log_info("process_replaced", LOG_S("job", run->order.id), LOG_S("type", run->order.type));
        give_to_crew(run, true);
    } else if (run->phase == WORKING && report->end == PLACE_LOST) {
        take_lost(run, report);
    } else if (run->phase == WORKING) {
        set_verdict(run, how[report->end], report->reason, report->detail, report->retry);
        buf_puts(&run->words, report->words);
        run->alone = report->alone;
        run->retry_after_ms = report->retry_after_ms;
        begin_finishing(run);
    }
    next(run);
}

static void on_timeout(uv_timer_t *timer)
{
    struct run *run = timer->data;
    char detail[64];
    log_warn("timeout", LOG_S("job", run->order.id), LOG_I("attempt", run->order.number),
             LOG_I("timeout_ms", run->order.timeout_ms));
    snprintf(detail, sizeof detail, "not done within %" PRId64 " ms", run->order.timeout_ms);
    place_stop(run->slot, "timeout", detail);
}

/* The caller goes on with next(). */
static void give_to_crew(struct run *run, bool fresh)
{
    struct buf line = {0};
    const struct place_user user = {run, take_message, take_end, take_usage, take_left};
    enum status status = STATUS_NO_MEMORY;
    order_write(&run->order, features_find(*run->host->features, run->order.feature_id), &line);
    struct crew_job job = {
        .task = run->task,
        .id = run->order.id,
        .line = line.data,
        .length = line.length,
        .fresh = fresh,
        .alone = run->order.alone,
    };
    if (buf_ok(&line))
        status = crew_start(run->host->crew, &job, &user, &run->slot);
    buf_clear(&line);
    if (status == STATUS_NO_MEMORY) {
        /* It is no fault of the job's, and costs it no attempt. */
        begin_returning(run);
        run->host->on_short(run->host->arg);
    } else if (status != STATUS_OK) {
        set_verdict(run, FINISH_FAILED, "spawn", "the task's process could not be started", true);
        begin_finishing(run);
    }
}

/* ---- what the pool says ---- */

struct run *run_new(const struct run_host *host, const struct claimed *job, const struct task *task)
{
    struct run *run = calloc(1, sizeof *run);
    struct policy policy = policy_of(host->settings, task, job->timeout_ms);
    if (!run || !order_init(&run->order, job, policy.timeout_ms)) {
        free(run);
        return NULL;
    }
    run->host = host;
    run->task = task;
    run->policy = policy.finish;
    outbox_init(&run->outbox, (size_t)host->settings->worker_resend_bytes);
    outbox_join(&run->outbox,
                min_size(DELTA_MOST_BYTES, (size_t)host->settings->task_max_line_bytes));
    uv_timer_init(host->loop, &run->timeout);
    uv_timer_init(host->loop, &run->wait);
    run->timeout.data = run->wait.data = run;
    run->open_timers = 2;
    log_info("claimed", LOG_S("job", run->order.id), LOG_S("type", run->order.type),
             LOG_S("feature_id", run->order.feature_id), LOG_I("attempt", run->order.number),
             LOG_I("waited_ms", job->waited_ms));
    return run;
}

void run_work(struct run *run)
{
    if (run->task) {
        uv_update_time(run->host->loop);
        uv_timer_start(&run->timeout, on_timeout, (uint64_t)max_i64(run->order.timeout_ms, 0), 0);
        give_to_crew(run, false);
    } else {
        struct buf detail = {0};
        buf_printf(&detail, "no task of this worker runs jobs of type %s", run->order.type);
        set_verdict(run, FINISH_FAILED, "unknown_type", buf_text(&detail), false);
        buf_clear(&detail);
        begin_finishing(run);
    }
    next(run);
}

void run_hand_back(struct run *run, bool now)
{
    if (run->phase == WORKING) {
        begin_returning(run);
        if (run->slot)
            place_stop(run->slot, "handed_back", "");
    }
    if (run->phase == RETURNING && run->slot && now)
        place_kill(run->slot);
    next(run);
}

void run_resume(struct run *run)
{
    uv_timer_stop(&run->wait);
    run->wait_ms = 0;
    run->look = true;
    next(run);
}

void run_look(struct run *run)
{
    if (!run->appended && run->phase == WORKING)
        run->look = true;
    run->appended = false;
    next(run);
}

bool run_is_alone(const struct run *run)
{
    return run->order.alone;
}

const struct holding *run_holding(const struct run *run)
{
    return &run->order.holding;
}
