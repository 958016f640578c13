/*
 * ipam/settle.c: deciding.  One pass: first everybody in the queue gives back what is not wanted
 * any more, then those who share unlawfully part, then the queue and, as far as something was freed,
 * those waiting are served in turn.
 */
#include "ipam/claim.h"

/* ---- telling ---- */

void
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
			ipam->cb(ipam->arg, c->name->s, c->changed);
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
	for (struct hold *h = c->holds; h; h = h->next) {
		if (h->wanted || h->let_go || h->spot->family != w->family)
			continue;
		if (w->fixed ? spot_key(h->spot) == w->key : !w->pool || h->pool == w->pool)
			return h;
	}
	return NULL;
}

/* One of which nobody knows which pool gave it: it shall have been this. */
static struct hold *
unsure_hold_for(struct ipam *ipam, const struct claim *c, const struct want *w)
{
	for (struct hold *h = c->holds; h; h = h->next) {
		if (h->wanted || h->let_go || h->sure || h->spot->family != w->family)
			continue;
		hold_set_pool(ipam, h, w->pool);
		return h;
	}
	return NULL;
}

static void
pair(struct claim *c, struct want *w, struct hold *h)
{
	w->hold = h;
	if (!h)
		return;
	h->wanted = true;
	h->sure = h->sure || !c->spec.mirrored;
}

/* The pool that has it counts for the one that gave it. */
static void
find_homes(struct ipam *ipam, struct claim *c)
{
	const struct pool_block *block;

	for (struct hold *h = c->holds; h; h = h->next) {
		h->wanted = false;
		if (!h->pool)
			hold_set_pool(ipam, h,
			    pools_lookup(&ipam->pools, h->spot->family, spot_key(h->spot), &block));
	}
}

/* How it goes: one that was never used needs no rest, one that a person took from its owner is not
 * given to him again at once. */
static enum release
way_of_leaving(const struct hold *h)
{
	if (h->let_go && h->spot->strange_ms)
		return RELEASE_AT_ONCE;
	return h->let_go ? RELEASE_FOR_ALL : RELEASE_COOL;
}

/* Pair wants with what is held, the rest is given back. */
static void
match(struct ipam *ipam, struct claim *c)
{
	struct hold *h, *next;

	if (c->due)
		claim_changed(ipam, c, c->due);
	c->due = 0;
	find_homes(ipam, c);
	for (size_t i = 0; i < c->spec.nr_wants; i++)
		pair(c, &c->spec.wants[i], c->present ? hold_for(c, &c->spec.wants[i]) : NULL);
	for (size_t i = 0; i < c->spec.nr_wants && c->present; i++)
		if (c->spec.wants[i].pool && !c->spec.wants[i].hold)
			pair(c, &c->spec.wants[i], unsure_hold_for(ipam, c, &c->spec.wants[i]));
	for (h = c->holds; h; h = next) {
		next = h->next;
		if (h->wanted || (c->present && c->spec.mirrored))
			continue;
		claim_release(ipam, c, h, way_of_leaving(h));
		claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
	}
}

/* Would its pool give this address to this claim today?  If not, why not. */
static enum reason
hold_note(const struct claim *c, const struct hold *h)
{
	const struct pool *p = h->pool;
	const struct pool_block *b;

	if (h->spot->strange_ms)
		return REASON_CONFLICTED;
	b = p ? pool_block_of(p, h->spot->family, spot_key(h->spot)) : NULL;
	if (!b) /* shrunk, or not there at all: then it has no blocks */
		return REASON_POOL_GONE;
	if (p->conflicting)
		return REASON_POOL_CONFLICT;
	if (!claim_may_use(c, p))
		return REASON_POOL_SELECTOR_MISMATCH;
	if (p->disabled)
		return REASON_POOL_DISABLED;
	if (!pool_gives(p, b, spot_key(h->spot)))
		return REASON_ADDRESS_RESERVED;
	return REASON_SATISFIED;
}

/* An address whose pool no longer has it, but another one does, counts for that one from now on;
 * unless the claim is for one of that very pool. */
static void
hold_rehome(struct ipam *ipam, struct claim *c, struct hold *h)
{
	const enum addr_family family = h->spot->family;
	const struct pool_block *block;
	struct pool *p;

	if ((h->pool && pool_block_of(h->pool, family, spot_key(h->spot))) || c->spec.nr_each)
		return;
	p = pools_lookup(&ipam->pools, family, spot_key(h->spot), &block);
	if (!p)
		return;
	hold_set_pool(ipam, h, p);
	claim_changed(ipam, c, IPAM_CHANGED_REASON);
}

/* onPoolChange: renumber. */
static bool
is_to_move(const struct claim *c, const struct hold *h, bool renumber, enum reason note)
{
	return (renumber || (h->pool && h->pool->renumber)) && !c->spec.mirrored &&
	    (note == REASON_POOL_GONE || note == REASON_POOL_SELECTOR_MISMATCH);
}

static void
review(struct ipam *ipam, struct claim *c)
{
	struct hold *next;

	for (struct hold *h = c->holds; h; h = next) {
		const bool renumber = h->pool && h->pool->renumber;
		enum reason note;

		next = h->next;
		hold_rehome(ipam, c, h);
		note = hold_note(c, h);
		if (is_to_move(c, h, renumber, note)) {
			claim_release(ipam, c, h, RELEASE_COOL);
			claim_changed(ipam, c, IPAM_CHANGED_ADDRS);
			continue;
		}
		if (note != h->note)
			claim_changed(ipam, c, IPAM_CHANGED_REASON);
		h->note = note;
	}
}

/* ---- the pass ---- */

/* What it has may not be lawful beside what others have; only after everybody gave back. */
static void
part(struct ipam *ipam, struct claim *c)
{
	for (struct hold *h = c->holds, *next; h; h = next) {
		next = h->next;
		if (!h->check)
			continue;
		spot_sort_out(ipam, h->spot);
		next = c->holds; /* it may have lost any; those seen are not to check any more */
	}
}

static size_t
serve(struct ipam *ipam, struct claim *c)
{
	size_t got;

	claim_unturn(ipam, c);
	got = claim_serve(ipam, c);
	if (c->reason != REASON_SATISFIED && !c->queued)
		claim_wait(ipam, c);
	return got;
}

/* Everybody in the queue, and those waiting while there may be something for them, in turn. */
static void
serve_all(struct ipam *ipam)
{
	const struct claim *seen = NULL;
	struct tree_node *n, *w;
	struct claim *c;
	size_t got;

	for (;;) {
		n = tree_first(&ipam->queue);
		w = ipam->nr_freed == 0 ? NULL
		    : seen		? tree_behind(&ipam->waiting, &seen->by_turn)
					: tree_first(&ipam->waiting);
		if (!n && !w)
			break;
		if (!w || (n && ipam->queue.cmp(n, w) < 0)) {
			serve(ipam, claim_of_turn(n));
			continue;
		}
		/* Rule 4 of ipam.c: what it gets was freed since it was last looked at. */
		c = claim_of_turn(w);
		got = serve(ipam, c);
		seen = c;
		ipam->nr_freed -= got < ipam->nr_freed ? got : ipam->nr_freed;
	}
	ipam->nr_freed = 0;
}

void
ipam_settle(struct ipam *ipam)
{
	struct tree_node *n, *next;

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
	for (n = tree_first(&ipam->queue); n; n = tree_next(n))
		part(ipam, claim_of_turn(n));
	serve_all(ipam);
	tell(ipam);
}
