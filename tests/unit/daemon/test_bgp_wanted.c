/*
 * tests/unit/daemon/test_bgp_wanted.c: documents to sessions and routes: the reference scenario, the
 * truth table of traffic policies, and what must never be guessed.
 */
#include "daemon/bgp_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define REFERENCE "etc/examples/reference/"

static struct fixture f;
static struct bgp_plan *plan;
static struct arena arena;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	bgp_plan_free(plan);
	plan = NULL;
	arena_fini(&arena);
	fixture_fini(&f);
}

static void
make_plan(const char *node)
{
	bgp_plan_free(plan);
	plan = bgp_plan_new(f.store, node, false, NULL);
}

static void
load_reference(void)
{
	static const char *const files[] = { "nodes.yaml", "bgp.yaml", "bgp-service.yaml",
		"pool.yaml", "webpod.yaml" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), REFERENCE "%s", files[i]);
		fixture_add_file(&f, path);
	}
}

/* What explains and what decides say the same of an address. */
static void
why_agrees(const char *node, const struct res_service *svc, const struct addr *lb,
    const struct bgp_announce *list, size_t nr)
{
	for (size_t i = 0; i < plan->instances[0].nr; i++) {
		const struct bgp_audience *audience = &plan->instances[0].audiences[i];
		const struct bgp_why why =
		    bgp_wanted_why(audience, f.store, node, svc, RES_SVC_ADDR_LOAD_BALANCER_IP, lb);
		bool told = false;

		for (size_t j = 0; j < nr; j++)
			told |= strcmp(list[j].audience, audience->name) == 0 &&
			    prefix_has_addr(&list[j].prefix, lb);
		ck_assert_msg(told == (why.reason == REASON_SATISFIED), "%s is told: %d, but %s",
		    audience->name, told, reason_name(why.reason));
		ck_assert(told || why.reason != REASON_NONE);
	}
}

/* The announcements of a Service with LoadBalancer address 172.16.1.1, as "prefix " each. */
static const char *
routes_of(const char *node, const char *name)
{
	static char text[1024];
	const struct res_service *svc = store_service(f.store, "default", name);
	struct bgp_announce *list;
	struct addr lb;
	size_t nr, len = 0;

	ck_assert_ptr_nonnull(svc);
	ck_assert_int_eq(addr_parse("172.16.1.1", &lb), 0);
	make_plan(node);
	ck_assert_uint_eq(plan->nr_instances, 1);
	nr = bgp_wanted_service(&plan->instances[0], f.store, node, svc, &lb, 1, &arena, &list);
	why_agrees(node, svc, &lb, list, nr);
	text[0] = '\0';
	for (size_t i = 0; i < nr; i++) {
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s ", prefix_str(&list[i].prefix));
		ck_assert_int_eq(list[i].source, BGP_SRC_SERVICE);
	}
	return text;
}

/* ---- the reference scenario ---- */

START_TEST(reference_session_is_as_the_documents_say)
{
	const struct bgp_instance_conf *inst;
	const struct bgp_peer_conf *peer;

	load_reference();
	make_plan("k8s-w0");
	ck_assert_uint_eq(plan->conf.nr_instances, 1);
	inst = &plan->conf.instances[0];
	ck_assert_str_eq(inst->name, "instance-65001");
	ck_assert_uint_eq(inst->local_as, 65001);
	ck_assert_uint_eq(inst->router_id, 0xc0a81464); /* 192.168.20.100 */
	ck_assert_uint_eq(inst->nr_peers, 1);
	peer = &inst->peers[0];
	ck_assert_str_eq(peer->name, "tor-switch");
	ck_assert_str_eq(addr_str(&peer->addr), "192.168.10.200");
	ck_assert_uint_eq(peer->peer_as, 65000);
	ck_assert_uint_eq(peer->hold_s, 9);
	ck_assert_uint_eq(peer->keepalive_s, 3);
	ck_assert_uint_eq(peer->connect_retry_s, 120);
	ck_assert_uint_eq(peer->ttl, 2);
	ck_assert(peer->gr);
	ck_assert_uint_eq(peer->gr_time_s, 15);
	ck_assert(peer->family[BGP_IPV4_UNICAST].enabled);
	ck_assert(!peer->family[BGP_IPV6_UNICAST].enabled);
	ck_assert_str_eq(peer->family[BGP_IPV4_UNICAST].audience,
	    "bgp-advertisements,bgp-advertisements-lb-exip-webpod");
	ck_assert_ptr_null(peer->held_down);
	ck_assert_uint_eq(peer->import.nr_rules, 0);
	ck_assert_ptr_null(plan->notices);
}
END_TEST

