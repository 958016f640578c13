/*
 * tests/unit/resource/test_convert.c: documents of others as native text: what is printed means
 * what the documents mean, and what has no equivalent is told at its place.
 */
#include "lib/buf.h"
#include "lib/mem.h"
#include "resource/translate.h"
#include "tests/unit/resource/res.h"
#include "tests/unit/unit.h"

#include <errno.h>

/* What is printed for @text, and what is told, a line each. */
struct converted {
	char *out, *faults;
};

static struct converted
convert(const char *text)
{
	struct convert *c = convert_new();
	struct converted r;
	struct buf b;

	ck_assert_int_eq(convert_add(c, "t.yaml", text, strlen(text)), 0);
	buf_init(&b, 1 << 20);
	ck_assert_int_eq(convert_print(c, &b), 0);
	r.faults = res_fault_lines(convert_faults(c));
	r.out = strdup(b.len ? buf_text(&b) : "");
	buf_fini(&b);
	convert_free(c);
	return r;
}

static void
converted_fini(struct converted *r)
{
	free(r->out);
	free(r->faults);
}

/* ---- MetalLB ---- */

#define METALLB                                                                                    \
	"apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n"                                    \
	"metadata: {name: a, namespace: m, labels: {tier: gold}}\n"                                \
	"spec: {addresses: [10.0.0.0/24, 'fd00::1-fd00::9'], autoAssign: false,\n"                 \
	"  serviceAllocation: {priority: 3, namespaceSelectors: [{matchLabels: {a: b}}]}}\n"       \
	"---\napiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: t, namespace: m}\n"  \
	"spec: {myASN: 64500, peerASN: 64501, peerAddress: 10.0.0.1, holdTime: 9s, password: 'x: " \
	"y#', nodeSelectors: [{matchLabels: {rack: '1'}}], bfdProfile: f}\n"                       \
	"---\napiVersion: metallb.io/v1beta1\nkind: BFDProfile\n"                                  \
	"metadata: {name: f, namespace: m}\nspec: {}\n"                                            \
	"---\napiVersion: metallb.io/v1beta1\nkind: Community\n"                                   \
	"metadata: {name: c, namespace: m}\nspec: {communities: [{name: v, value: '1:1'}]}\n"      \
	"---\napiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\n"                            \
	"metadata: {name: b, namespace: m}\n"                                                      \
	"spec: {communities: [v, 'large:1:2:3'], ipAddressPoolSelectors: [{matchLabels: {tier: "   \
	"gold}}], peers: [t], aggregationLength: 28}\n"                                            \
	"---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n"                             \
	"metadata: {name: l, namespace: m}\nspec: {interfaces: [eth0.1], ipAddressPools: [a]}\n"

/* The objects that the daemon makes of MetalLB's documents and those that it reads of what is
 * printed are the same. */
START_TEST(printed_it_means_the_same)
{
	struct converted r = convert(METALLB);
	struct res_result from = res_load(METALLB), to;
	struct res_faults notices = { 0 };
	struct translation docs = { 0 };
	struct res_set set = { 0 };

	ck_assert_str_eq(r.faults, "");
	ck_assert_int_eq(
	    translate((const struct res_object *const *)from.set.v, from.set.nr, &docs, &notices),
	    0);
	ck_assert_int_eq(translation_decode(&docs, &set, &notices), 0);
	to = res_load(r.out);
	ck_assert_msg(to.err == 0, "%s", to.faults);
	ck_assert_uint_eq(to.set.nr, set.nr);
	ck_assert_uint_eq(set.nr, 7);
	for (size_t i = 0; i < set.nr; i++)
		ck_assert_msg(res_equal(set.v[i], to.set.v[i]), "%s", set.v[i]->meta.name);
	translation_fini(&docs);
	res_set_fini(&set);
	res_faults_fini(&notices);
	res_result_fini(&from);
	res_result_fini(&to);
	converted_fini(&r);
}
END_TEST

START_TEST(it_says_where_each_came_from)
{
	struct converted r = convert(METALLB);

	ck_assert_ptr_nonnull(strstr(r.out, "---\n# t.yaml:1:1: IPAddressPool m/a\n"));
	ck_assert_ptr_nonnull(strstr(r.out, "---\n# t.yaml:7:1: BGPPeer m/t\n"));
	converted_fini(&r);
}
END_TEST

