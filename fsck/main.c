/*
 * main.c: leat-fsck. Reads the arguments, connects, has everything looked at, and says what was
 * found.
 */
#include "fsck.h"
#include "json.h"
#include "log.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_CLEAN, EXIT_FINDINGS, EXIT_NOT_CHECKED };

struct options {
    bool repair, json;
};

struct session {
    struct options options;
    struct settings settings;
    uv_loop_t loop;
    struct redis *redis;
    bool refused; /* it has been said why */
};

static int fail(const char *why)
{
    fprintf(stderr, "leat-fsck: %s\n", why);
    return EXIT_NOT_CHECKED;
}

static int help(void)
{
    static const char text[] =
        "Usage: leat-fsck [--repair] [--json] | --help | --version\n\n"
        "Looks whether everything that a Leat keeps in Redis fits together: each job in exactly "
        "the\n"
        "lists of its state, expiries, counters, chats, streams, workers, schedules. It may be run "
        "at\n"
        "any time, beside gateways and workers; it takes at most half of Redis's time, in calls of "
        "a\n"
        "few milliseconds. Without --repair Redis refuses it every write.\n\n"
        "  --repair   put right what the reaper or a step would, and say each thing that was "
        "done;\n"
        "             then look again\n"
        "  --json     a line of JSON for each finding, and one for the summary, the last\n\n"
        "A finding is a line: a stable word, the key, and a sentence. The last line sums up.\n"
        "Exit code: 0 nothing was found (or all of it repaired), 1 something was, 2 it could not "
        "be\n"
        "checked.\n\n"
        "Settings, from the environment; those of the gateways and workers it belongs to:\n";
    struct buf settings = {0};
    settings_help(SETTINGS_FSCK, &settings);
    fputs(text, stdout);
    fputs(buf_text(&settings), stdout);
    buf_clear(&settings);
    return EXIT_CLEAN;
}

/* ---- what was found ---- */

static void print_json(struct buf *line, const char *name, const char *text)
{
    buf_printf(line, "%s\"%s\":", line->length ? "," : "{", name);
    json_quote(line, text, strlen(text));
}

/* Keys may hold anything: what would end a line or move the cursor becomes a question mark. */
static void print_line(struct buf *line)
{
    for (size_t i = 0; i < line->length; i++) {
        if ((unsigned char)line->data[i] < 0x20 || line->data[i] == 0x7f)
            line->data[i] = '?';
    }
    puts(buf_text(line));
}

static void on_found(void *arg, const struct fsck_finding *f)
{
    const struct options *options = arg;
    struct buf line = {0};
    if (options->json) {
        print_json(&line, "finding", f->word);
        print_json(&line, "key", f->key);
        print_json(&line, "sentence", f->sentence);
        print_json(&line, "repaired", f->done);
        buf_putc(&line, '}');
    } else {
        buf_printf(&line, "%s %s %s", f->word, f->key, f->sentence);
        if (*f->done)
            buf_printf(&line, "; repaired: %s", f->done);
    }
    print_line(&line);
    buf_clear(&line);
}

static void sum_up(const struct options *options, const struct fsck_summary *s,
                   const struct ask *ask, uint64_t took_ms)
{
    if (options->json) {
        printf("{\"findings\":%" PRIu64 ",\"repaired\":%" PRIu64 ",\"keys\":%" PRIu64
               ",\"jobs\":%" PRIu64 ",\"queues\":%" PRIu64 ",\"streams\":%" PRIu64
               ",\"other_keys\":%" PRIu64 ",\"queues_moving\":%" PRIu64 ",\"ms\":%" PRIu64
               ",\"calls\":%" PRIu64 ",\"longest_call_us\":%" PRIu64 "}\n",
               s->findings, s->repaired, s->keys, s->jobs, s->queues, s->streams, s->others,
               s->moving, took_ms, ask->calls, ask->slowest_us);
        return;
    }
    printf("%" PRIu64 " findings, %" PRIu64 " repaired; looked at %" PRIu64 " keys: %" PRIu64
           " jobs, %" PRIu64 " queues, %" PRIu64 " streams, %" PRIu64 " of other programs; %" PRIu64
           " calls in %" PRIu64 " ms, the longest %.1f ms\n",
           s->findings, s->repaired, s->keys, s->jobs, s->queues, s->streams, s->others, ask->calls,
           took_ms, (double)ask->slowest_us / 1000);
    if (s->moving > 0)
        printf("not compared, large and busy: the bytes of %" PRIu64 " queues\n", s->moving);
}

/* ---- Redis ---- */

static void on_refused(void *arg, const char *words)
{
    struct session *session = arg;
    if (!session->refused)
        fprintf(stderr, "leat-fsck: Redis refuses: %s\n", words);
    session->refused = true;
}

static bool connect_to_redis(struct session *session)
{
    struct redis_options options = {
        .loop = &session->loop,
        .settings = &session->settings,
        .name = "leat-fsck",
        .scripts = true,
        .scripts_late = true,
        .arg = session,
        .on_refused = on_refused,
    };
    uint64_t end_ns = uv_hrtime() + (uint64_t)session->settings.redis_timeout_ms * 1000000;
    session->redis = redis_new(&options);
    while (session->redis && !redis_is_up(session->redis) && !session->refused &&
           uv_hrtime() < end_ns)
        uv_run(&session->loop, UV_RUN_ONCE);
    return session->redis && redis_is_up(session->redis);
}

static int look(struct session *session)
{
    if (!connect_to_redis(session))
        return session->refused ? EXIT_NOT_CHECKED : fail("Redis cannot be reached");
    struct ask ask = {
        .redis = session->redis, .loop = &session->loop, .settings = &session->settings};
    struct fsck_summary summary;
    uint64_t began_ns = uv_hrtime();
    enum status status =
        fsck_run(&ask, session->options.repair, on_found, &session->options, &summary);
    int code = summary.findings > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
    if (status == STATUS_OK) {
        sum_up(&session->options, &summary, &ask, (uv_hrtime() - began_ns) / 1000000);
    } else {
        const char *words = buf_text(&ask.words);
        code = fail(*words ? words : status_text(status));
    }
    buf_clear(&ask.words);
    return code;
}

static int run(const struct options *options)
{
    struct session session = {.options = *options};
    struct buf error = {0};
    int code = EXIT_NOT_CHECKED;
    if (!settings_load(&session.settings, SETTINGS_FSCK, &error)) {
        fail(buf_text(&error));
    } else if (uv_loop_init(&session.loop) != 0) {
        fail("no event loop");
    } else {
        code = look(&session);
        redis_free(session.redis);
        uv_run(&session.loop, UV_RUN_DEFAULT);
        uv_loop_close(&session.loop);
    }
    buf_clear(&error);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("leat-fsck " LEAT_VERSION) < 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--repair") == 0)
            options.repair = true;
        else if (strcmp(argv[i], "--json") == 0)
            options.json = true;
        else
            return fail("takes no arguments but --repair, --json, --help or --version");
    }
    log_open("leat-fsck", LOG_LEVEL_WARN);
    signal(SIGPIPE, SIG_IGN);
    int code = run(&options);
    return fflush(stdout) == 0 ? code : EXIT_NOT_CHECKED;
}
