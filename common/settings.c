/*
 * settings.c: the table of settings and what is made from it.
 *
 * A row names the variable, where its value goes, its bounds, its default (as
 * text, so that --help shows what the code uses) and one sentence. Rules that
 * join two settings stand in check_pairs().
 */
#include "settings.h"

#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define KIB (INT64_C(1) << 10)
#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define DAY_MS (INT64_C(86400000))

enum kind {
    KIND_NUMBER,
    KIND_BYTES, /* a number that may end in KiB, MiB or GiB */
    KIND_TEXT,
    KIND_NAME,   /* 1 to 128 of A-Z a-z 0-9 _ . - */
    KIND_NAMES,  /* some of them between commas, no two the same */
    KIND_SECRET, /* a text that is never shown */
};

struct row {
    const char *variable;
    enum kind kind;
    unsigned users;
    size_t offset;
    int64_t min, max;
    const char *standard;
    const char *about;
};

#define ALL (SETTINGS_API | SETTINGS_WORKER | SETTINGS_TASK)
#define BOTH (SETTINGS_API | SETTINGS_WORKER)
#define REDIS (BOTH | SETTINGS_FSCK)
#define API SETTINGS_API
#define WORKER SETTINGS_WORKER
#define TASK SETTINGS_TASK
#define AT(member) offsetof(struct settings, member)

