/*
 * tests/unit/bgpd/test_bmp_out.c: what a monitoring station hears of what peers are told (RFC 8671), from two
 * peers byte by byte and a station over a socket.
 */
#include "lib/mem.h"
#include "tests/unit/bgpd/hex.h"
#include "tests/unit/bgpd/stationkit.h"
#include "tests/unit/unit.h"

enum { OUT_PRE = BMP_FLAG_OUT, OUT_POST = BMP_FLAG_OUT | BMP_FLAG_POST };
enum { BOTH = BGP_MONITOR_OUT_PRE | BGP_MONITOR_OUT_POST };

static struct kit k;
static struct raw a, b; /* 127.0.0.2, AS 65002; 127.0.0.4, AS 65004 or ours */
static struct station s;

static const struct bgp_rule all = { .accept = true };
/* To the second peer: what it learned from the first with a MED; of our own 172.16.9.0/24 not. */
static struct bgp_prefix_match hidden = { .ge = 24, .le = 24 };
static const struct bgp_rule to_b[] = {
	{ .match = { .prefixes = &hidden, .nr_prefixes = 1 } },
	{ .accept = true, .set = { .has_med = true, .med = 77 } },
};

static void
begin_with(unsigned views, const struct raw_open *b_open)
{
	const uint16_t port = kit_port();
	struct bgp_peer_conf *c;

	ck_assert_int_eq(prefix_parse("172.16.9.0/24", &hidden.prefix, NULL), 0);
	kit_init(&k, NULL, "127.0.0.1", port, 65001);
	station_listen(&s, &k, views);
	c = kit_peer(&k, "a", "127.0.0.2", port, 65002);
	c->import = (struct bgp_policy){ .rules = &all, .nr_rules = 1 };
	c = kit_peer(&k, "b", "127.0.0.4", port, b_open->as);
	c->import = (struct bgp_policy){ .rules = &all, .nr_rules = 1 };
	c->export = (struct bgp_policy){ .rules = to_b, .nr_rules = 2 };
	raw_listen(&a, &k, "127.0.0.2", port);
	raw_listen(&b, &k, "127.0.0.4", port);
	kit_apply(&k);
	raw_accept(&a);
	raw_establish(&a, &(struct raw_open){ .as = 65002, .id = 2, .hold = 0, .families = 1 });
	raw_accept(&b);
	raw_establish(&b, b_open);
}

static void
begin(unsigned views, uint32_t b_as)
{
	begin_with(views, &(struct raw_open){ .as = b_as, .id = 4, .hold = 0, .families = 1 });
}

static void
end(void)
{
	raw_fini(&a);
	raw_fini(&b);
	kit_fini(&k);
	station_fini(&s);
}

/* The newest UPDATE's path attributes and NLRI. */
static void
update_is(uint8_t flags, uint8_t peer, const char *body)
{
	struct wire_rd u = { 0 };

	station_routes(&s, flags, peer, &u);
	ck_assert_uint_gt(u.left, 19);
	hex_equals(u.p + 19, u.left - 19, body);
}

START_TEST(rfc8671_4_the_o_flag_in_the_per_peer_header)
{
	struct bmp_about about = { .addr = kit_addr("10.0.0.2"), .flags = OUT_POST };
	uint8_t bytes[64];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	bmp_about_encode(&w, &about);
	ck_assert_uint_eq(bytes[1], 0x50);
	about.addr = kit_addr("fd00::2");
	about.flags = OUT_PRE;
	w = wire_wr_init(bytes, sizeof(bytes));
	bmp_about_encode(&w, &about);
	ck_assert_uint_eq(bytes[1], 0x90);
}
END_TEST

START_TEST(rfc8671_6_2_gauges_of_sixty_four_bits)
{
	static const struct bmp_count counts[] = { { BMP_STAT_ADJ_OUT_PRE, -1, 0x100000002 },
		{ BMP_STAT_ADJ_OUT, -1, 1 }, { BMP_STAT_ADJ_OUT_PRE_FAMILY, BGP_IPV6_UNICAST, 3 },
		{ BMP_STAT_ADJ_OUT_FAMILY, BGP_IPV4_UNICAST, 4 } };
	const struct bmp_about about = { .addr = kit_addr("10.0.0.2") };
	uint8_t bytes[256];
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	bmp_statistics_encode(&w, &about, counts, 4);
	hex_equals(bytes + BMP_COMMON_LEN + BMP_PEER_LEN, w.len - BMP_COMMON_LEN - BMP_PEER_LEN,
	    "00000004 000e 0008 0000000100000002 000f 0008 0000000000000001 0010 000b 0002 01 "
	    "0000000000000003 0011 000b 0001 01 0000000000000004");
}
END_TEST

