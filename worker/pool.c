/*
 * pool.c: wires the parts of a worker together. Read pool.h first.
 *
 *   claims ──jobs──▶ runs ──lines──▶ crew (task processes)
 *     ▲               │ ▲ │
 *     └──── room ─────┘ │ └── writes (what they write and how they end, many at once)
 *                       └── lost, cancelled ── beat, the channel
 *
 * Called by main.c; everything below runs in its loop. A job in hand is in
 * `runs` from its claim until its run settles; the heartbeat names exactly these.
 *
 * The dangerous part is the end. Connections are freed first: that answers every
 * outstanding step, so that runs, claims and heartbeat may be freed after them.
 */
#include "pool.h"

#include "beat.h"
#include "claims.h"
#include "crew.h"
#include "id.h"
#include "keys.h"
#include "log.h"
#include "queues.h"
#include "reaper.h"
#include "redis.h"
#include "run.h"
#include "scheduler.h"
#include "writes.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STARTS_MOST 16    /* processes in one turn of the loop */
#define NAME_MOST 100     /* of the worker's id */
#define REST_LEAST_MS 250 /* how long nothing is claimed after a process could not be started */
#define REST_SPREAD_MS 500
#define LAST_MS 3000 /* for Redis to take what is handed back, and for goodbye */

enum phase { SERVING, QUIET, DRAINING, RETURNING, LEAVING, CLOSED };

struct pool {
    uv_loop_t *loop;
    const struct settings *settings;
    const struct tasks *tasks;
    struct keeper *keeper;
    enum phase phase;
    char name[NAME_MOST + 1];
    char connection_names[3][NAME_MOST + 8];
    struct buf channel;
    struct buf types; /* as in struct claimant */
    struct queues queues;
    size_t telling;            /* runs that keep what they used, after they were settled */
    struct features *features; /* may be NULL */

    struct redis *steps, *wake, *listen;
    struct queue queue;
    struct crew *crew;
    struct claims *claims;
    struct beat *beat;
    struct writes *writes;
    struct reaper *reaper;
    struct scheduler *scheduler;

    struct run_host host;
    struct run **runs; /* worker_max_jobs places, and RUN_KEPT_MAX for those that come back */
    size_t run_count;
    size_t start_most;              /* jobs of one claim */
    struct run *kept[RUN_KEPT_MAX]; /* finished ones, oldest first */
    size_t kept_count;

    uv_timer_t timer; /* the bound of the phase */
    uv_timer_t rest;  /* while it runs nothing is claimed: a process could not be started */
    bool was_up;
    bool left; /* goodbye was answered, or cannot be */
    bool stuck;
    int exit_code;
};

static void advance(struct pool *pool);

/* ---- jobs in hand ---- */

/* To start a process takes milliseconds; a claim's jobs are all started in one turn of the loop, in
   which no heartbeat goes out. The next claim follows at once. */
static size_t start_most(const struct tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++) {
        if (!tasks->items[i].reuse && tasks->items[i].slots == 0)
            return STARTS_MOST;
    }
    return CLAIM_MOST;
}

static size_t room(void *arg)
{
    const struct pool *pool = arg;
    if (uv_is_active((const uv_handle_t *)&pool->rest))
        return 0;
    size_t taken = pool->run_count + crew_ending(pool->crew);
    size_t most = (size_t)pool->settings->worker_max_jobs;
    return taken < most ? min_size(most - taken, pool->start_most) : 0;
}

static size_t room_alone(void *arg)
{
    const struct pool *pool = arg;
    size_t most = (size_t)pool->settings->worker_max_alone, taken = 0;
    for (size_t i = 0; i < pool->run_count; i++)
        taken += run_is_alone(pool->runs[i]);
    return taken < most ? most - taken : 0;
}

static void on_rested(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    claims_seek(pool->claims);
}

