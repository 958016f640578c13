/*
 * tests/unit/bgpd/test_long_lived.c: long-lived graceful restart (RFC 9494) over sessions: the
 * capability, when the long-lived time begins and ends, restarts one after the other; and enhanced
 * route refresh (RFC 7313) on the wire.
 */
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"
#define A "10.7.0.0/24"
#define B "10.8.0.0/24"

static struct kit k;
static struct raw r;
static uint16_t port;
/* A restart time of a minute, and an hour after it. */
static const struct raw_open with_llgr = { .as = 65002,
	.id = 9,
	.hold = 0,
	.families = 1,
	.gr = true,
	.gr_time = 60,
	.llgr = true,
	.llgr_time = 3600,
	.enhanced = true };

static struct bgp_peer_conf *
begin(uint32_t ours_s)
{
	struct bgp_peer_conf *c;

	port = kit_port();
	kit_init(&k, NULL, US, port, 65001);
	r.fd = r.listener = -1;
	c = kit_peer(&k, "p", THEM, port, 65002);
	c->gr = true;
	c->family[BGP_IPV4_UNICAST].stale_s = ours_s;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	bgp_routes_ready(k.bgp);
	raw_accept(&r);
	return c;
}

static void
end(void)
{
	raw_fini(&r);
	kit_fini(&k);
}

static int64_t
received(void)
{
	return kit_family_number(&k, 0, "received");
}

static int64_t
long_lived(void)
{
	return kit_family_number(&k, 0, "longLivedStaleRoutes");
}

static void
learn(const struct raw_open *o)
{
	raw_establish(&r, o);
	raw_announce(&r, A, 65002);
	raw_announce(&r, B, 65002);
	raw_eor(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 2);
}

static void
begin_learned(const struct raw_open *o)
{
	(void)begin(100000);
	learn(o);
}

/* The peer comes back; we dial. */
static void
again(const struct raw_open *o)
{
	struct raw_open back = *o;

	back.hold = 0;
	raw_listen(&r, &k, THEM, port);
	for (int i = 0; i < 1500 && !raw_try_accept(&r); i++)
		loop_advance(k.loop, 100);
	raw_establish(&r, &back);
}

/* Nobody listens, so that it stays away. */
static void
away(void)
{
	raw_fini(&r);
	r.fd = r.listener = -1;
	loop_advance(k.loop, 10);
}

/* ---- the capability ---- */

/* The value of capability 71 in our OPEN; NULL: not there. */
static const uint8_t *
our_capability(uint8_t code, size_t *len)
{
	size_t all;
	const uint8_t *b = raw_expect(&r, 1, &all), *at = b + 12, *to = b + 12 + b[11];

	ck_assert_uint_eq(b[10], 2);
	for (; at < to; at += 2 + at[1]) {
		*len = at[1];
		if (at[0] == code)
			return at + 2;
	}
	return NULL;
}

START_TEST(rfc9494_3_1_the_capability_as_configured)
{
	const uint8_t *v;
	size_t len;

	(void)begin(0x123456);
	v = our_capability(71, &len);
	ck_assert_ptr_nonnull(v);
	ck_assert_uint_eq(len, 7);
	ck_assert_mem_eq(v, "\0\1\1\0\x12\x34\x56", 7);
	end();
}
END_TEST

/* RFC 9494 5: not by default; 4.1: not without graceful restart. */
START_TEST(rfc9494_4_1_not_without_graceful_restart_nor_by_default)
{
	struct bgp_peer_conf *c;
	size_t len;

	c = begin(_i ? 0 : 3600);
	c->gr = _i;
	if (!_i) { /* begun anew for it */
		kit_apply(&k);
		loop_advance(k.loop, 500);
		raw_accept(&r);
	}
	ck_assert_ptr_null(our_capability(71, &len));
	end();
}
END_TEST

START_TEST(rfc9494_3_1_f_bit_when_the_routes_are_still_forwarded)
{
	const uint8_t *v;
	size_t len;

	begin_learned(&with_llgr);
	raw_close(&r);
	loop_advance(k.loop, 300);
	raw_accept(&r);
	v = our_capability(71, &len);
	ck_assert_ptr_nonnull(v);
	ck_assert_uint_eq(v[3], 0x80);
	end();
}
END_TEST

