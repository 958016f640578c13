/*
 * fib/tunnel.h: the overlay between nodes: one VXLAN device of the kernel, and by permanent entries
 * which node each MAC is and where.  The routes through it are fib.h's (FIB_TUNNEL).
 *
 * Every node's device has a MAC that follows from its underlay address, and so the link-local
 * address that the kernel makes of it; routes of both families have that as their gateway (RFC 8950
 * for IPv4).  So a node knows of another all it needs from its Node document, nothing is learnt or
 * asked on the wire, and one forwarding entry and one neighbour for each node do.  The kernel must
 * have IPv6; the nodes need no addresses of it.
 *
 * A device that is there already is kept when its keys (VNI, port, local address, no learning) are
 * right, made anew when not.  What others take away comes back.  The device stays at the end of the
 * process unless tunnel_flush() is called.  A device of this name that is no VXLAN is left alone.
 * Nothing here waits or is fatal.  Loop thread only.
 */
#ifndef HERALD_FIB_TUNNEL_H
#define HERALD_FIB_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

struct loop;
struct tunnel;

#define TUNNEL_DEVICE "herald-vxlan"

enum tunnel_mode {
	TUNNEL_OFF,  /* there is to be none */
	TUNNEL_WAIT, /* our own address is not known yet: what is there stays */
	TUNNEL_VXLAN
};

struct tunnel_conf {
	enum tunnel_mode mode;
	struct addr local; /* this node's, on the underlay */
	uint32_t vni, mtu; /* MTU 0: that of the link with the local address, less the overhead */
	uint16_t port;
};

/* NULL: *err is why. */
struct tunnel *tunnel_new(struct loop *, int *err);
void tunnel_free(struct tunnel *); /* NULL is fine */
/* What is wanted: the complete list of other nodes' underlay addresses, of the local one's family;
 * copied.  -ENOMEM. */
int tunnel_set(struct tunnel *, const struct tunnel_conf *, const struct addr *nodes, size_t nr)
    __attribute__((warn_unused_result));
/* The wanted set is complete: entries that were there before us and nobody wants may go. */
void tunnel_adopted_done(struct tunnel *);
/* Remove the device, now, and all that hangs on it. */
void tunnel_flush(struct tunnel *);

struct tunnel_info {
	enum tunnel_mode mode;
	bool up; /* the device is as wanted */
	unsigned ifindex, mtu;
	size_t nr_nodes, nr_set; /* wanted; and those that the kernel has taken */
	int error;		 /* errno of the last refusal that still stands, or 0 */
};
void tunnel_info(const struct tunnel *, struct tunnel_info *);

/* Pure: what follows from a node's underlay address. */
void tunnel_mac(const struct addr *underlay, uint8_t mac[6]);
struct addr tunnel_gateway(const struct addr *underlay);
/* The bytes that VXLAN puts around an Ethernet frame's payload. */
unsigned tunnel_overhead(enum addr_family underlay);

#endif
