/*
 * tests/unit/bgpd/test_bmp.c: the bytes of BMP beside the RFCs' pictures, and a station that is told of a
 * peer over a socket.
 */
#include "bgpd/bmp_msg.h"

#include "lib/mem.h"
#include "tests/unit/bgpd/hex.h"
#include "tests/unit/bgpd/stationkit.h"
#include "tests/unit/unit.h"

static uint8_t bytes[4096];

static struct wire_wr
writer(void)
{
	return wire_wr_init(bytes, sizeof(bytes));
}

static struct bmp_about
about(const char *addr)
{
	return (struct bmp_about){
		.addr = kit_addr(addr), .as = 65000, .id = 0x0a000002, .wall_us = 1700000000000042
	};
}

#define ABOUT4                                                                                     \
	"00 00 0000000000000000 000000000000000000000000 0a000002 0000fde8 0a000002 6553f100 "     \
	"0000002a"

/* ---- bytes ---- */

START_TEST(rfc7854_4_2_the_per_peer_header)
{
	struct bmp_about a = about("10.0.0.2");
	struct wire_wr w = writer();

	bmp_about_encode(&w, &a);
	hex_equals(bytes, w.len, ABOUT4);
	a.addr = kit_addr("fd00::2");
	a.flags = BMP_FLAG_POST;
	a.type = BMP_PEER_INSTANCE;
	a.distinguisher = 7;
	w = writer();
	bmp_about_encode(&w, &a);
	hex_equals(bytes, w.len,
	    "02 c0 0000000000000007 fd000000000000000000000000000002 0000fde8 0a000002 6553f100 "
	    "0000002a");
}
END_TEST

START_TEST(rfc7854_4_3_initiation_has_name_and_description)
{
	struct wire_wr w = writer();

	bmp_initiation_encode(&w, "n1", "Herald");
	hex_equals(bytes, w.len, "03 00000016 04 0001 0006 486572616c64 0002 0002 6e31");
}
END_TEST

START_TEST(rfc7854_4_5_termination_has_a_reason)
{
	struct wire_wr w = writer();

	bmp_termination_encode(&w, 2, "x");
	hex_equals(bytes, w.len, "03 00000011 05 0000 0001 78 0001 0002 0002");
}
END_TEST

START_TEST(rfc7854_4_9_peer_down)
{
	static const uint8_t event[] = { 0, 18 };
	const struct bmp_about a = about("10.0.0.2");
	struct wire_wr w = writer();

	bmp_peer_down_encode(&w, &a, BMP_DOWN_LOCAL, (struct bmp_bytes){ .p = event, .len = 2 });
	hex_equals(bytes, w.len, "03 00000033 02" ABOUT4 "02 0012");
}
END_TEST

START_TEST(rfc7854_4_10_peer_up_has_both_opens)
{
	const struct bmp_about a = about("10.0.0.2");
	const struct addr local = kit_addr("10.0.0.1");
	struct wire_wr w = writer();

	bmp_peer_up_encode(&w, &a, &local, 179, 40000,
	    (struct bmp_bytes){ (const uint8_t *)"s", 1 },
	    (struct bmp_bytes){ (const uint8_t *)"rr", 2 }, NULL);
	hex_equals(bytes, w.len,
	    "03 00000047 03" ABOUT4 "000000000000000000000000 0a000001 00b3 9c40 73 7272");
}
END_TEST

START_TEST(rfc9069_5_2_1_the_local_table_has_a_name)
{
	static const struct addr none;
	const struct bmp_about a = { .type = BMP_PEER_LOC_RIB, .as = 65001, .id = 0x0a000001 };
	struct wire_wr w = writer();

	bmp_peer_up_encode(
	    &w, &a, &none, 0, 0, (struct bmp_bytes){ 0 }, (struct bmp_bytes){ 0 }, "i");
	hex_equals(bytes, w.len,
	    "03 00000049 03 03 00 0000000000000000 00000000000000000000000000000000 0000fde9 "
	    "0a000001 "
	    "00000000 00000000 00000000000000000000000000000000 0000 0000 0003 0001 69");
}
END_TEST

START_TEST(rfc7854_4_8_counters_and_gauges)
{
	static const struct bmp_count counts[] = { { BMP_STAT_ADJ_IN, -1, 0x100000002 },
		{ BMP_STAT_ADJ_IN_FAMILY, BGP_IPV6_UNICAST, 3 },
		{ BMP_STAT_WITHDRAW_UPDATES, -1, 4 } };
	const struct bmp_about a = about("10.0.0.2");
	struct wire_wr w = writer();

	bmp_statistics_encode(&w, &a, counts, 3);
	hex_equals(bytes, w.len,
	    "03 00000057 01" ABOUT4 "00000003 0007 0008 0000000100000002 0009 000b 0002 01 "
	    "0000000000000003 000b 0004 00000004");
}
END_TEST

START_TEST(what_does_not_fit_is_not_cut)
{
	const struct bmp_about a = about("10.0.0.2");
	struct wire_wr w = wire_wr_init(bytes, 60);

	bmp_route_encode(&w, &a, (struct bmp_bytes){ (const uint8_t *)"0123456789abcdef", 16 });
	ck_assert(w.full);
}
END_TEST

/* ---- a station ---- */

static struct kit k;
static struct raw r;
static struct station s;

