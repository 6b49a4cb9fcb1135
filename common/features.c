/*
 * features.c: the file of features, checked by one table.
 *
 * The bytes are judged by json_check, a feature's object is cut out as it stands (a task
 * is to see what was written, not what we made of it), and its members are read from
 * cJSON's tree, which lives as long as the features: their texts are its.
 *
 * The dangerous part: whoever edits the file makes mistakes, and a member that is passed
 * over in silence is a setting that does not hold. So nothing unknown passes, and each
 * error says where.
 */
#include "features.h"

#include "json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST_BYTES (1 << 20)
#define EXTRA_MOST_BYTES (16 << 10)
#define DAY_MS INT64_C(86400000)

/* One feature, and what its texts point into. */
struct item {
    struct feature feature; /* the first member: the list is sorted by its id */
    cJSON *tree;
    char *line;
};

struct features {
    atomic_size_t owners;
    struct item *items;
    size_t count;
};

enum kind {
    KIND_TEXT,
    KIND_NAME,    /* 1 to 128 of A-Z a-z 0-9 _ . - */
    KIND_ENV,     /* the name of an environment variable */
    KIND_URL,     /* http:// or https:// */
    KIND_INTEGER, /* int64_t */
    KIND_NUMBER,  /* double */
    KIND_CHOICE,  /* an enum, one of the words */
    KIND_STOP,
    KIND_MODELS,
    KIND_EXTRA, /* an object of a request's members */
};

struct member {
    const char *name;
    enum kind kind;
    size_t offset;
    int64_t min, max; /* KIND_TEXT: of its bytes */
    const char *words[4];
};

#define AT(member) offsetof(struct feature, member)
#define IN_MODEL(member) offsetof(struct feature_model, member)

/* clang-format off */
static const struct member of_feature[] = {
    {"description", KIND_TEXT, AT(description), 0, 1000, {0}},
    {"task", KIND_NAME, AT(task), 0, 0, {0}},
    {"queue", KIND_NAME, AT(queue), 0, 0, {0}},
    {"timeout_ms", KIND_INTEGER, AT(timeout_ms), 100, 7 * DAY_MS, {0}},
    {"deadline_ms", KIND_INTEGER, AT(deadline_ms), 100, 7 * DAY_MS, {0}},
    {"max_attempts", KIND_INTEGER, AT(max_attempts), 1, 100, {0}},
    {"system", KIND_TEXT, AT(system), 0, 256 << 10, {0}},
    {"temperature", KIND_NUMBER, AT(temperature), 0, 2, {0}},
    {"max_tokens", KIND_INTEGER, AT(max_tokens), 1, 10000000, {0}},
    {"seed", KIND_INTEGER, AT(seed), 0, INT64_C(1) << 53, {0}},
    {"stop", KIND_STOP, AT(stop), 0, 0, {0}},
    {"models", KIND_MODELS, AT(models), 0, 0, {0}},
    {"on_failure", KIND_CHOICE, AT(on_failure), 0, 0, {"restart", "continue", "fail"}},
    {"connect_timeout_ms", KIND_INTEGER, AT(connect_timeout_ms), 10, 600000, {0}},
    {"first_token_timeout_ms", KIND_INTEGER, AT(first_token_timeout_ms), 10, DAY_MS, {0}},
    {"silence_timeout_ms", KIND_INTEGER, AT(silence_timeout_ms), 10, DAY_MS, {0}},
};

static const struct member of_model[] = {
    {"base_url", KIND_URL, IN_MODEL(base_url), 0, 0, {0}},
    {"api", KIND_CHOICE, IN_MODEL(api), 0, 0, {"openai", "ollama"}},
    {"model", KIND_TEXT, IN_MODEL(model), 1, 256, {0}},
    {"api_key_env", KIND_ENV, IN_MODEL(api_key_env), 0, 0, {0}},
    {"extra_body", KIND_EXTRA, IN_MODEL(extra_body), 0, 0, {0}},
};
/* clang-format on */

