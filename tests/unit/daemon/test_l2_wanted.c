/*
 * tests/unit/daemon/test_l2_wanted.c: policies, Services, endpoints and Nodes to who answers for what on
 * layer 2, and by which devices.
 */
#include "daemon/l2_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;
static struct arena arena;
static struct l2_wanted want;
static const char *dead;   /* a node */
static const char *holder; /* of everything, at present */
static const struct addr *explain;
static struct prefix prefixes[3];
static const struct l2_seen_device devices[] = {
	{ .name = "eth0", .usable = true, .running = true, .prefixes = prefixes, .nr_prefixes = 1 },
	{ .name = "eth1",
	    .usable = true,
	    .running = true,
	    .prefixes = &prefixes[1],
	    .nr_prefixes = 2 },
	{ .name = "eth2", .usable = false, .running = true, .why = "It is part of a bridge." },
	{ .name = "veth9", .usable = true, .running = true },
};
static const struct l2_seen_device unplugged[] = {
	{ .name = "eth1", .usable = true, .prefixes = &prefixes[1], .nr_prefixes = 2 }
};
static const char *afar;   /* a node that has eth0 alone */
static const char *silent; /* one whose devices are not known to the others */
static const char *cut;	   /* one whose link is down */
static const char *leaving[2];

static void
setup(void)
{
	fixture_init(&f);
	dead = holder = afar = silent = cut = NULL;
	leaving[0] = leaving[1] = NULL;
	explain = NULL;
	ck_assert_int_eq(prefix_parse("10.0.0.0/24", &prefixes[0], NULL), 0);
	ck_assert_int_eq(prefix_parse("192.168.10.0/24", &prefixes[1], NULL), 0);
	ck_assert_int_eq(prefix_parse("2001:db8::/64", &prefixes[2], NULL), 0);
}

static void
teardown(void)
{
	arena_fini(&arena);
	fixture_fini(&f);
}

/* What its status says. */
static size_t
addrs(void *arg, const struct res_service *svc, struct arena *a, const struct addr **out)
{
	struct addr *list = arena_new_n(a, struct addr, svc->ingress.nr + 1);

	(void)arg;
	for (size_t i = 0; i < svc->ingress.nr; i++)
		list[i] = svc->ingress.v[i].ip;
	*out = list;
	return svc->ingress.nr;
}

static enum reason
life(void *arg, const char *node)
{
	(void)arg;
	for (size_t i = 0; i < 2; i++) {
		if (leaving[i] && strcmp(node, leaving[i]) == 0)
			return REASON_DRAINING;
	}
	return dead && strcmp(node, dead) == 0 ? REASON_NODE_LOST : REASON_SATISFIED;
}

static size_t
devices_at(const char *node, const struct l2_seen_device **list)
{
	*list = cut && strcmp(node, cut) == 0 ? unplugged : devices;
	return *list == unplugged || (afar && strcmp(node, afar) == 0) ? 1 : 4;
}

static bool
devices_of(void *arg, const char *node, const struct l2_seen_device **list, size_t *nr)
{
	(void)arg;
	*nr = devices_at(node, list);
	return !silent || strcmp(node, silent) != 0;
}

static const char *
owner(void *arg, const struct addr *a)
{
	(void)arg;
	(void)a;
	return holder;
}

static void
look(const char *node)
{
	struct l2_wanted_in in = { .store = f.store,
		.node = node,
		.addrs = addrs,
		.life = life,
		.devices_of = devices_of,
		.owner = owner,
		.explain = explain };

	in.nr_devices = devices_at(node, &in.devices);
	ck_assert_int_eq(l2_wanted(&in, &arena, &want), 0);
}

static void
put_node(const char *name, const char *labels, const char *status)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {kubernetes.io/hostname: "
	    "%s%s}}\n"
	    "status: {%s}\n",
	    name, name, labels, status);
	fixture_add(&f, yaml);
}

static void
put_nodes(void)
{
	put_node("n1", "", "");
	put_node("n2", "", "");
	put_node("n3", "", "");
}