/* clang-format off */
static const struct row table[] = {
    {"FEATURE_ID", KIND_NAME, WORKER | TASK, AT(feature_id), 0, 0, "default", "the container's feature; messages show it as container_feature_id"},
    {"LOG_LEVEL", KIND_TEXT, ALL, AT(log_level), 0, 0, "info", "debug, info, warn, error or none"},
    {"FEATURES_FILE", KIND_TEXT, BOTH, AT(features_file), 0, 0, "", "JSON file that says which features there are, and what runs them; read again at SIGHUP"},

    {"REDIS_HOST", KIND_TEXT, REDIS, AT(redis_host), 0, 0, "127.0.0.1", "name or address of Redis, resolved at every reconnect"},
    {"REDIS_PORT", KIND_NUMBER, REDIS, AT(redis_port), 1, 65535, "6379", "its port"},
    {"REDIS_DB", KIND_NUMBER, REDIS, AT(redis_db), 0, 1023, "0", "its database"},
    {"REDIS_SOCKET", KIND_TEXT, REDIS, AT(redis_socket), 0, 0, "", "path of a Unix socket, instead of host and port"},
    {"REDIS_USERNAME", KIND_TEXT, REDIS, AT(redis_username), 0, 0, "", "ACL user"},
    {"REDIS_PASSWORD", KIND_SECRET, REDIS, AT(redis_password), 0, 0, "", "password of the user, or of the server"},
    {"REDIS_TIMEOUT_MS", KIND_NUMBER, REDIS, AT(redis_timeout_ms), 100, 60000, "5000", "a connection that owes an answer for so long is given up"},
    {"LEAT_KEY_PREFIX", KIND_TEXT, REDIS, AT(key_prefix), 0, 0, "", "begins every key; at most 64 of A-Z a-z 0-9 _ . : { } -"},

    {"API_HOST", KIND_TEXT, API, AT(api_host), 0, 0, "127.0.0.1", "address to listen on (0.0.0.0 in the image)"},
    {"API_PORT", KIND_NUMBER, API, AT(api_port), 0, 65535, "8000", "port to listen on; 0 takes any free one"},
    {"API_PORT_FILE", KIND_TEXT, API, AT(api_port_file), 0, 0, "", "file to write the port to, once it listens"},
    {"API_LOOPS", KIND_NUMBER, API, AT(api_loops), 1, 64, "1", "event loops, one thread each"},
    {"API_MAX_BODY", KIND_BYTES, API, AT(api_max_body_bytes), 0, 64 * MIB, "1MiB", "longest body of a request"},
    {"API_HEARTBEAT_MS", KIND_NUMBER, API, AT(api_heartbeat_ms), 100, 60000, "15000", "longest silence of a stream; then a comment"},
    {"API_DRAIN_MS", KIND_NUMBER, API, AT(api_drain_ms), 0, 600000, "10000", "time to end all streams after SIGTERM"},
    {"API_MAX_BACKLOG", KIND_BYTES, API, AT(api_max_backlog_bytes), 4 * KIB, GIB, "1MiB", "unsent bytes of one follower; beyond, it is closed and may resume"},
    {"API_STREAM_BUFFER", KIND_BYTES, API, AT(api_stream_buffer_bytes), 4 * KIB, GIB, "256KiB", "newest bytes of a stream kept for its followers; who is further behind is served from Redis"},
    {"API_MAX_RENDERED", KIND_BYTES, API, AT(api_max_rendered_bytes), 64 * KIB, 1024 * GIB, "256MiB", "what followers that speak a dialect, whole answers and snapshots keep in memory, each loop its share; beyond, new ones are 503 (a raw snapshot comes as single messages), and one that has grown by more than 64 KiB is closed"},
    {"API_TAIL_LANES", KIND_NUMBER, API, AT(api_tail_lanes), 0, 100000, "64", "streams that each loop follows by a Redis connection each; all beyond share two"},
    {"API_MAX_CONNECTIONS", KIND_NUMBER, API, AT(api_max_connections), 1, 1000000, "10000", "open client connections, all loops together"},
    {"API_MAX_CONNECTIONS_PER_ADDRESS", KIND_NUMBER, API, AT(api_max_connections_per_address), 0, 1000000, "0", "of these, from one IPv4 address or IPv6 /64; 0: no limit, as behind a proxy, which is one address"},
    {"API_HEADER_TIMEOUT_MS", KIND_NUMBER, API, AT(api_header_timeout_ms), 100, 600000, "10000", "time for a request's head to be complete"},
    {"API_BODY_TIMEOUT_MS", KIND_NUMBER, API, AT(api_body_timeout_ms), 100, 600000, "30000", "time for a request's body to be complete"},
    {"API_IDLE_TIMEOUT_MS", KIND_NUMBER, API, AT(api_idle_timeout_ms), 100, 3600000, "60000", "a connection between two requests is closed after so long"},
    {"API_CORS_ORIGINS", KIND_TEXT, API, AT(api_cors_origins), 0, 0, "", "origins that browsers may call from, separated by commas; * for any"},

    {"STREAM_TTL_MS", KIND_NUMBER, REDIS, AT(stream_ttl_ms), 200, 7 * DAY_MS, "60000", "a stream expires so long after its last sign of life; well over twice LEASE_MS, so that it outlives a lost worker's lease"},
    {"LEASE_MS", KIND_NUMBER, REDIS, AT(lease_ms), 300, 600000, "15000", "a worker that is not heard of for so long has lost its jobs"},
    {"QUEUE_MAX_WAITING", KIND_NUMBER, BOTH, AT(queue_max_waiting), 1, 100000000, "100000", "jobs that may wait in a queue; beyond: 429"},
    {"QUEUE_MAX_BYTES", KIND_BYTES, BOTH, AT(queue_max_bytes), KIB, 1024 * GIB, "256MiB", "their bodies' bytes; beyond: 429"},
    {"IDEMPOTENCY_TTL_MS", KIND_NUMBER, API | SETTINGS_FSCK, AT(idempotency_ttl_ms), 1000, 7 * DAY_MS, "3600000", "how long an Idempotency-Key is remembered"},
    {"DEAD_RETENTION_MS", KIND_NUMBER, REDIS, AT(dead_retention_ms), 1000, 366 * DAY_MS, "604800000", "how long a dead job is kept"},
    {"DEAD_MAX", KIND_NUMBER, BOTH, AT(dead_max), 1, 10000000, "10000", "dead jobs kept in a queue; the oldest go first"},
    {"DEAD_MAX_BYTES", KIND_BYTES, BOTH, AT(dead_max_bytes), KIB, 1024 * GIB, "256MiB", "their bodies' bytes; the oldest go first"},

    {"JOB_TIMEOUT_MS", KIND_NUMBER, WORKER, AT(job_timeout_ms), 100, 7 * DAY_MS, "60000", "longest run of one attempt"},
    {"JOB_DEADLINE_MS", KIND_NUMBER, API | SETTINGS_FSCK, AT(job_deadline_ms), 100, 7 * DAY_MS, "300000", "longest wait for a worker"},
    {"JOB_MAX_ATTEMPTS", KIND_NUMBER, WORKER, AT(job_max_attempts), 1, 100, "3", "failed attempts after which a job is dead"},
    {"JOB_MAX_DEATHS", KIND_NUMBER, BOTH, AT(job_max_deaths), 1, 100, "3", "workers or task processes lost after which a job is dead"},
    {"RETRY_BACKOFF_MS", KIND_NUMBER, WORKER, AT(retry_backoff_ms), 1, DAY_MS, "1000", "upper bound of the wait after the first failed attempt; doubles with each"},
    {"RETRY_BACKOFF_MAX_MS", KIND_NUMBER, WORKER, AT(retry_backoff_max_ms), 1, DAY_MS, "60000", "the most it doubles to"},

    {"WORKER_QUEUES", KIND_NAMES, WORKER, AT(worker_queues), 0, 0, "default", "the queues to take jobs from, separated by commas; each is the first in its turn"},
    {"WORKER_MAX_JOBS", KIND_NUMBER, WORKER, AT(worker_max_jobs), 1, 10000, "10", "jobs at a time"},
    {"WORKER_MAX_ALONE", KIND_NUMBER, WORKER, AT(worker_max_alone), 1, 10000, "50", "of them, jobs at a time that lost their shared task process and have one of their own"},
    {"WORKER_TASKS", KIND_TEXT, WORKER, AT(worker_tasks), 0, 0, "", "which command runs a type of job: type[marks]=command words;… (default: the built-in tasks)"},
    {"WORKER_DRAIN_MS", KIND_NUMBER, WORKER, AT(worker_drain_ms), 0, DAY_MS, "60000", "time to finish jobs after SIGTERM; the rest is handed back"},
    {"WORKER_RESEND_BYTES", KIND_BYTES, WORKER, AT(worker_resend_bytes), 4 * KIB, GIB, "1MiB", "written messages kept of a job, in case Redis loses them"},
    {"WORKER_HEALTH_FILE", KIND_TEXT, WORKER, AT(worker_health_file), 0, 0, "", "file whose time is set anew at each heartbeat that Redis answered"},

    {"TASK_MAX_LINE", KIND_BYTES, BOTH, AT(task_max_line_bytes), KIB, 16 * MIB, "256KiB", "longest line a task may write"},
    {"TASK_STOP_MS", KIND_NUMBER, WORKER, AT(task_stop_ms), 10, 600000, "2000", "from SIGTERM to SIGKILL for a task process"},
    {"LEAT_SLOTS", KIND_NUMBER, TASK, AT(leat_slots), 0, 10000, "0", "set by the worker for a shared task process (the mark slots=n): up to so many jobs at once, each line behind its job's id"},
    {"TASK_MESSAGE_COUNT", KIND_NUMBER, WORKER | TASK, AT(task_message_count), 0, 1000000, "20", "messages that generate_messages writes"},
    {"TASK_MESSAGE_INTERVAL_MS", KIND_NUMBER, WORKER | TASK, AT(task_message_interval_ms), 0, 3600000, "500", "time between two of them"},
};
/* clang-format on */