/* Somebody else may have what we lack. */
static void on_short(void *arg)
{
    struct pool *pool = arg;
    if (pool->phase == CLOSED)
        return;
    if (!uv_is_active((uv_handle_t *)&pool->rest))
        log_warn("short_of_resources", LOG_I("jobs", pool->run_count));
    uv_timer_start(&pool->rest, on_rested, REST_LEAST_MS + id_random_below(REST_SPREAD_MS), 0);
}

static void on_forgotten(void *arg, struct run *run)
{
    struct pool *pool = arg;
    for (size_t i = 0; i < pool->kept_count; i++) {
        if (pool->kept[i] != run)
            continue;
        pool->kept_count--;
        memmove(&pool->kept[i], &pool->kept[i + 1], (pool->kept_count - i) * sizeof pool->kept[0]);
        return;
    }
}

static void on_settled(void *arg, struct run *run, bool kept)
{
    struct pool *pool = arg;
    for (size_t i = 0; i < pool->run_count; i++) {
        if (pool->runs[i] == run)
            pool->runs[i--] = pool->runs[--pool->run_count];
    }
    if (kept && pool->kept_count == RUN_KEPT_MAX)
        run_forget(pool->kept[0]);
    if (kept)
        pool->kept[pool->kept_count++] = run;
    claims_seek(pool->claims);
    advance(pool);
}

static void forget_all(struct pool *pool)
{
    while (pool->kept_count > 0)
        run_forget(pool->kept[0]);
}

/* What Redis said last may be what it has lost. Before the heartbeat, so that it names them. */
static void revive_all(struct pool *pool)
{
    size_t count = pool->kept_count;
    for (size_t i = 0; i < count; i++)
        pool->runs[pool->run_count + i] = pool->kept[i];
    pool->kept_count = 0;
    pool->run_count += count;
    for (size_t i = pool->run_count; count > 0; count--)
        run_revive(pool->runs[--i]);
}

static void on_jobs(void *arg, const struct claimed *jobs, size_t count)
{
    struct pool *pool = arg;
    for (size_t i = 0; i < count; i++) {
        struct run *run = NULL;
        if (pool->run_count < (size_t)pool->settings->worker_max_jobs)
            run = run_new(&pool->host, &jobs[i], tasks_find(pool->tasks, jobs[i].type));
        if (!run) {
            /* The heartbeat will not name it, and so it goes back. */
            log_error("claim_dropped", LOG_S("job", jobs[i].id));
            continue;
        }
        pool->runs[pool->run_count++] = run;
        if (pool->phase == SERVING || pool->phase == QUIET)
            run_work(run);
        else
            run_hand_back(run, true);
    }
}

/* An attempt that was revived may be in hand beside the next one of the same job. */
static struct run *run_of(const struct pool *pool, const char *job, uint64_t attempt)
{
    for (size_t i = 0; i < pool->run_count; i++) {
        const struct holding *holding = run_holding(pool->runs[i]);
        if (holding->attempt == attempt && strcmp(holding->id, job) == 0)
            return pool->runs[i];
    }
    return NULL;
}

/* Settling moves the last run to the place of the one that goes: so from the end. */
static void each_run(struct pool *pool, void (*act)(struct run *run))
{
    for (size_t i = pool->run_count; i-- > 0;)
        act(pool->runs[i]);
}

/* ---- what Redis says ---- */

static void on_state(void *arg, bool up)
{
    struct pool *pool = arg;
    for (size_t i = 0; !up && i < pool->kept_count; i++)
        run_hold(pool->kept[i]);
    if (!up)
        return;
    if (!pool->was_up)
        log_info("ready", LOG_S("worker", pool->name));
    pool->was_up = true;
    each_run(pool, run_resume);
    revive_all(pool);
    beat_now(pool->beat);
    claims_seek(pool->claims);
}

static void on_refused(void *arg, const char *words)
{
    struct pool *pool = arg;
    if (pool->phase == CLOSED)
        return;
    log_error("redis_refused", LOG_S("why", words),
              LOG_S("see", "REDIS_USERNAME, REDIS_PASSWORD, REDIS_DB"));
    if (pool->was_up)
        return;
    pool->exit_code = 1;
    pool->phase = LEAVING;
    pool->left = true;
    advance(pool);
}

