/*
 * fuzz_features.c: any bytes as the file of features. What is taken is in order and can be found,
 * and each feature's object is taken by itself too, for the same; what is not is told why.
 */
#include "features.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

static void check_feature(const struct feature *f)
{
    struct buf error = {0};
    REQUIRE(strlen(f->json) == f->json_length && !strchr(f->json, '\n'));
    REQUIRE(*f->task && f->model_count <= FEATURE_MODELS_MOST &&
            f->stop_count <= FEATURE_STOPS_MOST);
    for (size_t i = 0; i < f->model_count; i++)
        REQUIRE(*f->models[i].base_url && *f->models[i].model);
    struct features *one = features_parse_one(f->json, f->json_length, &error);
    REQUIRE(one && features_count(one) == 1);
    const struct feature *again = features_at(one, 0);
    REQUIRE(strcmp(again->task, f->task) == 0 && strcmp(again->queue, f->queue) == 0);
    REQUIRE(again->model_count == f->model_count && again->on_failure == f->on_failure);
    features_release(one);
    buf_clear(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf error = {0};
    struct features *all = features_parse((const char *)data, size, &error);
    REQUIRE((all != NULL) == (error.length == 0));
    for (size_t i = 0; i < features_count(all); i++) {
        const struct feature *f = features_at(all, i);
        REQUIRE(features_find(all, f->id) == f);
        REQUIRE(i == 0 || strcmp(features_at(all, i - 1)->id, f->id) < 0);
        check_feature(f);
    }
    features_release(all);
    buf_clear(&error);
    return 0;
}
