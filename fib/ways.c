/*
 * fib/ways.c: routes of others that lead on to a router, and gateways found by them: a BGP next hop
 * that is not on any of our links is reached by the router that the kernel would take for it
 * (RFC 4271 5.1.3, 9.1.2.1).  Mostly that is the default route.
 */
#include "fib/core.h"

#include "lib/mem.h"

#include <linux/rtnetlink.h>

/* More are left out: a gateway behind them counts as unreachable. */
#define WAYS_MAX 4096

/* Forget those of a prefix and metric; false: there were none. */
static bool
ways_drop(struct node *n, const struct prefix *p, uint32_t metric)
{
	size_t nr = 0;

	for (size_t i = 0; i < n->nr_ways; i++)
		if (n->ways[i].metric != metric || !prefix_eq(&n->ways[i].prefix, p))
			n->ways[nr++] = n->ways[i];
	if (nr == n->nr_ways)
		return false;
	n->nr_ways = nr;
	return true;
}

static int
way_add(struct node *n, const struct node_way *w)
{
	if (n->nr_ways == WAYS_MAX)
		return 0;
	if (mem_grow((void **)&n->ways, &n->cap_ways, n->nr_ways, sizeof(n->ways[0]), WAYS_MAX) < 0)
		return -1;
	n->ways[n->nr_ways++] = *w;
	return 0;
}

/* It is known as it is told: only note that it was. */
static bool
way_is_known(struct node *n, const struct node_way *w)
{
	for (size_t i = 0; i < n->nr_ways; i++) {
		struct node_way *v = &n->ways[i];

		if (v->metric == w->metric && v->ifindex == w->ifindex &&
		    addr_eq(&v->gateway, &w->gateway) && prefix_eq(&v->prefix, &w->prefix)) {
			v->seen = w->seen;
			return true;
		}
	}
	return false;
}

void
way_news(struct fib *f, enum nl_how how, const struct nl_route *r)
{
	struct node *n = &f->node;
	struct node_way w = { .prefix = r->prefix, .metric = r->metric, .seen = f->seen };

	if ((r->table != 0 && r->table != FIB_TABLE_MAIN) || (r->type > RTN_UNICAST))
		return;
	/* The first hop that goes on through a router; the kernel would share among all of them. */
	for (size_t i = 0; i < r->nr_hops && !addr_is_set(&w.gateway); i++)
		if (!r->hops[i].dead && r->hops[i].gateway.family == r->prefix.addr.family) {
			w.gateway = r->hops[i].gateway;
			w.ifindex = r->hops[i].ifindex;
		}
	if (how == NL_DEL) {
		if (ways_drop(n, &r->prefix, r->metric))
			fib_node_changed(f);
		return;
	}
	if (!addr_is_set(&w.gateway) || way_is_known(n, &w))
		return;
	(void)ways_drop(n, &r->prefix, r->metric);
	if (way_add(n, &w) < 0) {
		f->dump_failed = true;
		fib_retry_later(f);
		return;
	}
	fib_node_changed(f);
}

void
ways_sweep(struct fib *f)
{
	struct node *n = &f->node;
	size_t nr = 0;

	for (size_t i = 0; i < n->nr_ways; i++)
		if (n->ways[i].seen == f->seen)
			n->ways[nr++] = n->ways[i];
	n->nr_ways = nr;
}

const struct node_way *
way_find(const struct node *n, const struct addr *to)
{
	const struct node_way *best = NULL;

	for (size_t i = 0; i < n->nr_ways; i++) {
		const struct node_way *w = &n->ways[i];

		if (!prefix_has_addr(&w->prefix, to))
			continue;
		if (!best || w->prefix.len > best->prefix.len ||
		    (w->prefix.len == best->prefix.len && w->metric < best->metric))
			best = w;
	}
	return best;
}
