/*
 * fsck.c: the walk over all keys.
 *
 *   marks of the known queues → SCAN ⇄ fsck_keys (todo: what is left of large keys) →
 *   suspicious jobs: fsck_waiting → the queues' counters: fsck_queue
 *
 * Called by main.c and by the tests.
 *
 * The dangerous part is that everything moves meanwhile. Whatever a script calls
 * a finding was true in that moment. What is put together here from several
 * answers is only ever a reason to ask again (ids), or counts under the condition
 * that the queue's marks are what they were before (sums).
 */
#include "fsck.h"

#include "seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_A_CALL 40
#define IDS_A_CALL 50
#define SCAN_COUNT "200"
#define ROUNDS_MOST 5
#define CURSOR_SIZE 64

/* What seen.number says of a job: it calls itself waiting, and in how many places it was met. */
#define SAYS_WAITING 1
#define ONE_PLACE 2

/* A key that is to be looked at, from its cursor on. */
struct todo {
    char *key;
    size_t length;
    char cursor[CURSOR_SIZE];
};

struct queue_sum {
    const char *name; /* of the place in `queues` */
    char *marks;      /* before anything of it was read; NULL: it was not known then */
    int64_t bytes, dead_bytes;
};

struct walk {
    struct ask *ask;
    fsck_found_fn *fn;
    void *arg;
    struct fsck_summary *summary;
    bool done_only; /* a round of repairs: what is left is told later */
    uint64_t repaired;

    struct seen ids;    /* of jobs that wait, or stand in a line */
    struct seen told;   /* findings: SCAN may give a key twice */
    struct seen keys;   /* of queues: their sums must not count twice */
    struct seen queues; /* number: the index in sums */
    struct queue_sum *sums;
    size_t sum_count;

    struct todo *todo;
    size_t todo_count, todo_size;
    char scan[CURSOR_SIZE]; /* "" before the first */
    size_t looked_at;       /* of the ids that were last asked about */
    bool no_memory;
};

/* ---- what is left to do ---- */

static void push(struct walk *w, const char *key, size_t length, const char *cursor)
{
    if (w->todo_count == w->todo_size) {
        size_t size = w->todo_size ? 2 * w->todo_size : 256;
        struct todo *todo = realloc(w->todo, size * sizeof *todo);
        w->no_memory |= !todo;
        if (!todo)
            return;
        w->todo = todo;
        w->todo_size = size;
    }
    struct todo *one = &w->todo[w->todo_count];
    one->key = malloc(length + 1);
    w->no_memory |= !one->key;
    if (!one->key)
        return;
    memcpy(one->key, key, length);
    one->key[length] = '\0';
    one->length = length;
    snprintf(one->cursor, sizeof one->cursor, "%s", cursor);
    w->todo_count++;
}

/* ---- queues ---- */

static struct queue_sum *sum_of(struct walk *w, const char *name, size_t length)
{
    struct seen_text *place = seen_get(&w->queues, name, length);
    if (place && place->number > 0)
        return &w->sums[place->number - 1];
    struct queue_sum *sums = place ? realloc(w->sums, (w->sum_count + 1) * sizeof *sums) : NULL;
    w->no_memory |= !sums;
    if (!sums)
        return NULL;
    w->sums = sums;
    sums[w->sum_count] = (struct queue_sum){.name = place->text};
    place->number = (int)++w->sum_count;
    return &sums[w->sum_count - 1];
}

/* The queue that a key belongs to, by its name; false: to none. */
static bool is_of_queue(const struct walk *w, const char *key, size_t length, const char **name,
                        size_t *name_length)
{
    size_t prefix = strlen(w->ask->settings->key_prefix);
    static const char word[] = "queue:";
    if (length < prefix + strlen(word) || memcmp(key + prefix, word, strlen(word)) != 0)
        return false;
    *name = key + prefix + strlen(word);
    *name_length = strcspn(*name, ":");
    return true;
}

/* ---- answers ---- */

static const char *text_at(const struct redisReply *list, size_t index)
{
    size_t length;
    return redis_reply_text(redis_reply_at(list, index), &length);
}

static void tell(struct walk *w, const struct redisReply *found)
{
    struct fsck_finding finding = {text_at(found, 0), text_at(found, 1), text_at(found, 2),
                                   text_at(found, 3)};
    struct buf whole = {0};
    buf_printf(&whole, "%s %s %s", finding.word, finding.key, finding.sentence);
    struct seen_text *place =
        buf_ok(&whole) ? seen_get(&w->told, buf_text(&whole), whole.length) : NULL;
    w->no_memory |= !place;
    bool again = place && place->number++ > 0;
    buf_clear(&whole);
    w->repaired += *finding.done != '\0';
    if ((again && !*finding.done) || (w->done_only && !*finding.done))
        return;
    if (*finding.done)
        w->summary->repaired++;
    else
        w->summary->findings++;
    w->fn(w->arg, &finding);
}

static void tell_all(struct walk *w, const struct redisReply *list)
{
    for (size_t i = 0; i < redis_reply_count(list); i++)
        tell(w, redis_reply_at(list, i));
}

