/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * l2/l2_abi.h: the layout that the BPF program and the daemon share; it sits in pinned maps and
 * outlives both.
 *
 *   addrs    hash: address and interface -> what this node answers for, with its counters.  The
 *            daemon makes and removes entries, and writes none that is there; the program counts.
 *   devices  hash: interface -> its MAC address and role.  Written by the daemon.
 *   state    one row: the version of this layout; until when the answers stand.  Written by the
 *            daemon.
 *   counters by enum l2_count, for each CPU.  Written by the program.
 *   events   ring: somebody else claims or probes for an address of ours, or has one that we probe for.
 *   watched  hash: address and interface that we probe for, and who was heard to have it.  Not
 *            pinned: a probe ends with the process that made it.
 */
#ifndef HERALD_L2_ABI_H
#define HERALD_L2_ABI_H

#include <linux/types.h>

/* Another for any change of a struct or of what a field means. */
#define L2_ABI_VERSION 1

struct l2_key {
	__be32 addr[4]; /* IPv4: in the first, the others are zero */
	__u32 ifindex;
	__u8 family; /* 4 or 6 */
	__u8 pad[3]; /* zero: a hash compares every byte */
};
_Static_assert(sizeof(struct l2_key) == 24, "l2_key sits in a pinned map");

enum l2_claim {
	L2_CLAIMS, /* uses the address: its announcement, its answer, or its own as a sender */
	L2_PROBES, /* wants to know whether it is free (RFC 5227 2.1, RFC 4862 5.4) */
	L2_NR_CLAIMS
};

struct l2_entry {
	__u64 since;		       /* when this node began to answer; seconds since 1970 */
	__u64 answered;		       /* requests and solicitations */
	__u64 claims[L2_NR_CLAIMS];    /* of others, as far as they were seen */
	__u64 told_ns[L2_NR_CLAIMS];   /* the last record of each; CLOCK_BOOTTIME */
	__u8 foreign[L2_NR_CLAIMS][8]; /* and whose MAC address it was, in the first six bytes */
};
_Static_assert(sizeof(struct l2_entry) == 64, "l2_entry sits in a pinned map");

/* What is probed for; answered or not is another matter. */
struct l2_watch {
	__u8 mac[6]; /* who was heard last, of @heard */
	__u8 claim;  /* enum l2_claim: it has the address, or probes for it at the same time */
	__u8 lost;   /* the ring was full: what was heard could not be told */
	__u64 heard; /* so often, by others than the interface itself */
};
_Static_assert(sizeof(struct l2_watch) == 16, "l2_watch goes through a map");

enum l2_device_flag {
	L2_DEVICE_ROUTER = 1 << 0, /* forwards IPv6, RFC 4861 7.2.4 */
};

struct l2_device {
	__u8 mac[6];
	__u8 flags;
	__u8 pad;
};
_Static_assert(sizeof(struct l2_device) == 8, "l2_device sits in a pinned map");

struct l2_state {
	__u32 abi;
	__u32 pad;
	__u64 until_ns; /* CLOCK_BOOTTIME; after it nothing is answered.  0: no end */
};
_Static_assert(sizeof(struct l2_state) == 16, "l2_state sits in a pinned map");

/* A record of `events`; of an entry at most one a second for each claim, of what is watched one for
 * each time that the other one is another. */
struct l2_event {
	struct l2_key key;
	__u8 mac[6];
	__u8 claim;   /* enum l2_claim */
	__u8 watched; /* not of an address of ours, but of one that is probed for */
};
_Static_assert(sizeof(struct l2_event) == 32, "l2_event goes through a ring");

/* What is counted.  Rows are only ever appended: their names are part of what users see. */
/* clang-format off */
/* symbol, name, one sentence for people */
#define L2_COUNT_LIST(X)                                                                           \
	X(ARP_ANSWERED,   "arp-answered",   "An ARP request for an address of this node was answered.") \
	X(ND_ANSWERED,    "nd-answered",    "A neighbour solicitation for an address of this node was answered.") \
	X(ARP_PROBE,      "arp-probe",      "Another host asked by ARP whether an address of this node is free.") \
	X(ND_PROBE,       "nd-probe",       "Another host asked by duplicate address detection whether an address of this node is free.") \
	X(ARP_FOREIGN,    "arp-foreign",    "Another host claimed an address of this node by ARP.") \
	X(ND_FOREIGN,     "nd-foreign",     "Another host claimed an address of this node by neighbour discovery.") \
	X(ARP_MALFORMED,  "arp-malformed",  "An ARP packet was cut short, not of Ethernet and IPv4, or had no possible sender.") \
	X(ND_SHORT,       "nd-short",       "A neighbour discovery message for an address of this node was cut short, or too long.") \
	X(ND_HOP_LIMIT,   "nd-hop-limit",   "A neighbour discovery message had a hop limit other than 255, so it came from afar.") \
	X(ND_CODE,        "nd-code",        "A neighbour discovery message had a code other than zero.") \
	X(ND_CHECKSUM,    "nd-checksum",    "A neighbour discovery message had a wrong checksum.")     \
	X(ND_OPTION,      "nd-option",      "A neighbour discovery message had an option without length, or a link-layer address that cannot be one.") \
	X(ND_ADDRESS,     "nd-address",     "A neighbour discovery message had a source or destination that the RFC forbids.") \
	X(FENCED,         "fenced",         "A request was not answered because this node's right to the address has run out.") \
	X(FAILED,         "failed",         "A request was not answered because the kernel would not let the answer be made.")
/* clang-format on */

enum l2_count {
#define L2_COUNT_ENUM(symbol, name, sentence) L2_##symbol,
	L2_COUNT_LIST(L2_COUNT_ENUM)
#undef L2_COUNT_ENUM
	    L2_NR_COUNTS
};

#endif
