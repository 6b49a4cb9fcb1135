/*
 * The file of features: what is taken, and what every mistake is told.
 */
#include "failing_memory.h"

#include "features.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL "{\"base_url\": \"http://a/v1\", \"model\": \"m\"}"

static const char whole[] =
    "{\"features\": {\"zebra\": {}, \"support\": {\n"
    "\"description\": \"Answers\", \"task\": \"talk\", \"queue\": \"llm\", \"timeout_ms\": "
    "120000,\n"
    "\"deadline_ms\": 5000, \"max_attempts\": 2, \"system\": \"Be \\u00e4 brief.\",\n"
    "\"temperature\": 0.25, \"max_tokens\": 800, \"seed\": 7, \"stop\": [\"END\", \"\\n\\n\"],\n"
    "\"models\": [{\"base_url\": \"https://api.example.org/v1\", \"model\": \"large\",\n"
    "\"api_key_env\": \"EXAMPLE_KEY\"}, {\"base_url\": \"http://ollama:11434\",\n"
    "\"api\": \"ollama\", \"model\": \"small\", \"extra_body\": {\"options\": {\"num_ctx\": "
    "16384},\n"
    "\"x\": [1.5, \"\\\\\"]}}], \"on_failure\": \"continue\",\n"
    "\"connect_timeout_ms\": 100, \"first_token_timeout_ms\": 200, \"silence_timeout_ms\": 300}}}";

static struct features *parse(const char *text, struct buf *error)
{
    return features_parse(text, strlen(text), error);
}

static void every_member_is_read(void **state)
{
    (void)state;
    struct buf error = {0};
    struct features *all = parse(whole, &error);
    assert_string_equal(buf_text(&error), "");
    assert_non_null(all);
    assert_int_equal(features_count(all), 2);
    assert_string_equal(features_at(all, 0)->id, "support");
    assert_string_equal(features_at(all, 1)->id, "zebra");
    const struct feature *f = features_find(all, "support");
    assert_ptr_equal(f, features_at(all, 0));
    assert_string_equal(f->description, "Answers");
    assert_string_equal(f->task, "talk");
    assert_string_equal(f->queue, "llm");
    assert_int_equal(f->timeout_ms, 120000);
    assert_int_equal(f->deadline_ms, 5000);
    assert_int_equal(f->max_attempts, 2);
    assert_string_equal(f->system, "Be \u00e4 brief.");
    assert_true(f->temperature == 0.25);
    assert_int_equal(f->max_tokens, 800);
    assert_int_equal(f->seed, 7);
    assert_int_equal(f->stop_count, 2);
    assert_string_equal(f->stop[1], "\n\n");
    assert_int_equal(f->model_count, 2);
    assert_string_equal(f->models[0].base_url, "https://api.example.org/v1");
    assert_int_equal(f->models[0].api, FEATURE_OPENAI);
    assert_string_equal(f->models[0].api_key_env, "EXAMPLE_KEY");
    assert_int_equal(f->models[1].api, FEATURE_OLLAMA);
    assert_string_equal(f->models[1].model, "small");
    assert_string_equal(f->models[1].api_key_env, "");
    assert_null(f->models[0].extra_body);
    assert_string_equal(f->models[1].extra_body,
                        "{\"options\":{\"num_ctx\":16384},\"x\":[1.5,\"\\\\\"]}");
    assert_int_equal(f->on_failure, FEATURE_CONTINUE);
    assert_int_equal(f->connect_timeout_ms, 100);
    assert_int_equal(f->first_token_timeout_ms, 200);
    assert_int_equal(f->silence_timeout_ms, 300);
    features_release(all);
}

