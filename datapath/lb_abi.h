/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/lb_abi.h: the layout that the BPF programs and the daemon share; it sits in pinned maps
 * and outlives both.  Numbers on the wire are __be; all else is in host order.
 *
 * How a service lies in the maps:
 *
 *   filter     a byte for each hash of an address: may it be a VIP, a backend, our SNAT address?
 *   frontends  hash: address, port, protocol -> number of a row in fe_rows.  Port 0 protocol 0: the
 *              address itself, whatever the port.
 *   fe_rows    array: what a frontend is, and where its tables lie, one for each scope.  A row is
 *              complete before its number is published.
 *   tables     array of words, see lb_table.h: backends' row numbers, then Maglev slots, which index
 *              them.  Never changed in place: a change builds another and flips one word of the row.
 *   be_rows    array: where a backend is.
 *   flows4/6   array of blocks of buckets, see lb_flow.h: who was sent where.  One entry serves both
 *              directions of a flow; a source-NATed flow has a twin where the replies look.
 *   hops       array: the next hop to a destination address as the kernel gave it, while the
 *              generation in conf is the same.
 */
#ifndef HERALD_DATAPATH_LB_ABI_H
#define HERALD_DATAPATH_LB_ABI_H

#include <linux/types.h>

#include "datapath/lb_addr.h"
#include "datapath/lb_flow.h"
#include "datapath/lb_table.h"
#include "datapath/lb_why.h"

/* Another for any change of a struct or of what a field means. */
#define LB_ABI_VERSION 2

/* ---- frontends ---- */
struct lb_fe_key {
	struct lb_addr addr;
	__be16 port; /* 0 with proto 0: every port that has no key of its own */
	__u8 proto;  /* IPPROTO_TCP, UDP, SCTP; 0 */
	__u8 family; /* 4 or 6 */
};
_Static_assert(sizeof(struct lb_fe_key) == 20, "lb_fe_key sits in a pinned map");

enum lb_fe_flag {
	LB_FE_LIVE = 1 << 0,	   /* the row is in use */
	LB_FE_CLUSTER_IP = 1 << 1, /* types: exactly one of these four */
	LB_FE_NODE_PORT = 1 << 2,
	LB_FE_EXTERNAL_IP = 1 << 3,
	LB_FE_LOAD_BALANCER = 1 << 4,
	LB_FE_NON_ROUTABLE = 1 << 5,   /* not served to clients outside the cluster */
	LB_FE_EXTERNAL_LOCAL = 1 << 6, /* externalTrafficPolicy: Local */
	LB_FE_INTERNAL_LOCAL = 1 << 7, /* internalTrafficPolicy: Local */
	LB_FE_AFFINITY = 1 << 8,       /* sessionAffinity: ClientIP */
	LB_FE_SOURCE_RANGES = 1 << 9,  /* only sources in src_ranges under this row's number + 1 */
	LB_FE_RANDOM = 1 << 10,	       /* a slot by chance, not by the hash of the flow */
	LB_FE_DSR = 1 << 11, /* remote backends by IPIP or IP6IP6, the client's address kept */
};

enum lb_scope { LB_EXTERNAL, LB_INTERNAL, LB_NR_SCOPES };

struct lb_fe_row {
	struct lb_addr addr;
	__be16 port;
	__u8 proto, family;
	__u32 flags; /* enum lb_fe_flag; 0: free */
	__u64 table[LB_NR_SCOPES];
	__u64 prev[LB_NR_SCOPES]; /* before the last change, for a while; 0: none */
	__u32 affinity_s;
	__u32 service; /* a number that the daemon gives, the same for all frontends of a Service */
};
_Static_assert(sizeof(struct lb_fe_row) == 64, "lb_fe_row sits in a pinned map");

/* ---- backends ---- */
enum lb_be_flag {
	LB_BE_LIVE = 1 << 0,	    /* the row is in use; flows to others are over */
	LB_BE_LOCAL = 1 << 1,	    /* on this node */
	LB_BE_NODE = 1 << 2,	    /* its address is this node's own (host network) */
	LB_BE_TERMINATING = 1 << 3, /* keeps its flows */
};