static const char **text_at(struct settings *s, const struct row *row)
{
    return (const char **)(void *)((char *)s + row->offset);
}

static int64_t *number_at(struct settings *s, const struct row *row)
{
    return (int64_t *)(void *)((char *)s + row->offset);
}

static bool is_number(const struct row *row)
{
    return row->kind == KIND_NUMBER || row->kind == KIND_BYTES;
}

/* What may follow the digits; 0 for a unit we do not know. */
static int64_t unit_of(const struct row *row, const char *suffix)
{
    if (*suffix == '\0')
        return 1;
    if (row->kind != KIND_BYTES)
        return 0;
    if (strcmp(suffix, "KiB") == 0)
        return KIB;
    if (strcmp(suffix, "MiB") == 0)
        return MIB;
    return strcmp(suffix, "GiB") == 0 ? GIB : 0;
}

static bool parse_number(const struct row *row, const char *text, int64_t *out)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    int64_t unit = unit_of(row, end);
    if (errno != 0 || unit == 0 || number > INT64_MAX / unit)
        return false;
    *out = number * unit;
    return *out >= row->min && *out <= row->max;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool is_name(const char *text, size_t most, const char *also)
{
    size_t length = strlen(text);
    if (length > most)
        return false;
    for (const char *c = text; *c; c++) {
        if (!is_name_byte(*c) && !strchr(also, *c))
            return false;
    }
    return true;
}

