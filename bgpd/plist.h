/*
 * bgpd/plist.h: the prefix list of one rule, compiled: a trie in which a look-up costs the depth of
 * what covers the prefix, not the length of the list.  Below policy.c, which keeps one for each rule
 * whose list is long.
 *
 * The order of the entries does not matter: a list matches when any of them does.
 */
#ifndef HERALD_BGPD_PLIST_H
#define HERALD_BGPD_PLIST_H

#include "bgpd/bgpd.h"

struct plist_node {
	uint64_t key[2];   /* the prefix, its first bit on top; bits beyond len are zero */
	uint64_t lens[3];  /* lengths that match below it, a bit each: 0 to 128 */
	uint32_t child[2]; /* 0: none */
	uint8_t len;
};

struct plist {
	struct plist_node *nodes; /* 0 is not used; NULL: an empty list */
	uint32_t nr;
	uint32_t root[BGP_NR_FAMILIES];
};

/* @pl is overwritten.  -ENOMEM: then it is empty. */
int plist_init(struct plist *pl, const struct bgp_prefix_match *, size_t nr)
    __attribute__((warn_unused_result));
void plist_fini(struct plist *);
bool plist_has(const struct plist *, const struct prefix *);

#endif
