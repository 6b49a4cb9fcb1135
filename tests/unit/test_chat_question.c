/*
 * test_chat_question.c: what clients of all dialects ask, as model servers want it.
 */
#include "failing_memory.h"

#include "chat_question.h"
#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct feature plain = {
    .system = "", .temperature = -1, .seed = -1, .on_failure = FEATURE_RESTART};
static const struct feature strict = {.system = "Be kind.",
                                      .temperature = 0.2,
                                      .max_tokens = 800,
                                      .seed = 7,
                                      .stop = {"END", "\n\n"},
                                      .stop_count = 2};

static const struct feature_model openai = {FEATURE_OPENAI, "http://127.0.0.1:1/v1", "m", "", NULL};
static const struct feature_model ollama = {FEATURE_OLLAMA, "http://127.0.0.1:1", "m", "", NULL};
static const struct feature_model openai_itself = {FEATURE_OPENAI, "https://api.openai.com/v1", "m",
                                                   "", NULL};
static const struct feature_model mistral = {FEATURE_OPENAI, "https://api.mistral.ai/v1", "m", "",
                                             NULL};
static char openai_extra[] = "{\"top_p\":0.9,\"stream_options\":null,\"options\":{\"a\":1},"
                             "\"chat_template_kwargs\":{\"think\":false}}";
static const struct feature_model openai_more = {FEATURE_OPENAI, "http://127.0.0.1:1/v1", "m", "",
                                                 openai_extra};
static char ollama_extra[] = "{\"options\":{\"num_ctx\":16384,\"temperature\":0},\"think\":true,"
                             "\"keep_alive\":\"1h\"}";
static const struct feature_model ollama_more = {FEATURE_OLLAMA, "http://127.0.0.1:1", "m", "",
                                                 ollama_extra};
static char no_tools[] = "{\"tools\":[],\"temperature\":1,\"stop\":[],\"seed\":1,\"max_tokens\":3}";
static char names[] = "{\"name\":\"n\",\"parameters\":{},\"max_tokens\":1,\"random_seed\":2}";
static const struct feature_model named = {FEATURE_OPENAI, "http://127.0.0.1:1/v1", "m", "", names};
static const struct feature_model named_openai = {FEATURE_OPENAI, "https://api.openai.com/v1", "m",
                                                  "", names};
static const struct feature_model fixed = {FEATURE_OPENAI, "http://127.0.0.1:1/v1", "m", "",
                                           no_tools};

#define OPENAI(messages, rest)                                 \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[" messages \
    "],\"stream_options\":{\"include_usage\":true}" rest "}"
#define OLLAMA(messages, options, rest)                                                           \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[" messages "],\"options\":{" options "}" rest \
    "}"
#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define ASSISTANT(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define SYSTEM(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define RESULT(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define CALL(id, name, input)                                                 \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"" input "\"}}"
#define PIXEL "data:image/png;base64,iVBORw0="

#define UI_TOOLS                                                                                 \
    "{\"id\":\"c\",\"messages\":[{\"id\":\"1\",\"role\":\"user\",\"parts\":[{\"type\":\"text\"," \
    "\"text\":\"Rome?\"}]},{\"id\":\"2\",\"role\":\"assistant\",\"metadata\":{\"usage\":{}},"    \
    "\"parts\":[{\"type\":\"step-start\"},{\"type\":\"reasoning\",\"text\":\"Hm\",\"state\":"    \
    "\"done\"},{\"type\":\"text\",\"text\":\"Let me \",\"state\":\"done\"},{\"type\":\"text\","  \
    "\"text\":\"see\"},{\"type\":\"tool-weather\",\"toolCallId\":\"a\",\"state\":"               \
    "\"output-available\",\"input\":{\"city\": \"Rome\"},\"output\":{\"sky\": \"blue\"}},"       \
    "{\"type\":\"dynamic-tool\",\"toolName\":\"now\",\"toolCallId\":\"b\",\"state\":"            \
    "\"output-error\",\"rawInput\":\"x\",\"errorText\":\"no clock\"},{\"type\":\"step-start\"}," \
    "{\"type\":\"data-note\",\"data\":1},{\"type\":\"text\",\"text\":\"It is blue\"},"           \
    "{\"type\":\"tool-ask\",\"toolCallId\":\"d\",\"state\":\"input-available\",\"input\":{}},"   \
    "{\"type\":\"tool-ask\",\"toolCallId\":\"e\",\"state\":\"input-streaming\"},"                \
    "{\"type\":\"tool-ask\",\"toolCallId\":\"f\",\"state\":\"output-denied\",\"input\":{}}]},"   \
    "{\"role\":\"assistant\",\"parts\":[]},{\"role\":\"user\",\"parts\":[{\"type\":\"text\","    \
    "\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}],\"trigger\":\"submit-message\"}"

