/*
 * tests/unit/bgpd/test_session.c: one speaker against a peer that does exactly what the RFCs are
 * about.  Real sockets on loopback addresses, a fake clock.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/mem.h"
#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

#define US "127.0.0.1"
#define THEM "127.0.0.2"
#define HIGH_ID 0xc0000201u /* above it */

static struct kit k;
static struct raw r, r2;
static uint16_t port;
static const struct raw_open plain = { .as = 65002, .id = HIGH_ID, .hold = 90, .families = 1 };

/* A speaker with one peer that only listens to us. */
static struct bgp_peer_conf *
begin(void)
{
	port = kit_port();
	kit_init(&k, NULL, US, port, 65001);
	r.fd = r.listener = r2.fd = r2.listener = -1;
	return kit_peer(&k, "p", THEM, port, 65002);
}

/* It dials, we accept. */
static void
dialled(void)
{
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	raw_accept(&r);
}

static void
begin_up(const struct raw_open *o)
{
	begin();
	dialled();
	raw_establish(&r, o);
}

static void
end(void)
{
	raw_fini(&r);
	raw_fini(&r2);
	kit_fini(&k);
}

/* ---- OPEN ---- */

START_TEST(rfc4271_4_2_open_is_the_first_message)
{
	const uint8_t *b;
	size_t len;

	begin();
	dialled();
	b = raw_expect(&r, 1, &len);
	ck_assert_uint_ge(len, 10);
	ck_assert_mem_eq(b, "\x04\xfd\xe9\x00\x5a\x7f\x00\x00\x01", 9);
	ck_assert_str_eq(kit_state(&k, 0), "opensent");
	end();
}
END_TEST

START_TEST(rfc6793_4_1_an_as_of_four_octets_is_as_trans_in_the_header)
{
	const uint8_t *b;
	size_t len;

	begin();
	k.instance.local_as = 4200000001u;
	dialled();
	b = raw_expect(&r, 1, &len);
	ck_assert_mem_eq(b + 1, "\x5b\xa0", 2);
	ck_assert_ptr_nonnull(memmem(b, len, "\x41\x04\xfa\x56\xea\x01", 6));
	end();
}
END_TEST

START_TEST(rfc4271_8_2_2_connect_to_established_when_we_dial)
{
	begin_up(&plain);
	ck_assert_int_eq(kit_number(&k, 0, "holdTimeSeconds"), 90);
	ck_assert_str_eq(kit_error(&k, 0), "");
	end();
}
END_TEST

START_TEST(rfc4271_8_2_2_active_to_established_when_they_dial)
{
	struct bgp_peer_conf *c = begin();

	c->passive = true;
	kit_apply(&k);
	ck_assert_str_eq(kit_state(&k, 0), "active");
	raw_connect(&r, &k, THEM, US, port);
	raw_establish(&r, &plain);
	end();
}
END_TEST

START_TEST(a_passive_peer_is_never_dialled)
{
	struct bgp_peer_conf *c = begin();

	c->passive = true;
	raw_listen(&r, &k, THEM, port);
	kit_apply(&k);
	for (int i = 0; i < 100; i++)
		loop_advance(k.loop, 10000);
	ck_assert(!raw_try_accept(&r));
	end();
}
END_TEST

START_TEST(rfc5492_3_a_peer_without_capabilities_is_fine)
{
	struct raw_open old = plain;

	old.no_caps = true;
	begin_up(&old);
	kit_originate(&k, "10.1.0.0/24");
	raw_expect(&r, 2, NULL);
	end();
}
END_TEST

/* What each OPEN is answered with. */
static const struct {
	struct raw_open o;
	uint32_t our_as;
	unsigned our_families;
	uint8_t subcode;
} bad_opens[] = {
	{ { .as = 65003, .id = HIGH_ID, .hold = 90, .families = 1 }, 65001, 1, 2 },
	{ { .as = 65002, .id = 0x7f000001, .hold = 90, .families = 1 }, 65002, 1, 3 },
	{ { .as = 65002, .id = 0, .hold = 90, .families = 1 }, 65001, 1, 3 },
	{ { .as = 65002, .id = HIGH_ID, .hold = 2, .families = 1 }, 65001, 1, 6 },
	{ { .as = 65002, .id = HIGH_ID, .hold = 90, .families = 1 }, 65001, 2, 7 },
};

