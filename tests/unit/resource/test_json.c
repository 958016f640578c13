/*
 * tests/unit/resource/test_json.c: objects as an API server sends them: what is passed over, what is
 * told, what is refused, and what is no object at all.
 */
#include "tests/unit/resource/res.h"

#include "lib/mem.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct got {
	int err;
	struct res_set set;
	struct res_faults faults;
	struct res_json_head head;
	char *lines;
};

static struct got
decode(const char *api, const char *kind, const char *text, size_t len)
{
	struct got g = { 0 };
	char *copy = malloc(len ? len : 1); /* as long as it is, for ASan */

	memcpy(copy, text, len);
	g.err = res_decode_json(api, kind, copy, len, &g.set, &g.faults, &g.head);
	g.lines = res_fault_lines(&g.faults);
	free(copy);
	return g;
}

static void
got_fini(struct got *g)
{
	res_set_fini(&g->set);
	res_faults_fini(&g->faults);
	free(g->lines);
}

#define META                                                                                       \
	"\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u\",\"resourceVersion\":" \
	"\"7\"}"

/* clang-format off */
static const struct {
	const char *api, *kind, *text;
	int err;
	const char *lines; /* NULL: none */
} cases[] = {
	/* ---- taken ---- */
	{ "v1", "Service", "{" META ",\"spec\":{\"ports\":[{\"port\":80,\"new\":{}}],\"newer\":[1]},\"extra\":null}", 0, NULL },
	{ "v1", "Service", "{" META ",\"spec\":{\"ports\":[{\"port\":80,\"name\":null}],\"clusterIP\":null,"
	  "\"selector\":null,\"externalIPs\":null},\"status\":null}", 0, NULL },
	{ NULL, NULL, "{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META ",\"spec\":{\"type\":\"ExternalName\"}}", 0, NULL },
	{ "x", "Y", "{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META ",\"spec\":{\"type\":\"ExternalName\"}}", 0, NULL },
	{ "v1", "Node", "{" META ",\"status\":{\"capacity\":{\"cpu\":99999999999999999999999,\"x\":1.5e3}}}", 0, NULL },
	{ "discovery.k8s.io/v1", "EndpointSlice", "{" META ",\"addressType\":\"IPv4\",\"endpoints\":null,\"ports\":null}", 0, NULL },
	{ "v1", "Secret", "{" META ",\"data\":null}", 0, NULL },
	/* ---- told ---- */
	{ "heraldlb.io/v1", "LoadBalancerIPPool", "{" META ",\"spec\":{\"blocks\":[{\"cidr\":\"10.0.0.0/8\"}],\"blok\":1}}", 0,
	  "LoadBalancerIPPool/web: spec.blok: unknown field; did you mean 'blocks'?\n" },
	{ "cilium.io/v2", "CiliumBGPAdvertisement", "{" META ",\"spec\":{\"advertisements\":[{\"advertisementType\":\"PodCIDR\","
	  "\"wow\":1}]}}", 0, "CiliumBGPAdvertisement/web: spec.advertisements[0].wow: unknown field; there are "
	  "advertisementType, service, interface, selector, attributes\n" },
	/* ---- refused ---- */
	{ "v1", "Service", "{" META ",\"spec\":{\"ports\":[{\"port\":\"80\"}],\"type\":7}}", -EINVAL,
	  "Service/web: spec.ports[0].port: 80: must be a number, without quotes\n"
	  "Service/web: spec.type: 7: must be ClusterIP, NodePort, LoadBalancer or ExternalName\n" },
	{ "v1", "Service", "{" META "}", -EINVAL, "Service/web: spec: missing: must be given\n" },
	{ "v1", "Service", "{" META ",\"spec\":[]}", -EINVAL, "Service/web: spec: must be a map, not a list\n" },
	{ "v1", "Service", "{" META ",\"spec\":{\"externalIPs\":[null],\"type\":\"ExternalName\"}}", -EINVAL,
	  "Service/web: spec.externalIPs[0]: null: must be a single value\n" },
	{ "v1", "Service", "{" META ",\"spec\":{\"type\":\"ExternalName\",\"loadBalancerClass\":\"a\\u0000b\"}}", -EINVAL, "*" },
	{ "v1", "Service", "{\"apiVersion\":7," META "}", -EINVAL, "*" },
	{ "v9", "Service", "{" META "}", -EINVAL, "*" },
	{ NULL, NULL, "{" META "}", -EINVAL, "*" },
	/* ---- no object ---- */
	{ "v1", "Service", "", -EBADMSG, NULL },
	{ "v1", "Service", "{", -EBADMSG, NULL },
	{ "v1", "Service", "[]", -EBADMSG, NULL },
	{ "v1", "Service", "{}", -EBADMSG, NULL },
	{ "v1", "Service", "{\"metadata\":7}", -EBADMSG, NULL },
	{ "v1", "Service", "{\"metadata\":{\"name\":7}}", -EBADMSG, NULL },
	{ "v1", "Service", "{\"metadata\":{\"name\":\"a\\u0000b\"}}", -EBADMSG, NULL },
	{ "v1", "Service", "{" META "}x", -EBADMSG, NULL },
	{ "v1", "Service", "{" META ",\"spec\":\"\xff\"}", -EBADMSG, NULL },
	{ "v1", "Service", "{" META ",\"spec\":'a'}", -EBADMSG, NULL },
	{ "v1", "Service", "{" META ",\"spec\":01}", -EBADMSG, NULL },
	{ "v1", "Service", "{" META ",\"spec\":\"\\ud800\"}", -EBADMSG, NULL },
};
/* clang-format on */

