/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/slow.h: what the fast path hands over, at tc: options and extension headers,
 * fragments, SCTP, ICMP, outer headers on and off, packets that are to be refused or are too long.
 * The same stages as there, with headers at any place.
 */
#ifndef HERALD_BPF_SLOW_H
#define HERALD_BPF_SLOW_H

#include "datapath/bpf/answer.h"
#include "datapath/bpf/carry.h"
#include "datapath/bpf/select.h"
#include "datapath/bpf/send.h"

#define EXT_HEADERS_MAX 8

/* ---- parse ---- */

INLINE __u32
slow_parse4(struct __sk_buff *skb, struct pkt *p, struct slow *s)
{
	struct iphdr ip;
	__u32 hl, frag;

	if (bpf_skb_load_bytes(skb, L3_OFF, &ip, sizeof(ip)) < 0)
		return LB_SHORT;
	p->saddr.w[0] = ip.saddr; /* also of what is broken: is it to a VIP? */
	p->daddr.w[0] = ip.daddr;
	p->proto = ip.protocol;
	hl = ip.ihl * 4;
	p->len = bpf_ntohs(ip.tot_len);
	if (!p->len && skb->gso_size) /* made longer than 64 kB by the kernel (BIG TCP) */
		p->len = skb->len - L3_OFF;
	if (ip.version != 4 || hl < sizeof(ip) || p->len < hl)
		return LB_BAD_HEADER;
	if (L3_OFF + p->len > skb->len)
		return LB_SHORT;
	frag = bpf_ntohs(ip.frag_off);
	s->df = frag & 0x4000;
	s->fragment = frag & 0x3fff;
	s->rest = frag & 0x1fff;
	s->id = ip.id;
	s->ttl = ip.ttl;
	s->tos = ip.tos;
	s->l4 = L3_OFF + hl;
	/* RFC 1858: one that begins at the eighth byte would put itself over the flags. */
	return (frag & 0x1fff) == 1 && ip.protocol == IPPROTO_TCP ? LB_FRAGMENT_OVERLAP
								  : LB_FORWARDED;
}

/* One extension header: 1 another follows, 0 p->proto is what was looked for. */
INLINE int
slow_ext(struct __sk_buff *skb, struct pkt *p, struct slow *s)
{
	struct {
		__u8 next, len;
		__be16 frag;
		__be32 id;
	} h;

	switch (p->proto) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_FRAGMENT:
		break;
	default:
		return 0;
	}
	if (bpf_skb_load_bytes(skb, s->l4, &h, sizeof(h)) < 0)
		return -1;
	if (p->proto == IPPROTO_FRAGMENT) {
		__u32 off = bpf_ntohs(h.frag) & 0xfff8;

		s->fragment = h.frag & bpf_htons(0xfff9);
		s->rest = off;
		s->id = h.id;
		s->l4 += 8;
		p->proto = h.next;
		/* What comes behind the header of a later fragment is data. */
		return off ? 0 : 1;
	}
	s->l4 += p->proto == IPPROTO_AH ? (h.len + 2) * 4 : (h.len + 1) * 8;
	p->proto = h.next;
	return 1;
}

INLINE __u32
slow_parse6(struct __sk_buff *skb, struct pkt *p, struct slow *s)
{
	struct ipv6hdr ip;
	int more = 1;

	if (bpf_skb_load_bytes(skb, L3_OFF, &ip, sizeof(ip)) < 0)
		return LB_SHORT;
	__builtin_memcpy(&p->saddr, &ip.saddr, 16);
	__builtin_memcpy(&p->daddr, &ip.daddr, 16);
	p->len = bpf_ntohs(ip.payload_len) + (__u32)sizeof(ip);
	if (ip.version != 6)
		return LB_BAD_HEADER;
	if (!ip.payload_len && skb->gso_size) /* a jumbogram that the kernel made (BIG TCP) */
		p->len = skb->len - L3_OFF;
	if (L3_OFF + p->len > skb->len)
		return LB_SHORT;
	p->proto = ip.nexthdr;
	s->df = true;
	s->ttl = ip.hop_limit;
	s->tos = (__u8)(ip.priority << 4 | ip.flow_lbl[0] >> 4);
	s->l4 = L3_OFF + sizeof(ip);
	for (int i = 0; i < EXT_HEADERS_MAX && more > 0; i++)
		more = slow_ext(skb, p, s);
	if (more)
		return more < 0 ? LB_SHORT : LB_BAD_HEADER;
	return s->l4 > L3_OFF + p->len ? LB_BAD_HEADER : LB_FORWARDED;
}

