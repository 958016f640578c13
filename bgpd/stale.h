/*
 * bgpd/stale.h: routes that a peer may not vouch for any more (stale.c), for adj.c and import.c.
 */
#ifndef HERALD_BGPD_STALE_H
#define HERALD_BGPD_STALE_H

#include "bgpd/rib.h"

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
