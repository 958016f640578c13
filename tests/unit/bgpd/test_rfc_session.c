/*
 * tests/unit/bgpd/test_rfc_session.c: duties of a session that a whole speaker has to fulfil, and
 * that no test of a single part shows.  One speaker, a peer by hand, a fake clock.
 */
#include <string.h>

#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

static struct duet d;

/* Any AS but ours: 6.2 lets the configuration say which are wrong. */
START_TEST(rfc4271_6_2_any_other_as_is_another_than_ours)
{
	struct raw_open o = duet_open;
	struct bgp_peer_conf *c = duet_begin(&d);

	c->peer_as = 0;
	c->other_as = true;
	o.as = _i ? 65001 : 4200000007;
	duet_dialled(&d);
	raw_expect(&d.r, 1, NULL);
	raw_send_open(&d.r, &o);
	if (_i)
		raw_expect_note(&d.r, 2, 2);
	else
		raw_expect(&d.r, 4, NULL);
	duet_end(&d);
}
END_TEST

/* 90 is ours: less and more than that. */
START_TEST(rfc4271_4_2_the_smaller_hold_time_counts)
{
	struct raw_open o = duet_open;

	o.hold = _i ? 180 : 30;
	duet_begin(&d);
	duet_dialled(&d);
	raw_establish(&d.r, &o);
	ck_assert_int_eq(kit_number(&d.k, 0, "holdTimeSeconds"), _i ? 90 : 30);
	loop_advance(d.k.loop, _i ? 89000 : 29000);
	ck_assert_str_eq(kit_state(&d.k, 0), "established");
	loop_advance(d.k.loop, 1100);
	raw_expect_note(&d.r, 4, 0);
	duet_end(&d);
}
END_TEST

START_TEST(rfc5492_5_unsupported_capability_lists_what_is_missing)
{
	struct bgp_peer_conf *c = duet_begin(&d);
	const uint8_t *b;
	size_t len;

	c->family[0].enabled = false;
	c->family[1].enabled = true;
	duet_dialled(&d);
	raw_expect(&d.r, 1, NULL);
	raw_send_open(&d.r, &duet_open);
	b = raw_expect(&d.r, 3, &len);
	ck_assert_uint_eq(len, 2 + 6);
	ck_assert_mem_eq(b, "\x02\x07\x01\x04\x00\x02\x00\x01", len);
	duet_end(&d);
}
END_TEST

START_TEST(rfc4486_4_too_many_prefixes_end_the_session_with_6_1)
{
	struct bgp_peer_conf *c = duet_begin(&d);
	const uint8_t *b;
	size_t len;

	c->family[0].max_prefixes = 2;
	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	raw_announce(&d.r, "10.8.0.0/24", 65002);
	raw_expect_quiet(&d.r);
	raw_announce(&d.r, "10.9.0.0/24", 65002);
	b = raw_expect(&d.r, 3, &len);
	ck_assert_uint_eq(len, 2 + 7);
	ck_assert_mem_eq(b, "\x06\x01\x00\x01\x01\x00\x00\x00\x02", len);
	raw_expect_close(&d.r);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 0);
	duet_end(&d);
}
END_TEST

/* RFC 4271 6.3 as RFC 7606 leaves it: what cannot be read ends the session, by its subcode. */
START_TEST(rfc7606_3_j_an_update_that_cannot_be_read_ends_the_session)
{
	duet_begin(&d);
	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_send_type(&d.r, 2, "\0\1\x21\0\0", 5); /* withdraws a prefix of 33 bits */
	raw_expect_note(&d.r, 3, 10);
	duet_end(&d);
}
END_TEST