static void
begin(unsigned views)
{
	static const struct bgp_rule accept_all = { .accept = true };
	const uint16_t port = kit_port();
	struct bgp_peer_conf *c;

	kit_init(&k, NULL, "127.0.0.1", port, 65001);
	k.conf.description = "Herald";
	k.conf.host_name = "n1";
	station_listen(&s, &k, views);
	r.fd = r.listener = -1;
	c = kit_peer(&k, "p", "127.0.0.2", port, 65002);
	c->import = (struct bgp_policy){ .rules = &accept_all, .nr_rules = 1 };
	raw_listen(&r, &k, "127.0.0.2", port);
	kit_apply(&k);
	raw_accept(&r);
	raw_establish(&r, &(struct raw_open){ .as = 65002, .id = 9, .hold = 0, .families = 1 });
}

static void
end(void)
{
	raw_fini(&r);
	kit_fini(&k);
	station_fini(&s);
}

START_TEST(a_station_hears_of_a_peer_its_routes_and_its_end)
{
	struct wire_rd m;

	begin(BGP_MONITOR_PRE | BGP_MONITOR_POST);
	station_until(&s, BMP_PEER_UP, 1);
	ck_assert_uint_eq(station_count(&s, BMP_INITIATION, NULL), 1);
	station_count(&s, BMP_PEER_UP, &m);
	ck_assert_uint_gt(m.left, BMP_PEER_LEN + 20 + 2 * 29);
	raw_announce(&r, "10.1.0.0/16", 65002);
	station_until(&s, BMP_ROUTE_MONITORING, 2); /* one in each view */
	raw_announce(&r, "10.1.0.0/16", 65002);	    /* nothing new */
	raw_announce(&r, "10.2.0.0/16", 65002);
	station_until(&s, BMP_ROUTE_MONITORING, 4);
	raw_notify(&r, 6, 4, NULL, 0);
	station_until(&s, BMP_PEER_DOWN, 1);
	station_count(&s, BMP_PEER_DOWN, &m);
	(void)wire_take(&m, BMP_PEER_LEN);
	ck_assert_int_eq(wire_u8(&m), BMP_DOWN_REMOTE_NOTE);
	hex_equals(m.p, m.left, "ffffffffffffffffffffffffffffffff 0015 03 06 04");
	/* RFC 7854 4.9: the routes go with it, without a word of each */
	ck_assert_uint_eq(station_count(&s, BMP_ROUTE_MONITORING, NULL), 4);
	end();
}
END_TEST

START_TEST(nothing_is_kept_when_the_station_is_taken_away)
{
	begin(BGP_MONITOR_PRE | BGP_MONITOR_POST | BGP_MONITOR_LOCAL);
	kit_originate(&k, "172.16.1.1/32");
	raw_announce(&r, "10.1.0.0/16", 65002);
	station_until(&s, BMP_PEER_UP, 2);
	k.conf.nr_monitors = 0;
	kit_apply(&k);
	station_until(&s, BMP_TERMINATION, 1);
	raw_announce(&r, "10.2.0.0/16", 65002);
	for (int i = 0; i < 20; i++)
		station_poll(&s);
	ck_assert_str_eq(kit_state(&k, 0), "established");
	end();
}
END_TEST

/* The n-th allocation fails: the station may have to begin anew, the session stays, nothing leaks. */
START_TEST(short_memory_costs_the_station_only)
{
	begin(BGP_MONITOR_PRE | BGP_MONITOR_LOCAL);
	station_until(&s, BMP_PEER_UP, 2);
	raw_announce(&r, "10.1.0.0/16", 65002);
	station_until(&s, BMP_ROUTE_MONITORING, 2);
	raw_announce(&r, "10.2.0.0/16", 65002);
	mem_fail_at((unsigned)_i + 1);
	for (int i = 0; i < 50; i++)
		station_poll(&s);
	mem_fail_at(0);
	station_hang_up(&s);
	for (int i = 0; i < 5000 && station_count(&s, BMP_PEER_UP, NULL) < 2; i++)
		station_poll(&s);
	ck_assert_uint_eq(station_count(&s, BMP_PEER_UP, NULL), 2);
	end();
}
END_TEST

static void
add_tests(Suite *suite)
{
	TCase *bytes_of = tcase_create("bytes"), *station = tcase_create("station");

	tcase_add_test(bytes_of, rfc7854_4_2_the_per_peer_header);
	tcase_add_test(bytes_of, rfc7854_4_3_initiation_has_name_and_description);
	tcase_add_test(bytes_of, rfc7854_4_5_termination_has_a_reason);
	tcase_add_test(bytes_of, rfc7854_4_8_counters_and_gauges);
	tcase_add_test(bytes_of, rfc7854_4_9_peer_down);
	tcase_add_test(bytes_of, rfc7854_4_10_peer_up_has_both_opens);
	tcase_add_test(bytes_of, rfc9069_5_2_1_the_local_table_has_a_name);
	tcase_add_test(bytes_of, what_does_not_fit_is_not_cut);
	suite_add_tcase(suite, bytes_of);
	tcase_set_timeout(station, 60);
	tcase_add_test(station, a_station_hears_of_a_peer_its_routes_and_its_end);
	tcase_add_test(station, nothing_is_kept_when_the_station_is_taken_away);
	tcase_add_loop_test(station, short_memory_costs_the_station_only, 0, 12);
	suite_add_tcase(suite, station);
}
UNIT_MAIN("bmp", add_tests)
