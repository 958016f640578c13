/*
 * tests/bench/bgp/stream.c: messages as bytes: OPEN, and UPDATEs full of the prefixes of a plan.
 * Below session.c, which sends them; hear.c reads the same plan from what comes back.
 *
 * Prefix number i of IPv4 is the i-th after the base, of IPv6 2a0f:i::/48.  An attribute set is
 * told by its AS path: feeder, 100000 + set, 64999.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bgp/gun.h"

void
stream_add(struct stream *s, const void *bytes, size_t len)
{
	if (s->len + len > s->cap) {
		s->cap = (s->len + len) * 2 + 4096;
		s->bytes = realloc(s->bytes, s->cap);
		if (!s->bytes)
			fatal("memory");
	}
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static size_t
header(uint8_t *m, size_t len, uint8_t type)
{
	memset(m, 0xff, 16);
	put16(m + 16, (uint32_t)len);
	m[18] = type;
	return len;
}

void
stream_keepalive(struct stream *s)
{
	uint8_t m[HEADER];

	stream_add(s, m, header(m, HEADER, 4));
}

static size_t
capability(uint8_t *to, uint8_t code, const uint8_t *value, uint8_t len)
{
	to[0] = code;
	to[1] = len;
	if (len)
		memcpy(to + 2, value, len);
	return 2u + len;
}

void
stream_open(struct stream *s, const struct session *p)
{
	const struct gun *g = p->gun;
	uint8_t m[200] = { 0 }, as[4], *c = m + 31;
	const uint8_t mp4[] = { 0, 1, 0, 1 }, mp6[] = { 0, 2, 0, 1 };
	/* RFC 4724 3: 120 s; that it has restarted; that forwarding went on meanwhile. */
	const uint8_t gr4[] = { p->downs ? 0x80 : 0, 120, 0, 1, 1, 0x80, 0, 2, 1, 0x80 };
	const uint8_t ap4[] = { 0, 1, 1, 1 }; /* RFC 7911 4: a sink takes several paths */

	put32(as, p->as);
	c += capability(c, 1, mp4, 4);
	if (g->v6)
		c += capability(c, 1, mp6, 4);
	c += capability(c, 2, NULL, 0);
	c += capability(c, 65, as, 4);
	if (g->gr)
		c += capability(c, 64, gr4, g->v6 ? 10 : 6);
	if (g->add_path && p->sink)
		c += capability(c, 69, ap4, 4);
	m[19] = 4;
	put16(m + 20, p->as > 65535 ? 23456 : p->as);
	put16(m + 22, g->hold_s);
	memcpy(m + 24, &p->local.sin_addr, 4);
	m[30] = (uint8_t)(c - m - 31);
	m[29] = 2;
	m[28] = (uint8_t)(m[30] + 2);
	stream_add(s, m, header(m, (size_t)(c - m), 1));
}

/* ---- UPDATEs ---- */

/* A message being filled with prefixes. */
struct filling {
	struct stream *to;
	const struct session *from;
	int family;
	bool withdraw;
	uint8_t m[MESSAGE_MAX];
	size_t len, begin; /* begin: where the prefixes do */
};

static size_t
attributes(uint8_t *a, const struct session *p, int family, uint32_t set)
{
	static const uint8_t origin[] = { 0x40, 1, 1, 0 }, path[] = { 0x40, 2, 14, 2, 3 };
	uint8_t *at = a;

	memcpy(at, origin, sizeof(origin));
	at += sizeof(origin);
	memcpy(at, path, sizeof(path));
	put32(at + 5, p->as);
	put32(at + 9, 100000 + set);
	put32(at + 13, 64999);
	if (p->gun->bare) {
		at[2] = 6;
		at[4] = 1;
	}
	at += 3 + at[2];
	if (family == V4) {
		memcpy(at, "\x40\x03\x04", 3);
		memcpy(at + 3, &p->local.sin_addr, 4);
		at += 7;
	}
	memcpy(at, "\xc0\x08\x08", 3);
	put16(at + 3, p->as);
	put16(at + 5, 1);
	put16(at + 7, p->as);
	put16(at + 9, 2);
	at += 11;
	return (size_t)(at - a);
}

