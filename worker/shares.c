/*
 * shares.c: a list, looked through from end to end: it is short, that being what
 * shared processes are for.
 */
#include "shares.h"

#include <assert.h>
#include <stdlib.h>

static struct share *share_of(struct shares *s, const struct shared *shared)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i].shared == shared)
            return &s->list[i];
    }
    return NULL;
}

static void on_freed(void *arg, struct shared *shared)
{
    struct shares *s = arg;
    if (shared_jobs(shared) == 0 && (s->closed || share_of(s, shared)->alone))
        shared_end(shared);
}

static void on_gone(void *arg, struct shared *shared)
{
    struct shares *s = arg;
    struct share *share = share_of(s, shared);
    assert(share && shared_jobs(shared) == 0);
    *share = s->list[--s->count];
    s->on_gone(s->arg);
}

void shares_init(struct shares *s, const struct shared_host *host, void *arg,
                 void (*gone)(void *arg))
{
    *s = (struct shares){.host = *host, .arg = arg, .on_gone = gone};
    s->host.arg = s;
    s->host.on_freed = on_freed;
    s->host.on_gone = on_gone;
}

static bool make_room(struct shares *s)
{
    if (s->count < s->capacity)
        return true;
    size_t capacity = s->capacity ? 2 * s->capacity : 4;
    struct share *list = realloc(s->list, capacity * sizeof *list);
    if (!list)
        return false;
    s->list = list;
    s->capacity = capacity;
    return true;
}

static struct shared *fullest(const struct shares *s, const struct task *task, const char *id)
{
    struct shared *found = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct shared *shared = s->list[i].shared;
        if (s->list[i].alone || shared_task(shared) != task || !shared_has_room(shared, id))
            continue;
        if (!found || shared_jobs(shared) > shared_jobs(found))
            found = shared;
    }
    return found;
}

enum status shares_take(struct shares *s, const struct task *task, const char *id, bool alone,
                        struct shared **shared)
{
    *shared = alone ? NULL : fullest(s, task, id);
    if (*shared)
        return STATUS_OK;
    if (!make_room(s))
        return STATUS_NO_MEMORY;
    enum status status = shared_new(&s->host, task, alone ? 1 : (size_t)task->slots, shared);
    if (status == STATUS_OK)
        s->list[s->count++] = (struct share){*shared, alone};
    return status;
}

void shares_tick(struct shares *s, int64_t oldest)
{
    for (size_t i = 0; i < s->count; i++) {
        struct shared *shared = s->list[i].shared;
        if (shared_is_serving(shared) && shared_jobs(shared) == 0 &&
            shared_idle_since(shared) < oldest)
            shared_end(shared);
    }
}

size_t shares_ending(const struct shares *s)
{
    size_t ending = 0;
    for (size_t i = 0; i < s->count; i++)
        ending += shared_users(s->list[i].shared) == 0 && !shared_is_serving(s->list[i].shared);
    return ending;
}

bool shares_own(const struct shares *s, int pid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (shared_pid(s->list[i].shared) == pid)
            return true;
    }
    return false;
}

void shares_close(struct shares *s)
{
    s->closed = true;
    for (size_t i = 0; i < s->count; i++) {
        if (shared_jobs(s->list[i].shared) == 0)
            shared_end(s->list[i].shared);
    }
}

void shares_kill(struct shares *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (shared_users(s->list[i].shared) == 0)
            shared_kill(s->list[i].shared);
    }
}

void shares_clear(struct shares *s)
{
    free(s->list);
    s->list = NULL;
    s->count = s->capacity = 0;
}
