/*
 * tests/unit/datapath/test_space.c: datapath/space.c against an array of flags.
 */
#include "datapath/space.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define WORDS 2000
#define HELD 300

static struct space space;
static struct extent *held[HELD];
static bool taken[WORDS];

static void
teardown(void)
{
	mem_fail_at(0);
	space_fini(&space);
	memset(held, 0, sizeof(held));
	memset(taken, 0, sizeof(taken));
}

static void
mark(const struct extent *e, bool to)
{
	bool was_other = true;

	for (uint32_t i = 0; i < e->words; i++) {
		was_other = was_other && taken[e->off + i] != to;
		taken[e->off + i] = to;
	}
	ck_assert(was_other);
}

static uint32_t
longest_gap(void)
{
	uint32_t most = 0, run = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		run = taken[i] ? 0 : run + 1;
		most = run > most ? run : most;
	}
	return most;
}

/* The list covers the array, and two free extents never touch. */
static void
check_list(void)
{
	uint32_t at = 0, used = 0;
	bool good = true; /* an assertion for each word would take a minute */

	for (const struct extent *e = space.first; e; e = e->next) {
		good = good && e->off == at && e->words;
		good = good && (!e->prev || e->prev->taken || e->taken);
		for (uint32_t i = 0; i < e->words; i++)
			good = good && taken[at + i] == e->taken;
		at += e->words;
		used += e->taken ? e->words : 0;
	}
	ck_assert(good);
	ck_assert_uint_eq(at, WORDS);
	ck_assert_uint_eq(used, space.used);
}

START_TEST(random_walk)
{
	ck_assert_int_eq(space_init(&space, WORDS), 0);
	for (unsigned long round = 0; round < unit_rounds(20000); round++) {
		struct extent **e = &held[rand() % HELD];
		uint32_t words = 1 + (uint32_t)rand() % (rand() % 8 ? 20 : 300);
		uint32_t off = (uint32_t)rand() % WORDS;
		uint32_t gap = longest_gap();
		int err;

		if (*e) {
			mark(*e, false);
			space_give(&space, *e);
			*e = NULL;
		} else if (rand() % 4) {
			err = space_take(&space, words, e);
			ck_assert_int_eq(err, gap >= words ? 0 : -ENOSPC);
			if (!err)
				mark(*e, true);
		} else {
			bool is_free = off + words <= WORDS;

			for (uint32_t i = off; is_free && i < off + words; i++)
				is_free = !taken[i];
			err = space_reserve(&space, off, words, e);
			ck_assert_int_eq(err,
			    is_free		      ? 0
				: off + words > WORDS ? -ERANGE
						      : -EEXIST);
			if (!err) {
				ck_assert_uint_eq((*e)->off, off);
				mark(*e, true);
			}
		}
		check_list();
	}
}
END_TEST

START_TEST(all_of_it_and_back)
{
	ck_assert_int_eq(space_init(&space, WORDS), 0);
	ck_assert_int_eq(space_take(&space, WORDS, &held[0]), 0);
	ck_assert_int_eq(space_take(&space, 1, &held[1]), -ENOSPC);
	space_give(&space, held[0]);
	ck_assert_int_eq(space_take(&space, WORDS + 1, &held[0]), -ENOSPC);
	ck_assert_int_eq(space_take(&space, 0, &held[0]), -ENOSPC);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(space_take(&space, 10, &held[i]), 0);
	for (int i = 0; i < 200; i += 2)
		space_give(&space, held[i]);
	ck_assert_int_eq(space_take(&space, 11, &held[0]), -ENOSPC);
	for (int i = 1; i < 200; i += 2)
		space_give(&space, held[i]);
	ck_assert_int_eq(space_take(&space, WORDS, &held[0]), 0);
	space_give(&space, NULL);
}
END_TEST

START_TEST(nothing_at_all)
{
	ck_assert_int_eq(space_init(&space, 0), 0);
	ck_assert_int_eq(space_take(&space, 1, &held[0]), -ENOSPC);
	ck_assert_int_eq(space_reserve(&space, 0, 1, &held[0]), -ERANGE);
}
END_TEST

START_TEST(out_of_memory)
{
	mem_fail_at(1);
	ck_assert_int_eq(space_init(&space, WORDS), -ENOMEM);
	ck_assert_int_eq(space_init(&space, WORDS), 0);
	for (unsigned nth = 1; nth <= 2; nth++) {
		mem_fail_at(nth);
		ck_assert_int_eq(space_reserve(&space, 100, 10, &held[0]), -ENOMEM);
		mem_fail_at(0);
		check_list();
	}
	mem_fail_at(1);
	ck_assert_int_eq(space_take(&space, 10, &held[0]), -ENOMEM);
	mem_fail_at(0);
	check_list();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("space");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, random_walk);
	tcase_add_test(tc, all_of_it_and_back);
	tcase_add_test(tc, nothing_at_all);
	tcase_add_test(tc, out_of_memory);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("space", add_tests)
