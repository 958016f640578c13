/*
 * datapath/links.c: which devices programs stand on.  Stands between what netlink tells of links,
 * addresses, routes and neighbours, and the loader; how it fits together is told in links.h.
 *
 * Uplinks are the devices of the configuration or, without any, those by which default routes
 * leave and BGP peers are reached.  Devices on the pods' side are those by which the kernel reaches
 * the local backends: a veth for each pod, or the bridge that they share.
 */
#include "datapath/links.h"

#include "lib/log.h"
#include "lib/mem.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_SOON_MS 50	   /* others follow a link's change */
#define DUMP_AGAIN_MS 1000 /* after one that failed, or that things changed under */
#define ASK_SOON_MS 20
#define LOCALS_MS 100 /* between two rounds of asking for local backends */
#define FIRST_UPKEEP_MS 15000

struct link *
link_find(struct dp_links *k, unsigned ifindex)
{
	for (size_t i = 0; i < k->nr_links; i++) {
		if (k->links[i].l.ifindex == ifindex)
			return &k->links[i];
	}
	return NULL;
}

static void
soon(struct loop_timer *t, uint64_t ms)
{
	if (!timer_is_running(t) || timer_left_ms(t) > ms)
		timer_set(t, ms);
}

void
links_choose_soon(struct dp_links *k)
{
	soon(&k->choose_soon, 0);
}

void
links_dump_soon(struct dp_links *k)
{
	soon(&k->dump_soon, k->nr_dumps > 0 ? DUMP_AGAIN_MS : DUMP_SOON_MS);
}

/* ---- the choice ---- */

static bool
name_matches(const struct dp_links *k, const char *name)
{
	for (size_t i = 0; i < k->nr_patterns; i++) {
		if (strcmp(k->names[i], name) == 0 ||
		    (k->patterns[i].re_nsub != SIZE_MAX &&
			regexec(&k->patterns[i], name, 0, NULL, 0) == 0))
			return true;
	}
	return false;
}

