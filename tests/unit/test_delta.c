/*
 * Which messages are pieces of one text, and what they are together.
 */
#include "delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t head_of(const char *text)
{
    /* Without a byte behind it, for the sanitizers. */
    size_t length = strlen(text);
    char *copy = malloc(length);
    assert_non_null(copy);
    memcpy(copy, text, length);
    size_t head = delta_head(copy, length);
    free(copy);
    return head;
}

static void a_delta_is_known_by_its_form(void **state)
{
    static const char *const heads[] = {
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"",
        "{\"type\": \"text-delta\", \"id\": \"0\", \"delta\": \"",
        "{\"type\":\"reasoning-delta\",\"id\":\"\\\"\",\"delta\":\"",
        "{\"type\":\"tool-input-delta\",\"toolCallId\":\"call_1\",\"inputTextDelta\":\"",
        "{\"type\": \"tool-input-delta\", \"toolCallId\": \"\", \"inputTextDelta\": \"",
    };
    static const char *const texts[] = {"", "a", "\\\"", "\\\\", "\\ud83d\\ude00", "}\\\"}"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        for (size_t n = 0; n < COUNT_OF(texts); n++) {
            struct buf text = {0};
            buf_printf(&text, "%s%s\"}", heads[i], texts[n]);
            assert_int_equal(head_of(buf_text(&text)), strlen(heads[i]));
            buf_clear(&text);
        }
    }
}

static void anything_else_is_none(void **state)
{
    static const char *const others[] = {
        "{}",
        "{\"type\":\"text-delta\"}",
        "{\"type\":\"text-start\",\"id\":\"0\"}",
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":7}",
        "{\"type\":\"text-delta\",\"id\":0,\"delta\":\"a\"}",
        "{\"type\":\"text-delta\",\"delta\":\"a\",\"id\":\"0\"}",
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"a\",\"x\":\"b\"}",
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"a\" }",
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"a\"} ",
        "{\"type\":\"text-delta\",\"id\":\"0\", \"delta\":\"a\"}",
        "{\"type\" :\"text-delta\",\"id\":\"0\",\"delta\":\"a\"}",
        "{\"type\":\"text-delta\",\"toolCallId\":\"0\",\"inputTextDelta\":\"a\"}",
        "{\"id\": \"0\", \"message\": \"Message 0\"}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(head_of(others[i]), 0);
}

static void every_split_of_a_text_joins_to_the_whole(void **state)
{
    static const char *const heads[] = {
        "{\"type\":\"text-delta\",\"id\":\"0\",\"delta\":\"",
        "{\"type\": \"reasoning-delta\", \"id\": \"r\", \"delta\": \"",
        "{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"",
    };
    /* Characters: no piece ends in the middle of an escape. */
    static const char *const characters[] = {"a",       "\\\"", "\\\\", "\xc3\xa9",
                                             "\\u00e9", "}",    "\\n"};
    const size_t count = COUNT_OF(characters);
    (void)state;
    for (size_t h = 0; h < COUNT_OF(heads); h++) {
        for (unsigned cuts = 0; cuts < 1u << count; cuts++) {
            struct buf whole = {0}, joined = {0}, piece = {0};
            size_t head = strlen(heads[h]);
            buf_puts(&whole, heads[h]);
            for (size_t i = 0; i < count; i++)
                buf_puts(&whole, characters[i]);
            buf_puts(&whole, "\"}");
            buf_puts(&joined, "before");
            for (size_t i = 0; i < count;) {
                buf_reset(&piece);
                buf_puts(&piece, heads[h]);
                do
                    buf_puts(&piece, characters[i]);
                while (!(cuts >> i++ & 1) && i < count);
                buf_puts(&piece, "\"}");
                assert_int_equal(delta_head(piece.data, piece.length), head);
                if (joined.length == 6)
                    buf_add(&joined, piece.data, piece.length);
                else
                    assert_true(delta_join(&joined, head, piece.data, piece.length));
            }
            assert_memory_equal(joined.data, "before", 6);
            assert_string_equal(joined.data + 6, buf_text(&whole));
            buf_clear(&whole);
            buf_clear(&joined);
            buf_clear(&piece);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delta_is_known_by_its_form),
        cmocka_unit_test(anything_else_is_none),
        cmocka_unit_test(every_split_of_a_text_joins_to_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
