/*
 * tests/unit/bgpd/test_open.c: OPEN and its capabilities, both ways, and everything that can be wrong
 * with them before anybody has proved who he is.
 */
#include "bgpd/msg.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define FF "ffffffffffffffffffffffffffffffff"

static struct bgp_open o;
static struct bgp_fault f;

static int
decode(const char *text)
{
	struct hex h = hex_parse(text);
	int err = bgp_open_decode(wire_rd_init(h.p, h.len), &o, &f);

	free(h.p);
	return err;
}

/* What FRR 8.4 sends as AS 65000, written down from its capability list: MP IPv4, refresh, 4-octet
 * AS, extended message, enhanced refresh, GR with restart flag and one family. */
#define FRR                                                                                        \
	"04 fde8 00b4 c0a80ac8 22"                                                                 \
	"0206 0104 0001 00 01"                                                                     \
	"0202 0200"                                                                                \
	"0206 4104 0000fde8"                                                                       \
	"0202 0600 "                                                                               \
	"0208 4006 8078 0001 01 80"

START_TEST(golden_open_is_understood)
{
	ck_assert_int_eq(decode(FRR), 0);
	ck_assert_uint_eq(o.version, 4);
	ck_assert_uint_eq(o.as, 65000);
	ck_assert_uint_eq(o.hold_s, 180);
	ck_assert_uint_eq(o.id, 0xc0a80ac8);
	ck_assert_uint_eq(o.caps.families, BGP_FAMILY_MASK(BGP_IPV4_UNICAST));
	ck_assert(o.caps.mp && o.caps.refresh && o.caps.as4 && o.caps.ext_msg && o.caps.gr);
	ck_assert(o.caps.gr_restarting);
	ck_assert(!o.caps.gr_notification);
	ck_assert_uint_eq(o.caps.gr_time_s, 120);
	ck_assert_uint_eq(o.caps.gr_families, 1);
	ck_assert_uint_eq(o.caps.gr_forwarding, 1);
}
END_TEST

START_TEST(every_truncation_is_refused_within_bounds)
{
	struct hex h = hex_parse(FRR);
	uint8_t *cut;

	for (size_t len = 0; len < h.len; len++) {
		cut = malloc(len ? len : 1);
		memcpy(cut, h.p, len);
		ck_assert_int_eq(bgp_open_decode(wire_rd_init(cut, len), &o, &f), -EBADMSG);
		ck_assert_uint_eq(f.code, BGP_ERR_OPEN);
		free(cut);
	}
	free(h.p);
}
END_TEST

START_TEST(golden_open_is_written)
{
	const struct bgp_open ours = {
		.version = 4,
		.as = 65001,
		.as2 = 65001,
		.hold_s = 9,
		.id = 0xc0a80a64,
		.caps = { .families = 3,
		    .refresh = true,
		    .as4 = true,
		    .as4_number = 65001,
		    .ext_msg = true,
		    .gr = true,
		    .gr_restarting = true,
		    .gr_notification = true,
		    .gr_time_s = 15,
		    .gr_families = 3,
		    .gr_forwarding = 1,
		    .host = "k8s-w1" },
	};
	uint8_t out[256];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	bgp_open_encode(&w, &ours);
	hex_equals(out, w.len,
	    FF "004b 01 04 fde9 0009 c0a80a64 2e 02 2c"
	       "0104 00010001 0104 00020001 0200 0600 400a c00f 00010180 00020100 4104 0000fde9"
	       "4908 06 6b38732d7731 00");
	ck_assert_int_eq(
	    bgp_open_decode(wire_rd_init(out + BGP_HEADER_LEN, w.len - BGP_HEADER_LEN), &o, &f), 0);
	ck_assert_str_eq(o.caps.host, "k8s-w1");
	ck_assert_uint_eq(o.caps.gr_forwarding, 1);
}
END_TEST

