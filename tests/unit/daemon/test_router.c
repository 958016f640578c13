/*
 * tests/unit/daemon/test_router.c: the router on the other end of an interface: what is said and when,
 * who is believed; and the two messages, byte by byte (RFC 4861 4.1, 4.2, 6.1).
 */
#include "daemon/router.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct loop *loop;
static struct router r;
static unsigned adverts, solicits, pings, replies, changes;

static void
sent(void *arg, enum ndisc_kind kind, const struct addr *to)
{
	(void)arg;
	if (to)
		replies++;
	else if (kind == NDISC_ADVERTISE)
		adverts++;
	else if (kind == NDISC_SOLICIT)
		solicits++;
	else
		pings++;
}

static void
changed(void *arg)
{
	(void)arg;
	changes++;
}

static void
setup(void)
{
	const struct router_ops ops = { .send = sent, .changed = changed };

	loop = loop_new_fake();
	router_init(&r, loop, &ops);
	adverts = solicits = pings = replies = changes = 0;
}

static void
teardown(void)
{
	router_forget(&r);
	loop_free(loop);
}

static struct addr
host(uint8_t last)
{
	return (struct addr){ .b = { 0xfe, 0x80, [15] = last }, .family = ADDR_V6 };
}

static void
heard(enum ndisc_kind kind, uint8_t last)
{
	const struct addr a = host(last);

	router_heard(&r, kind, &a);
}

START_TEST(it_speaks_at_once_often_at_first_and_asks_until_somebody_is_there)
{
	router_start(&r);
	loop_advance(loop, 0);
	ck_assert_uint_eq(adverts, 1);
	ck_assert_uint_eq(solicits, 1);
	loop_advance(loop, 3 * ROUTER_FIRST_MS);
	ck_assert_uint_ge(adverts, ROUTER_NR_FIRST);
	adverts = 0;
	loop_advance(loop, 60000);
	ck_assert_uint_ge(adverts, 6);
	ck_assert_uint_le(adverts, 8); /* a quarter of jitter */
	heard(NDISC_ADVERTISE, 1);
	solicits = 0;
	loop_advance(loop, 60000);
	ck_assert_uint_eq(solicits, 0);
}
END_TEST

