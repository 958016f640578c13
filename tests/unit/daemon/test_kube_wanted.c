/*
 * tests/unit/daemon/test_kube_wanted.c: what the API server is told of Services, pools and the BGP of
 * a node: that it is right, that it is told once, and that what is not ours is left alone.
 */
#include "daemon/kube_wanted.h"

#include "daemon/ipam_wanted.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#define NOW 1700000000

static struct fixture f;
static struct arena arena;
static struct ipam *ipam;

static void
setup(void)
{
	fixture_init(&f);
	ipam = ipam_new(NULL, NULL);
}

static void
teardown(void)
{
	ipam_free(ipam);
	arena_fini(&arena);
	fixture_fini(&f);
}

/* An object as the API has it. */
static void
put(const char *text)
{
	struct res_set set = { 0 };
	struct res_faults faults = { 0 };
	struct res_json_head head;

	ck_assert_int_eq(res_decode_json(NULL, NULL, text, strlen(text), &set, &faults, &head), 0);
	for (size_t i = 0; i < set.nr; i++)
		ck_assert_int_eq(store_put(f.store, f.source, set.v[i]), 0);
	res_set_fini(&set);
	res_faults_fini(&faults);
}

static void
pool(const char *name, const char *cidr, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text),
	    "{\"apiVersion\":\"heraldlb.io/v1\",\"kind\":\"LoadBalancerIPPool\",\"metadata\":"
	    "{\"name\":\"%s\"},\"spec\":{\"blocks\":[{\"cidr\":\"%s\"}]%s}}",
	    name, cidr, more);
	put(text);
}

static const struct res_service *
service(const char *meta, const char *spec, const char *status)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
	    "\"namespace\":\"shop\"%s},\"spec\":{\"ports\":[{\"port\":80}]%s%s},"
	    "\"status\":{%s}}",
	    meta, strstr(spec, "\"type\"") ? "" : ",\"type\":\"LoadBalancer\"", spec, status);
	put(text);
	return store_service(f.store, "shop", "web");
}

/* Pools and the claim of the Service, given as who leads gives it. */
static void
give(void)
{
	struct ipam_pool *pools;
	struct ipam_claim claim;
	size_t bad, nr = ipam_wanted_pools(f.store, &arena, &pools);

	ck_assert_int_eq(ipam_pools_set(ipam, pools, nr), 0);
	if (ipam_wanted_claim(f.store, store_service(f.store, "shop", "web"), &arena, &claim, &bad))
		ck_assert_int_eq(ipam_claim_set(ipam, &claim), 0);
	else
		ipam_claim_del(ipam, "shop/web");
	ipam_start(ipam);
}

static json_t *
patch_of(const struct res_service *svc)
{
	return kube_wanted_service_status(f.store, ipam, svc, "17", NOW);
}

static void
expect(json_t *got, const char *want)
{
	json_t *o = want ? json_loads(want, 0, NULL) : NULL;
	char *text = got ? json_dumps(got, JSON_SORT_KEYS) : NULL;

	ck_assert_msg(!want || o, "the test's own JSON");
	ck_assert_msg(want ? json_equal(got, o) : !got, "%s", text ? text : "nothing");
	free(text);
	json_decref(o);
	json_decref(got);
}

START_TEST(an_address_is_told_once)
{
	const struct res_service *svc = service("", "", "");

	pool("blue", "192.0.2.0/30", "");
	give();
	expect(patch_of(svc),
	    "{\"metadata\":{\"resourceVersion\":\"17\"},\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[{\"ip\":\"192.0.2.0\",\"ipMode\":\"VIP\"}]},\"conditions\":[{\"type\":"
	    "\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\",\"reason\":\"satisfied\","
	    "\"message\":\"192.0.2.0 from pool blue\",\"lastTransitionTime\":"
	    "\"2023-11-14T22:13:20Z\"}]}}");
	svc = service("", "",
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.0\",\"ipMode\":\"VIP\"}]},"
	    "\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\","
	    "\"reason\":\"satisfied\",\"message\":\"192.0.2.0 from pool blue\","
	    "\"lastTransitionTime\":\"2020-01-01T00:00:00Z\"}]");
	expect(patch_of(svc), NULL);
	/* A server that does not know ipMode gives it back without; that is the same. */
	svc = service("", "",
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.0\"}]},"
	    "\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\","
	    "\"reason\":\"satisfied\",\"message\":\"192.0.2.0 from pool blue\"}]");
	expect(patch_of(svc), NULL);
}
END_TEST

