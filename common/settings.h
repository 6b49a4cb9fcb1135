/**
 * settings.h: every setting, from the environment.
 *
 * One table (settings.c) is the source of the parsing, the bounds, --help, the
 * Markdown page docs/settings.md and the start-up log line. An empty variable
 * counts as unset.
 */
#ifndef LEAT_SETTINGS_H
#define LEAT_SETTINGS_H

#include "base.h"
#include "buf.h"

/* Which programs read a setting. */
enum settings_user {
    SETTINGS_API = 1,
    SETTINGS_WORKER = 2,
    SETTINGS_TASK = 4,
    SETTINGS_FSCK = 8,
};

/* Names in a list such as WORKER_QUEUES. */
#define SETTINGS_NAMES_MOST 64

struct settings {
    /* Texts are borrowed from the environment, or static; never NULL. */
    const char *feature_id;
    const char *log_level;
    const char *features_file;

    const char *redis_host;
    const char *redis_socket;
    const char *redis_username;
    const char *redis_password;
    const char *key_prefix;
    int64_t redis_port;
    int64_t redis_db;
    int64_t redis_timeout_ms;

    const char *api_host;
    const char *api_port_file;
    const char *api_cors_origins;
    int64_t api_port;
    int64_t api_loops;
    int64_t api_max_body_bytes;
    int64_t api_heartbeat_ms;
    int64_t api_drain_ms;
    int64_t api_max_backlog_bytes;
    int64_t api_stream_buffer_bytes;
    int64_t api_max_rendered_bytes;
    int64_t api_tail_lanes;
    int64_t api_max_connections;
    int64_t api_max_connections_per_address;
    int64_t api_header_timeout_ms;
    int64_t api_body_timeout_ms;
    int64_t api_idle_timeout_ms;

    int64_t stream_ttl_ms;
    int64_t lease_ms;
    int64_t queue_max_waiting;
    int64_t queue_max_bytes;
    int64_t idempotency_ttl_ms;
    int64_t dead_retention_ms;
    int64_t dead_max;
    int64_t dead_max_bytes;

    int64_t job_timeout_ms;
    int64_t job_deadline_ms;
    int64_t job_max_attempts;
    int64_t job_max_deaths;
    int64_t retry_backoff_ms;
    int64_t retry_backoff_max_ms;

    const char *worker_queues;
    const char *worker_tasks;
    const char *worker_health_file;
    int64_t worker_max_jobs;
    int64_t worker_max_alone;
    int64_t worker_drain_ms;
    int64_t worker_resend_bytes;

    int64_t task_max_line_bytes;
    int64_t task_stop_ms;
    int64_t leat_slots;
    int64_t task_message_count;
    int64_t task_message_interval_ms;
};

/**
 * settings_load(s, user, error)
 * Fill s from the environment: the settings of user, and the defaults of all others.
 *
 * Borrows the environment for as long as s is used.
 * False: a value is out of its bounds; error holds one line that names the variable.
 * Thread: main, before any other starts.
 */
MUST_CHECK bool settings_load(struct settings *s, enum settings_user user, struct buf *error);

/**
 * settings_read_number(variable, text, out, expected)
 * Read text as if it were the value of that variable, a number of the table.
 * False: it is not; what would be right ("a whole number from 1 to 9") is appended to expected.
 */
MUST_CHECK bool settings_read_number(const char *variable, const char *text, int64_t *out,
                                     struct buf *expected);

/**
 * settings_help(user, out)
 * Append the table of user's settings as --help shows it.
 */
void settings_help(enum settings_user user, struct buf *out);

/**
 * settings_markdown(out)
 * Append the table of all settings as docs/settings.md shows it.
 */
void settings_markdown(struct buf *out);

/**
 * settings_log(s, user)
 * Log one line "settings" with every value that user reads; a secret's only as "set" or "".
 */
void settings_log(const struct settings *s, enum settings_user user);

/**
 * settings_is_private(variable)
 * Whether an environment variable of ours must not reach a task process: the ways to
 * Redis and its credentials, and LEAT_SLOTS, which only its worker sets.
 * Thread: any.
 */
bool settings_is_private(const char *variable);

#endif
