/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/parse.h: the first stage of the fast path: Ethernet, IP without anything special,
 * TCP or UDP.  All else is punted to the slow path, but only when it concerns us at all.
 */
#ifndef HERALD_BPF_PARSE_H
#define HERALD_BPF_PARSE_H

#include "datapath/bpf/base.h"

#define IP_FRAGMENT 0x3fff /* more to come, or not the first */

/* Where the headers of a plain packet are. */
#define L3_OFF ((__u32)sizeof(struct ethhdr))
#define L4_OFF(v6) (L3_OFF + (__u32)((v6) ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))

INLINE __u32
parse_addrs(void *data, void *end, const bool v6, struct pkt *p)
{
	void *l3 = data + L3_OFF;

	__builtin_memset(p, 0, sizeof(*p));
	if (v6) {
		struct ipv6hdr *ip = l3;

		if ((void *)(ip + 1) > end)
			return LB_SHORT;
		__builtin_memcpy(&p->saddr, &ip->saddr, 16);
		__builtin_memcpy(&p->daddr, &ip->daddr, 16);
		p->proto = ip->nexthdr;
		p->len = bpf_ntohs(ip->payload_len) + (__u32)sizeof(*ip);
	} else {
		struct iphdr *ip = l3;

		if ((void *)(ip + 1) > end)
			return LB_SHORT;
		p->saddr.w[0] = ip->saddr;
		p->daddr.w[0] = ip->daddr;
		p->proto = ip->protocol;
		p->len = bpf_ntohs(ip->tot_len);
	}
	return LB_FORWARDED;
}

/* Is the header such that the fast path can do it?  Bounds of the IP header were checked. */
INLINE bool
l3_is_plain(void *data, const bool v6)
{
	void *l3 = data + L3_OFF;

	if (v6) {
		struct ipv6hdr *ip = l3;

		return ip->version == 6 && ip->hop_limit > 1;
	} else {
		struct iphdr *ip = l3;

		return ip->version == 4 && ip->ihl == 5 && ip->ttl > 1 &&
		    !(ip->frag_off & bpf_htons(IP_FRAGMENT));
	}
}

/* The ports, TCP's flags; what is not there or has to be done otherwise is punted. */
INLINE __u32
parse_l4(void *data, void *end, const bool v6, struct pkt *p)
{
	void *l4 = data + L4_OFF(v6);

	if (p->proto == IPPROTO_TCP) {
		struct tcphdr *t = l4;

		if ((void *)(t + 1) > end || p->len < L4_OFF(v6) - L3_OFF + sizeof(*t))
			return LB_PUNT;
		p->sport = t->source;
		p->dport = t->dest;
		p->tcp = ((__u8 *)t)[13];
		return LB_FORWARDED;
	}
	if (p->proto == IPPROTO_UDP) {
		struct udphdr *u = l4;

		if ((void *)(u + 1) > end || p->len < L4_OFF(v6) - L3_OFF + sizeof(*u))
			return LB_PUNT;
		p->sport = u->source;
		p->dport = u->dest;
		return LB_FORWARDED;
	}
	return LB_PUNT;
}

#endif
