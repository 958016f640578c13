/*
 * tests/unit/daemon/test_pods_wanted.c: documents to nodes' ranges in each mode, what stays when
 * something else changes, and which pool a pod's addresses are from.
 */
#include "daemon/pods_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>

static struct fixture f;
static struct arena arena;
static struct pod_plan *plan;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	pod_plan_free(plan);
	plan = NULL;
	arena_fini(&arena);
	fixture_fini(&f);
}

static void __attribute__((format(printf, 1, 2))) add(const char *fmt, ...)
{
	char yaml[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(yaml, sizeof(yaml), fmt, ap);
	va_end(ap);
	fixture_add(&f, yaml);
}

static void
add_config(const char *ipam)
{
	add("apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: d}\nspec: {ipam: "
	    "{%s}}\n",
	    ipam);
}

static void
add_node(const char *name, const char *notes, const char *cidrs)
{
	add("apiVersion: v1\nkind: Node\nmetadata: {name: %s, annotations: {%s}}\nspec: {podCIDRs: "
	    "[%s]}\n",
	    name, notes, cidrs);
}

/* As the API would have it: an object of no file. */
static void
add_remote(const char *name, const char *notes)
{
	struct res_set set = { 0 };
	struct res_faults faults = { 0 };
	struct res_json_head head;
	char *json;

	ck_assert_int_gt(asprintf(&json,
			     "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":"
			     "\"%s\",\"annotations\":{%s}}}",
			     name, notes),
	    0);
	ck_assert_int_eq(
	    res_decode_json("v1", "Node", json, strlen(json), &set, &faults, &head), 0);
	ck_assert_int_eq(store_put(f.store, f.source, set.v[0]), 0);
	res_set_fini(&set);
	res_faults_fini(&faults);
	free(json);
}

/* The ranges of a node in use, as text. */
static const char *
ranges(const char *name)
{
	const struct res_node *node = store_node(f.store, name);
	const struct pod_range *v;
	const char *text = "";
	size_t nr;

	pod_plan_free(plan);
	plan = pod_plan_new(f.store);
	nr = pod_ranges_of(plan, node, &arena, &v);
	for (size_t i = 0; i < nr; i++)
		text = arena_printf(&arena, "%s%s%s%s%s", text, *text ? " " : "", v[i].pool_name,
		    *v[i].pool_name ? "=" : "", prefix_str(&v[i].prefix));
	return text;
}

static bool
noticed(const char *words)
{
	for (const struct pod_notice *n = plan->notices; n; n = n->next)
		if (strstr(n->message, words))
			return true;
	return false;
}

START_TEST(kubernetes_takes_the_spec_then_annotations)
{
	add_node("a", "", "10.0.1.0/24, \"fd00:1::/64\"");
	add_node("b", "network.cilium.io/ipv4-pod-cidr: 10.0.2.0/24", "");
	add_node("c", "network.cilium.io/ipv4-pod-cidr: 10.9.9.0/24", "10.0.3.0/24");
	add_node("d", "heraldlb.io/pod-cidrs: \"10.0.4.0/24, fd00:4::/64\"", "");
	add_node("e", "heraldlb.io/pod-cidrs: nonsense", "");
	ck_assert_str_eq(ranges("a"), "10.0.1.0/24 fd00:1::/64");
	ck_assert_str_eq(ranges("b"), "10.0.2.0/24");
	ck_assert_str_eq(ranges("c"), "10.0.3.0/24");
	ck_assert_str_eq(ranges("d"), "10.0.4.0/24 fd00:4::/64");
	ck_assert_str_eq(ranges("e"), "");
	ck_assert(noticed("'nonsense' is no prefix"));
}
END_TEST

START_TEST(two_nodes_with_one_range_are_told)
{
	add_node("a", "", "10.0.1.0/24");
	add_node("b", "", "10.0.1.128/25");
	(void)ranges("a");
	ck_assert(noticed("overlaps that of a"));
}
END_TEST

START_TEST(cluster_pool_gives_each_its_own_and_the_same_again)
{
	char before[40][64];

	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/16], ipv6PodCIDRs: "
		   "[\"fd00::/104\"]}");
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%02d", i);
		add_node(name, "", "");
	}
	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%02d", i);
		snprintf(before[i], sizeof(before[i]), "%s", ranges(name));
		ck_assert_ptr_nonnull(strstr(before[i], "/24 fd00::"));
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(before[i], before[k]);
	}
	/* one goes: nobody else moves into another than its own place */
	store_delete(f.store, f.source, RES_NODE, "", "n39");
	ck_assert_str_eq(ranges("n00"), before[0]);
	/* a prefix more at the end moves nobody */
	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/16, 10.8.0.0/16], "
		   "ipv6PodCIDRs: [\"fd00::/104\"]}");
	for (int i = 0; i < 39; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%02d", i);
		ck_assert_str_eq(ranges(name), before[i]);
	}
}
END_TEST

