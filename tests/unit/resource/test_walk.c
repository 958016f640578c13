/*
 * tests/unit/resource/test_walk.c: objects at the corners of what can be written are shown as what
 * decodes to them again.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"

#include <stdlib.h>
#include <string.h>

/* Empty strings that are there, the first and the last time that can be written, zero. */
static const char *const corners[] = {
	"apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
	"spec: {loadBalancerClass: \"\", ports: [{port: 1}]}\n",
	"apiVersion: v1\nkind: Node\nmetadata: {name: n}\n"
	"status: {conditions: [{type: \"\", status: \"True\"}]}\n",
	"apiVersion: v1\nkind: Namespace\n"
	"metadata: {name: n, creationTimestamp: 0000-01-01T00:00:00Z}\n",
	"apiVersion: v1\nkind: Namespace\n"
	"metadata: {name: n, creationTimestamp: 9999-12-31T22:59:59-01:00}\n",
	"apiVersion: v1\nkind: Namespace\n"
	"metadata: {name: n, creationTimestamp: 1970-01-01T00:00:00Z}\n",
};

START_TEST(corners_show_and_decode_again)
{
	struct res_object *o = res_one(corners[_i]), *again;
	char *yaml = res_show_yaml(o);

	again = res_one(yaml);
	ck_assert_msg(res_equal(o, again), "%s", yaml);
	res_unref(again);
	res_unref(o);
	free(yaml);
}
END_TEST

/* As RFC 3339 has it: four digits. */
START_TEST(early_years_have_four_digits)
{
	struct res_object *o = res_one("apiVersion: v1\nkind: Namespace\n"
				       "metadata: {name: n, creationTimestamp: "
				       "0026-01-31T12:00:00Z}\n");
	char *yaml = res_show_yaml(o);

	ck_assert_msg(strstr(yaml, "\"0026-01-31T12:00:00Z\"") != NULL, "%s", yaml);
	res_unref(o);
	free(yaml);
}
END_TEST

/* A string may be as long as a file. */
START_TEST(long_strings_are_shown)
{
	static const char head[] = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
				   "metadata: {name: s}\naddressType: FQDN\n"
				   "endpoints: [{addresses: [a], nodeName: ";
	struct res_object *o, *again;
	struct buf b;
	char *yaml;

	buf_init(&b, RES_MAX_FILE);
	buf_puts(&b, head);
	for (int i = 0; i < 200000; i++)
		buf_puts(&b, "long-string");
	buf_puts(&b, "}]\n");
	o = res_one(buf_text(&b));
	yaml = res_show_yaml(o);
	again = res_one(yaml);
	ck_assert(res_equal(o, again));
	res_unref(again);
	res_unref(o);
	free(yaml);
	buf_fini(&b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("walk");

	tcase_add_loop_test(
	    tc, corners_show_and_decode_again, 0, sizeof(corners) / sizeof(corners[0]));
	tcase_add_test(tc, early_years_have_four_digits);
	tcase_add_test(tc, long_strings_are_shown);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("walk", add_tests)
