/*
 * tests/unit/lib/test_netlink.c: the netlink layer against the kernel, in a user and network
 * namespace of its own; what the kernel then has is read back by a second connection, and once
 * by the text that /proc/net/route gives.
 */
#include "tests/unit/lib/netkit.h"

#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* ---- tests ---- */

START_TEST(links_are_dumped)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	int lo = 0, l = 0;

	dump(v, NL_LINKS);
	ck_assert_uint_eq(v->nr_links, 5);
	for (size_t i = 0; i < v->nr_links; i++) {
		const struct nl_link *k = &v->link[i];

		ck_assert_int_eq(v->link_how[i], NL_DUMPED);
		ck_assert_uint_eq(k->ifindex, if_nametoindex(k->name));
		if (strcmp(k->name, "lo") == 0) {
			ck_assert(k->loopback && !k->up && !k->running);
			ck_assert_str_eq(k->kind, "");
			lo++;
		} else if (strcmp(k->name, "left") == 0) {
			ck_assert(!k->loopback && k->up && k->running);
			ck_assert_uint_eq(k->mtu, 1500);
			ck_assert_uint_eq(k->type, ARPHRD_ETHER);
			ck_assert_str_eq(k->kind, "veth");
			ck_assert(!k->other_netns && !k->xdp_native);
			ck_assert_int_eq(k->mac[0] & 1, 0); /* unicast, and set */
			ck_assert_int_ne(k->mac[0] | k->mac[1] | k->mac[2], 0);
			l++;
		}
	}
	ck_assert_int_eq(lo, 1);
	ck_assert_int_eq(l, 1);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(addresses_are_dumped)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct addr want4 = ip("192.0.2.1"), want6 = ip("2001:db8:2::1");
	struct prefix net4 = pfx("192.0.2.0/24"), net6 = pfx("2001:db8:2::/64");
	int found = 0;

	dump(v, NL_IFADDRS);
	for (size_t i = 0; i < v->nr_ifaddrs; i++) {
		const struct nl_ifaddr *a = &v->ifaddr[i];

		if (addr_eq(&a->addr, &want4)) {
			ck_assert_uint_eq(a->ifindex, left);
			ck_assert(prefix_eq(&a->link, &net4));
			found++;
		}
		if (addr_eq(&a->addr, &want6)) {
			ck_assert_uint_eq(a->ifindex, right);
			ck_assert(prefix_eq(&a->link, &net6));
			ck_assert(a->flags & IFA_F_PERMANENT);
			found++;
		}
	}
	ck_assert_int_eq(found, 2);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(news_of_addresses_come)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct addr want = ip("203.0.113.9");
	int seen = 0;

	ifaddr_put(RTM_NEWADDR, left, "203.0.113.9", 28);
	ifaddr_put(RTM_DELADDR, left, "203.0.113.9", 28);
	settle(loop);
	for (size_t i = 0; i < v->nr_ifaddrs; i++) {
		if (!addr_eq(&v->ifaddr[i].addr, &want))
			continue;
		ck_assert_int_eq(v->ifaddr_how[i], seen == 0 ? NL_NEW : NL_DEL);
		seen++;
	}
	ck_assert_int_eq(seen, 2);
	ck_assert_int_eq(v->resyncs, 0);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(link_that_goes_down_is_told)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct ifinfomsg down = { .ifi_index = (int)right, .ifi_change = IFF_UP };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_ACK);
	bool told = false;

	nlmsg_append(m, &down, sizeof(down), NLMSG_ALIGNTO);
	ground_do(m);
	settle(loop);
	for (size_t i = 0; i < v->nr_links; i++) {
		if (v->link[i].ifindex == right)
			told = !v->link[i].up && !v->link[i].running;
	}
	ck_assert(told);
	view_free(v);
	loop_free(loop);
}
END_TEST

