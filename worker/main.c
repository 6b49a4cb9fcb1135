/*
 * main.c: leat-worker. Reads the settings, wires the parts, waits for the end.
 */
#include "features.h"
#include "log.h"
#include "pool.h"
#include "settings.h"
#include "status.h"
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_BYTES (4 << 20) /* of freed memory */

static void on_signal(uv_signal_t *signal, int number)
{
    log_info("signal", LOG_I("number", number));
    if (number == SIGHUP)
        pool_reload(signal->data);
    else if (number == SIGUSR1 || number == SIGUSR2)
        pool_set_quiet(signal->data, number == SIGUSR1);
    else
        pool_drain(signal->data);
}

static int fail(const struct buf *error)
{
    fprintf(stderr, "leat-worker: %s\n", buf_text(error));
    return 2;
}

/* Each step's words are made and freed in one turn: hundreds of KiB where many tasks speak. By
   itself malloc would give them back to the system each time, and page them in again for the next
   step. */
static void keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
}

static int help(void)
{
    struct buf text = {0};
    buf_puts(&text,
             "Usage: leat-worker [--help | --version]\n\n"
             "Takes jobs from Redis and runs them in task processes.\n"
             "SIGTERM or SIGINT: finish what is in hand, then leave; twice: hand it back.\n"
             "SIGHUP: read FEATURES_FILE again; one that is wrong changes nothing.\n"
             "SIGUSR1: be quiet, that is go on with what is in hand and take no more jobs.\n"
             "SIGUSR2: take jobs again.\n\n"
             "WORKER_TASKS: type[marks]=command words;… The marks, between commas: reuse (one\n"
             "process runs one job after the other); max_attempts=n, timeout_ms=n, backoff_ms=n,\n"
             "backoff_max_ms=n (for this type instead of JOB_MAX_ATTEMPTS, JOB_TIMEOUT_MS,\n"
             "RETRY_BACKOFF_MS, RETRY_BACKOFF_MAX_MS; what a job itself asks for goes first).\n\n"
             "Settings, from the environment:\n");
    settings_help(SETTINGS_WORKER, &text);
    fputs(buf_text(&text), stdout);
    buf_clear(&text);
    return 0;
}

/* The folder of our own program: leat-task lies beside it. */
static void own_folder(char *out, size_t size)
{
    size_t length = size;
    if (uv_exepath(out, &length) != 0)
        length = 0;
    out[length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

static bool check_health_file(const char *path, struct buf *error)
{
    int file = *path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (*path && file < 0)
        buf_printf(error, "WORKER_HEALTH_FILE: cannot write %s: %s", path, strerror(errno));
    if (file >= 0)
        close(file);
    return !*path || file >= 0;
}

static bool load(struct settings *settings, struct tasks *tasks, struct features **features,
                 struct buf *error)
{
    char folder[4096];
    own_folder(folder, sizeof folder);
    return settings_load(settings, SETTINGS_WORKER, error) &&
           tasks_parse(tasks, settings->worker_tasks, error) &&
           tasks_find_programs(tasks, folder, getenv("PATH"), error) &&
           check_health_file(settings->worker_health_file, error) &&
           (*features = features_read(settings->features_file, error)) != NULL;
}

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

static void watch(uv_loop_t *loop, uv_signal_t *signal, int number, struct pool *pool)
{
    uv_signal_init(loop, signal);
    signal->data = pool;
    uv_signal_start(signal, on_signal, number);
    uv_unref((uv_handle_t *)signal);
}

static int serve(const struct settings *settings, const struct tasks *tasks,
                 struct features *features, struct keeper *keeper)
{
    uv_loop_t *loop = uv_default_loop();
    uv_signal_t watched[COUNT_OF(signals)];
    struct pool *pool = pool_new(loop, settings, tasks, keeper);
    if (!pool) {
        log_error("not_started", LOG_S("why", status_text(STATUS_NO_MEMORY)));
        return 1;
    }
    pool_set_features(pool, features);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        watch(loop, &watched[i], signals[i], pool);
    uv_run(loop, UV_RUN_DEFAULT);
    int code = pool_exit_code(pool);
    if (pool_is_stuck(pool))
        return code;
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        uv_close((uv_handle_t *)&watched[i], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    pool_free(pool);
    log_info("ended", LOG_I("code", code));
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct tasks tasks = {0};
    struct features *features = NULL;
    struct buf error = {0};
    enum log_level level = LOG_LEVEL_INFO;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("leat-worker " LEAT_VERSION) < 0;
    if (argc != 1)
        buf_puts(&error, "takes no arguments but --help or --version");
    int code = 2;
    if (argc != 1 || !load(&settings, &tasks, &features, &error)) {
        fail(&error);
    } else if (log_level_of(settings.log_level, &level)) {
        log_open("leat-worker", level);
        keep_memory();
        signal(SIGPIPE, SIG_IGN);
        /* Until the pool is there to be told. */
        signal(SIGHUP, SIG_IGN);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, SIG_IGN);
        settings_log(&settings, SETTINGS_WORKER);
        struct keeper keeper;
        if (!keeper_start(&keeper))
            log_error("no_keeper", LOG_S("why", strerror(errno)));
        code = serve(&settings, &tasks, features, &keeper);
        keeper_stop(&keeper);
    }
    features_release(features);
    tasks_clear(&tasks);
    buf_clear(&error);
    return code;
}
