/*
 * tests/unit/lib/test_addr.c: addresses and prefixes against RFC 5952's own examples, against
 * inet_pton(3) as a witness, and against plain counting where arithmetic is cleverer.
 */
#include "tests/unit/unit.h"

#include "lib/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static struct addr
ip(const char *text)
{
	struct addr a;

	ck_assert_msg(addr_parse(text, &a) == 0, "%s", text);
	return a;
}

static struct prefix
pfx(const char *text)
{
	struct prefix p;

	ck_assert_msg(prefix_parse(text, &p, NULL) == 0, "%s", text);
	return p;
}

/* {what is read, what RFC 5952 wants written} */
static const char *const texts[][2] = {
	/* RFC 5952 4.1: leading zeros go; 4.2.1: as short as possible; 4.3: lower case */
	{ "2001:0db8::0001", "2001:db8::1" },
	{ "2001:db8:0:0:0:0:2:1", "2001:db8::2:1" },
	{ "2001:DB8::A", "2001:db8::a" },
	/* 4.2.2: one group alone is written out */
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	/* 4.2.3: the longest run; of equals the first */
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "0:0:0:0:0:0:0:0", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
	{ "0:0:3:4:5:6:7:8", "::3:4:5:6:7:8" },
	{ "1:0:0:4:5:6:7:8", "1::4:5:6:7:8" },
	{ "fe80::ffff:ffff:ffff:ffff", "fe80::ffff:ffff:ffff:ffff" },
	{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	/* 5: IPv4-mapped shows the IPv4 address; an IPv4-compatible one is not known by its prefix */
	{ "::ffff:c000:201", "::ffff:192.0.2.1" },
	{ "::ffff:0.0.0.0", "::ffff:0.0.0.0" },
	{ "::192.0.2.1", "::c000:201" },
	{ "0.0.0.0", "0.0.0.0" },
	{ "255.255.255.255", "255.255.255.255" },
};

START_TEST(text_there_and_back)
{
	char buf[ADDR_STRLEN];
	struct addr a = ip(texts[_i][0]), again;

	ck_assert_str_eq(addr_format(&a, buf, sizeof(buf)), texts[_i][1]);
	again = ip(buf);
	ck_assert(addr_eq(&a, &again));
	ck_assert_str_eq(addr_str(&a), texts[_i][1]);
}
END_TEST

/* Every pattern of zero and other groups: what we print, inet_pton() reads back to the same bytes,
 * and nothing that means the same is shorter by glibc's inet_ntop(). */
START_TEST(every_pattern_of_zero_groups)
{
	char buf[ADDR_STRLEN], libc[ADDR_STRLEN];
	struct in6_addr in6;

	for (unsigned m = 0; m < 256; m++) {
		struct addr a = { .family = ADDR_V6 };

		for (int g = 0; g < 8; g++) {
			if (m & 1u << g)
				a.b[2 * g] = 0xab;
		}
		addr_format(&a, buf, sizeof(buf));
		ck_assert_int_eq(inet_pton(AF_INET6, buf, &in6), 1);
		ck_assert_mem_eq(&in6, a.b, 16);
		inet_ntop(AF_INET6, a.b, libc, sizeof(libc));
		if (!strchr(libc, '.')) /* glibc writes ::/96 the old way */
			ck_assert_str_eq(buf, libc);
	}
}
END_TEST

static const char *const not_addrs[] = { "", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
	"1.2.3.4 ", " 1.2.3.4", "1.2.3.4/32", "0x1.2.3.4", ":", ":::", "1::2::3",
	"12345::", "fe80::1%eth0", "[::1]", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::g",
	"localhost" };

START_TEST(what_is_no_address)
{
	struct addr a = { .family = 77 };

	ck_assert_int_eq(addr_parse(not_addrs[_i], &a), -EINVAL);
	ck_assert_int_eq(a.family, 77);
}
END_TEST

START_TEST(ring_holds_eight)
{
	const char *s[8];
	struct addr a = ip("10.0.0.0");
	struct prefix p;
	char want[32];

	for (int i = 0; i < 8; i++) {
		s[i] = addr_str(&a);
		ck_assert(addr_next(&a));
	}
	for (int i = 0; i < 8; i++) {
		snprintf(want, sizeof(want), "10.0.0.%d", i);
		ck_assert_str_eq(s[i], want);
	}
	p = pfx("10.0.0.0/8");
	ck_assert_str_eq(prefix_str(&p), "10.0.0.0/8");
	a = (struct addr){ 0 };
	ck_assert_str_eq(addr_str(&a), "-");
}
END_TEST

START_TEST(format_never_writes_past_the_end)
{
	struct addr a = ip("2001:db8::1");
	char buf[6] = "xxxxx";

	ck_assert_str_eq(addr_format(&a, buf, 5), "2001");
	ck_assert_int_eq(buf[5], 0);
}
END_TEST

/* In order; each is less than all that follow. */
static const char *const ordered[] = { "0.0.0.0", "1.0.0.0", "1.0.0.1", "127.0.0.1", "128.0.0.0",
	"255.255.255.255", "::", "::1", "::1:0:0:0", "7fff::", "8000::", "ff02::1" };

START_TEST(order_is_total)
{
	size_t nr = sizeof(ordered) / sizeof(ordered[0]);

	for (size_t i = 0; i < nr; i++) {
		for (size_t j = 0; j < nr; j++) {
			struct addr a = ip(ordered[i]), b = ip(ordered[j]);
			int c = addr_cmp(&a, &b);

			ck_assert(i < j ? c < 0 : i > j ? c > 0 : c == 0);
			ck_assert_int_eq(addr_eq(&a, &b), i == j);
			if (i == j)
				ck_assert_uint_eq(addr_hash(&a), addr_hash(&b));
			else
				ck_assert_uint_ne(addr_hash(&a), addr_hash(&b));
		}
	}
}
END_TEST

START_TEST(hash_ignores_what_eq_ignores)
{
	struct addr a, b;

	memset(&a, 0xff, sizeof(a));
	memset(&b, 0, sizeof(b));
	ck_assert_int_eq(addr_parse("10.1.2.3", &a), 0);
	ck_assert_int_eq(addr_parse("10.1.2.3", &b), 0);
	ck_assert(addr_eq(&a, &b));
	ck_assert_uint_eq(addr_hash(&a), addr_hash(&b));
}
END_TEST

/* 65536 neighbours over 65536 buckets: chance gives at most about nine in one. */
START_TEST(hash_spreads_neighbours)
{
	static uint8_t bucket[1 << 16];
	struct addr a = ip(_i ? "2001:db8::" : "10.0.0.0");
	unsigned most = 0;

	memset(bucket, 0, sizeof(bucket));
	for (int i = 0; i < 1 << 16; i++) {
		unsigned n = ++bucket[addr_hash(&a) & 0xffff];

		most = n > most ? n : most;
		ck_assert(addr_add(&a, 256));
	}
	ck_assert_uint_le(most, 14);
}
END_TEST

static const struct {
	const char *text;
	bool unspecified, loopback, multicast, linklocal, unicast;
} kinds[] = {
	{ "0.0.0.0", true, false, false, false, false },
	{ "::", true, false, false, false, false },
	{ "127.0.0.1", false, true, false, false, true },
	{ "127.255.255.255", false, true, false, false, true },
	{ "::1", false, true, false, false, true },
	{ "128.0.0.1", false, false, false, false, true },
	{ "223.255.255.255", false, false, false, false, true },
	{ "224.0.0.5", false, false, true, false, false },
	{ "239.255.255.255", false, false, true, false, false },
	{ "240.0.0.1", false, false, false, false, false },
	{ "255.255.255.255", false, false, false, false, false },
	{ "169.254.1.1", false, false, false, true, true },
	{ "169.253.1.1", false, false, false, false, true },
	{ "fe80::1", false, false, false, true, true },
	{ "febf::1", false, false, false, true, true },
	{ "fec0::1", false, false, false, false, true },
	{ "ff02::1", false, false, true, false, false },
	{ "2001:db8::1", false, false, false, false, true },
};

START_TEST(kinds_of_addresses)
{
	struct addr a = ip(kinds[_i].text);

	ck_assert_int_eq(addr_is_unspecified(&a), kinds[_i].unspecified);
	ck_assert_int_eq(addr_is_loopback(&a), kinds[_i].loopback);
	ck_assert_int_eq(addr_is_multicast(&a), kinds[_i].multicast);
	ck_assert_int_eq(addr_is_linklocal(&a), kinds[_i].linklocal);
	ck_assert_int_eq(addr_is_unicast(&a), kinds[_i].unicast);
	ck_assert(addr_is_set(&a));
}
END_TEST

START_TEST(unset_is_nothing)
{
	struct addr a = { 0 };
	struct sockaddr_storage ss;

	ck_assert(!addr_is_set(&a) && !addr_is_unspecified(&a) && !addr_is_loopback(&a));
	ck_assert(!addr_is_multicast(&a) && !addr_is_linklocal(&a) && !addr_is_unicast(&a));
	ck_assert(!addr_next(&a) && !addr_prev(&a) && !addr_add(&a, 1));
	ck_assert_uint_eq(addr_to_sockaddr(&a, 179, &ss), 0);
	ck_assert_uint_eq(addr_v4_be(&a), 0);
}
END_TEST

/* {from, plus, to; NULL: leaves the family} */
static const struct {
	const char *from;
	uint64_t n;
	const char *to;
} sums[] = {
	{ "10.0.0.255", 1, "10.0.1.0" },
	{ "10.0.0.0", 0x01020304, "11.2.3.4" },
	{ "255.255.255.254", 1, "255.255.255.255" },
	{ "255.255.255.255", 1, NULL },
	{ "0.0.0.1", UINT32_MAX, NULL },
	{ "0.0.0.0", UINT32_MAX, "255.255.255.255" },
	{ "0.0.0.0", UINT64_MAX, NULL },
	{ "::ffff:ffff", 1, "::1:0:0" },
	{ "2001:db8::ffff:ffff:ffff:ffff", 1, "2001:db8:0:1::" },
	{ "::2", UINT64_MAX, "0:0:0:1::1" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, NULL },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "ffff:ffff:ffff:ffff::1", UINT64_MAX, NULL },
};

