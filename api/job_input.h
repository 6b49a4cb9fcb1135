/**
 * job_input.h: what a request's JSON body asks for: a job, a schedule, or a route.
 *
 * One table (job_input.c) has every member with its bounds; what it says to people
 * is made from it, and openapi.json is compared with it by a test.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_JOB_INPUT_H
#define LEAT_JOB_INPUT_H

#include "admin.h"
#include "base.h"
#include "buf.h"
#include "cron.h"
#include "digest.h"
#include "features.h"
#include "status.h"

/* The type of the jobs that POST /stream starts, where the file of features has no other. */
#define JOB_INPUT_STREAM_TYPE "generate_messages"

/* What a body is for. A member's row has the bits of those that may have it. */
enum input_use { INPUT_JOB = 1, INPUT_SCHEDULE = 2, INPUT_ROUTE = 4 };

enum input_kind {
    INPUT_NAME,    /* min to max bytes of A-Z a-z 0-9 _ . - */
    INPUT_INTEGER, /* min to max, whole */
    INPUT_TIME,    /* RFC 3339 */
    INPUT_CRON,    /* cron.h */
    INPUT_MISSED,  /* one or skip */
    INPUT_ANY,     /* any JSON, kept as it came */
};

struct input_member {
    const char *name;
    unsigned uses;     /* of enum input_use */
    unsigned required; /* likewise: where it may not be missing */
    enum input_kind kind;
    int64_t min, max;
    size_t offset; /* in struct job_input; of a text, an int64_t or a slice */
};

/* job_input_members(count): the table. Static. */
const struct input_member *job_input_members(size_t *count);

/* Texts are "" when not given, but for feature_id; numbers are 0. */
struct job_input {
    char type[JOB_NAME_SIZE];
    char feature_id[JOB_NAME_SIZE]; /* "default" when not given */
    char chat_id[JOB_NAME_SIZE];
    char queue[JOB_NAME_SIZE];
    struct slice payload; /* as it came, borrowed from the body; NULL data for none */
    struct job_options options;
    int64_t priority; /* for options.priority; -1 when not given */
    int64_t every_ms;
    char cron[CRON_TEXT_MOST + 1];
    enum missed missed; /* MISSED_ONE when not given */
};

/* Room for the longest of what is said about a body, and its NUL. */
#define JOB_INPUT_WRONG_SIZE 256

/**
 * job_input_read(body, length, use, input, wrong)
 * Read a body that json_check called good.
 *
 * Borrows body, also for as long as input->payload is used.
 * STATUS_BAD_INPUT: wrong has a sentence for the client that names the member and
 *   its bounds. STATUS_NO_MEMORY: it is neither.
 */
MUST_CHECK enum status job_input_read(const char *body, size_t length, enum input_use use,
                                      struct job_input *input, char wrong[JOB_INPUT_WRONG_SIZE]);

/**
 * job_input_stream_type(feature)
 * The type of the jobs that POST /stream starts for this feature. Borrows it; it may be NULL.
 */
const char *job_input_stream_type(const struct feature *feature);

/**
 * job_input_fill(options, feature)
 * Take from the feature what options leaves open: timeout_ms, deadline_ms, max_attempts.
 * Borrows feature, which may be NULL.
 */
void job_input_fill(struct job_options *options, const struct feature *feature);

/**
 * job_input_identity(type, stream_type, payload, out)
 * What makes two jobs of a chat the same question: the SHA-256 of the payload's bytes,
 * and "" without one; of the type too, where it is another than POST /stream's for its feature.
 * Borrows all. STATUS_NO_MEMORY: it is not known.
 */
MUST_CHECK enum status job_input_identity(const char *type, const char *stream_type,
                                          struct slice payload, char out[DIGEST_SIZE]);

/**
 * job_input_line(payload, out)
 * Append a payload as the task will see it: on one line. Borrows it. Check buf_ok(out).
 */
void job_input_line(struct slice payload, struct buf *out);

#endif
