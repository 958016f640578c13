/*
 * tests/unit/datapath/test_links.c: links against the kernel, in a network namespace of its own
 * with real veths, set up by ip(8): which devices are chosen, when next hops are dropped, what the
 * node sends as.  Skipped without the rights.
 */
#include "datapath/links.h"
#include "lib/log.h"
#include "tests/unit/unit.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/neighbour.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop *loop;
static struct dp_links *links;
static struct dp_maps maps;
static struct lb_conf conf;
static uint8_t filter[LB_FILTER_SIZE];
static int here = -1, there = -1; /* namespaces */

/* What was told and not taken back. */
static struct stand {
	char name[16];
	unsigned ifindex;
	bool pods, veth;
} stands[16];
static int nr_stands, nr_calls, nr_settled;
static const char *locals[8];

static int
ip(const char *args)
{
	char copy[200], *argv[24] = { (char *)"ip" }, *save = NULL;
	int argc = 1, status = -1;
	pid_t pid;

	snprintf(copy, sizeof(copy), "%s", args);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	if (posix_spawnp(&pid, "ip", NULL, NULL, argv, environ) == 0)
		waitpid(pid, &status, 0);
	return status;
}

static void
must(const char *args)
{
	ck_assert_msg(ip(args) == 0, "ip %s", args);
}

static void
settle(void)
{
	for (int i = 0; i < 8; i++)
		loop_advance(loop, 100);
}

/* Then all that follows of it. */
static void
do_ip(const char *args)
{
	must(args);
	settle();
}

