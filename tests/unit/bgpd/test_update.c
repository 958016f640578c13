/*
 * tests/unit/bgpd/test_update.c: UPDATE taken apart: golden messages, every truncation, and what each
 * fault costs, attribute by attribute as RFC 7606 has it.
 */
#include "bgpd/update.h"

#include "lib/buf.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

static struct bgp_update u;
static struct hex body;

static const struct bgp_update_ctx ebgp = { .as4 = true, .families = 3, .local_as = 65001 };
static const struct bgp_update_ctx ibgp = {
	.as4 = true, .ibgp = true, .families = 3, .local_as = 65001
};
static const struct bgp_update_ctx old = { .families = 3, .local_as = 65001 };

static void
teardown(void)
{
	free(body.p);
	body.p = NULL;
}

static void
decode(const struct bgp_update_ctx *ctx, const char *text)
{
	teardown();
	body = hex_parse(text);
	bgp_update_decode(wire_rd_init(body.p, body.len), ctx, &u);
}

/* An UPDATE that announces 10.0.0.0/8 with these attributes, all good but @attrs. */
#define GOOD_ORIGIN "40 01 01 00 "
#define GOOD_PATH "40 02 06 02 01 0000fde8 "
#define GOOD_HOP "40 03 04 c0a80ac8 "
#define GOOD GOOD_ORIGIN GOOD_PATH GOOD_HOP

static void
decode_attrs(const struct bgp_update_ctx *ctx, const char *attrs, const char *nlri)
{
	struct hex h = hex_parse(attrs);
	char text[9000];

	snprintf(text, sizeof(text), "0000 %04zx %s %s", h.len, attrs, nlri);
	free(h.p);
	decode(ctx, text);
}

static const char *
nlri_text(struct bgp_nlri n)
{
	static char text[1024];
	struct prefix p;
	size_t len = 0;

	text[0] = '\0';
	while (n.present && bgp_nlri_next(&n, &p))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", prefix_str(&p));
	return text;
}

static const char *
path_text(void)
{
	static char text[512];
	struct buf b;

	buf_init(&b, 4096);
	bgp_as_path_format(u.attrs.as_path, &b);
	snprintf(text, sizeof(text), "%s", buf_text(&b));
	buf_fini(&b);
	return text;
}

/* ---- golden ---- */

START_TEST(golden_ipv4)
{
	decode(&ebgp,
	    "0003 10 0a01 003d" GOOD_ORIGIN "40 02 0e 02 03 0000fde8 00010000 0000fdea"
	    "40 03 04 c0a80ac8 80 04 04 00000064 c0 08 08 fde80001 ffffff01"
	    "c0 20 0c 0000fde8 00000001 00000002 08 0a 19 c0a80a00 00");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.withdrawn), "10.1.0.0/16 ");
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 192.168.10.0/25 0.0.0.0/0 ");
	ck_assert_int_eq(u.attrs.origin, BGP_ORIGIN_IGP);
	ck_assert_str_eq(path_text(), "65000 65536 65002");
	ck_assert_str_eq(addr_str(&u.attrs.next_hop), "192.168.10.200");
	ck_assert(u.attrs.has_med && u.attrs.med == 100);
	ck_assert(!u.attrs.has_local_pref);
	hex_equals(u.attrs.communities.p, u.attrs.communities.len, "fde80001 ffffff01");
	hex_equals(u.attrs.large_communities.p, u.attrs.large_communities.len,
	    "0000fde8 00000001 00000002");
	ck_assert_int_eq(u.eor, -1);
}
END_TEST

#define V6_HOP "20010db8 00000000 00000000 00000001"
#define V6_REACH "80 0e 1a 0002 01 10 " V6_HOP " 00 20 20010db8 "

START_TEST(golden_ipv6)
{
	decode_attrs(&ebgp, V6_REACH GOOD_ORIGIN GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.reach), "2001:db8::/32 ");
	ck_assert_str_eq(addr_str(&u.reach_next_hop), "2001:db8::1");
	ck_assert(!addr_is_set(&u.reach_next_hop_ll));
	ck_assert(!u.nlri.present);
}
END_TEST

START_TEST(rfc2545_3_two_next_hops)
{
	decode_attrs(&ebgp,
	    "80 0e 2a 0002 01 20 " V6_HOP
	    " fe800000 00000000 00000000 00000002 00 20 20010db8 " GOOD_ORIGIN GOOD_PATH,
	    "");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(addr_str(&u.reach_next_hop), "2001:db8::1");
	ck_assert_str_eq(addr_str(&u.reach_next_hop_ll), "fe80::2");
}
END_TEST