static void
put_policy(const char *name, const char *spec)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: heraldlb.io/v1\nkind: L2AnnouncementPolicy\nmetadata: {name: %s}\n"
	    "spec: {%s}\n",
	    name, spec);
	fixture_add(&f, yaml);
}

static void
put_service(const char *name, const char *spec, const char *ip)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: d, labels: {app: %s}}\n"
	    "spec: {type: LoadBalancer, ports: [{port: 80}]%s}\n"
	    "status: {loadBalancer: {ingress: [{ip: %s}]}}\n",
	    name, name, spec, ip);
	fixture_add(&f, yaml);
}

static void
put_slice(const char *service, const char *node, bool ready)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
	    "metadata: {name: %s-%s, namespace: d, labels: {kubernetes.io/service-name: %s}}\n"
	    "addressType: IPv4\nports: [{port: 80}]\n"
	    "endpoints: [{addresses: [10.1.0.1], nodeName: %s, conditions: {ready: %s}}]\n",
	    service, node, service, node, ready ? "true" : "false");
	fixture_add(&f, yaml);
}

static const struct l2_wanted_address *
at(const char *ip)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(ip, &a), 0);
	for (size_t i = 0; i < want.nr_all; i++) {
		if (addr_eq(&want.all[i].addr, &a))
			return &want.all[i];
	}
	return NULL;
}

static enum reason
reason_of(const char *ip, const char *node)
{
	const struct l2_wanted_address *w = at(ip);

	ck_assert_ptr_nonnull(w);
	for (size_t i = 0; i < w->nr_nodes; i++) {
		if (strcmp(w->nodes[i].name, node) == 0)
			return w->nodes[i].reason;
	}
	ck_abort_msg("%s is not among the nodes", node);
}

#define VIP "192.168.10.211"

/* The owner of VIP, whichever node is asked. */
static const char *
owner_of(const char *ip)
{
	static const char *const nodes[] = { "n1", "n2", "n3" };
	const char *found = "";
	unsigned ours = 0;

	for (size_t i = 0; i < 3; i++) {
		look(nodes[i]);
		ck_assert_ptr_nonnull(at(ip));
		if (i > 0)
			ck_assert_str_eq(at(ip)->owner, found);
		found = at(ip)->owner;
		ours += at(ip)->ours;
		ck_assert(at(ip)->fit || !at(ip)->ours);
		ck_assert_int_eq(at(ip)->fit, reason_of(ip, nodes[i]) == REASON_SATISFIED);
	}
	ck_assert_uint_eq(ours, *found != '\0');
	return found;
}

START_TEST(scenario)
{
	fixture_add(&f,
	    "apiVersion: cilium.io/v2alpha1\nkind: CiliumL2AnnouncementPolicy\n"
	    "metadata: {name: policy1}\n"
	    "spec:\n  serviceSelector: {matchLabels: {app: webpod}}\n"
	    "  nodeSelector: {matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, "
	    "values: [n3]}]}\n"
	    "  interfaces: ['^eth[1-9]+']\n  externalIPs: true\n  loadBalancerIPs: true\n");
	put_nodes();
	put_service("webpod", "", VIP);
	put_service("other", "", "192.168.10.212");
	ck_assert(strcmp(owner_of(VIP), "n1") == 0 || strcmp(owner_of(VIP), "n2") == 0);
	ck_assert_uint_eq(want.nr_all, 1);
	ck_assert_int_eq(reason_of(VIP, "n3"), REASON_NODE_NOT_SELECTED);
	look(owner_of(VIP));
	ck_assert_uint_eq(at(VIP)->nr_devices, 1);
	ck_assert_str_eq(at(VIP)->devices[0], "eth1");
	ck_assert_str_eq(at(VIP)->services[0], "d/webpod");
	/* The node dies: the other one. */
	dead = at(VIP)->owner;
	ck_assert_str_eq(owner_of(VIP), strcmp(dead, "n1") == 0 ? "n2" : "n1");
	ck_assert_int_eq(reason_of(VIP, dead), REASON_NODE_LOST);
}
END_TEST

