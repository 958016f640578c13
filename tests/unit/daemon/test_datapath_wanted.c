/*
 * tests/unit/daemon/test_datapath_wanted.c: a Service and its slices to frontends and backends: the
 * truth table of the traffic policies, graceful termination, hints, ports, both families.
 */
#include "daemon/datapath_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

#define SVC "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: "
#define SLICE(name, type)                                                                          \
	"---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " name        \
	", labels: {kubernetes.io/service-name: web}}\naddressType: " type "\n"
#define CONFIG                                                                                     \
	"---\napiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\nspec: "

static struct fixture f;
static struct arena arena;
static struct dp_frontend *list;
static size_t nr;

static const char nodes[] =
    "apiVersion: v1\nkind: Node\nmetadata: {name: w1, labels: {topology.kubernetes.io/zone: a}}\n"
    "spec: {podCIDRs: [10.10.1.0/24, \"fd00:1::/64\"]}\n"
    "status: {addresses: [{type: InternalIP, address: 192.168.10.101},"
    " {type: InternalIP, address: \"fd00::101\"}, {type: ExternalIP, address: 198.51.100.1},"
    " {type: Hostname, address: w1}]}\n"
    "---\napiVersion: v1\nkind: Node\nmetadata: {name: w2, labels: {topology.kubernetes.io/zone: "
    "b}}\n"
    "spec: {podCIDRs: [10.10.2.0/24]}\n"
    "status: {addresses: [{type: InternalIP, address: 192.168.10.102}]}\n";

static void
setup(void)
{
	fixture_init(&f);
	fixture_add(&f, nodes);
}

static void
teardown(void)
{
	arena_fini(&arena);
	fixture_fini(&f);
}

/* The frontends of default/web on @node, with LoadBalancer addresses @lb, divided by blanks. */
static void
want_on(const char *node, const char *lb)
{
	const struct res_service *svc = store_service(f.store, "default", "web");
	struct addr addrs[4];
	char word[ADDR_STRLEN];
	size_t nr_lb = 0, len;

	ck_assert_ptr_nonnull(svc);
	for (; *lb; lb += len) {
		lb += strspn(lb, " ");
		len = strcspn(lb, " ");
		ck_assert_uint_lt(len, sizeof(word));
		memcpy(word, lb, len);
		word[len] = '\0';
		ck_assert_int_eq(addr_parse(word, &addrs[nr_lb++]), 0);
	}
	nr = datapath_wanted_service(f.store, node, svc, addrs, nr_lb, &arena, &list);
}

static const struct dp_frontend *
frontend(enum dp_type type, const char *ip, uint16_t port)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i].type == type && list[i].port == port &&
		    strcmp(addr_str(&list[i].ip), ip) == 0)
			return &list[i];
	ck_abort_msg("no frontend %s port %u", ip, port);
	return NULL;
}

/* The last numbers of the backends that take new flows of a scope: "1 2 ". */
static const char *
takers(const struct dp_frontend *fe, bool external)
{
	static char text[2][256];
	char *to = text[external];
	size_t len = 0;

	to[0] = '\0';
	for (size_t i = 0; i < fe->nr_backends; i++) {
		const struct dp_backend *b = &fe->backends[i];

		if (external ? b->external : b->internal)
			len += (size_t)snprintf(to + len, 256 - len, "%u ",
			    b->ip.family == ADDR_V4 ? b->ip.b[3] : b->ip.b[15]);
	}
	return to;
}

/* ---- policies ---- */

/*
 * Endpoints: 10.10.1.1 here, 10.10.2.2 on w2; T: terminating and serving, D: terminating and not
 * serving, N: not ready, -: none.  What each scope may choose, from the table of traffic policies
 * of Cilium's documentation and KEP-1669's rules.
 */
