/**
 * lines.h: what a task writes, cut into lines and told apart.
 *
 * Bytes go in as they come, in any pieces; lines come out, checked. A line is at
 * most so many bytes without its LF and must be a JSON object; one with the key
 * "leat" is for us. The last one may lack its LF.
 *
 *     char *room = lines_room(&lines, 65536);
 *     lines_filled(&lines, read(fd, room, 65536));
 *     while ((kind = lines_next(&lines, false, &line)) != LINE_NONE) …
 *
 * A shared process writes `<job id> <line>`. There a line that breaks a rule is its
 * job's alone: what is too long is skipped up to its LF, and the next line is read.
 *
 * Thread: the owner's.
 */
#ifndef LEAT_LINES_H
#define LEAT_LINES_H

#include "base.h"
#include "buf.h"
#include "json.h"

enum line_kind {
    LINE_NONE,    /* no whole line is there */
    LINE_MESSAGE, /* data, length: a JSON object, made one line (json_flatten) */
    LINE_DONE,    /* {"leat":"done"} */
    LINE_FAILED,  /* {"leat":"failed"}: control */
    LINE_USAGE,   /* {"leat":"usage"}: data, length: the usage, as of a message */
    LINE_WRONG,   /* breaks a rule: wrong says which. Only of a shared process is what follows meant
                   */
    LINE_NAMELESS, /* of a shared process: no job can be told; wrong says so */
};

struct line {
    const char *data; /* borrowed until the next call of any function here */
    size_t length;
    const char *id; /* of a shared process: the job's, not terminated; borrowed like data */
    size_t id_length;
    struct json_control control;
    char wrong[160]; /* a sentence, ASCII */
};

/* Embedded; all members are private to lines.c. */
struct lines {
    struct buf bytes;
    size_t taken;    /* bytes at the front that were given out */
    size_t searched; /* bytes behind those without an LF */
    size_t most;     /* the longest line, without an id before it */
    bool shared;     /* each line begins with a job's id and a blank */
    bool skipping;   /* up to the next LF everything belongs to a line that was too long */
    uint64_t count;  /* lines given out since the last reset */
};

/* lines_init(l, most): empty; lines of at most `most` bytes. */
void lines_init(struct lines *l, size_t most);

/* lines_init_shared(l, most): the same for a shared process: `<job id> <line>`. */
void lines_init_shared(struct lines *l, size_t most);

/* lines_reset(l): forget what is there, give the memory back, count from 1 again. */
void lines_reset(struct lines *l);

/* lines_room(l, size): where so many bytes may be written; NULL: no memory. */
char *lines_room(struct lines *l, size_t size);

/* lines_filled(l, size): so many bytes were written there. */
void lines_filled(struct lines *l, size_t size);

/* lines_next(l, at_end, line): the next line. at_end: what has no LF is one too. */
enum line_kind lines_next(struct lines *l, bool at_end, struct line *line);

/* lines_is_empty(l): every byte was given out. */
bool lines_is_empty(const struct lines *l);

#endif
