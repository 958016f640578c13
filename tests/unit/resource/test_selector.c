/*
 * tests/unit/resource/test_selector.c: selectors held against a naive evaluation that shares no
 * code with them, over all small label sets; nil and empty; the synthetic keys; label syntax.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"

#include <stdio.h>
#include <string.h>

/* ---- truth table ---- */

#define NR_VALUES 3
static const char *const values[NR_VALUES] = { NULL, "x", "y" }; /* NULL: the label is absent */
static const char *const ops[] = { "In", "NotIn", "Exists", "DoesNotExist" };
static const char *const lists[] = { "x", "y", "x, y", "z" };

/* Kubernetes' API reference, LabelSelectorRequirement, by the words. */
static bool
naive(const char *op, const char *list, const char *value)
{
	bool listed = value && strstr(list, value) != NULL;

	if (strcmp(op, "In") == 0)
		return listed;
	if (strcmp(op, "NotIn") == 0)
		return !listed;
	if (strcmp(op, "Exists") == 0)
		return value != NULL;
	return value == NULL;
}

static struct res_object *
pool_with(const char *selector)
{
	struct res_object *o;
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b,
	    "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: p}\nspec: "
	    "{%s%s}\n",
	    *selector ? "serviceSelector: " : "", selector);
	o = res_one(buf_text(&b));
	buf_fini(&b);
	return o;
}

static const struct selector *
selector_in(const struct res_object *o)
{
	return &((const struct res_lb_ip_pool *)o)->service_selector;
}

/* All combinations of a and b with one expression on each and a matchLabels on c. */
START_TEST(truth_table)
{
	unsigned op_a = (unsigned)_i / 4, op_b = (unsigned)_i % 4, nr = 0;

	for (unsigned la = 0; la < 4; la++)
		for (unsigned lb = 0; lb < 4; lb++) {
			struct res_object *o;
			char text[300], va[40] = "", vb[40] = "";

			if (op_a < 2)
				snprintf(va, sizeof(va), ", values: [%s]", lists[la]);
			if (op_b < 2)
				snprintf(vb, sizeof(vb), ", values: [%s]", lists[lb]);
			snprintf(text, sizeof(text),
			    "{matchLabels: {c: x}, matchExpressions: [{key: a, operator: %s%s}, "
			    "{key: b, operator: %s%s}]}",
			    ops[op_a], va, ops[op_b], vb);
			o = pool_with(text);
			for (unsigned i = 0; i < NR_VALUES * NR_VALUES * NR_VALUES; i++) {
				const char *a = values[i % 3], *b = values[i / 3 % 3],
					   *c = values[i / 9];
				struct res_pair v[3];
				struct res_pairs labels = { v, 0 };
				struct label_view view = { .labels = &labels };
				bool want = naive(ops[op_a], lists[la], a) &&
				    naive(ops[op_b], lists[lb], b) && c && strcmp(c, "x") == 0;

				if (a)
					v[labels.nr++] = (struct res_pair){ "a", a };
				if (b)
					v[labels.nr++] = (struct res_pair){ "b", b };
				if (c)
					v[labels.nr++] = (struct res_pair){ "c", c };
				ck_assert_msg(selector_selects(selector_in(o), &view) == want,
				    "%s with a=%s b=%s c=%s", text, a, b, c);
				ck_assert(selector_admits(selector_in(o), &view) == want);
				nr++;
			}
			res_unref(o);
		}
	ck_assert_uint_eq(nr, 16 * 27);
}
END_TEST

START_TEST(nil_is_not_empty)
{
	struct res_pairs none = { 0 };
	struct label_view view = { .labels = &none };
	struct res_object *nil = pool_with(""), *null = pool_with("null"), *empty = pool_with("{}");

	ck_assert(!selector_in(nil)->present && !selector_in(null)->present);
	ck_assert(!selector_selects(selector_in(nil), &view));
	ck_assert(selector_admits(selector_in(nil), &view));
	ck_assert(selector_in(empty)->present);
	ck_assert(selector_selects(selector_in(empty), &view));
	ck_assert(selector_admits(selector_in(empty), &view));
	ck_assert(!selector_equal(selector_in(nil), selector_in(empty)));
	ck_assert(selector_equal(selector_in(nil), selector_in(null)));
	res_unref(nil);
	res_unref(null);
	res_unref(empty);
}
END_TEST

/* A tenant who writes the synthetic keys as labels gains nothing by it. */
START_TEST(synthetic_keys_cannot_be_spoofed)
{
	struct res_object *svc = res_one("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"
					 "  namespace: team\n  labels:\n"
					 "    io.kubernetes.service.namespace: kube-system\n"
					 "    io.kubernetes.service.name: api\n    app: x\n"
					 "spec: {ports: [{port: 80}]}\n");
	struct res_object *real = pool_with("{matchLabels: {io.kubernetes.service.namespace: team, "
					    "io.kubernetes.service.name: web, app: x}}");
	struct res_object *fake =
	    pool_with("{matchLabels: {io.kubernetes.service.namespace: kube-system}}");
	struct label_view view = label_view_service(svc), plain = label_view_of(svc);

	ck_assert(selector_selects(selector_in(real), &view));
	ck_assert(!selector_selects(selector_in(fake), &view));
	ck_assert(selector_selects(selector_in(fake), &plain));
	ck_assert_str_eq(label_view_get(&view, "app"), "x");
	ck_assert_ptr_null(label_view_get(&view, "b"));
	res_unref(svc);
	res_unref(real);
	res_unref(fake);
}
END_TEST

/* The rules of the Kubernetes manual, "Labels and Selectors", syntax and character set. */
#define W63 "a23456789012345678901234567890123456789012345678901234567890123"
static const struct {
	const char *text;
	bool key, value;
} words[] = {
	{ "", false, true },
	{ "a", true, true },
	{ "A-b_c.D9", true, true },
	{ "-a", false, false },
	{ "a-", false, false },
	{ ".a", false, false },
	{ "a b", false, false },
	{ "\xc3\xa4", false, false },
	{ W63, true, true },
	{ W63 "x", false, false },
	{ "example.com/a", true, false },
	{ "Example.com/a", false, false },
	{ "example..com/a", false, false },
	{ "example.com-/a", false, false },
	{ "/a", false, false },
	{ "a/", false, false },
	{ "a/b/c", false, false },
	{ "lbipam.cilium.io/sharing-key", true, false },
};

START_TEST(label_syntax)
{
	ck_assert(selector_key_is_valid(words[_i].text) == words[_i].key);
	ck_assert(selector_value_is_valid(words[_i].text) == words[_i].value);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("selector");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, truth_table, 0, 16);
	tcase_add_test(tc, nil_is_not_empty);
	tcase_add_test(tc, synthetic_keys_cannot_be_spoofed);
	tcase_add_loop_test(tc, label_syntax, 0, sizeof(words) / sizeof(words[0]));
	suite_add_tcase(s, tc);
}
UNIT_MAIN("selector", add_tests)
