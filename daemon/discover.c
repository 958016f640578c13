/*
 * daemon/discover.c: links, the default gateway, routers on interfaces.  See discover.h.
 *
 * The links are looked at anew whenever netlink has news of one that is watched; routes are asked for
 * again, all of them, when a default route changes: what the kernel then says is true, however it came
 * to be.
 */
#include "daemon/discover.h"

#include "daemon/router.h"
#include "fib/fib.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/netlink.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>

/* What one look at a link found. */
struct look {
	unsigned ifindex; /* 0: there is none of this name */
	bool up;
	bool has_mac;
	uint8_t mac[6];
	struct addr linklocal;
	struct addr one[3]; /* by family: the address that is not link-local */
	unsigned nr[3];	    /* and how many of them */
};

struct link_watch {
	struct link_watch *next;
	struct discover *d;
	char name[16];
	bool wanted, wants_router;
	struct look look;
	struct router router;
};

/* The default route of a family. */
struct gateway_watch {
	bool wanted, known; /* known: a dump came to its end */
	struct bgp_found found, next;
	uint32_t next_metric;
};

struct discover {
	struct loop *loop;
	void (*changed)(void *arg);
	void *arg;
	struct bgp_links links;
	struct link_watch *watches;
	struct netlink *news;	/* of links and addresses; NULL: nothing is watched */
	struct netlink *routes; /* NULL: no gateway is asked for */
	struct gateway_watch gateways[3];
	bool dumping, dump_again;
	struct ndisc *ndisc; /* NULL: no router is asked for */
	struct loop_work look_again, tell;
};

/* ---- looking at links ---- */

static void
look_at_entry(const struct ifaddrs *e, struct look *l)
{
	struct sockaddr_ll ll;
	struct addr a;

	l->up = e->ifa_flags & IFF_UP;
	if (!e->ifa_addr)
		return;
	if (e->ifa_addr->sa_family == AF_PACKET) {
		memcpy(&ll, e->ifa_addr, sizeof(ll));
		l->has_mac = ll.sll_halen == sizeof(l->mac);
		if (l->has_mac)
			memcpy(l->mac, ll.sll_addr, sizeof(l->mac));
		return;
	}
	if (addr_from_sockaddr(e->ifa_addr, &a, NULL) < 0)
		return;
	if (addr_is_linklocal(&a)) {
		if (a.family == ADDR_V6 && !addr_is_set(&l->linklocal))
			l->linklocal = a;
		return;
	}
	l->one[a.family] = a;
	l->nr[a.family]++;
}

static struct look
look_at(const char *name)
{
	struct look l = { .ifindex = if_nametoindex(name) };
	struct ifaddrs *list;

	if (!l.ifindex || getifaddrs(&list) < 0)
		return l;
	for (const struct ifaddrs *e = list; e; e = e->ifa_next) {
		if (strcmp(e->ifa_name, name) == 0)
			look_at_entry(e, &l);
	}
	freeifaddrs(list);
	return l;
}

static bool
looks_same(const struct look *a, const struct look *b)
{
	return a->ifindex == b->ifindex && a->up == b->up && a->has_mac == b->has_mac &&
	    memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && addr_eq(&a->linklocal, &b->linklocal) &&
	    addr_eq(&a->one[ADDR_V4], &b->one[ADDR_V4]) &&
	    addr_eq(&a->one[ADDR_V6], &b->one[ADDR_V6]) && a->nr[ADDR_V4] == b->nr[ADDR_V4] &&
	    a->nr[ADDR_V6] == b->nr[ADDR_V6];
}

/* ---- routers ---- */

static void
router_send(void *arg, enum ndisc_kind kind, const struct addr *to)
{
	struct link_watch *w = arg;
	const struct look *l = &w->look;
	int err;

	if (!w->d->ndisc)
		return;
	err = ndisc_send(
	    w->d->ndisc, kind, l->ifindex, &l->linklocal, to, l->has_mac ? l->mac : NULL);
	/* An address that is not known to be ours alone yet, a link without carrier: soon again. */
	if (err < 0)
		log_debug("router-discovery-not-sent", LOG_S("interface", w->name), LOG_ERR(-err));
}