static void what_is_not_given_has_its_usual_value(void **state)
{
    (void)state;
    struct buf error = {0};
    struct features *all =
        parse("{\"features\": {\"a\": {}, \"b\": {\"models\": [" MODEL "]}}}", &error);
    const struct feature *f = features_find(all, "a");
    assert_string_equal(f->json, "{}");
    assert_string_equal(f->task, "generate_messages");
    assert_string_equal(f->queue, "");
    assert_true(f->temperature == -1);
    assert_int_equal(f->seed, -1);
    assert_int_equal(f->max_tokens, 0);
    assert_int_equal(f->on_failure, FEATURE_RESTART);
    assert_int_equal(f->connect_timeout_ms, 5000);
    assert_int_equal(f->first_token_timeout_ms, 30000);
    assert_int_equal(f->silence_timeout_ms, 20000);
    assert_string_equal(features_find(all, "b")->task, "chat");
    assert_null(features_find(all, "c"));
    features_release(all);
}

static void a_features_object_is_kept_as_it_was_written_on_one_line(void **state)
{
    (void)state;
    struct buf error = {0};
    struct features *all =
        parse("{\"features\": {\"a\": {\n  \"temperature\": 0.30,\r\n  \"seed\":1e2\n}}}", &error);
    const struct feature *f = features_find(all, "a");
    assert_string_equal(f->json, "{   \"temperature\": 0.30,    \"seed\":1e2 }");
    assert_int_equal(f->json_length, strlen(f->json));
    struct features *one = features_parse_one(f->json, f->json_length, &error);
    assert_int_equal(features_count(one), 1);
    assert_int_equal(features_at(one, 0)->seed, 100);
    assert_string_equal(features_at(one, 0)->id, "");
    features_release(one);
    features_release(all);
}

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"", "is not valid JSON: "},
    {"[]", "the file is not {\"features\": {…}} and nothing else"},
    {"{\"features\": {}, \"more\": 1}", "the file is not {\"features\": {…}} and nothing else"},
    {"{\"features\": []}", "the file is not {\"features\": {…}} and nothing else"},
    {"{\"features\": {\"a b\": {}}}", "features.a b: is no name: 1 to 64 of A-Z a-z 0-9 _ . -"},
    {"{\"features\": {\"a\": {}, \"a\": {}}}", "features.a: is there twice"},
    {"{\"features\": {\"a\": 1}}", "features.a: is not an object"},
    {"{\"features\": {\"a\": {\"temprature\": 1}}}",
     "features.a.temprature: is not known; there are: description task queue"},
    {"{\"features\": {\"a\": {\"seed\": 1, \"seed\": 1}}}", "features.a.seed: is there twice"},
    {"{\"features\": {\"a\": {\"description\": 1}}}", "features.a.description: is not a text"},
    {"{\"features\": {\"a\": {\"task\": \"x y\"}}}",
     "features.a.task: is not 1 to 128 of A-Z a-z 0-9 _ . -"},
    {"{\"features\": {\"a\": {\"queue\": \"\"}}}",
     "features.a.queue: is not 1 to 128 of A-Z a-z 0-9 _ . -"},
    {"{\"features\": {\"a\": {\"timeout_ms\": 99}}}",
     "features.a.timeout_ms: is not a whole number from 100 to 604800000"},
    {"{\"features\": {\"a\": {\"timeout_ms\": 100.5}}}",
     "features.a.timeout_ms: is not a whole number from 100 to 604800000"},
    {"{\"features\": {\"a\": {\"temperature\": 1e999}}}",
     "features.a.temperature: is not a number from 0 to 2"},
    {"{\"features\": {\"a\": {\"max_attempts\": \"3\"}}}",
     "features.a.max_attempts: is not a whole number from 1 to 100"},
    {"{\"features\": {\"a\": {\"temperature\": 2.1}}}",
     "features.a.temperature: is not a number from 0 to 2"},
    {"{\"features\": {\"a\": {\"on_failure\": \"panic\"}}}",
     "features.a.on_failure: is none of restart, continue, fail"},
    {"{\"features\": {\"a\": {\"stop\": \"x\"}}}",
     "features.a.stop: is not a list of at most 8 texts"},
    {"{\"features\": {\"a\": {\"stop\": [\"\"]}}}",
     "features.a.stop: holds something that is not a text of 1 to 256 bytes"},
    {"{\"features\": {\"a\": {\"models\": {}}}}",
     "features.a.models: is not a list of at most 8 models"},
    {"{\"features\": {\"a\": {\"models\": [" MODEL ", 1]}}}",
     "features.a.models[1]: is not an object"},
    {"{\"features\": {\"a\": {\"models\": [{\"model\": \"m\"}]}}}",
     "features.a.models[0]: lacks its base_url or its model"},
    {"{\"features\": {\"a\": {\"models\": [{\"model\": \"\"}]}}}",
     "features.a.models[0].model: has not 1 to 256 bytes"},
    {"{\"features\": {\"a\": {\"models\": [{\"base_url\": \"ftp://x\"}]}}}",
     "features.a.models[0].base_url: is not a URL such as https://api.example.org/v1, without a "
     "user, ?, # or a slash at its end"},
    {"{\"features\": {\"a\": {\"models\": [{\"base_url\": \"http://u:p@x\"}]}}}",
     "features.a.models[0].base_url: is not a URL"},
    {"{\"features\": {\"a\": {\"models\": [{\"api\": \"grpc\"}]}}}",
     "features.a.models[0].api: is none of openai, ollama"},
    {"{\"features\": {\"a\": {\"models\": [{\"api_key_env\": \"sk-123\"}]}}}",
     "features.a.models[0].api_key_env: is not the name of an environment variable"},
    {"{\"features\": {\"a\": {\"models\": [{\"key\": \"k\"}]}}}",
     "features.a.models[0].key: is not known; there are: base_url api model api_key_env "
     "extra_body"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": []}]}}}",
     "features.a.models[0].extra_body: is not an object"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": {\"x\": 1, \"stream\": false}}]}}}",
     "features.a.models[0].extra_body: must not have stream"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": {\"x\": 1, \"y\": 1, \"x\": 2}}]}}}",
     "features.a.models[0].extra_body: has x twice"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": {\"options\": {\"n\": 1, \"n\": "
     "1}}}]}}}",
     "features.a.models[0].extra_body: has n twice"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": {\"seed\": 9007199254740993}}]}}}",
     "features.a.models[0].extra_body: has a number of 1e15 or more"},
    {"{\"features\": {\"a\": {\"models\": [{\"extra_body\": {\"x\": [{\"y\": -1e999}]}}]}}}",
     "features.a.models[0].extra_body: has a number of 1e15 or more"},
    {"{\"features\": {\"a\": {\"models\": [{\"api\": \"ollama\", \"model\": \"m\", \"base_url\": "
     "\"http://x\", \"extra_body\": {\"options\": [1, 2]}}]}}}",
     "features.a.models[0]: extra_body.options is not an object"},
    {"{\"features\": {\"a\": {\"models\": [{\"api\": \"ollama\", \"model\": \"m\", \"base_url\": "
     "\"http://x\", \"extra_body\": {\"options\": 1}}]}}}",
     "features.a.models[0]: extra_body.options is not an object"},
};

