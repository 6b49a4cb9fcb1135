/*
 * load_options.c: one table of flags, from which parsing and --help are made.
 */
#include "load_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, SIZE, SECONDS, TEXT, WATCH };

struct option_row {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct load_options */
    const char *help;
};

#define ROW(name, kind, member, help)                           \
    {                                                           \
        name, kind, offsetof(struct load_options, member), help \
    }

static const struct option_row rows[] = {
    ROW("port", SIZE, port, "port of the server, on 127.0.0.1 (8000)"),
    ROW("clients", SIZE, clients, "connections at a time (10)"),
    ROW("method", TEXT, method, "POST or GET of /stream (POST)"),
    ROW("feature", TEXT, feature, "feature_id of all chats (bench)"),
    ROW("prefix", TEXT, prefix, "chat_id is this, a hyphen and a number (load)"),
    ROW("format", TEXT, format, "the dialect that is asked for (raw)"),
    ROW("body", TEXT, body, "what is posted, JSON (nothing)"),
    ROW("tokens", FLAG, tokens, "count the tokens of bench/model_server.c, in any dialect"),
    ROW("chats", SIZE, chats, "numbers in use; 0: every stream has its own (0)"),
    ROW("messages", SIZE, messages, "a whole stream has so many; 0: unknown (0)"),
    ROW("rate", SIZE, rate, "clients begin at so many a second; 0: at once (0)"),
    ROW("sources", SIZE, sources, "connect from 127.0.0.1 to 127.0.0.N in turn (8)"),
    ROW("again", FLAG, again, "a client whose stream ended begins another, to the window's end"),
    ROW("resume", FLAG, resume, "a client whose stream was cut comes back with Last-Event-ID"),
    ROW("settle", SECONDS, settle_s, "from when all are open to the window's begin (1)"),
    ROW("window", SECONDS, window_s, "how long is measured (5)"),
    ROW("leave", FLAG, leave,
        "close all at the window's end, instead of awaiting the streams' ends"),
    ROW("cut", FLAG, cut, "the window begins with a cut of all, who come back at once"),
    ROW("fan", FLAG, fan, "all follow one chat: when has the last of them a message?"),
    ROW("timeout", SECONDS, timeout_s,
        "a stream that is silent, or goes on after the window, for so long is given up (30)"),
    ROW("watch", WATCH, watched, "NAME=PID or NAME=below:PID: report its CPU and memory; repeated"),
    ROW("announce", FLAG, announce, "print the lines open, window and end when it is so"),
};

static void usage(void)
{
    puts("load [options]: streams over HTTP, checked message by message\n\n"
         "Prints one JSON object. Exit code 1: a message was lost, doubled or disordered.\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        printf("  --%-9s %-7s %s\n", rows[i].name,
               rows[i].kind == FLAG      ? ""
               : rows[i].kind == TEXT    ? "TEXT"
               : rows[i].kind == WATCH   ? "…"
               : rows[i].kind == SECONDS ? "SECONDS"
                                         : "N",
               rows[i].help);
}

static _Noreturn void refuse(const char *name, const char *text)
{
    fprintf(stderr, "load: --%s: not \"%s\"; --help lists what there is\n", name, text);
    exit(2);
}

static void watch(struct load_options *o, char *text)
{
    char *sign = strchr(text, '=');
    if (!sign || o->watched_count == WATCHED_MOST)
        refuse("watch", text);
    *sign++ = '\0';
    bool below = strncmp(sign, "below:", 6) == 0;
    int pid = atoi(below ? sign + 6 : sign);
    if (pid <= 0)
        refuse("watch", sign);
    o->watched[o->watched_count++] = (struct watched){.name = text, .pid = pid, .below = below};
}

static void set(struct load_options *o, const struct option_row *row, char *text)
{
    char *end = NULL, *member = (char *)o + row->offset;
    errno = 0;
    if (row->kind == FLAG)
        *(bool *)member = true;
    else if (row->kind == TEXT)
        *(const char **)member = text;
    else if (row->kind == SIZE)
        *(size_t *)(void *)member = strtoul(text, &end, 10);
    else if (row->kind == SECONDS)
        *(double *)(void *)member = strtod(text, &end);
    else
        watch(o, text);
    if (end && (*end || errno))
        refuse(row->name, text);
}

void load_options_read(struct load_options *o, int argc, char **argv)
{
    struct option options[COUNT_OF(rows) + 2] = {{.name = "help"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        options[i + 1] =
            (struct option){.name = rows[i].name,
                            .has_arg = rows[i].kind == FLAG ? no_argument : required_argument};
    *o = (struct load_options){.port = 8000,
                               .clients = 10,
                               .sources = 8,
                               .method = "POST",
                               .feature = "bench",
                               .prefix = "load",
                               .format = "raw",
                               .body = "",
                               .settle_s = 1,
                               .window_s = 5,
                               .timeout_s = 30};
    int index, found;
    while ((found = getopt_long(argc, argv, "", options, &index)) == 0) {
        if (index == 0) {
            usage();
            exit(EXIT_SUCCESS);
        }
        set(o, &rows[index - 1], optarg);
    }
    if (found != -1 || optind != argc || o->clients == 0 || o->sources == 0 || o->sources > 200)
        exit(2);
    if (strcmp(o->method, "GET") != 0 && strcmp(o->method, "POST") != 0)
        refuse("method", o->method);
}
