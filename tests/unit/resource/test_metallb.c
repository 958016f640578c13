/*
 * tests/unit/resource/test_metallb.c: MetalLB's documents: decoded with their faults, translated,
 * and as a source of the store.
 */
#include "lib/loop.h"
#include "lib/mem.h"
#include "resource/metallb_kinds.h"
#include "resource/translate.h"
#include "tests/unit/resource/res.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define DOC(api, kind, name)                                                                       \
	"---\napiVersion: metallb.io/" api "\nkind: " kind "\nmetadata: {name: " name              \
	", namespace: metallb-system}\nspec:\n"
#define POOL(name) DOC("v1beta1", "IPAddressPool", name)
#define PEER(name) DOC("v1beta2", "BGPPeer", name)
#define OLD_PEER(name) DOC("v1beta1", "BGPPeer", name)
#define ADVERT(name) DOC("v1beta1", "BGPAdvertisement", name)
#define L2(name) DOC("v1beta1", "L2Advertisement", name)
#define COMMUNITY(name) DOC("v1beta1", "Community", name)
#define BFD(name) DOC("v1beta1", "BFDProfile", name)

/* ---- decoding ---- */

static const struct {
	const char *text, *faults;
} faults[] = {
	{ POOL("a") "  addresses: [10.0.0.0/33]\n",
	    "6:15: IPAddressPool/a: spec.addresses[0]: 10.0.0.0/33: must be a prefix or a range "
	    "FIRST-LAST of addresses of one family" },
	{ POOL("a") "  addresses: [10.0.0.9-10.0.0.1]\n",
	    "6:15: IPAddressPool/a: spec.addresses[0]: 10.0.0.9-10.0.0.1: must be a prefix or a "
	    "range FIRST-LAST of addresses of one family" },
	{ POOL("a") "  addresses: ['10.0.0.1-::1']\n",
	    "6:15: IPAddressPool/a: spec.addresses[0]: 10.0.0.1-::1: must be a prefix or a range "
	    "FIRST-LAST of addresses of one family" },
	{ POOL("a") "  addresses: []\n",
	    "6:14: IPAddressPool/a: spec.addresses: must not be empty" },
	{ POOL("a") "  addresses: [10.0.0.0/24]\n  autoassign: false\n",
	    "7:3: IPAddressPool/a: spec.autoassign: unknown field; did you mean 'autoAssign'?" },
	{ POOL("a") "  addresses: [10.0.0.0/24]\n  serviceAllocation: {priority: low}\n",
	    "7:33: IPAddressPool/a: spec.serviceAllocation.priority: low: must be a number from 0 "
	    "to "
	    "2147483647" },
	{ PEER("p") "  myASN: 1\n  peerAddress: 10.0.0.1\n",
	    "6:3: BGPPeer/p: spec: missing: must have peerASN or dynamicASN" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n",
	    "6:3: BGPPeer/p: spec: missing: must have peerAddress or interface" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  interface: eth0\n",
	    "9:14: BGPPeer/p: spec.interface: must be absent: peerAddress is given" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  dynamicASN: external\n  peerAddress: 10.0.0.1\n",
	    "8:15: BGPPeer/p: spec.dynamicASN: must be absent: peerASN is given" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 224.0.0.1\n",
	    "8:16: BGPPeer/p: spec.peerAddress: 224.0.0.1: must be an address of one host" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  holdTime: 2s\n",
	    "9:13: BGPPeer/p: spec.holdTime: 2s: must be a duration such as 90s: 0s, or 3s to "
	    "65535s" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  holdTime: 9s\n"
		    "  keepaliveTime: 10s\n",
	    "10:18: BGPPeer/p: spec.keepaliveTime: 10s: must be at most holdTime, which is 9s" },
	{ PEER("p") "  myASN: 7\n  peerASN: 7\n  peerAddress: 10.0.0.1\n  ebgpMultiHop: true\n",
	    "9:17: BGPPeer/p: spec.ebgpMultiHop: must be absent: the peer is of the same AS" },
	{ PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  password: a\n"
		    "  passwordSecret: {name: s}\n",
	    "10:19: BGPPeer/p: spec.passwordSecret: must be absent: password is given" },
	{ OLD_PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n  vrf: red\n",
	    "9:3: BGPPeer/p: spec.vrf: unknown field in BGPPeer: only metallb.io/v1beta2 has it" },
	{ ADVERT("a") "  aggregationLength: 33\n",
	    "6:22: BGPAdvertisement/a: spec.aggregationLength: 33: must be 1 to 32" },
	{ L2("a") "  preferredNodeSelectors: [{weight: 0, preference: {}}]\n",
	    "6:37: L2Advertisement/a: spec.preferredNodeSelectors[0].weight: 0: must be 1 to 100" },
	{ COMMUNITY("a") "  communities: [{name: x, value: '1:1'}, {name: x, value: '1:2'}]\n",
	    "6:49: Community/a: spec.communities[1].name: x: item 0 has this name already; names "
	    "must differ" },
	{ BFD("a") "  receiveInterval: 5\n",
	    "6:20: BFDProfile/a: spec.receiveInterval: 5: must be 10 to 60000" },
	{ DOC("v1beta1", "AddressPool",
	      "a") "  protocol: layer2\n  addresses: [10.0.0.0/24]\n  bgpAdvertisements: [{}]\n",
	    "8:22: AddressPool/a: spec.bgpAdvertisements: must be absent unless protocol is bgp" },
	{ DOC("v1beta3", "BGPPeer", "p") "  myASN: 1\n",
	    "2:13: BGPPeer/p: apiVersion: metallb.io/v1beta3: BGPPeer must be of "
	    "metallb.io/v1beta2" },
};

