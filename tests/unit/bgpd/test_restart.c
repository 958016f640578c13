/*
 * tests/unit/bgpd/test_restart.c: graceful restart (RFC 4724, 8538), we helping a peer that
 * restarts and a peer helping us.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"

static struct kit k;
static struct raw r, r2;
static uint16_t port;
static const struct raw_open with_gr = {
	.as = 65002, .id = 9, .hold = 90, .families = 1, .gr = true, .gr_time = 60
};
static const struct raw_open with_n = {
	.as = 65002, .id = 9, .hold = 90, .families = 1, .gr = true, .gr_time = 60, .gr_n = true
};

static void
begin(void)
{
	struct bgp_peer_conf *c;

	port = kit_port();
	kit_init(&k, NULL, US, port, 65001);
	r.fd = r.listener = r2.fd = r2.listener = -1;
	c = kit_peer(&k, "p", THEM, port, 65002);
	c->gr = true;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	bgp_routes_ready(k.bgp);
	raw_accept(&r);
}

static void
end(void)
{
	raw_fini(&r);
	raw_fini(&r2);
	kit_fini(&k);
}

static int64_t
received(void)
{
	return kit_family_number(&k, 0, "received");
}

static bool
is_stale(void)
{
	return kit_family_number(&k, 0, "stale") != 0;
}

/* Established, two routes learned, End-of-RIB. */
static void
begin_learned(const struct raw_open *o)
{
	begin();
	raw_establish(&r, o);
	raw_announce(&r, "10.7.0.0/24", 65002);
	raw_announce(&r, "10.8.0.0/24", 65002);
	raw_eor(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 2);
	ck_assert(!is_stale());
}

/* The session comes back; we dial. */
static void
again(const struct raw_open *o)
{
	loop_advance(k.loop, 200);
	raw_accept(&r);
	raw_establish(&r, o);
}

/* ---- helping ---- */

START_TEST(rfc4724_4_2_routes_stay_when_tcp_fails)
{
	begin_learned(&with_gr);
	if (_i)
		raw_abort(&r);
	else
		raw_close(&r);
	loop_advance(k.loop, 10);
	ck_assert_str_ne(kit_state(&k, 0), "established");
	ck_assert_int_eq(received(), 2);
	ck_assert(is_stale());
	end();
}
END_TEST

START_TEST(without_the_capability_they_go)
{
	struct raw_open o = with_gr;

	o.gr = false;
	begin_learned(&o);
	raw_close(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc4724_4_2_end_of_rib_purges_what_was_not_sent_again)
{
	begin_learned(&with_gr);
	raw_close(&r);
	again(&with_gr);
	ck_assert_int_eq(received(), 2);
	raw_announce(&r, "10.7.0.0/24", 65002);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 2);
	ck_assert(is_stale());
	raw_eor(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 1);
	ck_assert(!is_stale());
	end();
}
END_TEST

