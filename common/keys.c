/*
 * keys.c: the table of keys. A "%" in a template is the place of one part.
 *
 * Parts never contain a colon where it would matter: features, chats, queues and
 * worker ids are checked to be of [A-Za-z0-9_.-], ids are UUIDs, and the
 * Idempotency-Key is the last part of its key.
 */
#include "keys.h"

#include <string.h>

static const struct {
    const char *function; /* the name in Lua */
    const char *template;
} table[] = {
    [KEY_STREAM] = {"key_stream", "stream:%:%"},
    [KEY_CHAT] = {"key_chat", "chat:%:%"},
    [KEY_JOB] = {"key_job", "job:%"},
    [KEY_IDEM] = {"key_idem", "idem:%:%:%"},
    [KEY_QUEUE] = {"key_queue", "queue:%"},
    [KEY_TURNS] = {"key_turns", "queue:%:%"},
    [KEY_LINE] = {"key_line", "queue:%:%:%"},
    [KEY_DELAYED] = {"key_delayed", "queue:%:delayed"},
    [KEY_RUNNING] = {"key_running", "queue:%:running"},
    [KEY_DEADLINES] = {"key_deadlines", "queue:%:deadlines"},
    [KEY_DEAD] = {"key_dead", "queue:%:dead"},
    [KEY_WAKE] = {"key_wake", "queue:%:wake"},
    [KEY_TYPES] = {"key_types", "queue:%:types"},
    [KEY_WORKERS] = {"key_workers", "workers"},
    [KEY_WORKER] = {"key_worker", "worker:%"},
    [KEY_ROUTES] = {"key_routes", "routes"},
    [KEY_QUEUES] = {"key_queues", "queues"},
    [KEY_SCHEDULES] = {"key_schedules", "schedules"},
    [KEY_SCHEDULE] = {"key_schedule", "schedule:%"},
    [KEY_GATEWAYS] = {"key_gateways", "gateways"},
};

void key_make(struct buf *out, const char *prefix, enum key key, ...)
{
    va_list parts;
    va_start(parts, key);
    buf_reset(out);
    buf_puts(out, prefix);
    for (const char *c = table[key].template; *c; c++) {
        if (*c == '%')
            buf_puts(out, va_arg(parts, const char *));
        else
            buf_putc(out, *c);
    }
    va_end(parts);
}

static void lua_function(struct buf *out, const char *prefix, const char *name,
                         const char *template)
{
    static const char parameters[] = "a,b,c,d";
    size_t places = 0;
    for (const char *c = template; *c; c++)
        places += *c == '%';
    buf_printf(out, "local function %s(%.*s) return '%s", name, (int)(places ? places * 2 - 1 : 0),
               parameters, prefix);
    char place = 'a';
    for (const char *c = template; *c; c++) {
        if (*c == '%')
            buf_printf(out, "'..%c..'", place++);
        else
            buf_putc(out, *c);
    }
    buf_puts(out, "' end\n");
}

static bool calls(const char *script, const char *function)
{
    size_t length = strlen(function);
    for (const char *at = script; (at = strstr(at, function)); at += length) {
        if (at[length] == '(')
            return true;
    }
    return false;
}

void keys_lua(struct buf *out, const char *prefix, const char *script)
{
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (calls(script, table[i].function))
            lua_function(out, prefix, table[i].function, table[i].template);
    }
}
