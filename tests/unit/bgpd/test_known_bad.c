/*
 * tests/unit/bgpd/test_known_bad.c: what has brought down, or wrongly reset, other speakers, each by
 * its name, with what it costs here.  The fuzz targets start from the same cases.
 */
#include "bgpd/msg.h"
#include "bgpd/update.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

#include <errno.h>

/* ---- OPEN: reached by anybody who can connect from a peer's address ---- */

#define HEAD "04 fde8 00b4 c0a80ac8 "

static const struct {
	const char *name, *body;
	int err;
	unsigned subcode;
} opens[] = {
	{ "CVE-2022-40302 extended length cut", HEAD "ff ff 00", -EBADMSG, BGP_OPEN_UNSPEC },
	{ "CVE-2022-40318 extended parameter cut", HEAD "ff ff 0002 02 00", -EBADMSG,
	    BGP_OPEN_UNSPEC },
	{ "CVE-2022-43681 ends with the option length", HEAD "01 02", -EBADMSG, BGP_OPEN_UNSPEC },
	{ "CVE-2022-36440 AS4 capability cut", HEAD "04 0202 4104", -EBADMSG, BGP_OPEN_UNSPEC },
	{ "CVE-2022-36440 AS4 capability of length 0", HEAD "04 0202 4100", 0, 0 },
	{ "CVE-2022-37032 dynamic capability", HEAD "06 0204 4302 0000", 0, 0 },
	{ "CVE-2024-31949 dynamic capability, empty", HEAD "08 0206 4300 4300 4300", 0, 0 },
	{ "CVE-2018-5381 capability of code and length 0", HEAD "04 0202 0000", 0, 0 },
	{ "CVE-2023-31489 long-lived GR of odd length", HEAD "07 0205 4703 000101", 0, 0 },
	{ "CVE-2023-41360 ORF", HEAD "09 0207 0305 0001000101", 0, 0 },
	{ "CVE-2023-41361 software version longer than it is", HEAD "06 0204 4b02 ff41", 0, 0 },
	{ "CVE-2025-43970 software version beyond the parameter", HEAD "06 0204 4bff 4141",
	    -EBADMSG, BGP_OPEN_UNSPEC },
};

START_TEST(in_open)
{
	struct hex h = hex_parse(opens[_i].body);
	struct bgp_open o;
	struct bgp_fault f = { 0 };
	const int err = bgp_open_decode(wire_rd_init(h.p, h.len), &o, &f);

	ck_assert_msg(err == opens[_i].err, "%s: %d", opens[_i].name, err);
	if (err)
		ck_assert_msg(f.code == BGP_ERR_OPEN && f.subcode == opens[_i].subcode, "%s: %u/%u",
		    opens[_i].name, f.code, f.subcode);
	free(h.p);
}
END_TEST

/* ---- NOTIFICATION ---- */

START_TEST(cve_2018_5378_and_5380_notification_data_and_codes)
{
	static const char *const bodies[] = { "0305 400101", "ffff", "0000", "03ff 00", "0610" };
	struct hex h = hex_parse(bodies[_i]);
	struct bgp_fault f;
	char said[256], name[96];

	ck_assert_int_eq(
	    bgp_notification_decode(wire_rd_init(h.p, h.len), &f, said, sizeof(said)), 0);
	ck_assert_uint_eq(f.len, h.len - 2);
	ck_assert_uint_gt(strlen(bgp_fault_format(f.code, f.subcode, name, sizeof(name))), 0);
	free(h.p);
}
END_TEST

START_TEST(cve_2019_16159_shutdown_communication_longer_than_any_buffer)
{
	uint8_t body[2 + 1 + 255];
	struct bgp_fault f;
	char said[129];

	memset(body, 'x', sizeof(body));
	body[0] = BGP_ERR_CEASE;
	body[1] = BGP_CEASE_SHUTDOWN;
	body[2] = 255;
	ck_assert_int_eq(
	    bgp_notification_decode(wire_rd_init(body, sizeof(body)), &f, said, sizeof(said)), 0);
	ck_assert_uint_lt(strlen(said), sizeof(said));
}
END_TEST

/* ---- UPDATE ---- */

#define ORIGIN "40 01 01 00 "
#define PATH "40 02 06 02 01 0000fde8 "
#define HOP "40 03 04 c0a80ac8 "
#define GOOD ORIGIN PATH HOP

