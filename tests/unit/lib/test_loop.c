/*
 * tests/unit/lib/test_loop.c: the loop's promises, one by one: order within a turn, stopping from
 * anywhere, and a clock that stands still.  Only two tests wait in real time, a few milliseconds.
 */
#include "tests/unit/unit.h"

#include "lib/loop.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What happened, a letter each. */
static char trace[256];

static void
note(char c)
{
	size_t n = strlen(trace);

	ck_assert_uint_lt(n + 1, sizeof(trace));
	trace[n] = c;
	trace[n + 1] = '\0';
}

static void
note_cb(void *arg)
{
	note(*(const char *)arg);
}

static void
note_fd(void *arg, int fd, unsigned what)
{
	char c;

	if (what & LOOP_READ)
		ck_assert_int_eq(read(fd, &c, 1), 1);
	note(*(const char *)arg);
}

static uint64_t fired_at;

static void
start(void)
{
	fired_at = 0;
	trace[0] = '\0';
}

/* ---- timers ---- */

START_TEST(timers_fire_in_order_of_deadline_then_of_setting)
{
	struct loop *l = loop_new_fake();
	struct loop_timer t[6];
	static const char names[] = "abcdef";
	static const unsigned after[] = { 30, 10, 20, 10, 0, 20 };

	for (int i = 0; i < 6; i++) {
		timer_init(&t[i], l, note_cb, (void *)(uintptr_t)&names[i]);
		timer_set(&t[i], after[i]);
	}
	loop_advance(l, 15);
	ck_assert_str_eq(trace, "ebd");
	loop_advance(l, 15);
	ck_assert_str_eq(trace, "ebdcfa");
	loop_advance(l, 1000);
	ck_assert_str_eq(trace, "ebdcfa"); /* one shot */
	loop_free(l);
}
END_TEST

static void
stamp(void *arg)
{
	fired_at = loop_now_ms(arg);
}

START_TEST(fake_clock_shows_the_deadline)
{
	struct loop *l = loop_new_fake();
	uint64_t t0 = loop_now_ms(l);
	time_t wall = loop_wall(l);
	struct loop_timer t;

	ck_assert_uint_gt(t0, 0);
	timer_init(&t, l, stamp, l);
	timer_set(&t, 40);
	ck_assert(timer_is_running(&t));
	ck_assert_uint_eq(timer_left_ms(&t), 40);
	loop_advance(l, 39);
	ck_assert_uint_eq(fired_at, 0);
	ck_assert_uint_eq(timer_left_ms(&t), 1);
	loop_advance(l, 1000);
	ck_assert_uint_eq(fired_at, t0 + 40);
	ck_assert_uint_eq(loop_now_ms(l), t0 + 1039);
	ck_assert_uint_eq(loop_now_us(l), (t0 + 1039) * 1000);
	ck_assert_int_eq(loop_wall(l), wall + 1 + (time_t)(t0 % 1000 + 39) / 1000);
	ck_assert(!timer_is_running(&t));
	ck_assert_uint_eq(timer_left_ms(&t), 0);
	loop_free(l);
}
END_TEST

START_TEST(setting_again_moves_and_stopping_is_idempotent)
{
	struct loop *l = loop_new_fake();
	struct loop_timer t, zeroed = { 0 };

	timer_stop(&zeroed);
	ck_assert(!timer_is_running(&zeroed));
	ck_assert_uint_eq(timer_left_ms(&zeroed), 0);
	timer_init(&t, l, note_cb, "a");
	timer_stop(&t);
	timer_set(&t, 10);
	timer_set(&t, 30);
	loop_advance(l, 20);
	ck_assert_str_eq(trace, "");
	timer_set(&t, 5);
	loop_advance(l, 5);
	ck_assert_str_eq(trace, "a");
	timer_set(&t, 5);
	timer_stop(&t);
	timer_stop(&t);
	loop_advance(l, 100);
	ck_assert_str_eq(trace, "a");
	timer_set(&t, UINT64_MAX);
	ck_assert(timer_is_running(&t));
	loop_advance(l, 1000000);
	ck_assert_str_eq(trace, "a");
	loop_free(l);
	ck_assert(!timer_is_running(&t));
}
END_TEST