static void each_mistake_is_told_where_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct buf error = {0};
        assert_null(parse(mistakes[i].text, &error));
        if (strncmp(buf_text(&error), mistakes[i].error, strlen(mistakes[i].error)) != 0)
            fail_msg("%s:\n  %s", mistakes[i].text, buf_text(&error));
        buf_clear(&error);
    }
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        struct buf error = {0};
        assert_null(features_parse(whole, length, &error));
        assert_true(error.length > 0);
        buf_clear(&error);
    }
}

static void no_file_is_no_feature_and_one_that_is_not_there_an_error(void **state)
{
    (void)state;
    struct buf error = {0};
    struct features *none = features_read("", &error);
    assert_non_null(none);
    assert_int_equal(features_count(none), 0);
    assert_null(features_find(none, "a"));
    assert_null(features_find(NULL, "a"));
    features_release(none);
    assert_null(features_read("/nowhere/features.json", &error));
    assert_string_equal(buf_text(&error),
                        "FEATURES_FILE: /nowhere/features.json: No such file or directory");
    buf_clear(&error);
}

static void a_file_is_read_and_named_in_its_errors(void **state)
{
    (void)state;
    struct buf error = {0};
    char path[] = "/tmp/leat-features-XXXXXX", expected[200];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, whole, sizeof whole - 1), sizeof whole - 1);
    struct features *all = features_read(path, &error);
    assert_int_equal(features_count(all), 2);
    features_release(all);
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_null(features_read(path, &error));
    snprintf(expected, sizeof expected, "FEATURES_FILE: %s: is not valid JSON: ", path);
    assert_memory_equal(buf_text(&error), expected, strlen(expected));
    buf_reset(&error);
    static const char odd[] = "{\"features\": {\"a\\nb\": {}}}";
    assert_int_equal(pwrite(fd, odd, sizeof odd - 1, 0), sizeof odd - 1);
    assert_int_equal(ftruncate(fd, sizeof odd - 1), 0);
    assert_null(features_read(path, &error));
    assert_null(strchr(buf_text(&error), '\n'));
    assert_non_null(strstr(buf_text(&error), "features.a b: is no name"));
    buf_reset(&error);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_null(features_read(path, &error));
    snprintf(expected, sizeof expected, "FEATURES_FILE: %s: has more than 1 MiB", path);
    assert_string_equal(buf_text(&error), expected);
    buf_clear(&error);
    close(fd);
    unlink(path);
}