START_TEST(fault)
{
	char want[1024];

	snprintf(want, sizeof(want), "t.yaml:%s\n", faults[_i].faults);
	res_refuses(faults[_i].text, want);
}
END_TEST

/* A password stands in no message, and is not shown. */
START_TEST(the_password_stays_hidden)
{
	struct res_result r =
	    res_load(PEER("p") "  myASN: 1\n  peerASN: 2\n"
			       "  peerAddress: 10.0.0.1\n  password: [hunter2]\n");
	struct res_object *o;
	char *text;

	ck_assert_ptr_null(strstr(r.faults, "hunter2"));
	res_result_fini(&r);
	o = res_one(PEER("p") "  myASN: 1\n  peerASN: 2\n  peerAddress: 10.0.0.1\n"
			      "  password: hunter2\n");
	text = res_show_yaml(o);
	ck_assert_ptr_null(strstr(text, "hunter2"));
	ck_assert_ptr_nonnull(strstr(text, "(hidden)"));
	free(text);
	res_unref(o);
}
END_TEST

/* From an API server what is unknown is told, and the rest is taken. */
START_TEST(unknown_fields_of_an_api_server_are_told)
{
	static const char text[] =
	    "{\"metadata\": {\"name\": \"a\", \"namespace\": \"m\"}, \"spec\": {\"addresses\": "
	    "[\"10.0.0.0/24\"], \"fromTheFuture\": 1}}";
	struct res_faults notices = { 0 };
	struct res_json_head head;
	struct res_set set = { 0 };

	ck_assert_int_eq(res_decode_json("metallb.io/v1beta1", "IPAddressPool", text,
			     sizeof(text) - 1, &set, &notices, &head),
	    0);
	ck_assert_uint_eq(set.nr, 1);
	ck_assert_uint_eq(notices.nr, 1);
	ck_assert_str_eq(notices.v[0].field, "spec.fromTheFuture");
	res_set_fini(&set);
	res_faults_fini(&notices);
}
END_TEST

START_TEST(durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = { { "90s", 90000 }, { "1m30s", 90000 }, { "1h", 3600000 }, { "1.5s", 1500 },
		{ "500ms", 500 }, { "1m0.5s", 60500 }, { "0", 0 }, { "0s", 0 },
		{ "3000000us", 3000 }, { "", -1 }, { "90", -1 }, { "s", -1 }, { "-3s", -1 },
		{ "3 s", -1 }, { "1d", -1 }, { "99999999999999999999s", -1 }, { ".s", -1 },
		{ "3s3", -1 } };
	uint64_t ms;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = duration_parse(cases[i].text, &ms);

		ck_assert_msg((err == 0) == (cases[i].ms >= 0), "%s: %d", cases[i].text, err);
		if (!err)
			ck_assert_uint_eq(ms, (uint64_t)cases[i].ms);
	}
}
END_TEST