START_TEST(adding)
{
	struct addr a = ip(sums[_i].from), before = a, to;

	ck_assert_int_eq(addr_add(&a, sums[_i].n), sums[_i].to != NULL);
	to = sums[_i].to ? ip(sums[_i].to) : before;
	ck_assert_msg(addr_eq(&a, &to), "%s", addr_str(&a));
	if (sums[_i].n == 1) {
		a = before;
		ck_assert_int_eq(addr_next(&a), sums[_i].to != NULL);
		ck_assert(addr_eq(&a, &to));
		if (sums[_i].to) {
			ck_assert(addr_prev(&a));
			ck_assert(addr_eq(&a, &before));
		}
	}
}
END_TEST

START_TEST(no_address_before_the_first)
{
	struct addr a = ip(_i ? "::" : "0.0.0.0"), before = a;

	ck_assert(!addr_prev(&a));
	ck_assert(addr_eq(&a, &before));
}
END_TEST

static const struct {
	const char *in, *out;
	int err;
	bool masked;
} prefixes[] = {
	{ "10.0.0.0/8", "10.0.0.0/8", 0, false },
	{ "10.1.2.3/8", "10.0.0.0/8", 0, true },
	{ "10.1.2.3", "10.1.2.3/32", 0, false },
	{ "0.0.0.0/0", "0.0.0.0/0", 0, false },
	{ "255.255.255.255/0", "0.0.0.0/0", 0, true },
	{ "10.255.255.255/9", "10.128.0.0/9", 0, true },
	{ "10.1.2.3/31", "10.1.2.2/31", 0, true },
	{ "2001:db8::1", "2001:db8::1/128", 0, false },
	{ "2001:db8:ffff::/33", "2001:db8:8000::/33", 0, true },
	{ "::/0", "::/0", 0, false },
	{ "ffff::/1", "8000::/1", 0, true },
	{ "10.0.0.0/33", NULL, -ERANGE, false },
	{ "::/129", NULL, -ERANGE, false },
	{ "::/18446744073709551624", NULL, -ERANGE, false },
	{ "10.0.0.0/", NULL, -EINVAL, false },
	{ "10.0.0.0/08", NULL, -EINVAL, false },
	{ "10.0.0.0/+8", NULL, -EINVAL, false },
	{ "10.0.0.0/-1", NULL, -EINVAL, false },
	{ "10.0.0.0/8 ", NULL, -EINVAL, false },
	{ "10.0.0.0/8/8", NULL, -EINVAL, false },
	{ "10.0.0/8", NULL, -EINVAL, false },
	{ "/8", NULL, -EINVAL, false },
	{ "", NULL, -EINVAL, false },
	{ "1111111111111111111111111111111111111111111111111/8", NULL, -EINVAL, false },
};