START_TEST(judges)
{
	struct got g =
	    decode(cases[_i].api, cases[_i].kind, cases[_i].text, strlen(cases[_i].text));
	const char *want = cases[_i].lines ? cases[_i].lines : "";

	ck_assert_msg(g.err == cases[_i].err, "%d: %s", g.err, g.lines);
	if (strcmp(want, "*") != 0)
		ck_assert_str_eq(g.lines, want);
	else
		ck_assert_str_ne(g.lines, "");
	ck_assert_uint_eq(g.set.nr, g.err == 0);
	if (g.err != -EBADMSG) {
		ck_assert_str_eq(g.head.ns, "shop");
		ck_assert_str_eq(g.head.name, "web");
		ck_assert_str_eq(g.head.uid, "u");
		ck_assert_str_eq(g.head.resource_version, "7");
	}
	for (size_t i = 0; i < g.faults.nr; i++)
		ck_assert(g.faults.v[i].notice == (g.err == 0));
	if (g.err == 0) {
		ck_assert_str_eq(g.set.v[0]->file, "");
		ck_assert_str_eq(g.set.v[0]->meta.resource_version, "7");
	}
	got_fini(&g);
}
END_TEST

static const char full[] =
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":\"7\",\"labels\":{"
    "\"a\":\"b\"},\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\","
    "\"metallb.universe.tf/address-pool\":\"p\",\"lbipam.cilium.io/ips\":\"1.2.3.4\","
    "\"io.cilium/lb-ipam-ips\":\"x\",\"heraldlb.io/weight\":\"3\",\"plain\":\"y\","
    "\"service.kubernetes.io/topology-mode\":\"Auto\",\"notheraldlb.io.evil/x\":\"z\","
    "\"endpoints.kubernetes.io/last-change-trigger-time\":\"t\"},\"managedFields\":[{\"a\":1}]},"
    "\"spec\":{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],\"ports\":[{\"name\":"
    "\"h\\u00e9\\n"
    "\\uD83D\\uDE00\\/"
    "\",\"port\":80,\"targetPort\":8080,\"protocol\":\"TCP\"}],\"publishNotReadyAddresses\":"
    "true},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"172.16.0.1\"}]}}}";

START_TEST(keeps_what_counts)
{
	struct got g = decode("v1", "Service", full, strlen(full));
	const struct res_service *s;

	ck_assert_int_eq(g.err, 0);
	s = (const struct res_service *)g.set.v[0];
	ck_assert_uint_eq(s->obj.meta.annotations.nr, 5);
	ck_assert_str_eq(
	    res_pairs_get(&s->obj.meta.annotations, "metallb.universe.tf/address-pool"), "p");
	ck_assert_ptr_null(res_pairs_get(&s->obj.meta.annotations, "plain"));
	ck_assert_str_eq(s->ports.v[0].name, "h\xc3\xa9\n\xf0\x9f\x98\x80/");
	ck_assert_uint_eq(s->ports.v[0].target_port.number, 8080);
	ck_assert(s->publish_not_ready);
	ck_assert_uint_eq(s->ingress.nr, 1);
	got_fini(&g);
}
END_TEST

