/*
 * settings-markdown.c: print docs/settings.md (`make docs`).
 */
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct buf page = {0};
    settings_markdown(&page);
    bool good = buf_ok(&page) && fputs(buf_text(&page), stdout) >= 0 && fflush(stdout) == 0;
    buf_clear(&page);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
