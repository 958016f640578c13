/*
 * tests/unit/daemon/test_tunnel_wanted.c: Node documents to the overlay's end, nodes and routes.
 */
#include "daemon/tunnel_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;
static struct arena arena;
static struct tunnel_wanted want;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	arena_fini(&arena);
	fixture_fini(&f);
}

static void
put_config(const char *datapath)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\n"
	    "spec: {datapath: {%s}}\n",
	    datapath);
	fixture_add(&f, yaml);
}

static void
put_node(const char *name, const char *cidrs, const char *addr1, const char *addr2)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Node\nmetadata: {name: %s}\nspec: {podCIDRs: [%s]}\n"
	    "status: {addresses: [{type: InternalIP, address: \"%s\"}%s%s%s]}\n",
	    name, cidrs, addr1, addr2 ? ", {type: InternalIP, address: \"" : "", addr2 ? addr2 : "",
	    addr2 ? "\"}" : "");
	fixture_add(&f, yaml);
}

static void
look(void)
{
	tunnel_wanted(f.store, NULL, "n1", &arena, &want);
}

START_TEST(off_and_not_yet)
{
	put_node("n2", "10.0.2.0/24", "192.0.2.2", NULL);
	look();
	ck_assert_int_eq(want.conf.mode, TUNNEL_OFF);
	put_config("tunnel: vxlan");
	look();
	ck_assert_int_eq(want.conf.mode, TUNNEL_WAIT);
	ck_assert_uint_eq(want.nr_nodes + want.nr_routes, 0);
}
END_TEST

START_TEST(all_others_by_both_families_of_pods)
{
	put_config("tunnel: vxlan, tunnelPort: 4789, tunnelVNI: 7, tunnelMTU: 1400");
	put_node("n1", "10.0.1.0/24", "192.0.2.1", "2001:db8::1");
	put_node("n2", "10.0.2.0/24, \"fd00:2::/64\"", "192.0.2.2", "2001:db8::2");
	put_node("n3", "10.0.3.0/24", "2001:db8::3", NULL); /* not on this underlay */
	look();
	ck_assert_int_eq(want.conf.mode, TUNNEL_VXLAN);
	ck_assert_uint_eq(want.conf.port, 4789);
	ck_assert_uint_eq(want.conf.vni, 7);
	ck_assert_uint_eq(want.conf.mtu, 1400);
	ck_assert_str_eq(addr_str(&want.conf.local), "192.0.2.1");
	ck_assert_uint_eq(want.nr_nodes, 1);
	ck_assert_str_eq(addr_str(&want.nodes[0]), "192.0.2.2");
	ck_assert_uint_eq(want.nr_routes, 2);
	ck_assert_str_eq(prefix_str(&want.routes[0].prefix), "10.0.2.0/24");
	ck_assert_str_eq(prefix_str(&want.routes[1].prefix), "fd00:2::/64");
	ck_assert_str_eq(addr_str(&want.routes[0].gateway), "fe80::848:c0ff:fe00:202");
	ck_assert(addr_eq(&want.routes[0].gateway, &want.routes[1].gateway));
}
END_TEST

START_TEST(an_underlay_of_ipv6)
{
	uint8_t mac[6], other[6];

	put_config("tunnel: vxlan");
	put_node("n1", "10.0.1.0/24", "2001:db8::1", NULL);
	put_node("n3", "10.0.3.0/24", "192.0.2.3", "2001:db8::3");
	look();
	ck_assert_str_eq(addr_str(&want.conf.local), "2001:db8::1");
	ck_assert_uint_eq(want.conf.mtu, 0);
	ck_assert_uint_eq(want.nr_nodes, 1);
	ck_assert_str_eq(addr_str(&want.nodes[0]), "2001:db8::3");
	tunnel_mac(&want.nodes[0], mac);
	tunnel_mac(&want.conf.local, other);
	ck_assert_int_eq(mac[0] & 3, 2); /* of nobody's, and of one station */
	ck_assert_mem_ne(mac, other, 6);
	ck_assert_uint_eq(tunnel_overhead(ADDR_V4), 50);
	ck_assert_uint_eq(tunnel_overhead(ADDR_V6), 70);
}
END_TEST

START_TEST(not_with_direct_routes)
{
	static const char yaml[] =
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\n"
	    "spec: {datapath: {tunnel: vxlan}, routing: {directNodeRoutes: true}}\n";
	struct res_set set = { 0 };
	struct res_faults faults = { 0 };

	ck_assert_int_lt(res_decode_yaml("t.yaml", yaml, strlen(yaml), &set, &faults), 0);
	ck_assert_uint_eq(faults.nr, 1);
	res_set_fini(&set);
	res_faults_fini(&faults);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, off_and_not_yet);
	tcase_add_test(t, all_others_by_both_families_of_pods);
	tcase_add_test(t, an_underlay_of_ipv6);
	tcase_add_test(t, not_with_direct_routes);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/tunnel_wanted", add_tests)
