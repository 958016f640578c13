// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * datapath/bpf/lb.bpf.c: the programs on devices.  Here stands the fast path: parse, filter, decide,
 * next hop, rewrite, send; what it cannot finish goes on, unchanged, from XDP to tc and from there
 * to the slow path (slow.h), each of which begins anew.
 */
#include <linux/if_packet.h>

#include "datapath/bpf/base.h"
#include "datapath/bpf/forward.h"
#include "datapath/bpf/parse.h"
#include "datapath/bpf/rewrite.h"
#include "datapath/bpf/select.h"
#include "datapath/bpf/slow.h"

/* ---- XDP: only what can be finished here ---- */

INLINE bool
xdp_rewrite(void *data, void *end, const struct pkt *p, const struct way *w, const bool v6)
{
	void *l4 = data + L4_OFF(v6);
	__u64 addrs = way_diff_addrs(p, w, v6), ports = way_diff_ports(p, w);
	const bool tcp = p->proto == IPPROTO_TCP;
	__be16 *port = l4;

	/* Known before; but the verifier forgets what memory says of the protocol. */
	if (l4 + (tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr)) > end)
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
	if (tcp) {
		struct tcphdr *t = l4;

		if ((void *)(t + 1) > end)
			return false;
		t->check = csum_after(t->check, addrs + ports);
	} else {
		struct udphdr *u = l4;

		/* Zero says that there is none (RFC 768); a sum that comes out as zero is sent as
		 * its other form. */
		if (u->check) {
			u->check = csum_after(u->check, addrs + ports);
			if (!u->check)
				u->check = 0xffff;
		}
	}
	return true;
}

/* XDP sends it on, or false. */
INLINE bool
xdp_send(struct xdp_md *ctx, const struct lb_conf *c, const struct pkt *p, const struct way *w,
    const bool v6, int *verdict)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct hop h;

	if (w->encap || w->be_flags & LB_BE_NODE)
		return false;
	if (hop_find(ctx, c, &w->saddr, &w->daddr, ctx->ingress_ifindex, w->now, v6, &h) !=
	    HOP_KNOWN)
		return false;
	if (h.ifindex != ctx->ingress_ifindex && !(h.flags & LB_LINK_XDP))
		return false;
	if (h.mtu && p->len > h.mtu)
		return false;
	if (!xdp_rewrite(data, end, p, w, v6))
		return false;
	__builtin_memcpy(data, h.mac, 12);
	*verdict = h.ifindex == ctx->ingress_ifindex ? XDP_TX : (int)bpf_redirect(h.ifindex, 0);
	return true;
}

INLINE __u32
xdp_handle(struct xdp_md *ctx, const bool v6, int *verdict)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	struct pkt *p;
	struct way *w;
	__u32 why;

	if (!tmp || !c)
		return LB_NOT_OURS;
	p = &tmp->p;
	w = &tmp->w;

	if (parse_addrs(data, end, v6, p) != LB_FORWARDED || !filter_pkt(p))
		return LB_NOT_OURS;
	if (data + L4_OFF(v6) + sizeof(struct udphdr) > end || !l3_is_plain(data, v6) ||
	    (p->proto == IPPROTO_TCP && data + L4_OFF(v6) + sizeof(struct tcphdr) > end) ||
	    L3_OFF + p->len > (__u32)(end - data)) /* RFC 1812 5.2.2: cut short on the way */
		return LB_PUNT;
	if (parse_l4(data, end, v6, p) != LB_FORWARDED)
		return LB_PUNT;
	why = decide(c, p, LB_AT_XDP, true, v6, w);
	if (why == LB_FORWARDED || why == LB_REPLIED) {
		if (!xdp_send(ctx, c, p, w, v6, verdict)) {
			account_made(c, p, w, LB_AT_XDP, v6, ctx->ingress_ifindex);
			return LB_PUNT;
		}
	} else if (why == LB_NOT_OURS || why == LB_NO_SERVICE || why == LB_NO_BACKEND) {
		/* Not ours after all, or to be refused with words, which tc has. */
		return why == LB_NOT_OURS ? LB_NOT_OURS : LB_PUNT;
	} else {
		*verdict = XDP_DROP;
	}
	account(c, p, w, why, LB_AT_XDP, v6, ctx->ingress_ifindex);
	return why;
}

SEC("xdp")
int
herald_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	int verdict = XDP_PASS;

	/* What went to many is not for a VIP of ours alone; tc knows the rest of it. */
	if ((void *)(eth + 1) > end || eth->h_dest[0] & 1)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		xdp_handle(ctx, false, &verdict);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		xdp_handle(ctx, true, &verdict);
	return verdict;
}

/* ---- tc ---- */