/* A stop: the job has its terminal entry already. */
static void on_message(void *arg, const char *data, size_t length)
{
    struct pool *pool = arg;
    for (size_t i = pool->run_count; i-- > 0;) {
        const char *id = run_holding(pool->runs[i])->id;
        if (strlen(id) == length && memcmp(id, data, length) == 0)
            run_lose(pool->runs[i], "cancelled");
    }
}

static const char *state_word(enum phase phase)
{
    if (phase == SERVING)
        return "serving";
    return phase == QUIET ? "quiet" : "draining";
}

static void gather(void *arg, struct heartbeat *in, struct holding *jobs, size_t most)
{
    const struct pool *pool = arg;
    assert(pool->run_count <= most);
    for (size_t i = 0; i < pool->run_count; i++)
        jobs[i] = *run_holding(pool->runs[i]);
    in->count = pool->run_count;
    in->complete = !claims_is_asking(pool->claims);
    in->claims = claims_sent(pool->claims);
    in->state = state_word(pool->phase);
}

static void on_lost(void *arg, const char *job, uint64_t attempt)
{
    struct run *run = run_of(arg, job, attempt);
    if (run)
        run_lose(run, "fenced");
}

/* For whoever watches over this process: it lives and Redis answers. */
static void touch(const char *path)
{
    if (!*path)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || futimens(fd, NULL) != 0)
        log_warn("health_file", LOG_S("path", path), LOG_S("why", strerror(errno)));
    if (fd >= 0)
        close(fd);
}

static void on_answered(void *arg)
{
    struct pool *pool = arg;
    touch(pool->settings->worker_health_file);
    each_run(pool, run_look);
}

/* ---- the way out ---- */

static void bound(struct pool *pool, int64_t wait_ms);

static void enter_returning(struct pool *pool, bool now)
{
    int64_t stop_ms = now ? 0 : pool->settings->task_stop_ms;
    pool->phase = RETURNING;
    bound(pool, stop_ms + LAST_MS);
    for (size_t i = pool->run_count; i-- > 0;)
        run_hand_back(pool->runs[i], now);
    if (now)
        crew_kill(pool->crew);
}

static void close_all(struct pool *pool)
{
    pool->phase = CLOSED;
    redis_free(pool->listen);
    redis_free(pool->wake);
    redis_free(pool->steps);
    pool->listen = pool->wake = pool->steps = NULL;
    /* A claim may have been answered after all. */
    each_run(pool, run_give_up);
    forget_all(pool);
    writes_free(pool->writes);
    scheduler_free(pool->scheduler);
    reaper_free(pool->reaper);
    beat_free(pool->beat);
    claims_free(pool->claims);
    crew_free(pool->crew);
    uv_close((uv_handle_t *)&pool->timer, NULL);
    uv_close((uv_handle_t *)&pool->rest, NULL);
}

static void on_goodbye(void *arg, enum status status, const struct redisReply *reply)
{
    struct pool *pool = arg;
    (void)status;
    (void)reply;
    pool->left = true;
    advance(pool);
}

static void enter_leaving(struct pool *pool)
{
    pool->phase = LEAVING;
    forget_all(pool);
    beat_stop(pool->beat);
    crew_close(pool->crew);
    bound(pool, 2 * pool->settings->task_stop_ms + LAST_MS);
    pool->left = queue_leave(&pool->queue, pool->name, on_goodbye, pool) != STATUS_OK;
}

/* Go on to the next phase if this one has nothing left to wait for. */
static void advance(struct pool *pool)
{
    bool waits_for_jobs = pool->phase == DRAINING || pool->phase == RETURNING;
    if (waits_for_jobs && pool->run_count == 0 && !claims_is_asking(pool->claims))
        enter_leaving(pool);
    if (pool->phase == LEAVING && pool->left && crew_is_empty(pool->crew) && pool->telling == 0)
        close_all(pool);
}

