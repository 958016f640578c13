/*
 * ipam/give.c: what a claim lacks, looked for: an address asked for by name, the one that it had a
 * moment ago, one that it may share, the lowest free one.
 */
#include "ipam/claim.h"

#include <string.h>

/* How many addresses of a group are tried for one that can be shared: a bound for groups in which
 * nobody can share with anybody. */
#define GROUP_TRIES 1024

/* What came of looking for one want. */
struct
try {
	enum reason why, detail;
	bool fresh; /* the address was free before */
};

static struct try
no(enum reason why)
{
	return (struct try){ .why = why };
}

static struct try
take(struct ipam *ipam, struct claim *c, struct want *w, ipam_key key, struct pool *p)
{
	const struct spot *s = spot_find(ipam, w->family, key);
	const bool shared = s && s->holders;

	if (c->spec.mirrored)
		return no(REASON_WAITS_FOR_LEADER);
	w->hold = claim_take(ipam, c, w->family, key, p);
	w->hold->fresh = w->hold->sure = w->hold->wanted = true;
	return (struct try){ .why = REASON_SATISFIED, .fresh = !shared };
}

/* Would this pool give this address to this claim, were it free? */
static enum reason
pool_refuses(const struct claim *c, const struct want *w, const struct pool *p,
    const struct pool_block *b, ipam_key key)
{
	if (!claim_may_use(c, p) || (w->pool && w->pool != p))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	return pool_gives(p, b, key) ? REASON_SATISFIED : REASON_ADDRESS_RESERVED;
}

/* ---- by name ---- */

/* Rules 5 and 6 of ipam.c for an address that is not free for everybody. */
static struct try
spot_admits(const struct spot *s, const struct claim *c)
{
	enum reason why;

	if (s->strange_ms)
		return no(REASON_CONFLICTED);
	if (s->holders) {
		if (!c->spec.share.group)
			return no(REASON_ALREADY_ALLOCATED);
		if (spot_refuses(s, c, &why))
			return (struct try){ REASON_ALREADY_ALLOCATED_INCOMPATIBLE_SERVICE, why,
				false };
		return no(REASON_SATISFIED);
	}
	if (s->cool_ms && !(s->last && share_same_ns(s->last->s, c->name->s)))
		return no(REASON_COOLING_DOWN);
	return no(REASON_SATISFIED);
}

static struct try
take_fixed(struct ipam *ipam, struct claim *c, struct want *w)
{
	const struct pool_block *b;
	struct pool *p = pools_lookup(&ipam->pools, w->family, w->key, &b);
	const struct spot *s = spot_find(ipam, w->family, w->key);
	struct try t;

	if (!p)
		return no(pools_lookup_any(&ipam->pools, w->family, w->key) ? REASON_POOL_CONFLICT
									    : REASON_OUTSIDE_POOL);
	t = no(pool_refuses(c, w, p, b, w->key));
	if (t.why == REASON_SATISFIED && s)
		t = spot_admits(s, c);
	return t.why == REASON_SATISFIED ? take(ipam, c, w, w->key, p) : t;
}

/* ---- an address that is known already ---- */

static bool
holds(const struct spot *s, const struct claim *c)
{
	for (const struct hold *h = s->holders; h; h = h->next_here)
		if (h->claim == c)
			return true;
	return false;
}

/* The pool that would give it, could it be had; or NULL. */
static struct pool *
pool_for(const struct ipam *ipam, const struct claim *c, const struct want *w, const struct spot *s)
{
	const struct pool_block *b;
	struct pool *p = pools_lookup(&ipam->pools, w->family, spot_key(s), &b);

	if (!p || pool_refuses(c, w, p, b, spot_key(s)) != REASON_SATISFIED)
		return NULL;
	return p;
}

