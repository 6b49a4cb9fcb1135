/*
 * capacity.c: see capacity.h. Entering adds first and looks then, cell by cell; so two
 * loops that take the last place at the same moment cannot both get it.
 */
#include "capacity.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define CELLS 32768

struct capacity {
    size_t connections_max;
    size_t address_max; /* 0: no limit, and no cells */
    uint64_t seeds[2];
    atomic_size_t connections;
    atomic_uint_least32_t cells[][CELLS];
};

struct capacity *capacity_new(size_t connections_max, size_t address_max)
{
    struct capacity *c = NULL;
    size_t halves = address_max > 0 ? COUNT_OF(c->seeds) : 0;
    c = calloc(1, sizeof *c + halves * sizeof c->cells[0]);
    if (!c)
        return NULL;
    c->connections_max = connections_max;
    c->address_max = address_max;
    /* Without a seed, which no Linux denies, only who would guess collisions gains. */
    ssize_t got = getrandom(c->seeds, sizeof c->seeds, GRND_NONBLOCK);
    (void)got;
    return c;
}

void capacity_free(struct capacity *c)
{
    free(c);
}

/* ---- places ---- */

/* What counts of an address: 4 bytes of IPv4, 8 of IPv6. */
static uint64_t counted_part(const struct sockaddr *address)
{
    uint64_t part = 0;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return v4->sin_addr.s_addr;
    }
    if (address->sa_family != AF_INET6)
        return 0;
    const struct sockaddr_in6 *v6 = (const void *)address;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        memcpy(&part, &v6->sin6_addr.s6_addr[12], 4);
    else
        memcpy(&part, &v6->sin6_addr.s6_addr[0], 8);
    return part;
}

/* Every bit of the sum depends on each of the key and of the seed. */
static uint64_t mix(uint64_t key, uint64_t seed)
{
    for (int round = 0; round < 3; round++) {
        key = (key ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
        key ^= key >> 32;
    }
    return key;
}

struct capacity_place capacity_place(const struct capacity *c, const struct sockaddr *address)
{
    struct capacity_place place = {{0, 0}};
    if (c->address_max == 0)
        return place;
    uint64_t part = counted_part(address);
    for (size_t i = 0; i < COUNT_OF(place.cells); i++)
        place.cells[i] = (uint16_t)(mix(part, c->seeds[i]) % CELLS);
    return place;
}

/* ---- counting ---- */

static size_t add_to(struct capacity *c, size_t half, struct capacity_place place)
{
    return atomic_fetch_add_explicit(&c->cells[half][place.cells[half]], 1, memory_order_relaxed);
}

static void take_from(struct capacity *c, size_t half, struct capacity_place place)
{
    atomic_fetch_sub_explicit(&c->cells[half][place.cells[half]], 1, memory_order_relaxed);
}

static void leave_address(struct capacity *c, struct capacity_place place)
{
    if (c->address_max == 0)
        return;
    take_from(c, 0, place);
    take_from(c, 1, place);
}

static bool enter_address(struct capacity *c, struct capacity_place place)
{
    if (c->address_max == 0)
        return true;
    size_t one = add_to(c, 0, place), other = add_to(c, 1, place);
    if (one < c->address_max || other < c->address_max)
        return true;
    leave_address(c, place);
    return false;
}

enum capacity_verdict capacity_enter(struct capacity *c, struct capacity_place place)
{
    if (!enter_address(c, place))
        return CAPACITY_ADDRESS_FULL;
    size_t count = atomic_load_explicit(&c->connections, memory_order_relaxed);
    while (count < c->connections_max) {
        if (atomic_compare_exchange_weak_explicit(&c->connections, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return CAPACITY_ROOM;
    }
    leave_address(c, place);
    return CAPACITY_FULL;
}

void capacity_leave(struct capacity *c, struct capacity_place place)
{
    leave_address(c, place);
    atomic_fetch_sub_explicit(&c->connections, 1, memory_order_relaxed);
}

size_t capacity_connections(const struct capacity *c)
{
    return atomic_load_explicit(&c->connections, memory_order_relaxed);
}
