/*
 * tests/unit/datapath/test_frames.c: the builder and the reader of frames that the tests of the BPF
 * programs stand on: bytes and sums published elsewhere, and what the reader must find fault with.
 */
#include "tests/unit/datapath/frames.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>

/* RFC 1071 3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
START_TEST(sum_of_rfc_1071)
{
	const uint8_t b[] = { 0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7 };

	ck_assert_uint_eq(fr_sum16(0, b, sizeof(b)), 0xddf2);
	ck_assert_uint_eq(fr_sum16(0, b, 3), 0xf201);
}
END_TEST

/* RFC 3720 B.4: CRC32c of 32 zeros, 32 ones and 0..31; and the check value of the polynomial. */
START_TEST(crc_of_rfc_3720)
{
	uint8_t b[32] = { 0 };

	ck_assert_uint_eq(fr_crc32c(b, sizeof(b)), 0x8a9136aaU);
	memset(b, 0xff, sizeof(b));
	ck_assert_uint_eq(fr_crc32c(b, sizeof(b)), 0x62a8ab43U);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	ck_assert_uint_eq(fr_crc32c(b, sizeof(b)), 0x46dd794eU);
	ck_assert_uint_eq(fr_crc32c((const uint8_t *)"123456789", 9), 0xe3069283U);
}
END_TEST

/* The header of Wikipedia's article on the IPv4 checksum: b861. */
START_TEST(ipv4_udp_byte_for_byte)
{
	static const uint8_t want[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0x73,
		0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7 };
	struct frame f;

	fr_build(&f,
	    &(struct fr){ .dmac = { 2, 0, 0, 0, 0, 1 },
		.smac = { 2, 0, 0, 0, 0, 2 },
		.src = "192.168.0.1",
		.dst = "192.168.0.199",
		.df = true,
		.proto = IPPROTO_UDP,
		.payload = 0x73 - 28 });
	ck_assert_uint_eq(f.len, 14 + 0x73);
	ck_assert_mem_eq(f.b, want, sizeof(want));
	ck_assert_ptr_null(fr_fault(&f));
}
END_TEST

/* By hand: TCP 10.0.0.1:1 > 10.0.0.2:2, all else zero but offset and SYN.  Words of the pseudo
 * header: 0a00 0001 0a00 0002 0006 0014; of the segment: 0001 0002 5002.  Sum 6422. */
START_TEST(tcp_sum_by_hand)
{
	struct frame f;

	fr_build(&f,
	    &(struct fr){ .src = "10.0.0.1",
		.dst = "10.0.0.2",
		.proto = IPPROTO_TCP,
		.sport = 1,
		.dport = 2,
		.flags = SYN });
	ck_assert_uint_eq(f.len, 54);
	ck_assert_uint_eq(f.b[14 + 20 + 16], 0xff & ~0x64);
	ck_assert_uint_eq(f.b[14 + 20 + 17], 0xff & ~0x22);
	ck_assert_ptr_null(fr_fault(&f));
}
END_TEST

static const uint8_t opts[] = { 148, 4, 0, 0, 1, 1, 1, 0 }; /* router alert, no operation, end */
static const struct fr echoed = { .src = "10.0.0.1",
	.dst = "192.0.2.9",
	.proto = IPPROTO_UDP,
	.sport = 7,
	.dport = 9,
	.payload = 40 };
static const struct fr echoed6 = { .src = "fd00::1",
	.dst = "2001:db8::9",
	.proto = IPPROTO_TCP,
	.sport = 7,
	.dport = 9,
	.payload = 40 };

