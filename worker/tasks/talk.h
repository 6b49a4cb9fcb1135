/**
 * talk.h: a task's standard input and output on a loop: lines in, bytes out, and no call
 * that waits.
 *
 * Pipes, sockets, terminals and files all do. What is said within a turn of the loop goes out in
 * one write at its end. When more than TALK_FULL_BYTES wait for a reader that does not read, the
 * user is told, and is expected to say no more until it is told that there is room.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_TALK_H
#define LEAT_TALK_H

#include "base.h"
#include "status.h"

#include <uv.h>

#define TALK_FULL_BYTES (256 << 10)

struct talk;

struct talk_user {
    /* A line without its LF, terminated, which may be changed. */
    void (*on_line)(void *arg, char *line, size_t length);
    /* Nothing more comes in. */
    void (*on_input_end)(void *arg);
    /* Too much waits to be written (true); there is room again (false). */
    void (*on_full)(void *arg, bool is_full);
    /* It is over: STATUS_CLOSED (nobody reads any more), STATUS_SYSTEM, STATUS_NO_MEMORY. */
    void (*on_broken)(void *arg, enum status status);
    void *arg;
};

/* talk_new(loop, user): begins to read. Gives. NULL: no memory, or no descriptors. */
MUST_CHECK struct talk *talk_new(uv_loop_t *loop, const struct talk_user *user);

/* talk_free(t): the loop must turn once more. What was not written is lost. NULL is harmless. */
void talk_free(struct talk *t);

/* talk_listen(t, wants): whether on_line is to be called; lines wait meanwhile. */
void talk_listen(struct talk *t, bool wants);

/* talk_say(t, data, length): to be written. Borrows. */
void talk_say(struct talk *t, const char *data, size_t length);

/* talk_flush(t): write what was said. To be called in each turn, before the loop waits. */
void talk_flush(struct talk *t);

/* talk_is_quiet(t): all was written. */
bool talk_is_quiet(const struct talk *t);

/* talk_finish(t, wait_ms): write what waits, at most so long: before an end that cannot be helped.
   The descriptors are then as they were before talk_new. */
void talk_finish(struct talk *t, int wait_ms);

#endif