START_TEST(what_is_missing_is_told_with_its_reason)
{
	const struct res_service *svc = service("", ",\"loadBalancerIP\":\"198.51.100.1\"", "");

	pool("blue", "192.0.2.0/30", "");
	give();
	expect(patch_of(svc),
	    "{\"metadata\":{\"resourceVersion\":\"17\"},\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[]},\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":"
	    "\"False\",\"reason\":\"outside_pool\",\"message\":"
	    "\"198.51.100.1: The requested address is in no pool.\",\"lastTransitionTime\":"
	    "\"2023-11-14T22:13:20Z\"}]}}");
}
END_TEST

START_TEST(the_time_is_that_of_the_status)
{
	const struct res_service *svc = service("", "",
	    "\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\","
	    "\"reason\":\"satisfied\",\"message\":\"other words\","
	    "\"lastTransitionTime\":\"2020-01-01T00:00:00Z\"}]");
	json_t *patch, *list;

	pool("blue", "192.0.2.0/30", "");
	give();
	patch = patch_of(svc);
	list = json_object_get(json_object_get(patch, "status"), "conditions");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_array_get(list, 0), "lastTransitionTime")),
	    "2020-01-01T00:00:00Z");
	json_decref(patch);
}
END_TEST

START_TEST(ciliums_condition_is_kept_true_where_it_is)
{
	const struct res_service *svc = service("", "",
	    "\"conditions\":[{\"type\":\"cilium.io/IPAMRequestSatisfied\",\"status\":\"False\","
	    "\"reason\":\"no_pool\",\"message\":\"\"}]");
	json_t *patch, *list;

	pool("blue", "192.0.2.0/30", "");
	give();
	patch = patch_of(svc);
	list = json_object_get(json_object_get(patch, "status"), "conditions");
	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(json_string_value(json_object_get(json_array_get(list, 1), "type")),
	    "cilium.io/IPAMRequestSatisfied");
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_array_get(list, 1), "status")), "True");
	json_decref(patch);
}
END_TEST

/* Whatever stands in their status. */
static const char *const others[] = {
	",\"loadBalancerClass\":\"example.com/other\"",
	",\"type\":\"ClusterIP\"",
	",\"type\":\"NodePort\"",
};

START_TEST(other_classes_are_never_touched)
{
	const struct res_service *svc = service("", others[_i],
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]},\"conditions\":[{\"type\":"
	    "\"cilium.io/IPAMRequestSatisfied\",\"status\":\"False\"}]");

	pool("blue", "192.0.2.0/30", "");
	give();
	expect(patch_of(svc), NULL);
	expect(kube_wanted_service_pool(f.store, ipam, svc), NULL);
}
END_TEST

START_TEST(no_class_and_no_pool_is_left_as_it_is)
{
	const struct res_service *svc =
	    service("", "", "\"loadBalancer\":{\"ingress\":[{\"ip\":\"198.51.100.1\"}]}");

	give();
	expect(patch_of(svc), NULL);
	pool("blue", "192.0.2.0/30", ",\"serviceSelector\":{\"matchLabels\":{\"team\":\"blue\"}}");
	give();
	expect(patch_of(svc), NULL);
	/* Of our class it is ours, pool or not. */
	svc = service("", ",\"loadBalancerClass\":\"heraldlb.io/herald\"", "");
	give();
	expect(patch_of(svc),
	    "{\"metadata\":{\"resourceVersion\":\"17\"},\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[]},\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":"
	    "\"False\",\"reason\":\"no_pool\",\"message\":\"There is no pool that could give an "
	    "address of this family.\",\"lastTransitionTime\":\"2023-11-14T22:13:20Z\"}]}}");
}
END_TEST

START_TEST(without_a_default_class_none_is_not_ours)
{
	const struct res_service *svc;

	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\n"
	    "spec: {sources: {kubernetes: {inCluster: true, defaultClass: false, "
	    "loadBalancerClass: example.com/mine}}}\n");
	svc = service("", "", "");
	pool("blue", "192.0.2.0/30", "");
	give();
	expect(patch_of(svc), NULL);
	svc = service("", ",\"loadBalancerClass\":\"example.com/mine\"", "");
	give();
	json_t *patch = patch_of(svc);
	ck_assert_ptr_nonnull(patch);
	json_decref(patch);
}
END_TEST