/* BIRD sends "::" and the link-local one, others the link-local one twice. */
START_TEST(rfc2545_3_link_local_next_hop_without_a_global_one)
{
	decode_attrs(&ebgp,
	    "80 0e 2a 0002 01 20 00000000 00000000 00000000 00000000"
	    " fe800000 00000000 00000000 00000002 00 20 20010db8 " GOOD_ORIGIN GOOD_PATH,
	    "");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(addr_str(&u.reach_next_hop), "fe80::2");
	ck_assert_str_eq(addr_str(&u.reach_next_hop_ll), "fe80::2");
}
END_TEST

START_TEST(rfc4760_3_reserved_octet_is_ignored)
{
	decode_attrs(
	    &ebgp, "80 0e 1a 0002 01 10 " V6_HOP " ff 20 20010db8 " GOOD_ORIGIN GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.reach), "2001:db8::/32 ");
}
END_TEST

START_TEST(rfc4760_6_families_that_were_not_negotiated_are_ignored)
{
	const struct bgp_update_ctx v4 = { .as4 = true, .families = 1 };
	const struct bgp_update_ctx v6 = { .as4 = true, .families = 2 };

	decode_attrs(&v4, V6_REACH GOOD, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert(!u.reach.present);
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
	decode_attrs(&v6, V6_REACH GOOD, "08 0a");
	ck_assert(!u.nlri.present);
	/* an AFI that nobody here knows, with a next hop of any length */
	decode_attrs(&ebgp, "80 0e 0a 4004 47 04 01020304 00 11 " GOOD, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
}
END_TEST

START_TEST(rfc8950_4_ipv6_next_hop_only_if_negotiated)
{
	const struct bgp_update_ctx enh = { .as4 = true, .families = 1, .ext_next_hop = 1 };
	const char attrs[] = "80 0e 17 0001 01 10 " V6_HOP " 00 08 0a " GOOD_ORIGIN GOOD_PATH;

	decode_attrs(&enh, attrs, "");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.reach), "10.0.0.0/8 ");
	decode_attrs(&ebgp, attrs, "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
}
END_TEST

START_TEST(rfc4271_4_3_trailing_bits_are_irrelevant)
{
	decode_attrs(&ebgp, GOOD, "09 0aff 0c ac1f");
	ck_assert_str_eq(nlri_text(u.nlri), "10.128.0.0/9 172.16.0.0/12 ");
}
END_TEST

START_TEST(rfc4271_4_3_extended_length_is_read)
{
	decode_attrs(&ebgp,
	    "50 01 0001 00"
	    "50 02 0006 02 01 0000fde8"
	    "50 03 0004 c0a80ac8",
	    "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), "65000");
}
END_TEST

/* Every truncation of a whole message: some verdict, no byte too many (ASan), and after anything but
 * a reset all lists can be read to their ends. */
START_TEST(every_truncation_is_survived)
{
	struct hex h = hex_parse("0003 10 0a01 003d" GOOD_ORIGIN
				 "40 02 0e 02 03 0000fde8 00010000 0000fdea 40 03 04 c0a80ac8 "
				 "80 04 04 00000064 c0 08 08 fde80001 ffffff01 "
				 "c0 20 0c 0000fde8 00000001 00000002 08 0a 19 c0a80a00 00");

	for (size_t len = 0; len < h.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, h.p, len);
		bgp_update_decode(wire_rd_init(cut, len), &ebgp, &u);
		if (u.verdict != BGP_V_RESET) {
			(void)nlri_text(u.nlri);
			ck_assert(wire_done(&u.nlri.rd) || u.nlri.present);
		}
		ck_assert_int_eq(u.eor, -1);
		free(cut);
	}
	free(h.p);
}
END_TEST

/* ---- RFC 7606 3 ---- */

START_TEST(rfc7606_3_b_lengths_beyond_the_message_reset)
{
	static const char *const bad[] = { "", "00", "0000", "0000 00", "0001 0000", "ffff 0000",
		"0000 0001", "0000 ffff 40010100", "0004 080a 0000" };

	decode(&ebgp, bad[_i]);
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.code, BGP_ERR_UPDATE);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_ATTR_LIST);
}
END_TEST

