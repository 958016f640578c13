/*
 * tests/unit/kube/test_http_stream.c: watches and lists as they come in, time limits, and ends of
 * every kind: cancelled, freed, without memory.
 */
#include "tests/unit/kube/httpkit.h"

#include "lib/mem.h"

/* ---- streams ---- */

START_TEST(a_watch_is_told_line_by_line)
{
	struct result r;

	start(&r, "/lines?n=3", true);
	while (r.stream.len < 3 * strlen("{\"type\":\"ADDED\",\"object\":{\"n\":0}}\n"))
		loop_turn(loop, 100);
	ck_assert(!r.done);
	HAS(buf_text(&r.stream), "{\"n\":2}}\n");
	ck_assert(kube_http_reachable(http));
	kube_call_cancel(r.call);
	ck_assert_int_eq(get("/echo")->status, 200);
	ck_assert(!r.done);
	result_fini(&r);
}
END_TEST

START_TEST(a_stream_ends_whole)
{
	struct result r;

	start(&r, "/lines?n=2&end=1", true);
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(r.error, "");
	ck_assert_uint_eq(r.body.len, 0);
	HAS(buf_text(&r.stream), "{\"n\":1}}\n");
	result_fini(&r);
}
END_TEST

START_TEST(a_receiver_that_has_enough_ends_it)
{
	struct result r;

	start(&r, "/endless-body", true);
	r.stop_after = 3000000;
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.error, "stopped");
	ck_assert_uint_lt(r.stream.len, r.stop_after + 16385);
	result_fini(&r);
}
END_TEST

START_TEST(a_pause_holds_the_sender)
{
	struct result r;
	uint64_t until;

	start(&r, "/bytes?n=20000000&piece=10000", true);
	while (r.stream.len == 0)
		loop_turn(loop, 100);
	kube_call_pause(r.call, true);
	/* Others go on meanwhile; nothing is handed on. */
	until = r.stream.len;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(get("/echo")->status, 200);
	ck_assert_uint_eq(r.stream.len, until);
	kube_call_pause(r.call, false);
	wait_for(&r.done);
	ck_assert_msg(r.status == 200, "%s", r.error);
	ck_assert_uint_eq(r.stream.len, 20000000);
	result_fini(&r);
}
END_TEST

/* Slow receivers, handed on in slices: no turn of the loop takes long. */
START_TEST(data_comes_in_slices)
{
	uint64_t longest = 0;
	struct result r;

	start(&r, "/bytes?n=16000000", true);
	while (!r.done) {
		uint64_t before, took;

		ck_assert_int_eq(loop_turn(loop, 100), 0);
		before = loop_now_us(loop);
		loop_turn(loop, 0);
		took = loop_now_us(loop) - before;
		longest = took > longest ? took : longest;
	}
	ck_assert_uint_eq(r.stream.len, 16000000);
	ck_assert_uint_gt(r.nr_data, 900);
	ck_assert_uint_lt(longest, 2000000); /* a sanity check: the machine may be busy */
	result_fini(&r);
}
END_TEST

START_TEST(what_is_packed_is_unpacked)
{
	struct result *r = get("/gzip?n=100000");

	ck_assert_int_eq(r->status, 200);
	ck_assert_uint_eq(r->body.len, 100000);
	ck_assert_int_eq(buf_text(&r->body)[99999], 'q');
}
END_TEST

/* ---- time ---- */

/* Short, but enough for a TLS connection, which takes valgrind a while. */
static unsigned
limit_ms(void)
{
	return unit_rounds(20) < 20 ? 6000 : 600;
}

START_TEST(a_call_that_is_late_ends)
{
	static const char *const paths[] = { "/stall", "/stall?after=10" };
	struct kube_request q = { .method = "GET", .path = paths[_i], .timeout_ms = limit_ms() };
	struct result r = { 0 };
	char words[64];

	q.done = on_done;
	q.arg = &r;
	buf_init(&r.body, 1 << 20);
	ck_assert_ptr_nonnull(kube_call(http, &q));
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 0);
	snprintf(words, sizeof(words), "no (whole) answer within %u ms", limit_ms());
	HAS(r.error, words);
	ck_assert(!kube_http_reachable(http));
	ck_assert_int_eq(get("/echo")->status, 200);
	result_fini(&r);
}
END_TEST