static void note_ids(struct walk *w, const struct redisReply *list, bool says_waiting)
{
    for (size_t i = 0; i < redis_reply_count(list); i++) {
        size_t length;
        const char *id = redis_reply_text(redis_reply_at(list, i), &length);
        struct seen_text *place = seen_get(&w->ids, id, length);
        w->no_memory |= !place;
        if (place && says_waiting)
            place->number |= SAYS_WAITING;
        else if (place)
            place->number += ONE_PLACE;
    }
}

static void on_keys(void *arg, const struct redisReply *reply)
{
    struct walk *w = arg;
    tell_all(w, redis_reply_at(reply, 0));
    note_ids(w, redis_reply_at(reply, 1), true);
    note_ids(w, redis_reply_at(reply, 2), false);
    const struct redisReply *rest = redis_reply_at(reply, 3), *sums = redis_reply_at(reply, 4);
    for (size_t i = 0; i + 1 < redis_reply_count(rest); i += 2) {
        size_t length;
        const char *key = redis_reply_text(redis_reply_at(rest, i), &length);
        push(w, key, length, text_at(rest, i + 1));
    }
    for (size_t i = 0; i < redis_reply_count(sums); i++) {
        const struct redisReply *one = redis_reply_at(sums, i);
        struct queue_sum *sum = sum_of(w, text_at(one, 0), strlen(text_at(one, 0)));
        if (!sum)
            return;
        sum->bytes += redis_reply_number(redis_reply_at(one, 1));
        sum->dead_bytes += redis_reply_number(redis_reply_at(one, 2));
    }
    const struct redisReply *counts = redis_reply_at(reply, 5);
    w->summary->jobs += (uint64_t)redis_reply_number(redis_reply_at(counts, 0));
    w->summary->streams += (uint64_t)redis_reply_number(redis_reply_at(counts, 1));
    w->summary->others += (uint64_t)redis_reply_number(redis_reply_at(counts, 2));
}

/* Keys of queues are looked at once, though SCAN may give them twice. */
static void on_scan(void *arg, const struct redisReply *reply)
{
    struct walk *w = arg;
    snprintf(w->scan, sizeof w->scan, "%s", text_at(reply, 0));
    const struct redisReply *keys = redis_reply_at(reply, 1);
    for (size_t i = 0; i < redis_reply_count(keys); i++) {
        size_t length, name_length;
        const char *key = redis_reply_text(redis_reply_at(keys, i), &length), *name;
        if (is_of_queue(w, key, length, &name, &name_length)) {
            struct seen_text *place = seen_get(&w->keys, key, length);
            w->no_memory |= !place;
            if (!place || place->number++ > 0)
                continue;
            w->no_memory |= !sum_of(w, name, name_length);
        }
        w->summary->keys++;
        push(w, key, length, "0");
    }
}

/* ---- the walk ---- */

static void word(struct walk *w, const char *text)
{
    ask_word(w->ask, text, strlen(text));
}

static enum status scan(struct walk *w)
{
    struct buf pattern = {0};
    char cursor[CURSOR_SIZE];
    buf_printf(&pattern, "%s*", w->ask->settings->key_prefix);
    snprintf(cursor, sizeof cursor, "%s", *w->scan ? w->scan : "0");
    word(w, "SCAN");
    word(w, cursor);
    word(w, "MATCH");
    word(w, buf_text(&pattern));
    word(w, "COUNT");
    word(w, SCAN_COUNT);
    enum status status = buf_ok(&pattern) ? ask_command(w->ask, on_scan, w) : STATUS_NO_MEMORY;
    buf_clear(&pattern);
    return status;
}

/* The newest first, so that what is left of a large key does not pile up. */
static enum status look_at_some(struct walk *w)
{
    size_t count = min_size(w->todo_count, KEYS_A_CALL), first = w->todo_count - count;
    struct todo *some = malloc(count * sizeof *some);
    if (!some)
        return STATUS_NO_MEMORY;
    memcpy(some, w->todo + first, count * sizeof *some);
    w->todo_count = first;
    for (size_t i = 0; i < count; i++) {
        ask_word(w->ask, some[i].key, some[i].length);
        word(w, some[i].cursor);
    }
    enum status status = ask_script(w->ask, SCRIPT_FSCK_KEYS, on_keys, w);
    for (size_t i = 0; i < count; i++)
        free(some[i].key);
    free(some);
    return w->no_memory ? STATUS_NO_MEMORY : status;
}

static enum status look_at_keys(struct walk *w)
{
    enum status status = STATUS_OK;
    do {
        status = scan(w);
        while (status == STATUS_OK && w->todo_count > 0)
            status = look_at_some(w);
    } while (status == STATUS_OK && strcmp(w->scan, "0") != 0);
    return status;
}

static void on_waiting(void *arg, const struct redisReply *reply)
{
    struct walk *w = arg;
    tell_all(w, redis_reply_at(reply, 0));
    w->looked_at = (size_t)redis_reply_number(redis_reply_at(reply, 1));
}

