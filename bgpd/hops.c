/*
 * bgpd/hops.c: which next hops were chosen, as told to bgp_ops.learned.  Between the decision
 * (rib.c) and whoever makes kernel routes of it.
 *
 * What was told for a node is remembered as the number of an interned list of hops, so that a
 * decision that changes nothing for the listener is not told again.
 */
#include "bgpd/rib.h"

#include <errno.h>
#include <string.h>

#include <uthash.h>

#include "lib/mem.h"

#define HOPS_MAX 256

/* Every byte counts in the key: always zeroed first. */
struct hop {
	uint8_t addr[16];
	uint8_t family;
	uint8_t more; /* weight, less one */
	uint16_t adj;
	uint32_t ifindex;
};

struct hopset {
	uint32_t refs, number, nr;
	UT_hash_handle hh;
	struct hop hops[];
};

static struct hopset *
hopset_at(const struct rib *r, uint32_t number)
{
	struct hopset *h;

	memcpy(&h, slab_at(&r->hopset_numbers, number), sizeof(h));
	return h;
}

static void
hopset_unref(struct rib *r, uint32_t number)
{
	struct hopset *h;

	if (!number)
		return;
	h = hopset_at(r, number);
	if (--h->refs)
		return;
	HASH_DEL(r->hopsets, h);
	slab_give(&r->hopset_numbers, number);
	mem_free(h);
}

/* The number of this list, with a reference; 0: no memory. */
static uint32_t
hopset_intern(struct rib *r, const struct hop *hops, uint32_t nr)
{
	unsigned len = (unsigned)(nr * sizeof(*hops));
	struct hopset *h;

	HASH_FIND(hh, r->hopsets, hops, len, h);
	if (h) {
		h->refs++;
		return h->number;
	}
	h = mem_calloc(1, sizeof(*h) + len);
	if (!h)
		return 0;
	h->number = slab_take(&r->hopset_numbers);
	if (!h->number) {
		mem_free(h);
		return 0;
	}
	memcpy(slab_at(&r->hopset_numbers, h->number), &h, sizeof(h));
	h->refs = 1;
	h->nr = nr;
	memcpy(h->hops, hops, len);
	HASH_ADD_KEYPTR(hh, r->hopsets, h->hops, len, h);
	return h->number;
}

static void
hop_fill(const struct rib *r, const struct path *p, struct hop *h)
{
	const struct adj *adj = r->adjs[p->adj];
	const struct addr *nh;
	struct bgp_attrs a;

	attrset_view(&r->sets, p->set, &a);
	/* RFC 2545 3: both are the same router's.  A session between link-local addresses is all that is
	 * known to work on a link without common networks, so there its kind of next hop is taken. */
	nh = addr_is_set(&a.next_hop_ll) && addr_is_linklocal(&adj->session.remote) ? &a.next_hop_ll
										    : &a.next_hop;
	memset(h, 0, sizeof(*h));
	memcpy(h->addr, nh->b, sizeof(h->addr));
	h->family = nh->family;
	h->adj = adj->id;
	h->ifindex = addr_is_linklocal(nh) ? adj->session.ifindex : 0;
}

static bool
hop_is_listed(const struct hop *hops, uint32_t nr, const struct hop *h)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (memcmp(hops[i].addr, h->addr, sizeof(h->addr)) == 0 &&
		    hops[i].family == h->family && hops[i].ifindex == h->ifindex)
			return true;
	}
	return false;
}

/* In an order of their own, so that the same hops make the same list. */
static void
hop_insert(struct hop *hops, uint64_t *bandwidth, uint32_t nr, const struct hop *h, uint64_t value)
{
	while (nr && memcmp(&hops[nr - 1], h, sizeof(*h)) > 0) {
		hops[nr] = hops[nr - 1];
		bandwidth[nr] = bandwidth[nr - 1];
		nr--;
	}
	hops[nr] = *h;
	bandwidth[nr] = value;
}

/* ---- unequal shares: the Link Bandwidth Extended Community (draft-ietf-idr-link-bandwidth) ---- */

#define LINK_BANDWIDTH 0x0004 /* type and subtype, whatever the transitive bit */
#define TRANSITIVE_BIT 0x4000 /* of both: set in what is not */
#define BANDWIDTH_MAX 1e18

/* Octets a second; 0: the path does not say. */
static uint64_t
path_bandwidth(const struct rib *r, const struct path *p)
{
	struct bgp_attrs a;
	struct wire_rd rd;
	float value;

	attrset_view(&r->sets, p->set, &a);
	rd = wire_rd_init(a.ext_communities.p, a.ext_communities.len);
	while (wire_more(&rd)) {
		const uint32_t type = wire_u16(&rd), as = wire_u16(&rd), bits = wire_u32(&rd);

		(void)as;
		if (rd.bad || (type & ~(uint32_t)TRANSITIVE_BIT) != LINK_BANDWIDTH)
			continue;
		memcpy(&value, &bits, sizeof(value));
		/* Not a number is neither. */
		return value >= 1 && value < (float)BANDWIDTH_MAX ? (uint64_t)value : 0;
	}
	return 0;
}

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		const uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Shares by bandwidth: as small numbers when they are even, else the largest has 256.  When one path
 * does not say, all are alike, as elsewhere. */