/* Rule 6: what it had a moment ago, the lowest first. */
static struct try
take_lost(struct ipam *ipam, struct claim *c, struct want *w)
{
	struct spot probe = { .family = w->family, .last = c->name };
	struct tree_node *n;

	if (!ipam->lost.root)
		return no(REASON_NO_POOL);
	n = tree_find(&ipam->lost, &probe.by_last);
	if (!n)
		n = tree_behind(&ipam->lost, &probe.by_last);
	for (; n; n = tree_next(n)) {
		const struct spot *s = TREE_ENTRY(n, const struct spot, by_last);
		struct pool *p;

		if (s->family != w->family || strcmp(s->last->s, c->name->s) != 0)
			break;
		p = s->strange_ms ? NULL : pool_for(ipam, c, w, s);
		if (p)
			return take(ipam, c, w, spot_key(s), p);
	}
	return no(REASON_NO_POOL);
}

/* Rule 5: one that others hold with the same key, the lowest first. */
static struct try
take_shared(struct ipam *ipam, struct claim *c, struct want *w)
{
	struct group *g = c->spec.share.group;
	struct spot probe = { .family = w->family };
	struct tree_node *n;
	enum reason why;

	if (!g || !g->spots.root)
		return no(REASON_NO_POOL);
	n = tree_find(&g->spots, &probe.by_group);
	if (!n)
		n = tree_behind(&g->spots, &probe.by_group);
	for (int i = 0; n && i < GROUP_TRIES; i++, n = tree_next(n)) {
		const struct spot *s = TREE_ENTRY(n, const struct spot, by_group);
		struct pool *p;

		if (s->family != w->family)
			break;
		if (s->strange_ms || holds(s, c) || spot_refuses(s, c, &why))
			continue;
		p = pool_for(ipam, c, w, s);
		if (p)
			return take(ipam, c, w, spot_key(s), p);
	}
	return no(REASON_NO_POOL);
}

/* ---- any of a pool ---- */

/* The lowest free address of a pool; else why not, with NO_POOL for "nothing of that family". */
static struct try
take_from(struct ipam *ipam, struct claim *c, struct want *w, struct pool *p)
{
	struct try t = no(REASON_NO_POOL);
	ipam_key key;

	for (size_t i = 0; i < p->nr_blocks; i++) {
		const struct pool_block *b = &p->blocks[i];

		if (b->family != w->family)
			continue;
		if (p->conflicting)
			return no(REASON_POOL_CONFLICT);
		if (p->disabled)
			return no(REASON_POOL_DISABLED);
		if (pool_lowest_free(p, &ipam->taken[w->family], b, &key))
			return take(ipam, c, w, key, p);
		t.why = REASON_OUT_OF_IPS;
	}
	return t;
}

/* How much a refusal says, when several pools refuse: a full pool is the nearest to a yes. */
static int
telling(enum reason r)
{
	switch (r) {
	case REASON_WAITS_FOR_LEADER:
		return 4;
	case REASON_OUT_OF_IPS:
		return 3;
	case REASON_POOL_CONFLICT:
		return 2;
	default:
		return r != REASON_NO_POOL;
	}
}

/* The pool of @pools, which are by name, that is tried after @last (NULL: first); NULL: none is. */
static struct pool *
next_to_try(const struct ipam *ipam, struct pool *const *pools, size_t nr, size_t *at,
    const struct pool *last)
{
	struct pool *best = NULL;

	if (!ipam->pools.ranked) {
		while (*at < nr && !pools[*at]->present)
			(*at)++;
		return *at < nr ? pools[(*at)++] : NULL;
	}
	for (size_t i = 0; i < nr; i++) {
		struct pool *p = pools[i];

		if (!p->present || (best && p->rank >= best->rank))
			continue;
		if (!last || p->rank > last->rank ||
		    (p->rank == last->rank && strcmp(p->name, last->name) > 0))
			best = p;
	}
	return best;
}