#define AG_UI                                                                                     \
    "{\"threadId\":\"t\",\"runId\":\"r\",\"state\":{},\"messages\":[{\"id\":\"0\",\"role\":"      \
    "\"developer\",\"content\":\"Be brief.\"},{\"id\":\"1\",\"role\":\"user\",\"content\":"       \
    "\"Now?\",\"name\":\"Bo\"},{\"id\":\"2\",\"role\":\"assistant\",\"toolCalls\":[{\"id\":"      \
    "\"a\",\"type\":\"function\",\"function\":{\"name\":\"now\",\"arguments\":\"{\\\"z\\\": 1}\"" \
    "}}]},{\"id\":\"3\",\"role\":\"tool\",\"toolCallId\":\"a\",\"content\":\"noon\"},"            \
    "{\"id\":\"4\",\"role\":\"activity\",\"activityType\":\"x\",\"content\":{}}],\"tools\":["     \
    "{\"name\":\"now\",\"description\":\"The time\",\"parameters\":{\"type\": \"object\"}}],"     \
    "\"context\":[],\"forwardedProps\":{}}"

/* What is to become of them. */
/* clang-format off */
#define STEP_1 \
    "{\"role\":\"assistant\",\"content\":\"Let me see\",\"tool_calls\":[" \
    CALL("a", "weather", "{\\\"city\\\":\\\"Rome\\\"}") "," CALL("b", "now", "\\\"x\\\"") "]}"
#define STEP_2 \
    RESULT("b", "no clock") ",{\"role\":\"assistant\",\"content\":\"It is blue\",\"tool_calls\":[" \
    CALL("d", "ask", "{}") "," CALL("f", "ask", "{}") "]}," \
    RESULT("d", "The tool gave no result.") "," \
    RESULT("f", "The user did not allow this call.") "," USER("a\\nb")
#define OLLAMA_CALL(name, input) "{\"function\":{\"name\":\"" name "\",\"arguments\":" input "}}"
#define OLLAMA_RESULT(name, text) \
    "{\"role\":\"tool\",\"tool_name\":\"" name "\",\"content\":\"" text "\"}"
#define OLLAMA_STEPS \
    USER("Rome?") ",{\"role\":\"assistant\",\"content\":\"Let me see\",\"tool_calls\":[" \
    OLLAMA_CALL("weather", "{\"city\":\"Rome\"}") "," OLLAMA_CALL("now", "{}") "]}," \
    OLLAMA_RESULT("weather", "{\\\"sky\\\":\\\"blue\\\"}") "," \
    OLLAMA_RESULT("now", "no clock") \
    ",{\"role\":\"assistant\",\"content\":\"It is blue\",\"tool_calls\":[" \
    OLLAMA_CALL("ask", "{}") "," OLLAMA_CALL("ask", "{}") "]}," \
    OLLAMA_RESULT("ask", "The tool gave no result.") "," \
    OLLAMA_RESULT("ask", "The user did not allow this call.") "," USER("a\\nb")
#define NOW_ASKED \
    USER("Now?") ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" \
    CALL("a", "now", "{\\\"z\\\": 1}") "]}," RESULT("a", "noon")
