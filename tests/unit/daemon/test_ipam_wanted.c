/*
 * tests/unit/daemon/test_ipam_wanted.c: documents to pools and claims: classes, families, requested
 * addresses in every spelling, and the pools that a Service may use.
 */
#include "daemon/ipam_wanted.h"

#include "daemon/service.h"
#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;
static struct arena arena;

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
put_service(const char *meta, const char *spec)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: team%s}\n"
	    "spec: {ports: [{port: 80}]%s}\n",
	    meta, spec);
	fixture_add(&f, yaml);
}

/* "pools|requested|families", or "-" when it is not ours. */
static const char *
claim_text(void)
{
	static char text[512];
	struct ipam_claim claim;
	size_t bad, len = 0;

	if (!ipam_wanted_claim(
		f.store, store_service(f.store, "team", "web"), &arena, &claim, &bad))
		return "-";
	ck_assert_str_eq(claim.owner, "team/web");
	ck_assert(!claim.any_pool);
	text[0] = '\0';
	for (size_t i = 0; i < claim.nr_pools; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", claim.pools[i]);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "|");
	for (size_t i = 0; i < claim.nr_requested; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s ", addr_str(&claim.requested[i]));
	len += (size_t)snprintf(text + len, sizeof(text) - len, "|");
	for (size_t i = 0; i < claim.nr_families; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%d ", claim.families[i] == ADDR_V6 ? 6 : 4);
	return text;
}

START_TEST(classes)
{
	static const struct {
		const char *spec;
		bool ours;
	} cases[] = {
		{ ", type: LoadBalancer", true },
		{ ", type: ClusterIP", false },
		{ ", type: NodePort", false },
		{ ", type: LoadBalancer, loadBalancerClass: io.cilium/bgp-control-plane", true },
		{ ", type: LoadBalancer, loadBalancerClass: io.cilium/l2-announcer", true },
		{ ", type: LoadBalancer, loadBalancerClass: heraldlb.io/herald", true },
		{ ", type: LoadBalancer, loadBalancerClass: example.com/mine", false },
	};

	put_service("", cases[_i].spec);
	ck_assert_int_eq(strcmp(claim_text(), "-") != 0, cases[_i].ours);
}
END_TEST

START_TEST(the_configured_class_is_ours_too)
{
	put_service("", ", type: LoadBalancer, loadBalancerClass: example.com/mine");
	fixture_add(&f,
	    "apiVersion: heraldlb.io/v1\nkind: HeraldConfig\nmetadata: {name: default}\n"
	    "spec: {sources: {kubernetes: {inCluster: true, "
	    "loadBalancerClass: example.com/mine}}}\n");
	ck_assert_str_ne(claim_text(), "-");
}
END_TEST

/* features.md 1.7, with both families enabled. */
START_TEST(families)
{
	static const struct {
		const char *spec, *want;
	} cases[] = {
		{ "", "||4 " },
		{ ", ipFamilies: [IPv6]", "||6 " },
		{ ", ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]", "||6 " },
		{ ", clusterIP: 'fd00::1', clusterIPs: ['fd00::1']", "||6 " },
		{ ", ipFamilyPolicy: PreferDualStack", "||4 6 " },
		{ ", ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6]", "||6 " },
		{ ", ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]", "||4 6 " },
		{ ", ipFamilyPolicy: RequireDualStack", "||4 6 " },
		{ ", ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]", "||4 6 " },
	};
	char spec[256];

	snprintf(spec, sizeof(spec), ", type: LoadBalancer%s", cases[_i].spec);
	put_service("", spec);
	ck_assert_str_eq(claim_text(), cases[_i].want);
}
END_TEST

START_TEST(requested_addresses_in_every_spelling)
{
	static const char *const keys[] = { "heraldlb.io/ips", "lbipam.cilium.io/ips",
		"io.cilium/lb-ipam-ips", "metallb.io/loadBalancerIPs",
		"metallb.universe.tf/loadBalancerIPs" };
	char meta[256];

	snprintf(
	    meta, sizeof(meta), ", annotations: {%s: '10.0.0.7, 10.0.0.8,10.0.0.7'}", keys[_i]);
	put_service(meta, ", type: LoadBalancer, loadBalancerIP: 10.0.0.9");
	ck_assert_str_eq(claim_text(), "|10.0.0.7 10.0.0.8 10.0.0.9 |4 ");
}
END_TEST

START_TEST(unreadable_requests_are_skipped_and_counted)
{
	struct addr *list;
	size_t bad;

	put_service(", annotations: {heraldlb.io/ips: '10.0.0.300, 10.0.0.8,"
		    " 1234567890123456789012345678901234567890123456789012345678901234567890'}",
	    ", type: LoadBalancer");
	ck_assert_uint_eq(service_requested(store_service(f.store, "team", "web"), &list, &bad), 1);
	ck_assert_str_eq(addr_str(&list[0]), "10.0.0.8");
	ck_assert_uint_eq(bad, 2);
	free(list);
}
END_TEST

#define POOLS                                                                                      \
	"apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: all}\n"            \
	"spec: {blocks: [{cidr: 10.0.0.0/24}]}\n---\n"                                             \
	"apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: blue}\n"           \
	"spec: {blocks: [{cidr: 10.0.1.0/24}], serviceSelector: {matchLabels: {color: blue}}}\n"   \
	"---\napiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: team}\n"      \
	"spec: {blocks: [{start: 10.0.2.1, stop: 10.0.2.9}], serviceSelector: {matchLabels:\n"     \
	"  {io.kubernetes.service.namespace: team}}}\n"

START_TEST(pools_by_selector_and_by_name)
{
	static const struct {
		const char *meta, *want;
	} cases[] = {
		{ "", "all team ||4 " },
		{ ", labels: {color: blue}", "all blue team ||4 " },
		/* a tenant cannot pretend to be in another namespace */
		{ ", labels: {io.kubernetes.service.namespace: other}", "all team ||4 " },
		{ ", annotations: {heraldlb.io/ip-pool: team}", "team ||4 " },
		{ ", annotations: {metallb.io/address-pool: all}", "all ||4 " },
		{ ", annotations: {metallb.io/address-pool: blue}", "||4 " },
	};

	fixture_add(&f, POOLS);
	put_service(cases[_i].meta, ", type: LoadBalancer");
	ck_assert_str_eq(claim_text(), cases[_i].want);
}
END_TEST

START_TEST(pools_as_the_documents_say)
{
	struct ipam_pool *pools;

	fixture_add(&f, POOLS);
	fixture_add_file(&f, "etc/examples/reference/pool.yaml");
	ck_assert_uint_eq(ipam_wanted_pools(f.store, &arena, &pools), 4);
	ck_assert_str_eq(pools[0].name, "all");
	ck_assert(pools[0].allow_first_last);
	ck_assert_str_eq(pools[2].name, "cilium-pool");
	ck_assert(!pools[2].allow_first_last);
	ck_assert(pools[2].blocks[0].is_cidr);
	ck_assert_str_eq(addr_str(&pools[2].blocks[0].range.last), "172.16.1.255");
	ck_assert(!pools[3].blocks[0].is_cidr);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("ipam_wanted");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, classes, 0, 7);
	tcase_add_test(t, the_configured_class_is_ours_too);
	tcase_add_loop_test(t, families, 0, 9);
	tcase_add_loop_test(t, requested_addresses_in_every_spelling, 0, 5);
	tcase_add_test(t, unreadable_requests_are_skipped_and_counted);
	tcase_add_loop_test(t, pools_by_selector_and_by_name, 0, 6);
	tcase_add_test(t, pools_as_the_documents_say);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/ipam_wanted", add_tests)
