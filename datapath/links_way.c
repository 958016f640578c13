/*
 * datapath/links_way.c: by which device the kernel reaches an address, asked of the kernel itself
 * so that its rules and tables count; and what follows for the address and the ports that this node
 * sends as.  Stands between the news of routes and the choice of devices in links.c.
 */
#include "datapath/links.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS_MS 60000
#define PORTS_ENOUGH 4096
#define PORT_FIRST 1024
#define PORT_LAST 65535
#define NODE_PORT_FIRST 30000 /* kube-apiserver's default --service-node-port-range */
#define NODE_PORT_LAST 32767

struct question {
	struct question *next, **prev;
	struct dp_links *links;
	enum ways_of of;
	struct addr addr;
};

/* ---- ways ---- */

static struct way *
way_find(struct ways *w, const struct addr *a)
{
	size_t lo = 0, hi = w->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = addr_cmp(&w->way[mid].addr, a);

		if (cmp == 0)
			return &w->way[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void
question_free(struct question *q)
{
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	mem_free(q);
}

static void
way_found(void *arg, int err, const struct nl_route *r)
{
	struct question *q = arg;
	struct dp_links *k = q->links;
	struct way *w = way_find(&k->ways[q->of], &q->addr);

	if (w) {
		bool there = err == 0 && r->type == RTN_UNICAST && r->nr_hops > 0;

		w->ifindex = there ? r->hops[0].ifindex : 0;
		w->source = there ? r->source : (struct addr){ 0 };
	}
	question_free(q);
	links_choose_soon(k);
}

static int
way_ask(struct dp_links *k, enum ways_of of, struct way *w)
{
	struct question *q = mem_calloc(1, sizeof(*q));
	int err;

	if (!q)
		return -ENOMEM;
	*q = (struct question){
		.next = k->questions, .prev = &k->questions, .links = k, .of = of, .addr = w->addr
	};
	if (q->next)
		q->next->prev = &q->next;
	k->questions = q;
	err = netlink_lookup(k->nl, &w->addr, way_found, q);
	if (err < 0)
		question_free(q);
	else
		w->asked = true;
	return err;
}

void
ways_ask(struct dp_links *k, enum ways_of of, bool all)
{
	struct ways *w = &k->ways[of];

	for (size_t i = 0; i < w->nr; i++) {
		if (!all && w->way[i].asked)
			continue;
		if (way_ask(k, of, &w->way[i]) < 0) {
			links_dump_soon(k); /* which asks again */
			return;
		}
	}
}

static int
addr_order(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

void
ways_set(struct dp_links *k, enum ways_of of, struct addr *addrs, size_t nr)
{
	struct ways *w = &k->ways[of], new = { 0 };

	if (nr > 0)
		qsort(addrs, nr, sizeof(*addrs), addr_order);
	for (size_t i = 0; i < nr; i++) {
		const struct way *old = way_find(w, &addrs[i]);

		if (i > 0 && addr_eq(&addrs[i], &addrs[i - 1]))
			continue;
		if (mem_grow((void **)&new.way, &new.cap, new.nr, sizeof(*new.way), 0) < 0) {
			mem_free(new.way);
			links_dump_soon(k);
			return;
		}
		new.way[new.nr++] = old ? *old : (struct way){ .addr = addrs[i] };
	}
	mem_free(w->way);
	*w = new;
	ways_ask(k, of, false);
}

/* Does a prefix have one of the addresses in it? */
static bool
ways_in(const struct ways *w, const struct prefix *p)
{
	size_t lo = 0, hi = w->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (addr_cmp(&w->way[mid].addr, &p->addr) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->nr && prefix_has_addr(p, &w->way[lo].addr);
}

bool
ways_cover(const struct dp_links *k, const struct prefix *p)
{
	for (size_t of = 0; of < NR_WAYS_OF; of++) {
		if (ways_in(&k->ways[of], p))
			return true;
	}
	return false;
}

bool
ways_are_asked(const struct dp_links *k)
{
	return k->questions == NULL;
}

bool
ways_use(const struct ways *w, unsigned ifindex)
{
	for (size_t i = 0; i < w->nr; i++) {
		if (w->way[i].ifindex == ifindex)
			return true;
	}
	return false;
}

void
ways_fini(struct dp_links *k)
{
	while (k->questions)
		question_free(k->questions);
	for (size_t of = 0; of < NR_WAYS_OF; of++)
		mem_free(k->ways[of].way);
}

/* ---- the address that this node sends as ---- */

/* The default route that the kernel would take. */
static const struct exit_hop *
exit_best(const struct dp_links *k, uint8_t family)
{
	const struct exit_hop *best = NULL;

	for (size_t i = 0; i < k->nr_exits; i++) {
		const struct exit_hop *h = &k->exits[i];

		if (h->family == family && (!best || h->metric < best->metric))
			best = h;
	}
	return best;
}

void
gateways_changed(struct dp_links *k)
{
	struct addr gateways[2];
	size_t nr = 0;

	for (int f = ADDR_V4; f <= ADDR_V6; f++) {
		const struct exit_hop *h = exit_best(k, (uint8_t)f);

		if (h && addr_is_set(&h->gateway))
			gateways[nr++] = h->gateway;
	}
	ways_set(k, WAYS_GATEWAYS, gateways, nr);
}

static bool
addr_is_global(const struct addr *a)
{
	return addr_is_set(a) && addr_is_unicast(a) && !addr_is_loopback(a) &&
	    !addr_is_linklocal(a);
}

/* The first address of an uplink that lasts; @ifindex 0: of any. */
static struct addr
own_global(struct dp_links *k, uint8_t family, unsigned ifindex)
{
	const uint32_t passing =
	    IFA_F_TENTATIVE | IFA_F_DEPRECATED | IFA_F_DADFAILED | IFA_F_TEMPORARY;

	for (size_t i = 0; i < k->nr_owns; i++) {
		const struct nl_ifaddr *a = &k->owns[i].a;
		const struct link *n = link_find(k, a->ifindex);
		/* IPv4 has no temporary addresses: there the bit says "secondary". */
		uint32_t bad = family == ADDR_V6 ? passing : passing & ~(uint32_t)IFA_F_TEMPORARY;

		if (a->addr.family == family && a->scope == RT_SCOPE_UNIVERSE &&
		    !(a->flags & bad) && addr_is_global(&a->addr) && n && n->role == LINK_UPLINK &&
		    (!ifindex || ifindex == a->ifindex))
			return a->addr;
	}
	return (struct addr){ 0 };
}

static struct addr
snat_choose(struct dp_links *k, uint8_t family)
{
	const struct exit_hop *h = exit_best(k, family);
	const struct ways *gateways = &k->ways[WAYS_GATEWAYS];
	struct addr a;

	if (addr_is_set(&k->snat[family - ADDR_V4]))
		return k->snat[family - ADDR_V4];
	if (h && addr_is_global(&h->source))
		return h->source;
	for (size_t i = 0; h && i < gateways->nr; i++) {
		const struct way *w = &gateways->way[i];

		if (addr_eq(&w->addr, &h->gateway) && addr_is_global(&w->source) &&
		    w->source.family == family)
			return w->source;
	}
	a = own_global(k, family, h ? h->ifindex : 0);
	return addr_is_set(&a) ? a : own_global(k, family, 0);
}

static bool
is_own(const struct dp_links *k, const struct addr *a)
{
	for (size_t i = 0; i < k->nr_owns; i++) {
		if (addr_eq(&k->owns[i].a.addr, a))
			return true;
	}
	return false;
}

static void
snat_set(struct dp_links *k, uint8_t family, struct lb_addr *at, const struct lb_addr *other)
{
	const struct addr *wanted = &k->snat[family - ADDR_V4];
	struct lb_addr old = *at, new;
	struct addr a = snat_choose(k, family), last = lb_addr_to(&old, family == ADDR_V4 ? 4 : 6);
	bool had = !addr_is_unspecified(&last);
	uint32_t old_bit = lb_filter_index(&old), new_bit;

	/* Flows under way have the address that they began with: it stays while it is ours and no
	 * default route says another one. */
	if (!addr_is_set(wanted) && !exit_best(k, family) && is_own(k, &last))
		a = last;
	new = lb_addr_of(&a);
	new_bit = lb_filter_index(&new);
	if (!addr_is_set(&a))
		new = (struct lb_addr){ { 0 } };
	else
		__atomic_fetch_or(&k->maps->filter[new_bit], LB_IS_SNAT, __ATOMIC_RELEASE);
	if (memcmp(&old, &new, sizeof(new)) == 0)
		return;
	log_info("snat-address", LOG_S("family", family == ADDR_V4 ? "IPv4" : "IPv6"),
	    LOG_S("address", addr_is_set(&a) ? addr_str(&a) : "none"));
	/* Between two words of IPv6 a packet may see a mixture: few bits differ within a node. */
	for (int i = 0; i < 4; i++)
		__atomic_store_n(&at->w[i], new.w[i], __ATOMIC_RELEASE);
	if (had && (!addr_is_set(&a) || old_bit != new_bit) && old_bit != lb_filter_index(other))
		__atomic_fetch_and(
		    &k->maps->filter[old_bit], (uint8_t)~LB_IS_SNAT, __ATOMIC_RELEASE);
}

void
snat_write(struct dp_links *k)
{
	struct lb_conf *conf = k->maps ? k->maps->conf : NULL;

	if (!conf || !k->maps->filter || !k->synced || !ways_are_asked(k))
		return;
	snat_set(k, ADDR_V4, &conf->snat4, &conf->snat6);
	snat_set(k, ADDR_V6, &conf->snat6, &conf->snat4);
}

/* ---- the ports ---- */

unsigned
snat_ports(unsigned lo, unsigned hi, unsigned *min)
{
	const unsigned from[2] = { lo < NODE_PORT_FIRST ? lo : NODE_PORT_FIRST,
		lo < NODE_PORT_FIRST ? NODE_PORT_FIRST : lo };
	const unsigned to[2] = { lo < NODE_PORT_FIRST ? hi : NODE_PORT_LAST,
		lo < NODE_PORT_FIRST ? NODE_PORT_LAST : hi };
	unsigned at = PORT_FIRST, best = 0;

	for (int i = 0; i <= 2; i++) {
		unsigned end = i < 2 ? from[i] : PORT_LAST + 1;

		if (end > at && end - at > best) {
			best = end - at;
			*min = at;
		}
		if (i < 2 && to[i] + 1 > at)
			at = to[i] + 1;
	}
	return best;
}

void
snat_ports_due(void *arg)
{
	struct dp_links *k = arg;
	struct lb_conf *conf = k->maps ? k->maps->conf : NULL;
	unsigned lo = 32768, hi = 60999, min = 0, nr;
	uint16_t range[2];
	uint32_t word;
	FILE *f;

	timer_set_jitter(&k->ports, PORTS_MS, 10);
	if (!conf)
		return;
	snat_write(k); /* and its bit in the filter, were it lost */
	f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	if (!f || fscanf(f, "%u %u", &lo, &hi) != 2 || lo > hi || hi > PORT_LAST) {
		lo = 32768; /* the kernel's default */
		hi = 60999;
	}
	if (f)
		fclose(f);
	nr = snat_ports(lo, hi, &min);
	range[0] = (uint16_t)min;
	range[1] = (uint16_t)nr;
	if (nr < PORTS_ENOUGH && !k->ports_told)
		log_warn("few-snat-ports", LOG_U("ports", nr),
		    LOG_S("reason",
			"net.ipv4.ip_local_port_range leaves few ports below and above it; the "
			"load "
			"balancer needs some for flows to other nodes; make the range smaller"));
	k->ports_told = nr < PORTS_ENOUGH;
	/* Both in one word, as they are read. */
	_Static_assert(offsetof(struct lb_conf, snat_port_min) % 4 == 0 &&
		offsetof(struct lb_conf, snat_port_nr) ==
		    offsetof(struct lb_conf, snat_port_min) + 2,
	    "the range of ports is one word");
	memcpy(&word, range, sizeof(word));
	__atomic_store_n((uint32_t *)(void *)&conf->snat_port_min, word, __ATOMIC_RELEASE);
}
