/*
 * fuzz_chat_question.c: any payload as a question to a model server.
 *
 * Input: a byte that says which server, which feature and whether half an answer goes along, then
 * the payload.
 */
#include "chat_question.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static const struct feature features[] = {
    {.system = "", .temperature = -1, .seed = -1},
    {.system = "Be kind.",
     .temperature = 0.2,
     .max_tokens = 800,
     .seed = 7,
     .stop = {"END"},
     .stop_count = 1},
};

static char extra[] =
    "{\"options\":{\"num_ctx\":1,\"seed\":1},\"think\":true,\"top_p\":1,\"name\":1}";
static const struct feature_model models[] = {
    {FEATURE_OPENAI, "http://127.0.0.1/v1", "m", "", NULL},
    {FEATURE_OLLAMA, "http://127.0.0.1", "m", "", NULL},
    {FEATURE_OPENAI, "https://api.mistral.ai/v1", "m", "", NULL},
    {FEATURE_OPENAI, "http://127.0.0.1/v1", "m", "", extra},
    {FEATURE_OLLAMA, "http://127.0.0.1", "m", "", extra},
};

/* What is put around the payload's values may make it deeper than is taken from strangers. */
static bool is_json(const struct buf *text)
{
    struct json_info info;
    return json_check(buf_text(text), text->length, &info) || strstr(info.reason, "nested");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *payload = (const char *)data + 1;
    const struct feature *feature = &features[data[0] & 1];
    const struct feature_model *model = &models[(data[0] >> 1) % COUNT_OF(models)];
    struct buf out = {0}, wrong = {0};
    enum status status = chat_question_write(payload, size - 1, feature, model,
                                             data[0] & 0x80 ? "It \"is" : "", &out, &wrong);
    REQUIRE(status == STATUS_OK || status == STATUS_BAD_INPUT);
    REQUIRE((status == STATUS_OK) == (wrong.length == 0));
    REQUIRE(status != STATUS_OK || is_json(&out));
    REQUIRE(!strpbrk(buf_text(&out), "\r\n"));
    REQUIRE(json_is_utf8(buf_text(&wrong), wrong.length));
    REQUIRE(chat_question_tokens(payload, size - 1) >= 0);
    buf_clear(&out);
    buf_clear(&wrong);
    return 0;
}