/* ---- translating ---- */

/* All of a translation as YAML, with its notices behind. */
static char *
translated(const char *text)
{
	struct res_result r = res_load(text);
	struct res_faults notices = { 0 };
	struct translation docs = { 0 };
	struct res_set set = { 0 };
	char *all = strdup(""), *one, *more;

	ck_assert_msg(r.err == 0, "%s", r.faults);
	ck_assert_int_eq(
	    translate((const struct res_object *const *)r.set.v, r.set.nr, &docs, &notices), 0);
	ck_assert_int_eq(translation_decode(&docs, &set, &notices), 0);
	for (size_t i = 0; i < set.nr; i++) {
		one = res_show_yaml(set.v[i]);
		ck_assert_int_gt(asprintf(&more, "%s---\n%s", all, one), 0);
		free(one);
		free(all);
		all = more;
	}
	one = res_fault_lines(&notices);
	ck_assert_int_gt(asprintf(&more, "%s%s", all, one), 0);
	free(one);
	free(all);
	translation_fini(&docs);
	res_set_fini(&set);
	res_faults_fini(&notices);
	res_result_fini(&r);
	return more;
}

#define MINIMAL_PEER(name, more)                                                                   \
	PEER(name) "  myASN: 64500\n  peerASN: 64501\n  peerAddress: 10.0.0.1\n" more

