/*
 * test_capacity.c: who is counted together, and that a limit holds exactly, in several threads too.
 */
#include "capacity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct capacity_place place_of(const struct capacity *c, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = 1};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = 2};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return capacity_place(c, (struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return capacity_place(c, (struct sockaddr *)&v6);
}

static bool same(const struct capacity *c, const char *one, const char *other)
{
    struct capacity_place a = place_of(c, one), b = place_of(c, other);
    return memcmp(&a, &b, sizeof a) == 0;
}

static void an_address_is_an_ipv4_or_the_first_half_of_an_ipv6(void **state)
{
    (void)state;
    struct capacity *c = capacity_new(10, 1);
    assert_non_null(c);
    assert_true(same(c, "10.0.0.1", "10.0.0.1"));
    assert_true(same(c, "10.0.0.1", "::ffff:10.0.0.1"));
    assert_true(same(c, "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_false(same(c, "10.0.0.1", "10.0.0.2"));
    assert_false(same(c, "10.0.0.1", "10.0.1.1"));
    assert_false(same(c, "2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert_false(same(c, "::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    capacity_free(c);
}

static void as_many_enter_as_may_and_each_place_is_given_again(void **state)
{
    (void)state;
    struct capacity *c = capacity_new(3, 0);
    struct capacity_place place = place_of(c, "10.0.0.1");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(capacity_enter(c, place), CAPACITY_ROOM);
        assert_int_equal(capacity_enter(c, place), CAPACITY_FULL);
        assert_int_equal(capacity_connections(c), 3);
        for (int i = 0; i < 3; i++)
            capacity_leave(c, place);
    }
    assert_int_equal(capacity_connections(c), 0);
    capacity_free(c);
}

static void an_address_at_its_limit_keeps_nobody_else_out(void **state)
{
    (void)state;
    struct capacity *c = capacity_new(1000, 5);
    struct capacity_place greedy = place_of(c, "10.0.0.1");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(capacity_enter(c, greedy), CAPACITY_ROOM);
        assert_int_equal(capacity_enter(c, greedy), CAPACITY_ADDRESS_FULL);
        assert_int_equal(capacity_enter(c, place_of(c, "10.0.0.2")), CAPACITY_ROOM);
        capacity_leave(c, place_of(c, "10.0.0.2"));
        assert_int_equal(capacity_connections(c), 5);
        for (int i = 0; i < 5; i++)
            capacity_leave(c, greedy);
    }
    capacity_free(c);
}

static void who_found_it_full_is_not_counted_for_the_address(void **state)
{
    (void)state;
    struct capacity *c = capacity_new(1, 2);
    struct capacity_place one = place_of(c, "10.0.0.1"), other = place_of(c, "10.0.0.2");
    assert_int_equal(capacity_enter(c, other), CAPACITY_ROOM);
    for (int i = 0; i < 10; i++)
        assert_int_equal(capacity_enter(c, one), CAPACITY_FULL);
    capacity_leave(c, other);
    assert_int_equal(capacity_enter(c, one), CAPACITY_ROOM);
    capacity_free(c);
}

/* 300 addresses at the limit, and 100,000 strangers: about 8 of these share both of their cells. */
static void strangers_are_practically_never_taken_for_another(void **state)
{
    (void)state;
    enum { GREEDY = 300, STRANGERS = 100000 };
    struct capacity *c = capacity_new(1000000, 1);
    struct sockaddr_in address = {.sin_family = AF_INET};
    int hurt = 0;
    for (uint32_t i = 0; i < GREEDY + STRANGERS; i++) {
        address.sin_addr.s_addr = htonl(0x0a000000 + i);
        struct capacity_place place = capacity_place(c, (struct sockaddr *)&address);
        enum capacity_verdict verdict = capacity_enter(c, place);
        if (i >= GREEDY && verdict == CAPACITY_ROOM)
            capacity_leave(c, place);
        hurt += i >= GREEDY && verdict != CAPACITY_ROOM;
    }
    assert_in_range(hurt, 0, 40);
    capacity_free(c);
}

/* ---- threads ---- */

static struct capacity *shared;
static atomic_int inside, most;

static void *come_and_go(void *arg)
{
    struct capacity_place place = place_of(shared, arg);
    for (int i = 0; i < 20000; i++) {
        if (capacity_enter(shared, place) != CAPACITY_ROOM)
            continue;
        int now = atomic_fetch_add(&inside, 1) + 1;
        for (int seen = most; now > seen && !atomic_compare_exchange_weak(&most, &seen, now);)
            ;
        atomic_fetch_sub(&inside, 1);
        capacity_leave(shared, place);
    }
    return NULL;
}

static void no_thread_gets_more_than_there_is(void **state)
{
    (void)state;
    static char addresses[][16] = {"10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"};
    pthread_t threads[COUNT_OF(addresses)];
    shared = capacity_new(2, 1);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, addresses[i]), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_in_range(most, 1, 2);
    assert_int_equal(capacity_connections(shared), 0);
    assert_int_equal(capacity_enter(shared, place_of(shared, "10.0.0.1")), CAPACITY_ROOM);
    assert_int_equal(capacity_enter(shared, place_of(shared, "10.0.0.1")), CAPACITY_ADDRESS_FULL);
    capacity_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_an_ipv4_or_the_first_half_of_an_ipv6),
        cmocka_unit_test(as_many_enter_as_may_and_each_place_is_given_again),
        cmocka_unit_test(an_address_at_its_limit_keeps_nobody_else_out),
        cmocka_unit_test(who_found_it_full_is_not_counted_for_the_address),
        cmocka_unit_test(strangers_are_practically_never_taken_for_another),
        cmocka_unit_test(no_thread_gets_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
