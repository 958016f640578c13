/*
 * tests/unit/daemon/test_ipam_sharing.c: from documents to addresses: sharing annotations of all
 * dialects, pools by name, what pools say of time, and the files of the reference scenario.
 */
#include "daemon/ipam_wanted.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>

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

/* Give the engine what the documents say. */
static void
settle(void)
{
	struct ipam_pool *pools;
	size_t nr = ipam_wanted_pools(f.store, &arena, &pools), bad;
	struct res_object *o;

	ck_assert_int_eq(ipam_pools_set(ipam, pools, nr), 0);
	store_for_each(f.store, RES_SERVICE, o)
	{
		struct ipam_claim claim;

		if (ipam_wanted_claim(f.store, (const struct res_service *)o, &arena, &claim, &bad))
			ck_assert_int_eq(ipam_claim_set(ipam, &claim), 0);
	}
	ipam_start(ipam);
	ipam_settle(ipam);
}

static void
has(const char *owner, size_t i, const char *addr)
{
	struct ipam_alloc a;

	ck_assert_int_eq(ipam_claim_want(ipam, owner, i, &a), 0);
	ck_assert_msg(addr_is_set(&a.addr), "%s: %s, %s", owner, reason_name(a.reason),
	    reason_name(a.detail));
	ck_assert_str_eq(addr_str(&a.addr), addr);
}

static void
refused(const char *owner, enum reason detail)
{
	struct ipam_alloc a;

	ck_assert_int_eq(ipam_claim_want(ipam, owner, 0, &a), 0);
	ck_assert(!addr_is_set(&a.addr));
	ck_assert_str_eq(reason_name(a.detail), reason_name(detail));
}

/* ---- the reference scenario ---- */

START_TEST(the_first_address_of_the_scenarios_pool)
{
	struct ipam_pool_info info;

	fixture_add_file(&f, "etc/examples/reference/pool.yaml");
	fixture_add_file(&f, "etc/examples/reference/webpod.yaml");
	settle();
	has("default/webpod", 0, "172.16.1.1");
	ck_assert_int_eq(ipam_pool_get(ipam, "cilium-pool", &info), 0);
	ck_assert_uint_eq(info.total, 254);
	ck_assert_uint_eq(info.available, 253);
}
END_TEST

START_TEST(two_services_of_the_scenario_on_one_address)
{
	fixture_add_file(&f, "etc/examples/reference/l2-policy.yaml"); /* with their pool */
	fixture_add_file(&f, "etc/examples/reference/sharing.yaml");
	settle();
	has("default/webpod", 0, "192.168.10.215");
	has("default/webpod-alt", 0, "192.168.10.215");
}
END_TEST

/* ---- annotations ---- */

static void
put(const char *ns, const char *name, const char *annotations, const char *spec)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\n"
	    "metadata: {name: %s, namespace: %s, annotations: {%s}}\n"
	    "spec: {type: LoadBalancer, loadBalancerIP: 10.0.0.5, %s}\n",
	    name, ns, annotations, spec);
	fixture_add(&f, yaml);
}

static void
put_pool(void)
{
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\n"
	    "metadata: {name: p}\nspec: {blocks: [{cidr: 10.0.0.0/24}]}\n");
}

static const char *const keys[] = { "heraldlb.io/sharing-key: k", "lbipam.cilium.io/sharing-key: k",
	"io.cilium/lb-ipam-sharing-key: k", "metallb.io/allow-shared-ip: k",
	"metallb.universe.tf/allow-shared-ip: k" };
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

START_TEST(keys_of_all_dialects_mean_the_same)
{
	put_pool();
	put("team", "a", keys[_i / KEYS], "ports: [{port: 80}]");
	put("team", "b", keys[_i % KEYS], "ports: [{port: 81}]");
	put("team", "c", keys[_i % KEYS], "ports: [{port: 81, protocol: UDP}]");
	put("team", "d", keys[_i % KEYS], "ports: [{name: w, port: 82}, {name: x, port: 80}]");
	settle();
	has("team/a", 0, "10.0.0.5");
	has("team/b", 0, "10.0.0.5");
	has("team/c", 0, "10.0.0.5");
	refused("team/d", REASON_SHARING_PORT);
}
END_TEST

static const char *const consents[] = { "heraldlb.io/sharing-cross-namespace",
	"lbipam.cilium.io/sharing-cross-namespace", "io.cilium/lb-ipam-sharing-cross-namespace" };

