/**
 * job_line.h: the line of JSON by which a task process is told its job.
 */
#ifndef LEAT_JOB_LINE_H
#define LEAT_JOB_LINE_H

#include "base.h"
#include "job.h"
#include "status.h"

#include <stdio.h>

/* What the built-in tasks need of it. The names are checked: they are safe inside a JSON string. */
struct job_line {
    char feature_id[JOB_NAME_SIZE];
    char chat_id[JOB_NAME_SIZE];
};

/**
 * job_line_parse(text, length, out)
 * Read one line without its newline. text[length] must be NUL.
 *
 * STATUS_BAD_INPUT: not one JSON object, or feature_id or chat_id is not 1 to
 * 128 characters of A-Z a-z 0-9 _ . -
 */
MUST_CHECK enum status job_line_parse(const char *text, size_t length, struct job_line *out);

/* job_line_is_stop(text, length): {"stop": true}, as the worker of a shared process writes it.
   text[length] must be NUL. */
bool job_line_is_stop(const char *text, size_t length);

/**
 * job_line_read(stream, out)
 * Wait for the next line and parse it. Its memory is given back at once: a line
 * carries the request's body, and the process may live long.
 *
 * STATUS_CLOSED: the stream has ended. STATUS_SYSTEM: it cannot be read.
 */
MUST_CHECK enum status job_line_read(FILE *stream, struct job_line *out);

#endif
