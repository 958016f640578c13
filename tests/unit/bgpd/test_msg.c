/*
 * tests/unit/bgpd/test_msg.c: header, NOTIFICATION, KEEPALIVE and ROUTE-REFRESH, byte by byte.
 */
#include "bgpd/msg.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define FF "ffffffffffffffffffffffffffffffff"

static struct bgp_fault f;
static uint8_t type;
static uint16_t len;

static int
header(const char *text, size_t max)
{
	struct hex h = hex_parse(text);
	int err = bgp_header_decode(wire_rd_init(h.p, h.len), max, &type, &len, &f);

	free(h.p);
	return err;
}

START_TEST(rfc4271_4_1_header_of_each_type)
{
	static const struct {
		const char *text;
		uint8_t type;
		uint16_t len;
	} good[] = { { FF "001d 01", BGP_MSG_OPEN, 29 }, { FF "1000 01", BGP_MSG_OPEN, 4096 },
		{ FF "0017 02", BGP_MSG_UPDATE, 23 }, { FF "1000 02", BGP_MSG_UPDATE, 4096 },
		{ FF "0015 03", BGP_MSG_NOTIFICATION, 21 }, { FF "0013 04", BGP_MSG_KEEPALIVE, 19 },
		{ FF "0017 05", BGP_MSG_ROUTE_REFRESH, 23 } };

	ck_assert_int_eq(header(good[_i].text, BGP_MAX_LEN), 0);
	ck_assert_uint_eq(type, good[_i].type);
	ck_assert_uint_eq(len, good[_i].len);
}
END_TEST

START_TEST(rfc4271_6_1_marker_not_all_ones_is_1_1)
{
	ck_assert_int_eq(header("fffffffffffffffffffffffffffffffe 0013 04", 4096), -EBADMSG);
	ck_assert_uint_eq(f.code, 1);
	ck_assert_uint_eq(f.subcode, 1);
	ck_assert_uint_eq(f.len, 0);
}
END_TEST

START_TEST(rfc4271_6_1_bad_length_is_1_2_with_the_length)
{
	static const struct {
		const char *text, *data;
	} bad[] = { { FF "0012 04", "0012" }, { FF "0000 02", "0000" }, { FF "1001 02", "1001" },
		{ FF "ffff 02", "ffff" }, { FF "001c 01", "001c" }, { FF "0016 02", "0016" },
		{ FF "0014 03", "0014" }, { FF "0014 04", "0014" } };

	ck_assert_int_eq(header(bad[_i].text, BGP_MAX_LEN), -EBADMSG);
	ck_assert_uint_eq(f.code, 1);
	ck_assert_uint_eq(f.subcode, 2);
	hex_equals(f.data, f.len, bad[_i].data);
}
END_TEST

START_TEST(rfc4271_6_1_bad_type_is_1_3_with_the_type)
{
	static const char *const bad[] = { "00", "06", "ff" };
	char text[64];

	snprintf(text, sizeof(text), FF "0017 %s", bad[_i]);
	ck_assert_int_eq(header(text, BGP_MAX_LEN), -EBADMSG);
	ck_assert_uint_eq(f.code, 1);
	ck_assert_uint_eq(f.subcode, 3);
	hex_equals(f.data, f.len, bad[_i]);
}
END_TEST

START_TEST(rfc8654_4_only_open_and_keepalive_stay_short)
{
	ck_assert_int_eq(header(FF "ffff 02", BGP_MAX_EXT_LEN), 0);
	ck_assert_int_eq(header(FF "ffff 03", BGP_MAX_EXT_LEN), 0);
	ck_assert_int_eq(header(FF "1001 01", BGP_MAX_EXT_LEN), -EBADMSG);
	ck_assert_int_eq(header(FF "1001 04", BGP_MAX_EXT_LEN), -EBADMSG);
}
END_TEST

START_TEST(a_header_cut_short_is_no_header)
{
	struct hex h = hex_parse(FF "0013 04");
	uint8_t *cut = malloc((size_t)_i ? (size_t)_i : 1);

	memcpy(cut, h.p, (size_t)_i);
	ck_assert_int_eq(
	    bgp_header_decode(wire_rd_init(cut, (size_t)_i), 4096, &type, &len, &f), -EBADMSG);
	free(cut);
	free(h.p);
}
END_TEST

START_TEST(rfc4271_4_4_keepalive_is_19_octets)
{
	uint8_t out[64];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	bgp_keepalive_encode(&w);
	hex_equals(out, w.len, FF "0013 04");
}
END_TEST