/* A route in the kernel, as /proc shows it: the independent witness for one of them. */
static bool
proc_has_route(const char *ifname, uint32_t dst_be, uint32_t gw_be, uint32_t metric)
{
	char line[256], name[32];
	unsigned d, g, flags, ref, use, m;
	FILE *f = fopen("/proc/thread-self/net/route", "re");
	bool found = false;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%31s %x %x %x %u %u %u", name, &d, &g, &flags, &ref, &use, &m) ==
		    7)
			found |=
			    strcmp(name, ifname) == 0 && d == dst_be && g == gw_be && m == metric;
	}
	fclose(f);
	return found;
}

START_TEST(single_hop_is_installed_and_removed)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };
	struct nl_route r = { .prefix = pfx("10.1.0.0/16"),
		.metric = 20,
		.protocol = OURS,
		.hops = &hop,
		.nr_hops = 1 };
	struct addr dst = ip("10.1.0.0");

	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r, on_answer, v), 0);
	ck_assert_uint_eq(netlink_pending(v->nl), 1);
	ck_assert_int_eq(v->answers, 0); /* never from within the call */
	settle(loop);
	ck_assert_int_eq(v->answers, 1);
	ck_assert_int_eq(v->last_err, 0);
	ck_assert_str_eq(v->why, "");
	ck_assert_uint_eq(netlink_pending(v->nl), 0);
	ck_assert(proc_has_route("left", addr_v4_be(&dst), addr_v4_be(&hop.gateway), 20));

	/* The listening socket tells of it, and knows that it was us. */
	ck_assert_uint_eq(v->nr, 1);
	ck_assert_int_eq(v->how[0], NL_NEW);
	ck_assert(v->ours[0]);

	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->last_err, -EEXIST);

	ck_assert_int_eq(netlink_route(v->nl, NL_REMOVE, &r, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->last_err, 0);
	ck_assert(!proc_has_route("left", addr_v4_be(&dst), addr_v4_be(&hop.gateway), 20));
	ck_assert_int_eq(netlink_route(v->nl, NL_REMOVE, &r, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->last_err, -ESRCH);
	view_free(v);
	loop_free(loop);
}
END_TEST

/* {IPv4, IPv6}: two hops in, one replaced, then one alone; read back by another connection. */
START_TEST(ecmp_is_replaced_in_one_step)
{
	static const char *const text[2][4] = {
		{ "10.2.0.0/16", "192.0.2.7", "198.51.100.7", "198.51.100.8" },
		{ "2001:db8:f::/48", "2001:db8:1::7", "2001:db8:2::7", "2001:db8:2::8" },
	};
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS), *other = view_new(loop, OURS);
	struct nl_hop hops[2] = { { .gateway = ip(text[_i][1]), .ifindex = left, .weight = 1 },
		{ .gateway = ip(text[_i][2]), .ifindex = right, .weight = 3 } };
	struct nl_route r = { .prefix = pfx(text[_i][0]),
		.metric = 20,
		.protocol = OURS,
		.hops = hops,
		.nr_hops = 2 };

	for (int step = 0; step < 4; step++) {
		if (step == 1)
			hops[1].gateway = ip(text[_i][3]);
		r.nr_hops = step == 2 ? 1 : 2;
		ck_assert_int_eq(netlink_route(v->nl, NL_REPLACE, &r, on_answer, v), 0);
		settle(loop);
		ck_assert_msg(
		    v->last_err == 0, "step %d: %s %s", step, strerror(-v->last_err), v->why);
		dump(other, NL_ROUTES);
		ck_assert_uint_eq(other->nr, 1);
		ck_assert(prefix_eq(&other->route[0].prefix, &r.prefix));
		ck_assert_uint_eq(other->route[0].nr_hops, r.nr_hops);
		ck_assert_uint_eq(other->route[0].table, RT_TABLE_MAIN);
		ck_assert_uint_eq(other->route[0].metric, 20);
		ck_assert_uint_eq(other->route[0].protocol, OURS);
		ck_assert_uint_eq(other->route[0].type, RTN_UNICAST);
		for (size_t i = 0; i < r.nr_hops; i++) {
			ck_assert(addr_eq(&other->hop[0][i].gateway, &hops[i].gateway));
			ck_assert_uint_eq(other->hop[0][i].ifindex, hops[i].ifindex);
			if (r.nr_hops > 1)
				ck_assert_uint_eq(other->hop[0][i].weight, hops[i].weight);
		}
	}
	ck_assert_int_eq(netlink_route(v->nl, NL_REMOVE, &r, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->last_err, 0);
	dump(other, NL_ROUTES);
	ck_assert_uint_eq(other->nr, 0);
	view_free(other);
	view_free(v);
	loop_free(loop);
}
END_TEST

/* RFC 8950: an IPv4 prefix by IPv6 next hops, one and two. */
START_TEST(ipv4_by_ipv6_gateways)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hops[2] = { { .gateway = ip("2001:db8:1::7"), .ifindex = left },
		{ .gateway = ip("2001:db8:2::7"), .ifindex = right } };
	struct nl_route r = { .prefix = pfx("10.3.0.0/16"), .protocol = OURS, .hops = hops };

	for (r.nr_hops = 1; r.nr_hops <= 2; r.nr_hops++) {
		ck_assert_int_eq(netlink_route(v->nl, NL_REPLACE, &r, on_answer, v), 0);
		settle(loop);
		ck_assert_msg(v->last_err == 0, "%s %s", strerror(-v->last_err), v->why);
		dump(v, NL_ROUTES);
		ck_assert_uint_eq(v->nr, 1);
		ck_assert_uint_eq(v->route[0].nr_hops, r.nr_hops);
		for (size_t i = 0; i < r.nr_hops; i++)
			ck_assert(addr_eq(&v->hop[0][i].gateway, &hops[i].gateway));
	}
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(table_type_source_and_onlink_reach_the_kernel)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("203.0.113.1"), .ifindex = left, .onlink = true };
	struct nl_hop direct = { .ifindex = right };
	const struct nl_route *all[3];
	struct addr source = ip("192.0.2.1");
	struct nl_route a = { .prefix = pfx("10.4.0.0/16"),
		.table = 1000,
		.protocol = OURS,
		.source = source,
		.hops = &hop,
		.nr_hops = 1 };
	struct nl_route b = {
		.prefix = pfx("10.5.0.0/16"), .table = 1000, .protocol = OURS, .type = RTN_BLACKHOLE
	};
	struct nl_route c = by_one("10.6.0.0/16", OURS, &direct);

	c.table = 1000;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &a, on_answer, v), 0);
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &b, on_answer, v), 0);
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &c, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->answers, 3);
	ck_assert_int_eq(v->last_err, 0);
	dump(v, NL_ROUTES);
	ck_assert_uint_eq(v->nr, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(v->route[i].table, 1000);
	ck_assert(addr_eq(&v->route[0].source, &source));
	ck_assert(v->hop[0][0].onlink);
	ck_assert_uint_eq(v->route[1].type, RTN_BLACKHOLE);
	ck_assert_uint_eq(v->route[1].nr_hops, 0);
	ck_assert_uint_eq(v->hop[2][0].ifindex, right);
	ck_assert(!addr_is_set(&v->hop[2][0].gateway));
	/* Removed by prefix, table and protocol alone, whatever its scope and type. */
	b.type = 0;
	all[0] = &a;
	all[1] = &b;
	all[2] = &c;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(netlink_route(v->nl, NL_REMOVE, all[i], on_answer, v), 0);
		settle(loop);
		ck_assert_int_eq(v->last_err, 0);
	}
	dump(v, NL_ROUTES);
	ck_assert_uint_eq(v->nr, 0);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(refusal_comes_with_the_kernels_words)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("203.0.113.1"), .ifindex = left };
	struct nl_route r = by_one("10.1.0.0/16", OURS, &hop);

	ck_assert_int_eq(netlink_route(v->nl, NL_REPLACE, &r, on_answer, v), 0);
	settle(loop);
	ck_assert_int_eq(v->last_err, -ENETUNREACH);
	ck_assert_str_eq(v->why, "Nexthop has invalid gateway");
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(nonsense_is_refused_at_once)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left, .weight = 257 };
	struct nl_hop empty = { 0 };
	struct nl_route none = { .protocol = OURS, .hops = &hop, .nr_hops = 1 };
	struct nl_route r4 = { .prefix = pfx("10.0.0.0/8"), .hops = &hop, .nr_hops = 1 };
	struct nl_route r6 = { .prefix = pfx("2001:db8::/32"), .hops = &hop, .nr_hops = 1 };

	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &none, on_answer, v), -EINVAL);
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r4, on_answer, v), -EINVAL);
	hop.weight = 1;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r6, on_answer, v), -EINVAL);
	r4.nr_hops = 0;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r4, on_answer, v), -EINVAL);
	r4.nr_hops = NL_HOPS_MAX + 1;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r4, on_answer, v), -EINVAL);
	r4.nr_hops = 1;
	r4.hops = &empty;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r4, on_answer, v), -EINVAL);
	r4.type = RTN_BLACKHOLE;
	r4.hops = &hop;
	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r4, on_answer, v), -EINVAL);
	settle(loop);
	ck_assert_int_eq(v->answers, 0);
	view_free(v);
	loop_free(loop);
}
END_TEST

