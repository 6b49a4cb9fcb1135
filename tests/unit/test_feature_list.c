/*
 * test_feature_list.c: what clients are told of the features, and what they are not.
 */
#include "feature_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char file[] =
    "{\"features\": {\"support\": {\"description\": \"Says \\\"hello\\\"\", \"system\": \"SECRET\","
    "\"queue\": \"SECRET\", \"models\": [{\"base_url\": \"http://SECRET\", \"model\": \"large\","
    "\"api_key_env\": \"SECRET\"}, {\"base_url\": \"http://SECRET\", \"model\": \"SECRET\"}]},"
    "\"plain\": {}}}";

static struct features *features;
static struct buf out;

static int read_file(void **state)
{
    struct buf error = {0};
    (void)state;
    features = features_parse(file, sizeof file - 1, &error);
    return features ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    features_release(features);
    buf_clear(&out);
    return 0;
}

static void a_feature_is_shown_with_its_first_model_and_no_secret(void **state)
{
    (void)state;
    buf_reset(&out);
    feature_list_put(&out, features);
    assert_string_equal(
        buf_text(&out),
        "{\"features\": [{\"id\": \"plain\", \"description\": \"\", \"task\": "
        "\"generate_messages\", "
        "\"model\": null}, {\"id\": \"support\", \"description\": \"Says \\\"hello\\\"\", "
        "\"task\": \"chat\", \"model\": \"large\"}]}\n");
}

static void each_feature_is_a_model_to_clients_of_openai(void **state)
{
    (void)state;
    buf_reset(&out);
    feature_list_put_models(&out, features, 1759312800);
    assert_string_equal(buf_text(&out), "{\"object\": \"list\", \"data\": ["
                                        "{\"id\": \"plain\", \"object\": \"model\", "
                                        "\"created\": 1759312800, \"owned_by\": \"leat\"}, "
                                        "{\"id\": \"support\", \"object\": \"model\", "
                                        "\"created\": 1759312800, \"owned_by\": \"leat\"}]}\n");
}

static void without_a_file_both_are_empty(void **state)
{
    (void)state;
    buf_reset(&out);
    feature_list_put(&out, NULL);
    feature_list_put_models(&out, NULL, 0);
    assert_string_equal(buf_text(&out),
                        "{\"features\": []}\n{\"object\": \"list\", \"data\": []}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feature_is_shown_with_its_first_model_and_no_secret),
        cmocka_unit_test(each_feature_is_a_model_to_clients_of_openai),
        cmocka_unit_test(without_a_file_both_are_empty),
    };
    return cmocka_run_group_tests(tests, read_file, release);
}
