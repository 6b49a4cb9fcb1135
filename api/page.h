/**
 * page.h: the page for people at GET /, and the files it is made of.
 *
 * They lie in api/page and are part of the program (scripts/embed-page). Nothing in them asks
 * for another address, and the Content-Security-Policy holds them to it.
 *
 * Thread: the loop's.
 */
#ifndef LEAT_PAGE_H
#define LEAT_PAGE_H

#include "base.h"

struct visit;

void page_front(struct visit *visit); /* GET / */
void page_part(struct visit *visit);  /* GET /page/{name} */

struct page_file {
    const char *name; /* "chat.js" */
    const char *etag; /* a digest of the text, in its quotes */
    const char *text; /* UTF-8 */
};

/* All of them, made by scripts/embed-page. */
extern const struct page_file page_files[];
extern const size_t page_files_count;

/**
 * page_find(name): the file of that name, NULL if there is none. Borrows name.
 */
const struct page_file *page_find(const char *name);

/* page_type(name): the Content-Type that its ending says. Static. */
const char *page_type(const char *name);

/**
 * page_is_known(if_none_match, etag)
 * Whether the client's copy is this one: the header's value ("*", or tags with commas between
 * them, weak ones too) has the tag. NULL for no header. Borrows both.
 */
bool page_is_known(const char *if_none_match, const char *etag);

#endif