START_TEST(rfc7606_3_c_wrong_flags_withdraw)
{
	static const char *const bad[] = {
		"00 01 01 00 " GOOD_PATH GOOD_HOP, /* well-known, not transitive */
		"c0 01 01 00 " GOOD_PATH GOOD_HOP, /* optional */
		GOOD_ORIGIN "c0 02 06 02 01 0000fde8 " GOOD_HOP,
		GOOD_ORIGIN GOOD_PATH "80 03 04 c0a80ac8",
		GOOD "40 04 04 00000001", /* MED must be optional */
		GOOD "c0 04 04 00000001", /* and not transitive */
		GOOD "40 08 04 fde80001",
	};

	decode_attrs(&ebgp, bad[_i], "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_FLAGS);
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
}
END_TEST

START_TEST(rfc7606_3_c_partial_bit_is_not_looked_at)
{
	decode_attrs(&ebgp, "60 01 01 00 " GOOD_PATH GOOD_HOP "a0 04 04 00000001", "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
}
END_TEST

START_TEST(rfc7606_3_d_mandatory_missing_withdraws)
{
	static const struct {
		const char *attrs;
		uint8_t missing;
	} bad[] = { { GOOD_PATH GOOD_HOP, 1 }, { GOOD_ORIGIN GOOD_HOP, 2 },
		{ GOOD_ORIGIN GOOD_PATH, 3 }, { "", 1 }, /* CVE-2023-46753: no attribute at all */
		{ "c0 63 01 00", 1 } };			 /* only unknown ones */

	decode_attrs(&ebgp, bad[_i].attrs, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_MISSING_WELLKNOWN);
	ck_assert_uint_eq(u.bad_attr, bad[_i].missing);
	ck_assert_uint_eq(u.fault.data[0], bad[_i].missing);
	ck_assert_int_eq(u.eor, -1);
}
END_TEST

START_TEST(rfc7606_3_g_mp_attributes_twice_reset)
{
	decode_attrs(&ebgp, V6_REACH V6_REACH GOOD, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_ATTR_LIST);
	decode_attrs(&ebgp, "80 0f 03 0002 01 80 0f 03 0002 01", "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
}
END_TEST

START_TEST(rfc7606_3_g_of_others_the_first_counts)
{
	decode_attrs(
	    &ebgp, GOOD "80 04 04 00000001 80 04 04 00000002 c0 63 01 aa c0 63 01 bb", "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_uint_eq(u.attrs.med, 1);
	hex_equals(u.attrs.unknown.p, u.attrs.unknown.len, "e0 63 01 aa");
}
END_TEST

START_TEST(rfc7606_3_h_the_strongest_wins)
{
	/* discard (AGGREGATOR), then withdraw (ORIGIN), then discard again */
	decode_attrs(&ebgp, "c0 07 01 00 40 01 01 07 " GOOD_PATH GOOD_HOP "40 06 01 00", "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_uint_eq(u.bad_attr, BGP_ATTR_ORIGIN);
}
END_TEST

START_TEST(rfc7606_3_j_nlri_that_cannot_be_read_reset)
{
	static const char *const bad[] = { "21 0a000000 00", "ff", "08", "18 0a00",
		"08 0a 20 0a0000" };

	decode_attrs(&ebgp, GOOD, bad[_i]);
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_NETWORK);
}
END_TEST

START_TEST(rfc7606_5_3_withdrawn_routes_that_cannot_be_read_reset)
{
	decode(&ebgp, "0001 08 0000");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_NETWORK);
	decode_attrs(&ebgp, "80 0f 04 0002 01 81", ""); /* /129 */
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	decode_attrs(&ebgp, "80 0e 16 0002 01 10 " V6_HOP " 00 40 " GOOD_ORIGIN GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
}
END_TEST

START_TEST(rfc7606_4_an_attribute_beyond_the_list_withdraws)
{
	static const char *const bad[] = { GOOD "80", GOOD "80 04", GOOD "80 04 04 0000",
		GOOD "90 04 00", GOOD "90 04 ffff 00000001", GOOD "80 04 ff" };

	decode_attrs(&ebgp, bad[_i], "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
}
END_TEST

START_TEST(rfc7606_5_2_nothing_to_withdraw_resets)
{
	decode_attrs(&ebgp, "40 01 01 07", "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_ORIGIN);
	/* what is only discarded does not */
	decode_attrs(&ebgp, "c0 07 01 00", "");
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
}
END_TEST

/* An MP_REACH_NLRI without a prefix is no reachable NLRI either; one of a family that we do not
 * read has some. */
START_TEST(rfc7606_5_2_an_empty_mp_reach_is_nothing_to_withdraw)
{
	decode_attrs(&ebgp, "80 0e 15 0002 01 10 " V6_HOP " 00 40 01 01 07 " GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_ORIGIN);
	decode_attrs(&ebgp, V6_REACH "40 01 01 07 " GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	decode_attrs(&ebgp, "80 0e 0a 4004 47 04 01020304 00 11 40 01 01 07 " GOOD_PATH, "");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	/* nor are withdrawn routes */
	decode(&ebgp, "0002 080a 0004 40 01 01 07");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
}
END_TEST

/* 5.2 is about attributes other than MP_UNREACH_NLRI: alone, with wrong flags, it still withdraws. */
START_TEST(rfc7606_5_2_does_not_reset_for_mp_unreach_alone)
{
	decode_attrs(&ebgp, "c0 0f 08 0002 01 20 20010db8", "");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
	ck_assert_uint_eq(u.fault.subcode, BGP_UPD_FLAGS);
	ck_assert_str_eq(nlri_text(u.unreach), "2001:db8::/32 ");
	ck_assert_int_eq(u.eor, -1);
	decode_attrs(&ebgp, "c0 0f 08 0002 01 20 20010db8 40 01 01 00", "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
	decode_attrs(&ebgp, "80 0f 08 0002 01 20 20010db8 40 01", "");
	ck_assert_int_eq(u.verdict, BGP_V_RESET);
}
END_TEST

/* Whoever sends may not mix the four fields; whoever receives takes them as they come. */
START_TEST(rfc7606_5_1_all_four_fields_in_one_update_are_read)
{
	decode_attrs(&ebgp,
	    GOOD "80 0e 1a 0002 01 10 20010db8 00000000 00000000 00000002 00 20 20010db8 "
		 "80 0f 08 0002 01 20 20010db9",
	    "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
	ck_assert_str_eq(nlri_text(u.reach), "2001:db8::/32 ");
	ck_assert_str_eq(nlri_text(u.unreach), "2001:db9::/32 ");
}
END_TEST

/* ---- RFC 7606 7, attribute by attribute ---- */

static const struct {
	const char *rfc, *attrs;
	bool ibgp;
	enum bgp_verdict verdict;
	unsigned subcode;
} attr_faults[] = {
	{ "7.1 length", "40 01 00 " GOOD_PATH GOOD_HOP, false, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "7.1 length", "40 01 02 0000 " GOOD_PATH GOOD_HOP, false, BGP_V_WITHDRAW,
	    BGP_UPD_LENGTH },
	{ "7.1 value", "40 01 01 03 " GOOD_PATH GOOD_HOP, false, BGP_V_WITHDRAW, BGP_UPD_ORIGIN },
	{ "7.2 segment type", GOOD_ORIGIN "40 02 06 05 01 0000fde8 " GOOD_HOP, false,
	    BGP_V_WITHDRAW, BGP_UPD_AS_PATH },
	{ "7.2 type 0", GOOD_ORIGIN "40 02 06 00 01 0000fde8 " GOOD_HOP, false, BGP_V_WITHDRAW,
	    BGP_UPD_AS_PATH },
	{ "7.2 overrun", GOOD_ORIGIN "40 02 06 02 02 0000fde8 " GOOD_HOP, false, BGP_V_WITHDRAW,
	    BGP_UPD_AS_PATH },
	{ "7.2 underrun", GOOD_ORIGIN "40 02 07 02 01 0000fde8 02 " GOOD_HOP, false, BGP_V_WITHDRAW,
	    BGP_UPD_AS_PATH },
	{ "7.2 empty segment", GOOD_ORIGIN "40 02 02 02 00 " GOOD_HOP, false, BGP_V_WITHDRAW,
	    BGP_UPD_AS_PATH },
	{ "7607 2 AS 0", GOOD_ORIGIN "40 02 0a 02 02 0000fde8 00000000 " GOOD_HOP, false,
	    BGP_V_WITHDRAW, BGP_UPD_AS_PATH },
	{ "5065 5 confederation", GOOD_ORIGIN "40 02 06 03 01 0000fde8 " GOOD_HOP, false,
	    BGP_V_WITHDRAW, BGP_UPD_AS_PATH },
	{ "7.3 length", GOOD_ORIGIN GOOD_PATH "40 03 05 c0a80ac800", false, BGP_V_WITHDRAW,
	    BGP_UPD_LENGTH },
	{ "7.3 length", GOOD_ORIGIN GOOD_PATH "40 03 00", false, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "4271 6.3 hop 0.0.0.0", GOOD_ORIGIN GOOD_PATH "40 03 04 00000000", false, BGP_V_WITHDRAW,
	    BGP_UPD_NEXT_HOP },
	{ "4271 6.3 hop group", GOOD_ORIGIN GOOD_PATH "40 03 04 e0000001", false, BGP_V_WITHDRAW,
	    BGP_UPD_NEXT_HOP },
	{ "4271 6.3 hop 255", GOOD_ORIGIN GOOD_PATH "40 03 04 ffffffff", false, BGP_V_WITHDRAW,
	    BGP_UPD_NEXT_HOP },
	{ "4271 6.3 hop 127.1", GOOD_ORIGIN GOOD_PATH "40 03 04 7f000001", false, BGP_V_WITHDRAW,
	    BGP_UPD_NEXT_HOP },
	{ "7.4", GOOD "80 04 03 000001", false, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "7.4", GOOD "80 04 00", false, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "7.5 internal", GOOD "40 05 03 000001", true, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "7.5 external", GOOD "40 05 03 000001", false, BGP_V_OK, 0 },
	{ "7.5 external, flags", GOOD "c0 05 03 000001", false, BGP_V_OK, 0 },
	{ "7.6", GOOD "40 06 01 00", false, BGP_V_ATTR_DISCARD, BGP_UPD_LENGTH },
	{ "7.7 length", GOOD "c0 07 05 0000fde800", false, BGP_V_ATTR_DISCARD, BGP_UPD_LENGTH },
	{ "7.7 two-octet form", GOOD "c0 07 06 fde8 c0000201", false, BGP_V_ATTR_DISCARD,
	    BGP_UPD_OPT_ATTR },
	{ "7607 2 AGGREGATOR", GOOD "c0 07 08 00000000 c0000201", false, BGP_V_ATTR_DISCARD,
	    BGP_UPD_OPT_ATTR },
	{ "7.8", GOOD "c0 08 00", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.8", GOOD "c0 08 06 fde80001 0001", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.9 internal", GOOD "80 09 03 000001", true, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "7.9 external", GOOD "80 09 03 000001", false, BGP_V_OK, 0 },
	{ "7.10 internal", GOOD "80 0a 03 000001", true, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.10 internal", GOOD "80 0a 00", true, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.10 external", GOOD "80 0a 03 000001", false, BGP_V_OK, 0 },
	{ "7.11 short", GOOD "80 0e 04 0002 01 00", false, BGP_V_RESET, BGP_UPD_OPT_ATTR },
	{ "7.11 next hop", GOOD "80 0e 06 0002 01 00 00 00", false, BGP_V_RESET, BGP_UPD_OPT_ATTR },
	{ "7.11 next hop 15", GOOD "80 0e 14 0002 01 0f 20010db8 00000000 00000000 000000 00",
	    false, BGP_V_RESET, BGP_UPD_OPT_ATTR },
	{ "7.11 next hop beyond", GOOD "80 0e 08 0002 01 10 000000 00", false, BGP_V_RESET,
	    BGP_UPD_OPT_ATTR },
	{ "7.11 hop ::", GOOD "80 0e 15 0002 01 10 00000000 00000000 00000000 00000000 00", false,
	    BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.12 short", GOOD "80 0f 02 0002", false, BGP_V_RESET, BGP_UPD_OPT_ATTR },
	{ "7.14", GOOD "c0 10 00", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.14", GOOD "c0 10 07 00020000000000", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.15", GOOD "c0 19 00", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "7.15", GOOD "c0 19 13 00000000 00000000 00000000 00000000 000000", false, BGP_V_WITHDRAW,
	    BGP_UPD_OPT_ATTR },
	{ "7.15, sound", GOOD "c0 19 14 00022001 0db80000 00000000 00000000 00000001", false,
	    BGP_V_OK, 0 },
	{ "8092 5", GOOD "c0 20 00", false, BGP_V_WITHDRAW, BGP_UPD_OPT_ATTR },
	{ "8092 5", GOOD "c0 20 0d 0000fde8 00000001 00000002 00", false, BGP_V_WITHDRAW,
	    BGP_UPD_OPT_ATTR },
	{ "9234 5 OTC length", GOOD "c0 23 02 0001", false, BGP_V_WITHDRAW, BGP_UPD_LENGTH },
	{ "6793 4.1 AS4_PATH between new ones", GOOD "c0 11 06 02 01 00000000", false,
	    BGP_V_ATTR_DISCARD, BGP_UPD_OPT_ATTR },
	{ "6793 4.1 AS4_AGGREGATOR between new ones", GOOD "c0 12 03 000001", false,
	    BGP_V_ATTR_DISCARD, BGP_UPD_OPT_ATTR },
	{ "4271 6.3 unknown well-known", GOOD "40 63 01 00", false, BGP_V_RESET,
	    BGP_UPD_UNKNOWN_WELLKNOWN },
	{ "CVE-2019-5892: attribute 255", GOOD "c0 ff 04 00000001", false, BGP_V_OK, 0 },
	{ "CVE-2023-38802: broken TUNNEL_ENCAP is not ours to judge", GOOD "c0 17 03 0001ff", false,
	    BGP_V_OK, 0 },
	{ "CVE-2023-4481: broken 28 likewise", GOOD "c0 1c 01 ff", false, BGP_V_OK, 0 },
	{ "Prefix-SID event: 40 likewise", GOOD "c0 28 02 0101", false, BGP_V_OK, 0 },
	{ "type 0", GOOD "c0 00 01 00", false, BGP_V_OK, 0 },
};

START_TEST(rfc7606_7_what_each_fault_costs)
{
	decode_attrs(attr_faults[_i].ibgp ? &ibgp : &ebgp, attr_faults[_i].attrs, "08 0a");
	ck_assert_msg(
	    u.verdict == attr_faults[_i].verdict, "%s: verdict %d", attr_faults[_i].rfc, u.verdict);
	if (u.verdict != BGP_V_OK)
		ck_assert_msg(u.fault.subcode == attr_faults[_i].subcode, "%s: subcode %u",
		    attr_faults[_i].rfc, u.fault.subcode);
	if (u.verdict != BGP_V_RESET)
		ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
}
END_TEST

START_TEST(rfc4271_6_3_the_fault_carries_the_attribute)
{
	decode_attrs(&ebgp, "40 01 01 07 " GOOD_PATH GOOD_HOP, "08 0a");
	hex_equals(u.fault.data, u.fault.len, "40 01 01 07");
}
END_TEST

START_TEST(what_is_discarded_is_not_there)
{
	decode_attrs(&ebgp, GOOD "40 05 04 000000c8 80 09 04 01020304 80 0a 04 01020304", "08 0a");
	ck_assert(!u.attrs.has_local_pref && !u.attrs.has_originator_id);
	ck_assert_uint_eq(u.attrs.cluster_list.len, 0);
	decode_attrs(&ibgp, GOOD "40 05 04 000000c8 80 09 04 01020304 80 0a 04 01020304", "08 0a");
	ck_assert(u.attrs.has_local_pref && u.attrs.local_pref == 200);
	ck_assert_uint_eq(u.attrs.originator_id, 0x01020304);
	ck_assert_uint_eq(u.attrs.cluster_list.len, 4);
}
END_TEST

START_TEST(rfc4271_5_unknown_transitive_ones_are_kept_with_partial_by_type)
{
	char value[2 * 257 + 1], attrs[1024];

	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	snprintf(attrs, sizeof(attrs), GOOD "d0 64 0101 %s c0 63 01 aa 80 62 01 bb e0 0b 02 cccc",
	    value);
	decode_attrs(&ebgp, attrs, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_uint_eq(u.attrs.unknown.len, 5 + 4 + 4 + 257);
	hex_equals(u.attrs.unknown.p, 9, "e0 0b 02 cccc e0 63 01 aa");
	hex_equals(u.attrs.unknown.p + 9, 5, "f0 64 0101 aa");
}
END_TEST

/* "MUST NOT be set back to 0": there and back again, for each that can be passed on. */
START_TEST(rfc4271_5_the_partial_bit_is_kept)
{
	static const struct {
		const char *attr;
		uint8_t partial;
	} cases[] = { { "e0 07 08 0000fde8 c0000201", BGP_PARTIAL_AGGREGATOR },
		{ "e0 08 04 fde80001", BGP_PARTIAL_COMMUNITIES },
		{ "e0 10 08 0002fde800000001", BGP_PARTIAL_EXT },
		{ "e0 20 0c 0000fde8 00000001 00000002", BGP_PARTIAL_LARGE },
		{ "e0 23 04 0000fde8", BGP_PARTIAL_OTC } };
	char attrs[256];
	uint8_t out[256];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	snprintf(attrs, sizeof(attrs), GOOD "%s", cases[_i].attr);
	decode_attrs(&ebgp, attrs, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_uint_eq(u.attrs.partial, cases[_i].partial);
	bgp_attrs_encode(&w, &u.attrs, BGP_IPV4_UNICAST, true);
	hex_equals(out, w.len, attrs);
}
END_TEST

START_TEST(rfc4271_6_3_prefixes_that_are_no_destinations)
{
	static const struct {
		const char *text;
		bool martian;
	} cases[] = { { "0.0.0.0/0", false }, { "0.0.0.0/1", false }, { "0.0.0.0/8", true },
		{ "0.1.0.0/16", true }, { "1.0.0.0/8", false }, { "126.0.0.0/8", false },
		{ "126.0.0.0/7", false }, { "127.0.0.0/8", true }, { "127.0.0.1/32", true },
		{ "128.0.0.0/1", false }, { "192.0.0.0/2", false }, { "223.255.255.0/24", false },
		{ "224.0.0.0/3", true }, { "224.0.0.0/4", true }, { "239.1.1.1/32", true },
		{ "240.0.0.0/4", true }, { "255.255.255.255/32", true }, { "::/0", false },
		{ "::/128", true }, { "::1/128", true }, { "::2/128", false }, { "::/1", false },
		{ "::ffff:0:0/96", true }, { "::ffff:10.0.0.0/104", true },
		{ "::ffff:0:0/95", false }, { "64:ff9b::/96", false }, { "2001:db8::/32", false },
		{ "fc00::/7", false }, { "fe80::/10", true }, { "fe80::1/128", true },
		{ "febf::/16", true }, { "fec0::/10", false }, { "ff00::/8", true },
		{ "ff02::1/128", true } };
	struct prefix p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(prefix_parse(cases[i].text, &p, NULL), 0);
		ck_assert_msg(bgp_prefix_is_martian(&p) == cases[i].martian, "%s", cases[i].text);
	}
}
END_TEST

START_TEST(unknown_type_0_keeps_its_place)
{
	decode_attrs(&ebgp, GOOD "c0 63 01 aa c0 00 02 bbbb c0 0b 00", "08 0a");
	hex_equals(u.attrs.unknown.p, u.attrs.unknown.len, "e0 00 02 bbbb e0 0b 00 e0 63 01 aa");
}
END_TEST

/* ---- RFC 6793 4.2.3 ---- */

#define OLD_PATH "40 02 08 02 03 5ba0 5ba0 fde8 "

START_TEST(rfc6793_4_2_3_paths_are_merged)
{
	decode_attrs(
	    &old, GOOD_ORIGIN OLD_PATH GOOD_HOP "c0 11 0a 02 02 00010000 0000fde8", "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
}
END_TEST

START_TEST(rfc6793_4_2_3_order_of_attributes_does_not_matter) /* CVE-2026-41643's class */
{
	decode_attrs(
	    &old, "c0 11 0a 02 02 00010000 0000fde8 " GOOD_ORIGIN OLD_PATH GOOD_HOP, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(path_text(), "23456 65536 65000");
	/* and without an AS_PATH at all it is mandatory that is missing, nothing else */
	decode_attrs(&old, "c0 11 0a 02 02 00010000 0000fde8 " GOOD_ORIGIN GOOD_HOP, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_WITHDRAW);
}
END_TEST

START_TEST(rfc6793_4_2_3_a_longer_as4_path_is_ignored)
{
	decode_attrs(&old,
	    GOOD_ORIGIN OLD_PATH GOOD_HOP "c0 11 12 02 04 00010000 0000fde8 00000001 00000002",
	    "08 0a");
	ck_assert_str_eq(path_text(), "23456 23456 65000");
}
END_TEST

START_TEST(rfc6793_4_2_3_an_aggregator_with_a_real_number_ends_it)
{
	decode_attrs(&old,
	    GOOD_ORIGIN OLD_PATH GOOD_HOP "c0 07 06 fde8 c0000201 c0 11 0a 02 02 00010000 0000fde8 "
					  "c0 12 08 00010000 c0000202",
	    "08 0a");
	ck_assert_str_eq(path_text(), "23456 23456 65000");
	ck_assert_uint_eq(u.attrs.aggregator_as, 65000);
	decode_attrs(&old,
	    GOOD_ORIGIN OLD_PATH GOOD_HOP "c0 07 06 5ba0 c0000201 c0 11 0a 02 02 00010000 0000fde8 "
					  "c0 12 08 00010000 c0000202",
	    "08 0a");
	ck_assert_str_eq(path_text(), "23456 65536 65000");
	ck_assert_uint_eq(u.attrs.aggregator_as, 65536);
	ck_assert_uint_eq(u.attrs.aggregator_id, 0xc0000202);
}
END_TEST

START_TEST(rfc6793_6_malformed_as4_path_is_discarded)
{
	static const char *const bad[] = { "c0 11 00 ", "c0 11 06 05 01 00010000 ",
		"c0 11 06 02 02 00010000 ", "c0 11 06 02 01 00000000 " };
	char attrs[256];

	snprintf(attrs, sizeof(attrs), "%s" GOOD_ORIGIN OLD_PATH GOOD_HOP, bad[_i]);
	decode_attrs(&old, attrs, "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_ATTR_DISCARD);
	ck_assert_str_eq(path_text(), "23456 23456 65000");
}
END_TEST

/* ---- RFC 4724 2 ---- */

START_TEST(rfc4724_2_end_of_rib)
{
	decode(&ebgp, "0000 0000");
	ck_assert_int_eq(u.eor, BGP_IPV4_UNICAST);
	decode(&ebgp, "0000 0006 80 0f 03 0002 01");
	ck_assert_int_eq(u.eor, BGP_IPV6_UNICAST);
	decode(&ebgp, "0000 0007 90 0f 0003 0001 01");
	ck_assert_int_eq(u.eor, BGP_IPV4_UNICAST);
}
END_TEST

START_TEST(rfc4724_2_what_only_looks_like_it_is_not) /* CVE-2023-47235 */
{
	static const char *const not_eor[] = {
		"0002 080a 0000",			  /* a withdrawal */
		"0000 0009 80 0f 06 0002 01 10 2001",	  /* a withdrawal, IPv6 */
		"0000 000a 40 01 01 00 80 0f 03 0002 01", /* more than the empty attribute */
		"0000 000a 80 0f 03 0002 01 40 01 01 00",
		"0000 0006 40 0f 03 0002 01", /* wrong flags */
		"0000 0006 80 0f 03 0019 46", /* a family that is not ours */
		"0000 0003 40 01 00",
	};

	decode(&ebgp, not_eor[_i]);
	ck_assert_int_eq(u.eor, -1);
}
END_TEST

START_TEST(zero_length_attributes_and_lists_are_survived) /* CVE-2023-41358, 38406 */
{
	static const char *const texts[] = { "0000 0003 40 02 00 08 0a", "0000 0003 80 0e 00",
		"0000 0003 80 0f 00", "0000 0003 c0 63 00 08 0a", "0000 0003 40 03 00 08 0a",
		"0000 0000 08 0a" };

	decode(&ebgp, texts[_i]);
	ck_assert_int_ge(u.verdict, BGP_V_WITHDRAW);
}
END_TEST

START_TEST(withdrawn_and_announced_at_once_are_both_told)
{
	decode(&ebgp, "0002 08 0a 0014 " GOOD "08 0a");
	ck_assert_int_eq(u.verdict, BGP_V_OK);
	ck_assert_str_eq(nlri_text(u.withdrawn), "10.0.0.0/8 ");
	ck_assert_str_eq(nlri_text(u.nlri), "10.0.0.0/8 ");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("update");
	const int nr = (int)(sizeof(attr_faults) / sizeof(attr_faults[0]));

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, golden_ipv4);
	tcase_add_test(t, golden_ipv6);
	tcase_add_test(t, rfc2545_3_two_next_hops);
	tcase_add_test(t, rfc2545_3_link_local_next_hop_without_a_global_one);
	tcase_add_test(t, rfc4760_3_reserved_octet_is_ignored);
	tcase_add_test(t, rfc4760_6_families_that_were_not_negotiated_are_ignored);
	tcase_add_test(t, rfc8950_4_ipv6_next_hop_only_if_negotiated);
	tcase_add_test(t, rfc4271_4_3_trailing_bits_are_irrelevant);
	tcase_add_test(t, rfc4271_4_3_extended_length_is_read);
	tcase_add_test(t, every_truncation_is_survived);
	tcase_add_loop_test(t, rfc7606_3_b_lengths_beyond_the_message_reset, 0, 9);
	tcase_add_loop_test(t, rfc7606_3_c_wrong_flags_withdraw, 0, 7);
	tcase_add_test(t, rfc7606_3_c_partial_bit_is_not_looked_at);
	tcase_add_loop_test(t, rfc7606_3_d_mandatory_missing_withdraws, 0, 5);
	tcase_add_test(t, rfc7606_3_g_mp_attributes_twice_reset);
	tcase_add_test(t, rfc7606_3_g_of_others_the_first_counts);
	tcase_add_test(t, rfc7606_3_h_the_strongest_wins);
	tcase_add_loop_test(t, rfc7606_3_j_nlri_that_cannot_be_read_reset, 0, 5);
	tcase_add_test(t, rfc7606_5_3_withdrawn_routes_that_cannot_be_read_reset);
	tcase_add_loop_test(t, rfc7606_4_an_attribute_beyond_the_list_withdraws, 0, 6);
	tcase_add_test(t, rfc7606_5_2_nothing_to_withdraw_resets);
	tcase_add_test(t, rfc7606_5_2_an_empty_mp_reach_is_nothing_to_withdraw);
	tcase_add_test(t, rfc7606_5_2_does_not_reset_for_mp_unreach_alone);
	tcase_add_test(t, rfc7606_5_1_all_four_fields_in_one_update_are_read);
	tcase_add_loop_test(t, rfc7606_7_what_each_fault_costs, 0, nr);
	tcase_add_test(t, rfc4271_6_3_the_fault_carries_the_attribute);
	tcase_add_test(t, what_is_discarded_is_not_there);
	tcase_add_test(t, rfc4271_5_unknown_transitive_ones_are_kept_with_partial_by_type);
	tcase_add_loop_test(t, rfc4271_5_the_partial_bit_is_kept, 0, 5);
	tcase_add_test(t, rfc4271_6_3_prefixes_that_are_no_destinations);
	tcase_add_test(t, unknown_type_0_keeps_its_place);
	tcase_add_test(t, rfc6793_4_2_3_paths_are_merged);
	tcase_add_test(t, rfc6793_4_2_3_order_of_attributes_does_not_matter);
	tcase_add_test(t, rfc6793_4_2_3_a_longer_as4_path_is_ignored);
	tcase_add_test(t, rfc6793_4_2_3_an_aggregator_with_a_real_number_ends_it);
	tcase_add_loop_test(t, rfc6793_6_malformed_as4_path_is_discarded, 0, 4);
	tcase_add_test(t, rfc4724_2_end_of_rib);
	tcase_add_loop_test(t, rfc4724_2_what_only_looks_like_it_is_not, 0, 7);
	tcase_add_loop_test(t, zero_length_attributes_and_lists_are_survived, 0, 6);
	tcase_add_test(t, withdrawn_and_announced_at_once_are_both_told);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/update", add_tests)