/* ---- NOTIFICATION ---- */

static int
notification(const char *text, char *said, size_t size)
{
	struct hex h = hex_parse(text);
	int err = bgp_notification_decode(wire_rd_init(h.p, h.len), &f, said, size);

	free(h.p);
	return err;
}

START_TEST(rfc9003_2_shutdown_communication)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "0602 05 68656c6c6f", "hello" },
		{ "0604 05 68656c6c6f", "hello" },
		{ "0602", "" },
		{ "0602 00", "" },
		{ "0602 06 68656c6c6f", "" },		    /* longer than what is there */
		{ "0602 05 68656c6cff", "" },		    /* not UTF-8 */
		{ "0602 03 c3a401", "\xc3\xa4?" },	    /* a control character */
		{ "0602 05 c29b324ac2a0", "" },		    /* cut */
		{ "0602 06 c29b324ac2a0", "??2J\xc2\xa0" }, /* CSI in UTF-8, and what is none */
		{ "0603 05 68656c6c6f", "" },		    /* not of this subcode */
		{ "0609 06 02 05 68656c6c6f", "hello" },    /* RFC 8538 3: within a Hard Reset */
		{ "0609", "" },
		{ "0609 06", "" },
	};
	char said[256];

	ck_assert_int_eq(notification(cases[_i].text, said, sizeof(said)), 0);
	ck_assert_str_eq(said, cases[_i].said);
	ck_assert_uint_eq(f.code, 6);
}
END_TEST

START_TEST(rfc9003_2_longest_communication_does_not_overflow)
{
	uint8_t body[2 + 1 + 255];
	char said[256], small[16];

	memset(body, 'x', sizeof(body));
	body[0] = 6;
	body[1] = 2;
	body[2] = 255;
	ck_assert_int_eq(
	    bgp_notification_decode(wire_rd_init(body, sizeof(body)), &f, said, sizeof(said)), 0);
	ck_assert_uint_eq(strlen(said), 255);
	/* CVE-2019-16159's class: text longer than the buffer */
	ck_assert_int_eq(
	    bgp_notification_decode(wire_rd_init(body, sizeof(body)), &f, small, sizeof(small)), 0);
	ck_assert_str_eq(small, "");
}
END_TEST

START_TEST(rfc4271_6_4_a_notification_too_short_to_have_a_code)
{
	char said[8];

	ck_assert_int_eq(notification("06", said, sizeof(said)), -EBADMSG);
	ck_assert_int_eq(notification("", said, sizeof(said)), -EBADMSG);
}
END_TEST

START_TEST(rfc4271_4_5_notification_is_encoded)
{
	struct bgp_fault out_f = { .code = 2, .subcode = 1, .len = 2, .data = { 0, 4 } };
	uint8_t out[64];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	bgp_notification_encode(&w, &out_f);
	hex_equals(out, w.len, FF "0017 03 02 01 0004");
}
END_TEST

START_TEST(rfc9003_2_what_we_say_is_cut_between_characters)
{
	struct bgp_fault out_f = { .code = 6, .subcode = 2 };
	char text[400];

	bgp_shutdown_data(&out_f, "hello");
	hex_equals(out_f.data, out_f.len, "05 68656c6c6f");
	bgp_shutdown_data(&out_f, NULL);
	ck_assert_uint_eq(out_f.len, 0);
	/* 254 letters, then characters of two octets: the 255th octet is half of one. */
	memset(text, 'a', 254);
	memcpy(text + 254, "\xc3\xa4\xc3\xa4", 5);
	bgp_shutdown_data(&out_f, text);
	ck_assert_uint_eq(out_f.data[0], 254);
	ck_assert_uint_eq(out_f.len, 255);
}
END_TEST

/* ---- ROUTE-REFRESH ---- */

static int
refresh(const char *text, struct bgp_refresh *r)
{
	struct hex h = hex_parse(text);
	int err = bgp_refresh_decode(wire_rd_init(h.p, h.len), r, &f);

	free(h.p);
	return err;
}

START_TEST(rfc2918_3_refresh_both_ways)
{
	struct bgp_refresh r;
	uint8_t out[64];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	ck_assert_int_eq(refresh("0002 00 01", &r), 0);
	ck_assert_int_eq(r.family, BGP_IPV6_UNICAST);
	ck_assert_uint_eq(r.subtype, 0);
	bgp_refresh_encode(&w, BGP_IPV6_UNICAST, BGP_REFRESH_BORR);
	hex_equals(out, w.len, FF "0017 05 0002 01 01");
}
END_TEST

