/*
 * main.c: leat-api. Reads the settings, makes API_LOOPS gateways, runs each in a
 * thread, and waits for SIGTERM or SIGINT in the main one.
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

static bool make_crew(struct crew *crew, const struct settings *s, struct buf *error)
{
    crew->count = (size_t)s->api_loops;
    crew->gateways = calloc(crew->count, sizeof *crew->gateways);
    crew->threads = calloc(crew->count, sizeof *crew->threads);
    if (!crew->gateways || !crew->threads) {
        buf_puts(error, "out of memory");
        return false;
    }
    size_t share = ((size_t)s->api_max_connections + crew->count - 1) / crew->count;
    int port = (int)s->api_port;
    for (size_t i = 0; i < crew->count; i++) {
        struct gateway *g = &crew->gateways[i];
        if (!gateway_init(g, s, port, i > 0, share, error))
            return false;
        g->on_failure = on_failure;
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

static int serve(struct crew *crew)
{
    sigset_t signals;
    int number, failure = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    size_t running = 0;
    while (running < crew->count &&
           pthread_create(&crew->threads[running], NULL, run, &crew->gateways[running]) == 0)
        running++;
    if (running == crew->count)
        sigwait(&signals, &number);
    else
        failure = 1;
    for (size_t i = 0; i < running; i++)
        gateway_stop(&crew->gateways[i]);
    for (size_t i = 0; i < running; i++) {
        pthread_join(crew->threads[i], NULL);
        failure |= crew->gateways[i].failure;
    }
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

int main(int argc, char **argv)
{
    struct settings settings;
    struct buf error = {0};
    struct crew crew = {0};
    enum log_level level = LOG_LEVEL_INFO;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("leat-api " LEAT_VERSION);
        return 0;
    }
    if (argc != 1) {
        fputs("Usage: leat-api [--help | --version]\n", stderr);
        return 2;
    }
    if (!settings_load(&settings, SETTINGS_API, &error) ||
        !log_level_of(settings.log_level, &level)) {
        fprintf(stderr, "leat-api: %s\n", buf_text(&error));
        return 2;
    }
    log_open("leat-api", level);
    signal(SIGPIPE, SIG_IGN);
    settings_log(&settings, SETTINGS_API);
    log_info("open_files", LOG_I("limit", server_raise_file_limit()));
    if (!make_crew(&crew, &settings, &error)) {
        fprintf(stderr, "leat-api: %s\n", buf_text(&error));
        return 2;
    }
    int failure = serve(&crew);
    free(crew.gateways);
    free(crew.threads);
    log_info("stopped", LOG_I("exit", failure));
    return failure;
}