/* ORIGIN 9: the route goes, the session stays. */
START_TEST(rfc7606_2_treat_as_withdraw_keeps_the_session)
{
	static const uint8_t bad[] = { 0, 0, 0, 20, 0x40, 1, 1, 9, 0x40, 2, 6, 2, 1, 0, 0, 0xfd,
		0xea, 0x40, 3, 4, 127, 0, 0, 2, 24, 10, 7, 0 };

	duet_begin(&d);
	duet_dialled(&d);
	raw_establish(&d.r, &duet_open);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	raw_announce(&d.r, "10.8.0.0/24", 65002);
	loop_advance(d.k.loop, 10);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 2);
	raw_send_type(&d.r, 2, bad, sizeof(bad));
	raw_expect_quiet(&d.r);
	ck_assert_str_eq(kit_state(&d.k, 0), "established");
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 1);
	duet_end(&d);
}
END_TEST

/* Both families are spoken again, but graceful restart of IPv6 alone. */
START_TEST(rfc4724_4_2_a_family_that_the_new_capability_leaves_out_goes)
{
	static const char again[] = "\x04\xfd\xea\x00\x5a\0\0\0\x09\x1c\x02\x1a"
				    "\x01\x04\0\x01\0\x01\x01\x04\0\x02\0\x01"
				    "\x41\x04\0\0\xfd\xea\x40\x06\0\x3c\0\x02\x01\x80";
	struct raw_open o = duet_open;
	struct bgp_peer_conf *c = duet_begin(&d);

	o.gr = true;
	o.gr_time = 60;
	o.families = 3;
	c->gr = true;
	c->family[1].enabled = true;
	duet_dialled(&d);
	raw_establish(&d.r, &o);
	raw_announce(&d.r, "10.7.0.0/24", 65002);
	loop_advance(d.k.loop, 10);
	raw_close(&d.r);
	loop_advance(d.k.loop, 200);
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 1);
	raw_accept(&d.r);
	raw_send_type(&d.r, 1, again, sizeof(again) - 1);
	raw_expect(&d.r, 4, NULL);
	raw_keepalive(&d.r);
	kit_until(&d.k, 0, "established");
	ck_assert_int_eq(kit_family_number(&d.k, 0, "received"), 0);
	duet_end(&d);
}
END_TEST

/* Three seconds, the least there is, and a loop that is held up: what the peer said in time counts,
 * and what is overdue of ours goes out at once. */
START_TEST(rfc4271_4_2_three_seconds_stand_a_loop_that_is_held_up)
{
	struct raw_open o = duet_open;

	(void)duet_begin(&d);
	o.hold = 3;
	duet_dialled(&d);
	raw_establish(&d.r, &o);
	ck_assert_int_eq(kit_number(&d.k, 0, "holdTimeSeconds"), 3);
	(void)raw_count(&d.r, 4);
	for (int i = 0; i < 10; i++) {
		raw_keepalive(&d.r);
		loop_stall(d.k.loop, i % 2 ? 2900 : 3600);
		ck_assert_str_eq(kit_state(&d.k, 0), "established");
		ck_assert_uint_eq(raw_count(&d.r, 4), 1);
	}
	loop_stall(d.k.loop, 3100); /* nothing came */
	ck_assert_str_ne(kit_state(&d.k, 0), "established");
	duet_end(&d);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("rfc");

	tcase_add_loop_test(tc, rfc4271_4_2_the_smaller_hold_time_counts, 0, 2);
	tcase_add_loop_test(tc, rfc4271_6_2_any_other_as_is_another_than_ours, 0, 2);
	tcase_add_test(tc, rfc5492_5_unsupported_capability_lists_what_is_missing);
	tcase_add_test(tc, rfc4486_4_too_many_prefixes_end_the_session_with_6_1);
	tcase_add_test(tc, rfc7606_3_j_an_update_that_cannot_be_read_ends_the_session);
	tcase_add_test(tc, rfc7606_2_treat_as_withdraw_keeps_the_session);
	tcase_add_test(tc, rfc4724_4_2_a_family_that_the_new_capability_leaves_out_goes);
	tcase_add_test(tc, rfc4271_4_2_three_seconds_stand_a_loop_that_is_held_up);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("bgpd/rfc_session", add_tests)