/* A name of so many bytes is among those before `end`, each behind a comma or at the start. */
static bool is_listed(const char *list, const char *end, const char *name, size_t length)
{
    for (const char *at = list; at < end; at += strcspn(at, ",") + 1) {
        if (strcspn(at, ",") == length && memcmp(at, name, length) == 0)
            return true;
    }
    return false;
}

static bool are_names(const char *text)
{
    size_t count = 0;
    const char *at = text;
    while (true) {
        size_t length = strcspn(at, ",");
        char name[129] = "";
        if (length == 0 || length >= sizeof name || ++count > SETTINGS_NAMES_MOST)
            return false;
        memcpy(name, at, length);
        if (!is_name(name, length, "") || is_listed(text, at, name, length))
            return false;
        if (at[length] == '\0')
            return true;
        at += length + 1;
    }
}

/* "*", or origins as browsers send them (scheme://host[:port]), between commas. */
static bool are_origins(const char *text)
{
    while (*text) {
        text += strspn(text, ", ");
        size_t length = strcspn(text, ", ");
        const char *host = strstr(text, "://");
        bool whole = host && host > text && host + 3 < text + length &&
                     !memchr(host + 3, '/', length - (size_t)(host + 3 - text));
        if (length > 0 && !whole && !(length == 1 && *text == '*'))
            return false;
        text += length;
    }
    return true;
}

/* Returns what the value should have been, or NULL when it is good. */
static const char *check_text(const struct row *row, const char *text)
{
    enum log_level level;
    if (row->kind == KIND_NAME && (!*text || !is_name(text, 128, "")))
        return "1 to 128 of A-Z a-z 0-9 _ . -";
    if (row->kind == KIND_NAMES && !are_names(text))
        return "1 to 64 different names, each 1 to 128 of A-Z a-z 0-9 _ . -, separated by commas";
    if (row->offset == AT(key_prefix) && !is_name(text, 64, ":{}"))
        return "at most 64 of A-Z a-z 0-9 _ . : { } -";
    if (row->offset == AT(api_cors_origins) && !are_origins(text))
        return "* or origins such as https://example.org, separated by commas";
    if (row->offset == AT(log_level) && !log_level_of(text, &level))
        return "debug, info, warn, error or none";
    return NULL;
}

/* What would have been right. */
static void say_number(const struct row *row, struct buf *out)
{
    buf_printf(out, "a whole number%s from %" PRId64 " to %" PRId64,
               row->kind == KIND_BYTES ? " of bytes (KiB, MiB and GiB are understood)" : "",
               row->min, row->max);
}

static bool load_row(struct settings *s, const struct row *row, const char *value,
                     struct buf *error)
{
    if (is_number(row)) {
        if (parse_number(row, value, number_at(s, row)))
            return true;
        buf_printf(error, "%s: \"%s\" is not ", row->variable, value);
        say_number(row, error);
        return false;
    }
    const char *expected = check_text(row, value);
    if (expected) {
        buf_printf(error, "%s: \"%s\" is not %s", row->variable, value, expected);
        return false;
    }
    *text_at(s, row) = value;
    return true;
}