INLINE void
frag_key(const struct pkt *p, const struct slow *s, const bool v6, struct lb_frag_key *k)
{
	/* RFC 8200 4.5: first and later fragments may name different next headers. */
	*k = (struct lb_frag_key){ .saddr = p->saddr,
		.daddr = p->daddr,
		.id = s->id,
		.proto = v6 ? 0 : p->proto,
		.family = v6 ? 6 : 4 };
}

/* Ports and flags; later fragments learn them from what the first one left. */
INLINE __u32
slow_ports(struct __sk_buff *skb, struct pkt *p, const struct slow *s, const bool v6)
{
	const __u32 need = p->proto == IPPROTO_TCP ? sizeof(struct tcphdr)
	    : p->proto == IPPROTO_SCTP		   ? 12
						   : sizeof(struct udphdr);
	struct scratch *tmp = the_scratch();
	struct lb_frag f, *known;

	if (!tmp)
		return LB_HELPER;
	frag_key(p, s, v6, &tmp->frag_key);
	if (s->rest) {
		known = bpf_map_lookup_elem(&frags, &tmp->frag_key);
		if (!known)
			return LB_FRAGMENT;
		p->sport = known->sport;
		p->dport = known->dport;
		return LB_FORWARDED;
	}
	if (s->l4 + need > L3_OFF + p->len || bpf_skb_load_bytes(skb, s->l4, &f, sizeof(f)) < 0)
		return LB_SHORT;
	p->sport = f.sport;
	p->dport = f.dport;
	if (p->proto == IPPROTO_TCP) {
		__u8 doff;

		if (bpf_skb_load_bytes(skb, s->l4 + 13, &p->tcp, 1) < 0 ||
		    bpf_skb_load_bytes(skb, s->l4 + 12, &doff, 1) < 0)
			return LB_SHORT;
		doff = (doff >> 4) * 4;
		if (doff < sizeof(struct tcphdr) || s->l4 + doff > L3_OFF + p->len)
			return LB_BAD_HEADER;
	}
	if (s->fragment)
		bpf_map_update_elem(&frags, &tmp->frag_key, &f, BPF_ANY);
	return LB_FORWARDED;
}

/* Of the packet in scratch; on its own, as the stack of all is short. */
__noinline int
lb_slow_ports(struct __sk_buff *skb, __u32 family)
{
	struct scratch *tmp = the_scratch();

	if (!tmp)
		return LB_HELPER;
	return (int)slow_ports(skb, &tmp->p, &tmp->s, family == 6);
}

/* Both into scratch, where p and s were cleared. */
__noinline int
lb_slow_parse4(struct __sk_buff *skb)
{
	struct scratch *tmp = the_scratch();

	return tmp ? (int)slow_parse4(skb, &tmp->p, &tmp->s) : LB_HELPER;
}

__noinline int
lb_slow_parse6(struct __sk_buff *skb)
{
	struct scratch *tmp = the_scratch();

	return tmp ? (int)slow_parse6(skb, &tmp->p, &tmp->s) : LB_HELPER;
}

/* ---- SCTP's checksum ---- */

#define CRC32C_POLY 0x82f63b78U /* RFC 9260 appendix A, bits reversed */