/*
 * What the filter does not show to be ours: outer headers of other nodes, and ICMP errors of routers
 * to the address that we send as; and those that this node's kernel makes itself.
 */
INLINE bool
is_for_slow(const struct pkt *p, const int hook, const bool v6)
{
	const __u8 icmp = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (hook == LB_AT_OUT)
		return p->proto == icmp;
	return p->to & LB_IS_SNAT &&
	    (p->proto == icmp ||
		(hook == LB_AT_NET && p->proto == (v6 ? IPPROTO_IPV6 : IPPROTO_IPIP)));
}

/* The fast path at tc.  LB_PUNT: to the slow path. */
INLINE __u32
tc_handle(struct __sk_buff *skb, const int hook, const bool v6, int *verdict)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct scratch *tmp = the_scratch();
	struct lb_conf *c = the_conf();
	struct pkt *p;
	struct way *w;
	__u32 why;

	if (!tmp || !c)
		return LB_NOT_OURS;
	p = &tmp->p;
	w = &tmp->w;

	if (parse_addrs(data, end, v6, p) != LB_FORWARDED) {
		/* The headers may lie outside of the linear part. */
		if (bpf_skb_pull_data(skb, L4_OFF(v6) + sizeof(struct tcphdr)) < 0 &&
		    bpf_skb_pull_data(skb, L4_OFF(v6)) < 0)
			return LB_NOT_OURS;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
		if (parse_addrs(data, end, v6, p) != LB_FORWARDED)
			return LB_NOT_OURS;
	}
	if (!filter_pkt(p) && !is_for_slow(p, hook, v6))
		return LB_NOT_OURS;
	if (data + L4_OFF(v6) + sizeof(struct tcphdr) > end) {
		if (bpf_skb_pull_data(skb,
			L4_OFF(v6) +
			    (p->proto == IPPROTO_UDP ? (__u32)sizeof(struct udphdr)
						     : (__u32)sizeof(struct tcphdr))) < 0)
			return LB_PUNT;
		data = (void *)(long)skb->data;
		end = (void *)(long)skb->data_end;
	}
	if (data + L4_OFF(v6) + sizeof(struct udphdr) > end || !l3_is_plain(data, v6) ||
	    L3_OFF + p->len > skb->len)
		return LB_PUNT;
	if (parse_l4(data, end, v6, p) != LB_FORWARDED)
		return LB_PUNT;
	why = decide(c, p, hook, false, v6, w);
	if (why != LB_FORWARDED && why != LB_REPLIED)
		return why;
	*verdict = TC_ACT_SHOT;
	why = w->encap ? LB_PUNT : tc_send(skb, c, p, w, why, hook, v6, verdict);
	if (why == LB_PUNT)
		return why;
	account(c, p, w, why, hook, v6, skb->ifindex);
	return why;
}

INLINE int
tc_entry(struct __sk_buff *skb, const int hook)
{
	int verdict = TC_ACT_UNSPEC;
	__u32 why = LB_NOT_OURS;

	/* A tagged frame is the business of the device of its VLAN; one to another host's MAC address,
	 * that a promiscuous device shows, is nobody's here. */
	if (skb->vlan_present || (hook != LB_AT_OUT && skb->pkt_type == PACKET_OTHERHOST))
		return TC_ACT_UNSPEC;
	skb->cb[CB_TURN] = 0;
	skb->cb[CB_HOOK] = hook;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		why = tc_handle(skb, hook, false, &verdict);
		if (why == LB_PUNT)
			bpf_tail_call(skb, &slow, LB_SLOW4);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		why = tc_handle(skb, hook, true, &verdict);
		if (why == LB_PUNT)
			bpf_tail_call(skb, &slow, LB_SLOW6);
	}
	/* Without a slow path a packet to a VIP would be routed on, and come back. */
	if (why == LB_PUNT) {
		count(LB_HELPER);
		return TC_ACT_SHOT;
	}
	return verdict;
}

SEC("tc")
int
herald_net(struct __sk_buff *skb)
{
	return tc_entry(skb, LB_AT_NET);
}

SEC("tc")
int
herald_pod(struct __sk_buff *skb)
{
	return tc_entry(skb, LB_AT_POD);
}

SEC("tc")
int
herald_out(struct __sk_buff *skb)
{
	return tc_entry(skb, LB_AT_OUT);
}

/* ---- the slow path, whichever hook its packet comes from ---- */

SEC("tc")
int
herald_slow4(struct __sk_buff *skb)
{
	return slow_entry(skb, false);
}

SEC("tc")
int
herald_slow6(struct __sk_buff *skb)
{
	return slow_entry(skb, true);
}

/* Helpers that are needed (bpf_fib_lookup) are for GPL-compatible programs only. */
char _license[] SEC("license") = "Dual BSD/GPL";
