/**
 * render_ag_ui.h: what the two files of the AG-UI dialect share.
 *
 * All append to out, and borrow everything. Thread: the loop's.
 */
#ifndef LEAT_RENDER_AG_UI_H
#define LEAT_RENDER_AG_UI_H

#include "dialect.h"

/* render_ag_ui_put_member(out, name, value): `name` as it stands, and behind it JSON. */
void render_ag_ui_put_member(struct buf *out, const char *name, struct slice value);

/* render_ag_ui_open_id(r, step, out): the name of a step's message, as a string that is not closed
 * yet. */
void render_ag_ui_open_id(const struct render *r, unsigned step, struct buf *out);

/* render_ag_ui_put_id_below(r, step, what, id, out): that, `what`, and a part's or a call's id,
 * closed. */
void render_ag_ui_put_id_below(const struct render *r, unsigned step, const char *what,
                               struct slice id, struct buf *out);

/* Events that begin something. Text: nothing, where the message is open already. */
void render_ag_ui_start_text(struct render *r, struct buf *out);
void render_ag_ui_start_reasoning(const struct render *r, const struct known *known,
                                  struct buf *out);
void render_ag_ui_start_call(const struct render *r, struct slice id, struct slice name,
                             struct buf *out);

/* render_ag_ui_put_content(part, out): the member `content`: what a tool returned. */
void render_ag_ui_put_content(const struct part *part, struct buf *out);

/* render_ag_ui_put_step(r, type, out): STEP_STARTED or STEP_FINISHED. */
void render_ag_ui_put_step(const struct render *r, const char *type, struct buf *out);

/* render_ag_ui_put_rest(r, part, known, out): the event for what is neither text, reasoning nor a
 * call. */
void render_ag_ui_put_rest(struct render *r, const struct part *part, const struct known *known,
                           struct buf *out);

/* render_ag_ui_put_snapshot(r, messages, out): MESSAGES_SNAPSHOT: the history, and messages, each
   with a comma behind it. */
void render_ag_ui_put_snapshot(const struct render *r, const struct buf *messages, struct buf *out);

/* render_ag_ui_release(r, out): of struct dialect. */
void render_ag_ui_release(struct render *r, struct buf *out);

#endif
