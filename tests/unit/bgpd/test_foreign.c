/*
 * tests/unit/bgpd/test_foreign.c: messages as FRR 8.4.4, BIRD 2.0.12 and GoBGP 3.10 put them on the
 * wire, recorded from their sessions.  They must mean what those were configured to say; and where
 * we write attributes in the same form, we must write the same bytes.
 */
#include "bgpd/msg.h"
#include "bgpd/update.h"

#include "lib/buf.h"

#include "tests/unit/bgpd/hex.h"
#include "tests/unit/unit.h"

/* ---- OPEN ---- */

#define FRR_OPEN                                                                                   \
	"04 fde8 00b4 c0000201 5c 0206 010400010001 0206 010400020001 0202 8000 0202 0200"         \
	"0202 4600 0206 41040000fde8 0202 0600 020a 450800010101 00020101 0206 490402723100"       \
	"020c 400ac078 00010100 00020100 0210 470e 00010180000000 00020180000000"
#define BIRD_OPEN                                                                                  \
	"04 fde8 005a c0000201 28 0226 010400010001 010400020001 0200 0600"                        \
	"400a 0078 00010100 00020100 41040000fde8 4600 4700"
#define GOBGP_OPEN                                                                                 \
	"04 5ba0 005a c0000201 28 0226 0200 490402766d00 010400010001 010400020001 4104fa56ea02"   \
	"40020014 0506000100010002"

static const struct {
	const char *who, *body, *host;
	uint32_t as;
	uint16_t hold_s, gr_time_s;
	unsigned gr_families, ext_next_hop;
	bool restarting, notification, ext_msg, enhanced_refresh;
} opens[] = {
	{ "FRR", FRR_OPEN, "r1", 65000, 180, 120, 3, 0, true, true, true, true },
	{ "BIRD", BIRD_OPEN, "", 65000, 90, 120, 3, 0, false, false, true, true },
	{ "GoBGP", GOBGP_OPEN, "vm", 4200000002, 90, 20, 0, 1, false, false, false, false },
};

START_TEST(open_of_others)
{
	struct hex h = hex_parse(opens[_i].body);
	struct bgp_open o;
	struct bgp_fault f;

	ck_assert_int_eq(bgp_open_decode(wire_rd_init(h.p, h.len), &o, &f), 0);
	ck_assert_uint_eq(o.as, opens[_i].as);
	ck_assert_uint_eq(o.hold_s, opens[_i].hold_s);
	ck_assert_uint_eq(o.id, 0xc0000201);
	ck_assert_uint_eq(o.caps.families, 3);
	ck_assert(o.caps.refresh && o.caps.as4 && o.caps.gr);
	ck_assert_uint_eq(o.caps.gr_time_s, opens[_i].gr_time_s);
	ck_assert_uint_eq(o.caps.gr_families, opens[_i].gr_families);
	ck_assert_uint_eq(o.caps.gr_forwarding, 0);
	ck_assert(o.caps.gr_restarting == opens[_i].restarting);
	ck_assert(o.caps.gr_notification == opens[_i].notification);
	ck_assert(o.caps.ext_msg == opens[_i].ext_msg);
	ck_assert(o.caps.enhanced_refresh == opens[_i].enhanced_refresh);
	ck_assert_uint_eq(o.caps.ext_next_hop, opens[_i].ext_next_hop);
	ck_assert_str_eq(o.caps.host, opens[_i].host);
	free(h.p);
}
END_TEST

START_TEST(open_of_others_cut_anywhere)
{
	struct hex h = hex_parse(opens[_i].body);
	struct bgp_open o;
	struct bgp_fault f;

	for (size_t len = 0; len < h.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, h.p, len);
		ck_assert_int_lt(bgp_open_decode(wire_rd_init(cut, len), &o, &f), 0);
		ck_assert_uint_eq(f.code, BGP_ERR_OPEN);
		free(cut);
	}
	free(h.p);
}
END_TEST

/* ---- UPDATE ---- */

