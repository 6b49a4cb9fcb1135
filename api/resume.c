/*
 * resume.c: the table, one row after the other.
 *
 * A-0 … A-L are the current attempt's entries, A0 is where the job began, the
 * cursor is a-n. What the rows must never do: send an entry of another attempt
 * behind one of this (a mixed answer), leave out an entry without a word, or let
 * a client wait for what nobody can write any more.
 *
 * Ids come from clients and from Redis, and may be any two 64-bit numbers: they
 * are compared, never added to or subtracted from.
 */
#include "resume.h"

#include <string.h>

static struct resume act(enum resume_action action)
{
    return (struct resume){.action = action};
}

static struct resume go_on(enum resume_action action, struct entry_id from)
{
    return (struct resume){.action = action, .from = from};
}

static struct resume reset(const struct chat_view *view, const char *reason)
{
    return (struct resume){.action = RESUME_RESET, .from = {view->attempt, 0}, .reason = reason};
}

static bool is_alive(const struct chat_view *view)
{
    return job_is_alive(view->state) && !view->ended;
}

/* A stream that Redis lost while its job is alive is still there: its owner makes it anew. */
static bool is_there(const struct chat_view *view)
{
    if (view->stream == STREAM_NONE)
        return job_is_alive(view->state);
    return view->stream != STREAM_BROKEN;
}

/* The chat shows something, and it is not the pinned job's. */
static bool is_another(const char *pinned, const struct chat_view *view)
{
    return *pinned && strcmp(pinned, view->job) != 0 && (*view->job || is_there(view));
}

static bool is_terminal(struct entry_id id, const struct chat_view *view)
{
    bool streams = view->stream == STREAM_OURS || view->stream == STREAM_FOREIGN;
    return streams && view->ended && entry_id_compare(id, view->last) == 0;
}

/*
 * Who holds nothing gets the current attempt from its start and no `reset`; of a
 * waiting job that is A0-0, since its attempt is A0 before the first claim. A
 * delayed job shows the attempt that failed, then the next one's `reset`.
 */
static struct resume decide_without(const char *pinned, const struct chat_view *view)
{
    if (is_another(pinned, view))
        return act(RESUME_SUPERSEDED);
    if (!is_there(view))
        return act(RESUME_NO_CONTENT);
    if (view->stream == STREAM_FOREIGN)
        return go_on(RESUME_FOLLOW, (struct entry_id){0, 0});
    return go_on(RESUME_FOLLOW, (struct entry_id){view->attempt, 0});
}

/*
 * A foreign writer's ids mean nothing to us, so all that can be done is to go on
 * behind the cursor. Except when the stream has ended before it: nothing would
 * ever come, and what the cursor points to is not there.
 */
static struct resume decide_foreign(struct entry_id id, const struct chat_view *view)
{
    if (view->ended && entry_id_compare(id, view->last) > 0)
        return act(RESUME_GONE);
    return go_on(RESUME_FOLLOW, id);
}

/* The cursor is of the current attempt. */
static struct resume decide_same(struct entry_id id, const struct chat_view *view)
{
    /* `last` is of this attempt unless somebody else wrote behind it; then it is no measure,
       and the later id is the higher one all the same. */
    if (entry_id_compare(id, view->last) <= 0)
        return go_on(RESUME_FOLLOW, id);
    /* Redis lost a tail that the client has. Who wrote it still runs and has it too. */
    if (is_alive(view) && view->state == JOB_RUNNING)
        return go_on(RESUME_WAIT, id);
    /* Ended: nobody will write it again. Waiting or delayed: the owner that could is gone, and
       the next attempt has other ids. The client's answer is not the one that stands here. */
    return reset(view, "history_lost");
}

struct resume resume_decide(const struct cursor *cursor, const char *pinned,
                            const struct chat_view *view)
{
    struct entry_id id = cursor->id;
    if (cursor->kind == CURSOR_NONE)
        return decide_without(pinned, view);

    /* `end`, or the terminal entry's id: the client has it all. */
    if (cursor->kind == CURSOR_END || is_terminal(id, view))
        return act(RESUME_NO_CONTENT);
    /* Pinned to a job that is not the chat's any more. */
    if (is_another(pinned, view))
        return act(RESUME_SUPERSEDED);
    /* Nothing there. A key that is no stream has nothing for us either. */
    if (!is_there(view))
        return act(RESUME_GONE);
    /* None of our markers. */
    if (view->stream == STREAM_FOREIGN)
        return decide_foreign(id, view);
    /* a = A: exact, or wait for the repair, or history_lost. */
    if (id.a == view->attempt)
        return decide_same(id, view);
    /* A0 <= a < A: an earlier attempt of this job. */
    if (view->first <= id.a && id.a < view->attempt)
        return reset(view, "retry");
    /* a > A: the client saw a claim that Redis lost. */
    if (id.a > view->attempt)
        return is_alive(view) ? reset(view, "history_lost") : act(RESUME_GONE);
    /* a < A0: an earlier job of this chat. */
    return act(RESUME_SUPERSEDED);
}
