/*
 * bgpd/conf.h: the session's share of a peer's configuration: a copy to keep, and what the
 * difference between two of them costs.  Between bgp_apply() and the peers; no sockets.
 *
 * Policies, audiences and prefix limits are the RIB's (adj_conf() copies and compares them).
 */
#ifndef HERALD_BGPD_CONF_H
#define HERALD_BGPD_CONF_H

#include "bgpd/bgpd.h"

/* What a change of a field costs; the dearest of all wins. */
enum conf_cost {
	CONF_SAME,
	CONF_SOFT,  /* the RIB takes it on: the session stays */
	CONF_NEXT,  /* counts from the next attempt on, the session stays */
	CONF_RESET, /* the session has to be made anew */
};

/* A copy without policies and audiences, strings included; conf_free() takes it. */
struct bgp_peer_conf *conf_copy(const struct bgp_peer_conf *);
void conf_free(struct bgp_peer_conf *); /* NULL is fine; the key is wiped */

/* The cost of going from one to the other; *field is the name of the first of the dearest. */
enum conf_cost conf_compare(
    const struct bgp_peer_conf *, const struct bgp_peer_conf *, const char **field);

/* All fields that differ, the dearest first; names of literals.  How many of the at most @max. */
size_t conf_differences(
    const struct bgp_peer_conf *, const struct bgp_peer_conf *, const char **fields, size_t max);

unsigned conf_families(const struct bgp_peer_conf *); /* mask of those enabled */

#endif
