/*
 * tests/unit/kube/test_write.c: the queue of writes: pace, order, one write a key, trying again,
 * deadlines, and what ten thousand of them cost.
 */
#include "kube/write.h"

#include "tests/unit/kube/fake_http.h"
#include "tests/unit/unit.h"

#include <errno.h>

static struct loop *loop;
static struct kube_writer *w;

struct told {
	unsigned nr;
	int status;
};

static void
note(void *arg, const struct kube_answer *a)
{
	struct told *t = arg;

	t->nr++;
	t->status = a->status;
}

static void
setup_with(unsigned per_second, unsigned burst, unsigned at_once)
{
	const struct kube_writer_conf conf = { per_second, burst, at_once };

	loop = loop_new_fake();
	w = kube_writer_new(loop, NULL, &conf);
}

static void
setup(void)
{
	setup_with(10, 5, 3);
}

static void
teardown(void)
{
	kube_writer_free(w);
	loop_free(loop);
	fake_reset();
}

static void
put(enum kube_urgency u, const char *key, int number, struct told *t)
{
	json_t *body = json_pack("{s:i}", "n", number);
	const struct kube_write write = { .urgency = u,
		.key = key,
		.method = "PATCH",
		.path = key,
		.content_type = "application/merge-patch+json",
		.body = body,
		.done = t ? note : NULL,
		.arg = t };

	ck_assert_int_eq(kube_write(w, &write), 0);
	json_decref(body);
}

static void
put_until(enum kube_urgency u, const char *key, unsigned deadline_ms, struct told *t)
{
	const struct kube_write write = { .urgency = u,
		.key = key,
		.method = "DELETE",
		.path = key,
		.done = note,
		.arg = t,
		.deadline_ms = deadline_ms };

	ck_assert_int_eq(kube_write(w, &write), 0);
}

static int
number_of(const struct kube_call *c)
{
	json_t *o = fake_body(c);
	int n = (int)json_integer_value(json_object_get(o, "n"));

	json_decref(o);
	return n;
}

START_TEST(a_write_is_sent_as_it_is_and_told_once)
{
	struct told t = { 0 };
	struct kube_call *c;

	put(KUBE_STATUS, "/a", 7, &t);
	ck_assert_uint_eq(fake.nr, 0); /* never from within */
	loop_advance(loop, 0);
	c = fake_next();
	ck_assert_str_eq(c->method, "PATCH");
	ck_assert_str_eq(c->path, "/a");
	ck_assert_str_eq(c->content_type, "application/merge-patch+json");
	ck_assert_str_eq(c->body, "{\"n\":7}");
	ck_assert_uint_gt(c->timeout_ms, 0);
	fake_answer(c, 200);
	loop_advance(loop, 60000);
	ck_assert_uint_eq(t.nr, 1);
	ck_assert_int_eq(t.status, 200);
	ck_assert_uint_eq(fake.nr, 1);
}
END_TEST

START_TEST(the_pace_is_kept)
{
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "/%d", i);
		put(KUBE_STATUS, key, i, NULL);
	}
	for (int ms = 0; ms < 2000; ms += 10) {
		loop_advance(loop, 10);
		while (fake_next())
			fake_answer(fake_next(), 200);
	}
	/* The burst of five, and ten a second. */
	ck_assert_uint_ge(fake.nr, 24);
	ck_assert_uint_le(fake.nr, 26);
}
END_TEST

START_TEST(so_many_are_under_way_and_no_more)
{
	put(KUBE_STATUS, "/a", 0, NULL);
	put(KUBE_STATUS, "/b", 0, NULL);
	put(KUBE_STATUS, "/c", 0, NULL);
	put(KUBE_STATUS, "/d", 0, NULL);
	loop_advance(loop, 1000);
	ck_assert_uint_eq(fake_open(), 3);
	fake_answer(fake_next(), 200);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake_open(), 3);
	ck_assert_uint_eq(fake.nr, 4);
}
END_TEST

START_TEST(the_most_urgent_goes_first)
{
	put(KUBE_EVENT, "/event", 0, NULL);
	put(KUBE_REPORT, "/report", 0, NULL);
	put(KUBE_STATUS, "/status", 0, NULL);
	put(KUBE_STATUS, "/status2", 0, NULL);
	loop_advance(loop, 0);
	ck_assert_str_eq(fake.v[0]->path, "/status");
	ck_assert_str_eq(fake.v[1]->path, "/status2");
	ck_assert_str_eq(fake.v[2]->path, "/report");
	ck_assert_uint_eq(fake.nr, 3);
}
END_TEST

