/*
 * bgpd/range.h: listen ranges: whoever connects from one becomes a peer of its own.  Between bgp.c
 * (configuration, orders), listen.c (connections) and peer.c.
 *
 * A range keeps the whole configuration that its peers get.  Those stand among the instance's peers,
 * with .range set; they never dial, and are forgotten a while after their session, once nothing that
 * they told is kept any more.
 */
#ifndef HERALD_BGPD_RANGE_H
#define HERALD_BGPD_RANGE_H

#include "bgpd/peer.h"
#include "bgpd/policy.h"

#define RANGE_FORGET_MS 30000 /* so long one can still see why a session ended */
#define RANGE_SWEEP_MS 5000
#define RANGE_HURRY_MS                                                                             \
	10000 /* not Established by then, it makes room for others when there is none */

struct range {
	struct range *next;
	struct instance *instance;
	struct bgp_peer_conf *conf;	/* without policies and audiences, which follow */
	struct policy *import, *export; /* NULL: memory was short; then nobody gets in */
	char *audience[BGP_NR_FAMILIES];
	bool wanted; /* while a configuration is applied */
	bool shut;   /* by a person */
	char *shut_message;
	uint64_t refused;
	struct log_limit noise;	 /* of all of its peers: they come and go */
	struct loop_timer sweep; /* while there are peers of it */
};

/* ---- for bgp.c ---- */
/* Take on the ranges of the configuration; marks the peers of ranges that are still wanted. */
void ranges_take(struct instance *, const struct bgp_instance_conf *);
/* Those whose peers are gone; and all of them. */
void ranges_drop(struct instance *, bool all);
/* The peers of ranges get what changed. */
void ranges_confer(struct instance *, const struct bgp_instance_conf *, bool reset);
struct range *range_named(const struct bgp *, const char *name);
void range_shutdown(struct range *, const char *message);
void range_enable(struct range *);
void range_each(struct range *, void (*fn)(struct peer *, void *arg), void *arg);

/* ---- for listen.c ---- */
/* The longest range with @remote of an instance that takes connections on @port; NULL: none. */
struct range *range_at(
    const struct bgp *, const struct addr *remote, unsigned ifindex, uint16_t port);
/* A connection from there, of somebody who is no peer yet. */
void range_accept(struct range *, int fd, const struct transport_names *, uint8_t ttl);
struct transport range_transport(const struct range *);

/* ---- for show.c ---- */
unsigned range_nr_peers(const struct range *);
const char *range_held_down(const struct range *); /* why nobody is let in, or NULL */

#endif
