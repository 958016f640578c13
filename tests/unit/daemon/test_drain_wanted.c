/*
 * tests/unit/daemon/test_drain_wanted.c: which Nodes get out of the way, and what lets them.
 */
#include "daemon/drain.h"

#include "tests/unit/daemon/fixture.h"
#include "tests/unit/unit.h"

static struct fixture f;

static void
setup(void)
{
	fixture_init(&f);
}

static void
teardown(void)
{
	fixture_fini(&f);
}

static unsigned
causes(const char *node, const char *config)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "apiVersion: v1\nkind: Node\n%s\n---\napiVersion: heraldlb.io/v1\nkind: HeraldConfig\n"
	    "metadata: {name: default}\nspec: {%s}\n",
	    node, config);
	fixture_add(&f, text);
	return drain_causes_of(store_node(f.store, "n1"), store_config(f.store));
}

#define PLAIN "metadata: {name: n1}"
#define CORDON "metadata: {name: n1}\nspec: {unschedulable: true}"
#define TAINT                                                                                      \
	"metadata: {name: n1}\nspec: {taints: [{key: a, effect: NoSchedule}, {key: "               \
	"node.kubernetes.io/out-of-service, value: nodeshutdown, effect: NoExecute, timeAdded: "   \
	"\"2026-01-01T00:00:00Z\"}]}"
#define OTHER "metadata: {name: n1}\nspec: {taints: [{key: node.kubernetes.io/not-ready}]}"
#define LABEL                                                                                      \
	"metadata: {name: n1, labels: "                                                            \
	"{node.kubernetes.io/exclude-from-external-load-balancers: \"\"}}"

/* clang-format off */
static const struct {
	const char *node, *config;
	unsigned causes;
} cases[] = {
	{ PLAIN,  "",                                0 },
	{ CORDON, "",                                0 }, /* cordoned nodes go on serving */
	{ CORDON, "drain: {onCordon: true}",         DRAIN_BY_CORDON },
	{ PLAIN,  "drain: {onCordon: true}",         0 },
	{ TAINT,  "",                                DRAIN_BY_OUT_OF_SERVICE },
	{ TAINT,  "drain: {onOutOfService: false}",  0 },
	{ OTHER,  "",                                0 },
	{ LABEL,  "",                                DRAIN_BY_LABEL },
	{ LABEL,  "drain: {onExcludeLabel: false}",  0 },
};
/* clang-format on */

START_TEST(what_a_node_asks_for_and_may)
{
	ck_assert_uint_eq(causes(cases[_i].node, cases[_i].config), cases[_i].causes);
}
END_TEST

START_TEST(without_a_node_there_is_no_cause)
{
	ck_assert_uint_eq(drain_causes_of(NULL, store_config(f.store)), 0);
}
END_TEST

START_TEST(every_cause_has_words)
{
	for (unsigned i = 0; i < DRAIN_NR_CAUSES; i++) {
		ck_assert_ptr_eq(drain_text(i), drain_text_first(1u << i | 1u << 9));
		ck_assert_str_ne(drain_text(i)->name, "");
		ck_assert_str_ne(drain_text(i)->why, "");
		ck_assert_str_ne(drain_text(i)->advice, "");
	}
	ck_assert_str_eq(drain_text_first(DRAIN_BY_LABEL | DRAIN_BY_CORDON)->name, "cordon");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("drain");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, what_a_node_asks_for_and_may, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, without_a_node_there_is_no_cause);
	tcase_add_test(t, every_cause_has_words);
	suite_add_tcase(s, t);
}

UNIT_MAIN("daemon/drain", add_tests)
