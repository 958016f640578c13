/*
 * bgpd/stale.h: routes that a peer may not vouch for any more (stale.c), for adj.c and import.c.
 */
#ifndef HERALD_BGPD_STALE_H
#define HERALD_BGPD_STALE_H

#include "bgpd/rib.h"

/* A walk over a peer's paths that is on its way, a slice in each turn (adj.walk). */
enum stale_walk {
	WALK_NONE,
	/* Of those that were there at its begin, which are told by PATH_ODD (see sweep.c): */
	WALK_AGE,    /* they become stale; those that are already go */
	WALK_UNSEEN, /* they become unseen */
	/* Of those with such an age: */
	WALK_PURGE_STALE,
	WALK_PURGE_UNSEEN,
	WALK_LONG, /* stale ones become long-lived */
};

static inline bool
stale_walks_before(const struct adj *adj, enum bgp_family f)
{
	return adj->walk[f] == WALK_AGE || adj->walk[f] == WALK_UNSEEN;
}

struct sweep_budget;
/* A slice of it / all that is left of it, and of what follows it. */
void stale_walk_some(struct adj *, enum bgp_family, struct sweep_budget *);
void stale_walk_finish(struct adj *, enum bgp_family);
void stale_init(struct adj *);
void stale_fini(struct adj *);
/* Give the path these ages (PATH_AGES), and count. */
void adj_path_age(struct adj *, enum bgp_family, struct path *, unsigned ages);
/* The session is over: paths become stale with @keep, else they go; with @keep_old those that are
 * stale already stay too. */
void stale_begin(struct adj *, enum bgp_family, bool keep, bool keep_old);
/* Must the route not outlive the restart time (NO_LLGR)?  As received, and after import; either 0. */
bool stale_is_forbidden(const struct rib *, uint32_t in, uint32_t set);
/* The set with LLGR_STALE, with a reference; 0: no memory. */
uint32_t stale_mark(struct rib *, uint32_t set);
void stale_refresh_begin(struct adj *, enum bgp_family);
void stale_refresh_end(struct adj *, enum bgp_family);

#endif
