/*
 * tests/unit/bfd/test_machine.c: bfd/machine.c against RFC 5880 6.8: all states with all received states,
 * timers, jitter, poll sequences.  Time is a number.
 */
#include "tests/unit/unit.h"

#include "bfd/machine.h"

#define MS 1000u
#define S 1000000u
#define START 5000000u

static struct machine m;
static uint64_t now;
static struct packet out; /* the last one that was taken */
static unsigned nr_out;

static const struct machine_conf plain = { .tx_us = 100 * MS, .rx_us = 100 * MS, .multiplier = 3 };

static void
drain(void)
{
	while (machine_take(&m, &out, now))
		nr_out++;
}

static void
begin(const struct machine_conf *conf)
{
	now = START;
	nr_out = 0;
	machine_init(&m, conf, 0x11, 42, now);
	drain();
}

static struct packet
theirs(enum bfd_state state)
{
	return (struct packet){ .state = state,
		.multiplier = 3,
		.my = 0x22,
		.your = m.id,
		.min_tx = 100 * MS,
		.min_rx = 100 * MS };
}

static void
receive(const struct packet *p)
{
	machine_receive(&m, p, now);
	drain();
}

static void
hear(enum bfd_state state)
{
	struct packet p = theirs(state);

	receive(&p);
}

/* To the given state by the way of the RFC. */
static void
bring(enum bfd_state state)
{
	if (state == BFD_ADMIN_DOWN) {
		machine_stop(&m, now);
		drain();
	}
	if (state == BFD_INIT || state == BFD_UP)
		hear(BFD_DOWN);
	if (state == BFD_UP)
		hear(BFD_INIT);
	ck_assert_int_eq(m.state, state);
}

/* Until @then, doing what is due when it is due. */
static void
run_until(uint64_t then)
{
	for (;;) {
		uint64_t next = machine_next(&m);

		if (next > then)
			break;
		now = next > now ? next : now;
		machine_tick(&m, now);
		drain();
	}
	now = then;
}

/* Both ends' polls are over: what is told holds. */
static void
finish_poll(void)
{
	struct packet p = theirs(m.state == BFD_UP ? BFD_UP : BFD_DOWN);

	p.final = true;
	receive(&p);
}

/* RFC 5880 6.2, the picture and the text; written from it, not from the table. */
/* clang-format off */
static const struct {
	enum bfd_state ours, received, next;
	unsigned diag; /* of the new state */
} table[] = {
	{ BFD_ADMIN_DOWN, BFD_ADMIN_DOWN, BFD_ADMIN_DOWN, 7 },
	{ BFD_ADMIN_DOWN, BFD_DOWN,       BFD_ADMIN_DOWN, 7 },
	{ BFD_ADMIN_DOWN, BFD_INIT,       BFD_ADMIN_DOWN, 7 },
	{ BFD_ADMIN_DOWN, BFD_UP,         BFD_ADMIN_DOWN, 7 },
	{ BFD_DOWN,       BFD_ADMIN_DOWN, BFD_DOWN,       0 },
	{ BFD_DOWN,       BFD_DOWN,       BFD_INIT,       0 },
	{ BFD_DOWN,       BFD_INIT,       BFD_UP,         0 },
	{ BFD_DOWN,       BFD_UP,         BFD_DOWN,       0 },
	{ BFD_INIT,       BFD_ADMIN_DOWN, BFD_DOWN,       3 },
	{ BFD_INIT,       BFD_DOWN,       BFD_INIT,       0 },
	{ BFD_INIT,       BFD_INIT,       BFD_UP,         0 },
	{ BFD_INIT,       BFD_UP,         BFD_UP,         0 },
	{ BFD_UP,         BFD_ADMIN_DOWN, BFD_DOWN,       3 },
	{ BFD_UP,         BFD_DOWN,       BFD_DOWN,       3 },
	{ BFD_UP,         BFD_INIT,       BFD_UP,         0 },
	{ BFD_UP,         BFD_UP,         BFD_UP,         0 },
};
/* clang-format on */
#define NR_TABLE (sizeof(table) / sizeof(table[0]))