START_TEST(rfc4724_4_2_the_peers_restart_time_purges)
{
	begin_learned(&with_gr);
	raw_fini(&r);
	r.fd = r.listener = -1;
	loop_advance(k.loop, 59000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 1100);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(a_peer_that_comes_back_and_sends_no_end_of_rib_is_given_six_minutes)
{
	struct raw_open o = with_gr;

	o.hold = 0;
	begin_learned(&o);
	raw_close(&r);
	again(&o);
	loop_advance(k.loop, 359000);
	ck_assert_int_eq(received(), 2);
	loop_advance(k.loop, 2000);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

/* The new OPEN: without the F bit, without the capability, without the family. */
START_TEST(rfc4724_4_2_what_the_new_open_does_not_vouch_for_goes_at_once)
{
	struct raw_open o = with_gr;

	begin_learned(&with_gr);
	if (_i)
		o.gr = false;
	else
		o.gr_no_forwarding = true;
	raw_close(&r);
	again(&o);
	ck_assert_int_eq(received(), 0);
	ck_assert(!is_stale());
	end();
}
END_TEST

START_TEST(rfc4724_4_2_a_second_restart_drops_what_was_stale_before)
{
	begin_learned(&with_gr);
	raw_close(&r);
	again(&with_gr);
	raw_announce(&r, "10.7.0.0/24", 65002);
	loop_advance(k.loop, 10);
	raw_close(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 1);
	ck_assert(is_stale());
	end();
}
END_TEST

START_TEST(rfc4724_4_2_a_notification_without_the_n_bit_ends_it_all)
{
	begin_learned(&with_gr);
	raw_notify(&r, 6, 4, NULL, 0);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc8538_4_a_notification_with_the_n_bit_keeps_the_routes)
{
	begin_learned(&with_n);
	raw_notify(&r, 6, 4, NULL, 0);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 2);
	ck_assert(is_stale());
	end();
}
END_TEST

START_TEST(rfc8538_3_a_hard_reset_ends_it_all)
{
	begin_learned(&with_n);
	raw_notify(&r, 6, 9, "\x06\x04", 2);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 0);
	ck_assert_str_eq(kit_error(&k, 0), "received Cease/Administrative Reset (hard reset)");
	end();
}
END_TEST

START_TEST(rfc8538_4_hold_timer_expiry_keeps_the_routes_with_the_n_bit_only)
{
	begin_learned(_i ? &with_n : &with_gr);
	loop_advance(k.loop, 90100);
	raw_expect_note(&r, 4, 0);
	ck_assert_int_eq(received(), _i ? 2 : 0);
	end();
}
END_TEST

START_TEST(rfc8538_4_our_shutdown_is_a_hard_reset_with_the_n_bit)
{
	const uint8_t *b;
	size_t len;

	begin_learned(_i ? &with_n : &with_gr);
	ck_assert_int_eq(bgp_peer_shutdown(k.bgp, "p", "bye"), 0);
	b = raw_expect(&r, 3, &len);
	if (_i) {
		ck_assert_uint_eq(len, 8);
		ck_assert_mem_eq(b,
		    "\x06\x09\x06\x02\x03"
		    "bye",
		    8);
	} else {
		ck_assert_uint_eq(len, 6);
		ck_assert_mem_eq(b,
		    "\x06\x02\x03"
		    "bye",
		    6);
	}
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

/* ---- BFD ---- */

START_TEST(rfc9384_3_bfd_ends_the_session_by_its_own_subcode)
{
	const uint8_t *b;
	size_t len;

	begin_learned(_i ? &with_n : &with_gr);
	ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "p", false, "silence"), 0);
	b = raw_expect(&r, 3, &len);
	ck_assert_uint_eq(len, _i ? 4 : 2);
	ck_assert_mem_eq(b, _i ? "\x06\x09\x06\x0a" : "\x06\x0a", len);
	ck_assert_int_eq(received(), 0);
	ck_assert_ptr_nonnull(strstr(kit_error(&k, 0), "sent Cease/BFD Down"));
	/* and BGP comes back when it can, whatever BFD says */
	again(_i ? &with_n : &with_gr);
	kit_until(&k, 0, "established");
	ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "q", true, ""), -ENOENT);
	ck_assert_int_eq(bgp_peer_lost(k.bgp, "other", "p", true, ""), -ENOENT);
	end();
}
END_TEST

START_TEST(rfc5882_4_3_2_a_restart_goes_on_unless_bfd_is_sure)
{
	begin_learned(&with_gr);
	raw_close(&r);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 2);
	ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "p", false, "silence"), 0);
	ck_assert_int_eq(received(), 2);
	ck_assert(is_stale());
	ck_assert_int_eq(bgp_peer_lost(k.bgp, "i", "p", true, "silence"), 0);
	ck_assert_int_eq(received(), 0);
	end();
}
END_TEST