static bool check_pairs(const struct settings *s, enum settings_user user, struct buf *error)
{
    if (user == SETTINGS_API && s->api_max_backlog_bytes < 2 * s->task_max_line_bytes) {
        buf_puts(error, "API_MAX_BACKLOG: must be at least twice TASK_MAX_LINE");
        return false;
    }
    if (*s->redis_username && !*s->redis_password) {
        buf_puts(error, "REDIS_USERNAME: needs a REDIS_PASSWORD");
        return false;
    }
    return true;
}

static bool load_rows(struct settings *s, enum settings_user user, struct buf *error)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct row *row = &table[i];
        const char *value = row->users & user ? getenv(row->variable) : NULL;
        if (!value || !*value)
            value = row->standard;
        if (!load_row(s, row, value, error))
            return false;
    }
    return check_pairs(s, user, error);
}

bool settings_load(struct settings *s, enum settings_user user, struct buf *error)
{
    *s = (struct settings){0};
    if (load_rows(s, user, error))
        return true;
    /* One line, whatever the value held. */
    for (size_t i = 0; i < error->length; i++) {
        if ((unsigned char)error->data[i] < 0x20)
            error->data[i] = ' ';
    }
    return false;
}

bool settings_read_number(const char *variable, const char *text, int64_t *out,
                          struct buf *expected)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct row *row = &table[i];
        if (!is_number(row) || strcmp(row->variable, variable) != 0)
            continue;
        if (parse_number(row, text, out))
            return true;
        say_number(row, expected);
    }
    return false;
}

void settings_help(enum settings_user user, struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct row *row = &table[i];
        if (row->users & user)
            buf_printf(out, "  %-25s %s%s%s%s\n", row->variable, row->about,
                       *row->standard ? " [" : "", row->standard, *row->standard ? "]" : "");
    }
}

void settings_markdown(struct buf *out)
{
    buf_puts(out,
             "# Settings\n\nMade by `make docs` from the table in `common/settings.c`. "
             "Environment variables only; a wrong value stops the start and is named.\n\n"
             "| variable | default | bounds | read by | what |\n| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct row *row = &table[i];
        buf_printf(out, "| `%s` | %s%s%s | ", row->variable, *row->standard ? "`" : "",
                   row->standard, *row->standard ? "`" : "");
        if (is_number(row))
            buf_printf(out, "%" PRId64 " to %" PRId64, row->min, row->max);
        buf_printf(out, " |%s%s%s%s | %s |\n", row->users & SETTINGS_API ? " api" : "",
                   row->users & SETTINGS_WORKER ? " worker" : "",
                   row->users & SETTINGS_TASK ? " task" : "",
                   row->users & SETTINGS_FSCK ? " fsck" : "", row->about);
    }
}

void settings_log(const struct settings *s, enum settings_user user)
{
    struct log_field fields[COUNT_OF(table) + 1];
    size_t used = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct row *row = &table[i];
        if (!(row->users & user))
            continue;
        const char *at = (const char *)s + row->offset;
        struct log_field *field = &fields[used++];
        *field = (struct log_field){.name = row->variable};
        if (is_number(row)) {
            memcpy(&field->number, at, sizeof field->number);
        } else {
            memcpy(&field->text, at, sizeof field->text);
            if (row->kind == KIND_SECRET && *field->text)
                field->text = "set";
        }
    }
    fields[used] = (struct log_field){.name = NULL};
    log_write(LOG_LEVEL_INFO, "settings", fields);
}

bool settings_is_private(const char *variable)
{
    return strncmp(variable, "REDIS_", strlen("REDIS_")) == 0 ||
           strcmp(variable, "LEAT_KEY_PREFIX") == 0 || strcmp(variable, "LEAT_SLOTS") == 0;
}