START_TEST(reference_node_announces_its_pod_cidr)
{
	struct bgp_announce *list;
	size_t nr;

	load_reference();
	make_plan("k8s-w1");
	nr = bgp_wanted_node(
	    &plan->instances[0], NULL, store_node(f.store, "k8s-w1"), &arena, &list);
	ck_assert_uint_eq(nr, 1);
	ck_assert_str_eq(prefix_str(&list[0].prefix), "172.20.1.0/24");
	ck_assert_int_eq(list[0].source, BGP_SRC_PODCIDR);
}
END_TEST

START_TEST(reference_service_is_announced_by_every_node)
{
	load_reference();
	ck_assert_str_eq(routes_of("k8s-ctr", "webpod"), "172.16.1.1/32 ");
	ck_assert_str_eq(routes_of("k8s-w1", "webpod"), "172.16.1.1/32 ");
	ck_assert_str_eq(routes_of("k8s-w0", "webpod"), "172.16.1.1/32 ");
}
END_TEST

START_TEST(a_node_that_is_not_selected_speaks_to_nobody)
{
	load_reference();
	fixture_add(&f,
	    "apiVersion: v1\nkind: Node\nmetadata: {name: other}\n"
	    "spec: {podCIDRs: [172.20.9.0/24]}\n");
	make_plan("other");
	ck_assert_uint_eq(plan->conf.nr_instances, 0);
	ck_assert_uint_eq(plan->conf.nr_listen, 0);
	make_plan("nobody"); /* without a Node document there are no labels */
	ck_assert_uint_eq(plan->conf.nr_instances, 0);
}
END_TEST

/* ---- traffic policies ---- */

/* Endpoints: on this node and elsewhere, of each the best state: none, not ready, terminating but
 * serving, or ready. */
enum ep { NONE, UNREADY, TERMINATING, READY };

static void
put_service(const char *address_type, const char *external, const char *internal, enum ep here,
    enum ep there, const char *no_endpoints)
{
	static const char *const conditions[] = {
		[UNREADY] = "{ready: false, serving: false, terminating: false}",
		[TERMINATING] = "{ready: false, serving: true, terminating: true}",
		[READY] = "{ready: true, serving: true, terminating: false}",
	};
	char yaml[4096], endpoints[512] = "endpoints:\n";
	size_t len = strlen(endpoints);

	if (here != NONE)
		len += (size_t)snprintf(endpoints + len, sizeof(endpoints) - len,
		    "- {addresses: [10.0.0.1], nodeName: me, conditions: %s}\n", conditions[here]);
	if (there != NONE)
		len += (size_t)snprintf(endpoints + len, sizeof(endpoints) - len,
		    "- {addresses: [10.0.1.1], nodeName: you, conditions: %s}\n",
		    conditions[there]);
	if (here == NONE && there == NONE)
		snprintf(endpoints, sizeof(endpoints), "endpoints: []\n");
	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {app: web}}\n"
	    "spec: {type: LoadBalancer, clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1],\n"
	    "  externalIPs: [203.0.113.7], externalTrafficPolicy: %s,\n"
	    "  internalTrafficPolicy: %s, ports: [{port: 80}]}\n---\n"
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	    "metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n"
	    "addressType: IPv4\nports: [{port: 80}]\n%s---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\n"
	    "metadata: {name: a, labels: {x: y}}\n"
	    "spec: {advertisements: [{advertisementType: Service, service: {addresses: [%s]},\n"
	    "  selector: {matchLabels: {app: web}}%s%s}]}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\n"
	    "spec: {families: [{afi: ipv4, safi: unicast, advertisements: {matchLabels: {x: "
	    "y}}}]}\n"
	    "---\napiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\n"
	    "spec: {bgpInstances: [{name: i, localASN: 65001, peers: [{name: t, peerASN: 65000,\n"
	    "  peerAddress: 192.0.2.1, peerConfigRef: {name: p}}]}]}\n",
	    external, internal, endpoints, address_type, *no_endpoints ? ", noEndpoints: " : "",
	    no_endpoints);
	fixture_add(&f, yaml);
}

/* What features.md 4.5 says, written down on its own: Local needs a ready one here; Cluster one
 * anywhere, unless noEndpoints says advertise. */