START_TEST(rfc5880_6_2_every_state_with_every_received_state)
{
	unsigned before;

	begin(&plain);
	bring(table[_i].ours);
	before = nr_out;
	hear(table[_i].received);
	ck_assert_int_eq(m.state, table[_i].next);
	ck_assert_uint_eq(m.diag, table[_i].diag);
	ck_assert_int_eq(m.remote_state, table[_i].received);
	/* What changed is said at once, and only that. */
	ck_assert_uint_eq(nr_out - before, table[_i].ours != table[_i].next);
	if (nr_out > before)
		ck_assert_int_eq(out.state, table[_i].next);
}
END_TEST

START_TEST(rfc5880_6_8_4_silence_ends_init_and_up_alone)
{
	static const enum bfd_state states[] = { BFD_DOWN, BFD_INIT, BFD_UP, BFD_ADMIN_DOWN };
	enum bfd_state state = states[_i];
	bool ends = state == BFD_INIT || state == BFD_UP;

	begin(&plain);
	bring(state);
	if (state == BFD_DOWN) /* heard, but to no effect */
		hear(BFD_UP);
	if (state == BFD_ADMIN_DOWN)
		hear(BFD_DOWN);
	finish_poll();
	state = m.state; /* a Down that was heard in Down leads on */
	ends = state == BFD_INIT || state == BFD_UP;
	run_until(now + 299 * MS);
	ck_assert_int_eq(m.state, state);
	ck_assert_uint_eq(m.remote_id, 0x22);
	run_until(now + 1 * MS);
	ck_assert_int_eq(m.state, ends ? BFD_DOWN : state);
	if (ends)
		ck_assert_uint_eq(m.diag, 1);
	/* 6.8.1: bfd.RemoteDiscr */
	ck_assert_uint_eq(m.remote_id, 0);
}
END_TEST

START_TEST(rfc5880_6_8_4_the_detection_time_is_of_both_ends)
{
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	finish_poll();
	ck_assert_uint_eq(m.detect_us, 300 * MS);
	p = theirs(BFD_UP);
	p.multiplier = 5; /* theirs counts, not ours */
	receive(&p);
	ck_assert_uint_eq(m.detect_us, 500 * MS);
	p.min_tx = 250 * MS; /* it is slower than we want it */
	receive(&p);
	ck_assert_uint_eq(m.detect_us, 5 * 250 * MS);
	p.min_tx = 10 * MS; /* it could, but will not: we said how often */
	receive(&p);
	ck_assert_uint_eq(m.detect_us, 500 * MS);
}
END_TEST

/* A packet just before the end puts the end off. */
START_TEST(what_is_heard_in_time_keeps_it_up)
{
	begin(&plain);
	bring(BFD_UP);
	for (int i = 0; i < 50; i++) {
		run_until(now + 299 * MS);
		hear(BFD_UP);
	}
	ck_assert_int_eq(m.state, BFD_UP);
	ck_assert_uint_eq(m.ups, 1);
	ck_assert_uint_eq(m.downs, 0);
}
END_TEST

START_TEST(rfc5880_6_8_3_not_faster_than_a_second_until_up)
{
	uint64_t last;

	begin(&plain);
	ck_assert_uint_eq(nr_out, 1); /* the first at once */
	ck_assert_uint_eq(out.min_tx, 1 * S);
	ck_assert_uint_eq(out.min_rx, 100 * MS);
	ck_assert_uint_eq(out.your, 0);
	ck_assert_int_eq(out.state, BFD_DOWN);
	last = now;
	for (unsigned i = 0; i < 200; i++) {
		now = machine_next(&m);
		ck_assert_uint_ge(now - last, 750 * MS);
		ck_assert_uint_le(now - last, 1 * S);
		last = now;
		drain();
	}
	ck_assert_uint_eq(nr_out, 201);
	bring(BFD_UP);
	ck_assert_uint_eq(m.tx_us, 100 * MS); /* a quicker pace needs no leave */
	ck_assert_uint_eq(out.min_tx, 100 * MS);
	ck_assert(out.poll);
	hear(BFD_DOWN);
	ck_assert_uint_eq(m.tx_us, 1 * S);
	ck_assert_uint_eq(out.min_tx, 1 * S);
	ck_assert(!out.poll);
}
END_TEST

