/**
 * dialect.h: the inside of render.h: what all renderers share, and what each is.
 *
 * Entries go through three stages. render.c takes them, holds back what is to come in one piece,
 * and knows ends and attempts. fold.c makes of whatever a task wrote a sequence that keeps the
 * vocabulary: each part begins once and ends, steps do not overlap, plain messages are text parts.
 * A dialect is given that sequence, and never looks whether it is right.
 *
 * Only for the files of the renderers. Thread: the loop's.
 */
#ifndef LEAT_DIALECT_H
#define LEAT_DIALECT_H

#include "buf.h"
#include "held.h"
#include "part.h"
#include "parts.h"
#include "render.h"
#include "said.h"

enum ending_kind {
    ENDING_DONE,
    ENDING_FAILED,    /* for good, or by the task's own word in the middle */
    ENDING_CANCELLED, /* as somebody wished; by another question too */
    ENDING_EXPIRED,
    ENDING_SUPERSEDED,
    ENDING_GONE,
    ENDING_LOST, /* what was sent is void, and the dialect has no word for that */
};

struct ending {
    enum ending_kind kind;
    struct slice code; /* a word, any bytes; a failed job's reason */
    struct slice text; /* in words for people: a string of JSON */
};

/* Tokens as the answer's metadata said last; -1: it did not. */
struct usage {
    int64_t input, output, reasoning, cached;
};

struct dialect {
    /* The first frames. */
    void (*begin)(struct render *r, struct buf *out);
    /* The next of the sequence. known: its part or call, as it was before; NULL: it has none, or it
       begins with this. */
    void (*part)(struct render *r, const struct part *part, const struct known *known,
                 struct buf *out);
    /* All that was sent of this attempt is void. False: there is no word for that. */
    bool (*take_back)(struct render *r, struct buf *out);
    /* The same of what was sent since the step began. */
    bool (*take_back_step)(struct render *r, struct buf *out);
    /* What was held back goes out; NULL: as if it had just come. Never when nothing was. */
    void (*release)(struct render *r, struct buf *out);
    /* The last frames; all parts and steps were closed. */
    void (*end)(struct render *r, const struct ending *ending, struct buf *out);
};

extern const struct dialect dialect_raw, dialect_openai, dialect_ai_sdk, dialect_ag_ui;

/* What fold.c keeps of the answer. */
struct fold {
    struct parts parts;
    bool began; /* PART_START was given */
    bool step_open;
    bool skips_step; /* the client's step is open from before: the next begins nothing */
    bool forgot;     /* there were too many parts: the oldest are not known any more */
    bool gave_before, gave_step;   /* something to show: before this step, in it */
    bool spoke_before, spoke_step; /* the same of the answer itself: text, reasoning, a call */
    unsigned steps;                /* how many began in this attempt */
    unsigned calls_before;         /* how many calls there were before the last step */
    unsigned plain;                /* how many parts of plain text */
    struct buf plain_id;           /* of the open one; empty: none is open */
    struct buf finish;             /* finishReason, a string; empty: not said */
    struct buf metadata;           /* of the finish; empty: none */
    struct usage usage;
    struct buf model; /* a string; empty: not said */
};

struct render {
    struct render_options options;
    const struct dialect *dialect;
    char job[JOB_NAME_SIZE]; /* of a stream that has none: the chat */
    char feature[JOB_NAME_SIZE];
    char chat[JOB_NAME_SIZE]; /* "": the job */
    uint64_t attempt;         /* from 1 */
    struct entry_id last;     /* RAW: of the last entry that is held back */
    bool holds;               /* until it has caught up */
    bool ended;
    struct ending_kept {
        enum ending_kind kind;
        struct buf code, text;
    } ending; /* of one with `whole`, for render_whole */
    struct held held;
    struct fold fold;
    struct buf scratch, words,
        id;                    /* of fold.c: a message of its own making, its text, a part's id */
    struct said said;          /* OPENAI, whole: the answer */
    struct buf before, behind; /* OPENAI: a chunk, but for its delta; AG_UI: the message's id */
    struct buf history;        /* AG_UI: the messages before this answer, a comma behind each */
    struct building *building; /* AG_UI: while a snapshot is put together */
    bool text_open;            /* AG_UI: the message is being written */
};

/* ---- fold.c ---- */

/* fold_clear(f): give back what it owns. */
void fold_clear(struct fold *f);

/* fold_part(r, part, out): one more message, in whatever order. */
void fold_part(struct render *r, const struct part *part, struct buf *out);

/* fold_void(r, out): all of it was void; it begins anew, or ends where there is no word for it. */
void fold_void(struct render *r, struct buf *out);

/* fold_end(r, ending, out): close everything, and end. Harmless after the end. */
void fold_end(struct render *r, const struct ending *ending, struct buf *out);

/* fold_close(r, out): close what is open, the step too. fold_close_parts: all but the step. */
void fold_close(struct render *r, struct buf *out);
void fold_close_parts(struct render *r, struct buf *out);

/* ---- fold_notes.c ---- */

/* fold_note_metadata(r, value, out): read the model and the tokens in a messageMetadata; data NULL
   is harmless. out: told if there was no memory; so too in the next. */
void fold_note_metadata(struct render *r, struct slice value, struct buf *out);

/* fold_note_finish(r, part, out): keep a PART_FINISH until the job has ended: until then an attempt
   may still be void. */
void fold_note_finish(struct render *r, const struct part *part, struct buf *out);

/* ---- dialect.c ---- */

/* dialect_frame(out, json): one frame of data, as dialect_put. */
void dialect_frame(struct buf *out, struct slice json);

/* dialect_put(out, json): append JSON, in one line: line ends between its tokens become spaces. */
void dialect_put(struct buf *out, struct slice json);

/* dialect_put_text(out, json): append a string of JSON: the value itself if it is one, else its
   text. */
void dialect_put_text(struct buf *out, struct slice json);

/* dialect_put_input(out, part): append what a delta, a whole input or a broken one adds to a call's
   arguments, which are JSON written as a string of JSON. */
void dialect_put_input(struct buf *out, const struct part *part);

/* dialect_put_name(out, name): append a text as the inside of a string of JSON. */
void dialect_put_name(struct buf *out, const char *name);

/* dialect_words(part, words): a plain message's text, with its line end, as a string of JSON; made
   in words. Check buf_ok(words). */
struct slice dialect_words(const struct part *part, struct buf *words);

#endif