START_TEST(prefix_text)
{
	struct prefix p = { .len = 99 };
	char buf[PREFIX_STRLEN];
	bool masked = !prefixes[_i].masked;

	ck_assert_int_eq(prefix_parse(prefixes[_i].in, &p, &masked), prefixes[_i].err);
	if (prefixes[_i].err) {
		ck_assert_uint_eq(p.len, 99);
		return;
	}
	ck_assert_str_eq(prefix_format(&p, buf, sizeof(buf)), prefixes[_i].out);
	ck_assert_int_eq(masked, prefixes[_i].masked);
}
END_TEST

/* Every length, against a bit by bit reckoning. */
START_TEST(masking_and_membership_bit_by_bit)
{
	struct addr a = ip(_i ? "a5a5:5a5a:ffff:1234:5678:9abc:def0:8001" : "165.90.255.129");
	unsigned bits = addr_bits(a.family);

	for (unsigned len = 0; len <= bits; len++) {
		struct prefix p = prefix_of(&a, len);
		struct addr_range r = prefix_range(&p);

		ck_assert_uint_eq(p.len, len);
		for (unsigned bit = 0; bit < bits; bit++) {
			unsigned of_a = a.b[bit / 8] >> (7 - bit % 8) & 1;

			ck_assert_uint_eq(
			    p.addr.b[bit / 8] >> (7 - bit % 8) & 1, bit < len ? of_a : 0);
			ck_assert_uint_eq(
			    r.last.b[bit / 8] >> (7 - bit % 8) & 1, bit < len ? of_a : 1);

			/* With one bit turned it is within exactly when that is a host bit. */
			a.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			ck_assert_int_eq(prefix_has_addr(&p, &a), bit >= len);
			ck_assert_int_eq(range_has(&r, &a), bit >= len);
			a.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		}
		ck_assert(prefix_has_addr(&p, &a) && range_has(&r, &a));
		ck_assert(prefix_has_addr(&p, &r.first) && prefix_has_addr(&p, &r.last));
	}
	ck_assert_uint_eq(prefix_of(&a, 200).len, bits);
	ck_assert_uint_eq(prefix_host(&a).len, bits);
}
END_TEST