START_TEST(leases_wait_for_nobody)
{
	char key[16];

	for (int i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "/%d", i);
		put(KUBE_STATUS, key, i, NULL);
	}
	loop_advance(loop, 10);
	ck_assert_uint_eq(fake_open(), 3); /* full, and the tokens are for others soon */
	put(KUBE_LEASE, "/lease", 0, NULL);
	put(KUBE_LEASE, "/lease2", 0, NULL);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake_open(), 5);
	ck_assert_str_eq(fake.v[3]->path, "/lease");
	/* Nor for a server that asked the others to be slower. */
	fake_answer_full(fake_next(), 429, "", "", 30);
	put(KUBE_LEASE, "/lease3", 0, NULL);
	loop_advance(loop, 0);
	ck_assert_str_eq(fake.v[fake.nr - 1]->path, "/lease3");
}
END_TEST

START_TEST(the_newest_of_a_key_counts)
{
	struct told old = { 0 }, new = { 0 };
	struct kube_writer_info info;

	put(KUBE_STATUS, "/a", 1, &old);
	put(KUBE_STATUS, "/b", 1, NULL);
	put(KUBE_STATUS, "/a", 2, &new);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 2);
	ck_assert_str_eq(fake.v[0]->path, "/a"); /* in the place of the older */
	ck_assert_int_eq(number_of(fake.v[0]), 2);
	fake_answer(fake.v[0], 200);
	ck_assert_uint_eq(old.nr, 0);
	ck_assert_uint_eq(new.nr, 1);
	kube_writer_info(w, &info);
	ck_assert_uint_eq(info.replaced, 1);
	ck_assert_uint_eq(info.sent, 2);
}
END_TEST

START_TEST(writes_of_a_key_arrive_in_order)
{
	struct told first = { 0 };

	put(KUBE_STATUS, "/a", 1, &first);
	loop_advance(loop, 0);
	put(KUBE_STATUS, "/a", 2, NULL);
	put(KUBE_STATUS, "/a", 3, NULL);
	loop_advance(loop, 1000);
	ck_assert_uint_eq(fake.nr, 1);
	fake_answer(fake_next(), 200);
	ck_assert_uint_eq(first.nr, 1);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 2);
	ck_assert_int_eq(number_of(fake.v[1]), 3);
}
END_TEST

static const int passing[] = { 0, 401, 429, 500, 502, 503, 504 };

START_TEST(what_passes_is_tried_again)
{
	struct told t = { 0 };
	struct kube_writer_info info;

	put(KUBE_STATUS, "/a", 1, &t);
	loop_advance(loop, 0);
	for (int i = 0; i < 5; i++) {
		fake_answer(fake_next(), passing[_i]);
		ck_assert_ptr_null(fake_next());
		loop_advance(loop, 30000);
		ck_assert_ptr_nonnull(fake_next());
	}
	fake_answer(fake_next(), 200);
	ck_assert_uint_eq(t.nr, 1);
	ck_assert_int_eq(t.status, 200);
	kube_writer_info(w, &info);
	ck_assert_uint_eq(info.retried, 5);
	ck_assert_uint_eq(info.refused, 0);
	ck_assert_uint_eq(info.waiting + info.under_way, 0);
}
END_TEST

static const int final[] = { 400, 403, 404, 409, 415, 422 };

START_TEST(what_does_not_pass_is_told)
{
	struct told t = { 0 };
	struct kube_writer_info info;

	put(KUBE_STATUS, "/a", 1, &t);
	loop_advance(loop, 0);
	fake_answer(fake_next(), final[_i]);
	loop_advance(loop, 100000);
	ck_assert_uint_eq(t.nr, 1);
	ck_assert_int_eq(t.status, final[_i]);
	ck_assert_uint_eq(fake.nr, 1);
	kube_writer_info(w, &info);
	ck_assert_uint_eq(info.refused, 1);
}
END_TEST

/* How long until the next request, at most @max_ms. */
static unsigned
until_next(unsigned max_ms)
{
	const size_t nr = fake.nr;
	unsigned ms = 0;

	for (; fake.nr == nr && ms < max_ms; ms += 10)
		loop_advance(loop, 10);
	return ms;
}

START_TEST(the_pauses_grow_and_end)
{
	unsigned ms[12];

	put(KUBE_STATUS, "/a", 1, NULL);
	loop_advance(loop, 0);
	for (int i = 0; i < 12; i++) {
		fake_answer(fake_next(), 500);
		ms[i] = until_next(100000);
	}
	ck_assert_uint_le(ms[0], 270);
	ck_assert_uint_ge(ms[0], 120);
	ck_assert_uint_ge(ms[4], 2000);
	ck_assert_uint_ge(ms[11], 15000);
	ck_assert_uint_le(ms[11], 30020);
}
END_TEST