/* Random starts, moves and stops of many timers against an array that is searched. */
#define MANY 200

static uint64_t want_due[MANY];
static struct loop_timer many[MANY];
static uint64_t last_fired;
static unsigned nr_fired;

static void
check_fired(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;
	uint64_t now = loop_now_ms(many[i].loop);

	ck_assert_uint_eq(want_due[i], now);
	ck_assert_uint_ge(now, last_fired);
	last_fired = now;
	want_due[i] = 0;
	nr_fired++;
}

START_TEST(heap_against_a_naive_one)
{
	struct loop *l = loop_new_fake();
	unsigned wanted = 0, late = 0;

	for (size_t i = 0; i < MANY; i++)
		timer_init(&many[i], l, check_fired, (void *)(uintptr_t)i);
	loop_seed(l, (uint64_t)_i);
	nr_fired = 0;
	last_fired = 0;
	memset(want_due, 0, sizeof(want_due));
	for (int step = 0; step < 5000; step++) {
		size_t i = loop_random(l, MANY);
		uint64_t before = loop_now_ms(l);

		switch (loop_random(l, 4)) {
		case 0:
			timer_stop(&many[i]);
			want_due[i] = 0;
			break;
		case 1:
			for (size_t k = 0; k < MANY; k++)
				wanted += want_due[k] && want_due[k] <= before + 7;
			loop_advance(l, 7);
			for (size_t k = 0; k < MANY; k++)
				late += want_due[k] && want_due[k] <= loop_now_ms(l);
			ck_assert_uint_eq(nr_fired, wanted);
			break;
		default:
			want_due[i] = before + 1 + loop_random(l, 300);
			timer_set(&many[i], want_due[i] - before);
		}
		ck_assert_int_eq(timer_is_running(&many[i]), want_due[i] != 0);
	}
	ck_assert_uint_eq(late, 0);
	ck_assert_uint_gt(nr_fired, 500);
	loop_free(l);
}
END_TEST

static struct loop_timer self_stop, victim;

static void
stop_both(void *arg)
{
	(void)arg;
	note('s');
	timer_stop(&self_stop);
	timer_stop(&victim);
}

START_TEST(timer_stops_itself_and_another_due_now)
{
	struct loop *l = loop_new_fake();

	timer_init(&self_stop, l, stop_both, NULL);
	timer_init(&victim, l, note_cb, "v");
	timer_set(&self_stop, 5);
	timer_set(&victim, 5);
	loop_advance(l, 10);
	ck_assert_str_eq(trace, "s");
	loop_free(l);
}
END_TEST

static struct loop_timer again;
static int rounds;

static void
restart_zero(void *arg)
{
	(void)arg;
	note('z');
	if (++rounds < 3)
		timer_set(&again, 0);
}

START_TEST(restart_with_zero_lets_others_in)
{
	struct loop *l = loop_new_fake();
	struct loop_work w;

	rounds = 0;
	timer_init(&again, l, restart_zero, NULL);
	work_init(&w, l, note_cb, "w");
	timer_set(&again, 0);
	ck_assert(timer_is_running(&again));
	work_post(&w);
	loop_turn(l, 0);
	ck_assert_str_eq(trace, "zw");
	loop_turn(l, -1); /* does not wait: it is due */
	loop_turn(l, -1);
	ck_assert_str_eq(trace, "zwzz");
	loop_free(l);
}
END_TEST