/* More than a window, one of them bad: every one answered, in order, the rest installed. */
static int next_answer, wrong_order, refused;

static void
on_numbered(void *arg, int err, const char *why)
{
	(void)why;
	wrong_order += (int)(intptr_t)arg != next_answer++;
	refused += err != 0;
}

START_TEST(many_changes_go_together)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, 0);
	const int nr = 3000;
	struct addr dst = ip("10.0.0.0");

	netlink_free(v->nl);
	v->nl = netlink_new(loop,
	    &(struct netlink_ops){ .resync = on_resync, .route_protocol = OURS }, v, &(int){ 0 });
	next_answer = wrong_order = refused = 0;
	for (int i = 0; i < nr; i++) {
		struct nl_hop hop = { .gateway = ip(i == 1500 ? "203.0.113.1" : "192.0.2.7"),
			.ifindex = left };
		struct nl_route r = {
			.prefix = prefix_host(&dst), .protocol = OURS, .hops = &hop, .nr_hops = 1
		};

		ck_assert_int_eq(
		    netlink_route(v->nl, NL_REPLACE, &r, on_numbered, (void *)(intptr_t)i), 0);
		ck_assert(addr_next(&dst));
	}
	for (int i = 0; i < 10000 && netlink_pending(v->nl); i++)
		loop_turn(loop, 100);
	ck_assert_int_eq(next_answer, nr);
	ck_assert_int_eq(wrong_order, 0);
	ck_assert_int_eq(refused, 1);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(only_the_protocol_asked_for_is_told)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS), *all = view_new(loop, 0);
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };
	struct nl_route r = by_one("10.1.0.0/16", RTPROT_STATIC, &hop);
	size_t foreign = 0;

	ck_assert_int_eq(netlink_route(all->nl, NL_ADD, &r, on_answer, all), 0);
	settle(loop);
	ck_assert_int_eq(all->last_err, 0);
	ck_assert_uint_eq(v->nr, 0);
	ck_assert_uint_ge(all->nr, 1);
	dump(v, NL_ROUTES);
	ck_assert_uint_eq(v->nr, 0);
	dump(all, NL_ROUTES);
	for (size_t i = 0; i < all->nr; i++)
		foreign += all->route[i].protocol == RTPROT_STATIC;
	ck_assert_uint_eq(foreign, 1);
	view_free(all);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(anothers_hand_is_told_apart)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS), *other = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };
	struct nl_route r = by_one("10.1.0.0/16", OURS, &hop);

	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r, NULL, NULL), 0);
	settle(loop);
	ck_assert_int_eq(netlink_route(other->nl, NL_REMOVE, &r, NULL, NULL), 0);
	settle(loop);
	ck_assert_uint_eq(v->nr, 2);
	ck_assert_int_eq(v->how[0], NL_NEW);
	ck_assert_int_eq(v->how[1], NL_DEL);
	ck_assert(v->ours[0] && !v->ours[1]);
	ck_assert(!other->ours[0] && other->ours[1]);
	view_free(other);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(lost_news_ask_for_a_new_dump)
{
	struct loop *loop = loop_new();
	struct view *slow = view_new(loop, OURS);
	struct loop *busy = loop_new();
	struct netlink_ops quiet = { .resync = on_resync };
	struct netlink *nl = netlink_new(busy, &quiet, slow, &(int){ 0 });
	struct addr dst = ip("10.0.0.0");
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };

	/* Nobody reads for slow while the other makes more news than any buffer holds. */
	for (int i = 0; i < 20000; i++) {
		struct nl_route r = { .prefix = prefix_host(&dst),
			.protocol = RTPROT_STATIC,
			.hops = &hop,
			.nr_hops = 1 };

		ck_assert_int_eq(netlink_route(nl, NL_REPLACE, &r, NULL, NULL), 0);
		ck_assert(addr_next(&dst));
	}
	while (netlink_pending(nl))
		loop_turn(busy, 100);
	ck_assert_int_eq(slow->resyncs, 0);
	for (int i = 0; i < 2000 && !slow->resyncs; i++)
		loop_turn(loop, 10);
	ck_assert_int_eq(slow->resyncs, 1);
	/* It works on: the next news arrive. */
	for (int i = 0; i < 2000; i++)
		loop_turn(loop, 0);
	forget(slow);
	ifaddr_put(RTM_NEWADDR, left, "203.0.113.9", 28);
	settle(loop);
	ck_assert_uint_ge(slow->nr_ifaddrs, 1);
	netlink_free(nl);
	loop_free(busy);
	view_free(slow);
	loop_free(loop);
}
END_TEST