/* What is being read, and where it stands, for the words of an error. */
struct place {
    struct buf *error;
    const char *prefix;  /* "features." or "" */
    const char *feature; /* its id; "" */
    size_t model;        /* from 1; 0: not inside of one */
    const char *member;  /* "" */
};

static bool wrong(const struct place *p, const char *what)
{
    buf_printf(p->error, "%s%s", p->prefix, p->feature);
    const char *dot = *p->feature ? "." : "";
    if (p->model > 0) {
        buf_printf(p->error, "%smodels[%zu]", dot, p->model - 1);
        dot = ".";
    }
    buf_printf(p->error, "%s%.100s: %s", *p->member ? dot : "", p->member, what);
    return false;
}

/* ---- values ---- */

static bool is_variable(const char *text)
{
    static const char bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length = strlen(text);
    return length > 0 && length <= 256 && strspn(text, bytes) == length;
}

/* Visible ASCII behind the scheme, and no user: a password there would be shown. */
static bool is_url(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0    ? 7
                    : strncmp(text, "https://", 8) == 0 ? 8
                                                        : 0;
    size_t length = strlen(text);
    if (scheme == 0 || length == scheme || length > 1024 || text[length - 1] == '/')
        return false;
    for (const char *at = text + scheme; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || strchr("@?#\"\\", *at))
            return false;
    }
    return true;
}

static bool read_text(const struct place *p, const struct member *m, const cJSON *value,
                      const char **out)
{
    const char *text = cJSON_GetStringValue(value);
    char what[100];
    if (!text)
        return wrong(p, "is not a text");
    if (m->kind == KIND_NAME && !job_is_name(text))
        return wrong(p, "is not 1 to 128 of A-Z a-z 0-9 _ . -");
    if (m->kind == KIND_ENV && !is_variable(text))
        return wrong(p, "is not the name of an environment variable");
    if (m->kind == KIND_URL && !is_url(text))
        return wrong(p, "is not a URL such as https://api.example.org/v1, without a user, ?, # "
                        "or a slash at its end");
    if (m->kind == KIND_TEXT && (strlen(text) < (size_t)m->min || strlen(text) > (size_t)m->max)) {
        snprintf(what, sizeof what, "has not %" PRId64 " to %" PRId64 " bytes", m->min, m->max);
        return wrong(p, what);
    }
    *out = text;
    return true;
}

static bool read_number(const struct place *p, const struct member *m, const cJSON *value,
                        void *out)
{
    double number = cJSON_GetNumberValue(value);
    bool is_whole = m->kind == KIND_NUMBER || number == floor(number);
    char what[100];
    if (!cJSON_IsNumber(value) || !is_whole || !(number >= (double)m->min) ||
        !(number <= (double)m->max)) {
        snprintf(what, sizeof what, "is not a %snumber from %" PRId64 " to %" PRId64,
                 m->kind == KIND_NUMBER ? "" : "whole ", m->min, m->max);
        return wrong(p, what);
    }
    if (m->kind == KIND_NUMBER)
        *(double *)out = number;
    else
        *(int64_t *)out = (int64_t)number;
    return true;
}

static bool read_choice(const struct place *p, const struct member *m, const cJSON *value,
                        void *out)
{
    const char *text = cJSON_GetStringValue(value);
    char what[100] = "is none of";
    for (unsigned i = 0; i < COUNT_OF(m->words) && m->words[i]; i++) {
        if (text && strcmp(text, m->words[i]) == 0) {
            *(unsigned *)out = i;
            return true;
        }
        size_t length = strlen(what);
        snprintf(what + length, sizeof what - length, "%s %s", i > 0 ? "," : "", m->words[i]);
    }
    return wrong(p, what);
}

static bool read_stop(const struct place *p, const cJSON *value, struct feature *f)
{
    const cJSON *one;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > FEATURE_STOPS_MOST)
        return wrong(p, "is not a list of at most 8 texts");
    cJSON_ArrayForEach(one, value)
    {
        const char *text = cJSON_GetStringValue(one);
        if (!text || !*text || strlen(text) > 256)
            return wrong(p, "holds something that is not a text of 1 to 256 bytes");
        f->stop[f->stop_count++] = text;
    }
    return true;
}

