/*
 * lib/netlink.h: links, addresses, routes and neighbours of the kernel, driven by the loop, over
 * libnl.
 *
 * Two sockets: one asks (dumps, route changes), one listens to what changes by anybody's hand and
 * was subscribed before the first dump can be asked for, so that nothing falls in between.  What is
 * learnt comes by the same callbacks from both.  Nothing waits: requests of a turn are collected and
 * sent together at its end, answers come later.  Callbacks run from the loop, never from within a
 * call; only netlink_free() must not be called in them.
 *
 * Structs given to callbacks, and the hops in them, are borrowed for the call.
 */
#ifndef HERALD_LIB_NETLINK_H
#define HERALD_LIB_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct loop;
struct netlink;

#define NL_HOPS_MAX 128 /* in a route that is given or told; more are refused or not told */

struct nl_link {
	unsigned ifindex;
	char name[16];
	bool up;      /* by the administrator (IFF_UP) */
	bool running; /* and it carries (IFF_RUNNING) */
	bool loopback;
	unsigned mtu;
	unsigned master;  /* ifindex of the bridge, bond or VRF that it is in; 0: none */
	uint8_t mac[6];	  /* zero when it has none of six bytes */
	uint16_t type;	  /* ARPHRD_* */
	char kind[16];	  /* "veth", "vlan", "bridge"...; "" for what has none, as hardware */
	bool other_netns; /* its peer or the link below it is in another network namespace */
	bool xdp_native;  /* the driver runs an XDP program of somebody's */
	struct {
		uint32_t vni;
		struct addr local;
		uint16_t port;
		bool learning;
	} vxlan; /* of kind "vxlan" */
};

struct nl_ifaddr {
	unsigned ifindex;
	struct addr addr;   /* our own */
	struct prefix link; /* what is on the link with it: the subnet, or the peer's prefix */
	uint8_t scope;	    /* RT_SCOPE_* */
	uint32_t flags;	    /* IFA_F_*: tentative, deprecated, ... */
};

struct nl_hop {
	struct addr gateway; /* not set: the destination is on the link itself */
	unsigned ifindex;    /* 0: the kernel looks it up by the gateway (IPv4 and IPv6 alike) */
	unsigned weight;     /* 1 to 256; 0 is taken as 1 */
	bool onlink;	     /* the gateway is on the link although no prefix of it says so */
	bool dead;	     /* told only: its link is down or without carrier */
};

struct nl_route {
	struct prefix prefix;
	uint32_t table;	    /* 0: main (254) */
	uint32_t metric;    /* IPv6: the kernel makes 1024 of 0 */
	uint8_t protocol;   /* RTPROT_* or a number of one's own */
	uint8_t type;	    /* RTN_*; 0 is RTN_UNICAST.  Blackhole and its like have no hops */
	struct addr source; /* preferred source address; mostly not set */
	const struct nl_hop *hops;
	size_t nr_hops; /* several: ECMP */
};

/* How something came: in an answer to a dump, or as news. */
enum nl_how { NL_DUMPED, NL_NEW, NL_DEL };

struct nl_neigh {
	unsigned ifindex;
	struct addr addr;
	uint16_t state; /* NUD_* */
	bool has_mac; /* of six bytes; a neighbour that is not there (NUD_FAILED) mostly has none */
	uint8_t mac[6];
};

struct netlink_ops {
	/* Each may be NULL: then it is neither subscribed nor told. */
	void (*link)(void *arg, enum nl_how, const struct nl_link *);
	void (*ifaddr)(void *arg, enum nl_how, const struct nl_ifaddr *);
	/*
	 * @ours: by a request of this netlink.  Three things to know of the kernel: an IPv6 NL_DEL may
	 * name only those hops of a route that went; IPv4 routes that go with their link or
	 * address go without a word, so dump again after those; and NL_NEW may replace a route of the
	 * same prefix, table and metric.
	 */
	void (*route)(void *arg, enum nl_how, const struct nl_route *, bool ours);
	/* Of IPv4 and IPv6.  A state that changes is news too; ageing from reachable to stale is. */
	void (*neigh)(void *arg, enum nl_how, const struct nl_neigh *);
	/* News were lost (ENOBUFS): dump everything again, what is not told then is gone.  May
	 * not be NULL. */
	void (*resync)(void *arg);
	uint8_t route_protocol; /* tell only routes of this protocol; 0: all */
};

/* NULL: *err is why (-errno).  @ops is copied. */
struct netlink *netlink_new(struct loop *, const struct netlink_ops *, void *arg, int *err);
/* Requests that were not answered yet are not called back; those not sent yet are sent. */
void netlink_free(struct netlink *); /* NULL is fine */

/* ---- dumps: one after the other, in the order asked ---- */
enum nl_what { NL_LINKS, NL_IFADDRS, NL_ROUTES, NL_NEIGHS };
/* @err: 0, all was told; or -errno.  An answer that the kernel calls inconsistent is asked for again
 * before this is called, so the same thing may be told twice. */
typedef void nl_dump_cb(void *arg, int err);
/* Routes: only those of ops.route_protocol.  @done may be NULL.  -ENOMEM. */
int netlink_dump(struct netlink *, enum nl_what, nl_dump_cb *done, void *arg)
    __attribute__((warn_unused_result));

/* ---- route changes: carried out in the order given ---- */
enum nl_act {
	NL_ADD,	    /* -EEXIST when there is one of this prefix, table and metric */
	NL_REPLACE, /* make it so, in one step; also when it is new.  Whoever owned it before */
	NL_REMOVE   /* hops and type are not compared; -ESRCH when there is none of this protocol */
};
/* @err: 0 or the kernel's -errno; @why: its words, "" when it had none, borrowed.  Once. */
typedef void nl_route_cb(void *arg, int err, const char *why);
/* Copies what it needs.  @done may be NULL.  -EINVAL: not a route that could be sent (no or too many
 * hops, an IPv4 gateway for IPv6); -ENOMEM.  Then @done is not called. */
int netlink_route(struct netlink *, enum nl_act, const struct nl_route *, nl_route_cb *done,
    void *arg) __attribute__((warn_unused_result));
/* ---- questions and nudges, in one order with the changes ---- */
/* @err: 0, and @route is the way that the kernel would take to the address now: one hop, the source
 * it would choose, and a type other than RTN_UNICAST where it would not send (RTN_LOCAL: here); or
 * the kernel's -errno (-ENETUNREACH), and NULL.  Once. */
typedef void nl_lookup_cb(void *arg, int err, const struct nl_route *route);
/* -EINVAL: not an address; -ENOMEM. */
int netlink_lookup(struct netlink *, const struct addr *, nl_lookup_cb *, void *arg)
    __attribute__((warn_unused_result));
/* Have the kernel see whether a neighbour that it knows is there still, as if it had just sent to
 * it.  One that it does not know: nothing.  -EINVAL; -ENOMEM. */
int netlink_neigh_use(struct netlink *, unsigned ifindex, const struct addr *)
    __attribute__((warn_unused_result));
/* A message that was made with libnl, for what has no call of its own (links, neighbours): it is
 * taken over, also on an error, gets a number and asks for an answer.  -ENOMEM. */
struct nl_msg;
int netlink_msg(struct netlink *, struct nl_msg *, nl_route_cb *done, void *arg)
    __attribute__((warn_unused_result));
/* Changes, questions and nudges that were not answered yet, sent or not. */
size_t netlink_pending(const struct netlink *);

#endif
