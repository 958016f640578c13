/*
 * tests/unit/daemon/test_select.c: which peers a node has, and which of them are told which
 * addresses: the selections that MetalLB's documents become, and which are native fields.
 */
#include "daemon/bgp_wanted.h"
#include "daemon/ipam_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

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

#define NODES                                                                                      \
	"apiVersion: v1\nkind: Node\nmetadata: {name: a, labels: {rack: r1}}\n---\n"               \
	"apiVersion: v1\nkind: Node\nmetadata: {name: b, labels: {rack: r2}}\n"

/* "instance(asn/peer/peer) " for each. */
static const char *
sessions_of(const char *node)
{
	static char text[512];
	size_t len = 0;

	make_plan(node);
	text[0] = '\0';
	for (size_t i = 0; i < plan->conf.nr_instances; i++) {
		const struct bgp_instance_conf *inst = &plan->conf.instances[i];

		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s(%u", inst->name, inst->local_as);
		for (size_t k = 0; k < inst->nr_peers; k++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "/%s:%u%s",
			    inst->peers[k].name, inst->peers[k].peer_as,
			    inst->peers[k].other_as ? "!" : "");
		len += (size_t)snprintf(text + len, sizeof(text) - len, ") ");
	}
	return text;
}

START_TEST(peers_choose_their_nodes)
{
	fixture_add(&f, NODES);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\nspec:\n"
	    "  bgpInstances:\n"
	    "  - {name: one, localASN: 65001, peers: [\n"
	    "      {name: x, peerAddress: 10.0.0.1, peerASN: 65000, nodeSelectors: [\n"
	    "         {matchLabels: {rack: r1}}, {matchLabels: {rack: r9}}]},\n"
	    "      {name: y, peerAddress: 10.0.0.2, dynamicASN: internal}]}\n"
	    "  - {name: two, localASN: 65002, routerID: 9.9.9.9, peers: [\n"
	    "      {name: z, peerAddress: 10.0.0.3, dynamicASN: external, nodeSelectors: [\n"
	    "         {matchLabels: {rack: r2}}]}]}\n");
	ck_assert_str_eq(sessions_of("a"), "one(65001/x:65000/y:65001) ");
	ck_assert_str_eq(sessions_of("b"), "one(65001/y:65001) two(65002/z:0!) ");
	ck_assert_uint_eq(plan->conf.instances[1].router_id, 0x09090909);
	ck_assert_str_eq(sessions_of("unknown"), "one(65001/y:65001) ");
}
END_TEST

/* A BGPClusterConfig none of whose peers is for a node is none that another conflicts with. */
START_TEST(a_config_without_peers_here_leaves_the_node_to_others)
{
	fixture_add(&f, NODES);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: a-first}\nspec:\n"
	    "  bgpInstances: [{name: one, localASN: 1, peers: [{name: x, peerAddress: 10.0.0.1,\n"
	    "    peerASN: 2, nodeSelectors: [{matchLabels: {rack: r1}}]}]}]\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: later}\nspec:\n"
	    "  bgpInstances: [{name: two, localASN: 3, peers: [{name: y, peerAddress: 10.0.0.2,\n"
	    "    peerASN: 4}]}]\n");
	ck_assert_str_eq(sessions_of("b"), "two(3/y:4) ");
	ck_assert_ptr_null(plan->notices);
	ck_assert_str_eq(sessions_of("a"), "one(1/x:2) ");
	ck_assert_ptr_nonnull(plan->notices);
}
END_TEST

/* ---- advertisements ---- */

#define ADVERT(name, service, spec)                                                                \
	"---\napiVersion: heraldlb.io/v1\nkind: BGPAdvertisement\nmetadata: {name: " name          \
	", labels: {x: y}}\nspec:\n  advertisements: [{advertisementType: Service, selector: {}, " \
	"service: {addresses: [LoadBalancerIP, ExternalIP]" service "}}]\n" spec
#define PEER(name, n)                                                                              \
	"{name: " name ", peerAddress: 10.0.0." n ", peerASN: 65000, peerConfigRef: {name: p}}"

static void
put_world(const char *adverts)
{
	fixture_add(&f, NODES);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\nspec: "
	    "{families: "
	    "[{afi: ipv4, safi: unicast, advertisements: {matchLabels: {x: y}}}]}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPClusterConfig\nmetadata: {name: c}\nspec:\n"
	    "  bgpInstances: [{name: i, localASN: 65001, peers: [" PEER("t", "1") ", " PEER("u",
		"2") "]}]\n---\n"
		     "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: gold, "
		     "labels: {tier: gold}}\nspec: {blocks: [{cidr: 172.16.1.0/24}]}\n---\n"
		     "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: tin}\n"
		     "spec: {blocks: [{start: 172.16.2.1, stop: 172.16.2.9}]}\n---\n"
		     "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
		     "metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n"
		     "addressType: IPv4\nports: [{port: 80}]\n"
		     "endpoints: [{addresses: [10.1.0.1], nodeName: a}]\n---\n"
		     "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: "
		     "LoadBalancer, externalIPs: [192.0.2.1], ports: [{port: 80}]}\n");
	fixture_add(&f, adverts);
}

