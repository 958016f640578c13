/*
 * lib/addr.c: addresses, prefixes, ranges: text and arithmetic.  Everything that compares, counts
 * or prints an address ends here; no I/O.
 */
#include "lib/addr.h"

#include "lib/hash.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RING 8

static uint32_t
v4_get(const struct addr *a)
{
	return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3];
}

static void
v4_put(struct addr *a, uint32_t v)
{
	a->b[0] = (uint8_t)(v >> 24);
	a->b[1] = (uint8_t)(v >> 16);
	a->b[2] = (uint8_t)(v >> 8);
	a->b[3] = (uint8_t)v;
}

/* Half @i (0: high, 1: low) of an IPv6 address as a number. */
static uint64_t
half_get(const struct addr *a, int i)
{
	uint64_t v = 0;

	for (int n = 0; n < 8; n++)
		v = v << 8 | a->b[8 * i + n];
	return v;
}

static void
half_put(struct addr *a, int i, uint64_t v)
{
	for (int n = 7; n >= 0; n--) {
		a->b[8 * i + n] = (uint8_t)v;
		v >>= 8;
	}
}

static bool
is_v4_mapped(const struct addr *a)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };

	return a->family == ADDR_V6 && memcmp(a->b, head, sizeof(head)) == 0;
}

struct addr
addr_from_v4(uint32_t be)
{
	struct addr a = { .family = ADDR_V4 };

	memcpy(a.b, &be, sizeof(be));
	return a;
}

struct addr
addr_from_v6(const struct in6_addr *in6)
{
	struct addr a = { .family = ADDR_V6 };

	memcpy(a.b, in6, sizeof(a.b));
	return a;
}

uint32_t
addr_v4_be(const struct addr *a)
{
	uint32_t be = 0;

	if (a->family == ADDR_V4)
		memcpy(&be, a->b, sizeof(be));
	return be;
}

int
addr_parse(const char *text, struct addr *a)
{
	struct addr got = { .family = ADDR_V4 };

	if (inet_pton(AF_INET, text, got.b) != 1) {
		got.family = ADDR_V6;
		if (inet_pton(AF_INET6, text, got.b) != 1)
			return -EINVAL;
	}
	*a = got;
	return 0;
}

/* Where the run of zero groups starts that "::" stands for, and its length; *len 0: there is none.
 * RFC 5952 4.2.2: a single group is not shortened; 4.2.3: the longest run, of equals the first. */
static unsigned
longest_zero_run(const unsigned *group, unsigned nr, unsigned *len)
{
	unsigned at = 0, run = 0;

	*len = 0;
	for (unsigned i = 0; i < nr; i++) {
		run = group[i] ? 0 : run + 1;
		if (run > *len && run > 1) {
			*len = run;
			at = i + 1 - run;
		}
	}
	return at;
}

/* RFC 5952 4: lower case, no leading zeros in a group. */
static void
v6_format(const struct addr *a, char *to, size_t size)
{
	unsigned group[8], nr = 8, run_at, run_len;
	size_t at = 0;

	/* RFC 5952 5: an address known to hold an IPv4 one by its prefix shows it. */
	if (is_v4_mapped(a)) {
		snprintf(to, size, "::ffff:%u.%u.%u.%u", a->b[12], a->b[13], a->b[14], a->b[15]);
		return;
	}
	for (unsigned i = 0; i < nr; i++)
		group[i] = (unsigned)a->b[2 * i] << 8 | a->b[2 * i + 1];
	run_at = longest_zero_run(group, nr, &run_len);

	for (unsigned i = 0; i < nr; i++) {
		const char *sep = i == 0 || (run_len && i == run_at + run_len) ? "" : ":";

		if (run_len && i == run_at) {
			at += (size_t)snprintf(to + at, size - at, "::");
			i += run_len - 1;
			continue;
		}
		at += (size_t)snprintf(to + at, size - at, "%s%x", sep, group[i]);
	}
}

char *
addr_format(const struct addr *a, char *buf, size_t size)
{
	char text[ADDR_STRLEN] = "-";

	if (a->family == ADDR_V4)
		snprintf(text, sizeof(text), "%u.%u.%u.%u", a->b[0], a->b[1], a->b[2], a->b[3]);
	else if (a->family == ADDR_V6)
		v6_format(a, text, sizeof(text));
	snprintf(buf, size, "%s", text);
	return buf;
}