/* Two families with all reserved bits set, one of them unknown here; then ours, which has none. */
START_TEST(rfc9494_3_1_long_lived_fields)
{
	const struct bgp_open ours = {
		.as = 65001,
		.as2 = 65001,
		.hold_s = 9,
		.id = 1,
		.caps = { .gr = true,
		    .llgr_families = 3,
		    .llgr_forwarding = 2,
		    .llgr_time_s = { 0xffffff, 0x010203 } },
	};
	uint8_t out[256];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 1d 02 1b 4002 0078"
				"4715 0001 01 7f 000e10 0002 01 ff ffffff 0001 80 80 000001"),
	    0);
	ck_assert_uint_eq(o.caps.llgr_families, 3);
	ck_assert_uint_eq(o.caps.llgr_forwarding, 2);
	ck_assert_uint_eq(o.caps.llgr_time_s[BGP_IPV4_UNICAST], 3600);
	ck_assert_uint_eq(o.caps.llgr_time_s[BGP_IPV6_UNICAST], 0xffffff);
	bgp_open_encode(&w, &ours);
	hex_equals(out, w.len,
	    FF "0033 01 04 fde9 0009 00000001 16 02 14 4002 0000"
	       "470e 0001 01 00 ffffff 0002 01 80 010203");
}
END_TEST

/* Not a multiple of seven; without graceful restart beside it (4.1, 4.5). */
START_TEST(rfc9494_4_1_without_graceful_restart_it_is_not_there)
{
	ck_assert_int_eq(
	    decode("04 fde8 00b4 c0a80ac8 0f 02 0d 4002 0078 4707 0001 01 80 000e10"), 0);
	ck_assert_uint_eq(o.caps.llgr_families, 1);
	ck_assert_int_eq(
	    decode("04 fde8 00b4 c0a80ac8 10 02 0e 4002 0078 4708 0001 01 80 000e10 00"), 0);
	ck_assert_uint_eq(o.caps.llgr_families, 0);
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 0b 02 09 4707 0001 01 80 000e10"), 0);
	ck_assert_uint_eq(o.caps.llgr_families, 0);
}
END_TEST

START_TEST(rfc4271_4_2_no_parameters_means_ipv4_and_two_octets)
{
	ck_assert_int_eq(decode("04 fde8 0000 c0a80ac8 00"), 0);
	ck_assert_uint_eq(o.caps.families, BGP_FAMILY_MASK(BGP_IPV4_UNICAST));
	ck_assert(!o.caps.mp && !o.caps.as4);
	ck_assert_uint_eq(o.hold_s, 0); /* RFC 4271 4.2: zero is legal */
	ck_assert_uint_eq(o.as, 65000);
}
END_TEST

START_TEST(rfc4271_6_2_faults)
{
	static const struct {
		const char *text;
		unsigned subcode;
		const char *data;
	} bad[] = {
		{ "03 fde8 00b4 c0a80ac8 00", BGP_OPEN_VERSION, "0004" },
		{ "05 fde8 00b4 c0a80ac8 00", BGP_OPEN_VERSION, "0004" },
		{ "04 0000 00b4 c0a80ac8 00", BGP_OPEN_PEER_AS, "" }, /* RFC 7607 2 */
		{ "04 fde8 00b4 c0a80ac8 08 0206 4104 00000000", BGP_OPEN_PEER_AS, "" },
		{ "04 fde8 00b4 00000000 00", BGP_OPEN_ID, "" }, /* RFC 6286 2.1 */
		{ "04 fde8 0001 c0a80ac8 00", BGP_OPEN_HOLD_TIME, "" },
		{ "04 fde8 0002 c0a80ac8 00", BGP_OPEN_HOLD_TIME, "" },
		{ "04 fde8 00b4 c0a80ac8 02 0100", BGP_OPEN_OPT_PARAM, "" },
		{ "04 fde8 00b4 c0a80ac8 02 0700", BGP_OPEN_OPT_PARAM, "" },
		{ "04 fde8 00b4 c0a80ac8 01 02", BGP_OPEN_UNSPEC, "" }, /* CVE-2022-43681 */
		{ "04 fde8 00b4 c0a80ac8 02 0201", BGP_OPEN_UNSPEC, "" },
		{ "04 fde8 00b4 c0a80ac8 03 0201 41", BGP_OPEN_UNSPEC, "" },
		{ "04 fde8 00b4 c0a80ac8 04 0202 4104", BGP_OPEN_UNSPEC, "" }, /* CVE-2022-37032 */
		{ "04 fde8 00b4 c0a80ac8 00 00", BGP_OPEN_UNSPEC, "" },	       /* bytes left over */
		{ "04 fde8 00b4 c0a80ac8 09 0200", BGP_OPEN_UNSPEC, "" },
	};

	ck_assert_int_eq(decode(bad[_i].text), -EBADMSG);
	ck_assert_uint_eq(f.code, BGP_ERR_OPEN);
	ck_assert_uint_eq(f.subcode, bad[_i].subcode);
	hex_equals(f.data, f.len, bad[_i].data);
}
END_TEST