START_TEST(the_first_that_is_heard_is_it)
{
	const struct addr one = host(1);

	router_start(&r);
	loop_advance(loop, 0);
	adverts = 0;
	heard(NDISC_ADVERTISE, 1);
	ck_assert(addr_eq(&r.addr, &one));
	ck_assert_uint_eq(changes, 1);
	ck_assert_uint_eq(adverts, 1); /* so that it finds us, too */
	heard(NDISC_ADVERTISE, 1);
	ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(another_one_has_to_wait_whether_the_first_is_there)
{
	const struct addr one = host(1);

	router_start(&r);
	heard(NDISC_ADVERTISE, 1);
	solicits = 0;
	heard(NDISC_ADVERTISE, 2);
	ck_assert_uint_eq(solicits, 1); /* the first one is asked */
	loop_advance(loop, ROUTER_ANSWER_MS / 2);
	heard(NDISC_ADVERTISE, 1);
	loop_advance(loop, 2 * ROUTER_ANSWER_MS);
	ck_assert(addr_eq(&r.addr, &one));
	ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(another_one_takes_the_place_of_a_silent_one)
{
	const struct addr two = host(2);

	router_start(&r);
	heard(NDISC_ADVERTISE, 1);
	heard(NDISC_ADVERTISE, 2);
	loop_advance(loop, ROUTER_ANSWER_MS - 1);
	ck_assert_uint_eq(changes, 1);
	loop_advance(loop, 1);
	ck_assert(addr_eq(&r.addr, &two));
	ck_assert_uint_eq(changes, 2);
}
END_TEST

START_TEST(where_nobody_advertises_who_answers_a_ping_is_it)
{
	const struct addr five = host(5), six = host(6);

	router_start(&r);
	loop_advance(loop, ROUTER_FIRST_MS);
	ck_assert_uint_eq(pings, 0); /* those who advertise come first */
	loop_advance(loop, ROUTER_NR_FIRST * ROUTER_FIRST_MS);
	ck_assert_uint_ge(pings, 1);
	heard(NDISC_PING, 5);
	ck_assert(addr_eq(&r.addr, &five));
	ck_assert_uint_eq(changes, 1);
	heard(NDISC_PING, 6); /* another host that forwards */
	loop_advance(loop, 60000);
	ck_assert(addr_eq(&r.addr, &five));
	/* One that advertises is more than one that only answers. */
	heard(NDISC_ADVERTISE, 6);
	ck_assert(addr_eq(&r.addr, &six));
	ck_assert_uint_eq(changes, 2);
	heard(NDISC_PING, 5);
	ck_assert(addr_eq(&r.addr, &six));
}
END_TEST

START_TEST(who_answers_a_ping_is_there_still)
{
	const struct addr one = host(1);

	router_start(&r);
	heard(NDISC_ADVERTISE, 1);
	heard(NDISC_ADVERTISE, 2);
	ck_assert_uint_eq(pings, 1);
	heard(NDISC_PING, 1);
	loop_advance(loop, 2 * ROUTER_ANSWER_MS);
	ck_assert(addr_eq(&r.addr, &one));
}
END_TEST

START_TEST(who_asks_is_answered_but_not_without_end)
{
	router_start(&r);
	for (int i = 0; i < 1000; i++)
		heard(NDISC_SOLICIT, 3);
	ck_assert_uint_eq(replies, 1);
	loop_advance(loop, ROUTER_REPLIES_MS);
	heard(NDISC_SOLICIT, 3);
	ck_assert_uint_eq(replies, 2);
	/* Whoever asks is not a router for that. */
	ck_assert(!addr_is_set(&r.addr));
}
END_TEST

START_TEST(stopped_it_hears_nothing_and_forgets_only_when_told)
{
	router_start(&r);
	heard(NDISC_ADVERTISE, 1);
	heard(NDISC_ADVERTISE, 2);
	router_stop(&r);
	adverts = 0;
	loop_advance(loop, 100000);
	heard(NDISC_ADVERTISE, 4);
	heard(NDISC_SOLICIT, 4);
	ck_assert_uint_eq(adverts + replies, 0);
	ck_assert_uint_eq(changes, 1);
	ck_assert(addr_is_set(&r.addr));
	router_forget(&r);
	ck_assert(!addr_is_set(&r.addr));
}
END_TEST

/* ---- messages ---- */

static const uint8_t mac[] = { 2, 0, 0, 0, 0, 9 };

START_TEST(rfc4861_4_what_is_said_of_us)
{
	static const uint8_t advert[] = { 134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2,
		0, 0, 0, 0, 9 };
	static const uint8_t solicit[] = { 133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9 };
	uint8_t bytes[64];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	/* No hop limit, no flags, and never a default router: lifetime 0. */
	ndisc_encode(&w, NDISC_ADVERTISE, mac);
	ck_assert_uint_eq(w.len, sizeof(advert));
	ck_assert_mem_eq(bytes, advert, sizeof(advert));
	w = wire_wr_init(bytes, sizeof(bytes));
	ndisc_encode(&w, NDISC_SOLICIT, mac);
	ck_assert_uint_eq(w.len, sizeof(solicit));
	ck_assert_mem_eq(bytes, solicit, sizeof(solicit));
	w = wire_wr_init(bytes, sizeof(bytes));
	ndisc_encode(&w, NDISC_SOLICIT, NULL);
	ck_assert_uint_eq(w.len, 8);
	w = wire_wr_init(bytes, sizeof(bytes));
	ndisc_encode(&w, NDISC_PING, mac);
	ck_assert_uint_eq(w.len, 8);
	ck_assert_mem_eq(bytes, ((uint8_t[]){ 128, 0, 0, 0, 0x48, 0x42, 0, 1 }), 8);
}
END_TEST

static enum ndisc_kind
decoded(const uint8_t *bytes, size_t len, int hops)
{
	const struct addr from = host(1);
	uint8_t *cut = memcpy(malloc(len ? len : 1), bytes, len);
	enum ndisc_kind kind = ndisc_decode(wire_rd_init(cut, len), &from, hops);

	free(cut);
	return kind;
}

START_TEST(rfc4861_6_1_what_is_dropped)
{
	static const struct addr global = { .b = { 0x20, 1, 0xd, 0xb8 }, .family = ADDR_V6 };
	static const struct addr none = { .family = ADDR_V6 };
	uint8_t m[24] = { 134, [16] = 1, 1 };

	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_ADVERTISE);
	/* From beyond the link, or of an unknown hop limit. */
	ck_assert_int_eq(decoded(m, sizeof(m), 254), NDISC_NONE);
	ck_assert_int_eq(decoded(m, sizeof(m), -1), NDISC_NONE);
	ck_assert_int_eq(ndisc_decode(wire_rd_init(m, sizeof(m)), &global, 255), NDISC_NONE);
	ck_assert_int_eq(ndisc_decode(wire_rd_init(m, sizeof(m)), &none, 255), NDISC_NONE);
	m[1] = 1; /* code */
	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_NONE);
	m[1] = 0;
	m[17] = 0; /* an option of no length */
	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_NONE);
	m[17] = 2; /* beyond the end */
	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_NONE);
	m[17] = 1;
	m[0] = 133;
	ck_assert_int_eq(decoded(m, 8, 255), NDISC_SOLICIT);
	m[0] = 135;
	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_NONE);
}
END_TEST