START_TEST(rfc9494_4_1_disregarded_without_graceful_restart)
{
	struct raw_open o = with_llgr;

	o.gr = false;
	begin_learned(&o);
	away();
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_one_side_alone_is_not_enough)
{
	struct raw_open o = with_llgr;

	(void)begin(_i ? 0 : 3600);
	o.llgr = _i;
	learn(&o);
	away();
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 61000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

/* ---- time ---- */

START_TEST(rfc9494_4_2_kept_for_the_sum_of_both_times)
{
	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 59000);
	ck_assert_int_eq(received(), 2);
	ck_assert_int_eq(long_lived(), 0);
	loop_advance(k.loop, 2000);
	ck_assert_int_eq(received(), 2);
	ck_assert_int_eq(long_lived(), 2);
	ck_assert_int_gt(kit_family_number(&k, 0, "longLivedSecondsLeft"), 3590);
	loop_advance(k.loop, 3597000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 3000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_2_a_restart_time_of_zero_begins_it_at_once)
{
	struct raw_open o = with_llgr;

	o.gr_time = 0;
	begin_learned(&o);
	away();
	ck_assert_int_eq(long_lived(), 2);
	loop_advance(k.loop, 3601000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_2_a_time_of_zero_is_none)
{
	struct raw_open o = with_llgr;

	o.llgr_time = 0;
	begin_learned(&o);
	away();
	loop_advance(k.loop, 61000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_2_our_own_time_is_the_limit)
{
	(void)begin(100);
	learn(&with_llgr);
	away();
	loop_advance(k.loop, 155000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 10000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

/* ---- the peer is back ---- */

START_TEST(rfc9494_4_2_back_in_time_it_is_as_before)
{
	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 100000);
	ck_assert_int_eq(long_lived(), 2);
	again(&with_llgr);
	ck_assert_int_eq(long_lived(), 2);
	raw_announce(&r, A, 65002);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(long_lived(), 1);
	raw_eor(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 1);
	ck_assert_int_eq(long_lived(), 0);
	loop_advance(k.loop, 4000000); /* no timer of before is left */
	ck_assert_int_eq(received(), 1);
	end();
}
END_TEST

/* No F bit; no capability; neither of the two. */
START_TEST(rfc9494_4_2_what_the_new_open_does_not_vouch_for_goes_at_once)
{
	struct raw_open o = with_llgr;

	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 100000);
	o.llgr_no_forwarding = _i == 0;
	o.llgr = _i == 0;
	o.gr = _i != 2;
	again(&o);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

/* Its own F bit counts once the long-lived time has begun, the other one before. */
START_TEST(rfc9494_4_2_each_time_has_its_own_f_bit)
{
	struct raw_open o = with_llgr;

	begin_learned(&with_llgr);
	away();
	if (_i)
		loop_advance(k.loop, 100000);
	o.gr_no_forwarding = true;
	again(&o);
	ck_assert_int_eq(received(), _i ? 2 : 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_2_a_second_restart_does_not_move_the_end)
{
	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 60000 + 1800000); /* half of it is over */
	again(&with_llgr);
	raw_announce(&r, A, 65002);
	loop_advance(k.loop, 10);
	away(); /* before End-of-RIB: B is of the first restart */
	ck_assert_int_eq(received(), 2);
	ck_assert_int_eq(long_lived(), 1);
	loop_advance(k.loop, 62000);
	ck_assert_int_eq(long_lived(), 2);
	loop_advance(k.loop, 1500000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 300000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc9494_4_2_an_end_while_the_peer_tells_its_table_waits_for_it)
{
	bool finishes = _i;

	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 60000 + 3400000);
	again(&with_llgr);
	raw_announce(&r, A, 65002);
	loop_advance(k.loop, 220000); /* the hour is over */
	ck_assert_int_eq(received(), 2);
	if (finishes)
		raw_eor(&r);
	else
		away(); /* 4.2: what is left of before goes at once */
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 1);
	ck_assert_int_eq(long_lived(), 0);
	end();
}
END_TEST

START_TEST(a_shutdown_and_a_sure_bfd_end_it)
{
	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 100000);
	if (_i) {
		ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "p", false, "silence"), 0);
		ck_assert_int_eq(received(), 2);
		ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "p", true, "silence"), 0);
	} else {
		ck_assert_int_eq(bgp_peer_shutdown(k.bgp, "p", NULL), 0);
	}
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(one_that_comes_back_without_end_of_rib_is_given_six_minutes)
{
	begin_learned(&with_llgr);
	away();
	loop_advance(k.loop, 100000);
	again(&with_llgr);
	raw_announce(&r, A, 65002);
	loop_advance(k.loop, 350000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 12000);
	ck_assert_int_eq(received(), 1);
	ck_assert_int_eq(long_lived(), 0);
	end();
}
END_TEST

