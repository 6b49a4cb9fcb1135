/*
 * log.c: puts a line together on the stack and writes it once. It allocates
 * nothing, so that "out of memory" can be logged too.
 */
#include "log.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 4096

struct line {
    char text[LINE_SIZE];
    size_t length;
};

static const char *const level_words[] = {"debug", "info", "warn", "error", "none"};

static const char *program_name = "leat";
static enum log_level lowest = LOG_LEVEL_INFO;

/* A connection that became descriptor 2 would be sent our lines, and libuv aborts when it closes
   one of its own that is 0, 1 or 2. */
static void fill_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

void log_open(const char *program, enum log_level level)
{
    fill_standard_streams();
    program_name = program;
    lowest = level;
}

bool log_level_of(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < COUNT_OF(level_words); i++) {
        if (strcmp(word, level_words[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Three bytes are always kept for what must close a line: quote, brace, newline. False: no room. */
static bool put(struct line *line, const char *text, size_t length)
{
    size_t room = LINE_SIZE - 3 - line->length;
    if (length > room)
        return false;
    memcpy(line->text + line->length, text, length);
    line->length += length;
    return true;
}

/* How many bytes the character has that begins here, if it is UTF-8. */
static size_t character_length(const unsigned char *c)
{
    size_t length = 1;
    while (length < 4 && *c >= 0xc0 && (c[length] & 0xc0) == 0x80)
        length++;
    return length;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* How many bytes from here on stand for themselves. */
static size_t plain_length(const unsigned char *text)
{
    size_t length = 0;
    while (text[length] >= 0x20 && text[length] != 0x7f && text[length] != '"' &&
           text[length] != '\\')
        length++;
    return length;
}

/* Bytes above 0x7f are passed on: what reaches a log here was checked to be UTF-8, or is escaped.
   A text that is too long ends before the first character that does not fit. */
static void put_quoted(struct line *line, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    bool fits = put(line, "\"", 1);
    while (fits && *c) {
        size_t plain = plain_length(c);
        if (plain > 0 && put(line, (const char *)c, plain)) {
            c += plain;
            continue;
        }
        char escaped[8];
        size_t length = character_length(c);
        if (*c == '"' || *c == '\\') {
            escaped[0] = '\\';
            escaped[1] = (char)*c;
            fits = put(line, escaped, 2);
        } else if (*c < 0x20 || *c == 0x7f) {
            fits = put(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *c));
        } else {
            fits = put(line, (const char *)c, length);
        }
        c += length;
    }
    line->text[line->length++] = '"';
}

static void put_field(struct line *line, const struct log_field *field)
{
    /* A field that cannot be whole is left out: half a number would be a lie. */
    if (LINE_SIZE - line->length < strlen(field->name) + 32)
        return;
    put(line, ",", 1);
    put_quoted(line, field->name);
    put(line, ":", 1);
    if (field->text) {
        put_quoted(line, field->text);
        return;
    }
    char number[24];
    put(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->number));
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if (level < lowest)
        return;
    int kept_errno = errno;
    char stamp[CLOCK_STAMP_SIZE];
    struct line line = {.length = 0};
    clock_stamp(stamp);
    put_text(&line, "{\"time\":\"");
    put_text(&line, stamp);
    put_text(&line, "\",\"level\":\"");
    put_text(&line, level_words[level]);
    put_text(&line, "\",\"program\":\"");
    put_text(&line, program_name);
    put_text(&line, "\",\"event\":");
    put_quoted(&line, event);
    for (const struct log_field *field = fields; field->name; field++)
        put_field(&line, field);
    line.text[line.length++] = '}';
    line.text[line.length++] = '\n';
    /* Nobody is left to tell when standard error itself fails. */
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
    errno = kept_errno;
}
