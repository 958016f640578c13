/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/carry.h: ICMP errors about flows of ours, to the end that sent what they quote, with
 * the quotation as that end knows it.  So path MTU discovery works through us.
 */
#ifndef HERALD_BPF_CARRY_H
#define HERALD_BPF_CARRY_H

#include <linux/icmpv6.h>

#include "datapath/bpf/select.h"
#include "datapath/bpf/send.h"

INLINE bool
is_icmp_error(__u8 type, const bool v6)
{
	if (v6) /* RFC 4443 2.1: errors are below 128 */
		return type < 128;
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	    type == ICMP_PARAMETERPROB;
}

INLINE bool
quoted_parse(struct __sk_buff *skb, __u32 off, const bool v6, struct quoted *q)
{
	__be16 ports[2];

	q->l3 = off;
	if (v6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, off, &ip, sizeof(ip)) < 0)
			return false;
		__builtin_memcpy(&q->saddr, &ip.saddr, 16);
		__builtin_memcpy(&q->daddr, &ip.daddr, 16);
		q->proto = ip.nexthdr;
		q->l4 = off + sizeof(ip);
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, off, &ip, sizeof(ip)) < 0 || ip.ihl < 5 ||
		    ip.frag_off & bpf_htons(0x1fff))
			return false;
		q->saddr.w[0] = ip.saddr;
		q->daddr.w[0] = ip.daddr;
		q->proto = ip.protocol;
		q->check = ip.check;
		q->l4 = off + ip.ihl * 4;
	}
	if (q->proto != IPPROTO_TCP && q->proto != IPPROTO_UDP && q->proto != IPPROTO_SCTP)
		return false;
	if (bpf_skb_load_bytes(skb, q->l4, ports, sizeof(ports)) < 0)
		return false;
	q->sport = ports[0];
	q->dport = ports[1];
	return true;
}

/* Write its new ends, and say what that adds to the sum of the quotation. */
INLINE bool
quoted_rewrite(struct __sk_buff *skb, const struct quoted *q, const struct requote *n,
    const bool v6, __u64 *diff)
{
	__u64 addrs = diff_addr(&q->saddr, &n->saddr, v6) + diff_addr(&q->daddr, &n->daddr, v6);
	__u64 ports = diff16(q->sport, n->sport) + diff16(q->dport, n->dport);
	__u32 off = q->l4 + (q->proto == IPPROTO_TCP ? 16 : 6);
	__be16 both[2] = { n->sport, n->dport };
	__u16 old, new;

	*diff = addrs + ports;
	if (v6) {
		/* Both addresses lie behind one another, here as there. */
		if (bpf_skb_store_bytes(skb, q->l3 + 8, &n->saddr, 32, 0) < 0)
			return false;
	} else {
		__be32 a[2] = { n->saddr.w[0], n->daddr.w[0] };

		new = csum_after(q->check, addrs);
		*diff += diff16(q->check, new);
		if (bpf_skb_store_bytes(skb, q->l3 + 12, a, 8, 0) < 0 ||
		    bpf_skb_store_bytes(skb, q->l3 + 10, &new, 2, 0) < 0)
			return false;
	}
	if (bpf_skb_store_bytes(skb, q->l4, both, 4, 0) < 0)
		return false;
	/* The inner checksum, when it was quoted (TCP's lies beyond the eight bytes of RFC 792). */
	if (q->proto == IPPROTO_SCTP || bpf_skb_load_bytes(skb, off, &old, 2) < 0 ||
	    (q->proto == IPPROTO_UDP && !old))
		return true;
	new = csum_after(old, addrs + ports);
	*diff += diff16(old, new);
	return bpf_skb_store_bytes(skb, off, &new, 2, 0) == 0;
}

INLINE bool
outer_rewrite(struct __sk_buff *skb, const struct pkt *p, const struct way *w, __u32 l4, __u64 diff,
    const bool v6)
{
	/* Of IPv6 the sum covers the addresses (RFC 4443 2.3). */
	if (v6 &&
	    bpf_l4_csum_replace(
		skb, l4 + 2, 0, fold32(way_diff_addrs(p, w, true)), BPF_F_PSEUDO_HDR) < 0)
		return false;
	return rewrite_l3(skb, p, w, true, v6) &&
	    bpf_l4_csum_replace(skb, l4 + 2, 0, fold32(diff), 0) == 0;
}

/* About what went to a backend: back to the client.  *w is the outer packet's new ends. */
INLINE __u32
carry_to_client(const struct lb_conf *c, struct scratch *tmp, const struct pkt *p,
    const struct quoted *q, const bool v6, struct way *w, struct requote *n)
{
	struct pkt *back = &tmp->inner;
	struct way *reply = &tmp->inner_way;

	*back = (struct pkt){ .saddr = q->daddr,
		.daddr = q->saddr,
		.sport = q->dport,
		.dport = q->sport,
		.proto = q->proto };
	if (!filter_pkt(back) || !(back->from & LB_IS_BACKEND))
		return LB_NOT_OURS;
	if (decide_reply(c, back, now_ticks(), true, v6, reply) != LB_REPLIED)
		return LB_NOT_OURS;
	n->saddr = reply->daddr;
	n->sport = reply->dport;
	n->daddr = reply->saddr;
	n->dport = reply->sport;
	*w = (struct way){ .saddr = p->saddr, .daddr = reply->daddr, .reply = true };
	if (addr_eq(&p->saddr, &q->daddr, v6))
		w->saddr = reply->saddr;
	return LB_ICMP_CARRIED;
}

