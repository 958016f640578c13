/*
 * ipam/settle.c: deciding.  One pass: first everybody in the queue gives back what is not wanted
 * any more, then the queue and, as far as something was freed, those waiting are served in turn.
 */
#include "ipam/claim.h"

#include <string.h>

/* ---- telling ---- */

static void
claim_changed(struct ipam *ipam, struct claim *c, unsigned what)
{
	if (!c->changed) {
		c->next_changed = NULL;
		*ipam->changed_end = c;
		ipam->changed_end = &c->next_changed;
	}
	c->changed |= what;
}

/* What changed is told when all is decided; then claims that are gone are forgotten. */
static void
tell(struct ipam *ipam)
{
	struct claim *list = ipam->changed, *c;

	ipam->changed = NULL;
	ipam->changed_end = &ipam->changed;
	for (c = list; c; c = c->next_changed)
		if (ipam->cb)
			ipam->cb(ipam->arg, c->owner, c->changed);
	while ((c = list) != NULL) {
		list = c->next_changed;
		c->changed = 0;
		if (!c->present)
			claim_free(ipam, c);
	}
}

/* ---- what is held ---- */

static struct hold *
hold_for(const struct claim *c, const struct want *w)
{
	for (struct hold *h = c->holds; h; h = h->next)
		if (!h->wanted && h->family == w->family && (!w->fixed || h->taken.key == w->key))
			return h;
	return NULL;
}

/* Pair wants with what is held, the rest is given back. */
static void
match(struct ipam *ipam, struct claim *c)
{
	struct hold *h, *next;

	if (c->due)
		claim_changed(ipam, c, c->due);
	c->due = 0;
	for (h = c->holds; h; h = h->next)
		h->wanted = false;
	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		struct want *w = &c->spec.wants[i];

		w->hold = c->present ? hold_for(c, w) : NULL;
		if (w->hold)
			w->hold->wanted = true;
	}
	for (h = c->holds; h; h = next) {
		next = h->next;
		if (h->wanted || (c->present && c->spec.mirrored))
			continue;
		claim_release(ipam, c, h);
		claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
	}
}

/* Would its pool give this address to this claim today?  If not, why not. */
static enum reason
hold_note(const struct claim *c, const struct hold *h)
{
	const struct pool *p = h->pool;
	const struct pool_block *b;

	if (!p)
		return REASON_POOL_GONE;
	b = pool_block_of(p, h->family, h->taken.key);
	if (!b) /* shrunk, or not there at all: then it has no blocks */
		return REASON_POOL_GONE;
	if (p->conflicting)
		return REASON_POOL_CONFLICT;
	if (!claim_may_use(c, p))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	if (!pool_gives(p, b, h->taken.key))
		return REASON_ADDRESS_RESERVED;
	return REASON_SATISFIED;
}

/* An address whose pool no longer has it, but another one does, counts for that one from now on. */
static void
hold_rehome(struct ipam *ipam, struct claim *c, struct hold *h)
{
	const struct pool_block *block;
	struct pool *p;

	if (h->pool && pool_block_of(h->pool, h->family, h->taken.key))
		return;
	p = pools_lookup(&ipam->pools, h->family, h->taken.key, &block);
	if (!p)
		return;
	pool_ref(p);
	p->held++;
	if (h->pool)
		h->pool->held--;
	pool_unref(&ipam->pools, h->pool);
	h->pool = p;
	claim_changed(ipam, c, IPAM_CHANGED_REASON);
}

static void
review(struct ipam *ipam, struct claim *c)
{
	for (struct hold *h = c->holds; h; h = h->next) {
		enum reason note;

		hold_rehome(ipam, c, h);
		note = hold_note(c, h);
		if (note != h->note)
			claim_changed(ipam, c, IPAM_CHANGED_REASON);
		h->note = note;
	}
}

/* ---- giving ---- */

/* This address and no other. */
static enum reason
take_fixed(struct ipam *ipam, struct claim *c, struct want *w)
{
	const struct pool_block *b;
	struct pool *p = pools_lookup(&ipam->pools, w->family, w->key, &b);

	if (!p)
		return pools_lookup_any(&ipam->pools, w->family, w->key) ? REASON_POOL_CONFLICT
									 : REASON_OUTSIDE_POOL;
	if (!claim_may_use(c, p))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	if (!pool_gives(p, b, w->key))
		return REASON_ADDRESS_RESERVED;
	if (taken_find(&ipam->taken[w->family], w->key))
		return REASON_ALREADY_ALLOCATED;
	if (c->spec.mirrored)
		return REASON_WAITS_FOR_LEADER;
	w->hold = claim_take(ipam, c, w->family, w->key, p);
	return REASON_SATISFIED;
}

