/*
 * tests/unit/cluster/test_ring.c: the order that all nodes agree on, against a naive one.
 */
#include "cluster/ring.h"

#include "tests/unit/unit.h"

/* Nodes of different versions must agree: these values never change. */
START_TEST(hashes_are_for_ever)
{
	const struct addr a = { .family = ADDR_V4, .b = { 192, 0, 2, 1 } };

	ck_assert_uint_eq(ring_hash("node-1"), 15547017296877882859ULL);
	ck_assert_uint_eq(ring_score(ring_hash("node-1"), &a), 654084063908542912ULL);
}
END_TEST

START_TEST(watchers_are_the_next_on_the_ring)
{
	for (size_t nr = 0; nr < 12; nr++) {
		uint64_t places[12];

		for (size_t i = 0; i < nr; i++)
			places[i] = 10 * (i + 1);
		/* Of one that is on the ring, and of one between two, before all and after all. */
		for (uint64_t at = 0; at <= 130; at += 5) {
			size_t got[3], n = ring_next(places, nr, at, got, 3), want = 0;

			for (uint64_t step = 1; step <= 140 && want < 3; step++) {
				uint64_t place = (at + step) % 140;
				bool is = place && place % 10 == 0 && place <= nr * 10;

				if (!is || place == at)
					continue;
				ck_assert_uint_lt(want, n);
				ck_assert_uint_eq(places[got[want++]], place);
			}
			ck_assert_uint_eq(n, want);
		}
	}
}
END_TEST

START_TEST(scores_spread_evenly)
{
	unsigned first[5] = { 0 };

	for (unsigned i = 0; i < 5000; i++) {
		struct addr a = { .family = ADDR_V4,
			.b = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } };
		unsigned best = 0;

		for (unsigned m = 1; m < 5; m++)
			if (ring_score(m + 1, &a) > ring_score(best + 1, &a))
				best = m;
		first[best]++;
	}
	for (unsigned m = 0; m < 5; m++)
		ck_assert_msg(first[m] > 850 && first[m] < 1150, "%u has %u", m, first[m]);
}
END_TEST

START_TEST(families_differ)
{
	const struct addr four = { .family = ADDR_V4, .b = { 1, 2, 3, 4 } };
	const struct addr six = { .family = ADDR_V6, .b = { 1, 2, 3, 4 } };

	ck_assert_uint_ne(ring_score(1, &four), ring_score(1, &six));
	ck_assert_uint_ne(ring_score(1, &four), ring_score(2, &four));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("ring");

	tcase_add_test(tc, hashes_are_for_ever);
	tcase_add_test(tc, watchers_are_the_next_on_the_ring);
	tcase_add_test(tc, scores_spread_evenly);
	tcase_add_test(tc, families_differ);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("ring", add_tests)