/* About what came from a VIP: to the backend that it came from. */
INLINE __u32
carry_to_backend(const struct lb_conf *c, struct scratch *tmp, const struct pkt *p,
    const struct quoted *q, const bool v6, struct way *w, struct requote *n)
{
	struct end client = { q->daddr, q->dport, 0 };
	struct pkt *forth = &tmp->inner;
	struct lb_be_row *be;
	struct entry e;

	*forth = (struct pkt){ .saddr = q->daddr,
		.daddr = q->saddr,
		.sport = q->dport,
		.dport = q->sport,
		.proto = q->proto };
	if (!flow_find(&client, end_hash(&client, c->seed, v6), forth, false, v6, &e))
		return LB_ICMP_UNKNOWN;
	be = be_row(LB_FLOW_BACKEND(e.value));
	if (!be)
		return LB_ICMP_UNKNOWN;
	n->saddr = be->addr;
	n->sport = be->port;
	n->daddr = q->daddr;
	if (key_snat(e.key) && !LB_FLOW_KEEPS(e.value))
		n->daddr = v6 ? c->snat6 : c->snat4;
	n->dport = key_snat(e.key) ? key_snat(e.key) : q->dport;
	*w = (struct way){ .saddr = p->saddr, .daddr = be->addr, .be_flags = be->flags };
	return LB_ICMP_CARRIED;
}

/* Is the destination of the packet in scratch a VIP, whatever the port? */
__noinline int
lb_is_vip(__u32 family)
{
	struct scratch *tmp = the_scratch();

	if (!tmp || !(tmp->p.to & LB_IS_VIP))
		return false;
	tmp->fe = (struct lb_fe_key){ .addr = tmp->p.daddr, .family = (__u8)family };
	return bpf_map_lookup_elem(&frontends, &tmp->fe) != NULL;
}

INLINE bool
is_vip(const bool v6)
{
	return lb_is_vip(v6 ? 6 : 4);
}

enum carry_whom { CARRY_NOBODY, CARRY_CLIENT, CARRY_BACKEND };

/* Of the packet in scratch, whose ICMP header is at @l4: whom may it concern? */
INLINE int
carry_quote(struct __sk_buff *skb, __u32 l4, const bool v6)
{
	struct scratch *tmp = the_scratch();

	if (!tmp)
		return CARRY_NOBODY;
	__builtin_memset(&tmp->quoted, 0, sizeof(tmp->quoted));
	__builtin_memset(&tmp->requote, 0, sizeof(tmp->requote));
	if (!quoted_parse(skb, l4 + 8, v6, &tmp->quoted))
		return CARRY_NOBODY;
	return is_vip(v6) && addr_eq(&tmp->quoted.saddr, &tmp->p.daddr, v6) ? CARRY_BACKEND
									    : CARRY_CLIENT;
}

/* Then: which flow, and its other end. */
INLINE __u32
carry_find(const bool backend, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();

	if (!c || !tmp)
		return LB_HELPER;
	return backend ? carry_to_backend(c, tmp, &tmp->p, &tmp->quoted, v6, &tmp->w, &tmp->requote)
		       : carry_to_client(c, tmp, &tmp->p, &tmp->quoted, v6, &tmp->w, &tmp->requote);
}

/* And on its way, as that found. */
INLINE __u32
carry_send(struct __sk_buff *skb, __u32 l4, __u32 hook, const bool v6)
{
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	enum hop_answer answer;
	struct hop h = { 0 };
	__u64 diff;
	__u32 why;

	if (!c || !tmp)
		return LB_HELPER;
	if (tmp->s.ttl <= 1 && hook != LB_AT_OUT) /* no error about an error */
		return LB_TTL;
	tmp->w.now = now_ticks();
	why = tc_route(skb, c, &tmp->p, &tmp->w, (int)hook, v6, &answer, &h);
	if (why != LB_FORWARDED)
		return why;
	if (!quoted_rewrite(skb, &tmp->quoted, &tmp->requote, v6, &diff) ||
	    !outer_rewrite(skb, &tmp->p, &tmp->w, l4, diff, v6))
		return LB_HELPER;
	tmp->verdict = tc_go(skb, answer, &h, (int)hook);
	return LB_ICMP_CARRIED;
}

#define CARRY(n, v6)                                                                               \
	__noinline int lb_carry_quote##n(struct __sk_buff *skb, __u32 l4)                          \
	{                                                                                          \
		return carry_quote(skb, l4, v6);                                                   \
	}                                                                                          \
	__noinline int lb_carry_backend##n(void)                                                   \
	{                                                                                          \
		return (int)carry_find(true, v6);                                                  \
	}                                                                                          \
	__noinline int lb_carry_client##n(void)                                                    \
	{                                                                                          \
		return (int)carry_find(false, v6);                                                 \
	}                                                                                          \
	__noinline int lb_carry_send##n(struct __sk_buff *skb, __u32 l4, __u32 hook)               \
	{                                                                                          \
		return (int)carry_send(skb, l4, hook, v6);                                         \
	}
CARRY(4, false)
CARRY(6, true)

INLINE __u32
carry(struct __sk_buff *skb, __u32 l4, __u32 hook, const bool v6)
{
	int whom = v6 ? lb_carry_quote6(skb, l4) : lb_carry_quote4(skb, l4), why = LB_NOT_OURS;

	if (whom == CARRY_BACKEND)
		why = v6 ? lb_carry_backend6() : lb_carry_backend4();
	else if (whom == CARRY_CLIENT)
		why = v6 ? lb_carry_client6() : lb_carry_client4();
	/* Nobody behind a VIP would take it; routed on it would come back. */
	if (why == LB_NOT_OURS && is_vip(v6))
		why = LB_ICMP_UNKNOWN;
	if (why != LB_ICMP_CARRIED)
		return (__u32)why;
	return (__u32)(v6 ? lb_carry_send6(skb, l4, hook) : lb_carry_send4(skb, l4, hook));
}

#endif