START_TEST(rfc4271_6_2_a_bad_open_is_answered_by_its_subcode)
{
	struct bgp_peer_conf *c = begin();

	k.instance.local_as = bad_opens[_i].our_as;
	c->family[0].enabled = bad_opens[_i].our_families & 1;
	c->family[1].enabled = bad_opens[_i].our_families & 2;
	dialled();
	raw_expect(&r, 1, NULL);
	raw_send_open(&r, &bad_opens[_i].o);
	raw_expect_note(&r, 2, bad_opens[_i].subcode);
	ck_assert_str_eq(kit_state(&k, 0), "idle");
	ck_assert_ptr_nonnull(strstr(kit_error(&k, 0), "sent OPEN Message Error"));
	end();
}
END_TEST

START_TEST(rfc6286_2_2_our_own_identifier_is_fine_between_two_as)
{
	struct raw_open o = plain;

	o.id = 0x7f000001;
	begin_up(&o);
	end();
}
END_TEST

START_TEST(rfc5492_4_families_that_only_one_side_has_are_off)
{
	struct bgp_peer_conf *c = begin();
	json_t *all, *families;

	c->family[1].enabled = true;
	dialled();
	raw_establish(&r, &plain);
	all = bgp_show_peers(k.bgp);
	families = json_object_get(json_array_get(json_object_get(all, "peers"), 0), "families");
	ck_assert_uint_eq(json_array_size(families), 1);
	json_decref(all);
	end();
}
END_TEST

/* ---- header and state errors ---- */

START_TEST(rfc4271_6_1_marker_length_and_type)
{
	uint8_t m[19] = { 0 };

	begin_up(&plain);
	memset(m, 0xff, 16);
	m[17] = 19;
	m[18] = 4;
	switch (_i) {
	case 0:
		m[3] = 0;
		break;
	case 1:
		m[17] = 18;
		break;
	default:
		m[18] = 9;
	}
	raw_send(&r, m, sizeof(m));
	raw_expect_note(&r, 1, (uint8_t)(_i + 1));
	end();
}
END_TEST

START_TEST(rfc6608_3_unexpected_messages_are_fsm_errors_with_the_states_subcode)
{
	begin();
	dialled();
	raw_expect(&r, 1, NULL);
	if (_i == 1) {
		raw_send_open(&r, &plain);
		raw_expect(&r, 4, NULL);
	} else if (_i == 2) {
		raw_send_open(&r, &plain);
		raw_expect(&r, 4, NULL);
		raw_keepalive(&r);
		kit_until(&k, 0, "established");
	}
	if (_i == 0)
		raw_keepalive(&r);
	else if (_i == 1)
		raw_announce(&r, "10.0.0.0/8", 65002);
	else
		raw_send_open(&r, &plain);
	raw_expect_note(&r, 5, (uint8_t)(_i + 1));
	end();
}
END_TEST

/* ---- NOTIFICATION ---- */

START_TEST(rfc4271_6_4_a_notification_is_not_answered)
{
	begin_up(&plain);
	raw_notify(&r, 6, 4, NULL, 0);
	raw_expect_close(&r);
	ck_assert_uint_eq(raw_count(&r, 3), 0);
	ck_assert_str_eq(kit_error(&k, 0), "received Cease/Administrative Reset");
	ck_assert_int_eq(kit_number(&k, 0, "flaps"), 1);
	end();
}
END_TEST

START_TEST(rfc4271_6_4_nor_is_a_broken_one)
{
	begin_up(&plain);
	raw_send_type(&r, 3, "", 1);
	raw_expect_close(&r);
	ck_assert_uint_eq(raw_count(&r, 3), 0);
	end();
}
END_TEST

START_TEST(rfc9003_3_the_text_of_a_shutdown_is_shown)
{
	begin_up(&plain);
	raw_notify(&r, 6, 2, "\x0bmaintenance", 12);
	raw_expect_close(&r);
	ck_assert_str_eq(kit_error(&k, 0), "received Cease/Administrative Shutdown: maintenance");
	end();
}
END_TEST

START_TEST(rfc9003_2_our_shutdown_says_why)
{
	const uint8_t *b;
	size_t len;

	begin_up(&plain);
	ck_assert_int_eq(bgp_peer_shutdown(k.bgp, "p", "see you at noon"), 0);
	b = raw_expect(&r, 3, &len);
	ck_assert_uint_eq(len, 2 + 1 + 15);
	ck_assert_mem_eq(b, "\x06\x02\x0fsee you at noon", len);
	raw_expect_close(&r);
	ck_assert(!r.reset);
	end();
}
END_TEST

