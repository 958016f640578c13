/*
 * ipam/taken.h: the addresses of one family that are taken, whoever has them, in an ordered tree.
 * Free ones take no memory: the lowest free address is found by comparing ranks with distances.
 */
#ifndef HERALD_IPAM_TAKEN_H
#define HERALD_IPAM_TAKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "ipam/tree.h"
#include "lib/addr.h"

/* An address as a number of its family. */
__extension__ typedef unsigned __int128 ipam_key;

/* Embed it as the first member of what holds the address. */
struct taken {
	struct tree_node node;
	ipam_key key;
};

static inline struct taken *
taken_of(const struct tree_node *n)
{
	return TREE_ENTRY(n, struct taken, node);
}

ipam_key taken_key(const struct addr *);
struct addr taken_addr(enum addr_family, ipam_key);

void taken_init(struct tree *);
struct taken *taken_find(const struct tree *, ipam_key);
/* The first one from @key on, or NULL. */
struct tree_node *taken_from(const struct tree *, ipam_key);
/* How many are taken in [lo, hi]. */
uint64_t taken_count(const struct tree *, ipam_key lo, ipam_key hi);
/* The lowest address in [lo, hi] that is not taken; false: all are. */
bool taken_lowest_free(const struct tree *, ipam_key lo, ipam_key hi, ipam_key *free);

#endif
