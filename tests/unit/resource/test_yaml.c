/*
 * tests/unit/resource/test_yaml.c: text -> tree: places, anchors, merge keys, what scalars are, and
 * all that is refused: tabs, bytes that are no UTF-8, bombs.
 */
#include "tests/unit/resource/res.h"

#include "tests/unit/unit.h"

#include "lib/buf.h"

#include <errno.h>
#include <string.h>

#define NS "apiVersion: v1\nkind: Namespace\n"
#define POOL "apiVersion: heraldlb.io/v1\nkind: LoadBalancerIPPool\nmetadata: {name: p}\n"

/* YAML 1.2.2 7.1 and the merge key of YAML 1.1: own keys win, then the first map named. */

/* The labels of a Namespace whose metadata holds @merge, after two anchored maps. */
static char *
labels_of(const char *merge)
{
	struct res_object *o;
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b,
	    "apiVersion: v1\nkind: Namespace\nspec:\n  x: &x {a: x, b: x}\n  y: &y {b: y, c: y}\n"
	    "metadata:\n  name: n\n  labels:\n%s\n",
	    merge);
	o = res_one(buf_text(&b));
	buf_reset(&b);
	for (size_t i = 0; i < o->meta.labels.nr; i++)
		buf_printf(&b, "%s=%s ", o->meta.labels.v[i].key, o->meta.labels.v[i].value);
	res_unref(o);
	return buf_steal(&b);
}

static const struct {
	const char *merge, *labels;
} merges[] = {
	{ "    <<: *x", "a=x b=x " },
	{ "    <<: *x\n    b: own", "a=x b=own " },
	{ "    b: own\n    <<: *x", "a=x b=own " },
	{ "    <<: [*x, *y]", "a=x b=x c=y " },
	{ "    <<: [*y, *x]", "a=x b=y c=y " },
	{ "    <<: [*y, *x]\n    c: own\n    d: own", "a=x b=y c=own d=own " },
	{ "    {<<: *x, <<: *y}", "a=x b=x c=y " },
};

START_TEST(merges_as_told)
{
	char *labels = labels_of(merges[_i].merge);

	ck_assert_str_eq(labels, merges[_i].labels);
	free(labels);
}
END_TEST

START_TEST(quoted_merge_key_is_a_key)
{
	res_refuses(NS "metadata: {name: a, \"<<\": {name: b}}\n",
	    "t.yaml:3:21: Namespace/a: metadata.<<: unknown field; there are name, namespace, uid, "
	    "resourceVersion, generation, creationTimestamp, labels, annotations, generateName, "
	    "managedFields, ownerReferences, finalizers, selfLink, deletionTimestamp, "
	    "deletionGracePeriodSeconds, clusterName\n");
}
END_TEST

START_TEST(aliases_share)
{
	struct res_object *o = res_one(
	    POOL "spec:\n  blocks:\n  - &b {cidr: 10.0.0.0/8}\n  - *b\n  - {start: &s 10.1.2.3, "
		 "stop: *s}\n");
	const struct res_lb_ip_pool *p = (const struct res_lb_ip_pool *)o;

	ck_assert_uint_eq(p->blocks.nr, 3);
	ck_assert(prefix_eq(&p->blocks.v[0].cidr, &p->blocks.v[1].cidr));
	ck_assert(addr_eq(&p->blocks.v[2].start, &p->blocks.v[2].stop));
	res_unref(o);
}
END_TEST