/* A close with unread bytes would be a RST, which may destroy the NOTIFICATION on its way. */
START_TEST(a_notification_arrives_though_the_peer_went_on_sending)
{
	static const uint8_t junk[60000];

	begin_up(&plain);
	for (int i = 0; i < 40; i++)
		raw_announce(&r, "10.0.0.0/8", 65002);
	raw_send(&r, junk, sizeof(junk));
	raw_send(&r, junk, sizeof(junk));
	raw_expect_note(&r, 1, 1);
	end();
}
END_TEST

/* ---- timers ---- */

START_TEST(rfc4271_6_5_the_hold_time_ends_a_silent_peer)
{
	struct raw_open o = plain;

	o.hold = 9;
	begin_up(&o);
	ck_assert_int_eq(kit_number(&k, 0, "holdTimeSeconds"), 9);
	loop_advance(k.loop, 8900);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	loop_advance(k.loop, 200);
	raw_expect_note(&r, 4, 0);
	ck_assert_str_eq(kit_error(&k, 0), "sent Hold Timer Expired");
	end();
}
END_TEST

START_TEST(rfc4271_8_2_2_the_hold_time_in_opensent_is_four_minutes)
{
	begin();
	dialled();
	raw_expect(&r, 1, NULL);
	loop_advance(k.loop, 239000);
	ck_assert_str_eq(kit_state(&k, 0), "opensent");
	loop_advance(k.loop, 1000);
	raw_expect_note(&r, 4, 0);
	end();
}
END_TEST

START_TEST(rfc4271_4_4_any_keepalive_or_update_restarts_the_hold_timer)
{
	struct raw_open o = plain;

	o.hold = 9;
	begin_up(&o);
	for (int i = 0; i < 6; i++) {
		if (i % 2)
			raw_keepalive(&r);
		else
			raw_announce(&r, "10.0.0.0/8", 65002);
		loop_advance(k.loop, 8000);
		ck_assert_str_eq(kit_state(&k, 0), "established");
	}
	end();
}
END_TEST

/* Jitter: between three quarters and the whole of a third of the hold time (RFC 4271 10). */
START_TEST(rfc4271_4_4_keepalives_come_at_a_third_of_the_hold_time)
{
	struct raw_open o = plain;
	unsigned nr;

	o.hold = 30;
	begin_up(&o);
	(void)raw_count(&r, 4);
	for (int i = 0; i < 40; i++) {
		loop_advance(k.loop, 7400);
		nr = raw_count(&r, 4);
		ck_assert_uint_le(nr, 1);
		if (!nr) {
			loop_advance(k.loop, 2700);
			ck_assert_uint_eq(raw_count(&r, 4), 1);
		}
		raw_keepalive(&r);
	}
	end();
}
END_TEST

START_TEST(rfc4271_4_4_never_more_than_one_keepalive_a_second)
{
	struct raw_open o = plain;
	unsigned nr = 0;

	o.hold = 3;
	begin_up(&o);
	(void)raw_count(&r, 4);
	for (int i = 0; i < 100; i++) {
		loop_advance(k.loop, 1000);
		nr += raw_count(&r, 4);
		raw_keepalive(&r);
	}
	ck_assert_uint_ge(nr, 99);
	ck_assert_uint_le(nr, 101);
	end();
}
END_TEST

START_TEST(rfc4271_4_2_a_hold_time_of_zero_means_no_keepalives_and_no_end)
{
	struct raw_open o = plain;

	o.hold = 0;
	begin_up(&o);
	ck_assert_int_eq(kit_number(&k, 0, "holdTimeSeconds"), 0);
	(void)raw_count(&r, 4);
	loop_advance(k.loop, 3600 * 1000);
	ck_assert_uint_eq(raw_count(&r, 4), 0);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	end();
}
END_TEST

