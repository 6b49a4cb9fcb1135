/*
 * fuzz_job_input.c: any bytes as the body of a job, a schedule or a route; what is
 * taken lies within the table's bounds, and what is not is told why.
 */
#include "job_input.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static const char name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static void check_member(const struct job_input *input, const struct input_member *member)
{
    const char *at = (const char *)input + member->offset;
    int64_t number;
    if (member->kind == INPUT_NAME) {
        REQUIRE(strlen(at) <= (size_t)member->max && strspn(at, name_bytes) == strlen(at));
    } else if (member->kind == INPUT_INTEGER || member->kind == INPUT_TIME) {
        memcpy(&number, at, sizeof number);
        /* 0 and -1 stand for what was not given. */
        REQUIRE(number <= member->max && (number >= member->min || number == 0 || number == -1));
    }
}

static void check_payload(const char *data, size_t size, const struct job_input *input)
{
    char hash[DIGEST_SIZE];
    struct json_info info;
    struct buf line = {0};
    REQUIRE(job_input_identity(input->type, "generate_messages", input->payload, hash) ==
            STATUS_OK);
    bool plain = !input->payload.data && strcmp(input->type, JOB_INPUT_STREAM_TYPE) == 0;
    REQUIRE(plain == !*hash);
    if (!input->payload.data)
        return;
    REQUIRE(input->payload.data > data &&
            input->payload.data + input->payload.length < data + size);
    job_input_line(input->payload, &line);
    REQUIRE(buf_ok(&line) && line.length == input->payload.length);
    REQUIRE(!memchr(line.data, '\n', line.length) && json_check(line.data, line.length, &info));
    buf_clear(&line);
}

static void read_as(const char *data, size_t size, enum input_use use)
{
    struct job_input input;
    char wrong[JOB_INPUT_WRONG_SIZE] = "";
    size_t count;
    const struct input_member *members = job_input_members(&count);
    enum status status = job_input_read(data, size, use, &input, wrong);
    if (status == STATUS_BAD_INPUT) {
        REQUIRE(strlen(wrong) > 10);
        return;
    }
    REQUIRE(status == STATUS_OK && !*wrong);
    for (size_t i = 0; i < count; i++) {
        if (members[i].uses & (unsigned)use)
            check_member(&input, &members[i]);
    }
    REQUIRE(use == INPUT_ROUTE ? *input.queue : *input.type);
    REQUIRE(use != INPUT_SCHEDULE || !*input.cron == (input.every_ms > 0));
    REQUIRE(*input.feature_id && input.options.priority >= -1 && input.options.priority <= 9);
    check_payload(data, size, &input);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct json_info info;
    if (size == 0 || !json_check(data, size, &info))
        return 0;
    read_as(data, size, INPUT_JOB);
    read_as(data, size, INPUT_SCHEDULE);
    read_as(data, size, INPUT_ROUTE);
    return 0;
}
