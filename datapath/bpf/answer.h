/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/answer.h: packets that we make ourselves, out of the one that came: a TCP reset, an
 * ICMP error, an echo reply.  They go back where theirs came from.  tc only.
 */
#ifndef HERALD_BPF_ANSWER_H
#define HERALD_BPF_ANSWER_H

#include <linux/icmpv6.h>

#include "datapath/bpf/send.h"

/* Errors in one tick and on one processor (RFC 4443 2.4(f), RFC 1812 4.3.2.8). */
#define ICMP_BUDGET 1000

struct icmp_budget {
	__u32 tick, spent;
};
/* Of the programs alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct icmp_budget);
	__uint(max_entries, 1);
} budget SEC(".maps");

INLINE __u64
sum_addr(const struct lb_addr *a, const bool v6)
{
	__u64 s = a->w[0];

	if (v6)
		s += (__u64)a->w[1] + a->w[2] + a->w[3];
	return s;
}

/* The pseudo header of TCP, UDP or ICMPv6: @len bytes of @proto. */
INLINE __u64
sum_pseudo(const struct lb_addr *s, const struct lb_addr *d, __u32 len, __u8 proto, const bool v6)
{
	return sum_addr(s, v6) + sum_addr(d, v6) + bpf_htonl(len) + bpf_htonl(proto);
}

/* Turn the frame round, and back to where it came from. */
INLINE int
send_back(struct __sk_buff *skb, __u32 hook)
{
	__u8 mac[12], back[12];

	if (bpf_skb_load_bytes(skb, 0, mac, 12) < 0)
		return TC_ACT_SHOT;
	__builtin_memcpy(back, mac + 6, 6);
	__builtin_memcpy(back + 6, mac, 6);
	if (bpf_skb_store_bytes(skb, 0, back, 12, 0) < 0)
		return TC_ACT_SHOT;
	if (hook == LB_AT_OUT) /* its sender is above: it comes in as if from outside */
		return (int)bpf_redirect(skb->ifindex, BPF_F_INGRESS);
	return (int)bpf_redirect(skb->ifindex, 0);
}

INLINE void
ip4_fill(struct iphdr *ip, __be32 s, __be32 d, __u8 proto, __u8 tos, __u32 len)
{
	__u64 sum = 0;
	__u32 *w = (void *)ip;

	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = tos;
	ip->tot_len = bpf_htons((__u16)len);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = proto;
	ip->saddr = s;
	ip->daddr = d;
	for (int i = 0; i < 5; i++)
		sum += w[i];
	ip->check = (__u16)~fold(sum);
}

INLINE void
ip6_fill(struct ipv6hdr *ip, const struct lb_addr *s, const struct lb_addr *d, __u8 proto, __u8 tos,
    __u32 len)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->priority = tos >> 4;
	ip->flow_lbl[0] = (__u8)(tos << 4);
	ip->payload_len = bpf_htons((__u16)len);
	ip->nexthdr = proto;
	ip->hop_limit = 64;
	__builtin_memcpy(&ip->saddr, s, 16);
	__builtin_memcpy(&ip->daddr, d, 16);
}

INLINE int
put_ip(struct __sk_buff *skb, const struct lb_addr *s, const struct lb_addr *d, __u8 proto,
    __u8 tos, __u32 len, const bool v6)
{
	struct scratch *tmp = the_scratch();

	if (!tmp)
		return -1;
	if (v6) {
		ip6_fill((struct ipv6hdr *)tmp->chunk, s, d, proto, tos, len);
		return (int)bpf_skb_store_bytes(skb, L3_OFF, tmp->chunk, sizeof(struct ipv6hdr), 0);
	}
	ip4_fill((struct iphdr *)tmp->chunk, s->w[0], d->w[0], proto, tos,
	    len + (__u32)sizeof(struct iphdr));
	return (int)bpf_skb_store_bytes(skb, L3_OFF, tmp->chunk, sizeof(struct iphdr), 0);
}

/* ---- TCP reset ---- */