static void
router_changed(void *arg)
{
	struct link_watch *w = arg;

	log_info("neighbour-found", LOG_S("interface", w->name),
	    LOG_S("address", addr_str(&w->router.addr)));
	work_post(&w->d->tell);
}

static void
ndisc_heard(void *arg, enum ndisc_kind kind, unsigned ifindex, const struct addr *from)
{
	struct discover *d = arg;

	for (struct link_watch *w = d->watches; w; w = w->next) {
		if (w->wants_router && w->look.ifindex == ifindex &&
		    !addr_eq(from, &w->look.linklocal))
			router_heard(&w->router, kind, from);
	}
}

/* Make its router discovery what the link, as @old and now, allows. */
static void
router_follow(struct link_watch *w, const struct look *old)
{
	struct discover *d = w->d;
	const struct look *l = &w->look;
	bool can = w->wants_router && d->ndisc && l->up && addr_is_set(&l->linklocal);
	int err;

	if (old->ifindex != l->ifindex) {
		if (old->ifindex && d->ndisc)
			ndisc_leave(d->ndisc, old->ifindex);
		router_forget(&w->router); /* another link, which has the same name */
	}
	if (!can) {
		router_stop(&w->router);
		return;
	}
	if (w->router.running && looks_same(old, l))
		return;
	err = ndisc_join(d->ndisc, l->ifindex);
	if (err < 0)
		log_warn(
		    "router-solicitations-not-heard", LOG_S("interface", w->name), LOG_ERR(-err));
	router_start(&w->router);
}

/* ---- news ---- */

static void
look_work(void *arg)
{
	struct discover *d = arg;

	for (struct link_watch *w = d->watches; w; w = w->next) {
		struct look old = w->look;

		w->look = look_at(w->name);
		router_follow(w, &old);
		if (!looks_same(&old, &w->look))
			work_post(&d->tell);
	}
}

static void
tell_work(void *arg)
{
	struct discover *d = arg;

	d->changed(d->arg);
}

static void
link_news(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct discover *d = arg;

	(void)how;
	for (const struct link_watch *w = d->watches; w; w = w->next) {
		if (w->look.ifindex == l->ifindex || strcmp(w->name, l->name) == 0)
			work_post(&d->look_again);
	}
}

static void
ifaddr_news(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct discover *d = arg;

	(void)how;
	for (const struct link_watch *w = d->watches; w; w = w->next) {
		if (w->look.ifindex == a->ifindex)
			work_post(&d->look_again);
	}
}

static void
news_lost(void *arg)
{
	struct discover *d = arg;

	work_post(&d->look_again);
}

/* ---- the default gateway ---- */

static void routes_dump(struct discover *);

static bool
found_same(const struct bgp_found *a, const struct bgp_found *b)
{
	return addr_eq(&a->addr, &b->addr) && a->ifindex == b->ifindex;
}

/* A default route with a gateway that is not of our own making: its next hop would be a peer. */
static const struct nl_hop *
default_hop(const struct nl_route *r)
{
	if (r->prefix.len != 0 || (r->table != RT_TABLE_MAIN && r->table != 0) ||
	    r->protocol == FIB_PROTOCOL || (r->type != RTN_UNICAST && r->type != 0))
		return NULL;
	for (size_t i = 0; i < r->nr_hops; i++) {
		if (addr_is_set(&r->hops[i].gateway) && r->hops[i].ifindex && !r->hops[i].dead)
			return &r->hops[i];
	}
	return NULL;
}

static void
route_news(void *arg, enum nl_how how, const struct nl_route *r, bool ours)
{
	struct discover *d = arg;
	struct gateway_watch *g = &d->gateways[r->prefix.addr.family];
	const struct nl_hop *hop;

	(void)ours;
	if (r->prefix.len != 0)
		return;
	if (how != NL_DUMPED) {
		routes_dump(d);
		return;
	}
	hop = default_hop(r);
	if (!hop || (addr_is_set(&g->next.addr) && g->next_metric <= r->metric))
		return;
	g->next_metric = r->metric;
	g->next = (struct bgp_found){ .addr = hop->gateway, .ifindex = hop->ifindex };
}

