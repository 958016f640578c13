/*
 * tests/unit/lib/test_acceptor.c: connections are handed on, a bounded number at once, and those who
 * come when there is no descriptor left wait without the loop turning for them.
 */
#include "lib/acceptor.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/loop.h"
#include "tests/unit/unit.h"

#define MANY 600

static struct loop *loop;
static struct acceptor *acceptor;
static struct sockaddr_un sun;
static int got[MANY], nr_got;
static int asked[MANY];
static bool free_at_once;

static void
take(void *arg, int fd)
{
	ck_assert_ptr_eq(arg, &loop);
	ck_assert_int_lt(nr_got, MANY);
	got[nr_got++] = fd;
	if (free_at_once) {
		acceptor_free(acceptor);
		acceptor = NULL;
	}
}

static int
ask(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
setup(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	sun.sun_family = AF_UNIX;
	/* abstract: no file is left */
	snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "herald-acceptor-%d", (int)getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, MANY), 0);
	loop = loop_new_fake();
	acceptor = acceptor_new(loop, fd, "test connections", take, &loop);
	ck_assert_ptr_nonnull(acceptor);
	ck_assert_int_eq(acceptor_fd(acceptor), fd);
	nr_got = 0;
	free_at_once = false;
}

static void
teardown(void)
{
	acceptor_free(acceptor);
	loop_free(loop);
	for (int i = 0; i < nr_got; i++)
		close(got[i]);
}

static void
turn(void)
{
	ck_assert_int_eq(loop_turn(loop, 0), 0);
}

START_TEST(all_who_wait_are_taken_and_a_flood_in_several_turns)
{
	struct rlimit limit = { 4096, 4096 };
	int first;

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < MANY && i < SOMAXCONN; i++)
		asked[i] = ask();
	turn();
	first = nr_got;
	ck_assert_int_gt(first, 0);
	ck_assert_int_lt(first, MANY);
	for (int i = 0; i < MANY && nr_got < MANY; i++)
		turn();
	ck_assert_int_eq(nr_got, MANY);
	for (int i = 0; i < MANY; i++)
		close(asked[i]);
}
END_TEST

static struct rlimit
leave_no_descriptor(void)
{
	struct rlimit had, none;
	int next = dup(0);

	ck_assert_int_ge(next, 0);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &had), 0);
	none = had;
	none.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	return had;
}

START_TEST(without_descriptors_they_wait_and_the_loop_rests)
{
	int client = ask();
	struct rlimit had = leave_no_descriptor();

	turn();
	ck_assert_int_eq(nr_got, 0);
	loop_advance(loop, 1000); /* tried again, in vain */
	ck_assert_int_eq(nr_got, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &had), 0);
	turn();
	ck_assert_int_eq(nr_got, 0); /* it rests, though somebody waits */
	loop_advance(loop, 1000);
	turn();
	ck_assert_int_eq(nr_got, 1);
	close(client);
}
END_TEST

START_TEST(the_callee_may_free_it)
{
	int a = ask(), b = ask();

	free_at_once = true;
	turn();
	ck_assert_int_eq(nr_got, 1);
	ck_assert_ptr_null(acceptor);
	close(a);
	close(b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("acceptor");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, all_who_wait_are_taken_and_a_flood_in_several_turns);
	if (unit_rounds(20) == 20) /* valgrind keeps descriptors, and the limit, for itself */
		tcase_add_test(tc, without_descriptors_they_wait_and_the_loop_rests);
	tcase_add_test(tc, the_callee_may_free_it);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("acceptor", add_tests)