static const char *
audience_of(const char *peer)
{
	for (size_t i = 0; i < plan->conf.instances[0].nr_peers; i++)
		if (strcmp(plan->conf.instances[0].peers[i].name, peer) == 0)
			return plan->conf.instances[0].peers[i].family[BGP_IPV4_UNICAST].audience;
	ck_abort_msg("no peer %s", peer);
	return NULL;
}

/* What @peer is told by @node of a Service with the address @ip. */
static const char *
told(const char *node, const char *peer, const char *ip)
{
	static char text[256];
	struct bgp_announce *list;
	const char *audience;
	size_t nr, len = 0;
	struct addr lb;

	ck_assert_int_eq(addr_parse(ip, &lb), 0);
	make_plan(node);
	audience = audience_of(peer);
	nr = bgp_wanted_service(&plan->instances[0], f.store, node,
	    store_service(f.store, "default", "web"), &lb, 1, &arena, &list);
	text[0] = '\0';
	for (size_t i = 0; audience && i < nr; i++)
		if (strcmp(list[i].audience, audience) == 0)
			len += (size_t)snprintf(
			    text + len, sizeof(text) - len, "%s ", prefix_str(&list[i].prefix));
	return text;
}

START_TEST(advertisements_choose_pools)
{
	put_world(ADVERT("a", ", ipPools: [tin]", ""));
	/* external addresses are of no pool, and are not asked for one */
	ck_assert_str_eq(told("a", "t", "172.16.2.3"), "172.16.2.3/32 192.0.2.1/32 ");
	ck_assert_str_eq(told("a", "t", "172.16.1.3"), "192.0.2.1/32 ");
	ck_assert_str_eq(told("a", "t", "172.16.2.10"), "192.0.2.1/32 ");
	fixture_add(&f, ADVERT("a", ", ipPoolSelectors: [{matchLabels: {tier: gold}}]", ""));
	ck_assert_str_eq(told("a", "t", "172.16.2.3"), "192.0.2.1/32 ");
	ck_assert_str_eq(told("a", "t", "172.16.1.3"), "172.16.1.3/32 192.0.2.1/32 ");
	fixture_add(&f,
	    ADVERT("a", ", ipPools: [tin], ipPoolSelectors: [{matchLabels: {tier: gold}}]", ""));
	ck_assert_str_eq(told("a", "t", "172.16.2.3"), "172.16.2.3/32 192.0.2.1/32 ");
	ck_assert_str_eq(told("a", "t", "172.16.1.3"), "172.16.1.3/32 192.0.2.1/32 ");
}
END_TEST

START_TEST(advertisements_choose_nodes)
{
	put_world(ADVERT("a", "",
	    "  nodeSelectors: [{matchLabels: {rack: r2}}, {matchLabels: "
	    "{rack: r3}}]\n"));
	ck_assert_str_eq(told("a", "t", "172.16.1.1"), "");
	ck_assert_str_eq(told("b", "t", "172.16.1.1"), "172.16.1.1/32 192.0.2.1/32 ");
}
END_TEST

START_TEST(advertisements_choose_peers)
{
	put_world(ADVERT("all", "", "")
		ADVERT("one", ", aggregationLengthIPv4: 24", "  peers: [u, not-there]\n"));
	ck_assert_str_eq(told("a", "t", "172.16.1.1"), "172.16.1.1/32 192.0.2.1/32 ");
	ck_assert_str_eq(
	    told("a", "u", "172.16.1.1"), "172.16.1.1/32 192.0.2.1/32 172.16.1.0/24 192.0.2.0/24 ");
}
END_TEST

START_TEST(a_covering_prefix_under_local_when_it_is_asked_for)
{
	put_world(ADVERT("a", ", aggregationLengthIPv4: 24, aggregateLocal: true", ""));
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer, "
	    "externalTrafficPolicy: Local, ports: [{port: 80}]}\n");
	ck_assert_str_eq(told("a", "t", "172.16.1.1"), "172.16.1.0/24 ");
	ck_assert_str_eq(told("b", "t", "172.16.1.1"), "");
}
END_TEST

/* A Secret is taken from where the document says. */
START_TEST(the_namespace_of_a_secret)
{
	put_world(ADVERT("a", "", ""));
	fixture_add(&f,
	    "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: aaa}\n"
	    "stringData: {password: wrong}\n---\n"
	    "apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: mine}\n"
	    "stringData: {password: right}\n---\n"
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\n"
	    "spec: {authSecretRef: key, authSecretNamespace: mine}\n");
	make_plan("a");
	ck_assert_str_eq(plan->conf.instances[0].peers[0].md5_key, "right");
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\n"
	    "spec: {authSecretRef: key, authSecretNamespace: other}\n");
	make_plan("a");
	ck_assert_ptr_nonnull(plan->conf.instances[0].peers[0].held_down);
}
END_TEST

