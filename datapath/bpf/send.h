/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/send.h: how tc sends a packet on: the checks before anything is changed, the
 * change itself for plain headers, and the verdict that carries it out.
 */
#ifndef HERALD_BPF_SEND_H
#define HERALD_BPF_SEND_H

#include "datapath/bpf/forward.h"
#include "datapath/bpf/parse.h"
#include "datapath/bpf/rewrite.h"

INLINE __u32
fold32(__u64 s)
{
	s = (s & 0xffffffff) + (s >> 32);
	return (__u32)((s & 0xffffffff) + (s >> 32));
}

/* Will the backend see another client than there is? */
INLINE bool
is_snat(const struct pkt *p, const struct way *w, const bool v6)
{
	return !w->reply && !addr_eq(&p->saddr, &w->saddr, v6);
}

/* Longer than the link takes?  Of what the kernel will cut, a piece counts. */
INLINE bool
is_too_big(struct __sk_buff *skb, const struct pkt *p, __u32 l3, __u32 l4, __u32 mtu)
{
	__u32 gso = skb->gso_size;

	if (!mtu)
		return false;
	if (gso)
		return l4 - l3 + gso + (p->proto == IPPROTO_TCP ? sizeof(struct tcphdr) : 0) > mtu;
	return p->len > mtu;
}

/* Where to: fills *h; LB_FORWARDED, or why not. */
INLINE __u32
tc_route(struct __sk_buff *skb, const struct lb_conf *c, const struct pkt *p, const struct way *w,
    const int hook, const bool v6, enum hop_answer *answer, struct hop *h)
{
	/* A reply that is on its way out goes on by it; a host's own backend is up the stack. */
	if ((hook == LB_AT_OUT && w->reply) || w->be_flags & LB_BE_NODE)
		*answer = HOP_LOCAL;
	else
		*answer = hop_find(skb, c, &w->saddr, &w->daddr, skb->ifindex, w->now, v6, h);
	if (*answer == HOP_NONE)
		return LB_NO_ROUTE;
	/* What comes in from one of the node's own addresses the kernel calls a martian. */
	if (*answer == HOP_LOCAL && is_snat(p, w, v6))
		return LB_NO_ROUTE;
	return LB_FORWARDED;
}

/* Plain headers, at their known places. */
INLINE bool
tc_rewrite(struct __sk_buff *skb, const struct pkt *p, const struct way *w, const bool v6)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u64 addrs = way_diff_addrs(p, w, v6), ports = way_diff_ports(p, w);
	const bool tcp = p->proto == IPPROTO_TCP;
	__be16 *port = data + L4_OFF(v6);
	__u32 off, flags = 0;

	if (data + L4_OFF(v6) + sizeof(struct udphdr) > end)
		return false;
	if (v6) {
		struct ipv6hdr *ip = data + L3_OFF;

		ip->hop_limit--;
		__builtin_memcpy(&ip->saddr, &w->saddr, 16);
		__builtin_memcpy(&ip->daddr, &w->daddr, 16);
	} else {
		struct iphdr *ip = data + L3_OFF;

		ip->check = csum_after(ip->check, addrs + (__u16)~bpf_htons(0x0100));
		ip->ttl--;
		ip->saddr = w->saddr.w[0];
		ip->daddr = w->daddr.w[0];
	}
	port[0] = w->sport;
	port[1] = w->dport;
	if (!tcp) {
		if (!((struct udphdr *)port)->check)
			return true; /* RFC 768: none was made */
		flags = BPF_F_MARK_MANGLED_0;
	}
	off = L4_OFF(v6) +
	    (__u32)(tcp ? __builtin_offsetof(struct tcphdr, check)
			: __builtin_offsetof(struct udphdr, check));
	/* By the helper, as only it knows whether the sum is still to be made by the device. */
	if (bpf_l4_csum_replace(skb, off, 0, fold32(addrs), flags | BPF_F_PSEUDO_HDR) < 0)
		return false;
	if (p->sport != w->sport || p->dport != w->dport)
		bpf_l4_csum_replace(skb, off, 0, fold32(ports), flags);
	return true;
}

/* The IP header alone, wherever the next one is.  @ttl: as a router does, less one. */
INLINE bool
rewrite_l3(
    struct __sk_buff *skb, const struct pkt *p, const struct way *w, const bool ttl, const bool v6)
{
	if (v6) {
		const __u32 hops_off = L3_OFF + __builtin_offsetof(struct ipv6hdr, hop_limit);
		__u8 left;

		if (bpf_skb_load_bytes(skb, hops_off, &left, 1) < 0)
			return false;
		left -= ttl;
		/* Both addresses lie behind one another, here as there. */
		return bpf_skb_store_bytes(skb, hops_off, &left, 1, 0) == 0 &&
		    bpf_skb_store_bytes(skb, L3_OFF + 8, &w->saddr, 32, 0) == 0;
	} else {
		struct iphdr ip;
		__u64 diff = way_diff_addrs(p, w, false);

		if (bpf_skb_load_bytes(skb, L3_OFF, &ip, sizeof(ip)) < 0)
			return false;
		if (ttl) {
			ip.ttl--;
			diff += (__u16)~bpf_htons(0x0100);
		}
		ip.check = csum_after(ip.check, diff);
		ip.saddr = w->saddr.w[0];
		ip.daddr = w->daddr.w[0];
		return bpf_skb_store_bytes(skb, L3_OFF, &ip, sizeof(ip), 0) == 0;
	}
}

/* The verdict. */
INLINE int
tc_go(struct __sk_buff *skb, enum hop_answer answer, const struct hop *h, const int hook)
{
	if (answer == HOP_LOCAL)
		return TC_ACT_UNSPEC;
	if (answer == HOP_NO_NEIGHBOUR)
		return (int)bpf_redirect_neigh(h->ifindex, NULL, 0, 0);
	/* Also on a short cut: behind the other end may be a bridge, which goes by MAC addresses. */
	if (h->flags & LB_LINK_PLAIN && bpf_skb_store_bytes(skb, 0, h->mac, 12, 0) < 0)
		return TC_ACT_SHOT;
	if (h->flags & LB_LINK_PEER && hook != LB_AT_OUT)
		return (int)bpf_redirect_peer(h->ifindex, 0);
	return (int)bpf_redirect(h->ifindex, 0);
}

/* All of it, for a packet with plain headers. */
INLINE __u32
tc_send(struct __sk_buff *skb, const struct lb_conf *c, const struct pkt *p, const struct way *w,
    __u32 why, const int hook, const bool v6, int *verdict)
{
	enum hop_answer answer;
	struct hop h = { 0 };
	__u32 err = tc_route(skb, c, p, w, hook, v6, &answer, &h);

	if (err != LB_FORWARDED)
		return err;
	if (answer != HOP_LOCAL && is_too_big(skb, p, L3_OFF, L4_OFF(v6), h.mtu))
		return LB_PUNT;
	if (!tc_rewrite(skb, p, w, v6))
		return LB_HELPER;
	*verdict = tc_go(skb, answer, &h, hook);
	return why;
}

#endif
