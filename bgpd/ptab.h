/*
 * bgpd/ptab.h: the prefixes of one family: an open-addressing hash of numbered nodes.  Below the
 * RIB, which hangs paths on nodes and keeps further state in arrays by node number.
 *
 * A node's number stays while the node lives.  A slot of the hash is four bytes: the number, and six
 * bits that spare most of the looks at a wrong node.
 */
#ifndef HERALD_BGPD_PTAB_H
#define HERALD_BGPD_PTAB_H

#include <string.h>

#include "bgpd/bgpd.h"
#include "bgpd/slab.h"
#include "lib/hash.h"

enum node_flag {
	NODE_DIRTY = 1, /* waits for the decision process */
	NODE_LOCAL = 2, /* has a path of our own */
	/* As bgp_ops.aggregate was told: a bit for each source of our own. */
	NODE_TOLD_SHIFT = 4,
	NODE_TOLD = 3 << NODE_TOLD_SHIFT,
};

struct node {
	uint32_t paths; /* number of the first path; 0: none */
	uint8_t len;	/* of the prefix; NODE_FREE: not in use */
	uint8_t flags;
	uint16_t pins; /* members that still have to be told of it */
	uint8_t key[]; /* the address: 4 or 16 bytes */
};
#define NODE_FREE 0xff

struct ptab {
	struct slab nodes;
	uint32_t *slots;
	uint32_t nr_slots;
	enum bgp_family family;
	uint64_t secret; /* hash_secret() */
};

void ptab_init(struct ptab *, enum bgp_family);
void ptab_fini(struct ptab *);

/* Of the address as in struct node, and the length. */
static inline uint64_t
ptab_key_hash(const struct ptab *t, const uint8_t *key, uint8_t len)
{
	uint64_t hi, lo;
	uint32_t v4;

	if (t->family == BGP_IPV4_UNICAST) {
		memcpy(&v4, key, sizeof(v4));
		return hash_mix(((uint64_t)v4 << 8 | len) ^ t->secret);
	}
	memcpy(&hi, key, sizeof(hi));
	memcpy(&lo, key + sizeof(hi), sizeof(lo));
	return hash_mix(hash_mix(hi ^ t->secret) + lo + len);
}

static inline uint64_t
ptab_hash(const struct ptab *t, const struct prefix *p)
{
	return ptab_key_hash(t, p->addr.b, p->len);
}

/* The CPU may fetch what a search for @hash will look at first. */
static inline void
ptab_prefetch(const struct ptab *t, uint64_t hash)
{
	if (t->nr_slots)
		__builtin_prefetch(&t->slots[hash & (t->nr_slots - 1)], 1);
}

/* Likewise what a removal of this node will. */
void ptab_prefetch_node(const struct ptab *, uint32_t node);

/* The node's number, 0: not there. */
uint32_t ptab_find(const struct ptab *, const struct prefix *, uint64_t hash);
/* Likewise, made when it is not there; 0: no memory. */
uint32_t ptab_get(struct ptab *, const struct prefix *, uint64_t hash);
void ptab_remove(struct ptab *, uint32_t node);

static inline struct node *
ptab_node(const struct ptab *t, uint32_t n)
{
	return slab_at(&t->nodes, n);
}

/* Numbers go from 1 to below this; those in between may be free. */
static inline uint32_t
ptab_end(const struct ptab *t)
{
	return t->nodes.end;
}

void ptab_prefix(const struct ptab *, uint32_t node, struct prefix *);

#endif
