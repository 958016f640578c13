/*
 * l2/elect.h: who answers for an address.  A pure function, part of l2/l2.h: the same sets give the
 * same owners on every node, in whatever order they are given.
 *
 * Each address goes to one of its candidates of the highest preference: rendezvous hashing (Thaler
 * and Ravishankar, 1998) gives the order, and the first in it that has room takes the address
 * (consistent hashing with bounded loads, Mirrokni et al., 2018).  Room is ceil(1.25 * share), the
 * share of a node being what its weight is of the weights of all nodes that any address prefers.
 * Where no candidate has room, the least loaded one takes more.
 *
 * An address that has an owner stays there as long as that is a candidate, but moves when its
 * preference is not the highest any more, or as much as its owner has too many and another one has
 * room.  Of these moves, which nothing urges, a caller may allow a few at a time.
 */
#ifndef HERALD_L2_ELECT_H
#define HERALD_L2_ELECT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

#define ELECT_NONE UINT32_MAX
#define ELECT_WEIGHT_MAX 100

struct elect_node {
	const char *name; /* unlike all others */
	uint32_t weight;  /* 0: 1; more than ELECT_WEIGHT_MAX is that */
};

struct elect_candidate {
	uint32_t node; /* index */
	int32_t preference;
};

struct elect_address {
	struct addr addr; /* each once */
	const struct elect_candidate *candidates;
	size_t nr_candidates;
	uint32_t owner; /* at present: index of a node, or ELECT_NONE */
};

struct elect {
	const struct elect_node *nodes;
	size_t nr_nodes;
	const struct elect_address *addresses;
	size_t nr_addresses;
	size_t moves; /* how many that nothing urges; SIZE_MAX: all */
};

/* How a node came by an address, and why another did not. */
enum elect_why {
	ELECT_NOBODY,	      /* there is no candidate */
	ELECT_KEPT,	      /* has it already */
	ELECT_FIRST,	      /* is the first in the order of the address */
	ELECT_NEXT,	      /* those before it have no room */
	ELECT_OVER,	      /* no candidate has room, this one has the least to bear */
	ELECT_NO_ROOM,	      /* not the owner: had no room */
	ELECT_BEHIND,	      /* not the owner: comes later in the order */
	ELECT_LESS_PREFERRED, /* not the owner: others have a higher preference */
	ELECT_STAYS,	      /* not the owner: the address stays where it is */
	ELECT_NR_WHY
};
const char *elect_why_name(enum elect_why);
const char *elect_why_sentence(enum elect_why);

struct elect_owner {
	uint32_t node; /* index, or ELECT_NONE */
	enum elect_why why;
};

struct elect_sum {
	size_t moved;	/* addresses that had an owner and have another now */
	size_t pending; /* that would move, were more allowed */
};

/* Fills @owners, one for each address in their order; @sum may be NULL.  -EINVAL: an index past the
 * end; -ENOMEM. */
int elect(const struct elect *, struct elect_owner *owners, struct elect_sum *sum)
    __attribute__((warn_unused_result));

/* The candidates of an address, best first, and what became of each. */
struct elect_rank {
	uint32_t node;
	int32_t preference;
	uint64_t score;	     /* its place in the order: higher is earlier */
	uint32_t load, room; /* addresses that the node has got, and may get */
	enum elect_why why;
};
/* @ranks: room for the candidates of this address; @owners as elect() gave them.  How many there
 * are, or -ENOMEM. */
long elect_explain(const struct elect *, const struct elect_owner *owners, size_t address,
    struct elect_rank *ranks) __attribute__((warn_unused_result));

#endif
