/*
 * bgpd/attrset.c: interned attribute sets, between the codec and the RIB.
 */
#include "bgpd/attrset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

/* More than the attributes of the largest message (RFC 8654), widened and with what policy adds. */
#define KEY_MAX (1u << 18)
/* Lists are sorted in a place of their own behind the key. */
#define LIST_MAX (1u << 17)

enum {
	HAS_MED = 1,
	HAS_PREF = 2,
	HAS_ATOMIC = 4,
	HAS_AGGREGATOR = 8,
	HAS_ORIGINATOR = 16,
	HAS_OTC = 32
};

void
attrset_table_init(struct attrset_table *t)
{
	*t = (struct attrset_table){ .end = 1 };
	t->scratch = xcalloc(1, KEY_MAX + LIST_MAX);
}

void
attrset_table_fini(struct attrset_table *t)
{
	for (uint32_t i = 1; i < t->end; i++)
		mem_free(t->sets[i]);
	mem_free(t->sets);
	mem_free(t->free);
	mem_free(t->slots);
	mem_free(t->scratch);
	*t = (struct attrset_table){ 0 };
}

/* ---- canonical lists ---- */

static int
cmp4(const void *a, const void *b)
{
	return memcmp(a, b, 4);
}

static int
cmp8(const void *a, const void *b)
{
	return memcmp(a, b, 8);
}

static int
cmp12(const void *a, const void *b)
{
	return memcmp(a, b, 12);
}

static bool
list_is_sorted(struct bgp_span s, size_t width)
{
	for (size_t at = width; at < s.len; at += width) {
		if (memcmp(s.p + at - width, s.p + at, width) >= 0)
			return false;
	}
	return true;
}

/* Write @s, in items of @width bytes in network order, sorted and without duplicates. */
static void
put_list(struct wire_wr *w, uint8_t *sorting, struct bgp_span s, size_t width)
{
	size_t out = 0;

	if (list_is_sorted(s, width)) {
		wire_put_u32(w, s.len);
		wire_put_bytes(w, s.p, s.len);
		return;
	}
	if (s.len > LIST_MAX) {
		w->full = true;
		return;
	}
	memcpy(sorting, s.p, s.len);
	qsort(sorting, s.len / width, width, width == 4 ? cmp4 : width == 8 ? cmp8 : cmp12);
	for (size_t at = 0; at < s.len; at += width) {
		if (out && memcmp(sorting + out - width, sorting + at, width) == 0)
			continue;
		memmove(sorting + out, sorting + at, width);
		out += width;
	}
	wire_put_u32(w, (uint32_t)out);
	wire_put_bytes(w, sorting, out);
}

/* ---- the packed form: flags, the numbers that are there, next hops, lists that are there ---- */

static unsigned
number_flags(const struct bgp_attrs *a)
{
	return (a->has_med ? HAS_MED : 0u) | (a->has_local_pref ? HAS_PREF : 0u) |
	    (a->atomic_aggregate ? HAS_ATOMIC : 0u) | (a->has_aggregator ? HAS_AGGREGATOR : 0u) |
	    (a->has_originator_id ? HAS_ORIGINATOR : 0u) | (a->has_otc ? HAS_OTC : 0u);
}

static const struct bgp_span *
list_of(const struct bgp_attrs *a, unsigned i)
{
	const struct bgp_span *lists[] = { &a->as_path, &a->communities, &a->ext_communities,
		&a->large_communities, &a->cluster_list, &a->unknown };

	return i < sizeof(lists) / sizeof(lists[0]) ? lists[i] : NULL;
}

static void
put_addr(struct wire_wr *w, const struct addr *a)
{
	wire_put_bytes(w, a->b, addr_bits((enum addr_family)a->family) / 8);
}