/* The phase has lasted long enough. */
static void on_bound(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    if (pool->phase == DRAINING) {
        log_warn("drain_over", LOG_I("jobs", pool->run_count));
        enter_returning(pool, false);
    } else if (pool->phase == RETURNING) {
        each_run(pool, run_give_up);
        if (pool->phase == RETURNING)
            enter_leaving(pool);
    } else if (pool->phase == LEAVING && crew_is_empty(pool->crew)) {
        close_all(pool);
    } else if (pool->phase == LEAVING && !pool->left) {
        pool->left = true;
        crew_kill(pool->crew);
        bound(pool, LAST_MS);
    } else if (pool->phase == LEAVING) {
        crew_kill(pool->crew);
        pool->stuck = true;
        uv_stop(pool->loop);
    }
    advance(pool);
}

static void bound(struct pool *pool, int64_t wait_ms)
{
    uv_timer_start(&pool->timer, on_bound, (uint64_t)wait_ms, 0);
}

void pool_set_features(struct pool *pool, struct features *features)
{
    struct features *before = pool->features;
    pool->features = features_take(features);
    features_release(before);
    log_info("features", LOG_S("file", pool->settings->features_file),
             LOG_I("count", features_count(features)));
}

void pool_reload(struct pool *pool)
{
    struct buf error = {0};
    struct features *features = features_read(pool->settings->features_file, &error);
    if (features)
        pool_set_features(pool, features);
    else
        log_error("features_refused", LOG_S("why", buf_text(&error)));
    features_release(features);
    buf_clear(&error);
}

void pool_set_quiet(struct pool *pool, bool quiet)
{
    if (pool->phase != (quiet ? SERVING : QUIET))
        return;
    pool->phase = quiet ? QUIET : SERVING;
    log_info(quiet ? "quiet" : "serving", LOG_I("jobs", pool->run_count));
    claims_set_quiet(pool->claims, quiet);
    beat_now(pool->beat);
}

void pool_drain(struct pool *pool)
{
    if (pool->phase == SERVING || pool->phase == QUIET) {
        log_info("draining", LOG_I("jobs", pool->run_count));
        pool->phase = DRAINING;
        claims_stop(pool->claims);
        beat_now(pool->beat);
        crew_close(pool->crew);
        bound(pool, pool->settings->worker_drain_ms);
    } else if (pool->phase == DRAINING || pool->phase == RETURNING) {
        log_info("draining_at_once", LOG_I("jobs", pool->run_count));
        enter_returning(pool, true);
    }
    advance(pool);
}

static void on_stopped(void *arg)
{
    advance(arg);
}

static void on_telling(void *arg, bool begins)
{
    struct pool *pool = arg;
    pool->telling += begins ? 1 : (size_t)-1;
    advance(pool);
}

/* A process is gone: there may be room, or nobody left to wait for. */
static void on_gone(void *arg)
{
    struct pool *pool = arg;
    claims_seek(pool->claims);
    advance(pool);
}

/* ---- the object ---- */

/* worker-<hostname>-<6 hex>, of bytes that may stand in a key. */
static void make_name(struct pool *pool)
{
    char host[65] = "", suffix[7];
    size_t length = sizeof host;
    if (uv_os_gethostname(host, &length) != 0)
        snprintf(host, sizeof host, "unknown");
    for (char *c = host; *c; c++) {
        bool fits = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || *c == '_' || *c == '.' || *c == '-';
        if (!fits)
            *c = '-';
    }
    id_random_hex(suffix, sizeof suffix - 1);
    snprintf(pool->name, sizeof pool->name, "worker-%s-%s", host, suffix);
    static const char *const uses[] = {"steps", "wake", "listen"};
    for (size_t i = 0; i < COUNT_OF(uses); i++)
        snprintf(pool->connection_names[i], sizeof pool->connection_names[i], "%s:%s", pool->name,
                 uses[i]);
}

