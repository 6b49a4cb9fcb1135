/*
 * tasks.c: reads WORKER_TASKS and looks for the programs it names.
 *
 * Called once at start, before any job is taken: a mistake here must stop the
 * start with a line that says where it is, not fail each job later. The text is
 * walked entry by entry; each entry is `type[marks]=command`. What is wrong with
 * one is said in the same words everywhere: WORKER_TASKS: <type>: <what>.
 *
 * The dangerous part: a program is looked for once and then run by that path,
 * so that a later change of PATH or of the working directory changes nothing.
 */
#include "tasks.h"

#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A chat only waits, for its model. */
#define BUILT_IN \
    "generate_messages[reuse]=leat-task generate_messages;chat[slots=100]=leat-task chat"
#define OWN_PROGRAM "leat-task"
#define BLANKS " \t\r\n"

/* Bytes of the text, blanks around them taken off. */
struct part {
    const char *data;
    size_t length;
};

static struct part trimmed(const char *from, const char *to)
{
    while (from < to && strchr(BLANKS, *from))
        from++;
    while (from < to && strchr(BLANKS, to[-1]))
        to--;
    return (struct part){.data = from, .length = (size_t)(to - from)};
}

static bool is_type_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

static bool is_type(struct part type)
{
    if (type.length == 0 || type.length >= JOB_NAME_SIZE)
        return false;
    for (size_t i = 0; i < type.length; i++) {
        if (!is_type_byte(type.data[i]))
            return false;
    }
    return true;
}

/* Returns false, so that a check can end with it. */
static bool wrong(struct buf *error, struct part about, const char *what)
{
    buf_puts(error, "WORKER_TASKS: ");
    buf_add(error, about.data, about.length);
    buf_printf(error, ": %s", what);
    return false;
}

static bool no_memory(struct buf *error)
{
    buf_puts(error, "WORKER_TASKS: no memory");
    return false;
}

/* ---- marks ---- */

#define SLOTS 0

/* Marks that are numbers, and the setting that each goes before, or sets in its processes. */
static const struct {
    const char *name, *variable;
    size_t offset;
} numbers[] = {
    [SLOTS] = {"slots", "LEAT_SLOTS", offsetof(struct task, slots)},
    {"max_attempts", "JOB_MAX_ATTEMPTS", offsetof(struct task, max_attempts)},
    {"timeout_ms", "JOB_TIMEOUT_MS", offsetof(struct task, timeout_ms)},
    {"backoff_ms", "RETRY_BACKOFF_MS", offsetof(struct task, backoff_ms)},
    {"backoff_max_ms", "RETRY_BACKOFF_MAX_MS", offsetof(struct task, backoff_max_ms)},
};

/* As wrong, of a mark. */
static bool wrong_mark(const struct task *task, const char *mark, const char *what,
                       struct buf *error)
{
    buf_printf(error, "WORKER_TASKS: %s: the mark %s %s", task->type, mark, what);
    return false;
}

static bool read_number(struct task *task, size_t which, const char *mark, const char *value,
                        struct buf *error)
{
    int64_t *number = (int64_t *)(void *)((char *)task + numbers[which].offset);
    struct buf expected = {0};
    if (*number != 0)
        return wrong_mark(task, numbers[which].name, "is there twice", error);
    bool good = settings_read_number(numbers[which].variable, value, number, &expected);
    /* To a process it says with 0 that it is not shared. */
    if (which == SLOTS && (!good || *number == 0)) {
        good = wrong_mark(task, mark, "is not a whole number from 1 to 10000", error);
    } else if (!good) {
        wrong_mark(task, mark, "is not ", error);
        buf_puts(error, buf_text(&expected));
    }
    buf_clear(&expected);
    return good;
}

static bool read_mark(struct task *task, const char *mark, struct buf *error)
{
    const char *equals = strchr(mark, '=');
    if (strcmp(mark, "reuse") == 0 && task->reuse)
        return wrong_mark(task, mark, "is there twice", error);
    if (strcmp(mark, "reuse") == 0) {
        task->reuse = true;
        return true;
    }
    for (size_t i = 0; equals && i < COUNT_OF(numbers); i++) {
        size_t length = (size_t)(equals - mark);
        if (strlen(numbers[i].name) == length && memcmp(mark, numbers[i].name, length) == 0)
            return read_number(task, i, mark, equals + 1, error);
    }
    return wrong_mark(task, *mark ? mark : "[]",
                      "is none of reuse, slots=n, max_attempts=n, timeout_ms=n, backoff_ms=n, "
                      "backoff_max_ms=n",
                      error);
}

/* All marks with their brackets, or nothing. */
static bool read_marks(struct task *task, struct part marks, struct buf *error)
{
    struct part type = {.data = task->type, .length = strlen(task->type)};
    if (marks.length == 0)
        return true;
    const char *at = marks.data + 1, *end = marks.data + marks.length - 1;
    if (*end != ']')
        return wrong(error, type, "there is something between ] and =");
    bool good = true;
    while (good && at <= end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct part part = trimmed(at, comma ? comma : end);
        char *mark = strndup(part.data, part.length);
        if (!mark)
            return no_memory(error);
        good = read_mark(task, mark, error);
        free(mark);
        at = (comma ? comma : end) + 1;
    }
    return good;
}

/* ---- entries ---- */

static size_t count_words(struct part command)
{
    size_t count = 0;
    for (size_t i = 0; i < command.length; i++) {
        if (!strchr(BLANKS, command.data[i]) && (i == 0 || strchr(BLANKS, command.data[i - 1])))
            count++;
    }
    return count;
}

