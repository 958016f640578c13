/*
 * tests/bench/datapath/layout.h: what the yardstick's BPF programs and its tools share: the floor's
 * maps, the harness's packet templates, the generator's frame.  None of it is Herald's own layout.
 * SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
 */
#ifndef HERALD_BENCH_LAYOUT_H
#define HERALD_BENCH_LAYOUT_H

#include <linux/types.h>

enum backend_flag {
	BACKEND_SNAT = 1,  /* remote: the client's address is hidden behind the node's */
	BACKEND_LOCAL = 2, /* a pod of this node */
};

struct svc_key {
	__be32 vip;
	__be16 port;
	__u8 proto, pad;
};

struct svc_val {
	__u32 id, n;
};

struct backend {
	__be32 ip;
	__be16 port;
	__u16 flags;
	__u32 ifindex;
	__be32 snat_ip;
};

/* One entry for each direction; the value is the whole 4-tuple that the packet gets. */
struct ct_key {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u8 proto, pad[3];
};

struct ct_val {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u32 ifindex; /* 0: the next hop is not known yet */
	__u8 dmac[6], smac[6];
	__u32 seen; /* coarse seconds */
	__u32 flags;
};

/* The harness's packets. */
#define TPL_MAX 128
#define TPL_N 64
/* In place of a number of flows: no flow comes twice, one port after the other, or anyhow. */
#define EACH_NEW (~0U)
#define EACH_RANDOM (~0U - 1)

struct tpl {
	__u32 len;
	__u32 vary; /* 0: always the same; else so many flows, a power of two; EACH_* */
	__u16 off_addr, off_port; /* where the low half of the address and the port that vary lie */
	__u32 mark;
	__u32 next; /* the template of the next turn */
	__u8 data[TPL_MAX];
};

/* Where the harness is. */
struct progress {
	__u32 turn; /* the template */
	__u32 uniq; /* flows told so far */
};

/* The generator's frame. */
struct gencfg {
	__u32 flow_mask;    /* flows - 1, or EACH_* */
	__u32 ipsum, l4sum; /* of the words that do not vary, host order */
	__u32 off_l4sum;    /* 0: the checksum stays 0 */
	__u8 data[TPL_MAX];
};

#endif