START_TEST(rfc4724_4_2_a_new_connection_in_established_replaces_the_old_one)
{
	begin_learned(&with_gr);
	loop_advance(k.loop, 5000);
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
	/* tracked until its OPEN is there */
	ck_assert_str_eq(kit_state(&k, 0), "established");
	raw_send_open(&r2, &with_gr);
	raw_expect(&r2, 4, NULL);
	raw_expect_close(&r);
	ck_assert_uint_eq(raw_count(&r, 3), 0);
	ck_assert_int_eq(received(), 2);
	ck_assert(is_stale());
	raw_keepalive(&r2);
	kit_until(&k, 0, "established");
	raw_announce(&r2, "10.8.0.0/24", 65002);
	raw_eor(&r2);
	loop_advance(k.loop, 10);
	ck_assert_int_eq(received(), 1);
	end();
}
END_TEST

START_TEST(two_that_dial_at_the_same_time_are_no_restart)
{
	begin();
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
	raw_establish(&r, &with_gr);
	raw_expect_note(&r2, 6, 7);
	raw_expect(&r, 2, NULL); /* End-of-RIB */
	raw_expect_quiet(&r);
	/* the peer's own dial that was under way all the while */
	raw_connect(&r2, &k, THEM, US, port);
	raw_expect(&r2, 1, NULL);
	raw_send_open(&r2, &with_gr);
	raw_expect_note(&r2, 6, 7);
	ck_assert_int_eq(kit_number(&k, 0, "flaps"), 0);
	end();
}
END_TEST

/* ---- restarting ---- */

/* The value of our graceful restart capability; its length. */
static size_t
our_capability(struct raw *raw, uint8_t *value)
{
	const uint8_t *b, *at, *stop;
	size_t len;

	b = raw_expect(raw, 1, &len);
	ck_assert_uint_eq(b[10], 2);
	for (at = b + 12, stop = b + len; at + 2 <= stop; at += 2 + at[1]) {
		if (at[0] != 64)
			continue;
		memcpy(value, at + 2, at[1]);
		return at[1];
	}
	ck_abort_msg("no graceful restart capability");
	return 0;
}

START_TEST(rfc4724_3_r_and_f_bits_only_after_a_restart)
{
	uint8_t v[64];

	begin();
	ck_assert_uint_eq(our_capability(&r, v), 6);
	/* N; 120 s; IPv4 unicast without F */
	ck_assert_mem_eq(v, "\x40\x78\x00\x01\x01\x00", 6);
	raw_send_open(&r, &with_n);
	raw_expect(&r, 4, NULL);
	raw_keepalive(&r);
	raw_expect(&r, 2, NULL); /* End-of-RIB */
	kit_restart(&k);
	raw_expect_close(&r);
	kit_apply(&k);
	raw_accept(&r);
	ck_assert_uint_eq(our_capability(&r, v), 6);
	ck_assert_mem_eq(v, "\xc0\x78\x00\x01\x01\x80", 6);
	raw_send_open(&r, &with_n);
	raw_expect(&r, 4, NULL);
	raw_keepalive(&r);
	kit_until(&k, 0, "established");
	/* lost before we sent End-of-RIB: still restarting */
	raw_abort(&r);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	ck_assert_uint_eq(our_capability(&r, v), 6);
	ck_assert_mem_eq(v, "\xc0\x78\x00\x01\x01\x80", 6);
	raw_send_open(&r, &with_n);
	raw_expect(&r, 4, NULL);
	raw_keepalive(&r);
	kit_until(&k, 0, "established");
	/* and no longer after it */
	bgp_routes_ready(k.bgp);
	raw_expect(&r, 2, NULL);
	raw_abort(&r);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	ck_assert_uint_eq(our_capability(&r, v), 6);
	ck_assert_mem_eq(v, "\x40\x78\x00\x01\x01\x80", 6);
	end();
}
END_TEST

START_TEST(rfc4724_4_1_a_graceful_stop_sends_no_notification)
{
	begin_learned(&with_gr);
	(void)raw_count(&r, 2);
	bgp_stop(k.bgp, true, NULL);
	raw_expect_close(&r);
	ck_assert_uint_eq(raw_count(&r, 3), 0);
	end();
}
END_TEST