START_TEST(free_sends_what_is_unsent_and_calls_nobody)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };
	struct nl_route r = by_one("10.1.0.0/16", OURS, &hop);
	struct addr dst = ip("10.1.0.0");

	ck_assert_int_eq(netlink_route(v->nl, NL_ADD, &r, on_answer, v), 0);
	ck_assert_int_eq(netlink_dump(v->nl, NL_LINKS, on_dump, v), 0);
	netlink_free(v->nl);
	v->nl = NULL;
	netlink_free(NULL);
	settle(loop);
	ck_assert_int_eq(v->answers, 0);
	ck_assert_int_eq(v->dumps_done, 0);
	ck_assert(proc_has_route("left", addr_v4_be(&dst), addr_v4_be(&hop.gateway), 0));
	free(v);
	loop_free(loop);
}
END_TEST

/* The n-th allocation fails, for every n: an error, nothing leaked (ASan, valgrind), nothing half
 * done. */
START_TEST(every_allocation_may_fail)
{
	struct netlink_ops ops = { on_link, on_ifaddr, on_route, NULL, on_resync, OURS };
	struct nl_hop hop = { .gateway = ip("192.0.2.7"), .ifindex = left };
	struct nl_route r = by_one("10.1.0.0/16", OURS, &hop);
	struct loop *loop = loop_new();
	struct view *v = calloc(1, sizeof(*v));
	unsigned failed = 0;

	for (unsigned n = 1;; n++) {
		struct netlink *nl;
		int err = 0, route_err = 0, dump_err = 0;

		mem_fail_at(n);
		nl = netlink_new(loop, &ops, v, &err);
		if (nl) {
			route_err = netlink_route(nl, NL_REPLACE, &r, on_answer, v);
			dump_err = netlink_dump(nl, NL_LINKS, on_dump, v);
			netlink_free(nl);
		}
		mem_fail_at(0);
		ck_assert(err == 0 || err == -ENOMEM);
		ck_assert(route_err == 0 || route_err == -ENOMEM);
		ck_assert(dump_err == 0 || dump_err == -ENOMEM);
		if (err == 0 && route_err == 0 && dump_err == 0)
			break;
		failed++;
	}
	ck_assert_uint_eq(failed, 5); /* itself, two watches, a change, a dump */
	free(v);
	loop_free(loop);
}
END_TEST