/* x^(8 * 2^k) modulo the polynomial. */
static const __u32 crc32c_steps[16] = { 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
	0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc };

INLINE __u32
crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 0; i < 32; i++) {
		product ^= b & (0U - (a >> 31));
		a <<= 1;
		b = (b >> 1) ^ (CRC32C_POLY & (0U - (b & 1)));
	}
	return product;
}

/*
 * What other ports change in the CRC of @len bytes: a CRC is linear, so it is that of the
 * difference, with all the bytes behind it zero; those are stepped over by powers.
 */
__noinline __u32
lb_crc32c_delta(__u32 diff, __u32 len)
{
	__u32 crc = bpf_htonl(bpf_ntohl(diff)), rest = len - 4;

	for (int i = 0; i < 32; i++)
		crc = (crc >> 1) ^ (CRC32C_POLY & (0U - (crc & 1)));
	for (__u32 k = 0; k < 16; k++) {
		__u32 next = crc32c_multiply(crc32c_steps[k], crc);

		crc = rest >> k & 1 ? next : crc;
	}
	return crc;
}

/* ---- rewrite ---- */

INLINE bool
slow_rewrite_sctp(
    struct __sk_buff *skb, const struct pkt *p, const struct slow *s, const struct way *w)
{
	__u32 old = (__u32)p->sport | (__u32)p->dport << 16, crc;
	__u32 new = (__u32)w->sport | (__u32)w->dport << 16;

	if (old == new)
		return true; /* addresses are not in it */
	if (bpf_skb_load_bytes(skb, s->l4 + 8, &crc, 4) < 0)
		return false;
	crc ^= lb_crc32c_delta(old ^ new, L3_OFF + p->len - s->l4);
	return bpf_skb_store_bytes(skb, s->l4 + 8, &crc, 4, 0) == 0 &&
	    bpf_skb_store_bytes(skb, s->l4, &new, 4, 0) == 0;
}

INLINE bool
slow_rewrite(struct __sk_buff *skb, const struct pkt *p, const struct slow *s, const struct way *w,
    const bool v6)
{
	__u64 addrs = way_diff_addrs(p, w, v6), ports = way_diff_ports(p, w);
	__be16 both[2] = { w->sport, w->dport };
	__u32 off, flags = 0;
	__u16 check;

	if (!rewrite_l3(skb, p, w, true, v6))
		return false;
	if (s->rest)
		return true;
	if (p->proto == IPPROTO_SCTP)
		return slow_rewrite_sctp(skb, p, s, w);
	off = s->l4 + (p->proto == IPPROTO_TCP ? 16 : 6);
	if (p->proto == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, off, &check, 2) < 0)
			return false;
		flags = BPF_F_MARK_MANGLED_0;
		if (!check)
			return bpf_skb_store_bytes(skb, s->l4, both, 4, 0) == 0;
	}
	return bpf_l4_csum_replace(skb, off, 0, fold32(addrs), flags | BPF_F_PSEUDO_HDR) == 0 &&
	    bpf_l4_csum_replace(skb, off, 0, fold32(ports), flags) == 0 &&
	    bpf_skb_store_bytes(skb, s->l4, both, 4, 0) == 0;
}

/* ---- outer headers ---- */

/*
 * Direct server return: the packet as it is, in an outer header to the backend's node (RFC 2003, RFC
 * 2473).  The VIP goes with every packet, so any node can choose for itself, the same.  The outer header
 * shows the same class and the same marks of congestion (RFC 2983 3.1, RFC 6040 4.1).
 */
