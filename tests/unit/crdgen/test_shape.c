/*
 * tests/unit/crdgen/test_shape.c: schemas of single rows beside the decoder: what it takes, no schema may
 * refuse.  And YAML that is printed reads as what it was.
 */
#include "tests/unit/crdgen/check_schema.h"

#include "tests/unit/unit.h"

#include "tools/crdgen/crdgen.h"

#include "resource/arena.h"
#include "resource/fault.h"
#include "resource/scalar.h"
#include "resource/tree.h"

#include "lib/buf.h"

#define COMMUNITY(types, names)                                                                    \
	{                                                                                          \
		.type = T_COMMUNITY, .max = (types), .min = (names), .right = ""                   \
	}

static const struct field rows[] = {
	{ .type = T_ADDR },
	{ .type = T_ADDR, .min = 1 },
	{ .type = T_PREFIX },
	{ .type = T_LISTEN },
	{ .type = T_LISTEN, .min = 1 },
	{ .type = T_ROUTER_ID },
	{ .type = T_NEXT_HOP },
	{ .type = T_TIME },
	COMMUNITY(1u << RES_COMM_STANDARD, 0),
	COMMUNITY(1u << RES_COMM_STANDARD, 1),
	COMMUNITY(1u << RES_COMM_EXTENDED, 0),
	COMMUNITY(1u << RES_COMM_LARGE, 0),
	COMMUNITY(7, 0),
};

static const char *const texts[] = { "", "0.0.0.0", "192.0.2.1", "255.255.255.255", "256.0.0.1",
	"1.2.3", "01.2.3.4", "192.0.2.1 ", "::", "::1", "fd00::1", "FE80::1", "::ffff:192.0.2.1",
	"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "g::1", "0.0.0.0/0", "10.0.0.0/8",
	"10.0.0.0/33", "10.0.0.0/", "10.1.2.3/08", "::/0", "fd00::/128", "fd00::/129",
	"0.0.0.0:179", "192.0.2.1:0", "192.0.2.1:65535", "192.0.2.1:00179", "[::]:179",
	"[fd00::1]:65535", "::179", "[192.0.2.1]:1", "self", "keep", "me", "65000:1", "65000:65536",
	"0", "4294967295", "4294967296", "no-export", "graceful-shutdown", "no-such", "rt:65000:1",
	"ro:192.0.2.1:7", "rt:4200000000:1", "65000:1:2", "large:65000:1:2",
	"4294967295:4294967295:4294967295", "a:b", "2026-01-31T12:00:00Z",
	"2026-01-31T12:00:00.000001+09:00", "soon" };

#define NR_TEXTS (sizeof(texts) / sizeof(texts[0]))

static bool
decoder_takes(const struct field *f, const char *text)
{
	struct node n = { .type = NODE_SCALAR, .quoted = true, .nr = strlen(text), .text = text };
	struct res_arena *arena = arena_new();
	union {
		char bytes[256];
		uint64_t aligned;
	} at = { { 0 } };
	char why[SCALAR_WHY];
	int err = scalar_parse(f, &n, arena, &at, why);

	arena_free(arena);
	return err == 0;
}

START_TEST(what_is_decoded_is_not_refused)
{
	for (int use = FORM_CRD; use <= FORM_EDITOR; use++) {
		const struct form form = { FORM_NATIVE, (enum form_use)use };
		json_t *schema = shape_field(&rows[_i], &form);
		size_t taken = 0;

		for (size_t i = 0; i < NR_TEXTS; i++) {
			json_t *value = json_string(texts[i]);
			char why[WHY];

			if (decoder_takes(&rows[_i], texts[i])) {
				taken++;
				ck_assert_msg(
				    use == FORM_EDITOR || schema_takes(schema, value, why),
				    "\"%s\": %s", texts[i], why);
			}
			json_decref(value);
		}
		ck_assert_uint_gt(taken, 0);
		json_decref(schema);
	}
}
END_TEST

/* And the worst is refused already by the schema: of the texts, most of what the decoder refuses. */
START_TEST(nonsense_is_refused)
{
	static const char *const nonsense[] = { "g::x", "256.0.0.1.", "x:y", "soon ", "me!" };
	const struct form form = { FORM_NATIVE, FORM_CRD };

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		json_t *schema = shape_field(&rows[r], &form), *value = json_string(nonsense[_i]);
		char why[WHY];

		if (rows[r].type != T_TIME)
			ck_assert_msg(!schema_takes(schema, value, why), "%s", nonsense[_i]);
		json_decref(schema);
		json_decref(value);
	}
}
END_TEST

