/*
 * tests/unit/daemon/test_bgp_mesh.c: nodes as each other's peers (nodeMesh): who is one, where, and
 * who dials.
 */
#include "daemon/bgp_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;
static struct bgp_plan *plan;

static void
setup(void)
{
	fixture_init(&f);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: mesh}\n"
	    "spec: {nodeSelector: {matchLabels: {speaks: 'yes'}}, bgpInstances: [{name: m, "
	    "localASN: 64512,\n"
	    " nodeMesh: true, nodeMeshPeerConfigRef: {name: inside}, maximumPaths: {ebgp: 4, ibgp: "
	    "3},\n"
	    " multipathRelax: false, clusterID: 1.2.3.4}]}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: inside}\n"
	    "spec: {timers: {holdTimeSeconds: 9}, transport: {peerPort: 1790}, "
	    "routeReflectorClient: true}\n");
}

static void
teardown(void)
{
	bgp_plan_free(plan);
	plan = NULL;
	fixture_fini(&f);
}

static void
add_node(const char *name, const char *speaks, const char *addrs)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "apiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {speaks: '%s'}}\n"
	    "status: {addresses: [%s]}\n",
	    name, speaks, addrs);
	fixture_add(&f, text);
}

static const struct bgp_instance_conf *
plan_of(const char *node)
{
	bgp_plan_free(plan);
	plan = bgp_plan_new(f.store, node, false, NULL);
	ck_assert_uint_eq(plan->conf.nr_instances, 1);
	return &plan->conf.instances[0];
}

#define IP(a) "{type: InternalIP, address: '" a "'}"

START_TEST(every_other_node_that_is_selected_is_a_peer)
{
	const struct bgp_instance_conf *c;

	add_node("a", "yes", IP("10.0.0.1") ", " IP("fd00::1"));
	add_node("b", "yes", IP("10.0.0.2"));
	add_node("c", "no", IP("10.0.0.3"));
	add_node("d", "yes", "{type: Hostname, address: d}");
	add_node("e", "yes", IP("10.0.0.5"));
	c = plan_of("b");
	ck_assert(plan->mesh);
	ck_assert_uint_eq(c->nr_peers, 2);
	ck_assert_uint_eq(c->max_paths, 4);
	ck_assert_uint_eq(c->max_paths_ibgp, 3);
	ck_assert(c->same_as_paths);
	ck_assert_uint_eq(c->cluster_id, 0x01020304);
	ck_assert_str_eq(c->peers[0].name, "node/a");
	ck_assert_str_eq(addr_str(&c->peers[0].addr), "10.0.0.1");
	ck_assert_uint_eq(c->peers[0].peer_as, 64512);
	ck_assert_uint_eq(c->peers[0].hold_s, 9);
	ck_assert_uint_eq(c->peers[0].connect_retry_s, 10);
	ck_assert_uint_ne(c->peers[0].port, 1790);
	ck_assert(c->peers[0].rr_client);
	/* The lower address dials. */
	ck_assert(c->peers[0].passive);
	ck_assert_str_eq(c->peers[1].name, "node/e");
	ck_assert(!c->peers[1].passive);
	c = plan_of("e");
	ck_assert(c->peers[0].passive && c->peers[1].passive);
}
END_TEST

START_TEST(the_family_is_one_that_both_have)
{
	const struct bgp_instance_conf *c;

	add_node("a", "yes", IP("10.0.0.1") ", " IP("fd00::1"));
	add_node("b", "yes", IP("fd00::2"));
	add_node("c", "yes", IP("10.0.0.3"));
	c = plan_of("a");
	ck_assert_uint_eq(c->nr_peers, 2);
	ck_assert_str_eq(addr_str(&c->peers[0].addr), "fd00::2");
	ck_assert_str_eq(addr_str(&c->peers[1].addr), "10.0.0.3");
	c = plan_of("b");
	ck_assert_uint_eq(c->nr_peers, 1);
	ck_assert_str_eq(addr_str(&c->peers[0].addr), "fd00::1");
}
END_TEST

START_TEST(another_as_another_port_another_document)
{
	const struct bgp_instance_conf *c;

	add_node("a", "yes", IP("10.0.0.1"));
	add_node("b", "yes", IP("10.0.0.2"));
	add_node("c", "yes", IP("10.0.0.3"));
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPNodeConfigOverride\nmetadata: {name: b}\n"
	    "spec: {bgpInstances: [{name: m, localASN: 64999}]}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPNodeConfigOverride\nmetadata: {name: c}\n"
	    "spec: {bgpInstances: [{name: m, localPort: 1179}]}\n");
	c = plan_of("a");
	ck_assert_uint_eq(c->nr_peers, 1);
	ck_assert_str_eq(c->peers[0].name, "node/c");
	ck_assert_uint_eq(c->peers[0].port, 1179);
	/* First by name, and so it has all nodes. */
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: all}\n"
	    "spec: {nodeSelector: {matchLabels: {kubernetes.io/hostname: x}}, bgpInstances: "
	    "[{name: n, "
	    "localASN: 1}]}\n");
	c = plan_of("a");
	ck_assert_str_eq(c->name, "m");
	ck_assert_uint_eq(c->nr_peers, 1);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: all}\n"
	    "spec: {bgpInstances: [{name: n, localASN: 1}]}\n");
	c = plan_of("a");
	ck_assert_str_eq(c->name, "n");
	ck_assert(!plan->mesh);
}
END_TEST

START_TEST(a_session_that_was_there_is_as_it_was_when_nodes_come)
{
	const struct bgp_instance_conf *c;

	add_node("a", "yes", IP("10.0.0.1"));
	add_node("c", "yes", IP("10.0.0.3"));
	c = plan_of("a");
	ck_assert_uint_eq(c->nr_peers, 1);
	add_node("b", "yes", IP("10.0.0.2"));
	c = plan_of("a");
	ck_assert_uint_eq(c->nr_peers, 2);
	ck_assert_str_eq(c->peers[0].name, "node/b");
	ck_assert_str_eq(c->peers[1].name, "node/c");
	ck_assert_str_eq(addr_str(&c->peers[1].addr), "10.0.0.3");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("bgp_mesh");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_other_node_that_is_selected_is_a_peer);
	tcase_add_test(t, the_family_is_one_that_both_have);
	tcase_add_test(t, another_as_another_port_another_document);
	tcase_add_test(t, a_session_that_was_there_is_as_it_was_when_nodes_come);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bgp_mesh", add_tests)
