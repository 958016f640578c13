/*
 * tests/unit/bgpd/test_mrt.c: records of MRT beside RFC 6396's pictures, and a dump of one session.
 */
#include "bgpd/mrt.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/bgpd/speakerkit.h"
#include "tests/unit/unit.h"

static uint8_t bytes[256];

static struct mrt_about
about(const char *peer, const char *local)
{
	return (struct mrt_about){ .peer_as = 4200000001,
		.local_as = 65001,
		.ifindex = 3,
		.peer = kit_addr(peer),
		.local = kit_addr(local),
		.wall_us = 1700000000000042 };
}

START_TEST(rfc6396_4_4_3_a_message_with_four_octets)
{
	const struct mrt_about a = about("10.0.0.2", "10.0.0.1");
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	mrt_message_encode(&w, MRT_MESSAGE_AS4, &a, (const uint8_t *)"xyz", 3);
	hex_equals(bytes, w.len,
	    "6553f100 0011 0004 0000001b 0000002a fa56ea01 0000fde9 0003 0001 0a000002 0a000001 "
	    "78797a");
}
END_TEST

START_TEST(rfc6396_4_4_2_two_octets_are_as_trans)
{
	const struct mrt_about a = about("10.0.0.2", "10.0.0.1");
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	mrt_message_encode(&w, MRT_MESSAGE_LOCAL, &a, NULL, 0);
	hex_equals(bytes, w.len,
	    "6553f100 0011 0006 00000014 0000002a 5ba0 fde9 0003 0001 0a000002 0a000001");
}
END_TEST

START_TEST(rfc6396_4_4_4_states_count_from_one)
{
	const struct mrt_about a = about("fd00::2", "fd00::1");
	struct wire_wr w = wire_wr_init(bytes, sizeof(bytes));

	mrt_state_encode(&w, &a, BGP_OPENCONFIRM, BGP_ESTABLISHED);
	hex_equals(bytes, w.len,
	    "6553f100 0011 0005 00000034 0000002a fa56ea01 0000fde9 0003 0002 "
	    "fd000000000000000000000000000002 fd000000000000000000000000000001 0005 0006");
}
END_TEST

START_TEST(rfc8050_4_path_identifiers_have_subtypes_of_their_own)
{
	ck_assert_int_eq(mrt_subtype_of(false, true, true), 9);
	ck_assert_int_eq(mrt_subtype_of(true, true, true), 11);
	ck_assert_int_eq(mrt_subtype_of(false, false, true), 8);
	ck_assert_int_eq(mrt_subtype_of(true, false, true), 10);
	ck_assert_int_eq(mrt_subtype_of(true, true, false), 7);
	ck_assert_int_eq(mrt_subtype_of(false, false, false), 1);
}
END_TEST

/* ---- a dump ---- */

static unsigned nr_records;

static void
count_record(void *arg, const uint8_t *record, size_t len)
{
	(void)arg;
	ck_assert_uint_gt(len, 12);
	ck_assert_uint_eq(len, 12u + (unsigned)(record[10] << 8 | record[11]));
	nr_records++;
}

START_TEST(a_dump_begins_and_ends_when_it_is_told)
{
	static struct kit k;
	static struct raw r;
	const uint16_t port = kit_port();
	struct bgp_dump *d, *other;
	unsigned before;

	kit_init(&k, NULL, "127.0.0.1", port, 65001);
	kit_peer(&k, "p", "127.0.0.2", port, 65002);
	r.fd = r.listener = -1;
	raw_listen(&r, &k, "127.0.0.2", port);
	kit_apply(&k);
	d = bgp_dump_new(k.bgp, "p", count_record, NULL);
	other = bgp_dump_new(k.bgp, "q", count_record, NULL);
	raw_accept(&r);
	raw_establish(&r, &(struct raw_open){ .as = 65002, .id = 9, .hold = 0, .families = 1 });
	/* OPEN and KEEPALIVE both ways; to OpenSent, OpenConfirm, Established */
	ck_assert_uint_ge(nr_records, 7);
	bgp_dump_free(d);
	before = nr_records;
	raw_announce(&r, "10.1.0.0/16", 65002);
	kit_originate(&k, "172.16.1.1/32");
	for (int i = 0; i < 20; i++)
		loop_turn(k.loop, 1);
	ck_assert_uint_eq(nr_records, before);
	bgp_dump_free(other);
	raw_fini(&r);
	kit_fini(&k);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("mrt");

	tcase_add_test(tc, rfc6396_4_4_2_two_octets_are_as_trans);
	tcase_add_test(tc, rfc6396_4_4_3_a_message_with_four_octets);
	tcase_add_test(tc, rfc6396_4_4_4_states_count_from_one);
	tcase_add_test(tc, rfc8050_4_path_identifiers_have_subtypes_of_their_own);
	tcase_add_test(tc, a_dump_begins_and_ends_when_it_is_told);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("mrt", add_tests)
