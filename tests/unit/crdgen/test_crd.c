/*
 * tests/unit/crdgen/test_crd.c: every CRD that is printed is one that an API server takes, and says of the
 * fields what the tables say.
 */
#include "tests/unit/crdgen/check_schema.h"

#include "tests/unit/unit.h"

#include "tools/crdgen/crdgen.h"

#include <ctype.h>

#define NR_CRDS (3 * RES_NR_KINDS + 1)

/* All of them by number; NULL where a kind has none of that group. */
static json_t *
crd_by_number(int i)
{
	if (i < RES_NR_KINDS)
		return crd_native((enum res_kind)i);
	if (i < 2 * RES_NR_KINDS)
		return crd_cilium((enum res_kind)(i - RES_NR_KINDS));
	if (i < 3 * RES_NR_KINDS)
		return crd_metallb((enum res_kind)(i - 2 * RES_NR_KINDS));
	return crd_node_status();
}

static const json_t *
schema_of_version(const json_t *crd, size_t i)
{
	const json_t *versions = json_object_get(json_object_get(crd, "spec"), "versions");

	return json_object_get(
	    json_object_get(json_array_get(versions, i), "schema"), "openAPIV3Schema");
}

static const char *
text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	ck_assert_msg(s != NULL, "%s is missing", key);
	return s;
}

START_TEST(names_are_as_they_must_be)
{
	json_t *crd = crd_by_number(_i), *spec, *names, *version;
	char want[256];
	size_t i, stored = 0;

	if (!crd)
		return;
	spec = json_object_get(crd, "spec");
	names = json_object_get(spec, "names");
	snprintf(want, sizeof(want), "%s.%s", text(names, "plural"), text(spec, "group"));
	ck_assert_str_eq(text(json_object_get(crd, "metadata"), "name"), want);
	for (const char *p = text(names, "plural"); *p; p++)
		ck_assert(islower((unsigned char)*p) || isdigit((unsigned char)*p));
	snprintf(want, sizeof(want), "%sList", text(names, "kind"));
	ck_assert_str_eq(text(names, "listKind"), want);
	ck_assert_str_ne(text(names, "singular"), text(names, "plural"));
	json_array_foreach(json_object_get(spec, "versions"), i, version) stored +=
	    json_is_true(json_object_get(version, "storage"));
	ck_assert_uint_eq(stored, 1);
	json_decref(crd);
}
END_TEST

START_TEST(schemas_are_structural)
{
	json_t *crd = crd_by_number(_i);
	const json_t *schema;
	char why[WHY];

	if (!crd)
		return;
	for (size_t v = 0; (schema = schema_of_version(crd, v)); v++) {
		ck_assert_msg(schema_is_structural(schema, why), "%s: %s",
		    text(json_object_get(crd, "metadata"), "name"), why);
		ck_assert_msg(schema_defaults_hold(schema, why), "%s: %s",
		    text(json_object_get(crd, "metadata"), "name"), why);
		ck_assert_ptr_nonnull(schema_at(schema, "spec", "type"));
	}
	json_decref(crd);
}
END_TEST

/* A column of what is not there would stay empty for ever. */
START_TEST(columns_point_at_fields)
{
	json_t *crd = crd_by_number(_i), *version, *column;
	size_t v, c;

	if (!crd)
		return;
	json_array_foreach(json_object_get(json_object_get(crd, "spec"), "versions"), v, version)
	{
		json_array_foreach(json_object_get(version, "additionalPrinterColumns"), c, column)
		{
			const char *path = text(column, "jsonPath");

			ck_assert_int_eq(path[0], '.');
			if (strcmp(path, ".metadata.creationTimestamp") == 0 || strchr(path, '['))
				continue;
			ck_assert_msg(
			    schema_at(schema_of_version(crd, v), path + 1, "type") != NULL, "%s",
			    path);
		}
	}
	json_decref(crd);
}
END_TEST