START_TEST(rfc2918_4_an_unknown_family_is_to_be_ignored)
{
	struct bgp_refresh r;

	ck_assert_int_eq(refresh("0019 00 46", &r), 0);
	ck_assert_int_eq(r.family, -1);
	ck_assert_int_eq(refresh("0001 00 02", &r), 0);
	ck_assert_int_eq(r.family, -1);
}
END_TEST

START_TEST(rfc7313_5_wrong_length_is_7_1_with_the_message)
{
	struct bgp_refresh r;

	ck_assert_int_eq(refresh("0001 01 01 ff", &r), -EBADMSG);
	ck_assert_uint_eq(f.code, 7);
	ck_assert_uint_eq(f.subcode, 1);
	hex_equals(f.data, f.len, FF "0018 05 0001 01 01 ff");
	ck_assert_int_eq(refresh("0001 00", &r), -EBADMSG);
	ck_assert_uint_eq(f.code, 7);
	hex_equals(f.data, f.len, FF "0016 05 0001 00");
}
END_TEST

START_TEST(rfc7313_5_the_data_of_a_long_one_are_cut_but_tell_its_length)
{
	uint8_t long_one[4 + 1000] = { 0, 1, BGP_REFRESH_BORR, 1 };
	struct bgp_refresh r;

	ck_assert_int_eq(
	    bgp_refresh_decode(wire_rd_init(long_one, sizeof(long_one)), &r, &f), -EBADMSG);
	ck_assert_uint_eq(f.len, BGP_FAULT_DATA_MAX);
	hex_equals(f.data, 24, FF "03ff 05 0001 01 01 00");
}
END_TEST

START_TEST(rfc7313_5_an_unknown_subtype_is_ignored)
{
	struct bgp_refresh r;

	ck_assert_int_eq(refresh("0001 07 01", &r), 0);
	ck_assert_uint_eq(r.subtype, 7);
	ck_assert_int_eq(refresh("0001 07 01 0000", &r), 0);
}
END_TEST

START_TEST(names_of_faults)
{
	char text[96];

	ck_assert_str_eq(
	    bgp_fault_format(2, 2, text, sizeof(text)), "OPEN Message Error/Bad Peer AS");
	ck_assert_str_eq(
	    bgp_fault_format(6, 2, text, sizeof(text)), "Cease/Administrative Shutdown");
	ck_assert_str_eq(bgp_fault_format(4, 0, text, sizeof(text)), "Hold Timer Expired");
	ck_assert_str_eq(bgp_fault_format(6, 99, text, sizeof(text)), "Cease/99");
	ck_assert_str_eq(bgp_fault_format(99, 1, text, sizeof(text)), "code 99/1");
	ck_assert_str_eq(bgp_fault_format(0, 0, text, sizeof(text)), "code 0/0");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("msg");

	tcase_add_loop_test(t, rfc4271_4_1_header_of_each_type, 0, 7);
	tcase_add_test(t, rfc4271_6_1_marker_not_all_ones_is_1_1);
	tcase_add_loop_test(t, rfc4271_6_1_bad_length_is_1_2_with_the_length, 0, 8);
	tcase_add_loop_test(t, rfc4271_6_1_bad_type_is_1_3_with_the_type, 0, 3);
	tcase_add_test(t, rfc8654_4_only_open_and_keepalive_stay_short);
	tcase_add_loop_test(t, a_header_cut_short_is_no_header, 0, 19);
	tcase_add_test(t, rfc4271_4_4_keepalive_is_19_octets);
	tcase_add_loop_test(t, rfc9003_2_shutdown_communication, 0, 13);
	tcase_add_test(t, rfc9003_2_longest_communication_does_not_overflow);
	tcase_add_test(t, rfc4271_6_4_a_notification_too_short_to_have_a_code);
	tcase_add_test(t, rfc4271_4_5_notification_is_encoded);
	tcase_add_test(t, rfc9003_2_what_we_say_is_cut_between_characters);
	tcase_add_test(t, rfc2918_3_refresh_both_ways);
	tcase_add_test(t, rfc2918_4_an_unknown_family_is_to_be_ignored);
	tcase_add_test(t, rfc7313_5_wrong_length_is_7_1_with_the_message);
	tcase_add_test(t, rfc7313_5_the_data_of_a_long_one_are_cut_but_tell_its_length);
	tcase_add_test(t, rfc7313_5_an_unknown_subtype_is_ignored);
	tcase_add_test(t, names_of_faults);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/msg", add_tests)
