/*
 * test_digest.c: the published vectors of FIPS 180.
 */
#include "digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_digest(const void *data, size_t length, const char *expected)
{
    char out[DIGEST_SIZE];
    memset(out, 'x', sizeof out);
    digest_sha256(data, length, out);
    assert_string_equal(out, expected);
}

static void the_published_vectors_come_out(void **state)
{
    (void)state;
    assert_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void no_bytes_have_a_digest_too(void **state)
{
    (void)state;
    const char *expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_digest("", 0, expected);
    assert_digest(NULL, 0, expected);
}

static void a_million_bytes_and_a_nul_are_all_counted(void **state)
{
    (void)state;
    char *data = malloc(1000000);
    assert_non_null(data);
    memset(data, 'a', 1000000);
    assert_digest(data, 1000000,
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(data);
    assert_digest("\0", 1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

static void sha1_is_that_of_the_standard(void **state)
{
    char out[DIGEST_SHA1_SIZE];
    (void)state;
    digest_sha1("abc", 3, out); /* FIPS 180-1, appendix A */
    assert_string_equal(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha1(NULL, 0, out);
    assert_string_equal(out, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_is_that_of_the_standard),
        cmocka_unit_test(the_published_vectors_come_out),
        cmocka_unit_test(no_bytes_have_a_digest_too),
        cmocka_unit_test(a_million_bytes_and_a_nul_are_all_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
