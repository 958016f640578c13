/*
 * tests/unit/bgpd/test_old_speaker.c: sessions with a speaker that knows two-octet AS numbers only
 * (RFC 6793): what is taken from it, and that nothing is lost on the way through one.
 */
#include "bgpd/update.h"

#include "lib/buf.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

static const struct bgp_update_ctx old = { .families = 3, .local_as = 65001 };
static const struct bgp_update_ctx new = { .as4 = true, .families = 3, .local_as = 65001 };

static struct bgp_update u;
static struct hex body;

#define ORIGIN "40 01 01 00 "
#define HOP "40 03 04 c0a80ac8 "
#define OLD_PATH "40 02 08 02 03 5ba0 5ba0 fde8 "
#define AS4_PATH "c0 11 0a 02 02 00010000 0000fde8 "

static void
teardown(void)
{
	free(body.p);
	body.p = NULL;
}

static void
decode(const struct bgp_update_ctx *ctx, const char *attrs)
{
	struct hex h = hex_parse(attrs);
	char text[9000];

	snprintf(text, sizeof(text), "0000 %04zx %s 08 0a", h.len, attrs);
	free(h.p);
	teardown();
	body = hex_parse(text);
	bgp_update_decode(wire_rd_init(body.p, body.len), ctx, &u);
}

static const char *
path_text(void)
{
	static char text[8192];
	struct buf b;

	buf_init(&b, 1 << 20);
	bgp_as_path_format(u.attrs.as_path, &b);
	snprintf(text, sizeof(text), "%s", buf_text(&b));
	buf_fini(&b);
	return text;
}

/* The rule about AGGREGATOR is for the pair: alone it says nothing about AS4_PATH. */
START_TEST(rfc6793_4_2_3_an_aggregator_alone_leaves_as4_path_in_force)
{
	decode(&old, ORIGIN OLD_PATH HOP "c0 07 06 fde8 c0000201" AS4_PATH);
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
	ck_assert_uint_eq(u.attrs.aggregator_as, 65000);
}
END_TEST

START_TEST(rfc6793_4_2_3_an_as4_aggregator_alone_is_nothing)
{
	decode(&old, ORIGIN OLD_PATH HOP AS4_PATH "c0 12 08 00010000 c0000202");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
	ck_assert(!u.attrs.has_aggregator);
}
END_TEST

START_TEST(rfc6793_4_2_3_a_broken_as4_aggregator_is_as_if_absent)
{
	decode(&old,
	    ORIGIN OLD_PATH HOP "c0 07 06 fde8 c0000201" AS4_PATH "c0 12 08 00000000 c0000202");
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
	ck_assert_uint_eq(u.attrs.aggregator_as, 65000);
}
END_TEST

START_TEST(rfc6793_6_confederations_are_taken_out_of_as4_path)
{
	static const char *const paths[] = {
		"c0 11 10 03 01 0000fbf0 02 02 00010000 0000fde8",
		"c0 11 10 02 02 00010000 0000fde8 03 01 0000fbf0",
		"c0 11 14 04 02 0000fbf0 0000fbf1 02 02 00010000 0000fde8",
	};
	char attrs[256];

	snprintf(attrs, sizeof(attrs), ORIGIN OLD_PATH HOP "%s", paths[_i]);
	decode(&old, attrs);
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
}
END_TEST

START_TEST(rfc6793_6_an_as4_path_of_confederations_only_says_nothing)
{
	decode(&old, ORIGIN OLD_PATH HOP "c0 11 06 03 01 0000fbf0");
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_str_eq(path_text(), "23456 23456 65000");
}
END_TEST

/* RFC 7606 3c names no exception for these, and RFC 6793 6 none for flags. */
START_TEST(rfc7606_3_c_wrong_flags_of_as4_attributes_withdraw)
{
	static const char *const bad[] = { "40 11 06 02 01 00010000", "80 11 06 02 01 00010000",
		"40 12 08 00010000 c0000202" };
	char attrs[256];

	snprintf(attrs, sizeof(attrs), ORIGIN OLD_PATH HOP "%s", bad[_i]);
	decode(&old, attrs);
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_FLAGS);
}
END_TEST

START_TEST(rfc6793_4_1_between_new_speakers_they_are_discarded_whatever_they_hold)
{
	static const char *const bad[] = { "c0 11 06 02 01 00010000", "40 11 06 02 01 00010000",
		"c0 11 00", "c0 12 08 00010000 c0000202", "c0 12 01 00", "80 12 00" };
	char attrs[256];

	snprintf(attrs, sizeof(attrs), ORIGIN "40 02 06 02 01 0000fde8" HOP "%s", bad[_i]);
	decode(&new, attrs);
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_str_eq(path_text(), "65000");
}
END_TEST

/* 4.2.3: leading numbers and whole sets of AS_PATH, until both count the same. */
START_TEST(rfc6793_4_2_3_what_stays_in_front)
{
	static const struct {
		const char *path, *as4, *want;
	} cases[] = {
		{ "40 02 08 02 03 0001 0002 5ba0", "c0 11 06 02 01 00010000", "1 2 65536" },
		{ "40 02 0c 01 02 0001 0002 02 02 0003 5ba0", "c0 11 06 02 01 00010000",
		    "{1,2} 3 65536" },
		{ "40 02 0c 02 02 0003 5ba0 01 02 0001 0002", "c0 11 0a 01 02 00010000 00010001",
		    "3 23456 {65536,65537}" },
		{ "40 02 04 02 01 5ba0", "c0 11 06 02 01 00010000", "65536" },
		{ "40 02 00", "c0 11 06 02 01 00010000", "" },
	};
	char attrs[256];

	snprintf(attrs, sizeof(attrs), ORIGIN "%s" HOP "%s", cases[_i].path, cases[_i].as4);
	decode(&old, attrs);
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), cases[_i].want);
}
END_TEST