START_TEST(covering)
{
	struct prefix ten = pfx("10.0.0.0/8"), sub = pfx("10.1.0.0/16"), all = pfx("0.0.0.0/0");
	struct prefix six = pfx("::/0"), other = pfx("11.0.0.0/16");
	struct addr v6 = ip("a00::");

	ck_assert(prefix_covers(&ten, &ten) && prefix_covers(&ten, &sub));
	ck_assert(prefix_covers(&all, &ten) && !prefix_covers(&sub, &ten));
	ck_assert(!prefix_covers(&ten, &other));
	other = pfx("10.0.0.0/16"); /* the same first address, but less of it */
	ck_assert(prefix_covers(&ten, &other) && !prefix_covers(&other, &ten));
	other = pfx("11.0.0.0/16");
	ck_assert(!prefix_covers(&six, &ten) && !prefix_covers(&all, &six));
	ck_assert(!prefix_has_addr(&ten, &v6));
	ck_assert_int_lt(prefix_cmp(&ten, &sub), 0);
	ck_assert_int_gt(prefix_cmp(&six, &other), 0);
	ck_assert_int_eq(prefix_cmp(&sub, &sub), 0);
	other = pfx("10.0.0.0/9");
	ck_assert_int_lt(prefix_cmp(&ten, &other), 0);
	ck_assert(!prefix_eq(&ten, &other));
	sub = pfx("10.0.0.0/8");
	ck_assert(prefix_eq(&ten, &sub));
}
END_TEST