/* RFC 4271 10: 75 to 100 percent.  Evenly: each quarter of the span gets its share. */
START_TEST(jitter_is_even_within_its_bounds)
{
	struct loop *l = loop_new_fake();
	struct loop_timer t;
	unsigned share[4] = { 0 }, outside = 0;
	bool low = false, high = false;

	timer_init(&t, l, note_cb, "t");
	for (int i = 0; i < 40000; i++) {
		uint64_t left;

		timer_set_jitter(&t, 400, 25);
		left = timer_left_ms(&t);
		outside += left < 300 || left > 400;
		low |= left == 300;
		high |= left == 400;
		share[(left - 300) / 25 & 3] += left < 400;
		share[3] += left == 400;
	}
	ck_assert_uint_eq(outside, 0);
	ck_assert(low && high);
	for (int i = 0; i < 4; i++)
		ck_assert(share[i] > 9300 && share[i] < 10800);
	timer_set_jitter(&t, 30000, 0);
	ck_assert_uint_eq(timer_left_ms(&t), 30000);
	timer_set_jitter(&t, 0, 25);
	ck_assert(timer_is_running(&t));
	for (int i = 0; i < 1000; i++) {
		timer_set_jitter(&t, 3, 200);
		ck_assert_uint_le(timer_left_ms(&t), 3);
	}
	timer_set_jitter(&t, UINT64_MAX / 4, 25);
	ck_assert(timer_is_running(&t));
	loop_free(l);
}
END_TEST

START_TEST(real_timer_is_on_time)
{
	struct loop *l = loop_new();
	struct loop_timer t, early;
	uint64_t t0, took;

	usleep(
	    20000); /* the loop's last reading is old now; a timer counts from here all the same */
	timer_init(&t, l, (loop_timer_cb *)loop_stop, l);
	timer_init(&early, l, note_cb, "e");
	t0 = loop_now_us(l);
	timer_set(&t, 30);
	timer_set(&early, 10); /* leaves an alarm behind that comes for nothing */
	timer_stop(&early);
	ck_assert_int_eq(loop_run(l), 0);
	took = loop_now_us(l) - t0;
	ck_assert_msg(took >= 29000 && took < 2000000, "%llu us", (unsigned long long)took);
	ck_assert_str_eq(trace, "");
	loop_free(l);
}
END_TEST

START_TEST(turn_waits_no_longer_than_told)
{
	struct loop *l = _i ? loop_new() : loop_new_fake(), *clock = loop_new();
	uint64_t t0 = loop_now_us(clock), took;

	ck_assert_int_eq(loop_turn(l, 15), 0); /* upper bounds are for machines that do much else */
	took = loop_now_us(clock) - t0;
	ck_assert_msg(took >= 14000 && took < 2000000, "%llu us", (unsigned long long)took);
	t0 = loop_now_us(clock);
	ck_assert_int_eq(loop_turn(l, 0), 0);
	ck_assert_uint_lt(loop_now_us(clock) - t0, 1000000);
	loop_free(clock);
	loop_free(l);
}
END_TEST

/* ---- work ---- */

static struct loop_work wa, wb, wc;

static void
post_a(void *arg)
{
	note(*(const char *)arg);
	work_post(&wa);
}

START_TEST(work_runs_once_in_order_of_posting)
{
	struct loop *l = loop_new_fake();

	work_init(&wa, l, note_cb, "a");
	work_init(&wb, l, note_cb, "b");
	work_init(&wc, l, note_cb, "c");
	work_post(&wb);
	work_post(&wa);
	work_post(&wb);
	work_post(&wc);
	ck_assert_str_eq(trace, "");
	loop_turn(l, -1); /* does not wait */
	ck_assert_str_eq(trace, "bac");
	loop_turn(l, 0);
	ck_assert_str_eq(trace, "bac");
	loop_free(l);
}
END_TEST

START_TEST(work_posted_by_work_waits_for_the_next_turn)
{
	struct loop *l = loop_new_fake();
	struct loop_timer t;

	work_init(&wa, l, note_cb, "a");
	work_init(&wb, l, post_a, "b");
	timer_init(&t, l, note_cb, "t");
	work_post(&wb);
	timer_set(&t, 0);
	loop_turn(l, 0);
	ck_assert_str_eq(trace, "tb");
	loop_turn(l, -1);
	ck_assert_str_eq(trace, "tba");
	work_post(&wb);
	loop_advance(l, 0); /* no time passes while there is work */
	ck_assert_str_eq(trace, "tbaba");
	loop_free(l);
}
END_TEST

static void
cancel_b(void *arg)
{
	note(*(const char *)arg);
	work_cancel(&wb);
	work_cancel(&wa);
}