START_TEST(what_we_wrote_is_taken_out_when_it_is_not_ours_any_more)
{
	const char *const marked =
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"198.51.100.1\","
	    "\"ipMode\":\"Proxy\"},{\"hostname\":\"lb.example.com\"}]},\"conditions\":[{\"type\":"
	    "\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\"}]";
	const struct res_service *svc;

	pool("blue", "192.0.2.0/30", "");
	svc = service("", others[0], marked);
	give();
	expect(patch_of(svc),
	    "{\"metadata\":{\"resourceVersion\":\"17\"},\"status\":{\"loadBalancer\":{\"ingress\":"
	    "[{\"ip\":\"198.51.100.1\",\"ipMode\":\"Proxy\"},{\"hostname\":\"lb.example.com\"}]},"
	    "\"conditions\":[{\"$patch\":\"delete\",\"type\":"
	    "\"heraldlb.io/IPAMRequestSatisfied\"}]}}");
	/* The server itself has emptied the list: only the condition is left to go. */
	svc = service("", others[1],
	    "\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\"}]");
	expect(patch_of(svc),
	    "{\"metadata\":{\"resourceVersion\":\"17\"},\"status\":{\"conditions\":[{\"$patch\":"
	    "\"delete\",\"type\":\"heraldlb.io/IPAMRequestSatisfied\"}]}}");
}
END_TEST

START_TEST(services_of_files_are_not_told_of)
{
	fixture_add(&f,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
	    "spec: {type: LoadBalancer, ports: [{port: 80}]}\n");
	pool("blue", "192.0.2.0/30", "");
	give();
	expect(patch_of(store_service(f.store, "shop", "web")), NULL);
	expect(
	    kube_wanted_service_pool(f.store, ipam, store_service(f.store, "shop", "web")), NULL);
}
END_TEST

START_TEST(the_pool_is_an_annotation)
{
	const struct res_service *svc = service("",
	    ",\"ipFamilies\":[\"IPv4\",\"IPv6\"],"
	    "\"ipFamilyPolicy\":\"RequireDualStack\"",
	    "");

	pool("blue", "192.0.2.0/30", "");
	pool("green", "2001:db8::/126", "");
	give();
	expect(kube_wanted_service_pool(f.store, ipam, svc),
	    "{\"metadata\":{\"annotations\":{\"heraldlb.io/ip-allocated-from-pool\":"
	    "\"blue,green\"}}}");
	svc = service(",\"annotations\":{\"heraldlb.io/ip-allocated-from-pool\":\"blue\"}", "", "");
	give();
	expect(kube_wanted_service_pool(f.store, ipam, svc), NULL);
	svc = service(
	    ",\"annotations\":{\"heraldlb.io/ip-allocated-from-pool\":\"blue\"}", others[0], "");
	give();
	expect(kube_wanted_service_pool(f.store, ipam, svc),
	    "{\"metadata\":{\"annotations\":{\"heraldlb.io/ip-allocated-from-pool\":null}}}");
}
END_TEST

START_TEST(status_and_annotation_are_one_patch)
{
	const struct res_service *svc = service("", "", "");
	json_t *patch, *meta;

	pool("blue", "192.0.2.0/30", "");
	give();
	patch = kube_wanted_service(f.store, ipam, svc, "17", NOW);
	meta = json_object_get(patch, "metadata");
	ck_assert_str_eq(json_string_value(json_object_get(meta, "resourceVersion")), "17");
	ck_assert_str_eq(json_string_value(json_object_get(
			     json_object_get(meta, "annotations"), KUBE_POOL_ANNOTATION)),
	    "blue");
	ck_assert_ptr_nonnull(json_object_get(patch, "status"));
	json_decref(patch);
	svc = service("", "",
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.0\"}]},"
	    "\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":\"True\","
	    "\"reason\":\"satisfied\",\"message\":\"192.0.2.0 from pool blue\"}]");
	expect(kube_wanted_service(f.store, ipam, svc, "17", NOW),
	    "{\"metadata\":{\"resourceVersion\":\"17\",\"annotations\":"
	    "{\"heraldlb.io/ip-allocated-from-pool\":\"blue\"}}}");
}
END_TEST