/*
 * RFC 9293 3.10.7.1: a segment to a port that is closed.  Did the kernel that sent it leave the
 * checksum to the device?  Then the field holds the sum of the pseudo header alone, and what we put
 * there must be likewise.
 */
INLINE int
send_reset(struct __sk_buff *skb, __u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	const struct pkt *p;
	const struct slow *s;
	struct tcphdr t, r;
	__u32 seg, l4len, *w = (void *)&r;
	__u64 sum;
	bool partial;

	if (!tmp)
		return 0;
	p = &tmp->p;
	s = &tmp->s;
	l4len = p->len - (s->l4 - L3_OFF);
	if (p->tcp & FLAG_RST || bpf_skb_load_bytes(skb, s->l4, &t, sizeof(t)) < 0)
		return 0;
	seg = l4len - t.doff * 4 + t.syn + t.fin;
	partial = t.check == (__u16)fold(sum_pseudo(&p->saddr, &p->daddr, l4len, p->proto, v6)) &&
	    s->l4 == L4_OFF(v6);
	__builtin_memset(&r, 0, sizeof(r));
	r.source = t.dest;
	r.dest = t.source;
	r.doff = 5;
	r.rst = 1;
	if (t.ack) {
		r.seq = t.ack_seq;
	} else {
		r.ack = 1;
		r.ack_seq = bpf_htonl(bpf_ntohl(t.seq) + seg);
	}
	sum = sum_pseudo(&p->saddr, &p->daddr, sizeof(r), IPPROTO_TCP, v6);
	if (partial) {
		r.check = (__u16)fold(sum);
	} else {
		for (int i = 0; i < 5; i++)
			sum += w[i];
		r.check = (__u16)~fold(sum);
	}
	if (bpf_skb_change_tail(skb, L4_OFF(v6) + sizeof(r), 0) < 0 ||
	    put_ip(skb, &p->daddr, &p->saddr, IPPROTO_TCP, 0, sizeof(r), v6) < 0 ||
	    bpf_skb_store_bytes(skb, L4_OFF(v6), &r, sizeof(r), 0) < 0)
		return 0;
	tmp->verdict = send_back(skb, hook);
	return 1;
}

__noinline int
lb_send_reset4(struct __sk_buff *skb, __u32 hook)
{
	return send_reset(skb, hook, false);
}

__noinline int
lb_send_reset6(struct __sk_buff *skb, __u32 hook)
{
	return send_reset(skb, hook, true);
}

/* ---- ICMP errors ---- */

INLINE bool
icmp_may(const struct pkt *p, const struct slow *s, const bool v6)
{
	__u32 zero = 0, now = now_ticks();
	struct icmp_budget *b = bpf_map_lookup_elem(&budget, &zero);

	/* Never about a later fragment, or to or from what is no single host (RFC 1122 3.2.2, RFC
	 * 4443 2.4(e)). */
	if (!b || s->rest || addr_is_zero(&p->saddr))
		return false;
	if (v6 ? (p->saddr.w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000)
	       : (p->saddr.w[0] & bpf_htonl(0xe0000000)) == bpf_htonl(0xe0000000))
		return false;
	if (b->tick != now) {
		b->tick = now;
		b->spent = 0;
	}
	return b->spent++ < ICMP_BUDGET;
}

#define CHUNK 128
#define QUOTE4 (576 - 28)  /* RFC 1812 4.3.2.3 */
#define QUOTE6 (1280 - 48) /* RFC 4443 2.4(c) */