/* RFC 5880 6.8.7: bounds, and that the whole of them is used. */
static void
check_jitter(uint8_t multiplier, unsigned most)
{
	struct machine_conf conf = plain;
	uint64_t low = UINT64_MAX, high = 0, last;

	conf.multiplier = multiplier;
	begin(&conf);
	bring(BFD_UP);
	last = now;
	now = machine_next(&m);
	drain();
	for (int i = 0; i < 20000; i++) {
		last = now;
		now = machine_next(&m);
		m.rx_last = now; /* the other end is heard all the time */
		drain();
		low = now - last < low ? now - last : low;
		high = now - last > high ? now - last : high;
	}
	ck_assert_uint_ge(low, 75 * MS);
	ck_assert_uint_le(low, 75 * MS + 100);
	ck_assert_uint_le(high, most);
	ck_assert_uint_ge(high, most - 100);
}

START_TEST(rfc5880_6_8_7_jitter)
{
	check_jitter(3, 100 * MS);
	check_jitter(2, 100 * MS);
	check_jitter(1, 90 * MS);
}
END_TEST

START_TEST(rfc5880_6_8_7_the_slower_end_sets_the_pace)
{
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	p = theirs(BFD_UP);
	p.min_rx = 700 * MS;
	receive(&p);
	ck_assert_uint_eq(m.tx_us, 700 * MS);
	nr_out = 0;
	for (int i = 0; i < 100; i++) { /* ten seconds */
		run_until(now + 100 * MS);
		receive(&p);
	}
	ck_assert_uint_ge(nr_out, 14);
	ck_assert_uint_le(nr_out, 20);
	p.min_rx = 0; /* 6.8.7: wants none at all */
	receive(&p);
	nr_out = 0;
	for (int i = 0; i < 50; i++) {
		run_until(now + 100 * MS);
		receive(&p);
	}
	ck_assert_uint_eq(nr_out, 0);
	p.poll = true; /* but for answers */
	receive(&p);
	ck_assert_uint_eq(nr_out, 1);
	ck_assert(out.final);
	p.poll = false;
	run_until(now + 200 * MS);
	/* faster again: the packet that is due by then goes at once */
	p.min_rx = 50 * MS;
	receive(&p);
	ck_assert_uint_eq(nr_out, 2);
	ck_assert_uint_eq(m.tx_us, 100 * MS);
}
END_TEST

START_TEST(rfc5880_6_8_7_a_passive_end_does_not_begin)
{
	struct machine_conf conf = plain;

	conf.passive = true;
	begin(&conf);
	run_until(now + 60 * S);
	ck_assert_uint_eq(nr_out, 0);
	hear(BFD_DOWN);
	ck_assert_uint_eq(nr_out, 1);
	ck_assert_uint_eq(out.your, 0x22);
	ck_assert_int_eq(m.state, BFD_INIT);
	hear(BFD_INIT);
	ck_assert_int_eq(m.state, BFD_UP);
	/* and is silent again when nothing is heard */
	finish_poll();
	run_until(now + 300 * MS);
	ck_assert_int_eq(m.state, BFD_DOWN);
	nr_out = 0;
	run_until(now + 60 * S);
	ck_assert_uint_eq(nr_out, 0);
}
END_TEST

/* RFC 5880 6.6: the other end has us stop; only while both are up, and polls go on. */
START_TEST(rfc5880_6_8_7_demand_mode_of_the_other_end)
{
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	p = theirs(BFD_UP);
	p.demand = true;
	receive(&p); /* our poll is not answered yet */
	nr_out = 0;
	run_until(now + 250 * MS);
	ck_assert_uint_ge(nr_out, 2);
	ck_assert(out.poll);
	p.final = true;
	receive(&p);
	nr_out = 0;
	run_until(now + 250 * MS);
	ck_assert_uint_eq(nr_out, 0);
	ck_assert(!out.demand); /* never ours */
}
END_TEST

