/*
 * ipam/mirror.c: addresses that somebody else gave: the one who leads, as the nodes that follow see
 * it, and people who write an address where we would.
 */
#include "ipam/claim.h"

#include <errno.h>
#include <string.h>

/* Rule 2 of ipam.h, as far as it concerns who came first. */
static bool
is_older(const struct claim *a, const struct claim *b)
{
	if (a->spec.created != b->spec.created)
		return a->spec.created < b->spec.created;
	return strcmp(a->owner, b->owner) < 0;
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
		if (v[i].family == h->family && taken_key(&v[i]) == h->taken.key)
			return true;
	return false;
}

static struct hold *
holder(const struct ipam *ipam, const struct addr *a)
{
	return (struct hold *)taken_find(&ipam->taken[a->family], taken_key(a));
}

/* Take it on, from whoever has it when he is to yield. */
static int
take_over(struct ipam *ipam, struct claim *c, const struct addr *a)
{
	const struct pool_block *block;
	struct hold *h = holder(ipam, a);
	struct claim *other;

	if (h && h->claim == c)
		return 0;
	if (h) {
		other = h->claim;
		if (other->present && (!other->spec.mirrored || is_older(other, c)))
			return -EADDRINUSE;
		claim_release(ipam, other, h);
		changed(ipam, other);
	}
	if (claim_reserve_one_more(c) < 0)
		return -ENOMEM;
	claim_take(ipam, c, (enum addr_family)a->family, taken_key(a),
	    pools_lookup(&ipam->pools, (enum addr_family)a->family, taken_key(a), &block));
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
		claim_release(ipam, c, h);
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

/* The want of the family that any address would do for. */
static struct want *
open_want(struct claim *c, enum addr_family family)
{
	for (size_t i = 0; i < c->spec.nr_wants; i++)
		if (c->spec.wants[i].family == family && !c->spec.wants[i].fixed)
			return &c->spec.wants[i];
	return NULL;
}

int
ipam_adopt(struct ipam *ipam, const char *owner, const struct addr *a)
{
	const enum addr_family family = (enum addr_family)a->family;
	struct claim *c = claim_find(ipam, owner);
	const struct pool_block *b;
	struct pool *p;

	if (!c || !c->present || c->spec.mirrored)
		return -ENOENT;
	if ((family != ADDR_V4 && family != ADDR_V6) || !open_want(c, family))
		return -EINVAL;
	if (holder(ipam, a))
		return holder(ipam, a)->claim == c ? 0 : -EADDRINUSE;
	p = pools_lookup(&ipam->pools, family, taken_key(a), &b);
	if (!p || p->disabled || !claim_may_use(c, p) || !pool_gives(p, b, taken_key(a)))
		return -ERANGE;
	if (claim_reserve_one_more(c) < 0)
		return -ENOMEM;
	for (struct hold *h = c->holds, *next; h; h = next) {
		next = h->next;
		if (h->family == family)
			claim_release(ipam, c, h);
	}
	claim_take(ipam, c, family, taken_key(a), p);
	changed(ipam, c);
	return 0;
}
