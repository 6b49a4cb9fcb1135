/**
 * features.h: what a feature is: the file FEATURES_FILE.
 *
 *     {"features": {
 *         "support": {
 *             "description": "Answers questions about orders",
 *             "task": "chat", "queue": "llm", "timeout_ms": 120000, "max_attempts": 2,
 *             "system": "You are …", "temperature": 0.2, "max_tokens": 800,
 *             "models": [
 *                 {"base_url": "https://api.example.org/v1", "model": "large",
 *                  "api_key_env": "EXAMPLE_KEY"},
 *                 {"base_url": "http://ollama:11434", "api": "ollama", "model": "small",
 *                  "extra_body": {"options": {"num_ctx": 16384}, "keep_alive": "1h"}}],
 *             "on_failure": "restart",
 *             "connect_timeout_ms": 5000, "first_token_timeout_ms": 30000,
 *             "silence_timeout_ms": 20000
 *         }, …}}
 *
 * All members are optional; one that is unknown, of a wrong type or out of bounds is an
 * error that names it by its path. `task` is the type of the feature's jobs: `chat` where
 * there are models, else generate_messages. A key never stands in the file: api_key_env
 * names the variable that holds it, in the environment of the task's worker. extra_body
 * goes into each request to that server, before what the feature and the client say: what
 * only this provider knows, or what is fixed for it.
 *
 * A feature's name has 1 to 64 of A-Z a-z 0-9 _ . -
 * One that is not in the file is as if there were no file. The worker hands the
 * feature's object to its task with the job (member `feature` of the job's line).
 *
 * A struct features is never changed once it was read. Thread: any.
 */
#ifndef LEAT_FEATURES_H
#define LEAT_FEATURES_H

#include "base.h"
#include "buf.h"
#include "job.h"

#define FEATURE_MODELS_MOST 8
#define FEATURE_STOPS_MOST 8

enum feature_api {
    FEATURE_OPENAI, /* POST <base_url>/chat/completions, answered by Server-Sent Events */
    FEATURE_OLLAMA, /* POST <base_url>/api/chat, answered by lines of JSON */
};

/* What becomes of half an answer when its provider fails. */
enum feature_on_failure {
    FEATURE_RESTART,  /* it is void (reset-step), the next model begins anew */
    FEATURE_CONTINUE, /* the next model gets it as the beginning of its own answer */
    FEATURE_FAIL,     /* it is kept, and the job fails */
};

struct feature_model {
    enum feature_api api;
    const char *base_url;    /* http:// or https://, without a slash at its end */
    const char *model;       /* as the provider calls it */
    const char *api_key_env; /* "" for none */
    char *extra_body;        /* a JSON object, without white space; NULL for none */
};

/* Texts are its owner's, never NULL; "" and the values in brackets where not given. */
struct feature {
    char id[JOB_NAME_SIZE];
    const char *json; /* the feature's object as it stands in the file, on one line */
    size_t json_length;
    const char *description;
    const char *task; /* as said above; never "" */
    const char *queue;
    int64_t timeout_ms, deadline_ms, max_attempts; /* [0] */
    const char *system;
    double temperature; /* [-1] */
    int64_t max_tokens; /* [0] */
    int64_t seed;       /* [-1] */
    const char *stop[FEATURE_STOPS_MOST];
    size_t stop_count;
    struct feature_model models[FEATURE_MODELS_MOST]; /* the first, and then its fallbacks */
    size_t model_count;
    enum feature_on_failure on_failure; /* [FEATURE_RESTART] */
    int64_t connect_timeout_ms;         /* [5000] */
    int64_t first_token_timeout_ms;     /* [30000] */
    int64_t silence_timeout_ms;         /* [20000] */
};

struct features;

/**
 * features_read(path, error)
 * Read a file. "": no file, which is no feature.
 *
 * Gives what it holds, for features_release. NULL: it cannot be read, or breaks a rule (or no
 * memory); error holds one line that names the file and, where there is one, the member.
 */
MUST_CHECK struct features *features_read(const char *path, struct buf *error);

/* features_parse(text, length, error): the same of a text; error names no file. */
MUST_CHECK struct features *features_parse(const char *text, size_t length, struct buf *error);

/**
 * features_parse_one(json, length, error)
 * One feature's object, as a task gets it: features with just that one, whose id is "".
 */
MUST_CHECK struct features *features_parse_one(const char *json, size_t length, struct buf *error);

/* features_take(f): one more owner; gives f. features_release(f): one less; the last frees it.
   NULL is harmless to both. */
struct features *features_take(struct features *f);
void features_release(struct features *f);

/* features_find(f, id): borrowed until f is released; NULL: not in the file. f may be NULL. */
const struct feature *features_find(const struct features *f, const char *id);

/* features_count(f): how many there are. f may be NULL: none.
   features_at(f, index): one of them, by their names; index is below the count. Borrowed as of
   features_find. */
size_t features_count(const struct features *f);
const struct feature *features_at(const struct features *f, size_t index);

#endif