#define NOW_ASKED_OLLAMA \
    USER("Now?") ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[" \
    OLLAMA_CALL("now", "{\"z\":1}") "]}," OLLAMA_RESULT("now", "noon")
#define NOW_TOOL \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"now\",\"description\":" \
    "\"The time\",\"parameters\":{\"type\":\"object\"}}}]"
/* clang-format on */

struct question {
    const char *name, *payload;
    const struct feature *feature;
    const struct feature_model *model;
    const char *partial, *body;
};

static const struct question questions[] = {
    {"a prompt", "{ \"prompt\" : \"Gr\xc3\xbc\\u00df \\\"e\\\"\" }", &plain, &openai, "",
     OPENAI(USER("Gr\xc3\xbc\xc3\x9f \\\"e\\\""), "")},
    {"OpenAI's messages and what it names beside them",
     "{\"model\":\"support\",\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":"
     "\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"\"}],\"temperature\":0.70,"
     "\"top_p\":1e-1,\"max_tokens\":9,\"stop\":\"x\",\"seed\":-3,\"n\":2,\"user\":\"u\","
     "\"reasoning_effort\":\"low\",\"response_format\":{\"type\": \"json_object\"},\"tools\":[],"
     "\"tool_choice\":\"auto\",\"logprobs\":null,\"stream\":false}",
     &plain, &openai, "",
     OPENAI(SYSTEM("S") "," USER("Hi") "," ASSISTANT(""),
            ",\"temperature\":0.70,\"top_p\":1e-1,\"max_tokens\":9,\"stop\":\"x\",\"seed\":-3,"
            "\"response_format\":{\"type\":\"json_object\"},\"reasoning_effort\":\"low\"")},
    {"the same for Ollama",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0.70,\"top_p\":0.5,"
     "\"max_completion_tokens\":9,\"stop\":[\"x\",\"y\"],\"seed\":3,\"reasoning_effort\":\"high\","
     "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
     "{\"type\": \"object\"}}}}",
     &plain, &ollama, "",
     OLLAMA(
         USER("Hi"),
         "\"temperature\":0.70,\"top_p\":0.5,\"num_predict\":9,\"stop\":[\"x\",\"y\"],\"seed\":3",
         ",\"format\":{\"type\":\"object\"},\"think\":\"high\"")},
    {"what the feature fixes goes before",
     "{\"messages\":[{\"role\":\"system\",\"content\":\"Be rude.\"},{\"role\":\"developer\","
     "\"content\":\"Now.\"},{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"system\","
     "\"content\":\"Later.\"}],\"temperature\":2,\"max_tokens\":900,\"stop\":\"x\",\"seed\":1}",
     &strict, &openai, "",
     OPENAI(SYSTEM("Be kind.\\n\\nBe rude.\\n\\nNow.") "," USER("Hi") "," SYSTEM("Later."),
            ",\"temperature\":0.2,\"max_tokens\":800,\"stop\":[\"END\",\"\\n\\n\"],\"seed\":7")},
    {"the smaller max_tokens counts", "{\"prompt\":\"Hi\",\"max_completion_tokens\":50}", &strict,
     &ollama, "",
     OLLAMA(SYSTEM("Be kind.") "," USER("Hi"),
            "\"temperature\":0.2,\"num_predict\":50,\"stop\":[\"END\",\"\\n\\n\"],\"seed\":7", "")},
    {"OpenAI itself has another name for max_tokens", "{\"prompt\":\"Hi\",\"max_tokens\":5}",
     &plain, &openai_itself, "", OPENAI(USER("Hi"), ",\"max_completion_tokens\":5")},
    {"Mistral knows no stream_options",
     "{\"prompt\":\"Hi\",\"max_completion_tokens\":5,\"seed\":1}", &plain, &mistral, "",
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" USER(
         "Hi") "],\"max_tokens\":5,\"random_seed\":1}"},
    {"what the operator puts in goes before, and in again where no name is known",
     "{\"prompt\":\"Hi\",\"top_p\":0.1,\"seed\":1}", &plain, &openai_more, "",
     "{\"model\":\"m\",\"stream\":true,\"messages\":[" USER(
         "Hi") "],\"seed\":1,\"top_p\":0.9,\"stream_options\":null,\"options\":{\"a\":1},"
               "\"chat_template_kwargs\":{\"think\":false}}"},
    {"the same for Ollama, in its options too",
     "{\"prompt\":\"Hi\",\"temperature\":1,\"seed\":1,\"reasoning_effort\":\"none\"}", &plain,
     &ollama_more, "",
     OLLAMA(USER("Hi"), "\"seed\":1,\"num_ctx\":16384,\"temperature\":0",
            ",\"think\":true,\"keep_alive\":\"1h\"")},
    {"what the operator puts in goes before the feature, too",
     "{\"prompt\":\"Hi\",\"tools\":[{\"name\":\"f\"}],\"tool_choice\":\"auto\",\"max_completion_"
     "tokens\":"
     "9}",
     &strict, &fixed, "",
     OPENAI(SYSTEM("Be kind.") "," USER("Hi"),
            ",\"tools\":[],\"temperature\":1,\"stop\":[],\"seed\":1,\"max_tokens\":3")},
    {"the members of a tool are its own", AG_UI, &plain, &named, "",
     OPENAI(SYSTEM("Be brief.") "," NOW_ASKED, "," NOW_TOOL ",\"name\":\"n\",\"parameters\":{}"
                                               ",\"max_tokens\":1,\"random_seed\":2")},
    {"one name of two is enough", "{\"prompt\":\"Hi\",\"max_tokens\":5,\"seed\":1}", &plain,
     &named_openai, "",
     OPENAI(USER("Hi"), ",\"name\":\"n\",\"parameters\":{},\"max_tokens\":1,\"random_seed\":2")},
    {"half an answer goes along", "{\"prompt\":\"Hi\"}", &plain, &openai, "It \"is",
     OPENAI(USER("Hi") "," ASSISTANT("It \\\"is"), "")},
    {"half an answer goes along to Ollama", "{\"prompt\":\"Hi\"}", &plain, &ollama, "It is",
     OLLAMA(USER("Hi") "," ASSISTANT("It is"), "", "")},
    {"content in parts stays as it is",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\": \"What?\"},"
     "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a/b.png\",\"detail\":\"low\"}}]}]}",
     &plain, &openai, "",
     OPENAI("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What?\"},{\"type\":"
            "\"image_url\",\"image_url\":{\"url\":\"https://a/b.png\",\"detail\":\"low\"}}]}",
            "")},
    {"content in parts for Ollama",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What\"},"
     "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" PIXEL "\"}},{\"type\":\"text\",\"text\":"
     "\"is it?\"}]}]}",
     &plain, &ollama, "",
     OLLAMA("{\"role\":\"user\",\"content\":\"What\\nis it?\",\"images\":[\"iVBORw0=\"]}", "", "")},
    {"AI SDK: steps, tool calls and what came of them", UI_TOOLS, &plain, &openai, "",
     OPENAI(USER("Rome?") "," STEP_1 "," RESULT("a", "{\\\"sky\\\":\\\"blue\\\"}") "," STEP_2, "")},
    {"AI SDK: the same for Ollama", UI_TOOLS, &plain, &ollama, "", OLLAMA(OLLAMA_STEPS, "", "")},
    {"AI SDK: a picture",
     "{\"messages\":[{\"role\":\"user\",\"parts\":[{\"type\":\"file\",\"mediaType\":\"image/png\","
     "\"filename\":\"a.png\",\"url\":\"" PIXEL "\"},{\"type\":\"text\",\"text\":\"What?\"}]}]}",
     &plain, &openai, "",
     OPENAI(
         "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" PIXEL
         "\"}},{\"type\":\"text\",\"text\":\"What?\"}]}",
         "")},
    {"AG-UI: messages and tools", AG_UI, &strict, &openai, "",
     OPENAI(SYSTEM("Be kind.\\n\\nBe brief.") "," NOW_ASKED,
            ",\"temperature\":0.2,\"max_tokens\":800,\"stop\":[\"END\",\"\\n\\n\"],\"seed\":7"
            "," NOW_TOOL)},
    {"AG-UI: the same for Ollama, which wants the tool's name", AG_UI, &plain, &ollama, "",
     OLLAMA(SYSTEM("Be brief.") "," NOW_ASKED_OLLAMA, "", "," NOW_TOOL)},
    {"AG-UI: pictures in their old and new form",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"binary\",\"mimeType\":"
     "\"image/png\",\"data\":\"iVBORw0=\"},{\"type\":\"image\",\"source\":{\"type\":\"url\","
     "\"value\":\"https://a/b\"}},{\"type\":\"image\",\"source\":{\"type\":\"data\",\"value\":"
     "\"iVBORw0=\",\"mimeType\":\"image/png\"}}]}]}",
     &plain, &openai, "",
     OPENAI(
         "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" PIXEL
         "\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a/b\"}},{\"type\":"
         "\"image_url\",\"image_url\":{\"url\":\"" PIXEL "\"}}]}",
         "")},
    {"OpenAI's tools and a choice",
     "{\"prompt\":\"Hi\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":"
     "true}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],\"tool_choice\":{\"type\":"
     "\"function\",\"function\":{\"name\":\"f\"}}}",
     &plain, &openai, "",
     OPENAI(USER("Hi"),
            ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}},"
            "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}],\"tool_choice\":{\"type\":"
            "\"function\",\"function\":{\"name\":\"f\"}}")},
    {"no tools by choice for Ollama",
     "{\"prompt\":\"Hi\",\"tools\":[{\"name\":\"f\"}],\"tool_choice\":\"none\",\"response_format\":"
     "{\"type\":\"json_object\"},\"reasoning_effort\":\"none\"}",
     &plain, &ollama, "", OLLAMA(USER("Hi"), "", ",\"format\":\"json\",\"think\":false")},
    {"a large number and names with escapes arrive as they were sent",
     "{\"\\u006dessages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"tools\":[{\"name\":\"f\","
     "\"parameters\":{\"maximum\":12345678901234567890}}]}",
     &plain, &openai, "",
     OPENAI(USER("Hi"), ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                        "\"parameters\":{\"maximum\":12345678901234567890}}}]")},
};