static const struct {
	const char *name, *attrs, *nlri;
	enum bgp_verdict verdict;
	unsigned subcode;
} updates[] = {
	{ "CVE-2023-31490 Prefix-SID sub-TLV", GOOD "c0 28 0a 05 0007 00 01 00ff 000000", "08 0a",
	    BGP_V_OK, 0 },
	{ "CVE-2024-31948 Prefix-SID beyond its length", GOOD "c0 28 03 0100 ff", "08 0a", BGP_V_OK,
	    0 },
	{ "CVE-2024-44070 TUNNEL_ENCAP short", GOOD "c0 17 01 00", "08 0a", BGP_V_OK, 0 },
	{ "CVE-2023-38802 TUNNEL_ENCAP broken", GOOD "c0 17 03 0001ff", "08 0a", BGP_V_OK, 0 },
	{ "CVE-2023-41359 AIGP short", GOOD "80 1a 02 0100", "08 0a", BGP_V_OK, 0 },
	{ "CVE-2019-5892 attribute 255", GOOD "c0 ff 04 00000001", "08 0a", BGP_V_OK, 0 },
	{ "CVE-2023-4481 attribute 28 broken", GOOD "c0 1c 01 ff", "08 0a", BGP_V_OK, 0 },
	{ "Prefix-SID, May 2025", GOOD "c0 28 02 0101", "08 0a", BGP_V_OK, 0 },
	{ "CVE-2026-37461 IPv6 extended communities", GOOD "c0 19 13 00 02 20010db8 00", "08 0a",
	    BGP_V_WITHDRAW, BGP_UPD_ATTR_LIST },
	{ "CVE-2023-38406 flowspec of length 0", "80 0e 06 0001 85 00 00 00 " ORIGIN PATH, "",
	    BGP_V_OK, 0 },
	{ "CVE-2023-41909 flowspec without attributes", "80 0e 09 0001 85 00 00 03 010800", "",
	    BGP_V_OK, 0 },
	{ "CVE-2023-38407 labelled unicast beyond its end",
	    "80 0e 0a 0001 04 04 c0000201 00 ff " ORIGIN PATH, "", BGP_V_OK, 0 },
	{ "CVE-2023-41358 NLRI with attributes of length 0", "40 02 00 ", "08 0a", BGP_V_WITHDRAW,
	    BGP_UPD_MISSING_WELLKNOWN },
	{ "CVE-2023-41358 no attributes at all", "", "08 0a", BGP_V_WITHDRAW,
	    BGP_UPD_MISSING_WELLKNOWN },
	{ "CVE-2023-46753 only unknown attributes", "c0 63 01 aa", "08 0a", BGP_V_WITHDRAW,
	    BGP_UPD_MISSING_WELLKNOWN },
	{ "CVE-2023-47235 looks like End-of-RIB", ORIGIN "80 0f 03 0002 01", "", BGP_V_OK, 0 },
	{ "CVE-2023-46752 MP_REACH_NLRI malformed", GOOD "80 0e 04 0002 01 00", "08 0a",
	    BGP_V_RESET, BGP_UPD_OPT_ATTR },
	{ "CVE-2023-46752 MP_REACH_NLRI, then a fault to withdraw for",
	    "80 0e 15 0002 01 10 20010db8000000000000000000000001 00 40 01 01 07 " PATH, "",
	    BGP_V_RESET, BGP_UPD_ORIGIN },
	{ "CVE-2023-47234 MP_UNREACH_NLRI malformed", GOOD "80 0f 02 0002", "08 0a", BGP_V_RESET,
	    BGP_UPD_OPT_ATTR },
	{ "CVE-2017-16227 AS_PATH overrun", ORIGIN "40 02 06 02 02 0000fde8 " HOP, "08 0a",
	    BGP_V_WITHDRAW, BGP_UPD_AS_PATH },
	{ "CVE-2018-5379 CLUSTER_LIST twice, from outside",
	    GOOD "80 0a 04 01020304 80 0a 04 01020304", "08 0a", BGP_V_ATTR_DISCARD,
	    BGP_UPD_ATTR_LIST },
	{ "CVE-2023-38283 attribute of a wrong length", GOOD "c0 08 03 000000", "08 0a",
	    BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "CVE-2026-30405 NEXT_HOP 0.0.0.0", ORIGIN PATH "40 03 04 00000000", "08 0a",
	    BGP_V_WITHDRAW, BGP_UPD_NEXT_HOP },
	{ "CVE-2026-37462 length underflow", "40 01", "08 0a", BGP_V_WITHDRAW, BGP_UPD_ATTR_LIST },
	{ "CVE-2026-37462 extended length cut", "50 02 00", "08 0a", BGP_V_WITHDRAW,
	    BGP_UPD_ATTR_LIST },
	{ "BIRD, October 2025: OTC of a wrong length", GOOD "c0 23 08 0000fde8 00000000", "08 0a",
	    BGP_V_WITHDRAW, BGP_UPD_LENGTH },
};

static struct bgp_update u;

