/*
 * test_routes.c: which path and method is whose, and that api/openapi.json says the same.
 */
#include "about.h"
#include "job_input.h"
#include "record.h"
#include "reply.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"

static cJSON *document;

static int read_document(void **state)
{
    (void)state;
    document = cJSON_Parse(about_openapi_text);
    return document ? 0 : -1;
}

static int free_document(void **state)
{
    (void)state;
    cJSON_Delete(document);
    return 0;
}

/* ---- finding ---- */

static const struct route *find(const char *method, const char *path, char allow[ROUTES_ALLOW_SIZE])
{
    struct request request;
    request_read_path(path, strlen(path), &request);
    return routes_find(&request, method, allow);
}

static void assert_route(const char *method, const char *path, const char *pattern)
{
    char allow[ROUTES_ALLOW_SIZE];
    const struct route *route = find(method, path, allow);
    if (!route)
        fail_msg("%s %s has no route", method, path);
    assert_string_equal(route->path, pattern);
    assert_string_equal(route->method, strcmp(method, "HEAD") == 0 ? "GET" : method);
}

static void assert_allow(const char *method, const char *path, const char *expected)
{
    char allow[ROUTES_ALLOW_SIZE];
    if (find(method, path, allow))
        fail_msg("%s %s has a route", method, path);
    assert_string_equal(allow, expected);
}

static void a_path_and_a_method_are_one_route(void **state)
{
    (void)state;
    assert_route("POST", "/stream?feature_id=a", "/stream");
    assert_route("HEAD", "/stream", "/stream");
    assert_route("POST", "/jobs", "/jobs");
    assert_route("GET", "/jobs/" UUID, "/jobs/{id}");
    assert_route("HEAD", "/jobs/" UUID, "/jobs/{id}");
    assert_route("GET", "/jobs/anything", "/jobs/{id}");
    assert_route("POST", "/jobs/" UUID "/retry", "/jobs/{id}/retry");
    assert_route("POST", "/jobs/retry", "/jobs/retry");
    assert_route("POST", "/queues/retry/pause", "/queues/{queue}/pause");
    assert_route("PUT", "/schedules/x", "/schedules/{name}");
    assert_route("POST", "/v1/chat/completions", "/v1/chat/completions");
    assert_route("POST", "/ai-sdk/f", "/ai-sdk/{feature}");
    assert_route("DELETE", "/ai-sdk/f/stream", "/ai-sdk/{feature}/{chat}");
    assert_route("GET", "/ai-sdk/f/c/stream", "/ai-sdk/{feature}/{chat}/stream");
}

static void another_method_is_told_those_that_there_are(void **state)
{
    (void)state;
    assert_allow("PUT", "/stream", "POST, GET, HEAD, DELETE, OPTIONS");
    assert_allow("OPTIONS", "/stream", "POST, GET, HEAD, DELETE, OPTIONS");
    assert_allow("get", "/stream", "POST, GET, HEAD, DELETE, OPTIONS");
    assert_allow("POST", "/livez", "GET, HEAD, OPTIONS");
    assert_allow("GET", "/jobs/retry", "POST, OPTIONS");
    assert_allow("HEAD", "/jobs/" UUID "/retry", "POST, OPTIONS");
    assert_allow("POST", "/routes/f", "GET, HEAD, PUT, DELETE, OPTIONS");
    assert_allow("POST", "/schedules/n", "GET, HEAD, PUT, DELETE, OPTIONS");
    assert_allow("", "/workers", "GET, HEAD, OPTIONS");
}

static void what_is_no_path_of_ours_has_no_methods(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "//",        "/page",         "/page/",         "/page/a/b",        "",
        "*",         "/jobs/",        "/jobs/../",      "/jobs/a/b",        "//jobs",
        "/jobs%2fa", "/jobs//",       "/Jobs",          "/queues/q/pause/", "/jobs/a/retry/b",
        "/stream/",  "/openapi",      "/openapi.json/", "/jobs\\a",         "/queues/q/%70ause",
        "/v1/chat/", "/ai-sdk/f/c/d", "/ag-ui/",
    };
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        assert_allow("GET", paths[i], "");
    char path[400];
    memset(path, 'a', sizeof path);
    memcpy(path, "/schedules/", 11);
    path[300] = '\0';
    assert_allow("GET", path, "");
}

/* ---- the document ---- */

static const cJSON *at(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!member)
        fail_msg("openapi.json: no member %s", name);
    return member;
}

static const char *text_at(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(at(object, name));
}