/* What must be found in a translation, and what must not ("!"). */
static const struct {
	const char *text, *wants[6];
} translations[] = {
	{ POOL("a") "  addresses: [10.0.0.0/24, 10.1.0.1 - 10.1.0.9]\n  autoAssign: false\n"
		    "  avoidBuggyIPs: true\n  serviceAllocation: {priority: 5, namespaces: [x]}\n",
	    { "kind: LoadBalancerIPPool\nmetadata:\n  name: a\n",
		"  - cidr: \"10.0.0.0/24\"\n"
		"  - start: \"10.1.0.1\"\n"
		"    stop: \"10.1.0.9\"\n",
		"autoAssign: false", "avoidBuggyIPs: true", "priority: 5", "    - x\n" } },
	/* An empty serviceAllocation is still one: the pool comes before those without. */
	{ POOL("a") "  addresses: [10.0.0.0/24]\n  serviceAllocation: {}\n",
	    { "serviceAllocation:", "allowFirstLastIPs: \"Yes\"" } },
	{ MINIMAL_PEER("t", ""),
	    { "name: metallb\n", "name: as64500\n    localASN: 64500\n", "peerASN: 64501",
		"name: metallb-t\n", "afi: ipv4", "!afi: ipv6" } },
	{ MINIMAL_PEER("t", "  dualStackAddressFamily: true\n"), { "afi: ipv4", "afi: ipv6" } },
	{ MINIMAL_PEER("t", "  holdTime: 30s\n"),
	    { "holdTimeSeconds: 30\n    keepAliveTimeSeconds: 10\n" } },
	{ MINIMAL_PEER("t", "  keepaliveTime: 5s\n"),
	    { "holdTimeSeconds: 15\n    keepAliveTimeSeconds: 5\n" } },
	{ MINIMAL_PEER("t", "  holdTime: 0s\n"), { "holdTimeSeconds: 0\n" } },
	{ MINIMAL_PEER("t", "  localASN: 65000\n"),
	    { "name: as65000\n    localASN: 65000\n", "!64500" } },
	{ MINIMAL_PEER("t", "  routerID: 1.2.3.4\n  peerPort: 1790\n  sourceAddress: 10.0.0.9\n"),
	    { "name: as64500-1.2.3.4\n", "routerID: \"1.2.3.4\"", "peerPort: 1790",
		"sourceAddress: \"10.0.0.9\"" } },
	{ MINIMAL_PEER("t", "  passwordSecret: {name: s}\n  connectTime: 7s\n"),
	    { "authSecretRef: s\n  authSecretNamespace: metallb-system\n",
		"connectRetryTimeSeconds: 7", "!kind: Secret" } },
	{ MINIMAL_PEER("t", "  password: geheim\n"),
	    { "authSecretRef: metallb-t-password", "kind: Secret", "(hidden)" } },
	{ MINIMAL_PEER("t", "  vrf: red\n"),
	    { "t.yaml:2:1: BGPPeer/t: spec.vrf: red: left out: sessions run in the default VRF "
	      "only\n",
		"!BGPClusterConfig" } },
	{ PEER("t") "  myASN: 64500\n  dynamicASN: internal\n  interface: eth0\n",
	    { "mode: Unnumbered", "interface: eth0", "dynamicASN: internal",
		"extendedNextHop: true", "afi: ipv6" } },
	/* Peers of one AS share an instance, whatever nodes they are for. */
	{ MINIMAL_PEER("t", "  nodeSelectors: [{matchLabels: {rack: a}}]\n") MINIMAL_PEER(
	      "u", "  nodeSelectors: [{matchLabels: {rack: b}}, {matchLabels: {rack: c}}]\n"),
	    { "rack: a", "rack: b", "      - matchLabels:\n          rack: c\n" } },
	{ ADVERT("a") "  {}\n",
	    { "name: metallb-a\n", "heraldlb.io/from: metallb", "selector: {}",
		"operator: DoesNotExist", "!ipPools", "!aggregateLocal: true" } },
	{ ADVERT("a") "  ipAddressPools: [p]\n  peers: [t]\n  aggregationLength: 24\n"
		      "  localPref: 7\n  nodeSelectors: [{matchLabels: {rack: a}}]\n",
	    { "      - p\n", "  peers:\n  - t\n", "aggregationLengthIPv4: 24",
		"aggregateLocal: true", "localPreference: 7", "rack: a" } },
	{ ADVERT("a") "  serviceSelectors: [{matchLabels: {a: b}}, {matchLabels: {c: d}}]\n",
	    { "        a: b", "        c: d", "!selector: {}" } },
	{ COMMUNITY("c") "  communities: [{name: vpn, value: '1:2'}, {name: l, value: "
			 "'large:1:2:3'}]\n" ADVERT("a") "  communities: [vpn, l, '3:4']\n",
	    { "- \"1:2\"\n        - \"3:4\"\n", "large:\n        - \"1:2:3\"\n" } },
	/* Better not told at all than told without its community. */
	{ ADVERT("a") "  communities: [vpn]\n",
	    { "t.yaml:2:1: BGPAdvertisement/a: spec.communities[0]: vpn: left out: must be N:N, "
	      "large:N:N:N, or a name that a Community gives\n",
		"!kind: BGPAdvertisement" } },
	{ COMMUNITY("c") "  communities: [{name: vpn, value: nonsense}]\n" ADVERT(
	      "a") "  communities: [vpn]\n",
	    { "vpn: left out: its value nonsense must be N:N or large:N:N:N\n",
		"!kind: BGPAdvertisement" } },
	{ L2("l") "  interfaces: [eth0.100]\n  ipAddressPools: [p]\n"
		  "  preferredNodeSelectors: [{weight: 5, preference: {matchLabels: {a: b}}}]\n",
	    { "kind: L2AnnouncementPolicy", "\"^eth0\\\\.100$\"", "loadBalancerIPs: true",
		"weight: 5", "  ipPools:\n  - p\n" } },
	{ BFD("f") "  receiveInterval: 50\n  passiveMode: true\n",
	    { "kind: BFDProfile\nmetadata:\n  name: f\n", "receiveInterval: 50",
		"passiveMode: true" } },
	{ DOC("v1beta1", "AddressPool", "o") "  protocol: bgp\n  addresses: [10.0.0.0/24]\n"
					     "  bgpAdvertisements: [{localPref: 5}, {}]\n",
	    { "kind: LoadBalancerIPPool", "name: metallb-o\n", "name: metallb-o-1\n",
		"localPreference: 5", "      - o\n" } },
	{ DOC("v1alpha1", "AddressPool", "o") "  protocol: layer2\n  addresses: [10.0.0.0/24]\n",
	    { "kind: L2AnnouncementPolicy", "  ipPools:\n  - o\n" } },
	/* Of one name in two namespaces the first counts. */
	{ POOL("a") "  addresses: [10.0.0.0/24]\n---\napiVersion: metallb.io/v1beta1\n"
		    "kind: IPAddressPool\nmetadata: {name: a, namespace: other}\n"
		    "spec: {addresses: [10.9.0.0/24]}\n",
	    { "10.0.0.0/24", "!10.9.0.0/24",
		"IPAddressPool/a: metadata.namespace: other: left out: there is one of this name "
		"in namespace metallb-system already\n" } },
};