static bool is_suspicious(const struct seen_text *place)
{
    int places = place->number / ONE_PLACE;
    return place->text && (places > 1 || (places == 0 && place->number & SAYS_WAITING));
}

/* Asks about the ids in order, as many at a time as one call takes. */
static enum status look_again(struct walk *w)
{
    enum status status = STATUS_OK;
    size_t at = 0;
    while (at < w->ids.size && status == STATUS_OK && !w->no_memory) {
        size_t from[IDS_A_CALL], count = 0, next = at;
        for (; next < w->ids.size && count < IDS_A_CALL; next++) {
            const struct seen_text *place = &w->ids.places[next];
            if (!is_suspicious(place))
                continue;
            from[count++] = next;
            ask_word(w->ask, place->text, place->length);
        }
        if (count == 0)
            break;
        status = ask_script(w->ask, SCRIPT_FSCK_WAITING, on_waiting, w);
        at = w->looked_at < count ? from[w->looked_at] : next;
    }
    return status;
}

static void on_marks(void *arg, const struct redisReply *reply)
{
    struct queue_sum *sum = arg;
    sum->marks = strdup(text_at(reply, 2));
}

static void on_queue_names(void *arg, const struct redisReply *reply)
{
    struct walk *w = arg;
    for (size_t i = 0; i < redis_reply_count(reply); i++)
        w->no_memory |= !sum_of(w, text_at(reply, i), strlen(text_at(reply, i)));
}

/* Which queues there are, and how they stand before anything of them is read. */
static enum status mark_queues(struct walk *w)
{
    struct buf key = {0};
    buf_printf(&key, "%squeues", w->ask->settings->key_prefix);
    word(w, "SMEMBERS");
    word(w, buf_text(&key));
    enum status status = ask_command(w->ask, on_queue_names, w);
    /* A key of a wrong type is told of when it is met. */
    if (status == STATUS_REFUSED && strncmp(buf_text(&w->ask->words), "WRONGTYPE", 9) == 0)
        status = STATUS_OK;
    buf_clear(&key);
    if (!sum_of(w, "default", strlen("default")))
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < w->sum_count && status == STATUS_OK; i++) {
        word(w, w->sums[i].name);
        status = ask_script(w->ask, SCRIPT_FSCK_QUEUE, on_marks, &w->sums[i]);
    }
    return status;
}

static void on_queue(void *arg, const struct redisReply *reply)
{
    struct walk *w = arg;
    tell_all(w, redis_reply_at(reply, 0));
    w->summary->moving += redis_reply_number(redis_reply_at(reply, 1)) == 0;
}

static enum status look_at_queues(struct walk *w)
{
    enum status status = STATUS_OK;
    w->summary->queues = w->sum_count;
    for (size_t i = 0; i < w->sum_count && status == STATUS_OK; i++) {
        const struct queue_sum *sum = &w->sums[i];
        char bytes[24], dead_bytes[24];
        snprintf(bytes, sizeof bytes, "%" PRId64, sum->bytes);
        snprintf(dead_bytes, sizeof dead_bytes, "%" PRId64, sum->dead_bytes);
        word(w, sum->name);
        word(w, sum->marks ? sum->marks : "");
        word(w, bytes);
        word(w, dead_bytes);
        status = ask_script(w->ask, SCRIPT_FSCK_QUEUE, on_queue, w);
    }
    return status;
}

static void clear(struct walk *w)
{
    for (size_t i = 0; i < w->todo_count; i++)
        free(w->todo[i].key);
    for (size_t i = 0; i < w->sum_count; i++)
        free(w->sums[i].marks);
    free(w->todo);
    free(w->sums);
    seen_clear(&w->ids);
    seen_clear(&w->told);
    seen_clear(&w->keys);
    seen_clear(&w->queues);
}

/* Once over everything. */
static enum status go_round(struct walk *w)
{
    w->summary->keys = w->summary->jobs = w->summary->queues = w->summary->streams = 0;
    w->summary->others = w->summary->moving = 0;
    enum status status = mark_queues(w);
    if (status == STATUS_OK)
        status = look_at_keys(w);
    if (status == STATUS_OK)
        status = look_again(w);
    if (status == STATUS_OK)
        status = look_at_queues(w);
    if (w->no_memory)
        status = STATUS_NO_MEMORY;
    clear(w);
    return status;
}

enum status fsck_run(struct ask *a, bool repair, fsck_found_fn *fn, void *arg,
                     struct fsck_summary *summary)
{
    enum status status = STATUS_OK;
    *summary = (struct fsck_summary){0};
    a->mend = repair;
    for (int round = 0; a->mend && round < ROUNDS_MOST && status == STATUS_OK; round++) {
        struct walk w = {.ask = a, .fn = fn, .arg = arg, .summary = summary, .done_only = true};
        status = go_round(&w);
        a->mend = w.repaired > 0;
    }
    a->mend = false;
    if (status != STATUS_OK)
        return status;
    struct walk w = {.ask = a, .fn = fn, .arg = arg, .summary = summary};
    return go_round(&w);
}
