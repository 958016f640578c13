/*
 * ipam/show.c: the allocator's answers; changes nothing.
 */
#include "ipam/claim.h"

#include <errno.h>
#include <string.h>

static void
claim_info(const struct claim *c, struct ipam_claim_info *info)
{
	*info = (struct ipam_claim_info){ .owner = c->name->s, .reason = c->reason };
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
	const struct spot *s = h->spot;

	return (struct ipam_alloc){
		.owner = h->claim->name->s,
		.addr = taken_addr(s->family, spot_key(s)),
		.pool = h->pool ? h->pool->name : "",
		.reason = h->note,
		.family = s->family,
		.shared = s->holders->next_here != NULL,
	};
}

/* Who is in the way of a request. */
static const char *
in_the_way(const struct ipam *ipam, const struct claim *c, const struct want *w)
{
	const struct spot *s = w->fixed ? spot_find(ipam, w->family, w->key) : NULL;
	const struct hold *h;
	enum reason why;

	h = s ? spot_refuses(s, c, &why) : NULL;
	return h ? h->claim->name->s : NULL;
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
		*a = (struct ipam_alloc){ .owner = c->name->s,
			.pool = w->pool ? w->pool->name : "",
			.reason = w->reason,
			.detail = want_detail(ipam, c, w),
			.other = in_the_way(ipam, c, w) };
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
			const struct spot *s = (const struct spot *)taken_of(n);

			for (const struct hold *h = s->holders; h; h = h->next_here) {
				struct ipam_alloc a = alloc_of(h);

				if (!each(arg, &a))
					return;
			}
		}
	}
}

void
ipam_resting_each(
    const struct ipam *ipam, bool (*each)(void *arg, const struct ipam_resting *), void *arg)
{
	for (int family = ADDR_V4; family <= ADDR_V6; family++) {
		struct tree_node *n = tree_first(&ipam->resting[family]);

		for (; n; n = tree_next(n)) {
			const struct spot *s = TREE_ENTRY(n, const struct spot, rest.node);
			struct ipam_resting r = {
				.addr = taken_addr(s->family, spot_key(s)),
				.last = s->last ? s->last->s : "",
				.cool_ms = s->cool_ms ? s->cool_ms - ipam->now_ms : 0,
				.conflicted = s->strange_ms != 0,
			};

			if (!each(arg, &r))
				return;
		}
	}
}

static const struct spot *
spot_at(const struct ipam *ipam, const struct addr *a)
{
	if (a->family != ADDR_V4 && a->family != ADDR_V6)
		return NULL;
	return spot_find(ipam, (enum addr_family)a->family, taken_key(a));
}

const char *
ipam_owner_of(const struct ipam *ipam, const struct addr *addr)
{
	const struct spot *s = spot_at(ipam, addr);

	return s && s->holders ? s->holders->claim->name->s : NULL;
}

bool
ipam_holds(const struct ipam *ipam, const char *owner, const struct addr *addr)
{
	const struct spot *s = spot_at(ipam, addr);

	for (const struct hold *h = s ? s->holders : NULL; h; h = h->next_here)
		if (strcmp(h->claim->name->s, owner) == 0)
			return true;
	return false;
}

void
ipam_pools_each(
    const struct ipam *ipam, bool (*each)(void *arg, const struct ipam_pool_info *), void *arg)
{
	struct ipam_pool_info info;

	for (size_t i = 0; i < ipam->pools.nr; i++) {
		if (!ipam->pools.all[i]->present)
			continue;
		pool_info(ipam->pools.all[i], ipam->taken, ipam->resting, &info);
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
	pool_info(p, ipam->taken, ipam->resting, info);
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