START_TEST(rfc4486_4_a_stop_says_cease_to_peers_without_graceful_restart)
{
	struct raw_open o = with_gr;

	o.gr = false;
	begin_learned(&o);
	bgp_stop(k.bgp, true, NULL);
	raw_expect_note(&r, 6, 2);
	end();
}
END_TEST

START_TEST(rfc8538_4_a_stop_that_is_not_graceful_is_a_hard_reset)
{
	begin_learned(_i ? &with_n : &with_gr);
	bgp_stop(k.bgp, false, "gone for good");
	raw_expect_note(&r, 6, _i ? 9 : 2);
	end();
}
END_TEST

START_TEST(what_is_written_at_the_end_of_the_process_arrives)
{
	begin_learned(&with_gr);
	raw_announce(&r, "10.9.0.0/24", 65002);
	bgp_stop(k.bgp, false, "gone for good");
	bgp_free(k.bgp);
	k.bgp = bgp_new(k.loop, NULL, false);
	raw_expect_note(&r, 6, 2);
	end();
}
END_TEST

START_TEST(learned_is_complete_with_the_last_end_of_rib)
{
	begin();
	ck_assert(!bgp_learned_complete(k.bgp)); /* who has not come up may still tell */
	raw_establish(&r, &with_gr);
	ck_assert(!bgp_learned_complete(k.bgp));
	raw_eor(&r);
	loop_advance(k.loop, 10);
	ck_assert(bgp_learned_complete(k.bgp));
	end();
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("helping");

	tcase_add_loop_test(tc, rfc4724_4_2_routes_stay_when_tcp_fails, 0, 2);
	tcase_add_test(tc, without_the_capability_they_go);
	tcase_add_test(tc, rfc4724_4_2_end_of_rib_purges_what_was_not_sent_again);
	tcase_add_test(tc, rfc4724_4_2_the_peers_restart_time_purges);
	tcase_add_test(tc, a_peer_that_comes_back_and_sends_no_end_of_rib_is_given_six_minutes);
	tcase_add_loop_test(
	    tc, rfc4724_4_2_what_the_new_open_does_not_vouch_for_goes_at_once, 0, 2);
	tcase_add_test(tc, rfc4724_4_2_a_second_restart_drops_what_was_stale_before);
	tcase_add_test(tc, rfc4724_4_2_a_notification_without_the_n_bit_ends_it_all);
	tcase_add_test(tc, rfc8538_4_a_notification_with_the_n_bit_keeps_the_routes);
	tcase_add_test(tc, rfc8538_3_a_hard_reset_ends_it_all);
	tcase_add_loop_test(
	    tc, rfc8538_4_hold_timer_expiry_keeps_the_routes_with_the_n_bit_only, 0, 2);
	tcase_add_loop_test(tc, rfc8538_4_our_shutdown_is_a_hard_reset_with_the_n_bit, 0, 2);
	tcase_add_loop_test(tc, rfc9384_3_bfd_ends_the_session_by_its_own_subcode, 0, 2);
	tcase_add_test(tc, rfc5882_4_3_2_a_restart_goes_on_unless_bfd_is_sure);
	tcase_add_test(tc, rfc4724_4_2_a_new_connection_in_established_replaces_the_old_one);
	tcase_add_test(tc, two_that_dial_at_the_same_time_are_no_restart);
	suite_add_tcase(s, tc);
	tc = tcase_create("restarting");
	tcase_add_test(tc, rfc4724_3_r_and_f_bits_only_after_a_restart);
	tcase_add_test(tc, rfc4724_4_1_a_graceful_stop_sends_no_notification);
	tcase_add_test(tc, rfc4486_4_a_stop_says_cease_to_peers_without_graceful_restart);
	tcase_add_loop_test(tc, rfc8538_4_a_stop_that_is_not_graceful_is_a_hard_reset, 0, 2);
	tcase_add_test(tc, what_is_written_at_the_end_of_the_process_arrives);
	tcase_add_test(tc, learned_is_complete_with_the_last_end_of_rib);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("restart", add_tests)