START_TEST(a_bfd_profile_must_be_there)
{
	const struct notice *n;
	bool missing = false;

	put_world(ADVERT("a", "", ""));
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: BGPPeerConfig\nmetadata: {name: p}\n"
	    "spec: {bfdProfile: fast}\n");
	make_plan("a");
	for (n = plan->notices; n; n = n->next)
		missing = missing || strstr(n->message, "BFDProfile fast (bfdProfile) is missing");
	ck_assert(missing);
	fixture_add(
	    &f, "apiVersion: heraldlb.io/v1\nkind: BFDProfile\nmetadata: {name: fast}\nspec: {}\n");
	make_plan("a");
	for (n = plan->notices; n; n = n->next)
		ck_assert_ptr_null(strstr(n->message, "missing"));
}
END_TEST

/* ---- pools ---- */

#define POOL(name, net, spec)                                                                      \
	"---\napiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: " name        \
	"}\nspec: {blocks: [{cidr: " net "}]" spec "}\n"

/* The pools that a Service of namespace team may use, in name order. */
static const char *
pools_of(const char *meta, const char *spec)
{
	static char text[256], yaml[512];
	struct ipam_claim claim;
	size_t bad, len = 0;

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: team%s}\n"
	    "spec: {type: LoadBalancer, ports: [{port: 80}]%s}\n",
	    meta, spec);
	fixture_add(&f, yaml);
	ck_assert(ipam_wanted_claim(
	    f.store, store_service(f.store, "team", "web"), &arena, &claim, &bad));
	text[0] = '\0';
	for (size_t i = 0; i < claim.nr_pools; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", claim.pools[i]);
	return text;
}

START_TEST(service_allocation)
{
	fixture_add(&f,
	    POOL("all", "10.0.0.0/24", "") POOL("asked", "10.0.1.0/24", ", autoAssign: false") POOL(
		"blue", "10.0.2.0/24",
		", serviceAllocation: {serviceSelectors: [{matchLabels: {color: blue}}]}")
		POOL("labelled", "10.0.3.0/24",
		    ", serviceAllocation: {namespaceSelectors: [{matchLabels: {env: prod}}]}")
		    POOL("named", "10.0.4.0/24", ", serviceAllocation: {namespaces: [other, team]}")
			POOL("both", "10.0.5.0/24",
			    ", serviceAllocation: {namespaces: [team], serviceSelectors: "
			    "[{matchLabels: {color: red}}]}"));
	ck_assert_str_eq(pools_of("", ""), "all named ");
	ck_assert_str_eq(pools_of(", labels: {color: blue}", ""), "all blue named ");
	ck_assert_str_eq(pools_of(", labels: {color: red}", ""), "all both named ");
	fixture_add(&f,
	    "apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {env: "
	    "prod}}\n");
	ck_assert_str_eq(pools_of("", ""), "all labelled named ");
	/* by name or by address, also of a pool that is not given away unasked */
	ck_assert_str_eq(pools_of(", annotations: {metallb.io/address-pool: asked}", ""), "asked ");
	ck_assert_str_eq(pools_of(", annotations: {metallb.io/address-pool: blue}", ""), "");
	ck_assert_str_eq(pools_of("", ", loadBalancerIP: 10.0.1.1"), "all asked labelled named ");
}
END_TEST

/* Lower numbers first, then those without one, then pools for everybody. */
START_TEST(priorities)
{
	struct ipam_pool *pools;

	fixture_add(&f,
	    POOL("a", "10.0.0.0/24", "") POOL("b", "10.0.1.0/24", ", serviceAllocation: {}")
		POOL("c", "10.0.2.0/24", ", serviceAllocation: {priority: 20}") POOL("d",
		    "10.0.3.0/24", ", serviceAllocation: {priority: 10}, avoidBuggyIPs: true"));
	ck_assert_uint_eq(ipam_wanted_pools(f.store, &arena, &pools), 4);
	ck_assert_uint_lt(pools[3].rank, pools[2].rank);
	ck_assert_uint_lt(pools[2].rank, pools[1].rank);
	ck_assert_uint_lt(pools[1].rank, pools[0].rank);
	ck_assert(pools[3].avoid_buggy && !pools[0].avoid_buggy);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("select");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, peers_choose_their_nodes);
	tcase_add_test(t, a_config_without_peers_here_leaves_the_node_to_others);
	tcase_add_test(t, advertisements_choose_pools);
	tcase_add_test(t, advertisements_choose_nodes);
	tcase_add_test(t, advertisements_choose_peers);
	tcase_add_test(t, a_covering_prefix_under_local_when_it_is_asked_for);
	tcase_add_test(t, the_namespace_of_a_secret);
	tcase_add_test(t, a_bfd_profile_must_be_there);
	tcase_add_test(t, service_allocation);
	tcase_add_test(t, priorities);
	suite_add_tcase(s, t);
}
UNIT_MAIN("daemon/select", add_tests)