static bool read_command(struct task *task, struct part command, struct buf *error)
{
    struct part type = {.data = task->type, .length = strlen(task->type)};
    size_t count = count_words(command);
    if (count == 0)
        return wrong(error, type, "has no command");
    task->words = calloc(count + 1, sizeof *task->words);
    if (!task->words)
        return no_memory(error);
    const char *at = command.data, *end = command.data + command.length;
    for (size_t i = 0; i < count; i++) {
        while (strchr(BLANKS, *at))
            at++;
        const char *word = at;
        while (at < end && !strchr(BLANKS, *at))
            at++;
        task->words[i] = strndup(word, (size_t)(at - word));
        if (!task->words[i])
            return no_memory(error);
    }
    return true;
}

static struct task *add_item(struct tasks *tasks)
{
    struct task *items = realloc(tasks->items, (tasks->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    tasks->items = items;
    struct task *task = &items[tasks->count++];
    *task = (struct task){0};
    return task;
}

/* type[marks]=command, without blanks around it. */
static bool read_entry(struct tasks *tasks, struct part entry, struct buf *error)
{
    const char *end = entry.data + entry.length;
    const char *equals = memchr(entry.data, '=', entry.length);
    const char *bracket = memchr(entry.data, '[', entry.length);
    /* Marks may hold equals signs of their own. */
    if (bracket && equals && bracket < equals) {
        const char *close = memchr(bracket, ']', (size_t)(end - bracket));
        equals = close ? memchr(close, '=', (size_t)(end - close)) : NULL;
    } else {
        bracket = NULL;
    }
    if (!equals)
        return wrong(error, entry, "is not type=command or type[marks]=command");

    struct part type = trimmed(entry.data, bracket ? bracket : equals);
    if (!is_type(type))
        return wrong(error, entry, "its type is not 1 to 128 of A-Z a-z 0-9 _ . -");
    struct task *task = add_item(tasks);
    if (!task)
        return no_memory(error);
    /* Found by its name, it would find itself: so the name comes after the search. */
    char name[JOB_NAME_SIZE] = "";
    memcpy(name, type.data, type.length);
    if (tasks_find(tasks, name))
        return wrong(error, type, "is there twice");
    memcpy(task->type, name, sizeof name);
    return read_marks(task, bracket ? trimmed(bracket, equals) : (struct part){.data = ""},
                      error) &&
           read_command(task, trimmed(equals + 1, end), error);
}

bool tasks_parse(struct tasks *tasks, const char *text, struct buf *error)
{
    const char *at = *text ? text : BUILT_IN;
    while (*at) {
        const char *end = at + strcspn(at, ";");
        struct part entry = trimmed(at, end);
        if (entry.length > 0 && !read_entry(tasks, entry, error))
            return false;
        at = *end ? end + 1 : end;
    }
    if (tasks->count > 0)
        return true;
    buf_puts(error, "WORKER_TASKS: names no task");
    return false;
}

static bool is_program(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

/* Gives folder/name in *found if that can be run, else NULL. An empty folder is the current one.
   False: no memory. */
static bool program_in(const char *folder, size_t folder_length, const char *name, char **found)
{
    struct buf path = {0};
    if (folder_length == 0)
        buf_putc(&path, '.');
    buf_add(&path, folder, folder_length);
    buf_printf(&path, "/%s", name);
    *found = buf_take(&path);
    if (!*found)
        return false;
    if (is_program(*found))
        return true;
    free(*found);
    *found = NULL;
    return true;
}

/* As above. Without memory the search ends: it must not go on to a later program of that name. */
static bool find_program(const char *name, const char *folder, const char *path, char **found)
{
    *found = NULL;
    if (strchr(name, '/')) {
        bool there = is_program(name);
        *found = there ? strdup(name) : NULL;
        return *found || !there;
    }
    bool good = strcmp(name, OWN_PROGRAM) != 0 || program_in(folder, strlen(folder), name, found);
    while (good && !*found && path) {
        size_t length = strcspn(path, ":");
        good = program_in(path, length, name, found);
        path = path[length] ? path + length + 1 : NULL;
    }
    return good;
}

bool tasks_find_programs(struct tasks *tasks, const char *folder, const char *path,
                         struct buf *error)
{
    for (size_t i = 0; i < tasks->count; i++) {
        struct task *task = &tasks->items[i];
        if (!find_program(task->words[0], folder, path, &task->program))
            return no_memory(error);
        if (task->program)
            continue;
        buf_printf(error, "WORKER_TASKS: %s: \"%s\" is not a program that can be run%s", task->type,
                   task->words[0], strchr(task->words[0], '/') ? "" : " (looked for in PATH)");
        return false;
    }
    return true;
}

const struct task *tasks_find(const struct tasks *tasks, const char *type)
{
    for (size_t i = 0; i < tasks->count; i++) {
        if (strcmp(tasks->items[i].type, type) == 0)
            return &tasks->items[i];
    }
    return NULL;
}

void tasks_types(const struct tasks *tasks, struct buf *out)
{
    buf_putc(out, ' ');
    for (size_t i = 0; i < tasks->count; i++)
        buf_printf(out, "%s ", tasks->items[i].type);
}

void tasks_clear(struct tasks *tasks)
{
    for (size_t i = 0; i < tasks->count; i++) {
        struct task *task = &tasks->items[i];
        for (char **word = task->words; word && *word; word++)
            free(*word);
        free(task->words);
        free(task->program);
    }
    free(tasks->items);
    *tasks = (struct tasks){0};
}
