/*
 * tests/unit/datapath/frames.c: the builder: a description becomes bytes.  Sums are taken over all
 * bytes, as the RFCs word them, and share nothing with the programs under test.
 */
#include "tests/unit/datapath/frames.h"
#include "lib/wire.h"

#include <assert.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

enum { UDP_LEN = 8, TCP_LEN = 20, IP4_LEN = 20, IP6_LEN = 40, SCTP_LEN = 12, ICMP_LEN = 8 };

/* RFC 1071: the one's complement sum; bytes in pairs, an odd one padded with zero. */
uint16_t
fr_sum16(uint32_t start, const uint8_t *b, size_t len)
{
	uint64_t sum = start;

	for (size_t i = 0; i < len; i++)
		sum += (uint64_t)b[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* RFC 9260 appendix A: CRC32c, bit by bit. */
uint32_t
fr_crc32c(const uint8_t *b, size_t len)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < len; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

uint16_t
fr_transport_sum(
    const struct addr *src, const struct addr *dst, uint8_t proto, const uint8_t *l4, size_t len)
{
	size_t size = src->family == ADDR_V4 ? 4 : 16;
	uint32_t sum = 0;

	if (proto != IPPROTO_ICMP) { /* RFC 768, RFC 9293 3.1, RFC 8200 8.1: the pseudo header */
		sum = fr_sum16(sum, src->b, size);
		sum = fr_sum16(sum, dst->b, size);
		sum += proto + (uint32_t)(len & 0xffff) + (uint32_t)(len >> 16);
	}
	return (uint16_t)~fr_sum16(sum, l4, len);
}

static struct addr
addr_of(const char *text)
{
	struct addr a;
	int err = addr_parse(text, &a);

	assert(err == 0);
	return a;
}

static void
put_payload(struct wire_wr *w, const struct fr *f)
{
	for (size_t i = 0; i < f->payload; i++)
		wire_put_u8(w, (uint8_t)(i * 7 + f->seed));
}

static void
put_tcp(struct wire_wr *w, const struct fr *f)
{
	assert(f->nr_tcp_opts % 4 == 0 && f->nr_tcp_opts <= 40);
	wire_put_u16(w, f->sport);
	wire_put_u16(w, f->dport);
	wire_put_u32(w, f->seq);
	wire_put_u32(w, f->ack);
	wire_put_u8(w, (uint8_t)((TCP_LEN + f->nr_tcp_opts) / 4 << 4));
	wire_put_u8(w, f->flags);
	wire_put_u16(w, f->window);
	wire_put_u32(w, 0); /* checksum, urgent pointer */
	wire_put_bytes(w, f->tcp_opts, f->nr_tcp_opts);
	put_payload(w, f);
}

static void
put_udp(struct wire_wr *w, const struct fr *f)
{
	wire_put_u16(w, f->sport);
	wire_put_u16(w, f->dport);
	wire_put_u16(w, (uint16_t)(UDP_LEN + f->payload));
	wire_put_u16(w, 0);
	put_payload(w, f);
}

/* RFC 9260 3: the common header and one chunk, padded to four. */
static void
put_sctp(struct wire_wr *w, const struct fr *f)
{
	wire_put_u16(w, f->sport);
	wire_put_u16(w, f->dport);
	wire_put_u32(w, f->seq);
	wire_put_u32(w, 0);
	wire_put_u8(w, f->chunk);
	wire_put_u8(w, 0);
	wire_put_u16(w, (uint16_t)(4 + f->payload));
	put_payload(w, f);
	while (w->len % 4)
		wire_put_u8(w, 0);
}

static void
put_icmp(struct wire_wr *w, const struct fr *f)
{
	uint8_t inner[FRAME_MAX];
	size_t len;

	wire_put_u8(w, f->type);
	wire_put_u8(w, f->code);
	wire_put_u16(w, 0);
	wire_put_u32(w, f->rest);
	if (f->inner) {
		len = fr_packet(inner, sizeof(inner), f->inner);
		assert(f->inner_len <= len);
		wire_put_bytes(w, inner, f->inner_len ? f->inner_len : len);
	}
	put_payload(w, f);
}

/* Fill the checksum in. */
static void
seal(struct wire_wr *w, const struct fr *f)
{
	static const struct {
		uint8_t proto, at;
	} where[] = { { IPPROTO_TCP, 16 }, { IPPROTO_UDP, 6 }, { IPPROTO_ICMP, 2 },
		{ IPPROTO_ICMPV6, 2 } };
	struct addr src = addr_of(f->src), dst = addr_of(f->dst);
	uint16_t sum;

	if (f->proto == IPPROTO_SCTP) {
		uint32_t crc = fr_crc32c(w->start, w->len) ^ f->bad_sum;

		for (size_t i = 0; i < 4; i++)
			wire_patch_u8(w, 8 + i, (uint8_t)(crc >> 8 * i));
	}
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		if (where[i].proto != f->proto || (f->proto == IPPROTO_UDP && f->no_sum))
			continue;
		sum = fr_transport_sum(&src, &dst, f->proto, w->start, w->len);
		if (f->bad_sum)
			sum ^= 0x1000;
		if (f->proto == IPPROTO_UDP && sum == 0) /* RFC 768: zero is sent as all ones */
			sum = 0xffff;
		wire_patch_u16(w, where[i].at, sum);
	}
}

static void
put_transport(struct wire_wr *w, const struct fr *f)
{
	switch (f->proto) {
	case IPPROTO_TCP:
		put_tcp(w, f);
		break;
	case IPPROTO_UDP:
		put_udp(w, f);
		break;
	case IPPROTO_SCTP:
		put_sctp(w, f);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_icmp(w, f);
		break;
	default:
		put_payload(w, f);
	}
	assert(!w->full);
	seal(w, f);
}

/* ---- IP ---- */

static void
put_ip4(struct wire_wr *w, const struct fr *f, size_t len)
{
	size_t at = w->len, hdr = IP4_LEN + f->nr_opts;
	struct addr src = addr_of(f->src), dst = addr_of(f->dst);

	assert(f->nr_opts % 4 == 0 && f->nr_opts <= 40 && f->frag_off % 8 == 0);
	wire_put_u8(w, (uint8_t)(0x40 | hdr / 4));
	wire_put_u8(w, f->tos);
	wire_put_u16(w, (uint16_t)(hdr + len));
	wire_put_u16(w, f->id);
	wire_put_u16(
	    w, (uint16_t)(f->frag_off / 8 | (f->frag_more ? 0x2000 : 0) | (f->df ? 0x4000 : 0)));
	wire_put_u8(w, f->ttl ? f->ttl : 64);
	wire_put_u8(w, f->proto);
	wire_put_u16(w, 0);
	wire_put_bytes(w, src.b, 4);
	wire_put_bytes(w, dst.b, 4);
	wire_put_bytes(w, f->opts, f->nr_opts);
	if (!w->full)
		wire_patch_u16(w, at + 10, (uint16_t)~fr_sum16(0, w->start + at, hdr));
}

static size_t
ext_len(const struct fr_ext *e)
{
	return e->type == EXT_AH ? 4 * (size_t)(e->more + 2) : 8 * (size_t)(e->more + 1);
}

/* One extension header: padding as its options, so that any node may skip it (RFC 8200 4.2). */
static void
put_ext(struct wire_wr *w, const struct fr_ext *e, uint8_t next)
{
	size_t len = ext_len(e), at = w->len;

	wire_put_u8(w, next);
	wire_put_u8(w, e->more);
	if (e->type == EXT_HOP || e->type == EXT_DEST) {
		wire_put_u8(w, 1); /* PadN */
		wire_put_u8(w, (uint8_t)(len - 4));
	} else if (e->type == EXT_ROUTING) {
		wire_put_u8(w, 4); /* a segment routing header, all segments done */
		wire_put_u8(w, 0);
	}
	while (!w->full && w->len - at < len)
		wire_put_u8(w, 0);
}

static bool
is_fragment(const struct fr *f)
{
	return f->frag_off || f->frag_more || f->frag_hdr;
}

static void
put_ip6(struct wire_wr *w, const struct fr *f, size_t len)
{
	struct addr src = addr_of(f->src), dst = addr_of(f->dst);
	uint8_t last = is_fragment(f) ? IPPROTO_FRAGMENT : f->proto;

	if (is_fragment(f))
		len += 8;
	for (unsigned i = 0; i < f->nr_ext; i++)
		len += ext_len(&f->ext[i]);
	wire_put_u32(w, 0x60000000U | (uint32_t)f->tos << 20);
	wire_put_u16(w, (uint16_t)len);
	wire_put_u8(w, f->nr_ext ? f->ext[0].type : last);
	wire_put_u8(w, f->ttl ? f->ttl : 64);
	wire_put_bytes(w, src.b, 16);
	wire_put_bytes(w, dst.b, 16);
	for (unsigned i = 0; i < f->nr_ext; i++)
		put_ext(w, &f->ext[i], i + 1 < f->nr_ext ? f->ext[i + 1].type : last);
	if (is_fragment(f)) {
		wire_put_u8(w, f->proto);
		wire_put_u8(w, 0);
		wire_put_u16(w, (uint16_t)(f->frag_off | (f->frag_more ? 1 : 0)));
		wire_put_u32(w, f->frag_id);
	}
}

static bool
is_v6(const struct fr *f)
{
	return strchr(f->src, ':') != NULL;
}

static void
put_packet(struct wire_wr *w, const struct fr *f)
{
	uint8_t bytes[FRAME_MAX];
	struct wire_wr l4 = wire_wr_init(bytes, sizeof(bytes));
	size_t len;

	put_transport(&l4, f);
	assert(f->frag_off <= l4.len);
	len = l4.len - f->frag_off;
	if (f->frag_len && f->frag_len < len)
		len = f->frag_len;
	if (is_v6(f))
		put_ip6(w, f, len);
	else
		put_ip4(w, f, len);
	wire_put_bytes(w, bytes + f->frag_off, len);
	assert(!w->full);
}

size_t
fr_packet(uint8_t *to, size_t max, const struct fr *f)
{
	uint8_t bytes[FRAME_MAX];
	struct wire_wr in = wire_wr_init(bytes, sizeof(bytes)), w = wire_wr_init(to, max);

	put_packet(&in, f);
	if (f->tun_src) {
		struct fr around = { .src = f->tun_src,
			.dst = f->tun_dst,
			.ttl = f->tun_ttl,
			.tos = f->tun_tos,
			.df = true,
			.proto = is_v6(f) ? IPPROTO_IPV6 : IPPROTO_IPIP };

		if (is_v6(&around))
			put_ip6(&w, &around, in.len);
		else
			put_ip4(&w, &around, in.len);
	}
	wire_put_bytes(&w, bytes, in.len);
	assert(!w.full);
	return w.len;
}

void
fr_build(struct frame *out, const struct fr *f)
{
	struct wire_wr w = wire_wr_init(out->b, sizeof(out->b));
	uint8_t packet[FRAME_MAX];
	size_t len = fr_packet(packet, sizeof(packet), f);

	assert(f->nr_vlans <= 2);
	memset(out->b, 0, sizeof(out->b));
	wire_put_bytes(&w, f->dmac, 6);
	wire_put_bytes(&w, f->smac, 6);
	for (unsigned i = 0; i < f->nr_vlans; i++) {
		wire_put_u16(&w, f->nr_vlans == 2 && i == 0 ? 0x88a8 : ETHERTYPE_VLAN);
		wire_put_u16(&w, f->vlan[i]);
	}
	wire_put_u16(&w, is_v6(f) ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	wire_put_bytes(&w, packet, len);
	assert(!w.full);
	out->len = w.len;
}