START_TEST(nothing_to_announce)
{
	put_nodes();
	put_service("a", "", VIP);
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	/* Both false: it does nothing. */
	put_policy("p", "");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	put_policy("p", "externalIPs: true");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	put_policy("p", "loadBalancerIPs: true");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 1);
	put_service("a", ", loadBalancerClass: io.cilium/bgp-control-plane", VIP);
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	put_service("a", ", loadBalancerClass: example.com/other", VIP);
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	put_service("a", ", loadBalancerClass: io.cilium/l2-announcer", VIP);
	look("n1");
	ck_assert_uint_eq(want.nr_all, 1);
}
END_TEST

START_TEST(external_ips)
{
	put_nodes();
	put_policy("p", "externalIPs: true");
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: d}\n"
	    "spec: {type: ClusterIP, ports: [{port: 80}], externalIPs: [192.168.10.9, "
	    "\"2001:db8::9\"]}\n");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 2);
	ck_assert_str_ne(owner_of("192.168.10.9"), "");
	/* Without names, the devices of the segment. */
	ck_assert_uint_eq(at("192.168.10.9")->nr_devices, 1);
	ck_assert_str_eq(at("192.168.10.9")->devices[0], "eth1");
	ck_assert_str_eq(at("2001:db8::9")->devices[0], "eth1");
}
END_TEST

/* No device has an address of the segment: all that have one of the family, and no others. */
START_TEST(devices_of_no_segment)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", "203.0.113.5");
	look("n1");
	ck_assert_uint_eq(at("203.0.113.5")->nr_devices, 2);
	ck_assert_str_eq(at("203.0.113.5")->devices[1], "eth1");
	put_policy("p", "loadBalancerIPs: true, interfaces: ['^eth', '^veth9$']");
	look("n1");
	ck_assert_uint_eq(at("203.0.113.5")->nr_devices, 3);
	/* One that nobody has. */
	put_policy("p", "loadBalancerIPs: true, interfaces: [bond]");
	ck_assert_str_eq(owner_of("203.0.113.5"), "");
	ck_assert_int_eq(reason_of("203.0.113.5", "n2"), REASON_NO_INTERFACE);
}
END_TEST

/* Who has a link in the address's network comes before who has not; who says nothing is believed. */
START_TEST(segments)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", VIP);
	for (int i = 0; i < 3; i++) {
		afar = (const char *const[]){ "n1", "n2", "n3" }[i];
		holder = afar;
		ck_assert_str_ne(owner_of(VIP), afar);
		ck_assert_int_eq(reason_of(VIP, afar), REASON_NOT_ON_SEGMENT);
	}
	afar = NULL;
	for (int i = 0; i < 3; i++) {
		cut = (const char *const[]){ "n1", "n2", "n3" }[i];
		holder = cut;
		ck_assert_str_ne(owner_of(VIP), cut);
		ck_assert_int_eq(reason_of(VIP, cut), REASON_NO_INTERFACE);
	}
	silent = cut;
	holder = silent;
	look(strcmp(cut, "n1") == 0 ? "n2" : "n1");
	ck_assert_str_eq(at(VIP)->owner, silent);
}
END_TEST

START_TEST(schedules)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", VIP);
	look("n1");
	ck_assert_uint_eq(at(VIP)->schedule.count, 3);
	ck_assert_uint_eq(at(VIP)->schedule.interval_ms, 1000);
	ck_assert_uint_eq(at(VIP)->schedule.refresh_ms, 0);
	put_policy(
	    "q", "loadBalancerIPs: true, gratuitous: {count: 5, interval: 200ms, refresh: 1m}");
	look("n1");
	ck_assert_uint_eq(at(VIP)->schedule.count, 5);
	ck_assert_uint_eq(at(VIP)->schedule.interval_ms, 200);
	ck_assert_uint_eq(at(VIP)->schedule.refresh_ms, 60000);
}
END_TEST

