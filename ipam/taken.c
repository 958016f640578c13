/*
 * ipam/taken.c: questions to the tree of taken addresses.
 */
#include "ipam/taken.h"

#include <string.h>

ipam_key
taken_key(const struct addr *a)
{
	size_t len = addr_bits((enum addr_family)a->family) / 8;
	ipam_key key = 0;

	for (size_t i = 0; i < len; i++)
		key = key << 8 | a->b[i];
	return key;
}

struct addr
taken_addr(enum addr_family family, ipam_key key)
{
	struct addr a = { .family = (uint8_t)family };

	for (size_t i = addr_bits(family) / 8; i-- > 0; key >>= 8)
		a.b[i] = (uint8_t)(key & 0xff);
	return a;
}

static int
by_key(const struct tree_node *a, const struct tree_node *b)
{
	ipam_key x = taken_of(a)->key, y = taken_of(b)->key;

	return x < y ? -1 : x > y;
}

void
taken_init(struct tree *t)
{
	tree_init(t, by_key);
}

struct taken *
taken_find(const struct tree *t, ipam_key key)
{
	struct taken probe = { .key = key };
	struct tree_node *n = tree_find(t, &probe.node);

	return n ? taken_of(n) : NULL;
}

struct tree_node *
taken_from(const struct tree *t, ipam_key key)
{
	struct tree_node *n = t->root, *best = NULL;

	while (n) {
		if (taken_of(n)->key >= key)
			best = n;
		n = taken_of(n)->key >= key ? n->left : n->right;
	}
	return best;
}

/* How many are below @key. */
static uint64_t
rank_of(const struct tree *t, ipam_key key)
{
	const struct tree_node *n = t->root;
	uint64_t below = 0;

	while (n) {
		if (taken_of(n)->key < key) {
			below += tree_count(n->left) + 1;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return below;
}

uint64_t
taken_count(const struct tree *t, ipam_key lo, ipam_key hi)
{
	return rank_of(t, hi) + (taken_find(t, hi) ? 1 : 0) - rank_of(t, lo);
}

/*
 * Of the keys from @lo on, the i-th one (from 0) is lo + i exactly as long as there is no gap
 * before it.  So a node with rank r is reached without a gap when its distance from @lo equals
 * r - rank(lo): then the first gap lies to the right of it, else to the left.
 */
bool
taken_lowest_free(const struct tree *t, ipam_key lo, ipam_key hi, ipam_key *free)
{
	const struct tree_node *n = t->root;
	uint64_t base = rank_of(t, lo), before = 0, rank;
	ipam_key at = lo, key;

	while (n) {
		key = taken_of(n)->key;
		rank = before + tree_count(n->left);
		if (key >= lo && key - lo != rank - base) {
			n = n->left;
			continue;
		}
		if (key >= lo) {
			if (key >= hi)
				return false;
			at = key + 1;
		}
		before = rank + 1;
		n = n->right;
	}
	*free = at;
	return at <= hi;
}
