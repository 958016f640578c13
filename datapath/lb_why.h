/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * datapath/lb_why.h: what the BPF programs tell of packets: reasons, counters, records.  The part of
 * lb_abi.h that people read; comes with it, and takes its addresses from there.
 */
#ifndef HERALD_DATAPATH_LB_WHY_H
#define HERALD_DATAPATH_LB_WHY_H

#include <linux/types.h>

#include "datapath/lb_addr.h"

/* ---- counters ---- */
struct lb_count {
	__u64 packets, bytes, flows;
};

/*
 * What became of a packet.  Reasons are only ever appended.  Up to LB_NR_FINE nothing is lost.
 * X(symbol, name, sentence)
 */
/* clang-format off */
#define LB_WHY_LIST(X)                                                                             \
	X(FORWARDED,       "forwarded",        "Sent to a backend.")                               \
	X(REPLIED,         "replied",          "A backend's answer, sent on in the name of the VIP.") \
	X(NOT_OURS,        "not-ours",         "Neither to a VIP nor from a backend.")             \
	X(TO_STACK,        "to-stack",         "Left to the kernel's own path to finish.")         \
	X(ECHO,            "echo",             "An ICMP echo request to a VIP, answered.")         \
	X(ICMP_CARRIED,    "icmp-carried",     "An ICMP error about a flow, carried to its other end.") \
	X(SHORT,           "short",            "The packet ends before its headers do.")           \
	X(BAD_HEADER,      "bad-header",       "A header contradicts itself.")                     \
	X(NO_SERVICE,      "no-service",       "No Service has this port of the VIP; refused.")    \
	X(NO_BACKEND,      "no-backend",       "The Service has no endpoint; refused.")            \
	X(NO_LOCAL,        "no-local-backend", "The traffic policy is Local, and no endpoint is on this node.") \
	X(NON_ROUTABLE,    "non-routable",     "A ClusterIP is not served to clients outside the cluster.") \
	X(SOURCE_RANGE,    "source-range",     "The client is not in loadBalancerSourceRanges.")   \
	X(NO_ROOM,         "no-room",          "The flow table has no place that may be taken.")   \
	X(NO_SNAT_ADDR,    "no-snat-address",  "The node has no address of this family to send as.") \
	X(NO_SNAT_PORT,    "no-snat-port",     "All ports that were tried toward the backend are taken.") \
	X(FRAGMENT,        "fragment",         "A fragment whose first one was not seen.")         \
	X(FRAGMENT_OVERLAP, "fragment-overlap", "A fragment that would overwrite the ports (RFC 1858).") \
	X(TTL,             "ttl",              "The time to live is over.")                        \
	X(TOO_BIG,         "too-big",          "Longer than the link's MTU; the sender was told.") \
	X(NO_ROUTE,        "no-route",         "The kernel has no route to the backend or the client.") \
	X(ICMP_UNKNOWN,    "icmp-unknown",     "An ICMP error about a flow that is not known.")    \
	X(NO_NODE,         "no-node",          "The node of the backend has no address (DSR).")    \
	X(UNSUPPORTED,     "unsupported",      "A protocol that no Service speaks.")               \
	X(HELPER,          "internal",         "A helper of the kernel failed.")                    \
	X(CONGESTED,       "congested",        "Met congestion between nodes, and its ends do not know such marks (RFC 6040).")
/* clang-format on */

enum lb_why {
#define LB_WHY_ENUM(symbol, name, sentence) LB_##symbol,
	LB_WHY_LIST(LB_WHY_ENUM)
#undef LB_WHY_ENUM
	    LB_NR_WHY
};
#define LB_NR_FINE LB_SHORT
#define LB_WHY_ROOM 64 /* entries of the counter map */

/* Other counters, behind the reasons in the same map. */
enum lb_extra {
	LB_X_EVICT_HALF_OPEN = LB_WHY_ROOM, /* half-open flows pushed out by new ones */
	LB_X_EVICT_OPEN,		    /* open ones that were idle */
	LB_X_EVICT_CLOSED,		    /* closed ones before their time */
	LB_X_HOP_MISS,
	LB_X_SOCK_CONNECT, /* sockets sent to a backend */
	LB_X_SOCK_REFUSED, /* because there was none */
	LB_X_AFFINITY,	   /* new flows that followed their client's last one */
	LB_X_PREVIOUS,	   /* new here, but under way: sent by the table before the last change */
	LB_NR_COUNTERS
};

/* ---- observe: a record in the ring ---- */
struct lb_event {
	__u64 ns; /* CLOCK_MONOTONIC */
	struct lb_addr client, vip, backend;
	__be16 client_port, vip_port, backend_port;
	__u8 proto, family;
	__u8 why;  /* enum lb_why */
	__u8 hook; /* enum lb_hook */
	__u8 tcp_flags;
	__u8 snat; /* the backend sees the node's address */
	__u32 frontend, service, ifindex;
};

/* Where a program stands. */
enum lb_hook { LB_AT_XDP, LB_AT_NET, LB_AT_POD, LB_AT_OUT, LB_AT_SOCKET, LB_NR_HOOKS };

/* Slots of the program array: where the fast path hands over. */
enum lb_slow { LB_SLOW4, LB_SLOW6, LB_NR_SLOW };

#endif