static bool
should_announce(bool local, enum ep here, enum ep there, bool advertise_anyway)
{
	if (local)
		return here == READY;
	return advertise_anyway || here == READY || there == READY;
}

START_TEST(traffic_policy_truth_table)
{
	static const struct {
		const char *type, *route;
		bool internal;
	} types[] = { { "LoadBalancerIP", "172.16.1.1/32 ", false },
		{ "ExternalIP", "203.0.113.7/32 ", false },
		{ "ClusterIP", "10.96.0.1/32 ", true } };
	const bool ext_local = _i & 1, int_local = _i & 2, anyway = _i & 4;

	for (size_t t = 0; t < 3; t++) {
		for (enum ep here = NONE; here <= READY; here++) {
			for (enum ep there = NONE; there <= READY; there++) {
				bool want = should_announce(
				    types[t].internal ? int_local : ext_local, here, there, anyway);

				put_service(types[t].type, ext_local ? "Local" : "Cluster",
				    int_local ? "Local" : "Cluster", here, there,
				    anyway ? "advertise" : "withdraw");
				ck_assert_msg(
				    strcmp(routes_of("me", "web"), want ? types[t].route : "") == 0,
				    "%s here %d there %d: %s", types[t].type, here, there,
				    want ? "missing" : "too much");
			}
		}
	}
}
END_TEST

START_TEST(no_endpoints_default_is_withdraw)
{
	put_service("LoadBalancerIP", "Cluster", "Cluster", NONE, NONE, "");
	ck_assert_str_eq(routes_of("me", "web"), "");
}
END_TEST

START_TEST(an_endpoint_without_node_is_local_to_nobody)
{
	put_service("LoadBalancerIP", "Local", "Cluster", READY, NONE, "");
	ck_assert_str_eq(routes_of("me", "web"), "172.16.1.1/32 ");
	fixture_add(&f,
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	    "metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n"
	    "addressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [10.0.0.1]}]\n");
	ck_assert_str_eq(routes_of("me", "web"), "");
}
END_TEST

START_TEST(endpoints_of_the_other_family_do_not_count)
{
	put_service("LoadBalancerIP", "Cluster", "Cluster", NONE, NONE, "");
	fixture_add(&f,
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	    "metadata: {name: web-6, labels: {kubernetes.io/service-name: web}}\n"
	    "addressType: IPv6\nports: [{port: 80}]\n"
	    "endpoints: [{addresses: ['fd00::1'], nodeName: me}]\n");
	ck_assert_str_eq(routes_of("me", "web"), "");
}
END_TEST

START_TEST(aggregation_only_under_cluster)
{
	put_service("LoadBalancerIP", "Cluster", "Cluster", READY, READY, "");
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\nmetadata: {name: a, labels: {x: "
	    "y}}\n"
	    "spec: {advertisements: [{advertisementType: Service, service: {addresses: "
	    "[LoadBalancerIP], aggregationLengthIPv4: 24}, selector: {matchLabels: {app: "
	    "web}}}]}\n");
	ck_assert_str_eq(routes_of("me", "web"), "172.16.1.0/24 ");
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {app: web}}\n"
	    "spec: {type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]}\n");
	ck_assert_str_eq(routes_of("me", "web"), "172.16.1.1/32 ");
}
END_TEST

START_TEST(an_absent_selector_selects_nothing)
{
	put_service("LoadBalancerIP", "Cluster", "Cluster", READY, READY, "");
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\nmetadata: {name: a, labels: {x: "
	    "y}}\n"
	    "spec: {advertisements: [{advertisementType: Service, "
	    "service: {addresses: [LoadBalancerIP]}}]}\n");
	ck_assert_str_eq(routes_of("me", "web"), "");
}
END_TEST

/* ---- secrets, references, overrides ---- */

#define SECRET_CASE                                                                                \
	"apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\n"                   \
	"spec: {authSecretRef: key}\n---\n"                                                        \
	"apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\n"                \
	"spec: {bgpInstances: [{name: i, localASN: 65001, peers: [{name: t, peerASN: 65000,\n"     \
	"  peerAddress: 192.0.2.1, peerConfigRef: {name: p}}]}]}\n"

START_TEST(a_missing_secret_holds_the_peer_down)
{
	fixture_add(&f, SECRET_CASE);
	make_plan("me");
	ck_assert_ptr_nonnull(plan->conf.instances[0].peers[0].held_down);
	ck_assert_ptr_null(plan->conf.instances[0].peers[0].md5_key);
	ck_assert_int_eq(plan->notices->reason, REASON_SECRET_MISSING);
}
END_TEST

START_TEST(an_empty_password_holds_the_peer_down)
{
	static const char *const secrets[] = { "stringData: {password: ''}", "data: {other: eA==}",
		"data: {password: AGE=}" };
	char yaml[256];

	fixture_add(&f, SECRET_CASE);
	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: kube-system}\n%s\n",
	    secrets[_i]);
	fixture_add(&f, yaml);
	make_plan("me");
	ck_assert_ptr_nonnull(plan->conf.instances[0].peers[0].held_down);
	ck_assert_ptr_null(plan->conf.instances[0].peers[0].md5_key);
}
END_TEST

