/*
 * tests/unit/lib/test_loop_stat.c: how punctual the loop says that it is: turns and late timers, each
 * in its bucket.
 */
#include "tests/unit/unit.h"

#include "lib/loop.h"

static uint64_t
in_buckets(const struct loop_stat *s, uint32_t from_us)
{
	uint64_t nr = 0;

	for (unsigned i = 0; i <= LOOP_NR_STAT_BOUNDS; i++)
		if (i == LOOP_NR_STAT_BOUNDS || loop_stat_bounds_us[i] >= from_us)
			nr += s->buckets[i];
	return nr;
}

static void
spin(void *arg)
{
	struct loop *l = arg;
	const uint64_t until = loop_now_us(l) + 12000;

	while (loop_now_us(l) < until)
		;
}

static void
nothing(void *arg)
{
	(void)arg;
}

START_TEST(bounds_rise)
{
	for (unsigned i = 1; i < LOOP_NR_STAT_BOUNDS; i++)
		ck_assert_uint_lt(loop_stat_bounds_us[i - 1], loop_stat_bounds_us[i]);
}
END_TEST

/* What holds a turn up is seen in that turn, and what it held up is late in the next. */
START_TEST(a_long_turn_and_the_timer_that_it_made_late)
{
	struct loop *l = loop_new();
	const struct loop_stat *turns = loop_turns(l), *late = loop_lateness(l);
	struct loop_timer soon;
	struct loop_work work;

	work_init(&work, l, spin, l);
	timer_init(&soon, l, nothing, NULL);
	work_post(&work);
	timer_set(&soon, 1);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_uint_eq(turns->nr, 1);
	ck_assert_uint_ge(turns->sum_us, 12000);
	ck_assert_uint_eq(in_buckets(turns, 25000), 1);
	if (timer_is_running(&soon)) { /* a machine that slept has fired it before the work */
		ck_assert_int_eq(loop_turn(l, 0), 0);
		ck_assert_uint_eq(in_buckets(late, 2500), 1);
		ck_assert_uint_ge(late->sum_us, 2000);
	}
	ck_assert(!timer_is_running(&soon));
	ck_assert_uint_eq(late->nr, 1);
	ck_assert_uint_eq(in_buckets(late, 0), 1);
	loop_free(l);
}
END_TEST

START_TEST(on_a_fake_clock_all_is_punctual)
{
	struct loop *l = loop_new_fake();
	const struct loop_stat *late = loop_lateness(l);
	struct loop_timer t;

	timer_init(&t, l, nothing, NULL);
	timer_set(&t, 5000);
	loop_advance(l, 10000);
	ck_assert_uint_eq(late->nr, 1);
	ck_assert_uint_eq(late->buckets[0], 1);
	ck_assert_uint_eq(late->sum_us, 0);
	ck_assert_uint_eq(loop_turns(l)->nr, 0);
	loop_free(l);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("stat");

	tcase_add_test(tc, bounds_rise);
	tcase_add_test(tc, a_long_turn_and_the_timer_that_it_made_late);
	tcase_add_test(tc, on_a_fake_clock_all_is_punctual);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("loop_stat", add_tests)