START_TEST(translation)
{
	char *text = translated(translations[_i].text);

	for (size_t i = 0; i < 6 && translations[_i].wants[i]; i++) {
		const char *want = translations[_i].wants[i];
		bool must = *want != '!';

		ck_assert_msg(
		    (strstr(text, want + !must) != NULL) == must, "\"%s\" in\n%s", want, text);
	}
	free(text);
}
END_TEST

#define EVERYTHING                                                                                 \
	POOL("a")                                                                                  \
	"  addresses: [10.0.0.0/24]\n" MINIMAL_PEER("t", "  password: x\n")                        \
	    ADVERT("a") "  communities: [v]\n" COMMUNITY(                                          \
		"c") "  communities: [{name: v, value: '1:1'}]\n" L2("l") "  {}\n" BFD("f") "  "   \
											    "{}\n"

/* The order of the documents means nothing. */
START_TEST(the_order_does_not_matter)
{
	struct res_result r = res_load(EVERYTHING);
	char *first = NULL, *text;

	for (size_t turn = 0; turn < r.set.nr; turn++) {
		struct res_faults notices = { 0 };
		struct translation docs = { 0 };
		struct res_object *head = r.set.v[0];
		json_t *list = json_array();

		memmove(r.set.v, r.set.v + 1, (r.set.nr - 1) * sizeof(struct res_object *));
		r.set.v[r.set.nr - 1] = head;
		ck_assert_int_eq(
		    translate((const struct res_object *const *)r.set.v, r.set.nr, &docs, &notices),
		    0);
		for (size_t i = 0; i < docs.nr; i++)
			json_array_append(list, docs.v[i].doc);
		text = json_dumps(list, JSON_SORT_KEYS);
		if (!first)
			first = strdup(text);
		ck_assert_str_eq(text, first);
		free(text);
		json_decref(list);
		translation_fini(&docs);
		res_faults_fini(&notices);
	}
	free(first);
	res_result_fini(&r);
}
END_TEST

/* Each allocation fails once: an error, and nothing is left behind (the sanitizers look). */
START_TEST(no_memory)
{
	struct res_result r = res_load(EVERYTHING);

	for (unsigned n = 1;; n++) {
		struct res_faults notices = { 0 };
		struct translation docs = { 0 };
		struct res_set set = { 0 };
		int err;

		mem_fail_at(n);
		err =
		    translate((const struct res_object *const *)r.set.v, r.set.nr, &docs, &notices);
		if (!err)
			err = translation_decode(&docs, &set, &notices);
		mem_fail_at(0);
		translation_fini(&docs);
		res_set_fini(&set);
		res_faults_fini(&notices);
		if (!err)
			break;
		ck_assert_int_eq(err, -ENOMEM);
		ck_assert_uint_lt(n, 5000);
	}
	res_result_fini(&r);
}
END_TEST

/* ---- the source ---- */

static struct loop *loop;
static struct store *store;
static struct metallb *metallb;
static int files;

static void
setup(void)
{
	loop = loop_new_fake();
	store = store_new(loop);
	metallb = metallb_new(loop, store);
	files = store_source_add(store, "files");
	store_source_synced(store, files, true);
}

static void
teardown(void)
{
	metallb_free(metallb);
	store_free(store);
	loop_free(loop);
}

static void
put(const char *text)
{
	struct res_result r = res_load(text);

	ck_assert_msg(r.err == 0, "%s", r.faults);
	for (size_t i = 0; i < r.set.nr; i++)
		ck_assert_int_eq(store_put(store, files, r.set.v[i]), 0);
	res_result_fini(&r);
	store_flush(store);
}

