/*
 * datapath/links.h: what the parts of links share: links.c (news, which devices), links_way.c
 * (questions to the kernel, the address that we send as), links_map.c (what programs know of a
 * link), links_hops.c (when a next hop is not true any more).  Private to them.
 */
#ifndef HERALD_DATAPATH_LINKS_H
#define HERALD_DATAPATH_LINKS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/core.h"
#include "lib/loop.h"
#include "lib/netdev.h"
#include "lib/netlink.h"

enum link_role { LINK_NONE, LINK_UPLINK, LINK_PODS };

struct link {
	struct nl_link l;
	uint32_t seen;		/* the dump that told of it last */
	enum link_role role;	/* told to ops.device() */
	char told[16];		/* under that name */
	bool xmit;		/* the kernel says that it takes frames that XDP redirects */
	struct lb_link written; /* in the map */
	bool is_written;
};

/* An address of this node. */
struct own {
	struct nl_ifaddr a;
	uint32_t seen;
};

/* A hop of a default route of the main table. */
struct exit_hop {
	struct addr gateway, source; /* source: the route's preferred one; mostly not set */
	uint8_t family;
	uint32_t metric;
	unsigned ifindex;
	uint32_t seen;
};

/* An address, and by which device the kernel reaches it. */
struct way {
	struct addr addr;
	unsigned ifindex; /* 0: not known, or by none */
	struct addr source;
	bool asked;
};

struct ways {
	struct way *way; /* sorted by address, each once */
	size_t nr, cap;
};

/* Whose ways they are. */
enum ways_of { WAYS_PEERS, WAYS_LOCALS, WAYS_GATEWAYS, NR_WAYS_OF };

struct question;

struct neigh {
	unsigned ifindex; /* 0: a free place */
	struct addr addr;
	uint16_t state;
	bool valid;
	uint8_t mac[6];
	uint32_t seen;
};

/* Open addressing, linear, with deletion by moving back. */
struct neighs {
	struct neigh *slot;
	size_t nr, size; /* size: a power of two, or 0 */
};

/* A walk through the next hops, in slices. */
struct upkeep {
	struct loop_timer timer;
	struct loop_work work;
	struct stale {
		unsigned ifindex;
		uint8_t mac[6];
		bool wanted;
		struct addr addr;
	} * stale; /* sorted by ifindex and MAC */
	size_t nr;
	struct upkeep_batch *batch;
	uint32_t last; /* next hop that was looked at */
	bool begun;
	uint64_t nudged; /* neighbours, ever */
};

struct dp_links {
	struct loop *loop;
	struct links_ops ops;
	void *arg;
	struct netlink *nl;
	const struct dp_maps *maps;
	regex_t *patterns;
	char **names;
	size_t nr_patterns;
	struct addr snat[2]; /* configured: IPv4, IPv6 */
	struct link *links;
	size_t nr_links, cap_links;
	struct own *owns;
	size_t nr_owns, cap_owns;
	struct exit_hop *exits;
	size_t nr_exits, cap_exits;
	struct ways ways[NR_WAYS_OF];
	struct question *questions;
	struct neighs neighs;
	struct upkeep upkeep;
	struct netdev *xdp; /* NULL: this kernel does not tell */
	struct loop_timer dump_soon, ask_soon, choose_soon, locals_soon, features, ports, beat;
	struct loop_work raise;
	struct addr *gather; /* while ops.locals() runs */
	size_t nr_gather, cap_gather;
	bool gather_failed;
	uint64_t locals_ms; /* when they were asked for last */
	uint32_t seen;	    /* number of the last dumps */
	unsigned nr_dumps;  /* that run */
	bool dump_failed, dump_again;
	bool synced; /* the first dumps are in */
	bool ports_told;
};

/* links.c */
struct link *link_find(struct dp_links *, unsigned ifindex);
/* Devices may be others: look soon. */
void links_choose_soon(struct dp_links *);
void links_dump_soon(struct dp_links *);

/* links_way.c */
void ways_fini(struct dp_links *);
/* Ask the kernel for all ways, or those not asked yet. */
void ways_ask(struct dp_links *, enum ways_of, bool all);
/* This is whose ways are wanted; what is known of those that were there stays. */
void ways_set(struct dp_links *, enum ways_of, struct addr *, size_t nr);
bool ways_cover(const struct dp_links *, const struct prefix *);
bool ways_are_asked(const struct dp_links *); /* no answer is missing */
bool ways_use(const struct ways *, unsigned ifindex);
void gateways_changed(struct dp_links *);
void snat_write(struct dp_links *);
void snat_ports_due(void *links);
/* The largest gap from 1024 on outside [lo, hi] and the NodePort range; how many ports. */
unsigned snat_ports(unsigned lo, unsigned hi, unsigned *min);

/* links_map.c */
void links_features_told(void *links, unsigned ifindex, uint64_t features);
void links_features_due(void *links);
void link_write(struct dp_links *, struct link *);
void link_unwrite(struct dp_links *, const struct link *);
void links_write_all(struct dp_links *);

/* links_hops.c */
void hops_raise(struct dp_links *); /* once, at the end of this turn */
void hops_raise_due(void *links);
void links_beat_due(void *links);
void neigh_news(struct dp_links *, enum nl_how, const struct nl_neigh *);
void neighs_sweep(struct dp_links *); /* those that the last dump did not tell of */
void neighs_drop_link(struct dp_links *, unsigned ifindex);
void upkeep_due(void *links);
void upkeep_slice(void *links);
void upkeep_stop(struct dp_links *);

#endif
