/**
 * log.h: one JSON line an event, on standard error.
 *
 *     log_info("claimed", LOG_S("job", id), LOG_I("attempt", 2));
 *     {"time":"…","level":"info","program":"leat-worker","event":"claimed","job":"…","attempt":2}
 *
 * The event is a fixed word that can be searched for; everything variable is a
 * field. Never bodies, never secrets. A line is one write() of at most 4 KiB
 * (POSIX keeps writes of up to PIPE_BUF whole in a pipe); longer texts are cut.
 *
 * Thread: any, after log_open.
 */
#ifndef LEAT_LOG_H
#define LEAT_LOG_H

#include "base.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };

struct log_field {
    const char *name; /* NULL ends a list */
    const char *text; /* NULL: the field is the number */
    int64_t number;
};

/* NULL as a text is an empty one. (A function: clang warns of `"literal" ? …`.) */
static inline const char *log_text(const char *text)
{
    return text ? text : "";
}

#define LOG_S(field_name, field_text)                      \
    {                                                      \
        .name = (field_name), .text = log_text(field_text) \
    }
#define LOG_I(field_name, field_number)                         \
    {                                                           \
        .name = (field_name), .number = (int64_t)(field_number) \
    }

#define LOG_AT(level, event, ...) \
    log_write((level), (event),   \
              (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.name = NULL}})
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event __VA_OPT__(, ) __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_LEVEL_WARN, event __VA_OPT__(, ) __VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event __VA_OPT__(, ) __VA_ARGS__)

/**
 * log_open(program, level)
 * Name the program in every line and drop what is below level. A standard stream that
 * we were started without becomes /dev/null: so before any other descriptor is opened.
 * Borrows program for ever. Thread: main, before any other starts.
 */
void log_open(const char *program, enum log_level level);

/**
 * log_level_of(word, level)
 * The level of "debug", "info", "warn", "error" or "none". False: no such word.
 */
MUST_CHECK bool log_level_of(const char *word, enum log_level *level);

/**
 * log_write(level, event, fields)
 * Use the macros above. fields ends with a nameless one.
 */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
