/*
 * tests/unit/datapath/frames_read.c: the strict reader: every header, length and checksum of a
 * frame, and the words and hex in which a failing test shows it.
 */
#include "tests/unit/datapath/frames.h"
#include "lib/wire.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is being read: the whole frame, and from where to where. */
struct at {
	const uint8_t *b;
	size_t off, end;
	bool embedded; /* in an ICMP error: may end early, without a fault */
};

static struct wire_rd
reader(const struct at *a)
{
	return wire_rd_init(a->b + a->off, a->end - a->off);
}

static struct addr
take_addr(struct wire_rd *r, enum addr_family family)
{
	struct addr a = { .family = (uint8_t)family };

	wire_copy(r, a.b, family == ADDR_V4 ? 4 : 16);
	return a;
}

static const char *
read_ip4(struct at *a, struct fr_ip *ip)
{
	struct wire_rd r = reader(a);
	uint8_t first = wire_u8(&r);
	uint16_t frag;

	*ip = (struct fr_ip){ .family = 4, .off = a->off, .hdr = (size_t)(first & 15) * 4 };
	ip->tos = wire_u8(&r);
	ip->len = wire_u16(&r);
	ip->id = wire_u16(&r);
	frag = wire_u16(&r);
	ip->frag_off = (uint16_t)((frag & 0x1fff) * 8);
	ip->more = frag & 0x2000;
	ip->df = frag & 0x4000;
	ip->ttl = wire_u8(&r);
	ip->proto = wire_u8(&r);
	(void)wire_u16(&r);
	ip->src = take_addr(&r, ADDR_V4);
	ip->dst = take_addr(&r, ADDR_V4);
	if (r.bad || first >> 4 != 4 || ip->hdr < 20 || ip->hdr > a->end - a->off)
		return "an IPv4 header that is not whole";
	if (ip->len < ip->hdr || (!a->embedded && ip->len > a->end - a->off))
		return "an IPv4 total length that is not so";
	ip->sum = fr_sum16(0, a->b + a->off, ip->hdr) == 0xffff ? SUM_GOOD : SUM_BAD;
	a->off += ip->hdr;
	return NULL;
}

/* Steps over the extension header @type; the type of the next is returned, -1: not whole. */
static int
read_ext(struct at *a, uint8_t type, struct fr_ip *ip)
{
	struct wire_rd r = reader(a);
	uint8_t next = wire_u8(&r), more = wire_u8(&r);
	size_t len = type == EXT_AH ? 4 * (size_t)(more + 2) : 8 * (size_t)(more + 1);
	uint16_t frag;

	if (type == IPPROTO_FRAGMENT) {
		len = 8;
		frag = wire_u16(&r);
		ip->frag_off = frag & 0xfff8;
		ip->more = frag & 1;
		ip->id = wire_u32(&r);
	}
	if (r.bad || len > a->end - a->off)
		return -1;
	a->off += len;
	return next;
}

static const char *
read_ip6(struct at *a, struct fr_ip *ip)
{
	struct wire_rd r = reader(a);
	uint32_t first = wire_u32(&r);
	int next;

	*ip = (struct fr_ip){ .family = 6, .off = a->off, .tos = (uint8_t)(first >> 20) };
	ip->len = 40 + (size_t)wire_u16(&r);
	next = wire_u8(&r);
	ip->ttl = wire_u8(&r);
	ip->src = take_addr(&r, ADDR_V6);
	ip->dst = take_addr(&r, ADDR_V6);
	if (r.bad || first >> 28 != 6)
		return "an IPv6 header that is not whole";
	if (!a->embedded && ip->len > a->end - a->off)
		return "an IPv6 payload length that is not so";
	a->off += 40;
	while (next == EXT_HOP || next == EXT_DEST || next == EXT_ROUTING || next == EXT_AH ||
	    next == IPPROTO_FRAGMENT) {
		next = read_ext(a, (uint8_t)next, ip);
		if (next < 0)
			return "an IPv6 extension header that is not whole";
		if (ip->frag_off) /* what follows is not a header */
			break;
	}
	ip->proto = (uint8_t)next;
	ip->hdr = a->off - ip->off;
	if (ip->len < ip->hdr)
		return "IPv6 extension headers longer than the payload length";
	return NULL;
}

static const char *
read_ip(struct at *a, struct fr_ip *ip)
{
	const char *fault;

	if (a->off >= a->end)
		return "no IP header";
	fault = a->b[a->off] >> 4 == 4 ? read_ip4(a, ip) : read_ip6(a, ip);
	if (!fault && a->end > ip->off + ip->len)
		a->end = ip->off + ip->len;
	return fault;
}

/* ---- transport ---- */

static const char *
read_tcp(struct wire_rd r, struct fr_l4 *l4, bool embedded)
{
	size_t hdr;

	l4->sport = wire_u16(&r);
	l4->dport = wire_u16(&r);
	l4->seq = wire_u32(&r);
	if (embedded && r.left < 12)
		return r.bad ? "TCP ports that are not whole" : NULL;
	l4->ack = wire_u32(&r);
	hdr = (size_t)(wire_u8(&r) >> 4) * 4;
	l4->flags = wire_u8(&r);
	l4->payload = l4->off + hdr;
	if (!embedded && (r.bad || hdr < 20 || hdr > l4->len))
		return "a TCP header that is not whole";
	return NULL;
}

