/*
 * tokens.c: a search for one byte, and two numbers.
 */
#include "tokens.h"

#include <string.h>

static uint64_t read_number(const char **at, const char *end)
{
    uint64_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        value = value * 10 + (uint64_t)(**at - '0');
    return value;
}

bool tokens_next(const char **at, const char *end, struct token *token)
{
    const char *mark = memchr(*at, '~', (size_t)(end - *at));
    if (!mark)
        return false;
    *at = mark + 1;
    token->number = read_number(at, end);
    token->stamp_us = 0;
    if (*at < end && **at == '@') {
        (*at)++;
        token->stamp_us = (int64_t)read_number(at, end);
    }
    return true;
}

bool tokens_are_over(const char *data, size_t length)
{
    static const char ag_ui[] = "{\"type\":\"RUN_FINISHED\"";
    return (length == 6 && memcmp(data, "[DONE]", 6) == 0) ||
           (length >= sizeof ag_ui - 1 && memcmp(data, ag_ui, sizeof ag_ui - 1) == 0);
}