static const struct {
	const char *who;
	bool as4;
	bool same_form; /* as ours: the bytes must come out again */
	const char *body, *means;
} updates[] = {
	{ "FRR, aggregate", true, false,
	    "0000 0027 400101 00 5002 0006 0201 0000fde8 400304 c0000201 800404 00000000"
	    "c00708 0000fde8 c0000201 10 0a09",
	    "igp|65000|192.0.2.1|med 0|aggregator 65000|10.9.0.0/16" },
	{ "FRR, IPv6 with a mapped next hop", true, false,
	    "0000 0035 900e001c 0002 01 10 00000000000000000000ffffc0000201 00 30 20010db80001"
	    "400101 00 5002 0006 0201 0000fde8 800404 00000000",
	    "igp|65000|::ffff:192.0.2.1|med 0|2001:db8:1::/48" },
	{ "BIRD, communities of all kinds", true, true,
	    "0000 0035 400101 00 400206 0201 0000fde8 400304 c0000201 c00804 fde80001"
	    "c01008 0002fde800000007 c0200c 0000fde80000000200000003 18 0a0100",
	    "igp|65000|192.0.2.1|c fde80001|e 0002fde800000007|l 0000fde80000000200000003|"
	    "10.1.0.0/24" },
	{ "BIRD, a four-octet AS", true, true,
	    "0000 0023 400101 00 40020e 0203 0000fde8 00000007 fa56ea01 400304 c0000201"
	    "c00804 ffffff01 11 0a0200",
	    "igp|65000 7 4200000001|192.0.2.1|c ffffff01|10.2.0.0/17" },
	{ "BIRD, IPv6 with two next hops", true, true,
	    "0000 003d 900e002c 0002 01 20 20010db8000000000000000000000001"
	    "fe800000000000004c4677fffe33947d 00 30 20010db80001 400101 00 400206 0201 0000fde8",
	    "igp|65000|2001:db8::1 fe80::4c46:77ff:fe33:947d|2001:db8:1::/48" },
	{ "BIRD to an old speaker", false, true,
	    "0000 0033 400101 00 400204 0201 fde8 400304 c0000201 c00804 fde80001"
	    "c01008 0002fde800000007 c0200c 0000fde80000000200000003 18 0a0100",
	    "igp|65000|192.0.2.1|c fde80001|e 0002fde800000007|l 0000fde80000000200000003|"
	    "10.1.0.0/24" },
	{ "BIRD to an old speaker, AS_TRANS", false, true,
	    "0000 002e 400101 00 400208 0203 fde8 0007 5ba0 400304 c0000201 c00804 ffffff01"
	    "c0110e 0203 0000fde8 00000007 fa56ea01 11 0a0200",
	    "igp|65000 7 4200000001|192.0.2.1|c ffffff01|10.2.0.0/17" },
	{ "BIRD to an old speaker, IPv6", false, true,
	    "0000 003b 900e002c 0002 01 20 20010db8000000000000000000000001"
	    "fe800000000000004c4677fffe33947d 00 30 20010db80001 400101 00 400204 0201 fde8",
	    "igp|65000|2001:db8::1 fe80::4c46:77ff:fe33:947d|2001:db8:1::/48" },
	{ "GoBGP, communities of all kinds", true, true,
	    "0000 003c 400101 02 400206 0201 fa56ea02 400304 c0000201 800404 00000032"
	    "c00804 fde80001 c01008 0002fde800000007 c0200c 0000fde80000000200000003 18 0a0100",
	    "incomplete|4200000002|192.0.2.1|med 50|c fde80001|e 0002fde800000007|"
	    "l 0000fde80000000200000003|10.1.0.0/24" },
	{ "GoBGP, MP_REACH_NLRI last", true, false,
	    "0000 002c 400101 02 400206 0201 fa56ea02 800e1c 0002 01 10"
	    "20010db8000000000000000000000001 00 30 20010db80001",
	    "incomplete|4200000002|2001:db8::1|2001:db8:1::/48" },
};

#define NR_UPDATES ((int)(sizeof(updates) / sizeof(updates[0])))

static struct bgp_update u;

static struct bgp_update_ctx
session(int i)
{
	return (struct bgp_update_ctx){ .as4 = updates[i].as4, .families = 3, .local_as = 65001 };
}

static void
put_hex(struct buf *b, const char *name, struct bgp_span s)
{
	if (!s.len)
		return;
	buf_printf(b, "|%s ", name);
	for (uint32_t i = 0; i < s.len; i++)
		buf_printf(b, "%02x", s.p[i]);
}