static struct addr
address(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static const struct stand *
stand(const char *name)
{
	for (int i = 0; i < nr_stands; i++) {
		if (strcmp(stands[i].name, name) == 0)
			return &stands[i];
	}
	return NULL;
}

static void
on_device(void *arg, unsigned ifindex, const char *name, bool pods, bool veth, bool on)
{
	int i = 0;

	(void)arg;
	nr_calls++;
	while (i < nr_stands && stands[i].ifindex != ifindex)
		i++;
	if (!on) {
		ck_assert_int_lt(i, nr_stands);
		stands[i] = stands[--nr_stands];
		return;
	}
	nr_stands += i == nr_stands;
	stands[i] = (struct stand){ .ifindex = ifindex, .pods = pods, .veth = veth };
	snprintf(stands[i].name, sizeof(stands[i].name), "%s", name);
}

static void
on_locals(void *arg, struct dp_links *k)
{
	(void)arg;
	for (int i = 0; i < 8 && locals[i]; i++) {
		struct addr a = address(locals[i]);

		links_local(k, &a);
	}
}

static void
on_settled(void *arg)
{
	(void)arg;
	nr_settled++;
}

static void
start(const struct dp_conf *c)
{
	const struct links_ops ops = { on_device, on_locals, on_settled };
	int err;

	links = links_new(loop, c, &ops, NULL, &err);
	ck_assert_msg(links != NULL, "%s", strerror(-err));
	links_maps_set(links, &maps);
	settle();
}

static const struct dp_conf automatic;

static void
quiet(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* up0 leads out, with an address and a router; pod0 and pod1 to other namespaces. */
static void
setup(void)
{
	log_sink(quiet, NULL);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	there = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	must("link set lo up");
	must("link add up0 type veth peer name up1");
	must("link add pod0 type veth peer name podx");
	must("link add pod1 type veth peer name pody");
	for (const char *const *n =
		 (const char *const[]){ "up0", "up1", "pod0", "pod1", "podx", "pody", NULL };
	     *n; n++) {
		char text[64];

		snprintf(text, sizeof(text), "link set %s up", *n);
		must(text);
	}
	must("addr add 192.0.2.1/24 dev up0");
	must("addr add 2001:db8::1/64 dev up0 nodad");
	must("route add default via 192.0.2.254");
	must("route add 10.0.0.1/32 dev pod0");
	must("route add 10.0.0.2/32 dev pod1");
	memset(&maps, 0, sizeof(maps));
	memset(&conf, 0, sizeof(conf));
	memset(filter, 0, sizeof(filter));
	for (int i = 0; i < DP_NR_MAPS; i++)
		maps.fd[i] = -1;
	maps.conf = &conf;
	maps.filter = filter;
	memset(locals, 0, sizeof(locals));
	nr_stands = nr_calls = nr_settled = 0;
	loop = loop_new_fake();
}

static void
teardown(void)
{
	links_free(links);
	links = NULL;
	loop_free(loop);
	for (int i = 0; i < DP_NR_MAPS; i++) {
		if (maps.fd[i] >= 0)
			close(maps.fd[i]);
	}
	close(here);
	close(there);
}

/* ---- devices ---- */

START_TEST(default_route_leads_to_the_uplink)
{
	start(&automatic);
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up0"));
	ck_assert(!stand("up0")->pods && stand("up0")->veth);
	ck_assert_uint_eq(stand("up0")->ifindex, if_nametoindex("up0"));
	ck_assert_int_ge(nr_settled, 1);
	ck_assert_int_eq(nr_calls, 1);
	do_ip("addr add 198.51.100.1/24 dev up1");
	do_ip("route replace default via 198.51.100.254");
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up1"));
	do_ip("route add default via 192.0.2.254 metric 100");
	ck_assert_int_eq(nr_stands, 2);
	do_ip("route del default via 192.0.2.254 metric 100");
	do_ip("route del default");
	ck_assert_int_eq(nr_stands, 1); /* the last one stays while there is none */
	ck_assert_ptr_nonnull(stand("up1"));
	do_ip("route add default via 192.0.2.254");
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up0"));
	do_ip("route del default");
	do_ip("route add default nexthop via 192.0.2.254 nexthop via 198.51.100.254");
	ck_assert_int_eq(nr_stands, 2);
}
END_TEST

START_TEST(ipv6_default_route_counts)
{
	must("route del default");
	must("addr add 2001:db8:1::1/64 dev up1 nodad");
	start(&automatic);
	ck_assert_int_eq(nr_stands, 0);
	do_ip("-6 route add default via 2001:db8::ff metric 50");
	ck_assert_int_eq(nr_stands, 1);
	do_ip("-6 route append default via 2001:db8:1::ff metric 50");
	ck_assert_int_eq(nr_stands, 2);
	do_ip("-6 route del default via 2001:db8::ff metric 50");
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up1"));
	do_ip("-6 route del default");
	ck_assert_int_eq(nr_stands, 1);
	do_ip("-6 route add default via 2001:db8::ff");
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up0"));
}
END_TEST

/* IPv4 routes go with their link without a word. */
START_TEST(link_that_goes_takes_its_routes)
{
	start(&automatic);
	ck_assert_int_eq(nr_stands, 1);
	do_ip("addr add 198.51.100.1/24 dev up1");
	do_ip("route add default via 198.51.100.254 metric 9");
	ck_assert_int_eq(nr_stands, 2);
	do_ip("link set up0 down");
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up1"));
	do_ip("link set up1 down"); /* the last one stays */
	ck_assert_int_eq(nr_stands, 1);
	do_ip("link del up0");
	ck_assert_int_eq(nr_stands, 0);
	ck_assert_ptr_null(link_find(links, 0));
}
END_TEST

START_TEST(peers_lead_to_uplinks)
{
	struct addr peer = address("198.51.100.9");
	struct dp_conf c = { .peers = &peer, .nr_peers = 1 };

	start(&c);
	ck_assert_int_eq(nr_stands, 1); /* by the default route */
	do_ip("addr add 198.51.100.1/24 dev up1");
	ck_assert_int_eq(nr_stands, 2);
	do_ip("addr del 198.51.100.1/24 dev up1");
	ck_assert_int_eq(nr_stands, 1);
	do_ip("route add 198.51.100.9/32 dev up1");
	ck_assert_int_eq(nr_stands, 2);
	peer = address("192.0.2.1"); /* ourselves */
	links_conf(links, &c);
	settle();
	ck_assert_int_eq(nr_stands, 1);
}
END_TEST

START_TEST(configured_devices_are_names_or_patterns)
{
	const char *const devices[] = { "up1", "eth[0-9]+", "lo", "(" };
	struct dp_conf c = { .devices = devices, .nr_devices = 4 };

	start(&c);
	ck_assert_int_eq(nr_stands, 1); /* not up0, in spite of its route, and never lo */
	ck_assert_ptr_nonnull(stand("up1"));
	do_ip("link add eth10 type bridge");
	ck_assert_ptr_nonnull(stand("eth10"));
	ck_assert(!stand("eth10")->veth);
	do_ip("link add xeth1 type bridge");
	do_ip("link add eth1x type bridge");
	ck_assert_int_eq(nr_stands, 2); /* the whole name */
	must("link set xeth1 down");
	do_ip("link set xeth1 name eth7");
	ck_assert_ptr_nonnull(stand("eth7"));
	do_ip("link set eth7 name eth8");
	ck_assert_ptr_null(stand("eth7"));
	ck_assert_ptr_nonnull(stand("eth8"));
	do_ip("link set eth8 name other");
	ck_assert_int_eq(nr_stands, 2);
	do_ip("link del eth10");
	ck_assert_int_eq(nr_stands, 1);
	must("link set up1 down");
	do_ip("link set up1 name gone1");
	ck_assert_int_eq(nr_stands, 0); /* what is configured is all */
	links_conf(links, &automatic);
	settle();
	ck_assert_int_eq(nr_stands, 1);
	ck_assert_ptr_nonnull(stand("up0"));
}
END_TEST

START_TEST(local_backends_lead_to_their_devices)
{
	locals[0] = "10.0.0.1";
	start(&automatic);
	ck_assert_int_eq(nr_stands, 2);
	ck_assert(stand("pod0") && stand("pod0")->pods);
	/* Several behind one device, and a bridge with a subnet; what is ourselves, what is out by
	 * the uplink and what is nowhere stands nowhere. */
	must("link add cni0 type bridge");
	must("link set cni0 up");
	must("addr add 10.1.0.1/24 dev cni0");
	must("route add 10.0.0.3/32 dev pod0");
	locals[1] = "10.1.0.7";
	locals[2] = "10.0.0.3";
	locals[3] = "192.0.2.1";
	locals[4] = "192.0.2.77";
	locals[5] = "2001:db8:ffff::1";
	locals[6] = "10.1.0.8";
	links_locals_changed(links);
	settle();
	ck_assert_int_eq(nr_stands, 3);
	ck_assert(stand("cni0") && stand("cni0")->pods && !stand("cni0")->veth);
	locals[0] = "10.0.0.3"; /* one of two went */
	links_locals_changed(links);
	settle();
	ck_assert_ptr_nonnull(stand("pod0"));
	ck_assert(!stand("up0")->pods);
	/* A pod's address moves to another device. */
	do_ip("route replace 10.0.0.3/32 dev pod1");
	ck_assert_ptr_null(stand("pod0"));
	ck_assert_ptr_nonnull(stand("pod1"));
	locals[0] = NULL;
	links_locals_changed(links);
	settle();
	ck_assert_int_eq(nr_stands, 1);
}
END_TEST

START_TEST(uplink_and_pod_side_change_places)
{
	locals[0] = "10.0.0.1";
	start(&automatic);
	ck_assert(stand("pod0")->pods);
	do_ip("route add default dev pod0 metric 7");
	ck_assert(!stand("pod0")->pods);
	do_ip("route del default dev pod0 metric 7");
	ck_assert(stand("pod0")->pods);
}
END_TEST

/* ---- next hops ---- */

static uint32_t
raised(uint32_t *last)
{
	uint32_t by = conf.hop_generation - *last;

	*last = conf.hop_generation;
	return by;
}

START_TEST(generation_follows_what_counts)
{
	uint32_t last = 0;

	start(&automatic);
	ck_assert_uint_ge(raised(&last), 1);
	ck_assert_uint_ge(conf.heartbeat, lb_now() - 2);
	settle();
	ck_assert_uint_eq(raised(&last), 0);
	do_ip("neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 dev up0 nud reachable");
	ck_assert_uint_eq(raised(&last), 1);
	do_ip("neigh replace 192.0.2.254 lladdr 02:00:00:00:00:01 dev up0 nud stale");
	do_ip("neigh replace 192.0.2.254 lladdr 02:00:00:00:00:01 dev up0 nud delay");
	do_ip("neigh replace 192.0.2.254 lladdr 02:00:00:00:00:01 dev up0 nud reachable");
	ck_assert_uint_eq(raised(&last), 0);
	do_ip("neigh replace 192.0.2.254 lladdr 02:00:00:00:00:02 dev up0 nud reachable");
	ck_assert_uint_eq(raised(&last), 1);
	do_ip("neigh del 192.0.2.254 dev up0");
	ck_assert_uint_ge(raised(&last), 1);
	do_ip("route add 203.0.113.0/24 via 192.0.2.9");
	ck_assert_uint_eq(raised(&last), 1);
	do_ip("route del 203.0.113.0/24");
	ck_assert_uint_eq(raised(&last), 1);
	do_ip("route add 203.0.113.0/24 via 192.0.2.9 table 77");
	ck_assert_uint_eq(raised(&last), 1);
	do_ip("addr add 192.0.2.3/24 dev up0");
	ck_assert_uint_ge(raised(&last), 1);
	do_ip("link set up0 mtu 1400");
	ck_assert_uint_ge(raised(&last), 1);
	do_ip("link set up0 address 02:00:00:00:00:77");
	ck_assert_uint_ge(raised(&last), 1);
	do_ip("link set up1 down");
	ck_assert_uint_ge(raised(&last), 1);
	settle();
	ck_assert_uint_eq(raised(&last), 0);
	conf.hop_generation = UINT32_MAX;
	do_ip("route add 203.0.113.0/24 via 192.0.2.9");
	ck_assert_uint_eq(conf.hop_generation, 1); /* never what an empty hop has */
}
END_TEST

START_TEST(a_turn_raises_once)
{
	uint32_t last;

	start(&automatic);
	last = conf.hop_generation;
	for (int i = 1; i < 40; i++) {
		char text[64];

		snprintf(text, sizeof(text), "route add 10.%d.0.0/16 via 192.0.2.9", 100 + i);
		must(text);
	}
	settle();
	/* As many turns as it takes to read them. */
	ck_assert_uint_ge(raised(&last), 1);
	ck_assert_uint_le(conf.hop_generation - last, 4);
}
END_TEST

/* Many neighbours come and go: none is mistaken for another. */
START_TEST(neighbours_are_kept_apart)
{
	const unsigned nr = 1000;
	uint32_t last;
	struct nl_neigh n = { .ifindex = 3, .state = NUD_REACHABLE, .has_mac = true };

	start(&automatic);
	n.addr = address("10.9.0.0");
	for (unsigned i = 0; i < nr; i++) {
		ck_assert(addr_next(&n.addr));
		n.mac[5] = (uint8_t)i;
		neigh_news(links, NL_NEW, &n);
	}
	settle();
	last = conf.hop_generation;
	n.addr = address("10.9.0.0");
	for (unsigned i = 0; i < nr; i++) {
		ck_assert(addr_next(&n.addr));
		n.mac[5] = (uint8_t)i;
		n.state = NUD_STALE;
		neigh_news(links, NL_NEW, &n);
		if (i % 3 == 0)
			neigh_news(links, NL_DEL, &n);
	}
	settle();
	ck_assert_uint_eq(raised(&last), 1); /* by those that went */
	n.addr = address("10.9.0.0");
	for (unsigned i = 0; i < nr; i++) {
		ck_assert(addr_next(&n.addr));
		n.mac[5] = (uint8_t)i;
		if (i % 3 != 0)
			neigh_news(links, NL_NEW, &n);
	}
	settle();
	ck_assert_uint_eq(raised(&last), 0);
	neighs_drop_link(links, 3);
	ck_assert_uint_eq(links->neighs.nr, 0);
	settle();
	ck_assert_uint_eq(raised(&last), 1);
}
END_TEST

/* ---- what the node sends as ---- */

static const char *
snat(uint8_t family)
{
	struct addr a = lb_addr_to(family == 4 ? &conf.snat4 : &conf.snat6, family);

	return addr_str(&a);
}

static unsigned
snat_bits(void)
{
	unsigned nr = 0;

	for (size_t i = 0; i < sizeof(filter); i++)
		nr += (filter[i] & LB_IS_SNAT) != 0;
	return nr;
}

START_TEST(snat_address_is_that_of_the_default_route)
{
	struct dp_conf c = { .snat4 = address("192.0.2.66"), .snat6 = address("2001:db8::66") };

	must("addr add 192.0.2.5/24 dev up0");
	must("-6 route add default via fe80::1 dev up0");
	memset(filter, LB_IS_VIP, sizeof(filter));
	start(&automatic);
	ck_assert_str_eq(snat(4), "192.0.2.1");
	/* The router has a link-local address, so the kernel's choice toward it is one too. */
	ck_assert_str_eq(snat(6), "2001:db8::1");
	ck_assert_uint_eq(snat_bits(), 2);
	ck_assert_uint_eq(filter[lb_filter_index(&conf.snat4)], LB_IS_SNAT | LB_IS_VIP);
	do_ip("route replace default via 192.0.2.254 src 192.0.2.5");
	ck_assert_str_eq(snat(4), "192.0.2.5");
	ck_assert_uint_eq(snat_bits(), 2);
	do_ip("addr del 2001:db8::1/64 dev up0");
	ck_assert_str_eq(snat(6), "::");
	ck_assert_uint_eq(snat_bits(), 1);
	do_ip("route del default");
	ck_assert_str_eq(snat(4), "192.0.2.5"); /* flows under way have it */
	do_ip("addr del 192.0.2.5/24 dev up0");
	ck_assert_str_eq(snat(4), "192.0.2.1");
	links_conf(links, &c);
	settle();
	ck_assert_str_eq(snat(4), "192.0.2.66");
	ck_assert_str_eq(snat(6), "2001:db8::66");
	ck_assert_uint_eq(snat_bits(), 2);
	for (size_t i = 0; i < sizeof(filter); i++)
		ck_assert(filter[i] & LB_IS_VIP); /* others' bits are theirs */
}
END_TEST

START_TEST(ports_are_those_that_nobody_takes)
{
	static const struct {
		unsigned lo, hi, min, nr;
	} cases[] = {
		{ 32768, 60999, 1024, 28976 },
		{ 1024, 60999, 61000, 4536 },
		{ 1024, 65535, 0, 0 },
		{ 10000, 20000, 32768, 32768 },
		{ 2000, 30100, 32768, 32768 },
		{ 31000, 40000, 1024, 28976 },
		{ 1, 1000, 32768, 32768 },
		{ 20000, 65535, 1024, 18976 },
		{ 65535, 65535, 32768, 32767 },
		{ 30500, 31000, 32768, 32768 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned min = 0, nr = snat_ports(cases[i].lo, cases[i].hi, &min);

		ck_assert_msg(nr == cases[i].nr && min == cases[i].min, "%u-%u: %u from %u",
		    cases[i].lo, cases[i].hi, nr, min);
	}
}
END_TEST

START_TEST(ports_follow_the_sysctl)
{
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	const char range[] = "10000 20000";

	start(&automatic);
	ck_assert_uint_eq(conf.snat_port_min, 1024);
	ck_assert_uint_eq(conf.snat_port_nr, 28976);
	if (fd < 0 || write(fd, range, strlen(range)) < 0)
		return; /* read-only here */
	close(fd);
	loop_advance(loop, 61000);
	ck_assert_uint_eq(conf.snat_port_min, 32768);
	ck_assert_uint_eq(conf.snat_port_nr, 32768);
}
END_TEST

/* ---- the map of links, and upkeep: these need maps of the kernel ---- */

static bool
map_make(enum dp_map m, enum bpf_map_type type, uint32_t value, uint32_t nr)
{
	maps.fd[m] = bpf_map_create(type, "test", 4, value, nr, NULL);
	maps.nr[m] = nr;
	return maps.fd[m] >= 0;
}

static struct lb_link
in_map(const char *name)
{
	struct lb_link v = { .flags = UINT32_MAX };
	uint32_t key = if_nametoindex(name);

	(void)bpf_map_lookup_elem(maps.fd[DP_MAP_LINKS], &key, &v);
	return v;
}

/* GRO of a device in the other namespace. */
static void
gro(const char *name, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = on };
	struct ifreq ifr = { 0 };
	int s;

	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_data = (void *)&value;
	ck_assert_int_eq(ioctl(s, SIOCETHTOOL, &ifr), 0);
	close(s);
}

static void
peer_away(const char *name)
{
	char text[64];

	snprintf(
	    text, sizeof(text), "link set %s netns /proc/%d/fd/%d", name, (int)getpid(), there);
	must(text);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	snprintf(text, sizeof(text), "link set %s up", name);
	must(text);
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
}

START_TEST(programs_are_told_of_links)
{
	uint32_t foreign = 4711, flags;
	struct lb_link v = { 0 };

	if (!map_make(DP_MAP_LINKS, BPF_MAP_TYPE_HASH, sizeof(v), 64))
		return;
	ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_LINKS], &foreign, &v, 0), 0);
	peer_away("podx");
	start(&automatic);
	ck_assert_int_ne(bpf_map_lookup_elem(maps.fd[DP_MAP_LINKS], &foreign, &v), 0);
	ck_assert_uint_eq(in_map("lo").flags, 0);
	ck_assert_uint_eq(in_map("up0").flags, LB_LINK_PLAIN);
	ck_assert_uint_eq(in_map("up0").mtu, 1500);
	ck_assert_uint_eq(in_map("pod0").flags, LB_LINK_PLAIN | LB_LINK_PEER);
	do_ip("link set pod0 mtu 1400");
	ck_assert_uint_eq(in_map("pod0").mtu, 1400);
	do_ip("link add late type bridge");
	ck_assert_uint_eq(in_map("late").flags, LB_LINK_PLAIN);
	foreign = if_nametoindex("late");
	do_ip("link del late");
	ck_assert_int_ne(bpf_map_lookup_elem(maps.fd[DP_MAP_LINKS], &foreign, &v), 0);
	/* The other end has NAPI: known at once where the kernel tells, and next hops are new. */
	if (!links->xdp)
		return;
	flags = conf.hop_generation;
	gro("podx", true);
	settle();
	ck_assert_uint_eq(in_map("pod0").flags, LB_LINK_PLAIN | LB_LINK_PEER | LB_LINK_XDP);
	ck_assert_uint_ne(conf.hop_generation, flags);
	links_free(links);
	start(&automatic); /* and to who comes later */
	ck_assert_uint_eq(in_map("pod0").flags, LB_LINK_PLAIN | LB_LINK_PEER | LB_LINK_XDP);
	gro("podx", false);
	settle();
	ck_assert_uint_eq(in_map("pod0").flags, LB_LINK_PLAIN | LB_LINK_PEER);
}
END_TEST