START_TEST(retry_after_is_obeyed_within_reason)
{
	put(KUBE_STATUS, "/a", 1, NULL);
	put(KUBE_STATUS, "/b", 1, NULL);
	loop_advance(loop, 0);
	fake_answer_full(fake_next(), 429, "", "", 7);
	fake_answer(fake_next(), 409);
	/* The answer to the other one came from the same server: it is not asleep, and asked for rest
	 * of the first only. */
	put(KUBE_STATUS, "/c", 1, NULL);
	fake_answer_full((loop_advance(loop, 0), fake_next()), 429, "", "", 7);
	put(KUBE_STATUS, "/d", 1, NULL);
	ck_assert_uint_ge(until_next(100000), 6900);
	while (fake_next())
		fake_answer_full(fake_next(), 429, "", "", 4000000000u);
	ck_assert_uint_le(until_next(4000000), 60100);
	while (fake_next())
		fake_answer_full(fake_next(), 503, "", "", 10);
	ck_assert_uint_le(until_next(100000), 2100);
}
END_TEST

START_TEST(while_nobody_answers_one_asks)
{
	char key[16];
	size_t before;

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "/%d", i);
		put(KUBE_STATUS, key, i, NULL);
	}
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake_open(), 3);
	while (fake_next())
		fake_answer(fake_next(), 0);
	before = fake.nr;
	for (int ms = 0; ms < 60000; ms += 10) {
		loop_advance(loop, 10);
		ck_assert_uint_le(fake_open(), 1);
		while (fake_next())
			fake_answer(fake_next(), 0);
	}
	ck_assert_uint_le(fake.nr - before, 40);
	/* It is back: found within five seconds, and all is written. */
	ck_assert_uint_le(until_next(10000), 5010);
	for (int ms = 0; ms < 20000; ms += 10) {
		while (fake_next())
			fake_answer(fake_next(), 200);
		loop_advance(loop, 10);
	}
	struct kube_writer_info info;
	kube_writer_info(w, &info);
	ck_assert_uint_eq(info.waiting, 0);
}
END_TEST

START_TEST(a_deadline_is_told)
{
	struct told waiting = { 0 }, sent = { 0 };

	put_until(KUBE_LEASE, "/sent", 1000, &sent);
	for (const char *const *k = (const char *const[]){ "/1", "/2", "/3", NULL }; *k; k++)
		put(KUBE_STATUS, *k, 1, NULL);
	loop_advance(loop, 0);
	put_until(KUBE_STATUS, "/waiting", 500, &waiting);
	ck_assert_uint_eq(fake.v[0]->timeout_ms, 1000);
	loop_advance(loop, 499);
	ck_assert_uint_eq(waiting.nr, 0);
	loop_advance(loop, 1);
	ck_assert_uint_eq(waiting.nr, 1);
	ck_assert_int_eq(waiting.status, 0);
	fake_answer(fake.v[0], 500); /* early enough to try again */
	loop_advance(loop, 400);
	fake_answer(fake.v[fake.nr - 1], 500);
	loop_advance(loop, 300);
	ck_assert_uint_eq(sent.nr, 1);
	ck_assert_int_eq(sent.status, 0);
}
END_TEST

START_TEST(what_is_forgotten_is_not_sent_or_not_told)
{
	struct told waiting = { 0 }, under_way = { 0 };

	put(KUBE_STATUS, "/u", 1, &under_way);
	loop_advance(loop, 0);
	put(KUBE_STATUS, "/w", 1, &waiting);
	kube_write_forget(w, "/w");
	kube_write_forget(w, "/u");
	kube_write_forget(w, "/unknown");
	loop_advance(loop, 1000);
	ck_assert_uint_eq(fake.nr, 1);
	fake_answer(fake_next(), 500); /* and is not tried again */
	loop_advance(loop, 100000);
	ck_assert_uint_eq(fake.nr, 1);
	ck_assert_uint_eq(under_way.nr + waiting.nr, 0);
	put(KUBE_STATUS, "/u", 2, NULL);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 2);
}
END_TEST