START_TEST(rfc5880_6_5_a_poll_is_answered_at_once_and_beside_the_others)
{
	struct packet p;
	uint64_t at;

	begin(&plain);
	bring(BFD_UP);
	finish_poll();
	at = m.tx_at;
	p = theirs(BFD_UP);
	p.poll = true;
	nr_out = 0;
	receive(&p);
	ck_assert_uint_eq(nr_out, 1);
	ck_assert(out.final);
	ck_assert(!out.poll);
	ck_assert_uint_eq(m.tx_at, at);
	/* in our own poll sequence too, where P and F must not be in one packet */
	machine_set(&m,
	    &(struct machine_conf){ .tx_us = 50 * MS, .rx_us = 100 * MS, .multiplier = 3 }, now);
	drain();
	ck_assert(out.poll);
	receive(&p);
	ck_assert(out.final);
	ck_assert(!out.poll);
	now = machine_next(&m);
	drain();
	ck_assert(out.poll);
	/* administratively down nothing is answered (6.8.6) */
	machine_stop(&m, now);
	drain();
	nr_out = 0;
	receive(&p);
	ck_assert_uint_eq(nr_out, 0);
}
END_TEST

/* RFC 5880 6.8.3: slower sending and quicker detection wait for the other end to know. */
START_TEST(rfc5880_6_8_3_a_change_holds_when_the_poll_is_over)
{
	struct machine_conf slow = { .tx_us = 400 * MS, .rx_us = 400 * MS, .multiplier = 3 };
	struct machine_conf quick = { .tx_us = 50 * MS, .rx_us = 50 * MS, .multiplier = 3 };
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	p = theirs(BFD_UP);
	p.min_tx = p.min_rx = 10 * MS;
	p.final = true;
	receive(&p);
	ck_assert_int_eq(m.poll, POLL_OFF);

	machine_set(&m, &slow, now);
	drain();
	ck_assert(out.poll);
	ck_assert_uint_eq(out.min_tx, 400 * MS);
	ck_assert_uint_eq(out.min_rx, 400 * MS);
	ck_assert_uint_eq(m.tx_us, 100 * MS);	   /* still */
	ck_assert_uint_eq(m.detect_us, 1200 * MS); /* already */
	receive(&p);
	ck_assert_uint_eq(m.tx_us, 400 * MS);

	machine_set(&m, &quick, now);
	drain();
	ck_assert_uint_eq(m.tx_us, 50 * MS);
	ck_assert_uint_eq(m.detect_us, 1200 * MS);
	/* another change meanwhile: the first answer may be to what we said before */
	machine_set(&m, &plain, now);
	drain();
	receive(&p);
	ck_assert_int_eq(m.poll, POLL_ON);
	ck_assert_uint_eq(m.tx_us, 50 * MS);
	receive(&p);
	ck_assert_int_eq(m.poll, POLL_OFF);
	ck_assert_uint_eq(m.tx_us, 100 * MS);
	ck_assert_uint_eq(m.detect_us, 300 * MS);
	/* the same again is no change */
	nr_out = 0;
	machine_set(&m, &plain, now);
	drain();
	ck_assert_int_eq(m.poll, POLL_OFF);
	ck_assert_uint_eq(nr_out, 0);
	ck_assert_int_eq(m.state, BFD_UP);
	ck_assert_uint_eq(m.downs, 0);
}
END_TEST

START_TEST(a_final_that_nobody_asked_for_changes_nothing)
{
	struct machine before;
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	finish_poll();
	p = theirs(BFD_UP);
	p.final = true;
	before = m;
	receive(&p);
	ck_assert_mem_eq(&before, &m, sizeof(m));
}
END_TEST

START_TEST(rfc5880_6_8_16_administratively_down_is_said_and_is_for_good)
{
	begin(&plain);
	bring(BFD_UP);
	nr_out = 0;
	machine_stop(&m, now);
	drain();
	ck_assert_uint_eq(nr_out, 1);
	ck_assert_int_eq(out.state, BFD_ADMIN_DOWN);
	ck_assert_uint_eq(out.diag, 7);
	ck_assert_uint_eq(m.downs, 1);
	hear(BFD_INIT);
	hear(BFD_UP);
	ck_assert_int_eq(m.state, BFD_ADMIN_DOWN);
}
END_TEST