/* The state of a neighbour, as the kernel shows it. */
static uint16_t
state_of(const char *text)
{
	struct addr a = address(text);

	settle();
	for (size_t i = 0; i < links->neighs.size; i++) {
		if (links->neighs.slot[i].ifindex && addr_eq(&links->neighs.slot[i].addr, &a))
			return links->neighs.slot[i].state;
	}
	return 0;
}

START_TEST(stale_neighbours_in_use_are_looked_after)
{
	struct lb_hop hop = { .dmac = { 2, 0, 0, 0, 0, 1 } };
	uint32_t nr = 3000, key = 2999;

	if (!map_make(DP_MAP_HOPS, BPF_MAP_TYPE_ARRAY, sizeof(hop), nr))
		return;
	must("neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 dev up0 nud stale");
	must("neigh add 192.0.2.253 lladdr 02:00:00:00:00:02 dev up0 nud stale");
	must("neigh add 192.0.2.252 lladdr 02:00:00:00:00:03 dev up0 nud stale");
	start(&automatic);
	hop.ifindex = if_nametoindex("up0");
	hop.generation = conf.hop_generation;
	ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_HOPS], &key, &hop, 0), 0);
	key = 1; /* of another generation */
	hop.dmac[5] = 2;
	hop.generation--;
	ck_assert_int_eq(bpf_map_update_elem(maps.fd[DP_MAP_HOPS], &key, &hop, 0), 0);
	ck_assert_uint_eq(state_of("192.0.2.254"), NUD_STALE);
	loop_advance(loop, 16000);
	/* The kernel does not tell of NUD_DELAY: ask it. */
	ck_assert_uint_eq(links->upkeep.nudged, 1);
	links_dump_soon(links);
	ck_assert_uint_eq(state_of("192.0.2.254"), NUD_DELAY);
	ck_assert_uint_eq(state_of("192.0.2.253"), NUD_STALE);
	ck_assert_uint_eq(state_of("192.0.2.252"), NUD_STALE);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("links");

	if (unshare(CLONE_NEWNET) < 0)
		unit_skip("no right to make network namespaces");
	if (ip("link set lo up") != 0)
		unit_skip("no ip(8)");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, default_route_leads_to_the_uplink);
	tcase_add_test(tc, ipv6_default_route_counts);
	tcase_add_test(tc, link_that_goes_takes_its_routes);
	tcase_add_test(tc, peers_lead_to_uplinks);
	tcase_add_test(tc, configured_devices_are_names_or_patterns);
	tcase_add_test(tc, local_backends_lead_to_their_devices);
	tcase_add_test(tc, uplink_and_pod_side_change_places);
	tcase_add_test(tc, generation_follows_what_counts);
	tcase_add_test(tc, a_turn_raises_once);
	tcase_add_test(tc, neighbours_are_kept_apart);
	tcase_add_test(tc, snat_address_is_that_of_the_default_route);
	tcase_add_test(tc, ports_are_those_that_nobody_takes);
	tcase_add_test(tc, ports_follow_the_sysctl);
	tcase_add_test(tc, programs_are_told_of_links);
	tcase_add_test(tc, stale_neighbours_in_use_are_looked_after);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("links", add_tests)