static const struct {
	const char *external, *internal;
	char here, there;
	const char *lb_out, *lb_in;   /* LoadBalancer, ExternalIP and NodePort */
	const char *cip_out, *cip_in; /* ClusterIP */
} policies[] = {
	{ "Cluster", "Cluster", 'A', 'A', "1 2 ", "1 2 ", "1 2 ", "1 2 " },
	{ "Local", "Cluster", 'A', 'A', "1 ", "1 2 ", "1 2 ", "1 2 " },
	{ "Cluster", "Local", 'A', 'A', "1 2 ", "1 ", "1 ", "1 " },
	{ "Local", "Local", 'A', 'A', "1 ", "1 ", "1 ", "1 " },

	{ "Cluster", "Cluster", '-', 'A', "2 ", "2 ", "2 ", "2 " },
	{ "Local", "Cluster", '-', 'A', "", "2 ", "2 ", "2 " },
	{ "Cluster", "Local", '-', 'A', "2 ", "", "", "" },
	{ "Local", "Local", '-', 'A', "", "", "", "" },

	{ "Cluster", "Cluster", 'A', '-', "1 ", "1 ", "1 ", "1 " },
	{ "Local", "Cluster", 'A', '-', "1 ", "1 ", "1 ", "1 " },
	{ "Cluster", "Local", 'A', '-', "1 ", "1 ", "1 ", "1 " },
	{ "Local", "Local", 'A', '-', "1 ", "1 ", "1 ", "1 " },

	/* One that ends gets nothing while an active one is in reach. */
	{ "Cluster", "Cluster", 'T', 'A', "2 ", "2 ", "2 ", "2 " },
	{ "Local", "Cluster", 'T', 'A', "1 ", "2 ", "2 ", "2 " },
	{ "Cluster", "Local", 'T', 'A', "2 ", "1 ", "1 ", "1 " },
	{ "Local", "Local", 'T', 'A', "1 ", "1 ", "1 ", "1 " },
	{ "Local", "Cluster", 'A', 'T', "1 ", "1 ", "1 ", "1 " },

	/* Nothing else is left. */
	{ "Cluster", "Cluster", 'T', 'T', "1 2 ", "1 2 ", "1 2 ", "1 2 " },
	{ "Local", "Cluster", 'T', 'T', "1 ", "1 2 ", "1 2 ", "1 2 " },
	{ "Local", "Cluster", '-', 'T', "", "2 ", "2 ", "2 " },

	/* It ends and does not serve any more; not ready. */
	{ "Cluster", "Cluster", 'D', 'A', "2 ", "2 ", "2 ", "2 " },
	{ "Cluster", "Cluster", 'D', 'T', "2 ", "2 ", "2 ", "2 " },
	{ "Local", "Cluster", 'D', 'A', "", "2 ", "2 ", "2 " },
	{ "Local", "Cluster", 'N', 'A', "", "2 ", "2 ", "2 " },
	{ "Cluster", "Cluster", 'N', 'T', "2 ", "2 ", "2 ", "2 " },
	{ "Cluster", "Cluster", 'N', 'N', "", "", "", "" },
};

static const char *
conditions(char c)
{
	switch (c) {
	case 'T':
		return "{ready: false, serving: true, terminating: true}";
	case 'D':
		return "{ready: false, serving: false, terminating: true}";
	case 'N':
		return "{ready: false}";
	default:
		return "{ready: true}";
	}
}

static void
add_policy_case(int i)
{
	char yaml[2048];
	int len;

	len = snprintf(yaml, sizeof(yaml),
	    CONFIG
	    "{datapath: {externalClusterIP: true, nodePort: true}}\n" SVC
	    "{type: LoadBalancer, clusterIP: 10.96.0.10, externalIPs: [203.0.113.9], "
	    "externalTrafficPolicy: %s, internalTrafficPolicy: %s, ports: [{port: 80, "
	    "nodePort: 30080}]}\n" SLICE("web-a", "IPv4") "ports: [{port: 8080}]\nendpoints:\n",
	    policies[i].external, policies[i].internal);
	if (policies[i].here != '-')
		len += snprintf(yaml + len, sizeof(yaml) - (size_t)len,
		    "- {addresses: [10.10.1.1], nodeName: w1, conditions: %s}\n",
		    conditions(policies[i].here));
	if (policies[i].there != '-')
		len += snprintf(yaml + len, sizeof(yaml) - (size_t)len,
		    "- {addresses: [10.10.2.2], nodeName: w2, conditions: %s}\n",
		    conditions(policies[i].there));
	fixture_add(&f, yaml);
}