static const struct {
	const char *first, *last;
	uint64_t size;
} ranges[] = {
	{ "10.0.0.5", "10.0.0.5", 1 },
	{ "10.0.0.0", "10.0.1.255", 512 },
	{ "0.0.0.0", "255.255.255.255", 1ull << 32 },
	{ "::", "::ffff:ffff", 1ull << 32 },
	{ "::", "::ffff:ffff:ffff:fffe", UINT64_MAX },
	{ "::", "::ffff:ffff:ffff:ffff", UINT64_MAX },
	{ "::1", "::1:0:0:0:0", UINT64_MAX },
	{ "::ffff:ffff:ffff:ffff", "0:0:0:1::", 2 },
	{ "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", UINT64_MAX },
};

START_TEST(sizes_of_ranges)
{
	struct addr_range r = { ip(ranges[_i].first), ip(ranges[_i].last) };

	ck_assert_uint_eq(range_size(&r), ranges[_i].size);
}
END_TEST

START_TEST(a_range_has_what_is_counted)
{
	struct addr base = ip(_i ? "2001:db8::" : "10.0.0.0"), other = ip(_i ? "0.0.0.1" : "::1");
	struct addr at[8];

	for (unsigned i = 0; i < 8; i++) {
		at[i] = base;
		ck_assert(addr_add(&at[i], i));
	}
	for (unsigned n = 0; n < 8 * 8 * 8; n++) {
		unsigned a = n & 7, b = n >> 3 & 7, i = n >> 6;
		struct addr_range r = { at[a], at[b] };

		ck_assert_int_eq(range_has(&r, &at[i]), a <= i && i <= b);
		ck_assert(!range_has(&r, &other));
	}
}
END_TEST

START_TEST(socket_addresses)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *sin = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&ss;
	struct addr a = ip("192.0.2.1"), b;
	uint16_t port = 0;

	ck_assert_uint_eq(addr_to_sockaddr(&a, 179, &ss), sizeof(*sin));
	ck_assert_int_eq(sin->sin_family, AF_INET);
	ck_assert_uint_eq(ntohs(sin->sin_port), 179);
	ck_assert_uint_eq(ntohl(sin->sin_addr.s_addr), 0xc0000201);
	ck_assert_uint_eq(addr_v4_be(&a), sin->sin_addr.s_addr);
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&ss, &b, &port), 0);
	ck_assert(addr_eq(&a, &b));
	ck_assert_uint_eq(port, 179);

	a = ip("2001:db8::1");
	ck_assert_uint_eq(addr_to_sockaddr(&a, 65535, &ss), sizeof(*sin6));
	ck_assert_int_eq(sin6->sin6_family, AF_INET6);
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&ss, &b, NULL), 0);
	ck_assert(addr_eq(&a, &b));
	ck_assert_uint_eq(addr_v4_be(&a), 0);

	/* As a dual-stack socket shows an IPv4 peer. */
	a = ip("::ffff:192.0.2.1");
	addr_to_sockaddr(&a, 1, &ss);
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&ss, &b, &port), 0);
	ck_assert_str_eq(addr_str(&b), "192.0.2.1");
	ss.ss_family = AF_UNIX;
	ck_assert_int_eq(addr_from_sockaddr((struct sockaddr *)&ss, &b, &port), -EAFNOSUPPORT);
}
END_TEST