START_TEST(the_store_has_what_they_mean)
{
	const struct res_lb_ip_pool *pool;

	put(EVERYTHING);
	ck_assert(store_is_synced(store));
	pool = (const struct res_lb_ip_pool *)store_get(store, RES_LB_IP_POOL, "", "a");
	ck_assert_ptr_nonnull(pool);
	ck_assert_str_eq(pool->obj.file, "t.yaml");
	ck_assert_uint_eq(pool->obj.line, 2);
	ck_assert_ptr_nonnull(store_peer_config(store, "metallb-t"));
	ck_assert_ptr_nonnull(store_secret(store, "metallb-system", "metallb-t-password"));
	ck_assert_uint_eq(metallb_notices(metallb)->nr, 0);

	/* one changes, another goes: what came of them follows, and nothing else */
	put(POOL("a") "  addresses: [10.0.7.0/24]\n");
	pool = (const struct res_lb_ip_pool *)store_get(store, RES_LB_IP_POOL, "", "a");
	ck_assert_str_eq(prefix_str(&pool->blocks.v[0].cidr), "10.0.7.0/24");
	store_delete(store, files, RES_METALLB_COMMUNITY, "metallb-system", "c");
	store_flush(store);
	ck_assert_ptr_null(store_get(store, RES_BGP_ADVERTISEMENT, "", "metallb-a"));
	ck_assert_uint_eq(metallb_notices(metallb)->nr, 1);
	store_delete(store, files, RES_METALLB_PEER, "metallb-system", "t");
	store_flush(store);
	ck_assert_uint_eq(store_nr(store, RES_BGP_CLUSTER_CONFIG), 0);
	ck_assert_uint_eq(store_nr(store, RES_BGP_PEER_CONFIG), 0);
	ck_assert_uint_eq(store_nr(store, RES_SECRET), 0);
}
END_TEST

/* Native documents of the same names hold before; it is how one changes over. */
START_TEST(native_documents_hold_before)
{
	struct res_object *native;

	put(EVERYTHING);
	put("apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: a}\n"
	    "spec: {blocks: [{cidr: 10.8.0.0/24}]}\n");
	native = store_get(store, RES_LB_IP_POOL, "", "a");
	ck_assert_str_eq(
	    prefix_str(&((struct res_lb_ip_pool *)native)->blocks.v[0].cidr), "10.8.0.0/24");
	store_delete(store, files, RES_METALLB_POOL, "metallb-system", "a");
	store_flush(store);
	ck_assert_ptr_eq(store_get(store, RES_LB_IP_POOL, "", "a"), native);
	store_delete(store, files, RES_LB_IP_POOL, "", "a");
	store_flush(store);
	ck_assert_ptr_null(store_get(store, RES_LB_IP_POOL, "", "a"));
}
END_TEST

/* Memory runs out in the middle: it is out of sync until it was said again. */
START_TEST(short_of_memory_it_says_so_and_tries_again)
{
	for (unsigned n = 1; n < 400; n++) {
		struct res_result r = res_load(EVERYTHING);

		setup();
		for (size_t i = 0; i < r.set.nr; i++)
			ck_assert_int_eq(store_put(store, files, r.set.v[i]), 0);
		mem_fail_at(n);
		store_flush(store);
		mem_fail_at(0);
		loop_advance(loop, 2000);
		store_flush(store);
		ck_assert(store_is_synced(store));
		ck_assert_ptr_nonnull(store_get(store, RES_LB_IP_POOL, "", "a"));
		ck_assert_ptr_nonnull(store_get(store, RES_BGP_ADVERTISEMENT, "", "metallb-a"));
		teardown();
		res_result_fini(&r);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("decode");

	tcase_add_loop_test(t, fault, 0, sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(t, the_password_stays_hidden);
	tcase_add_test(t, unknown_fields_of_an_api_server_are_told);
	tcase_add_test(t, durations);
	suite_add_tcase(s, t);
	t = tcase_create("translate");
	tcase_add_loop_test(t, translation, 0, sizeof(translations) / sizeof(translations[0]));
	tcase_add_test(t, the_order_does_not_matter);
	tcase_add_test(t, no_memory);
	tcase_add_test(t, short_of_memory_it_says_so_and_tries_again);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	t = tcase_create("source");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_store_has_what_they_mean);
	tcase_add_test(t, native_documents_hold_before);
	suite_add_tcase(s, t);
}
UNIT_MAIN("metallb", add_tests)
