/*
 * ipam/pool.h: the pools: their blocks, who is in conflict with whom, and which pool an address
 * lies in.  Knows no claims; only counts what is held from each pool.
 */
#ifndef HERALD_IPAM_POOL_H
#define HERALD_IPAM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipam/ipam.h"
#include "ipam/taken.h"

struct pool_block {
	enum addr_family family;
	ipam_key lo, hi;	   /* all of it */
	ipam_key free_lo, free_hi; /* what may be given out of it */
};

/* A pool, or only its name while something (a claim, an address held) still speaks of it. */
struct pool {
	char *name;
	size_t refs; /* claims that may use it, addresses held from it, and the list of pools */
	size_t held;
	bool present; /* in the list of pools */
	bool disabled, conflicting;
	bool avoid_buggy;
	bool renumber; /* this and the next are as last known when it is gone */
	uint64_t reuse_ms;
	uint32_t rank;
	int64_t created;
	struct pool_block *blocks; /* in address order */
	size_t nr_blocks;
	const struct pool *rival;   /* when conflicting; itself when its own blocks overlap */
	struct pool_block clash[2]; /* this one's block, and the rival's */
};

/* A block of a pool that is not in conflict: all of these are disjoint. */
struct pool_slot {
	const struct pool_block *block;
	struct pool *pool;
};

struct pools {
	struct pool **all; /* by name */
	size_t nr, cap;
	struct pool_slot *index; /* by address */
	size_t nr_index;
	bool ranked; /* not all are of one rank: name order is not the order */
};

void pools_init(struct pools *);
void pools_fini(struct pools *);
/* Take the list of pools as it is given; errors as of ipam_pools_set(). */
int pools_assign(struct pools *, const struct ipam_pool *, size_t nr);

/* The pool of that name, made when there is none; with a reference.  NULL: out of memory. */
struct pool *pool_ref_name(struct pools *, const char *name, size_t len);
struct pool *pool_find(const struct pools *, const char *name);
void pool_ref(struct pool *);
void pool_unref(struct pools *, struct pool *); /* NULL is fine */

/* The block of @p that has the address, or NULL. */
const struct pool_block *pool_block_of(const struct pool *, enum addr_family, ipam_key);
/* Is the address, which is in @b, one that its pool gives? */
bool pool_gives(const struct pool *, const struct pool_block *b, ipam_key);
/* The lowest one in @b that it gives and that is not taken; false: there is none. */
bool pool_lowest_free(
    const struct pool *, const struct tree *taken, const struct pool_block *b, ipam_key *free);
/* The pool not in conflict that has the address, and the block in *@block; or NULL. */
struct pool *pools_lookup(
    const struct pools *, enum addr_family, ipam_key, const struct pool_block **block);
/* Likewise among all that are there, those in conflict too. */
struct pool *pools_lookup_any(const struct pools *, enum addr_family, ipam_key);
bool pool_has_family(const struct pool *, enum addr_family);
void pool_info(const struct pool *, const struct tree taken[], const struct tree resting[],
    struct ipam_pool_info *);

#endif