/* Make us send until the peer's socket takes no more. */
static void
flood(void)
{
	static struct bgp_announce all[20000];

	for (uint32_t i = 0; i < 20000; i++) {
		all[i].prefix.addr = addr_from_v4(0);
		all[i].prefix.addr.b[0] = 10;
		all[i].prefix.addr.b[1] = (uint8_t)(i >> 8);
		all[i].prefix.addr.b[2] = (uint8_t)i;
		all[i].prefix.len = 24;
		all[i].source = BGP_SRC_SERVICE;
		all[i].audience = all[i].policy = "all";
	}
	ck_assert_int_eq(bgp_originate(k.bgp, "i", "all", all, 20000), 0);
	for (int i = 0; i < 1000; i++) {
		loop_advance(k.loop, 0);
		ck_assert_int_eq(bgp_peer_clear(k.bgp, "p", BGP_CLEAR_SOFT_OUT), 0);
	}
	loop_advance(k.loop, 0);
}

START_TEST(rfc9687_3_a_peer_that_does_not_read_is_dropped_after_eight_minutes)
{
	begin_up(&plain);
	flood();
	for (int i = 0; i < 7 * 60; i++) {
		raw_keepalive(&r);
		loop_advance(k.loop, 1000);
	}
	ck_assert_str_eq(kit_state(&k, 0), "established");
	for (int i = 0; i < 100; i++) {
		raw_keepalive(&r);
		loop_advance(k.loop, 1000);
		if (strcmp(kit_state(&k, 0), "established") != 0)
			break;
	}
	ck_assert_str_ne(kit_state(&k, 0), "established");
	ck_assert_str_eq(kit_error(&k, 0), "sent Send Hold Timer Expired");
	end();
}
END_TEST

START_TEST(a_peer_that_does_not_read_is_not_waited_for_and_costs_little)
{
	begin();
	kit_peer(&k, "q", "127.0.0.3", port, 65003);
	raw_listen(&r, &k, THEM, port);
	raw_listen(&r2, &k, "127.0.0.3", port);
	kit_apply(&k);
	raw_accept(&r);
	raw_accept(&r2);
	raw_establish(&r, &plain);
	raw_expect(&r2, 1, NULL);
	raw_send_open(&r2, &(struct raw_open){ .as = 65003, .id = 3, .hold = 90, .families = 1 });
	raw_expect(&r2, 4, NULL);
	raw_keepalive(&r2);
	kit_until(&k, 1, "established");
	flood();
	(void)raw_count(&r2, 2);
	kit_originate(&k, "192.0.2.0/24");
	raw_expect(&r2, 2, NULL);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	end();
}
END_TEST

/* ---- memory ---- */

START_TEST(rfc4486_4_memory_that_is_short_for_a_message_is_cease_out_of_resources)
{
	begin_up(&plain);
	mem_fail_at(1);
	raw_send(&r, "\xff\xff\xff\xff", 4); /* the rest is to be kept for */
	raw_expect_note(&r, 6, 8);
	mem_fail_at(0);
	loop_advance(k.loop, 200);
	raw_accept(&r);
	raw_establish(&r, &plain);
	end();
}
END_TEST

/* Each fallible allocation of a session's life in turn: it may fail, but comes back by itself. */
START_TEST(whatever_allocation_fails_the_peer_comes_back)
{
	bool up = false;

	begin();
	raw_listen(&r, &k, THEM, port);
	r.lax = true;
	mem_fail_at((unsigned)_i);
	kit_apply(&k);
	for (int i = 0; i < 20 && !up; i++) {
		if (raw_try_accept(&r)) {
			raw_send_open(&r, &plain);
			raw_keepalive(&r);
		}
		loop_advance(k.loop, 300);
		up = strcmp(kit_state(&k, 0), "established") == 0;
		if (!up && r.fd >= 0)
			raw_close(&r);
	}
	mem_fail_at(0);
	ck_assert(up);
	end();
}
END_TEST

/* ---- who may connect ---- */

START_TEST(a_connection_from_an_address_that_is_not_configured_is_closed_without_an_open)
{
	begin();
	kit_apply(&k);
	raw_connect(&r, &k, "127.0.0.99", US, port);
	raw_expect_close(&r);
	ck_assert_uint_eq(r.nr_in, 0);
	end();
}
END_TEST