/* To the octet, and withdrawals too. */
START_TEST(rfc8671_5_1_behind_the_policy_is_what_the_peer_gets)
{
	struct wire_rd u;
	const uint8_t *wire;
	size_t len;

	begin(BOTH, 65004);
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_POST, 4, 1);
	do
		wire = raw_expect(&b, 2, &len);
	while (len < 5); /* End-of-RIB */
	station_routes(&s, OUT_POST, 4, &u);
	ck_assert_uint_eq(u.left, len + 19);
	ck_assert_mem_eq(u.p + 19, wire, len);
	update_is(OUT_POST, 4,
	    "0000 001f 400101 00 40020a 0202 0000fde9 0000fdea 400304 7f000001 "
	    "800404 0000004d 100a01");
	raw_send_type(&a, 2, "\0\3\x10\xa\1\0\0", 7);
	station_until_routes(&s, OUT_POST, 4, 2);
	update_is(OUT_POST, 4, "0003 100a01 0000");
	end();
}
END_TEST

START_TEST(rfc8671_5_2_before_the_policy_is_what_it_was_learned_as)
{
	begin(BOTH, 65004);
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_PRE, 4, 1);
	update_is(OUT_PRE, 4, "0000 0014 400101 00 400206 0201 0000fdea 400304 c000024d 100a01");
	raw_send_type(&a, 2, "\0\3\x10\xa\1\0\0", 7);
	station_until_routes(&s, OUT_PRE, 4, 2);
	update_is(OUT_PRE, 4, "0003 100a01 0000");
	/* never as the peer's own: it is no candidate where it came from */
	ck_assert_uint_eq(station_routes(&s, OUT_PRE, 2, NULL), 0);
	ck_assert_uint_eq(station_routes(&s, OUT_POST, 2, NULL), 0);
	end();
}
END_TEST

/* What the policy rejects is in the one view and not in the other; the next hop is not known yet. */
START_TEST(rfc8671_5_2_mandatory_attributes_are_zero_while_unknown)
{
	begin(BOTH, 65004);
	kit_originate(&k, "172.16.9.0/24");
	station_until_routes(&s, OUT_PRE, 4, 1);
	update_is(OUT_PRE, 4, "0000 000e 400101 00 400200 400304 00000000 18ac1009");
	ck_assert_uint_eq(station_routes(&s, OUT_POST, 4, NULL), 0);
	station_until_routes(&s, OUT_POST, 2, 1);
	end();
}
END_TEST

/* RFC 4271 9.2: one internal peer's routes are no candidates for the others; RFC 1997: nor what a
 * community keeps back. */
START_TEST(rfc8671_5_2_only_what_such_a_peer_may_have)
{
	uint8_t body[] = { 0, 0, 0, 30, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3,
		4, 192, 0, 2, 77, 0xc0, 8, 4, 0xff, 0xff, 0xff, 1, 16, 10, 7, 0, 0 };

	body[3] = 28;
	begin(BOTH, 65004);
	raw_send_type(&a, 2, body, 32 + 3); /* NO_EXPORT */
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_PRE, 4, 1);
	update_is(OUT_PRE, 4, "0000 0014 400101 00 400206 0201 0000fdea 400304 c000024d 100a01");
	end();
}
END_TEST

START_TEST(rfc8671_5_2_an_internal_peer_is_offered_its_own_kind)
{
	begin(BOTH, 65001);
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_PRE, 4, 1);
	/* the other way round: it is of AS 65001 to the first one, which may have it */
	raw_announce(&b, "10.2.0.0/16", 65099);
	station_until_routes(&s, OUT_PRE, 2, 1);
	ck_assert_uint_eq(station_routes(&s, OUT_PRE, 4, NULL), 1);
	end();
}
END_TEST

/* RFC 8671 6: their O flag is 0. */
START_TEST(rfc8671_6_peers_and_statistics_are_of_both_directions)
{
	struct wire_rd m;

	begin(BOTH, 65004);
	s.conf.statistics_s = 15;
	kit_apply(&k);
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_PRE, 4, 1);
	for (int i = 0; i < 5000 && station_count(&s, BMP_STATISTICS, NULL) < 2; i++)
		station_poll(&s);
	station_count(&s, BMP_PEER_UP, &m);
	ck_assert_uint_eq(m.p[1], 0);
	station_count(&s, BMP_STATISTICS, &m);
	ck_assert_uint_eq(m.p[1], 0);
	raw_notify(&a, 6, 4, NULL, 0);
	station_until(&s, BMP_PEER_DOWN, 1);
	station_count(&s, BMP_PEER_DOWN, &m);
	ck_assert_uint_eq(m.p[1], 0);
	end();
}
END_TEST