static bool connect_all(struct pool *pool)
{
    struct redis_options options = {.loop = pool->loop, .settings = pool->settings, .arg = pool};
    struct redis_options steps = options, wake = options, listen = options;
    steps.name = pool->connection_names[0];
    wake.name = pool->connection_names[1];
    listen.name = pool->connection_names[2];
    steps.scripts = true;
    steps.on_state = on_state;
    steps.on_refused = on_refused;
    wake.block_ms = CLAIMS_BLOCK_MS;
    listen.channel = buf_text(&pool->channel);
    listen.on_message = on_message;
    pool->steps = redis_new(&steps);
    pool->wake = redis_new(&wake);
    pool->listen = redis_new(&listen);
    pool->queue = (struct queue){.redis = pool->steps, .settings = pool->settings};
    return pool->steps && pool->wake && pool->listen;
}

static bool make_parts(struct pool *pool)
{
    const struct crew_options crew = {pool->loop, pool->settings, pool->keeper, pool, on_gone};
    const struct claims_options claims = {
        .loop = pool->loop,
        .queue = &pool->queue,
        .settings = pool->settings,
        .wake = pool->wake,
        .queues = &pool->queues,
        .worker = pool->name,
        .types = buf_text(&pool->types),
        .arg = pool,
        .room = room,
        .room_alone = room_alone,
        .on_jobs = on_jobs,
        .on_stopped = on_stopped,
    };
    const struct beat_options beat = {
        .loop = pool->loop,
        .queue = &pool->queue,
        .settings = pool->settings,
        .worker = pool->name,
        .types = buf_text(&pool->types),
        .arg = pool,
        .gather = gather,
        .on_lost = on_lost,
        .on_answered = on_answered,
    };
    pool->start_most = start_most(pool->tasks);
    pool->crew = crew_new(&crew);
    pool->claims = claims_new(&claims);
    pool->beat = beat_new(&beat);
    pool->writes = writes_new(pool->loop, &pool->queue);
    pool->reaper = reaper_new(pool->loop, &pool->queue, pool->queues.names, pool->queues.count);
    pool->scheduler = scheduler_new(pool->loop, &pool->queue);
    pool->runs = calloc((size_t)pool->settings->worker_max_jobs + RUN_KEPT_MAX, sizeof *pool->runs);
    pool->host = (struct run_host){
        .loop = pool->loop,
        .queue = &pool->queue,
        .settings = pool->settings,
        .features = &pool->features,
        .crew = pool->crew,
        .writes = pool->writes,
        .arg = pool,
        .on_settled = on_settled,
        .on_forgotten = on_forgotten,
        .on_short = on_short,
        .on_telling = on_telling,
    };
    return pool->crew && pool->claims && pool->beat && pool->writes && pool->reaper &&
           pool->scheduler && pool->runs;
}

struct pool *pool_new(uv_loop_t *loop, const struct settings *settings, const struct tasks *tasks,
                      struct keeper *keeper)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->loop = loop;
    pool->settings = settings;
    pool->tasks = tasks;
    pool->keeper = keeper;
    make_name(pool);
    key_make(&pool->channel, settings->key_prefix, KEY_WORKER, pool->name);
    tasks_types(tasks, &pool->types);
    uv_timer_init(loop, &pool->timer);
    uv_timer_init(loop, &pool->rest);
    pool->rest.data = pool;
    pool->timer.data = pool;
    if (buf_ok(&pool->channel) && buf_ok(&pool->types) &&
        queues_init(&pool->queues, settings->worker_queues) && connect_all(pool) &&
        make_parts(pool))
        return pool;
    /* What could not be made is NULL, and freeing that is harmless. */
    close_all(pool);
    uv_run(loop, UV_RUN_DEFAULT);
    pool_free(pool);
    return NULL;
}

int pool_exit_code(const struct pool *pool)
{
    return pool->exit_code;
}

bool pool_is_stuck(const struct pool *pool)
{
    return pool->stuck;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    buf_clear(&pool->channel);
    buf_clear(&pool->types);
    queues_clear(&pool->queues);
    features_release(pool->features);
    free(pool->runs);
    free(pool);
}
