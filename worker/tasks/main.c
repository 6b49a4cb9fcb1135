/*
 * main.c: leat-task, the built-in tasks.
 *
 *     leat-task generate_messages
 *     leat-task chat
 *
 * Reads jobs from standard input, one line each, runs one after the other, and
 * writes each one's messages and then {"leat":"done"} to standard output. Ends
 * when the input ends. leat-worker starts it; a shell can as well:
 *
 *     echo '{"feature_id": "f", "chat_id": "c"}' | leat-task generate_messages
 *
 * With LEAT_SLOTS=n in its environment it is the shared form of a task process
 * (many.h): up to n jobs at once, each line behind its job's id.
 *
 * SIGTERM keeps its default, but for a chat: whatever this process does may be cut off anywhere.
 */
#include "chat_task.h"
#include "generate_messages.h"
#include "log.h"
#include "many.h"
#include "task.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE 2

static const struct {
    const char *name;
    const char *about;
    task_fn *run;
    enum status (*run_many)(const struct task_context *context);
} tasks[] = {
    {"generate_messages", "numbered messages at a steady pace", generate_messages, many_run},
    /* One job after the other is many with one at a time. */
    {"chat", "the answers of the language models that a job's feature names", NULL, chat_task_run},
};

/* Room for "worker-", a hostname (64 at most on Linux) and its NUL. */
#define CONTAINER_ID_SIZE 80

static void list_tasks(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(tasks); i++)
        buf_printf(out, "  %-25s %s\n", tasks[i].name, tasks[i].about);
}

static int help(void)
{
    struct buf text = {0};
    buf_puts(
        &text,
        "usage: leat-task TASK\n\n"
        "Run jobs, one line of JSON each, from standard input; write their messages, one line\n"
        "each, to standard output. LEAT_SLOTS=n: up to n jobs at once.\n\ntasks:\n");
    list_tasks(&text);
    buf_puts(&text, "\nsettings (environment) [default]:\n");
    settings_help(SETTINGS_TASK, &text);
    fputs(buf_text(&text), stdout);
    buf_clear(&text);
    return EXIT_SUCCESS;
}

static int usage(const char *wrong)
{
    struct buf text = {0};
    if (wrong)
        buf_printf(&text, "leat-task: there is no task \"%s\"; there are:\n", wrong);
    else
        buf_puts(&text, "usage: leat-task TASK (or --help, --version); tasks:\n");
    list_tasks(&text);
    fputs(buf_text(&text), stderr);
    buf_clear(&text);
    return EXIT_USAGE;
}

/* Its row; COUNT_OF(tasks): there is none. */
static size_t find_task(const char *name)
{
    size_t row = 0;
    while (row < COUNT_OF(tasks) && strcmp(name, tasks[row].name) != 0)
        row++;
    return row;
}

static void read_container_id(char out[CONTAINER_ID_SIZE])
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
            *c = '-';
    }
    snprintf(out, CONTAINER_ID_SIZE, "worker-%s", host);
}

/* A good end, and a reader that went away, are not worth a line. */
static void log_end(enum status status)
{
    if (status == STATUS_OK || status == STATUS_CLOSED)
        return;
    const char *reason = status == STATUS_BAD_INPUT
                             ? "the job line is not a JSON object with feature_id and chat_id"
                             : status_text(status);
    log_error("stopped", LOG_S("reason", reason));
}

/* Until the input ends, which is the good end: STATUS_OK. */
static enum status run_jobs(const struct task_context *context, task_fn *run)
{
    struct job_line job;
    enum status status;
    while ((status = job_line_read(stdin, &job)) == STATUS_OK) {
        status = run(context, &job);
        if (status != STATUS_OK)
            return status;
        buf_puts(&context->writer->pending, "{\"leat\":\"done\"}\n");
        status = writer_flush(context->writer);
        if (status != STATUS_OK)
            return status;
    }
    return status == STATUS_CLOSED ? STATUS_OK : status;
}

static bool load_settings(struct settings *settings)
{
    struct buf error = {0};
    enum log_level level = LOG_LEVEL_INFO;
    if (!settings_load(settings, SETTINGS_TASK, &error)) {
        fprintf(stderr, "leat-task: %s\n", buf_text(&error));
        buf_clear(&error);
        return false;
    }
    if (log_level_of(settings->log_level, &level))
        log_open("leat-task", level);
    return true;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return puts("leat-task " LEAT_VERSION) < 0;
    if (argc != 2)
        return usage(NULL);
    size_t row = find_task(argv[1]);
    if (row == COUNT_OF(tasks))
        return usage(argv[1]);
    struct settings settings;
    if (!load_settings(&settings))
        return EXIT_USAGE;

    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a status, not a signal */
    char container_id[CONTAINER_ID_SIZE];
    read_container_id(container_id);
    struct writer writer = {.fd = STDOUT_FILENO, .at_once = settings.task_message_interval_ms > 0};
    struct task_context context = {&settings, container_id, &writer};
    enum status status = settings.leat_slots > 0 || !tasks[row].run
                             ? tasks[row].run_many(&context)
                             : run_jobs(&context, tasks[row].run);
    log_end(status);
    writer_clear(&writer);
    return status == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
