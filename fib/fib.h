/*
 * fib/fib.h: the kernel routes that Herald owns.  An engine: the wanted set of prefixes and next
 * hops goes in, netlink changes come out; what others do to our routes is seen and repaired.
 *
 * Our routes carry FIB_PROTOCOL, so that they are told from everybody else's and found again after
 * a restart.  At the start they are adopted: kept as they are until fib_adopted_done() says that
 * the wanted set is complete; only then is the rest removed.  At the end of the process they stay
 * (forwarding outlives it) unless fib_flush() is called.
 *
 * Not installed, whatever is asked, and reported with a reason:
 *   - a route for an address of this node, one that equals or lies within a protected prefix
 *     (this node's PodCIDRs), or one for a prefix that the kernel itself has on one of our links;
 *   - gateways that neither a link reaches nor a router by a route of somebody else (then that
 *     router is the hop; not for FIB_DIRECT_NODE), or that the route itself would lead away from
 *     (a route needs at least one that is left); they are tried again whenever a link, an address
 *     or such a route changes.
 * A route of somebody else with the same prefix, table and metric is never replaced.
 *
 * FIB_DISCARD has no hops: where nothing longer is, the prefix is unreachable.  Of a protected prefix it
 * may be the whole, and its metric lets every other route of the same prefix go before.
 *
 * Nothing here is fatal: what the kernel refuses is logged (rate-limited), shown and tried again.
 * Changes are collected and sent once a turn of the loop.  Loop thread only.
 */
#ifndef HERALD_FIB_FIB_H
#define HERALD_FIB_FIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fib/tunnel.h" /* the overlay that FIB_TUNNEL routes lead through */
#include "lib/addr.h"
#include "lib/reason.h"

struct fib;
struct loop;

/* rtm_protocol of our routes; not assigned in linux/rtnetlink.h nor in iproute2's rt_protos. */
#define FIB_PROTOCOL 179
#define FIB_HOPS_MAX 64
#define FIB_WEIGHT_MAX 256

/* FIB_TUNNEL: hops are tunnel_gateway()s without a link; it is the tunnel's device, once there. */
enum fib_origin { FIB_BGP_LEARNED, FIB_DIRECT_NODE, FIB_TUNNEL, FIB_DISCARD, FIB_NR_ORIGINS };
#define FIB_DISCARD_METRIC 4278198272u /* behind whatever others have */

struct fib_hop {
	struct addr gateway; /* may be of the other family than the prefix (RFC 8950) */
	uint16_t weight;     /* its part of the load, 1 to 256; 0 is taken as 1 */
	unsigned ifindex;    /* 0: the link that has the gateway on it */
};

struct fib_conf {
	uint32_t table;	 /* 0: main (254) */
	uint32_t metric; /* priority of our routes; 0: 20 */
};

/* @err: what went wrong (a descriptor, a netlink socket), with NULL as the answer.  Routes of ours
 * that are in the kernel are adopted as soon as the first dump is in. */
struct fib *fib_new(struct loop *, const struct fib_conf *, int *err);
/* Leaves the routes in the kernel. */
void fib_free(struct fib *); /* NULL is fine */

/* Another table or metric: routes move, new before old. */
void fib_conf_set(struct fib *, const struct fib_conf *);
/* The PodCIDRs of this node: the complete list, copied. */
int fib_protect_set(struct fib *, const struct prefix *, size_t nr)
    __attribute__((warn_unused_result));

/*
 * Want a route; hops are copied, in any order, duplicates dropped, at most FIB_HOPS_MAX.  Each
 * origin has its own wants; when several want the same prefix FIB_TUNNEL has it, then
 * FIB_DIRECT_NODE, FIB_DISCARD.  The same again costs a comparison.  -EINVAL: no hops or too many.  -ENOMEM.
 */
int fib_route_set(struct fib *, enum fib_origin, const struct prefix *, const struct fib_hop *,
    size_t nr) __attribute__((warn_unused_result));
/* Want the prefix unreachable (FIB_DISCARD).  -ENOMEM. */
int fib_discard_set(struct fib *, const struct prefix *) __attribute__((warn_unused_result));
void fib_route_del(struct fib *, enum fib_origin, const struct prefix *);

/* A complete set of one origin: begin, fib_route_set() each, end; what was not set in between is
 * not wanted any more. */
void fib_sync_begin(struct fib *, enum fib_origin);
void fib_sync_end(struct fib *, enum fib_origin);

/* The wanted set is complete: remove adopted routes that nobody wants.  Once; later calls are
 * without effect. */
void fib_adopted_done(struct fib *);

/* Remove all our routes from the kernel, now (for `heraldctl shutdown`); nothing is wanted then. */
void fib_flush(struct fib *);

/* ---- answers ---- */
struct fib_route_info {
	struct prefix prefix;
	enum fib_origin origin;
	bool adopted;	/* in the kernel, not (yet) wanted by anybody; origin counts for nothing */
	bool installed; /* in the kernel as wanted */
	enum reason reason; /* REASON_SATISFIED when installed, else why not */
	int error;	    /* errno of the kernel's refusal, or 0 */
	uint32_t table;
	/* The hops in the kernel when installed, those wanted otherwise. */
	const struct fib_hop *hops;
	size_t nr_hops;
};

const char *fib_origin_name(
    enum fib_origin); /* "bgp-learned", "direct-node", "tunnel", "discard" */
/* In prefix order; @each returns false to stop.  Names of links are the caller's to look up. */
void fib_each(
    const struct fib *, bool (*each)(void *arg, const struct fib_route_info *), void *arg);

/* Likewise what the kernel is to have, by what is wanted and known of the node now; whether it has it yet
 * or not.  What is not to be installed is left out. */
void fib_targets_each(
    const struct fib *, bool (*each)(void *arg, const struct fib_route_info *), void *arg);

/*
 * For what is never carried out (plan): the tunnel's device is there, as it will be once the tunnel's engine has
 * made it, or is not.  While it is only assumed its routes have this link.  -ENOMEM.
 */
#define FIB_IFINDEX_TO_COME 0x7fffffffu
int fib_tunnel_assume(struct fib *, bool there) __attribute__((warn_unused_result));

struct fib_stats {
	size_t wanted, installed, failed;
	uint64_t added, removed, repaired, errors; /* since the start */
};
void fib_stats(const struct fib *, struct fib_stats *);

#endif