static const struct {
	const char *what, *text, *faults;
} bad[] = {
	{ "tab", NS "metadata:\n\tname: a\n",
	    "t.yaml:4:1: Document/1: yaml: a tab: YAML is indented with blanks\n" },
	{ "tab after blanks", NS "metadata:\n  name: a\n \tlabels: {}\n",
	    "t.yaml:5:2: Document/1: yaml: a tab: YAML is indented with blanks\n" },
	{ "not UTF-8", NS "metadata:\n  name: \"\xc3\xa4 \xff\"\n",
	    "t.yaml:4:12: Document/1: yaml: byte 0xff: not UTF-8\n" },
	{ "control character", NS "metadata:\n  name: \"\x01\"\n",
	    "t.yaml:4:10: Document/1: yaml: byte 0x01: control characters are not allowed\n" },
	{ "open bracket", NS "metadata: {name: a\n",
	    "t.yaml:4:1: Document/1: yaml: not YAML: while parsing a flow mapping: did not find "
	    "expected ',' or '}'\n" },
	{ "bad indentation", NS "metadata:\n  name: a\n labels: {}\n",
	    "t.yaml:5:2: Document/1: yaml: not YAML: while parsing a block mapping: did not find "
	    "expected key\n" },
	{ "unknown alias", NS "metadata: *m\n",
	    "t.yaml:3:11: Document/1: yaml: *m: no anchor of this name ends before\n" },
	{ "alias to itself", NS "metadata: &m {name: *m}\n",
	    "t.yaml:3:21: Document/1: yaml: *m: no anchor of this name ends before\n" },
	{ "merge of a word", NS "metadata: {<<: a}\n",
	    "t.yaml:3:16: Document/1: yaml: <<: a plain value: must be a map, or a list of maps, "
	    "to "
	    "merge\n" },
	{ "merge of words", NS "metadata: {<<: [a]}\n",
	    "t.yaml:3:17: Document/1: yaml: <<: a plain value: must be a map, or a list of maps, "
	    "to "
	    "merge\n" },
	{ "map as key", NS "metadata: {{a: b}: c}\n",
	    "t.yaml:3:12: Document/1: yaml: a key must be a word, not a map\n" },
	{ "tag", NS "metadata: !!binary aGk=\n",
	    "t.yaml:3:11: Document/1: yaml: tag tag:yaml.org,2002:binary: only those of JSON's "
	    "types "
	    "mean anything\n" },
	{ "duplicate key", NS "metadata:\n  name: a\n  labels: {}\n  name: b\n",
	    "t.yaml:6:3: Namespace/a: metadata.name: duplicate key; the first is in line 4, column "
	    "3\n" },
	{ "duplicate label", NS "metadata:\n  name: a\n  labels: {x: a, y: b, x: c}\n",
	    "t.yaml:5:24: Namespace/a: metadata.labels.x: duplicate key; the first is in line 5, "
	    "column 12\n" },
	{ "duplicate key at the top", NS "metadata: {name: a}\nkind: Node\n",
	    "t.yaml:4:1: Namespace/a: kind: duplicate key; the first is in line 2, column 1\n" },
	{ "second document", NS "metadata: {name: a}\n---\n" NS "metadata: [\n",
	    "t.yaml:8:1: Document/2: yaml: not YAML: while parsing a flow node: did not find "
	    "expected "
	    "node content\n" },
	{ "a word alone", "hello\n",
	    "t.yaml:1:1: Document/1: document: must be a map with apiVersion and kind, not a plain "
	    "value\n" },
};

START_TEST(refused)
{
	res_refuses(bad[_i].text, bad[_i].faults);
}
END_TEST

/* What came before a fault in the syntax is decoded, and its own faults are told too. */
START_TEST(faults_before_a_broken_document)
{
	res_refuses(NS "metadata: {name: A}\n---\n\t\n",
	    "t.yaml:3:18: Namespace/A: metadata.name: A: must be lower-case letters, digits, '-' "
	    "and "
	    "'.', at most 253, the ends letters or digits\n"
	    "t.yaml:5:1: Document/2: yaml: a tab: YAML is indented with blanks\n");
}
END_TEST

START_TEST(empty_documents_are_none)
{
	struct res_result r =
	    res_load("---\n---\n# nothing\n---\n" NS "metadata: {name: a}\n---\n");

	ck_assert_str_eq(r.faults, "");
	ck_assert_uint_eq(r.set.nr, 1);
	ck_assert_uint_eq(r.set.v[0]->line, 5);
	res_result_fini(&r);
	r = res_load("");
	ck_assert_int_eq(r.err, 0);
	ck_assert_uint_eq(r.set.nr, 0);
	res_result_fini(&r);
}
END_TEST

START_TEST(byte_order_mark_and_crlf)
{
	struct res_object *o =
	    res_one("\xef\xbb\xbf"
		    "apiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: a}\r\n");

	ck_assert_str_eq(o->meta.name, "a");
	res_unref(o);
}
END_TEST

/* ---- bombs: each is refused, quickly, where it passes the limit ---- */

START_TEST(nesting_bomb)
{
	struct buf b;

	for (int kind = 0; kind < 2; kind++) {
		buf_init(&b, 1u << 22);
		for (int i = 0; i < 500000; i++)
			buf_puts(&b, kind ? "[" : "{a: ");
		res_refuses(buf_text(&b),
		    kind ? "t.yaml:1:65: Document/1: yaml: nested too deep: at most 64 levels\n"
			 : "t.yaml:1:257: Document/1: yaml: nested too deep: at most 64 levels\n");
		buf_fini(&b);
	}
}
END_TEST

START_TEST(alias_bomb)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 20);
	buf_puts(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 30; i++) {
		buf_printf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&b, "%s*a%d", k ? ", " : "", i - 1);
		buf_puts(&b, "]\n");
	}
	r = res_load(buf_text(&b));
	ck_assert_ptr_nonnull(strstr(
	    r.faults, "too much in one document: at most 4000000 nodes, aliases written out\n"));
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

