/*
 * page.c: the page at GET / and its files, out of the program's own memory.
 *
 * A browser may keep them, but asks each time (no-cache): the tag says in a few bytes that its
 * copy is still right, and a gateway that was replaced never runs with half of an old page.
 *
 * The policy is the page's second wall; the first is that its scripts put in text as text only.
 */
#include "page.h"

#include "reply.h"
#include "visit.h"

#include <string.h>

#define POLICY                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; "   \
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; " \
    "form-action 'none'; frame-ancestors 'none'"

const struct page_file *page_find(const char *name)
{
    for (size_t i = 0; i < page_files_count; i++) {
        if (strcmp(page_files[i].name, name) == 0)
            return &page_files[i];
    }
    return NULL;
}

const char *page_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } table[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < COUNT_OF(table); i++) {
        if (strcmp(ending, table[i].ending) == 0)
            return table[i].type;
    }
    return "text/plain; charset=utf-8";
}

bool page_is_known(const char *if_none_match, const char *etag)
{
    const char *at = if_none_match ? if_none_match : "";
    while (*at) {
        at += strspn(at, ", \t");
        if (*at == '*')
            return true;
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        size_t length = strcspn(at, ", \t");
        if (length == strlen(etag) && memcmp(at, etag, length) == 0)
            return true;
        at += length;
    }
    return false;
}

static void answer(struct visit *visit, const struct page_file *file)
{
    const struct exchange_field fields[] = {
        {"Content-Type", page_type(file->name)},
        {"Cache-Control", "no-cache"},
        {"ETag", file->etag},
        {"Content-Security-Policy", POLICY},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
    };
    const char *known;
    if (exchange_header(visit->exchange, "If-None-Match", &known) != STATUS_OK)
        known = NULL;
    bool same = page_is_known(known, file->etag);
    reply_file(visit->exchange, same ? 304 : 200, fields, COUNT_OF(fields), same ? "" : file->text);
}

void page_front(struct visit *visit)
{
    answer(visit, page_find("index.html"));
}

/* The front has one address only: its links are relative to it. */
void page_part(struct visit *visit)
{
    const char *name = visit->asked->request.name;
    const struct page_file *file = strcmp(name, "index.html") == 0 ? NULL : page_find(name);
    if (file)
        answer(visit, file);
    else
        visit_refuse(visit, PROBLEM_NOT_FOUND, "The page has no such file.", "");
}