START_TEST(rfc9072_2_extended_parameters_are_read)
{
	/* Type 02, length in two octets. */
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 ff ff 0009 02 0006 4104 0001 0000"), 0);
	ck_assert_uint_eq(o.as, 65536);
	/* A one-octet length other than 255 in front is fine too, when the type says extended. */
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 0c ff 0009 02 0006 4104 0001 0000"), 0);
	ck_assert_uint_eq(o.as, 65536);
}
END_TEST

START_TEST(rfc9072_2_extended_parameters_cut_short) /* CVE-2022-40302, 40318 */
{
	static const char *const bad[] = { "04 fde8 00b4 c0a80ac8 ff ff",
		"04 fde8 00b4 c0a80ac8 ff ff 00", "04 fde8 00b4 c0a80ac8 ff ff 0002 02",
		"04 fde8 00b4 c0a80ac8 ff ff 0002 02 00",
		"04 fde8 00b4 c0a80ac8 ff ff 0003 02 0001",
		"04 fde8 00b4 c0a80ac8 ff ff ffff 02 0000",
		"04 fde8 00b4 c0a80ac8 ff ff 0009 02 0007 4104 0001 0000" };

	ck_assert_int_eq(decode(bad[_i]), -EBADMSG);
	ck_assert_uint_eq(f.subcode, BGP_OPEN_UNSPEC);
}
END_TEST

START_TEST(rfc9072_2_written_only_when_needed)
{
	struct bgp_open ours = { .version = 4,
		.as2 = 1,
		.hold_s = 90,
		.id = 1,
		.caps = { .families = 3,
		    .as4 = true,
		    .as4_number = 1,
		    .gr = true,
		    .gr_families = 3,
		    .refresh = true,
		    .ext_msg = true,
		    .ext_next_hop = 3 } };
	uint8_t out[512];
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	memset(ours.caps.host, 'h', sizeof(ours.caps.host) - 1);
	bgp_open_encode(&w, &ours);
	ck_assert_uint_eq(out[28], w.len - 29); /* short form: the length of what follows */
	memset(ours.caps.domain, 'd', sizeof(ours.caps.domain) - 1);
	w = wire_wr_init(out, sizeof(out));
	bgp_open_encode(&w, &ours);
	ck_assert_int_eq(
	    bgp_open_decode(wire_rd_init(out + BGP_HEADER_LEN, w.len - BGP_HEADER_LEN), &o, &f), 0);
	ck_assert_uint_eq(strlen(o.caps.domain), 64);
	ck_assert_uint_eq(o.caps.ext_next_hop, 3);
}
END_TEST

START_TEST(rfc5492_3_unknown_capabilities_are_ignored)
{
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 0a 0208 fe02 0000 0200 8000"), 0);
	ck_assert(o.caps.refresh);
	ck_assert(o.caps.unknown[0xfe / 8] & 1 << 0xfe % 8);
	ck_assert(o.caps.unknown[0x80 / 8] & 1);
}
END_TEST

