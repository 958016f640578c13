/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/bpf/rewrite.h: the new ends into the headers, and the checksums after them (RFC 1624).
 */
#ifndef HERALD_BPF_REWRITE_H
#define HERALD_BPF_REWRITE_H

#include "datapath/bpf/base.h"

INLINE __u32
fold(__u64 s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (__u32)s;
}

/* What exchanging words adds to a sum: ~old + new, word by word. */
INLINE __u64
diff_addr(const struct lb_addr *old, const struct lb_addr *new, const bool v6)
{
	__u64 s = (__u64)(__u32)~old->w[0] + new->w[0];

	if (v6) {
		s += (__u64)(__u32)~old->w[1] + new->w[1];
		s += (__u64)(__u32)~old->w[2] + new->w[2];
		s += (__u64)(__u32)~old->w[3] + new->w[3];
	}
	return s;
}

INLINE __u64
diff16(__u16 old, __u16 new)
{
	return (__u64)(__u16)~old + new;
}

/* Of addresses, and of ports. */
INLINE __u64
way_diff_addrs(const struct pkt *p, const struct way *w, const bool v6)
{
	return diff_addr(&p->saddr, &w->saddr, v6) + diff_addr(&p->daddr, &w->daddr, v6);
}

INLINE __u64
way_diff_ports(const struct pkt *p, const struct way *w)
{
	return diff16(p->sport, w->sport) + diff16(p->dport, w->dport);
}

/* A checksum field after @diff was added to what it covers. */
INLINE __u16
csum_after(__u16 sum, __u64 diff)
{
	return (__u16)~fold((__u64)(__u16)~sum + diff);
}

#endif
