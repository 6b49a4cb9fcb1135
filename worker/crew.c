/*
 * crew.c: one list of slots, looked through from end to end; shares.c has another.
 *
 * A worker has some ten processes; starting one costs far more than a look at
 * all of them, so there are no lists by type or state that could disagree.
 *
 * The dangerous part is waiting for processes that are not ours: waitpid(-1)
 * would also take away the exit of a slot's process, which the loop waits for by
 * its number. So the next exited child is only looked at (WNOWAIT), and waited
 * for when it belongs to no slot.
 */
#include "crew.h"

#include "clock.h"
#include "log.h"
#include "shares.h"
#include "slot.h"
#include "spawn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TICK_MS 1000
#define IDLE_MOST_MS 60000

struct member {
    struct slot *slot;
    bool busy; /* has a job, or is about to get one */
};

struct crew {
    struct crew_options options;
    struct slot_host host;
    struct member *members;
    size_t count, capacity;
    struct shares shares;
    uv_timer_t timer;
    bool closed; /* nobody stays idle */
};

static struct member *member_of(struct crew *crew, const struct slot *slot)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->members[i].slot == slot)
            return &crew->members[i];
    }
    return NULL;
}

static void on_freed(void *arg, struct slot *slot, bool fit)
{
    struct crew *crew = arg;
    struct member *member = member_of(crew, slot);
    assert(member && member->busy);
    member->busy = false;
    if (fit && crew->closed)
        slot_end(slot);
}

static void on_gone(void *arg, struct slot *slot)
{
    struct crew *crew = arg;
    struct member *member = member_of(crew, slot);
    assert(member && !member->busy);
    *member = crew->members[--crew->count];
    crew->options.on_gone(crew->options.arg);
}

static void on_share_gone(void *arg)
{
    struct crew *crew = arg;
    crew->options.on_gone(crew->options.arg);
}

/* ---- each second ---- */

static bool is_ours(const struct crew *crew, pid_t pid)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (slot_pid(crew->members[i].slot) == pid)
            return true;
    }
    return shares_own(&crew->shares, pid);
}