static bool no_memory(struct buf *error)
{
    buf_reset(error);
    buf_puts(error, "there is no memory left");
    return false;
}

/* Numbers that arrive as they were written: cJSON keeps doubles, and writes 1e15 as that. */
static bool are_kept(const cJSON *value)
{
    const cJSON *one;
    if (cJSON_IsNumber(value) && !(fabs(value->valuedouble) < 1e15))
        return false;
    cJSON_ArrayForEach(one, value)
    {
        if (!are_kept(one))
            return false;
    }
    return true;
}

/* The members of a request's body that an operator may set, and of its `options`. */
static bool check_extra(const struct place *p, const cJSON *object, bool inner)
{
    static const char *const own[] = {"model", "messages", "stream"};
    const cJSON *one, *other;
    char what[160];
    cJSON_ArrayForEach(one, object)
    {
        for (other = object->child; other != one && strcmp(other->string, one->string) != 0;)
            other = other->next;
        if (other != one) {
            snprintf(what, sizeof what, "has %.100s twice", one->string);
            return wrong(p, what);
        }
        for (size_t i = 0; i < COUNT_OF(own) && !inner; i++) {
            if (strcmp(one->string, own[i]) == 0) {
                snprintf(what, sizeof what, "must not have %s", own[i]);
                return wrong(p, what);
            }
        }
        if (!inner && strcmp(one->string, "options") == 0 && cJSON_IsObject(one) &&
            !check_extra(p, one, true))
            return false;
    }
    return true;
}

/* Its length first: names are compared with each other. */
static bool read_extra(const struct place *p, const cJSON *value, char **out)
{
    if (!cJSON_IsObject(value))
        return wrong(p, "is not an object");
    *out = cJSON_PrintUnformatted(value);
    if (!*out)
        return no_memory(p->error);
    if (strlen(*out) > EXTRA_MOST_BYTES)
        return wrong(p, "has more than 16 KiB");
    if (!are_kept(value))
        return wrong(p, "has a number of 1e15 or more");
    return check_extra(p, value, false);
}

/* Ollama's options are an object, where there are any. */
static bool has_options(const cJSON *model)
{
    const cJSON *extra = cJSON_GetObjectItemCaseSensitive(model, "extra_body");
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(extra, "options");
    return !options || cJSON_IsObject(options);
}

static bool read_object(struct place *p, const struct member *members, size_t count,
                        const cJSON *object, void *out);

static bool read_models(struct place *p, const cJSON *value, struct feature *f)
{
    const cJSON *one;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > FEATURE_MODELS_MOST)
        return wrong(p, "is not a list of at most 8 models");
    cJSON_ArrayForEach(one, value)
    {
        struct feature_model *model = &f->models[f->model_count++];
        *model = (struct feature_model){FEATURE_OPENAI, "", "", "", NULL};
        p->model = f->model_count;
        if (!read_object(p, of_model, COUNT_OF(of_model), one, model))
            return false;
        if (!*model->base_url || !*model->model)
            return wrong(p, "lacks its base_url or its model");
        if (model->api == FEATURE_OLLAMA && !has_options(one))
            return wrong(p, "extra_body.options is not an object");
    }
    p->model = 0;
    return true;
}

/* ---- objects ---- */

static bool read_member(struct place *p, const struct member *m, const cJSON *value, void *out)
{
    void *at = (char *)out + m->offset;
    switch (m->kind) {
    case KIND_TEXT:
    case KIND_NAME:
    case KIND_ENV:
    case KIND_URL:
        return read_text(p, m, value, at);
    case KIND_INTEGER:
    case KIND_NUMBER:
        return read_number(p, m, value, at);
    case KIND_CHOICE:
        return read_choice(p, m, value, at);
    case KIND_STOP:
        return read_stop(p, value, out);
    case KIND_MODELS:
        return read_models(p, value, out);
    case KIND_EXTRA:
        return read_extra(p, value, at);
    }
    return false;
}

