/*
 * ipam/show.c: the allocator's answers; changes nothing.
 */
#include "ipam/claim.h"

#include <errno.h>

static void
claim_info(const struct claim *c, struct ipam_claim_info *info)
{
	*info = (struct ipam_claim_info){ .owner = c->owner, .reason = c->reason };
	info->nr_wanted = c->spec.nr_wants;
	for (const struct hold *h = c->holds; h; h = h->next)
		info->nr_held++;
}

int
ipam_claim_get(const struct ipam *ipam, const char *owner, struct ipam_claim_info *info)
{
	const struct claim *c = claim_find(ipam, owner);

	if (!c || !c->present)
		return -ENOENT;
	claim_info(c, info);
	return 0;
}

static struct ipam_alloc
alloc_of(const struct hold *h)
{
	return (struct ipam_alloc){
		.owner = h->claim->owner,
		.addr = taken_addr(h->family, h->taken.key),
		.pool = h->pool ? h->pool->name : "",
		.reason = h->note,
		.family = h->family,
	};
}

int
ipam_claim_want(const struct ipam *ipam, const char *owner, size_t i, struct ipam_alloc *a)
{
	const struct claim *c = claim_find(ipam, owner);
	const struct want *w;

	if (!c || !c->present || i >= c->spec.nr_wants)
		return -ENOENT;
	w = &c->spec.wants[i];
	if (w->hold)
		*a = alloc_of(w->hold);
	else
		*a = (struct ipam_alloc){ .owner = c->owner, .pool = "", .reason = w->reason };
	a->family = w->family;
	if (w->fixed)
		a->requested = taken_addr(w->family, w->key);
	return 0;
}

void
ipam_each(const struct ipam *ipam, bool (*each)(void *arg, const struct ipam_alloc *), void *arg)
{
	for (int family = ADDR_V4; family <= ADDR_V6; family++) {
		struct tree_node *n = tree_first(&ipam->taken[family]);

		for (; n; n = tree_next(n)) {
			struct ipam_alloc a = alloc_of((const struct hold *)taken_of(n));

			if (!each(arg, &a))
				return;
		}
	}
}

const char *
ipam_owner_of(const struct ipam *ipam, const struct addr *addr)
{
	const struct taken *t;

	if (addr->family != ADDR_V4 && addr->family != ADDR_V6)
		return NULL;
	t = taken_find(&ipam->taken[addr->family], taken_key(addr));
	return t ? ((const struct hold *)t)->claim->owner : NULL;
}

void
ipam_pools_each(
    const struct ipam *ipam, bool (*each)(void *arg, const struct ipam_pool_info *), void *arg)
{
	struct ipam_pool_info info;

	for (size_t i = 0; i < ipam->pools.nr; i++) {
		if (!ipam->pools.all[i]->present)
			continue;
		pool_info(ipam->pools.all[i], ipam->taken, &info);
		if (!each(arg, &info))
			return;
	}
}

int
ipam_pool_get(const struct ipam *ipam, const char *name, struct ipam_pool_info *info)
{
	const struct pool *p = pool_find(&ipam->pools, name);

	if (!p || !p->present)
		return -ENOENT;
	pool_info(p, ipam->taken, info);
	return 0;
}

void
ipam_claims_each(
    const struct ipam *ipam, bool (*each)(void *arg, const struct ipam_claim_info *), void *arg)
{
	struct ipam_claim_info info;

	for (struct tree_node *n = tree_first(&ipam->owners); n; n = tree_next(n)) {
		if (!claim_of_owner(n)->present)
			continue;
		claim_info(claim_of_owner(n), &info);
		if (!each(arg, &info))
			return;
	}
}