START_TEST(a_newer_write_takes_over_from_one_that_failed)
{
	struct told old = { 0 };

	put(KUBE_STATUS, "/a", 1, &old);
	loop_advance(loop, 0);
	put(KUBE_STATUS, "/a", 2, NULL);
	fake_answer(fake_next(), 500);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 1); /* the pause is for both */
	loop_advance(loop, 300);
	ck_assert_uint_eq(fake.nr, 2);
	ck_assert_int_eq(number_of(fake.v[1]), 2);
	fake_answer(fake_next(), 200);
	loop_advance(loop, 100000);
	ck_assert_uint_eq(fake.nr, 2);
	ck_assert_uint_eq(old.nr, 0);
}
END_TEST

static void
write_more(void *arg, const struct kube_answer *a)
{
	note(arg, a);
	if (((struct told *)arg)->nr < 3)
		kube_write_forget(w, "/again");
	const struct kube_write write = {
		.urgency = KUBE_STATUS, .key = "/again", .method = "GET", .path = "/again"
	};
	ck_assert_int_eq(kube_write(w, &write), 0);
}

START_TEST(done_may_write_and_forget)
{
	struct told t = { 0 };
	const struct kube_write write = { .urgency = KUBE_STATUS,
		.key = "/again",
		.method = "GET",
		.path = "/again",
		.done = write_more,
		.arg = &t };

	ck_assert_int_eq(kube_write(w, &write), 0);
	loop_advance(loop, 0);
	fake_answer(fake_next(), 409);
	loop_advance(loop, 0);
	ck_assert_uint_eq(fake.nr, 2);
	fake_answer(fake_next(), 200);
	ck_assert_uint_eq(t.nr, 1);
}
END_TEST

START_TEST(memory_runs_short)
{
	const struct kube_write write = {
		.urgency = KUBE_STATUS, .key = "/a", .method = "GET", .path = "/a", .deadline_ms = 1
	};
	struct told t = { 0 };
	struct kube_writer_info info;
	unsigned n = 1;

	for (int err = -ENOMEM; err; n++) {
		mem_fail_at(n);
		err = kube_write(w, &write);
		mem_fail_at(0);
		kube_writer_info(w, &info);
		ck_assert_uint_eq(info.waiting, err ? 0 : 1);
	}
	ck_assert_uint_ge(n, 5);
	fake.no_memory = true;
	put(KUBE_STATUS, "/b", 1, &t);
	loop_advance(loop, 10);
	fake.no_memory = false;
	loop_advance(loop, 10000);
	fake_answer(fake_next(), 200);
	ck_assert_uint_eq(t.nr, 1);
}
END_TEST

/* Ten thousand at once, some replaced, some forgotten, some refused; all that is left arrives. */
START_TEST(ten_thousand)
{
	struct told t = { 0 };
	char key[16];
	unsigned seed = 1;

	kube_writer_free(w);
	w = kube_writer_new(loop, NULL, &(struct kube_writer_conf){ 1000, 1000, 10 });
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof(key), "/%d", i);
		put(KUBE_STATUS, key, i, &t);
	}
	for (int i = 0; i < 10000; i += 3) {
		snprintf(key, sizeof(key), "/%d", i);
		if (i % 2)
			kube_write_forget(w, key);
		else
			put(KUBE_REPORT, key, i, &t);
	}
	for (int ms = 0; ms < 20000; ms++) {
		loop_advance(loop, 1);
		while (fake_next()) {
			seed = seed * 1103515245 + 12345;
			fake_answer(fake_next(), seed >> 16 & 31 ? 200 : 500);
		}
	}
	ck_assert_uint_eq(t.nr, 10000 - 1667);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("queue");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_write_is_sent_as_it_is_and_told_once);
	tcase_add_test(tc, the_pace_is_kept);
	tcase_add_test(tc, so_many_are_under_way_and_no_more);
	tcase_add_test(tc, the_most_urgent_goes_first);
	tcase_add_test(tc, leases_wait_for_nobody);
	tcase_add_test(tc, the_newest_of_a_key_counts);
	tcase_add_test(tc, writes_of_a_key_arrive_in_order);
	tcase_add_loop_test(tc, what_passes_is_tried_again, 0, 7);
	tcase_add_loop_test(tc, what_does_not_pass_is_told, 0, 6);
	tcase_add_test(tc, the_pauses_grow_and_end);
	tcase_add_test(tc, retry_after_is_obeyed_within_reason);
	tcase_add_test(tc, while_nobody_answers_one_asks);
	tcase_add_test(tc, a_deadline_is_told);
	tcase_add_test(tc, what_is_forgotten_is_not_sent_or_not_told);
	tcase_add_test(tc, a_newer_write_takes_over_from_one_that_failed);
	tcase_add_test(tc, done_may_write_and_forget);
	tcase_add_test(tc, memory_runs_short);
	tcase_add_test(tc, ten_thousand);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("write", add_tests)