static void
set_ttl(struct raw *raw, int ttl)
{
	setsockopt(raw->fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
}

START_TEST(rfc5082_3_what_comes_with_a_low_ttl_is_not_heard)
{
	struct bgp_peer_conf *c = begin();
	socklen_t len = sizeof(int);
	int ttl = 0;

	c->gtsm_hops = 1;
	raw_listen(&r, &k, THEM, port);
	ttl = 255;
	setsockopt(r.listener, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	kit_apply(&k);
	raw_accept(&r);
	raw_expect(&r, 1, NULL);
	set_ttl(&r, 64);
	raw_send_open(&r, &plain);
	raw_expect_quiet(&r);
	ck_assert_str_eq(kit_state(&k, 0), "opensent");
	/* what we send carries 255: a listener that wants that hears us */
	(void)len;
	end();
}
END_TEST

START_TEST(rfc5082_3_two_speakers_with_gtsm_hear_each_other)
{
	struct kit other;
	struct bgp_peer_conf *c = begin(), *d;

	kit_init(&other, k.loop, THEM, port, 65002);
	d = kit_peer(&other, "us", US, port, 65001);
	c->gtsm_hops = d->gtsm_hops = 1;
	kit_apply(&k);
	kit_apply(&other);
	loop_advance(k.loop, 6000);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	kit_fini(&other);
	end();
}
END_TEST

START_TEST(rfc2385_2_both_sides_need_the_same_key)
{
	struct kit other;
	struct bgp_peer_conf *c = begin(), *d;

	kit_init(&other, k.loop, THEM, port, 65002);
	d = kit_peer(&other, "us", US, port, 65001);
	c->md5_key = "secret";
	d->md5_key = _i ? "secret" : "other";
	if (bgp_apply(k.bgp, &k.conf) == -ENOPROTOOPT) {
		kit_fini(&other);
		end();
		return; /* this kernel has no TCP MD5 */
	}
	kit_apply(&other);
	loop_advance(k.loop, 6000);
	ck_assert_int_eq(strcmp(kit_state(&k, 0), "established") == 0, _i);
	/* the key arrives: the sessions are made with it */
	d->md5_key = "secret";
	kit_apply(&other);
	loop_advance(k.loop, 30000);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	kit_fini(&other);
	end();
}
END_TEST

/* ---- refresh ---- */

START_TEST(rfc2918_3_clear_soft_in_asks_for_the_routes_again)
{
	const uint8_t *b;
	size_t len;

	begin_up(&plain);
	ck_assert_int_eq(bgp_peer_clear(k.bgp, THEM, BGP_CLEAR_SOFT_IN), 0);
	b = raw_expect(&r, 5, &len);
	ck_assert_uint_eq(len, 4);
	ck_assert_mem_eq(b, "\0\1\0\1", 4);
	end();
}
END_TEST

START_TEST(rfc2918_4_a_peer_that_did_not_offer_it_is_not_asked)
{
	struct raw_open o = plain;

	o.no_caps = true;
	begin_up(&o);
	ck_assert_int_eq(bgp_peer_clear(k.bgp, "p", BGP_CLEAR_SOFT_IN), 0);
	ck_assert_uint_eq(raw_count(&r, 5), 0);
	end();
}
END_TEST

START_TEST(rfc2918_4_routes_are_sent_again_when_asked_and_other_families_are_ignored)
{
	begin_up(&plain);
	kit_originate(&k, "10.1.0.0/24");
	raw_expect(&r, 2, NULL);
	raw_send_type(&r, 5, "\0\2\0\1", 4);	 /* not negotiated */
	raw_send_type(&r, 5, "\0\x19\0\x41", 4); /* L2VPN EVPN */
	raw_expect_quiet(&r);
	raw_send_type(&r, 5, "\0\1\0\1", 4);
	raw_expect(&r, 2, NULL);
	ck_assert_int_eq(kit_number(&k, 0, "flaps"), 0);
	end();
}
END_TEST

START_TEST(rfc7313_5_a_refresh_of_the_wrong_length)
{
	begin_up(&plain);
	raw_send_type(&r, 5, "\0\1\1\1\1", 5); /* BoRR */
	raw_expect_note(&r, 7, 1);
	end();
}
END_TEST

START_TEST(rfc8654_4_long_messages_only_when_both_said_so)
{
	static uint8_t body[4500];

	begin();
	k.peers[0].ext_msg = _i;
	dialled();
	raw_establish(&r,
	    &(struct raw_open){ .as = 65002, .id = 9, .hold = 90, .families = 1, .ext_msg = true });
	/* an UPDATE that is all withdrawals, of 0.0.0.0/0 again and again */
	body[0] = 4496 >> 8;
	body[1] = 4496 & 255;
	raw_send_type(&r, 2, body, 4500);
	if (_i)
		raw_expect_quiet(&r);
	else
		raw_expect_note(&r, 1, 2);
	end();
}
END_TEST

static void
add_more(Suite *s)
{
	TCase *tc = tcase_create("who");

	tcase_add_test(
	    tc, a_connection_from_an_address_that_is_not_configured_is_closed_without_an_open);
	tcase_add_test(tc, rfc5082_3_what_comes_with_a_low_ttl_is_not_heard);
	tcase_add_test(tc, rfc5082_3_two_speakers_with_gtsm_hear_each_other);
	tcase_add_loop_test(tc, rfc2385_2_both_sides_need_the_same_key, 0, 2);
	suite_add_tcase(s, tc);
	tc = tcase_create("refresh");
	tcase_add_test(tc, rfc2918_3_clear_soft_in_asks_for_the_routes_again);
	tcase_add_test(tc, rfc2918_4_a_peer_that_did_not_offer_it_is_not_asked);
	tcase_add_test(
	    tc, rfc2918_4_routes_are_sent_again_when_asked_and_other_families_are_ignored);
	tcase_add_test(tc, rfc7313_5_a_refresh_of_the_wrong_length);
	tcase_add_test(tc, rfc4486_4_memory_that_is_short_for_a_message_is_cease_out_of_resources);
	tcase_add_loop_test(tc, whatever_allocation_fails_the_peer_comes_back, 1, 16);
	tcase_add_loop_test(tc, rfc8654_4_long_messages_only_when_both_said_so, 0, 2);
	suite_add_tcase(s, tc);
}

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("open");

	tcase_add_test(tc, rfc4271_4_2_open_is_the_first_message);
	tcase_add_test(tc, rfc6793_4_1_an_as_of_four_octets_is_as_trans_in_the_header);
	tcase_add_test(tc, rfc4271_8_2_2_connect_to_established_when_we_dial);
	tcase_add_test(tc, rfc4271_8_2_2_active_to_established_when_they_dial);
	tcase_add_test(tc, a_passive_peer_is_never_dialled);
	tcase_add_test(tc, rfc5492_3_a_peer_without_capabilities_is_fine);
	tcase_add_loop_test(tc, rfc4271_6_2_a_bad_open_is_answered_by_its_subcode, 0,
	    (int)(sizeof(bad_opens) / sizeof(bad_opens[0])));
	tcase_add_test(tc, rfc6286_2_2_our_own_identifier_is_fine_between_two_as);
	tcase_add_test(tc, rfc5492_4_families_that_only_one_side_has_are_off);
	suite_add_tcase(s, tc);
	tc = tcase_create("errors");
	tcase_add_loop_test(tc, rfc4271_6_1_marker_length_and_type, 0, 3);
	tcase_add_loop_test(
	    tc, rfc6608_3_unexpected_messages_are_fsm_errors_with_the_states_subcode, 0, 3);
	tcase_add_test(tc, rfc4271_6_4_a_notification_is_not_answered);
	tcase_add_test(tc, rfc4271_6_4_nor_is_a_broken_one);
	tcase_add_test(tc, rfc9003_3_the_text_of_a_shutdown_is_shown);
	tcase_add_test(tc, rfc9003_2_our_shutdown_says_why);
	tcase_add_test(tc, a_notification_arrives_though_the_peer_went_on_sending);
	suite_add_tcase(s, tc);
	tc = tcase_create("timers");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rfc4271_6_5_the_hold_time_ends_a_silent_peer);
	tcase_add_test(tc, rfc4271_8_2_2_the_hold_time_in_opensent_is_four_minutes);
	tcase_add_test(tc, rfc4271_4_4_any_keepalive_or_update_restarts_the_hold_timer);
	tcase_add_test(tc, rfc4271_4_4_keepalives_come_at_a_third_of_the_hold_time);
	tcase_add_test(tc, rfc4271_4_4_never_more_than_one_keepalive_a_second);
	tcase_add_test(tc, rfc4271_4_2_a_hold_time_of_zero_means_no_keepalives_and_no_end);
	tcase_add_test(tc, rfc9687_3_a_peer_that_does_not_read_is_dropped_after_eight_minutes);
	tcase_add_test(tc, a_peer_that_does_not_read_is_not_waited_for_and_costs_little);
	suite_add_tcase(s, tc);
	add_more(s);
}
UNIT_MAIN("session", add_tests)