/* ---- spans ---- */

static bool
is_even(const void *at)
{
	return *(const uint16_t *)at % 2 == 0;
}

static bool
is_edge(const void *at)
{
	uint16_t v = *(const uint16_t *)at;

	return v == 1 || v == 9 || (v > 3 && v < 6);
}

START_TEST(spans_of_a_check)
{
	struct field f = { .type = T_UINT, .size = 2, .min = 1, .max = 9, .valid = is_edge };
	struct span s[MAX_SPANS];

	ck_assert_uint_eq(shape_spans(&f, s), 3);
	ck_assert(s[0].first == 1 && s[0].last == 1);
	ck_assert(s[1].first == 4 && s[1].last == 5);
	ck_assert(s[2].first == 9 && s[2].last == 9);
	f.valid = is_even;
	f.max = 7;
	ck_assert_uint_eq(shape_spans(&f, s), 3);
	f.max = 65535; /* too many to tell */
	ck_assert_uint_eq(shape_spans(&f, s), 0);
	f.valid = NULL;
	ck_assert_uint_eq(shape_spans(&f, s), 1);
	ck_assert(s[0].first == 1 && s[0].last == 65535);
}
END_TEST

/* ---- YAML ---- */

static bool same(const struct node *, const json_t *);

static bool
same_object(const struct node *n, const json_t *j)
{
	const char *key;
	json_t *value;

	if (n->type != NODE_MAP || n->nr != json_object_size(j))
		return false;
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		if (!tree_get(n, key) || !same(tree_get(n, key), value))
			return false;
	}
	return true;
}

static bool
same_array(const struct node *n, const json_t *j)
{
	if (n->type != NODE_LIST || n->nr != json_array_size(j))
		return false;
	for (size_t i = 0; i < n->nr; i++)
		if (!same(n->items[i], json_array_get(j, i)))
			return false;
	return true;
}

/* A string is quoted, or certainly nothing else. */
static bool
same_string(const struct node *n, const char *text)
{
	return strcmp(n->text, text) == 0 &&
	    (n->quoted || strchr("0123456789.-+~", n->text[0]) == NULL);
}

/* The same, types included. */
static bool
same(const struct node *n, const json_t *j)
{
	if (json_is_object(j))
		return same_object(n, j);
	if (json_is_array(j))
		return same_array(n, j);
	if (n->type != NODE_SCALAR)
		return false;
	if (json_is_string(j))
		return same_string(n, json_string_value(j));
	if (n->quoted)
		return false;
	if (json_is_integer(j))
		return strtoll(n->text, NULL, 10) == json_integer_value(j);
	return strcmp(n->text, json_is_true(j) ? "true" : "false") == 0;
}

static int
compare(void *arg, const struct node *root, unsigned number)
{
	ck_assert_uint_eq(number, 1);
	ck_assert(same(root, arg));
	return 1; /* seen */
}

static void
print_and_read(json_t *j)
{
	struct res_faults faults = { 0 };
	struct tree_reader rd = { "printed", &faults, compare, j };
	struct buf b;

	buf_init(&b, 1u << 20);
	yaml_print(&b, j);
	ck_assert_msg(yaml_read(&rd, buf_text(&b), b.len) == 1, "%s", buf_text(&b));
	ck_assert_uint_eq(faults.nr, 0);
	res_faults_fini(&faults);
	buf_fini(&b);
	json_decref(j);
}

START_TEST(yaml_reads_as_it_was)
{
	static const char *const corners =
	    "{\"a\": [], \"b\": {}, \"no\": \"no\", \"c\": [1, -2, true, false, \"\", \"~\", \"- "
	    "x\","
	    " \"0x10\", \"1.5\", \"a: b\", \"a #b\", \"\\\"q\\\"\", \"\\\\.\", \"two\\nlines\"],"
	    " \"d e\": [[1, [2]], [{\"f\": [{\"g\": {\"h\": \"null\"}}], \"i\": 1}]], \"y\": "
	    "\"on\","
	    " \"x-k/l.m\": \"a/b.c\"}";

	print_and_read(json_loads(corners, 0, NULL));
	for (int k = 0; k < RES_NR_KINDS; k++) {
		json_t *crd = crd_native((enum res_kind)k);

		if (crd)
			print_and_read(crd);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("shape");

	tcase_add_loop_test(tc, what_is_decoded_is_not_refused, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(tc, nonsense_is_refused, 0, 5);
	tcase_add_test(tc, spans_of_a_check);
	tcase_add_test(tc, yaml_reads_as_it_was);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("shape", add_tests)