START_TEST(a_secret_gives_the_key)
{
	fixture_add(&f,
	    SECRET_CASE "---\napiVersion: v1\nkind: Secret\n"
			"metadata: {name: key, namespace: kube-system}\n"
			"data: {password: czNjcmV0}\n");
	make_plan("me");
	ck_assert_str_eq(plan->conf.instances[0].peers[0].md5_key, "s3cret");
	ck_assert_ptr_null(plan->conf.instances[0].peers[0].held_down);
}
END_TEST

START_TEST(a_missing_peer_config_holds_the_peer_down)
{
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\n"
	    "spec: {bgpInstances: [{name: i, localASN: 65001, peers: [{name: t, peerASN: "
	    "65000, peerAddress: 192.0.2.1, peerConfigRef: {name: p}}]}]}\n");
	make_plan("me");
	ck_assert_str_eq(plan->conf.instances[0].peers[0].held_down, "BGPPeerConfig p is missing");
}
END_TEST

START_TEST(without_a_peer_config_the_defaults_count)
{
	const struct bgp_peer_conf *peer;

	fixture_add(&f,
	    "apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: c}\n"
	    "spec: {bgpInstances: [{name: i, localASN: 65001, peers: [{name: t, peerASN: "
	    "65000, peerAddress: 'fd00::1'}]}]}\n");
	make_plan("me");
	peer = &plan->conf.instances[0].peers[0];
	ck_assert_uint_eq(peer->hold_s, 90);
	ck_assert_uint_eq(peer->keepalive_s, 30);
	ck_assert_uint_eq(peer->connect_retry_s, 120);
	ck_assert(!peer->gr);
	ck_assert(peer->family[BGP_IPV4_UNICAST].enabled && peer->family[BGP_IPV6_UNICAST].enabled);
	ck_assert_ptr_null(peer->family[BGP_IPV4_UNICAST].audience);
}
END_TEST

START_TEST(an_override_wins_for_its_node_only)
{
	load_reference();
	fixture_add(&f,
	    "apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfigOverride\nmetadata: {name: "
	    "k8s-w1}\n"
	    "spec: {bgpInstances: [{name: instance-65001, routerID: 10.9.9.9, localASN: 65099,\n"
	    "  localPort: 1790, peers: [{name: tor-switch, localAddress: 192.168.10.101}]}]}\n");
	make_plan("k8s-w1");
	ck_assert_uint_eq(plan->conf.instances[0].router_id, 0x0a090909);
	ck_assert_uint_eq(plan->conf.instances[0].local_as, 65099);
	ck_assert_uint_eq(plan->conf.instances[0].local_port, 1790);
	ck_assert_str_eq(addr_str(&plan->conf.instances[0].peers[0].local_addr), "192.168.10.101");
	make_plan("k8s-ctr");
	ck_assert_uint_eq(plan->conf.instances[0].local_as, 65001);
}
END_TEST

START_TEST(two_cluster_configs_on_a_node_the_first_has_it)
{
	load_reference();
	fixture_add(&f,
	    "apiVersion: cilium.io/v2\nkind: CiliumBGPClusterConfig\nmetadata: {name: a-new}\n"
	    "spec: {bgpInstances: [{name: x, localASN: 65001}]}\n");
	make_plan("k8s-w1");
	ck_assert_uint_eq(plan->conf.nr_instances, 1);
	ck_assert_str_eq(plan->conf.instances[0].name, "x");
	ck_assert_int_eq(plan->notices->reason, REASON_INSTANCE_CONFLICT);
	ck_assert_str_eq(plan->notices->name, "cilium-bgp");
}
END_TEST

