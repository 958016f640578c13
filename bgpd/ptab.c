/*
 * bgpd/ptab.c: the prefixes of one family: an open-addressing hash of numbered nodes, below the RIB.
 */
#include "bgpd/ptab.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/mem.h"

#define ID_BITS 26
#define ID_MASK ((1u << ID_BITS) - 1)

static size_t
key_len(const struct ptab *t)
{
	return t->family == BGP_IPV4_UNICAST ? 4 : 16;
}

void
ptab_init(struct ptab *t, enum bgp_family family)
{
	*t = (struct ptab){ .family = family, .secret = hash_secret() };
	slab_init(&t->nodes, sizeof(struct node) + key_len(t));
}

void
ptab_fini(struct ptab *t)
{
	slab_fini(&t->nodes);
	mem_free(t->slots);
	t->slots = NULL;
	t->nr_slots = 0;
}

/*
 * A slot: how far it is from where its hash points (FAR: that far or more), three more bits of the
 * hash, the node's number.  The distance tells most strangers apart in a search, and where an entry
 * may move in a removal, both without a look at the node.
 */
#define FAR 7u

static uint32_t
slot_mark(uint64_t hash, uint32_t distance)
{
	uint32_t d = distance < FAR ? distance : FAR;

	return d << 29 | (uint32_t)(hash >> 61) << ID_BITS;
}

/* The slot where @p is, or the empty one where it belongs.  @v4 is known where this is put in. */
static inline uint32_t
search(const struct ptab *t, const struct prefix *p, uint64_t hash, const bool v4)
{
	const uint32_t mask = t->nr_slots - 1, *slots = t->slots;
	uint32_t at = (uint32_t)hash & mask, mark = slot_mark(hash, 0), slot;

	for (; (slot = slots[at]); at = (at + 1) & mask) {
		if ((slot & ~ID_MASK) == mark) {
			const struct node *n = ptab_node(t, slot & ID_MASK);

			if (n->len == p->len && memcmp(n->key, p->addr.b, v4 ? 4 : 16) == 0)
				break;
		}
		if (mark < FAR << 29)
			mark += 1u << 29; /* one further from where the hash points */
	}
	return at;
}

static inline uint32_t
slot_search(const struct ptab *t, const struct prefix *p, uint64_t hash)
{
	return t->family == BGP_IPV4_UNICAST ? search(t, p, hash, true) : search(t, p, hash, false);
}

#define GROW_AHEAD 16

/* Some nodes from number @from on into the new slots; memory is asked for before it is needed. */
static void
slots_move(const struct ptab *t, uint32_t *slots, uint32_t nr, uint32_t from)
{
	uint64_t hash[GROW_AHEAD];
	uint32_t end = t->nodes.end - from < GROW_AHEAD ? t->nodes.end : from + GROW_AHEAD;

	for (uint32_t i = from; i < end; i++) {
		const struct node *n = ptab_node(t, i);

		hash[i - from] = ptab_key_hash(t, n->key, n->len);
		__builtin_prefetch(&slots[(uint32_t)hash[i - from] & (nr - 1)], 1);
	}
	for (uint32_t i = from; i < end; i++) {
		uint32_t home = (uint32_t)hash[i - from] & (nr - 1), at = home;

		if (ptab_node(t, i)->len == NODE_FREE)
			continue;
		while (slots[at])
			at = (at + 1) & (nr - 1);
		slots[at] = slot_mark(hash[i - from], (at - home) & (nr - 1)) | i;
	}
}

/* A table of megabytes is looked into at random: fewer, larger pages make that quicker, and as all of
 * it is in use they cost nothing.  A wish. */
static void
huge_pages(void *at, size_t len)
{
	const uintptr_t page = 1u << 21;
	uintptr_t begin = ((uintptr_t)at + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)at + len) & ~(page - 1);

	if (end > begin)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

static int
slots_grow(struct ptab *t)
{
	uint32_t nr = t->nr_slots ? t->nr_slots * 2 : 64, *slots;

	if (nr > 1u << (ID_BITS + 1))
		return -ENOMEM;
	slots = mem_calloc(nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	huge_pages(slots, nr * sizeof(*slots));
	for (uint32_t i = 1; i < t->nodes.end; i += GROW_AHEAD)
		slots_move(t, slots, nr, i);
	mem_free(t->slots);
	t->slots = slots;
	t->nr_slots = nr;
	return 0;
}

uint32_t
ptab_find(const struct ptab *t, const struct prefix *p, uint64_t hash)
{
	return t->nr_slots ? t->slots[slot_search(t, p, hash)] & ID_MASK : 0;
}

uint32_t
ptab_get(struct ptab *t, const struct prefix *p, uint64_t hash)
{
	struct node *n;
	uint32_t at, id, mask;

	if ((t->nodes.nr + 1) * 16ull > t->nr_slots * 13ull && slots_grow(t) < 0)
		return 0;
	at = slot_search(t, p, hash);
	if (t->slots[at])
		return t->slots[at] & ID_MASK;
	if (!t->nodes.free && t->nodes.end > ID_MASK)
		return 0;
	id = slab_take(&t->nodes);
	if (!id)
		return 0;
	n = ptab_node(t, id);
	n->len = p->len;
	if (t->family == BGP_IPV4_UNICAST)
		memcpy(n->key, p->addr.b, 4);
	else
		memcpy(n->key, p->addr.b, 16);
	mask = t->nr_slots - 1;
	t->slots[at] = slot_mark(hash, (at - (uint32_t)hash) & mask) | id;
	return id;
}

void
ptab_prefetch_node(const struct ptab *t, uint32_t node)
{
	const struct node *n = ptab_node(t, node);

	ptab_prefetch(t, ptab_key_hash(t, n->key, n->len));
}

/* How far the entry in this slot is from where its hash points. */
static uint32_t
slot_distance(const struct ptab *t, uint32_t at)
{
	uint32_t d = t->slots[at] >> 29;
	const struct node *n;

	if (d < FAR)
		return d;
	n = ptab_node(t, t->slots[at] & ID_MASK);
	return (at - (uint32_t)ptab_key_hash(t, n->key, n->len)) & (t->nr_slots - 1);
}

void
ptab_remove(struct ptab *t, uint32_t id)
{
	uint32_t mask = t->nr_slots - 1, at, next;
	struct node *n = ptab_node(t, id);

	at = (uint32_t)ptab_key_hash(t, n->key, n->len) & mask;
	while ((t->slots[at] & ID_MASK) != id)
		at = (at + 1) & mask;
	/* Close the gap, so that no search is cut short. */
	for (next = (at + 1) & mask; t->slots[next]; next = (next + 1) & mask) {
		uint32_t d = slot_distance(t, next), gap = (next - at) & mask;

		if (d < gap)
			continue;
		d = d - gap < FAR ? d - gap : FAR;
		t->slots[at] = (t->slots[next] & ~(FAR << 29)) | d << 29;
		at = next;
	}
	t->slots[at] = 0;
	n->len = NODE_FREE;
	slab_give(&t->nodes, id);
}

void
ptab_prefix(const struct ptab *t, uint32_t id, struct prefix *p)
{
	const struct node *n = ptab_node(t, id);

	memset(p, 0, sizeof(*p));
	if (t->family == BGP_IPV4_UNICAST) {
		p->addr.family = ADDR_V4;
		memcpy(p->addr.b, n->key, 4);
	} else {
		p->addr.family = ADDR_V6;
		memcpy(p->addr.b, n->key, 16);
	}
	p->len = n->len;
}
