/*
 * tests/unit/datapath/test_packets_edge.c: packets that are not plain:
 * fragments, options, extension headers, tags, old, long, cut short and broken
 * ones.
 */
#include "tests/unit/datapath/packets.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

static struct world w;

static struct fr
to_local(const struct fr *in)
{
	struct fr out = sent(in, POD);

	out.dst = who(&w, POD);
	out.dport = 8080;
	return out;
}

/* ---- fragments ---- */

static struct fr
fragment(struct fr f, uint16_t off, uint16_t len, bool more)
{
	f.payload = 100;
	f.frag_off = off;
	f.frag_len = len;
	f.frag_more = more;
	f.frag_id = 0xfeed0001;
	f.id = 0x77;
	return f;
}

static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

static struct fr
of(uint8_t proto, enum who from, uint16_t sport, enum who to, uint16_t dport)
{
	return proto == IPPROTO_TCP ? tcp(&w, from, sport, to, dport, ACK)
	    : proto == IPPROTO_UDP  ? udp(&w, from, sport, to, dport)
				    : sctp(&w, from, sport, to, dport, 0);
}

START_TEST(fragments)
{
	struct fr in, out;

	for (int k = 0; k < 2; k++) { /* a fragmented SCTP packet's CRC is not all here */
		world_begin(&w, _i);
		world_service(&w, protos[k], 0, 1, POD);
		in = of(protos[k], CLIENT, 40000, VIP, 80);

		in = fragment(in, 48, 0, false);
		expect(&w, "last before first", OUTSIDE, &in, GO_DROP, LB_FRAGMENT, NULL);
		in = fragment(in, 0, 24, true);
		out = to_local(&in);
		expect(&w, "first", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		in = fragment(in, 48, 0, false);
		out = to_local(&in);
		expect(&w, "last", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		in = fragment(in, 24, 24, true);
		out = to_local(&in);
		expect(&w, "middle", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		in.id++;
		in.frag_id++;
		expect(&w, "of another packet", OUTSIDE, &in, GO_DROP, LB_FRAGMENT, NULL);
		in.id--;
		in.frag_id--;
		in.src = who(&w, CLIENT2);
		expect(&w, "of another client", OUTSIDE, &in, GO_DROP, LB_FRAGMENT, NULL);
		ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 1);
	}
}
END_TEST

START_TEST(fragments_of_udp_without_sum)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, POD);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	in.no_sum = true;
	in = fragment(in, 0, 24, true);
	out = to_local(&in);
	expect(&w, "first", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in = fragment(in, 24, 0, false);
	out = to_local(&in);
	expect(&w, "last", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

START_TEST(fragments_to_a_far_backend_and_back)
{
	struct fr in, out;
	uint16_t port;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, FAR);
	in = fragment(udp(&w, CLIENT, 40000, VIP, 80), 0, 24, true);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	port = snat_port(&w, CLIENT, 40000);
	for (int last = 0; last < 2; last++) {
		in = fragment(udp(&w, CLIENT, 40000, VIP, 80), last ? 24 : 0, last ? 0 : 24, !last);
		out = sent(&in, FAR);
		out.src = who(&w, NODE);
		out.sport = port;
		out.dst = who(&w, FAR);
		out.dport = 8080;
		expect(&w, "to", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	}
	for (int last = 0; last < 2; last++) {
		in = fragment(udp(&w, FAR, 8080, NODE, port), last ? 24 : 0, last ? 0 : 24, !last);
		out = sent(&in, CLIENT);
		out.src = who(&w, VIP);
		out.sport = 80;
		out.dst = who(&w, CLIENT);
		out.dport = 40000;
		expect(&w, "back", OUTSIDE, &in, GO_OUT, LB_REPLIED, &out);
	}
}
END_TEST

START_TEST(fragments_of_a_reply)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_UDP, 0, 1, POD);
	in = udp(&w, CLIENT, 40000, VIP, 80);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	for (int last = 0; last < 2; last++) {
		in = fragment(
		    udp(&w, POD, 8080, CLIENT, 40000), last ? 32 : 0, last ? 0 : 32, !last);
		out = sent(&in, CLIENT);
		out.src = who(&w, VIP);
		out.sport = 80;
		expect(&w, "back", PODS, &in, GO_OUT, LB_REPLIED, &out);
	}
}
END_TEST

/* RFC 1858 3.2.1 and 3.2.2. */
START_TEST(fragments_that_hide_the_header)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = fragment(tcp(&w, CLIENT, 40000, VIP, 80, SYN), 0, 8, true);
	expect(&w, "tiny", OUTSIDE, &in, GO_DROP, LB_SHORT, NULL);
	in = fragment(in, 0, 16, true);
	expect(&w, "all but the flags' end", OUTSIDE, &in, GO_DROP, LB_SHORT, NULL);
	in = fragment(in, 8, 0, false);
	expect(&w, "over the flags", OUTSIDE, &in, GO_DROP,
	    w.v6 ? LB_FRAGMENT : LB_FRAGMENT_OVERLAP, NULL);
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 0);
}
END_TEST

