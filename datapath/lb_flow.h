/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/lb_flow.h: what an entry of the flow tables says, and where it stands.  The part of
 * lb_abi.h that the programs, the sweep and whoever moves flows to another table share; comes with it.
 *
 * A flow has its place in one bucket of eight ways.  Sixty-four buckets make a block: first four ways of
 * each, then the other four of each.  So while no bucket has more than four flows half of the pages,
 * and of IPv4 half of the cache lines, are never looked at.  Where in a block its bucket is the low bits
 * of the client's port say, the rest of its end says which block: flows that one client opens one after
 * the other lie side by side in one page, each in a bucket of its own.
 */
#ifndef HERALD_DATAPATH_LB_FLOW_H
#define HERALD_DATAPATH_LB_FLOW_H

#include <linux/types.h>

#include "datapath/lb_addr.h"

#define LB_WAYS 8	    /* of a bucket */
#define LB_FIRST_WAYS 4	    /* that are looked at first */
#define LB_BLOCK_BUCKETS 64 /* of a block */
#define LB_BLOCK_WAYS (LB_BLOCK_BUCKETS * LB_WAYS)

/*
 * The second word of a flow:
 * bits 0-19 backend row, 20-39 frontend row, 40-43 enum lb_state, 44 twin (this entry stands where
 * the replies of a source-NATed flow look for it), 45 TCP (whose times count), 46 the client's address
 * is kept and only its port is another, 47 zero, 48-63 last seen, in ticks.
 * 44 and 46 with the client's port in both places: a connection that is over, which its backend remembers.
 */
#define LB_ROW_MAX (1U << 20)
#define LB_TICK_SHIFT 30 /* ticks of 2^30 ns of CLOCK_MONOTONIC: 1.07 s; 16 bits: 19.5 h */
#define LB_FLOW_BACKEND(v) ((__u32)(v)&0xfffff)
#define LB_FLOW_FRONTEND(v) ((__u32)((v) >> 20) & 0xfffff)
#define LB_FLOW_STATE(v) ((__u32)((v) >> 40) & 0xf)
#define LB_FLOW_TWIN(v) ((__u32)((v) >> 44) & 1)
#define LB_FLOW_TWIN_BIT (1ULL << 44)
#define LB_FLOW_KEEPS_BIT (1ULL << 46)
#define LB_FLOW_TCP(v) ((__u32)((v) >> 45) & 1)
#define LB_FLOW_KEEPS(v) ((__u32)((v) >> 46) & 1)
#define LB_FLOW_SEEN(v) ((__u16)((v) >> 48))
#define LB_FLOW_VALUE(backend, frontend, state, twin, tcp, seen)                                   \
	((__u64)(backend) | (__u64)(frontend) << 20 | (__u64)(state) << 40 | (__u64)(twin) << 44 | \
	    (__u64)(tcp) << 45 | (__u64)(__u16)(seen) << 48)

enum lb_state { /* half-open: below LB_ST_OPEN; such never push out one that is open */
	LB_ST_FREE,
	LB_ST_NEW,	/* the client spoke */
	LB_ST_ANSWERED, /* the backend too */
	LB_ST_OPEN,	/* and the client again */
	LB_ST_FIN_CLIENT,
	LB_ST_FIN_BACKEND,
	LB_ST_CLOSED, /* both FINs, or a RST */
	LB_NR_STATES,
	LB_ST_BUSY = 15 /* being written; over when it is older than two ticks */
};

/* The key word of an IPv4 flow: client's address, client's port, SNAT port (0: none), as on the
 * wire, from the low end; in the twin of a flow that keeps the address both ports change places.  All
 * zero: free. */
struct lb_flow4 {
	__u64 key;
	__u64 value;
};
struct lb_block4 {
	struct lb_flow4 way[LB_BLOCK_WAYS];
};
_Static_assert(sizeof(struct lb_block4) == 8192, "one page for the first ways, one for the others");

struct lb_flow6 {
	__u64 client[2];
	__u64 key; /* low 32 bits zero, then the ports as in lb_flow4 */
	__u64 value;
};
struct lb_block6 {
	struct lb_flow6 way[LB_BLOCK_WAYS];
};
_Static_assert(sizeof(struct lb_block6) == 16384, "lb_block6 sits in a pinned map");

/* Where in its block a bucket begins, by the hash; and the @i-th of its ways from there. */
static inline __u32
lb_flow_bucket(__u32 hash)
{
	return hash % LB_BLOCK_BUCKETS * LB_FIRST_WAYS;
}
static inline __u32
lb_flow_way(__u32 i)
{
	return i % LB_FIRST_WAYS + i / LB_FIRST_WAYS % 2 * (LB_BLOCK_WAYS / 2);
}

/* Which block of @nr (a power of two) less one.  A larger table goes by more of the same bits. */
static inline __u32
lb_flow_block(__u32 hash, __u32 mask)
{
	return hash / LB_BLOCK_BUCKETS & mask;
}

#define LB_MIX1 0x9e3779b97f4a7c15ULL
#define LB_MIX2 0xd6e8feb86659fd93ULL

static inline __u64
lb_mix(__u64 h)
{
	h *= LB_MIX1;
	h ^= h >> 32;
	h *= LB_MIX2;
	return h;
}

/* Of one end of a flow, @snat: the port that we gave it.  The seed keeps strangers from filling one
 * bucket on purpose. */
static inline __u32
lb_flow_hash(const struct lb_addr *a, __be16 port, __be16 snat, __u64 seed, int v6)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const __u32 low = __builtin_bswap16(port);
#else
	const __u32 low = port;
#endif
	__u64 h =
	    seed ^ ((__u64)(low / LB_BLOCK_BUCKETS) << 32 | (__u64)snat << 48 | (__u64)a->w[0]);
	__u32 at;

	if (v6) {
		h = lb_mix(h);
		h ^= (__u64)a->w[1] << 32 | a->w[2];
		h *= LB_MIX1;
		h ^= h >> 32 ^ (__u64)a->w[3] << 17;
	}
	at = (__u32)(lb_mix(h) >> 32);
	return (at & ~(LB_BLOCK_BUCKETS - 1U)) | ((at + low) & (LB_BLOCK_BUCKETS - 1U));
}

#endif