static void
hops_weigh(struct hop *h, const uint64_t *bandwidth, uint32_t nr)
{
	uint64_t most = 0, unit = 0, share;

	for (uint32_t i = 0; i < nr; i++) {
		if (!bandwidth[i])
			return;
		unit = common_divisor(bandwidth[i], unit);
		most = bandwidth[i] > most ? bandwidth[i] : most;
	}
	if (unit && most / unit > BGP_WEIGHT_MAX)
		unit = (most + BGP_WEIGHT_MAX - 1) / BGP_WEIGHT_MAX;
	for (uint32_t i = 0; unit && i < nr; i++) {
		share = (bandwidth[i] + unit / 2) / unit;
		h[i].more = (uint8_t)(share > BGP_WEIGHT_MAX ? UINT8_MAX : share ? share - 1 : 0);
	}
}

/* The number of the node's chosen hops, 0 for none or our own, with a reference.  -ENOMEM. */
static int
node_hops(struct rib *r, const struct node *n, uint32_t *number)
{
	struct hop hops[HOPS_MAX], h;
	uint64_t bandwidth[HOPS_MAX];
	uint32_t nr = 0;

	*number = 0;
	if (n->flags & NODE_LOCAL)
		return 0;
	for (uint32_t i = n->paths; i && nr < HOPS_MAX; i = rib_path(r, i)->next) {
		const struct path *p = rib_path(r, i);

		if (!(p->flags & PATH_MULTI))
			continue;
		hop_fill(r, p, &h);
		if (!hop_is_listed(hops, nr, &h))
			hop_insert(hops, bandwidth, nr++, &h, path_bandwidth(r, p));
	}
	if (nr > 1)
		hops_weigh(hops, bandwidth, nr);
	if (nr)
		*number = hopset_intern(r, hops, nr);
	return nr && !*number ? -ENOMEM : 0;
}

/* The same for a node with one path: whole UPDATEs have the same attributes. */
static int
node_hops_cached(struct rib *r, const struct node *n, uint32_t *number)
{
	const struct path *p = n->paths ? rib_path(r, n->paths) : NULL;

	if (!p || p->next || !(p->flags & PATH_MULTI) || !p->adj)
		return node_hops(r, n, number);
	if (r->hop_cache.set != p->set || r->hop_cache.adj != p->adj) {
		uint32_t hops;

		if (node_hops(r, n, &hops) < 0)
			return -ENOMEM;
		hops_cache_clear(r);
		r->hop_cache.set = p->set;
		r->hop_cache.adj = p->adj;
		r->hop_cache.hops = hops;
	}
	*number = r->hop_cache.hops;
	hopset_at(r, *number)->refs++;
	return 0;
}

static void
call_learned(const struct rib *r, const struct prefix *p, uint32_t number)
{
	struct bgp_hop out[HOPS_MAX];
	unsigned nr = 0;

	if (number) {
		const struct hopset *h = hopset_at(r, number);

		for (; nr < h->nr; nr++) {
			memset(&out[nr], 0, sizeof(out[nr]));
			memcpy(out[nr].next_hop.b, h->hops[nr].addr, sizeof(h->hops[nr].addr));
			out[nr].next_hop.family = h->hops[nr].family;
			out[nr].ifindex = h->hops[nr].ifindex;
			out[nr].weight = h->hops[nr].more + 1u;
			out[nr].peer = r->adjs[h->hops[nr].adj]->name;
		}
	}
	r->ops.learned(r->ops.arg, r->instance, p, nr, out);
}

int
hops_tell(struct rib *r, enum bgp_family f, uint32_t id)
{
	uint32_t told = umap_get(&r->told[f], id), now;
	struct prefix p;

	if (!r->ops.learned)
		return 0;
	if (node_hops_cached(r, ptab_node(&r->tab[f], id), &now) < 0)
		return -ENOMEM;
	if (now == told) {
		hopset_unref(r, now);
		return 0;
	}
	if (now && umap_reserve(&r->told[f], id) < 0) {
		hopset_unref(r, now);
		return -ENOMEM;
	}
	umap_set(&r->told[f], id, now);
	hopset_unref(r, told);
	ptab_prefix(&r->tab[f], id, &p);
	call_learned(r, &p, now);
	return 0;
}

void
rib_learned_tell(const struct rib *r)
{
	struct prefix p;

	if (!r->ops.learned)
		return;
	for (int f = 0; f < BGP_NR_FAMILIES; f++) {
		const struct ptab *t = &r->tab[f];

		for (uint32_t id = 1; id < ptab_end(t); id++) {
			const uint32_t told = umap_get(&r->told[f], id);

			if (!told || ptab_node(t, id)->len == NODE_FREE)
				continue;
			ptab_prefix(t, id, &p);
			call_learned(r, &p, told);
		}
	}
}

void
hops_cache_clear(struct rib *r)
{
	hopset_unref(r, r->hop_cache.hops);
	r->hop_cache.hops = 0;
	r->hop_cache.set = 0;
	r->hop_cache.adj = 0;
}

void
hops_fini(struct rib *r)
{
	struct hopset *h, *next;

	HASH_ITER(hh, r->hopsets, h, next)
	{
		HASH_DEL(r->hopsets, h);
		mem_free(h);
	}
	for (int f = 0; f < BGP_NR_FAMILIES; f++)
		umap_fini(&r->told[f]);
	slab_fini(&r->hopset_numbers);
}