START_TEST(work_is_cancelled_wherever_it_stands)
{
	struct loop *l = loop_new_fake();

	/* {first, middle, last} of three waiting */
	work_init(&wa, l, note_cb, "a");
	work_init(&wb, l, note_cb, "b");
	work_init(&wc, l, note_cb, "c");
	for (int gone = 0; gone < 3; gone++) {
		struct loop_work *w[] = { &wa, &wb, &wc };

		start();
		for (int i = 0; i < 3; i++)
			work_post(w[i]);
		work_cancel(w[gone]);
		work_cancel(w[gone]);
		work_post(w[gone]);
		loop_turn(l, 0);
		ck_assert_str_eq(trace, gone == 0 ? "bca" : gone == 1 ? "acb" : "abc");
	}
	/* By work that runs before it in the same turn. */
	start();
	work_init(&wa, l, cancel_b, "x");
	work_post(&wa);
	work_post(&wb);
	loop_turn(l, 0);
	ck_assert_str_eq(trace, "x");
	work_post(&wb); /* the loop takes it with it */
	loop_free(l);
	ck_assert_ptr_null(wb.prev);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_then_timers_then_work)
{
	struct loop *l = loop_new_fake();
	struct loop_timer t;
	struct loop_work w;
	struct loop_fd *f;
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	f = loop_fd_new(l, sv[0], LOOP_READ, note_fd, "f");
	timer_init(&t, l, note_cb, "t");
	work_init(&w, l, note_cb, "w");
	work_post(&w);
	timer_set(&t, 0);
	ck_assert_int_eq(write(sv[1], "x", 1), 1);
	loop_turn(l, 0);
	ck_assert_str_eq(trace, "ftw");
	loop_fd_free(f);
	loop_fd_free(NULL);
	loop_free(l);
	close(sv[0]);
	close(sv[1]);
}
END_TEST

static unsigned got_read, got_write;

static void
count_what(void *arg, int fd, unsigned what)
{
	(void)arg;
	(void)fd;
	ck_assert(what == LOOP_READ || what == LOOP_WRITE);
	got_read += what == LOOP_READ;
	got_write += what == LOOP_WRITE;
}

START_TEST(only_what_is_watched_is_told)
{
	struct loop *l = loop_new_fake();
	struct loop_fd *f;
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	ck_assert_int_eq(write(sv[1], "x", 1), 1); /* readable and writable from now on */
	f = loop_fd_new(l, sv[0], 0, count_what, NULL);
	for (unsigned what = 0; what < 4; what++) {
		loop_fd_set(f, what);
		loop_fd_set(f, what);
		got_read = got_write = 0;
		loop_turn(l, 0);
		ck_assert_uint_eq(got_read, what & LOOP_READ ? 1 : 0);
		ck_assert_uint_eq(got_write, what & LOOP_WRITE ? 1 : 0);
	}
	loop_fd_set(f, 0);
	got_read = got_write = 0;
	close(sv[1]); /* a hang-up of what nobody watches does not spin */
	loop_turn(l, 0);
	ck_assert_uint_eq(got_read + got_write, 0);
	loop_fd_set(f, LOOP_READ);
	loop_turn(l, 0);
	ck_assert_uint_eq(got_read, 1);
	loop_fd_free(f);
	loop_free(l);
	close(sv[0]);
}
END_TEST

/* Two ready descriptors; whichever comes first frees both.  The other must not be called. */
static struct loop_fd *pair[2];
static int calls;

static void
free_both(void *arg, int fd, unsigned what)
{
	(void)arg;
	(void)fd;
	(void)what;
	calls++;
	for (int i = 0; i < 2; i++) {
		loop_fd_free(pair[i]);
		pair[i] = NULL;
	}
}

START_TEST(freed_watch_is_not_called)
{
	struct loop *l = _i ? loop_new() : loop_new_fake();
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(write(sv[1 - i], "x", 1), 1);
		pair[i] = loop_fd_new(l, sv[i], LOOP_READ | LOOP_WRITE, free_both, NULL);
	}
	calls = 0;
	loop_turn(l, 0);
	loop_turn(l, 0);
	ck_assert_int_eq(calls, 1);
	loop_free(l);
	close(sv[0]);
	close(sv[1]);
}
END_TEST

