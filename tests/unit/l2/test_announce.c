/*
 * tests/unit/l2/test_announce.c: the bytes of announcements, and the queue that paces them, on a clock
 * that the test moves; and l2_set() when memory is short.  Needs no rights.
 */
#include "l2/announce.h"
#include "tests/unit/l2/bed.h"

#include <errno.h>

#include "l2/l2.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"

static struct loop *loop;
static struct announcer *n;
static uint64_t sent_ms[8192];
static unsigned sent_by[8192];
static size_t nr_sent;
static int answer; /* of the device */

struct thing {
	struct announce_job job;
	unsigned ifindex;
	size_t frames;
};

static size_t
frames(void *arg, struct announce_job *job, struct announce_frame *f, unsigned *ifindex)
{
	const struct thing *t = (const struct thing *)(void *)job;
	struct addr a = ip("192.0.2.1");

	(void)arg;
	*ifindex = t->ifindex;
	for (size_t i = 0; i < t->frames; i++)
		announce_arp(&f[i], &a, mac_a, i);
	return t->frames;
}

static int
take(void *arg, unsigned ifindex, const struct announce_frame *f)
{
	(void)arg;
	ck_assert_uint_eq(f->len, 42);
	if (answer == 0) {
		sent_by[nr_sent] = ifindex;
		sent_ms[nr_sent++] = loop_now_ms(loop);
	}
	return answer;
}