const char *
addr_str(const struct addr *a)
{
	static _Thread_local char ring[RING][ADDR_STRLEN];
	static _Thread_local unsigned turn;

	return addr_format(a, ring[turn++ % RING], ADDR_STRLEN);
}

int
addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

static uint64_t
addr_hash64(const struct addr *a)
{
	uint64_t hi, lo;

	memcpy(&hi, a->b, sizeof(hi));
	memcpy(&lo, a->b + 8, sizeof(lo));
	return hash_mix(hash_mix(hi ^ hash_secret()) + lo) + a->family;
}

uint32_t
addr_hash(const struct addr *a)
{
	return (uint32_t)hash_mix(addr_hash64(a));
}

bool
addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return addr_is_set(a) && memcmp(a->b, zero, sizeof(zero)) == 0;
}

bool
addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (a->family == ADDR_V4)
		return a->b[0] == 127;
	return a->family == ADDR_V6 && memcmp(a->b, one, sizeof(one)) == 0;
}

bool
addr_is_multicast(const struct addr *a)
{
	if (a->family == ADDR_V4)
		return (a->b[0] & 0xf0) == 0xe0;
	return a->family == ADDR_V6 && a->b[0] == 0xff;
}

bool
addr_is_linklocal(const struct addr *a)
{
	if (a->family == ADDR_V4)
		return a->b[0] == 169 && a->b[1] == 254;
	return a->family == ADDR_V6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool
addr_is_unicast(const struct addr *a)
{
	if (!addr_is_set(a) || addr_is_unspecified(a) || addr_is_multicast(a))
		return false;
	return a->family != ADDR_V4 || a->b[0] < 240;
}

bool
addr_next(struct addr *a)
{
	return addr_add(a, 1);
}

bool
addr_prev(struct addr *a)
{
	size_t len = addr_bits(a->family) / 8;

	if (!addr_is_set(a) || addr_is_unspecified(a))
		return false;
	while (len > 0 && a->b[len - 1]-- == 0)
		len--;
	return true;
}

bool
addr_add(struct addr *a, uint64_t n)
{
	if (a->family == ADDR_V4) {
		uint32_t v = v4_get(a);

		if (n > UINT32_MAX - v)
			return false;
		v4_put(a, v + (uint32_t)n);
		return true;
	}
	if (a->family == ADDR_V6) {
		uint64_t hi = half_get(a, 0), lo = half_get(a, 1);
		bool carry = n > UINT64_MAX - lo;

		if (carry && hi == UINT64_MAX)
			return false;
		half_put(a, 0, hi + carry);
		half_put(a, 1, lo + n);
		return true;
	}
	return false;
}

/* The digits behind the slash: no sign, no blank, no leading zero. */
static int
prefix_len_parse(const char *text, unsigned max, uint8_t *len)
{
	unsigned n = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (n <= max)
			n = n * 10 + (unsigned)(*text - '0');
	}
	if (n > max)
		return -ERANGE;
	*len = (uint8_t)n;
	return 0;
}

int
prefix_parse(const char *text, struct prefix *p, bool *masked)
{
	const char *slash = strchr(text, '/');
	char head[ADDR_STRLEN];
	struct prefix got;
	struct addr a;
	uint8_t len;
	int err;

	if (slash) {
		size_t n = (size_t)(slash - text);

		if (n >= sizeof(head))
			return -EINVAL;
		memcpy(head, text, n);
		head[n] = '\0';
	}
	err = addr_parse(slash ? head : text, &a);
	if (err < 0)
		return err;
	len = (uint8_t)addr_bits(a.family);
	if (slash) {
		err = prefix_len_parse(slash + 1, len, &len);
		if (err < 0)
			return err;
	}
	got = prefix_of(&a, len);
	if (masked)
		*masked = !addr_eq(&got.addr, &a);
	*p = got;
	return 0;
}

char *
prefix_format(const struct prefix *p, char *buf, size_t size)
{
	char text[ADDR_STRLEN];

	snprintf(buf, size, "%s/%u", addr_format(&p->addr, text, sizeof(text)), p->len);
	return buf;
}

const char *
prefix_str(const struct prefix *p)
{
	static _Thread_local char ring[RING][PREFIX_STRLEN];
	static _Thread_local unsigned turn;

	return prefix_format(p, ring[turn++ % RING], PREFIX_STRLEN);
}