START_TEST(what_has_no_equivalent_is_told_at_its_place)
{
	struct converted r =
	    convert("apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: t}\nspec:\n"
		    "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  vrf: red\n---\n"
		    "apiVersion: metallb.io/v1beta1\nkind: List\nitems:\n"
		    "- apiVersion: metallb.io/v1beta1\n  kind: BGPAdvertisement\n"
		    "  metadata: {name: a}\n  spec:\n    communities:\n    - '1:1'\n    - vpn\n");

	ck_assert_str_eq(r.faults,
	    "t.yaml:8:8: BGPPeer/t: spec.vrf: red: left out: sessions run in the default VRF only\n"
	    "t.yaml:19:7: BGPAdvertisement/a: spec.communities[1]: vpn: left out: must be N:N, "
	    "large:N:N:N, or a name that a Community gives\n");
	converted_fini(&r);
}
END_TEST

START_TEST(faults_do_not_stop_the_others)
{
	struct converted r = convert(
	    "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec: "
	    "{addresses: [x]}\n---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n"
	    "metadata: {name: b}\nspec: {addresses: [10.0.0.0/24]}\n---\n"
	    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: none-of-our-business}\n");

	ck_assert_str_eq(r.faults,
	    "t.yaml:4:20: IPAddressPool/a: spec.addresses[0]: x: must be a prefix or a range "
	    "FIRST-LAST of addresses of one family\n");
	ck_assert_ptr_nonnull(strstr(r.out, "name: b\n"));
	ck_assert_ptr_null(strstr(r.out, "Deployment"));
	converted_fini(&r);
}
END_TEST

/* ---- the old ConfigMap ---- */

#define CONFIGMAP                                                                                  \
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: metallb-system\n"                \
	"  name: config\ndata:\n  config: |\n"

START_TEST(configmap)
{
	struct converted r = convert(CONFIGMAP
	    "    peers:\n    - my-asn: 64500\n      peer-asn: 64501\n"
	    "      peer-address: 10.0.0.1\n      hold-time: 30s\n      ebgp-multihop: true\n"
	    "      node-selectors:\n      - match-labels: {my-label: a-b}\n"
	    "        match-expressions: [{key: k, operator: In, values: [v]}]\n"
	    "    bgp-communities: {vpn-only: '1:2'}\n"
	    "    address-pools:\n    - name: one\n      protocol: bgp\n"
	    "      addresses: [10.1.0.0/24]\n      avoid-buggy-ips: true\n"
	    "      bgp-advertisements:\n      - aggregation-length: 26\n        localpref: 7\n"
	    "        communities: [vpn-only]\n"
	    "    - name: two\n      protocol: layer2\n      auto-assign: false\n"
	    "      addresses: [10.2.0.1-10.2.0.9]\n"
	    "    bfd-profiles:\n    - name: f\n      minimum-ttl: 10\n");
	static const char *const wants[] = { "# t.yaml:9:7: BGPPeer metallb-system/peer-1\n",
		"peerASN: 64501", "holdTimeSeconds: 30", "ebgpMultihop: 255", "my-label: a-b",
		"- key: k\n", "name: one\n", "avoidBuggyIPs: true", "aggregationLengthIPv4: 26",
		"localPreference: 7", "- \"1:2\"\n", "name: two\n", "autoAssign: false",
		"kind: L2AnnouncementPolicy", "minimumTtl: 10" };
	struct res_result to;

	ck_assert_str_eq(r.faults, "");
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		ck_assert_msg(strstr(r.out, wants[i]) != NULL, "%s in\n%s", wants[i], r.out);
	to = res_load(r.out);
	ck_assert_msg(to.err == 0, "%s", to.faults);
	res_result_fini(&to);
	converted_fini(&r);
}
END_TEST

START_TEST(configmap_faults_have_the_places_of_the_file)
{
	struct converted r = convert(CONFIGMAP
	    "    peers:\n    - my-asn: 64500\n      peer-asn: many\n      peer-address: 10.0.0.1\n"
	    "    colour: red\n    address-pools:\n    - name: one\n      protocol: bgp\n"
	    "      addresses: [10.1.0.0/24]\n      sized: 3\n");

	ck_assert_str_eq(r.faults,
	    "t.yaml:10:17: BGPPeer/peer-1: spec.peerASN: many: must be a number from 0 to "
	    "4294967295\n"
	    "t.yaml:12:5: ConfigMap/config: colour: unknown field; there are peers, "
	    "bgp-communities, address-pools, bfd-profiles\n"
	    "t.yaml:17:7: IPAddressPool/one: spec.sized: unknown field; there are addresses, "
	    "autoAssign, avoidBuggyIPs, serviceAllocation\n");
	converted_fini(&r);
	r = convert(CONFIGMAP "    peers: [\n");
	ck_assert_ptr_nonnull(strstr(r.faults, "t.yaml:"));
	converted_fini(&r);
}
END_TEST