static void
no_log(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
setup(void)
{
	const struct announce_ops ops = { .frames = frames, .send = take };

	log_sink(no_log, NULL);
	loop = loop_new_fake();
	n = announcer_new(loop, &ops, NULL);
	nr_sent = 0;
	answer = 0;
}

static void
teardown(void)
{
	announcer_free(n);
	loop_free(loop);
}

/* ---- bytes ---- */

START_TEST(bytes)
{
	struct announce_frame f;
	struct frame want, got;
	struct addr a4 = ip("192.0.2.211"), a6 = ip("2001:db8::abcd:1");

	for (int reply = 0; reply < 2; reply++) {
		announce_arp(&f, &a4, mac_a, reply);
		memcpy(got.b, f.b, got.len = f.len);
		garp(&want, "192.0.2.211", reply ? 2 : 1, mac_a);
		ck_assert_msg(frame_is(&got, &want), "%s\n%s", frame_hex(&got), frame_hex(&want));
	}
	announce_na(&f, &a6, mac_a, false);
	memcpy(got.b, f.b, got.len = f.len);
	una(&want, "2001:db8::abcd:1", mac_a);
	ck_assert_msg(frame_is(&got, &want), "%s\n%s", frame_hex(&got), frame_hex(&want));
	announce_arp_probe(&f, &a4, mac_a);
	memcpy(got.b, f.b, got.len = f.len);
	arp_build(&want, &(struct arp){ .sha = mac_a, .spa = "0.0.0.0", .tpa = "192.0.2.211" });
	ck_assert_msg(frame_is(&got, &want), "%s\n%s", frame_hex(&got), frame_hex(&want));
	announce_nd_probe(&f, &a6, mac_a);
	memcpy(got.b, f.b, got.len = f.len);
	nd_build(&want,
	    &(struct nd){ .smac = mac_a,
		.src = "::",
		.dst = group_of("2001:db8::abcd:1"),
		.target = "2001:db8::abcd:1" });
	ck_assert_msg(frame_is(&got, &want), "%s\n%s", frame_hex(&got), frame_hex(&want));
	announce_na(&f, &a6, mac_a, true);
	nd_build(&want,
	    &(struct nd){ .smac = mac_a,
		.type = 136,
		.src = "2001:db8::abcd:1",
		.dst = "ff02::1",
		.target = "2001:db8::abcd:1",
		.flags = 0xa0,
		.tlla = mac_a });
	memcpy(got.b, f.b, got.len = f.len);
	ck_assert(frame_is(&got, &want));
}
END_TEST

/* ---- the queue ---- */

/* In order, once each, at once, and fifty a millisecond at most. */
START_TEST(pace)
{
	static struct thing t[1000];

	loop_advance(loop, 100);
	for (unsigned i = 0; i < 1000; i++) {
		t[i] = (struct thing){ .ifindex = i, .frames = 2 };
		announcer_add(n, &t[i].job);
		announcer_add(n, &t[i].job);
	}
	ck_assert_uint_eq(announcer_waiting(n), 1000);
	loop_advance(loop, 0);
	ck_assert_uint_ge(nr_sent, 50);
	ck_assert_uint_le(nr_sent, 2 * ANNOUNCE_PER_MS);
	loop_advance(loop, 20);
	ck_assert_uint_ge(nr_sent, 18 * ANNOUNCE_PER_MS);
	ck_assert_uint_le(nr_sent, 23 * ANNOUNCE_PER_MS);
	loop_advance(loop, 25);
	ck_assert_uint_eq(nr_sent, 2000);
	ck_assert_uint_eq(announcer_sent(n), 2000);
	ck_assert_uint_eq(announcer_waiting(n), 0);
	for (size_t i = 0, k = 0; i < nr_sent; i++) {
		ck_assert_uint_eq(sent_by[i], i / 2);
		while (sent_ms[i] - sent_ms[k] > 5)
			k++;
		ck_assert_uint_le(i - k + 1, 7 * ANNOUNCE_PER_MS + 2);
	}
	/* Nothing to do: nothing runs. */
	nr_sent = 0;
	loop_advance(loop, 10000);
	ck_assert_uint_eq(nr_sent, 0);
	announcer_add(n, &t[5].job);
	loop_advance(loop, 0);
	ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(dropped)
{
	struct thing t[3] = { { .ifindex = 1, .frames = 1 }, { .ifindex = 2, .frames = 1 },
		{ .ifindex = 3, .frames = 1 } };

	announcer_drop(n, &t[0].job);
	for (int i = 0; i < 3; i++)
		announcer_add(n, &t[i].job);
	announcer_drop(n, &t[2].job);
	announcer_drop(n, &t[0].job);
	ck_assert_uint_eq(announcer_waiting(n), 1);
	announcer_add(n, &t[0].job);
	loop_advance(loop, 10);
	ck_assert_uint_eq(nr_sent, 2);
	ck_assert_uint_eq(sent_by[0], 2);
	ck_assert_uint_eq(sent_by[1], 1);
}
END_TEST

/* The device takes no more for now: later.  It is down: not at all.  It must not be: said. */
START_TEST(failing)
{
	struct thing t = { .ifindex = 1, .frames = 1 };

	answer = -ENOBUFS;
	announcer_add(n, &t.job);
	loop_advance(loop, 100);
	ck_assert_uint_eq(announcer_waiting(n), 1);
	answer = 0;
	loop_advance(loop, 100);
	ck_assert_uint_eq(nr_sent, 1);
	ck_assert_uint_eq(announcer_waiting(n), 0);
	answer = -ENETDOWN;
	announcer_add(n, &t.job);
	loop_advance(loop, 100);
	ck_assert_uint_eq(announcer_waiting(n), 0);
	ck_assert_str_eq(announcer_error(n), "");
	answer = -EPERM;
	announcer_add(n, &t.job);
	loop_advance(loop, 100);
	ck_assert_ptr_nonnull(strstr(announcer_error(n), "CAP_NET_RAW"));
	answer = 0;
	announcer_add(n, &t.job);
	loop_advance(loop, 100);
	ck_assert_str_eq(announcer_error(n), "");
	/* What has nothing to say is through. */
	t.frames = 0;
	announcer_add(n, &t.job);
	loop_advance(loop, 10);
	ck_assert_uint_eq(announcer_waiting(n), 0);
}
END_TEST

static int full_at; /* the frame that the device does not take, once */

static int
take_but(void *arg, unsigned ifindex, const struct announce_frame *f)
{
	static int nth;

	if (++nth == full_at)
		return -ENOBUFS;
	return take(arg, ifindex, f);
}

static struct announce_job *done[8];
static int done_err[8];
static size_t nr_done;

static void
note(void *arg, struct announce_job *job, int err)
{
	(void)arg;
	done[nr_done] = job;
	done_err[nr_done++] = err;
}

/* The second frame of a job finds the queue full: that one is sent later, the first not again; and who
 * asked hears when it is through. */
START_TEST(full_between)
{
	const struct announce_ops ops = { .frames = frames, .sent = note, .send = take_but };
	struct thing t[3] = { { .ifindex = 1, .frames = 2 }, { .ifindex = 2, .frames = 2 },
		{ .ifindex = 3, .frames = 0 } };

	announcer_free(n);
	n = announcer_new(loop, &ops, NULL);
	full_at = 4;
	nr_done = 0;
	for (int i = 0; i < 3; i++)
		announcer_add(n, &t[i].job);
	loop_advance(loop, 0);
	ck_assert_uint_eq(nr_sent, 3);
	ck_assert_uint_eq(nr_done, 1);
	ck_assert_uint_eq(announcer_waiting(n), 2);
	loop_advance(loop, 100);
	ck_assert_uint_eq(nr_sent, 4);
	ck_assert_uint_eq(sent_by[3], 2);
	ck_assert_uint_eq(nr_done, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(done[i], &t[i].job);
		ck_assert_int_eq(done_err[i], 0);
	}
	/* Dropped meanwhile: nothing of it is sent, and the next one begins at its beginning. */
	full_at = 6;
	announcer_add(n, &t[0].job);
	announcer_add(n, &t[1].job);
	loop_advance(loop, 0);
	nr_sent = 0;
	announcer_drop(n, &t[0].job);
	loop_advance(loop, 100);
	ck_assert_uint_eq(nr_sent, 2);
	ck_assert_uint_eq(sent_by[0], 2);
	ck_assert_uint_eq(nr_done, 4);
	answer = -ENETDOWN;
	announcer_add(n, &t[0].job);
	loop_advance(loop, 100);
	ck_assert_int_eq(done_err[4], -ENETDOWN);
}
END_TEST

/* ---- l2_set() ---- */

static bool
count_one(void *arg, const struct l2_seen *s)
{
	(void)s;
	++*(size_t *)arg;
	return true;
}

static size_t
items(struct l2 *l2)
{
	size_t nr = 0;

	l2_each(l2, count_one, &nr);
	return nr;
}

/* Whichever allocation fails, what was there is there. */
START_TEST(memory)
{
	static const char *const devices[] = { "none-a", "none-b" };
	const struct l2_ops ops = { 0 };
	struct l2_address list[3];
	struct loop *real = loop_new();
	struct l2 *l2;
	unsigned nth = 0;
	int err;

	for (unsigned i = 0; i < 3; i++) {
		list[i] = (struct l2_address){
			.addr = ip("192.0.2.1"), .devices = devices, .nr_devices = 2
		};
		list[i].addr.b[3] = (uint8_t)(i + 1);
	}
	l2 = l2_new(real, "/nowhere/herald", &ops, NULL, &err);
	ck_assert_ptr_nonnull(l2);
	ck_assert_int_eq(l2_set(l2, list, 1), 0);
	ck_assert_uint_eq(items(l2), 2);
	do {
		ck_assert_uint_lt(nth, 100);
		mem_fail_at(++nth);
		err = l2_set(l2, list, 3);
		mem_fail_at(0);
		ck_assert_uint_eq(items(l2), err < 0 ? 2 : 6);
	} while (err == -ENOMEM);
	ck_assert_int_eq(err, 0);
	ck_assert_uint_gt(nth, 5);
	/* The same pair twice is one. */
	list[1].addr = list[0].addr;
	ck_assert_int_eq(l2_set(l2, list, 2), 0);
	ck_assert_uint_eq(items(l2), 2);
	list[0].devices = (const char *const[]){ "fifteen-is-most", "sixteen-too-many" };
	ck_assert_int_eq(l2_set(l2, list, 1), -EINVAL);
	list[0].nr_devices = 1;
	ck_assert_int_eq(l2_set(l2, list, 1), 0);
	ck_assert_uint_eq(items(l2), 1);
	l2_free(l2);
	loop_free(real);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("announce");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bytes);
	tcase_add_test(tc, pace);
	tcase_add_test(tc, dropped);
	tcase_add_test(tc, failing);
	tcase_add_test(tc, full_between);
	tcase_add_test(tc, memory);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("announce", add_tests)