START_TEST(cluster_pool_that_is_used_up_says_so_and_grows)
{
	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/23]}");
	add_node("a", "", "");
	add_node("b", "", "");
	add_node("c", "", "");
	ck_assert_str_eq(ranges("c"), "");
	ck_assert(noticed("has no IPv4 range left"));
	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/23, 10.4.0.0/24]}");
	ck_assert_str_eq(ranges("c"), "10.4.0.0/24");
	ck_assert_ptr_null(plan->notices);
}
END_TEST

START_TEST(what_a_node_has_stays_whatever_the_pools_say)
{
	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/24]}");
	add_node("a", "", "10.0.0.0/25");
	add_node("b", "heraldlb.io/pod-cidrs: 192.168.0.0/24", "");
	add_node("c", "", "");
	ck_assert_str_eq(ranges("a"), "10.0.0.0/25");
	ck_assert(noticed("10.0.0.0/25 is not of length 24"));
	ck_assert_str_eq(ranges("b"), "192.168.0.0/24");
	ck_assert(noticed("192.168.0.0/24 lies in no prefix"));
	ck_assert_str_eq(ranges("c"), ""); /* half of the only one is taken */
}
END_TEST

START_TEST(of_the_api_a_range_counts_when_it_is_written_there)
{
	const char *key;

	add_config("mode: cluster-pool, clusterPool: {ipv4PodCIDRs: [10.0.0.0/16]}");
	add_remote("a", "");
	add_remote("b", "\"heraldlb.io/pod-cidrs\":\"10.0.0.0/24\"");
	ck_assert_str_eq(ranges("a"), "");
	ck_assert_str_eq(ranges("b"), "10.0.0.0/24");
	ck_assert_str_eq(pod_plan_told(plan, pod_plan_node(plan, "a"), RES_IPAM_CLUSTER_POOL, &key),
	    "10.0.1.0/24");
	ck_assert_str_eq(key, PODS_CIDRS);
	ck_assert_ptr_null(
	    pod_plan_told(plan, pod_plan_node(plan, "b"), RES_IPAM_CLUSTER_POOL, &key));
}
END_TEST

#define POOL(name, more)                                                                           \
	"apiVersion: heraldlb.io/v1\nkind: PodIPPool\nmetadata: {name: " name "}\nspec: {" more    \
	"}\n---\n"

START_TEST(multi_pool_follows_what_is_asked_for)
{
	const char *key;

	add_config("mode: multi-pool");
	add(POOL("blue", "ipv4: {cidrs: [10.1.0.0/16], maskSize: 28}")
		POOL("red", "ipv6: {cidrs: [\"fd00::/64\"], maskSize: 120}"));
	add_remote("a",
	    "\"heraldlb.io/pod-pool-requests\":\"blue=20\","
	    "\"heraldlb.io/pod-pool-cidrs\":\"blue=10.1.0.0/28\"");
	add_remote("b", "");
	ck_assert_str_eq(ranges("a"), "blue=10.1.0.0/28");
	ck_assert_str_eq(pod_plan_told(plan, pod_plan_node(plan, "a"), RES_IPAM_MULTI_POOL, &key),
	    "blue=10.1.0.0/28,blue=10.1.0.16/28");
	ck_assert_str_eq(key, PODS_POOL_CIDRS);
	ck_assert_str_eq(ranges("b"), "");
	ck_assert_ptr_null(
	    pod_plan_told(plan, pod_plan_node(plan, "b"), RES_IPAM_MULTI_POOL, &key));
	/* a node of a file cannot ask: it has a reserve of each */
	add_node("c", "", "");
	ck_assert_ptr_nonnull(strstr(ranges("c"), "blue=10.1."));
	ck_assert_ptr_nonnull(strstr(ranges("c"), "red=fd00::"));
}
END_TEST

START_TEST(need_comes_in_steps)
{
	const struct res_pod_ipam c = { .pre_allocation = 8, .default_pool = "default" };

	ck_assert_uint_eq(pod_pool_need(&c, "default", 0, 0), 8);
	ck_assert_uint_eq(pod_pool_need(&c, "default", 1, 0), 16);
	ck_assert_uint_eq(pod_pool_need(&c, "default", 8, 0), 16);
	ck_assert_uint_eq(pod_pool_need(&c, "blue", 0, 0), 0);
	ck_assert_uint_eq(pod_pool_need(&c, "blue", 0, 1), 8);
	ck_assert_uint_eq(pod_pool_need(&c, "blue", 8, 1), 16);
	ck_assert_uint_eq(pod_request_get("blue=8, red=16", "red"), 16);
	ck_assert_uint_eq(pod_request_get("blue=8,red=16", "re"), 0);
	ck_assert_uint_eq(pod_request_get("blue=x", "blue"), 0);
	ck_assert_uint_eq(pod_request_get("", "blue"), 0);
}
END_TEST

