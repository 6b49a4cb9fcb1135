/**
 * render.h: a stream in the dialect that its follower speaks.
 *
 * A renderer belongs to one follower. It is given the entries of one job in their order,
 * from the beginning of an attempt on, and appends frames; it knows neither clocks nor
 * sockets nor Redis, so equal entries give equal bytes. The raw format needs none (sse.h),
 * but for its snapshot.
 *
 *     RENDER_OPENAI   chat.completion.chunk; `data: [DONE]` at the end of a good answer, and of one
 *                     that was cancelled (finish_reason stop)
 *     RENDER_AI_SDK   the UI message stream v1 of the AI SDK; always a `finish`, then [DONE]
 *     RENDER_AG_UI    AG-UI events; ends by closing; cancelled: RUN_FINISHED with that outcome
 *     RENDER_RAW      as sse.h; only with `snapshot`
 *
 * What the entries say: a message with a member `type` of the vocabulary (start, start-step,
 * text-start, text-delta, text-end, reasoning-…, tool-input-…, tool-output-…, tool-approval-…,
 * source-…, file, custom, data-…, message-metadata, reset-step, finish-step, finish, abort, error)
 * is that. Any other message is plain: its text is its member `message`, or `text`, if that is a
 * string, else the whole of it; then a line end. Plain text opens a text part by itself, and closes
 * it before whatever else comes. A typed message that breaks the vocabulary (a delta of a part that
 * was never begun) begins it silently; what cannot be read is passed over, and so is a message of
 * another `type` without such a text. A task's `error` ends the answer there.
 *
 * With `snapshot`, and in AG-UI for whoever joins in the middle, what is there already comes
 * in one piece: nothing is appended until render_caught_up, or until RENDER_HELD_BYTES.
 *
 * An attempt that begins anew voids what was sent. AI SDK: reset-step; AG-UI:
 * MESSAGES_SNAPSHOT without it; OpenAI: has no word for it, so once any content was sent the
 * answer ends with an error (code "attempt_lost"), and before that nobody notices. The same error
 * ends what the others cannot take back: a reset-step does not reach beyond the step, and in AG-UI
 * a step that is void is taken back only where nothing was said before it.
 *
 * Check buf_ok(out) after each call. Thread: the loop's.
 */
#ifndef LEAT_RENDER_H
#define LEAT_RENDER_H

#include "base.h"
#include "buf.h"
#include "entry.h"
#include "job.h"

#define RENDER_HELD_BYTES (1 << 20)
#define RENDER_WHOLE_BYTES (8 << 20) /* of one with `whole`; beyond, the answer is an error */

enum render_format { RENDER_RAW, RENDER_OPENAI, RENDER_AI_SDK, RENDER_AG_UI };

/* What is asked for. Plain data; all zero is the raw format. */
struct render_options {
    enum render_format format;
    bool snapshot;                 /* what is there already in one piece */
    bool whole;                    /* OPENAI: not streamed; render_whole makes the answer */
    bool include_usage;            /* OPENAI: stream_options.include_usage */
    int64_t created_s;             /* OPENAI: `created` */
    char run_id[JOB_NAME_SIZE];    /* AG_UI: the client's name for the run; "": the job's id */
    char thread_id[JOB_NAME_SIZE]; /* AG_UI: the same for the thread; "": the chat's id */
};

struct render;

/**
 * render_new(options, job, feature_id, chat_id)
 * Copies all. Gives; NULL: no memory.
 */
MUST_CHECK struct render *render_new(const struct render_options *options, const char *job,
                                     const char *feature_id, const char *chat_id);

/* render_free(r): NULL is harmless. */
void render_free(struct render *r);

/**
 * render_history(r, messages, length)
 * AG_UI: the messages that the client sent along, a checked list in JSON; before render_begin.
 * A MESSAGES_SNAPSHOT is all of a conversation, and a client drops what it does not name: so they
 * go before ours (but for those that have ours' ids). Copies. False: no memory.
 */
MUST_CHECK bool render_history(struct render *r, const char *messages, size_t length);

/* render_bytes(r): what it keeps now, about. At once, whatever it has. */
size_t render_bytes(const struct render *r);

/* render_begin(r, out): the first frames, before any entry. Once. */
void render_begin(struct render *r, struct buf *out);

/**
 * render_entry(r, entry, out)
 * The next entry of the job; a start entry with a reason voids what came before.
 * True: it was an end, and nothing comes behind it.
 */
MUST_CHECK bool render_entry(struct render *r, const struct entry *entry, struct buf *out);

/* render_caught_up(r, out): all that the stream holds was given; what was held back goes out. */
void render_caught_up(struct render *r, struct buf *out);

/* render_void(r, number, out): what came before is void, for a reason that is no entry (Redis lost
   it); attempt `number` comes from its beginning. True: the dialect has no word for that, and it
   ended. */
MUST_CHECK bool render_void(struct render *r, uint64_t number, struct buf *out);

/* The ends that are no entry of the stream. */
enum render_end {
    RENDER_SUPERSEDED, /* another job has taken the stream's place */
    RENDER_REPLACED,   /* the same, as its asker wished */
    RENDER_GONE,       /* nothing is left of it */
};

/* render_end(r, how, out): the last frames. */
void render_end(struct render *r, enum render_end how, struct buf *out);

/**
 * render_whole(r, http_status, out)
 * After the end, of one with `whole`: the answer's body, a chat.completion or an error, and its
 * status: 200, or 400 (the task's reason is `question`: the client's mistake), 500, 499
 * (cancelled), 504 (expired), 410 (gone, superseded).
 */
void render_whole(struct render *r, int *http_status, struct buf *out);

#endif