/* What is shown of a pool is found by the types of its conditions, which are those of its group. */
START_TEST(pools_show_their_conditions)
{
	json_t *native = crd_native(RES_LB_IP_POOL), *cilium = crd_cilium(RES_LB_IP_POOL);
	char *n = json_dumps(native, 0), *c = json_dumps(cilium, 0);

	ck_assert_ptr_nonnull(strstr(n, "@.type==\\\"heraldlb.io/IPsAvailable\\\")].message"));
	ck_assert_ptr_nonnull(strstr(c, "@.type==\\\"cilium.io/IPsAvailable\\\")].message"));
	ck_assert_ptr_null(strstr(n, "{group}"));
	ck_assert_ptr_null(strstr(c, "{group}"));
	free(n);
	free(c);
	json_decref(native);
	json_decref(cilium);
}
END_TEST

/* ---- what the schema says of single fields ---- */

static const struct {
	enum res_kind kind;
	const char *path, *value; /* JSON */
	bool good;
} values[] = {
	{ RES_BGP_PEER_CONFIG, "spec.timers.holdTimeSeconds", "0", true },
	{ RES_BGP_PEER_CONFIG, "spec.timers.holdTimeSeconds", "2", false },
	{ RES_BGP_PEER_CONFIG, "spec.timers.holdTimeSeconds", "3", true },
	{ RES_BGP_PEER_CONFIG, "spec.timers.holdTimeSeconds", "65536", false },
	{ RES_BGP_PEER_CONFIG, "spec.transport.sourceInterface", "\"abcdefghijklmno\"", true },
	{ RES_BGP_PEER_CONFIG, "spec.transport.sourceInterface", "\"abcdefghijklmnop\"", false },
	{ RES_BGP_PEER_CONFIG, "spec.role", "\"customer\"", true },
	{ RES_BGP_PEER_CONFIG, "spec.role", "\"\"", false },
	{ RES_BGP_PEER_CONFIG, "spec.families",
	    "[{\"afi\": \"ipv4\", \"safi\": \"unicast\", \"advertisements\": {}}]", true },
	{ RES_BGP_PEER_CONFIG, "spec.families", "[{\"afi\": \"ipv4\"}]", false },
	{ RES_BGP_PEER_CONFIG, "spec.import",
	    "[{\"action\": \"accept\", \"set\": {\"nextHop\": \"self\"}}]", true },
	{ RES_BGP_PEER_CONFIG, "spec.import",
	    "[{\"action\": \"accept\", \"set\": {\"nextHop\": \"me\"}}]", false },
	{ RES_BGP_PEER_CONFIG, "spec.export",
	    "[{\"action\": \"reject\", \"match\": {\"origin\": \"learned\"}}]", true },
	{ RES_BGP_CLUSTER_CONFIG, "spec.bgpInstances", "[]", false },
	{ RES_BGP_CLUSTER_CONFIG, "spec.bgpInstances", "[{\"name\": \"\"}]", false },
	{ RES_BGP_CLUSTER_CONFIG, "spec.bgpInstances",
	    "[{\"name\": \"a\", \"localASN\": 4294967295}]", true },
	{ RES_BGP_CLUSTER_CONFIG, "spec.bgpInstances",
	    "[{\"name\": \"a\", \"localASN\": 4294967296}]", false },
	{ RES_BGP_ADVERTISEMENT, "spec.advertisements.attributes.communities.standard",
	    "[\"65000:1\", 4259840001, \"no-export\"]", true },
	{ RES_BGP_ADVERTISEMENT, "spec.advertisements.attributes.communities.standard",
	    "[\"65000:1:2\"]", false },
	{ RES_BGP_ADVERTISEMENT, "spec.advertisements.attributes.communities.large",
	    "[\"65000:1:2\"]", true },
	{ RES_BGP_ADVERTISEMENT, "spec.advertisements.attributes.communities.wellKnown",
	    "[\"65000:1\"]", false },
	{ RES_LB_IP_POOL, "spec.blocks",
	    "[{\"cidr\": \"172.16.1.0/24\"}, {\"start\": \"fd00::1\"}]", true },
	{ RES_LB_IP_POOL, "spec.blocks", "[{\"cidr\": \"172.16.1.0/33\"}]", false },
	{ RES_LB_IP_POOL, "spec.allowFirstLastIPs", "\"yes\"", false },
	{ RES_HERALD_CONFIG, "spec.metrics.listen", "\"\"", true },
	{ RES_HERALD_CONFIG, "spec.bgp.listen", "[\"\"]", false },
	{ RES_HERALD_CONFIG, "spec.datapath.tunnelMTU", "1279", false },
	{ RES_HERALD_CONFIG, "spec.datapath.tunnelMTU", "1280", true },
};