static void
dump_done(void *arg, int err)
{
	struct discover *d = arg;

	d->dumping = false;
	if (err < 0)
		d->dump_again = true;
	for (int f = ADDR_V4; f <= ADDR_V6 && err == 0; f++) {
		struct gateway_watch *g = &d->gateways[f];

		if (g->wanted && !found_same(&g->found, &g->next)) {
			log_info("default-gateway", LOG_S("address", addr_str(&g->next.addr)),
			    LOG_U("ifindex", g->next.ifindex));
			work_post(&d->tell);
		}
		g->found = g->next;
		g->known = true;
	}
	if (d->dump_again)
		routes_dump(d);
}

static void
routes_dump(struct discover *d)
{
	if (d->dumping) {
		d->dump_again = true;
		return;
	}
	d->dump_again = false;
	for (int f = ADDR_V4; f <= ADDR_V6; f++)
		memset(&d->gateways[f].next, 0, sizeof(d->gateways[f].next));
	d->dumping = netlink_dump(d->routes, NL_ROUTES, dump_done, d) == 0;
	if (!d->dumping)
		log_error("default-gateway-unknown", LOG_ERR(ENOMEM));
}

/* IPv4 routes go with their link or its address without a word. */
static void
gateway_link_news(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct discover *d = arg;

	(void)how;
	if (d->gateways[ADDR_V4].found.ifindex == l->ifindex ||
	    d->gateways[ADDR_V6].found.ifindex == l->ifindex)
		routes_dump(d);
}

static void
gateway_addr_news(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	const struct nl_link link = { .ifindex = a->ifindex };

	gateway_link_news(arg, how, &link);
}

static void
routes_lost(void *arg)
{
	routes_dump(arg);
}

/* ---- questions ---- */

static struct link_watch *
watch_of(struct discover *d, const char *name)
{
	const struct router_ops ops = { .send = router_send, .changed = router_changed };
	struct link_watch *w = d->watches;
	struct router_ops own = ops;

	while (w && strcmp(w->name, name) != 0)
		w = w->next;
	if (!w) {
		w = xnew(struct link_watch);
		w->d = d;
		own.arg = w;
		memcpy(w->name, name, strnlen(name, sizeof(w->name) - 1));
		w->look = look_at(w->name);
		router_init(&w->router, d->loop, &own);
		w->next = d->watches;
		d->watches = w;
	}
	w->wanted = true;
	return w;
}

static int
ask_addr(void *arg, const char *link, enum addr_family family, struct addr *out)
{
	const struct look *l = &watch_of(arg, link)->look;

	if (!l->ifindex)
		return -ENODEV;
	if (l->nr[family] != 1)
		return l->nr[family] ? -E2BIG : -ENOENT;
	*out = l->one[family];
	return 0;
}

static unsigned
ask_index(void *arg, const char *link)
{
	return watch_of(arg, link)->look.ifindex;
}

static enum reason
ask_gateway(void *arg, enum addr_family family, struct bgp_found *out)
{
	struct discover *d = arg;
	struct gateway_watch *g = &d->gateways[family];

	g->wanted = true;
	if (!addr_is_set(&g->found.addr))
		return REASON_GATEWAY_UNKNOWN;
	*out = g->found;
	if (!if_indextoname(out->ifindex, out->link))
		out->link[0] = '\0';
	return REASON_SATISFIED;
}

