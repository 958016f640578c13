/*
 * tests/unit/lib/test_loop_run.c: lib/loop.c as a daemon runs it, where work follows work in one turn.
 */
#include "lib/loop.h"

#include <check.h>
#include <stdlib.h>

static struct loop_work first, next;
static unsigned nr_first, nr_next;

static void
count_next(void *arg)
{
	(void)arg;
	nr_next++;
}

static void
post_next_and_stop(void *loop)
{
	nr_first++;
	work_post(&next);
	loop_stop(loop);
}

static void
post_itself_and_stop(void *loop)
{
	nr_first++;
	work_post(&first);
	loop_stop(loop);
}

START_TEST(what_work_posts_is_done_in_the_same_turn)
{
	struct loop *l = loop_new_fake();

	work_init(&first, l, post_next_and_stop, l);
	work_init(&next, l, count_next, NULL);
	work_post(&first);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_uint_eq(nr_first, 1);
	ck_assert_uint_eq(nr_next, 1);
	loop_free(l);
}
END_TEST

START_TEST(work_that_never_ends_does_not_hold_the_others_up)
{
	struct loop *l = loop_new_fake();

	work_init(&first, l, post_itself_and_stop, l);
	work_post(&first);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_uint_gt(nr_first, 1);
	ck_assert_uint_lt(nr_first, 10);
	work_cancel(&first);
	loop_free(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop_run");
	TCase *tc = tcase_create("run");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, what_work_posts_is_done_in_the_same_turn);
	tcase_add_test(tc, work_that_never_ends_does_not_hold_the_others_up);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