START_TEST(rfc4443_4_2_replies_to_pings_of_others_are_not_ours)
{
	static const struct addr global = { .b = { 0x20, 1, 0xd, 0xb8 }, .family = ADDR_V6 };
	uint8_t m[8] = { 129, 0, 0, 0, 0x48, 0x42, 0, 1 };

	ck_assert_int_eq(decoded(m, sizeof(m), 64), NDISC_PING);
	ck_assert_int_eq(ndisc_decode(wire_rd_init(m, sizeof(m)), &global, 64), NDISC_NONE);
	ck_assert_int_eq(decoded(m, 5, 64), NDISC_NONE);
	m[5]++;
	ck_assert_int_eq(decoded(m, sizeof(m), 64), NDISC_NONE);
	m[5]--;
	m[0] = 128; /* a request is for the kernel */
	ck_assert_int_eq(decoded(m, sizeof(m), 255), NDISC_NONE);
}
END_TEST

START_TEST(every_truncation_of_an_advertisement)
{
	const uint8_t m[24] = { 134, [16] = 1, 1 };
	const size_t len = (size_t)_i;
	/* Whole, or without the option. */
	const bool sound = len == 24 || len == 16;

	ck_assert_int_eq(decoded(m, len, 255), sound ? NDISC_ADVERTISE : NDISC_NONE);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("router");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_speaks_at_once_often_at_first_and_asks_until_somebody_is_there);
	tcase_add_test(tc, the_first_that_is_heard_is_it);
	tcase_add_test(tc, another_one_has_to_wait_whether_the_first_is_there);
	tcase_add_test(tc, another_one_takes_the_place_of_a_silent_one);
	tcase_add_test(tc, where_nobody_advertises_who_answers_a_ping_is_it);
	tcase_add_test(tc, who_answers_a_ping_is_there_still);
	tcase_add_test(tc, who_asks_is_answered_but_not_without_end);
	tcase_add_test(tc, stopped_it_hears_nothing_and_forgets_only_when_told);
	suite_add_tcase(s, tc);
	tc = tcase_create("messages");
	tcase_add_test(tc, rfc4861_4_what_is_said_of_us);
	tcase_add_test(tc, rfc4861_6_1_what_is_dropped);
	tcase_add_test(tc, rfc4443_4_2_replies_to_pings_of_others_are_not_ours);
	tcase_add_loop_test(tc, every_truncation_of_an_advertisement, 0, 25);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("router", add_tests)