/* ---- Cilium ---- */

START_TEST(cilium)
{
	struct converted r = convert(
	    "apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeerConfig\nmetadata:\n  name: tor\n"
	    "  uid: x-y\n  creationTimestamp: '2026-01-01T00:00:00Z'\n  annotations:\n"
	    "    kubectl.kubernetes.io/last-applied-configuration: '{}'\nspec:\n"
	    "  transport: {peerPort: 1790, localPort: 179}\n  timers: {holdTimeSeconds: 9, "
	    "keepAliveTimeSeconds: 3}\n  families: [{afi: ipv4, safi: unicast}]\nstatus: {}\n");
	struct res_result to;

	ck_assert_str_eq(r.faults, "");
	ck_assert_str_eq(r.out,
	    "---\n# t.yaml:1:1: CiliumBGPPeerConfig tor\napiVersion: heraldlb.io/v1\n"
	    "kind: BGPPeerConfig\nmetadata:\n  name: tor\nspec:\n  transport:\n"
	    "    peerPort: 1790\n  timers:\n    holdTimeSeconds: 9\n"
	    "    keepAliveTimeSeconds: 3\n  families:\n  - afi: ipv4\n    safi: unicast\n");
	to = res_load(r.out);
	ck_assert_int_eq(to.err, 0);
	res_result_fini(&to);
	converted_fini(&r);
}
END_TEST

/* The files of the reference scenario: the same objects but for the group. */
START_TEST(cilium_documents_mean_the_same)
{
	static const char *const files[] = { "bgp.yaml", "bgp-service.yaml", "pool.yaml" };
	char path[128];

	for (size_t i = 0; i < 3; i++) {
		struct res_result from, to;
		struct converted r;
		char *text;

		snprintf(path, sizeof(path), "etc/examples/reference/%s", files[i]);
		text = res_slurp(path);
		r = convert(text);
		ck_assert_str_eq(r.faults, "");
		from = res_load(text);
		to = res_load(r.out);
		ck_assert_msg(to.err == 0, "%s", to.faults);
		ck_assert_ptr_null(strstr(r.out, "\nkind: Cilium"));
		ck_assert_uint_eq(from.set.nr, to.set.nr);
		for (size_t k = 0; k < from.set.nr; k++)
			ck_assert_msg(res_equal(from.set.v[k], to.set.v[k]), "%s: %s", path,
			    from.set.v[k]->meta.name);
		res_result_fini(&from);
		res_result_fini(&to);
		converted_fini(&r);
		free(text);
	}
}
END_TEST

START_TEST(cilium_without_equivalent)
{
	struct converted r = convert("apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPNodeConfig\n"
				     "metadata: {name: p}\nspec: {}\n");

	ck_assert_str_eq(r.out, "");
	ck_assert_str_eq(r.faults,
	    "t.yaml:2:7: CiliumBGPNodeConfig/p: kind: CiliumBGPNodeConfig: written by Cilium's "
	    "operator, and made here from CiliumBGPClusterConfig; must be left out\n");
	converted_fini(&r);
}
END_TEST

#define POLICY                                                                                     \
	"apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: rack0}\n"  \
	"spec:\n  nodeSelector: {matchLabels: {rack: rack0}}\n  virtualRouters:\n"                 \
	"  - localASN: 64512\n    exportPodCIDR: true\n    serviceSelector: {matchLabels: {a: "    \
	"b}}\n"                                                                                    \
	"    neighbors:\n"