/* What stands there, or what it refers to within the document. */
static const cJSON *resolve(const cJSON *object)
{
    const cJSON *reference = cJSON_GetObjectItemCaseSensitive(object, "$ref");
    if (!reference)
        return object;
    char path[200];
    snprintf(path, sizeof path, "%s", cJSON_GetStringValue(reference));
    const cJSON *found = document;
    char *rest, *part = strtok_r(path, "/", &rest); /* the # */
    while ((part = strtok_r(NULL, "/", &rest)))
        found = at(found, part);
    return found;
}

static const cJSON *schema(const char *name)
{
    return at(at(at(document, "components"), "schemas"), name);
}

static const cJSON *operation_of(const struct route *route)
{
    char method[16];
    size_t length = strlen(route->method);
    for (size_t i = 0; i <= length; i++)
        method[i] = (char)(route->method[i] | (route->method[i] ? 0x20 : 0));
    return at(at(at(document, "paths"), route->path), method);
}

static void the_document_has_each_route_and_no_other(void **state)
{
    (void)state;
    size_t count, documented = 0;
    const struct route *table = routes_table(&count);
    for (size_t i = 0; i < count; i++)
        assert_non_null(operation_of(&table[i]));
    const cJSON *path;
    cJSON_ArrayForEach(path, at(document, "paths")) documented += (size_t)cJSON_GetArraySize(path);
    assert_int_equal(documented, count);
    assert_string_equal(text_at(at(document, "info"), "version"), LEAT_VERSION);
}

static bool documents(const cJSON *operation, const char *in, const char *name)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(operation, "parameters"))
    {
        const cJSON *parameter = resolve(one);
        if (strcmp(text_at(parameter, "in"), in) == 0 &&
            strcmp(text_at(parameter, "name"), name) == 0)
            return true;
    }
    return false;
}

static bool is_in_path(const char *path, const char *name)
{
    char braced[64];
    snprintf(braced, sizeof braced, "{%s}", name);
    return strstr(path, braced);
}

static void the_document_has_each_parameter_and_no_other(void **state)
{
    (void)state;
    size_t count;
    const struct route *table = routes_table(&count);
    for (size_t i = 0; i < count; i++) {
        const cJSON *operation = operation_of(&table[i]);
        int expected = 0;
        for (size_t p = 0; p < PARAMETER_COUNT; p++) {
            const char *name = parameter_name((enum parameter)p);
            bool in_query = table[i].parameters & REQUEST_READS(p);
            bool in_path = is_in_path(table[i].path, name);
            if (documents(operation, "query", name) != in_query ||
                documents(operation, "path", name) != in_path)
                fail_msg("%s %s: %s", table[i].method, table[i].path, name);
            expected += in_query + in_path;
        }
        bool cursor = table[i].needs & ROUTE_CURSOR, key = table[i].needs & ROUTE_KEY;
        bool chat = table[i].needs & ROUTE_NAMES;
        assert_int_equal(documents(operation, "header", "Last-Event-ID"), cursor);
        assert_int_equal(documents(operation, "header", "Idempotency-Key"), key);
        assert_int_equal(documents(operation, "header", "Leat-Chat"), chat);
        const cJSON *all = cJSON_GetObjectItemCaseSensitive(operation, "parameters");
        assert_int_equal(all ? cJSON_GetArraySize(all) : 0, expected + cursor + key + chat);
    }
}

static void the_document_says_where_a_body_belongs(void **state)
{
    (void)state;
    size_t count;
    const struct route *table = routes_table(&count);
    for (size_t i = 0; i < count; i++) {
        const cJSON *body =
            cJSON_GetObjectItemCaseSensitive(operation_of(&table[i]), "requestBody");
        assert_int_equal(body != NULL, (table[i].needs & ROUTE_BODY) != 0);
        if (body)
            assert_int_equal(cJSON_IsTrue(at(body, "required")),
                             (table[i].needs & ROUTE_NEEDS_BODY) != 0);
    }
}

/* ---- bounds ---- */

static int64_t number_at(const cJSON *object, const char *name)
{
    return (int64_t)at(object, name)->valuedouble;
}

static void compare_bounds(const struct input_member *member, const cJSON *property)
{
    const cJSON *rule = resolve(property);
    switch (member->kind) {
    case INPUT_NAME:
        assert_string_equal(text_at(rule, "pattern"), "^[A-Za-z0-9_.-]{1,128}$");
        /* fall through */
    case INPUT_CRON:
        assert_string_equal(text_at(rule, "type"), "string");
        assert_int_equal(number_at(rule, "minLength"), member->min);
        assert_int_equal(number_at(rule, "maxLength"), member->max);
        break;
    case INPUT_INTEGER:
        assert_string_equal(text_at(rule, "type"), "integer");
        assert_int_equal(number_at(rule, "minimum"), member->min);
        assert_int_equal(number_at(rule, "maximum"), member->max);
        break;
    case INPUT_TIME:
        assert_string_equal(text_at(rule, "format"), "date-time");
        break;
    case INPUT_MISSED:
        assert_int_equal(cJSON_GetArraySize(at(rule, "enum")), 2);
        break;
    case INPUT_ANY:
        assert_null(cJSON_GetObjectItemCaseSensitive(rule, "type"));
        break;
    }
}