/* The sum of @len bytes from @off, folded; -1: they are not all there.  @len and @off are even. */
__noinline int
lb_sum(struct __sk_buff *skb, __u32 off, __u32 len)
{
	struct scratch *tmp = the_scratch();
	__u64 sum = 0;

	if (!tmp)
		return -1;
	for (int i = 0; i < QUOTE6 / CHUNK + 1 && len > 0; i++) {
		__u32 n = len < CHUNK ? len : CHUNK;
		__s64 part;

		/* A chunk of any length is summed as a whole one, with zeros behind. */
		__builtin_memset(tmp->chunk, 0, CHUNK);
		if (bpf_skb_load_bytes(skb, off, tmp->chunk, ((n - 1) & (CHUNK - 1)) + 1) < 0)
			return -1;
		part = bpf_csum_diff(NULL, 0, (__be32 *)tmp->chunk, CHUNK, 0);
		if (part < 0)
			return -1;
		sum += (__u32)part;
		off += n;
		len -= n;
	}
	return len == 0 ? (int)fold(sum) : -1;
}

/*
 * The sum of the first @quote bytes of the packet, which the frame was cut to, as they will be sent:
 * a checksum that is left to the device is made inside the quotation, where it begins and ends.  -1:
 * they cannot be read.
 */
INLINE int
quote_sum(
    struct __sk_buff *skb, const struct pkt *p, const struct slow *s, __u32 quote, const bool v6)
{
	__u32 l3len = s->l4 - L3_OFF, off;
	int head, rest;
	__u64 pseudo;
	__u16 check = 0;

	off = p->proto == IPPROTO_TCP ? 16 : p->proto == IPPROTO_UDP ? 6 : 0;
	if (off && quote >= l3len + off + 2 && bpf_skb_load_bytes(skb, s->l4 + off, &check, 2) < 0)
		return -1;
	pseudo = sum_pseudo(&p->saddr, &p->daddr, p->len - l3len, p->proto, v6);
	head = lb_sum(skb, L3_OFF, l3len);
	rest = lb_sum(skb, s->l4, quote - l3len);
	if (head < 0 || rest < 0)
		return -1;
	if (off && check == (__u16)fold(pseudo))
		rest = (__u16)~check;
	return head + rest;
}

/*
 * An error about the packet, to its source.  @what: type and code; @vip: in the name of
 * the VIP, else of the node.  The quoted packet stays where it
 * is and gets headers in front of it; where its checksum is still to be made by the device that will
 * be made inside the quotation, so its sum is reckoned as it will be.
 */
