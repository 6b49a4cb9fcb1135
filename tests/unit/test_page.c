/*
 * test_page.c: the page's files, and whether a browser's copy is still right.
 */
#include "page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_file_has_a_type_a_tag_and_a_text(void **state)
{
    (void)state;
    assert_true(page_files_count > 5);
    for (size_t i = 0; i < page_files_count; i++) {
        const struct page_file *file = &page_files[i];
        assert_ptr_equal(page_find(file->name), file);
        assert_null(strstr(page_type(file->name), "text/plain"));
        assert_int_equal(strlen(file->etag), 34);
        assert_int_equal(file->etag[0], '"');
        assert_int_equal(file->etag[33], '"');
        assert_true(strlen(file->text) > 100);
    }
    assert_non_null(page_find("index.html"));
    assert_null(page_find("index"));
    assert_null(page_find(""));
}

static void a_file_is_embedded_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < page_files_count; i++) {
        char path[200], text[100000];
        snprintf(path, sizeof path, "api/page/%s", page_files[i].name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = '\0';
        assert_string_equal(page_files[i].text, text);
    }
}

static void the_front_asks_for_files_that_there_are(void **state)
{
    (void)state;
    size_t found = 0;
    for (const char *at = page_find("index.html")->text; (at = strstr(at, "\"page/")); found++) {
        char name[64];
        at += strlen("\"page/");
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "\""), at);
        assert_non_null(page_find(name));
    }
    assert_true(found >= 3);
}

static void a_copy_is_known_by_its_tag(void **state)
{
    (void)state;
    assert_true(page_is_known("\"ab\"", "\"ab\""));
    assert_true(page_is_known("W/\"ab\"", "\"ab\""));
    assert_true(page_is_known("\"x\", W/\"y\",\t\"ab\" ", "\"ab\""));
    assert_true(page_is_known("*", "\"ab\""));
    assert_true(page_is_known(" *", "\"ab\""));
}

static void another_tag_is_not_known(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",        " ",      ",",  "ab",         "\"ab",         "\"a\"",
        "\"abc\"", "\"AB\"", "W/", "W/W/\"ab\"", "\"x\", \"y\"",
    };
    assert_false(page_is_known(NULL, "\"ab\""));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(page_is_known(others[i], "\"ab\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_has_a_type_a_tag_and_a_text),
        cmocka_unit_test(a_file_is_embedded_byte_for_byte),
        cmocka_unit_test(the_front_asks_for_files_that_there_are),
        cmocka_unit_test(a_copy_is_known_by_its_tag),
        cmocka_unit_test(another_tag_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