START_TEST(policies_choose_backends)
{
	static const struct {
		enum dp_type type;
		const char *ip;
		uint16_t port;
	} all[] = { { DP_LOAD_BALANCER, "172.16.1.1", 80 }, { DP_EXTERNAL_IP, "203.0.113.9", 80 },
		{ DP_NODE_PORT, "192.168.10.101", 30080 }, { DP_CLUSTER_IP, "10.96.0.10", 80 } };
	const char here = policies[_i].here, there = policies[_i].there;
	const bool local = strcmp(policies[_i].external, "Local") == 0;
	const size_t listed = (here != '-') + (size_t)(there != '-');
	const struct dp_frontend *fe;

	add_policy_case(_i);
	want_on("w1", "172.16.1.1");
	for (size_t i = 0; i < 4; i++) {
		const bool cip = all[i].type == DP_CLUSTER_IP;

		fe = frontend(all[i].type, all[i].ip, all[i].port);
		ck_assert_str_eq(
		    takers(fe, true), cip ? policies[_i].cip_out : policies[_i].lb_out);
		ck_assert_str_eq(takers(fe, false), cip ? policies[_i].cip_in : policies[_i].lb_in);
		/* Who is on the list without taking new flows keeps those it has. */
		ck_assert_uint_eq(fe->nr_backends, listed);
		ck_assert(fe->internal_local == (strcmp(policies[_i].internal, "Local") == 0));
		ck_assert(fe->external_local == (cip ? fe->internal_local : local));
	}
	fe = frontend(DP_LOAD_BALANCER, "172.16.1.1", 80);
	for (size_t i = 0; i < fe->nr_backends; i++) {
		const char is = fe->backends[i].local ? here : there;

		ck_assert_int_eq(fe->backends[i].state,
		    is == 'A'	    ? DP_ACTIVE
			: is == 'N' ? DP_NOT_READY
				    : DP_TERMINATING);
		ck_assert_uint_eq(fe->backends[i].port, 8080);
	}
}
END_TEST

/* ---- types ---- */