static enum reason
ask_neighbour(void *arg, const char *link, struct bgp_found *out)
{
	struct link_watch *w = watch_of(arg, link);

	w->wants_router = true;
	memcpy(out->link, w->name, sizeof(out->link));
	out->ifindex = w->look.ifindex;
	if (!w->look.ifindex)
		return REASON_LINK_MISSING;
	if (!w->look.up)
		return REASON_LINK_DOWN;
	if (!addr_is_set(&w->look.linklocal))
		return REASON_NO_LINK_LOCAL;
	if (!addr_is_set(&w->router.addr))
		return REASON_NEIGHBOUR_UNKNOWN;
	out->addr = w->router.addr;
	return REASON_SATISFIED;
}

const struct bgp_links *
discover_links(const struct discover *d)
{
	return &d->links;
}

void
discover_begin(struct discover *d)
{
	for (struct link_watch *w = d->watches; w; w = w->next)
		w->wanted = w->wants_router = false;
	d->gateways[ADDR_V4].wanted = d->gateways[ADDR_V6].wanted = false;
}

static void
watch_free(struct link_watch *w)
{
	router_forget(&w->router);
	if (w->d->ndisc && w->look.ifindex)
		ndisc_leave(w->d->ndisc, w->look.ifindex);
	mem_free(w);
}

/* Open what is needed now, close what is not. */
static void
news_open(struct discover *d)
{
	const struct netlink_ops ops = {
		.link = link_news, .ifaddr = ifaddr_news, .resync = news_lost
	};
	int err = 0;

	if (!d->watches) {
		netlink_free(d->news);
		d->news = NULL;
		return;
	}
	if (d->news)
		return;
	d->news = netlink_new(d->loop, &ops, d, &err);
	if (!d->news)
		log_error("links-not-followed", LOG_ERR(-err));
	work_post(&d->look_again); /* what happened between the look and now */
}

static void
routes_open(struct discover *d)
{
	const struct netlink_ops ops = { .link = gateway_link_news,
		.ifaddr = gateway_addr_news,
		.route = route_news,
		.resync = routes_lost };
	int err = 0;

	if (!d->gateways[ADDR_V4].wanted && !d->gateways[ADDR_V6].wanted) {
		netlink_free(d->routes);
		d->routes = NULL;
		d->dumping = false;
		memset(d->gateways, 0, sizeof(d->gateways));
		return;
	}
	if (d->routes)
		return;
	d->routes = netlink_new(d->loop, &ops, d, &err);
	if (!d->routes)
		log_error("default-gateway-unknown", LOG_ERR(-err));
	else
		routes_dump(d);
}

static void
ndisc_open(struct discover *d)
{
	bool wanted = false;
	int err = 0;

	for (const struct link_watch *w = d->watches; w; w = w->next)
		wanted |= w->wants_router;
	if (!wanted) {
		ndisc_free(d->ndisc);
		d->ndisc = NULL;
	} else if (!d->ndisc) {
		d->ndisc = ndisc_new(d->loop, ndisc_heard, d, &err);
		if (!d->ndisc)
			log_error("router-discovery-off", LOG_ERR(-err),
			    LOG_S("hint", "CAP_NET_RAW and IPv6 are needed"));
	}
	for (struct link_watch *w = d->watches; w; w = w->next)
		router_follow(w, &w->look);
}

void
discover_end(struct discover *d)
{
	struct link_watch **at = &d->watches, *w;

	while ((w = *at)) {
		if (w->wanted) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		watch_free(w);
	}
	news_open(d);
	routes_open(d);
	ndisc_open(d);
}

struct discover *
discover_new(struct loop *loop, void (*changed)(void *arg), void *arg)
{
	struct discover *d = xnew(struct discover);

	d->loop = loop;
	d->changed = changed;
	d->arg = arg;
	d->links = (struct bgp_links){ .addr = ask_addr,
		.index = ask_index,
		.gateway = ask_gateway,
		.neighbour = ask_neighbour,
		.arg = d };
	work_init(&d->look_again, loop, look_work, d);
	work_init(&d->tell, loop, tell_work, d);
	return d;
}

void
discover_free(struct discover *d)
{
	if (!d)
		return;
	work_cancel(&d->look_again);
	work_cancel(&d->tell);
	discover_begin(d);
	discover_end(d);
	work_cancel(&d->look_again);
	mem_free(d);
}
