/**
 * capacity.h: how many connections there may be, in all loops together.
 *
 * One counter for all of them, so that no loop turns a client away while another has
 * room; and, where there is a limit for each address, a table of counters of a fixed
 * size. An address has a cell in each of its two halves, by two hashes with a seed
 * of their own, and is over the limit only when both cells are: a stranger to whom
 * that happens needs to share a cell with somebody at the limit twice. With k
 * addresses at the limit that is (k / 32768)², one in a billion for one of them, one in
 * ten thousand for 300.
 *
 * IPv6 counts by /64, what a household or a machine has; IPv4 in IPv6 as IPv4.
 *
 * Thread: any; no lock, relaxed atomics. capacity_new and capacity_free: main, while no loop runs.
 */
#ifndef LEAT_CAPACITY_H
#define LEAT_CAPACITY_H

#include "base.h"

struct sockaddr;
struct capacity;

/* An address's cells. */
struct capacity_place {
    uint16_t cells[2];
};

enum capacity_verdict {
    CAPACITY_ROOM,
    CAPACITY_FULL,         /* as many connections as there may be */
    CAPACITY_ADDRESS_FULL, /* as many of this address */
};

/* capacity_new(connections_max, address_max): gives; address_max 0: no such limit. NULL: no memory.
 */
MUST_CHECK struct capacity *capacity_new(size_t connections_max, size_t address_max);

/* capacity_free(c): nobody enters or leaves any more. NULL is harmless. */
void capacity_free(struct capacity *c);

/* capacity_place(c, address): where a client of this address is counted. Borrows address. */
struct capacity_place capacity_place(const struct capacity *c, const struct sockaddr *address);

/* capacity_enter(c, place): count one more, if it is CAPACITY_ROOM; then capacity_leave is due. */
MUST_CHECK enum capacity_verdict capacity_enter(struct capacity *c, struct capacity_place place);

/* capacity_leave(c, place): one less. */
void capacity_leave(struct capacity *c, struct capacity_place place);

/* capacity_connections(c): how many there are now. */
size_t capacity_connections(const struct capacity *c);

#endif