START_TEST(every_service_has_its_cluster_ips)
{
	fixture_add(&f, SVC "{clusterIPs: [10.96.0.10, \"fd00:96::a\"], ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 2);
	ck_assert(frontend(DP_CLUSTER_IP, "10.96.0.10", 80)->non_routable);
	ck_assert(frontend(DP_CLUSTER_IP, "fd00:96::a", 80)->non_routable);
	fixture_add(&f, CONFIG "{datapath: {externalClusterIP: true}}\n");
	want_on("w1", "");
	ck_assert(!frontend(DP_CLUSTER_IP, "10.96.0.10", 80)->non_routable);
}
END_TEST

START_TEST(headless_and_names_have_none)
{
	fixture_add(&f, SVC "{clusterIP: None, externalIPs: [203.0.113.9], ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 0);
	fixture_add(&f,
	    SVC "{type: ExternalName, externalName: example.org, externalIPs: [203.0.113.9], "
		"ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 0);
}
END_TEST

START_TEST(node_ports_are_asked_for)
{
	fixture_add(&f,
	    SVC "{type: NodePort, clusterIP: 10.96.0.10, ports: [{port: 80, nodePort: 30080}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 1);
	fixture_add(&f, CONFIG "{datapath: {nodePort: true}}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 4);
	frontend(DP_NODE_PORT, "192.168.10.101", 30080);
	frontend(DP_NODE_PORT, "198.51.100.1", 30080);
	frontend(DP_NODE_PORT, "fd00::101", 30080);
	fixture_add(
	    &f, CONFIG "{datapath: {nodePort: true, nodePortAddresses: [192.168.0.0/16]}}\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 2);
	frontend(DP_NODE_PORT, "192.168.10.101", 30080);
	want_on("unknown", ""); /* without a Node document nobody knows the addresses */
	ck_assert_uint_eq(nr, 1);
}
END_TEST

START_TEST(an_address_behind_a_proxy_is_not_ours)
{
	fixture_add(&f,
	    SVC "{type: LoadBalancer, clusterIP: 10.96.0.10, ports: [{port: 80}]}\nstatus: "
		"{loadBalancer: {ingress: [{ip: 172.16.1.1, ipMode: Proxy}, {ip: 172.16.1.2, "
		"ipMode: VIP}]}}\n");
	want_on("w1", "172.16.1.1 172.16.1.2");
	ck_assert_uint_eq(nr, 2);
	frontend(DP_LOAD_BALANCER, "172.16.1.2", 80);
}
END_TEST

START_TEST(an_address_counts_once)
{
	fixture_add(&f,
	    SVC "{type: LoadBalancer, clusterIP: 10.96.0.10, externalIPs: [172.16.1.1], ports: "
		"[{name: a, port: 53}, {name: b, port: 53, protocol: UDP}]}\n");
	want_on("w1", "172.16.1.1");
	ck_assert_uint_eq(nr, 4);
	frontend(DP_LOAD_BALANCER, "172.16.1.1", 53);
}
END_TEST

/* ---- ports ---- */

START_TEST(ports_go_by_name_and_protocol)
{
	const struct dp_frontend *fe;

	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, ports: [{name: http, port: 80}, {name: dns, port: 53, "
		"protocol: UDP}, {name: ss7, port: 2905, protocol: SCTP}, {name: none, port: "
		"81}]}\n" SLICE(
		    "web-a", "IPv4") "ports: [{name: dns, port: 5353, protocol: UDP}, {name: http, "
				     "port: 8080}, {name: "
				     "ss7, port: 29050, protocol: SCTP}]\nendpoints: [{addresses: "
				     "[10.10.1.1]}]\n" SLICE("web-b",
					 "IPv4") "ports: [{name: http, port: 9090}]\nendpoints: "
						 "[{addresses: [10.10.1.2, 10.10.1.3]}]\n");
	want_on("w1", "");
	ck_assert_uint_eq(nr, 4);
	fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 80);
	ck_assert_str_eq(fe->port_name, "http");
	ck_assert_int_eq(fe->proto, IPPROTO_TCP);
	ck_assert_uint_eq(fe->nr_backends, 2); /* of several addresses the first alone counts */
	ck_assert_uint_eq(fe->backends[0].port, 8080);
	ck_assert_uint_eq(fe->backends[1].port, 9090);
	fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 53);
	ck_assert_int_eq(fe->proto, IPPROTO_UDP);
	ck_assert_uint_eq(fe->nr_backends, 1);
	ck_assert_uint_eq(fe->backends[0].port, 5353);
	fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 2905);
	ck_assert_int_eq(fe->proto, IPPROTO_SCTP);
	ck_assert_uint_eq(fe->backends[0].port, 29050);
	ck_assert_uint_eq(frontend(DP_CLUSTER_IP, "10.96.0.10", 81)->nr_backends, 0);
}
END_TEST

START_TEST(families_do_not_mix)
{
	const struct dp_frontend *fe;

	fixture_add(&f,
	    SVC "{type: LoadBalancer, clusterIPs: [10.96.0.10, \"fd00:96::a\"], ports: [{port: "
		"80}]}\n" SLICE(
		    "web-4", "IPv4") "ports: [{port: 8080}]\nendpoints: [{addresses: [10.10.1.1], "
				     "nodeName: w1}, "
				     "{addresses: [10.10.2.2], nodeName: w2}]\n" SLICE("web-6",
					 "IPv6") "ports: [{port: 8086}]\nendpoints: [{addresses: "
						 "[\"fd00:1::1\"], nodeName: w1}, "
						 "{addresses: [\"fd00:2::2\"], nodeName: w2}]\n");
	want_on("w1", "172.16.1.1 2001:db8::1");
	ck_assert_uint_eq(nr, 4);
	fe = frontend(DP_LOAD_BALANCER, "172.16.1.1", 80);
	ck_assert_uint_eq(fe->nr_backends, 2);
	ck_assert_str_eq(addr_str(&fe->backends[0].ip), "10.10.1.1");
	ck_assert_str_eq(addr_str(&fe->backends[0].node_ip), "192.168.10.101");
	ck_assert_str_eq(addr_str(&fe->backends[1].node_ip), "192.168.10.102");
	ck_assert_str_eq(fe->backends[1].node, "w2");
	fe = frontend(DP_LOAD_BALANCER, "2001:db8::1", 80);
	ck_assert_uint_eq(fe->nr_backends, 2);
	ck_assert_uint_eq(fe->backends[0].port, 8086);
	ck_assert_str_eq(addr_str(&fe->backends[0].node_ip), "fd00::101");
	ck_assert(!addr_is_set(&fe->backends[1].node_ip)); /* w2 has no IPv6 address */
}
END_TEST

START_TEST(an_endpoint_in_two_slices_is_one)
{
	const struct dp_frontend *fe;

	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, ports: [{port: 80}]}\n" SLICE(
		"web-a", "IPv4") "ports: [{port: 8080}]\nendpoints: [{addresses: [10.10.1.1], "
				 "conditions: {ready: "
				 "false, serving: true, terminating: true}}, {addresses: "
				 "[10.10.1.9]}]\n" SLICE(
				     "web-b", "IPv4") "ports: [{port: 8080}]\nendpoints: "
						      "[{addresses: [10.10.1.1]}]\n");
	want_on("w1", "");
	fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 80);
	ck_assert_uint_eq(fe->nr_backends, 2);
	ck_assert_int_eq(fe->backends[0].state, DP_ACTIVE);
	ck_assert_str_eq(takers(fe, false), "1 9 ");
}
END_TEST

