/*
 * fuzz_chat_input.c: any bytes as a chat's question in each dialect; what is taken lies within
 * the table's bounds, and what is not is told why.
 */
#include "chat_input.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void check_member(const struct chat_input *input, const struct chat_member *member)
{
    const char *at = (const char *)input + member->offset;
    if (member->kind == CHAT_NAME)
        REQUIRE(job_is_name(at));
    else if (member->kind == CHAT_TEXT)
        REQUIRE(*at && strlen(at) < JOB_NAME_SIZE && json_is_utf8(at, strlen(at)));
}

static void read_as(const char *data, size_t size, enum chat_dialect dialect)
{
    struct chat_input input;
    struct chat_wrong wrong = {0};
    struct json_info info;
    size_t count;
    const struct chat_member *members = chat_input_members(&count);
    enum status status = chat_input_read(data, size, dialect, &input, &wrong);
    if (status == STATUS_BAD_INPUT) {
        REQUIRE(wrong.member && strlen(wrong.text) > 5);
        REQUIRE(strncmp(wrong.text, wrong.member, strlen(wrong.member)) == 0);
        return;
    }
    REQUIRE(status == STATUS_OK && !wrong.member);
    for (size_t i = 0; i < count; i++) {
        if (members[i].dialects & (unsigned)dialect)
            check_member(&input, &members[i]);
    }
    REQUIRE(input.messages.data > data &&
            input.messages.data + input.messages.length < data + size);
    REQUIRE(*input.messages.data == '[' &&
            json_check(input.messages.data, input.messages.length, &info));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct json_info info;
    if (size == 0 || !json_check(data, size, &info))
        return 0;
    read_as(data, size, CHAT_OPENAI);
    read_as(data, size, CHAT_AI_SDK);
    read_as(data, size, CHAT_AG_UI);
    return 0;
}
