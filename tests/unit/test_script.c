/*
 * The steps' texts, put together: what each calls, each once, and nothing else.
 */
#include "lua.h"
#include "script.h"

/* cmocka.h needs these first. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

static struct script_set *set;

static int make(void **state)
{
    (void)state;
    set = script_set_new("p:");
    return set ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    script_set_free(set);
    return 0;
}

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        count++;
    return count;
}

/* The first call (or definition) of a function; key_wake( is none of wake(. */
static const char *first_call(const char *text, const char *call)
{
    for (const char *at = text; (at = strstr(at, call)); at++) {
        if (at == text || !strchr("abcdefghijklmnopqrstuvwxyz_", at[-1]))
            return at;
    }
    return NULL;
}

/* Calls check for the name, with its parenthesis, of each top-level function of a text. */
static void each_function(const char *text, void (*check)(const char *whole, const char *call))
{
    static const char head[] = "local function ";
    for (const char *at = text; (at = strstr(at, head));) {
        char call[64];
        at += strlen(head);
        snprintf(call, sizeof call, "%.*s(", (int)strcspn(at, "("), at);
        check(text, call);
    }
}

/* A function may also be handed to another one: alone(append, … */
static void is_there_once_and_called(const char *whole, const char *call)
{
    char head[96], handed[64];
    snprintf(head, sizeof head, "local function %s", call);
    snprintf(handed, sizeof handed, "(%.*s, ", (int)strlen(call) - 1, call);
    assert_int_equal(occurrences(whole, head), 1);
    if (!first_call(first_call(whole, call) + 1, call) && !strstr(whole, handed))
        fail_msg("%s is never called", call);
}

static void a_text_has_each_function_once_and_calls_it(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPT_COUNT; i++)
        each_function(script_text(set, (enum script)i), is_there_once_and_called);
}

static const char *looked_at;

static void is_defined_before_its_first_call(const char *whole, const char *call)
{
    char head[96];
    (void)whole;
    snprintf(head, sizeof head, "local function %s", call);
    const char *first = first_call(looked_at, call), *defined = strstr(looked_at, head);
    if (first && (!defined || first < defined))
        fail_msg("%s is called and not (yet) defined", call);
}

static void every_call_of_a_shared_function_finds_it(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        looked_at = script_text(set, (enum script)i);
        each_function(lua_shared, is_defined_before_its_first_call);
        each_function(lua_fsck_shared, is_defined_before_its_first_call);
    }
}

static void a_text_ends_with_its_own_file(void **state)
{
    (void)state;
    const char *text = script_text(set, SCRIPT_APPEND);
    assert_true(strlen(text) > strlen(lua_append));
    assert_string_equal(text + strlen(text) - strlen(lua_append), lua_append);
    assert_null(strstr(text, "local function bury("));
}

static void the_prefix_is_in_every_key(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *text = script_text(set, (enum script)i);
        assert_int_equal(occurrences(text, "local function key_"), occurrences(text, "return 'p:"));
    }
}

static void a_digest_is_forty_hex_digits_of_its_own(void **state)
{
    (void)state;
    struct script_set *other = script_set_new("");
    assert_non_null(other);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *digest = script_digest(set, (enum script)i);
        assert_int_equal(strlen(digest), 40);
        assert_int_equal(strspn(digest, "0123456789abcdef"), 40);
        assert_string_not_equal(digest, script_digest(other, (enum script)i));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(digest, script_digest(set, (enum script)k));
    }
    script_set_free(other);
    script_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_each_function_once_and_calls_it),
        cmocka_unit_test(every_call_of_a_shared_function_finds_it),
        cmocka_unit_test(a_text_ends_with_its_own_file),
        cmocka_unit_test(the_prefix_is_in_every_key),
        cmocka_unit_test(a_digest_is_forty_hex_digits_of_its_own),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
