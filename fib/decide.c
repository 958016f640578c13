/*
 * fib/decide.c: what the kernel should have for a route, from what is wanted and what is known of
 * the node's links and addresses.  Pure: no I/O, no clock.
 */
#include "fib/core.h"

#include <stdlib.h>
#include <string.h>

static int
hop_cmp(const void *x, const void *y)
{
	const struct fib_hop *a = x, *b = y;
	int c = addr_cmp(&a->gateway, &b->gateway);

	if (c != 0)
		return c;
	return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

static unsigned
hop_weight(const struct fib_hop *h)
{
	return h->weight ? h->weight : 1;
}

/* The same way for two: with weights, it has the load of both. */
static void
hop_join(struct fib_hop *h, const struct fib_hop *other)
{
	unsigned sum = hop_weight(h) + hop_weight(other);

	if (h->weight > 1 || other->weight > 1)
		h->weight = (uint16_t)(sum > FIB_WEIGHT_MAX ? FIB_WEIGHT_MAX : sum);
}

void
hops_sort(struct hops *h)
{
	size_t nr = 0;

	qsort(h->hop, h->nr, sizeof(h->hop[0]), hop_cmp);
	for (size_t i = 0; i < h->nr; i++)
		if (nr == 0 || hop_cmp(&h->hop[nr - 1], &h->hop[i]) != 0)
			h->hop[nr++] = h->hop[i];
		else
			hop_join(&h->hop[nr - 1], &h->hop[i]);
	h->nr = nr;
}

bool
hops_same(const struct fib_hop *a, size_t nr, const struct fib_hop *b, size_t nr_other)
{
	if (nr != nr_other)
		return false;
	for (size_t i = 0; i < nr; i++)
		if (hop_cmp(&a[i], &b[i]) != 0 ||
		    (nr > 1 && hop_weight(&a[i]) != hop_weight(&b[i])))
			return false;
	return true;
}

static bool
link_is_usable(const struct node *n, unsigned ifindex)
{
	for (size_t i = 0; i < n->nr_links; i++)
		if (n->links[i].ifindex == ifindex)
			return n->links[i].usable;
	return false;
}

static bool
is_own_address(const struct node *n, const struct addr *a)
{
	for (size_t i = 0; i < n->nr_addrs; i++)
		if (addr_eq(&n->addrs[i].a.addr, a))
			return true;
	return false;
}

/* Why this prefix must not be routed whatever the hops; REASON_SATISFIED: it may be. */
static enum reason
prefix_verdict(const struct node *n, const struct prefix *p, bool discard)
{
	bool is_host = p->len == addr_bits((enum addr_family)p->addr.family);

	if (is_host && is_own_address(n, &p->addr))
		return REASON_LOCAL_ADDRESS;
	for (size_t i = 0; i < n->nr_protect; i++)
		/* The whole of it may be unreachable where no pod is. */
		if (prefix_covers(&n->protect[i], p) && !(discard && prefix_eq(&n->protect[i], p)))
			return REASON_PROTECTED_PREFIX;
	for (size_t i = 0; i < n->nr_addrs; i++)
		if (prefix_eq(&n->addrs[i].a.link, p) && link_is_usable(n, n->addrs[i].a.ifindex))
			return REASON_CONNECTED_PREFIX;
	return REASON_SATISFIED;
}

/*
 * The link that reaches a hop's gateway directly, 0: none does.  A route that is as specific as
 * the link's prefix and contains its own gateway would lead away from it.
 */
static unsigned
hop_link(const struct node *n, const struct prefix *dest, const struct fib_hop *h)
{
	const struct nl_ifaddr *best = NULL;

	if (is_own_address(n, &h->gateway))
		return 0;
	if (h->ifindex && addr_is_linklocal(&h->gateway))
		return link_is_usable(n, h->ifindex) ? h->ifindex : 0;
	for (size_t i = 0; i < n->nr_addrs; i++) {
		const struct nl_ifaddr *a = &n->addrs[i].a;

		if (h->ifindex && a->ifindex != h->ifindex)
			continue;
		if (!prefix_has_addr(&a->link, &h->gateway) || !link_is_usable(n, a->ifindex))
			continue;
		if (!best || a->link.len > best->link.len)
			best = a;
	}
	if (!best || (prefix_has_addr(dest, &h->gateway) && dest->len >= best->link.len))
		return 0;
	return best->ifindex;
}

/* The hop as the kernel can take it: itself, or the router on the way to it (when @far may be). */
static bool
hop_resolve(const struct node *n, const struct prefix *dest, const struct fib_hop *h, bool far,
    struct fib_hop *out)
{
	const struct node_way *w;

	*out = (struct fib_hop){
		.gateway = h->gateway, .weight = h->weight, .ifindex = hop_link(n, dest, h)
	};
	if (out->ifindex)
		return true;
	if (!far || h->ifindex || is_own_address(n, &h->gateway))
		return false;
	w = way_find(n, &h->gateway);
	/* As in hop_link(): the route must not lead away from its own gateway. */
	if (!w || (prefix_has_addr(dest, &h->gateway) && dest->len >= w->prefix.len))
		return false;
	*out =
	    (struct fib_hop){ .gateway = w->gateway, .weight = h->weight, .ifindex = w->ifindex };
	out->ifindex = hop_link(n, dest, out);
	return out->ifindex != 0;
}

void
route_target(const struct node *n, const struct route *r, struct hops *target, enum reason *why)
{
	enum fib_origin origin;
	const struct want *w = route_want(r, &origin);

	target->nr = 0;
	target->discard = false;
	*why = REASON_NONE;
	if (!w)
		return;
	*why = prefix_verdict(n, &r->prefix, origin == FIB_DISCARD);
	if (*why != REASON_SATISFIED)
		return;
	if (origin == FIB_DISCARD) {
		target->discard = true;
		return;
	}
	for (size_t i = 0; i < w->nr; i++) {
		struct fib_hop wanted = w->hop[i], hop;

		if (origin == FIB_TUNNEL) {
			wanted.ifindex = n->tunnel;
			if (!n->tunnel)
				continue;
		}
		if (hop_resolve(n, &r->prefix, &wanted, origin == FIB_BGP_LEARNED, &hop))
			target->hop[target->nr++] = hop;
	}
	hops_sort(target);
	if (target->nr == 0)
		*why = REASON_GATEWAY_UNREACHABLE;
}