/* The table as it stands, from what the peer was sent and may have. */
START_TEST(a_station_that_comes_late_is_told_all)
{
	begin(BOTH, 65004);
	kit_originate(&k, "172.16.1.1/32");
	kit_originate(&k, "172.16.9.0/24");
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_POST, 4, 2);
	station_hang_up(&s);
	/* what has the same attributes goes together */
	station_until_routes(&s, OUT_POST, 4, 2);
	station_until_routes(&s, OUT_PRE, 4, 2);
	station_until_routes(&s, OUT_POST, 2, 1);
	station_until_routes(&s, OUT_PRE, 2, 1);
	raw_send_type(&a, 2, "\0\3\x10\xa\1\0\0", 7);
	station_until_routes(&s, OUT_POST, 4, 3);
	station_until_routes(&s, OUT_PRE, 4, 3);
	end();
}
END_TEST

/* RFC 7854 4.2: AS numbers of two octets, as the peer gets them, are marked. */
START_TEST(a_peer_without_four_octets_has_the_a_flag)
{
	const uint8_t flags = OUT_POST | BMP_FLAG_AS2;

	begin_with(BOTH, &(struct raw_open){ .as = 65004, .id = 4, .no_caps = true });
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, flags, 4, 1);
	station_until_routes(&s, OUT_PRE, 4, 1);
	station_hang_up(&s);
	station_until_routes(&s, flags, 4, 1);
	end();
}
END_TEST

/* Another audience: what the peer may have is others', without a change of any route. */
START_TEST(another_audience_has_other_candidates)
{
	begin(BOTH, 65004);
	kit_originate(&k, "172.16.1.1/32");
	station_until_routes(&s, OUT_PRE, 4, 1);
	k.peers[1].family[BGP_IPV4_UNICAST].audience = "nobody";
	kit_apply(&k);
	station_until_routes(&s, OUT_PRE, 4, 2);
	update_is(OUT_PRE, 4, "0005 20ac100101 0000");
	station_until_routes(&s, OUT_POST, 4, 2);
	update_is(OUT_POST, 4, "0005 20ac100101 0000");
	end();
}
END_TEST

START_TEST(short_memory_costs_the_station_only)
{
	begin(BOTH, 65004);
	raw_announce(&a, "10.1.0.0/16", 65002);
	station_until_routes(&s, OUT_PRE, 4, 1);
	raw_announce(&a, "10.2.0.0/16", 65002);
	mem_fail_at((unsigned)_i + 1);
	for (int i = 0; i < 50; i++)
		station_poll(&s);
	mem_fail_at(0);
	station_hang_up(&s);
	station_until(&s, BMP_PEER_UP, 2);
	station_until_routes(&s, OUT_PRE, 4, 1);
	station_until_routes(&s, OUT_POST, 4, 1);
	ck_assert_str_eq(kit_state(&k, 1), "established");
	end();
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *t = tcase_create("out");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, rfc8671_4_the_o_flag_in_the_per_peer_header);
	tcase_add_test(t, rfc8671_6_2_gauges_of_sixty_four_bits);
	tcase_add_test(t, rfc8671_5_1_behind_the_policy_is_what_the_peer_gets);
	tcase_add_test(t, rfc8671_5_2_before_the_policy_is_what_it_was_learned_as);
	tcase_add_test(t, rfc8671_5_2_mandatory_attributes_are_zero_while_unknown);
	tcase_add_test(t, rfc8671_5_2_only_what_such_a_peer_may_have);
	tcase_add_test(t, rfc8671_5_2_an_internal_peer_is_offered_its_own_kind);
	tcase_add_test(t, rfc8671_6_peers_and_statistics_are_of_both_directions);
	tcase_add_test(t, a_station_that_comes_late_is_told_all);
	tcase_add_test(t, a_peer_without_four_octets_has_the_a_flag);
	tcase_add_test(t, another_audience_has_other_candidates);
	tcase_add_loop_test(t, short_memory_costs_the_station_only, 0, 20);
	suite_add_tcase(suite, t);
}
UNIT_MAIN("bmp_out", add_tests)