/* The other end began anew: it does not know us, and has another discriminator. */
START_TEST(a_peer_that_restarts_comes_up_again)
{
	struct packet p;

	begin(&plain);
	bring(BFD_UP);
	p = theirs(BFD_DOWN);
	p.my = 0x33;
	p.your = 0;
	receive(&p);
	ck_assert_int_eq(m.state, BFD_DOWN);
	ck_assert_uint_eq(m.diag, 3);
	receive(&p);
	ck_assert_int_eq(m.state, BFD_INIT);
	ck_assert_uint_eq(out.your, 0x33);
	p.state = BFD_UP;
	p.your = m.id;
	receive(&p);
	ck_assert_int_eq(m.state, BFD_UP);
	ck_assert_uint_eq(m.ups, 2);
}
END_TEST

/* Two machines and a wire that loses packets: they come up, and not twice a packet. */
START_TEST(two_machines_come_to_an_understanding)
{
	struct machine two[2];
	uint64_t at = START, seed = 77;
	unsigned nr = 0;

	for (unsigned i = 0; i < 2; i++)
		machine_init(&two[i], &plain, i + 1, i, at);
	while (at < START + 60 * S) {
		uint64_t next = UINT64_MAX;
		struct packet p;

		for (unsigned i = 0; i < 2; i++) {
			machine_tick(&two[i], at);
			while (machine_take(&two[i], &p, at)) {
				nr++;
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				if (seed >> 60) /* one in sixteen is lost */
					machine_receive(&two[!i], &p, at);
			}
		}
		for (unsigned i = 0; i < 2; i++)
			next = machine_next(&two[i]) < next ? machine_next(&two[i]) : next;
		at = next > at ? next : at;
		ck_assert_uint_lt(nr, 2000);
	}
	ck_assert_uint_ge(nr, 1100);
	ck_assert_int_eq(two[0].state, BFD_UP);
	ck_assert_int_eq(two[1].state, BFD_UP);
	ck_assert_int_eq(two[0].poll, POLL_OFF);
	ck_assert_uint_eq(two[0].detect_us, 300 * MS);
}
END_TEST

/* The largest numbers that a peer can send. */
START_TEST(numbers_without_reason_do_no_harm)
{
	struct packet p;

	begin(&plain);
	p = theirs(BFD_DOWN);
	p.min_tx = p.min_rx = UINT32_MAX;
	p.multiplier = 255;
	receive(&p);
	ck_assert_uint_eq(m.tx_us, UINT32_MAX);
	ck_assert_uint_eq(m.detect_us, 255ull * UINT32_MAX);
	for (int i = 0; i < 1000; i++) {
		now = machine_next(&m);
		machine_tick(&m, now);
		drain();
	}
	ck_assert_int_eq(m.state, BFD_DOWN);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("machine");

	tcase_add_loop_test(t, rfc5880_6_2_every_state_with_every_received_state, 0, NR_TABLE);
	tcase_add_loop_test(t, rfc5880_6_8_4_silence_ends_init_and_up_alone, 0, 4);
	tcase_add_test(t, rfc5880_6_8_4_the_detection_time_is_of_both_ends);
	tcase_add_test(t, what_is_heard_in_time_keeps_it_up);
	tcase_add_test(t, rfc5880_6_8_3_not_faster_than_a_second_until_up);
	tcase_add_test(t, rfc5880_6_8_7_jitter);
	tcase_add_test(t, rfc5880_6_8_7_the_slower_end_sets_the_pace);
	tcase_add_test(t, rfc5880_6_8_7_a_passive_end_does_not_begin);
	tcase_add_test(t, rfc5880_6_8_7_demand_mode_of_the_other_end);
	tcase_add_test(t, rfc5880_6_5_a_poll_is_answered_at_once_and_beside_the_others);
	tcase_add_test(t, rfc5880_6_8_3_a_change_holds_when_the_poll_is_over);
	tcase_add_test(t, a_final_that_nobody_asked_for_changes_nothing);
	tcase_add_test(t, rfc5880_6_8_16_administratively_down_is_said_and_is_for_good);
	tcase_add_test(t, a_peer_that_restarts_comes_up_again);
	tcase_add_test(t, two_machines_come_to_an_understanding);
	tcase_add_test(t, numbers_without_reason_do_no_harm);
	suite_add_tcase(s, t);
}
UNIT_MAIN("bfd-machine", add_tests)