INLINE __u32
encapsulate(struct __sk_buff *skb, const struct lb_conf *c, const struct pkt *p,
    const struct slow *s, const struct way *w, __u32 hook, const bool v6, int *verdict, __u32 *mtu)
{
	const __u32 outer = v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	const struct lb_addr *src = v6 ? &c->snat6 : &c->snat4;
	struct lb_be_row *be = be_row(w->be);
	struct scratch *tmp = the_scratch();
	struct way *same = tmp ? &tmp->inner_way : NULL;
	enum hop_answer answer;
	struct hop h = { 0 };
	struct lb_addr node;

	if (!be || !same || addr_is_zero(&be->node) || addr_is_zero(src))
		return LB_NO_NODE;
	node = be->node;
	same->saddr = p->saddr;
	same->daddr = p->daddr;
	answer = hop_find(skb, c, src, &node, skb->ifindex, w->now, v6, &h);
	if (answer == HOP_NONE || answer == HOP_LOCAL)
		return LB_NO_ROUTE;
	if (h.mtu && is_too_big(skb, p, L3_OFF, s->l4, h.mtu - outer)) {
		*mtu = h.mtu - outer;
		return LB_TOO_BIG;
	}
	if (!rewrite_l3(skb, p, same, true, v6) ||
	    bpf_skb_adjust_room(skb, (__s32)outer, BPF_ADJ_ROOM_MAC,
		v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) < 0 ||
	    put_ip(skb, src, &node, v6 ? IPPROTO_IPV6 : IPPROTO_IPIP, s->tos, p->len, v6) < 0)
		return LB_HELPER;
	*verdict = tc_go(skb, answer, &h, (int)hook);
	return LB_FORWARDED;
}

#define ECN_ECT1 1
#define ECN_CE 3

/* RFC 6040 4.2: the inner packet's marks after an outer header with these; -1: it must be dropped. */
INLINE int
ecn_after(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE)
		return inner ? ECN_CE : -1;
	return outer == ECN_ECT1 && inner && inner != ECN_CE ? ECN_ECT1 : inner;
}

/* The IP header at L3_OFF, whose first two bytes are @old, with these marks. */
INLINE bool
ecn_write(struct __sk_buff *skb, __be16 old, int ecn, const bool v6)
{
	const __u32 shift = v6 ? 4 : 0;
	__be16 new = bpf_htons((__u16)((bpf_ntohs(old) & ~(3U << shift)) | (__u32)ecn << shift));

	if (new == old)
		return true;
	if (!v6 && bpf_l3_csum_replace(skb, L3_OFF + 10, old, new, 2) < 0)
		return false;
	return bpf_skb_store_bytes(skb, L3_OFF, &new, 2, 0) == 0;
}

/* Is it a packet to a VIP, sent to us by another node?  Take the outer header off.  LB_FORWARDED: done;
 * LB_NOT_OURS, or why it is dropped. */
INLINE __u32
decapsulate(struct __sk_buff *skb, const struct lb_conf *c, const struct pkt *p,
    const struct slow *s, const bool v6)
{
	struct scratch *tmp = the_scratch();
	__be16 first;
	int ecn;

	if (!tmp)
		return LB_HELPER;
	tmp->fe = (struct lb_fe_key){ .family = v6 ? 6 : 4 };
	if (s->fragment || s->l4 + (v6 ? 40 : 20) > L3_OFF + p->len ||
	    !addr_eq(&p->daddr, v6 ? &c->snat6 : &c->snat4, v6) ||
	    bpf_skb_load_bytes(skb, s->l4, &first, 2) < 0 ||
	    bpf_ntohs(first) >> 12 != tmp->fe.family ||
	    bpf_skb_load_bytes(skb, s->l4 + (v6 ? 24 : 16), &tmp->fe.addr, v6 ? 16 : 4) < 0)
		return LB_NOT_OURS;
	if (!bpf_map_lookup_elem(&frontends, &tmp->fe))
		return LB_NOT_OURS;
	ecn = ecn_after((__u8)(bpf_ntohs(first) >> (v6 ? 4 : 0) & 3), s->tos & 3);
	if (ecn < 0)
		return LB_CONGESTED;
	/* What lies behind the outer packet's end is not the inner one's. */
	if (skb->len > L3_OFF + p->len && bpf_skb_change_tail(skb, L3_OFF + p->len, 0) < 0)
		return LB_HELPER;
	if (bpf_skb_adjust_room(skb, -(__s32)(s->l4 - L3_OFF), BPF_ADJ_ROOM_MAC, 0) < 0 ||
	    !ecn_write(skb, first, ecn, v6))
		return LB_HELPER;
	return LB_FORWARDED;
}