/* A node that is preferred gets what it is preferred for; whether that is urgent shows. */
START_TEST(moves_that_nothing_urges)
{
	put_nodes();
	put_policy("p",
	    "loadBalancerIPs: true, preferredNodeSelectors: [{weight: 10, preference: "
	    "{matchLabels: {kubernetes.io/hostname: n2}}}]");
	put_service("a", "", VIP);
	holder = "n1";
	ck_assert_str_eq(owner_of(VIP), "n2");
	ck_assert_str_eq(at(VIP)->holder, "n1");
	dead = "n1";
	ck_assert_str_eq(owner_of(VIP), "n2");
	ck_assert_str_eq(at(VIP)->holder, "");
}
END_TEST

/* Who is about to go is better than nobody. */
START_TEST(draining)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", VIP);
	holder = leaving[0] = "n1";
	ck_assert_str_ne(owner_of(VIP), "n1");
	ck_assert_int_eq(reason_of(VIP, "n1"), REASON_DRAINING);
	leaving[1] = "n2";
	ck_assert_str_eq(owner_of(VIP), "n3");
	dead = "n3";
	ck_assert_str_eq(owner_of(VIP), "n1");
}
END_TEST

START_TEST(policies_together)
{
	put_nodes();
	put_policy("a",
	    "loadBalancerIPs: true, interfaces: [eth0], nodeSelector: {matchLabels: "
	    "{kubernetes.io/hostname: n1}}");
	put_policy("b",
	    "loadBalancerIPs: true, interfaces: [eth1], nodeSelector: {matchLabels: "
	    "{kubernetes.io/hostname: n2}}");
	put_service("a", "", VIP);
	ck_assert_str_eq(owner_of(VIP), "n2"); /* eth0 is not in its network */
	ck_assert_int_eq(reason_of(VIP, "n1"), REASON_NOT_ON_SEGMENT);
	ck_assert_int_eq(reason_of(VIP, "n2"), REASON_SATISFIED);
	look("n1");
	ck_assert_uint_eq(at(VIP)->nr_devices, 1);
	ck_assert_str_eq(at(VIP)->devices[0], "eth0");
	look("n2");
	ck_assert_str_eq(at(VIP)->devices[0], "eth1");
	look("n3");
	ck_assert_uint_eq(at(VIP)->nr_devices, 0);
}
END_TEST

START_TEST(local_endpoints)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", ", externalTrafficPolicy: Local", VIP);
	ck_assert_str_eq(owner_of(VIP), "");
	put_slice("a", "n2", true);
	put_slice("a", "n3", false);
	ck_assert_str_eq(owner_of(VIP), "n2");
	ck_assert_int_eq(reason_of(VIP, "n3"), REASON_NO_LOCAL_ENDPOINT);
	put_slice("a", "n2", false);
	put_slice("a", "n3", true);
	ck_assert_str_eq(owner_of(VIP), "n3");
}
END_TEST

/* One owner for an address, who serves all that share it; else whoever serves some of it. */
START_TEST(shared)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", ", externalTrafficPolicy: Local", VIP);
	put_service("b", ", externalTrafficPolicy: Local", VIP);
	put_slice("a", "n1", true);
	put_slice("a", "n2", true);
	put_slice("b", "n2", true);
	put_slice("b", "n3", true);
	ck_assert_str_eq(owner_of(VIP), "n2");
	ck_assert_uint_eq(at(VIP)->nr_services, 2);
	put_slice("b", "n2", false);
	ck_assert_str_ne(owner_of(VIP), "");
	put_slice("a", "n1", false);
	put_slice("a", "n2", false);
	ck_assert_str_eq(owner_of(VIP), "n3");
}
END_TEST

START_TEST(unfit_nodes)
{
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", VIP);
	put_node("n1", "", "conditions: [{type: Ready, status: Unknown}]");
	put_node("n2", ", node.kubernetes.io/exclude-from-external-load-balancers: ''", "");
	put_node("n3", "", "conditions: [{type: NetworkUnavailable, status: 'True'}]");
	ck_assert_str_eq(owner_of(VIP), "");
	ck_assert_int_eq(reason_of(VIP, "n1"), REASON_NODE_NOT_READY);
	ck_assert_int_eq(reason_of(VIP, "n2"), REASON_NODE_EXCLUDED);
	ck_assert_int_eq(reason_of(VIP, "n3"), REASON_NODE_NOT_READY);
	put_node("n1", "", "conditions: [{type: Ready, status: 'True'}]");
	ck_assert_str_eq(owner_of(VIP), "n1");
}
END_TEST