/* ---- neighbours and questions ---- */

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa }, mac_b[6] = { 2, 0, 0, 0, 0, 0xb };

START_TEST(neighbours_are_told)
{
	static const char *const who[2] = { "192.0.2.9", "2001:db8:1::9" };
	struct addr a = ip(who[_i]);
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);

	neigh_put(RTM_NEWNEIGH, left, who[_i], NUD_REACHABLE, mac_a);
	neigh_put(RTM_NEWNEIGH, left, who[_i], NUD_PERMANENT, mac_b);
	neigh_put(RTM_DELNEIGH, left, who[_i], 0, NULL);
	settle(loop);
	ck_assert_uint_ge(v->nr_neighs, 3);
	for (size_t i = 0; i < v->nr_neighs; i++) {
		ck_assert(addr_eq(&v->neigh[i].addr, &a));
		ck_assert_uint_eq(v->neigh[i].ifindex, left);
	}
	ck_assert_int_eq(v->neigh_how[0], NL_NEW);
	ck_assert_uint_eq(v->neigh[0].state, NUD_REACHABLE);
	ck_assert(v->neigh[0].has_mac && memcmp(v->neigh[0].mac, mac_a, 6) == 0);
	ck_assert_uint_eq(v->neigh[1].state, NUD_PERMANENT);
	ck_assert_int_eq(memcmp(v->neigh[1].mac, mac_b, 6), 0);
	/* It fails first, by its own news, and goes then. */
	ck_assert_int_eq(v->neigh_how[v->nr_neighs - 1], NL_DEL);
	neigh_put(RTM_NEWNEIGH, left, who[_i], NUD_PERMANENT, mac_a);
	settle(loop);
	dump(v, NL_NEIGHS);
	ck_assert_uint_eq(v->nr_neighs, 1);
	ck_assert_int_eq(v->neigh_how[0], NL_DUMPED);
	ck_assert(addr_eq(&v->neigh[0].addr, &a));
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(use_makes_the_kernel_look_after_a_stale_neighbour)
{
	struct addr there = ip("192.0.2.9"), none = ip("192.0.2.10");
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);

	neigh_put(RTM_NEWNEIGH, left, "192.0.2.9", NUD_STALE, mac_a);
	ck_assert_int_eq(netlink_neigh_use(v->nl, left, &there), 0);
	ck_assert_int_eq(netlink_neigh_use(v->nl, left, &none), 0);
	ck_assert_int_eq(netlink_neigh_use(v->nl, 0, &there), -EINVAL);
	ck_assert_int_eq(netlink_neigh_use(v->nl, left, &(struct addr){ 0 }), -EINVAL);
	settle(loop);
	ck_assert_uint_eq(netlink_pending(v->nl), 0);
	dump(v, NL_NEIGHS);
	ck_assert_uint_eq(v->nr_neighs, 1); /* none was made */
	ck_assert_uint_eq(v->neigh[0].state, NUD_DELAY);
	ck_assert_int_eq(memcmp(v->neigh[0].mac, mac_a, 6), 0);
	view_free(v);
	loop_free(loop);
}
END_TEST

