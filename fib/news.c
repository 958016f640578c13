/*
 * fib/news.c: what the kernel tells: links, addresses, routes of ours that others touch, and routes of
 * others.
 */
#include "fib/core.h"

#include "fib/tunnel.h"
#include "lib/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Routes may have gone with it, without a word; gateways may have come or gone. */
void
fib_node_changed(struct fib *f)
{
	/* Coalesced: a dump of routes follows, and then all of them are looked at. */
	if (!timer_is_running(&f->audit) || timer_left_ms(&f->audit) > FIB_SETTLE_MS)
		timer_set(&f->audit, FIB_SETTLE_MS);
}

void
fib_link_news(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct fib *f = arg;
	struct node *n = &f->node;
	bool usable = l->up && l->running;
	size_t i = 0;

	while (i < n->nr_links && n->links[i].ifindex != l->ifindex)
		i++;
	if (how == NL_DEL) {
		if (n->tunnel == l->ifindex)
			n->tunnel = 0;
		if (i == n->nr_links)
			return;
		n->links[i] = n->links[--n->nr_links];
		fib_node_changed(f);
		return;
	}
	if (i == n->nr_links) {
		if (mem_grow((void **)&n->links, &n->cap_links, n->nr_links, sizeof(n->links[0]),
			0) < 0) {
			f->dump_failed = true;
			fib_retry_later(f);
			return;
		}
		n->links[n->nr_links++] = (struct node_link){ .ifindex = l->ifindex };
	}
	n->links[i].seen = f->seen;
	if (strcmp(l->name, TUNNEL_DEVICE) == 0 && strcmp(l->kind, "vxlan") == 0)
		n->tunnel = l->ifindex;
	if (n->links[i].usable == usable)
		return;
	n->links[i].usable = usable;
	fib_node_changed(f);
}

int
fib_tunnel_assume(struct fib *f, bool there)
{
	struct node *n = &f->node;

	if (there && !n->tunnel) {
		if (mem_grow(
			(void **)&n->links, &n->cap_links, n->nr_links, sizeof(n->links[0]), 0) < 0)
			return -ENOMEM;
		n->links[n->nr_links++] =
		    (struct node_link){ .ifindex = FIB_IFINDEX_TO_COME, .usable = true };
		n->tunnel = FIB_IFINDEX_TO_COME;
	} else if (!there) {
		n->tunnel = 0;
	}
	return 0;
}

void
fib_addr_news(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct fib *f = arg;
	struct node *n = &f->node;
	size_t i;

	for (i = 0; i < n->nr_addrs; i++) {
		const struct nl_ifaddr *b = &n->addrs[i].a;

		if (b->ifindex == a->ifindex && addr_eq(&b->addr, &a->addr) &&
		    prefix_eq(&b->link, &a->link))
			break;
	}
	if (how == NL_DEL) {
		if (i == n->nr_addrs)
			return;
		n->addrs[i] = n->addrs[--n->nr_addrs];
		fib_node_changed(f);
		return;
	}
	if (i < n->nr_addrs) {
		n->addrs[i].seen = f->seen;
		return;
	}
	if (mem_grow((void **)&n->addrs, &n->cap_addrs, n->nr_addrs, sizeof(n->addrs[0]), 0) < 0) {
		f->dump_failed = true;
		fib_retry_later(f);
		return;
	}
	n->addrs[n->nr_addrs++] = (struct node_addr){ .a = *a, .seen = f->seen };
	fib_node_changed(f);
}

/* False: more hops than we ever ask for, so not a route of ours. */
static bool
hops_of(const struct nl_route *route, struct hops *hops)
{
	hops->nr = 0;
	if (route->type > RTN_UNICAST)
		return true; /* unreachable; IPv6 names the loopback device all the same */
	if (route->nr_hops > FIB_HOPS_MAX)
		return false;
	for (size_t i = 0; i < route->nr_hops; i++)
		hops->hop[hops->nr++] = (struct fib_hop){ .gateway = route->hops[i].gateway,
			.weight = (uint16_t)route->hops[i].weight,
			.ifindex = route->hops[i].ifindex };
	hops_sort(hops);
	return true;
}

/* Somebody removed a route of ours, or (IPv6) some of its hops. */
static void
route_went(struct route *r, struct have *h, const struct hops *gone)
{
	struct hops left = { 0 };
	uint32_t seen = h->seen;

	for (size_t i = 0; i < h->nr; i++) {
		bool went = gone->nr == 0;

		for (size_t j = 0; j < gone->nr; j++)
			went |= hops_same(&h->hop[i], 1, &gone->hop[j], 1);
		if (!went)
			left.hop[left.nr++] = h->hop[i];
	}
	if (left.nr > 0 && r->prefix.addr.family == ADDR_V6) {
		h = have_set(r, h->table, h->metric, left.hop, left.nr);
		if (h)
			h->seen = seen;
	} else {
		have_drop(r, h);
	}
	r->lost = true;
}

void
fib_route_news(void *arg, enum nl_how how, const struct nl_route *route, bool ours)
{
	uint32_t table = route->table ? route->table : FIB_TABLE_MAIN;
	struct fib *f = arg;
	struct hops hops;
	struct route *r;
	struct have *h;

	if (route->protocol != FIB_PROTOCOL) {
		way_news(f, how, route);
		return;
	}
	/* What we asked for is known by its answer. */
	if ((ours && how != NL_DUMPED) || !hops_of(route, &hops))
		return;
	r = table_find(&f->table, &route->prefix);
	if (how == NL_DEL) {
		h = r ? have_find(r, table, route->metric) : NULL;
		if (!h)
			return;
		route_went(r, h, &hops);
		route_mark(r);
		return;
	}
	if (!r) {
		r = table_get(&f->table, &route->prefix);
		if (!r) {
			f->dump_failed = true;
			fib_retry_later(f);
			return;
		}
		r->fib = f;
		r->adopted = !f->adopted_done;
	}
	h = have_set(r, table, route->metric, hops.hop, hops.nr);
	if (h)
		h->seen = f->seen;
	if (how == NL_NEW)
		route_mark(r);
}

void
fib_resync(void *arg)
{
	struct fib *f = arg;

	if (f->nr_dumps > 0) {
		f->dump_failed = true; /* what it tells may be old: again, soon */
		return;
	}
	fib_dump_all(f);
}
