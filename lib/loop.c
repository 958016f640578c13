/*
 * lib/loop.c: the event loop and the clock; the only file that knows libevent.
 *
 * A turn: wait for descriptors (or the next deadline), handle them, fire the timers that are due,
 * run the deferred work.  libevent carries descriptors and signals; timers are a binary heap of
 * ours over one timerfd, which is set only when the nearest deadline comes nearer, so a turn without
 * timers costs one epoll_wait and one reading of the clock.
 */
#include "lib/loop.h"

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FAKE_START_MS 1000u /* not 0: that is "not running" in a timer */
#define FAKE_WALL 1000000000
#define FAKE_SEED 1
#define IDLE_ROUNDS 100 /* how often loop_advance() looks at descriptors that stay ready */
#define WORK_ROUNDS 4	/* work that posts work that posts work: a change on its way to the wire */
#define WORK_US 1000	/* a turn that is older leaves the rest to the next one */

struct signal_watch {
	struct signal_watch *next;
	struct loop *loop;
	struct event *ev;
	loop_signal_cb *cb;
	void *arg;
};

struct loop {
	struct event_base *base;
	struct event alarm; /* alarm_fd, readable at alarm_us */
	int alarm_fd;
	uint64_t alarm_us; /* what alarm_fd is set to; 0: off */
	uint64_t now_ms;
	uint64_t now_us; /* the same reading of the clock, finer */
	struct loop_stat turns, lateness;
	bool fake, stop;
	bool in_turn;	 /* callbacks run: now_ms stands still */
	bool fresh;	 /* now_ms was read after this turn's wait */
	unsigned nr_ran; /* descriptor and signal callbacks, ever */
	uint64_t seed, seq;

	struct loop_timer **heap; /* by (due_ms, seq); slot of the first is 0 */
	size_t nr_timers, heap_cap;

	struct loop_work *work, **work_tail; /* for the end of this turn */
	struct loop_work *running;	     /* being run now */
	struct signal_watch *signals;
};

struct loop_fd {
	struct loop *loop;
	loop_fd_cb *cb;
	void *arg;
	struct event rd, wr;
	unsigned what;
};

static uint64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
clock_update(struct loop *l)
{
	uint64_t ms;

	l->fresh = true;
	if (l->fake)
		return;
	l->now_us = clock_us();
	ms = l->now_us / 1000;
	l->now_ms = ms ? ms : 1;
}

/* ---- how punctual it is ---- */

const uint32_t loop_stat_bounds_us[LOOP_NR_STAT_BOUNDS] = { 50, 100, 250, 500, 1000, 2500, 5000,
	10000, 25000, 50000, 100000, 500000, 1000000 };

static void
stat_add(struct loop_stat *s, uint64_t us)
{
	unsigned i = 0;

	while (i < LOOP_NR_STAT_BOUNDS && us > loop_stat_bounds_us[i])
		i++;
	s->buckets[i]++;
	s->nr++;
	s->sum_us += us;
}

const struct loop_stat *
loop_turns(const struct loop *l)
{
	return &l->turns;
}

const struct loop_stat *
loop_lateness(const struct loop *l)
{
	return &l->lateness;
}

uint64_t
loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

uint64_t
loop_now_us(const struct loop *l)
{
	return l->fake ? l->now_ms * 1000 : clock_us();
}

time_t
loop_wall(const struct loop *l)
{
	return l->fake ? (time_t)(FAKE_WALL + l->now_ms / 1000) : time(NULL);
}