struct way {
	int err, answers;
	struct nl_route route;
	struct nl_hop hop;
};

static void
on_way(void *arg, int err, const struct nl_route *r)
{
	struct way *w = arg;

	w->answers++;
	w->err = err;
	if (!r)
		return;
	w->route = *r;
	if (r->nr_hops > 0)
		w->hop = r->hops[0];
}

static struct way
way_to(struct view *v, const char *text)
{
	struct way w = { .err = 1 };
	struct addr a = ip(text);

	ck_assert_int_eq(netlink_lookup(v->nl, &a, on_way, &w), 0);
	settle(v->loop);
	ck_assert_int_eq(w.answers, 1);
	return w;
}

START_TEST(ways_are_looked_up)
{
	static const char *const text[2][5] = {
		{ "10.1.0.0/16", "10.1.2.3", "192.0.2.7", "192.0.2.1", "203.0.113.1" },
		{ "2001:db8:f::/48", "2001:db8:f::3", "2001:db8:1::7", "2001:db8:1::1",
		    "2001:db8:ffff::1" },
	};
	const char *const *t = text[_i];
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct nl_hop hop = { .gateway = ip(t[2]), .ifindex = left };
	struct nl_route r = by_one(t[0], OURS, &hop);
	struct addr source = ip(t[3]);
	struct way w;

	ck_assert_int_eq(netlink_route(v->nl, NL_REPLACE, &r, NULL, NULL), 0);
	w = way_to(v, t[1]);
	ck_assert_int_eq(w.err, 0);
	ck_assert_uint_eq(w.route.type, RTN_UNICAST);
	ck_assert_uint_eq(w.route.nr_hops, 1);
	ck_assert_uint_eq(w.hop.ifindex, left);
	ck_assert(addr_eq(&w.hop.gateway, &hop.gateway));
	ck_assert(addr_eq(&w.route.source, &source));
	w = way_to(v, t[2]); /* on the link */
	ck_assert_int_eq(w.err, 0);
	ck_assert_uint_eq(w.hop.ifindex, left);
	ck_assert(!addr_is_set(&w.hop.gateway));
	w = way_to(v, t[3]); /* ourselves */
	ck_assert_int_eq(w.err, 0);
	ck_assert_uint_eq(w.route.type, RTN_LOCAL);
	w = way_to(v, t[4]);
	ck_assert_int_eq(w.err, -ENETUNREACH);
	ck_assert_int_eq(netlink_lookup(v->nl, &(struct addr){ 0 }, on_way, &w), -EINVAL);
	view_free(v);
	loop_free(loop);
}
END_TEST