static struct try
take_of_pools(struct ipam *ipam, struct claim *c, struct want *w)
{
	struct pool **pools = c->spec.any_pool ? ipam->pools.all : c->spec.pools;
	size_t nr = c->spec.any_pool ? ipam->pools.nr : c->spec.nr_pools, at = 0;
	struct try t = no(REASON_NO_POOL), one;
	struct pool *p = NULL;

	while ((p = next_to_try(ipam, pools, nr, &at, p)) != NULL) {
		one = take_from(ipam, c, w, p);
		if (one.why == REASON_SATISFIED)
			return one;
		if (telling(one.why) > telling(t.why))
			t = one;
	}
	return t;
}

/* Rule 3 of ipam.c. */
static struct try
take_any(struct ipam *ipam, struct claim *c, struct want *w)
{
	struct try t = take_lost(ipam, c, w);

	if (t.why == REASON_NO_POOL)
		t = take_shared(ipam, c, w);
	if (t.why != REASON_NO_POOL)
		return t;
	if (!w->pool)
		return take_of_pools(ipam, c, w);
	if (!w->pool->present)
		return no(REASON_NO_POOL);
	if (!claim_may_use(c, w->pool))
		return no(REASON_POOL_SELECTOR_MISMATCH);
	return take_from(ipam, c, w, w->pool);
}

/* ---- all of a claim ---- */

static bool
has_resting(const struct ipam *ipam, const struct pool *p, enum addr_family family)
{
	for (size_t i = 0; i < p->nr_blocks; i++)
		if (p->blocks[i].family == family &&
		    taken_count(&ipam->resting[family], p->blocks[i].free_lo, p->blocks[i].free_hi))
			return true;
	return false;
}

enum reason
want_detail(const struct ipam *ipam, const struct claim *c, const struct want *w)
{
	struct pool *const *pools = c->spec.any_pool ? ipam->pools.all : c->spec.pools;
	const size_t nr = c->spec.any_pool ? ipam->pools.nr : c->spec.nr_pools;

	if (w->reason != REASON_OUT_OF_IPS)
		return w->detail;
	for (size_t i = 0; i < nr; i++)
		if (pools[i]->present && !pools[i]->conflicting && !pools[i]->disabled &&
		    (!w->pool || w->pool == pools[i]) && has_resting(ipam, pools[i], w->family))
			return REASON_COOLING_DOWN;
	return REASON_NONE;
}

/* One of a pool that has no such family, where another pool that was asked for has. */
static bool
is_moot(const struct claim *c, const struct want *w)
{
	if (!w->pool || !w->pool->present || pool_has_family(w->pool, w->family))
		return false;
	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		const struct want *o = &c->spec.wants[i];

		if (o != w && o->family == w->family &&
		    (o->hold || pool_has_family(o->pool, w->family)))
			return true;
	}
	return false;
}

static void
note_refusal(struct ipam *ipam, struct claim *c, struct want *w, const struct try *t)
{
	if (t->why != w->reason || t->detail != w->detail)
		claim_changed(ipam, c, IPAM_CHANGED_REASON);
	w->reason = t->why;
	w->detail = t->detail;
}

size_t
claim_serve(struct ipam *ipam, struct claim *c)
{
	enum reason all = REASON_SATISFIED;
	bool any = false;
	size_t got = 0;

	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		struct want *w = &c->spec.wants[i];
		struct try t;

		if (w->hold)
			continue;
		t = w->fixed ? take_fixed(ipam, c, w) : take_any(ipam, c, w);
		if (t.why == REASON_NO_POOL && is_moot(c, w))
			t.why = REASON_FAMILY_NOT_IN_POOL;
		if (t.why == REASON_SATISFIED)
			any = true;
		else if (all == REASON_SATISFIED && t.why != REASON_FAMILY_NOT_IN_POOL)
			all = t.why;
		got += t.fresh;
		note_refusal(ipam, c, w, &t);
	}
	if (any)
		claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
	if (all != c->reason)
		claim_changed(ipam, c, IPAM_CHANGED_REASON);
	c->reason = all;
	return got;
}