uint64_t
loop_wall_us(const struct loop *l)
{
	struct timespec ts;

	if (l->fake)
		return FAKE_WALL * 1000000ull + l->now_ms * 1000;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- the loop ---- */

static void
alarm_readable(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t times;

	(void)what;
	if (read((int)fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
		log_error("loop-alarm-failed", LOG_ERR(errno));
	l->alarm_us = 0;
}

/* Wake the wait at @us of the monotonic clock, or before: an alarm that is early only costs a turn
 * and is then set anew. */
static void
alarm_set(struct loop *l, uint64_t us)
{
	struct itimerspec it = { 0 };

	if (l->alarm_us && l->alarm_us <= us)
		return;
	it.it_value.tv_sec = (time_t)(us / 1000000);
	it.it_value.tv_nsec = (long)(us % 1000000) * 1000;
	if (timerfd_settime(l->alarm_fd, TFD_TIMER_ABSTIME, &it, NULL) < 0)
		log_error("loop-alarm-failed", LOG_ERR(errno));
	l->alarm_us = us;
}

static struct loop *
loop_make(bool fake)
{
	struct event_config *cfg = event_config_new();
	struct loop *l = mem_calloc(1, sizeof(*l));
	int err = ENOMEM;

	if (!cfg || !l)
		goto free_both;
	l->fake = fake;
	l->work_tail = &l->work;
	/* libevent has no timeouts of ours and one thread: neither clock cache nor locks. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NO_CACHE_TIME);
	l->base = event_base_new_with_config(cfg);
	if (!l->base)
		goto free_both;
	l->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->alarm_fd < 0) {
		err = errno;
		goto free_base;
	}
	event_assign(&l->alarm, l->base, l->alarm_fd, EV_READ | EV_PERSIST, alarm_readable, l);
	if (event_add(&l->alarm, NULL) < 0)
		goto close_alarm;
	clock_update(l);
	if (fake)
		l->now_ms = FAKE_START_MS;
	loop_seed(l, fake ? FAKE_SEED : hash_mix(hash_secret() ^ clock_us()));
	event_config_free(cfg);
	return l;

close_alarm:
	close(l->alarm_fd);
free_base:
	event_base_free(l->base);
free_both:
	if (cfg)
		event_config_free(cfg);
	mem_free(l);
	errno = err;
	return NULL;
}

struct loop *
loop_new(void)
{
	return loop_make(false);
}

struct loop *
loop_new_fake(void)
{
	return loop_make(true);
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->signals) {
		struct signal_watch *s = l->signals;

		l->signals = s->next;
		event_free(s->ev);
		free(s);
	}
	/* What is left belongs to its users: they may still stop it, and find it stopped. */
	while (l->nr_timers)
		timer_stop(l->heap[0]);
	while (l->work)
		work_cancel(l->work);
	event_del(&l->alarm);
	close(l->alarm_fd);
	event_base_free(l->base);
	free(l->heap);
	free(l);
}

static int
poll_events(struct loop *l, bool wait)
{
	int flags = wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;

	l->fresh = false;
	errno = 0;
	if (event_base_loop(l->base, flags) < 0)
		return errno ? -errno : -EIO;
	if (!l->fresh)
		clock_update(l);
	return 0;
}

/* Fire what is due.  What is started meanwhile waits for the next turn, however short, so that a
 * timer which restarts itself cannot hold the others up. */
static void
timers_fire(struct loop *l)
{
	uint64_t last = l->seq, due_us, now_us;

	while (l->nr_timers) {
		struct loop_timer *t = l->heap[0];

		if (t->due_ms > l->now_ms || t->seq > last)
			return;
		due_us = t->due_ms * 1000;
		now_us = l->fake ? l->now_ms * 1000 : l->now_us;
		timer_stop(t);
		stat_add(&l->lateness, now_us > due_us ? now_us - due_us : 0);
		t->cb(t->arg);
	}
}

static bool
work_run(struct loop *l)
{
	bool any = l->work;

	l->running = l->work;
	if (l->running)
		l->running->prev = &l->running;
	l->work = NULL;
	l->work_tail = &l->work;
	while (l->running) {
		struct loop_work *w = l->running;

		work_cancel(w);
		w->cb(w->arg);
	}
	return any;
}

/* What work posts follows at once while the turn is young: to ask the kernel for news in between would
 * cost as much as the work.  Slices that fill their time wait for the next turn. */
static void
works_run(struct loop *l, unsigned rounds)
{
	while (work_run(l) && l->work && --rounds > 0 &&
	    (l->fake || clock_us() - l->now_us <= WORK_US))
		;
}

static int
turn(struct loop *l, int wait_ms, unsigned rounds)
{
	bool wait = wait_ms != 0 && !l->work && !l->stop;
	int err;

	if (wait && !l->fake && l->nr_timers) {
		uint64_t due = l->heap[0]->due_ms;

		alarm_set(l, due * 1000);
		/* Set in the turn before with 0 ms, or overslept: no need to ask the kernel. */
		wait = due > l->now_ms;
	} else if (wait && l->fake && l->nr_timers) {
		wait = l->heap[0]->due_ms > l->now_ms;
	}
	if (wait && wait_ms > 0)
		alarm_set(l, clock_us() + (uint64_t)wait_ms * 1000);
	l->in_turn = true;
	err = poll_events(l, wait);
	if (err == 0) {
		timers_fire(l);
		works_run(l, rounds);
		if (!l->fake)
			stat_add(&l->turns, clock_us() - l->now_us);
	}
	l->in_turn = false;
	return err;
}

int
loop_turn(struct loop *l, int wait_ms)
{
	return turn(l, wait_ms, 1);
}

int
loop_run(struct loop *l)
{
	int err = 0;

	while (!l->stop && err == 0)
		err = turn(l, -1, WORK_ROUNDS);
	l->stop = false;
	return err;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

/* Everything that happens at one instant of a fake clock. */
static void
instant(struct loop *l)
{
	unsigned idle = 0, before;

	do {
		before = l->nr_ran;
		timers_fire(l);
		if (poll_events(l, false) < 0)
			return;
		idle = work_run(l) ? 0 : idle + 1;
	} while (l->work || (l->nr_timers && l->heap[0]->due_ms <= l->now_ms) ||
	    (before != l->nr_ran && idle < IDLE_ROUNDS));
}

void
loop_advance(struct loop *l, uint64_t ms)
{
	uint64_t until = l->now_ms + ms;

	assert(l->fake);
	instant(l);
	while (l->nr_timers && l->heap[0]->due_ms <= until) {
		l->now_ms = l->heap[0]->due_ms;
		instant(l);
	}
	l->now_ms = until;
	instant(l);
}

void
loop_stall(struct loop *l, uint64_t ms)
{
	assert(l->fake);
	l->now_ms += ms;
	instant(l);
}

/* ---- descriptors ---- */

/* The watch may be gone when its callback comes back: nothing is touched after it. */
static void
fd_ready(struct loop_fd *w, int fd, unsigned what)
{
	if (!w->loop->fresh)
		clock_update(w->loop);
	w->loop->nr_ran++;
	w->cb(w->arg, fd, what);
}

static void
fd_readable(evutil_socket_t fd, short ev, void *arg)
{
	(void)ev;
	fd_ready(arg, (int)fd, LOOP_READ);
}

static void
fd_writable(evutil_socket_t fd, short ev, void *arg)
{
	(void)ev;
	fd_ready(arg, (int)fd, LOOP_WRITE);
}

/* Only what changes is told to the kernel: turning LOOP_WRITE on and off leaves LOOP_READ alone. */
static int
fd_watch(struct loop_fd *w, unsigned what)
{
	unsigned change = w->what ^ what;
	int err = 0;

	if (change & LOOP_READ)
		err |= what & LOOP_READ ? event_add(&w->rd, NULL) : event_del(&w->rd);
	if (change & LOOP_WRITE)
		err |= what & LOOP_WRITE ? event_add(&w->wr, NULL) : event_del(&w->wr);
	if (err == 0)
		w->what = what;
	return err;
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, unsigned what, loop_fd_cb *cb, void *arg)
{
	struct loop_fd *w = mem_calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct loop_fd){ .loop = l, .cb = cb, .arg = arg };
	event_assign(&w->rd, l->base, fd, EV_READ | EV_PERSIST, fd_readable, w);
	event_assign(&w->wr, l->base, fd, EV_WRITE | EV_PERSIST, fd_writable, w);
	if (fd_watch(w, what) < 0) {
		loop_fd_free(w);
		return NULL;
	}
	return w;
}

void
loop_fd_set(struct loop_fd *w, unsigned what)
{
	if (fd_watch(w, what) < 0)
		log_error(
		    "loop-watch-failed", LOG_I("fd", event_get_fd(&w->rd)), LOG_U("what", what));
}

void
loop_fd_free(struct loop_fd *w)
{
	if (!w)
		return;
	event_del(&w->rd); /* an event that is ready and not yet delivered goes with it */
	event_del(&w->wr);
	mem_free(w);
}

/* ---- timers ---- */

static bool
fires_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void
heap_put(struct loop *l, size_t at, struct loop_timer *t)
{
	l->heap[at] = t;
	t->slot = (uint32_t)at;
}

static void
heap_up(struct loop *l, size_t at, struct loop_timer *t)
{
	while (at > 0 && fires_before(t, l->heap[(at - 1) / 2])) {
		heap_put(l, at, l->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_put(l, at, t);
}

static void
heap_down(struct loop *l, size_t at, struct loop_timer *t)
{
	for (size_t kid = 2 * at + 1; kid < l->nr_timers; kid = 2 * at + 1) {
		if (kid + 1 < l->nr_timers && fires_before(l->heap[kid + 1], l->heap[kid]))
			kid++;
		if (!fires_before(l->heap[kid], t))
			break;
		heap_put(l, at, l->heap[kid]);
		at = kid;
	}
	heap_put(l, at, t);
}

void
timer_init(struct loop_timer *t, struct loop *l, loop_timer_cb *cb, void *arg)
{
	*t = (struct loop_timer){ .loop = l, .cb = cb, .arg = arg };
}

void
timer_set(struct loop_timer *t, uint64_t ms)
{
	struct loop *l = t->loop;

	timer_stop(t);
	if (!l->in_turn)
		clock_update(l); /* between turns, at start-up mostly, the last reading is old */
	if (l->nr_timers == l->heap_cap) {
		l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 64;
		l->heap = xrealloc(l->heap, l->heap_cap, sizeof(struct loop_timer *));
	}
	t->due_ms = ms < UINT64_MAX / 2000 - l->now_ms ? l->now_ms + ms : UINT64_MAX / 2000;
	t->seq = ++l->seq;
	l->nr_timers++;
	heap_up(l, l->nr_timers - 1, t);
}

void
timer_set_jitter(struct loop_timer *t, uint64_t ms, unsigned percent)
{
	uint64_t part = percent >= 100 ? ms : ms / 100 * percent + ms % 100 * percent / 100;
	uint32_t span = part < UINT32_MAX ? (uint32_t)part : UINT32_MAX - 1;

	timer_set(t, ms - loop_random(t->loop, span + 1));
}

void
timer_stop(struct loop_timer *t)
{
	struct loop *l = t->loop;
	struct loop_timer *last;

	if (!t->due_ms)
		return;
	last = l->heap[--l->nr_timers];
	if (last != t) {
		if (fires_before(last, t))
			heap_up(l, t->slot, last);
		else
			heap_down(l, t->slot, last);
	}
	t->due_ms = 0;
}

bool
timer_is_running(const struct loop_timer *t)
{
	return t->due_ms != 0;
}

uint64_t
timer_left_ms(const struct loop_timer *t)
{
	if (!t->due_ms || t->due_ms <= t->loop->now_ms)
		return 0;
	return t->due_ms - t->loop->now_ms;
}

/* ---- deferred work ---- */

void
work_init(struct loop_work *w, struct loop *l, loop_timer_cb *cb, void *arg)
{
	*w = (struct loop_work){ .loop = l, .cb = cb, .arg = arg };
}

void
work_post(struct loop_work *w)
{
	struct loop *l = w->loop;

	if (w->prev)
		return;
	w->next = NULL;
	w->prev = l->work_tail;
	*l->work_tail = w;
	l->work_tail = &w->next;
}

void
work_cancel(struct loop_work *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else if (w->loop->work_tail == &w->next)
		w->loop->work_tail = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

/* ---- signals ---- */

static void
signal_came(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *s = arg;

	(void)what;
	if (!s->loop->fresh)
		clock_update(s->loop);
	s->loop->nr_ran++;
	s->cb(s->arg, (int)signo);
}

int
loop_signal(struct loop *l, int signo, loop_signal_cb *cb, void *arg)
{
	struct signal_watch *s = xnew(struct signal_watch);

	s->loop = l;
	s->cb = cb;
	s->arg = arg;
	s->ev = evsignal_new(l->base, signo, signal_came, s);
	if (!s->ev || event_add(s->ev, NULL) < 0) {
		if (s->ev)
			event_free(s->ev);
		free(s);
		return -ENOMEM;
	}
	s->next = l->signals;
	l->signals = s;
	return 0;
}

/* ---- chance ---- */

void
loop_seed(struct loop *l, uint64_t seed)
{
	l->seed = seed;
}

uint32_t
loop_random(struct loop *l, uint32_t n)
{
	uint32_t r, unfair;

	if (n == 0)
		return 0;
	/* 2^32 mod n numbers at the bottom would make some results likelier: draw again. */
	unfair = (0u - n) % n;
	do {
		l->seed += 0x9e3779b97f4a7c15u;
		r = (uint32_t)(hash_mix(l->seed) >> 32);
	} while (r < unfair);
	return r % n;
}