INLINE int
send_icmp(struct __sk_buff *skb, __u32 what, __u32 info, bool vip, __u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	const struct lb_addr *from;
	const struct pkt *p;
	const struct slow *s;
	const __u32 head = (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + 8;
	__u32 quote, l3len;
	int quoted;
	__u64 sum;
	struct {
		__u8 type, code;
		__u16 check;
		__be32 info;
	} icmp = { .type = (__u8)(what >> 8), .code = (__u8)what, .info = bpf_htonl(info) };

	if (!c || !tmp)
		return 0;
	p = &tmp->p;
	s = &tmp->s;
	from = v6 ? &c->snat6 : &c->snat4;
	if (vip || addr_is_zero(from))
		from = &p->daddr;
	quote = p->len;
	l3len = s->l4 - L3_OFF;
	if (!icmp_may(p, s, v6))
		return 0;
	if (quote > (v6 ? QUOTE6 : QUOTE4))
		quote = v6 ? QUOTE6 : QUOTE4;
	if (quote <= l3len || bpf_skb_change_tail(skb, L3_OFF + quote, 0) < 0)
		return 0;
	quoted = quote_sum(skb, p, s, quote, v6);
	if (quoted < 0)
		return 0;
	sum = (__u64)(__u32)quoted + (__u16)bpf_htons((__u16)what) + icmp.info;
	if (v6)
		sum += sum_pseudo(from, &p->saddr, quote + 8, IPPROTO_ICMPV6, true);
	icmp.check = (__u16)~fold(sum);
	if (bpf_skb_adjust_room(skb, (__s32)head, BPF_ADJ_ROOM_MAC, 0) < 0 ||
	    put_ip(skb, from, &p->saddr, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0, quote + 8, v6) <
		0 ||
	    bpf_skb_store_bytes(skb, L3_OFF + head - 8, &icmp, 8, 0) < 0)
		return 0;
	tmp->verdict = send_back(skb, (int)hook);
	return 1;
}

__noinline int
lb_send_icmp4(struct __sk_buff *skb, __u32 what, __u32 info, __u32 vip, __u32 hook)
{
	return send_icmp(skb, what, info, vip, hook, false);
}

__noinline int
lb_send_icmp6(struct __sk_buff *skb, __u32 what, __u32 info, __u32 vip, __u32 hook)
{
	return send_icmp(skb, what, info, vip, hook, true);
}

enum icmp_about { ABOUT_PORT, ABOUT_SIZE, ABOUT_TTL };

/* The error of each family for it.  The verdict is in scratch. */
INLINE int
tell(struct __sk_buff *skb, const enum icmp_about about, __u32 info, __u32 hook, const bool v6)
{
	const __u32 what4 = about == ABOUT_PORT ? ICMP_DEST_UNREACH << 8 | ICMP_PORT_UNREACH
	    : about == ABOUT_SIZE		? ICMP_DEST_UNREACH << 8 | ICMP_FRAG_NEEDED
						: ICMP_TIME_EXCEEDED << 8;
	const __u32 what6 = about == ABOUT_PORT ? ICMPV6_DEST_UNREACH << 8 | ICMPV6_PORT_UNREACH
	    : about == ABOUT_SIZE		? ICMPV6_PKT_TOOBIG << 8
						: ICMPV6_TIME_EXCEED << 8;

	return v6 ? lb_send_icmp6(skb, what6, info, about == ABOUT_PORT, hook)
		  : lb_send_icmp4(skb, what4, info, about == ABOUT_PORT, hook);
}

/* Tell the sender that nobody is there.  What cannot be told is dropped. */
INLINE void
refuse(struct __sk_buff *skb, const struct pkt *p, const struct slow *s, __u32 hook, const bool v6)
{
	if (s->fragment)
		return;
	if (p->proto == IPPROTO_TCP)
		v6 ? lb_send_reset6(skb, hook) : lb_send_reset4(skb, hook);
	else
		tell(skb, ABOUT_PORT, 0, hook, v6);
}

/* ---- echo ---- */

/* RFC 792, RFC 4443 4.2: the same data back. */
INLINE bool
send_echo(
    struct __sk_buff *skb, const struct pkt *p, const struct slow *s, __u32 hook, const bool v6)
{
	__be16 old = v6 ? bpf_htons(ICMPV6_ECHO_REQUEST << 8) : bpf_htons(ICMP_ECHO << 8);
	__be16 new = v6 ? bpf_htons(ICMPV6_ECHO_REPLY << 8) : bpf_htons(ICMP_ECHOREPLY << 8);
	struct scratch *tmp = the_scratch();
	__u8 ttl = 64;

	if (!tmp)
		return false;
	if (v6) {
		if (bpf_skb_store_bytes(skb, L3_OFF + 8, &p->daddr, 16, 0) < 0 ||
		    bpf_skb_store_bytes(skb, L3_OFF + 24, &p->saddr, 16, 0) < 0 ||
		    bpf_skb_store_bytes(skb, L3_OFF + 7, &ttl, 1, 0) < 0)
			return false;
	} else {
		__be32 a[2] = { p->daddr.w[0], p->saddr.w[0] };

		if (bpf_l3_csum_replace(skb, L3_OFF + 10, bpf_htons((__u16)(s->ttl << 8)),
			bpf_htons(64 << 8), 2) < 0 ||
		    bpf_skb_store_bytes(skb, L3_OFF + 8, &ttl, 1, 0) < 0 ||
		    bpf_skb_store_bytes(skb, L3_OFF + 12, a, 8, 0) < 0)
			return false;
	}
	if (bpf_l4_csum_replace(skb, s->l4 + 2, old, new, 2) < 0 ||
	    bpf_skb_store_bytes(skb, s->l4, &new, 1, 0) < 0) /* the code stays */
		return false;
	tmp->verdict = send_back(skb, hook);
	return true;
}

#endif
