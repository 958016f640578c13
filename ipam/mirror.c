/*
 * ipam/mirror.c: addresses that somebody else gave: the one who leads, as the nodes that follow see
 * it, and people who write an address where we would.
 */
#include "ipam/claim.h"

#include <errno.h>
#include <string.h>

/* Rule 2 of ipam.c, as far as it concerns who came first. */
static bool
is_older(const struct claim *a, const struct claim *b)
{
	if (a->spec.created != b->spec.created)
		return a->spec.created < b->spec.created;
	return strcmp(a->name->s, b->name->s) < 0;
}

static void
changed(struct ipam *ipam, struct claim *c)
{
	c->due |= IPAM_CHANGED_ADDRS;
	claim_queue(ipam, c);
}

static bool
is_in(const struct hold *h, const struct addr *v, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (v[i].family == h->spot->family && taken_key(&v[i]) == spot_key(h->spot))
			return true;
	return false;
}

static struct spot *
spot_at(const struct ipam *ipam, const struct addr *a)
{
	return spot_find(ipam, (enum addr_family)a->family, taken_key(a));
}

static bool
is_on(const struct spot *s, const struct claim *c)
{
	for (const struct hold *h = s ? s->holders : NULL; h; h = h->next_here)
		if (h->claim == c)
			return true;
	return false;
}

static bool
can_share(const struct claim *a, const struct claim *b)
{
	return share_refuses(&a->spec.share, a->name->s, &b->spec.share, b->name->s) ==
	    REASON_SATISFIED;
}

/* Has one of those who hold it, and cannot share it with @c, the better right? */
static bool
is_kept_from(const struct spot *s, const struct claim *c)
{
	for (const struct hold *h = s ? s->holders : NULL; h; h = h->next_here) {
		const struct claim *other = h->claim;

		if (!can_share(other, c) && other->present &&
		    (!other->spec.mirrored || is_older(other, c)))
			return true;
	}
	return false;
}

/* Take it on, from whoever has it and cannot share it. */
static int
take_over(struct ipam *ipam, struct claim *c, const struct addr *a)
{
	const struct pool_block *block;
	struct spot *s = spot_at(ipam, a);
	struct hold *next;

	if (is_on(s, c))
		return 0;
	if (is_kept_from(s, c))
		return -EADDRINUSE;
	if (claim_reserve_one_more(ipam, c) < 0)
		return -ENOMEM;
	s = claim_take(ipam, c, (enum addr_family)a->family, taken_key(a),
	    pools_lookup(&ipam->pools, (enum addr_family)a->family, taken_key(a), &block))
		->spot;
	for (struct hold *h = s->holders; h; h = next) {
		struct claim *other = h->claim;

		next = h->next_here;
		if (other == c || can_share(other, c))
			continue;
		claim_release(ipam, other, h, RELEASE_AT_ONCE);
		changed(ipam, other);
	}
	changed(ipam, c);
	return 0;
}

int
ipam_mirror(struct ipam *ipam, const char *owner, const struct addr *v, size_t nr)
{
	struct claim *c = claim_find(ipam, owner);
	struct hold *h, *next;
	int err = 0, one;

	if (!c || !c->present || !c->spec.mirrored)
		return -ENOENT;
	for (h = c->holds; h; h = next) {
		next = h->next;
		if (is_in(h, v, nr))
			continue;
		claim_release(ipam, c, h, RELEASE_COOL);
		changed(ipam, c);
	}
	for (size_t i = 0; i < nr; i++) {
		if (v[i].family != ADDR_V4 && v[i].family != ADDR_V6)
			continue;
		one = take_over(ipam, c, &v[i]);
		if (one == -ENOMEM)
			return one;
		err = err ? err : one;
	}
	return err;
}

/* The want of the family that this address would do for. */
static struct want *
open_want(struct claim *c, enum addr_family family, const struct pool *p)
{
	for (size_t i = 0; i < c->spec.nr_wants; i++) {
		struct want *w = &c->spec.wants[i];

		if (w->family == family && !w->fixed && (!w->pool || !p || w->pool == p))
			return w;
	}
	return NULL;
}

/* The one who asks for a pool's address has it from that pool only. */
static void
give_way(struct ipam *ipam, struct claim *c, enum addr_family family, const struct pool *only)
{
	for (struct hold *h = c->holds, *next; h; h = next) {
		next = h->next;
		if (h->spot->family == family && (!only || h->pool == only))
			claim_release(ipam, c, h, RELEASE_COOL);
	}
}

/* The pool that would give the address to the claim, were it to ask. */
static struct pool *
pool_of_hand(struct ipam *ipam, struct claim *c, const struct addr *a, struct want **w)
{
	const enum addr_family family = (enum addr_family)a->family;
	const struct pool_block *b;
	struct pool *p = pools_lookup(&ipam->pools, family, taken_key(a), &b);

	*w = p ? open_want(c, family, p) : NULL;
	if (!*w || p->disabled || !claim_may_use(c, p) || !pool_gives(p, b, taken_key(a)))
		return NULL;
	return p;
}

int
ipam_adopt(struct ipam *ipam, const char *owner, const struct addr *a)
{
	const enum addr_family family = (enum addr_family)a->family;
	struct claim *c = claim_find(ipam, owner);
	enum reason why;
	struct spot *s;
	struct pool *p;
	struct want *w;

	if (!c || !c->present || c->spec.mirrored)
		return -ENOENT;
	if ((family != ADDR_V4 && family != ADDR_V6) || !open_want(c, family, NULL))
		return -EINVAL;
	s = spot_at(ipam, a);
	if (is_on(s, c))
		return 0;
	if (s && (s->strange_ms || spot_refuses(s, c, &why)))
		return -EADDRINUSE;
	p = pool_of_hand(ipam, c, a, &w);
	if (!p)
		return -ERANGE;
	if (claim_reserve_one_more(ipam, c) < 0)
		return -ENOMEM;
	give_way(ipam, c, family, w->pool);
	claim_take(ipam, c, family, taken_key(a), p)->sure = true;
	changed(ipam, c);
	return 0;
}