struct lb_be_row {
	struct lb_addr addr;
	struct lb_addr
	    node; /* of the node that it is on, in its family, for DSR; zero: not known */
	__be16 port;
	__u8 proto, family;
	__u32 flags; /* enum lb_be_flag; 0: free */
};
_Static_assert(sizeof(struct lb_be_row) == 40, "lb_be_row sits in a pinned map");

/* ---- next hops and links ---- */

#define LB_ALONE_TICKS 16 /* without a heartbeat; then next hops are asked for anew */
#define LB_HOP_SHIFT 4	  /* every 2^4 ticks */

struct lb_hop {
	struct lb_addr addr; /* the destination, not the gateway */
	__u32 generation;    /* of conf when it was filled; another: stale */
	__u32 ifindex;	     /* 0: none */
	__u8 dmac[6], smac[6];
	__u16 mtu;
	__u16 flags; /* enum lb_link_flag of the link */
};
_Static_assert(sizeof(struct lb_hop) == 40, "lb_hop sits in a pinned map");

enum lb_link_flag {
	LB_LINK_PEER = 1 << 0, /* a veth whose other end is in another namespace */
	LB_LINK_XDP = 1 << 1,  /* takes frames that XDP redirects */
	LB_LINK_PLAIN =
	    1 << 2, /* Ethernet without a tag: MAC addresses can be written and it goes */
};
struct lb_link { /* hash by ifindex */
	__u32 flags;
	__u32 mtu;
};

/* ---- configuration, one row ---- */
enum lb_conf_flag {
	LB_CONF_OBSERVE_NEW = 1 << 0,  /* tell of new flows */
	LB_CONF_OBSERVE_DROP = 1 << 1, /* tell of drops */
	LB_CONF_ECHO = 1 << 2,	       /* answer ICMP echo to a VIP */
};
struct lb_conf {
	__u64 seed; /* of the flow tables' hash; chosen once, the maps are worthless without it */
	struct lb_addr snat4, snat6; /* what remote backends see as the client; zero: none */
	__be32 pad0;
	__u16 snat_port_min, snat_port_nr; /* a range that no socket of the node takes by itself */
	__u32 hop_generation; /* raised whenever a route, link, address or neighbour changes */
	__u32 flags;	      /* enum lb_conf_flag */
	__u16 timeout_tcp[LB_NR_STATES]; /* ticks without a packet, by state */
	__u16 timeout_udp[LB_NR_STATES]; /* UDP and SCTP */
	__u32 abi;			 /* LB_ABI_VERSION of who wrote the maps */
	__u32 observe_sample;		 /* tell one of so many new flows; 0, 1: each */
	struct lb_addr observe;		 /* only this client, VIP or backend; zero: all */
	__u32 observe_service;		 /* only this Service's number; 0: all */
	__u32 heartbeat;		 /* ticks when the daemon last lived; 0: it does not tell */
};

/* ---- sources, fragments, affinity, sockets ---- */
#define LB_RANGES_CLUSTER 0 /* sources in the cluster: PodCIDRs and nodes */
struct lb_range_key { /* LPM trie: prefixlen counts from `set` on: 32 + bits (IPv4: 32 + 0..32) */
	__u32 prefixlen;
	__u32 set; /* LB_RANGES_CLUSTER or frontend row + 1; IPv6: with LB_RANGES_V6 */
	struct lb_addr addr;
};
#define LB_RANGES_V6 0x80000000U

struct lb_frag_key {
	struct lb_addr saddr, daddr;
	__u32 id;
	__u8 proto, family;
	__u16 pad;
};
struct lb_frag {
	__be16 sport, dport;
};

struct lb_affinity_key {
	struct lb_addr client;
	__u32 frontend;
	__u32 scope; /* enum lb_scope */
};
struct lb_affinity {
	__u32 backend;
	__u32 seen; /* ticks */
};

/* What a socket was connected or sent to, in place of the VIP. */
struct lb_sock_key {
	__u64 cookie;
	struct lb_addr addr; /* of the backend */
	__be16 port;
	__u8 proto, family;
	__u32 pad;
};
struct lb_sock {
	struct lb_addr addr; /* the VIP */
	__be16 port;
	__u16 pad;
	__u32 frontend, backend;
};

#endif