static void
filling_begin(struct filling *f, uint32_t set)
{
	uint8_t *m = f->m + HEADER + 2;
	size_t len = 0;

	memset(f->m + HEADER, 0, 4);
	if (f->withdraw && f->family == V4) {
		f->len = f->begin = HEADER + 2;
		return;
	}
	if (!f->withdraw)
		len = attributes(m + 2, f->from, f->family, set);
	f->len = HEADER + 4 + len;
	if (f->family == V6) {
		uint8_t *mp = f->m + f->len;

		mp[0] = 0x90;
		mp[1] = f->withdraw ? 15 : 14;
		memcpy(mp + 4, "\0\x02\x01", 3);
		f->len += 7;
		if (!f->withdraw) {
			memset(mp + 7, 0, 18);
			mp[7] = 16;
			memcpy(mp + 8, "\xfd\x99", 2); /* fd99::1:N, N the host's last octet */
			mp[21] = 1;
			mp[23] = (uint8_t)(ntohl(f->from->local.sin_addr.s_addr) & 0xff);
			f->len += 18;
		}
	}
	f->begin = f->len;
}

static void
filling_end(struct filling *f)
{
	size_t withdrawn = 0, nlri = f->len - f->begin, attrs;

	if (!nlri)
		return;
	if (f->withdraw && f->family == V4) {
		withdrawn = nlri;
		put16(f->m + HEADER, (uint32_t)withdrawn);
		put16(f->m + f->len, 0);
		f->len += 2;
	} else {
		attrs = (f->family == V4 ? f->begin : f->len) - HEADER - 4;
		put16(f->m + HEADER + 2, (uint32_t)attrs);
		if (f->family == V6) {
			size_t fixed = f->withdraw ? 3 : 21;

			put16(f->m + f->begin - fixed - 2, (uint32_t)(nlri + fixed));
		}
	}
	stream_add(f->to, f->m, header(f->m, f->len, 2));
	f->to->messages++;
}

static size_t
prefix_put(uint8_t *to, const struct gun *g, int family, uint32_t index)
{
	if (family == V6) {
		to[0] = 48;
		to[1] = 0x2a;
		to[2] = 0x0f;
		put32(to + 3, index);
		return 7;
	}
	to[0] = (uint8_t)g->len;
	put32(to + 1, g->base + (index << (32 - g->len)));
	return 1 + (g->len + 7) / 8;
}

/* A number about 0.618 @nr without a divisor in common with it. */
static uint32_t
stride_of(uint32_t nr)
{
	uint32_t s = (uint32_t)((double)nr * 0.6180339887) | 1, a, b, t;

	for (;; s += 2) {
		for (a = s, b = nr; b; t = a % b, a = b, b = t)
			;
		if (a == 1 || nr < 3)
			return nr < 3 ? 1 : s;
	}
}

static void
want_set(struct table *t, uint32_t index, uint32_t value)
{
	t->have += (uint32_t) !!value - (uint32_t) !!t->at[index];
	t->at[index] = value;
}

static void
want_route(struct session *p, int family, uint32_t index, uint32_t value)
{
	struct table *t = &p->gun->want[family];

	want_set(t, index, p->gun->add_path && value ? t->at[index] | feeder_bit(p->as) : value);
}

void
stream_routes(struct stream *s, struct session *p, int family, uint32_t first, uint32_t nr,
    uint32_t sets, bool shuffled)
{
	struct filling f = { .to = s, .from = p, .family = family, .withdraw = !sets };
	uint32_t stride = shuffled ? stride_of(nr) : 1, set = WRONG, index = 0;
	size_t room = family == V4 ? 6 : 8;

	for (uint32_t k = 0; k < nr; k++, index = (uint32_t)(((uint64_t)index + stride) % nr)) {
		uint32_t mine = sets ? (uint32_t)((uint64_t)k * sets / nr) : 0;

		if (set != mine || f.len + room > MESSAGE_MAX) {
			if (set != WRONG)
				filling_end(&f);
			filling_begin(&f, mine);
			set = mine;
		}
		f.len += prefix_put(f.m + f.len, p->gun, family, first + index);
		want_route(p, family, first + index, sets ? FIRST_SET + mine : 0);
	}
	if (nr)
		filling_end(&f);
}

void
stream_end_of_rib(struct stream *s, int family)
{
	uint8_t m[HEADER + 10] = { 0 };

	if (family == V4) {
		stream_add(s, m, header(m, HEADER + 4, 2));
		return;
	}
	put16(m + HEADER + 2, 6);
	memcpy(m + HEADER + 4, "\x80\x0f\x03\0\x02\x01", 6);
	stream_add(s, m, header(m, HEADER + 10, 2));
}

void
stream_one(struct stream *s, const struct session *p, uint32_t index, uint32_t set)
{
	struct filling f = { .to = s, .from = p, .family = V4, .withdraw = set == WRONG };

	filling_begin(&f, set);
	f.len += prefix_put(f.m + f.len, p->gun, V4, index);
	filling_end(&f);
	want_set(&p->gun->want[V4], index, set == WRONG ? 0 : FIRST_SET + set);
}
