/*
 * lib/loop.h: the event loop and the clock.  The only file that knows libevent; engines take a
 * struct loop and get descriptors, timers, signals and deferred work from it.
 *
 * One thread.  Callbacks run on loop_run()'s stack, never from within another loop_*() call.
 * Every watch is embedded in or owned by its user; stopping is idempotent and safe in callbacks,
 * its own included.  Time is monotonic milliseconds (or microseconds where named).
 *
 * A loop made with loop_new_fake() has a clock that only loop_advance() moves: timers can be
 * tested without sleeping.  It starts at 1000 ms, and its chance is the same at each run.
 *
 * A turn is: wait, descriptors and signals, timers that are due, deferred work.
 */
#ifndef HERALD_LIB_LOOP_H
#define HERALD_LIB_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct loop;
struct loop_fd;
struct event;

struct loop *loop_new(void); /* NULL: out of memory or descriptors, errno says */
struct loop *loop_new_fake(void);
/* Every loop_fd must be gone before; timers and work that are left are stopped. */
void loop_free(struct loop *);

/* Run until loop_stop(); returns 0, or -errno when the backend fails. */
int loop_run(struct loop *);
void loop_stop(
    struct loop *); /* the turn is finished first; before loop_run(): it does not start */
/* One turn: handle what is ready now (waiting up to @wait_ms for something; -1: no limit). */
int loop_turn(struct loop *, int wait_ms);

uint64_t loop_now_ms(const struct loop *); /* cached for the turn */
uint64_t loop_now_us(const struct loop *); /* read now */
time_t loop_wall(const struct loop *);	   /* seconds since 1970, for people only */
uint64_t loop_wall_us(const struct loop *);

/* Fake loops only: move the clock, firing timers in order of their deadlines.  At each deadline,
 * and at both ends, work and what is ready of descriptors is handled until nothing is left, as no
 * time passes meanwhile; so two engines on one fake loop talk over a socketpair as in life.  A
 * descriptor that stays ready, never read, is offered at most a hundred times. */
void loop_advance(struct loop *, uint64_t ms);
/* The fake clock as a process finds it that was held up for so long: all that became due is late. */
void loop_stall(struct loop *, uint64_t ms);

/*
 * How punctual it is: how long turns take, from the end of the wait to the end of the deferred work, and
 * how late timers fire.  Bucket i counts what took at most loop_stat_bounds_us[i], and the last one the
 * rest; not cumulated.
 */
#define LOOP_NR_STAT_BOUNDS 13
extern const uint32_t loop_stat_bounds_us[LOOP_NR_STAT_BOUNDS];
struct loop_stat {
	uint64_t buckets[LOOP_NR_STAT_BOUNDS + 1];
	uint64_t nr, sum_us;
};
const struct loop_stat *loop_turns(const struct loop *);
const struct loop_stat *loop_lateness(const struct loop *);

/* ---- descriptors ---- */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
/* Called for each direction by itself; @what is LOOP_READ or LOOP_WRITE.  Errors and hang-ups come
 * as whatever is watched. */
typedef void loop_fd_cb(void *arg, int fd, unsigned what);

/* Watch @fd (not owned) for @what (LOOP_READ | LOOP_WRITE, may be 0).  NULL: no memory. */
struct loop_fd *loop_fd_new(struct loop *, int fd, unsigned what, loop_fd_cb *cb, void *arg);
void loop_fd_set(struct loop_fd *, unsigned what); /* change what is watched; idempotent */
void loop_fd_free(struct loop_fd *);		   /* NULL is fine; does not close */

/* ---- timers ---- */
typedef void loop_timer_cb(void *arg);

/* Embed it, zeroed or by timer_init(); one shot. */
struct loop_timer {
	struct loop *loop;
	loop_timer_cb *cb;
	void *arg;
	uint64_t due_ms; /* 0: not running */
	uint64_t seq;  /* order of setting: of two with one deadline the earlier set fires first */
	uint32_t slot; /* place in the loop's heap */
};

void timer_init(struct loop_timer *, struct loop *, loop_timer_cb *cb, void *arg);
/* (Re)start to fire once in @ms. */
void timer_set(struct loop_timer *, uint64_t ms); /* 0: in the next turn when set in a callback */
/* Likewise in a random part, evenly spread in [ms * (100 - percent) / 100, ms]: RFC 4271 10. */
void timer_set_jitter(struct loop_timer *, uint64_t ms, unsigned percent);
void timer_stop(struct loop_timer *);
bool timer_is_running(const struct loop_timer *);
/* Milliseconds until it fires; 0 when due or not running. */
uint64_t timer_left_ms(const struct loop_timer *);

/* ---- deferred work: runs once, at the end of this turn of the loop, in order of posting ---- */
struct loop_work {
	struct loop *loop;
	loop_timer_cb *cb;
	void *arg;
	struct loop_work *next, **prev; /* prev NULL: not queued */
};

void work_init(struct loop_work *, struct loop *, loop_timer_cb *cb, void *arg);
/* Idempotent.  Posted from within work: runs in the next turn, which then does not wait, so that
 * sliced work lets sockets and timers in between.  loop_run() takes it into the same turn as long as that
 * is young (a millisecond): a change is on the wire in the turn that heard of it. */
void work_post(struct loop_work *);
void work_cancel(struct loop_work *);

/* ---- signals (real loops only) ---- */
typedef void loop_signal_cb(void *arg, int signo);
int loop_signal(struct loop *, int signo, loop_signal_cb *cb, void *arg);

/* Spread evenly over [0, n): jitter, tie-breaking in tests is seeded by loop_seed(). */
uint32_t loop_random(struct loop *, uint32_t n);
void loop_seed(struct loop *, uint64_t seed);

#endif
