/*
 * tests/unit/bgpd/test_outq.c: what is written in which order, whatever the socket takes at once,
 * and that memory that is short loses nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bgpd/outq.h"
#include "lib/mem.h"
#include "tests/unit/unit.h"

static int pair[2];
static struct outq q;

static void
setup(void)
{
	int small = 1;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	outq_init(&q);
}

static void
teardown(void)
{
	outq_fini(&q);
	close(pair[0]);
	close(pair[1]);
}

static struct bgp_block *
block(char c, uint32_t len)
{
	struct bgp_block *b = bgp_block_new(len);

	memset(b->data, c, len);
	b->len = len;
	return b;
}

static void
push(char c, uint32_t len, bool urgent)
{
	struct bgp_block *b = block(c, len);

	ck_assert_int_eq(urgent ? outq_push_urgent(&q, b) : outq_push(&q, b), 0);
	bgp_block_unref(b); /* the queue has its own reference */
}

/* Drain into runs: "a5000 b19". */
static const char *
drain(void)
{
	static char text[8192];
	static char bytes[4096];
	size_t run = 0, at = 0;
	char last = 0;
	ssize_t n;

	text[0] = 0;
	for (;;) {
		long w = outq_write(&q, pair[0]);

		n = read(pair[1], bytes, sizeof(bytes));
		if (n <= 0 && w <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] != last && last)
				at += (size_t)snprintf(
				    text + at, sizeof(text) - at, "%c%zu ", last, run);
			run = bytes[i] == last ? run + 1 : 1;
			last = bytes[i];
		}
	}
	if (last)
		snprintf(text + at, sizeof(text) - at, "%c%zu", last, run);
	return text;
}

START_TEST(in_order_and_all_of_it)
{
	push('a', 70000, false);
	push('b', 100, false);
	push('c', 70000, false);
	ck_assert_uint_eq(q.bytes, 140100);
	ck_assert_str_eq(drain(), "a70000 b100 c70000");
	ck_assert_uint_eq(q.bytes, 0);
}
END_TEST

START_TEST(urgent_overtakes_what_is_not_begun)
{
	push('a', 70000, false);
	push('b', 70000, false);
	ck_assert_int_gt(outq_write(&q, pair[0]), 0);
	ck_assert_ptr_nonnull(q.begun);
	push('K', 19, true);
	push('L', 19, true);
	ck_assert_str_eq(drain(), "a70000 K19 L19 b70000");
}
END_TEST

START_TEST(an_urgent_one_that_is_begun_is_finished_first)
{
	push('K', 70000, true);
	ck_assert_int_gt(outq_write(&q, pair[0]), 0);
	push('L', 19, true);
	push('b', 100, false);
	ck_assert_str_eq(drain(), "K70000 L19 b100");
}
END_TEST

START_TEST(cut_leaves_what_is_begun_so_that_messages_stay_whole)
{
	push('a', 70000, false);
	push('b', 70000, false);
	ck_assert_int_gt(outq_write(&q, pair[0]), 0);
	push('K', 19, true);
	outq_cut(&q);
	push('N', 21, true);
	ck_assert_str_eq(drain(), "a70000 N21");
	push('a', 100, false);
	outq_cut(&q); /* nothing is begun */
	ck_assert_uint_eq(q.bytes, 0);
	push('N', 21, true);
	ck_assert_str_eq(drain(), "N21");
}
END_TEST

START_TEST(many_small_ones)
{
	for (int i = 0; i < 1000; i++)
		push((char)('a' + i % 2), 1, false);
	(void)drain();
	ck_assert_uint_eq(q.bytes, 0);
	ck_assert_uint_eq(q.bulk.nr, 0);
}
END_TEST

START_TEST(a_closed_socket_is_an_error_and_no_signal)
{
	close(pair[1]);
	push('a', 10, false);
	ck_assert_int_eq(outq_write(&q, pair[0]), -EPIPE);
	pair[1] = dup(pair[0]);
}
END_TEST

START_TEST(memory_that_is_short_loses_nothing)
{
	struct bgp_block *b = block('z', 5);

	for (int i = 0; i < 8; i++)
		push('a', 1, false);
	mem_fail_at(1);
	ck_assert_int_eq(outq_push(&q, b), -ENOMEM);
	mem_fail_at(1);
	ck_assert_int_eq(outq_push_urgent(&q, b), -ENOMEM);
	mem_fail_at(0);
	ck_assert_uint_eq(b->refs, 1);
	ck_assert_uint_eq(q.bytes, 8);
	ck_assert_str_eq(drain(), "a8");
	bgp_block_unref(b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("outq");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, in_order_and_all_of_it);
	tcase_add_test(tc, urgent_overtakes_what_is_not_begun);
	tcase_add_test(tc, an_urgent_one_that_is_begun_is_finished_first);
	tcase_add_test(tc, cut_leaves_what_is_begun_so_that_messages_stay_whole);
	tcase_add_test(tc, many_small_ones);
	tcase_add_test(tc, a_closed_socket_is_an_error_and_no_signal);
	tcase_add_test(tc, memory_that_is_short_loses_nothing);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("outq", add_tests)