START_TEST(import_rules_of_the_configuration_are_for_peers_without_their_own)
{
	const struct bgp_peer_conf *peer;

	load_reference();
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\n"
	    "spec: {bgp: {allowASIn: 1, import: [{match: {prefixes: [{prefix: 172.20.0.0/16, le: "
	    "24}]},"
	    " action: accept}]}}\n");
	make_plan("k8s-w1");
	peer = &plan->conf.instances[0].peers[0];
	ck_assert_uint_eq(peer->allow_as_in, 1);
	ck_assert_uint_eq(peer->import.nr_rules, 1);
	ck_assert(peer->import.rules[0].accept);
	ck_assert_uint_eq(peer->import.rules[0].match.prefixes[0].ge, 16);
	ck_assert_uint_eq(peer->import.rules[0].match.prefixes[0].le, 24);
}
END_TEST

START_TEST(a_drained_node_asks_all_peers_to_leave)
{
	load_reference();
	make_plan("k8s-w1");
	ck_assert(!plan->conf.instances[0].peers[0].graceful_shutdown);
	bgp_plan_free(plan);
	plan = bgp_plan_new(f.store, "k8s-w1", true, NULL);
	ck_assert(plan->conf.instances[0].peers[0].graceful_shutdown);
}
END_TEST

/* draft-ietf-idr-link-bandwidth: 1 Mbit/s for each ready endpoint here, in octets, as a float. */
START_TEST(link_bandwidth_of_the_ready_endpoints)
{
	static const struct {
		enum ep here;
		const char *policy;
		uint64_t octets;
	} cases[] = { { READY, "Local", 0x47f42400 }, { NONE, "Cluster", 0x47f42400 } };

	for (size_t i = 0; i < 2; i++) {
		struct bgp_announce *list;

		put_service("LoadBalancerIP", cases[i].policy, "Cluster", cases[i].here, READY, "");
		fixture_add(&f,
		    "apiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\n"
		    "metadata: {name: a, labels: {x: y}}\n"
		    "spec: {advertisements: [{advertisementType: Service, service: {addresses: "
		    "[ExternalIP]},\n"
		    "  selector: {matchLabels: {app: web}}, attributes: {linkBandwidth: "
		    "endpoints,\n"
		    "  communities: {standard: ['1:2']}}}]}\n");
		make_plan("me");
		ck_assert_uint_eq(bgp_wanted_service(&plan->instances[0], f.store, "me",
				      (const struct res_service *)store_get(
					  f.store, RES_SERVICE, "default", "web"),
				      NULL, 0, &arena, &list),
		    1);
		ck_assert_uint_eq(list->communities.nr_std, 1);
		ck_assert_uint_eq(list->communities.nr_ext, 1);
		ck_assert_uint_eq(list->communities.ext[0], 0x4004fde900000000u | cases[i].octets);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("bgp_wanted");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reference_session_is_as_the_documents_say);
	tcase_add_test(t, reference_node_announces_its_pod_cidr);
	tcase_add_test(t, reference_service_is_announced_by_every_node);
	tcase_add_test(t, a_node_that_is_not_selected_speaks_to_nobody);
	tcase_add_loop_test(t, traffic_policy_truth_table, 0, 8);
	tcase_add_test(t, no_endpoints_default_is_withdraw);
	tcase_add_test(t, an_endpoint_without_node_is_local_to_nobody);
	tcase_add_test(t, endpoints_of_the_other_family_do_not_count);
	tcase_add_test(t, aggregation_only_under_cluster);
	tcase_add_test(t, an_absent_selector_selects_nothing);
	tcase_add_test(t, a_missing_secret_holds_the_peer_down);
	tcase_add_loop_test(t, an_empty_password_holds_the_peer_down, 0, 3);
	tcase_add_test(t, a_secret_gives_the_key);
	tcase_add_test(t, a_missing_peer_config_holds_the_peer_down);
	tcase_add_test(t, without_a_peer_config_the_defaults_count);
	tcase_add_test(t, an_override_wins_for_its_node_only);
	tcase_add_test(t, two_cluster_configs_on_a_node_the_first_has_it);
	tcase_add_test(t, import_rules_of_the_configuration_are_for_peers_without_their_own);
	tcase_add_test(t, a_drained_node_asks_all_peers_to_leave);
	tcase_add_test(t, link_bandwidth_of_the_ready_endpoints);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/bgp_wanted", add_tests)
