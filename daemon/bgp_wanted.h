/*
 * daemon/bgp_wanted.h: from (store, node) to what the BGP engine should be: sessions and policies
 * (struct bgp_plan), and the routes of one Service or of the node itself.  Pure but for what
 * is asked of the node's links, which the caller brings.
 *
 * A plan is made anew when configuration changes, and kept in between: with it one Service's
 * routes are a matter of that Service alone.
 */
#ifndef HERALD_DAEMON_BGP_WANTED_H
#define HERALD_DAEMON_BGP_WANTED_H

#include "bgpd/bgpd.h"
#include "daemon/arena.h"
#include "daemon/bgp_where.h"
#include "daemon/pods_wanted.h"
#include "daemon/bfd_wanted.h"
#include "lib/reason.h"
#include "resource/resource.h"

/* Something in the configuration that cannot be done, for `status` and the log. */
struct notice {
	const char *kind, *name; /* of the object that it is about */
	enum reason reason;
	const char *message;
	struct notice *next;
};

/* A set of advertisements that some peers select: who is told the same. */
struct bgp_audience {
	const char *name; /* their names, joined */
	const struct res_bgp_advertisement **adverts;
	size_t nr;
};

/* An advertisement that a peer's configuration selects, and that says itself that it is not for it. */
struct bgp_left_out {
	const char *instance, *peer;
	const struct res_bgp_advertisement *advert;
	const char *field; /* of it: "spec.nodeSelectors" or "spec.peers" */
	struct bgp_left_out *next;
};

struct bgp_plan_instance {
	const char *name;
	uint32_t local_as;
	struct bgp_audience *audiences;
	size_t nr;
};

struct bgp_plan {
	struct arena arena;
	struct bgp_conf conf; /* lives in the arena, strings in objects that the plan holds */
	struct bgp_plan_instance *instances;
	size_t nr_instances;
	bool mesh;		    /* other nodes are peers */
	struct bfd_wanted *watched; /* peers that BFD watches */
	size_t nr_watched;
	struct notice *notices;
	struct bgp_left_out *left_out; /* for explain; not all, where there are very many */
	size_t nr_left_out;
	struct res_set held;
};

/* @drained: all that peers are sent says that this node is about to go (RFC 8326).  @links may be NULL:
 * those of a node that is not this one are not known. */
struct bgp_plan *bgp_plan_new(
    const struct store *, const char *node, bool drained, const struct bgp_links *links);
void bgp_plan_free(struct bgp_plan *); /* NULL is fine */

/*
 * What @node announces of the Service on one instance; @lb are its LoadBalancer addresses.  The list
 * is in @arena, strings in the plan.  Returns how many.
 */
size_t bgp_wanted_service(const struct bgp_plan_instance *, const struct store *, const char *node,
    const struct res_service *, const struct addr *lb, size_t nr_lb, struct arena *,
    struct bgp_announce **out);
/* Likewise of the node itself: its PodCIDRs, and its ranges of PodIPPools. */
size_t bgp_wanted_node(const struct bgp_plan_instance *, const struct pod_plan *,
    const struct res_node *, struct arena *, struct bgp_announce **out);

/*
 * Why @addr of the Service is announced to @audience, or is not: what the advertisement that came
 * furthest says.  Of what bgp_wanted_service() announces it is REASON_SATISFIED.
 */
struct bgp_why {
	enum reason reason;
	const char *advert; /* the BGPAdvertisement; "": there is none */
	const char *field;  /* of it; "" */
};
struct bgp_why bgp_wanted_why(const struct bgp_audience *, const struct store *, const char *node,
    const struct res_service *, enum res_service_addr, const struct addr *);

/* Communities as the engine takes them; lists in @arena. */
struct bgp_communities bgp_communities_of(struct arena *, const struct res_communities *);
/* Rules, in @arena. */
struct bgp_policy bgp_policy_of(struct arena *, const struct res_rules *);

/* Why the gate of traffic policies lets an address of @svc out, or not: REASON_SATISFIED, or
 * no-local-endpoint, no-ready-endpoint (features of Cilium's table, with noEndpoints). */
enum reason bgp_service_gate(
    enum res_traffic_policy, enum res_no_endpoints, size_t active, size_t active_local);

#endif
