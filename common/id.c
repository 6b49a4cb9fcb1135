/*
 * id.c: libuuid for job ids, arc4random for everything else.
 */
#include "id.h"

#include <stdlib.h>
#include <uuid/uuid.h>

void id_new(char out[JOB_ID_SIZE])
{
    uuid_t uuid;
    uuid_generate_random(uuid);
    uuid_unparse_lower(uuid, out);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool id_is_uuid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; shape[i]; i++) {
        /* A text that ends early fails here, at its NUL. */
        if (shape[i] == '-' ? text[i] != '-' : !is_hex(text[i]))
            return false;
    }
    return text[sizeof shape - 1] == '\0';
}

void id_random_hex(char *out, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[arc4random_uniform(16)];
    out[digits] = '\0';
}

uint32_t id_random_below(uint32_t n)
{
    return arc4random_uniform(n);
}