/* A descriptor is freed, closed and its number taken by another within one turn. */
static int swap_sv[2], new_sv[2];
static struct loop *swap_loop;

static void
swap_fd(void *arg, int fd, unsigned what)
{
	(void)arg;
	(void)what;
	note('s');
	for (int i = 0; i < 2; i++)
		loop_fd_free(pair[i]);
	close(swap_sv[0]);
	close(swap_sv[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, new_sv), 0);
	ck_assert(new_sv[0] == fd || new_sv[1] == fd);
	for (int i = 0; i < 2; i++)
		pair[i] = loop_fd_new(swap_loop, new_sv[i], LOOP_READ, note_fd, "n");
}

START_TEST(number_reused_in_the_same_turn)
{
	swap_loop = loop_new_fake();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, swap_sv), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(write(swap_sv[1 - i], "x", 1), 1);
		pair[i] = loop_fd_new(swap_loop, swap_sv[i], LOOP_READ, swap_fd, NULL);
	}
	loop_turn(swap_loop, 0);
	loop_turn(swap_loop, 0);
	ck_assert_str_eq(trace, "s");
	ck_assert_int_eq(write(new_sv[0], "x", 1), 1);
	loop_turn(swap_loop, 0);
	ck_assert_str_eq(trace, "sn");
	for (int i = 0; i < 2; i++)
		loop_fd_free(pair[i]);
	loop_free(swap_loop);
	close(new_sv[0]);
	close(new_sv[1]);
}
END_TEST

/* Two ends that send a byte every 30 s and give up after 90 s without one: neither gives up. */
struct end {
	struct loop_timer send, hold;
	int fd;
	int got, gave_up;
};

static void
end_send(void *arg)
{
	struct end *e = arg;

	ck_assert_int_eq(write(e->fd, "k", 1), 1);
	timer_set(&e->send, 30000);
}

static void
end_gives_up(void *arg)
{
	((struct end *)arg)->gave_up++;
}

static void
end_readable(void *arg, int fd, unsigned what)
{
	struct end *e = arg;
	char c;

	(void)what;
	ck_assert_int_eq(read(fd, &c, 1), 1);
	e->got++;
	timer_set(&e->hold, 90000);
}

START_TEST(advance_lets_two_engines_talk)
{
	struct loop *l = loop_new_fake();
	struct loop_fd *watch[2];
	struct end e[2];
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (int i = 0; i < 2; i++) {
		e[i] = (struct end){ .fd = sv[i] };
		timer_init(&e[i].send, l, end_send, &e[i]);
		timer_init(&e[i].hold, l, end_gives_up, &e[i]);
		timer_set(&e[i].send, 30000);
		timer_set(&e[i].hold, 90000);
		watch[i] = loop_fd_new(l, sv[i], LOOP_READ, end_readable, &e[i]);
	}
	loop_advance(l, 3600 * 1000);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(e[i].got, 120);
		ck_assert_int_eq(e[i].gave_up, 0);
	}
	timer_stop(&e[0].send);
	loop_advance(l, 3600 * 1000);
	ck_assert_int_eq(e[1].gave_up, 1);
	ck_assert_int_eq(e[0].gave_up, 0);
	for (int i = 0; i < 2; i++) {
		loop_fd_free(watch[i]);
		close(sv[i]);
	}
	loop_free(l);
}
END_TEST