static const char *
read_udp(struct wire_rd r, struct fr_l4 *l4, bool cut)
{
	uint16_t len;

	l4->sport = wire_u16(&r);
	l4->dport = wire_u16(&r);
	len = wire_u16(&r);
	l4->payload = l4->off + 8;
	if (wire_u16(&r) == 0 && !r.bad)
		l4->sum = SUM_NONE;
	if (r.bad)
		return "a UDP header that is not whole";
	if (!cut && len != l4->len)
		return "a UDP length that is not so";
	return NULL;
}

static const char *
read_sctp(struct wire_rd r, struct fr_l4 *l4, bool embedded)
{
	l4->sport = wire_u16(&r);
	l4->dport = wire_u16(&r);
	l4->seq = wire_u32(&r);
	if (embedded && !r.bad)
		return NULL;
	(void)wire_u32(&r);
	l4->type = wire_u8(&r);
	l4->payload = l4->off + 16;
	return r.bad || l4->len < 16 ? "an SCTP header that is not whole" : NULL;
}

static const char *
read_icmp(struct wire_rd r, struct fr_l4 *l4)
{
	l4->type = wire_u8(&r);
	l4->code = wire_u8(&r);
	(void)wire_u16(&r);
	l4->rest = wire_u32(&r);
	l4->payload = l4->off + 8;
	return r.bad ? "an ICMP header that is not whole" : NULL;
}

/* Is the field what the other bytes say? */
static enum fr_sum
judge(const struct at *a, const struct fr_ip *ip)
{
	const uint8_t *b = a->b + a->off;
	size_t len = a->end - a->off;
	uint8_t copy[FRAME_MAX];

	if (ip->proto == IPPROTO_SCTP) {
		uint32_t held = (uint32_t)b[8] | (uint32_t)b[9] << 8 | (uint32_t)b[10] << 16 |
		    (uint32_t)b[11] << 24;

		memcpy(copy, b, len);
		memset(copy + 8, 0, 4);
		return fr_crc32c(copy, len) == held ? SUM_GOOD : SUM_BAD;
	}
	/* RFC 1071: over all bytes with the field in place, the sum is zero. */
	return fr_transport_sum(&ip->src, &ip->dst, ip->proto, b, len) == 0 ? SUM_GOOD : SUM_BAD;
}

static const char *
read_l4(const struct at *a, const struct fr_ip *ip, struct fr_l4 *l4)
{
	bool cut = ip->more || ip->frag_off || a->end < ip->off + ip->len;
	struct wire_rd r = reader(a);
	const char *fault = NULL;

	*l4 = (struct fr_l4){ .off = a->off, .len = a->end - a->off, .payload = a->off };
	l4->sum = SUM_CUT;
	if (ip->frag_off)
		return NULL;
	if (ip->proto == IPPROTO_TCP)
		fault = read_tcp(r, l4, a->embedded);
	else if (ip->proto == IPPROTO_UDP)
		fault = read_udp(r, l4, cut);
	else if (ip->proto == IPPROTO_SCTP)
		fault = read_sctp(r, l4, a->embedded);
	else if (ip->proto == IPPROTO_ICMP || ip->proto == IPPROTO_ICMPV6)
		fault = read_icmp(r, l4);
	else
		l4->sum = SUM_NONE;
	if (!fault && !cut && l4->sum != SUM_NONE)
		l4->sum = judge(a, ip);
	if (!fault && ip->proto == IPPROTO_UDP && ip->family == 6 && l4->sum == SUM_NONE && !cut)
		l4->sum = SUM_BAD; /* RFC 8200 8.1 */
	return fault;
}

static bool
is_error(const struct fr_ip *ip, const struct fr_l4 *l4)
{
	if (ip->frag_off)
		return false;
	if (ip->proto == IPPROTO_ICMPV6)
		return l4->type < 128;
	return ip->proto == IPPROTO_ICMP &&
	    (l4->type == 3 || l4->type == 4 || l4->type == 5 || l4->type == 11 || l4->type == 12);
}

static const char *
read_packet(struct at a, struct fr_view *v)
{
	const char *fault = read_ip(&a, &v->ip);

	if (!fault && (v->ip.proto == IPPROTO_IPIP || v->ip.proto == IPPROTO_IPV6) &&
	    !v->ip.frag_off && !v->ip.more) {
		v->outer = v->ip;
		fault = read_ip(&a, &v->ip);
	}
	if (!fault)
		fault = read_l4(&a, &v->ip, &v->l4);
	if (fault || !is_error(&v->ip, &v->l4))
		return fault;
	a.off = v->l4.payload;
	a.embedded = true;
	fault = read_ip(&a, &v->inner);
	return fault ? fault : read_l4(&a, &v->inner, &v->inner_l4);
}