/* "v4 v6" of the pools chosen, or the errno's words. */
static const char *
chosen(const char *ns, const char *name, const char *key, const char *value)
{
	const struct res_pair pair = { key, value };
	struct pod_ask ask = {
		.ns = ns, .name = name, .network_pool = "", .annotations = { &pair, key ? 1 : 0 }
	};
	struct podipam_want want = { 0 };
	const char *error = "";

	if (pod_pool_choose(f.store, &ask, &arena, &want, &error) < 0)
		return error;
	return arena_printf(&arena, "%s %s", want.pool[ADDR_V4] ? want.pool[ADDR_V4] : "-",
	    want.pool[ADDR_V6] ? want.pool[ADDR_V6] : "-");
}

START_TEST(pod_then_namespace_then_selectors_then_default)
{
	add_config("mode: multi-pool");
	add(POOL("blue",
	    "ipv4: {cidrs: [10.1.0.0/16], maskSize: 28}, namespaceSelector: "
	    "{matchLabels: {team: blue}}") POOL("default",
	    "ipv4: {cidrs: [10.2.0.0/16], maskSize: 28}, ipv6: {cidrs: "
	    "[\"fd00::/64\"], maskSize: 120}") POOL("red",
	    "ipv6: {cidrs: [\"fd01::/64\"], maskSize: 120}, podSelector: "
	    "{matchLabels: {io.kubernetes.pod.name: db-0}}"));
	add("apiVersion: v1\nkind: Namespace\nmetadata: {name: b, labels: {team: blue}}\n---\n"
	    "apiVersion: v1\nkind: Namespace\nmetadata: {name: n, annotations: "
	    "{ipam.cilium.io/ip-pool: blue}}\n---\n"
	    "apiVersion: v1\nkind: Namespace\nmetadata: {name: must, annotations: "
	    "{ipam.cilium.io/require-pool-match: \"true\"}}\n");
	ck_assert_str_eq(chosen("x", "p", NULL, NULL), "default default");
	ck_assert_str_eq(chosen("b", "p", NULL, NULL), "blue -");
	ck_assert_str_eq(chosen("n", "p", NULL, NULL), "blue -");
	ck_assert_str_eq(chosen("n", "p", "ipam.cilium.io/ip-pool", "default"), "default default");
	ck_assert_str_eq(chosen("n", "p", "ipam.heraldlb.io/ipv6-pool", "red"), "blue red");
	ck_assert_str_eq(chosen("x", "db-0", NULL, NULL), "- red");
	ck_assert_ptr_nonnull(strstr(chosen("b", "db-0", NULL, NULL), "blue and red both select"));
	ck_assert_ptr_nonnull(strstr(chosen("must", "p", NULL, NULL), "require-pool-match"));
	ck_assert_str_eq(
	    chosen("x", "p", "ipam.cilium.io/ip-pool", "green"), "there is no PodIPPool green");
}
END_TEST

START_TEST(the_carver_gives_nothing_twice)
{
	struct carver *c = carver_new();
	struct prefix pool, held, got, seen[64];
	size_t nr = 0;

	ck_assert_int_eq(prefix_parse("10.0.0.0/26", &pool, NULL), 0);
	ck_assert_int_eq(prefix_parse("10.0.0.16/30", &held, NULL), 0);
	carver_hold(c, &held);
	while (carver_take(c, &pool, 1, 32, nr % 2 ? "name" : "", &got)) {
		ck_assert(!prefix_covers(&held, &got));
		for (size_t i = 0; i < nr; i++)
			ck_assert(!prefix_eq(&seen[i], &got));
		seen[nr++] = got;
	}
	ck_assert_uint_eq(nr, 60);
	ck_assert(!carver_take(c, &pool, 1, 28, "", &got));
	ck_assert(!carver_take(c, &pool, 1, 24, "", &got));
	carver_free(c);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ranges");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, kubernetes_takes_the_spec_then_annotations);
	tcase_add_test(tc, two_nodes_with_one_range_are_told);
	tcase_add_test(tc, cluster_pool_gives_each_its_own_and_the_same_again);
	tcase_add_test(tc, cluster_pool_that_is_used_up_says_so_and_grows);
	tcase_add_test(tc, what_a_node_has_stays_whatever_the_pools_say);
	tcase_add_test(tc, of_the_api_a_range_counts_when_it_is_written_there);
	tcase_add_test(tc, multi_pool_follows_what_is_asked_for);
	tcase_add_test(tc, need_comes_in_steps);
	tcase_add_test(tc, pod_then_namespace_then_selectors_then_default);
	tcase_add_test(tc, the_carver_gives_nothing_twice);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("pods wanted", add_tests)