START_TEST(a_backend_may_be_the_node_itself)
{
	const struct dp_frontend *fe;

	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, ports: [{port: 443}]}\n" SLICE(
		"web-a", "IPv4") "ports: [{port: 6443}]\nendpoints: [{addresses: [192.168.10.101], "
				 "nodeName: w1}, "
				 "{addresses: [192.168.10.102], nodeName: w2}]\n");
	want_on("w1", "");
	fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 443);
	ck_assert(fe->backends[0].host && fe->backends[0].local);
	ck_assert(!fe->backends[1].host && !fe->backends[1].local);
}
END_TEST

/* Connections may outlive a moment of not being ready; a UDP client would speak to it for ever. */
START_TEST(not_ready_ones_keep_connections_only)
{
	fixture_add(&f,
	    SVC
	    "{clusterIP: 10.96.0.10, ports: [{name: t, port: 80}, {name: u, port: 53, protocol: "
	    "UDP}]}\n" SLICE("web-a",
		"IPv4") "ports: [{name: t, port: 8080}, {name: u, port: 5353, protocol: UDP}]\n"
			"endpoints: [{addresses: [10.10.1.1], conditions: {ready: false}}, "
			"{addresses: [10.10.1.2]}]\n");
	want_on("w1", "");
	ck_assert_uint_eq(frontend(DP_CLUSTER_IP, "10.96.0.10", 80)->nr_backends, 2);
	ck_assert_str_eq(takers(frontend(DP_CLUSTER_IP, "10.96.0.10", 80), false), "2 ");
	ck_assert_uint_eq(frontend(DP_CLUSTER_IP, "10.96.0.10", 53)->nr_backends, 1);
}
END_TEST

START_TEST(not_ready_ones_may_be_published)
{
	fixture_add(&f,
	    SVC
	    "{clusterIP: 10.96.0.10, publishNotReadyAddresses: true, ports: [{port: 80}]}\n" SLICE(
		"web-a", "IPv4") "ports: [{port: 8080}]\nendpoints: [{addresses: [10.10.1.1], "
				 "conditions: {ready: "
				 "false}}, {addresses: [10.10.1.2], conditions: {ready: false, "
				 "serving: false, "
				 "terminating: true}}]\n");
	want_on("w1", "");
	ck_assert_str_eq(takers(frontend(DP_CLUSTER_IP, "10.96.0.10", 80), false), "1 2 ");
}
END_TEST

/* ---- hints ---- */

