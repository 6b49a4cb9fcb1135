/*
 * fuzz_cron.c: any text as a cron expression. What is refused is refused in
 * words; what is taken has occasions, on whole minutes and each of its sets.
 */
#include "cron.h"

#include "calendar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void fits(const struct cron *cron, int64_t ms)
{
    int64_t day = ms / CALENDAR_DAY_MS;
    struct calendar_date date = calendar_date(day);
    bool by_day = cron->days >> date.day & 1;
    bool by_weekday = cron->weekdays >> calendar_weekday(day) & 1;
    REQUIRE(ms % 60000 == 0);
    REQUIRE(cron->minutes >> (ms / 60000 % 60) & 1);
    REQUIRE(cron->hours >> (ms / 3600000 % 24) & 1);
    REQUIRE(cron->months >> date.month & 1);
    REQUIRE(cron->either_day ? by_day || by_weekday : by_day && by_weekday);
}

/* From the first bytes as a moment on. */
static void look_ahead(const struct cron *cron, const uint8_t *bytes, size_t size)
{
    int64_t at = 0, next;
    memcpy(&at, bytes, min_size(size, sizeof at));
    at &= INT64_C(0x3fffffffffff); /* until the year 4199 */
    for (int i = 0; i < 5; i++) {
        REQUIRE(cron_next(cron, at, &next));
        REQUIRE(next > at);
        fits(cron, next);
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct cron cron;
    /* Of exactly its size, so that a sanitizer sees a read behind it. */
    char *text = malloc(size + 1);
    REQUIRE(text);
    if (size > 0)
        memcpy(text, bytes, size);
    text[size] = '\0';
    const char *wrong = cron_parse(text, &cron);
    if (wrong)
        REQUIRE(strlen(wrong) > 0 && wrong[strlen(wrong) - 1] == '.');
    else
        look_ahead(&cron, bytes, size);
    free(text);
    return 0;
}