START_TEST(what_counts_as_given)
{
	const struct addr *list;
	const char *const two =
	    "\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"198.51.100.1\"},"
	    "{\"hostname\":\"x\"}]}";
	char marked[512];
	size_t nr;

	pool("blue", "192.0.2.0/30", "");
	nr = kube_wanted_held(f.store, service("", "", two), &arena, &list);
	ck_assert_uint_eq(nr, 1);
	ck_assert_str_eq(addr_str(&list[0]), "192.0.2.1");
	snprintf(marked, sizeof(marked),
	    "%s,\"conditions\":[{\"type\":\"heraldlb.io/IPAMRequestSatisfied\",\"status\":"
	    "\"True\"}]",
	    two);
	nr = kube_wanted_held(f.store, service("", "", marked), &arena, &list);
	ck_assert_uint_eq(nr, 2);
}
END_TEST

/* ---- pools ---- */

static json_t *
pool_patch(const char *name)
{
	struct ipam_pool_info info;
	const struct res_object *o = store_get(f.store, RES_LB_IP_POOL, "", name);

	ck_assert_int_eq(ipam_pool_get(ipam, name, &info), 0);
	return kube_wanted_pool_status((const struct res_lb_ip_pool *)o, &info, "18", NOW);
}

static const char *
condition(json_t *patch, const char *type, const char *key)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(patch, "status"), "conditions"), i, c)
	{
		if (strcmp(json_string_value(json_object_get(c, "type")), type) == 0)
			return json_string_value(json_object_get(c, key));
	}
	return "absent";
}

START_TEST(a_pool_is_counted)
{
	json_t *patch;

	service("", "", "");
	pool("blue", "192.0.2.0/30",
	    "},\"status\":{\"conditions\":[{\"type\":\"example.com/Mine\",\"status\":\"True\","
	    "\"reason\":\"r\",\"lastTransitionTime\":\"2020-01-01T00:00:00Z\"}]");
	give();
	patch = pool_patch("blue");
	ck_assert_str_eq(condition(patch, "heraldlb.io/IPsTotal", "message"), "4");
	ck_assert_str_eq(condition(patch, "heraldlb.io/IPsAvailable", "message"), "3");
	ck_assert_str_eq(condition(patch, "heraldlb.io/IPsUsed", "message"), "1");
	ck_assert_str_eq(condition(patch, "heraldlb.io/IPsUsed", "status"), "Unknown");
	ck_assert_str_eq(condition(patch, "heraldlb.io/PoolConflict", "status"), "False");
	ck_assert_str_eq(condition(patch, "heraldlb.io/PoolConflict", "reason"), "resolved");
	ck_assert_str_eq(
	    condition(patch, "example.com/Mine", "lastTransitionTime"), "2020-01-01T00:00:00Z");
	json_decref(patch);
}
END_TEST

START_TEST(a_pool_that_says_so_is_left)
{
	pool("blue", "192.0.2.0/30",
	    "},\"status\":{\"conditions\":["
	    "{\"type\":\"heraldlb.io/PoolConflict\",\"status\":\"False\",\"reason\":\"resolved\"},"
	    "{\"type\":\"heraldlb.io/IPsTotal\",\"status\":\"Unknown\",\"reason\":\"noreason\","
	    "\"message\":\"4\"},"
	    "{\"type\":\"heraldlb.io/IPsAvailable\",\"status\":\"Unknown\",\"reason\":"
	    "\"noreason\",\"message\":\"3\"},"
	    "{\"type\":\"heraldlb.io/IPsUsed\",\"status\":\"Unknown\",\"reason\":\"noreason\","
	    "\"message\":\"1\"}]");
	service("", "", "");
	give();
	expect(pool_patch("blue"), NULL);
}
END_TEST