static bool
is_exit(const struct dp_links *k, unsigned ifindex)
{
	for (size_t i = 0; i < k->nr_exits; i++) {
		if (k->exits[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static enum link_role
role_of(const struct dp_links *k, const struct nl_link *l)
{
	bool ether = l->type == ARPHRD_ETHER;

	if (l->loopback)
		return LINK_NONE;
	if (k->nr_patterns > 0
		? name_matches(k, l->name)
		: ether && (is_exit(k, l->ifindex) || ways_use(&k->ways[WAYS_PEERS], l->ifindex)))
		return LINK_UPLINK;
	return ether && ways_use(&k->ways[WAYS_LOCALS], l->ifindex) ? LINK_PODS : LINK_NONE;
}

static void
role_set(struct dp_links *k, struct link *n, enum link_role role)
{
	bool veth = strcmp(n->l.kind, "veth") == 0;

	if (n->role == role && (role == LINK_NONE || strcmp(n->told, n->l.name) == 0))
		return;
	if (n->role != LINK_NONE && n->role != role)
		k->ops.device(k->arg, n->l.ifindex, n->l.name, n->role == LINK_PODS, veth, false);
	n->role = role;
	memcpy(n->told, n->l.name, sizeof(n->told));
	if (role != LINK_NONE)
		k->ops.device(k->arg, n->l.ifindex, n->l.name, role == LINK_PODS, veth, true);
}

/* No way leads out at the moment, as while a router restarts: clients may send all the same, and
 * without programs their packets would find nobody.  So the last uplinks stay. */
static bool
is_cut_off(const struct dp_links *k)
{
	if (k->nr_patterns > 0)
		return false;
	for (size_t i = 0; i < k->nr_links; i++) {
		if (role_of(k, &k->links[i].l) == LINK_UPLINK)
			return false;
	}
	return true;
}

static void
choose(void *arg)
{
	struct dp_links *k = arg;
	bool cut_off;

	if (!k->synced || !ways_are_asked(k))
		return; /* the last answer comes here again */
	cut_off = is_cut_off(k);
	for (size_t i = 0; i < k->nr_links; i++) {
		struct link *n = &k->links[i];
		bool stays = cut_off && n->role == LINK_UPLINK;

		role_set(k, n, stays ? LINK_UPLINK : role_of(k, &n->l));
	}
	snat_write(k);
	if (k->ops.settled && !timer_is_running(&k->locals_soon) && !timer_is_running(&k->ask_soon))
		k->ops.settled(k->arg);
}

static void
ask_due(void *arg)
{
	struct dp_links *k = arg;

	for (enum ways_of of = 0; of < NR_WAYS_OF; of++)
		ways_ask(k, of, true);
	links_choose_soon(k);
}

/* ---- local backends ---- */

void
links_local(struct dp_links *k, const struct addr *a)
{
	if (mem_grow((void **)&k->gather, &k->cap_gather, k->nr_gather, sizeof(*k->gather), 0) < 0)
		k->gather_failed = true;
	else
		k->gather[k->nr_gather++] = *a;
}

static void
locals_due(void *arg)
{
	struct dp_links *k = arg;

	k->locals_ms = loop_now_ms(k->loop);
	k->nr_gather = 0;
	k->gather_failed = false;
	k->ops.locals(k->arg, k);
	if (k->gather_failed)
		timer_set(&k->locals_soon, DUMP_AGAIN_MS);
	else
		ways_set(k, WAYS_LOCALS, k->gather, k->nr_gather);
	mem_free(k->gather);
	k->gather = NULL;
	k->nr_gather = k->cap_gather = 0;
	links_choose_soon(k);
}

void
links_locals_changed(struct dp_links *k)
{
	uint64_t since = loop_now_ms(k->loop) - k->locals_ms;

	/* At once when it was quiet, else a few times a second. */
	if (!timer_is_running(&k->locals_soon))
		timer_set(&k->locals_soon, since < LOCALS_MS ? LOCALS_MS - since : 0);
}

/* ---- news ---- */

/* A link went, or went down: IPv4 routes go with it without a word. */
static void
link_lost(struct dp_links *k, unsigned ifindex)
{
	if (is_exit(k, ifindex))
		links_dump_soon(k);
	soon(&k->ask_soon, ASK_SOON_MS);
}

static void
link_remove(struct dp_links *k, struct link *n)
{
	unsigned ifindex = n->l.ifindex;

	role_set(k, n, LINK_NONE);
	link_unwrite(k, n);
	*n = k->links[--k->nr_links];
	neighs_drop_link(k, ifindex);
	link_lost(k, ifindex);
	links_choose_soon(k);
	hops_raise(k);
}

static void
on_link(void *arg, enum nl_how how, const struct nl_link *l)
{
	struct dp_links *k = arg;
	struct link *n = link_find(k, l->ifindex);
	struct nl_link old = { 0 };

	if (how == NL_DEL) {
		k->dump_again |= k->nr_dumps > 0;
		if (n)
			link_remove(k, n);
		return;
	}
	if (n) {
		old = n->l;
	} else {
		if (mem_grow((void **)&k->links, &k->cap_links, k->nr_links, sizeof(*k->links), 0) <
		    0) {
			links_dump_soon(k);
			return;
		}
		n = &k->links[k->nr_links++];
		*n = (struct link){ 0 };
		if (k->xdp && k->synced)
			soon(&k->features, 0);
	}
	n->l = *l;
	n->seen = k->seen;
	if (old.up != l->up || old.running != l->running || old.mtu != l->mtu ||
	    memcmp(old.mac, l->mac, sizeof(old.mac)) != 0)
		hops_raise(k);
	if (old.up && !l->up)
		link_lost(k, l->ifindex);
	if (strcmp(old.name, l->name) != 0 || old.type != l->type)
		links_choose_soon(k);
	if (k->synced)
		link_write(k, n);
}

static void
on_ifaddr(void *arg, enum nl_how how, const struct nl_ifaddr *a)
{
	struct dp_links *k = arg;
	size_t i = 0;

	while (i < k->nr_owns &&
	    (k->owns[i].a.ifindex != a->ifindex || !addr_eq(&k->owns[i].a.addr, &a->addr)))
		i++;
	if (how != NL_DEL && i < k->nr_owns && k->owns[i].a.flags == a->flags &&
	    prefix_eq(&k->owns[i].a.link, &a->link)) {
		k->owns[i].seen = k->seen; /* a lifetime that was renewed */
		return;
	}
	if (how != NL_DUMPED) {
		hops_raise(k);
		soon(&k->ask_soon, ASK_SOON_MS);
	}
	if (how == NL_DEL) {
		k->dump_again |= k->nr_dumps > 0;
		link_lost(k, a->ifindex);
		if (i < k->nr_owns)
			/* In order: the first of a link is its own. */
			memmove(
			    &k->owns[i], &k->owns[i + 1], (--k->nr_owns - i) * sizeof(*k->owns));
		return;
	}
	if (i == k->nr_owns &&
	    mem_grow((void **)&k->owns, &k->cap_owns, k->nr_owns, sizeof(*k->owns), 0) < 0) {
		links_dump_soon(k);
		return;
	}
	k->nr_owns += i == k->nr_owns;
	k->owns[i] = (struct own){ .a = *a, .seen = k->seen };
}

/* Take out hops of a default route: those of a link, or all where it is 0. */
static void
exits_drop(struct dp_links *k, uint8_t family, uint32_t metric, const struct nl_hop *hop)
{
	for (size_t i = 0; i < k->nr_exits;) {
		const struct exit_hop *h = &k->exits[i];

		if (h->family == family && h->metric == metric &&
		    (!hop || (h->ifindex == hop->ifindex && addr_eq(&h->gateway, &hop->gateway))))
			k->exits[i] = k->exits[--k->nr_exits];
		else
			i++;
	}
}

static void
exit_news(struct dp_links *k, enum nl_how how, const struct nl_route *r)
{
	uint8_t family = r->prefix.addr.family;

	/* IPv4 tells of a route as a whole, IPv6 of hops that came and went. */
	if (how == NL_NEW && family == ADDR_V4)
		exits_drop(k, family, r->metric, NULL);
	if (how == NL_DEL && r->nr_hops == 0)
		exits_drop(k, family, r->metric, NULL);
	k->dump_again |= how == NL_DEL && k->nr_dumps > 0;
	for (size_t i = 0; i < r->nr_hops; i++) {
		exits_drop(k, family, r->metric, &r->hops[i]);
		if (how == NL_DEL || r->type != RTN_UNICAST)
			continue;
		if (mem_grow((void **)&k->exits, &k->cap_exits, k->nr_exits, sizeof(*k->exits), 0) <
		    0) {
			links_dump_soon(k);
			return;
		}
		k->exits[k->nr_exits++] = (struct exit_hop){ .gateway = r->hops[i].gateway,
			.source = r->source,
			.family = family,
			.metric = r->metric,
			.ifindex = r->hops[i].ifindex,
			.seen = k->seen };
	}
	if (how != NL_DUMPED) {
		gateways_changed(k);
		links_choose_soon(k);
	}
}

static void
on_route(void *arg, enum nl_how how, const struct nl_route *r, bool ours)
{
	struct dp_links *k = arg;

	(void)ours;
	if (r->prefix.len == 0 && r->table == RT_TABLE_MAIN)
		exit_news(k, how, r);
	if (how == NL_DUMPED)
		return;
	hops_raise(k);
	if (ways_cover(k, &r->prefix))
		soon(&k->ask_soon, ASK_SOON_MS);
}

static void
on_neigh(void *arg, enum nl_how how, const struct nl_neigh *n)
{
	neigh_news(arg, how, n);
}

/* ---- dumps ---- */

/* What the last dumps did not tell of is gone. */
static void
sweep_unseen(struct dp_links *k)
{
	for (size_t i = 0; i < k->nr_links;) {
		if (k->links[i].seen != k->seen)
			link_remove(k, &k->links[i]);
		else
			i++;
	}
	for (size_t i = 0; i < k->nr_owns;) {
		if (k->owns[i].seen != k->seen)
			memmove(
			    &k->owns[i], &k->owns[i + 1], (--k->nr_owns - i) * sizeof(*k->owns));
		else
			i++;
	}
	for (size_t i = 0; i < k->nr_exits;) {
		if (k->exits[i].seen != k->seen)
			k->exits[i] = k->exits[--k->nr_exits];
		else
			i++;
	}
	neighs_sweep(k);
}

static void
on_dumped(void *arg, int err)
{
	struct dp_links *k = arg;
	bool first = !k->synced;

	k->dump_failed |= err < 0;
	if (--k->nr_dumps > 0)
		return;
	if (k->dump_failed) {
		log_warn("links-not-told", LOG_ERR(err));
		timer_set(&k->dump_soon, DUMP_AGAIN_MS);
		return;
	}
	if (k->dump_again)
		timer_set(&k->dump_soon, DUMP_AGAIN_MS);
	sweep_unseen(k);
	k->synced = true;
	links_write_all(k);
	hops_raise(k);
	if (first) {
		links_features_due(k);
		links_locals_changed(k);
	}
	gateways_changed(k);
	ask_due(k);
}

static void
dump_due(void *arg)
{
	static const enum nl_what what[] = { NL_LINKS, NL_IFADDRS, NL_ROUTES, NL_NEIGHS };
	struct dp_links *k = arg;

	if (k->nr_dumps > 0) {
		timer_set(&k->dump_soon, DUMP_AGAIN_MS);
		return;
	}
	k->seen++;
	k->dump_failed = k->dump_again = false;
	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		if (netlink_dump(k->nl, what[i], on_dumped, k) == 0)
			k->nr_dumps++;
		else
			k->dump_failed = true;
	}
	if (k->nr_dumps == 0)
		timer_set(&k->dump_soon, DUMP_AGAIN_MS);
}

static void
on_resync(void *arg)
{
	struct dp_links *k = arg;

	hops_raise(k);
	k->dump_again |= k->nr_dumps > 0;
	links_dump_soon(k);
}

/* ---- life ---- */

static void
patterns_fini(struct dp_links *k)
{
	for (size_t i = 0; i < k->nr_patterns; i++) {
		if (k->patterns[i].re_nsub != SIZE_MAX)
			regfree(&k->patterns[i]);
		free(k->names[i]);
	}
	free(k->patterns);
	free(k->names);
	k->patterns = NULL;
	k->names = NULL;
	k->nr_patterns = 0;
}

static void
patterns_set(struct dp_links *k, const struct dp_conf *conf)
{
	patterns_fini(k);
	k->patterns = xnew_n(regex_t, conf->nr_devices + 1);
	k->names = xnew_n(char *, conf->nr_devices + 1);
	for (size_t i = 0; i < conf->nr_devices; i++) {
		char *whole = xasprintf("^(%s)$", conf->devices[i]);

		k->names[i] = xstrdup(conf->devices[i]);
		if (regcomp(&k->patterns[i], whole, REG_EXTENDED) != 0) {
			log_warn("device-pattern-refused", LOG_S("pattern", conf->devices[i]),
			    LOG_S("reason",
				"not a POSIX extended regular expression; only a device of exactly "
				"this name is taken"));
			k->patterns[i].re_nsub = SIZE_MAX; /* not to be used */
		}
		free(whole);
	}
	k->nr_patterns = conf->nr_devices;
}

static void
peers_set(struct dp_links *k, const struct dp_conf *conf)
{
	struct addr *peers = xnew_n(struct addr, conf->nr_peers + 1);

	for (size_t i = 0; i < conf->nr_peers; i++)
		peers[i] = conf->peers[i];
	ways_set(k, WAYS_PEERS, peers, conf->nr_peers);
	free(peers);
}

void
links_conf(struct dp_links *k, const struct dp_conf *conf)
{
	patterns_set(k, conf);
	k->snat[0] = conf->snat4;
	k->snat[1] = conf->snat6;
	peers_set(k, conf);
	links_choose_soon(k);
}

void
links_maps_set(struct dp_links *k, const struct dp_maps *maps)
{
	upkeep_stop(k);
	k->maps = maps;
	for (size_t i = 0; i < k->nr_links; i++)
		k->links[i].is_written = false;
	if (!maps)
		return;
	links_write_all(k);
	/* What happened while nobody looked after the maps is not known. */
	hops_raise_due(k);
	links_beat_due(k);
	snat_ports_due(k);
	snat_write(k);
}

struct dp_links *
links_new(
    struct loop *loop, const struct dp_conf *conf, const struct links_ops *ops, void *arg, int *err)
{
	const struct netlink_ops nl_ops = { .link = on_link,
		.ifaddr = on_ifaddr,
		.route = on_route,
		.neigh = on_neigh,
		.resync = on_resync };
	struct dp_links *k = xnew(struct dp_links);

	k->loop = loop;
	k->ops = *ops;
	k->arg = arg;
	timer_init(&k->dump_soon, loop, dump_due, k);
	timer_init(&k->ask_soon, loop, ask_due, k);
	timer_init(&k->choose_soon, loop, choose, k);
	timer_init(&k->locals_soon, loop, locals_due, k);
	timer_init(&k->features, loop, links_features_due, k);
	timer_init(&k->ports, loop, snat_ports_due, k);
	timer_init(&k->beat, loop, links_beat_due, k);
	timer_init(&k->upkeep.timer, loop, upkeep_due, k);
	work_init(&k->upkeep.work, loop, upkeep_slice, k);
	work_init(&k->raise, loop, hops_raise_due, k);
	k->nl = netlink_new(loop, &nl_ops, k, err);
	if (!k->nl) {
		links_free(k);
		return NULL;
	}
	k->xdp = netdev_new(loop, links_features_told, k);
	links_conf(k, conf);
	dump_due(k);
	timer_set(&k->upkeep.timer, FIRST_UPKEEP_MS);
	return k;
}

void
links_free(struct dp_links *k)
{
	if (!k)
		return;
	timer_stop(&k->dump_soon);
	timer_stop(&k->ask_soon);
	timer_stop(&k->choose_soon);
	timer_stop(&k->locals_soon);
	timer_stop(&k->features);
	timer_stop(&k->ports);
	timer_stop(&k->beat);
	timer_stop(&k->upkeep.timer);
	upkeep_stop(k);
	work_cancel(&k->raise);
	netlink_free(k->nl);
	netdev_free(k->xdp);
	ways_fini(k);
	patterns_fini(k);
	mem_free(k->neighs.slot);
	mem_free(k->links);
	mem_free(k->owns);
	mem_free(k->exits);
	mem_free(k->gather);
	free(k);
}