static const struct {
	const char *hints[3]; /* of 10.10.1.1 here in zone a, 10.10.2.2 on w2, 10.10.2.3 on w2 */
	const char *ready[3];
	const char *policy;
	const char *takes;
} hints[] = {
	{ { "forZones: [{name: a}]", "forZones: [{name: b}]", "forZones: [{name: b}, {name: a}]" },
	    { "true", "true", "true" }, "Cluster", "1 3 " },
	/* One without a hint: nobody's counts. */
	{ { "forZones: [{name: a}]", "forZones: [{name: b}]", "" }, { "true", "true", "true" },
	    "Cluster", "1 2 3 " },
	/* It is not ready, so it does not matter. */
	{ { "forZones: [{name: a}]", "forZones: [{name: b}]", "" }, { "true", "true", "false" },
	    "Cluster", "1 " },
	/* None is for our zone. */
	{ { "forZones: [{name: c}]", "forZones: [{name: b}]", "forZones: [{name: b}]" },
	    { "true", "true", "true" }, "Cluster", "1 2 3 " },
	{ { "forZones: [{name: a}]", "forZones: [{name: b}]", "forZones: [{name: b}]" },
	    { "false", "true", "true" }, "Cluster", "2 3 " },
	/* Nodes go before zones. */
	{ { "forZones: [{name: a}], forNodes: [{name: w2}]",
	      "forZones: [{name: a}], forNodes: [{name: w1}]",
	      "forZones: [{name: a}], forNodes: [{name: w2}]" },
	    { "true", "true", "true" }, "Cluster", "2 " },
	{ { "forZones: [{name: b}], forNodes: [{name: w2}]",
	      "forZones: [{name: a}], forNodes: [{name: w2}]",
	      "forZones: [{name: b}], forNodes: [{name: w2}]" },
	    { "true", "true", "true" }, "Cluster", "2 " },
	/* One has none for a node. */
	{ { "forNodes: [{name: w1}]", "forNodes: [{name: w2}]", "" }, { "true", "true", "true" },
	    "Cluster", "1 2 3 " },
	/* What ends has no say. */
	{ { "forZones: [{name: a}]", "forZones: [{name: b}]", "" },
	    { "true", "true", "false, serving: true, terminating: true" }, "Cluster", "1 " },
	/* Local is about nodes only. */
	{ { "forZones: [{name: b}]", "forZones: [{name: a}]", "forZones: [{name: a}]" },
	    { "true", "true", "true" }, "Local", "1 " },
};

START_TEST(hints_keep_traffic_near)
{
	char yaml[2048];

	snprintf(yaml, sizeof(yaml),
	    SVC "{clusterIP: 10.96.0.10, internalTrafficPolicy: %s, trafficDistribution: "
		"PreferClose, ports: [{port: 80}]}\n" SLICE(
		    "web-a", "IPv4") "ports: [{port: 8080}]\n"
				     "endpoints:\n"
				     "- {addresses: [10.10.1.1], nodeName: w1, conditions: {ready: "
				     "%s}, hints: {%s}}\n"
				     "- {addresses: [10.10.2.2], nodeName: w2, conditions: {ready: "
				     "%s}, hints: {%s}}\n"
				     "- {addresses: [10.10.2.3], nodeName: w2, conditions: {ready: "
				     "%s}, hints: {%s}}\n",
	    hints[_i].policy, hints[_i].ready[0], hints[_i].hints[0], hints[_i].ready[1],
	    hints[_i].hints[1], hints[_i].ready[2], hints[_i].hints[2]);
	fixture_add(&f, yaml);
	want_on("w1", "");
	ck_assert_str_eq(takers(frontend(DP_CLUSTER_IP, "10.96.0.10", 80), false), hints[_i].takes);
}
END_TEST

/* ---- the rest of a frontend ---- */

START_TEST(source_ranges_are_of_the_family)
{
	const struct dp_frontend *fe;

	fixture_add(&f,
	    SVC "{type: LoadBalancer, clusterIP: 10.96.0.10, externalIPs: [203.0.113.9], "
		"loadBalancerSourceRanges: [10.0.0.0/8, 192.0.2.0/24], ports: [{port: 80}]}\n");
	want_on("w1", "172.16.1.1 2001:db8::1");
	fe = frontend(DP_LOAD_BALANCER, "172.16.1.1", 80);
	ck_assert_uint_eq(fe->nr_ranges, 2);
	ck_assert_str_eq(prefix_str(&fe->ranges[1]), "192.0.2.0/24");
	ck_assert_uint_eq(frontend(DP_EXTERNAL_IP, "203.0.113.9", 80)->nr_ranges, 2);
	ck_assert_uint_eq(frontend(DP_CLUSTER_IP, "10.96.0.10", 80)->nr_ranges, 0);
	/* kube-proxy's rule. */
	ck_assert_uint_eq(frontend(DP_LOAD_BALANCER, "2001:db8::1", 80)->nr_ranges, 0);
}
END_TEST