static void
attrs_pack(struct wire_wr *w, const struct bgp_attrs *a, uint8_t *sorting)
{
	static const uint8_t widths[] = { 0, 4, 8, 12, 0, 0 };
	unsigned flags = number_flags(a), lists = 0;
	const struct bgp_span *s;

	for (unsigned i = 0; (s = list_of(a, i)); i++)
		lists |= s->len ? 1u << i : 0;
	wire_put_u8(w, a->origin);
	wire_put_u8(w, (uint8_t)flags);
	wire_put_u8(w, (uint8_t)lists);
	wire_put_u8(w, (uint8_t)(a->next_hop.family << 4 | a->next_hop_ll.family));
	wire_put_u8(w, a->partial);
	if (a->has_med)
		wire_put_u32(w, a->med);
	if (a->has_local_pref)
		wire_put_u32(w, a->local_pref);
	if (a->has_aggregator) {
		wire_put_u32(w, a->aggregator_as);
		wire_put_u32(w, a->aggregator_id);
	}
	if (a->has_originator_id)
		wire_put_u32(w, a->originator_id);
	if (a->has_otc)
		wire_put_u32(w, a->otc);
	put_addr(w, &a->next_hop);
	put_addr(w, &a->next_hop_ll);
	for (unsigned i = 0; (s = list_of(a, i)); i++) {
		if (!s->len)
			continue;
		if (widths[i]) {
			put_list(w, sorting, *s, widths[i]);
		} else {
			wire_put_u32(w, s->len);
			wire_put_bytes(w, s->p, s->len);
		}
	}
}

static void
take_addr(struct wire_rd *r, unsigned family, struct addr *a)
{
	*a = (struct addr){ .family = (uint8_t)family };
	wire_copy(r, a->b, addr_bits((enum addr_family)family) / 8);
}

void
attrset_view(const struct attrset_table *t, uint32_t n, struct bgp_attrs *a)
{
	const struct attrset *set = t->sets[n];
	struct wire_rd r = wire_rd_init(set->key, set->len);
	struct bgp_span *lists[] = { &a->as_path, &a->communities, &a->ext_communities,
		&a->large_communities, &a->cluster_list, &a->unknown };
	unsigned flags, which, families;

	memset(a, 0, sizeof(*a));
	a->origin = wire_u8(&r);
	flags = wire_u8(&r);
	which = wire_u8(&r);
	families = wire_u8(&r);
	a->partial = wire_u8(&r);
	a->has_med = flags & HAS_MED;
	a->has_local_pref = flags & HAS_PREF;
	a->atomic_aggregate = flags & HAS_ATOMIC;
	a->has_aggregator = flags & HAS_AGGREGATOR;
	a->has_originator_id = flags & HAS_ORIGINATOR;
	a->has_otc = flags & HAS_OTC;
	if (a->has_med)
		a->med = wire_u32(&r);
	if (a->has_local_pref)
		a->local_pref = wire_u32(&r);
	if (a->has_aggregator) {
		a->aggregator_as = wire_u32(&r);
		a->aggregator_id = wire_u32(&r);
	}
	if (a->has_originator_id)
		a->originator_id = wire_u32(&r);
	if (a->has_otc)
		a->otc = wire_u32(&r);
	take_addr(&r, families >> 4, &a->next_hop);
	take_addr(&r, families & 15, &a->next_hop_ll);
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (!(which & 1u << i))
			continue;
		lists[i]->len = wire_u32(&r);
		lists[i]->p = wire_take(&r, lists[i]->len);
	}
	assert(wire_done(&r));
}

/* ---- the table ---- */

static int
slots_grow(struct attrset_table *t)
{
	uint32_t nr = t->nr_slots ? t->nr_slots * 2 : 256, *slots;

	slots = mem_calloc(nr, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 1; i < t->end; i++) {
		uint32_t at;

		if (!t->sets[i])
			continue;
		for (at = t->sets[i]->hash & (nr - 1); slots[at]; at = (at + 1) & (nr - 1))
			;
		slots[at] = i;
	}
	mem_free(t->slots);
	t->slots = slots;
	t->nr_slots = nr;
	return 0;
}