static void
decode(const struct bgp_update_ctx *ctx, const char *attrs, const char *nlri, struct hex *body)
{
	struct hex h = hex_parse(attrs);
	char text[4096];

	snprintf(text, sizeof(text), "0000 %04zx %s %s", h.len, attrs, nlri);
	free(h.p);
	*body = hex_parse(text);
	bgp_update_decode(wire_rd_init(body->p, body->len), ctx, &u);
}

START_TEST(in_update)
{
	const struct bgp_update_ctx ctx = { .as4 = true, .families = 3, .local_as = 65001 };
	struct hex body;

	decode(&ctx, updates[_i].attrs, updates[_i].nlri, &body);
	ck_assert_msg(
	    u.verdict == updates[_i].verdict, "%s: verdict %d", updates[_i].name, u.verdict);
	if (u.verdict != BGP_V_OK)
		ck_assert_msg(
		    u.fault.code == BGP_ERR_UPDATE && u.fault.subcode == updates[_i].subcode,
		    "%s: subcode %u", updates[_i].name, u.fault.subcode);
	ck_assert_int_eq(u.eor, -1);
	/* What is known to be broken but not ours to judge goes on as it came, never re-made. */
	if (u.verdict == BGP_V_OK && u.attrs.unknown.len)
		ck_assert(u.attrs.unknown.p[0] & 0x20);
	free(body.p);
}
END_TEST

START_TEST(cve_2026_41643_as4_path_in_front_of_as_path)
{
	static const char *const as4_paths[] = { "c0 11 0a 02 02 00010000 0000fde8 ",
		"c0 11 06 02 02 00010000 ", "c0 11 00 ", "c0 11 03 020100 " };
	const struct bgp_update_ctx old = { .families = 3, .local_as = 65001 };
	struct hex body;
	char attrs[256];

	snprintf(attrs, sizeof(attrs), "%s" ORIGIN "40 02 06 02 02 5ba0 fde8 " HOP, as4_paths[_i]);
	decode(&old, attrs, "08 0a", &body);
	ck_assert_int_eq(u.verdict, _i ? BGP_V_ATTR_DISCARD : BGP_V_OK);
	ck_assert_uint_eq(bgp_as_path_len(u.attrs.as_path), 2);
	ck_assert_uint_eq(bgp_as_path_first(u.attrs.as_path), _i ? 23456 : 65536);
	free(body.p);
}
END_TEST

/* BIRD, spring 2026: more numbers in a path than any array that was thought large enough. */
START_TEST(as_path_of_sixteen_thousand)
{
	static uint8_t body[65535 - BGP_HEADER_LEN], longer[1 << 18];
	const struct bgp_update_ctx ctx = { .as4 = true, .families = 3 };
	const unsigned segments = 62;
	struct wire_wr w = wire_wr_init(body, sizeof(body)), more;

	wire_put_u16(&w, 0);
	wire_put_u16(&w, 0);
	wire_put_bytes(&w, "\x40\x01\x01\x00\x40\x03\x04\xc0\xa8\x0a\xc8\x50\x02", 13);
	wire_put_u16(&w, (uint16_t)(segments * (2 + 255 * 4)));
	for (unsigned i = 0; i < segments; i++) {
		wire_put_u8(&w, BGP_AS_SEQUENCE);
		wire_put_u8(&w, 255);
		for (uint32_t as = 1; as <= 255; as++)
			wire_put_u32(&w, as);
	}
	wire_patch_u16(&w, 2, (uint16_t)(w.len - 4));
	wire_put_bytes(&w, "\x08\x0a", 2);
	ck_assert(!w.full);
	bgp_update_decode(wire_rd_init(body, w.len), &ctx, &u);
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_uint_eq(bgp_as_path_len(u.attrs.as_path), segments * 255);
	more = wire_wr_init(longer, sizeof(longer));
	ck_assert_int_eq(bgp_as_path_prepend(u.attrs.as_path, 65001, 10, &more), 0);
	ck_assert_uint_eq(
	    bgp_as_path_len((struct bgp_span){ longer, (uint32_t)more.len }), segments * 255 + 10);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("known bad");

	tcase_add_loop_test(t, in_open, 0, (int)(sizeof(opens) / sizeof(opens[0])));
	tcase_add_loop_test(t, cve_2018_5378_and_5380_notification_data_and_codes, 0, 5);
	tcase_add_test(t, cve_2019_16159_shutdown_communication_longer_than_any_buffer);
	tcase_add_loop_test(t, in_update, 0, (int)(sizeof(updates) / sizeof(updates[0])));
	tcase_add_loop_test(t, cve_2026_41643_as4_path_in_front_of_as_path, 0, 4);
	tcase_add_test(t, as_path_of_sixteen_thousand);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/known-bad", add_tests)