/* What was announced, as one line. */
static void
describe(struct buf *b)
{
	static const char *const origins[] = { "igp", "egp", "incomplete" };
	const struct bgp_attrs *a = &u.attrs;
	struct bgp_nlri n = u.nlri.present ? u.nlri : u.reach;
	const struct addr *hop = u.nlri.present ? &a->next_hop : &u.reach_next_hop;
	struct prefix p;

	buf_printf(b, "%s|", origins[a->origin]);
	bgp_as_path_format(a->as_path, b);
	buf_printf(b, "|%s", addr_str(hop));
	if (addr_is_set(&u.reach_next_hop_ll))
		buf_printf(b, " %s", addr_str(&u.reach_next_hop_ll));
	if (a->has_med)
		buf_printf(b, "|med %u", a->med);
	if (a->has_aggregator)
		buf_printf(b, "|aggregator %u", a->aggregator_as);
	put_hex(b, "c", a->communities);
	put_hex(b, "e", a->ext_communities);
	put_hex(b, "l", a->large_communities);
	while (n.present && bgp_nlri_next(&n, &p))
		buf_printf(b, "|%s", prefix_str(&p));
}

START_TEST(update_of_others)
{
	struct hex h = hex_parse(updates[_i].body);
	const struct bgp_update_ctx ctx = session(_i);
	struct buf b;

	bgp_update_decode(wire_rd_init(h.p, h.len), &ctx, &u);
	ck_assert_msg(u.verdict == BGP_V_OK, "%s: verdict %d", updates[_i].who, u.verdict);
	buf_init(&b, 4096);
	describe(&b);
	ck_assert_str_eq(buf_text(&b), updates[_i].means);
	buf_fini(&b);
	free(h.p);
}
END_TEST

START_TEST(update_of_others_comes_out_again)
{
	struct hex h = hex_parse(updates[_i].body);
	const struct bgp_update_ctx ctx = session(_i);
	uint8_t out[4096];
	struct bgp_attrs a;
	struct bgp_nlri n;
	struct bgp_pack k;
	struct prefix p;
	size_t len;

	bgp_update_decode(wire_rd_init(h.p, h.len), &ctx, &u);
	a = u.attrs;
	n = u.nlri;
	if (u.reach.present) {
		n = u.reach;
		a.next_hop = u.reach_next_hop;
		a.next_hop_ll = u.reach_next_hop_ll;
	}
	bgp_pack_begin(
	    &k, wire_wr_init(out, sizeof(out)), BGP_MAX_LEN, n.family, &a, updates[_i].as4);
	while (bgp_nlri_next(&n, &p))
		ck_assert_int_eq(bgp_pack_add(&k, &p), 0);
	len = bgp_pack_end(&k);
	ck_assert_uint_eq(k.nr_messages, 1);
	if (updates[_i].same_form)
		hex_equals(out + BGP_HEADER_LEN, len - BGP_HEADER_LEN, updates[_i].body);
	free(h.p);
}
END_TEST

/* Every length that is too short for what it says: some verdict, no byte too many (ASan). */
START_TEST(update_of_others_cut_anywhere)
{
	struct hex h = hex_parse(updates[_i].body);
	const struct bgp_update_ctx ctx = session(_i);
	struct prefix p;

	for (size_t len = 0; len < h.len; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, h.p, len);
		bgp_update_decode(wire_rd_init(cut, len), &ctx, &u);
		ck_assert_int_eq(u.eor, -1);
		while (u.verdict != BGP_V_RESET && u.nlri.present && bgp_nlri_next(&u.nlri, &p))
			ck_assert_uint_le(p.len, 32);
		free(cut);
	}
	free(h.p);
}
END_TEST

START_TEST(rfc4724_2_end_of_rib_of_others)
{
	static const struct {
		const char *body;
		enum bgp_family family;
	} eors[] = { { "0000 0000", BGP_IPV4_UNICAST },
		{ "0000 0006 800f03 0002 01", BGP_IPV6_UNICAST } };
	struct hex h = hex_parse(eors[_i].body);
	const struct bgp_update_ctx ctx = { .as4 = true, .families = 3 };

	bgp_update_decode(wire_rd_init(h.p, h.len), &ctx, &u);
	ck_assert_int_eq(u.eor, (int)eors[_i].family);
	free(h.p);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *t = tcase_create("foreign");

	tcase_add_loop_test(t, open_of_others, 0, 3);
	tcase_add_loop_test(t, open_of_others_cut_anywhere, 0, 3);
	tcase_add_loop_test(t, update_of_others, 0, NR_UPDATES);
	tcase_add_loop_test(t, update_of_others_comes_out_again, 0, NR_UPDATES);
	tcase_add_loop_test(t, update_of_others_cut_anywhere, 0, NR_UPDATES);
	tcase_add_loop_test(t, rfc4724_2_end_of_rib_of_others, 0, 2);
	suite_add_tcase(s, t);
}

UNIT_MAIN("bgpd/foreign", add_tests)