static bool unknown(const struct place *p, const struct member *members, size_t count)
{
    wrong(p, "is not known; there are:");
    for (size_t i = 0; i < count; i++)
        buf_printf(p->error, " %s", members[i].name);
    return false;
}

static bool read_object(struct place *p, const struct member *members, size_t count,
                        const cJSON *object, void *out)
{
    unsigned seen = 0;
    const cJSON *value;
    p->member = "";
    if (!cJSON_IsObject(object))
        return wrong(p, "is not an object");
    cJSON_ArrayForEach(value, object)
    {
        size_t i = 0;
        while (i < count && strcmp(members[i].name, value->string) != 0)
            i++;
        p->member = value->string;
        if (i == count)
            return unknown(p, members, count);
        if (seen & 1u << i)
            return wrong(p, "is there twice");
        seen |= 1u << i;
        if (!read_member(p, &members[i], value, out))
            return false;
    }
    p->member = "";
    return true;
}

static struct item *add_item(struct features *f)
{
    struct item *items = realloc(f->items, (f->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    f->items = items;
    items[f->count] = (struct item){
        .feature = {.json = "",
                    .description = "",
                    .task = "",
                    .queue = "",
                    .system = "",
                    .temperature = -1,
                    .seed = -1,
                    .connect_timeout_ms = 5000,
                    .first_token_timeout_ms = 30000,
                    .silence_timeout_ms = 20000},
    };
    return &items[f->count++];
}

/* One feature's object, of valid JSON. */
static bool read_feature(struct features *all, struct place *p, const char *json, size_t length)
{
    struct item *item = add_item(all);
    if (!item)
        return no_memory(p->error);
    struct feature *f = &item->feature;
    item->line = strndup(json, length);
    item->tree = cJSON_ParseWithLength(json, length);
    if (!item->line)
        return no_memory(p->error);
    if (!item->tree)
        return wrong(p, "cannot be read: a number of more than 60 digits, or no memory");
    json_flatten(item->line, length);
    snprintf(f->id, sizeof f->id, "%s", p->feature);
    f->json = item->line;
    f->json_length = length;
    if (!read_object(p, of_feature, COUNT_OF(of_feature), item->tree, f))
        return false;
    if (!*f->task)
        f->task = f->model_count > 0 ? "chat" : "generate_messages";
    return true;
}

/* ---- the file ---- */

struct reading {
    struct features *features;
    struct place place;
    unsigned objects; /* named `features` */
    bool wrong;
};

static bool take_feature(void *arg, const struct json_member *member)
{
    struct reading *r = arg;
    r->place.feature = member->name;
    if (member->name_too_long || !job_is_name(member->name))
        r->wrong = !wrong(&r->place, "is no name: 1 to 64 of A-Z a-z 0-9 _ . -");
    else
        r->wrong = !read_feature(r->features, &r->place, member->value, member->length);
    return !r->wrong;
}

static bool take_top(void *arg, const struct json_member *member)
{
    struct reading *r = arg;
    if (strcmp(member->name, "features") != 0 || member->type != JSON_OBJECT || r->objects++ > 0) {
        buf_puts(r->place.error, "the file is not {\"features\": {…}} and nothing else");
        r->wrong = true;
        return false;
    }
    json_members(member->value, member->length, take_feature, r);
    return !r->wrong;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->feature.id, ((const struct item *)b)->feature.id);
}

/* In their order, in which two of the same name stand side by side. */
static bool sort(struct features *f, struct place *p)
{
    if (f->count > 1)
        qsort(f->items, f->count, sizeof *f->items, by_id);
    for (size_t i = 1; i < f->count; i++) {
        p->feature = f->items[i].feature.id;
        if (by_id(&f->items[i - 1], &f->items[i]) == 0)
            return wrong(p, "is there twice");
    }
    return true;
}

static struct features *begin(struct buf *error)
{
    struct features *f = calloc(1, sizeof *f);
    if (f)
        atomic_init(&f->owners, 1);
    else
        no_memory(error);
    return f;
}

static struct features *finish(struct features *f, bool good)
{
    if (!good) {
        features_release(f);
        return NULL;
    }
    return f;
}

static bool is_object(const char *text, size_t length, struct buf *error)
{
    struct json_info info;
    if (!json_check(text, length, &info))
        buf_printf(error, "is not valid JSON: %s, at byte %zu", info.reason, info.offset);
    else if (!info.is_object)
        buf_puts(error, "the file is not {\"features\": {…}} and nothing else");
    else
        return true;
    return false;
}

struct features *features_parse(const char *text, size_t length, struct buf *error)
{
    if (!is_object(text, length, error))
        return NULL;
    struct features *f = begin(error);
    if (!f)
        return NULL;
    struct reading r = {.features = f, .place = {error, "features.", "", 0, ""}};
    json_members(text, length, take_top, &r);
    return finish(f, !r.wrong && sort(f, &r.place));
}

struct features *features_parse_one(const char *json, size_t length, struct buf *error)
{
    if (!is_object(json, length, error))
        return NULL;
    struct features *f = begin(error);
    struct place place = {error, "", "", 0, ""};
    return f ? finish(f, read_feature(f, &place, json, length)) : NULL;
}

/* NULL: it cannot be. What is no regular file may let its reader wait, at every signal. */
static FILE *open_file(const char *path, struct buf *error)
{
    struct stat stat;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    if (fd >= 0 && fstat(fd, &stat) == 0 && !S_ISREG(stat.st_mode))
        buf_puts(error, "is not a regular file");
    else if (fd < 0 || !(file = fdopen(fd, "r")))
        buf_puts(error, strerror(errno));
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

static bool read_file(const char *path, struct buf *text, struct buf *error)
{
    FILE *file = open_file(path, error);
    if (!file)
        return false;
    while (text->length <= FILE_MOST_BYTES && buf_reserve(text, 16 << 10)) {
        size_t count = fread(text->data + text->length, 1, 16 << 10, file);
        if (count == 0)
            break;
        text->length += count;
    }
    bool failed = ferror(file);
    fclose(file);
    if (failed)
        buf_puts(error, "cannot be read");
    else if (text->length > FILE_MOST_BYTES)
        buf_puts(error, "has more than 1 MiB");
    else if (!buf_ok(text))
        no_memory(error);
    else
        return true;
    return false;
}

/* One line, whatever stands in the names of the file. */
static void say_why(const char *path, const char *why, struct buf *error)
{
    buf_printf(error, "FEATURES_FILE: %s: %s", path, why);
    for (size_t i = 0; i < error->length; i++) {
        if ((unsigned char)error->data[i] < ' ')
            error->data[i] = ' ';
    }
}

struct features *features_read(const char *path, struct buf *error)
{
    struct buf text = {0}, why = {0};
    struct features *f = NULL;
    if (!*path)
        f = begin(&why);
    else if (read_file(path, &text, &why))
        f = features_parse(buf_text(&text), text.length, &why);
    if (!f)
        say_why(path, buf_text(&why), error);
    buf_clear(&text);
    buf_clear(&why);
    return f;
}

/* ---- in hand ---- */

struct features *features_take(struct features *f)
{
    if (f)
        atomic_fetch_add(&f->owners, 1);
    return f;
}

void features_release(struct features *f)
{
    if (!f || atomic_fetch_sub(&f->owners, 1) > 1)
        return;
    for (size_t i = 0; i < f->count; i++) {
        for (size_t m = 0; m < f->items[i].feature.model_count; m++)
            cJSON_free(f->items[i].feature.models[m].extra_body);
        cJSON_Delete(f->items[i].tree);
        free(f->items[i].line);
    }
    free(f->items);
    free(f);
}

const struct feature *features_find(const struct features *f, const char *id)
{
    size_t from = 0, to = f ? f->count : 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(f->items[middle].feature.id, id);
        if (order == 0)
            return &f->items[middle].feature;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

size_t features_count(const struct features *f)
{
    return f ? f->count : 0;
}

const struct feature *features_at(const struct features *f, size_t index)
{
    return &f->items[index].feature;
}