/* A depth that only aliases make. */
START_TEST(alias_depth_bomb)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 20);
	buf_puts(&b, "a0: &a0 [x]\n");
	for (int i = 1; i < 100; i++)
		buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	r = res_load(buf_text(&b));
	ck_assert_ptr_nonnull(strstr(r.faults, "nested too deep: at most 64 levels\n"));
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

/* One long word, and a million references to it. */
START_TEST(text_bomb)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 24);
	buf_puts(&b, "a: &a ");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "xxxxxxxxxx");
	buf_puts(&b, "\nb: [*a");
	for (int i = 0; i < 1000000; i++)
		buf_puts(&b, ",*a");
	buf_puts(&b, "]\n");
	r = res_load(buf_text(&b));
	ck_assert_ptr_nonnull(strstr(r.faults, "too much in one document"));
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

START_TEST(merge_bomb)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 24);
	buf_puts(&b, "a0: &a0 {");
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "k%d: v, ", i);
	buf_puts(&b, "}\n");
	for (int i = 1; i < 40; i++)
		buf_printf(
		    &b, "a%d: &a%d {<<: [*a%d, *a%d], x%d: *a%d}\n", i, i, i - 1, i - 1, i, i - 1);
	r = res_load(buf_text(&b));
	ck_assert_ptr_nonnull(strstr(r.faults, "too much in one document"));
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

START_TEST(anchor_bomb)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 24);
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "k%d: &a%d x\n", i, i);
	r = res_load(buf_text(&b));
	ck_assert_str_eq(
	    r.faults, "t.yaml:4097:8: Document/1: yaml: more than 4096 anchors: write it out\n");
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

START_TEST(many_keys_are_quick)
{
	struct res_result r;
	struct buf b;

	buf_init(&b, 1u << 24);
	buf_puts(&b, NS "metadata:\n  name: a\n  annotations:\n");
	for (int i = 0; i < 200000; i++)
		buf_printf(&b, "    k%d: v\n", i);
	r = res_load(buf_text(&b));
	ck_assert_str_eq(r.faults, "");
	ck_assert_uint_eq(r.set.v[0]->meta.annotations.nr, 200000);
	ck_assert_str_eq(res_pairs_get(&r.set.v[0]->meta.annotations, "k77777"), "v");
	res_result_fini(&r);
	buf_fini(&b);
}
END_TEST

/* However many faults: so many are kept, the rest counted. */
START_TEST(many_faults_are_capped)
{
	struct res_faults faults = { 0 };
	struct res_set set = { 0 };
	struct buf b;

	buf_init(&b, 1u << 24);
	buf_puts(&b, NS "metadata:\n  name: a\n");
	for (int i = 0; i < 30000; i++)
		buf_printf(&b, "  unknown%d: v\n", i);
	ck_assert_int_eq(res_decode_yaml("t", buf_text(&b), b.len, &set, &faults), -EINVAL);
	ck_assert_uint_eq(faults.nr, RES_MAX_FAULTS);
	ck_assert_uint_eq(faults.suppressed, 30000 - RES_MAX_FAULTS);
	res_faults_fini(&faults);
	res_set_fini(&set);
	buf_fini(&b);
}
END_TEST

START_TEST(too_long)
{
	size_t len = RES_MAX_FILE + 1;
	char *text = malloc(len);
	struct res_result r;

	memset(text, '#', len);
	r = res_load_len(text, len);
	ck_assert_str_eq(
	    r.faults, "t.yaml:1:1: Document/1: file: 16777217 bytes: must be at most 16777216\n");
	res_result_fini(&r);
	r = res_load_len(text, RES_MAX_FILE);
	ck_assert_str_eq(r.faults, "");
	res_result_fini(&r);
	free(text);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("yaml");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, merges_as_told, 0, sizeof(merges) / sizeof(merges[0]));
	tcase_add_test(tc, quoted_merge_key_is_a_key);
	tcase_add_test(tc, aliases_share);
	tcase_add_loop_test(tc, refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tc, faults_before_a_broken_document);
	tcase_add_test(tc, empty_documents_are_none);
	tcase_add_test(tc, byte_order_mark_and_crlf);
	suite_add_tcase(s, tc);

	tc = tcase_create("bombs");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, nesting_bomb);
	tcase_add_test(tc, alias_bomb);
	tcase_add_test(tc, alias_depth_bomb);
	tcase_add_test(tc, text_bomb);
	tcase_add_test(tc, merge_bomb);
	tcase_add_test(tc, anchor_bomb);
	tcase_add_test(tc, many_keys_are_quick);
	tcase_add_test(tc, many_faults_are_capped);
	tcase_add_test(tc, too_long);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("yaml", add_tests)