static bool requires(const cJSON *object, const char *name)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(object, "required"))
    {
        if (strcmp(cJSON_GetStringValue(one), name) == 0)
            return true;
    }
    return false;
}

static void compare_input(const char *name, enum input_use use)
{
    size_t count, expected = 0;
    const struct input_member *members = job_input_members(&count);
    const cJSON *object = schema(name), *properties = at(object, "properties");
    for (size_t i = 0; i < count; i++) {
        if (!(members[i].uses & use))
            continue;
        expected++;
        compare_bounds(&members[i], at(properties, members[i].name));
        assert_int_equal(requires(object, members[i].name), (members[i].required & use) != 0);
    }
    assert_int_equal(cJSON_GetArraySize(properties), expected);
    assert_true(cJSON_IsFalse(at(object, "additionalProperties")));
}

static void the_document_has_the_bounds_of_every_member(void **state)
{
    (void)state;
    compare_input("JobInput", INPUT_JOB);
    compare_input("ScheduleInput", INPUT_SCHEDULE);
    compare_input("RouteInput", INPUT_ROUTE);
    const cJSON *limit = at(at(at(at(document, "components"), "parameters"), "Limit"), "schema");
    assert_int_equal(number_at(limit, "minimum"), 1);
    assert_int_equal(number_at(limit, "maximum"), REQUEST_LIMIT_MOST);
    assert_int_equal(number_at(limit, "default"), REQUEST_LIMIT_STANDARD);
    assert_int_equal(REQUEST_LIMIT_MOST, ADMIN_PAGE_MOST);
}

static void the_document_has_the_members_of_every_record(void **state)
{
    (void)state;
    static const char *const names[] = {
        [RECORD_JOB] = "Job",
        [RECORD_QUEUE] = "Queue",
        [RECORD_WORKER] = "Worker",
        [RECORD_SCHEDULE] = "Schedule",
    };
    for (size_t kind = 0; kind < RECORD_KINDS; kind++) {
        const cJSON *properties = at(schema(names[kind]), "properties");
        size_t count = 0;
        for (const char *name; (name = record_member((enum record_kind)kind, count)); count++)
            assert_non_null(at(properties, name));
        assert_int_equal(cJSON_GetArraySize(properties), count);
    }
}

static void the_document_has_every_problem(void **state)
{
    (void)state;
    const cJSON *types = at(at(at(schema("Problem"), "properties"), "type"), "enum");
    assert_int_equal(cJSON_GetArraySize(types), PROBLEM_COUNT);
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        char urn[80];
        bool found = false;
        snprintf(urn, sizeof urn, "urn:leat:problem:%s", reply_problem_name((enum problem)i));
        const cJSON *one;
        cJSON_ArrayForEach(one, types) found = found || strcmp(cJSON_GetStringValue(one), urn) == 0;
        if (!found)
            fail_msg("openapi.json: no problem %s", urn);
    }
}

static void the_document_has_every_state(void **state)
{
    (void)state;
    const cJSON *states = at(schema("State"), "enum"), *one;
    assert_int_equal(cJSON_GetArraySize(states), JOB_EXPIRED);
    cJSON_ArrayForEach(one, states)
    {
        const char *name = cJSON_GetStringValue(one);
        assert_int_not_equal(job_state_read(name, strlen(name)), JOB_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_and_a_method_are_one_route),
        cmocka_unit_test(another_method_is_told_those_that_there_are),
        cmocka_unit_test(what_is_no_path_of_ours_has_no_methods),
        cmocka_unit_test(the_document_has_each_route_and_no_other),
        cmocka_unit_test(the_document_has_each_parameter_and_no_other),
        cmocka_unit_test(the_document_says_where_a_body_belongs),
        cmocka_unit_test(the_document_has_the_bounds_of_every_member),
        cmocka_unit_test(the_document_has_the_members_of_every_record),
        cmocka_unit_test(the_document_has_every_problem),
        cmocka_unit_test(the_document_has_every_state),
    };
    return cmocka_run_group_tests(tests, read_document, free_document);
}