static void every_question_is_put_as_its_server_wants_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        const struct question *q = &questions[i];
        struct buf out = {0}, wrong = {0};
        struct json_info info;
        print_message("  %s\n", q->name);
        enum status status = chat_question_write(q->payload, strlen(q->payload), q->feature,
                                                 q->model, q->partial, &out, &wrong);
        assert_string_equal(buf_text(&wrong), "");
        assert_int_equal(status, STATUS_OK);
        assert_string_equal(buf_text(&out), q->body);
        assert_true(json_check(out.data, out.length, &info));
        buf_clear(&out);
        buf_clear(&wrong);
    }
}

struct mistake {
    const char *payload, *words;
};

#define MESSAGE(message) "{\"messages\":[{\"role\":\"user\",\"content\":\"\"}," message "]}"

static const struct mistake mistakes[] = {
    {"null", "payload: must be an object with messages or a prompt"},
    {"[]", "payload: must be an object with messages or a prompt"},
    {"{", "payload: must be an object with messages or a prompt"},
    {"{}", "messages: is missing, and so is a prompt"},
    {"{\"messages\":null}", "messages: is missing, and so is a prompt"},
    {"{\"messages\":\"Hi\"}", "messages: must be a list"},
    {"{\"messages\":[]}", "messages: must have at least one"},
    {"{\"prompt\":1}", "prompt: must be a text"},
    {"{\"temperature\":\"hot\"}", "temperature: must be a number"},
    {"{\"max_tokens\":0}", "max_tokens: must be a whole number of 1 or more"},
    {"{\"max_tokens\":1.5}", "max_tokens: must be a whole number of 1 or more"},
    {"{\"seed\":1e3}", "seed: must be a whole number"},
    {"{\"stop\":[1]}", "stop: must be a text or a list of at most 16 texts"},
    {"{\"tool_choice\":1}", "tool_choice: must be a text or an object"},
    {"{\"response_format\":\"json\"}", "response_format: must be an object"},
    {"{\"prompt\":\"\",\"tools\":[{}]}", "tools: each must have a name, or a function with one"},
    {"{\"prompt\":\"\",\"tools\":[1]}", "tools: each must have a name, or a function with one"},
    {MESSAGE("1"), "messages[1]: must be an object"},
    {MESSAGE("{}"), "messages[1].role: must be system, developer, user, assistant or tool"},
    {MESSAGE("{\"role\":\"bot\"}"),
     "messages[1].role: must be system, developer, user, assistant or tool"},
    {MESSAGE("{\"role\":\"user\",\"content\":1}"),
     "messages[1].content: must be a text or a list of parts"},
    {MESSAGE("{\"role\":\"user\",\"content\":[\"a\"]}"),
     "messages[1].content: each part must be an object with a type"},
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}"),
     "messages[1].content: a part of type text needs a text"},
    {MESSAGE("{\"role\":\"user\",\"parts\":1}"), "messages[1].parts: must be a list"},
    {MESSAGE("{\"role\":\"user\",\"parts\":[{}]}"),
     "messages[1].parts: each must be an object with a type"},
    {MESSAGE("{\"role\":\"user\",\"parts\":[{\"type\":\"text\"}]}"),
     "messages[1].parts: a part of type text needs a text"},
    {MESSAGE("{\"role\":\"user\",\"parts\":[{\"type\":\"file\",\"mediaType\":\"application/pdf\","
             "\"url\":\"data:\"}]}"),
     "messages[1]: a file that is no image cannot be sent to the model"},
    {MESSAGE("{\"role\":\"user\",\"parts\":[{\"type\":\"file\",\"mediaType\":\"image/png\"}]}"),
     "messages[1]: a file needs a url"},
    {MESSAGE("{\"role\":\"tool\",\"content\":\"x\"}"),
     "messages[1].tool_call_id: a message of role tool needs one"},
    {MESSAGE("{\"role\":\"assistant\",\"tool_calls\":1}"),
     "messages[1].tool_calls: must be a list"},
    {MESSAGE("{\"role\":\"assistant\",\"tool_calls\":[{}]}"),
     "messages[1].tool_calls: each needs a function with a name"},
};

