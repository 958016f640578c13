/*
 * tests/unit/bgpd/test_pack.c: UPDATEs put together: golden bytes, and random routes that are packed,
 * taken apart again and compared; AS paths.
 */
#include "bgpd/msg.h"
#include "bgpd/update.h"

#include "lib/buf.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define FF "ffffffffffffffffffffffffffffffff"

static uint8_t out[1 << 22];
static struct bgp_update u;

static struct prefix
prefix(const char *text)
{
	struct prefix p;

	ck_assert_int_eq(prefix_parse(text, &p, NULL), 0);
	return p;
}

static struct addr
addr(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(text, &a), 0);
	return a;
}

static const uint8_t path_65001[] = { 2, 1, 0, 0, 0xfd, 0xe9 };

static struct bgp_attrs
base_attrs(const char *hop)
{
	return (struct bgp_attrs){ .origin = BGP_ORIGIN_IGP,
		.next_hop = addr(hop),
		.as_path = { path_65001, sizeof(path_65001) } };
}

/* ---- golden ---- */

START_TEST(golden_announcement)
{
	struct bgp_attrs a = base_attrs("192.168.10.100");
	const struct prefix p = prefix("172.20.0.0/24"), q = prefix("172.16.1.1/32");
	struct bgp_pack k;

	bgp_pack_begin(&k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, BGP_IPV4_UNICAST, &a, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
	ck_assert_int_eq(bgp_pack_add(&k, &q), 0);
	hex_equals(out, bgp_pack_end(&k),
	    FF "0034 02 0000 0014 40 01 01 00 40 02 06 02 01 0000fde9 40 03 04 c0a80a64"
	       "18 ac1400 20 ac100101");
	ck_assert_uint_eq(k.nr_messages, 1);
}
END_TEST

START_TEST(golden_withdrawal)
{
	const struct prefix p = prefix("172.20.0.0/24"), q = prefix("0.0.0.0/0");
	struct bgp_pack k;

	bgp_pack_begin(
	    &k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, BGP_IPV4_UNICAST, NULL, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
	ck_assert_int_eq(bgp_pack_add(&k, &q), 0);
	hex_equals(out, bgp_pack_end(&k), FF "001c 02 0005 18 ac1400 00 0000");
}
END_TEST

START_TEST(rfc7606_5_1_mp_reach_is_first_and_alone)
{
	struct bgp_attrs a = base_attrs("2001:db8::1");
	const struct prefix p = prefix("fd00:1::/64");
	struct bgp_pack k;

	a.next_hop_ll = addr("fe80::2");
	bgp_pack_begin(&k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, BGP_IPV6_UNICAST, &a, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
	hex_equals(out, bgp_pack_end(&k),
	    FF "0056 02 0000 003f 90 0e 002e 0002 01 20 20010db8000000000000000000000001"
	       "fe800000000000000000000000000002 00 40 fd00000100000000"
	       "40 01 01 00 40 02 06 02 01 0000fde9");
}
END_TEST

START_TEST(golden_withdrawal_ipv6)
{
	const struct prefix p = prefix("fd00:1::/64");
	struct bgp_pack k;

	bgp_pack_begin(
	    &k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, BGP_IPV6_UNICAST, NULL, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
	hex_equals(
	    out, bgp_pack_end(&k), FF "0027 02 0000 0010 90 0f 000c 0002 01 40 fd00000100000000");
}
END_TEST

START_TEST(rfc4724_2_end_of_rib_is_written)
{
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	bgp_eor_encode(&w, BGP_IPV4_UNICAST);
	hex_equals(out, w.len, FF "0017 02 0000 0000");
	w = wire_wr_init(out, sizeof(out));
	bgp_eor_encode(&w, BGP_IPV6_UNICAST);
	hex_equals(out, w.len, FF "001d 02 0000 0006 80 0f 03 0002 01");
}
END_TEST

START_TEST(rfc4271_5_attributes_in_type_order)
{
	static const uint8_t comm[] = { 0xff, 0xff, 0xff, 1 }, ext[] = { 0, 2, 0, 0, 0, 0, 0, 1 },
			     large[] = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3 },
			     unknown[] = { 0xe0, 11, 1, 0xaa, 0xe0, 25, 1, 0xbb, 0xe0, 99, 1,
				     0xcc };
	struct bgp_attrs a = base_attrs("192.0.2.1");
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	a.has_med = a.has_local_pref = a.atomic_aggregate = a.has_aggregator = true;
	a.has_originator_id = a.has_otc = true;
	a.med = 1;
	a.local_pref = 2;
	a.aggregator_as = 65536;
	a.aggregator_id = 3;
	a.originator_id = 4;
	a.otc = 5;
	a.communities = (struct bgp_span){ comm, sizeof(comm) };
	a.ext_communities = (struct bgp_span){ ext, sizeof(ext) };
	a.large_communities = (struct bgp_span){ large, sizeof(large) };
	a.cluster_list = (struct bgp_span){ comm, sizeof(comm) };
	a.unknown = (struct bgp_span){ unknown, sizeof(unknown) };
	bgp_attrs_encode(&w, &a, BGP_IPV4_UNICAST, true);
	hex_equals(out, w.len,
	    "40 01 01 00 40 02 06 02 01 0000fde9 40 03 04 c0000201 80 04 04 00000001"
	    "40 05 04 00000002 40 06 00 c0 07 08 00010000 00000003 c0 08 04 ffffff01"
	    "80 09 04 00000004 80 0a 04 ffffff01 e0 0b 01 aa c0 10 08 0002000000000001 e0 19 01 bb"
	    "c0 20 0c 000000010000000200000003 c0 23 04 00000005 e0 63 01 cc");
}
END_TEST

START_TEST(rfc6793_4_2_2_towards_old_speakers)
{
	static const uint8_t path[] = { 2, 2, 0, 1, 0, 0, 0, 0, 0xfd, 0xe8 };
	struct bgp_attrs a = base_attrs("192.0.2.1");
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	a.as_path = (struct bgp_span){ path, sizeof(path) };
	a.has_aggregator = true;
	a.aggregator_as = 65536;
	a.aggregator_id = 3;
	bgp_attrs_encode(&w, &a, BGP_IPV4_UNICAST, false);
	hex_equals(out, w.len,
	    "40 01 01 00 40 02 06 02 02 5ba0 fde8 40 03 04 c0000201 c0 07 06 5ba0 00000003"
	    "c0 11 0a 02 02 00010000 0000fde8 c0 12 08 00010000 00000003");
	/* with small numbers only there is nothing to add */
	a.as_path = (struct bgp_span){ path_65001, sizeof(path_65001) };
	a.has_aggregator = false;
	w = wire_wr_init(out, sizeof(out));
	bgp_attrs_encode(&w, &a, BGP_IPV4_UNICAST, false);
	hex_equals(out, w.len, "40 01 01 00 40 02 04 02 01 fde9 40 03 04 c0000201");
}
END_TEST

/* ---- random ---- */

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

#define MAX_PREFIXES 6000

static struct prefix prefixes[MAX_PREFIXES];

static void
random_prefixes(enum bgp_family f, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct addr a = { .family = f == BGP_IPV4_UNICAST ? ADDR_V4 : ADDR_V6 };

		for (size_t b = 0; b < (f == BGP_IPV4_UNICAST ? 4u : 16u); b++)
			a.b[b] = (uint8_t)rnd(256);
		prefixes[i] = prefix_of(&a, rnd(f == BGP_IPV4_UNICAST ? 33 : 129));
	}
}

/* Take apart what was packed; the messages must hold prefixes[from..] in order. */
static size_t
take_apart(size_t len, size_t limit, enum bgp_family family, bool announce, size_t from,
    unsigned *messages)
{
	const struct bgp_update_ctx ctx = { .as4 = true, .ibgp = true, .families = 3 };
	struct wire_rd r = wire_rd_init(out, len);
	struct bgp_fault f;
	struct prefix p;
	uint16_t msg_len;
	uint8_t type;

	for (*messages = 0; wire_more(&r); ++*messages) {
		ck_assert_int_eq(bgp_header_decode(r, limit, &type, &msg_len, &f), 0);
		ck_assert_uint_eq(type, BGP_MSG_UPDATE);
		struct wire_rd msg = wire_sub(&r, msg_len);

		(void)wire_take(&msg, BGP_HEADER_LEN);
		bgp_update_decode(msg, &ctx, &u);
		ck_assert_int_eq(u.verdict, BGP_V_OK);
		ck_assert_int_eq(u.eor, -1);
		struct bgp_nlri *n = announce	 ? family == BGP_IPV4_UNICAST ? &u.nlri : &u.reach
		    : family == BGP_IPV4_UNICAST ? &u.withdrawn
						 : &u.unreach;

		/* RFC 7606 5.1: one field a message */
		ck_assert_int_eq(
		    u.nlri.present + u.reach.present + u.withdrawn.present + u.unreach.present, 1);
		ck_assert(n->present);
		while (bgp_nlri_next(n, &p))
			ck_assert(prefix_eq(&p, &prefixes[from++]));
	}
	ck_assert(wire_done(&r));
	return from;
}

/* The fewest messages that these prefixes need, counted on its own. */
static unsigned
fewest(size_t nr, size_t overhead, size_t limit)
{
	size_t used = limit + 1;
	unsigned messages = 0;

	for (size_t i = 0; i < nr; i++) {
		const size_t len = 1 + (prefixes[i].len + 7u) / 8;

		if (used + len > limit) {
			messages++;
			used = overhead;
		}
		used += len;
	}
	return messages;
}

START_TEST(what_is_packed_can_be_taken_apart)
{
	static uint8_t communities[8000];

	seed = (uint32_t)_i + 1;
	for (int round = 0; round < 20; round++) {
		const enum bgp_family family = (enum bgp_family)rnd(2);
		const size_t limit = rnd(2) ? BGP_MAX_LEN : BGP_MAX_EXT_LEN;
		const bool announce = rnd(4) > 0;
		const size_t nr = 1 + rnd(MAX_PREFIXES - 1);
		struct bgp_attrs a =
		    base_attrs(family == BGP_IPV4_UNICAST ? "192.0.2.1" : "fd00::1");
		struct wire_wr w;
		struct bgp_pack k;
		size_t attrs_len, len;
		unsigned messages;

		a.communities =
		    (struct bgp_span){ communities, 4 * rnd(limit == BGP_MAX_LEN ? 900 : 2000) };
		w = wire_wr_init(out, sizeof(out));
		bgp_attrs_encode(&w, &a, family, true);
		attrs_len = w.len;
		random_prefixes(family, nr);
		bgp_pack_begin(
		    &k, wire_wr_init(out, sizeof(out)), limit, family, announce ? &a : NULL, true);
		for (size_t i = 0; i < nr; i++)
			ck_assert_int_eq(bgp_pack_add(&k, &prefixes[i]), 0);
		len = bgp_pack_end(&k);
		ck_assert_uint_eq(take_apart(len, limit, family, announce, 0, &messages), nr);
		ck_assert_uint_eq(messages, k.nr_messages);
		const size_t overhead = BGP_HEADER_LEN + 4 + (announce ? attrs_len : 0) +
		    (family == BGP_IPV4_UNICAST ? 0 : 4 + 3 + (announce ? 1 + 16 + 1u : 0));

		ck_assert_uint_eq(messages, fewest(nr, overhead, limit));
	}
}
END_TEST

START_TEST(a_small_buffer_takes_whole_messages_only)
{
	struct bgp_attrs a = base_attrs("192.0.2.1");
	unsigned messages;

	random_prefixes(BGP_IPV4_UNICAST, 200);
	for (size_t size = 0; size < 400; size++) {
		struct bgp_pack k;
		size_t nr = 0, len;
		int err = 0;

		bgp_pack_begin(
		    &k, wire_wr_init(out, size), BGP_MAX_LEN, BGP_IPV4_UNICAST, &a, true);
		while (nr < 200 && (err = bgp_pack_add(&k, &prefixes[nr])) == 0)
			nr++;
		ck_assert_int_eq(err, -ENOSPC);
		len = bgp_pack_end(&k);
		ck_assert_uint_le(len, size);
		ck_assert_uint_eq(
		    take_apart(len, BGP_MAX_LEN, BGP_IPV4_UNICAST, true, 0, &messages), nr);
	}
}
END_TEST

START_TEST(attributes_that_fill_a_message_are_refused)
{
	static uint8_t communities[4096];
	struct bgp_attrs a = base_attrs(_i ? "fd00::1" : "192.0.2.1");
	const enum bgp_family family = _i ? BGP_IPV6_UNICAST : BGP_IPV4_UNICAST;
	struct prefix p = prefix(_i ? "fd00::/64" : "10.0.0.0/8");
	struct bgp_pack k;

	a.communities = (struct bgp_span){ communities, 4060 };
	bgp_pack_begin(&k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, family, &a, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), -EMSGSIZE);
	ck_assert_uint_eq(bgp_pack_end(&k), 0);
	bgp_pack_begin(&k, wire_wr_init(out, sizeof(out)), BGP_MAX_EXT_LEN, family, &a, true);
	ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
}
END_TEST

/* ---- AS paths ---- */

static const char *
path_text(struct bgp_span s)
{
	static char text[16384];
	struct buf b;

	buf_init(&b, 1 << 20);
	bgp_as_path_format(s, &b);
	snprintf(text, sizeof(text), "%s", buf_text(&b));
	buf_fini(&b);
	return text;
}

START_TEST(as_paths)
{
	static const struct {
		const char *hex, *text;
		unsigned len;
		uint32_t first;
	} cases[] = {
		{ "", "", 0, 0 },
		{ "02 01 0000fde9", "65001", 1, 65001 },
		{ "02 02 0000fde9 00010000", "65001 65536", 2, 65001 },
		{ "01 02 00000001 00000002", "{1,2}", 1, 0 },
		{ "02 01 0000fde9 01 02 00000001 00000002", "65001 {1,2}", 2, 65001 },
		{ "03 02 00000001 00000002 02 01 00000003", "(1 2) 3", 1, 0 },
		{ "04 02 00000001 00000002", "[1,2]", 0, 0 },
	};
	struct hex h = hex_parse(cases[_i].hex);
	const struct bgp_span s = { h.p, (uint32_t)h.len };

	ck_assert_str_eq(path_text(s), cases[_i].text);
	ck_assert_uint_eq(bgp_as_path_len(s), cases[_i].len);
	ck_assert_uint_eq(bgp_as_path_first(s), cases[_i].first);
	free(h.p);
}
END_TEST

START_TEST(rfc4271_5_1_2_prepending)
{
	static const struct {
		const char *path, *want;
		unsigned n;
	} cases[] = {
		{ "", "02 01 0000fde9", 1 },
		{ "", "", 0 },
		{ "02 01 00000007", "02 02 0000fde9 00000007", 1 },
		{ "02 01 00000007", "02 04 0000fde9 0000fde9 0000fde9 00000007", 3 },
		{ "02 01 00000007", "02 01 00000007", 0 },
		{ "01 01 00000007", "02 01 0000fde9 01 01 00000007", 1 }, /* not into a set */
		{ "02 01 00000007 01 01 00000008", "02 02 0000fde9 00000007 01 01 00000008", 1 },
	};
	struct hex h = hex_parse(cases[_i].path);
	struct wire_wr w = wire_wr_init(out, sizeof(out));

	ck_assert_int_eq(
	    bgp_as_path_prepend((struct bgp_span){ h.p, (uint32_t)h.len }, 65001, cases[_i].n, &w),
	    0);
	hex_equals(out, w.len, cases[_i].want);
	free(h.p);
}
END_TEST

START_TEST(a_full_segment_gets_another_in_front)
{
	static uint8_t path[2 + 255 * 4], two[4096];
	struct wire_wr w = wire_wr_init(path, sizeof(path));

	wire_put_u8(&w, 2);
	wire_put_u8(&w, 255);
	for (uint32_t i = 1; i <= 255; i++)
		wire_put_u32(&w, i);
	w = wire_wr_init(two, sizeof(two));
	ck_assert_int_eq(
	    bgp_as_path_prepend((struct bgp_span){ path, sizeof(path) }, 65001, 2, &w), 0);
	const struct bgp_span s = { two, (uint32_t)w.len };

	ck_assert_uint_eq(bgp_as_path_len(s), 257);
	ck_assert_uint_eq(bgp_as_path_first(s), 65001);
	ck_assert_uint_eq(bgp_as_path_count(s, 65001), 2);
	ck_assert_int_eq(strncmp(path_text(s), "65001 65001 1 2 3 ", 18), 0);
	w = wire_wr_init(two, 100);
	ck_assert_int_eq(
	    bgp_as_path_prepend((struct bgp_span){ path, sizeof(path) }, 65001, 2, &w), -ENOSPC);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("pack");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, golden_announcement);
	tcase_add_test(t, golden_withdrawal);
	tcase_add_test(t, rfc7606_5_1_mp_reach_is_first_and_alone);
	tcase_add_test(t, golden_withdrawal_ipv6);
	tcase_add_test(t, rfc4724_2_end_of_rib_is_written);
	tcase_add_test(t, rfc4271_5_attributes_in_type_order);
	tcase_add_test(t, rfc6793_4_2_2_towards_old_speakers);
	tcase_add_loop_test(t, what_is_packed_can_be_taken_apart, 0, 8);
	tcase_add_test(t, a_small_buffer_takes_whole_messages_only);
	tcase_add_loop_test(t, attributes_that_fill_a_message_are_refused, 0, 2);
	tcase_add_loop_test(t, as_paths, 0, 7);
	tcase_add_loop_test(t, rfc4271_5_1_2_prepending, 0, 7);
	tcase_add_test(t, a_full_segment_gets_another_in_front);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/pack", add_tests)