START_TEST(rfc5492_4_the_same_capability_twice_is_harmless)
{
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 1c 0206 0104 00010001 0206 0104 00010001"
				"0202 0200 0202 0200 0200 0200"),
	    0);
	ck_assert_uint_eq(o.caps.families, 1);
}
END_TEST

/* A capability of the wrong length is as if it was not there. */
START_TEST(broken_capabilities_are_left_out)
{
	static const char *const bad[] = {
		"0103 000100", /* MP */
		"0105 0001000100",
		"0201 00",     /* refresh */
		"4103 00fde8", /* AS4: CVE-2022-36440's class */
		"4105 0000fde800",
		"4001 80", /* GR */
		"4005 8078000101",
		"0503 000100", /* extended next hop */
		"4900",	       /* FQDN */
		"4902 0561",   /* FQDN with a lying length */
		"4903 016105",
	};
	char text[128];
	struct hex h = hex_parse(bad[_i]);
	const size_t len = h.len;

	free(h.p);
	snprintf(
	    text, sizeof(text), "04 fde8 00b4 c0a80ac8 %02zx 02 %02zx %s", len + 2, len, bad[_i]);
	ck_assert_int_eq(decode(text), 0);
	ck_assert(!o.caps.mp && !o.caps.refresh && !o.caps.as4 && !o.caps.gr);
	ck_assert_uint_eq(o.caps.ext_next_hop, 0);
	ck_assert_str_eq(o.caps.host, "");
}
END_TEST

START_TEST(rfc4760_8_families_of_others_only_leave_none)
{
	/* L2VPN EVPN alone: no family that we have, and IPv4 unicast is not implied. */
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 08 0206 0104 00190046"), 0);
	ck_assert_uint_eq(o.caps.families, 0);
	ck_assert(o.caps.mp);
}
END_TEST

START_TEST(rfc4724_3_graceful_restart_fields)
{
	ck_assert_int_eq(
	    decode("04 fde8 00b4 c0a80ac8 12 0210 400e 4fff 00010100 00020180 00194680"), 0);
	ck_assert(o.caps.gr);
	ck_assert(!o.caps.gr_restarting);
	ck_assert(o.caps.gr_notification); /* RFC 8538 2 */
	ck_assert_uint_eq(o.caps.gr_time_s, 4095);
	ck_assert_uint_eq(o.caps.gr_families, 3);
	ck_assert_uint_eq(o.caps.gr_forwarding, 2);
}
END_TEST

START_TEST(host_names_are_made_printable)
{
	ck_assert_int_eq(decode("04 fde8 00b4 c0a80ac8 09 0207 4905 0361 1b 62 00"), 0);
	ck_assert_str_eq(o.caps.host, "a?b");
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("open");

	tcase_add_test(t, golden_open_is_understood);
	tcase_add_test(t, every_truncation_is_refused_within_bounds);
	tcase_add_test(t, golden_open_is_written);
	tcase_add_test(t, rfc4271_4_2_no_parameters_means_ipv4_and_two_octets);
	tcase_add_loop_test(t, rfc4271_6_2_faults, 0, 15);
	tcase_add_test(t, rfc9072_2_extended_parameters_are_read);
	tcase_add_loop_test(t, rfc9072_2_extended_parameters_cut_short, 0, 7);
	tcase_add_test(t, rfc9072_2_written_only_when_needed);
	tcase_add_test(t, rfc9494_3_1_long_lived_fields);
	tcase_add_test(t, rfc9494_4_1_without_graceful_restart_it_is_not_there);
	tcase_add_test(t, rfc5492_3_unknown_capabilities_are_ignored);
	tcase_add_test(t, rfc5492_4_the_same_capability_twice_is_harmless);
	tcase_add_loop_test(t, broken_capabilities_are_left_out, 0, 11);
	tcase_add_test(t, rfc4760_8_families_of_others_only_leave_none);
	tcase_add_test(t, rfc4724_3_graceful_restart_fields);
	tcase_add_test(t, host_names_are_made_printable);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/open", add_tests)