/* A first fragment of a port that nobody serves: no reset, no error (its data
 * is not all here). */
START_TEST(fragments_of_an_unknown_port)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = fragment(tcp(&w, CLIENT, 40000, VIP, 81, ACK), 0, 40, true);
	expect(&w, "first", OUTSIDE, &in, GO_DROP, LB_NO_SERVICE, NULL);
	in = fragment(in, 40, 0, false);
	expect(&w, "last", OUTSIDE, &in, GO_DROP, LB_NO_SERVICE, NULL);
}
END_TEST

/* ---- options and extension headers ---- */

START_TEST(options_are_kept)
{
	static const uint8_t opts[40] = { 7, 39, 4 }; /* record route, and its end */
	struct fr in, out;

	world_begin(&w, _i);
	if (w.v6)
		return;
	for (size_t k = 0; k < sizeof(protos); k++) {
		world_begin(&w, _i);
		world_service(&w, protos[k], 0, 1, POD);
		for (size_t n = 0; n <= 40; n += 4) {
			in = of(protos[k], CLIENT, 40000, VIP, 80);
			in.opts = opts;
			in.nr_opts = n;
			out = to_local(&in);
			expect(&w, "options", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
			in = of(protos[k], POD, 8080, CLIENT, 40000);
			in.opts = opts;
			in.nr_opts = n;
			out = sent(&in, CLIENT);
			out.src = who(&w, VIP);
			out.sport = 80;
			expect(&w, "options back", PODS, &in, GO_OUT, LB_REPLIED, &out);
		}
	}
}
END_TEST

static const struct {
	const char *what;
	unsigned nr;
	struct fr_ext ext[4];
	bool atomic;
} chains[] = {
	{ "hop by hop", 1, { { EXT_HOP, 0 } }, false },
	{ "long hop by hop", 1, { { EXT_HOP, 8 } }, false },
	{ "destination", 1, { { EXT_DEST, 1 } }, false },
	{ "routing", 1, { { EXT_ROUTING, 2 } }, false },
	{ "authentication", 1, { { EXT_AH, 4 } }, false },
	{ "odd authentication", 1, { { EXT_AH, 3 } }, false },
	{ "atomic fragment", 0, { { 0, 0 } }, true },
	{ "all of them", 4, { { EXT_HOP, 0 }, { EXT_DEST, 1 }, { EXT_ROUTING, 2 }, { EXT_AH, 4 } },
	    true },
};

START_TEST(extension_headers_are_kept)
{
	struct fr in, out;

	world_begin(&w, _i);
	if (!w.v6)
		return;
	for (size_t k = 0; k < sizeof(protos); k++) {
		world_begin(&w, _i);
		world_service(&w, protos[k], 0, 1, POD);
		for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
			in = of(protos[k], CLIENT, 40000, VIP, 80);
			in.nr_ext = chains[i].nr;
			in.frag_hdr = chains[i].atomic;
			memcpy(in.ext, chains[i].ext, sizeof(in.ext));
			out = to_local(&in);
			expect(&w, chains[i].what, OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
		}
	}
}
END_TEST

/* ---- old and long ---- */

START_TEST(time_to_live_is_over)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	in.ttl = 1;
	out = answered(&in, w.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	out.src = who(&w, NODE);
	out.type = w.v6 ? 3 : 11;
	out.inner = &in;
	expect(&w, "one", OUTSIDE, &in, GO_OUT, LB_TTL, &out);
	in.ttl = 2;
	out = to_local(&in);
	expect(&w, "two", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
}
END_TEST

START_TEST(longer_than_the_link)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	bed_hop(
	    &w.bed, who(&w, POD), BED_PODS, 0x15, 400, LB_LINK_XDP | LB_LINK_PLAIN | LB_LINK_PEER);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	in.payload = w.v6 ? 340 : 360;
	in.df = true;
	out = to_local(&in);
	expect(&w, "just fits", OUTSIDE, &in, GO_OUT, LB_FORWARDED, &out);
	in.payload++;
	out = answered(&in, w.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	out.src = who(&w, NODE);
	out.type = w.v6 ? 2 : 3;
	out.code = w.v6 ? 0 : 4;
	out.rest = 400;
	out.inner = &in;
	expect(&w, "one byte more", OUTSIDE, &in, GO_OUT, LB_TOO_BIG, &out);
	if (w.v6)
		return;
	in.df = false; /* the kernel may cut it */
	out = to_local(&in);
	memcpy(out.dmac, in.dmac, 6);
	memcpy(out.smac, in.smac, 6);
	expect(&w, "may be cut", OUTSIDE, &in, GO_ON, LB_FORWARDED, &out);
}
END_TEST

/* A reply that is too long for the client's link: the pod is told, about what
 * it sent. */
START_TEST(reply_longer_than_the_link)
{
	struct fr in, out;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	run(&w, OUTSIDE, &in, &(struct went){ 0 });
	bed_hop(&w.bed, who(&w, CLIENT), BED_UPLINK, 0xfe, 400, LB_LINK_XDP | LB_LINK_PLAIN);
	in = tcp(&w, POD, 8080, CLIENT, 40000, ACK);
	in.payload = 500;
	in.df = true;
	out = answered(&in, w.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	out.src = who(&w, NODE);
	out.type = w.v6 ? 2 : 3;
	out.code = w.v6 ? 0 : 4;
	out.rest = 400;
	out.inner = &in;
	expect(&w, "reply", PODS, &in, GO_OUT, LB_TOO_BIG, &out);
}
END_TEST

/* ---- tags and strangers ---- */

/* A tagged frame belongs to the device of its VLAN, where it comes again
 * without the tag. */
START_TEST(tagged_frames_are_left_alone)
{
	struct fr in;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	for (unsigned n = 1; n <= 2; n++) {
		in = tcp(&w, CLIENT, 40000, VIP, 80, SYN);
		in.nr_vlans = n;
		in.vlan[0] = 5;
		in.vlan[1] = 6;
		expect(&w, "tagged", OUTSIDE, &in, GO_ON, LB_NR_WHY, NULL);
	}
	ck_assert_uint_eq(bed_flows(&w.bed, w.v6), 0);
}
END_TEST

/* Frames of every kind, to and from @other; the number of them. */
static size_t
zoo(struct fr *f, enum who from, enum who to)
{
	static struct fr inner;
	size_t n = 0;

	inner = tcp(&w, to, 80, from, 40000, ACK);
	f[n++] = tcp(&w, from, 40000, to, 80, SYN);
	f[n++] = tcp(&w, from, 40000, to, 80, ACK | PSH);
	f[n++] = udp(&w, from, 40000, to, 80);
	f[n] = udp(&w, from, 40000, to, 80);
	f[n++].no_sum = !w.v6;
	f[n++] = sctp(&w, from, 40000, to, 80, 1);
	f[n++] = icmp(&w, from, to, ECHO, 1, NULL);
	f[n++] = icmp(&w, from, to, FRAG_NEEDED, 1400, &inner);
	f[n++] = fragment(udp(&w, from, 40000, to, 80), 0, 24, true);
	f[n++] = fragment(udp(&w, from, 40000, to, 80), 24, 0, false);
	f[n] = tcp(&w, from, 40000, to, 80, ACK);
	f[n].opts = (const uint8_t *)"\1\1\1";
	f[n].nr_opts = 4;
	f[n].nr_ext = 2;
	f[n].ext[0] = (struct fr_ext){ EXT_HOP, 0 };
	f[n++].ext[1] = (struct fr_ext){ EXT_DEST, 1 };
	f[n] = tcp(&w, from, 40000, to, 81, SYN);
	f[n++].ttl = 1;
	f[n] = tcp(&w, from, 40000, to, 80, ACK);
	f[n].tun_src = who(&w, FAR_NODE);
	f[n++].tun_dst = who(&w, NODE);
	return n;
}
enum { ZOO = 12 };

/* The filter may say yes to an address that nobody serves; then nothing may
 * happen to its packets. */
START_TEST(filter_that_errs)
{
	struct fr f[ZOO];
	enum who ends[][2] = { { STRANGER, CLIENT2 }, { CLIENT2, STRANGER } };
	size_t n;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	bed_filter(&w.bed, who(&w, STRANGER), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
	bed_filter(&w.bed, who(&w, CLIENT2), LB_IS_VIP | LB_IS_BACKEND | LB_IS_SNAT);
	for (int e = 0; e < 2; e++) {
		n = zoo(f, ends[e][0], ends[e][1]);
		ck_assert_uint_eq(n, ZOO);
		for (size_t i = 0; i < n; i++)
			for (enum door door = OUTSIDE; door <= OUTWARD; door++)
				expect(&w, f[i].tun_src ? "a tunnel" : "a stranger", door, &f[i],
				    GO_ON, LB_NR_WHY, NULL);
	}
}
END_TEST

/* ---- cut short and broken ---- */

static void
must_not_go(const char *what, const struct frame *f, const struct went *went)
{
	char text[3000];

	fr_show(text, sizeof(text), f);
	if (went->go == GO_ON)
		ck_assert_msg(!fr_differ(&went->frame, f), "%s: changed and passed: %s", what,
		    fr_differ(&went->frame, f));
	else
		ck_assert_msg(went->go == GO_DROP, "%s: went on (%s): %s", what,
		    bed_why_name(went->why), text);
}

/* Every beginning of a good frame goes nowhere. */
START_TEST(cut_short)
{
	struct fr f[ZOO];
	struct frame whole;
	struct went went;
	size_t n, len;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	bed_service(&w.bed,
	    &(struct bed_service){ .vip = who(&w, VIP),
		.port = 80,
		.proto = IPPROTO_UDP,
		.backend = { world_backend(&w, FAR) } },
	    NULL);
	n = zoo(f, CLIENT, VIP);
	for (size_t i = 0; i < n; i++) {
		fr_build(&whole, &f[i]);
		len = whole.len;
		/* The kernel runs nothing through tc that has not all of its IP header. */
		for (whole.len = 14 + (w.v6 ? 40 : 20); whole.len < len; whole.len++) {
			come(&w, &whole, &went);
			must_not_go("cut", &whole, &went);
			ck_assert_msg(went.why == LB_NR_WHY || went.why == LB_SHORT ||
				went.why == LB_BAD_HEADER || went.why == LB_UNSUPPORTED ||
				went.why == LB_ICMP_UNKNOWN,
			    "frame %zu, %zu bytes: %s", i, whole.len, bed_why_name(went.why));
		}
	}
}
END_TEST

static uint32_t
chance(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 8;
}

static bool
same_sum(enum fr_sum in, enum fr_sum out)
{
	return (in == SUM_BAD) == (out == SUM_BAD);
}

/* What was forwarded has good sums if and only if it came with such. */
static void
judge(size_t i, const struct frame *in, const struct went *went)
{
	const char *fault, *out_fault;
	char text[3000];
	struct fr_view a, b;

	fault = fr_read(in, &a);
	if (went->go == GO_DROP)
		return;
	if (went->why == LB_NR_WHY) {
		must_not_go("not ours", in, went);
		return;
	}
	fr_show(text, sizeof(text), in);
	out_fault = fr_read(&went->frame, &b);
	/* A broken IP header goes nowhere; what is behind it is the receiver's to
   * judge. */
	ck_assert_msg(!fault || strncmp(fault, "an IPv", 6) != 0 || a.inner.family,
	    "%zu: %s went on as %s: %s", i, fault, bed_why_name(went->why), text);
	if (went->why != LB_FORWARDED && went->why != LB_REPLIED && went->why != LB_ICMP_CARRIED &&
	    went->why != LB_ECHO) {
		/* What it quotes may be as broken as it came. */
		ck_assert_msg(!out_fault || fault, "%zu: answered with %s: %s", i, out_fault, text);
		ck_assert_msg(b.ip.sum != SUM_BAD && b.l4.sum != SUM_BAD,
		    "%zu: answered with bad sums: %s", i, text);
		return;
	}
	if (fault || out_fault)
		return;
	ck_assert_msg(
	    same_sum(a.ip.sum, b.ip.sum), "%zu: IP sum %d > %d: %s", i, a.ip.sum, b.ip.sum, text);
	ck_assert_msg(same_sum(a.l4.sum, b.l4.sum), "%zu: transport's sum %d > %d: %s", i, a.l4.sum,
	    b.l4.sum, text);
}

/* Bits of headers flip; the walk is the same every time. */
START_TEST(flipped_bits)
{
	unsigned long rounds = unit_rounds(100);
	uint32_t state = 12345 + (uint32_t)_i;
	struct fr f[ZOO];
	struct frame good, bad;
	struct went went;
	size_t n, bit, span;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	bed_service(&w.bed,
	    &(struct bed_service){ .vip = who(&w, VIP),
		.port = 80,
		.proto = IPPROTO_UDP,
		.backend = { world_backend(&w, FAR) } },
	    NULL);
	n = zoo(f, CLIENT, VIP);
	for (size_t i = 0; i < n; i++) {
		fr_build(&good, &f[i]);
		come(&w, &good, &went);
		span = good.len - 14 < 90 ? good.len - 14 : 90;
		for (unsigned long k = 0; k < rounds; k++) {
			bad = good;
			for (uint32_t flips = 1 + chance(&state) % 3; flips; flips--) {
				bit = 14 * 8 + chance(&state) % (span * 8);
				bad.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
			come(&w, &bad, &went);
			judge(i, &bad, &went);
		}
	}
}
END_TEST

/* Lengths that lie, by name. */
START_TEST(lengths_that_lie)
{
	struct frame f;
	struct went went;
	struct fr in;
	size_t l3 = 14;

	world_begin(&w, _i);
	world_service(&w, IPPROTO_TCP, 0, 1, POD);
	in = tcp(&w, CLIENT, 40000, VIP, 80, ACK);
	fr_build(&f, &in);
	f.b[l3 + (w.v6 ? 5 : 3)] += 1;
	come(&w, &f, &went);
	must_not_go("longer than the frame", &f, &went);
	fr_build(&f, &in);
	f.b[l3 + (w.v6 ? 5 : 3)] = 10;
	come(&w, &f, &went);
	must_not_go("shorter than the headers", &f, &went);
	fr_build(&f, &in);
	f.b[l3] = w.v6 ? 0x50 : 0x44;
	come(&w, &f, &went);
	must_not_go("another version or half a header", &f, &went);
	if (!w.v6) {
		fr_build(&f, &in);
		f.b[l3] = 0x4f;
		come(&w, &f, &went);
		must_not_go("options over the transport's header", &f, &went);
	}
	/* Bytes behind the packet, as of a short Ethernet frame, are not its part. */
	fr_build(&f, &in);
	f.len += 6;
	come(&w, &f, &went);
	ck_assert_uint_eq(went.why, LB_FORWARDED);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("odd"), *broken = tcase_create("broken");

	world_make(&w);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, fragments, 0, NR_WAYS);
	tcase_add_loop_test(tc, fragments_of_udp_without_sum, 0, NR_WAYS);
	tcase_add_loop_test(tc, fragments_to_a_far_backend_and_back, 0, NR_WAYS);
	tcase_add_loop_test(tc, fragments_of_a_reply, 0, NR_WAYS);
	tcase_add_loop_test(tc, fragments_that_hide_the_header, 0, NR_WAYS);
	tcase_add_loop_test(tc, fragments_of_an_unknown_port, 0, NR_WAYS);
	tcase_add_loop_test(tc, options_are_kept, 0, NR_WAYS);
	tcase_add_loop_test(tc, extension_headers_are_kept, 0, NR_WAYS);
	tcase_add_loop_test(tc, time_to_live_is_over, 0, NR_WAYS);
	tcase_add_loop_test(tc, longer_than_the_link, 0, NR_WAYS);
	tcase_add_loop_test(tc, reply_longer_than_the_link, 0, NR_WAYS);
	tcase_add_loop_test(tc, tagged_frames_are_left_alone, 0, NR_WAYS);
	tcase_add_loop_test(tc, filter_that_errs, 0, NR_WAYS);
	tcase_set_timeout(broken, 60);
	tcase_add_loop_test(broken, cut_short, 0, NR_WAYS);
	tcase_add_loop_test(broken, flipped_bits, 0, NR_WAYS);
	tcase_add_loop_test(broken, lengths_that_lie, 0, NR_WAYS);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, broken);
}
UNIT_MAIN("odd packets", add_tests)