START_TEST(a_conflict_names_both)
{
	json_t *patch;

	service("", "", "");
	pool("blue", "192.0.2.0/30", "");
	put("{\"apiVersion\":\"cilium.io/v2alpha1\",\"kind\":\"CiliumLoadBalancerIPPool\","
	    "\"metadata\":{\"name\":\"green\",\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},"
	    "\"spec\":{\"blocks\":[{\"start\":\"192.0.2.2\",\"stop\":\"192.0.2.9\"}]}}");
	give();
	patch = pool_patch("green");
	ck_assert_str_eq(condition(patch, "cilium.io/PoolConflict", "status"), "True");
	ck_assert_str_eq(condition(patch, "cilium.io/PoolConflict", "reason"), "cidr_overlap");
	ck_assert_str_eq(condition(patch, "cilium.io/PoolConflict", "message"),
	    "192.0.2.2-192.0.2.9 overlaps 192.0.2.0-192.0.2.3 of pool blue");
	json_decref(patch);
}
END_TEST

/* ---- the node ---- */

static json_t *
node(const char *state, int uptime, int received, const json_t *told, time_t now)
{
	json_t *peers = json_pack("{s:[{s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:i, s:s, s:[{s:s, s:s, "
				  "s:i, s:i, s:i}]}]}",
	    "peers", "name", "tor", "instance", "main", "localASN", 65001, "peerASN", 65000,
	    "peerAddress", "10.0.0.1", "routerID", "10.0.0.2", "state", state, "uptimeSeconds",
	    uptime, "lastError", "", "families", "afi", "ipv4", "safi", "unicast", "received",
	    received, "accepted", received, "advertised", 2);
	json_t *status = kube_wanted_node_status(peers, told, now);

	json_decref(peers);
	return status;
}

START_TEST(the_sessions_of_a_node)
{
	json_t *first = node("established", 100, 5, NULL, NOW), *next, *p;

	p = json_array_get(json_object_get(first, "peers"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(first, "localASN")), 65001);
	ck_assert_str_eq(json_string_value(json_object_get(first, "routerID")), "10.0.0.2");
	ck_assert_int_eq(json_integer_value(json_object_get(first, "establishedCount")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(p, "since")), "2023-11-14T22:11:40Z");
	ck_assert_ptr_null(json_object_get(p, "lastError"));
	ck_assert_ptr_null(json_object_get(p, "routerID"));
	/* Time passes, and the grain of two clocks: nothing new. */
	ck_assert_ptr_null(node("established", 110, 5, first, NOW + 10));
	ck_assert_ptr_null(node("established", 110, 5, first, NOW + 11));
	next = node("established", 110, 6, first, NOW + 10);
	ck_assert_ptr_nonnull(next);
	json_decref(next);
	/* It went and came back in between. */
	next = node("established", 3, 5, first, NOW + 10);
	p = json_array_get(json_object_get(next, "peers"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(p, "since")), "2023-11-14T22:13:27Z");
	json_decref(next);
	next = node("active", 0, 0, first, NOW + 10);
	p = json_array_get(json_object_get(next, "peers"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(p, "since")), "2023-11-14T22:13:30Z");
	ck_assert_int_eq(json_integer_value(json_object_get(next, "establishedCount")), 0);
	ck_assert_ptr_null(node("active", 0, 0, next, NOW + 100));
	json_decref(next);
	json_decref(first);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("wanted");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_address_is_told_once);
	tcase_add_test(tc, what_is_missing_is_told_with_its_reason);
	tcase_add_test(tc, the_time_is_that_of_the_status);
	tcase_add_test(tc, ciliums_condition_is_kept_true_where_it_is);
	tcase_add_loop_test(tc, other_classes_are_never_touched, 0, 3);
	tcase_add_test(tc, no_class_and_no_pool_is_left_as_it_is);
	tcase_add_test(tc, without_a_default_class_none_is_not_ours);
	tcase_add_test(tc, what_we_wrote_is_taken_out_when_it_is_not_ours_any_more);
	tcase_add_test(tc, services_of_files_are_not_told_of);
	tcase_add_test(tc, the_pool_is_an_annotation);
	tcase_add_test(tc, status_and_annotation_are_one_patch);
	tcase_add_test(tc, what_counts_as_given);
	tcase_add_test(tc, a_pool_is_counted);
	tcase_add_test(tc, a_pool_that_says_so_is_left);
	tcase_add_test(tc, a_conflict_names_both);
	tcase_add_test(tc, the_sessions_of_a_node);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("kube_wanted", add_tests)