/* clang-format off */
#define V4 .src = "10.0.0.1", .dst = "192.0.2.9"
#define V6 .src = "fd00::1", .dst = "2001:db8::9"
static const struct {
	const char *what;
	size_t len;
	struct fr f;
} good[] = {
	{ "udp", 14 + 28 + 5, { V4, .proto = IPPROTO_UDP, .payload = 5 } },
	{ "udp without a sum", 14 + 28 + 5, { V4, .proto = IPPROTO_UDP, .payload = 5, .no_sum = true } },
	{ "udp6, one tag", 18 + 48 + 5, { V6, .nr_vlans = 1, .vlan = { 5 }, .proto = IPPROTO_UDP, .payload = 5 } },
	{ "tcp, two tags, options", 22 + 28 + 20, { V4, .nr_vlans = 2, .vlan = { 5, 6 }, .opts = opts, .nr_opts = 8, .proto = IPPROTO_TCP } },
	{ "tcp options", 14 + 20 + 28 + 3, { V4, .tcp_opts = opts, .nr_tcp_opts = 8, .proto = IPPROTO_TCP, .payload = 3 } },
	{ "sctp", 14 + 20 + 16 + 8, { V4, .proto = IPPROTO_SCTP, .chunk = 1, .payload = 5 } },
	{ "sctp6", 14 + 40 + 16 + 8, { V6, .proto = IPPROTO_SCTP, .chunk = 0, .payload = 8 } },
	{ "ping", 14 + 20 + 8 + 9, { V4, .proto = IPPROTO_ICMP, .type = 8, .rest = 77, .payload = 9 } },
	{ "ping6", 14 + 40 + 8 + 9, { V6, .proto = IPPROTO_ICMPV6, .type = 128, .rest = 77, .payload = 9 } },
	{ "unreachable, cut", 14 + 20 + 8 + 28, { V4, .proto = IPPROTO_ICMP, .type = 3, .code = 3, .inner = &echoed, .inner_len = 28 } },
	{ "unreachable, whole", 14 + 20 + 8 + 68, { V4, .proto = IPPROTO_ICMP, .type = 3, .code = 3, .inner = &echoed } },
	{ "too big", 14 + 40 + 8 + 60, { V6, .proto = IPPROTO_ICMPV6, .type = 2, .rest = 1280, .inner = &echoed6, .inner_len = 60 } },
	{ "first fragment", 14 + 20 + 24, { V4, .proto = IPPROTO_UDP, .payload = 40, .frag_len = 24, .frag_more = true, .id = 9 } },
	{ "last fragment", 14 + 20 + 24, { V4, .proto = IPPROTO_UDP, .payload = 40, .frag_off = 24, .id = 9 } },
	{ "first fragment6", 14 + 48 + 24, { V6, .proto = IPPROTO_UDP, .payload = 40, .frag_len = 24, .frag_more = true, .frag_id = 9 } },
	{ "last fragment6", 14 + 48 + 24, { V6, .proto = IPPROTO_UDP, .payload = 40, .frag_off = 24, .frag_id = 9 } },
	{ "atomic fragment6", 14 + 48 + 48, { V6, .proto = IPPROTO_UDP, .payload = 40, .frag_hdr = true } },
	{ "extension headers", 14 + 40 + 8 + 16 + 24 + 24 + 8 + 20, { V6, .proto = IPPROTO_TCP, .nr_ext = 4, .frag_hdr = true,
		.ext = { { EXT_HOP, 0 }, { EXT_DEST, 1 }, { EXT_ROUTING, 2 }, { EXT_AH, 4 } } } },
	{ "ipip", 14 + 40 + 20, { V4, .tun_src = "10.1.0.1", .tun_dst = "10.1.0.2", .proto = IPPROTO_TCP } },
	{ "ip6ip6", 14 + 80 + 20, { V6, .tun_src = "fd01::1", .tun_dst = "fd01::2", .proto = IPPROTO_TCP } },
};
/* clang-format on */
enum { NR_GOOD = sizeof(good) / sizeof(good[0]) };

START_TEST(built_is_read_back_without_a_fault)
{
	const struct fr *w = &good[_i].f;
	struct fr_view v;
	struct frame f;

	fr_build(&f, w);
	ck_assert_msg(!fr_fault(&f), "%s: %s", good[_i].what, fr_fault(&f));
	ck_assert_msg(f.len == good[_i].len, "%s: %zu bytes", good[_i].what, f.len);
	ck_assert_ptr_null(fr_read(&f, &v));
	ck_assert_str_eq(addr_str(&v.ip.src), w->src);
	ck_assert_str_eq(addr_str(&v.ip.dst), w->dst);
	ck_assert_uint_eq(v.ip.proto, w->proto);
	ck_assert_uint_eq(v.nr_vlans, w->nr_vlans);
	ck_assert_uint_eq(v.ip.frag_off, w->frag_off);
	ck_assert_int_eq(v.ip.more, w->frag_more);
	ck_assert_int_eq(v.outer.family != 0, w->tun_src != NULL);
	ck_assert_int_eq(v.inner.family != 0, w->inner != NULL);
	ck_assert_int_ne(fr_worst(&v), SUM_BAD);
}
END_TEST

