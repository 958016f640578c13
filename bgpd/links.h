/*
 * bgpd/links.h: which addresses this node has on the link of a session, for "next hop self" in the
 * other family and for RFC 2545's link-local next hops.  Asks the kernel; below peer.c.
 */
#ifndef HERALD_BGPD_LINKS_H
#define HERALD_BGPD_LINKS_H

#include "bgpd/bgpd.h"
#include "lib/loop.h"

struct ifaddrs;

struct link_view {
	unsigned ifindex;	/* of the link with @local; 0: not found */
	bool connected;		/* @remote is directly on that link */
	struct addr v4, v6, ll; /* ours on it: global ones, and the link-local; NONE: none */
};

/* The kernel's list, asked for once in a turn of the loop: many sessions come up at once. */
struct links {
	struct ifaddrs *all; /* NULL: not asked for in this turn */
	struct loop_work forget;
};

void links_init(struct links *, struct loop *);
void links_fini(struct links *);

/* What the link is like that @local belongs to; @scope: its index when the caller knows it. */
void link_view(struct links *, const struct addr *local, const struct addr *remote, unsigned scope,
    struct link_view *);

#endif