/* The same object as YAML, which JSON is too: equal, but for what is left out. */
START_TEST(is_the_object_that_yaml_gives)
{
	static const char text[] = "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{"
				   "\"name\":\"web\",\"namespace\":\"shop\","
				   "\"labels\":{\"a\":\"b\"}},\"spec\":{\"clusterIP\":\"10.0.0.1\","
				   "\"ports\":[{\"port\":80}]}}";
	struct got g = decode(NULL, NULL, text, strlen(text));
	struct res_object *yaml = res_one(text);

	ck_assert_int_eq(g.err, 0);
	ck_assert(res_equal(g.set.v[0], yaml));
	res_unref(yaml);
	got_fini(&g);
}
END_TEST

START_TEST(cut_short_it_is_no_object)
{
	struct got g = decode("v1", "Service", full, (size_t)_i);

	ck_assert_int_eq(g.err, -EBADMSG);
	ck_assert_uint_eq(g.faults.nr, 0);
	got_fini(&g);
}
END_TEST

START_TEST(too_much_is_no_object)
{
	size_t len = RES_MAX_JSON + 100;
	char *text = malloc(len + 1);
	struct got g;

	/* Too long, too deep, too many values. */
	memset(text, ' ', len);
	memcpy(text, full, strlen(full));
	g = decode("v1", "Service", text, len);
	ck_assert_int_eq(g.err, -EBADMSG);
	got_fini(&g);
	g = decode("v1", "Service", text, RES_MAX_JSON);
	ck_assert_int_eq(g.err, 0);
	got_fini(&g);
	len = (size_t)snprintf(text, len, "{" META ",\"x\":");
	memset(text + len, '[', 200);
	memset(text + len + 200, ']', 200);
	text[len + 400] = '}';
	g = decode("v1", "Service", text, len + 401);
	ck_assert_int_eq(g.err, -EBADMSG);
	got_fini(&g);
	len = (size_t)snprintf(text, RES_MAX_JSON, "{" META ",\"x\":[1");
	for (size_t i = 0; i < 2000000; i++) {
		text[len++] = ',';
		text[len++] = '1';
	}
	text[len++] = ']';
	text[len++] = '}';
	g = decode("v1", "Service", text, len);
	ck_assert_int_eq(g.err, -EBADMSG);
	got_fini(&g);
	free(text);
}
END_TEST

START_TEST(only_the_head)
{
	static const char bookmark[] = "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"12\","
				       "\"creationTimestamp\":null},\"spec\":{}}";
	struct res_json_head h;

	ck_assert_int_eq(res_json_head(full, strlen(full), &h), 0);
	ck_assert_str_eq(h.name, "web");
	ck_assert_str_eq(h.uid, "");
	ck_assert_int_eq(res_json_head(bookmark, strlen(bookmark) - 1, &h), -EBADMSG);
	ck_assert_int_eq(res_json_head(bookmark, strlen(bookmark), &h), 0);
	ck_assert_str_eq(h.resource_version, "12");
	ck_assert_str_eq(h.name, "");
	ck_assert_int_eq(res_json_head("null", 4, &h), -EBADMSG);
}
END_TEST

START_TEST(no_memory_is_told)
{
	int err = -ENOMEM;

	for (unsigned nth = 1; err == -ENOMEM; nth++) {
		struct res_set set = { 0 };
		struct res_faults faults = { 0 };
		struct res_json_head head;

		mem_fail_at(nth);
		err = res_decode_json("v1", "Service", full, strlen(full), &set, &faults, &head);
		mem_fail_at(0);
		ck_assert(err == -ENOMEM || err == 0);
		ck_assert_uint_eq(set.nr, err == 0);
		res_set_fini(&set);
		res_faults_fini(&faults);
		ck_assert_uint_lt(nth, 100);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("json");

	tcase_add_loop_test(tc, judges, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, keeps_what_counts);
	tcase_add_test(tc, is_the_object_that_yaml_gives);
	tcase_add_loop_test(tc, cut_short_it_is_no_object, 0, (int)strlen(full));
	tcase_add_test(tc, too_much_is_no_object);
	tcase_add_test(tc, only_the_head);
	tcase_add_test(tc, no_memory_is_told);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("json", add_tests)