const char *
fr_read(const struct frame *f, struct fr_view *v)
{
	struct wire_rd r = wire_rd_init(f->b, f->len);
	struct at a = { .b = f->b, .end = f->len };
	const struct fr_ip *ip;
	const char *fault;

	memset(v, 0, sizeof(*v));
	wire_copy(&r, v->dmac, 6);
	wire_copy(&r, v->smac, 6);
	v->ethertype = wire_u16(&r);
	while ((v->ethertype == ETHERTYPE_VLAN || v->ethertype == 0x88a8) && v->nr_vlans < 2) {
		v->vlan[v->nr_vlans++] = wire_u16(&r);
		v->ethertype = wire_u16(&r);
	}
	if (r.bad)
		return "an Ethernet header that is not whole";
	if (v->ethertype != ETHERTYPE_IP && v->ethertype != ETHERTYPE_IPV6)
		return NULL;
	a.off = f->len - r.left;
	fault = read_packet(a, v);
	ip = v->outer.family ? &v->outer : &v->ip;
	if (!fault && f->len > ip->off + ip->len)
		v->spare = f->len - (ip->off + ip->len);
	if (!fault && (ip->family == 4) != (v->ethertype == ETHERTYPE_IP))
		return "an EtherType that is not the packet's version";
	return fault;
}

enum fr_sum
fr_worst(const struct fr_view *v)
{
	if (v->ip.sum == SUM_BAD || v->l4.sum == SUM_BAD || v->outer.sum == SUM_BAD)
		return SUM_BAD;
	return v->l4.sum == SUM_CUT ? SUM_CUT : SUM_GOOD;
}

const char *
fr_fault(const struct frame *f)
{
	struct fr_view v;
	const char *fault = fr_read(f, &v);

	if (fault)
		return fault;
	if (v.outer.sum == SUM_BAD)
		return "the outer IPv4 header's checksum";
	if (v.ip.sum == SUM_BAD)
		return "the IPv4 header's checksum";
	if (v.l4.sum == SUM_BAD)
		return "the transport's checksum";
	if (v.inner.sum == SUM_BAD)
		return "the embedded IPv4 header's checksum";
	if (v.inner_l4.sum == SUM_BAD)
		return "the embedded transport's checksum";
	return v.spare ? "bytes behind the packet" : NULL;
}

/* ---- showing ---- */

struct sink {
	char *text;
	size_t size, len;
};

static void __attribute__((format(printf, 2, 3))) say(struct sink *s, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(s->text + s->len, s->size - s->len, format, ap);
	va_end(ap);
	if (n > 0)
		s->len = s->len + (size_t)n < s->size ? s->len + (size_t)n : s->size - 1;
}

static void
say_layer(struct sink *s, const char *name, const struct fr_ip *ip, const struct fr_l4 *l4)
{
	static const char *const sums[] = { "none", "good", "BAD", "cut" };

	if (!ip->family)
		return;
	say(s, "\n  %s %s > %s ttl %u proto %u len %zu hdr %zu id %u frag %u%s%s sum %s", name,
	    addr_str(&ip->src), addr_str(&ip->dst), ip->ttl, ip->proto, ip->len, ip->hdr, ip->id,
	    ip->frag_off, ip->more ? "+" : "", ip->df ? " DF" : "", sums[ip->sum]);
	if (!l4 || ip->frag_off)
		return;
	if (ip->proto == IPPROTO_ICMP || ip->proto == IPPROTO_ICMPV6)
		say(s, ", icmp %u/%u rest %08x sum %s", l4->type, l4->code, l4->rest,
		    sums[l4->sum]);
	else
		say(s, ", %u > %u flags %02x seq %u ack %u sum %s", l4->sport, l4->dport, l4->flags,
		    l4->seq, l4->ack, sums[l4->sum]);
}

void
fr_show(char *text, size_t size, const struct frame *f)
{
	struct sink s = { .text = text, .size = size };
	struct fr_view v;
	const char *fault = fr_read(f, &v);

	text[0] = '\0';
	say(&s, "%zu bytes, type %04x, %u tags", f->len, v.ethertype, v.nr_vlans);
	if (fault)
		say(&s, ", %s", fault);
	say_layer(&s, "around", &v.outer, NULL);
	say_layer(&s, "packet", &v.ip, &v.l4);
	say_layer(&s, "inside", &v.inner, &v.inner_l4);
	for (size_t i = 0; i < f->len && i < 256; i++)
		say(&s, "%s%02x", i % 32 == 0 ? "\n    " : i % 4 == 0 ? " " : "", f->b[i]);
	say(&s, "%s\n", f->len > 256 ? " ..." : "");
}

const char *
fr_differ(const struct frame *got, const struct frame *want)
{
	static char text[8000];
	struct sink s = { .text = text, .size = sizeof(text) };
	size_t i = 0;

	if (got->len == want->len && memcmp(got->b, want->b, got->len) == 0)
		return NULL;
	while (i < got->len && i < want->len && got->b[i] == want->b[i])
		i++;
	say(&s, "differ at byte %zu\n got: ", i);
	fr_show(text + s.len, sizeof(text) / 2 - s.len, got);
	s.len = strlen(text);
	say(&s, "want: ");
	fr_show(text + s.len, sizeof(text) - s.len, want);
	return text;
}
