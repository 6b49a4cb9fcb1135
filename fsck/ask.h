/**
 * ask.h: one question to Redis after the other, each with its answer.
 *
 * So that Redis stays free for everybody else, a rest follows each call, as long
 * as the call took: the check takes at most half of Redis's time.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_ASK_H
#define LEAT_ASK_H

#include "buf.h"
#include "script.h"
#include "settings.h"

#define ASK_WORDS_MOST 256

struct ask {
    struct redis *redis;             /* borrowed; made with `scripts`; up */
    uv_loop_t *loop;                 /* borrowed */
    const struct settings *settings; /* borrowed */
    bool mend;                       /* scripts may write, and do */
    uint64_t calls;
    uint64_t slowest_us; /* the longest call, with its way there and back */
    struct buf words;    /* what Redis said when it refused */

    /* The question that is being put together: borrowed texts. */
    const char *argv[ASK_WORDS_MOST];
    size_t lengths[ASK_WORDS_MOST];
    int argc;
};

/* The answer, borrowed until this returns. Only for STATUS_OK. */
typedef void ask_fn(void *arg, const struct redisReply *reply);

/* ask_word(a, text, length): one more word; at most ASK_WORDS_MOST. */
void ask_word(struct ask *a, const char *text, size_t length);

/* ask_command(a, fn, arg): send the words as a command, and turn the loop until the answer came.
   As redis_send, and what the answer was. The words are gone. */
MUST_CHECK enum status ask_command(struct ask *a, ask_fn *fn, void *arg);

/* ask_script(a, script, fn, arg): the same with the words as the script's ARGV from 7 on; those
   before are what each fsck script begins with. */
MUST_CHECK enum status ask_script(struct ask *a, enum script script, ask_fn *fn, void *arg);

#endif