static void wait_for_strangers(const struct crew *crew)
{
    siginfo_t exited = {0};
    while (waitid(P_ALL, 0, &exited, WEXITED | WNOHANG | WNOWAIT) == 0 && exited.si_pid != 0 &&
           !is_ours(crew, exited.si_pid)) {
        log_debug("orphan_ended", LOG_I("pid", exited.si_pid));
        waitpid(exited.si_pid, NULL, WNOHANG);
        memset(&exited, 0, sizeof exited);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct crew *crew = timer->data;
    int64_t oldest = clock_steady_ms() - IDLE_MOST_MS;
    for (size_t i = 0; i < crew->count; i++) {
        struct member *member = &crew->members[i];
        if (!member->busy && slot_is_fit(member->slot) && slot_idle_since(member->slot) < oldest)
            slot_end(member->slot);
    }
    shares_tick(&crew->shares, oldest);
    wait_for_strangers(crew);
}

/* ---- taking ---- */

/* Whether a process is silent costs a system call: so only the chosen one is asked. */
static struct member *newest_idle(struct crew *crew, const struct task *task)
{
    struct member *newest;
    do {
        newest = NULL;
        for (size_t i = 0; i < crew->count; i++) {
            struct member *member = &crew->members[i];
            if (member->busy || slot_task(member->slot) != task || !slot_is_idle(member->slot))
                continue;
            if (!newest || slot_idle_since(member->slot) > slot_idle_since(newest->slot))
                newest = member;
        }
        /* One that speaks unasked is on its way out. */
        if (newest && !slot_is_fit(newest->slot))
            slot_end(newest->slot);
    } while (newest && !slot_is_idle(newest->slot));
    return newest;
}

static bool make_room(struct crew *crew)
{
    if (crew->count < crew->capacity)
        return true;
    size_t capacity = crew->capacity ? 2 * crew->capacity : 16;
    struct member *members = realloc(crew->members, capacity * sizeof *members);
    if (!members)
        return false;
    crew->members = members;
    crew->capacity = capacity;
    return true;
}

/* An idle process, or a new one. */
static enum status take(struct crew *crew, const struct task *task, bool fresh,
                        struct member **member)
{
    *member = fresh ? NULL : newest_idle(crew, task);
    if (*member)
        return STATUS_OK;
    if (!make_room(crew))
        return STATUS_NO_MEMORY;
    *member = &crew->members[crew->count];
    **member = (struct member){0};
    enum status status = slot_new(&crew->host, task, &(*member)->slot);
    if (status == STATUS_OK)
        crew->count++;
    return status;
}

static enum status start_in_own(struct crew *crew, const struct crew_job *job,
                                const struct place_user *user, struct place **place)
{
    struct member *member;
    enum status status = take(crew, job->task, job->fresh, &member);
    if (status != STATUS_OK)
        return status;
    status = slot_give(member->slot, job->line, job->length, user);
    if (status != STATUS_OK) {
        slot_end(member->slot);
        return status;
    }
    member->busy = true;
    *place = slot_place(member->slot);
    return STATUS_OK;
}

enum status crew_start(struct crew *crew, const struct crew_job *job, const struct place_user *user,
                       struct place **place)
{
    struct shared *shared;
    *place = NULL;
    if (job->task->slots == 0)
        return start_in_own(crew, job, user, place);
    enum status status = shares_take(&crew->shares, job->task, job->id, job->alone, &shared);
    if (status == STATUS_OK)
        status = shared_give(shared, job->id, job->line, job->length, user, place);
    return status;
}

size_t crew_ending(const struct crew *crew)
{
    size_t ending = shares_ending(&crew->shares);
    for (size_t i = 0; i < crew->count; i++)
        ending += !crew->members[i].busy && !slot_is_idle(crew->members[i].slot);
    return ending;
}

void crew_close(struct crew *crew)
{
    crew->closed = true;
    for (size_t i = 0; i < crew->count; i++) {
        if (!crew->members[i].busy)
            slot_end(crew->members[i].slot);
    }
    shares_close(&crew->shares);
}

void crew_kill(struct crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (!crew->members[i].busy)
            slot_kill(crew->members[i].slot);
    }
    shares_kill(&crew->shares);
}

bool crew_is_empty(const struct crew *crew)
{
    return crew->count == 0 && crew->shares.count == 0;
}

/* ---- the object ---- */

struct crew *crew_new(const struct crew_options *options)
{
    struct crew *crew = calloc(1, sizeof *crew);
    char **environment = spawn_environment();
    if (!crew || !environment) {
        free(crew);
        free(environment);
        return NULL;
    }
    crew->options = *options;
    crew->host = (struct slot_host){
        .loop = options->loop,
        .settings = options->settings,
        .environment = environment,
        .keeper = options->keeper,
        .arg = crew,
        .on_freed = on_freed,
        .on_gone = on_gone,
    };
    const struct shared_host shared = {
        .loop = options->loop,
        .settings = options->settings,
        .environment = environment,
        .keeper = options->keeper,
    };
    shares_init(&crew->shares, &shared, crew, on_share_gone);
    uv_timer_init(options->loop, &crew->timer);
    crew->timer.data = crew;
    uv_timer_start(&crew->timer, on_tick, TICK_MS, TICK_MS);
    return crew;
}

static void on_closed(uv_handle_t *handle)
{
    struct crew *crew = handle->data;
    free(crew->host.environment);
    free(crew->members);
    shares_clear(&crew->shares);
    free(crew);
}

void crew_free(struct crew *crew)
{
    if (!crew)
        return;
    assert(crew_is_empty(crew));
    uv_close((uv_handle_t *)&crew->timer, on_closed);
}