/* A path as long as fits in the longest message, with an AS4_PATH: nothing is lost for room. */
START_TEST(the_longest_path_of_an_old_speaker_is_merged_too)
{
	static uint8_t msg[65535];
	struct wire_wr w = wire_wr_init(msg, sizeof(msg));
	const size_t segments = 127;
	const size_t path_len = segments * (2 + 255 * 2);

	wire_put_u16(&w, 0);
	wire_put_u16(&w, (uint16_t)(4 + 4 + path_len + 7 + 9));
	wire_put_bytes(&w, "\x40\x01\x01\x00\x50\x02", 6);
	wire_put_u16(&w, (uint16_t)path_len);
	for (size_t s = 0; s < segments; s++) {
		wire_put_u8(&w, BGP_AS_SEQUENCE);
		wire_put_u8(&w, 255);
		for (unsigned i = 0; i < 255; i++)
			wire_put_u16(&w, 23456);
	}
	wire_put_bytes(&w, "\x40\x03\x04\xc0\xa8\x0a\xc8", 7);
	wire_put_bytes(&w, "\xc0\x11\x06\x02\x01\x00\x01\x00\x00", 9);
	wire_put_bytes(&w, "\x08\x0a", 2);
	ck_assert(!w.full);
	bgp_update_decode(wire_rd_init(msg, w.len), &old, &u);
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_uint_eq(bgp_as_path_len(u.attrs.as_path), 127 * 255);
	ck_assert_uint_eq(bgp_as_path_count(u.attrs.as_path, 65536), 1);
}
END_TEST

/* ---- through an old speaker and back: nothing is lost ---- */

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static uint32_t
random_as(void)
{
	return rnd(2) ? 1 + rnd(65535) : 1 + (seed | 0x10000u) % 0xfffffffeu;
}

static size_t
random_path(uint8_t *to, size_t size)
{
	struct wire_wr w = wire_wr_init(to, size);

	for (uint32_t s = rnd(4); s > 0; s--) {
		uint32_t n = 1 + rnd(6);

		wire_put_u8(&w, rnd(3) ? BGP_AS_SEQUENCE : BGP_AS_SET);
		wire_put_u8(&w, (uint8_t)n);
		for (; n > 0; n--)
			wire_put_u32(&w, random_as());
	}
	return w.len;
}

START_TEST(rfc6793_4_2_what_is_told_to_an_old_speaker_comes_back_whole)
{
	static uint8_t path[1024], out[4096];

	seed = (uint32_t)_i + 1;
	for (int round = 0; round < 500; round++) {
		struct bgp_attrs a = { .origin = BGP_ORIGIN_IGP,
			.next_hop = { .b = { 192, 0, 2, 1 }, .family = ADDR_V4 },
			.as_path = { path, (uint32_t)random_path(path, sizeof(path)) },
			.has_aggregator = rnd(2) };
		struct wire_wr w = wire_wr_init(out, sizeof(out));

		if (a.has_aggregator) {
			a.aggregator_as = random_as();
			a.aggregator_id = seed;
		}
		wire_put_u16(&w, 0);
		wire_put_u16(&w, 0);
		bgp_attrs_encode(&w, &a, BGP_IPV4_UNICAST, false);
		wire_patch_u16(&w, 2, (uint16_t)(w.len - 4));
		wire_put_bytes(&w, "\x08\x0a", 2);
		ck_assert(!w.full);
		bgp_update_decode(wire_rd_init(out, w.len), &old, &u);
		ck_assert_int_eq(u.verdict, BGP_V_OK);
		ck_assert_uint_eq(u.attrs.as_path.len, a.as_path.len);
		ck_assert(
		    a.as_path.len == 0 || memcmp(u.attrs.as_path.p, path, a.as_path.len) == 0);
		ck_assert(u.attrs.has_aggregator == a.has_aggregator);
		ck_assert_uint_eq(u.attrs.aggregator_as, a.aggregator_as);
		ck_assert_uint_eq(u.attrs.aggregator_id, a.aggregator_id);
	}
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("old speaker");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, rfc6793_4_2_3_an_aggregator_alone_leaves_as4_path_in_force);
	tcase_add_test(t, rfc6793_4_2_3_an_as4_aggregator_alone_is_nothing);
	tcase_add_test(t, rfc6793_4_2_3_a_broken_as4_aggregator_is_as_if_absent);
	tcase_add_loop_test(t, rfc6793_6_confederations_are_taken_out_of_as4_path, 0, 3);
	tcase_add_test(t, rfc6793_6_an_as4_path_of_confederations_only_says_nothing);
	tcase_add_loop_test(t, rfc7606_3_c_wrong_flags_of_as4_attributes_withdraw, 0, 3);
	tcase_add_loop_test(
	    t, rfc6793_4_1_between_new_speakers_they_are_discarded_whatever_they_hold, 0, 6);
	tcase_add_loop_test(t, rfc6793_4_2_3_what_stays_in_front, 0, 5);
	tcase_add_test(t, the_longest_path_of_an_old_speaker_is_merged_too);
	tcase_add_loop_test(t, rfc6793_4_2_what_is_told_to_an_old_speaker_comes_back_whole, 0, 8);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/old-speaker", add_tests)