START_TEST(advance_ends_though_a_descriptor_stays_ready)
{
	struct loop *l = loop_new_fake();
	struct loop_fd *f;
	int sv[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	f = loop_fd_new(l, sv[0], LOOP_WRITE, count_what, NULL);
	got_write = 0;
	loop_advance(l, 10);
	ck_assert(got_write >= 1 && got_write <= 1000);
	loop_fd_free(f);
	loop_free(l);
	close(sv[0]);
	close(sv[1]);
}
END_TEST

/* ---- run, stop, signals, chance ---- */

static void
stop_and_note(void *arg)
{
	note('s');
	loop_stop(arg);
}

START_TEST(stop_finishes_the_turn)
{
	struct loop *l = loop_new();

	work_init(&wa, l, stop_and_note, l);
	work_init(&wb, l, note_cb, "b");
	work_post(&wa);
	work_post(&wb);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "sb");
	loop_stop(l); /* before: it does not start, once */
	work_post(&wb);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "sb");
	work_post(&wa);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "sbbs");
	loop_free(l);
	loop_free(NULL);
}
END_TEST

static void
on_signal(void *arg, int signo)
{
	note(signo == SIGHUP ? 'H' : signo == SIGUSR1 ? 'U' : '?');
	loop_stop(arg);
}

START_TEST(signals_come_as_events)
{
	struct loop *l = loop_new();

	ck_assert_int_eq(loop_signal(l, SIGHUP, on_signal, l), 0);
	ck_assert_int_eq(loop_signal(l, SIGUSR1, on_signal, l), 0);
	raise(SIGHUP);
	ck_assert_str_eq(trace, ""); /* not before the loop runs */
	ck_assert_int_eq(loop_run(l), 0);
	raise(SIGUSR1);
	ck_assert_int_eq(loop_run(l), 0);
	ck_assert_str_eq(trace, "HU");
	loop_free(l);
}
END_TEST

START_TEST(chance_is_even_and_repeatable)
{
	struct loop *a = loop_new_fake(), *b = loop_new_fake();
	unsigned share[7] = { 0 };
	unsigned wrong = 0;
	bool differs = false;

	for (int i = 0; i < 70000; i++) {
		uint32_t r = loop_random(a, 7);

		wrong += r >= 7 || r != loop_random(b, 7);
		share[r % 7]++;
	}
	ck_assert_uint_eq(wrong, 0);
	for (int i = 0; i < 7; i++)
		ck_assert(share[i] > 9600 && share[i] < 10400);
	ck_assert_uint_eq(loop_random(a, 0), 0);
	ck_assert_uint_eq(loop_random(a, 1), 0);
	loop_seed(a, 1);
	loop_seed(b, 2);
	for (int i = 0; i < 10; i++)
		differs |= loop_random(a, UINT32_MAX) != loop_random(b, UINT32_MAX);
	ck_assert(differs);
	loop_free(a);
	loop_free(b);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("timers");

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, timers_fire_in_order_of_deadline_then_of_setting);
	tcase_add_test(tc, fake_clock_shows_the_deadline);
	tcase_add_test(tc, setting_again_moves_and_stopping_is_idempotent);
	tcase_add_loop_test(tc, heap_against_a_naive_one, 1, 6);
	tcase_add_test(tc, timer_stops_itself_and_another_due_now);
	tcase_add_test(tc, restart_with_zero_lets_others_in);
	tcase_add_test(tc, jitter_is_even_within_its_bounds);
	tcase_add_test(tc, real_timer_is_on_time);
	tcase_add_loop_test(tc, turn_waits_no_longer_than_told, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("work");
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, work_runs_once_in_order_of_posting);
	tcase_add_test(tc, work_posted_by_work_waits_for_the_next_turn);
	tcase_add_test(tc, work_is_cancelled_wherever_it_stands);
	suite_add_tcase(s, tc);

	tc = tcase_create("descriptors");
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, descriptors_then_timers_then_work);
	tcase_add_test(tc, only_what_is_watched_is_told);
	tcase_add_loop_test(tc, freed_watch_is_not_called, 0, 2);
	tcase_add_test(tc, number_reused_in_the_same_turn);
	tcase_add_test(tc, advance_lets_two_engines_talk);
	tcase_add_test(tc, advance_ends_though_a_descriptor_stays_ready);
	suite_add_tcase(s, tc);

	tc = tcase_create("run");
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, stop_finishes_the_turn);
	tcase_add_test(tc, signals_come_as_events);
	tcase_add_test(tc, chance_is_even_and_repeatable);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("loop", add_tests)