/* Of the packet in scratch. */
__noinline int
lb_decapsulate(struct __sk_buff *skb, __u32 family)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();

	return tmp && c ? (int)decapsulate(skb, c, &tmp->p, &tmp->s, family == 6) : LB_HELPER;
}

/* ---- the slow path ---- */

/* The packet in scratch, on its way there; @why as decided. */
INLINE __u32
slow_send(struct __sk_buff *skb, __u32 why, __u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	enum hop_answer answer;
	const struct slow *s;
	const struct pkt *p;
	const struct way *w;
	struct hop h = { 0 };
	__u32 err;

	if (!c || !tmp)
		return LB_HELPER;
	p = &tmp->p;
	s = &tmp->s;
	w = &tmp->w;
	if (s->ttl <= 1 && hook != LB_AT_OUT)
		return LB_TTL;
	err = tc_route(skb, c, p, w, (int)hook, v6, &answer, &h);
	if (err != LB_FORWARDED)
		return err;
	if (answer != HOP_LOCAL && is_too_big(skb, p, L3_OFF, s->l4, h.mtu)) {
		/* What may be cut the kernel cuts, where it would take the packet from us. */
		if (s->df || is_snat(p, w, v6)) {
			tmp->mtu = h.mtu;
			return LB_TOO_BIG;
		}
		answer = HOP_LOCAL;
	}
	if (!slow_rewrite(skb, p, s, w, v6))
		return LB_HELPER;
	tmp->verdict = tc_go(skb, answer, &h, (int)hook);
	return why;
}

/* The same, with an outer header. */
INLINE __u32
slow_encapsulate(struct __sk_buff *skb, __u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();

	if (!c || !tmp)
		return LB_HELPER;
	if (tmp->s.ttl <= 1)
		return LB_TTL;
	return encapsulate(skb, c, &tmp->p, &tmp->s, &tmp->w, hook, v6, &tmp->verdict, &tmp->mtu);
}

__noinline int
lb_encapsulate4(struct __sk_buff *skb, __u32 hook)
{
	return (int)slow_encapsulate(skb, hook, false);
}

__noinline int
lb_encapsulate6(struct __sk_buff *skb, __u32 hook)
{
	return (int)slow_encapsulate(skb, hook, true);
}

__noinline int
lb_slow_send4(struct __sk_buff *skb, __u32 why, __u32 hook)
{
	return (int)slow_send(skb, why, hook, false);
}

__noinline int
lb_slow_send6(struct __sk_buff *skb, __u32 why, __u32 hook)
{
	return (int)slow_send(skb, why, hook, true);
}

/* TCP, UDP, SCTP. */
INLINE __u32
slow_l4(
    struct __sk_buff *skb, const struct lb_conf *c, struct scratch *tmp, __u32 hook, const bool v6)
{
	const struct slow *s = &tmp->s;
	struct pkt *p = &tmp->p;
	__u32 why = (__u32)lb_slow_ports(skb, v6 ? 6 : 4);