struct prefix
prefix_of(const struct addr *a, unsigned len)
{
	unsigned bits = addr_bits(a->family);
	struct prefix p = { .addr = *a };
	unsigned keep;

	if (len > bits)
		len = bits;
	p.len = (uint8_t)len;
	keep = len / 8;
	if (len % 8) {
		p.addr.b[keep] = (uint8_t)(p.addr.b[keep] & (0xff00u >> (len % 8)));
		keep++;
	}
	if (keep < sizeof(p.addr.b))
		memset(p.addr.b + keep, 0, sizeof(p.addr.b) - keep);
	return p;
}

struct prefix
prefix_host(const struct addr *a)
{
	return prefix_of(a, addr_bits(a->family));
}

int
prefix_cmp(const struct prefix *a, const struct prefix *b)
{
	int c = addr_cmp(&a->addr, &b->addr);

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

bool
prefix_eq(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_eq(&a->addr, &b->addr);
}

bool
prefix_has_addr(const struct prefix *p, const struct addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->addr.family != a->family || !addr_is_set(a))
		return false;
	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool
prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return inner->len >= outer->len && prefix_has_addr(outer, &inner->addr);
}

struct addr_range
prefix_range(const struct prefix *p)
{
	struct addr_range r = { .first = p->addr, .last = p->addr };
	unsigned bits = addr_bits(p->addr.family);

	for (unsigned i = p->len; i < bits; i++)
		r.last.b[i / 8] = (uint8_t)(r.last.b[i / 8] | 0x80u >> (i % 8));
	return r;
}

bool
range_has(const struct addr_range *r, const struct addr *a)
{
	return addr_cmp(&r->first, a) <= 0 && addr_cmp(a, &r->last) <= 0;
}

uint64_t
range_size(const struct addr_range *r)
{
	uint64_t hi, lo, borrow;

	if (r->first.family == ADDR_V4)
		return (uint64_t)v4_get(&r->last) - v4_get(&r->first) + 1;
	if (r->first.family != ADDR_V6)
		return 0;
	borrow = half_get(&r->last, 1) < half_get(&r->first, 1);
	lo = half_get(&r->last, 1) - half_get(&r->first, 1);
	hi = half_get(&r->last, 0) - half_get(&r->first, 0) - borrow;
	return hi || lo == UINT64_MAX ? UINT64_MAX : lo + 1;
}

socklen_t
addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(ss, 0, sizeof(*ss));
	if (a->family == ADDR_V4) {
		memcpy(&sin.sin_addr, a->b, sizeof(sin.sin_addr));
		memcpy(ss, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (a->family == ADDR_V6) {
		memcpy(&sin6.sin6_addr, a->b, sizeof(sin6.sin6_addr));
		memcpy(ss, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}

int
addr_from_sockaddr(const struct sockaddr *sa, struct addr *a, uint16_t *port)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	uint16_t be_port;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		*a = addr_from_v4(sin.sin_addr.s_addr);
		be_port = sin.sin_port;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&sin6, sa, sizeof(sin6));
		*a = addr_from_v6(&sin6.sin6_addr);
		be_port = sin6.sin6_port;
		if (is_v4_mapped(a)) {
			uint32_t be;

			memcpy(&be, a->b + 12, sizeof(be));
			*a = addr_from_v4(be);
		}
	} else {
		return -EAFNOSUPPORT;
	}
	if (port)
		*port = ntohs(be_port);
	return 0;
}

int
addr_parse_port(const char *text, struct addr *a, uint16_t *port)
{
	bool bracket = text[0] == '[';
	const char *colon = strrchr(text, ':');
	char head[ADDR_STRLEN];
	struct addr got;
	unsigned n = 0;
	size_t len;

	if (!colon || colon == text || colon[1] == '\0' || strlen(colon + 1) > 5)
		return -EINVAL;
	if (bracket && colon[-1] != ']')
		return -EINVAL;
	for (const char *c = colon + 1; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		n = n * 10 + (unsigned)(*c - '0');
	}
	text += bracket;
	len = (size_t)(colon - text) - bracket;
	if (n > UINT16_MAX || len >= sizeof(head))
		return -EINVAL;
	memcpy(head, text, len);
	head[len] = '\0';
	if (addr_parse(head, &got) < 0 || bracket != (got.family == ADDR_V6))
		return -EINVAL;
	*a = got;
	*port = (uint16_t)n;
	return 0;
}
