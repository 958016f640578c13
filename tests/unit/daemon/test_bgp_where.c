/*
 * tests/unit/daemon/test_bgp_where.c: peers without an address of their own: gateways, neighbours,
 * zones, ranges, and what is said while there is none.
 */
#include "daemon/bgp_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>

static struct fixture f;
static struct bgp_plan *plan;

/* What the node's links say. */
static enum reason answer;
static struct bgp_found found;
static int addr_error;

static int
ask_addr(void *arg, const char *link, enum addr_family family, struct addr *out)
{
	(void)arg;
	ck_assert_str_eq(link, "eth1");
	*out = (struct addr){ .b = { 10, 0, 0, 7 }, .family = (uint8_t)family };
	return addr_error;
}

static unsigned
ask_index(void *arg, const char *link)
{
	(void)arg;
	return strcmp(link, "eth1") == 0 ? 4 : 0;
}

static enum reason
ask_gateway(void *arg, enum addr_family family, struct bgp_found *out)
{
	(void)arg;
	*out = found;
	ck_assert_int_eq(family, addr_is_set(&found.addr) ? found.addr.family : ADDR_V4);
	return answer;
}

static enum reason
ask_neighbour(void *arg, const char *link, struct bgp_found *out)
{
	(void)arg;
	ck_assert_str_eq(link, "eth1");
	*out = found;
	return answer;
}

static const struct bgp_links links = {
	.addr = ask_addr, .index = ask_index, .gateway = ask_gateway, .neighbour = ask_neighbour
};

static void
setup(void)
{
	fixture_init(&f);
	answer = REASON_SATISFIED;
	addr_error = 0;
	memset(&found, 0, sizeof(found));
}

static void
teardown(void)
{
	bgp_plan_free(plan);
	plan = NULL;
	fixture_fini(&f);
}

/* The peer as the plan has it, of what stands in BGPClusterConfig and in BGPPeerConfig. */
static const struct bgp_peer_conf *
peer_of(const char *peer, const char *config)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\nspec:\n"
	    "  bgpInstances:\n  - name: i\n    localASN: 65001\n    peers:\n"
	    "    - {name: tor, peerConfigRef: {name: p}, %s}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\nspec: {%s}\n",
	    peer, config);
	fixture_add(&f, text);
	bgp_plan_free(plan);
	plan = bgp_plan_new(f.store, "n1", false, &links);
	ck_assert_uint_eq(plan->conf.nr_instances, 1);
	ck_assert_uint_eq(plan->conf.instances[0].nr_peers, 1);
	return &plan->conf.instances[0].peers[0];
}

static void
find(const char *address, unsigned ifindex)
{
	ck_assert_int_eq(addr_parse(address, &found.addr), 0);
	found.ifindex = ifindex;
	memcpy(found.link, "eth1", 5);
}

#define GATEWAY(f) "autoDiscovery: {mode: DefaultGateway, defaultGateway: {addressFamily: " f "}}"
#define UNNUMBERED "autoDiscovery: {mode: Unnumbered, unnumbered: {interface: eth1}}"

START_TEST(the_default_gateway)
{
	const struct bgp_peer_conf *p;

	find("10.0.0.254", 4);
	p = peer_of(GATEWAY("ipv4"), "");
	ck_assert_str_eq(addr_str(&p->addr), "10.0.0.254");
	ck_assert_uint_eq(p->ifindex, 0); /* no link-local address */
	ck_assert(!p->ext_next_hop);
	ck_assert_ptr_null(p->held_down);
	find("169.254.1.1", 4);
	ck_assert_uint_eq(peer_of(GATEWAY("ipv4"), "")->ifindex, 0); /* nor has this one a scope */
	find("fe80::fe", 4);
	p = peer_of(GATEWAY("ipv6"), "bfd: {enabled: true}");
	ck_assert_str_eq(addr_str(&p->addr), "fe80::fe");
	ck_assert_uint_eq(p->ifindex, 4);
	ck_assert(p->ext_next_hop);
	ck_assert_uint_eq(plan->nr_watched, 1);
	ck_assert_str_eq(plan->watched[0].conf.device, "eth1");
}
END_TEST

/* Held down for a reason that stands in the plan's notices, and not at any address. */
static void
is_held(const struct bgp_peer_conf *p, enum reason reason, const char *text)
{
	ck_assert_ptr_nonnull(p->held_down);
	ck_assert_msg(strstr(p->held_down, text) != NULL, "%s", p->held_down);
	ck_assert(!addr_is_set(&p->addr) || reason == REASON_LINK_MISSING);
	ck_assert_ptr_nonnull(plan->notices);
	ck_assert_int_eq(plan->notices->reason, reason);
	ck_assert_str_eq(plan->notices->message, p->held_down);
	ck_assert_uint_eq(plan->nr_watched, 0);
}

static const struct {
	enum reason reason;
	const char *text;
} nobody[] = {
	{ REASON_NEIGHBOUR_UNKNOWN, "no router has been heard on eth1 yet" },
	{ REASON_LINK_MISSING, "no interface eth1" },
	{ REASON_LINK_DOWN, "eth1 is down" },
	{ REASON_NO_LINK_LOCAL, "no IPv6 link-local address" },
};