/* ---- RFC 7313 ---- */

START_TEST(rfc7313_3_the_capability_is_sent)
{
	size_t len = 9;

	(void)begin(0);
	ck_assert_ptr_nonnull(our_capability(70, &len));
	ck_assert_uint_eq(len, 0);
	end();
}
END_TEST

/* The very bytes, in their order: begin, the route, end. */
START_TEST(rfc7313_4_begin_routes_end_on_the_wire)
{
	const uint8_t *b;
	size_t len;

	(void)begin(0);
	kit_originate(&k, "192.0.2.7/32");
	raw_establish(&r, &with_llgr);
	raw_expect(&r, 2, &len); /* the route */
	raw_expect(&r, 2, &len);
	ck_assert_uint_eq(len, 4); /* End-of-RIB */
	raw_refresh(&r, 0);
	b = raw_expect(&r, 5, &len);
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(b, "\0\1\1\1", 4);
	b = raw_expect(&r, 2, &len);
	ck_assert_uint_gt(len, 4);
	ck_assert_mem_eq(b + len - 5, "\x20\xc0\0\2\7", 5);
	b = raw_expect(&r, 5, &len);
	ck_assert_mem_eq(b, "\0\1\2\1", 4);
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("long-lived");

	tcase_add_test(tc, rfc9494_3_1_the_capability_as_configured);
	tcase_add_loop_test(tc, rfc9494_4_1_not_without_graceful_restart_nor_by_default, 0, 2);
	tcase_add_test(tc, rfc9494_3_1_f_bit_when_the_routes_are_still_forwarded);
	tcase_add_test(tc, rfc9494_4_1_disregarded_without_graceful_restart);
	tcase_add_loop_test(tc, rfc9494_4_one_side_alone_is_not_enough, 0, 2);
	tcase_add_test(tc, rfc9494_4_2_kept_for_the_sum_of_both_times);
	tcase_add_test(tc, rfc9494_4_2_a_restart_time_of_zero_begins_it_at_once);
	tcase_add_test(tc, rfc9494_4_2_a_time_of_zero_is_none);
	tcase_add_test(tc, rfc9494_4_2_our_own_time_is_the_limit);
	tcase_add_test(tc, rfc9494_4_2_back_in_time_it_is_as_before);
	tcase_add_loop_test(
	    tc, rfc9494_4_2_what_the_new_open_does_not_vouch_for_goes_at_once, 0, 3);
	tcase_add_loop_test(tc, rfc9494_4_2_each_time_has_its_own_f_bit, 0, 2);
	tcase_add_test(tc, rfc9494_4_2_a_second_restart_does_not_move_the_end);
	tcase_add_loop_test(
	    tc, rfc9494_4_2_an_end_while_the_peer_tells_its_table_waits_for_it, 0, 2);
	tcase_add_loop_test(tc, a_shutdown_and_a_sure_bfd_end_it, 0, 2);
	tcase_add_test(tc, one_that_comes_back_without_end_of_rib_is_given_six_minutes);
	tcase_add_test(tc, rfc7313_3_the_capability_is_sent);
	tcase_add_test(tc, rfc7313_4_begin_routes_end_on_the_wire);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("long-lived", add_tests)