/* Who opens a pipe waits for a writer; a signal to look again must not stop a program. */
static void what_is_no_file_is_refused_without_a_wait(void **state)
{
    (void)state;
    struct buf error = {0};
    char folder[] = "/tmp/leat-features-XXXXXX", path[60], expected[200];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_null(features_read(path, &error));
    alarm(0);
    snprintf(expected, sizeof expected, "FEATURES_FILE: %s: is not a regular file", path);
    assert_string_equal(buf_text(&error), expected);
    buf_reset(&error);
    assert_null(features_read(folder, &error));
    assert_non_null(strstr(buf_text(&error), ": is not a regular file"));
    buf_clear(&error);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void each_of_many_is_found(void **state)
{
    (void)state;
    struct buf error = {0}, text = {0};
    char id[8];
    for (unsigned count = 0; count < 20; count++) {
        buf_reset(&text);
        buf_puts(&text, "{\"features\": {");
        for (unsigned i = 0; i < count; i++)
            buf_printf(&text, "%s\"f%02u\": {}", i > 0 ? "," : "", 2 * (i * 23 % count));
        buf_puts(&text, "}}");
        struct features *all = parse(buf_text(&text), &error);
        assert_string_equal(buf_text(&error), "");
        for (unsigned i = 0; i < 2 * count + 1; i++) {
            snprintf(id, sizeof id, "f%02u", i);
            const struct feature *f = features_find(all, id);
            assert_true((f != NULL) == (i % 2 == 0 && i < 2 * count));
            assert_true(!f || strcmp(f->id, id) == 0);
        }
        features_release(all);
    }
    buf_clear(&text);
}

static void the_last_owner_frees_them(void **state)
{
    (void)state;
    struct buf error = {0};
    struct features *all = parse(whole, &error);
    assert_ptr_equal(features_take(all), all);
    features_release(all);
    assert_int_equal(features_count(all), 2);
    features_release(all);
    assert_null(features_take(NULL));
    features_release(NULL);
}

static void without_memory_nothing_is_read_and_nothing_lost(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct buf error = {0};
        memory_fails_at(n, false);
        struct features *all = parse(whole, &error);
        bool came = all != NULL;
        features_release(all);
        buf_clear(&error);
        size_t left = memory_is_back();
        assert_int_equal(left, 0);
        if (came)
            break;
        assert_in_range(n, 1, 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_read),
        cmocka_unit_test(what_is_not_given_has_its_usual_value),
        cmocka_unit_test(a_features_object_is_kept_as_it_was_written_on_one_line),
        cmocka_unit_test(each_mistake_is_told_where_it_is),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(no_file_is_no_feature_and_one_that_is_not_there_an_error),
        cmocka_unit_test(a_file_is_read_and_named_in_its_errors),
        cmocka_unit_test(what_is_no_file_is_refused_without_a_wait),
        cmocka_unit_test(each_of_many_is_found),
        cmocka_unit_test(the_last_owner_frees_them),
        cmocka_unit_test(without_memory_nothing_is_read_and_nothing_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