/* No bit of the IP packet may flip unseen, but those that no checksum covers. */
START_TEST(a_flipped_bit_is_seen)
{
	bool v6 = strchr(good[_i].f.src, ':') != NULL, cut = false;
	size_t start, unseen = 0;
	struct fr_view v;
	struct frame f;

	fr_build(&f, &good[_i].f);
	ck_assert_ptr_null(fr_read(&f, &v));
	cut = v.l4.sum == SUM_CUT || v.l4.sum == SUM_NONE;
	start = v6 || cut ? v.l4.off : v.ip.off;
	if (cut && !v6)
		start = v.ip.off;
	for (size_t bit = start * 8; bit < f.len * 8; bit++) {
		f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		unseen += fr_fault(&f) == NULL;
		f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	if (cut)
		ck_assert_uint_le(unseen, (f.len - v.l4.off) * 8);
	else
		ck_assert_msg(unseen == 0, "%s: %zu bits", good[_i].what, unseen);
}
END_TEST

START_TEST(cut_short_is_a_fault)
{
	struct frame f;
	size_t whole;

	fr_build(&f, &good[_i].f);
	whole = f.len;
	for (f.len = 0; f.len < whole; f.len++)
		ck_assert_msg(fr_fault(&f) != NULL, "%s: %zu", good[_i].what, f.len);
}
END_TEST

START_TEST(bad_sums_are_told)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP };
	struct fr_view v;
	struct frame f;

	for (size_t i = 0; i < sizeof(protos); i++) {
		fr_build(&f, &(struct fr){ V4, .proto = protos[i], .type = 8, .bad_sum = true });
		ck_assert_str_eq(fr_fault(&f), "the transport's checksum");
		ck_assert_ptr_null(fr_read(&f, &v));
		ck_assert_int_eq(fr_worst(&v), SUM_BAD);
	}
	fr_build(&f, &(struct fr){ V6, .proto = IPPROTO_UDP, .no_sum = true });
	ck_assert_str_eq(fr_fault(&f), "the transport's checksum");
	fr_build(&f, &(struct fr){ V4, .proto = IPPROTO_UDP });
	f.b[14 + 8]--;
	ck_assert_str_eq(fr_fault(&f), "the IPv4 header's checksum");
}
END_TEST

/* RFC 768: a sum of zero is sent as all ones.  The payload is sought that makes it zero. */
START_TEST(udp_sum_of_zero_is_all_ones)
{
	struct fr w = { V4, .proto = IPPROTO_UDP };
	struct frame f;
	bool seen = false;

	for (unsigned port = 0; port < 65536 && !seen; port++) {
		w.sport = (uint16_t)port;
		fr_build(&f, &w);
		ck_assert(f.b[14 + 26] || f.b[14 + 27]);
		seen = f.b[14 + 26] == 0xff && f.b[14 + 27] == 0xff;
		if (seen)
			ck_assert_ptr_null(fr_fault(&f));
	}
	ck_assert(seen);
}
END_TEST

START_TEST(difference_is_shown)
{
	struct frame a, b;

	fr_build(&a, &(struct fr){ V4, .proto = IPPROTO_TCP, .sport = 1 });
	b = a;
	ck_assert_ptr_null(fr_differ(&a, &b));
	b.b[30]++;
	ck_assert_ptr_nonnull(strstr(fr_differ(&a, &b), "differ at byte 30"));
	ck_assert_ptr_nonnull(strstr(fr_differ(&a, &b), "10.0.0.1 > 192.0.2.9"));
	b = a;
	b.len--;
	ck_assert_ptr_nonnull(strstr(fr_differ(&a, &b), "differ at byte 53"));
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("frames");

	tcase_add_test(tc, sum_of_rfc_1071);
	tcase_add_test(tc, crc_of_rfc_3720);
	tcase_add_test(tc, ipv4_udp_byte_for_byte);
	tcase_add_test(tc, tcp_sum_by_hand);
	tcase_add_loop_test(tc, built_is_read_back_without_a_fault, 0, NR_GOOD);
	tcase_add_loop_test(tc, a_flipped_bit_is_seen, 0, NR_GOOD);
	tcase_add_loop_test(tc, cut_short_is_a_fault, 0, NR_GOOD);
	tcase_add_test(tc, bad_sums_are_told);
	tcase_add_test(tc, udp_sum_of_zero_is_all_ones);
	tcase_add_test(tc, difference_is_shown);
	suite_add_tcase(s, tc);
}
UNIT_MAIN("frames", add_tests)
