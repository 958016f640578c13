/*
 * tests/unit/ipam/test_taken.c: the tree of taken addresses against a plain array of flags.
 */
#include "ipam/taken.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { SPAN = 200, STEPS = 20000 };

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static bool
naive_lowest(const bool *flags, unsigned lo, unsigned hi, unsigned *at)
{
	for (*at = lo; *at <= hi; ++*at)
		if (!flags[*at])
			return true;
	return false;
}

/* _i: offset classes: the start of the number space, its middle, and its very end. */
START_TEST(agrees_with_an_array)
{
	const ipam_key last = ~(ipam_key)0;
	const ipam_key base = _i == 0 ? 0 : _i == 1 ? (ipam_key)1 << 64 : last - (SPAN - 1);
	struct taken nodes[SPAN];
	bool flags[SPAN] = { false };
	struct tree t;

	memset(nodes, 0, sizeof(nodes));
	seed = 7 + (uint32_t)_i;
	taken_init(&t);
	for (int step = 0; step < STEPS; step++) {
		unsigned a = rnd(SPAN), b = a + rnd(SPAN - a), want, n = 0;
		ipam_key got;

		if (rnd(3) == 0)
			a = rnd(8); /* long runs at the start */
		if (flags[a]) {
			tree_remove(&t, &nodes[a].node);
		} else {
			nodes[a].key = base + a;
			tree_insert(&t, &nodes[a].node);
		}
		flags[a] = !flags[a];
		if (b < a)
			b = a;
		for (unsigned i = a; i <= b; i++)
			n += flags[i];
		ck_assert_uint_eq(taken_count(&t, base + a, base + b), n);
		ck_assert_int_eq(taken_lowest_free(&t, base + a, base + b, &got),
		    naive_lowest(flags, a, b, &want));
		if (naive_lowest(flags, a, b, &want))
			ck_assert(got == base + want);
		ck_assert_int_eq(taken_find(&t, base + b) != NULL, flags[b]);
	}
}
END_TEST

START_TEST(in_order)
{
	struct taken nodes[64];
	struct tree t;
	ipam_key last = 0;
	size_t n = 0;

	memset(nodes, 0, sizeof(nodes));
	taken_init(&t);
	for (unsigned i = 0; i < 64; i++) {
		nodes[i].key = (i * 37) % 64 + 1;
		tree_insert(&t, &nodes[i].node);
	}
	for (struct tree_node *x = tree_first(&t); x; x = tree_next(x), n++) {
		ck_assert(taken_of(x)->key == last + 1);
		last = taken_of(x)->key;
	}
	ck_assert_uint_eq(n, 64);
}
END_TEST

START_TEST(key_and_address)
{
	static const char *const text[] = { "0.0.0.0", "172.16.1.1", "255.255.255.255",
		"::", "2001:db8::1:ff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		struct addr a, back;

		ck_assert_int_eq(addr_parse(text[i], &a), 0);
		back = taken_addr((enum addr_family)a.family, taken_key(&a));
		ck_assert_str_eq(addr_str(&back), text[i]);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("taken");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, agrees_with_an_array, 0, 3);
	tcase_add_test(tc, in_order);
	tcase_add_test(tc, key_and_address);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ipam-taken", add_tests)
