/*
 * tests/unit/fib/test_weights.c: next hops with unequal parts of the load: what makes a route another
 * one, and what is left of them behind the same router.
 */
#include "fib/core.h"

#include "tests/unit/unit.h"

static struct fib_hop
hop(const char *gateway, uint16_t weight)
{
	struct fib_hop h = { .weight = weight, .ifindex = 1 };

	ck_assert_int_eq(addr_parse(gateway, &h.gateway), 0);
	return h;
}

START_TEST(another_weight_is_another_route)
{
	const struct fib_hop a[] = { hop("10.0.0.1", 1), hop("10.0.0.2", 3) };
	const struct fib_hop b[] = { hop("10.0.0.1", 0), hop("10.0.0.2", 3) };
	const struct fib_hop c[] = { hop("10.0.0.1", 1), hop("10.0.0.2", 2) };

	ck_assert(hops_same(a, 2, b, 2)); /* 0 is 1 */
	ck_assert(!hops_same(a, 2, c, 2));
	ck_assert(hops_same(a + 1, 1, c + 1, 1)); /* alone it has all of it anyway */
}
END_TEST

START_TEST(the_same_router_has_the_load_of_both)
{
	struct hops h = { .nr = 3 };

	h.hop[0] = hop("10.0.0.2", 3);
	h.hop[1] = hop("10.0.0.1", 1);
	h.hop[2] = hop("10.0.0.2", 2);
	hops_sort(&h);
	ck_assert_uint_eq(h.nr, 2);
	ck_assert_uint_eq(h.hop[0].weight, 1);
	ck_assert_uint_eq(h.hop[1].weight, 5);
	h.nr = 3;
	h.hop[0] = h.hop[2] = hop("10.0.0.2", 200);
	h.hop[1] = hop("10.0.0.1", 1);
	hops_sort(&h);
	ck_assert_uint_eq(h.hop[1].weight, FIB_WEIGHT_MAX);
	/* Without weights a way that is named twice counts once, as ever. */
	h.nr = 2;
	h.hop[0] = h.hop[1] = hop("10.0.0.2", 0);
	hops_sort(&h);
	ck_assert_uint_eq(h.nr, 1);
	ck_assert_uint_eq(h.hop[0].weight, 0);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("weights");

	tcase_add_test(tc, another_weight_is_another_route);
	tcase_add_test(tc, the_same_router_has_the_load_of_both);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("fib-weights", add_tests)