/* A number that no set has.  Whoever has taken one out of the list can always put it back. */
static uint32_t
number_take(struct attrset_table *t)
{
	if (t->nr_free)
		return t->free[--t->nr_free];
	if (mem_grow((void **)&t->sets, &t->cap, t->end, sizeof(*t->sets), UINT32_MAX - 1) < 0)
		return 0;
	if (t->cap_free < t->cap) {
		uint32_t *more = mem_realloc(t->free, t->cap, sizeof(*more));

		if (!more)
			return 0;
		t->free = more;
		t->cap_free = t->cap;
	}
	return t->end++;
}

static uint32_t
set_new(struct attrset_table *t, const struct bgp_attrs *a, uint32_t hash, size_t len)
{
	struct attrset *set = mem_calloc(1, sizeof(*set) + len);
	unsigned path_len = bgp_as_path_len(a->as_path);
	uint32_t n;

	if (!set)
		return 0;
	n = number_take(t);
	if (!n) {
		mem_free(set);
		return 0;
	}
	set->refs = 1;
	set->hash = hash;
	set->len = (uint32_t)len;
	set->path_len = (uint16_t)(path_len > UINT16_MAX ? UINT16_MAX : path_len);
	set->neighbour_as = bgp_as_path_first(a->as_path);
	memcpy(set->key, t->scratch, len);
	t->sets[n] = set;
	t->nr++;
	return n;
}

uint32_t
attrset_intern(struct attrset_table *t, const struct bgp_attrs *a)
{
	struct wire_wr w = wire_wr_init(t->scratch, KEY_MAX);
	uint32_t hash, at, n;

	attrs_pack(&w, a, t->scratch + KEY_MAX);
	if (w.full)
		return 0;
	/* At most three quarters full, so that a search always ends. */
	if ((t->nr + 1) * 4ull > t->nr_slots * 3ull && slots_grow(t) < 0)
		return 0;
	hash = (uint32_t)hash_bytes(t->scratch, w.len);
	for (at = hash & (t->nr_slots - 1); t->slots[at]; at = (at + 1) & (t->nr_slots - 1)) {
		struct attrset *set = t->sets[t->slots[at]];

		if (set->hash == hash && set->len == w.len &&
		    memcmp(set->key, t->scratch, w.len) == 0) {
			set->refs++;
			return t->slots[at];
		}
	}
	n = set_new(t, a, hash, w.len);
	if (n)
		t->slots[at] = n;
	return n;
}

/* Take the slot of @n out and close the gap, so that no search is cut short. */
static void
slot_remove(struct attrset_table *t, uint32_t n)
{
	uint32_t mask = t->nr_slots - 1, at = t->sets[n]->hash & mask, next;

	while (t->slots[at] != n)
		at = (at + 1) & mask;
	for (next = (at + 1) & mask; t->slots[next]; next = (next + 1) & mask) {
		uint32_t home = t->sets[t->slots[next]]->hash & mask;

		if (((next - home) & mask) >= ((next - at) & mask)) {
			t->slots[at] = t->slots[next];
			at = next;
		}
	}
	t->slots[at] = 0;
}

void
attrset_unref(struct attrset_table *t, uint32_t n)
{
	struct attrset *set;

	if (!n)
		return;
	set = t->sets[n];
	assert(set && set->refs);
	if (--set->refs)
		return;
	slot_remove(t, n);
	t->sets[n] = NULL;
	t->nr--;
	t->free[t->nr_free++] = n;
	mem_free(set);
}

int
attrset_cmp(const struct attrset_table *t, uint32_t a, uint32_t b)
{
	const struct attrset *x = t->sets[a], *y = t->sets[b];

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->key, y->key, x->len);
}

bool
attrset_has_community(struct bgp_span communities, uint32_t community)
{
	struct wire_rd r = wire_rd_init(communities.p, communities.len);

	while (wire_more(&r)) {
		if (wire_u32(&r) == community)
			return true;
	}
	return false;
}