START_TEST(a_watch_that_is_silent_ends)
{
	struct kube_request q = { .method = "GET",
		.path = "/lines?n=2",
		.idle_ms = limit_ms(),
		.data = on_data,
		.done = on_done };
	struct result r = { 0 };
	char words[64];

	q.arg = &r;
	buf_init(&r.body, 1 << 20);
	buf_init(&r.stream, 1 << 20);
	ck_assert_ptr_nonnull(kube_call(http, &q));
	wait_for(&r.done);
	ck_assert_int_eq(r.status, 0);
	snprintf(words, sizeof(words), "not a byte came for %u ms", limit_ms());
	HAS(r.error, words);
	HAS(buf_text(&r.stream), "{\"n\":1}}\n");
	result_fini(&r);
}
END_TEST

/* ---- ends ---- */

START_TEST(done_may_do_anything)
{
	struct result a, b;

	start(&b, "/stall", true);
	start(&a, "/echo", false);
	a.cancel = b.call;
	a.free_http = true;
	wait_for(&a.done);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(http);
	loop_turn(loop, 0);
	ck_assert(!b.done);
	result_fini(&a);
	result_fini(&b);
}
END_TEST

/* At every stage: parked, connecting, streaming, ended but not told. */
START_TEST(cancelling_leaves_nothing)
{
	struct result r;

	for (int turns = 0; turns < 30; turns++) {
		start(&r, turns % 2 ? "/lines?n=1" : "/echo", turns % 2);
		for (int i = 0; i < turns && !r.done; i++)
			loop_turn(loop, 1);
		if (!r.done)
			kube_call_cancel(r.call);
		result_fini(&r);
	}
	ck_assert_int_eq(get("/echo")->status, 200);
}
END_TEST

START_TEST(freeing_with_calls_under_way)
{
	static struct result r[6];

	for (int i = 0; i < 6; i++)
		start(&r[i], i % 2 ? "/lines?n=5" : "/stall", i % 3 == 0);
	for (int i = 0; i < _i * 3; i++)
		loop_turn(loop, 2);
	close_http();
	loop_turn(loop, 0);
	for (int i = 0; i < 6; i++)
		result_fini(&r[i]);
}
END_TEST

START_TEST(memory_that_is_short_is_an_end)
{
	struct kube_request q = { .method = "PATCH",
		.path = "/bytes?n=100000",
		.body = "{}",
		.len = 2,
		.done = on_done };
	struct result r = { 0 };
	bool whole = false;

	q.arg = &r;
	for (unsigned n = 1; !whole; n++) {
		mem_fail_at(n);
		r.done = false;
		if (kube_call(http, &q)) {
			while (!r.done)
				loop_turn(loop, 100);
			whole = r.status == 200;
		}
		mem_fail_at(0);
		ck_assert_uint_lt(n, 100);
	}
	buf_fini(&r.body);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("http_stream");

	if (!server_is_there())
		unit_skip("needs python3 and openssl");
	tcase_add_unchecked_fixture(tc, server_start, server_stop);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_watch_is_told_line_by_line);
	tcase_add_test(tc, a_stream_ends_whole);
	tcase_add_test(tc, a_receiver_that_has_enough_ends_it);
	tcase_add_test(tc, a_pause_holds_the_sender);
	tcase_add_test(tc, data_comes_in_slices);
	tcase_add_test(tc, what_is_packed_is_unpacked);
	tcase_add_loop_test(tc, a_call_that_is_late_ends, 0, 2);
	tcase_add_test(tc, a_watch_that_is_silent_ends);
	tcase_add_test(tc, done_may_do_anything);
	tcase_add_test(tc, cancelling_leaves_nothing);
	tcase_add_loop_test(tc, freeing_with_calls_under_way, 0, 6);
	tcase_add_test(tc, memory_that_is_short_is_an_end);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("http_stream", add_tests)
