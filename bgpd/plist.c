/*
 * bgpd/plist.c: a prefix list as a trie; see plist.h.
 *
 * A path-compressed binary trie.  A node that an entry of the list made has the lengths that entries
 * of this prefix ask for; a node where two ways part may have none.
 */
#include "bgpd/plist.h"

#include <errno.h>
#include <string.h>

#include "lib/mem.h"

struct plist_key {
	uint64_t w[2];
	unsigned len;
};

static struct plist_key
key_of(const struct prefix *p)
{
	struct plist_key k = { .len = p->len };

	for (unsigned i = 0; i < 8; i++) {
		k.w[0] = k.w[0] << 8 | p->addr.b[i];
		k.w[1] = k.w[1] << 8 | p->addr.b[i + 8];
	}
	return k;
}

/* The first @len bits; host bits of a prefix that a person wrote do not count. */
static void
key_mask(struct plist_key *k)
{
	if (k->len < 64)
		k->w[0] &= k->len ? ~0ull << (64 - k->len) : 0;
	if (k->len < 128)
		k->w[1] &= k->len > 64 ? ~0ull << (128 - k->len) : 0;
}

static unsigned
key_bit(const uint64_t w[2], unsigned at)
{
	return (unsigned)(w[at / 64] >> (63 - at % 64) & 1);
}

/* How many leading bits are the same. */
static unsigned
common_bits(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return (unsigned)__builtin_clzll(a[0] ^ b[0]);
	return a[1] != b[1] ? 64 + (unsigned)__builtin_clzll(a[1] ^ b[1]) : 128;
}

static enum bgp_family
family_of(const struct prefix *p)
{
	return p->addr.family == ADDR_V4 ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
}

static uint32_t
node_add(struct plist *pl, const struct plist_key *k, unsigned len)
{
	struct plist_key cut = { .w = { k->w[0], k->w[1] }, .len = len };
	struct plist_node *n = &pl->nodes[++pl->nr];

	key_mask(&cut);
	n->key[0] = cut.w[0];
	n->key[1] = cut.w[1];
	n->len = (uint8_t)len;
	return pl->nr;
}

/* The node of this very prefix, made when it is not there. */
static struct plist_node *
node_get(struct plist *pl, uint32_t *at, const struct plist_key *k)
{
	while (*at) {
		struct plist_node *n = &pl->nodes[*at];
		unsigned same = common_bits(n->key, k->w);
		uint32_t above;

		if (same >= n->len && n->len < k->len) {
			at = &n->child[key_bit(k->w, n->len)];
			continue;
		}
		if (same >= n->len && n->len == k->len)
			return n;
		/* The new one is above this one, or both part below one that is new as well. */
		above = node_add(pl, k, same < k->len ? same : k->len);
		pl->nodes[above].child[key_bit(n->key, pl->nodes[above].len)] = *at;
		*at = above;
		if (pl->nodes[above].len == k->len)
			return &pl->nodes[above];
		at = &pl->nodes[above].child[key_bit(k->w, pl->nodes[above].len)];
	}
	*at = node_add(pl, k, k->len);
	return &pl->nodes[*at];
}

int
plist_init(struct plist *pl, const struct bgp_prefix_match *list, size_t nr)
{
	*pl = (struct plist){ 0 };
	if (!nr)
		return 0;
	if (nr > UINT32_MAX / 4)
		return -ENOMEM;
	/* An entry makes its own node and at most one where ways part; 0 is not used. */
	pl->nodes = mem_calloc(2 * nr + 1, sizeof(*pl->nodes));
	if (!pl->nodes)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct plist_key k = key_of(&list[i].prefix);
		struct plist_node *n;

		key_mask(&k);
		n = node_get(pl, &pl->root[family_of(&list[i].prefix)], &k);
		for (unsigned len = list[i].ge; len <= list[i].le && len <= 128; len++)
			n->lens[len / 64] |= 1ull << len % 64;
	}
	return 0;
}

void
plist_fini(struct plist *pl)
{
	mem_free(pl->nodes);
	*pl = (struct plist){ 0 };
}

bool
plist_has(const struct plist *pl, const struct prefix *p)
{
	const struct plist_key k = key_of(p);
	const unsigned word = k.len / 64, bit = k.len % 64;

	for (uint32_t i = pl->root[family_of(p)]; i;) {
		const struct plist_node *n = &pl->nodes[i];

		if (n->len > k.len || common_bits(n->key, k.w) < n->len)
			return false;
		if (n->lens[word] >> bit & 1)
			return true;
		if (n->len == k.len)
			return false;
		i = n->child[key_bit(k.w, n->len)];
	}
	return false;
}