START_TEST(affinity_has_a_timeout)
{
	fixture_add(&f, SVC "{clusterIP: 10.96.0.10, ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(list[0].affinity_s, 0);
	fixture_add(
	    &f, SVC "{clusterIP: 10.96.0.10, sessionAffinity: ClientIP, ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(list[0].affinity_s, 10800);
	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, sessionAffinity: ClientIP, sessionAffinityConfig: "
		"{clientIP: {timeoutSeconds: 30}}, ports: [{port: 80}]}\n");
	want_on("w1", "");
	ck_assert_uint_eq(list[0].affinity_s, 30);
}
END_TEST

static const struct {
	const char *config, *annotations;
	bool dsr, random;
} modes[] = {
	{ "{}", "", false, false },
	{ "{forwarding: dsr, algorithm: random}", "", true, true },
	{ "{}", "heraldlb.io/forwarding-mode: dsr, heraldlb.io/lb-algorithm: random", true, true },
	{ "{forwarding: dsr, algorithm: random}",
	    "service.cilium.io/forwarding-mode: snat, service.cilium.io/lb-algorithm: maglev",
	    false, false },
	{ "{forwarding: dsr}", "service.cilium.io/forwarding-mode: else", true, false },
};

START_TEST(annotations_go_before_the_configuration)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    CONFIG "{datapath: %s}\n"
		   "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: "
		   "{%s}}\nspec: {clusterIP: 10.96.0.10, ports: [{port: 80}]}\n",
	    modes[_i].config, modes[_i].annotations);
	fixture_add(&f, yaml);
	want_on("w1", "");
	ck_assert(list[0].dsr == modes[_i].dsr);
	ck_assert(list[0].random == modes[_i].random);
}
END_TEST

START_TEST(slices_may_have_a_weight)
{
	static const char slice[] =
	    "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-b, "
	    "labels: {kubernetes.io/service-name: web}, annotations: {%s: \"%s\"}}\n"
	    "addressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [10.10.1.2]}]\n";
	static const struct {
		const char *key, *value;
		uint16_t other, this;
	} cases[] = { { "heraldlb.io/weight", "7", 100, 7 },
		{ "service.cilium.io/weight", "250", 100, 250 }, { "else", "7", 1, 1 },
		{ "heraldlb.io/weight", "0", 1, 1 }, { "heraldlb.io/weight", "-1", 1, 1 },
		{ "heraldlb.io/weight", "65536", 1, 1 } };
	const struct dp_frontend *fe;
	char yaml[1024];

	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, ports: [{port: 80}]}\n" SLICE(
		"web-a", "IPv4") "ports: [{port: 80}]\nendpoints: [{addresses: [10.10.1.1]}]\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(yaml, sizeof(yaml), slice, cases[i].key, cases[i].value);
		fixture_add(&f, yaml);
		want_on("w1", "");
		fe = frontend(DP_CLUSTER_IP, "10.96.0.10", 80);
		ck_assert_uint_eq(fe->backends[0].weight, cases[i].other);
		ck_assert_uint_eq(fe->backends[1].weight, cases[i].this);
	}
}
END_TEST

/* ---- health checks and configuration ---- */

START_TEST(local_endpoints_are_counted)
{
	const struct res_service *svc;

	fixture_add(&f,
	    SVC "{clusterIP: 10.96.0.10, ports: [{port: 80}]}\n" SLICE("web-4",
		"IPv4") "ports: [{port: 80}]\nendpoints: [{addresses: [10.10.1.1], nodeName: w1}, "
			"{addresses: [10.10.1.2], nodeName: w1, conditions: {ready: false}}, "
			"{addresses: [10.10.1.3], nodeName: w1, conditions: {ready: false, "
			"serving: true, "
			"terminating: true}}, {addresses: [10.10.2.1], nodeName: w2}, {addresses: "
			"[10.10.2.9]}]\n" SLICE("web-4b",
			    "IPv4") "ports: [{port: 81}]\nendpoints: [{addresses: [10.10.1.1], "
				    "nodeName: w1}]\n" SLICE("web-6",
					"IPv6") "ports: [{port: 80}]\nendpoints: [{addresses: "
						"[\"fd00:1::1\"], nodeName: w1}]\n");
	svc = store_service(f.store, "default", "web");
	ck_assert_uint_eq(datapath_wanted_local(f.store, "w1", svc), 1);
	ck_assert_uint_eq(datapath_wanted_local(f.store, "w2", svc), 1);
	ck_assert_uint_eq(datapath_wanted_local(f.store, "w3", svc), 0);
}
END_TEST