START_TEST(peer_in_another_namespace_is_told)
{
	struct loop *loop = loop_new();
	struct view *v = view_new(loop, OURS);
	struct ifinfomsg ifi = { .ifi_index = (int)if_nametoindex("rightx") };
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_ACK);
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there;

	ck_assert_int_ge(here, 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	there = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	nlmsg_append(m, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	nla_put_u32(m, IFLA_NET_NS_FD, (uint32_t)there);
	ground_do(m);
	dump(v, NL_LINKS);
	ck_assert_uint_eq(v->nr_links, 4);
	for (size_t i = 0; i < v->nr_links; i++)
		ck_assert_int_eq(v->link[i].other_netns, v->link[i].ifindex == right);
	close(here);
	close(there);
	view_free(v);
	loop_free(loop);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("kernel");

	if (!kit_namespace())
		unit_skip("no user and network namespaces here");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, links_are_dumped);
	tcase_add_test(tc, addresses_are_dumped);
	tcase_add_test(tc, news_of_addresses_come);
	tcase_add_test(tc, link_that_goes_down_is_told);
	tcase_add_test(tc, single_hop_is_installed_and_removed);
	tcase_add_loop_test(tc, ecmp_is_replaced_in_one_step, 0, 2);
	tcase_add_test(tc, ipv4_by_ipv6_gateways);
	tcase_add_test(tc, table_type_source_and_onlink_reach_the_kernel);
	tcase_add_test(tc, refusal_comes_with_the_kernels_words);
	tcase_add_test(tc, nonsense_is_refused_at_once);
	tcase_add_test(tc, many_changes_go_together);
	tcase_add_test(tc, only_the_protocol_asked_for_is_told);
	tcase_add_test(tc, anothers_hand_is_told_apart);
	tcase_add_test(tc, lost_news_ask_for_a_new_dump);
	tcase_add_test(tc, free_sends_what_is_unsent_and_calls_nobody);
	tcase_add_test(tc, every_allocation_may_fail);
	tcase_add_loop_test(tc, neighbours_are_told, 0, 2);
	tcase_add_test(tc, use_makes_the_kernel_look_after_a_stale_neighbour);
	tcase_add_loop_test(tc, ways_are_looked_up, 0, 2);
	tcase_add_test(tc, peer_in_another_namespace_is_told);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("netlink", add_tests)