static const struct mistake ollama_mistakes[] = {
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
             "\"https://a/b\"}]}"),
     "messages[1]: this model takes an image only as a data: URL in base64"},
    {MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\"}]}"),
     "messages[1].content: this model takes only text and images"},
};

static void check_mistake(const struct mistake *mistake, const struct feature_model *model)
{
    struct buf out = {0}, wrong = {0};
    enum status status = chat_question_write(mistake->payload, strlen(mistake->payload), &plain,
                                             model, "", &out, &wrong);
    assert_string_equal(buf_text(&wrong), mistake->words);
    assert_int_equal(status, STATUS_BAD_INPUT);
    buf_clear(&out);
    buf_clear(&wrong);
}

static void what_is_no_question_is_refused_by_the_members_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        check_mistake(&mistakes[i], &openai);
        check_mistake(&mistakes[i], &ollama);
    }
    for (size_t i = 0; i < COUNT_OF(ollama_mistakes); i++)
        check_mistake(&ollama_mistakes[i], &ollama);
}

/* Returns whether there was an n-th allocation. */
static bool check_failing(const struct question *q, size_t n, bool for_good)
{
    struct buf out = {0}, wrong = {0};
    memory_fails_at(n, for_good);
    enum status status = chat_question_write(q->payload, strlen(q->payload), q->feature, q->model,
                                             q->partial, &out, &wrong);
    bool failed = memory_has_failed();
    if (!failed)
        assert_string_equal(buf_text(&out), q->body);
    buf_clear(&out);
    buf_clear(&wrong);
    assert_int_equal(memory_is_back(), 0);
    assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
    return failed;
}