	if (why != LB_FORWARDED)
		return is_vip(v6) ? why : LB_NOT_OURS;
	why = decide(c, p, (int)hook, true, v6, &tmp->w);
	if (why == LB_FORWARDED && tmp->w.encap)
		why = (__u32)(v6 ? lb_encapsulate6(skb, hook) : lb_encapsulate4(skb, hook));
	else if (why == LB_FORWARDED || why == LB_REPLIED)
		why = (__u32)(v6 ? lb_slow_send6(skb, why, hook) : lb_slow_send4(skb, why, hook));
	if (why == LB_NO_SERVICE || why == LB_NO_BACKEND)
		refuse(skb, p, s, hook, v6);
	else if (why == LB_TTL)
		tell(skb, ABOUT_TTL, 0, hook, v6);
	else if (why == LB_TOO_BIG && s->df && !s->fragment)
		tell(skb, ABOUT_SIZE, tmp->mtu, hook, v6);
	return why;
}

INLINE __u32
slow_icmp(struct __sk_buff *skb, const struct lb_conf *c, struct pkt *p, const struct slow *s,
    __u32 hook, const bool v6)
{
	__u8 type;

	if (s->fragment || bpf_skb_load_bytes(skb, s->l4, &type, 1) < 0)
		return is_vip(v6) ? (s->fragment ? LB_FRAGMENT : LB_SHORT) : LB_NOT_OURS;
	if (is_icmp_error(type, v6))
		return carry(skb, s->l4, hook, v6);
	if (!is_vip(v6))
		return LB_NOT_OURS;
	if (type == (v6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO)) {
		if (!(c->flags & LB_CONF_ECHO))
			return LB_UNSUPPORTED;
		return send_echo(skb, p, s, hook, v6) ? LB_ECHO : LB_HELPER;
	}
	/* Neighbour discovery is not ours to eat. */
	return v6 && type >= 130 ? LB_NOT_OURS : LB_UNSUPPORTED;
}

/* From another node, in an outer header: begins anew without it. */
INLINE __u32
slow_tunnel(struct __sk_buff *skb, const bool v6)
{
	__u32 why = (__u32)lb_decapsulate(skb, v6 ? 6 : 4);

	if (why == LB_FORWARDED) {
		skb->cb[CB_TURN] = CB_DECAPSULATED;
		bpf_tail_call(skb, &slow, v6 ? LB_SLOW6 : LB_SLOW4);
		return LB_HELPER;
	}
	return why == LB_NOT_OURS && is_vip(v6) ? LB_UNSUPPORTED : why;
}

INLINE int
slow_entry(struct __sk_buff *skb, const bool v6)
{
	struct lb_conf *c = the_conf();
	struct scratch *tmp = the_scratch();
	struct pkt *p;
	struct slow *s;
	__u32 why, hook = skb->cb[CB_HOOK];

	if (!c || !tmp)
		return TC_ACT_SHOT;
	p = &tmp->p;
	s = &tmp->s;
	__builtin_memset(p, 0, sizeof(*p));
	__builtin_memset(s, 0, sizeof(*s));
	__builtin_memset(&tmp->w, 0, sizeof(tmp->w));
	tmp->verdict = TC_ACT_SHOT;
	p->decapsulated = skb->cb[CB_TURN] == CB_DECAPSULATED;
	why = (__u32)(v6 ? lb_slow_parse6(skb) : lb_slow_parse4(skb));
	filter_pkt(p);
	if (why != LB_FORWARDED) {
		if (!is_vip(v6))
			return TC_ACT_UNSPEC;
	} else if (p->proto == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		why = slow_icmp(skb, c, p, s, hook, v6);
	} else if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP || p->proto == IPPROTO_SCTP) {
		why = slow_l4(skb, c, tmp, hook, v6);
	} else if (p->proto == (v6 ? IPPROTO_IPV6 : IPPROTO_IPIP) && hook == LB_AT_NET &&
	    !p->decapsulated) {
		why = slow_tunnel(skb, v6);
	} else {
		why = is_vip(v6) ? LB_UNSUPPORTED : LB_NOT_OURS;
	}
	if (why == LB_NOT_OURS)
		return TC_ACT_UNSPEC;
	account(c, p, &tmp->w, why, (int)hook, v6, skb->ifindex);
	return tmp->verdict;
}

#endif
