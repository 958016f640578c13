/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/forward.h: the last stage: by which link, to which MAC address.  The kernel's FIB is
 * asked once for a destination; its answer is kept in `hops` until the daemon sees anything change.
 */
#ifndef HERALD_BPF_FORWARD_H
#define HERALD_BPF_FORWARD_H

#include "datapath/bpf/base.h"

/* A next hop, copied out of the cache. */
struct hop {
	__u32 ifindex;
	__u16 mtu;
	__u16 flags;
	__u8 mac[12]; /* destination, source */
};

enum hop_answer {
	HOP_KNOWN,
	HOP_NO_NEIGHBOUR, /* the link is known, the MAC address is not yet */
	HOP_LOCAL,	  /* for this node itself, or for the kernel to find out */
	HOP_NONE	  /* no route */
};

INLINE __u32
hop_hash(const struct lb_addr *a, const bool v6)
{
	__u32 h = a->w[0];

	if (v6)
		h ^= (a->w[1] * 0x85ebca6bU) ^ (a->w[2] * 0xc2b2ae35U) ^ (a->w[3] * 0x27d4eb2fU);
	h *= 0x9e3779b1U;
	return h ^ h >> 15;
}

INLINE int
hop_ask(void *ctx, const struct lb_addr *src, const struct lb_addr *dst, __u32 ifindex,
    const bool v6, struct bpf_fib_lookup *f)
{
	__builtin_memset(f, 0, sizeof(*f));
	f->family = v6 ? AF_INET6 : AF_INET;
	f->ifindex = ifindex;
	if (v6) {
		__builtin_memcpy(f->ipv6_src, src, 16);
		__builtin_memcpy(f->ipv6_dst, dst, 16);
	} else {
		f->ipv4_src = src->w[0];
		f->ipv4_dst = dst->w[0];
	}
	/* Also for what is about to leave: with BPF_FIB_LOOKUP_OUTPUT only routes by that very link would
	 * count, though the backend may be behind another. */
	return bpf_fib_lookup(ctx, f, sizeof(*f), 0);
}

/* The kernel's answer into the cache: stale while it is being written. */
INLINE void
hop_keep(struct lb_hop *row, const struct lb_addr *dst, __u32 generation, const struct hop *h)
{
	WRITE_ONCE(row->generation, generation - 1);
	BARRIER();
	row->addr = *dst;
	WRITE_ONCE(row->ifindex, h->ifindex);
	__builtin_memcpy(row->dmac, h->mac, 12);
	row->mtu = h->mtu;
	row->flags = h->flags;
	BARRIER();
	WRITE_ONCE(row->generation, generation);
}

INLINE enum hop_answer
hop_miss(void *ctx, struct lb_hop *row, const struct lb_addr *src, const struct lb_addr *dst,
    __u32 ifindex, __u32 generation, const bool v6, struct hop *h)
{
	struct scratch *tmp = the_scratch();
	struct lb_link *link;
	int err;

	if (!tmp)
		return HOP_LOCAL;
	count(LB_X_HOP_MISS);
	err = hop_ask(ctx, src, dst, ifindex, v6, &tmp->fib);
	if (err == BPF_FIB_LKUP_RET_BLACKHOLE || err == BPF_FIB_LKUP_RET_UNREACHABLE ||
	    err == BPF_FIB_LKUP_RET_PROHIBIT)
		return HOP_NONE;
	if (err != BPF_FIB_LKUP_RET_SUCCESS && err != BPF_FIB_LKUP_RET_NO_NEIGH)
		return HOP_LOCAL;
	h->ifindex = tmp->fib.ifindex;
	link = bpf_map_lookup_elem(&links, &h->ifindex);
	h->flags = link ? (__u16)link->flags : LB_LINK_PLAIN;
	/* The route's MTU where the kernel tells it (5.12 and later), else the link's. */
	h->mtu = tmp->fib.tot_len	? tmp->fib.tot_len
	    : link && link->mtu < 65535 ? (__u16)link->mtu
					: 0;
	if (err == BPF_FIB_LKUP_RET_NO_NEIGH)
		return HOP_NO_NEIGHBOUR;
	__builtin_memcpy(h->mac, tmp->fib.dmac, 6);
	__builtin_memcpy(h->mac + 6, tmp->fib.smac, 6);
	hop_keep(row, dst, generation, h);
	return HOP_KNOWN;
}

/*
 * The generation that an entry must be of.  While the daemon is away nobody tells of changes, so what
 * was asked for grows old by itself.
 */
INLINE __u32
hop_generation(const struct lb_conf *c, __u32 now)
{
	__u32 generation = READ_ONCE(c->hop_generation), beat = READ_ONCE(c->heartbeat);

	/* The beat may be a tick ahead of what the packet began with. */
	if (!beat || (int)(now - beat) <= LB_ALONE_TICKS)
		return generation;
	return generation * 0x9e3779b1U ^ now >> LB_HOP_SHIFT;
}

/*
 * The next hop to @dst.  @ifindex: the link that the packet came by, or that it is about to leave
 * by.
 */
INLINE enum hop_answer
hop_find(void *ctx, const struct lb_conf *c, const struct lb_addr *src, const struct lb_addr *dst,
    __u32 ifindex, __u32 now, const bool v6, struct hop *h)
{
	__u32 i = hop_hash(dst, v6) & hop_mask, generation = hop_generation(c, now);
	struct lb_hop *row = bpf_map_lookup_elem(&hops, &i);

	if (!row)
		return HOP_LOCAL;
	if (READ_ONCE(row->generation) == generation && addr_eq(&row->addr, dst, true)) {
		h->ifindex = READ_ONCE(row->ifindex);
		h->mtu = READ_ONCE(row->mtu);
		h->flags = READ_ONCE(row->flags);
		__builtin_memcpy(h->mac, row->dmac, 12);
		BARRIER();
		/* Nobody wrote it meanwhile, so it is of one piece. */
		if (h->ifindex && READ_ONCE(row->generation) == generation &&
		    addr_eq(&row->addr, dst, true))
			return HOP_KNOWN;
	}
	return hop_miss(ctx, row, src, dst, ifindex, generation, v6, h);
}

#endif