START_TEST(without_an_address_it_is_held_down_and_says_why)
{
	answer = nobody[_i].reason;
	is_held(peer_of(UNNUMBERED, "bfd: {enabled: true}"), nobody[_i].reason, nobody[_i].text);
	answer = REASON_GATEWAY_UNKNOWN;
	is_held(peer_of(GATEWAY("ipv4"), ""), REASON_GATEWAY_UNKNOWN, "no IPv4 default route");
}
END_TEST

START_TEST(unnumbered_offers_ipv6_next_hops_by_itself)
{
	const struct bgp_peer_conf *p;

	find("fe80::1", 4);
	p = peer_of(UNNUMBERED ", dynamicASN: external", "transport: {sourceInterface: eth1}");
	ck_assert_str_eq(addr_str(&p->addr), "fe80::1");
	ck_assert_uint_eq(p->ifindex, 4);
	ck_assert(p->ext_next_hop && p->other_as);
	ck_assert_ptr_null(p->held_down);
	/* We speak from our own link-local address, which the kernel finds. */
	ck_assert(!addr_is_set(&p->local_addr));
}
END_TEST

START_TEST(a_link_local_address_has_its_interface_behind_it)
{
	const struct bgp_peer_conf *p = peer_of("peerAddress: fe80::1%eth1", "");

	ck_assert_uint_eq(p->ifindex, 4);
	ck_assert_ptr_null(p->held_down);
	is_held(peer_of("peerAddress: fe80::1%eth9", ""), REASON_LINK_MISSING, "no interface eth9");
	is_held(peer_of("peerAddress: \"fe80::1\"", ""), REASON_LINK_MISSING, "fe80::1%eth1");
	/* Or the interface that we speak from is it. */
	p = peer_of("peerAddress: \"fe80::1\"", "transport: {sourceInterface: eth1}");
	ck_assert_uint_eq(p->ifindex, 4);
	ck_assert_ptr_null(p->held_down);
}
END_TEST

START_TEST(a_range_is_taken_on_as_it_is)
{
	const struct bgp_peer_conf *p =
	    peer_of("peerAddressRange: 192.168.10.9/24, peerLimit: 7", "bfd: {enabled: true}");

	ck_assert_str_eq(prefix_str(&p->range), "192.168.10.0/24");
	ck_assert_uint_eq(p->range_limit, 7);
	ck_assert(!addr_is_set(&p->addr));
	ck_assert_ptr_null(p->held_down);
	ck_assert_uint_eq(plan->nr_watched, 0);
	ck_assert_int_eq(plan->notices->reason, REASON_NOT_SUPPORTED);
	p = peer_of("peerAddressRange: fe80::/10", "");
	ck_assert(p->ext_next_hop);
	ck_assert_ptr_null(p->held_down);
	p = peer_of("peerAddressRange: 192.168.10.0/24", "transport: {sourceInterface: eth1}");
	ck_assert_uint_eq(p->range_limit, 128);
	ck_assert_str_eq(addr_str(&p->local_addr), "10.0.0.7");
}
END_TEST

START_TEST(the_as_that_a_peer_knows_us_as)
{
	const struct bgp_peer_conf *p = peer_of("peerAddress: 10.0.0.2, localASN: 64999", "");

	ck_assert_uint_eq(p->local_as, 64999);
	ck_assert_int_eq(p->local_as_mode, BGP_LOCAL_AS_PREPEND);
	p = peer_of("peerAddress: 10.0.0.2, localASN: 64999, localASNMode: replace-as, "
		    "dynamicASN: internal",
	    "");
	ck_assert_int_eq(p->local_as_mode, BGP_LOCAL_AS_REPLACE);
	ck_assert_uint_eq(p->peer_as, 64999); /* internal: the AS that it knows us as */
	p = peer_of("peerAddress: 10.0.0.2, localASN: 64999, localASNMode: no-prepend", "");
	ck_assert_int_eq(p->local_as_mode, BGP_LOCAL_AS_NO_PREPEND);
}
END_TEST

START_TEST(another_node_has_links_that_are_not_known)
{
	const struct bgp_peer_conf *p;

	answer = REASON_NEIGHBOUR_UNKNOWN;
	(void)peer_of(UNNUMBERED, "");
	bgp_plan_free(plan);
	plan = bgp_plan_new(f.store, "n2", false, NULL);
	p = &plan->conf.instances[0].peers[0];
	ck_assert_ptr_null(p->held_down);
	ck_assert_ptr_null(plan->notices);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("where");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_default_gateway);
	tcase_add_loop_test(tc, without_an_address_it_is_held_down_and_says_why, 0,
	    sizeof(nobody) / sizeof(nobody[0]));
	tcase_add_test(tc, unnumbered_offers_ipv6_next_hops_by_itself);
	tcase_add_test(tc, a_link_local_address_has_its_interface_behind_it);
	tcase_add_test(tc, a_range_is_taken_on_as_it_is);
	tcase_add_test(tc, the_as_that_a_peer_knows_us_as);
	tcase_add_test(tc, another_node_has_links_that_are_not_known);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("where", add_tests)
