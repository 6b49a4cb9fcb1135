/*
 * main.c: leat-api. Reads the settings and the file of features, makes API_LOOPS gateways,
 * runs each in a thread, and waits for SIGTERM or SIGINT in the main one; at SIGHUP it reads
 * the file anew and hands what it says to all of them.
 */
#include "gateway.h"
#include "log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct crew {
    struct gateway *gateways;
    pthread_t *threads;
    size_t count;
    struct gateway_shared shared;
    const struct settings *settings;
    struct features *features; /* as they were read last */
};

static void *run(void *arg)
{
    gateway_run(arg);
    return NULL;
}

/* Wakes the main thread, which waits for exactly this. */
static void on_failure(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
}

static bool write_port(const char *path, int port)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool written = fprintf(file, "%d\n", port) > 0;
    return fclose(file) == 0 && written;
}

/* As many connections as wanted, or as the limit of open files leaves room for. */
static struct capacity *make_capacity(const struct settings *s)
{
    int64_t wanted = s->api_max_connections, limit = server_raise_file_limit();
    int64_t own = s->api_loops * server_own_files(s), most = wanted;
    log_info("open_files", LOG_I("limit", limit), LOG_I("needed", wanted + own));
    if (limit >= 0 && limit < wanted + own) {
        most = max_i64(limit - own, limit / 2);
        log_warn("open_files_low", LOG_I("limit", limit), LOG_I("needed", wanted + own),
                 LOG_I("connections", most));
    }
    return capacity_new((size_t)min_i64(most, wanted), (size_t)s->api_max_connections_per_address);
}

static bool make_crew(struct crew *crew, const struct settings *s, struct buf *error)
{
    size_t loops = (size_t)s->api_loops;
    crew->gateways = calloc(loops, sizeof *crew->gateways);
    crew->threads = calloc(loops, sizeof *crew->threads);
    crew->shared.capacity = make_capacity(s);
    if (!crew->gateways || !crew->threads || !crew->shared.capacity) {
        buf_puts(error, "out of memory");
        return false;
    }
    int port = (int)s->api_port;
    crew->shared.loops = loops;
    for (; crew->count < loops; crew->count++) {
        struct gateway *g = &crew->gateways[crew->count];
        if (!gateway_init(g, s, port, crew->count > 0, &crew->shared, error))
            return false;
        g->on_failure = on_failure;
        gateway_reload(g, crew->features);
        port = server_port(g->server);
    }
    if (*s->api_port_file && !write_port(s->api_port_file, port)) {
        buf_printf(error, "API_PORT_FILE: cannot write %s", s->api_port_file);
        return false;
    }
    log_info("listening", LOG_S("host", s->api_host), LOG_I("port", port),
             LOG_I("loops", crew->count));
    return true;
}

/* ---- features ---- */

static bool read_features(struct crew *crew, struct buf *error)
{
    struct features *features = features_read(crew->settings->features_file, error);
    if (!features)
        return false;
    features_release(crew->features);
    crew->features = features;
    log_info("features", LOG_S("file", crew->settings->features_file),
             LOG_I("count", features_count(features)));
    return true;
}

/* SIGHUP. A file that is wrong changes nothing. */
static void reload(struct crew *crew)
{
    struct buf error = {0};
    if (read_features(crew, &error)) {
        for (size_t i = 0; i < crew->count; i++)
            gateway_reload(&crew->gateways[i], crew->features);
    } else {
        log_error("features_refused", LOG_S("why", buf_text(&error)));
    }
    buf_clear(&error);
}

/* ---- running ---- */

static void wait_for_end(struct crew *crew, const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) == 0 && number == SIGHUP)
        reload(crew);
}

static int serve(struct crew *crew)
{
    sigset_t signals;
    int failure = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    size_t running = 0;
    while (running < crew->count &&
           pthread_create(&crew->threads[running], NULL, run, &crew->gateways[running]) == 0)
        running++;
    if (running == crew->count)
        wait_for_end(crew, &signals);
    else
        failure = 1;
    for (size_t i = 0; i < running; i++)
        gateway_stop(&crew->gateways[i]);
    for (size_t i = 0; i < running; i++) {
        pthread_join(crew->threads[i], NULL);
        failure |= crew->gateways[i].failure;
    }
    for (size_t i = 0; i < running; i++)
        gateway_close(&crew->gateways[i]);
    return failure;
}

static void print_help(void)
{
    struct buf text = {0};
    buf_puts(&text, "leat-api: the HTTP gateway of Leat.\n\n"
                    "Usage: leat-api [--help | --version]\n\n"
                    "Settings, from the environment [default]:\n");
    settings_help(SETTINGS_API, &text);
    fputs(buf_text(&text), stdout);
    buf_clear(&text);
}

static int start(const struct settings *settings, struct buf *error)
{
    struct crew crew = {.settings = settings};
    sigset_t hangup;
    int failure = 2;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    /* One that comes too early is kept until the loops run. */
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL);
    settings_log(settings, SETTINGS_API);
    if (read_features(&crew, error) && make_crew(&crew, settings, error)) {
        failure = serve(&crew);
        log_info("stopped", LOG_I("exit", failure));
    } else {
        while (crew.count > 0)
            gateway_abandon(&crew.gateways[--crew.count]);
    }
    free(crew.gateways);
    free(crew.threads);
    features_release(crew.features);
    capacity_free(crew.shared.capacity);
    return failure;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct buf error = {0};
    enum log_level level = LOG_LEVEL_INFO;
    int failure = 2;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("leat-api " LEAT_VERSION);
        return 0;
    }
    if (argc != 1) {
        buf_puts(&error, "takes no arguments but --help or --version");
    } else if (settings_load(&settings, SETTINGS_API, &error) &&
               log_level_of(settings.log_level, &level)) {
        log_open("leat-api", level);
        failure = start(&settings, &error);
    }
    if (error.length > 0)
        fprintf(stderr, "leat-api: %s\n", buf_text(&error));
    buf_clear(&error);
    return failure;
}