START_TEST(values_are_judged)
{
	json_t *crd = crd_native(values[_i].kind);
	json_t *value = json_loads(values[_i].value, JSON_DECODE_ANY, NULL);
	const char *last = strrchr(values[_i].path, '.');
	const json_t *all;
	char above[128], why[WHY] = "";

	snprintf(above, sizeof(above), "%.*s", (int)(last - values[_i].path), values[_i].path);
	all = schema_at(schema_of_version(crd, 0), above, "properties");
	if (!all) /* of a list's items */
		all = json_object_get(
		    schema_at(schema_of_version(crd, 0), above, "items"), "properties");
	ck_assert_ptr_nonnull(json_object_get(all, last + 1));
	ck_assert_ptr_nonnull(value);
	ck_assert_msg(schema_takes(json_object_get(all, last + 1), value, why) == values[_i].good,
	    "%s %s: %s", values[_i].path, values[_i].value, why);
	json_decref(value);
	json_decref(crd);
}
END_TEST

/* What the server wrote into an object would count as said by somebody. */
START_TEST(defaults_that_mean_something_are_not_written)
{
	json_t *crd = crd_native(RES_BGP_PEER_CONFIG), *advert = crd_native(RES_BGP_ADVERTISEMENT);
	const json_t *s = schema_of_version(crd, 0);

	ck_assert_int_eq(
	    json_integer_value(schema_at(s, "spec.timers.holdTimeSeconds", "default")), 90);
	ck_assert_ptr_null(schema_at(s, "spec.timers.keepAliveTimeSeconds", "default"));
	ck_assert_ptr_null(schema_at(s, "spec.ebgpMultihop", "default"));
	ck_assert_ptr_nonnull(strstr(
	    json_string_value(schema_at(s, "spec.ebgpMultihop", "description")), "1 when absent"));
	s = schema_of_version(advert, 0);
	ck_assert_ptr_nonnull(schema_at(s, "spec.noEndpoints", "default"));
	ck_assert_ptr_null(schema_at(s, "spec.advertisements.noEndpoints", "default"));
	json_decref(crd);
	json_decref(advert);
}
END_TEST

/* Cilium's form of a kind has none of the native fields. */
START_TEST(dialects_have_their_own_fields)
{
	json_t *native = crd_native(RES_BGP_PEER_CONFIG), *cilium = crd_cilium(RES_BGP_PEER_CONFIG);

	ck_assert_ptr_nonnull(schema_at(schema_of_version(native, 0), "spec.role", "type"));
	ck_assert_ptr_null(schema_at(schema_of_version(cilium, 0), "spec.role", "type"));
	ck_assert_ptr_nonnull(schema_at(schema_of_version(cilium, 0), "spec.ebgpMultihop", "type"));
	json_decref(native);
	json_decref(cilium);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("crd");

	tcase_add_loop_test(tc, names_are_as_they_must_be, 0, NR_CRDS);
	tcase_add_loop_test(tc, schemas_are_structural, 0, NR_CRDS);
	tcase_add_loop_test(tc, columns_point_at_fields, 0, NR_CRDS);
	tcase_add_test(tc, pools_show_their_conditions);
	tcase_add_loop_test(tc, values_are_judged, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_test(tc, defaults_that_mean_something_are_not_written);
	tcase_add_test(tc, dialects_have_their_own_fields);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("crd", add_tests)