START_TEST(pools)
{
	put_nodes();
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\n"
	    "metadata: {name: blue, labels: {c: blue}}\n"
	    "spec: {blocks: [{cidr: 192.168.10.208/28}]}\n");
	put_policy("p", "loadBalancerIPs: true, ipPools: [red]");
	put_service("a", "", VIP);
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
	put_policy("p", "loadBalancerIPs: true, ipPools: [blue]");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 1);
	put_service("a", "", "192.168.10.5");
	look("n1");
	ck_assert_uint_eq(want.nr_all, 0);
}
END_TEST

/* Who has it keeps it, when all know who that is. */
START_TEST(sticky)
{
	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	put_service("a", "", VIP);
	for (int i = 1; i <= 3; i++) {
		static const char *const names[] = { "", "n1", "n2", "n3" };

		holder = names[i];
		ck_assert_str_eq(owner_of(VIP), names[i]);
	}
	dead = "n3";
	ck_assert_str_ne(owner_of(VIP), "n3");
	holder = "somebody who was deleted";
	ck_assert_str_ne(owner_of(VIP), "");
}
END_TEST

START_TEST(explained)
{
	struct addr a;
	unsigned first = 0;

	put_nodes();
	put_policy("p",
	    "loadBalancerIPs: true, nodeSelector: {matchExpressions: [{key: "
	    "kubernetes.io/hostname, operator: NotIn, values: [n3]}]}");
	put_service("a", "", VIP);
	ck_assert_int_eq(addr_parse(VIP, &a), 0);
	explain = &a;
	look("n1");
	for (size_t i = 0; i < at(VIP)->nr_nodes; i++) {
		const struct l2_wanted_node *n = &at(VIP)->nodes[i];

		if (strcmp(n->name, "n3") == 0)
			ck_assert_int_eq(n->reason, REASON_NODE_NOT_SELECTED);
		else if (strcmp(n->name, at(VIP)->owner) == 0)
			first += n->why == ELECT_FIRST;
		else
			ck_assert_int_eq(n->why, ELECT_BEHIND);
	}
	ck_assert_uint_eq(first, 1);
}
END_TEST

/* Many addresses are spread. */
START_TEST(spread)
{
	size_t n[3] = { 0 };

	put_nodes();
	put_policy("p", "loadBalancerIPs: true");
	for (int i = 0; i < 30; i++) {
		char name[16], ip[32];

		snprintf(name, sizeof(name), "s%d", i);
		snprintf(ip, sizeof(ip), "192.168.10.%d", i + 1);
		put_service(name, "", ip);
	}
	for (size_t i = 0; i < 3; i++) {
		look((const char *const[]){ "n1", "n2", "n3" }[i]);
		for (size_t k = 0; k < want.nr_all; k++)
			n[i] += want.all[k].ours;
		ck_assert_uint_le(n[i], 13); /* ceil(1.25 * 10) */
	}
	ck_assert_uint_eq(n[0] + n[1] + n[2], 30);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("l2_wanted");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, scenario);
	tcase_add_test(tc, nothing_to_announce);
	tcase_add_test(tc, external_ips);
	tcase_add_test(tc, devices_of_no_segment);
	tcase_add_test(tc, segments);
	tcase_add_test(tc, schedules);
	tcase_add_test(tc, moves_that_nothing_urges);
	tcase_add_test(tc, draining);
	tcase_add_test(tc, policies_together);
	tcase_add_test(tc, local_endpoints);
	tcase_add_test(tc, shared);
	tcase_add_test(tc, unfit_nodes);
	tcase_add_test(tc, pools);
	tcase_add_test(tc, sticky);
	tcase_add_test(tc, explained);
	tcase_add_test(tc, spread);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("l2_wanted", add_tests)