START_TEST(consent_in_every_spelling_and_of_both_sides)
{
	char a[200], b[200];

	put_pool();
	snprintf(a, sizeof(a), "%s: 'other, green', %s", consents[_i], keys[_i]);
	snprintf(b, sizeof(b), "%s: '*', %s", consents[_i], keys[_i]);
	put("blue", "a", a, "ports: [{port: 80}]");
	put("green", "b", b, "ports: [{port: 81}]");
	put("red", "c", b, "ports: [{port: 82}]"); /* blue does not consent to red */
	put("green", "d", "metallb.io/allow-shared-ip: k", "ports: [{port: 83}]");
	settle();
	has("blue/a", 0, "10.0.0.5");
	has("green/b", 0, "10.0.0.5");
	refused("red/c", REASON_SHARING_NAMESPACE);
	refused("green/d", REASON_SHARING_NAMESPACE); /* knowing the key is not enough */
}
END_TEST

START_TEST(selectors_are_the_same_whatever_their_order)
{
	static const char *const local = "externalTrafficPolicy: Local, ports: [{port: %d}], "
					 "selector: {%s}";
	char spec[200];

	put_pool();
	snprintf(spec, sizeof(spec), local, 80, "app: web, tier: front");
	put("team", "a", keys[0], spec);
	snprintf(spec, sizeof(spec), local, 81, "tier: front, app: web");
	put("team", "b", keys[0], spec);
	snprintf(spec, sizeof(spec), local, 82, "app: web");
	put("team", "c", keys[0], spec);
	put("team", "d", keys[0], "ports: [{port: 83}], selector: {app: web, tier: front}");
	settle();
	has("team/a", 0, "10.0.0.5");
	has("team/b", 0, "10.0.0.5");
	refused("team/c", REASON_SHARING_SELECTOR);
	refused("team/d", REASON_SHARING_POLICY);
}
END_TEST

/* ---- pools ---- */

START_TEST(an_address_of_each_pool_that_is_named)
{
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: blue}\n"
	    "spec: {blocks: [{cidr: 10.0.0.0/24}, {cidr: '2001:db8::/64'}], autoAssign: false}\n"
	    "---\n"
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: red}\n"
	    "spec: {blocks: [{cidr: 10.0.1.0/24}]}\n"
	    "---\n"
	    "apiVersion: v1\nkind: Service\n"
	    "metadata: {name: web, namespace: team, annotations: "
	    "{heraldlb.io/ip-pool: ' red, blue,, '}}\n"
	    "spec: {type: LoadBalancer, ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}\n");
	settle();
	has("team/web", 0, "10.0.1.0");
	has("team/web", 2, "10.0.0.0");
	has("team/web", 3, "2001:db8::");
}
END_TEST

START_TEST(what_pools_say_of_time)
{
	struct ipam_pool *pools;

	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: a}\n"
	    "spec: {blocks: [{cidr: 10.0.0.0/24}], onPoolChange: renumber, reuseAfter: 1m30s}\n"
	    "---\n"
	    "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: b}\n"
	    "spec: {blocks: [{cidr: 10.0.1.0/24}]}\n");
	ck_assert_uint_eq(ipam_wanted_pools(f.store, &arena, &pools), 2);
	ck_assert(pools[0].renumber);
	ck_assert_uint_eq(pools[0].reuse_ms, 90000);
	ck_assert(!pools[1].renumber);
	ck_assert_uint_eq(pools[1].reuse_ms, 60000);
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\n"
	    "metadata: {name: default}\nspec: {ipam: {reuseAfter: 5s}}\n");
	ck_assert_uint_eq(ipam_wanted_pools(f.store, &arena, &pools), 2);
	ck_assert_uint_eq(pools[0].reuse_ms, 90000);
	ck_assert_uint_eq(pools[1].reuse_ms, 5000);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("ipam_sharing");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_first_address_of_the_scenarios_pool);
	tcase_add_test(t, two_services_of_the_scenario_on_one_address);
	tcase_add_loop_test(t, keys_of_all_dialects_mean_the_same, 0, KEYS * KEYS);
	tcase_add_loop_test(t, consent_in_every_spelling_and_of_both_sides, 0, 3);
	tcase_add_test(t, selectors_are_the_same_whatever_their_order);
	tcase_add_test(t, an_address_of_each_pool_that_is_named);
	tcase_add_test(t, what_pools_say_of_time);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/ipam_sharing", add_tests)
