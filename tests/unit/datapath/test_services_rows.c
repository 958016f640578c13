/*
 * tests/unit/datapath/test_services_rows.c: rows that wait for their flows to end, and how many may:
 * what the sweep asks of the writer of Services.
 */
#include "tests/unit/datapath/servbed.h"

/* Rows that wait are told to hurry when there are few others. */
START_TEST(dying_rows_are_most_of_those_left)
{
	struct dp_frontend *f = plain(0, 0, 4);

	put(0);
	ck_assert(!services_is_short(s));
	for (uint32_t round = 0; round < BE && !services_is_short(s); round++) {
		/* Each time four others. */
		for (size_t k = 0; k < f->nr_backends; k++)
			((struct dp_backend *)(uintptr_t)f->backends)[k].port =
			    (uint16_t)(9000 + round);
		put(0);
	}
	ck_assert(services_is_short(s));
	sweep();
	loop_advance(loop, 62000); /* tables that list them are forgotten */
	ck_assert(!services_is_short(s));
	f->nr_backends = 0;
	put(0);
	take(0);
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *tc = bed_case("services_rows");

	tcase_add_test(tc, dying_rows_are_most_of_those_left);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("services_rows", add_tests)
