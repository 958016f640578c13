/*
 * tests/unit/resource/test_migrate_docs.c: every YAML example in the pages on changing over, and in that on policy, is one
 * that Herald takes as it stands; and the examples of one page that belong together are the same.
 */
#include "lib/buf.h"
#include "resource/translate.h"
#include "tests/unit/resource/res.h"
#include "tests/unit/unit.h"

#define MAX_EXAMPLES 32

/* The examples of a page, without what they are indented by.  For free(). */
static size_t
examples(const char *page, char *v[MAX_EXAMPLES])
{
	char *text = res_slurp(page), *line = text, *next;
	struct buf b;
	size_t nr = 0, indent = 0;
	bool in = false;

	for (; line; line = next) {
		size_t blanks = strspn(line, " ");

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!in && strcmp(line + blanks, "```yaml") == 0) {
			buf_init(&b, 1 << 16);
			indent = blanks;
			in = true;
		} else if (in && strcmp(line + blanks, "```") == 0) {
			ck_assert_uint_lt(nr, MAX_EXAMPLES);
			v[nr++] = buf_steal(&b);
			in = false;
		} else if (in) {
			ck_assert_msg(!*line || blanks >= indent, "%s", line);
			buf_printf(&b, "%s\n", *line ? line + indent : "");
		}
	}
	ck_assert(!in);
	free(text);
	return nr;
}

static const struct {
	const char *path;
	size_t nr;
} pages[] = { { "doc/migrate-from-metallb.md", 3 }, { "doc/migrate-from-cilium.md", 3 },
	{ "doc/policy.md", 3 } };

START_TEST(examples_are_good)
{
	char *v[MAX_EXAMPLES];
	size_t nr = examples(pages[_i].path, v);

	ck_assert_uint_eq(nr, pages[_i].nr);
	for (size_t i = 0; i < nr; i++) {
		struct res_result r = res_load(v[i]);

		ck_assert_msg(r.err == 0, "%s, example %zu: %s", pages[_i].path, i + 1, r.faults);
		ck_assert_uint_gt(r.set.nr, 0);
		res_result_fini(&r);
		free(v[i]);
	}
}
END_TEST

/* "Two converted documents ... which came from": what they decide is the same.  The page leaves out
 * the annotation, and the rule about excluded nodes, which is in the table. */
START_TEST(the_converted_example_is_what_conversion_gives)
{
	char *v[MAX_EXAMPLES];
	size_t nr = examples(pages[0].path, v);
	struct res_result to = res_load(v[nr - 2]), from = res_load(v[nr - 1]);
	struct res_faults notices = { 0 };
	struct translation docs = { 0 };
	json_t *a, *b;

	ck_assert_int_eq(
	    translate((const struct res_object *const *)from.set.v, from.set.nr, &docs, &notices),
	    0);
	ck_assert_uint_eq(docs.nr, 2);
	ck_assert_uint_eq(to.set.nr, 2);
	for (size_t i = 0; i < docs.nr; i++) {
		struct translation one = { &docs.v[i], 1, 1 };
		struct res_set set = { 0 };

		json_object_del(json_object_get(docs.v[i].doc, "metadata"), "annotations");
		a = json_array_get(
		    json_object_get(json_object_get(docs.v[i].doc, "spec"), "nodeSelectors"), 0);
		json_object_del(a, "matchExpressions");
		ck_assert_int_eq(translation_decode(&one, &set, &notices), 0);
		a = res_show(set.v[0]);
		b = res_show(to.set.v[i]);
		ck_assert_msg(json_equal(a, b), "%s", json_dumps(a, JSON_INDENT(1)));
		json_decref(a);
		json_decref(b);
		res_set_fini(&set);
	}
	translation_fini(&docs);
	res_faults_fini(&notices);
	res_result_fini(&to);
	res_result_fini(&from);
	while (nr > 0)
		free(v[--nr]);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("migrate_docs");

	tcase_add_loop_test(t, examples_are_good, 0, sizeof(pages) / sizeof(pages[0]));
	tcase_add_test(t, the_converted_example_is_what_conversion_gives);
	suite_add_tcase(s, t);
}
UNIT_MAIN("migrate_docs", add_tests)