static const struct {
	const char *text, *addr;
	uint16_t port;
} endpoints[] = {
	{ "0.0.0.0:179", "0.0.0.0", 179 },
	{ "[::]:179", "::", 179 },
	{ "127.0.0.1:65535", "127.0.0.1", 65535 },
	{ "[2001:db8::1]:0", "2001:db8::1", 0 },
	{ "0.0.0.0:65536", NULL, 0 },
	{ "0.0.0.0:000179", NULL, 0 },
	{ "0.0.0.0:", NULL, 0 },
	{ "0.0.0.0", NULL, 0 },
	{ ":179", NULL, 0 },
	{ "", NULL, 0 },
	{ "[", NULL, 0 },
	{ "[:1", NULL, 0 },
	{ "[]:1", NULL, 0 },
	{ "]:1", NULL, 0 },
	{ "::1:179", NULL, 0 },
	{ "[::1]", NULL, 0 },
	{ "[::1:179", NULL, 0 },
	{ "[10.0.0.1]:179", NULL, 0 },
	{ "10.0.0.1:-1", NULL, 0 },
	{ "10.0.0.1:1a", NULL, 0 },
	{ "localhost:179", NULL, 0 },
	{ "[11111111111111111111111111111111111111111111111111]:1", NULL, 0 },
};

START_TEST(address_with_port)
{
	struct addr a = { 0 };
	uint16_t port = 7;

	if (!endpoints[_i].addr) {
		ck_assert_int_eq(addr_parse_port(endpoints[_i].text, &a, &port), -EINVAL);
		ck_assert_uint_eq(port, 7);
		return;
	}
	ck_assert_int_eq(addr_parse_port(endpoints[_i].text, &a, &port), 0);
	ck_assert_str_eq(addr_str(&a), endpoints[_i].addr);
	ck_assert_uint_eq(port, endpoints[_i].port);
}
END_TEST

#define NR(table) (int)(sizeof(table) / sizeof((table)[0]))

static void
add_tests(Suite *s)
{
	TCase *tc = tcase_create("addr");

	tcase_add_loop_test(tc, text_there_and_back, 0, NR(texts));
	tcase_add_test(tc, every_pattern_of_zero_groups);
	tcase_add_loop_test(tc, what_is_no_address, 0, NR(not_addrs));
	tcase_add_test(tc, ring_holds_eight);
	tcase_add_test(tc, format_never_writes_past_the_end);
	tcase_add_test(tc, order_is_total);
	tcase_add_test(tc, hash_ignores_what_eq_ignores);
	tcase_add_loop_test(tc, hash_spreads_neighbours, 0, 2);
	tcase_add_loop_test(tc, kinds_of_addresses, 0, NR(kinds));
	tcase_add_test(tc, unset_is_nothing);
	tcase_add_loop_test(tc, adding, 0, NR(sums));
	tcase_add_loop_test(tc, no_address_before_the_first, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("prefix");
	tcase_add_loop_test(tc, prefix_text, 0, NR(prefixes));
	tcase_add_loop_test(tc, masking_and_membership_bit_by_bit, 0, 2);
	tcase_add_test(tc, covering);
	suite_add_tcase(s, tc);

	tc = tcase_create("range");
	tcase_add_loop_test(tc, sizes_of_ranges, 0, NR(ranges));
	tcase_add_loop_test(tc, a_range_has_what_is_counted, 0, 2);
	suite_add_tcase(s, tc);

	tc = tcase_create("sockaddr");
	tcase_add_test(tc, socket_addresses);
	tcase_add_loop_test(tc, address_with_port, 0, NR(endpoints));
	suite_add_tcase(s, tc);
}

UNIT_MAIN("addr", add_tests)