START_TEST(configuration_is_carried_over)
{
	struct bgp_peer_conf peers[1] = { { .name = "tor" } };
	struct bgp_instance_conf inst = { .peers = peers, .nr_peers = 1 };
	const struct bgp_conf bgp = { .instances = &inst, .nr_instances = 1 };
	struct dp_conf conf;
	char text[1024] = "";
	size_t len = 0;

	ck_assert_int_eq(addr_parse("192.168.10.200", &peers[0].addr), 0);
	fixture_add(&f,
	    CONFIG
	    "{datapath: {devices: [eth1, \"bond.*\"], attach: tc, forwarding: dsr, algorithm: "
	    "random, maglevTableSize: 1021, socketLB: false, cgroup: /c, pinPath: /p, "
	    "conntrack: {maxFlowsIPv4: 4096, maxFlowsIPv6: 2048}}}\n");
	conf = datapath_wanted_conf(f.store, NULL, "w1", &bgp, &arena);
	ck_assert_str_eq(conf.pin_path, "/p");
	ck_assert_str_eq(conf.cgroup, "/c");
	ck_assert_uint_eq(conf.nr_devices, 2);
	ck_assert_str_eq(conf.devices[1], "bond.*");
	ck_assert_int_eq(conf.attach, DP_ATTACH_TC);
	ck_assert(conf.dsr && conf.random && !conf.socket_lb);
	ck_assert_uint_eq(conf.maglev_table_size, 1021);
	ck_assert_uint_eq(conf.flows4, 4096);
	ck_assert_uint_eq(conf.flows6, 2048);
	ck_assert_uint_eq(conf.nr_peers, 1);
	ck_assert_str_eq(addr_str(&conf.peers[0]), "192.168.10.200");
	ck_assert_str_eq(addr_str(&conf.snat4), "192.168.10.101");
	ck_assert_str_eq(addr_str(&conf.snat6), "fd00::101");
	for (size_t i = 0; i < conf.nr_cluster; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s ", prefix_str(&conf.cluster[i]));
	ck_assert_str_eq(text,
	    "10.10.1.0/24 fd00:1::/64 192.168.10.101/32 fd00::101/128 198.51.100.1/32 "
	    "10.10.2.0/24 192.168.10.102/32 ");
	conf = datapath_wanted_conf(f.store, NULL, "nobody", NULL, &arena);
	ck_assert(!addr_is_set(&conf.snat4) && conf.nr_peers == 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("datapath_wanted");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, policies_choose_backends, 0, sizeof(policies) / sizeof(policies[0]));
	tcase_add_test(tc, every_service_has_its_cluster_ips);
	tcase_add_test(tc, headless_and_names_have_none);
	tcase_add_test(tc, node_ports_are_asked_for);
	tcase_add_test(tc, an_address_behind_a_proxy_is_not_ours);
	tcase_add_test(tc, an_address_counts_once);
	tcase_add_test(tc, ports_go_by_name_and_protocol);
	tcase_add_test(tc, families_do_not_mix);
	tcase_add_test(tc, an_endpoint_in_two_slices_is_one);
	tcase_add_test(tc, a_backend_may_be_the_node_itself);
	tcase_add_test(tc, not_ready_ones_keep_connections_only);
	tcase_add_test(tc, not_ready_ones_may_be_published);
	tcase_add_loop_test(tc, hints_keep_traffic_near, 0, sizeof(hints) / sizeof(hints[0]));
	tcase_add_test(tc, source_ranges_are_of_the_family);
	tcase_add_test(tc, affinity_has_a_timeout);
	tcase_add_loop_test(
	    tc, annotations_go_before_the_configuration, 0, sizeof(modes) / sizeof(modes[0]));
	tcase_add_test(tc, slices_may_have_a_weight);
	tcase_add_test(tc, local_endpoints_are_counted);
	tcase_add_test(tc, configuration_is_carried_over);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("datapath_wanted", add_tests)
