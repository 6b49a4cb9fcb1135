/*
 * status.c: the one table of outcomes.
 */
#include "status.h"

#include "base.h"

static const struct {
    const char *name;
    const char *text;
} table[] = {
    [STATUS_OK] = {"ok", "done"},
    [STATUS_NO_MEMORY] = {"no_memory", "out of memory"},
    [STATUS_BAD_INPUT] = {"bad_input", "the input breaks a rule"},
    [STATUS_TOO_LONG] = {"too_long", "a limit was reached"},
    [STATUS_CLOSED] = {"closed", "no connection to Redis"},
    [STATUS_LOST] = {"lost", "the connection to Redis broke"},
    [STATUS_UNAVAILABLE] = {"unavailable", "Redis cannot serve now"},
    [STATUS_FULL] = {"full", "no room for more"},
    [STATUS_REFUSED] = {"refused", "Redis refused the command"},
    [STATUS_PROTOCOL] = {"protocol", "an answer that does not fit the question"},
    [STATUS_SYSTEM] = {"system", "the operating system refused"},
};

const char *status_name(enum status status)
{
    return (size_t)status < COUNT_OF(table) ? table[status].name : "unknown";
}

const char *status_text(enum status status)
{
    return (size_t)status < COUNT_OF(table) ? table[status].text : "unknown";
}