static void a_question_without_memory_is_said_to_be_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        for (size_t n = 1; check_failing(&questions[i], n, false); n++)
            assert_true(check_failing(&questions[i], n, true));
    }
}

/* Whatever a text is cut to, it is refused, and nothing is read behind its end. */
static void a_payload_that_was_cut_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof AG_UI - 1; length++) {
        struct buf out = {0}, wrong = {0};
        char *copy = malloc(length ? length : 1);
        memcpy(copy, AG_UI, length);
        assert_int_equal(chat_question_write(copy, length, &plain, &openai, "", &out, &wrong),
                         STATUS_BAD_INPUT);
        free(copy);
        buf_clear(&out);
        buf_clear(&wrong);
    }
}

static int64_t tokens(const char *payload)
{
    return chat_question_tokens(payload, strlen(payload));
}

static void a_questions_tokens_are_estimated_by_its_texts(void **state)
{
    (void)state;
    assert_int_equal(tokens("{\"prompt\":\"12345678\"}"), 2);
    assert_int_equal(tokens("{\"messages\":[{\"role\":\"user\",\"content\":\"12345\"}]}"), 2);
    assert_int_equal(tokens("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                            "\"text\":\"1234\"}]},{\"role\":\"assistant\",\"parts\":[{\"type\":"
                            "\"tool-x\",\"input\":{},\"output\":\"12\"}]}]}"),
                     2);
    assert_int_equal(tokens("null"), 0);
    assert_int_equal(tokens("{"), 0);
    assert_int_equal(tokens("{\"messages\":5}"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question_is_put_as_its_server_wants_it),
        cmocka_unit_test(what_is_no_question_is_refused_by_the_members_name),
        cmocka_unit_test(a_question_without_memory_is_said_to_be_one),
        cmocka_unit_test(a_payload_that_was_cut_is_refused),
        cmocka_unit_test(a_questions_tokens_are_estimated_by_its_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
