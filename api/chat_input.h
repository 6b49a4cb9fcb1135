/**
 * chat_input.h: what a chat's question asks for, in the dialects of the clients that people have.
 *
 *     CHAT_OPENAI   POST /v1/chat/completions of OpenAI's API
 *     CHAT_AI_SDK   what the AI SDK's useChat sends
 *     CHAT_AG_UI    RunAgentInput of AG-UI
 *
 * One table (chat_input.c) has the members that the gateway reads. All others are the task's
 * business, which gets the body as it came; so unlike in job_input.h they are passed over.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_CHAT_INPUT_H
#define LEAT_CHAT_INPUT_H

#include "base.h"
#include "entry.h"
#include "job.h"
#include "status.h"

enum chat_dialect { CHAT_OPENAI = 1, CHAT_AI_SDK = 2, CHAT_AG_UI = 4 };

enum chat_kind {
    CHAT_NAME,    /* 1 to 128 of A-Z a-z 0-9 _ . - */
    CHAT_TEXT,    /* 1 to 128 bytes */
    CHAT_FLAG,    /* true or false */
    CHAT_ONE,     /* the number 1 */
    CHAT_LIST,    /* a list */
    CHAT_FILLED,  /* one that is not empty */
    CHAT_OPTIONS, /* an object; its members are in the table as `name.member` */
};

struct chat_member {
    const char *name;
    unsigned dialects; /* of enum chat_dialect */
    bool required;     /* where not, null is as good as nothing */
    enum chat_kind kind;
    size_t offset; /* in struct chat_input */
};

/* chat_input_members(count): the table. Static. */
const struct chat_member *chat_input_members(size_t *count);

/* Texts are "" when not given. */
struct chat_input {
    char feature_id[JOB_NAME_SIZE]; /* OPENAI: model */
    char chat_id[JOB_NAME_SIZE];    /* AI_SDK: id; AG_UI: threadId */
    char run_id[JOB_NAME_SIZE];     /* AG_UI: runId */
    struct slice messages;          /* as it came, borrowed from the body */
    bool stream;                    /* OPENAI */
    bool include_usage;             /* OPENAI: of stream_options */
};

/* What is wrong with a body. */
struct chat_wrong {
    const char *member; /* its name in the table, static; "" for the whole body */
    char text[160];     /* a sentence for the client that names member and rule */
};

/**
 * chat_input_read(body, length, dialect, input, wrong)
 * Read a body that json_check called good.
 *
 * Borrows body, also for as long as input->messages is used.
 * STATUS_BAD_INPUT: wrong says why. STATUS_NO_MEMORY: it does not.
 */
MUST_CHECK enum status chat_input_read(const char *body, size_t length, enum chat_dialect dialect,
                                       struct chat_input *input, struct chat_wrong *wrong);

/**
 * chat_input_keyed(key, out)
 * The name of the chat that belongs to an Idempotency-Key: always the same, and no one's
 * who does not know the key.
 */
void chat_input_keyed(const char *key, char out[JOB_NAME_SIZE]);

#endif
