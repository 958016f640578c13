/*
 * daemon/bgp_where.h: where a peer is: an address that is given, a range, or what is to be found: the
 * default gateway, the neighbour on an interface.  Between BGPClusterConfig's peers and bgp_wanted.c.
 */
#ifndef HERALD_DAEMON_BGP_WHERE_H
#define HERALD_DAEMON_BGP_WHERE_H

#include "bgpd/bgpd.h"
#include "daemon/arena.h"
#include "lib/reason.h"
#include "resource/resource.h"

/* An address that was found, and the interface that it is on. */
struct bgp_found {
	struct addr addr;
	unsigned ifindex;
	char link[16];
};

/* What is known of the node's links.  A plan of another node has none: then nothing is found. */
struct bgp_links {
	/*
	 * The one usable address of a link for sourceInterface.  0; -ENODEV: no such link; -ENOENT: it
	 * has none of the family; -E2BIG: several.
	 */
	int (*addr)(void *arg, const char *link, enum addr_family, struct addr *);
	/* Its number; 0: there is no such link. */
	unsigned (*index)(void *arg, const char *link);
	/* The gateway of the default route.  REASON_SATISFIED, or why there is none yet. */
	enum reason (*gateway)(void *arg, enum addr_family, struct bgp_found *);
	/* The router on a link.  Likewise; ->ifindex is set as soon as there is the link. */
	enum reason (*neighbour)(void *arg, const char *link, struct bgp_found *);
	void *arg;
};

struct bgp_where {
	struct bgp_found at; /* .addr not set: nowhere yet */
	enum reason reason;  /* why; REASON_SATISFIED */
	const char *why;     /* the same for people, in the arena; NULL */
	bool unnumbered;
};

/* @links NULL: nothing is known. */
void bgp_where_is(
    const struct res_bgp_peer *, const struct bgp_links *links, struct arena *, struct bgp_where *);

#endif