/* One neighbour with all there is, and one with nothing but what must be. */
START_TEST(ciliums_first_version)
{
	struct converted r = convert(POLICY
	    "    - {peerAddress: 10.0.0.1/32, peerASN: 64513, peerPort: 1179, eBGPMultihopTTL: 4,\n"
	    "       holdTimeSeconds: 9, keepAliveTimeSeconds: 3, connectRetryTimeSeconds: 12,\n"
	    "       authSecretRef: key, gracefulRestart: {enabled: true, restartTimeSeconds: 15},\n"
	    "       families: [{afi: ipv4, safi: unicast}], advertisedPathAttributes: [\n"
	    "         {selectorType: CiliumLoadBalancerIPPool, selector: {matchLabels: {c: d}},\n"
	    "          communities: {standard: ['64512:1']}, localPreference: 150},\n"
	    "         {selectorType: PodCIDR, localPreference: 99}]}\n"
	    "    - {peerAddress: 'fd00::9/128', peerASN: 64514}\n");
	static const char *const wants[] = { "kind: BGPClusterConfig\nmetadata:\n  name: rack0\n",
		"rack: rack0", "- name: as64512\n    localASN: 64512\n",
		"peerAddress: \"10.0.0.1\"\n      peerASN: 64513",
		"peerAddress: fd00::9\n      peerASN: 64514",
		"peerConfigRef:\n        name: rack0-2\n", "peerPort: 1179", "ebgpMultihop: 4",
		"holdTimeSeconds: 9", "keepAliveTimeSeconds: 3", "connectRetryTimeSeconds: 12",
		"authSecretRef: key", "restartTimeSeconds: 15", "heraldlb.io/from: rack0-1\n",
		("  - advertisementType: PodCIDR\n  - advertisementType: Service\n    service:\n"
		 "      addresses:\n      - LoadBalancerIP\n    selector:\n      matchLabels:\n"
		 "        a: b\n"),
		("ipPoolSelectors:\n      - matchLabels:\n          c: d\n    selector:\n"
		 "      matchLabels:\n        a: b\n    attributes:\n      communities:\n"
		 "        standard:\n        - \"64512:1\"\n      localPreference: 150\n"),
		"  - advertisementType: PodCIDR\n    attributes:\n      localPreference: 99\n",
		("  - afi: ipv6\n    safi: unicast\n    advertisements:\n      matchLabels:\n"
		 "        heraldlb.io/from: rack0-2\n") };
	struct res_result to;

	ck_assert_str_eq(r.faults, "");
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
		ck_assert_msg(strstr(r.out, wants[i]) != NULL, "%s in\n%s", wants[i], r.out);
	to = res_load(r.out);
	ck_assert_msg(to.err == 0, "%s", to.faults);
	ck_assert_uint_eq(to.set.nr, 5);
	res_result_fini(&to);
	converted_fini(&r);
}
END_TEST