/* The lowest free address of a pool; else why not, with NO_POOL for "nothing of that family". */
static enum reason
take_from(struct ipam *ipam, struct claim *c, struct want *w, struct pool *p)
{
	enum reason why = REASON_NO_POOL;
	ipam_key key;

	for (size_t i = 0; i < p->nr_blocks; i++) {
		const struct pool_block *b = &p->blocks[i];

		if (b->family != w->family)
			continue;
		if (p->conflicting)
			return REASON_POOL_CONFLICT;
		if (p->disabled)
			return REASON_POOL_DISABLED;
		why = REASON_OUT_OF_IPS;
		if (!pool_lowest_free(p, &ipam->taken[w->family], b, &key))
			continue;
		if (c->spec.mirrored)
			return REASON_WAITS_FOR_LEADER;
		w->hold = claim_take(ipam, c, w->family, key, p);
		return REASON_SATISFIED;
	}
	return why;
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

/* Rule 3 of ipam.h. */
static enum reason
take_any(struct ipam *ipam, struct claim *c, struct want *w)
{
	struct pool **pools = c->spec.any_pool ? ipam->pools.all : c->spec.pools;
	size_t nr = c->spec.any_pool ? ipam->pools.nr : c->spec.nr_pools, at = 0;
	enum reason why = REASON_NO_POOL, r;
	struct pool *p = NULL;

	while ((p = next_to_try(ipam, pools, nr, &at, p)) != NULL) {
		r = take_from(ipam, c, w, p);
		if (r == REASON_SATISFIED)
			return r;
		if (telling(r) > telling(why))
			why = r;
	}
	return why;
}

/* Give the claim what it lacks, as far as it can be had; how many addresses that were. */
static size_t
serve(struct ipam *ipam, struct claim *c)
{
	enum reason all = REASON_SATISFIED, why;
	size_t got = 0;

	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		struct want *w = &c->spec.wants[i];

		if (w->hold)
			continue;
		why = w->fixed ? take_fixed(ipam, c, w) : take_any(ipam, c, w);
		if (why == REASON_SATISFIED)
			got++;
		else if (all == REASON_SATISFIED)
			all = why;
		if (why != w->reason)
			claim_changed(ipam, c, IPAM_CHANGED_REASON);
		w->reason = why;
	}
	if (got > 0)
		claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
	if (all != c->reason)
		claim_changed(ipam, c, IPAM_CHANGED_REASON);
	c->reason = all;
	return got;
}

static void
serve_queued(struct ipam *ipam, struct claim *c)
{
	claim_unturn(ipam, c);
	serve(ipam, c);
	if (c->reason != REASON_SATISFIED)
		tree_insert(&ipam->waiting, &c->by_turn);
}

/* Rule 4 of ipam.h: what it gets was freed since it was last looked at. */
static void
serve_waiting(struct ipam *ipam, struct claim *c)
{
	size_t got = serve(ipam, c);

	ipam->nr_freed -= got < ipam->nr_freed ? got : ipam->nr_freed;
	if (c->reason == REASON_SATISFIED)
		claim_unturn(ipam, c);
}

void
ipam_settle(struct ipam *ipam)
{
	struct tree_node *n, *next, *w;

	if (!ipam->started)
		return;
	for (n = tree_first(&ipam->queue); n; n = next) {
		struct claim *c = claim_of_turn(n);

		next = tree_next(n);
		match(ipam, c);
		if (c->present) {
			review(ipam, c);
		} else {
			claim_unturn(ipam, c);
			claim_changed(ipam, c, IPAM_CHANGED_GONE);
		}
	}
	w = tree_first(&ipam->waiting);
	for (;;) {
		n = tree_first(&ipam->queue);
		if (ipam->nr_freed == 0)
			w = NULL;
		if (!n && !w)
			break;
		if (!w || (n && ipam->queue.cmp(n, w) < 0)) {
			serve_queued(ipam, claim_of_turn(n));
			continue;
		}
		next = tree_next(w);
		serve_waiting(ipam, claim_of_turn(w));
		w = next;
	}
	ipam->nr_freed = 0;
	tell(ipam);
}