START_TEST(ciliums_first_version_without_equivalent)
{
	static const struct {
		const char *text, *faults;
	} rows[] = {
		{ POLICY "    - {peerASN: 1}\n",
		    "t.yaml:11:7: CiliumBGPPeeringPolicy/rack0: peerAddress: missing\n" },
		{ POLICY "    - {peerAddress: 10.0.0.1/32, peerASN: 1, colour: red}\n",
		    "t.yaml:11:46: CiliumBGPPeeringPolicy/rack0: colour: there is no equivalent "
		    "for "
		    "this field\n" },
		{ POLICY
		    "    - {peerAddress: 10.0.0.1/32, peerASN: 1, advertisedPathAttributes: [\n"
		    "       {selectorType: CiliumPodIPPool, selector: {matchLabels: {a: b}}}]}\n",
		    "t.yaml:12:8: CiliumBGPPeeringPolicy/rack0: CiliumPodIPPool: attributes of "
		    "these "
		    "have no equivalent; must be written by hand\n" },
		{ "apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: "
		  "a}\n",
		    "t.yaml:1:1: CiliumBGPPeeringPolicy/a: spec: missing\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct converted r = convert(rows[i].text);

		ck_assert_str_eq(r.faults, rows[i].faults);
		converted_fini(&r);
	}
}
END_TEST

START_TEST(what_a_policy_has_wrong_is_told_by_the_decoder)
{
	struct converted r =
	    convert(POLICY "    - {peerAddress: nowhere, peerASN: many}\n    - 7\n    - {}\n");

	ck_assert_ptr_nonnull(strstr(r.faults, "peerAddress: nowhere"));
	ck_assert_ptr_nonnull(strstr(r.faults, "peerASN: many"));
	ck_assert_ptr_null(strstr(r.out, "kind: BGPClusterConfig"));
	converted_fini(&r);
}
END_TEST

START_TEST(what_is_taken_and_does_nothing_is_told)
{
	struct converted r = convert(
	    "apiVersion: metallb.io/v1beta1\nkind: BFDProfile\nmetadata: {name: f, namespace: m}\n"
	    "spec:\n  echoMode: true\n---\n"
	    "apiVersion: cilium.io/v2\nkind: CiliumBGPAdvertisement\nmetadata: {name: a}\nspec:\n"
	    "  advertisements:\n  - advertisementType: Interface\n    interface: {name: lo}\n");

	ck_assert_str_eq(r.faults,
	    "t.yaml:12:24: CiliumBGPAdvertisement/a: "
	    "spec.advertisements[0].advertisementType: Interface has no effect: addresses of "
	    "interfaces are not advertised\n"
	    "t.yaml:5:13: BFDProfile/f: spec.echoMode: has no effect: echo packets are not sent, "
	    "the "
	    "peer is watched by control packets alone\n");
	converted_fini(&r);
}
END_TEST

/* ---- hostile input ---- */

/* Every cut of a text ends in faults or in documents, and in nothing else. */
START_TEST(cut_short)
{
	static const char text[] = METALLB
	    "---\n" CONFIGMAP "    peers:\n    - my-asn: 1\n      peer-asn: 2\n---\n" POLICY
	    "    - {peerAddress: 10.0.0.1/32, peerASN: 1, advertisedPathAttributes: [{}]}\n";

	for (size_t len = 0; len < sizeof(text); len += 3) {
		struct convert *c = convert_new();
		char *cut = mem_strndup(text, len);
		struct buf b;

		ck_assert_int_eq(convert_add(c, "t.yaml", cut, len), 0);
		buf_init(&b, 1 << 20);
		ck_assert_int_eq(convert_print(c, &b), 0);
		buf_fini(&b);
		convert_free(c);
		mem_free(cut);
	}
}
END_TEST

START_TEST(odd_configmaps)
{
	static const char *const texts[] = { "    []\n", "    3\n", "    peers: 3\n",
		"    peers: [3, [], null, {}]\n",
		"    address-pools: [{}, {name: [], protocol: {}}]\n", "    bgp-communities: [x]\n",
		"    bgp-communities: {a: [b], c: null}\n", "    ? [a]\n    : b\n",
		"    peers: [{~: 1, null: 2, : 3}]\n", "    peers: [&a {my-asn: 1}, *a, *a]\n",
		"    bfd-profiles: [{name: x, name: y}]\n" };
	char text[512];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct converted r;

		snprintf(text, sizeof(text), CONFIGMAP "%s", texts[i]);
		r = convert(text);
		converted_fini(&r);
	}
}
END_TEST

START_TEST(no_memory)
{
	static const char text[] =
	    METALLB "---\n" CONFIGMAP "    peers:\n    - my-asn: 1\n      peer-asn: 2\n"
		    "      peer-address: 10.0.0.9\n---\n" POLICY
		    "    - {peerAddress: 10.0.0.1/32, peerASN: 1}\n";
	unsigned n;

	for (n = 1; n < 5000; n++) {
		struct convert *c;
		struct buf b;
		int err = -ENOMEM;

		mem_fail_at(n);
		c = convert_new();
		buf_init(&b, 1 << 20);
		if (c)
			err = convert_add(c, "t.yaml", text, sizeof(text) - 1);
		if (!err)
			err = convert_print(c, &b);
		mem_fail_at(0);
		buf_fini(&b);
		convert_free(c);
		if (!err)
			break;
		ck_assert_int_eq(err, -ENOMEM);
	}
	ck_assert_uint_lt(n, 5000);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("convert");

	tcase_add_test(t, printed_it_means_the_same);
	tcase_add_test(t, it_says_where_each_came_from);
	tcase_add_test(t, what_has_no_equivalent_is_told_at_its_place);
	tcase_add_test(t, faults_do_not_stop_the_others);
	tcase_add_test(t, configmap);
	tcase_add_test(t, configmap_faults_have_the_places_of_the_file);
	tcase_add_test(t, cilium);
	tcase_add_test(t, cilium_documents_mean_the_same);
	tcase_add_test(t, cilium_without_equivalent);
	tcase_add_test(t, ciliums_first_version);
	tcase_add_test(t, ciliums_first_version_without_equivalent);
	tcase_add_test(t, what_a_policy_has_wrong_is_told_by_the_decoder);
	tcase_add_test(t, what_is_taken_and_does_nothing_is_told);
	tcase_add_test(t, cut_short);
	tcase_add_test(t, odd_configmaps);
	tcase_add_test(t, no_memory);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
}
UNIT_MAIN("convert", add_tests)
